#include "scheduler/choice.h"

#include "base/assert.h"
#include "base/memory.h"
#include "scheduler/registry.h"

#include <stdlib.h>

void ds_choice_fini(ds_choice *choice)
{
    free(choice->heap);
    choice->heap = NULL;
    choice->n = choice->capacity = 0;
}

static uint64_t load_of(const ds_choice *choice, const ds_executor_entry *entry)
{
    return choice->load == DS_LOAD_RUNNING ? entry->running : entry->owned;
}

static bool before(const ds_choice *choice, const ds_executor_entry *a, const ds_executor_entry *b)
{
    uint64_t left = load_of(choice, a) * b->cores, right = load_of(choice, b) * a->cores;
    return left != right ? left < right : a->id < b->id;
}

static void put(ds_choice *choice, size_t i, ds_executor_entry *entry)
{
    choice->heap[i] = entry;
    entry->chosen[choice->load] = i;
}

static void rise(ds_choice *choice, size_t i)
{
    ds_executor_entry *entry = choice->heap[i];
    for (; i > 0 && before(choice, entry, choice->heap[(i - 1) / 2]); i = (i - 1) / 2)
        put(choice, i, choice->heap[(i - 1) / 2]);
    put(choice, i, entry);
}

static void sink(ds_choice *choice, size_t i)
{
    ds_executor_entry *entry = choice->heap[i];
    for (size_t child; (child = 2 * i + 1) < choice->n; i = child) {
        if (child + 1 < choice->n && before(choice, choice->heap[child + 1], choice->heap[child]))
            child++;
        if (!before(choice, choice->heap[child], entry))
            break;
        put(choice, i, choice->heap[child]);
    }
    put(choice, i, entry);
}

void ds_choice_add(ds_choice *choice, ds_executor_entry *entry)
{
    DS_ASSERT(entry->cores > 0);
    if (choice->n == choice->capacity) {
        choice->capacity = choice->capacity == 0 ? 8 : choice->capacity * 2;
        choice->heap = ds_realloc(choice->heap, choice->capacity, sizeof *choice->heap);
    }
    choice->cores += entry->cores;
    put(choice, choice->n, entry);
    rise(choice, choice->n++);
}

void ds_choice_move(ds_choice *choice, ds_executor_entry *entry)
{
    size_t i = entry->chosen[choice->load];
    DS_ASSERT(i < choice->n && choice->heap[i] == entry);
    rise(choice, i);
    sink(choice, entry->chosen[choice->load]);
}

void ds_choice_remove(ds_choice *choice, ds_executor_entry *entry)
{
    size_t i = entry->chosen[choice->load];
    DS_ASSERT(i < choice->n && choice->heap[i] == entry && choice->cores >= entry->cores);
    choice->cores -= entry->cores;
    ds_executor_entry *last = choice->heap[--choice->n];
    if (last == entry)
        return;
    put(choice, i, last);
    ds_choice_move(choice, last);
}

typedef struct wish {
    const ds_choice *choice;
    uint32_t most;
    ds_choice_fn fits;
    const void *arg;
} wish;

/* Of the part of the heap below a place: nobody there has less than who is in the place. */
static ds_executor_entry *best_below(const wish *w, size_t i)
{
    const ds_choice *choice = w->choice;
    if (i >= choice->n)
        return NULL;
    ds_executor_entry *entry = choice->heap[i];
    if (load_of(choice, entry) >= (uint64_t)w->most * entry->cores)
        return NULL;
    if (w->fits == NULL || w->fits(w->arg, entry))
        return entry;
    ds_executor_entry *left = best_below(w, 2 * i + 1), *right = best_below(w, 2 * i + 2);
    if (left == NULL || right == NULL)
        return left != NULL ? left : right;
    return before(choice, left, right) ? left : right;
}

ds_executor_entry *ds_choice_best(const ds_choice *choice, uint32_t most, ds_choice_fn fits,
                                  const void *arg)
{
    const wish w = {choice, most, fits, arg};
    return best_below(&w, 0);
}
