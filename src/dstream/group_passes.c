/*
 * The second half of a group_by without a window, and of a state: a table of all groups of a key
 * partition.
 *
 * If the table would not fit the task's share it is made in passes. The pieces can be read
 * again, so a pass takes only the rows whose keys' hash is in a range (of its low half: the high
 * half has chosen the partition), hands its results out, and the next pass begins with an empty
 * table. How many keys there are is not known before: a range for which the table is full when a
 * part of the rows was looked at is cut into as many ranges as that part says, and each of them is
 * tried in turn, and cut again if need be. So nothing is written anywhere, and the dearest that
 * happens is that rows are read some times more.
 *
 * Where a pass ends depends on the rows and the share alone, so a task that runs again gives its
 * rows in the same order; but where others have taken what was meant to be shared, a table that is
 * worth it is cut rather than that the task fails. A few groups that are larger than the share are
 * made in paged memory (base/paged.h), where there is any: less at a time would not help. They are
 * handed out one by one, so that it is known which it is whose result does not fit.
 */
#include "base/assert.h"
#include "columnar/piece.h"
#include "dstream/group_name.h"
#include "dstream/op_group.h"

#include <stdatomic.h>

#define FEW_GROUPS 8u
#define RESERVED 64u /* bytes of a table for each group, for which it is made at once */
#define MORE 64u     /* times as many groups as the first piece has rows, for all that is known */
#define WORTH                                                                                      \
    8 /* part of what a table may have from which less at a time helps where others do not */

typedef struct passes {
    ds_frame *frame;
    const ds_node *node;
    const ds_piece_bytes *pieces;
    uint32_t n_pieces;
    uint64_t n_bytes;   /* of all pieces */
    ds_arena *loaded;   /* a piece that is not in memory */
    ds_groups **groups; /* in the frame's arena */
    bool full;          /* the table is: the pass has to be made in another way */
    bool wide;          /* it is made in paged memory */
    ds_take_pass_fn take;
    void *arg;
} passes;

typedef struct range { /* of hashes */
    uint64_t first, width;
} range;

static void free_table(void *groups)
{
    ds_groups_free(*(ds_groups **)groups);
}

/* Text of the results lies in the table, and may be kept until the task ends: a table that stays
 * until then gives its place to another. */
static void next_place(passes *p)
{
    p->groups = DS_ARENA_NEW(p->frame->arena, ds_groups *);
    ds_arena_on_free(p->frame->arena, free_table, p->groups);
}

/* Begins with an empty table of new memory: the arrays of the old one are as large as they were. */
static void renew_table(passes *p, bool wide)
{
    ds_groups_free(*p->groups);
    *p->groups = ds_groups_new(&p->node->group->spec, wide ? p->frame->wide : p->frame->budget);
    p->full = false;
    p->wide = wide;
}

/* Whether less could be taken at a time. */
static bool can_cut(const passes *p, range r)
{
    return r.width > 1 && ds_groups_count(*p->groups) > FEW_GROUPS;
}

/* Whether the table is as large as it may be, and there is another way. */
static bool is_full(const passes *p, range r)
{
    if (p->wide || (p->frame->wide == NULL && !can_cut(p, r)))
        return false;
    size_t bytes = ds_groups_bytes(*p->groups), most = p->frame->table_bytes;
    return bytes > most || (bytes > most / WORTH && ds_frame_is_short(p->frame));
}

/* Memory is short, and there is no less to take at a time. */
static ds_status few_groups(const passes *p, ds_status status)
{
    char name[DS_GROUP_NAME];
    uint32_t n = ds_groups_count(*p->groups);
    if (status != DS_ERR_NO_MEMORY || n == 0 || (n > FEW_GROUPS && !p->wide))
        return status;
    ds_group_name(p->frame, p->node, *p->groups, 0, name);
    ds_error_set(&p->frame->error, status,
                 "stream %s: %s%s alone need%s more memory than there is (executors.memory or "
                 "limits.memory)",
                 p->node->stream, n > 1 ? "some groups, one of them " : "", name,
                 n == 1 ? "s" : "");
    return status;
}

/* Before the first rows of a table of all hashes: it mostly has as many groups as the one before,
 * and at least as many as the piece has rows. */
static void reserve(const passes *p, uint32_t n_rows)
{
    uint32_t usual = atomic_load_explicit(p->node->group->usual_merged, memory_order_relaxed);
    uint64_t most = MORE * (uint64_t)n_rows, wanted = usual < most ? usual : most;
    if (wanted < n_rows)
        wanted = n_rows;
    if (wanted < p->frame->table_bytes / RESERVED)
        ds_groups_reserve(*p->groups, (uint32_t)wanted);
}

/* Merges rows of a piece until all are, or the table is full; *done: how many. */
static ds_status merge_rows(passes *p, range r, const ds_piece *piece, uint32_t *done,
                            ds_error *error)
{
    ds_frame *frame = p->frame;
    const ds_stage_input *input = ds_plan_input(frame->plan, p->node);
    uint32_t n_rows = ds_piece_length(piece), last = (uint32_t)(r.first + r.width - 1);
    if (r.width == DS_ALL_HASHES)
        reserve(p, n_rows);
    for (*done = 0; *done < n_rows;) {
        uint32_t left = n_rows - *done, n = left < DS_CHUNK_ROWS ? left : DS_CHUNK_ROWS;
        ds_column **columns = DS_ARENA_ARRAY(frame->chunk_arena, ds_column *, input->n_types + 1);
        DS_TRY(ds_piece_take(piece, frame->chunk_arena, *done, n, columns, error));
        ds_groups_merge_range(*p->groups, frame->chunk_arena, &frame->heap,
                              (const ds_column *const *)columns, n, (uint32_t)r.first, last);
        *done += n;
        p->full = is_full(p, r);
        if (p->full)
            return DS_OK; /* the next pass asks whether there is memory */
        DS_TRY(few_groups(p, ds_frame_next_chunk(frame)));
    }
    return DS_OK;
}

