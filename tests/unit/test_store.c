/* The block store: random use against a map of its units, reuse, limits, views. */
#include "exec/store.h"

#include "base/random.h"
#include "unit/scratch_dir.h"
#include "unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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
    static bool by_id; /* in turn: our own descriptors are found without /proc */
    by_id = !by_id;
    if (by_id)
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
    else
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

static ds_status view_of(int fd, uint64_t bytes, ds_store_view **view, ds_error *error)
{
    const ds_store_place place = {.path = path_of(fd), .bytes = bytes};
    return ds_store_view_open(&place, view, error);
}

START_TEST(a_view_sees_the_bytes)
{
    ds_store *store = make(PAGE * 2);
    ds_store_view *view = NULL, *second = NULL;
    ck_assert_int_eq(view_of(ds_store_fd(store), PAGE * 2, &view, NULL), DS_OK);
    uint64_t offset = take(store, 100);
    memcpy(ds_store_bytes(store, offset), "hello", 5);
    ck_assert_mem_eq(ds_store_view_bytes(view, offset, 5), "hello", 5);
    ds_store_free(store); /* the view keeps the memory, and opens it for others */
    ck_assert_int_eq(view_of(ds_store_view_fd(view), PAGE * 2, &second, NULL), DS_OK);
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
    ck_assert_int_eq(view_of(ds_store_fd(store), PAGE, &view, NULL), DS_OK);
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
    ck_assert_int_eq(view_of(ds_store_fd(store), PAGE * 2, &view, &error), DS_ERR_LOST);
    ck_assert_int_eq(view_of(9999, PAGE, &view, &error), DS_ERR_LOST);
    ck_assert_int_eq(view_of(open("/dev/null", O_RDONLY | O_CLOEXEC), 0, &view, &error),
                     DS_ERR_LOST);
    int open_memory = memfd_create("can-shrink", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(open_memory, (off_t)PAGE), 0);
    ck_assert_int_eq(view_of(open_memory, PAGE, &view, &error), DS_ERR_LOST);
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

/* ------------------------------------------------------------------- disk */

typedef struct disk_kit {
    scratch_dir dir;
    ds_spill *spill;
    ds_store *store;
} disk_kit;

static void start(disk_kit *k, uint64_t memory, uint64_t disk)
{
    ds_error error;
    scratch_open(&k->dir);
    k->spill = ds_spill_new(k->dir.path, disk);
    ck_assert_int_eq(ds_store_new_spilling(memory, k->spill, &k->store, &error), DS_OK);
}

static void stop(disk_kit *k)
{
    ds_store_free(k->store);
    ds_spill_free(k->spill);
    scratch_close(&k->dir);
}

static uint64_t take_any(disk_kit *k, uint64_t length)
{
    uint64_t offset = 1;
    ck_assert_int_eq(ds_store_take_any(k->store, length, &offset, NULL), DS_OK);
    ck_assert_uint_eq(offset % UNIT, 0);
    return offset;
}

START_TEST(what_finds_no_memory_goes_to_disk)
{
    disk_kit k;
    start(&k, PAGE, PAGE * 8);
    uint64_t a = take_any(&k, PAGE / 2), b = take_any(&k, PAGE), c = take_any(&k, PAGE / 2);
    ck_assert(!ds_store_is_on_disk(k.store, a) && ds_store_is_on_disk(k.store, b));
    ck_assert(!ds_store_is_on_disk(k.store, c)); /* there was room for it */
    ck_assert_uint_ge(b, ds_store_size(k.store));
    ck_assert_int_eq(ds_store_put(k.store, a, "memory", 7, NULL), DS_OK);
    ck_assert_int_eq(ds_store_put(k.store, b + 9, "on disk", 8, NULL), DS_OK);
    ck_assert_str_eq(ds_store_range(k.store, a, 7), "memory");
    ck_assert_str_eq(ds_store_range(k.store, b + 9, 8), "on disk");
    ds_store_forget(k.store);
    ck_assert_str_eq(ds_store_range(k.store, b + 9, 8), "on disk");
    uint64_t d;
    ck_assert(!ds_store_take(k.store, 1, &d)); /* for memory only */
    ck_assert_uint_eq(ds_store_used(k.store), PAGE);
    ck_assert_uint_eq(ds_spill_used(k.spill), PAGE);
    ds_store_trim(k.store, b, PAGE, 20);
    ck_assert_str_eq(ds_store_range(k.store, b + 9, 8), "on disk");
    ds_store_give(k.store, b, 20);
    ds_store_give(k.store, a, PAGE / 2);
    ck_assert_uint_eq(ds_spill_used(k.spill), 0);
    ck_assert_uint_eq(take_any(&k, 100), a); /* memory comes first */
    stop(&k);
}
END_TEST

START_TEST(memory_and_disk_are_two_ranges)
{
    disk_kit k;
    start(&k, PAGE, PAGE * 2);
    ck_assert_ptr_nonnull(ds_store_range(k.store, 0, PAGE));
    ck_assert_ptr_null(ds_store_range(k.store, 0, PAGE + 1)); /* no range lies in both */
    ck_assert_ptr_nonnull(ds_store_range(k.store, PAGE, PAGE * 2));
    ck_assert_ptr_null(ds_store_range(k.store, PAGE, PAGE * 2 + 1));
    ck_assert_ptr_null(ds_store_range(k.store, PAGE * 3 + 1, 0));
    ck_assert_ptr_null(ds_store_range(k.store, UINT64_MAX, 2));
    stop(&k);
}
END_TEST

START_TEST(a_full_disk_refuses)
{
    disk_kit k;
    uint64_t offset;
    ds_error error;
    start(&k, PAGE, PAGE);
    take_any(&k, PAGE);
    take_any(&k, PAGE);
    ck_assert_int_eq(ds_store_take_any(k.store, 1, &offset, &error), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.message, "executors.memory"));
    ck_assert_ptr_nonnull(strstr(error.message, "limits.spill"));
    stop(&k);
    ds_store *store = make(PAGE);
    take(store, PAGE);
    ck_assert_int_eq(ds_store_take_any(store, 1, &offset, &error), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.message, "nothing can be spilled to disk"));
    ds_store_free(store);
}
END_TEST

