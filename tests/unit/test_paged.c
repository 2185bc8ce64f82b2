/* Memory that goes to a file: where it comes from, growth, reuse, limits, full disks, pages. */
#include "base/arena.h"
#include "base/random.h"
#include "unit/paged_kit.h"
#include "unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define LIMIT ((uint64_t)256 << 20)

typedef struct kit {
    paged_kit k;
    ds_budget budget;
} kit;

static void open_with(kit *k, uint64_t limit, uint64_t share, uint64_t resident)
{
    paged_open(&k->k, limit, share, resident);
    ds_budget_init(&k->budget, NULL, 0);
    k->budget.paged = k->k.paged;
}

static void close_kit(kit *k)
{
    ck_assert_int_eq(k->budget.used_bytes, 0);
    paged_close(&k->k);
}

static uint64_t on_disk(const kit *k)
{
    return ds_paged_used(k->k.paged);
}

static uint64_t disk_of(const kit *k)
{
    struct stat about;
    ck_assert_int_eq(fstat(ds_spill_fd(k->k.spill), &about), 0);
    return (uint64_t)about.st_blocks * 512;
}

/* ---- where it comes from ---- */

START_TEST(the_share_comes_first)
{
    kit k;
    open_with(&k, LIMIT, 4 * MIB, MIB);
    void *a = ds_budget_alloc(&k.budget, 2 * MIB);
    ck_assert_uint_eq(on_disk(&k), 0);
    ck_assert_int_eq(k.budget.used_bytes, 2 * MIB);
    ck_assert_uint_eq(ds_budget_step(&k.budget, 5000), 5000);
    void *b = ds_budget_alloc(&k.budget, 2 * MIB); /* with the pages there would be 5 MiB */
    ck_assert_uint_eq(on_disk(&k), 2 * MIB);
    ck_assert_int_eq(k.budget.used_bytes, 2 * MIB + MIB);
    ck_assert_uint_lt(ds_budget_step(&k.budget, 5000), 100);
    void *small = ds_budget_alloc(&k.budget, 100), *c = ds_budget_alloc(&k.budget, MIB / 2);
    ck_assert_uint_eq(on_disk(&k), 2 * MIB);
    ck_assert_uint_eq(ds_paged_recent(k.k.paged), 2 * MIB);
    ck_assert_uint_eq(ds_paged_recent(k.k.paged), 0);
    memset(b, 7, 2 * MIB);
    ck_assert_int_eq(((char *)b)[MIB], 7);
    ds_budget_free(&k.budget, c, MIB / 2);
    ds_budget_free(&k.budget, b, 2 * MIB);
    ck_assert_int_eq(k.budget.used_bytes, 2 * MIB + 100);
    ds_budget_free(&k.budget, small, 100);
    ds_budget_free(&k.budget, a, 2 * MIB);
    close_kit(&k);
}
END_TEST

START_TEST(without_a_file_it_is_memory)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_spill *none = ds_spill_new(NULL, 0);
    ck_assert_ptr_null(ds_paged_new(none, MIB, KIB));
    ck_assert_ptr_null(ds_paged_new(NULL, MIB, KIB));
    char *p = ds_budget_resize(&budget, NULL, 0, 1000);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(p[i], 0);
    p = ds_budget_resize(&budget, p, 1000, 100000);
    ck_assert_int_eq(budget.used_bytes, 100000);
    ds_budget_relieve(&budget);
    ck_assert_uint_eq(ds_budget_step(&budget, 77), 77);
    ck_assert_ptr_eq(ds_budget_plain(&budget), &budget);
    ds_budget_free(&budget, p, 100000);
    ck_assert_int_eq(budget.used_bytes, 0);
    void *q = ds_budget_alloc(NULL, 10);
    ds_budget_free(NULL, q, 10);
    ds_budget_free(NULL, NULL, 0);
    ds_budget_relieve(NULL);
    ds_spill_free(none);
}
END_TEST