static ds_status merge_piece(passes *p, range r, uint32_t i, uint64_t *done, ds_error *error)
{
    const ds_stage_input *input = ds_plan_input(p->frame->plan, p->node);
    const void *bytes;
    ds_piece *piece;
    uint32_t n;
    ds_arena_reset(p->loaded);
    DS_TRY(ds_frame_piece(p->frame, p->loaded, &p->pieces[i], &bytes, error));
    DS_TRY(ds_piece_open(p->loaded, &p->frame->heap, bytes, p->pieces[i].length, input->types,
                         input->n_types, &piece, error));
    DS_TRY(merge_rows(p, r, piece, &n, error));
    uint32_t n_rows = ds_piece_length(piece);
    *done += n == n_rows ? p->pieces[i].length : (uint64_t)p->pieces[i].length * n / n_rows;
    return DS_OK;
}

/* Takes in the rows of a pass; *done: the bytes that were looked at before the table was full. */
static ds_status merge_pass(passes *p, range r, uint64_t *done, ds_error *error)
{
    *done = 0;
    for (uint32_t i = 0; i < p->n_pieces && !p->full; i++)
        DS_TRY(merge_piece(p, r, i, done, error));
    return DS_OK;
}

/* Pushes groups that are large one by one. */
static ds_status push_each(passes *p, ds_groups *groups)
{
    char name[DS_GROUP_NAME];
    ds_status status = DS_OK;
    for (uint32_t id = 0; id < ds_groups_count(groups) && status == DS_OK; id++) {
        status = ds_group_push_some(p->frame, p->node, groups, id, 1);
        if (status != DS_ERR_NO_MEMORY)
            continue;
        ds_group_name(p->frame, p->node, groups, id, name);
        ds_error_set(&p->frame->error, status,
                     "stream %s: the result of %s needs more memory than a task has "
                     "(executors.memory or limits.memory)",
                     p->node->stream, name);
    }
    return status;
}

/* Pushes the groups of a pass; what comes next begins with an empty table. */
static ds_status push_pass(void *arg, ds_groups *groups, uint64_t first, uint64_t end,
                           ds_error *error)
{
    (void)first, (void)error;
    passes *p = arg;
    DS_TRY(p->wide ? push_each(p, groups) : ds_group_push_results(p->frame, p->node, groups));
    if (end == DS_ALL_HASHES)
        return DS_OK; /* the last one: text of the results may stay where it is */
    if (!ds_frame_settle(p->frame) && p->frame->status == DS_OK)
        next_place(p);
    return p->frame->status;
}

/* How many ranges a range is cut into of which `done` bytes of rows filled the table, with a
 * quarter to spare. */
static uint64_t parts_of(const passes *p, range r, uint64_t done)
{
    double parts = (double)p->n_bytes / (0.75 * (double)done) + 1;
    return parts < (double)r.width ? (uint64_t)parts : r.width;
}

static ds_status run_range(passes *p, range r, ds_error *error);

static ds_status cut_range(passes *p, range r, uint64_t n, ds_error *error)
{
    uint64_t width = (r.width + n - 1) / n, end = r.first + r.width;
    for (uint64_t at = r.first; at < end; at += width) {
        range part = {at, end - at < width ? end - at : width};
        DS_TRY(run_range(p, part, error));
    }
    return DS_OK;
}

static ds_status run_range(passes *p, range r, ds_error *error)
{
    uint64_t done;
    renew_table(p, false);
    DS_TRY(merge_pass(p, r, &done, error));
    if (done < p->n_bytes && can_cut(p, r))
        return cut_range(p, r, parts_of(p, r, done), error); /* nothing was handed out */
    if (done < p->n_bytes) {
        renew_table(p, true);
        DS_TRY(merge_pass(p, r, &done, error));
    }
    if (r.width == DS_ALL_HASHES)
        atomic_store_explicit(p->node->group->usual_merged, ds_groups_count(*p->groups),
                              memory_order_relaxed);
    return p->take(p->arg, *p->groups, r.first, r.first + r.width, error);
}

static ds_status run_from(passes *p, uint64_t from, ds_error *error)
{
    p->loaded = ds_arena_new(p->frame->budget);
    for (uint32_t i = 0; i < p->n_pieces; i++)
        p->n_bytes += p->pieces[i].length;
    next_place(p);
    ds_status status = run_range(p, (range){from, DS_ALL_HASHES - from}, error);
    ds_arena_free(p->loaded);
    return status;
}

ds_status ds_group_reduce(ds_frame *frame, const ds_node *node, const ds_piece_bytes *pieces,
                          uint32_t n_pieces, ds_error *error)
{
    passes p = {.frame = frame, .node = node, .pieces = pieces, .n_pieces = n_pieces};
    p.take = push_pass;
    p.arg = &p;
    return run_from(&p, 0, error);
}

ds_status ds_group_each_pass(ds_frame *frame, const ds_node *node, const ds_piece_bytes *pieces,
                             uint32_t n_pieces, uint64_t from, ds_take_pass_fn take, void *arg,
                             ds_error *error)
{
    DS_ASSERT(from < DS_ALL_HASHES);
    passes p = {.frame = frame,
                .node = node,
                .pieces = pieces,
                .n_pieces = n_pieces,
                .take = take,
                .arg = arg};
    ds_status status = run_from(&p, from, error);
    ds_groups_free(*p.groups);
    *p.groups = NULL;
    return status;
}
