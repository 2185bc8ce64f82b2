/*
 * Flags tell what is there. A batch has many tasks, and most of what is in them is zero or what
 * the one before has: of these neither is written. An item's flags follow from it and from the one
 * before alone, and the reader looks whether they do: so a message has one form still.
 *
 * The measure of the fewest bytes is that of flags that leave out as much as possible.
 */
#include "rpc/task_fields.h"

#include <string.h>

#define STATUS_END ((uint32_t)DS_ERR_LOST + 1)

void ds_text_field(ds_wire *wire, const char **value)
{
    ds_wire_text(wire, value, DS_MESSAGE_TEXT_LIMIT);
}

void ds_status_field(ds_wire *wire, uint32_t *value)
{
    ds_wire_enum32(wire, value, STATUS_END);
}

void ds_ref_fields(ds_wire *wire, ds_ref *ref)
{
    ds_wire_u64(wire, &ref->executor_id);
    ds_wire_u64(wire, &ref->offset);
    ds_wire_u64(wire, &ref->length);
}

void ds_log_place_fields(ds_wire *wire, ds_log_place *place)
{
    ds_wire_u64(wire, &place->receiver_id);
    ds_wire_u64(wire, &place->segment);
    ds_wire_u64(wire, &place->offset);
}

static bool is_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static bool is_ref(const ds_ref *ref)
{
    return (ref->executor_id | ref->offset | ref->length) != 0;
}

/* Writes the flags, or reads them. */
static uint8_t flags_field(ds_wire *wire, uint8_t flags)
{
    ds_wire_u8(wire, &flags);
    return flags;
}

/* What was read has to have the flags that were read. */
static void check_flags(ds_wire *wire, uint8_t flags, uint8_t of_item)
{
    if (flags != of_item)
        ds_wire_fail(wire, "something has another form than it should");
}

/* A kind that was read with flags; it has to be below end. */
static uint8_t known_kind(ds_wire *wire, uint8_t kind, uint8_t end)
{
    if (kind < end)
        return kind;
    ds_wire_fail(wire, "a value is not one of the known ones");
    return 0;
}

/* ---- inputs ---- */

#define INPUT_REF 0x10u
#define INPUT_ROWS 0x20u /* and where they are in their source */
#define INPUT_PATH 0x40u
#define INPUT_KIND 0x0fu
_Static_assert(DS_INPUT_KINDS <= INPUT_KIND + 1, "a kind has the lowest bits");

