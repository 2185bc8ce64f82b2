/*
 * The executors that the driver knows, from launch to loss.
 *
 *     launched -> introduced (HELLO accepted) -> ready (has the plan)
 *     any of them -> lost (connection closed, process ended, silent for too long)
 *
 * An id is never used twice. A lost executor that comes back is rejected. Its store is held open
 * where that is possible, and stays open when it is lost until nothing refers to it; otherwise
 * its bytes are copied over links, and what it had is gone with it. Lost local executors are
 * replaced, with back-off.
 */
#ifndef DS_SCHEDULER_REGISTRY_H
#define DS_SCHEDULER_REGISTRY_H

#include "rpc/message.h"
#include "scheduler/choice.h"
#include "scheduler/id_map.h"

#define DS_BULK_URL_BYTES 160u
#define DS_RETAINED_SHARE 8u /* of a store: pieces of retained batches may have one such part */
#define DS_RETAINED_FULL                                                                           \
    4u /* times as much as makes a save due: then there is no room for more                        \
        */

typedef enum ds_executor_state {
    DS_EXECUTOR_LAUNCHED,
    DS_EXECUTOR_INTRODUCED,
    DS_EXECUTOR_READY,
    DS_EXECUTOR_GONE,
    DS_EXECUTOR_STATES,
} ds_executor_state;

typedef struct ds_executor_entry {
    uint64_t id;
    size_t place;            /* in the list */
    size_t chosen[DS_LOADS]; /* READY: its places in the choices */
    uint64_t peer;           /* 0: not connected */
    ds_executor_state state;
    uint32_t slot; /* the lowest number that none had which lived when it came */
    bool local;    /* launched by this driver */
    uint8_t token[DS_TOKEN_BYTES];
    uint32_t cores;
    uint64_t store_bytes, spill_bytes; /* its store: memory, and behind it disk */
    ds_store_paths store_paths;
    bool store_open; /* held by the driver */
    char host[64];   /* tells hosts apart */
    char bulk_url[DS_BULK_URL_BYTES];
    int64_t ready_us, heard_us; /* ready_us: 0 before */
    int64_t ran_us;             /* before it is READY: its process could run then */
    uint64_t used_bytes;        /* as last told, with store_used */
    uint64_t store_used;
    uint64_t refused;
    uint32_t running;         /* tasks there now */
    uint32_t owned;           /* key partitions that live there */
    uint32_t receivers;       /* running there */
    struct ds_bundle *bundle; /* of the round (bundles.h); NULL: nothing is sent to it yet */
    uint64_t retained_bytes;  /* in its store: pieces of retained batches */
    int64_t unread_us;        /* when it could not read what was saved; 0: it could */
    uint32_t io_failures;     /* of its tasks of a stage, since one of it wrote a file; 0: none */
    uint32_t io_stage;
    int64_t io_since_us, io_failed_us; /* the first one, and the last */
    int64_t hold_until_ms;             /* GONE: the store is needed until this batch is committed */
} ds_executor_entry;

typedef struct ds_registry {
    ds_executor_entry **list;
    size_t n, capacity;
    uint64_t next_id;
    ds_id_map ids, peers;                /* entries */
    uint32_t states[DS_EXECUTOR_STATES]; /* how many are in each */
    ds_choice by_running, by_owned;      /* of those that are READY */
    uint64_t used_bytes;                 /* of all */
    uint32_t n_crowded,
        n_full; /* whose stores hold too much of retained batches for long; at all */
} ds_registry;

/* The registry begins empty: all zero but for what this sets. */
void ds_registry_init(ds_registry *registry);
/* Frees the entries and the list. */
void ds_registry_fini(ds_registry *registry);
/* Adds an entry with a fresh id; it stays until ds_registry_remove. */
ds_executor_entry *ds_registry_add(ds_registry *registry);
void ds_registry_remove(ds_registry *registry, ds_executor_entry *entry);
ds_executor_entry *ds_registry_find(const ds_registry *registry, uint64_t id);
ds_executor_entry *ds_registry_of_peer(const ds_registry *registry, uint64_t peer);
/* Its state, its peer (0: none), its load and its use of memory are changed with these alone. */
void ds_registry_set_state(ds_registry *registry, ds_executor_entry *entry,
                           ds_executor_state state);
void ds_registry_set_peer(ds_registry *registry, ds_executor_entry *entry, uint64_t peer);
void ds_registry_begin_task(ds_registry *registry, ds_executor_entry *entry);
void ds_registry_end_task(ds_registry *registry, ds_executor_entry *entry);
void ds_registry_own(ds_registry *registry, ds_executor_entry *entry);    /* one partition more */
void ds_registry_disown(ds_registry *registry, ds_executor_entry *entry); /* and less */
void ds_registry_use(ds_registry *registry, ds_executor_entry *entry, uint64_t used_bytes,
                     uint64_t store_used);
/* How much its store holds of retained batches. */
void ds_registry_retain(ds_registry *registry, ds_executor_entry *entry, uint64_t bytes);
/* How many are in a state. */
uint32_t ds_registry_count(const ds_registry *registry, ds_executor_state state);

#endif
