/* The block store: random use against a map of its units, reuse, limits, views. */
#include "exec/store.h"

#include "base/random.h"
#include "unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define UNIT 64u
#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static ds_store *make(uint64_t bytes)
{
    ds_store *store = NULL;
    ds_error error;
    ck_assert_int_eq(ds_store_new(bytes, &store, &error), DS_OK);
    return store;
}

static uint64_t take(ds_store *store, uint64_t length)
{
    uint64_t offset = 1;
    ck_assert(ds_store_take(store, length, &offset));
    ck_assert_uint_eq(offset % UNIT, 0);
    return offset;
}

/* ------------------------------------------------------------------- against a model */

#define UNITS 1024u /* of the model store: 64 KiB */
#define RANGES 200u

typedef struct model {
    bool used[UNITS];
    struct range {
        uint64_t offset, length;
    } ranges[RANGES];
    size_t n;
} model;

static uint64_t units(uint64_t bytes)
{
    return (bytes + UNIT - 1) / UNIT;
}

/* The lowest place where so many units are free; UNITS if there is none. */
static uint64_t first_fit(const model *m, uint64_t n)
{
    uint64_t run = 0;
    for (uint64_t i = 0; i < UNITS; i++) {
        run = m->used[i] ? 0 : run + 1;
        if (run == n)
            return i + 1 - n;
    }
    return UNITS;
}

static void mark(model *m, uint64_t from, uint64_t to, bool used)
{
    for (uint64_t i = from; i < to; i++) {
        ck_assert(m->used[i] != used);
        m->used[i] = used;
    }
}

static void model_take(model *m, ds_store *store, uint64_t length)
{
    uint64_t at = first_fit(m, units(length)), offset;
    bool taken = ds_store_take(store, length, &offset);
    ck_assert_int_eq(taken, at < UNITS);
    if (!taken)
        return;
    ck_assert_uint_eq(offset, at * UNIT);
    mark(m, at, at + units(length), true);
    m->ranges[m->n++] = (struct range){offset, length};
}

static void model_trim(model *m, ds_store *store, size_t i, uint64_t kept)
{
    struct range *r = &m->ranges[i];
    uint64_t at = r->offset / UNIT;
    ds_store_trim(store, r->offset, r->length, kept);
    mark(m, at + units(kept), at + units(r->length), false);
    r->length = kept;
    if (kept == 0)
        *r = m->ranges[--m->n];
}

static void check_model(const model *m, const ds_store *store)
{
    uint64_t used = 0;
    for (size_t i = 0; i < UNITS; i++)
        used += m->used[i] ? UNIT : 0;
    ck_assert_uint_eq(ds_store_used(store), used);
    ck_assert_uint_ge(ds_store_peak(store), used);
}

START_TEST(random_use_agrees_with_a_model)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        ds_random random;
        ds_random_init(&random, seed);
        ds_store *store = make(UNITS * UNIT);
        model m = {0};
        for (int step = 0; step < 2000; step++) {
            size_t i = (size_t)ds_random_below(&random, RANGES);
            uint64_t most = 1 + ds_random_below(&random, 3000);
            if (i >= m.n && m.n < RANGES)
                model_take(&m, store, 1 + ds_random_below(&random, most));
            else if (i < m.n && step % 3 == 0)
                model_trim(&m, store, i, ds_random_below(&random, m.ranges[i].length + 1));
            else if (i < m.n)
                model_trim(&m, store, i, 0);
            check_model(&m, store);
        }
        while (m.n > 0)
            model_trim(&m, store, 0, 0);
        ck_assert_uint_eq(ds_store_used(store), 0);
        ck_assert_uint_eq(take(store, UNITS * UNIT), 0); /* all free ranges are one again */
        ds_store_free(store);
    }
}
END_TEST

/* ------------------------------------------------------------------- one by one */