static uint8_t input_flags(const ds_input *input)
{
    bool rows = (input->from | input->to | input->position | input->header) != 0;
    return (uint8_t)(input->kind | (is_ref(&input->ref) ? INPUT_REF : 0) | (rows ? INPUT_ROWS : 0) |
                     (is_text(input->path) ? INPUT_PATH : 0));
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

static bool in_log(const ds_input *input)
{
    bool received = input->kind == DS_INPUT_LOG || input->kind == DS_INPUT_BLOCK;
    return received && is_text(input->path);
}

static void rows_fields(ds_wire *wire, ds_input *input)
{
    ds_wire_u64(wire, &input->from);
    ds_wire_u64(wire, &input->to);
    ds_wire_u64(wire, &input->position);
    ds_wire_u32(wire, &input->header);
}

void ds_input_fields(ds_wire *wire, void *item)
{
    ds_input *input = item;
    const uint8_t flags = flags_field(wire, input_flags(input));
    if (ds_wire_reads(wire)) {
        input->kind = known_kind(wire, flags & INPUT_KIND, DS_INPUT_KINDS);
        input->path = "";
    }
    ds_wire_u32(wire, &input->input);
    if (flags & INPUT_REF)
        ds_ref_fields(wire, &input->ref);
    if (flags & INPUT_ROWS)
        rows_fields(wire, input);
    if (flags & INPUT_PATH)
        ds_text_field(wire, &input->path);
    if (input->kind == DS_INPUT_TAIL)
        tail_fields(wire, &input->tail);
    if (in_log(input))
        ds_log_place_fields(wire, &input->log);
    if (ds_wire_reads(wire))
        check_flags(wire, flags, input_flags(input));
}

/* ---- tasks ---- */

static void table_use_fields(ds_wire *wire, void *item)
{
    ds_table_use *use = item;
    ds_wire_u32(wire, &use->source);
    ds_wire_u64(wire, &use->version);
}

void ds_saved_part_fields(ds_wire *wire, void *item)
{
    ds_saved_part *part = item;
    ds_wire_u32(wire, &part->stage);
    ds_wire_u32(wire, &part->partition);
    ds_wire_u32(wire, &part->input);
    ds_wire_i64(wire, &part->batch_ms);
    ds_wire_bool(wire, &part->whole);
    ds_text_field(wire, &part->path);
    ds_ref_fields(wire, &part->ref);
    ds_wire_u64(wire, &part->offset);
    ds_wire_u64(wire, &part->length);
    ds_wire_u64(wire, &part->checksum);
}

#define TASK_SAME_STAGE 0x01u  /* of the same batch and plan, in the same mode */
#define TASK_SAME_PLACE 0x02u  /* its partition stands where that of the one before does */
#define TASK_SAME_INPUTS 0x04u /* all of a stage that reads pieces read the same ones */
#define TASK_AGAIN 0x08u
#define TASK_INPUTS 0x10u
#define TASK_TABLES 0x20u
#define TASK_SAVES 0x40u
#define TASK_SAVED 0x80u
#define TASK_LEAST (TASK_SAME_STAGE | TASK_SAME_PLACE)

static bool same_stage(const ds_task *a, const ds_task *b)
{
    return a->batch_ms == b->batch_ms && a->stage == b->stage && a->plan_id == b->plan_id &&
           a->zero_ms == b->zero_ms && a->mode == b->mode;
}

static uint8_t task_flags(const ds_task *task, const ds_task *before)
{
    const bool inputs = task->n_inputs > 0, saves = task->save_whole || task->save_folds;
    const bool shared =
        inputs && task->inputs == before->inputs && task->n_inputs == before->n_inputs;
    return (uint8_t)((same_stage(task, before) ? TASK_SAME_STAGE : 0) |
                     (task->keyed_ms == before->keyed_ms ? TASK_SAME_PLACE : 0) |
                     (shared   ? TASK_SAME_INPUTS
                      : inputs ? TASK_INPUTS
                               : 0) |
                     (task->attempt > 0 ? TASK_AGAIN : 0) | (task->n_tables > 0 ? TASK_TABLES : 0) |
                     (saves || task->save != 0 ? TASK_SAVES : 0) |
                     (task->n_saved > 0 ? TASK_SAVED : 0));
}

static void stage_fields(ds_wire *wire, ds_task *task)
{
    ds_wire_i64(wire, &task->batch_ms);
    ds_wire_u32(wire, &task->plan_id);
    ds_wire_u32(wire, &task->stage);
    ds_wire_i64(wire, &task->zero_ms);
    ds_wire_enum8(wire, &task->mode, DS_TASK_REPLAY + 1);
}

static void save_fields(ds_wire *wire, ds_task *task)
{
    ds_wire_u64(wire, &task->save);
    ds_wire_bool(wire, &task->save_whole);
    ds_wire_bool(wire, &task->save_folds);
}

/* What the task has as the one before; reading. */
static void take_from(const ds_task *before, uint8_t flags, ds_task *task)
{
    if (flags & TASK_SAME_STAGE) {
        task->batch_ms = before->batch_ms;
        task->plan_id = before->plan_id;
        task->stage = before->stage;
        task->zero_ms = before->zero_ms;
        task->mode = before->mode;
    }
    if (flags & TASK_SAME_PLACE)
        task->keyed_ms = before->keyed_ms;
    if (flags & TASK_SAME_INPUTS) {
        task->inputs = before->inputs;
        task->n_inputs = before->n_inputs;
    }
}

void ds_task_fields(ds_wire *wire, void *item)
{
    static const ds_task none;
    ds_task *task = item;
    const ds_task *before = wire->before != NULL ? wire->before : &none;
    const uint8_t flags =
        flags_field(wire, ds_wire_measures(wire) ? TASK_LEAST : task_flags(task, before));
    wire->before = task;
    if (ds_wire_reads(wire))
        take_from(before, flags, task);
    ds_wire_u32(wire, &task->partition);
    if (!(flags & TASK_SAME_STAGE))
        stage_fields(wire, task);
    if (!(flags & TASK_SAME_PLACE))
        ds_wire_i64(wire, &task->keyed_ms);
    if (flags & TASK_AGAIN)
        ds_wire_u32(wire, &task->attempt);
    if (flags & TASK_INPUTS)
        DS_LIST_FIELD(wire, task, inputs, n_inputs, ds_input_fields);
    if (flags & TASK_TABLES)
        DS_LIST_FIELD(wire, task, tables, n_tables, table_use_fields);
    if (flags & TASK_SAVES)
        save_fields(wire, task);
    if (flags & TASK_SAVED)
        DS_LIST_FIELD(wire, task, saved, n_saved, ds_saved_part_fields);
    if (ds_wire_reads(wire) && flags != TASK_LEAST) /* it left out all it could */
        check_flags(wire, flags, task_flags(task, before));
}

/* ---- outputs ---- */

#define OUTPUT_REF 0x10u
#define OUTPUT_ALL 0x20u /* its length is that of ref */
#define OUTPUT_FILE 0x40u
#define OUTPUT_KIND 0x0fu
_Static_assert(DS_OUTPUT_BYTES <= OUTPUT_KIND, "a kind has the lowest bits");

static uint8_t output_flags(const ds_output *output)
{
    const bool file = output->checksum != 0 || is_text(output->path);
    return (uint8_t)(output->kind | (is_ref(&output->ref) ? OUTPUT_REF : 0) |
                     (output->length == output->ref.length ? OUTPUT_ALL : 0) |
                     (file ? OUTPUT_FILE : 0));
}

static void output_fields(ds_wire *wire, void *item)
{
    ds_output *output = item;
    const uint8_t flags = flags_field(wire, output_flags(output));
    if (ds_wire_reads(wire)) {
        output->kind = known_kind(wire, flags & OUTPUT_KIND, DS_OUTPUT_BYTES + 1);
        output->path = "";
    }
    ds_wire_u32(wire, &output->target);
    ds_wire_u32(wire, &output->input);
    ds_wire_u64(wire, &output->rows);
    if (flags & OUTPUT_REF)
        ds_ref_fields(wire, &output->ref);
    if (!(flags & OUTPUT_ALL))
        ds_wire_u64(wire, &output->length);
    else if (ds_wire_reads(wire))
        output->length = output->ref.length;
    if (flags & OUTPUT_FILE) {
        ds_wire_u64(wire, &output->checksum);
        ds_text_field(wire, &output->path);
    }
    if (ds_wire_reads(wire))
        check_flags(wire, flags, output_flags(output));
}

/* ---- results ---- */

static void sample_fields(ds_wire *wire, void *item)
{
    ds_bad_sample *sample = item;
    ds_wire_enum8(wire, &sample->reason, DS_SAMPLE_FUNCTION + 1);
    ds_text_field(wire, &sample->where);
    ds_text_field(wire, &sample->detail);
}

static void loss_fields(ds_wire *wire, ds_loss *loss)
{
    ds_wire_u64(wire, &loss->blocks);
    ds_wire_u64(wire, &loss->records);
    ds_wire_u64(wire, &loss->bytes);
}

static uint64_t any_of(const ds_loss *loss)
{
    return loss->blocks | loss->records | loss->bytes;
}

/* Most results have nothing to count but rows, and many not even these. */
static bool counts_any(const ds_task_result *result)
{
    uint64_t any = result->replaced | result->lost_bytes | result->overflow_rows |
                   result->overflow_values | result->function_rows | result->function_values |
                   result->spilled_bytes | any_of(&result->damaged) | any_of(&result->missing);
    for (size_t i = 0; i < DS_BAD_REASON_SLOTS; i++)
        any |= result->bad[i];
    return any != 0;
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

#define RESULT_SAME_STAGE 0x01u
#define RESULT_SAME_TIME 0x02u /* its partition has something to do when that of the one before */
#define RESULT_AGAIN 0x04u
#define RESULT_TELLS 0x08u /* a status, a message */
#define RESULT_READ 0x10u
#define RESULT_COUNTS 0x20u
#define RESULT_OUTPUTS 0x40u
#define RESULT_SAMPLES 0x80u
#define RESULT_LEAST (RESULT_SAME_STAGE | RESULT_SAME_TIME)

static uint8_t result_flags(const ds_task_result *result, const ds_task_result *before)
{
    const bool same = result->batch_ms == before->batch_ms && result->stage == before->stage &&
                      result->plan_id == before->plan_id;
    return (uint8_t)((same ? RESULT_SAME_STAGE : 0) |
                     (result->acts_ms == before->acts_ms ? RESULT_SAME_TIME : 0) |
                     (result->attempt > 0 ? RESULT_AGAIN : 0) |
                     (result->status != 0 || is_text(result->message) ? RESULT_TELLS : 0) |
                     ((result->rows_in | result->bytes_in) != 0 ? RESULT_READ : 0) |
                     (counts_any(result) ? RESULT_COUNTS : 0) |
                     (result->n_outputs > 0 ? RESULT_OUTPUTS : 0) |
                     (result->n_samples > 0 ? RESULT_SAMPLES : 0));
}

/* What the result has as the one before, and what it has if nothing is said; reading. */
static void take_result_from(const ds_task_result *before, uint8_t flags, ds_task_result *result)
{
    result->message = "";
    if (flags & RESULT_SAME_STAGE) {
        result->batch_ms = before->batch_ms;
        result->plan_id = before->plan_id;
        result->stage = before->stage;
    }
    if (flags & RESULT_SAME_TIME)
        result->acts_ms = before->acts_ms;
}

static void result_place(ds_wire *wire, uint8_t flags, ds_task_result *result)
{
    ds_wire_u32(wire, &result->partition);
    if (!(flags & RESULT_SAME_STAGE)) {
        ds_wire_i64(wire, &result->batch_ms);
        ds_wire_u32(wire, &result->plan_id);
        ds_wire_u32(wire, &result->stage);
    }
    if (!(flags & RESULT_SAME_TIME))
        ds_wire_i64(wire, &result->acts_ms);
    if (flags & RESULT_AGAIN)
        ds_wire_u32(wire, &result->attempt);
}

void ds_result_fields(ds_wire *wire, void *item)
{
    static const ds_task_result none;
    ds_task_result *result = item;
    const ds_task_result *before = wire->before != NULL ? wire->before : &none;
    const uint8_t flags =
        flags_field(wire, ds_wire_measures(wire) ? RESULT_LEAST : result_flags(result, before));
    wire->before = result;
    if (ds_wire_reads(wire))
        take_result_from(before, flags, result);
    result_place(wire, flags, result);
    if (flags & RESULT_TELLS) {
        ds_status_field(wire, &result->status);
        ds_text_field(wire, &result->message);
    }
    if (flags & RESULT_READ) {
        ds_wire_u64(wire, &result->rows_in);
        ds_wire_u64(wire, &result->bytes_in);
    }
    ds_wire_u64(wire, &result->busy_us);
    if (flags & RESULT_COUNTS)
        count_fields(wire, result);
    if (flags & RESULT_OUTPUTS)
        DS_LIST_FIELD(wire, result, outputs, n_outputs, output_fields);
    if (flags & RESULT_SAMPLES)
        DS_LIST_FIELD(wire, result, samples, n_samples, sample_fields);
    if (ds_wire_reads(wire) && flags != RESULT_LEAST)
        check_flags(wire, flags, result_flags(result, before));
}
