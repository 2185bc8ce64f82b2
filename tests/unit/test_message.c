/* Messages: every field of every type comes back, and nothing broken is believed. */
#include "rpc/message.h"
#include "rpc/wire.h"

#include "unit/unit.h"

#include <string.h>

#define HEADER 24u

/* One message of each type with every field set (full), and one with nothing (empty). */

static ds_input some_inputs[] = {
    {.kind = DS_INPUT_BLOCK, .ref = {1, 2, 3}, .position = 4, .header = 5, .path = ""},
    {.kind = DS_INPUT_BLOCK, .ref = {1, 2, 3}, .path = "a.log", .log = {4, UINT64_MAX, 5}},
    {.kind = DS_INPUT_LOG, .ref = {0, 0, 3}, .header = 6, .path = "b.log", .log = {7, 8, 9}},
    {.kind = DS_INPUT_FILE, .from = 6, .to = UINT64_MAX, .position = 7, .path = "logs/a b.log"},
    {.kind = DS_INPUT_PIECES, .ref = {4, 5, 6}, .input = 8, .path = ""},
    {.kind = DS_INPUT_RATE, .from = 8, .to = 9, .path = ""},
    {.kind = DS_INPUT_TAIL,
     .from = 1,
     .to = 2,
     .position = 3,
     .path = "log.1",
     .tail = {4, {5, UINT64_MAX, 6, DS_HEAD_BYTES}, 7, true, 8, 9, true}},
    {.kind = DS_INPUT_QUEUE, .from = 10, .path = ""},
    {.kind = DS_INPUT_PIECES, .ref = {UINT64_MAX, 11, 12}, .path = ""},
};

static ds_table_use some_tables[] = {{1, 2}, {UINT32_MAX, UINT64_MAX}};

static ds_saved_part some_parts[] = {
    {1, 2, 3, INT64_MIN, true, "state/kept/1-2.bin", {4, 5, 6}, 7, 8, UINT64_MAX},
    {.batch_ms = 1000, .path = "", .ref = {1, UINT64_MAX, 2}},
};

static ds_task some_tasks[] = {
    {.batch_ms = INT64_MIN,
     .plan_id = 1,
     .stage = 2,
     .partition = 3,
     .attempt = 4,
     .zero_ms = 4000,
     .keyed_ms = -5,
     .inputs = some_inputs,
     .n_inputs = 8,
     .tables = some_tables,
     .n_tables = 2,
     .mode = DS_TASK_REPLAY,
     .save = UINT64_MAX,
     .save_whole = true,
     .save_folds = true,
     .saved = some_parts,
     .n_saved = 2},
    {.batch_ms = 1000, .plan_id = UINT32_MAX, .partition = 9},
};

static ds_output some_outputs[] = {
    {.kind = DS_OUTPUT_PIECES, .target = 1, .input = 9, .rows = 2, .ref = {3, 4, 5}, .path = ""},
    {.kind = DS_OUTPUT_FILE, .target = 6, .rows = 7, .length = 8, .checksum = 9, .path = "o/.p-1"},
    {.kind = DS_OUTPUT_BYTES, .ref = {10, 11, 12}, .path = ""},
};

static ds_bad_sample some_samples[] = {
    {.reason = 1, .where = "access.log:1234 (byte 99)", .detail = "no closing quote"},
    {.reason = DS_BAD_REASON_SLOTS - 1, .where = "record 17", .detail = ""},
    {.reason = DS_BAD_REASON_SLOTS, .where = "logs/a", .detail = "the file vanished"},
};

static ds_task_result some_results[] = {
    {.batch_ms = 60000,
     .plan_id = 1,
     .stage = 2,
     .partition = 3,
     .attempt = 4,
     .status = DS_ERR_LOST,
     .message = "piece 3 is gone",
     .rows_in = 5,
     .bytes_in = 6,
     .bad = {7, 8, 9, 10, 11, 12, 13, 14},
     .replaced = 15,
     .lost_bytes = 25,
     .damaged = {26, 27, 28},
     .missing = {29, 30, 31},
     .overflow_rows = 16,
     .overflow_values = 17,
     .function_rows = 20,
     .function_values = 21,
     .spilled_bytes = 19,
     .acts_ms = -20,
     .busy_us = 18,
     .outputs = some_outputs,
     .n_outputs = 3,
     .samples = some_samples,
     .n_samples = 3},
    {.message = ""},
};

static ds_block some_blocks[] = {
    {1, 2, 3, 4, 5, 6, 7, {8, 9, 10}},
    {UINT64_MAX, 0, UINT64_MAX, 0, UINT32_MAX, 0, UINT64_MAX, {0, 0, 0}},
};

static int64_t some_batches[] = {INT64_MAX, -1, 0};
static ds_ref some_refs[] = {{1, 2, 3}, {4, UINT64_MAX, 5}};
static struct ds_block_range some_ranges[] = {{1, 2, 3}, {4, 5, UINT64_MAX}};

static ds_replica some_replicas[] = {{1, UINT64_MAX, {2, 3, 4}}, {5, 6, {7, UINT64_MAX, 8}}};

