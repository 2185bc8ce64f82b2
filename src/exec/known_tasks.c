/*
 * The batches that are known, each with a hash table of its tasks: open addressing, never more than
 * half full.
 */
#include "exec/known_tasks.h"

#include "base/assert.h"
#include "base/memory.h"
#include "exec/by_batch.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

typedef struct task_key {
    uint32_t plan_id, stage, partition, attempt;
} task_key;

typedef struct slot {
    bool used;
    task_key key;
} slot;

typedef struct known_batch {
    uint32_t running;
    slot *slots; /* a power of two of them */
    size_t n, n_slots;
} known_batch;

struct ds_known_tasks {
    ds_by_batch batches;
};

ds_known_tasks *ds_known_tasks_new(void)
{
    return ds_calloc(1, sizeof(ds_known_tasks));
}

static void free_batch(known_batch *batch)
{
    free(batch->slots);
    free(batch);
}

void ds_known_tasks_free(ds_known_tasks *known)
{
    if (known == NULL)
        return;
    for (size_t i = 0; i < known->batches.n; i++)
        free_batch(known->batches.items[i].value);
    ds_by_batch_fini(&known->batches);
    free(known);
}

static known_batch *find(const ds_known_tasks *known, int64_t batch_ms)
{
    return ds_by_batch_find(&known->batches, batch_ms);
}

static known_batch *find_or_add(ds_known_tasks *known, int64_t batch_ms)
{
    known_batch *batch = find(known, batch_ms);
    if (batch != NULL)
        return batch;
    batch = ds_calloc(1, sizeof *batch);
    ds_by_batch_add(&known->batches, batch_ms, batch);
    return batch;
}

/* The slot of a key, or the free one where it belongs. */
static slot *slot_of(slot *slots, size_t n_slots, const task_key *key)
{
    DS_ASSERT(n_slots > 0 && (n_slots & (n_slots - 1)) == 0);
    size_t at = (size_t)XXH3_64bits(key, sizeof *key);
    for (;; at++) {
        slot *s = &slots[at & (n_slots - 1)];
        if (!s->used || memcmp(&s->key, key, sizeof *key) == 0)
            return s;
    }
}

static void grow(known_batch *batch)
{
    size_t n_slots = batch->n_slots == 0 ? 64 : batch->n_slots * 2;
    slot *slots = ds_calloc(n_slots, sizeof *slots);
    for (size_t i = 0; i < batch->n_slots; i++)
        if (batch->slots[i].used)
            *slot_of(slots, n_slots, &batch->slots[i].key) = batch->slots[i];
    free(batch->slots);
    batch->slots = slots;
    batch->n_slots = n_slots;
}

bool ds_known_tasks_add(ds_known_tasks *known, const ds_task *task)
{
    known_batch *batch = find_or_add(known, task->batch_ms);
    if (2 * (batch->n + 1) > batch->n_slots)
        grow(batch);
    const task_key key = {task->plan_id, task->stage, task->partition, task->attempt};
    slot *s = slot_of(batch->slots, batch->n_slots, &key);
    if (s->used)
        return false;
    *s = (slot){true, key};
    batch->n++;
    DS_ASSERT(2 * batch->n <= batch->n_slots);
    return true;
}

void ds_known_tasks_begin(ds_known_tasks *known, int64_t batch_ms)
{
    find_or_add(known, batch_ms)->running++;
}

void ds_known_tasks_end(ds_known_tasks *known, int64_t batch_ms)
{
    known_batch *batch = find(known, batch_ms);
    DS_ASSERT(batch != NULL && batch->running > 0);
    batch->running--;
}

bool ds_known_tasks_runs(const ds_known_tasks *known, int64_t batch_ms)
{
    const known_batch *batch = find(known, batch_ms);
    return batch != NULL && batch->running > 0;
}

void ds_known_tasks_forget(ds_known_tasks *known, int64_t batch_ms)
{
    known_batch *batch = ds_by_batch_take(&known->batches, batch_ms);
    if (batch == NULL)
        return;
    DS_ASSERT(batch->running == 0);
    free_batch(batch);
}

size_t ds_known_tasks_count(const ds_known_tasks *known)
{
    size_t n = 0;
    for (size_t i = 0; i < known->batches.n; i++)
        n += ((const known_batch *)known->batches.items[i].value)->n;
    return n;
}