START_TEST(what_is_needed_for_a_moment_is_memory)
{
    kit k;
    open_with(&k, LIMIT, 2 * KIB, KIB);
    ds_budget below;
    ds_budget_init(&below, &k.budget, 0);
    below.paged = k.k.paged;
    k.budget.paged = NULL;
    ck_assert_ptr_eq(ds_budget_plain(&below), &k.budget);
    ds_arena *kept = ds_arena_new(&below), *moment = ds_arena_new(ds_budget_plain(&below));
    memset(ds_arena_alloc(moment, 3 * MIB), 1, 3 * MIB);
    ck_assert_uint_eq(on_disk(&k), 0);
    char *bytes = ds_arena_alloc(kept, 3 * MIB);
    ck_assert_uint_eq((uintptr_t)bytes % 64, 0);
    memset(bytes, 1, 3 * MIB);
    ck_assert_uint_ge(on_disk(&k), 3 * MIB);
    for (int i = 0; i < 1000; i++)
        memset(ds_arena_alloc(kept, 1000), 2, 1000);
    ck_assert_int_eq(bytes[MIB], 1);
    ds_arena_free(kept);
    ds_arena_free(moment);
    close_kit(&k);
}
END_TEST

/* ---- growing ---- */

static void grow_to(size_t most)
{
    kit k;
    open_with(&k, LIMIT, 256 * KIB, 64 * KIB);
    size_t n = 0;
    uint32_t *numbers = NULL;
    while (n * 4 < most) {
        size_t more = n == 0 ? 64 : 2 * n;
        numbers = ds_budget_resize(&k.budget, numbers, n * 4, more * 4);
        for (size_t i = n; i < more; i++) {
            if (numbers[i] != 0)
                ck_abort_msg("number %zu is not cleared", i);
            numbers[i] = (uint32_t)(i * 2654435761u);
        }
        n = more;
        ds_budget_relieve(&k.budget);
    }
    for (size_t i = 0; i < n; i++)
        if (numbers[i] != (uint32_t)(i * 2654435761u))
            ck_abort_msg("number %zu", i);
    ck_assert_uint_ge(on_disk(&k), n * 4);
    ck_assert_uint_lt(on_disk(&k), n * 4 + 5000);
    ck_assert_int_lt(k.budget.used_bytes, 256 * KIB);
    ds_budget_free(&k.budget, numbers, n * 4);
    close_kit(&k);
}

START_TEST(grows_and_keeps_what_it_has)
{
    grow_to((size_t)1 << (18 + _i));
}
END_TEST

START_TEST(shrinks_and_is_cleared_again)
{
    kit k;
    open_with(&k, LIMIT, 2 * KIB, KIB);
    size_t sizes[] = {8 * MIB, 2 * MIB,  5 * MIB, 100 * KIB, 300 * KIB,
                      9 * MIB, 12 * MIB, 700,     6 * MIB};
    char *p = NULL;
    size_t old = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t kept = old < sizes[s] ? old : sizes[s];
        p = ds_budget_resize(&k.budget, p, old, sizes[s]);
        for (size_t i = 0; i < sizes[s]; i += 97)
            if (p[i] != (i < kept ? 9 : 0))
                ck_abort_msg("byte %zu is %d", i, p[i]);
        memset(p, 9, sizes[s]);
        old = sizes[s];
    }
    ds_budget_free(&k.budget, p, old);
    close_kit(&k);
}
END_TEST

/* ---- growing where it is ---- */

static void put_numbers(char *p, size_t from, size_t to)
{
    for (size_t i = from; i < to; i += 512)
        memcpy(p + i, &i, sizeof i);
}

/* The numbers up to `to`, and nothing behind them. */
static void check_numbers(const char *p, size_t to, size_t end)
{
    for (size_t i = 0; i < end; i += 512) {
        size_t found;
        memcpy(&found, p + i, sizeof found);
        if (found != (i < to ? i : 0))
            ck_abort_msg("%zu at %zu", found, i);
    }
}

