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
#include "rpc/task_fields.h"
#include "rpc/wire.h"

#include <string.h>

#define MAGIC 0x1a4d5344u
#define HEADER_BYTES 24u
#define TYPE_AT 6u
#define LENGTH_AT 16u
#define PLAN_TEXT_LIMIT (DS_MESSAGE_LIMIT - ((size_t)64 << 10))

static void hello_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_hello *m = &message->hello;
    ds_wire_u32(wire, &m->protocol);
    ds_text_field(wire, &m->build);
    ds_text_field(wire, &m->app_id);
    ds_wire_u64(wire, &m->executor_id);
    ds_wire_bytes(wire, m->token, sizeof m->token);
    ds_wire_u32(wire, &m->cores);
    ds_wire_i64(wire, &m->pid);
    ds_wire_i32(wire, &m->store_fd);
    ds_wire_i32(wire, &m->spill_fd);
    ds_wire_u64(wire, &m->store_bytes);
    ds_wire_u64(wire, &m->spill_bytes);
    ds_text_field(wire, &m->host);
    ds_text_field(wire, &m->bulk_url);
}

static void welcome_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_welcome *m = &message->welcome;
    ds_wire_u64(wire, &m->executor_id);
    ds_text_field(wire, &m->app_id);
    ds_wire_u32(wire, &m->heartbeat_ms);
    ds_wire_bytes(wire, m->key, sizeof m->key);
    ds_text_field(wire, &m->folder);
}

static void reject_fields(ds_wire *wire, ds_message *message)
{
    ds_text_field(wire, &message->reject.reason);
}

static void plan_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_plan *m = &message->plan;
    ds_wire_u32(wire, &m->plan_id);
    ds_wire_u64(wire, &m->hash);
    ds_wire_text(wire, &m->text, PLAN_TEXT_LIMIT);
    ds_text_field(wire, &m->staging_suffix);
    ds_text_field(wire, &m->kept_folder);
}

static void plan_result_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_plan_result *m = &message->plan_result;
    ds_wire_u32(wire, &m->plan_id);
    ds_status_field(wire, &m->status);
    ds_text_field(wire, &m->message);
}

static void drop_plan_fields(ds_wire *wire, ds_message *message)
{
    ds_wire_u32(wire, &message->drop_plan.plan_id);
}

static void peer_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_peer *m = &message->peer;
    ds_wire_u64(wire, &m->executor_id);
    ds_text_field(wire, &m->path);
    ds_wire_u64(wire, &m->store_bytes);
    ds_text_field(wire, &m->spill_path);
    ds_wire_u64(wire, &m->spill_bytes);
    ds_text_field(wire, &m->bulk_url);
    ds_wire_bool(wire, &m->gone);
}

static void tasks_fields(ds_wire *wire, ds_message *message)
{
    DS_LIST_FIELD(wire, &message->tasks, tasks, n_tasks, ds_task_fields);
    ds_wire_bool(wire, &message->tasks.more);
}

static void task_results_fields(ds_wire *wire, ds_message *message)
{
    DS_LIST_FIELD(wire, &message->task_results, results, n_results, ds_result_fields);
}

static void receiver_start_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_receiver_start *m = &message->receiver_start;
    ds_wire_u32(wire, &m->plan_id);
    ds_wire_u32(wire, &m->source);
    ds_wire_u64(wire, &m->receiver_id);
    ds_wire_u64(wire, &m->credit_bytes);
    ds_wire_bool(wire, &m->until_idle);
    ds_text_field(wire, &m->log_folder);
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
    ds_status_field(wire, &m->status);
    ds_text_field(wire, &m->message);
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
    ds_log_place_fields(wire, &block->log);
}

static void blocks_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_blocks *m = &message->blocks;
    ds_wire_u64(wire, &m->receiver_id);
    DS_LIST_FIELD(wire, m, blocks, n_blocks, block_fields);
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
    ds_ref_fields(wire, item);
}

static void release_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_release *m = &message->release;
    DS_LIST_FIELD(wire, m, batches, n_batches, batch_fields);
    DS_LIST_FIELD(wire, m, blocks, n_blocks, range_fields);
    DS_LIST_FIELD(wire, m, committed, n_committed, batch_fields);
    DS_LIST_FIELD(wire, m, saved, n_saved, given_ref_fields);
}

static void saved_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_saved *m = &message->saved;
    ds_wire_u32(wire, &m->plan_id);
    ds_wire_u64(wire, &m->save);
    ds_status_field(wire, &m->status);
    ds_text_field(wire, &m->message);
    DS_LIST_FIELD(wire, m, parts, n_parts, ds_saved_part_fields);
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
    ds_text_field(wire, &message->stop.reason);
}

static void fetch_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_fetch *m = &message->fetch;
    ds_wire_u64(wire, &m->number);
    ds_ref_fields(wire, &m->ref);
    ds_wire_most64(wire, &m->ref.length, DS_FETCH_LIMIT);
}

static void fetched_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_fetched *m = &message->fetched;
    ds_wire_u64(wire, &m->number);
    ds_status_field(wire, &m->status);
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
    DS_LIST_FIELD(wire, m, inputs, n_inputs, ds_input_fields);
    ds_result_fields(wire, &m->result);
}

static void table_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_table *m = &message->table;
    ds_wire_u32(wire, &m->plan_id);
    ds_wire_u32(wire, &m->source);
    ds_wire_u64(wire, &m->version);
    DS_LIST_FIELD(wire, m, inputs, n_inputs, ds_input_fields);
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
    ds_ref_fields(wire, &replica->ref);
}

static void replicate_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_replicate *m = &message->replicate;
    ds_wire_u64(wire, &m->number);
    ds_wire_u64(wire, &m->room_bytes);
    DS_LIST_FIELD(wire, m, blocks, n_blocks, replica_fields);
}

static void replicated_fields(ds_wire *wire, ds_message *message)
{
    ds_msg_replicated *m = &message->replicated;
    ds_wire_u64(wire, &m->number);
    ds_status_field(wire, &m->status);
    ds_text_field(wire, &m->message);
    DS_LIST_FIELD(wire, m, blocks, n_blocks, replica_fields);
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
