#include "exec/block_ledger.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

#define REPLICAS UINT64_C(0) /* the account of blocks that others received: no receiver has it */

typedef struct account {
    uint64_t id; /* of the receiver; or REPLICAS */
    uint64_t credit, held;
} account;

typedef struct held_block {
    uint64_t account_id, receiver_id, block_id, offset, length;
    uint64_t charge; /* what it counts */
} held_block;

struct ds_block_ledger {
    pthread_mutex_t lock;
    ds_store *store;
    account *accounts;
    size_t n_accounts;
    held_block *blocks;
    size_t n_blocks, capacity;
    uint64_t refused;
};

ds_block_ledger *ds_block_ledger_new(ds_store *store)
{
    ds_block_ledger *ledger = ds_calloc(1, sizeof *ledger);
    pthread_mutex_init(&ledger->lock, NULL);
    ledger->store = store;
    return ledger;
}

void ds_block_ledger_free(ds_block_ledger *ledger)
{
    if (ledger == NULL)
        return;
    pthread_mutex_destroy(&ledger->lock);
    free(ledger->accounts);
    free(ledger->blocks);
    free(ledger);
}

static account *find(ds_block_ledger *ledger, uint64_t id)
{
    for (size_t i = 0; i < ledger->n_accounts; i++)
        if (ledger->accounts[i].id == id)
            return &ledger->accounts[i];
    return NULL;
}

static account *find_or_open(ds_block_ledger *ledger, uint64_t id, uint64_t credit_bytes)
{
    account *known = find(ledger, id);
    if (known != NULL)
        return known;
    ledger->accounts =
        ds_realloc(ledger->accounts, ledger->n_accounts + 1, sizeof *ledger->accounts);
    ledger->accounts[ledger->n_accounts] = (account){id, credit_bytes, 0};
    return &ledger->accounts[ledger->n_accounts++];
}

void ds_block_ledger_open(ds_block_ledger *ledger, uint64_t receiver_id, uint64_t credit_bytes)
{
    DS_ASSERT(receiver_id != REPLICAS);
    pthread_mutex_lock(&ledger->lock);
    find_or_open(ledger, receiver_id, credit_bytes);
    pthread_mutex_unlock(&ledger->lock);
}

/* One room is always granted to who holds nothing, however small the credit. */
static bool take(ds_block_ledger *ledger, account *a, uint64_t bytes, uint64_t *offset)
{
    bool allowed = a != NULL && (a->held == 0 || a->held + bytes <= a->credit);
    bool taken = allowed && ds_store_take(ledger->store, bytes, offset);
    if (taken)
        a->held += bytes;
    return taken;
}

bool ds_block_ledger_reserve(ds_block_ledger *ledger, uint64_t receiver_id, uint64_t bytes,
                             uint64_t *offset)
{
    pthread_mutex_lock(&ledger->lock);
    bool taken = take(ledger, find(ledger, receiver_id), bytes, offset);
    ledger->refused += !taken;
    pthread_mutex_unlock(&ledger->lock);
    return taken;
}

bool ds_block_ledger_reserve_replica(ds_block_ledger *ledger, uint64_t room_bytes, uint64_t bytes,
                                     uint64_t *offset)
{
    pthread_mutex_lock(&ledger->lock);
    account *a = find_or_open(ledger, REPLICAS, 0);
    a->credit = room_bytes;
    bool taken = take(ledger, a, bytes, offset);
    pthread_mutex_unlock(&ledger->lock);
    return taken;
}

static void add_block(ds_block_ledger *ledger, held_block block)
{
    DS_ASSERT(block.length > 0);
    if (ledger->n_blocks == ledger->capacity) {
        ledger->capacity = ledger->capacity == 0 ? 64 : ledger->capacity * 2;
        ledger->blocks = ds_realloc(ledger->blocks, ledger->capacity, sizeof *ledger->blocks);
    }
    ledger->blocks[ledger->n_blocks++] = block;
}

/* Ranges are aligned to 64 bytes; what is kept of a room counts as such. */
static uint64_t kept_bytes(uint64_t length)
{
    return (length + 63) & ~(uint64_t)63;
}

static uint64_t charge_of(uint64_t kept, uint64_t reserved)
{
    uint64_t least = reserved < DS_LEAST_CHARGE ? reserved : DS_LEAST_CHARGE;
    return kept > least ? kept : least;
}

static void keep(ds_block_ledger *ledger, uint64_t account_id, uint64_t receiver_id,
                 uint64_t block_id, uint64_t offset, uint64_t reserved, uint64_t length)
{
    pthread_mutex_lock(&ledger->lock);
    account *a = find(ledger, account_id);
    DS_ASSERT(a != NULL && a->held >= reserved && length <= reserved);
    if (length == 0)
        ds_store_give(ledger->store, offset, reserved);
    else
        ds_store_trim(ledger->store, offset, reserved, length);
    uint64_t kept = kept_bytes(length) < reserved ? kept_bytes(length) : reserved;
    uint64_t charge = length > 0 ? charge_of(kept, reserved) : 0;
    DS_ASSERT(charge <= a->held);
    a->held -= reserved - charge;
    if (length > 0)
        add_block(ledger, (held_block){account_id, receiver_id, block_id, offset, kept, charge});
    pthread_mutex_unlock(&ledger->lock);
}

void ds_block_ledger_report(ds_block_ledger *ledger, uint64_t receiver_id, uint64_t block_id,
                            uint64_t offset, uint64_t reserved, uint64_t length)
{
    keep(ledger, receiver_id, receiver_id, block_id, offset, reserved, length);
}

void ds_block_ledger_hold_replica(ds_block_ledger *ledger, uint64_t receiver_id, uint64_t block_id,
                                  uint64_t offset, uint64_t reserved, uint64_t length)
{
    keep(ledger, REPLICAS, receiver_id, block_id, offset, reserved, length);
}

bool ds_block_ledger_release(ds_block_ledger *ledger, uint64_t receiver_id, uint64_t first,
                             uint64_t last)
{
    pthread_mutex_lock(&ledger->lock);
    size_t kept = 0;
    for (size_t i = 0; i < ledger->n_blocks; i++) {
        held_block *block = &ledger->blocks[i];
        if (block->receiver_id == receiver_id && block->block_id >= first &&
            block->block_id <= last) {
            account *a = find(ledger, block->account_id);
            ds_store_give(ledger->store, block->offset, block->length);
            DS_ASSERT(a != NULL && a->held >= block->charge);
            a->held -= block->charge;
        } else {
            ledger->blocks[kept++] = *block;
        }
    }
    bool any = kept < ledger->n_blocks;
    ledger->n_blocks = kept;
    pthread_mutex_unlock(&ledger->lock);
    return any;
}

uint64_t ds_block_ledger_refused(ds_block_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    uint64_t refused = ledger->refused;
    pthread_mutex_unlock(&ledger->lock);
    return refused;
}

uint64_t ds_block_ledger_bytes(ds_block_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    uint64_t bytes = 0;
    for (size_t i = 0; i < ledger->n_accounts; i++)
        bytes += ledger->accounts[i].held;
    pthread_mutex_unlock(&ledger->lock);
    return bytes;
}
