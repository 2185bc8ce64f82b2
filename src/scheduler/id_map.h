/* What is found by a number that is not 0: a hash table. */
#ifndef DS_SCHEDULER_ID_MAP_H
#define DS_SCHEDULER_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct ds_id_slot {
    uint64_t id; /* 0: empty */
    void *value;
} ds_id_slot;

/* All zero: an empty one. */
typedef struct ds_id_map {
    ds_id_slot *slots;
    size_t n, n_slots; /* a power of two */
} ds_id_map;

/* Empties it; the values stay. */
void ds_id_map_fini(ds_id_map *map);
/* Adds a value (borrowed, not NULL) for an id that has none. */
void ds_id_map_add(ds_id_map *map, uint64_t id, void *value);
/* No effect if the id has no value. */
void ds_id_map_remove(ds_id_map *map, uint64_t id);
/* The value of an id; NULL if it has none. */
void *ds_id_map_find(const ds_id_map *map, uint64_t id);

#endif
