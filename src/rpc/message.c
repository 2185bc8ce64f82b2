/*
 * The codec of messages: a header, then the fields of the type as wire.h writes and reads
 * them. Each type has one description below; the table at the end names them all.
 *
 *     offset  bytes
 *          0      4  magic "DSM\x1a"
 *          4      2  protocol version
 *          6      1  type
 *          7      1  zero
 *          8      8  epoch of the driver
 *         16      4  length of the body
 *         20      4  zero
 */
#include "rpc/message.h"

#include "base/assert.h"
#include "rpc/wire.h"

#include <string.h>

#define MAGIC 0x1a4d5344u
#define HEADER_BYTES 24u
#define TYPE_AT 6u
#define LENGTH_AT 16u
#define PLAN_TEXT_LIMIT (DS_MESSAGE_LIMIT - ((size_t)64 << 10))
#define STATUS_END ((uint32_t)DS_ERR_LOST + 1)

static void text(ds_wire *wire, const char **value)
{
    ds_wire_text(wire, value, DS_MESSAGE_TEXT_LIMIT);
}

static void status(ds_wire *wire, uint32_t *value)
{
    ds_wire_enum32(wire, value, STATUS_END);
}

/* The list that m->items and m->n_items are. */
#define LIST(wire, m, items, n_items, fn)                                                          \
    ds_wire_list((wire), &(m)->items, &(m)->n_items, DS_MESSAGE_LIST_LIMIT, sizeof *(m)->items,    \
                 (fn))

static void hello_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_hello *m = &message->hello;
    ds_wire_u32(wire, &m->protocol);
    text(wire, &m->build);
    text(wire, &m->app_id);
    ds_wire_u64(wire, &m->executor_id);
    ds_wire_bytes(wire, m->token, sizeof m->token);
    ds_wire_u32(wire, &m->cores);
    ds_wire_i64(wire, &m->pid);
    ds_wire_i32(wire, &m->store_fd);
    ds_wire_i32(wire, &m->spill_fd);
    ds_wire_u64(wire, &m->store_bytes);
    ds_wire_u64(wire, &m->spill_bytes);
    text(wire, &m->host);
    text(wire, &m->bulk_url);
}

static void welcome_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_welcome *m = &message->welcome;
    ds_wire_u64(wire, &m->executor_id);
    text(wire, &m->app_id);
    ds_wire_u32(wire, &m->heartbeat_ms);
    ds_wire_bytes(wire, m->key, sizeof m->key);
    text(wire, &m->folder);
}

static void reject_fields(ds_wire *wire, ds_message *message)
{
    text(wire, &message->reject.reason);
}

static void plan_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_plan *m = &message->plan;
    ds_wire_u32(wire, &m->plan_id);
    ds_wire_u64(wire, &m->hash);
    ds_wire_text(wire, &m->text, PLAN_TEXT_LIMIT);
    text(wire, &m->staging_suffix);
    text(wire, &m->kept_folder);
}

static void plan_result_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_plan_result *m = &message->plan_result;
    ds_wire_u32(wire, &m->plan_id);
    status(wire, &m->status);
    text(wire, &m->message);
}

static void drop_plan_fields(ds_wire *wire, ds_message *message)
{
    ds_wire_u32(wire, &message->drop_plan.plan_id);
}

static void peer_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_peer *m = &message->peer;
    ds_wire_u64(wire, &m->executor_id);
    text(wire, &m->path);
    ds_wire_u64(wire, &m->store_bytes);
    text(wire, &m->spill_path);
    ds_wire_u64(wire, &m->spill_bytes);
    text(wire, &m->bulk_url);
    ds_wire_bool(wire, &m->gone);
}

static void ref_fields(ds_wire *wire, ds_ref *ref)
{
    ds_wire_u64(wire, &ref->executor_id);
    ds_wire_u64(wire, &ref->offset);
    ds_wire_u64(wire, &ref->length);
}

