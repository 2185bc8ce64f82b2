#include "scheduler/registry.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>

void ds_registry_fini(ds_registry *registry)
{
    for (size_t i = 0; i < registry->n; i++)
        free(registry->list[i]);
    free(registry->list);
    *registry = (ds_registry){0};
}

/* The lowest number that none has which lives. */
static uint32_t free_slot(const ds_registry *registry)
{
    bool *taken = ds_calloc(registry->n + 1, sizeof *taken);
    uint32_t slot = 0;
    for (size_t i = 0; i < registry->n; i++) {
        const ds_executor_entry *entry = registry->list[i];
        if (entry->state != DS_EXECUTOR_GONE && entry->slot <= registry->n)
            taken[entry->slot] = true;
    }
    while (taken[slot])
        slot++;
    DS_ASSERT(slot <= registry->n);
    free(taken);
    return slot;
}

ds_executor_entry *ds_registry_add(ds_registry *registry)
{
    if (registry->n == registry->capacity) {
        registry->capacity = registry->capacity == 0 ? 8 : registry->capacity * 2;
        registry->list = ds_realloc(registry->list, registry->capacity, sizeof *registry->list);
    }
    ds_executor_entry *entry = ds_calloc(1, sizeof *entry);
    entry->id = ++registry->next_id;
    entry->slot = free_slot(registry);
    entry->hold_until_ms = INT64_MAX;
    entry->place = registry->n;
    registry->list[registry->n++] = entry;
    return entry;
}

void ds_registry_remove(ds_registry *registry, ds_executor_entry *entry)
{
    DS_ASSERT(entry->place < registry->n && registry->list[entry->place] == entry);
    ds_executor_entry *last = registry->list[--registry->n];
    registry->list[entry->place] = last;
    last->place = entry->place;
    free(entry);
}

ds_executor_entry *ds_registry_find(const ds_registry *registry, uint64_t id)
{
    for (size_t i = 0; i < registry->n; i++)
        if (registry->list[i]->id == id)
            return registry->list[i];
    return NULL;
}

ds_executor_entry *ds_registry_of_peer(const ds_registry *registry, uint64_t peer)
{
    DS_ASSERT(peer != 0);
    for (size_t i = 0; i < registry->n; i++)
        if (registry->list[i]->peer == peer)
            return registry->list[i];
    return NULL;
}

uint32_t ds_registry_count(const ds_registry *registry, ds_executor_state state)
{
    uint32_t n = 0;
    for (size_t i = 0; i < registry->n; i++)
        n += registry->list[i]->state == state;
    return n;
}
