/* Chains: what is saved of each partition, which files that takes, and what is not needed. */
#include "scheduler/chains.h"

#include "unit/driver_kit.h"

#define APP                                                                                        \
    KIT_APP("'count': 1, 'key_partitions': 3", KIT_QUEUE("[ { 'n': 1 } ]"),                        \
            "'g': { 'from': 'q', 'window': '3s', 'group_by': ['n'] },"                             \
            "'t': { 'from': 'q', 'state': { 'key': ['n'], 'set': { 'c': 'count()' } } }",          \
            KIT_CONSOLE("g") ", 'd': { 'from': 't', 'type': 'console' }")

typedef struct kit {
    planned p;
    ds_chains chains;
    uint32_t stage; /* of the first root */
} kit;

static void open_kit(kit *k)
{
    k->p = plan_whole(APP, NULL);
    ck_assert_msg(k->p.plan != NULL, "%s", k->p.app.said.data);
    ds_chains_init(&k->chains, k->p.plan);
    k->stage = k->chains.roots[0].stage;
}

static void close_kit(kit *k)
{
    ds_chains_fini(&k->chains);
    plan_close(&k->p);
}

static void add(kit *k, uint32_t partition, bool whole, const char *path, uint64_t length)
{
    ds_saved_part part = {.stage = k->stage,
                          .partition = partition,
                          .whole = whole,
                          .path = path,
                          .ref = {3, 64, length},
                          .length = length};
    ds_chains_add(&k->chains, &part);
}

START_TEST(roots_of_a_plan)
{
    kit k;
    open_kit(&k);
    ck_assert_uint_eq(k.chains.n_roots, 2);
    for (uint32_t r = 0; r < 2; r++) {
        const ds_chain_root *root = &k.chains.roots[r];
        ck_assert_uint_eq(root->n_partitions, 3);
        ck_assert_uint_eq(ds_chains_find(&k.chains, root->stage, root->input), r);
        ck_assert_ptr_nonnull(root->signature);
        ck_assert(!ds_chains_has(&k.chains, root->stage, 0));
        ck_assert(ds_chains_full(&k.chains, root->stage, 0)); /* it has to begin */
    }
    ck_assert_uint_eq(ds_chains_find(&k.chains, 99, 0), 2);
    ck_assert_int_eq(k.chains.batch_ms, DS_NO_BATCH);
    close_kit(&k);
}
END_TEST

