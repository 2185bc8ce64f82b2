#include "scheduler/intake.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

bool ds_intake_has_receiver(const ds_intake *intake)
{
    if (intake->source->batches != NULL)
        return false; /* a test gives its records */
    return intake->source->type == DS_SOURCE_SOCKET || intake->source->type == DS_SOURCE_STDIN;
}

bool ds_intake_follows(const ds_intake *intake)
{
    return intake->source->type == DS_SOURCE_TAIL && intake->source->batches == NULL;
}

void ds_intake_init(ds_intake *intake, const ds_plan *plan, uint32_t index)
{
    *intake = (ds_intake){.source = &plan->app->sources[index],
                          .index = index,
                          .most_bytes = DS_FILES_BATCH_BYTES,
                          .most_records = UINT64_MAX};
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        if (plan->nodes[i]->kind == DS_NODE_SOURCE && plan->nodes[i]->source == intake->source)
            intake->needed = true;
    ds_tail_files_init(&intake->tail, intake->source->name, intake->source->start_at_end);
}

void ds_intake_fini(ds_intake *intake)
{
    for (size_t i = 0; i < intake->n_files; i++)
        free(intake->files[i].name);
    free(intake->files);
    free(intake->blocks);
    free(intake->log_folder);
    ds_tail_files_fini(&intake->tail);
}

/* ---- blocks ---- */

void ds_intake_report(ds_intake *intake, uint64_t executor_id, uint64_t receiver_id,
                      const ds_block *block)
{
    intake->too_long += block->too_long;
    DS_ASSERT(ds_intake_has_receiver(intake));
    if (block->log.receiver_id != 0)
        intake->log_end = block->log;
    if (intake->counts != NULL)
        intake->counts->cut_short += block->cut_short;
    if (block->length == 0)
        return;
    if (intake->n_blocks == intake->blocks_capacity) {
        intake->blocks_capacity = intake->blocks_capacity == 0 ? 16 : intake->blocks_capacity * 2;
        intake->blocks =
            ds_realloc(intake->blocks, intake->blocks_capacity, sizeof *intake->blocks);
    }
    intake->blocks[intake->n_blocks++] =
        (ds_waiting_block){.executor_id = executor_id,
                           .receiver_id = receiver_id,
                           .block = *block,
                           .safe = executor_id == 0 || intake->source->replicas < 2};
}

static bool is_logged(const ds_intake *intake, const ds_block *block)
{
    return intake->log_folder != NULL && block->log.receiver_id != 0;
}

/* Finds other bytes for a block whose executor is lost. False: there are none. */
static bool find_elsewhere(const ds_intake *intake, ds_waiting_block *waiting)
{
    if (waiting->replica.executor_id != 0) {
        DS_ASSERT(waiting->safe && waiting->replica.length == waiting->block.length);
        waiting->executor_id = waiting->replica.executor_id;
        waiting->block.offset = waiting->replica.offset;
        waiting->replica = (ds_ref){0};
        waiting->single = true;
        return true;
    }
    if (!is_logged(intake, &waiting->block))
        return false;
    waiting->executor_id = 0;
    waiting->safe = true;
    waiting->single = false;
    return true;
}

ds_lost_blocks ds_intake_lose(ds_intake *intake, uint64_t executor_id)
{
    ds_lost_blocks lost = {0};
    size_t kept = 0;
    for (size_t i = 0; i < intake->n_blocks; i++) {
        ds_waiting_block *waiting = &intake->blocks[i];
        if (waiting->executor_id != executor_id || find_elsewhere(intake, waiting)) {
            intake->blocks[kept++] = *waiting;
            continue;
        }
        lost.unsafe += !waiting->safe;
        lost.single += waiting->single;
        lost.blocks++;
        lost.bytes += waiting->block.length;
        lost.records += waiting->block.records;
    }
    DS_ASSERT(kept + lost.blocks == intake->n_blocks);
    intake->n_blocks = kept;
    intake->records += lost.records; /* the records behind them keep their numbers */
    return lost;
}