START_TEST(size_is_rounded_up_to_pages)
{
    ds_store *store = make(1);
    ck_assert_uint_eq(ds_store_size(store), PAGE);
    ds_store_free(store);
    store = make(PAGE * 3);
    ck_assert_uint_eq(ds_store_size(store), PAGE * 3);
    ds_store_free(store);
    ds_store_free(NULL);
}
END_TEST

START_TEST(a_full_store_refuses)
{
    ds_store *store = make(PAGE);
    uint64_t offset = 7;
    ck_assert(!ds_store_take(store, PAGE + 1, &offset));
    ck_assert(!ds_store_take(store, UINT64_MAX, &offset));
    take(store, PAGE - UNIT);
    ck_assert(!ds_store_take(store, UNIT + 1, &offset));
    take(store, 1);
    ck_assert(!ds_store_take(store, 1, &offset));
    ck_assert_uint_eq(ds_store_used(store), PAGE);
    ds_store_free(store);
}
END_TEST

START_TEST(low_addresses_are_used_again)
{
    ds_store *store = make(PAGE * 4);
    uint64_t a = take(store, 1000), b = take(store, 1000), c = take(store, 1000);
    ck_assert_uint_lt(a, b);
    ck_assert_uint_lt(b, c);
    ds_store_give(store, a, 1000);
    ds_store_give(store, b, 1000); /* they join */
    ck_assert_uint_eq(take(store, 2000), a);
    ds_store_give(store, a, 2000);
    ds_store_give(store, c, 1000);
    ck_assert_uint_eq(ds_store_used(store), 0);
    ck_assert_uint_eq(ds_store_peak(store), 3 * 1024);
    ds_store_free(store);
}
END_TEST

START_TEST(trimming_gives_the_rest_back)
{
    ds_store *store = make(PAGE * 4);
    uint64_t a = take(store, PAGE);
    memset(ds_store_bytes(store, a), 'a', 100);
    ds_store_trim(store, a, PAGE, 100);
    ck_assert_uint_eq(ds_store_used(store), 128);
    ck_assert_uint_eq(take(store, 10), a + 128);
    ck_assert_int_eq(ds_store_bytes(store, a)[99], 'a');
    ds_store_trim(store, a, 100, 65); /* within one unit: nothing changes */
    ck_assert_uint_eq(ds_store_used(store), 192);
    ds_store_trim(store, 0, 0, 0);
    ck_assert_uint_eq(ds_store_used(store), 192);
    ds_store_give(store, a, 65);
    ck_assert_uint_eq(ds_store_used(store), 64);
    ds_store_free(store);
}
END_TEST

START_TEST(only_touched_pages_cost_memory)
{
    ds_store *store = make((uint64_t)1 << 36);
    uint64_t a = take(store, (uint64_t)1 << 35);
    ds_store_bytes(store, a)[((uint64_t)1 << 35) - 1] = 'x';
    ds_store_give(store, a, (uint64_t)1 << 35);
    ds_store_free(store);
}
END_TEST

static void *take_and_give(void *arg)
{
    ds_store *store = arg;
    for (int i = 0; i < 2000; i++) {
        uint64_t length = 100 + (uint64_t)i % 7 * 1000, offset;
        if (!ds_store_take(store, length, &offset))
            continue;
        memset(ds_store_bytes(store, offset), i, length);
        ds_store_trim(store, offset, length, 100);
        ds_store_give(store, offset, 100);
    }
    return NULL;
}

START_TEST(threads_share_it)
{
    ds_store *store = make(PAGE * 4);
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, store), 0);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(ds_store_used(store), 0);
    ck_assert_uint_eq(take(store, PAGE * 4), 0);
    ds_store_free(store);
}
END_TEST

/* ------------------------------------------------------------------- views */

static const char *path_of(int fd)
{
    static char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
    return path;
}