static void tail_fields(ds_wire *wire, ds_tail_input *tail)
{
    ds_wire_u64(wire, &tail->number);
    ds_wire_u64(wire, &tail->id.device);
    ds_wire_u64(wire, &tail->id.inode);
    ds_wire_u64(wire, &tail->id.head);
    ds_wire_u32(wire, &tail->id.head_bytes);
    ds_wire_u64(wire, &tail->stop);
    ds_wire_bool(wire, &tail->starts);
    ds_wire_u32(wire, &tail->pid);
    ds_wire_u32(wire, &tail->fd);
    ds_wire_bool(wire, &tail->awaited);
}

static void log_place_fields(ds_wire *wire, ds_log_place *place)
{
    ds_wire_u64(wire, &place->receiver_id);
    ds_wire_u64(wire, &place->segment);
    ds_wire_u64(wire, &place->offset);
}

static bool in_log(const ds_input *input)
{
    bool received = input->kind == DS_INPUT_LOG || input->kind == DS_INPUT_BLOCK;
    return received && input->path != NULL && input->path[0] != '\0';
}

static void input_fields(ds_wire *wire, void *item)
{
    ds_input *input = item;
    ds_wire_enum8(wire, &input->kind, DS_INPUT_KINDS);
    ref_fields(wire, &input->ref);
    ds_wire_u32(wire, &input->input);
    ds_wire_u64(wire, &input->from);
    ds_wire_u64(wire, &input->to);
    ds_wire_u64(wire, &input->position);
    ds_wire_u32(wire, &input->header);
    text(wire, &input->path);
    if (input->kind == DS_INPUT_TAIL)
        tail_fields(wire, &input->tail);
    if (in_log(input))
        log_place_fields(wire, &input->log);
}

static void table_use_fields(ds_wire *wire, void *item)
{
    ds_table_use *use = item;
    ds_wire_u32(wire, &use->source);
    ds_wire_u64(wire, &use->version);
}

static void saved_part_fields(ds_wire *wire, void *item)
{
    ds_saved_part *part = item;
    ds_wire_u32(wire, &part->stage);
    ds_wire_u32(wire, &part->partition);
    ds_wire_u32(wire, &part->input);
    ds_wire_i64(wire, &part->batch_ms);
    ds_wire_bool(wire, &part->whole);
    text(wire, &part->path);
    ref_fields(wire, &part->ref);
    ds_wire_u64(wire, &part->offset);
    ds_wire_u64(wire, &part->length);
    ds_wire_u64(wire, &part->checksum);
}

/* The tasks of a stage that reads pieces all read the same ones: these stand in a message once. */
static void task_inputs(ds_wire *wire, ds_task *task)
{
    const ds_task *before = wire->before;
    const bool has = before != NULL && before->n_inputs > 0;
    bool same = has && task->inputs == before->inputs && task->n_inputs == before->n_inputs;
    ds_wire_bool(wire, &same);
    wire->before = task;
    if (ds_wire_measures(wire))
        return; /* the fewest bytes has one that shares them */
    if (!same) {
        LIST(wire, task, inputs, n_inputs, input_fields);
    } else if (!has) {
        ds_wire_fail(wire, "a task has the inputs of one that has none");
    } else if (wire->arena != NULL) {
        task->inputs = before->inputs;
        task->n_inputs = before->n_inputs;
    }
}

static void task_fields(ds_wire *wire, void *item)
{
    ds_task *task = item;
    ds_wire_i64(wire, &task->batch_ms);
    ds_wire_u32(wire, &task->plan_id);
    ds_wire_u32(wire, &task->stage);
    ds_wire_u32(wire, &task->partition);
    ds_wire_u32(wire, &task->attempt);
    ds_wire_i64(wire, &task->zero_ms);
    ds_wire_i64(wire, &task->keyed_ms);
    task_inputs(wire, task);
    LIST(wire, task, tables, n_tables, table_use_fields);
    ds_wire_enum8(wire, &task->mode, DS_TASK_REPLAY + 1);
    ds_wire_u64(wire, &task->save);
    ds_wire_bool(wire, &task->save_whole);
    ds_wire_bool(wire, &task->save_folds);
    LIST(wire, task, saved, n_saved, saved_part_fields);
}