START_TEST(a_chain_grows)
{
    kit k;
    open_kit(&k);
    ds_arena *arena = ds_arena_new(NULL);
    add(&k, 1, true, "kept/1", 100);
    add(&k, 1, false, "kept/2", 30);
    add(&k, 1, false, "kept/3", 0); /* nothing had changed */
    uint32_t n;
    const ds_saved_part *parts = ds_chains_parts(&k.chains, k.stage, 1, arena, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert(parts[0].whole && !parts[1].whole);
    ck_assert_str_eq(parts[1].path, "kept/2");
    ck_assert(ds_chains_has(&k.chains, k.stage, 1));
    ck_assert(!ds_chains_has(&k.chains, k.stage, 0));
    ck_assert(!ds_chains_has_file(&k.chains, "kept/3"));
    ck_assert(!ds_chains_full(&k.chains, k.stage, 1));
    add(&k, 1, false, "kept/4", 77); /* more changes than the whole, and a sixteenth */
    ck_assert(ds_chains_full(&k.chains, k.stage, 1));
    ds_arena_free(arena);
    close_kit(&k);
}
END_TEST

START_TEST(long_chains_begin_anew_one_by_one)
{
    kit k;
    open_kit(&k);
    uint32_t full_at[3] = {0};
    for (uint32_t p = 0; p < 3; p++) {
        add(&k, p, true, "kept/1", 1000000);
        uint32_t n = 1;
        for (; !ds_chains_full(&k.chains, k.stage, p); n++)
            add(&k, p, false, "kept/2", 1);
        ck_assert_uint_le(n, DS_CHAIN_PARTS);
        full_at[p] = n;
    }
    ck_assert_uint_ne(full_at[0], full_at[1]);
    close_kit(&k);
}
END_TEST

/* Also those with equal changes that outgrow their wholes. */
START_TEST(outgrown_chains_begin_anew_one_by_one)
{
    kit k;
    open_kit(&k);
    uint32_t full_at[3] = {0};
    for (uint32_t p = 0; p < 3; p++) {
        add(&k, p, true, "kept/1", 1000000);
        for (; !ds_chains_full(&k.chains, k.stage, p); full_at[p]++)
            add(&k, p, false, "kept/2", 1000000 / 20);
    }
    ck_assert_uint_eq(full_at[0], 21);
    ck_assert_uint_gt(full_at[1], full_at[0]);
    ck_assert_uint_gt(full_at[2], full_at[1]);
    ck_assert_uint_lt(full_at[2], 30);
    close_kit(&k);
}
END_TEST

/* A whole of many panes is not made for a quarter of its size in changes, if these are small. */
START_TEST(large_wholes_are_made_for_as_much_in_changes)
{
    kit k;
    open_kit(&k);
    static const uint64_t changes[] = {1000000 / 30, 1000000 / 5};
    uint32_t full_at[2] = {1, 1};
    for (uint32_t p = 0; p < 2; p++) {
        add(&k, p, true, "kept/1", 1000000);
        for (; !ds_chains_full(&k.chains, k.stage, p); full_at[p]++)
            add(&k, p, false, "kept/2", changes[p]);
    }
    ck_assert_uint_gt(full_at[0], 30);
    ck_assert_uint_le(full_at[0], 32);
    ck_assert_uint_le(full_at[1], 7);
    close_kit(&k);
}
END_TEST

START_TEST(files_go_when_nothing_refers_to_them)
{
    kit k;
    open_kit(&k);
    add(&k, 0, true, "kept/1", 10);
    add(&k, 1, true, "kept/1", 10);
    add(&k, 0, true, "kept/2", 10);
    ck_assert_uint_eq(k.chains.n_dropped_files, 0); /* partition 1 needs it */
    add(&k, 1, true, "kept/2", 10);
    ck_assert_uint_eq(k.chains.n_dropped_files, 1);
    ck_assert_str_eq(k.chains.dropped_files[0], "kept/1");
    ck_assert(ds_chains_has_file(&k.chains, "kept/2"));
    ds_chains_drop(&k.chains, k.stage, 0);
    ds_chains_drop(&k.chains, k.stage, 1);
    ck_assert_uint_eq(k.chains.n_dropped_files, 2);
    /* Parts that never came to be a chain. */
    ds_saved_part part = {.path = "kept/9", .length = 5};
    ds_chains_drop_part(&k.chains, &part);
    ds_chains_drop_part(&k.chains, &part);
    ck_assert_uint_eq(k.chains.n_dropped_files, 3);
    close_kit(&k);
}
END_TEST

START_TEST(parts_in_stores)
{
    kit k;
    open_kit(&k);
    add(&k, 0, true, "", 10);
    ck_assert(ds_chains_lie_in(&k.chains, 3));
    ck_assert(!ds_chains_lie_in(&k.chains, 4));
    ck_assert(ds_chains_part_lies_in(&k.chains, k.stage, 0, 3));
    ck_assert(!ds_chains_part_lies_in(&k.chains, k.stage, 1, 3));
    add(&k, 0, true, "", 20);
    ck_assert_uint_eq(k.chains.n_dropped_refs, 1);
    ck_assert_uint_eq(k.chains.dropped_refs[0].length, 10);
    ck_assert(ds_chains_lie_in(&k.chains, 3));
    ds_chains_drop(&k.chains, k.stage, 0);
    ck_assert(!ds_chains_lie_in(&k.chains, 3));
    close_kit(&k);
}
END_TEST

UNIT_MAIN("chains", roots_of_a_plan, a_chain_grows, long_chains_begin_anew_one_by_one,
          outgrown_chains_begin_anew_one_by_one, large_wholes_are_made_for_as_much_in_changes,
          files_go_when_nothing_refers_to_them, parts_in_stores)
