/* Ranges of the store that belong to batches. */
#include "exec/batch_ranges.h"

#include "unit/unit.h"

#include <pthread.h>

static ds_store *store_of(uint64_t bytes)
{
    ds_store *store;
    ds_error error;
    ck_assert_int_eq(ds_store_new(bytes, &store, &error), DS_OK);
    return store;
}

START_TEST(ranges_go_back_by_batch)
{
    ds_store *store = store_of(1 << 20);
    ds_batch_ranges *ranges = ds_batch_ranges_new(store);
    uint64_t a, b, c;
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 1000, 100, &a, NULL), DS_OK);
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 2000, 100, &b, NULL), DS_OK);
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 1000, 5000, &c, NULL), DS_OK);
    ck_assert_uint_ne(a, b);
    ck_assert_uint_eq(ds_store_used(store), 128 + 128 + 5056);
    ds_batch_ranges_release(ranges, 3000); /* none */
    ck_assert_uint_eq(ds_store_used(store), 128 + 128 + 5056);
    ds_batch_ranges_release(ranges, 1000);
    ck_assert_uint_eq(ds_store_used(store), 128);
    ds_batch_ranges_release(ranges, 1000); /* again: no effect */
    ds_batch_ranges_release(ranges, 2000);
    ck_assert_uint_eq(ds_store_used(store), 0);
    ds_batch_ranges_free(ranges);
    ds_batch_ranges_free(NULL);
    ds_store_free(store);
}
END_TEST

/* What keyed stages read stays when the batch is committed; the rest goes once it is not used. */
START_TEST(a_committed_batch_keeps_what_is_retained)
{
    ds_store *store = store_of(1 << 20);
    ds_batch_ranges *ranges = ds_batch_ranges_new(store);
    uint64_t console, piece, other, late, again;
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 1000, 100, &console, NULL), DS_OK);
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 1000, 200, &piece, NULL), DS_OK);
    ds_batch_ranges_retain(ranges, 1000, piece);
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 2000, 300, &other, NULL), DS_OK);
    ck_assert_uint_eq(ds_store_used(store), 128 + 256 + 320);
    ds_batch_ranges_sweep(ranges, 1000); /* it was not committed */
    ck_assert_uint_eq(ds_store_used(store), 128 + 256 + 320);
    ds_batch_ranges_commit(ranges, 1000);
    ck_assert_uint_eq(ds_store_used(store), 128 + 256 + 320); /* a task still runs */
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 1000, 64, &late, NULL), DS_OK);
    ds_batch_ranges_sweep(ranges, 1000);
    ck_assert_uint_eq(ds_store_used(store), 64 + 256 + 320);
    /* It runs again; what its tasks give each other stays until they are told again. */
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 1000, 64, &again, NULL), DS_OK);
    ds_batch_ranges_sweep(ranges, 1000);
    ck_assert_uint_eq(ds_store_used(store), 128 + 256 + 320);
    ds_batch_ranges_commit(ranges, 1000);
    ds_batch_ranges_sweep(ranges, 1000);
    ck_assert_uint_eq(ds_store_used(store), 256 + 320);
    ds_batch_ranges_commit(ranges, 3000); /* nothing is known of it */
    ds_batch_ranges_sweep(ranges, 3000);
    ds_batch_ranges_release(ranges, 1000);
    ck_assert_uint_eq(ds_store_used(store), 320);
    ds_batch_ranges_release(ranges, 2000);
    ck_assert_uint_eq(ds_store_used(store), 0);
    ds_batch_ranges_free(ranges);
    ds_store_free(store);
}
END_TEST

START_TEST(a_full_store_refuses)
{
    ds_store *store = store_of(1 << 16);
    ds_batch_ranges *ranges = ds_batch_ranges_new(store);
    uint64_t offset;
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 1, 60000, &offset, NULL), DS_OK);
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 2, 60000, &offset, NULL), DS_ERR_NO_MEMORY);
    ck_assert_uint_eq(ds_store_used(store), 60032);
    ds_batch_ranges_release(ranges, 1);
    ck_assert_int_eq(ds_batch_ranges_take(ranges, 2, 60000, &offset, NULL), DS_OK);
    ds_batch_ranges_release(ranges, 2);
    ds_batch_ranges_free(ranges);
    ds_store_free(store);
}
END_TEST

static ds_batch_ranges *shared;

static void *take_many(void *arg)
{
    int64_t batch_ms = *(int64_t *)arg;
    for (int i = 0; i < 2000; i++) {
        uint64_t offset;
        if (ds_batch_ranges_take(shared, batch_ms, 64 + (uint64_t)i % 200, &offset, NULL) != DS_OK)
            return arg;
        if (i % 500 == 499)
            ds_batch_ranges_release(shared, batch_ms);
    }
    return NULL;
}

START_TEST(many_threads)
{
    ds_store *store = store_of(16 << 20);
    shared = ds_batch_ranges_new(store);
    pthread_t threads[4];
    int64_t batches[4] = {1, 2, 3, 4};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, &batches[i]), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    ck_assert_uint_eq(ds_store_used(store), 0);
    ds_batch_ranges_free(shared);
    ds_store_free(store);
}
END_TEST

UNIT_MAIN("batch_ranges", ranges_go_back_by_batch, a_committed_batch_keeps_what_is_retained,
          a_full_store_refuses, many_threads)
