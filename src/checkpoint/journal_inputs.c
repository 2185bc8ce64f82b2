#include "checkpoint/journal_inputs.h"

#include "checkpoint/journal_fields.h"
#include "checkpoint/recovered_sources.h"

#include <string.h>

/* ---- one input ---- */

bool ds_journal_read_id(const json_t *object, ds_file_id *id)
{
    uint64_t head_bytes;
    if (!ds_journal_bits(object, "device", &id->device) ||
        !ds_journal_bits(object, "inode", &id->inode) ||
        !ds_journal_hex(object, "head", &id->head) ||
        !ds_journal_number(object, "head_bytes", &head_bytes) || head_bytes > DS_HEAD_BYTES)
        return false;
    id->head_bytes = (uint32_t)head_bytes;
    return true;
}

/* What makes a piece of a file one of a file that grows. */
static bool read_tail(const json_t *object, ds_input *input)
{
    input->kind = DS_INPUT_TAIL;
    input->tail.starts = json_is_true(json_object_get(object, "starts"));
    ds_journal_number(object, "stop", &input->tail.stop);
    return ds_journal_number(object, "number", &input->tail.number) && input->tail.number > 0 &&
           ds_journal_read_id(object, &input->tail.id) &&
           (input->tail.stop == 0 || input->tail.stop >= input->to);
}

bool ds_journal_read_place(const json_t *object, ds_log_place *place)
{
    const char *name = json_string_value(json_object_get(object, "log"));
    return name != NULL && ds_log_place_read(name, place) &&
           ds_journal_number(object, "log_offset", &place->offset);
}

/* A received block. If it is in the log its path is that of the driver's log folder (driver.c). */
static bool read_block(const json_t *object, ds_input *input)
{
    uint64_t records = 0, header = 0;
    ds_journal_number(object, "header", &header);
    if (!ds_journal_number(object, "length", &input->ref.length) ||
        !ds_journal_number(object, "first_record", &input->position) ||
        !ds_journal_number(object, "records", &records) || header > input->ref.length ||
        header > UINT32_MAX || records > input->ref.length)
        return false;
    input->header = (uint32_t)header;
    input->from = input->position;
    input->to = input->position + records;
    return true;
}

bool ds_journal_read_input(ds_arena *arena, const json_t *object, ds_input *input)
{
    *input = (ds_input){.path = ""};
    if (json_object_get(object, "file") != NULL) {
        input->kind = DS_INPUT_FILE;
        input->path = ds_journal_text(arena, object, "file");
        bool fine = input->path != NULL && strlen(input->path) <= DS_MESSAGE_TEXT_LIMIT &&
                    ds_journal_number(object, "from", &input->from) &&
                    ds_journal_number(object, "to", &input->to) && input->from <= input->to;
        input->position = input->from;
        if (fine && json_object_get(object, "number") != NULL)
            return read_tail(object, input);
        return fine;
    }
    if (json_object_get(object, "first_row") != NULL) {
        input->kind = DS_INPUT_RATE;
        return ds_journal_number(object, "first_row", &input->from) &&
               ds_journal_number(object, "end_row", &input->to) && input->from <= input->to &&
               ds_journal_number(object, "time_us", &input->position);
    }
    if (json_object_get(object, "list") != NULL) {
        input->kind = DS_INPUT_QUEUE;
        bool fine = ds_journal_number(object, "list", &input->from);
        input->to = input->from + 1;
        return fine;
    }
    if (json_object_get(object, "log") != NULL) {
        input->kind = DS_INPUT_LOG;
        return ds_journal_read_place(object, &input->log) && read_block(object, input);
    }
    input->kind = DS_INPUT_BLOCK;
    return json_object_get(object, "executor") != NULL && read_block(object, input);
}

/* ---- all of a batch ---- */

static int source_index(const ds_plan *plan, const char *name)
{
    for (uint32_t i = 0; plan != NULL && i < plan->app->n_sources; i++)
        if (strcmp(plan->app->sources[i].name, name) == 0)
            return (int)i;
    return -1;
}

static bool is_table(const ds_plan *plan, int source)
{
    return plan->app->sources[source].type == DS_SOURCE_TABLE;
}

/* Inputs of one source; those that one of another type had are left out. */
static bool read_inputs(ds_arena *arena, const ds_app_source *source, json_t *inputs,
                        ds_allotment *allotment, bool *has_blocks)
{
    allotment->inputs = DS_ARENA_ARRAY(arena, ds_input, json_array_size(inputs) + 1);
    size_t i;
    json_t *object;
    json_array_foreach(inputs, i, object)
    {
        ds_input *input = &allotment->inputs[allotment->n_inputs];
        if (!ds_journal_read_input(arena, object, input))
            return false;
        if (!ds_source_gives(source, (ds_input_kind)input->kind))
            continue;
        allotment->n_inputs++;
        *has_blocks = *has_blocks || input->kind == DS_INPUT_BLOCK;
    }
    return true;
}

static bool are_inputs(ds_arena *arena, json_t *inputs)
{
    size_t i;
    json_t *object;
    ds_input input;
    json_array_foreach(inputs, i, object)
    {
        if (!ds_journal_read_input(arena, object, &input))
            return false;
    }
    return true;
}

/* Sources that the app has no more are left out. */
static bool read_allotments(ds_arena *arena, const ds_plan *plan, json_t *sources,
                            ds_recovered_batch *batch)
{
    batch->allotments = DS_ARENA_ARRAY(arena, ds_allotment, json_object_size(sources) + 1);
    const char *name;
    json_t *inputs;
    json_object_foreach(sources, name, inputs)
    {
        int index = source_index(plan, name);
        if (plan == NULL && !are_inputs(arena, inputs))
            return false;
        if (index < 0 || is_table(plan, index))
            continue;
        ds_allotment *allotment = &batch->allotments[batch->n_allotments++];
        allotment->source = (uint32_t)index;
        if (!read_inputs(arena, &plan->app->sources[index], inputs, allotment, &batch->has_blocks))
            return false;
    }
    return true;
}

static bool read_tables(ds_arena *arena, const ds_plan *plan, json_t *tables,
                        ds_recovered_batch *batch)
{
    batch->tables = DS_ARENA_ARRAY(arena, ds_batch_table, json_object_size(tables) + 1);
    const char *name;
    json_t *object;
    json_object_foreach(tables, name, object)
    {
        uint64_t modified_ms = 0;
        int index = source_index(plan, name);
        if (index < 0 || !is_table(plan, index))
            continue;
        ds_batch_table *use = &batch->tables[batch->n_tables++];
        use->source = (uint32_t)index;
        if (!ds_journal_number(object, "version", &use->version))
            return false;
        ds_journal_hex(object, "checksum", &use->checksum);
        ds_journal_number(object, "bytes", &use->stamp.size);
        ds_journal_number(object, "modified_ms", &modified_ms);
        use->stamp.modified_ns = (int64_t)(modified_ms % INT64_C(9000000000000)) * 1000000;
    }
    return true;
}

bool ds_journal_read_given(ds_arena *arena, const ds_plan *plan, const json_t *object,
                           ds_recovered_batch *batch)
{
    return read_allotments(arena, plan, json_object_get(object, "sources"), batch) &&
           read_tables(arena, plan, json_object_get(object, "tables"), batch);
}