/* In memory: moved once when it is large, and rarely after that. */
START_TEST(large_arrays_stay_where_they_are)
{
    kit k;
    open_with(&k, LIMIT, 64 * MIB, MIB);
    size_t size = 128 * KIB;
    char *p = ds_budget_resize(&k.budget, NULL, 0, size);
    put_numbers(p, 0, size);
    int moves = 0;
    while (size < 40 * MIB) {
        size_t more = size + size / 4 + 100;
        char *to = ds_budget_resize(&k.budget, p, size, more);
        moves += size >= 256 * KIB && to != p;
        p = to;
        check_numbers(p, size / 512 * 512, more / 512 * 512);
        put_numbers(p, 0, more / 512 * 512);
        size = more / 512 * 512;
        p = ds_budget_resize(&k.budget, p, more, size); /* less is as good as nothing */
        ck_assert_int_ge(k.budget.used_bytes, (int64_t)size);
        ck_assert_int_lt(k.budget.used_bytes, (int64_t)(size + 8 * KIB));
    }
    ck_assert_int_le(moves, 4);
    ck_assert_uint_eq(on_disk(&k), 0);
    ds_budget_free(&k.budget, p, size);
    close_kit(&k);
}
END_TEST

/* What there is memory for stays there, and is not let go with the pages behind it. */
START_TEST(the_end_of_an_array_may_be_on_disk)
{
    kit k;
    open_with(&k, LIMIT, 4 * MIB, 512 * KIB);
    char *other = ds_budget_resize(&k.budget, NULL, 0, 300 * KIB), *p = NULL;
    put_numbers(other, 0, 300 * KIB);
    size_t old = 0, sizes[] = {300 * KIB, 2 * MIB, 3 * MIB, 5 * MIB, 12 * MIB, 80 * MIB};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        p = ds_budget_resize(&k.budget, p, old, sizes[s]);
        check_numbers(p, old, sizes[s]);
        put_numbers(p, 0, sizes[s]);
        old = sizes[s];
        ck_assert_uint_eq(on_disk(&k), old > 3 * MIB ? old - 3 * MIB : 0);
    }
    ck_assert_int_eq(k.budget.used_bytes, 3 * MIB + 300 * KIB + 512 * KIB);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < old; i += 64 * KIB) {
            p[i + 100] = (char)round;
            ds_budget_relieve(&k.budget);
        }
    check_numbers(p, old, old);
    check_numbers(other, 300 * KIB, 300 * KIB);
    ds_budget_free(&k.budget, p, old);
    ck_assert_int_eq(k.budget.used_bytes, 300 * KIB);
    ds_budget_free(&k.budget, other, 300 * KIB);
    close_kit(&k);
}
END_TEST

/* ---- anything, in any order ---- */

typedef struct block {
    unsigned char *p;
    size_t size;
    unsigned seed;
} block;

static void fill(block *b, size_t from)
{
    for (size_t i = from; i < b->size; i += 61)
        b->p[i] = (unsigned char)(b->seed + i);
}

static void check(const block *b, size_t n)
{
    for (size_t i = 0; i < n; i += 61)
        if (b->p[i] != (unsigned char)(b->seed + i))
            ck_abort_msg("byte %zu of %zu", i, b->size);
}

static size_t random_size(ds_random *random)
{
    size_t most = (size_t)1 << (4 + ds_random_below(random, 19));
    return 1 + (size_t)ds_random_below(random, most);
}

static void random_steps(ds_budget *budget, uint64_t seed, int n_steps)
{
    enum { BLOCKS = 60 };
    block blocks[BLOCKS] = {{0}};
    ds_random random;
    ds_random_init(&random, seed);
    for (int step = 0; step < n_steps; step++) {
        block *b = &blocks[ds_random_below(&random, BLOCKS)];
        check(b, b->size);
        size_t size = random_size(&random), old = b->size;
        if (b->p == NULL) {
            b->p = ds_budget_alloc(budget, size);
            b->size = size;
            b->seed = (unsigned)step;
            fill(b, 0);
        } else if (ds_random_below(&random, 2) == 0) {
            b->p = ds_budget_resize(budget, b->p, old, size);
            b->size = size;
            check(b, old < size ? old : size);
            for (size_t i = old; i < size; i++)
                if (b->p[i] != 0)
                    ck_abort_msg("not cleared");
            fill(b, 0);
        } else {
            ds_budget_free(budget, b->p, b->size);
            *b = (block){0};
        }
        ds_budget_relieve(budget);
    }
    for (int i = 0; i < BLOCKS; i++) {
        check(&blocks[i], blocks[i].size);
        ds_budget_free(budget, blocks[i].p, blocks[i].size);
    }
}

