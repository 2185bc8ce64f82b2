#include "exec/fold.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/paged.h"
#include "exec/restore.h"

#include <stdlib.h>
#include <string.h>

#define LESS 8           /* so much smaller a whole is folded, too, if ... */
#define RARELY 80        /* ... it is so many batches old: then folds are rare */
#define COPY_MORE 16     /* a copy may have so large a part more: text of its queues */
#define SAVED_LESS 4     /* a whole has so large a part of the bytes in memory at least, mostly */
#define LATER_PARTS 320u /* a chain may have at most, if there is no memory for the copy, ... */
#define LATER_TIMES 2    /* ... and so many times the bytes of its whole as changes */
#define BESIDE_COPY ((int64_t)1 << 20) /* what loading it takes */

struct ds_fold {
    const ds_stage *stage;
    ds_peers *peers;
    ds_collection *collection; /* where memory for the copy is reserved ... */
    ds_budget *budget;         /* ... of this; may be NULL */
    int64_t reserved;          /* for it */
    ds_arena *arena;
    ds_task task; /* of which only the parts count */
};

/* ---- before ---- */

static bool lies_here(const ds_saved_part *part, uint64_t executor_id)
{
    return part->length == 0 || part->path[0] != '\0' || part->ref.executor_id == executor_id;
}

static ds_saved_part *copy_parts(ds_arena *arena, const ds_task *task)
{
    ds_saved_part *parts = DS_ARENA_ARRAY(arena, ds_saved_part, task->n_saved + 1);
    for (uint32_t i = 0; i < task->n_saved; i++) {
        parts[i] = task->saved[i];
        parts[i].path = ds_arena_strdup(arena, task->saved[i].path);
    }
    return parts;
}

/* It costs three times as much, but beside the tasks. How large the changes are says nothing: where
 * batches follow each other without a pause the first save after a fold has hundreds of them. */
static bool is_worth_it(uint64_t whole, int64_t age_ms, int64_t slide_ms, uint64_t fold_bytes)
{
    if (whole >= fold_bytes)
        return true;
    return whole >= fold_bytes / LESS && age_ms >= slide_ms * RARELY;
}

ds_fold *ds_fold_new(const ds_task_env *env, const ds_task *task, size_t kept_bytes, bool *later)
{
    *later = false;
    const ds_stage *stage = &env->plan->stages[task->stage];
    uint64_t bytes = 0, whole = 0;
    int64_t age_ms = INT64_MAX;
    for (uint32_t i = 0; i < task->n_saved; i++) {
        if (!lies_here(&task->saved[i], env->executor_id) ||
            __builtin_add_overflow(bytes, task->saved[i].length, &bytes))
            return NULL;
        if (!task->saved[i].whole)
            continue;
        whole += task->saved[i].length;
        int64_t part_ms = task->batch_ms - task->saved[i].batch_ms;
        age_ms = part_ms < age_ms ? part_ms : age_ms;
    }
    uint64_t now = kept_bytes / SAVED_LESS; /* it may have grown much since */
    if (!is_worth_it(now > whole ? now : whole, age_ms, stage->root->slide_ms, env->fold_bytes))
        return NULL;
    int64_t reserved = (int64_t)(kept_bytes + kept_bytes / COPY_MORE) + BESIDE_COPY;
    ds_budget *budget = env->saving != NULL ? env->saving : env->budget;
    if (!ds_collection_reserve_fold(env->collection, budget, reserved)) {
        *later = task->n_saved < LATER_PARTS && bytes - whole <= whole * LATER_TIMES &&
                 reserved <= budget->limit_bytes;
        return NULL;
    }
    ds_fold *fold = ds_calloc(1, sizeof *fold);
    fold->stage = stage;
    fold->peers = env->peers;
    fold->collection = env->collection;
    fold->budget = budget;
    fold->reserved = reserved;
    fold->arena = ds_arena_new(NULL);
    fold->task = (ds_task){.stage = task->stage,
                           .partition = task->partition,
                           .saved = copy_parts(fold->arena, task),
                           .n_saved = task->n_saved};
    return fold;
}

void ds_fold_free(ds_fold *fold)
{
    if (fold == NULL)
        return;
    ds_collection_end_fold(fold->collection, fold->budget);
    ds_arena_free(fold->arena);
    free(fold);
}

/* ---- beside ---- */

/* The bytes of a part that was collected, as they are loaded. */
typedef struct reader {
    ds_buffer bytes;
    size_t at;
    ds_pace *pace;
} reader;

static ds_status take_in(void *arg, const void *bytes, size_t length, ds_error *error)
{
    reader *r = arg;
    (void)error;
    ds_buffer_append(&r->bytes, bytes, length);
    ds_pace_step(r->pace, length);
    return DS_OK;
}