static void tasks_fields(ds_wire *wire, ds_message *message)
{
    LIST(wire, &message->tasks, tasks, n_tasks, task_fields);
    ds_wire_bool(wire, &message->tasks.more);
}

static void output_fields(ds_wire *wire, void *item)
{
    ds_output *output = item;
    ds_wire_enum8(wire, &output->kind, DS_OUTPUT_BYTES + 1);
    ds_wire_u32(wire, &output->target);
    ds_wire_u32(wire, &output->input);
    ds_wire_u64(wire, &output->rows);
    ref_fields(wire, &output->ref);
    ds_wire_u64(wire, &output->length);
    ds_wire_u64(wire, &output->checksum);
    text(wire, &output->path);
}

static void sample_fields(ds_wire *wire, void *item)
{
    ds_bad_sample *sample = item;
    ds_wire_enum8(wire, &sample->reason, DS_SAMPLE_FUNCTION + 1);
    text(wire, &sample->where);
    text(wire, &sample->detail);
}

static void loss_fields(ds_wire *wire, ds_loss *loss)
{
    ds_wire_u64(wire, &loss->blocks);
    ds_wire_u64(wire, &loss->records);
    ds_wire_u64(wire, &loss->bytes);
}

/* Most results have nothing to count but rows, and many not even these. */
static bool counts_any(const ds_task_result *result)
{
    static const ds_loss none;
    uint64_t any = result->replaced | result->lost_bytes | result->overflow_rows |
                   result->overflow_values | result->function_rows | result->function_values |
                   result->spilled_bytes;
    for (size_t i = 0; i < DS_BAD_REASON_SLOTS; i++)
        any |= result->bad[i];
    return any != 0 || memcmp(&result->damaged, &none, sizeof none) != 0 ||
           memcmp(&result->missing, &none, sizeof none) != 0;
}

static void count_fields(ds_wire *wire, ds_task_result *result)
{
    for (size_t i = 0; i < DS_BAD_REASON_SLOTS; i++)
        ds_wire_u64(wire, &result->bad[i]);
    ds_wire_u64(wire, &result->replaced);
    ds_wire_u64(wire, &result->lost_bytes);
    loss_fields(wire, &result->damaged);
    loss_fields(wire, &result->missing);
    ds_wire_u64(wire, &result->overflow_rows);
    ds_wire_u64(wire, &result->overflow_values);
    ds_wire_u64(wire, &result->function_rows);
    ds_wire_u64(wire, &result->function_values);
    ds_wire_u64(wire, &result->spilled_bytes);
}

static void result_fields(ds_wire *wire, void *item)
{
    ds_task_result *result = item;
    bool counts = counts_any(result);
    ds_wire_i64(wire, &result->batch_ms);
    ds_wire_u32(wire, &result->plan_id);
    ds_wire_u32(wire, &result->stage);
    ds_wire_u32(wire, &result->partition);
    ds_wire_u32(wire, &result->attempt);
    status(wire, &result->status);
    text(wire, &result->message);
    ds_wire_u64(wire, &result->rows_in);
    ds_wire_u64(wire, &result->bytes_in);
    ds_wire_bool(wire, &counts);
    if (counts)
        count_fields(wire, result);
    ds_wire_i64(wire, &result->acts_ms);
    ds_wire_u64(wire, &result->busy_us);
    LIST(wire, result, outputs, n_outputs, output_fields);
    LIST(wire, result, samples, n_samples, sample_fields);
}

static void task_results_fields(ds_wire *wire, ds_message *message)
{
    LIST(wire, &message->task_results, results, n_results, result_fields);
}

static void receiver_start_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_receiver_start *m = &message->receiver_start;
    ds_wire_u32(wire, &m->plan_id);
    ds_wire_u32(wire, &m->source);
    ds_wire_u64(wire, &m->receiver_id);
    ds_wire_u64(wire, &m->credit_bytes);
    ds_wire_bool(wire, &m->until_idle);
    text(wire, &m->log_folder);
    ds_wire_u64(wire, &m->rate);
}

