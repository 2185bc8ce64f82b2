/* Credits of receivers, and the blocks that they hold. */
#include "exec/block_ledger.h"

#include "unit/unit.h"

typedef struct kit {
    ds_store *store;
    ds_block_ledger *ledger;
} kit;

static void kit_open(kit *k, uint64_t bytes)
{
    ds_error error;
    ck_assert_int_eq(ds_store_new(bytes, &k->store, &error), DS_OK);
    k->ledger = ds_block_ledger_new(k->store);
}

static void kit_close(kit *k)
{
    ds_block_ledger_free(k->ledger);
    ds_store_free(k->store);
}

START_TEST(credit_bounds_what_is_held)
{
    kit k;
    kit_open(&k, 1 << 20);
    uint64_t a, b, c;
    ck_assert(!ds_block_ledger_reserve(k.ledger, 1, 100, &a)); /* no account */
    ds_block_ledger_open(k.ledger, 1, 20480);
    ds_block_ledger_open(k.ledger, 1, 1); /* known: left as it is */
    ck_assert(ds_block_ledger_reserve(k.ledger, 1, 10240, &a));
    ck_assert(ds_block_ledger_reserve(k.ledger, 1, 10240, &b));
    ck_assert(!ds_block_ledger_reserve(k.ledger, 1, 1, &c));
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 20480);
    /* A block counts with what is kept of its room. */
    ds_block_ledger_report(k.ledger, 1, 1, a, 10240, 5000);
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 10240 + 5056);
    ck_assert(ds_block_ledger_reserve(k.ledger, 1, 5120, &c));
    ds_block_ledger_report(k.ledger, 1, 0, c, 5120, 0); /* nothing came */
    ds_block_ledger_report(k.ledger, 1, 2, b, 10240, 10240);
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 5056 + 10240);
    ck_assert_uint_eq(ds_store_used(k.store), 5056 + 10240);
    ck_assert(ds_block_ledger_release(k.ledger, 1, 1, 2));
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 0);
    ck_assert_uint_eq(ds_store_used(k.store), 0);
    kit_close(&k);
}
END_TEST

/* What is known of a block takes memory, too: many small ones are no way around the credit. */
START_TEST(small_blocks_count_as_more)
{
    kit k;
    kit_open(&k, 1 << 20);
    uint64_t offset, n = 0;
    ds_block_ledger_open(k.ledger, 1, 100 * DS_LEAST_CHARGE);
    while (ds_block_ledger_reserve(k.ledger, 1, 8192, &offset))
        ds_block_ledger_report(k.ledger, 1, ++n, offset, 8192, 1);
    ck_assert_uint_eq(ds_block_ledger_refused(k.ledger), 1);
    ck_assert_uint_eq(n, 99); /* and there was room for the last, but not for one more */
    ck_assert_uint_eq(ds_store_used(k.store), 99 * 64);
    ck_assert(ds_block_ledger_release(k.ledger, 1, 1, 50));
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 49 * DS_LEAST_CHARGE);
    ck_assert(ds_block_ledger_release(k.ledger, 1, 51, 99));
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 0);
    kit_close(&k);
}
END_TEST

/* A credit smaller than one room must not stop a receiver for ever. */
START_TEST(one_room_is_always_granted)
{
    kit k;
    kit_open(&k, 1 << 20);
    uint64_t a, b;
    ds_block_ledger_open(k.ledger, 1, 10);
    ck_assert(ds_block_ledger_reserve(k.ledger, 1, 4096, &a));
    ck_assert(!ds_block_ledger_reserve(k.ledger, 1, 1, &b));
    ds_block_ledger_report(k.ledger, 1, 1, a, 4096, 4000);
    ck_assert(!ds_block_ledger_reserve(k.ledger, 1, 1, &b));
    ck_assert(ds_block_ledger_release(k.ledger, 1, 1, 1));
    ck_assert(ds_block_ledger_reserve(k.ledger, 1, 4096, &b));
    ds_block_ledger_report(k.ledger, 1, 0, b, 4096, 0);
    kit_close(&k);
}
END_TEST

START_TEST(release_knows_receivers_and_ranges)
{
    kit k;
    kit_open(&k, 1 << 20);
    uint64_t offset;
    for (uint64_t receiver = 1; receiver <= 2; receiver++) {
        ds_block_ledger_open(k.ledger, receiver, 1 << 16);
        for (uint64_t id = 1; id <= 5; id++) {
            ck_assert(ds_block_ledger_reserve(k.ledger, receiver, 128, &offset));
            ds_block_ledger_report(k.ledger, receiver, id, offset, 128, 100);
        }
    }
    ck_assert(!ds_block_ledger_release(k.ledger, 3, 1, 5));
    ck_assert(!ds_block_ledger_release(k.ledger, 1, 6, UINT64_MAX));
    ck_assert(!ds_block_ledger_release(k.ledger, 1, 4, 2));
    ck_assert(ds_block_ledger_release(k.ledger, 1, 2, 3));
    ck_assert(!ds_block_ledger_release(k.ledger, 1, 2, 3)); /* twice: no effect */
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 8 * 128);
    ck_assert(ds_block_ledger_release(k.ledger, 2, 0, UINT64_MAX));
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 3 * 128);
    ck_assert_uint_eq(ds_store_used(k.store), 3 * 128);
    kit_close(&k);
}
END_TEST

/* The store itself may be full, whatever the credit. */
START_TEST(a_full_store_refuses)
{
    kit k;
    kit_open(&k, 1 << 16);
    uint64_t a, b;
    ds_block_ledger_open(k.ledger, 1, 1 << 30);
    ck_assert(ds_block_ledger_reserve(k.ledger, 1, 1 << 16, &a));
    ck_assert(!ds_block_ledger_reserve(k.ledger, 1, 64, &b));
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 1 << 16);
    ds_block_ledger_report(k.ledger, 1, 1, a, 1 << 16, 1);
    ck_assert(ds_block_ledger_reserve(k.ledger, 1, 64, &b));
    kit_close(&k);
}
END_TEST

UNIT_MAIN("block_ledger", credit_bounds_what_is_held, small_blocks_count_as_more,
          one_room_is_always_granted, release_knows_receivers_and_ranges, a_full_store_refuses)
