/* The list of executors. */
#include "scheduler/registry.h"

#include "unit/unit.h"

START_TEST(ids_are_never_used_twice)
{
    ds_registry r;
    ds_registry_init(&r);
    uint64_t last = 0;
    for (int i = 0; i < 100; i++) {
        ds_executor_entry *entry = ds_registry_add(&r);
        ck_assert_uint_gt(entry->id, last);
        last = entry->id;
        if (i % 3 == 0)
            ds_registry_remove(&r, entry);
    }
    ck_assert_uint_eq(r.n, 66);
    ck_assert_ptr_null(ds_registry_find(&r, 1)); /* removed */
    ck_assert_ptr_nonnull(ds_registry_find(&r, 2));
    ck_assert_ptr_null(ds_registry_find(&r, 0));
    ck_assert_ptr_null(ds_registry_find(&r, last + 1));
    ds_registry_fini(&r);
    ck_assert_uint_eq(r.n, 0);
}
END_TEST

/* Each knows its place, however others come and go. */
START_TEST(places)
{
    ds_registry r;
    ds_registry_init(&r);
    for (int i = 0; i < 200; i++) {
        ds_registry_add(&r);
        if (i % 4 == 3)
            ds_registry_remove(&r, r.list[(size_t)i * 7 % r.n]);
        for (size_t k = 0; k < r.n; k++)
            ck_assert_uint_eq(r.list[k]->place, k);
    }
    while (r.n > 0)
        ds_registry_remove(&r, r.list[r.n / 2]);
    ds_registry_fini(&r);
}
END_TEST

START_TEST(peers_and_states)
{
    ds_registry r;
    ds_registry_init(&r);
    ds_executor_entry *a = ds_registry_add(&r), *b = ds_registry_add(&r);
    ck_assert_int_eq(a->state, DS_EXECUTOR_LAUNCHED);
    ds_registry_set_peer(&r, a, 7);
    b->cores = 1;
    ds_registry_set_state(&r, b, DS_EXECUTOR_READY);
    ck_assert_ptr_eq(ds_registry_of_peer(&r, 7), a);
    ck_assert_ptr_null(ds_registry_of_peer(&r, 8));
    ck_assert_uint_eq(ds_registry_count(&r, DS_EXECUTOR_LAUNCHED), 1);
    ck_assert_uint_eq(ds_registry_count(&r, DS_EXECUTOR_READY), 1);
    ck_assert_uint_eq(ds_registry_count(&r, DS_EXECUTOR_GONE), 0);
    ds_registry_fini(&r);
}
END_TEST

/* What is counted follows each change, also when one goes. */
START_TEST(what_is_counted)
{
    ds_registry r;
    ds_registry_init(&r);
    ds_executor_entry *a = ds_registry_add(&r), *b = ds_registry_add(&r);
    a->store_bytes = b->store_bytes = 8000;
    ds_registry_use(&r, a, 100, 60);
    ds_registry_use(&r, b, 50, 0);
    ds_registry_use(&r, a, 70, 60);
    ck_assert_uint_eq(r.used_bytes, 120);
    ck_assert_uint_eq(a->store_used, 60);
    ds_registry_retain(&r, a, 1000);
    ck_assert_uint_eq(r.n_crowded, 0);
    ds_registry_retain(&r, a, 1001);
    ds_registry_retain(&r, b, 4001);
    ck_assert_uint_eq(r.n_crowded, 2);
    ck_assert_uint_eq(r.n_full, 1);
    ds_registry_retain(&r, b, 4000);
    ck_assert_uint_eq(r.n_full, 0);
    ds_registry_set_peer(&r, a, 3);
    ds_registry_set_peer(&r, a, 4); /* it is another one now */
    ck_assert_ptr_null(ds_registry_of_peer(&r, 3));
    ds_registry_remove(&r, a);
    ck_assert_uint_eq(r.used_bytes, 50);
    ck_assert_uint_eq(r.n_crowded, 1);
    ck_assert_ptr_null(ds_registry_of_peer(&r, 4));
    ck_assert_uint_eq(ds_registry_count(&r, DS_EXECUTOR_LAUNCHED), 1);
    ds_registry_fini(&r);
}
END_TEST

UNIT_MAIN("registry", ids_are_never_used_twice, places, peers_and_states, what_is_counted)