static void receiver_rate_fields(ds_wire *wire, ds_message *message)
{
    ds_wire_u64(wire, &message->receiver_rate.receiver_id);
    ds_wire_u64(wire, &message->receiver_rate.rate);
}

static void receiver_stop_fields(ds_wire *wire, ds_message *message)
{
    ds_wire_u64(wire, &message->receiver_stop.receiver_id);
}

static void receiver_state_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_receiver_state *m = &message->receiver_state;
    ds_wire_u64(wire, &m->receiver_id);
    ds_wire_enum8(wire, &m->phase, DS_RECEIVER_FAILED + 1);
    status(wire, &m->status);
    text(wire, &m->message);
}

static void cut_fields(ds_wire *wire, ds_message *message)
{
    ds_wire_u64(wire, &message->cut.tick);
}

static void cut_done_fields(ds_wire *wire, ds_message *message)
{
    ds_wire_u64(wire, &message->cut_done.tick);
}

static void block_fields(ds_wire *wire, void *item)
{
    ds_block *block = item;
    ds_wire_u64(wire, &block->block_id);
    ds_wire_u64(wire, &block->offset);
    ds_wire_u64(wire, &block->length);
    ds_wire_u64(wire, &block->records);
    ds_wire_u32(wire, &block->header);
    ds_wire_u64(wire, &block->too_long);
    ds_wire_u64(wire, &block->cut_short);
    log_place_fields(wire, &block->log);
}

static void blocks_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_blocks *m = &message->blocks;
    ds_wire_u64(wire, &m->receiver_id);
    LIST(wire, m, blocks, n_blocks, block_fields);
}

static void batch_fields(ds_wire *wire, void *item)
{
    int64_t *batch_ms = item;
    ds_wire_i64(wire, batch_ms);
}

static void range_fields(ds_wire *wire, void *item)
{
    struct ds_block_range *range = item;
    ds_wire_u64(wire, &range->receiver_id);
    ds_wire_u64(wire, &range->first);
    ds_wire_u64(wire, &range->last);
}

static void given_ref_fields(ds_wire *wire, void *item)
{
    ref_fields(wire, item);
}

static void release_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_release *m = &message->release;
    LIST(wire, m, batches, n_batches, batch_fields);
    LIST(wire, m, blocks, n_blocks, range_fields);
    LIST(wire, m, committed, n_committed, batch_fields);
    LIST(wire, m, saved, n_saved, given_ref_fields);
}

static void saved_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_saved *m = &message->saved;
    ds_wire_u32(wire, &m->plan_id);
    ds_wire_u64(wire, &m->save);
    status(wire, &m->status);
    text(wire, &m->message);
    LIST(wire, m, parts, n_parts, saved_part_fields);
}

static void heartbeat_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_heartbeat *m = &message->heartbeat;
    ds_wire_u64(wire, &m->used_bytes);
    ds_wire_u64(wire, &m->store_used);
    ds_wire_u64(wire, &m->store_peak);
    ds_wire_u64(wire, &m->refused);
}

static void stop_fields(ds_wire *wire, ds_message *message)
{
    text(wire, &message->stop.reason);
}

static void fetch_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_fetch *m = &message->fetch;
    ds_wire_u64(wire, &m->number);
    ref_fields(wire, &m->ref);
    ds_wire_most64(wire, &m->ref.length, DS_FETCH_LIMIT);
}

static void fetched_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_fetched *m = &message->fetched;
    ds_wire_u64(wire, &m->number);
    status(wire, &m->status);
    ds_wire_blob(wire, &m->bytes, &m->n_bytes, DS_FETCH_LIMIT);
}

static void stamp_fields(ds_wire *wire, ds_file_stamp *stamp)
{
    ds_wire_u64(wire, &stamp->device);
    ds_wire_u64(wire, &stamp->inode);
    ds_wire_u64(wire, &stamp->size);
    ds_wire_i64(wire, &stamp->modified_ns);
    ds_wire_i64(wire, &stamp->changed_ns);
}