START_TEST(holds_what_was_put_there)
{
    kit k;
    /* With plenty of disk, and with so little that much of it has to be memory after all. */
    open_with(&k, _i % 2 == 0 ? LIMIT : 3 * MIB, _i % 3 == 0 ? 4 * MIB : 8 * KIB, 4 * KIB);
    random_steps(&k.budget, (uint64_t)_i, 1500);
    close_kit(&k);
}
END_TEST

static void count_bytes(void *arg, uint64_t bytes)
{
    ck_assert_uint_le(bytes, 256 * KIB);
    *(uint64_t *)arg += bytes;
}

START_TEST(memory_alone_grows_and_goes_in_bites)
{
    ds_budget budget;
    uint64_t given = 0;
    ds_budget_init(&budget, NULL, 0);
    budget.paged = ds_paged_new_memory(4 * MIB, count_bytes, &given);
    ck_assert_ptr_nonnull(budget.paged);
    char *p = NULL;
    for (size_t size = 0; size < 96 * MIB;
         size += 2 * MIB) { /* more than was said, and than its addresses */
        p = ds_budget_resize(&budget, p, size, size + 2 * MIB);
        check_numbers(p, size, size + 2 * MIB);
        put_numbers(p, size, size + 2 * MIB);
        ds_budget_relieve(&budget);
    }
    ck_assert_uint_eq(ds_paged_used(budget.paged), 0);
    ck_assert_uint_eq(ds_budget_step(&budget, 5000), 5000);
    ck_assert_int_eq(budget.used_bytes, 96 * MIB);
    ds_budget_free(&budget, p, 96 * MIB);
    p = ds_budget_resize(&budget, NULL, 0, 3 * MIB + 100);
    given = 0;
    ds_budget_free(&budget, p, 3 * MIB + 100);
    ck_assert_uint_eq(given, 3 * MIB + 4 * KIB);
    ck_assert_int_eq(budget.used_bytes, 0);
    random_steps(&budget, 5, 3000);
    ck_assert_int_eq(budget.used_bytes, 0);
    ds_paged_free(budget.paged);
}
END_TEST

static void *work(void *arg)
{
    kit *k = arg;
    random_steps(&k->budget, (uint64_t)(uintptr_t)pthread_self(), 400);
    return NULL;
}

START_TEST(serves_several_threads)
{
    kit k;
    pthread_t threads[3];
    open_with(&k, LIMIT, 64 * KIB, 16 * KIB);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &k), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    close_kit(&k);
}
END_TEST

START_TEST(room_is_used_again)
{
    kit k;
    open_with(&k, LIMIT, 2 * KIB, KIB);
    static void *pieces[4000];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 4000; i++)
            pieces[i] = ds_budget_alloc(&k.budget, 5000);
        ck_assert_uint_eq(on_disk(&k), 4000 * 8 * KIB);
        ck_assert_uint_lt(ds_spill_used(k.k.spill), 48 * MIB);
        for (int i = 0; i < 4000; i++)
            ds_budget_free(&k.budget, pieces[i], 5000);
        ck_assert_uint_eq(on_disk(&k), 0);
        ck_assert_uint_le(ds_spill_used(k.k.spill), 4 * MIB); /* something is kept ready */
        ck_assert_uint_lt(disk_of(&k), 5 * MIB);
    }
    close_kit(&k);
}
END_TEST

/* ---- limits ---- */