static ds_message full_of_kept(uint8_t type)
{
    ds_message m = {.type = type, .epoch = 0x0123456789abcdefu};
    switch (type) {
    case DS_MSG_SAVED:
        m.saved = (ds_msg_saved){1, UINT64_MAX, DS_ERR_IO, "the disk is full", some_parts, 2};
        break;
    case DS_MSG_TABLE_LOAD:
        m.table_load = (ds_msg_table_load){1, 2, 3, 4, {5, 6, 7, -8, INT64_MAX}, UINT64_MAX};
        break;
    case DS_MSG_TABLE_LOADED:
        m.table_loaded = (ds_msg_table_loaded){.load_id = 1,
                                               .same = true,
                                               .stamp = {2, 3, 4, 5, INT64_MIN},
                                               .checksum = 6,
                                               .inputs = some_inputs,
                                               .n_inputs = 8,
                                               .result = some_results[0]};
        break;
    case DS_MSG_TABLE: m.table = (ds_msg_table){1, 2, 3, some_inputs, 8}; break;
    case DS_MSG_TABLE_DROP: m.table_drop = (ds_msg_table_drop){1, 2, UINT64_MAX}; break;
    case DS_MSG_REPLICATE: m.replicate = (ds_msg_replicate){1, UINT64_MAX, some_replicas, 2}; break;
    case DS_MSG_REPLICATED:
        m.replicated =
            (ds_msg_replicated){UINT64_MAX, DS_ERR_NO_MEMORY, "no room", some_replicas, 2};
        break;
    case DS_MSG_FETCHED: m.fetched = (ds_msg_fetched){3, DS_ERR_LOST, "\0any\xff bytes", 11}; break;
    default: ck_abort_msg("no example of type %d", type);
    }
    return m;
}

static ds_message full(uint8_t type)
{
    ds_message m = {.type = type, .epoch = 0x0123456789abcdefu};
    switch (type) {
    case DS_MSG_HELLO:
        m.hello = (ds_msg_hello){.protocol = 1,
                                 .build = "0.1.0",
                                 .app_id = "app-1",
                                 .executor_id = 2,
                                 .token = {[0] = 0xff, [31] = 7},
                                 .cores = 3,
                                 .pid = 4242,
                                 .store_fd = -1,
                                 .spill_fd = 77,
                                 .store_bytes = 5,
                                 .spill_bytes = (uint64_t)1 << 40,
                                 .host = "6b3c",
                                 .bulk_url = "tcp://127.0.0.1:1234"};
        break;
    case DS_MSG_WELCOME:
        m.welcome = (ds_msg_welcome){7, "app-1", 500, {[0] = 1, [31] = 0xfe}, "/a b"};
        break;
    case DS_MSG_REJECT: m.reject.reason = "caf\xc3\xa9: another app"; break;
    case DS_MSG_PLAN:
        m.plan = (ds_msg_plan){3, UINT64_MAX, "{\"version\":1}", "app-1-7", "state/kept"};
        break;
    case DS_MSG_PLAN_RESULT:
        m.plan_result = (ds_msg_plan_result){3, DS_ERR_APP, "no such column"};
        break;
    case DS_MSG_DROP_PLAN: m.drop_plan.plan_id = 3; break;
    case DS_MSG_PEER:
        m.peer =
            (ds_msg_peer){4, "/proc/1/fd/5", 1u << 30, "/proc/1/fd/6", 9, "abstract://bulk", true};
        break;
    case DS_MSG_TASKS: m.tasks = (ds_msg_tasks){some_tasks, 2, true}; break;
    case DS_MSG_TASK_RESULTS: m.task_results = (ds_msg_task_results){some_results, 2}; break;
    case DS_MSG_RECEIVER_START:
        m.receiver_start = (ds_msg_receiver_start){1, 2, 3, 4, true, "state/log/in", 5};
        break;
    case DS_MSG_RECEIVER_RATE: m.receiver_rate = (ds_msg_receiver_rate){3, 4}; break;
    case DS_MSG_RECEIVER_STOP: m.receiver_stop.receiver_id = 3; break;
    case DS_MSG_RECEIVER_STATE:
        m.receiver_state =
            (ds_msg_receiver_state){3, DS_RECEIVER_FAILED, DS_ERR_UNAVAILABLE, "refused"};
        break;
    case DS_MSG_CUT: m.cut.tick = 9; break;
    case DS_MSG_CUT_DONE: m.cut_done.tick = 10; break;
    case DS_MSG_BLOCKS: m.blocks = (ds_msg_blocks){3, some_blocks, 2}; break;
    case DS_MSG_RELEASE:
        m.release =
            (ds_msg_release){some_batches, 3, some_ranges, 2, some_batches, 2, some_refs, 2};
        break;
    case DS_MSG_HEARTBEAT: m.heartbeat = (ds_msg_heartbeat){1, 2, UINT64_MAX, 4}; break;
    case DS_MSG_STOP: m.stop.reason = "the app has ended"; break;
    case DS_MSG_FETCH: m.fetch = (ds_msg_fetch){3, {4, UINT64_MAX, DS_FETCH_LIMIT}}; break;
    default: return full_of_kept(type);
    }
    return m;
}

static ds_message empty(uint8_t type)
{
    return (ds_message){.type = type};
}

static void same_number(const char *name, uint64_t a, uint64_t b)
{
    ck_assert_msg(a == b, "%s: %llu is not %llu", name, (unsigned long long)b,
                  (unsigned long long)a);
}

static void same_text(const char *name, const char *a, const char *b)
{
    ck_assert_msg(strcmp(a == NULL ? "" : a, b) == 0, "%s: \"%s\" is not \"%s\"", name, b, a);
}

#define SAME(field) same_number(#field, (uint64_t)a->field, (uint64_t)b->field)
#define SAME_TEXT(field) same_text(#field, a->field, b->field)

static void same_ref(const ds_ref *a, const ds_ref *b)
{
    SAME(executor_id), SAME(offset), SAME(length);
}

static void same_input(const ds_input *a, const ds_input *b)
{
    SAME(kind), SAME(input), SAME(from), SAME(to), SAME(position), SAME(header);
    same_ref(&a->ref, &b->ref);
    SAME_TEXT(path);
    SAME(tail.number), SAME(tail.stop), SAME(tail.starts), SAME(tail.pid), SAME(tail.fd);
    SAME(tail.id.device), SAME(tail.id.inode), SAME(tail.id.head), SAME(tail.id.head_bytes);
    SAME(log.receiver_id), SAME(log.segment), SAME(log.offset);
}