/* Adds a block to the runs of consecutive ones that the batch gives back when it is done. */
static void note_block(ds_batch *batch, uint64_t executor_id, const ds_waiting_block *waiting)
{
    const uint64_t id = waiting->block.block_id;
    for (uint32_t i = 0; i < batch->n_blocks; i++) {
        ds_batch_blocks *run = &batch->blocks[i];
        if (run->executor_id == executor_id && run->receiver_id == waiting->receiver_id &&
            run->last + 1 == id) {
            run->last++;
            return;
        }
    }
    ds_batch_blocks *grown = DS_ARENA_ARRAY(batch->arena, ds_batch_blocks, batch->n_blocks + 1);
    if (batch->n_blocks > 0)
        memcpy(grown, batch->blocks, batch->n_blocks * sizeof *grown);
    grown[batch->n_blocks++] = (ds_batch_blocks){executor_id, waiting->receiver_id, id, id};
    batch->blocks = grown;
}

/* Says where the log has the bytes of an input; they are read from there if nowhere else. */
static void set_place(const ds_intake *intake, ds_batch *batch, const ds_waiting_block *waiting,
                      ds_input *input)
{
    if (!is_logged(intake, &waiting->block))
        return;
    input->log = waiting->block.log;
    input->path = ds_input_log_path(batch->arena, intake->log_folder, &input->log);
    if (waiting->executor_id == 0)
        ds_input_use_log(input);
}

static void allot_blocks(ds_intake *intake, ds_batch *batch, ds_allotment *allotment)
{
    allotment->inputs = DS_ARENA_ARRAY(batch->arena, ds_input, intake->n_blocks + 1);
    uint64_t end = intake->most_records < UINT64_MAX - intake->records
                       ? intake->records + intake->most_records
                       : UINT64_MAX;
    size_t taken = 0;
    for (; taken < intake->n_blocks && intake->records < end; taken++) {
        const ds_waiting_block *waiting = &intake->blocks[taken];
        if (!waiting->safe)
            break; /* nor those behind it: they stay in order */
        const ds_block *block = &waiting->block;
        ds_input *input = &allotment->inputs[allotment->n_inputs++];
        *input = (ds_input){.kind = DS_INPUT_BLOCK,
                            .ref = {waiting->executor_id, block->offset, block->length},
                            .from = intake->records,
                            .to = intake->records + block->records,
                            .position = intake->records,
                            .header = block->header,
                            .path = "",
                            .replica = waiting->replica};
        set_place(intake, batch, waiting, input);
        intake->records += block->records;
        if (input->kind == DS_INPUT_BLOCK)
            note_block(batch, waiting->executor_id, waiting);
        if (waiting->replica.executor_id != 0)
            note_block(batch, waiting->replica.executor_id, waiting);
        intake->single_blocks += waiting->single;
        if (input->log.receiver_id != 0)
            intake->log_taken = input->log;
    }
    intake->n_blocks -= taken;
    intake->replication.tended -=
        taken < intake->replication.tended ? taken : intake->replication.tended;
    if (intake->n_blocks > 0)
        memmove(intake->blocks, intake->blocks + taken, intake->n_blocks * sizeof *intake->blocks);
}

/* ---- files ---- */

/* A size that is not known yet waits for the next listing. */
static bool has_bytes(const ds_seen_file *file)
{
    return file->size != UINT64_MAX && file->taken < file->size;
}

static void set_file(ds_intake *intake, ds_seen_file *file, uint64_t size, uint64_t taken)
{
    intake->n_unread -= has_bytes(file);
    file->size = size;
    file->taken = taken;
    intake->n_unread += has_bytes(file);
}

