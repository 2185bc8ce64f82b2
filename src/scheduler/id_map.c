/*
 * Open addressing: an id lies in the first slot from its own on that was free. One that goes lets
 * those behind it move up, so that there is never a gap between an id and its own slot.
 */
#include "scheduler/id_map.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>

#define LEAST_SLOTS 16u

void ds_id_map_fini(ds_id_map *map)
{
    free(map->slots);
    *map = (ds_id_map){0};
}

static size_t own_slot(const ds_id_map *map, uint64_t id)
{
    return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (map->n_slots - 1);
}

static size_t after(const ds_id_map *map, size_t slot)
{
    return (slot + 1) & (map->n_slots - 1);
}

/* Where the id lies, or would. */
static size_t slot_of(const ds_id_map *map, uint64_t id)
{
    size_t slot = own_slot(map, id);
    while (map->slots[slot].id != 0 && map->slots[slot].id != id)
        slot = after(map, slot);
    return slot;
}

static void grow(ds_id_map *map)
{
    const ds_id_map old = *map;
    map->n_slots = old.n_slots == 0 ? LEAST_SLOTS : old.n_slots * 2;
    map->slots = ds_calloc(map->n_slots, sizeof *map->slots);
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.slots[i].id != 0)
            map->slots[slot_of(map, old.slots[i].id)] = old.slots[i];
    free(old.slots);
}

void ds_id_map_add(ds_id_map *map, uint64_t id, void *value)
{
    DS_ASSERT(id != 0 && value != NULL);
    if (map->n >= map->n_slots / 2)
        grow(map);
    ds_id_slot *slot = &map->slots[slot_of(map, id)];
    DS_ASSERT(slot->id == 0);
    *slot = (ds_id_slot){id, value};
    map->n++;
}

/* Whether what lies in a slot may move up to a free one: that is not before its own. */
static bool may_move(const ds_id_map *map, size_t from, size_t to)
{
    size_t mask = map->n_slots - 1;
    return ((from - own_slot(map, map->slots[from].id)) & mask) >= ((from - to) & mask);
}

void ds_id_map_remove(ds_id_map *map, uint64_t id)
{
    if (ds_id_map_find(map, id) == NULL)
        return;
    size_t hole = slot_of(map, id);
    map->n--;
    for (size_t slot = after(map, hole); map->slots[slot].id != 0; slot = after(map, slot))
        if (may_move(map, slot, hole)) {
            map->slots[hole] = map->slots[slot];
            hole = slot;
        }
    map->slots[hole] = (ds_id_slot){0};
}

void *ds_id_map_find(const ds_id_map *map, uint64_t id)
{
    return id == 0 || map->n == 0 ? NULL : map->slots[slot_of(map, id)].value;
}
