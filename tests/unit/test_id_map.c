/* What is found by a number. */
#include "base/random.h"
#include "scheduler/id_map.h"
#include "unit/unit.h"

#include <stdbool.h>

START_TEST(an_empty_one)
{
    ds_id_map map = {0};
    ck_assert_ptr_null(ds_id_map_find(&map, 0));
    ck_assert_ptr_null(ds_id_map_find(&map, 1));
    ds_id_map_remove(&map, 1);
    ck_assert_uint_eq(map.n, 0);
    ds_id_map_fini(&map);
}
END_TEST

START_TEST(what_was_added_is_found)
{
    static char values[1000];
    ds_id_map map = {0};
    for (uint64_t id = 1; id < 1000; id++)
        ds_id_map_add(&map, id << 40 | id, &values[id]);
    ck_assert_uint_eq(map.n, 999);
    for (uint64_t id = 1; id < 1000; id++)
        ck_assert_ptr_eq(ds_id_map_find(&map, id << 40 | id), &values[id]);
    ck_assert_ptr_null(ds_id_map_find(&map, 5));
    ds_id_map_fini(&map);
    ck_assert_uint_eq(map.n, 0);
}
END_TEST

/* Those that share their slots stay found, whichever of them goes. */
START_TEST(others_come_and_go)
{
    enum { IDS = 300 };
    static char values[IDS];
    bool there[IDS] = {false};
    ds_id_map map = {0};
    ds_random random;
    ds_random_init(&random, 7);
    for (int step = 0; step < 20000; step++) {
        size_t id = 1 + (size_t)ds_random_below(&random, IDS - 1);
        if (there[id])
            ds_id_map_remove(&map, id);
        else
            ds_id_map_add(&map, id, &values[id]);
        there[id] = !there[id];
        size_t other = 1 + (size_t)ds_random_below(&random, IDS - 1);
        ck_assert_ptr_eq(ds_id_map_find(&map, other), there[other] ? &values[other] : NULL);
    }
    size_t n = 0;
    for (size_t id = 1; id < IDS; id++) {
        ck_assert_ptr_eq(ds_id_map_find(&map, id), there[id] ? &values[id] : NULL);
        n += there[id];
    }
    ck_assert_uint_eq(map.n, n);
    ds_id_map_fini(&map);
}
END_TEST

UNIT_MAIN("id_map", an_empty_one, what_was_added_is_found, others_come_and_go)