static void same_part(const ds_saved_part *a, const ds_saved_part *b)
{
    SAME(stage), SAME(partition), SAME(input), SAME(batch_ms), SAME(whole), SAME(offset);
    SAME(length), SAME(checksum);
    same_ref(&a->ref, &b->ref);
    SAME_TEXT(path);
}

static void same_task(const ds_task *a, const ds_task *b)
{
    SAME(batch_ms), SAME(plan_id), SAME(stage), SAME(partition), SAME(attempt), SAME(zero_ms),
        SAME(keyed_ms);
    SAME(n_inputs), SAME(n_tables);
    for (uint32_t i = 0; i < a->n_inputs; i++)
        same_input(&a->inputs[i], &b->inputs[i]);
    for (uint32_t i = 0; i < a->n_tables; i++)
        SAME(tables[i].source), SAME(tables[i].version);
    SAME(mode), SAME(save), SAME(save_whole), SAME(save_folds), SAME(n_saved);
    for (uint32_t i = 0; i < a->n_saved; i++)
        same_part(&a->saved[i], &b->saved[i]);
}

static void same_output(const ds_output *a, const ds_output *b)
{
    SAME(kind), SAME(target), SAME(input), SAME(rows), SAME(length), SAME(checksum);
    same_ref(&a->ref, &b->ref);
    SAME_TEXT(path);
}

static void same_sample(const ds_bad_sample *a, const ds_bad_sample *b)
{
    SAME(reason);
    SAME_TEXT(where), SAME_TEXT(detail);
}

static void same_result(const ds_task_result *a, const ds_task_result *b)
{
    SAME(batch_ms), SAME(plan_id), SAME(stage), SAME(partition), SAME(attempt), SAME(status);
    SAME_TEXT(message);
    SAME(rows_in), SAME(bytes_in), SAME(replaced), SAME(overflow_rows), SAME(overflow_values);
    SAME(function_rows), SAME(function_values);
    SAME(lost_bytes);
    SAME(damaged.blocks);
    SAME(damaged.records);
    SAME(damaged.bytes);
    SAME(missing.blocks);
    SAME(missing.records);
    SAME(missing.bytes);
    SAME(spilled_bytes), SAME(acts_ms), SAME(busy_us), SAME(n_outputs), SAME(n_samples);
    for (unsigned i = 0; i < DS_BAD_REASON_SLOTS; i++)
        SAME(bad[i]);
    for (uint32_t i = 0; i < a->n_outputs; i++)
        same_output(&a->outputs[i], &b->outputs[i]);
    for (uint32_t i = 0; i < a->n_samples; i++)
        same_sample(&a->samples[i], &b->samples[i]);
}

static void same_block(const ds_block *a, const ds_block *b)
{
    SAME(block_id), SAME(offset), SAME(length), SAME(records), SAME(header), SAME(too_long);
    SAME(cut_short), SAME(log.receiver_id), SAME(log.segment), SAME(log.offset);
}

static void same_release(const ds_msg_release *a, const ds_msg_release *b)
{
    SAME(n_batches), SAME(n_blocks);
    for (uint32_t i = 0; i < a->n_batches; i++)
        SAME(batches[i]);
    for (uint32_t i = 0; i < a->n_blocks; i++)
        SAME(blocks[i].receiver_id), SAME(blocks[i].first), SAME(blocks[i].last);
    SAME(n_committed), SAME(n_saved);
    for (uint32_t i = 0; i < a->n_committed; i++)
        SAME(committed[i]);
    for (uint32_t i = 0; i < a->n_saved; i++)
        same_ref(&a->saved[i], &b->saved[i]);
}

static void same_saved(const ds_msg_saved *a, const ds_msg_saved *b)
{
    SAME(plan_id), SAME(save), SAME(status), SAME(n_parts);
    SAME_TEXT(message);
    for (uint32_t i = 0; i < a->n_parts; i++)
        same_part(&a->parts[i], &b->parts[i]);
}

static void same_stamp(const ds_file_stamp *a, const ds_file_stamp *b)
{
    SAME(device), SAME(inode), SAME(size), SAME(modified_ns), SAME(changed_ns);
}

static void same_loaded(const ds_msg_table_loaded *a, const ds_msg_table_loaded *b)
{
    SAME(load_id), SAME(same), SAME(checksum), SAME(n_inputs);
    same_stamp(&a->stamp, &b->stamp);
    for (uint32_t i = 0; i < a->n_inputs; i++)
        same_input(&a->inputs[i], &b->inputs[i]);
    same_result(&a->result, &b->result);
}

static void same_table(const ds_msg_table *a, const ds_msg_table *b)
{
    SAME(plan_id), SAME(source), SAME(version), SAME(n_inputs);
    for (uint32_t i = 0; i < a->n_inputs; i++)
        same_input(&a->inputs[i], &b->inputs[i]);
}

static void same_hello(const ds_msg_hello *a, const ds_msg_hello *b)
{
    SAME(protocol), SAME(executor_id), SAME(cores), SAME(pid), SAME(store_fd), SAME(store_bytes);
    SAME(spill_fd), SAME(spill_bytes);
    SAME_TEXT(build), SAME_TEXT(app_id), SAME_TEXT(host), SAME_TEXT(bulk_url);
    ck_assert_mem_eq(a->token, b->token, DS_TOKEN_BYTES);
}

static void same_replicas(const ds_replica *a, const ds_replica *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_uint_eq(a[i].receiver_id, b[i].receiver_id);
        ck_assert_uint_eq(a[i].block_id, b[i].block_id);
        same_ref(&a[i].ref, &b[i].ref);
    }
}

