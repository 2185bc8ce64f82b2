/*
 * The blocks that receivers of this executor hold: which ranges of the store they are, and how
 * many bytes each receiver may still take.
 *
 * A receiver has credit for a number of bytes. Room that it reserves counts, blocks that it
 * reported count until the driver releases them, each as DS_LEAST_CHARGE bytes at least: what is
 * known of a block takes memory, too, here and in the driver, and peers may bring about many small
 * ones. So memory is bounded by the credits, and a sender that is faster than the app is slowed at
 * its socket. Thread-safe: receivers reserve
 * and report, the core releases.
 */
#ifndef DS_EXEC_BLOCK_LEDGER_H
#define DS_EXEC_BLOCK_LEDGER_H

#include "exec/store.h"

#define DS_LEAST_CHARGE UINT64_C(4096) /* or its room, if that was less */

typedef struct ds_block_ledger ds_block_ledger;

/* store is borrowed. */
ds_block_ledger *ds_block_ledger_new(ds_store *store);
void ds_block_ledger_free(ds_block_ledger *ledger);

/* Opens an account; a known id is left as it is. */
void ds_block_ledger_open(ds_block_ledger *ledger, uint64_t receiver_id, uint64_t credit_bytes);

/* Takes room. False if the credit or the store does not allow it now. */
bool ds_block_ledger_reserve(ds_block_ledger *ledger, uint64_t receiver_id, uint64_t bytes,
                             uint64_t *offset);
/* Room of `reserved` bytes became block `block_id` of `length` bytes (0: nothing is kept). */
void ds_block_ledger_report(ds_block_ledger *ledger, uint64_t receiver_id, uint64_t block_id,
                            uint64_t offset, uint64_t reserved, uint64_t length);
/* The same for a block that another executor received, and this one is to hold, too: such blocks
 * have an account of their own, of room_bytes. */
bool ds_block_ledger_reserve_replica(ds_block_ledger *ledger, uint64_t room_bytes, uint64_t bytes,
                                     uint64_t *offset);
/* Its bytes are there; length 0: they are not to be had. */
void ds_block_ledger_hold_replica(ds_block_ledger *ledger, uint64_t receiver_id, uint64_t block_id,
                                  uint64_t offset, uint64_t reserved, uint64_t length);
/* Gives blocks first .. last back. Unknown ids have no effect. True if any was known. */
bool ds_block_ledger_release(ds_block_ledger *ledger, uint64_t receiver_id, uint64_t first,
                             uint64_t last);
/* How often room was refused to receivers. */
uint64_t ds_block_ledger_refused(ds_block_ledger *ledger);
/* What is held of all receivers, as it counts. */
uint64_t ds_block_ledger_bytes(ds_block_ledger *ledger);

#endif