static ds_status give_out(void *arg, void *to, size_t length, ds_error *error)
{
    reader *r = arg;
    if (length > r->bytes.length - r->at)
        return ds_error_set(error, DS_ERR_PROTOCOL, "the part ends too early");
    ds_pace_step(r->pace, length);
    memcpy(to, r->bytes.data + r->at, length);
    r->at += length;
    return DS_OK;
}

static ds_status load_changes(ds_kept *kept, const ds_collected *collected, uint32_t i,
                              ds_pace *pace, ds_error *error)
{
    reader r = {.pace = pace};
    const ds_save_to to = {.arg = &r, .write = take_in};
    ds_buffer_reserve(&r.bytes, collected->bytes[i].length); /* to grow would be to copy at once */
    const ds_load_from from = {&r, give_out};
    ds_status status = ds_collected_read(collected, i, &to, error);
    if (status == DS_OK && r.bytes.length > 0)
        status = ds_kept_load(kept, collected->saved.parts[i].input, &from, error);
    ds_buffer_fini(&r.bytes);
    return status;
}

/* Of inputs that were collected whole the chain is not needed. */
static void drop_needless(ds_fold *fold, const ds_msg_saved *saved)
{
    uint32_t left = 0;
    for (uint32_t p = 0; p < fold->task.n_saved; p++) {
        const ds_saved_part *part = &fold->task.saved[p];
        bool needed = true;
        for (uint32_t i = 0; i < saved->n_parts; i++)
            needed = needed && !(saved->parts[i].input == part->input && saved->parts[i].whole);
        if (needed)
            fold->task.saved[left++] = *part;
    }
    fold->task.n_saved = left;
}

static ds_status load(ds_fold *fold, ds_kept *kept, const ds_collected *collected, ds_pace *pace,
                      ds_error *error)
{
    const ds_msg_saved *saved = &collected->saved;
    DS_ASSERT(saved->n_parts > 0);
    fold->task.keyed_ms = saved->parts[0].batch_ms;
    drop_needless(fold, saved);
    if (fold->task.n_saved > 0)
        DS_TRY(ds_restore_parts(kept, &fold->task, fold->peers, pace, error));
    for (uint32_t i = 0; i < saved->n_parts; i++)
        DS_TRY(load_changes(kept, collected, i, pace, error));
    ds_kept_stand(kept, fold->task.keyed_ms);
    return DS_OK;
}

/* A part that is collected anew. */
typedef struct writing {
    ds_save_to to;
    ds_pace *pace;
} writing;

static ds_status take_on(void *arg, const void *bytes, size_t length, ds_error *error)
{
    const writing *w = arg;
    ds_pace_step(w->pace, length);
    return w->to.write(w->to.arg, bytes, length, error);
}

static ds_status save(ds_kept *kept, ds_collected *collected, ds_pace *pace, ds_error *error)
{
    uint32_t n = collected->saved.n_parts;
    ds_collected_begin_anew(collected);
    for (uint32_t i = 0; i < n; i++) {
        ds_saved_part part = collected->saved.parts[i];
        writing w = {.pace = pace};
        part.whole = true;
        ds_collected_add(collected, &part, &w.to);
        const ds_save_to to = {.arg = &w, .write = take_on, .lacks_sum = w.to.lacks_sum};
        DS_TRY(ds_kept_save(kept, part.input, true, &to, error));
    }
    return DS_OK;
}

/* A copy of the partition is loaded, and saved. */
static ds_status load_and_save(ds_fold *fold, ds_budget *memory, ds_collected *collected,
                               ds_pace *pace, ds_error *error)
{
    ds_kept *kept = ds_kept_new(fold->stage, memory);
    ds_pace_begin(pace);
    ds_status status = load(fold, kept, collected, pace, error);
    if (status == DS_OK)
        status = save(kept, collected, pace, error);
    ds_kept_free(kept);
    return status;
}

static void given_back(void *arg, uint64_t bytes)
{
    ds_pace_step(arg, bytes);
}

void ds_fold_make(ds_collected *collected, ds_pace *pace)
{
    ds_fold *fold = collected->fold;
    if (fold == NULL)
        return;
    collected->fold = NULL;
    if (collected->saved.status == DS_OK) {
        ds_error error;
        ds_budget memory; /* reserved; what is large grows, and goes, in small steps */
        ds_budget_init(&memory, NULL, 0);
        memory.paged = ds_paged_new_memory((uint64_t)fold->reserved, given_back, pace);
        ds_status status = load_and_save(fold, &memory, collected, pace, &error);
        if (status != DS_OK)
            ds_collected_fail(collected, status, error.message);
        ds_paged_free(memory.paged);
    }
    ds_fold_free(fold);
}