static void same_lists(const ds_message *a, const ds_message *b)
{
    if (a->type == DS_MSG_TASKS) {
        SAME(tasks.n_tasks), SAME(tasks.more);
        for (uint32_t i = 0; i < a->tasks.n_tasks; i++)
            same_task(&a->tasks.tasks[i], &b->tasks.tasks[i]);
    } else if (a->type == DS_MSG_TASK_RESULTS) {
        SAME(task_results.n_results);
        for (uint32_t i = 0; i < a->task_results.n_results; i++)
            same_result(&a->task_results.results[i], &b->task_results.results[i]);
    } else if (a->type == DS_MSG_BLOCKS) {
        SAME(blocks.receiver_id), SAME(blocks.n_blocks);
        for (uint32_t i = 0; i < a->blocks.n_blocks; i++)
            same_block(&a->blocks.blocks[i], &b->blocks.blocks[i]);
    } else if (a->type == DS_MSG_REPLICATE) {
        SAME(replicate.number), SAME(replicate.room_bytes), SAME(replicate.n_blocks);
        same_replicas(a->replicate.blocks, b->replicate.blocks, a->replicate.n_blocks);
    } else if (a->type == DS_MSG_REPLICATED) {
        SAME(replicated.number), SAME(replicated.status), SAME(replicated.n_blocks);
        SAME_TEXT(replicated.message);
        same_replicas(a->replicated.blocks, b->replicated.blocks, a->replicated.n_blocks);
    } else {
        same_release(&a->release, &b->release);
    }
}

static void same(const ds_message *a, const ds_message *b)
{
    SAME(type), SAME(epoch);
    switch (a->type) {
    case DS_MSG_HELLO: same_hello(&a->hello, &b->hello); break;
    case DS_MSG_WELCOME:
        SAME(welcome.executor_id), SAME(welcome.heartbeat_ms), SAME_TEXT(welcome.app_id);
        SAME_TEXT(welcome.folder);
        ck_assert_mem_eq(a->welcome.key, b->welcome.key, DS_TOKEN_BYTES);
        break;
    case DS_MSG_REJECT: SAME_TEXT(reject.reason); break;
    case DS_MSG_PLAN:
        SAME(plan.plan_id), SAME(plan.hash), SAME_TEXT(plan.text), SAME_TEXT(plan.staging_suffix);
        SAME_TEXT(plan.kept_folder);
        break;
    case DS_MSG_PLAN_RESULT:
        SAME(plan_result.plan_id), SAME(plan_result.status), SAME_TEXT(plan_result.message);
        break;
    case DS_MSG_DROP_PLAN: SAME(drop_plan.plan_id); break;
    case DS_MSG_PEER:
        SAME(peer.executor_id), SAME(peer.store_bytes), SAME(peer.gone);
        SAME(peer.spill_bytes), SAME_TEXT(peer.spill_path);
        SAME_TEXT(peer.path), SAME_TEXT(peer.bulk_url);
        break;
    case DS_MSG_RECEIVER_START:
        SAME(receiver_start.plan_id), SAME(receiver_start.source), SAME(receiver_start.receiver_id);
        SAME(receiver_start.credit_bytes), SAME(receiver_start.until_idle);
        SAME_TEXT(receiver_start.log_folder);
        SAME(receiver_start.rate);
        break;
    case DS_MSG_RECEIVER_STOP: SAME(receiver_stop.receiver_id); break;
    case DS_MSG_RECEIVER_RATE: SAME(receiver_rate.receiver_id), SAME(receiver_rate.rate); break;
    case DS_MSG_RECEIVER_STATE:
        SAME(receiver_state.receiver_id), SAME(receiver_state.phase), SAME(receiver_state.status);
        SAME_TEXT(receiver_state.message);
        break;
    case DS_MSG_SAVED: same_saved(&a->saved, &b->saved); break;
    case DS_MSG_CUT: SAME(cut.tick); break;
    case DS_MSG_CUT_DONE: SAME(cut_done.tick); break;
    case DS_MSG_HEARTBEAT:
        SAME(heartbeat.used_bytes), SAME(heartbeat.store_used), SAME(heartbeat.store_peak);
        SAME(heartbeat.refused);
        break;
    case DS_MSG_STOP: SAME_TEXT(stop.reason); break;
    case DS_MSG_FETCH: SAME(fetch.number), same_ref(&a->fetch.ref, &b->fetch.ref); break;
    case DS_MSG_FETCHED:
        SAME(fetched.number), SAME(fetched.status), SAME(fetched.n_bytes);
        if (a->fetched.n_bytes > 0)
            ck_assert_mem_eq(a->fetched.bytes, b->fetched.bytes, a->fetched.n_bytes);
        break;
    case DS_MSG_TABLE_LOAD:
        SAME(table_load.plan_id), SAME(table_load.source), SAME(table_load.load_id);
        SAME(table_load.version), SAME(table_load.checksum);
        same_stamp(&a->table_load.known, &b->table_load.known);
        break;
    case DS_MSG_TABLE_LOADED: same_loaded(&a->table_loaded, &b->table_loaded); break;
    case DS_MSG_TABLE: same_table(&a->table, &b->table); break;
    case DS_MSG_TABLE_DROP:
        SAME(table_drop.plan_id), SAME(table_drop.source), SAME(table_drop.version);
        break;
    default: same_lists(a, b);
    }
}

static ds_status decode(ds_arena *arena, const ds_buffer *bytes, ds_message *message)
{
    return ds_message_decode(arena, bytes->data, bytes->length, message, NULL);
}

static void check_round_trip(const ds_message *message)
{
    ds_buffer bytes = {0}, again = {0};
    ds_arena *arena = ds_arena_new(NULL);
    ds_message got;
    ds_error error = {0};
    ds_message_encode(&bytes, message);
    ck_assert_msg(ds_message_decode(arena, bytes.data, bytes.length, &got, &error) == DS_OK, "%s",
                  error.message);
    ds_message_encode(&again, &got);
    ck_assert_uint_eq(bytes.length, again.length);
    ck_assert_mem_eq(bytes.data, again.data, bytes.length);
    memset(bytes.data, 0xee, bytes.length); /* the decoded one does not refer to them */
    same(message, &got);
    ds_arena_free(arena);
    ds_buffer_fini(&bytes);
    ds_buffer_fini(&again);
}

