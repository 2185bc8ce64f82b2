/* Whom to choose. */
#include "base/random.h"
#include "scheduler/registry.h"
#include "unit/unit.h"

/* So many that are ready, with the cores of a pattern: 1, 2, 3, 1, ... */
static void open_registry(ds_registry *r, uint32_t n)
{
    ds_registry_init(r);
    for (uint32_t i = 0; i < n; i++) {
        ds_executor_entry *entry = ds_registry_add(r);
        entry->cores = i % 3 + 1;
        ds_registry_set_state(r, entry, DS_EXECUTOR_READY);
    }
}

static uint64_t best_id(const ds_registry *r, uint32_t most, ds_choice_fn fits, const void *arg)
{
    const ds_executor_entry *best = ds_choice_best(&r->by_running, most, fits, arg);
    return best == NULL ? 0 : best->id;
}

static bool is_not(const void *arg, const ds_executor_entry *entry)
{
    return entry->id != *(const uint64_t *)arg;
}

static bool is_odd(const void *arg, const ds_executor_entry *entry)
{
    (void)arg;
    return entry->id % 2 == 1;
}

static bool never(const void *arg, const ds_executor_entry *entry)
{
    (void)arg, (void)entry;
    return false;
}

START_TEST(nobody)
{
    ds_registry r;
    open_registry(&r, 0);
    ck_assert_uint_eq(best_id(&r, 1, NULL, NULL), 0);
    ds_registry_fini(&r);
    open_registry(&r, 5);
    ck_assert_uint_eq(best_id(&r, 1, never, NULL), 0);
    ck_assert_uint_eq(best_id(&r, 0, NULL, NULL), 0);
    ds_registry_fini(&r);
}
END_TEST

/* By their cores: 1, 2 and 3 of them; equal ones in the order in which they came. */
START_TEST(the_least_load)
{
    static const uint64_t order[] = {1, 2, 3, 3, 2, 3, 1, 2, 3, 3, 2, 3};
    ds_registry r;
    open_registry(&r, 3);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        ck_assert_uint_eq(best_id(&r, 2, NULL, NULL), order[i]);
        ds_registry_begin_task(&r, ds_registry_find(&r, order[i]));
    }
    ck_assert_uint_eq(best_id(&r, 2, NULL, NULL), 0); /* all have two for each core */
    ck_assert_uint_eq(best_id(&r, 3, NULL, NULL), 1);
    ds_registry_end_task(&r, ds_registry_find(&r, 3));
    ck_assert_uint_eq(best_id(&r, 2, NULL, NULL), 3);
    ds_registry_fini(&r);
}
END_TEST

START_TEST(some_are_passed_over)
{
    ds_registry r;
    uint64_t first = 1;
    open_registry(&r, 3);
    ck_assert_uint_eq(best_id(&r, 1, is_not, &first), 2);
    ds_registry_begin_task(&r, ds_registry_find(&r, 3));
    ck_assert_uint_eq(best_id(&r, 1, is_odd, NULL), 1);
    ds_registry_begin_task(&r, ds_registry_find(&r, 1));
    ck_assert_uint_eq(best_id(&r, 1, is_odd, NULL), 3);
    ds_registry_fini(&r);
}
END_TEST

/* Who is not ready any more is not chosen. */
START_TEST(those_that_go)
{
    ds_registry r;
    open_registry(&r, 4);
    ds_registry_set_state(&r, ds_registry_find(&r, 1), DS_EXECUTOR_GONE);
    ck_assert_uint_eq(best_id(&r, 1, NULL, NULL), 2);
    ds_registry_remove(&r, ds_registry_find(&r, 2));
    ck_assert_uint_eq(best_id(&r, 1, NULL, NULL), 3);
    ck_assert_uint_eq(r.by_owned.n, 2);
    ds_registry_own(&r, ds_registry_find(&r, 3));
    ck_assert_uint_eq(ds_choice_best(&r.by_owned, UINT32_MAX, NULL, NULL)->id, 4);
    ds_registry_fini(&r);
}
END_TEST

static bool is_before(const ds_executor_entry *a, const ds_executor_entry *b)
{
    uint32_t left = a->running * b->cores, right = b->running * a->cores;
    return left != right ? left < right : a->id < b->id;
}

static uint64_t search(const ds_registry *r, uint32_t most, ds_choice_fn fits)
{
    const ds_executor_entry *best = NULL;
    for (size_t i = 0; i < r->n; i++) {
        const ds_executor_entry *entry = r->list[i];
        if (entry->state == DS_EXECUTOR_READY && entry->running < most * entry->cores &&
            (fits == NULL || fits(NULL, entry)) && (best == NULL || is_before(entry, best)))
            best = entry;
    }
    return best == NULL ? 0 : best->id;
}

START_TEST(as_a_search_finds_it)
{
    ds_registry r;
    ds_random random;
    ds_random_init(&random, 3);
    open_registry(&r, 40);
    for (int step = 0; step < 5000; step++) {
        ds_executor_entry *entry = r.list[ds_random_below(&random, r.n)];
        uint64_t what = ds_random_below(&random, 20);
        if (what == 0) {
            ds_registry_remove(&r, entry);
            entry = ds_registry_add(&r);
            entry->cores = (uint32_t)step % 4 + 1;
            ds_registry_set_state(&r, entry, DS_EXECUTOR_READY);
        } else if (what < 12) {
            ds_registry_begin_task(&r, entry);
        } else if (entry->running > 0) {
            ds_registry_end_task(&r, entry);
        }
        uint32_t most = (uint32_t)ds_random_below(&random, 8);
        ck_assert_uint_eq(best_id(&r, most, NULL, NULL), search(&r, most, NULL));
        ck_assert_uint_eq(best_id(&r, most, is_odd, NULL), search(&r, most, is_odd));
    }
    ds_registry_fini(&r);
}
END_TEST

UNIT_MAIN("choice", nobody, the_least_load, some_are_passed_over, those_that_go,
          as_a_search_finds_it)