static void table_load_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_table_load *m = &message->table_load;
    ds_wire_u32(wire, &m->plan_id);
    ds_wire_u32(wire, &m->source);
    ds_wire_u64(wire, &m->load_id);
    ds_wire_u64(wire, &m->version);
    stamp_fields(wire, &m->known);
    ds_wire_u64(wire, &m->checksum);
}

static void table_loaded_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_table_loaded *m = &message->table_loaded;
    ds_wire_u64(wire, &m->load_id);
    ds_wire_bool(wire, &m->same);
    stamp_fields(wire, &m->stamp);
    ds_wire_u64(wire, &m->checksum);
    LIST(wire, m, inputs, n_inputs, input_fields);
    result_fields(wire, &m->result);
}

static void table_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_table *m = &message->table;
    ds_wire_u32(wire, &m->plan_id);
    ds_wire_u32(wire, &m->source);
    ds_wire_u64(wire, &m->version);
    LIST(wire, m, inputs, n_inputs, input_fields);
}

static void table_drop_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_table_drop *m = &message->table_drop;
    ds_wire_u32(wire, &m->plan_id);
    ds_wire_u32(wire, &m->source);
    ds_wire_u64(wire, &m->version);
}

static void replica_fields(ds_wire *wire, void *item)
{
    ds_replica *replica = item;
    ds_wire_u64(wire, &replica->receiver_id);
    ds_wire_u64(wire, &replica->block_id);
    ref_fields(wire, &replica->ref);
}

static void replicate_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_replicate *m = &message->replicate;
    ds_wire_u64(wire, &m->number);
    ds_wire_u64(wire, &m->room_bytes);
    LIST(wire, m, blocks, n_blocks, replica_fields);
}

static void replicated_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_replicated *m = &message->replicated;
    ds_wire_u64(wire, &m->number);
    status(wire, &m->status);
    text(wire, &m->message);
    LIST(wire, m, blocks, n_blocks, replica_fields);
}

static const struct {
    const char *name;
    void (*fields)(ds_wire *wire, ds_message *message);
} types[DS_MSG_TYPES] = {
    [DS_MSG_HELLO] = {"HELLO", hello_fields},
    [DS_MSG_WELCOME] = {"WELCOME", welcome_fields},
    [DS_MSG_REJECT] = {"REJECT", reject_fields},
    [DS_MSG_PLAN] = {"PLAN", plan_fields},
    [DS_MSG_PLAN_RESULT] = {"PLAN_RESULT", plan_result_fields},
    [DS_MSG_DROP_PLAN] = {"DROP_PLAN", drop_plan_fields},
    [DS_MSG_PEER] = {"PEER", peer_fields},
    [DS_MSG_TASKS] = {"TASKS", tasks_fields},
    [DS_MSG_TASK_RESULTS] = {"TASK_RESULTS", task_results_fields},
    [DS_MSG_RECEIVER_START] = {"RECEIVER_START", receiver_start_fields},
    [DS_MSG_RECEIVER_STOP] = {"RECEIVER_STOP", receiver_stop_fields},
    [DS_MSG_RECEIVER_RATE] = {"RECEIVER_RATE", receiver_rate_fields},
    [DS_MSG_RECEIVER_STATE] = {"RECEIVER_STATE", receiver_state_fields},
    [DS_MSG_CUT] = {"CUT", cut_fields},
    [DS_MSG_CUT_DONE] = {"CUT_DONE", cut_done_fields},
    [DS_MSG_BLOCKS] = {"BLOCKS", blocks_fields},
    [DS_MSG_RELEASE] = {"RELEASE", release_fields},
    [DS_MSG_HEARTBEAT] = {"HEARTBEAT", heartbeat_fields},
    [DS_MSG_STOP] = {"STOP", stop_fields},
    [DS_MSG_FETCH] = {"FETCH", fetch_fields},
    [DS_MSG_FETCHED] = {"FETCHED", fetched_fields},
    [DS_MSG_TABLE_LOAD] = {"TABLE_LOAD", table_load_fields},
    [DS_MSG_TABLE_LOADED] = {"TABLE_LOADED", table_loaded_fields},
    [DS_MSG_TABLE] = {"TABLE", table_fields},
    [DS_MSG_TABLE_DROP] = {"TABLE_DROP", table_drop_fields},
    [DS_MSG_SAVED] = {"SAVED", saved_fields},
    [DS_MSG_REPLICATE] = {"REPLICATE", replicate_fields},
    [DS_MSG_REPLICATED] = {"REPLICATED", replicated_fields},
};