static size_t encoded_length(const ds_message *message)
{
    ds_buffer bytes = {0};
    ds_message_encode(&bytes, message);
    size_t length = bytes.length;
    ds_buffer_fini(&bytes);
    return length;
}

START_TEST(every_field_comes_back)
{
    for (uint8_t type = 1; type < DS_MSG_TYPES; type++) {
        ds_message message = full(type);
        check_round_trip(&message);
        message = empty(type);
        check_round_trip(&message);
    }
}
END_TEST

START_TEST(the_wire_format_is_fixed)
{
    static const unsigned char expected[] = {
        'D', 'S',  'M', 0x1a, 2, 0, DS_MSG_CUT, 0, 8, 7, 6, 5, 4, 3, 2, 1, /* epoch */
        8,   0,    0,   0,    0, 0, 0,          0,                         /* length */
        2,   0xff, 0,   0,    0, 0, 0,          0,
    };
    ds_message message = {.type = DS_MSG_CUT, .epoch = 0x0102030405060708u, .cut.tick = 0xff02};
    ds_buffer bytes = {0};
    ds_buffer_append_text(&bytes, "before");
    ds_message_encode(&bytes, &message);
    ck_assert_uint_eq(bytes.length, 6 + sizeof expected);
    ck_assert_mem_eq(bytes.data + 6, expected, sizeof expected);
    ds_buffer_fini(&bytes);
}
END_TEST

START_TEST(every_cut_is_refused)
{
    for (uint8_t type = 1; type < DS_MSG_TYPES; type++) {
        ds_message message = full(type), got;
        ds_buffer bytes = {0};
        ds_message_encode(&bytes, &message);
        ds_arena *arena = ds_arena_new(NULL);
        size_t length = bytes.length;
        for (bytes.length = 0; bytes.length < length; bytes.length++) {
            ck_assert_int_eq(decode(arena, &bytes, &got), DS_ERR_PROTOCOL);
            if (bytes.length < HEADER)
                continue;
            /* The same with a header that agrees. */
            ds_buffer shorter = {0};
            ds_buffer_append(&shorter, bytes.data, bytes.length);
            uint32_t body = (uint32_t)(bytes.length - HEADER);
            memcpy(shorter.data + 16, &body, 4);
            ck_assert_int_eq(decode(arena, &shorter, &got), DS_ERR_PROTOCOL);
            ds_buffer_fini(&shorter);
            ds_arena_reset(arena);
        }
        ds_arena_free(arena);
        ds_buffer_fini(&bytes);
    }
}
END_TEST

/* Encodes message, lets spoil change the bytes, and expects a refusal that mentions text. */
static void check_refused(const ds_message *message, void (*spoil)(ds_buffer *), const char *text)
{
    ds_buffer bytes = {0};
    ds_arena *arena = ds_arena_new(NULL);
    ds_message got;
    ds_error error = {0};
    ds_message_encode(&bytes, message);
    ck_assert_int_eq(decode(arena, &bytes, &got), DS_OK);
    spoil(&bytes);
    ck_assert_int_eq(ds_message_decode(arena, bytes.data, bytes.length, &got, &error),
                     DS_ERR_PROTOCOL);
    ck_assert_int_eq(error.status, DS_ERR_PROTOCOL);
    ck_assert_msg(strstr(error.message, text) != NULL, "\"%s\" does not say \"%s\"", error.message,
                  text);
    ds_arena_free(arena);
    ds_buffer_fini(&bytes);
}

static void set_body_length(ds_buffer *bytes)
{
    uint32_t body = (uint32_t)(bytes->length - HEADER);
    memcpy(bytes->data + 16, &body, 4);
}

static void put_u32(ds_buffer *bytes, size_t at, uint32_t value)
{
    memcpy(bytes->data + at, &value, 4);
}

/* clang-format off */
static void spoil_magic(ds_buffer *b) { b->data[0]++; }
static void spoil_version(ds_buffer *b) { b->data[4]++; }
static void spoil_type_zero(ds_buffer *b) { b->data[6] = 0; }
static void spoil_type_beyond(ds_buffer *b) { b->data[6] = DS_MSG_TYPES; }
static void spoil_type_far_beyond(ds_buffer *b) { b->data[6] = (char)0xff; }
static void spoil_header_zero(ds_buffer *b) { b->data[7] = 1; }
static void spoil_reserved(ds_buffer *b) { b->data[23] = 1; }
static void spoil_length_less(ds_buffer *b) { b->data[16]--; }
static void spoil_length_more(ds_buffer *b) { b->data[19] = 0x7f; }
static void spoil_trailing(ds_buffer *b) { ds_buffer_append_char(b, 0); set_body_length(b); }
static void spoil_trailing_quietly(ds_buffer *b) { ds_buffer_append_char(b, 0); }
/* clang-format on */

START_TEST(broken_headers_and_ends_are_refused)
{
    ds_message message = full(DS_MSG_STOP);
    check_refused(&message, spoil_magic, "does not start");
    check_refused(&message, spoil_version, "another protocol version");
    check_refused(&message, spoil_type_zero, "type is unknown");
    check_refused(&message, spoil_type_beyond, "type is unknown");
    check_refused(&message, spoil_type_far_beyond, "type is unknown");
    check_refused(&message, spoil_header_zero, "not one of the known");
    check_refused(&message, spoil_reserved, "reserved");
    check_refused(&message, spoil_length_less, "length is not what it says");
    check_refused(&message, spoil_length_more, "length is not what it says");
    check_refused(&message, spoil_trailing, "STOP");
    check_refused(&message, spoil_trailing, "follows its end");
    check_refused(&message, spoil_trailing_quietly, "length is not what it says");
}
END_TEST

