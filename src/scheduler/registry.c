#include "scheduler/registry.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>

void ds_registry_init(ds_registry *registry)
{
    *registry = (ds_registry){.by_running.load = DS_LOAD_RUNNING, .by_owned.load = DS_LOAD_OWNED};
}

void ds_registry_fini(ds_registry *registry)
{
    for (size_t i = 0; i < registry->n; i++)
        free(registry->list[i]);
    free(registry->list);
    ds_id_map_fini(&registry->ids);
    ds_id_map_fini(&registry->peers);
    ds_choice_fini(&registry->by_running);
    ds_choice_fini(&registry->by_owned);
    ds_registry_init(registry);
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
    registry->states[entry->state]++;
    ds_id_map_add(&registry->ids, entry->id, entry);
    return entry;
}

void ds_registry_remove(ds_registry *registry, ds_executor_entry *entry)
{
    DS_ASSERT(entry->place < registry->n && registry->list[entry->place] == entry);
    ds_registry_set_state(registry, entry, DS_EXECUTOR_GONE);
    registry->states[DS_EXECUTOR_GONE]--;
    ds_registry_set_peer(registry, entry, 0);
    ds_registry_use(registry, entry, 0, 0);
    ds_registry_retain(registry, entry, 0);
    ds_id_map_remove(&registry->ids, entry->id);
    ds_executor_entry *last = registry->list[--registry->n];
    registry->list[entry->place] = last;
    last->place = entry->place;
    free(entry);
}

ds_executor_entry *ds_registry_find(const ds_registry *registry, uint64_t id)
{
    return ds_id_map_find(&registry->ids, id);
}

ds_executor_entry *ds_registry_of_peer(const ds_registry *registry, uint64_t peer)
{
    DS_ASSERT(peer != 0);
    return ds_id_map_find(&registry->peers, peer);
}

void ds_registry_set_state(ds_registry *registry, ds_executor_entry *entry, ds_executor_state state)
{
    DS_ASSERT(registry->states[entry->state] > 0);
    bool was_ready = entry->state == DS_EXECUTOR_READY, is_ready = state == DS_EXECUTOR_READY;
    registry->states[entry->state]--;
    registry->states[state]++;
    entry->state = state;
    if (is_ready && !was_ready) {
        ds_choice_add(&registry->by_running, entry);
        ds_choice_add(&registry->by_owned, entry);
    } else if (was_ready && !is_ready) {
        ds_choice_remove(&registry->by_running, entry);
        ds_choice_remove(&registry->by_owned, entry);
    }
}

void ds_registry_set_peer(ds_registry *registry, ds_executor_entry *entry, uint64_t peer)
{
    ds_id_map_remove(&registry->peers, entry->peer);
    entry->peer = peer;
    if (peer != 0)
        ds_id_map_add(&registry->peers, peer, entry);
}

void ds_registry_begin_task(ds_registry *registry, ds_executor_entry *entry)
{
    DS_ASSERT(entry->state == DS_EXECUTOR_READY);
    entry->running++;
    ds_choice_move(&registry->by_running, entry);
}

void ds_registry_end_task(ds_registry *registry, ds_executor_entry *entry)
{
    DS_ASSERT(entry->state == DS_EXECUTOR_READY && entry->running > 0);
    entry->running--;
    ds_choice_move(&registry->by_running, entry);
}

void ds_registry_own(ds_registry *registry, ds_executor_entry *entry)
{
    DS_ASSERT(entry->state == DS_EXECUTOR_READY);
    entry->owned++;
    ds_choice_move(&registry->by_owned, entry);
}

void ds_registry_disown(ds_registry *registry, ds_executor_entry *entry)
{
    DS_ASSERT(entry->state == DS_EXECUTOR_READY && entry->owned > 0);
    entry->owned--;
    ds_choice_move(&registry->by_owned, entry);
}

void ds_registry_use(ds_registry *registry, ds_executor_entry *entry, uint64_t used_bytes,
                     uint64_t store_used)
{
    DS_ASSERT(registry->list[entry->place] == entry);
    registry->used_bytes += used_bytes - entry->used_bytes;
    entry->used_bytes = used_bytes;
    entry->store_used = store_used;
}

static bool is_crowded(const ds_executor_entry *entry)
{
    return entry->retained_bytes > entry->store_bytes / DS_RETAINED_SHARE;
}

static bool is_full(const ds_executor_entry *entry)
{
    return entry->retained_bytes >
           (entry->store_bytes + entry->spill_bytes) / DS_RETAINED_SHARE * DS_RETAINED_FULL;
}

void ds_registry_retain(ds_registry *registry, ds_executor_entry *entry, uint64_t bytes)
{
    registry->n_crowded -= is_crowded(entry);
    registry->n_full -= is_full(entry);
    entry->retained_bytes = bytes;
    registry->n_crowded += is_crowded(entry);
    registry->n_full += is_full(entry);
}

uint32_t ds_registry_count(const ds_registry *registry, ds_executor_state state)
{
    return registry->states[state];
}