START_TEST(beyond_the_limit_it_is_memory)
{
    kit k;
    open_with(&k, 2 * MIB, 2 * KIB, KIB);
    char *a = ds_budget_alloc(&k.budget, MIB);
    ck_assert_uint_eq(on_disk(&k), MIB);
    char *b = ds_budget_alloc(&k.budget, 3 * MIB);
    ck_assert_uint_eq(on_disk(&k), MIB);
    ck_assert_int_eq(k.budget.used_bytes, 3 * MIB + KIB);
    memset(a, 1, MIB);
    a = ds_budget_resize(&k.budget, a, MIB, 4 * MIB); /* it leaves the file */
    ck_assert_uint_eq(on_disk(&k), 0);
    ck_assert_int_eq(k.budget.used_bytes, 7 * MIB);
    ck_assert_int_eq(a[MIB - 1], 1);
    ck_assert_int_eq(a[MIB], 0);
    ds_budget_free(&k.budget, a, 4 * MIB);
    ds_budget_free(&k.budget, b, 3 * MIB);
    close_kit(&k);
}
END_TEST

START_TEST(room_can_be_asked_for)
{
    kit k;
    ds_error error;
    open_with(&k, 8 * MIB, 2 * MIB, MIB);
    ds_paged *paged = k.k.paged;
    ck_assert_int_eq(ds_paged_reserve(paged, &k.budget, MIB, &error), DS_OK);
    ck_assert_int_eq(ds_paged_reserve(paged, &k.budget, 8 * MIB, &error), DS_OK);
    ck_assert_int_eq(ds_paged_reserve(paged, &k.budget, 8 * MIB + 1, &error), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.message, "limits.spill"));
    void *p = ds_budget_alloc(&k.budget, 5 * MIB);
    ck_assert_int_eq(ds_paged_reserve(paged, &k.budget, 4 * MIB, &error), DS_ERR_NO_MEMORY);
    ck_assert_int_eq(ds_paged_reserve(paged, &k.budget, MIB, &error), DS_OK);
    ds_budget_free(&k.budget, p, 5 * MIB);
    close_kit(&k);
    /* Without a file the budget and those above count. */
    ds_budget above, below;
    ds_budget_init(&above, NULL, 1000);
    ds_budget_init(&below, &above, 0);
    ck_assert_int_eq(ds_paged_reserve(NULL, &below, 1000, &error), DS_OK);
    ds_budget_charge(&below, 400);
    ck_assert_int_eq(ds_paged_reserve(NULL, &below, 601, &error), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.message, "limits.memory"));
    ds_budget_charge(&above, 700);
    ck_assert_int_eq(ds_paged_reserve(NULL, &below, 0, &error), DS_ERR_NO_MEMORY);
}
END_TEST

static bool put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    if (fd >= 0)
        close(fd);
    return n == (ssize_t)strlen(text);
}

/* A disk of its own; false if that is not allowed here. */
static bool mount_disk(const char *at)
{
    char user[64], group[64];
    snprintf(user, sizeof user, "0 %u 1", (unsigned)geteuid());
    snprintf(group, sizeof group, "0 %u 1", (unsigned)getegid());
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            return false;
        if (!put("/proc/self/uid_map", user) || !put("/proc/self/setgroups", "deny") ||
            !put("/proc/self/gid_map", group))
            return false;
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", at, "tmpfs", 0, "size=8m") == 0;
}