/* clang-format off */
static void spoil_text_longer(ds_buffer *b) { put_u32(b, HEADER, 18); }
static void spoil_text_huge(ds_buffer *b) { put_u32(b, HEADER, UINT32_MAX); }
static void spoil_text_nul(ds_buffer *b) { b->data[HEADER + 6] = '\0'; }
static void spoil_bool(ds_buffer *b) { b->data[HEADER + 24] = 2; }
static void spoil_phase(ds_buffer *b) { b->data[HEADER + 8] = DS_RECEIVER_FAILED + 1; }
static void spoil_status(ds_buffer *b) { put_u32(b, HEADER + 9, DS_ERR_LOST + 1); }
static void spoil_list_longer(ds_buffer *b) { put_u32(b, HEADER, 3); }
static void spoil_list_over_limit(ds_buffer *b) { put_u32(b, HEADER, DS_MESSAGE_LIST_LIMIT + 1); }
static void spoil_list_huge(ds_buffer *b) { put_u32(b, HEADER, UINT32_MAX); }
static void spoil_input_kind(ds_buffer *b) { b->data[HEADER + 4 + 46] = DS_INPUT_KINDS; }
static void spoil_inner_list(ds_buffer *b) { put_u32(b, HEADER + 4 + 42, 60000); }
static void spoil_same_inputs(ds_buffer *b) { b->data[HEADER + 4] |= 4; }
/* clang-format on */

START_TEST(broken_fields_are_refused)
{
    ds_message stop = full(DS_MSG_STOP);
    check_refused(&stop, spoil_text_longer, "ends too early");
    check_refused(&stop, spoil_text_huge, "text is too long");
    check_refused(&stop, spoil_text_nul, "NUL");
    ds_message start = full(DS_MSG_RECEIVER_START);
    check_refused(&start, spoil_bool, "not one of the known");
    ds_message state = full(DS_MSG_RECEIVER_STATE);
    check_refused(&state, spoil_phase, "not one of the known");
    check_refused(&state, spoil_status, "not one of the known");
    ds_message tasks = full(DS_MSG_TASKS);
    check_refused(&tasks, spoil_list_over_limit, "list is too long");
    check_refused(&tasks, spoil_list_huge, "list is too long");
    check_refused(&tasks, spoil_list_longer, "ends too early");
    check_refused(&tasks, spoil_input_kind, "not one of the known");
    check_refused(&tasks, spoil_inner_list, "longer than what is left");
    check_refused(&tasks, spoil_same_inputs, "another form");
}
END_TEST

/* Inputs that tasks share are sent once, and shared where they arrive. */
START_TEST(tasks_share_their_inputs)
{
    ds_task tasks[] = {some_tasks[0], some_tasks[0], some_tasks[1], some_tasks[0], some_tasks[0]};
    tasks[4].n_inputs--;
    ds_message message = {.type = DS_MSG_TASKS, .tasks = {.tasks = tasks, .n_tasks = 1}}, got;
    ds_buffer one = {0}, two = {0};
    ds_message_encode(&one, &message);
    message.tasks.n_tasks = 2;
    ds_message_encode(&two, &message);
    ck_assert_uint_lt(two.length, one.length + one.length / 2);
    message.tasks.n_tasks = 5;
    check_round_trip(&message);
    two.length = 0;
    ds_message_encode(&two, &message);
    ds_arena *arena = ds_arena_new(NULL);
    ck_assert_int_eq(decode(arena, &two, &got), DS_OK);
    const ds_task *read = got.tasks.tasks;
    ck_assert_ptr_eq(read[0].inputs, read[1].inputs);
    ck_assert_uint_eq(read[2].n_inputs, 0);
    ck_assert_ptr_ne(read[3].inputs, read[0].inputs); /* another is between them */
    ck_assert_ptr_ne(read[4].inputs, read[3].inputs);
    ds_arena_free(arena);
    ds_buffer_fini(&one);
    ds_buffer_fini(&two);
}
END_TEST

/* Many tasks that share few inputs take fewer bytes each than one without inputs alone. */
START_TEST(many_tasks_share_few_inputs)
{
    ds_input input = {.kind = DS_INPUT_PIECES, .path = ""};
    ds_task tasks[256] = {{0}};
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
        tasks[i] = (ds_task){.partition = (uint32_t)i, .inputs = &input, .n_inputs = 1};
    for (uint32_t n = 1; n <= sizeof tasks / sizeof tasks[0]; n++) {
        ds_message message = {.type = DS_MSG_TASKS, .tasks = {.tasks = tasks, .n_tasks = n}};
        check_round_trip(&message);
    }
}
END_TEST

/* What the task before has is not written again; any other value is, whichever it is. */
START_TEST(tasks_tell_what_differs)
{
    const ds_task first = {.batch_ms = 1, .plan_id = 2, .stage = 3, .zero_ms = 4, .keyed_ms = 5};
    ds_task tasks[20];
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        tasks[i] = first;
    tasks[1].batch_ms = tasks[2].plan_id = tasks[3].stage = 9;
    tasks[4].zero_ms = tasks[5].keyed_ms = 9;
    tasks[6].mode = DS_TASK_MUTED;
    tasks[7].attempt = tasks[8].partition = 9;
    tasks[9].save = 9;
    tasks[10].save_whole = tasks[11].save_folds = true;
    tasks[12].inputs = some_inputs, tasks[12].n_inputs = 1;
    tasks[13].tables = some_tables, tasks[13].n_tables = 1;
    tasks[14].saved = some_parts, tasks[14].n_saved = 1;
    tasks[15] = tasks[16] = some_tasks[0];
    ds_message message = {.type = DS_MSG_TASKS, .tasks = {.tasks = tasks, .n_tasks = 20}};
    check_round_trip(&message);
    message.tasks.tasks += 17; /* alike, but for the first */
    message.tasks.n_tasks = 1;
    size_t one = encoded_length(&message);
    message.tasks.n_tasks = 3;
    ck_assert_uint_eq(encoded_length(&message), one + 2 * 5);
}
END_TEST