static bool known(uint8_t type)
{
    return type < DS_MSG_TYPES && types[type].fields != NULL;
}

uint8_t ds_message_peek(const void *bytes, size_t length)
{
    return length >= HEADER_BYTES ? ((const uint8_t *)bytes)[TYPE_AT] : 0;
}

const char *ds_message_name(uint8_t type)
{
    return known(type) ? types[type].name : "?";
}

bool ds_tokens_equal(const uint8_t *a, const uint8_t *b)
{
    uint8_t difference = 0;
    for (size_t i = 0; i < DS_TOKEN_BYTES; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

/* A field that has one allowed value. */
static void fixed_u32(ds_wire *wire, uint32_t value, const char *problem)
{
    uint32_t got = value;
    ds_wire_u32(wire, &got);
    if (got != value)
        ds_wire_fail(wire, problem);
}

static void header_fields(ds_wire *wire, ds_message *message, uint32_t *body_bytes)
{
    fixed_u32(wire, MAGIC, "it does not start as a message does");
    uint16_t version = DS_PROTOCOL_VERSION;
    ds_wire_u16(wire, &version);
    if (version != DS_PROTOCOL_VERSION)
        ds_wire_fail(wire, "it is of another protocol version");
    ds_wire_u8(wire, &message->type);
    if (!known(message->type))
        ds_wire_fail(wire, "its type is unknown");
    uint8_t zero = 0;
    ds_wire_enum8(wire, &zero, 1);
    ds_wire_u64(wire, &message->epoch);
    ds_wire_u32(wire, body_bytes);
    fixed_u32(wire, 0, "a reserved field is used");
}

void ds_message_encode(ds_buffer *out, const ds_message *message)
{
    DS_ASSERT(known(message->type));
    ds_message copy = *message; /* of the lists behind it the descriptions only read */
    size_t start = out->length;
    ds_wire wire = ds_wire_write(out);
    uint32_t body_bytes = 0;
    header_fields(&wire, &copy, &body_bytes);
    types[copy.type].fields(&wire, &copy);

    size_t total = out->length - start;
    DS_ASSERT(total <= DS_MESSAGE_LIMIT);
    body_bytes = (uint32_t)(total - HEADER_BYTES);
    for (unsigned i = 0; i < 4; i++)
        out->data[start + LENGTH_AT + i] = (char)(body_bytes >> (8 * i));
}

static ds_status broken(ds_error *error, const ds_message *message, const ds_wire *wire,
                        const char *problem)
{
    return ds_error_set(error, DS_ERR_PROTOCOL,
                        "a message (%s, %zu bytes) is broken at byte %zu: %s",
                        ds_message_name(message->type), wire->length, wire->at, problem);
}

ds_status ds_message_decode(ds_arena *arena, const void *bytes, size_t length, ds_message *message,
                            ds_error *error)
{
    *message = (ds_message){0};
    ds_wire wire = ds_wire_read(arena, bytes, length);
    if (length > DS_MESSAGE_LIMIT)
        return broken(error, message, &wire, "it is too long");
    uint32_t body_bytes = 0;
    header_fields(&wire, message, &body_bytes);
    if (wire.problem == NULL && body_bytes != length - HEADER_BYTES)
        ds_wire_fail(&wire, "its length is not what it says");
    if (wire.problem == NULL)
        types[message->type].fields(&wire, message);
    if (wire.problem == NULL && wire.at != length)
        ds_wire_fail(&wire, "something follows its end");
    return wire.problem == NULL ? DS_OK : broken(error, message, &wire, wire.problem);
}