START_TEST(a_full_disk_is_no_signal)
{
    kit k = {0};
    ds_error error;
    scratch_open(&k.k.d);
    if (!mount_disk(k.k.d.path)) {
        scratch_close(&k.k.d);
        return;
    }
    k.k.spill = ds_spill_new(k.k.d.path, 64 * MIB);
    k.k.paged = ds_paged_new(k.k.spill, 2 * KIB, KIB);
    ds_budget_init(&k.budget, NULL, 0);
    k.budget.paged = k.k.paged;
    ck_assert_int_eq(ds_paged_reserve(k.k.paged, &k.budget, 7 * MIB, &error), DS_OK);
    ck_assert_int_eq(ds_paged_reserve(k.k.paged, &k.budget, 9 * MIB, &error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, k.k.d.path));
    char *a = ds_budget_alloc(&k.budget, 6 * MIB);
    ck_assert_uint_eq(on_disk(&k), 6 * MIB);
    a = ds_budget_resize(&k.budget, a, 6 * MIB, 9 * MIB);
    ck_assert_uint_eq(on_disk(&k), 0);
    char *b = ds_budget_alloc(&k.budget, 5 * MIB), *c = ds_budget_alloc(&k.budget, 4 * MIB);
    ck_assert_uint_eq(on_disk(&k), 5 * MIB);
    memset(a, 1, 9 * MIB);
    memset(b, 2, 5 * MIB);
    memset(c, 3, 4 * MIB);
    ck_assert_int_eq(k.budget.used_bytes, 13 * MIB + KIB);
    ds_budget_free(&k.budget, a, 9 * MIB);
    ds_budget_free(&k.budget, b, 5 * MIB);
    ds_budget_free(&k.budget, c, 4 * MIB);
    ck_assert_int_eq(k.budget.used_bytes, 0);
    ds_paged_free(k.k.paged);
    ds_spill_free(k.k.spill);
    umount(k.k.d.path);
    scratch_close(&k.k.d);
}
END_TEST

/* ---- pages ---- */

static size_t pages_of_files(void)
{
    char line[256];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "RssFile: %zu kB", &kib) == 1)
            break;
    fclose(file);
    return kib << 10;
}

/* Whatever is touched, and however. */
START_TEST(pages_are_let_go)
{
    enum { SIZE = 96 << 20, PAGE = 4096 };
    kit k;
    open_with(&k, LIMIT, 16 * MIB, 8 * MIB);
    size_t before = pages_of_files(), most = 0;
    unsigned char *p = ds_budget_resize(&k.budget, NULL, 0, SIZE);
    ds_random random;
    ds_random_init(&random, 5);
    static unsigned char expected[SIZE / PAGE];
    for (int i = 0; i < 60000; i++) {
        size_t page =
            i < 20000 ? (size_t)i % (SIZE / PAGE) : (size_t)ds_random_below(&random, SIZE / PAGE);
        if (p[page * PAGE + page % PAGE] != expected[page])
            ck_abort_msg("page %zu", page);
        if (i % 3 != 0)
            p[page * PAGE + page % PAGE] = expected[page] = (unsigned char)i;
        if (i % 16 == 0)
            ds_budget_relieve(&k.budget);
        if (i % 512 == 0) {
            size_t now = pages_of_files();
            most = now > most ? now : most;
        }
    }
    ck_assert_uint_lt(most, before + 14 * MIB);
    ds_budget_free(&k.budget, p, SIZE);
    close_kit(&k);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case("paged", 60);
    tcase_add_test(tcase, the_share_comes_first);
    tcase_add_test(tcase, without_a_file_it_is_memory);
    tcase_add_test(tcase, what_is_needed_for_a_moment_is_memory);
    tcase_add_loop_test(tcase, grows_and_keeps_what_it_has, 0, 8);
    tcase_add_test(tcase, shrinks_and_is_cleared_again);
    tcase_add_test(tcase, large_arrays_stay_where_they_are);
    tcase_add_test(tcase, the_end_of_an_array_may_be_on_disk);
    tcase_add_test(tcase, memory_alone_grows_and_goes_in_bites);
    tcase_add_loop_test(tcase, holds_what_was_put_there, 0, 12);
    tcase_add_test(tcase, serves_several_threads);
    tcase_add_test(tcase, room_is_used_again);
    tcase_add_test(tcase, beyond_the_limit_it_is_memory);
    tcase_add_test(tcase, room_can_be_asked_for);
    tcase_add_test(tcase, a_full_disk_is_no_signal);
    tcase_add_test(tcase, pages_are_let_go);
    return unit_run_case(tcase, "paged");
}