START_TEST(results_tell_what_differs)
{
    const ds_task_result first = {.batch_ms = 1, .plan_id = 2, .stage = 3, .acts_ms = 4};
    ds_task_result results[18];
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        results[i] = first;
    results[1].batch_ms = results[2].plan_id = results[3].stage = 9;
    results[4].acts_ms = results[5].attempt = results[6].partition = 9;
    results[7].status = DS_ERR_LOST;
    results[8].message = "why";
    results[9].rows_in = results[10].bytes_in = results[11].busy_us = results[12].replaced = 9;
    results[13].outputs = some_outputs, results[13].n_outputs = 3;
    results[14].samples = some_samples, results[14].n_samples = 1;
    ds_message message = {.type = DS_MSG_TASK_RESULTS, .task_results = {results, 18}};
    check_round_trip(&message);
    message.task_results.results += 15; /* alike, but for the first */
    message.task_results.n_results = 1;
    size_t one = encoded_length(&message);
    message.task_results.n_results = 3;
    ck_assert_uint_eq(encoded_length(&message), one + 2 * 13);
}
END_TEST

/* clang-format off */
static void spoil_flag_same(ds_buffer *b) { b->data[HEADER + 4] |= 1; }
static void spoil_task_attempt(ds_buffer *b) { put_u32(b, HEADER + 4 + 30, 0); }
static void spoil_result_attempt(ds_buffer *b) { put_u32(b, HEADER + 4 + 21, 0); }
/* clang-format on */

/* A value has one form: what could have been left out must be. */
START_TEST(longer_forms_are_refused)
{
    ds_task task = {.batch_ms = 1, .attempt = 7};
    ds_message tasks = {.type = DS_MSG_TASKS, .tasks = {.tasks = &task, .n_tasks = 1}};
    ds_task_result result = {.batch_ms = 1, .message = "", .attempt = 7};
    ds_message results = {.type = DS_MSG_TASK_RESULTS, .task_results = {&result, 1}};
    check_refused(&tasks, spoil_flag_same, "is broken at byte");
    check_refused(&results, spoil_flag_same, "is broken at byte");
    check_refused(&results, spoil_result_attempt, "another form");
    check_refused(&tasks, spoil_task_attempt, "another form");
}
END_TEST

/* clang-format off */
static void spoil_fetch_length(ds_buffer *b) { put_u32(b, HEADER + 24, DS_FETCH_LIMIT + 1); }
static void spoil_fetch_huge(ds_buffer *b) { b->data[HEADER + 31] = (char)0x80; }
static void spoil_fetched_limit(ds_buffer *b) { put_u32(b, HEADER + 12, DS_FETCH_LIMIT + 1); }
static void spoil_fetched_more(ds_buffer *b) { put_u32(b, HEADER + 12, 12); }
static void spoil_fetched_less(ds_buffer *b) { put_u32(b, HEADER + 12, 10); }
/* clang-format on */

START_TEST(fetches_are_bounded)
{
    ds_message fetch = full(DS_MSG_FETCH), fetched = full(DS_MSG_FETCHED);
    check_refused(&fetch, spoil_fetch_length, "number is too large");
    check_refused(&fetch, spoil_fetch_huge, "number is too large");
    check_refused(&fetched, spoil_fetched_limit, "run of bytes is too long");
    check_refused(&fetched, spoil_fetched_more, "ends too early");
    check_refused(&fetched, spoil_fetched_less, "follows its end");
    char *longest = ds_calloc(1, DS_FETCH_LIMIT);
    fetched.fetched = (ds_msg_fetched){1, DS_OK, longest, DS_FETCH_LIMIT};
    check_round_trip(&fetched);
    free(longest);
}
END_TEST

START_TEST(tokens_are_compared_whole)
{
    uint8_t a[DS_TOKEN_BYTES] = {1, 2, 3}, b[DS_TOKEN_BYTES] = {1, 2, 3};
    ck_assert(ds_tokens_equal(a, b));
    for (size_t i = 0; i < DS_TOKEN_BYTES; i++) {
        b[i] ^= 0x80;
        ck_assert(!ds_tokens_equal(a, b));
        b[i] ^= 0x80;
    }
}
END_TEST

static char *text_of(size_t length)
{
    char *text = ds_alloc(length + 1);
    memset(text, 'x', length);
    text[length] = '\0';
    return text;
}

START_TEST(texts_reach_their_limits)
{
    char *longest = text_of(DS_MESSAGE_TEXT_LIMIT);
    ds_message stop = {.type = DS_MSG_STOP, .stop.reason = longest};
    check_round_trip(&stop);
    char *plan_text = text_of(DS_MESSAGE_LIMIT - (64u << 10));
    ds_message plan = {.type = DS_MSG_PLAN, .plan = {1, 2, plan_text, longest, longest}};
    check_round_trip(&plan);
    free(longest);
    free(plan_text);
}
END_TEST

/* One more byte than the limit, in bytes made by hand. */
START_TEST(texts_over_the_limit_are_refused)
{
    ds_buffer bytes = {0};
    ds_message message = {.type = DS_MSG_STOP}, got;
    ds_message_encode(&bytes, &message);
    char *text = text_of(DS_MESSAGE_TEXT_LIMIT + 1);
    ds_buffer_append_text(&bytes, text);
    put_u32(&bytes, HEADER, DS_MESSAGE_TEXT_LIMIT + 1);
    set_body_length(&bytes);
    ds_arena *arena = ds_arena_new(NULL);
    ck_assert_int_eq(decode(arena, &bytes, &got), DS_ERR_PROTOCOL);
    ds_arena_free(arena);
    ds_buffer_fini(&bytes);
    free(text);
}
END_TEST