START_TEST(a_view_sees_the_bytes)
{
    ds_store *store = make(PAGE * 2);
    ds_store_view *view = NULL, *second = NULL;
    ck_assert_int_eq(ds_store_view_open(path_of(ds_store_fd(store)), PAGE * 2, &view, NULL), DS_OK);
    uint64_t offset = take(store, 100);
    memcpy(ds_store_bytes(store, offset), "hello", 5);
    ck_assert_mem_eq(ds_store_view_bytes(view, offset, 5), "hello", 5);
    ds_store_free(store); /* the view keeps the memory, and opens it for others */
    ck_assert_int_eq(ds_store_view_open(path_of(ds_store_view_fd(view)), PAGE * 2, &second, NULL),
                     DS_OK);
    ds_store_view_close(view);
    ck_assert_mem_eq(ds_store_view_bytes(second, offset, 5), "hello", 5);
    ds_store_view_close(second);
    ds_store_view_close(NULL);
}
END_TEST

START_TEST(ranges_outside_are_refused)
{
    ds_store *store = make(PAGE);
    ds_store_view *view = NULL;
    ck_assert_int_eq(ds_store_view_open(path_of(ds_store_fd(store)), PAGE, &view, NULL), DS_OK);
    ck_assert_ptr_nonnull(ds_store_view_bytes(view, 0, PAGE));
    ck_assert_ptr_nonnull(ds_store_view_bytes(view, PAGE, 0));
    ck_assert_ptr_null(ds_store_view_bytes(view, 0, PAGE + 1));
    ck_assert_ptr_null(ds_store_view_bytes(view, 1, PAGE));
    ck_assert_ptr_null(ds_store_view_bytes(view, PAGE + 1, 0));
    ck_assert_ptr_null(ds_store_view_bytes(view, UINT64_MAX, 2));
    ck_assert_ptr_null(ds_store_view_bytes(view, 2, UINT64_MAX));
    ds_store_view_close(view);
    ds_store_free(store);
}
END_TEST

START_TEST(what_is_no_store_is_lost)
{
    ds_store *store = make(PAGE);
    ds_store_view *view = NULL;
    ds_error error;
    ck_assert_int_eq(ds_store_view_open(path_of(ds_store_fd(store)), PAGE * 2, &view, &error),
                     DS_ERR_LOST);
    ck_assert_int_eq(ds_store_view_open(path_of(9999), PAGE, &view, &error), DS_ERR_LOST);
    ck_assert_int_eq(ds_store_view_open("/dev/null", 0, &view, &error), DS_ERR_LOST);
    int open_memory = memfd_create("can-shrink", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(open_memory, (off_t)PAGE), 0);
    ck_assert_int_eq(ds_store_view_open(path_of(open_memory), PAGE, &view, &error), DS_ERR_LOST);
    ck_assert_ptr_nonnull(strstr(error.message, "is not a block store"));
    ck_assert_ptr_null(view);
    close(open_memory);
    ds_store_free(store);
}
END_TEST

START_TEST(the_size_is_sealed)
{
    ds_store *store = make(PAGE);
    ck_assert_int_ne(ftruncate(ds_store_fd(store), 0), 0);
    ck_assert_int_ne(ftruncate(ds_store_fd(store), (off_t)PAGE * 2), 0);
    ck_assert_int_ne(fcntl(ds_store_fd(store), F_ADD_SEALS, F_SEAL_WRITE), 0);
    ck_assert_int_ne(fcntl(ds_store_fd(store), F_GETFD) & FD_CLOEXEC, 0);
    ds_store_free(store);
}
END_TEST

UNIT_MAIN("store", random_use_agrees_with_a_model, size_is_rounded_up_to_pages,
          a_full_store_refuses, low_addresses_are_used_again, trimming_gives_the_rest_back,
          only_touched_pages_cost_memory, threads_share_it, a_view_sees_the_bytes,
          ranges_outside_are_refused, what_is_no_store_is_lost, the_size_is_sealed)