static ds_status view_both(int fd, int spill_fd, uint64_t spill_bytes, ds_store_view **view,
                           ds_error *error)
{
    char paths[2][64];
    snprintf(paths[0], sizeof paths[0], "%s", path_of(fd));
    snprintf(paths[1], sizeof paths[1], "%s", path_of(spill_fd));
    const ds_store_place place = {paths[0], PAGE, paths[1], spill_bytes};
    return ds_store_view_open(&place, view, error);
}

START_TEST(a_view_sees_the_disk_too)
{
    disk_kit k;
    ds_store_view *view = NULL, *second = NULL;
    ds_error error;
    start(&k, PAGE, PAGE * 4);
    int memory = ds_store_fd(k.store), disk = ds_spill_fd(k.spill);
    ck_assert_int_eq(view_both(memory, disk, PAGE * 4, &view, &error), DS_OK);
    take_any(&k, PAGE);
    uint64_t at = take_any(&k, PAGE);
    ck_assert_int_eq(ds_store_put(k.store, at, "hello", 6, NULL), DS_OK);
    ck_assert_str_eq(ds_store_view_bytes(view, at, 6), "hello");
    ds_store_view_forget(view);
    ck_assert_str_eq(ds_store_view_bytes(view, at, 6), "hello");
    ck_assert_ptr_null(ds_store_view_bytes(view, at, PAGE * 4 + 1));
    int theirs = ds_store_view_fd(view), their_disk = ds_store_view_spill_fd(view);
    stop(&k); /* the view keeps both, and opens them for others */
    ck_assert_int_eq(view_both(theirs, their_disk, PAGE * 4, &second, &error), DS_OK);
    ds_store_view_close(view);
    ck_assert_str_eq(ds_store_view_bytes(second, at, 6), "hello");
    ds_store_view_close(second);
}
END_TEST

START_TEST(what_is_no_file_of_a_store_is_lost)
{
    disk_kit k;
    ds_store_view *view = NULL;
    ds_error error;
    start(&k, PAGE, PAGE * 4);
    int memory = ds_store_fd(k.store), disk = ds_spill_fd(k.spill);
    ck_assert_int_eq(view_both(memory, disk, PAGE * 5, &view, &error), DS_ERR_LOST);
    ck_assert_int_eq(view_both(memory, 9999, PAGE * 4, &view, &error), DS_ERR_LOST);
    ck_assert_int_eq(view_both(disk, disk, PAGE * 4, &view, &error), DS_ERR_LOST);
    ck_assert_ptr_null(view);
    stop(&k);
}
END_TEST

/* ------------------------------------------------------------------- rest */

static uint64_t memory_of(const ds_store *store)
{
    struct stat about;
    ck_assert_int_eq(fstat(ds_store_fd(store), &about), 0);
    return (uint64_t)about.st_blocks * 512;
}

START_TEST(what_was_not_used_for_long_goes_back)
{
    ds_store *store = make(PAGE * 100);
    uint64_t low = take(store, PAGE * 10), high = take(store, PAGE * 40);
    memset(ds_store_bytes(store, 0), 'x', PAGE * 50);
    ds_store_rest(store);
    ck_assert_uint_eq(memory_of(store), PAGE * 50); /* all of it is in use */
    ds_store_give(store, high, PAGE * 40);
    ds_store_rest(store); /* it was in use since the last rest */
    ck_assert_uint_eq(memory_of(store), PAGE * 50);
    uint64_t again = take(store, PAGE * 5); /* what is used now and then stays warm */
    ds_store_give(store, again, PAGE * 5);
    ds_store_rest(store);
    ck_assert_uint_eq(memory_of(store), PAGE * 50);
    ds_store_rest(store);
    ck_assert_uint_eq(memory_of(store), PAGE * 15);
    ds_store_rest(store);
    ck_assert_uint_eq(memory_of(store), PAGE * 10);
    ck_assert_int_eq(ds_store_bytes(store, low)[PAGE * 10 - 1], 'x');
    ck_assert_uint_eq(take(store, PAGE * 40), high); /* and can be had again */
    memset(ds_store_bytes(store, high), 'y', PAGE * 40);
    ck_assert_uint_eq(memory_of(store), PAGE * 50);
    ds_store_free(store);
}
END_TEST

UNIT_MAIN("store", random_use_agrees_with_a_model, size_is_rounded_up_to_pages,
          a_full_store_refuses, low_addresses_are_used_again, trimming_gives_the_rest_back,
          only_touched_pages_cost_memory, threads_share_it, a_view_sees_the_bytes,
          ranges_outside_are_refused, what_is_no_store_is_lost, the_size_is_sealed,
          what_finds_no_memory_goes_to_disk, memory_and_disk_are_two_ranges, a_full_disk_refuses,
          a_view_sees_the_disk_too, what_is_no_file_of_a_store_is_lost,
          what_was_not_used_for_long_goes_back)