static size_t find_file(const ds_intake *intake, const char *name, bool *found)
{
    size_t from = 0, to = intake->n_files;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(intake->files[middle].name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *found = from < intake->n_files && strcmp(intake->files[from].name, name) == 0;
    return from;
}

static ds_seen_file *add_file(ds_intake *intake, const char *name)
{
    bool found;
    size_t at = find_file(intake, name, &found);
    if (found)
        return &intake->files[at];
    if (intake->n_files == intake->files_capacity) {
        intake->files_capacity = intake->files_capacity == 0 ? 16 : intake->files_capacity * 2;
        intake->files = ds_realloc(intake->files, intake->files_capacity, sizeof *intake->files);
    }
    memmove(&intake->files[at + 1], &intake->files[at],
            (intake->n_files - at) * sizeof *intake->files);
    intake->n_files++;
    intake->files[at] = (ds_seen_file){ds_strdup(name), UINT64_MAX, 0};
    return &intake->files[at];
}

void ds_intake_list(ds_intake *intake, const ds_listed_file *files, uint32_t n_files,
                    bool skip_existing)
{
    for (uint32_t i = 0; i < n_files; i++) {
        ds_seen_file *file = add_file(intake, files[i].name);
        if (file->size != UINT64_MAX)
            continue; /* once is enough, whatever becomes of it */
        /* A file known from a checkpoint has bytes taken, and its size only now. */
        uint64_t size = files[i].size > file->taken ? files[i].size : file->taken;
        set_file(intake, file, size, skip_existing ? size : file->taken);
    }
    intake->listed = true;
}

void ds_intake_taken(ds_intake *intake, const char *name, uint64_t size, uint64_t taken)
{
    ds_seen_file *file = add_file(intake, name);
    set_file(intake, file, size >= taken ? size : UINT64_MAX,
             taken > file->taken ? taken : file->taken);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static ds_input *add_input(ds_batch *batch, ds_allotment *allotment, uint32_t *capacity)
{
    if (allotment->n_inputs == *capacity) {
        *capacity = *capacity == 0 ? 16 : *capacity * 2;
        ds_input *grown = DS_ARENA_ARRAY(batch->arena, ds_input, *capacity);
        if (allotment->n_inputs > 0)
            memcpy(grown, allotment->inputs, allotment->n_inputs * sizeof *grown);
        allotment->inputs = grown;
    }
    return &allotment->inputs[allotment->n_inputs++];
}

/* Takes the next piece of a file: up to block_bytes of it. */
static void take_piece(ds_intake *intake, ds_seen_file *file, ds_batch *batch, uint64_t most,
                       ds_allotment *allotment, uint32_t *capacity)
{
    DS_ASSERT(most > 0 && has_bytes(file));
    uint64_t to = file->taken + least(most, file->size - file->taken);
    *add_input(batch, allotment, capacity) =
        (ds_input){.kind = DS_INPUT_FILE,
                   .from = file->taken,
                   .to = to,
                   .position = file->taken,
                   .path = ds_arena_printf(batch->arena, "%s/%s", intake->source->dir, file->name)};
    set_file(intake, file, file->size, to);
}

static void allot_files(ds_intake *intake, ds_batch *batch, uint64_t block_bytes,
                        ds_allotment *allotment)
{
    uint64_t left = intake->most_bytes;
    uint32_t capacity = 0;
    for (size_t i = 0; i < intake->n_files && intake->n_unread > 0 && left > 0; i++) {
        ds_seen_file *file = &intake->files[i];
        while (has_bytes(file) && left > 0 && allotment->n_inputs < DS_FILES_BATCH_PIECES) {
            uint64_t before = file->taken;
            take_piece(intake, file, batch, least(block_bytes, left), allotment, &capacity);
            left -= file->taken - before;
        }
    }
}

static void allot_tail(ds_intake *intake, ds_batch *batch, uint64_t block_bytes,
                       ds_allotment *allotment)
{
    uint64_t left = intake->most_bytes;
    uint32_t capacity = 0;
    ds_input input;
    while (left > 0 && allotment->n_inputs < DS_FILES_BATCH_PIECES &&
           ds_tail_files_take(&intake->tail, least(block_bytes, left), &input)) {
        input.path = ds_arena_strdup(batch->arena, input.path);
        left -= input.to - input.from;
        *add_input(batch, allotment, &capacity) = input;
    }
}

/* ---- rate, queue ---- */

static void allot_rows(ds_intake *intake, ds_batch *batch, int64_t interval_ms,
                       ds_allotment *allotment)
{
    /* Rows up to row n are due after n / rate seconds: nothing is lost to rounding. */
    uint64_t rate = (uint64_t)intake->source->rows_per_second;
    if (intake->source->max_rate > 0)
        rate = least(rate, (uint64_t)intake->source->max_rate);
    uint64_t end = (uint64_t)((__uint128_t)(uint64_t)batch->time_ms * rate / 1000);
    uint64_t begin =
        (uint64_t)((__uint128_t)(uint64_t)(batch->time_ms - interval_ms) * rate / 1000);
    uint64_t n = end - begin;
    DS_ASSERT(rate > 0 && end >= begin);
    uint64_t piece = n / DS_RATE_BATCH_PIECES + 1;
    if (piece < DS_RATE_PIECE_ROWS)
        piece = DS_RATE_PIECE_ROWS;
    allotment->inputs = DS_ARENA_ARRAY(batch->arena, ds_input, n / piece + 1);
    uint64_t time_us = (uint64_t)(batch->time_ms - interval_ms) * 1000;
    for (uint64_t done = 0; done < n;) {
        uint64_t rows = least(piece, n - done);
        allotment->inputs[allotment->n_inputs++] =
            (ds_input){.kind = DS_INPUT_RATE,
                       .from = intake->next,
                       .to = intake->next + rows,
                       .position = time_us + (uint64_t)((__uint128_t)done * 1000000 / rate),
                       .path = ""};
        intake->next += rows;
        done += rows;
    }
}

static bool has_lists(const ds_intake *intake)
{
    return intake->next < json_array_size(intake->source->batches);
}

static void allot_list(ds_intake *intake, ds_batch *batch, ds_allotment *allotment)
{
    if (!has_lists(intake))
        return;
    uint64_t at = intake->next++;
    DS_ASSERT(allotment->n_inputs == 0);
    allotment->next = intake->next;
    if (json_array_size(json_array_get(intake->source->batches, at)) == 0)
        return;
    allotment->inputs = DS_ARENA_ARRAY(batch->arena, ds_input, 1);
    allotment->n_inputs = 1;
    allotment->inputs[0] = (ds_input){.kind = DS_INPUT_QUEUE, .from = at, .to = at + 1, .path = ""};
}

/* ---- all ---- */

bool ds_intake_has_more(const ds_intake *intake)
{
    if (intake->source->type == DS_SOURCE_TABLE)
        return false; /* it is there in every batch, and a batch's own reason for none */
    if (intake->source->batches != NULL)
        return has_lists(intake);
    switch (intake->source->type) {
    case DS_SOURCE_FILES: return intake->n_unread > 0;
    case DS_SOURCE_TAIL: return ds_tail_files_more(&intake->tail);
    case DS_SOURCE_RATE: return intake->phase != DS_INTAKE_ENDED;
    default: return intake->n_blocks > 0;
    }
}

void ds_intake_allot(ds_intake *intake, ds_batch *batch, int64_t interval_ms, uint64_t block_bytes,
                     ds_allotment *allotment)
{
    DS_ASSERT(intake->source->type != DS_SOURCE_TABLE); /* driver/tables.c */
    *allotment = (ds_allotment){.source = intake->index};
    if (intake->source->batches != NULL)
        allot_list(intake, batch, allotment);
    else if (intake->source->type == DS_SOURCE_FILES)
        allot_files(intake, batch, block_bytes, allotment);
    else if (intake->source->type == DS_SOURCE_TAIL)
        allot_tail(intake, batch, block_bytes, allotment);
    else if (intake->source->type == DS_SOURCE_RATE)
        allot_rows(intake, batch, interval_ms, allotment);
    else
        allot_blocks(intake, batch, allotment);
}