START_TEST(lists_reach_their_limit)
{
    ds_message message = {.type = DS_MSG_RELEASE};
    message.release.batches = ds_calloc(DS_MESSAGE_LIST_LIMIT, sizeof(int64_t));
    message.release.n_batches = DS_MESSAGE_LIST_LIMIT;
    for (uint32_t i = 0; i < DS_MESSAGE_LIST_LIMIT; i++)
        message.release.batches[i] = (int64_t)i * -1000;
    check_round_trip(&message);
    free(message.release.batches);
}
END_TEST

START_TEST(messages_over_the_limit_are_refused)
{
    char *bytes = ds_calloc(1, DS_MESSAGE_LIMIT + 1);
    ds_arena *arena = ds_arena_new(NULL);
    ds_message got;
    ds_error error;
    ck_assert_int_eq(ds_message_decode(arena, bytes, DS_MESSAGE_LIMIT + 1, &got, &error),
                     DS_ERR_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(error.message, "too long"));
    ck_assert_uint_eq(ds_arena_bytes(arena), 0);
    ds_arena_free(arena);
    free(bytes);
}
END_TEST

/* What is zero in most results is left out of them; any one of these brings all. */
START_TEST(one_count_alone_is_told)
{
    ds_task_result result = {.message = ""};
    uint64_t *counts[] = {&result.bad[0],         &result.bad[DS_BAD_REASON_SLOTS - 1],
                          &result.replaced,       &result.lost_bytes,
                          &result.damaged.blocks, &result.damaged.bytes,
                          &result.missing.blocks, &result.missing.records,
                          &result.overflow_rows,  &result.overflow_values,
                          &result.function_rows,  &result.function_values,
                          &result.spilled_bytes};
    ds_message message = {.type = DS_MSG_TASK_RESULTS}, got;
    message.task_results = (ds_msg_task_results){&result, 1};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        ds_buffer bytes = {0};
        ds_arena *arena = ds_arena_new(NULL);
        *counts[i] = UINT64_C(1) << 40;
        ds_message_encode(&bytes, &message);
        ck_assert_int_eq(decode(arena, &bytes, &got), DS_OK);
        ck_assert_uint_eq(got.task_results.n_results, 1);
        same_result(&result, &got.task_results.results[0]);
        *counts[i] = 0;
        ds_arena_free(arena);
        ds_buffer_fini(&bytes);
    }
}
END_TEST

/* A count is believed only as far as bytes follow: no memory is taken for the rest. */
START_TEST(counts_without_items_take_no_memory)
{
    ds_message message = {.type = DS_MSG_TASK_RESULTS}, got;
    ds_buffer bytes = {0};
    ds_message_encode(&bytes, &message);
    put_u32(&bytes, HEADER, DS_MESSAGE_LIST_LIMIT);
    ds_arena *arena = ds_arena_new(NULL);
    ck_assert_int_eq(decode(arena, &bytes, &got), DS_ERR_PROTOCOL);
    ck_assert_uint_eq(ds_arena_bytes(arena), 0);
    ds_arena_free(arena);
    ds_buffer_fini(&bytes);
}
END_TEST

START_TEST(types_have_names)
{
    ck_assert_str_eq(ds_message_name(DS_MSG_HELLO), "HELLO");
    ck_assert_str_eq(ds_message_name(DS_MSG_STOP), "STOP");
    ck_assert_str_eq(ds_message_name(0), "?");
    ck_assert_str_eq(ds_message_name(DS_MSG_TYPES), "?");
    ck_assert_str_eq(ds_message_name(255), "?");
    for (uint8_t a = 1; a < DS_MSG_TYPES; a++)
        for (uint8_t b = 1; b < a; b++)
            ck_assert_str_ne(ds_message_name(a), ds_message_name(b));
}
END_TEST

/* What a description does not check by itself: after the first problem all is zero. */
START_TEST(reading_on_after_a_problem_gives_nothing)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_wire wire = ds_wire_read(arena, "\x01\x02\x03", 3);
    uint16_t two = 0;
    uint32_t four = 9;
    uint8_t one = 9, raw[2] = {9, 9};
    const char *text = NULL;
    ds_wire_u16(&wire, &two);
    ds_wire_u32(&wire, &four);
    ds_wire_u8(&wire, &one);
    ds_wire_bytes(&wire, raw, sizeof raw);
    ds_wire_text(&wire, &text, 10);
    ck_assert_uint_eq(two, 0x0201);
    ck_assert_uint_eq(four, 0);
    ck_assert_uint_eq(one, 0);
    ck_assert_uint_eq(raw[0] + raw[1], 0);
    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(wire.at, 2);
    ck_assert_str_eq(wire.problem, "it ends too early");
    ds_arena_free(arena);
}
END_TEST

UNIT_MAIN("message", every_field_comes_back, the_wire_format_is_fixed, every_cut_is_refused,
          broken_headers_and_ends_are_refused, broken_fields_are_refused, tasks_share_their_inputs,
          many_tasks_share_few_inputs, tasks_tell_what_differs, results_tell_what_differs,
          longer_forms_are_refused, fetches_are_bounded, tokens_are_compared_whole,
          texts_reach_their_limits, texts_over_the_limit_are_refused, lists_reach_their_limit,
          messages_over_the_limit_are_refused, one_count_alone_is_told,
          counts_without_items_take_no_memory, types_have_names,
          reading_on_after_a_problem_gives_nothing)
