/* What a batch whose tasks are done commits: their outputs, in the order of sinks, stages and
 * partitions. */
#include "base/assert.h"
#include "scheduler/batch.h"

#include <inttypes.h>

bool ds_batch_is_prepared(const ds_batch *batch)
{
    return batch->state == DS_BATCH_PREPARED || batch->state == DS_BATCH_READY ||
           batch->state == DS_BATCH_COMMITTING;
}

/* A commit while it is put together. */
typedef struct gathering {
    ds_batch *batch;
    const ds_plan *plan;
    ds_commit commit;
    ds_commit_file *next_part; /* room for all parts of all appends */
} gathering;

static const char *extension(ds_row_format format)
{
    return format == DS_ROWS_CSV ? "csv" : "json";
}

static ds_commit_file staged_file(const ds_output *output)
{
    DS_ASSERT(output->kind == DS_OUTPUT_FILE);
    return (ds_commit_file){.sink = output->target,
                            .staged = output->path,
                            .folder = "",
                            .name = "",
                            .length = output->length,
                            .checksum = output->checksum,
                            .rows = output->rows};
}

static void add_file(gathering *g, const ds_sink_plan *sink, const ds_output *output, uint32_t part)
{
    DS_ASSERT(sink->kind == DS_TO_FILE);
    ds_arena *arena = g->batch->arena;
    ds_commit_file *file = &g->commit.files[g->commit.n_files++];
    *file = staged_file(output);
    file->folder = ds_arena_printf(arena, "%s/%" PRId64, sink->dir, g->batch->time_ms);
    file->name = ds_arena_printf(arena, "part-%05u.%s", part, extension(sink->format));
}

static void add_part(gathering *g, const ds_sink_plan *sink, const ds_output *output, uint32_t part)
{
    if (part == 0)
        g->commit.appends[g->commit.n_appends++] =
            (ds_commit_append){.sink = sink->index,
                               .path = sink->path,
                               .base = {DS_APPEND_UNKNOWN, 0},
                               .parts = g->next_part};
    g->commit.appends[g->commit.n_appends - 1].n_parts++;
    DS_ASSERT(g->commit.appends[g->commit.n_appends - 1].sink == sink->index);
    *g->next_part++ = staged_file(output);
}

static void add_output(gathering *g, const ds_sink_plan *sink, const ds_output *output,
                       uint32_t part)
{
    if (sink->index == g->plan->dead_letters)
        g->batch->dead_letters += output->rows;
    else
        g->batch->rows_out += output->rows;
    if (output->kind == DS_OUTPUT_BYTES)
        g->commit.bytes[g->commit.n_bytes++] = *output;
    else if (sink->kind == DS_TO_APPEND)
        add_part(g, sink, output, part);
    else
        add_file(g, sink, output, part);
}

static void add_sink(gathering *g, const ds_sink_plan *sink)
{
    uint32_t part = 0;
    for (uint32_t i = 0; i < g->batch->n_letters && sink->index == g->plan->dead_letters; i++)
        add_output(g, sink, &g->batch->letters[i], part++);
    for (uint32_t s = 0; s < g->plan->n_stages; s++) {
        const ds_batch_stage *stage = &g->batch->stages[s];
        for (uint32_t t = 0; t < stage->n_tasks; t++)
            for (uint32_t o = 0; o < stage->tasks[t].n_outputs; o++) {
                const ds_output *output = &stage->tasks[t].outputs[o];
                if (output->kind != DS_OUTPUT_PIECES && output->target == sink->index)
                    add_output(g, sink, output, part++);
            }
    }
}

static uint32_t count_outputs(const ds_batch *batch, const ds_plan *plan)
{
    uint32_t n = batch->n_letters;
    for (uint32_t s = 0; s < plan->n_stages; s++)
        for (uint32_t t = 0; t < batch->stages[s].n_tasks; t++)
            n += batch->stages[s].tasks[t].n_outputs;
    return n;
}

ds_commit ds_batch_commit(ds_batch *batch, const ds_plan *plan)
{
    DS_ASSERT(ds_batch_is_done(batch));
    uint32_t most = count_outputs(batch, plan) + 1;
    gathering g = {.batch = batch, .plan = plan};
    g.commit = (ds_commit){.batch_ms = batch->time_ms, .again = batch->again, .bad = batch->bad};
    g.commit.files = DS_ARENA_ARRAY(batch->arena, ds_commit_file, most);
    g.commit.appends = DS_ARENA_ARRAY(batch->arena, ds_commit_append, plan->n_sinks + 1);
    g.commit.bytes = DS_ARENA_ARRAY(batch->arena, ds_output, most);
    const ds_commit_file *parts = g.next_part = DS_ARENA_ARRAY(batch->arena, ds_commit_file, most);
    batch->rows_out = batch->dead_letters = 0;
    for (uint32_t i = 0; i < plan->n_sinks; i++)
        add_sink(&g, plan->sinks[i]);
    DS_ASSERT(g.commit.n_files + g.commit.n_bytes + (uint32_t)(g.next_part - parts) < most);
    return g.commit;
}
