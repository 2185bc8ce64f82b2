/* Bytes of other executors: mapped where that is possible, else fetched, and the same ones. */
#include "exec/peers.h"
#include "exec/shuffle.h"

#include "base/random.h"
#include "columnar/piece.h"
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#define STORES 4
#define STORE_BYTES ((uint64_t)1 << 20)

/* Executors 0 .. 3: 0 is this one, 1 can be mapped, 2 and 3 are fetched from. */
typedef struct kit {
    ds_store *stores[STORES];
    ds_peers *peers;
    ds_arena *arena;
    ds_budget budget;
    uint32_t n_fetches, n_items;
    uint64_t n_bytes;
    ds_status answer; /* of fetches */
    char dropped[200];
} kit;

static ds_status fetch(void *arg, const char *url, const ds_bulk_item *items, size_t n,
                       ds_error *error)
{
    kit *k = arg;
    uint64_t id = 0;
    ck_assert_int_eq(sscanf(url, "url-%lu", &id), 1);
    k->n_fetches++;
    if (k->answer != DS_OK)
        return ds_error_set(error, k->answer, "not today");
    for (size_t i = 0; i < n; i++) {
        const ds_ref *ref = &items[i].ref;
        ck_assert_uint_eq(ref->executor_id, id);
        ck_assert_uint_eq((uintptr_t)items[i].to % 8, 0);
        const char *bytes = ds_store_range(k->stores[id], ref->offset, ref->length);
        if (bytes == NULL)
            return ds_error_set(error, DS_ERR_LOST, "no such bytes");
        memcpy(items[i].to, bytes, ref->length);
        k->n_items++;
        k->n_bytes += ref->length;
    }
    return DS_OK;
}

static void drop(void *arg, const char *url)
{
    kit *k = arg;
    snprintf(k->dropped + strlen(k->dropped), sizeof k->dropped - strlen(k->dropped), "%s ", url);
}

static void tell(kit *k, uint64_t id, const char *path, const char *url)
{
    const ds_msg_peer peer = {
        .executor_id = id, .path = path, .store_bytes = STORE_BYTES, .bulk_url = url};
    ds_peers_add(k->peers, &peer);
}

static void tell_shared(kit *k, uint64_t id, const char *url)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", ds_store_fd(k->stores[id]));
    tell(k, id, path, url);
}

static void start(kit *k, bool maps)
{
    *k = (kit){.peers = ds_peers_new(), .arena = ds_arena_new(NULL)};
    const ds_fetcher fetcher = {k, fetch, drop};
    ds_peers_set_fetcher(k->peers, &fetcher, maps);
    ds_budget_init(&k->budget, NULL, STORE_BYTES);
    ds_random random;
    ds_random_init(&random, 1);
    for (uint64_t id = 0; id < STORES; id++) {
        ck_assert_int_eq(ds_store_new(STORE_BYTES, &k->stores[id], NULL), DS_OK);
        for (uint64_t at = 0; at < STORE_BYTES; at += 8) {
            uint64_t eight = ds_random_next(&random);
            memcpy(ds_store_bytes(k->stores[id], at), &eight, 8);
        }
    }
    ds_peers_add_store(k->peers, 0, k->stores[0]);
    tell_shared(k, 1, "url-1");
    tell(k, 2, "", "url-2");
    tell(k, 3, "/proc/self/fd/9999", "url-3");
}

static void stop(kit *k)
{
    ds_peers_free(k->peers);
    for (int i = 0; i < STORES; i++)
        ds_store_free(k->stores[i]);
    ds_arena_free(k->arena);
}

static ds_status read_one(kit *k, ds_ref ref, const char **bytes, ds_error *error)
{
    return ds_peers_bytes(k->peers, &ref, k->arena, &k->budget, bytes, error);
}

static void check_range(kit *k, uint64_t id, uint64_t offset, uint64_t length)
{
    const char *bytes;
    ds_error error = {.message = ""};
    ck_assert_msg(read_one(k, (ds_ref){id, offset, length}, &bytes, &error) == DS_OK, "%s",
                  error.message);
    ck_assert(memcmp(bytes, ds_store_range(k->stores[id], offset, length), length) == 0);
}

static void expect_lost(kit *k, ds_ref ref)
{
    const char *bytes;
    ck_assert_int_eq(read_one(k, ref, &bytes, NULL), DS_ERR_LOST);
}

START_TEST(every_store_is_read_in_its_way)
{
    kit k;
    start(&k, true);
    check_range(&k, 0, 0, STORE_BYTES);
    check_range(&k, 1, 64, 1000);
    ck_assert_uint_eq(k.n_fetches, 0);
    check_range(&k, 2, 64, 1000);
    check_range(&k, 3, STORE_BYTES - 1, 1);
    check_range(&k, 3, STORE_BYTES, 0);
    ck_assert_uint_eq(k.n_fetches, 3);
    ck_assert_uint_eq(k.n_bytes, 1001);
    stop(&k);
}
END_TEST

START_TEST(nothing_is_mapped_when_it_is_switched_off)
{
    kit k;
    start(&k, false);
    check_range(&k, 0, 8, 8);
    ck_assert_uint_eq(k.n_fetches, 0);
    check_range(&k, 1, 8, 8);
    ck_assert_uint_eq(k.n_fetches, 1);
    stop(&k);
}
END_TEST

START_TEST(one_round_for_each_executor)
{
    kit k;
    start(&k, true);
    const ds_ref refs[] = {{3, 8, 100}, {0, 16, 8}, {2, 24, 300}, {3, 800, 7},
                           {1, 0, 64},  {2, 0, 8},  {3, 8, 100}};
    enum { N = sizeof refs / sizeof *refs };
    const char *bytes[N];
    ck_assert_int_eq(ds_peers_read(k.peers, refs, N, k.arena, &k.budget, bytes, NULL), DS_OK);
    for (int i = 0; i < N; i++)
        ck_assert_mem_eq(bytes[i], ds_store_range(k.stores[refs[i].executor_id], refs[i].offset, 8),
                         7);
    ck_assert_uint_eq(k.n_fetches, 2);
    ck_assert_uint_eq(k.n_items, 5);
    ck_assert_int_eq(ds_peers_read(k.peers, NULL, 0, k.arena, &k.budget, NULL, NULL), DS_OK);
    stop(&k);
}
END_TEST

START_TEST(what_cannot_be_read_is_lost)
{
    kit k;
    start(&k, true);
    expect_lost(&k, (ds_ref){99, 0, 8}); /* nobody */
    for (uint64_t id = 0; id < STORES; id++) {
        expect_lost(&k, (ds_ref){id, STORE_BYTES, 1});
        expect_lost(&k, (ds_ref){id, STORE_BYTES - 8, 9});
        expect_lost(&k, (ds_ref){id, UINT64_MAX, 2});
    }
    k.answer = DS_ERR_LOST;
    expect_lost(&k, (ds_ref){2, 0, 8});
    tell(&k, 7, "/proc/self/fd/9999", ""); /* neither way */
    expect_lost(&k, (ds_ref){7, 0, 8});
    k.answer = DS_OK;
    check_range(&k, 2, 0, 8);
    const ds_fetcher none = {0};
    ds_peers_set_fetcher(k.peers, &none, true);
    expect_lost(&k, (ds_ref){2, 0, 8});
    ds_peers_drop(k.peers, 2); /* and nothing is told to nobody */
    stop(&k);
}
END_TEST

START_TEST(the_budget_is_asked_before_bytes_are_fetched)
{
    kit k;
    start(&k, true);
    const char *bytes[2];
    ds_error error;
    ds_budget_charge(&k.budget, STORE_BYTES / 2);
    check_range(&k, 2, 0, STORE_BYTES / 2);
    ck_assert_int_eq(read_one(&k, (ds_ref){2, 0, STORE_BYTES / 2 + 8}, bytes, &error),
                     DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.message, "memory limit"));
    const ds_ref huge[] = {{2, 0, UINT64_MAX}, {2, 0, 5}};
    ck_assert_int_eq(ds_peers_read(k.peers, huge, 2, k.arena, &k.budget, bytes, &error),
                     DS_ERR_LOST);
    ck_assert_int_eq(ds_peers_read(k.peers, huge, 1, k.arena, &k.budget, bytes, &error),
                     DS_ERR_NO_MEMORY);
    ck_assert_int_eq(k.budget.used_bytes, STORE_BYTES / 2);
    ck_assert_uint_eq(k.n_fetches, 1);
    check_range(&k, 1, 0, STORE_BYTES); /* what is mapped costs nothing */
    stop(&k);
}
END_TEST

START_TEST(addresses_change_and_go)
{
    kit k;
    start(&k, true);
    tell(&k, 2, "", "url-2");
    ck_assert_str_eq(k.dropped, "");
    tell(&k, 2, "", "url-2b"); /* given by another from now on */
    ck_assert_str_eq(k.dropped, "url-2 ");
    check_range(&k, 2, 0, 8);
    ds_peers_drop(k.peers, 2);
    ck_assert_str_eq(k.dropped, "url-2 url-2b ");
    expect_lost(&k, (ds_ref){2, 0, 8});
    tell(&k, 2, "", "url-2"); /* a second copy that comes late */
    expect_lost(&k, (ds_ref){2, 0, 8});

    tell(&k, 1, "", "url-1b"); /* mapped: it stays so */
    check_range(&k, 1, 0, 8);
    ck_assert_uint_eq(k.n_fetches, 1);
    tell_shared(&k, 3, "url-3"); /* it can be opened after all */
    check_range(&k, 3, 0, 8);
    ck_assert_uint_eq(k.n_fetches, 1);
    ds_peers_drop(k.peers, 1);
    expect_lost(&k, (ds_ref){1, 0, 8});
    tell(&k, 0, "", "url-0"); /* our own: as it is */
    check_range(&k, 0, 0, 8);
    stop(&k);
}
END_TEST

/* ---- shuffle ---- */

#define PARTITIONS 5u

/* What a map task of executor `id` writes: for partition p rows p * 1000 .. */
static ds_input write_shuffle(kit *k, uint64_t id, uint32_t rows_each)
{
    ds_batch_ranges *ranges = ds_batch_ranges_new(k->stores[id]);
    ds_heap heap;
    ds_heap_init(&heap, k->arena);
    ds_partition_rows rows[PARTITIONS] = {0};
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        if (p == 2) /* it has none */
            continue;
        rows[p].n_rows = rows_each;
        rows[p].columns = DS_ARENA_ARRAY(k->arena, ds_column *, 1);
        rows[p].columns[0] = ds_column_new(k->arena, DS_TYPE(DS_INT), rows_each);
        for (uint32_t i = 0; i < rows_each; i++)
            rows[p].columns[0]->ints[i] = (int64_t)(id * 1000000 + p * 1000 + i);
    }
    ds_input input = {.kind = DS_INPUT_PIECES, .ref = {.executor_id = id}, .path = ""};
    ck_assert_int_eq(
        ds_shuffle_write(k->stores[id], ranges, 1000, &heap, rows, PARTITIONS, 1, &input.ref, NULL),
        DS_OK);
    ds_batch_ranges_free(ranges); /* the range stays as it is */
    ds_heap_fini(&heap);
    return input;
}

static ds_status read_pieces(kit *k, const ds_input *inputs, uint32_t n, uint32_t partition,
                             ds_piece_bytes **pieces, uint32_t *n_pieces)
{
    ds_shuffle_pieces found = {0};
    ds_status status = ds_shuffle_read(k->peers, inputs, n, PARTITIONS, partition, k->arena,
                                       &k->budget, UINT64_MAX, &found, NULL);
    *pieces = found.list;
    *n_pieces = found.n;
    return status;
}

static void check_piece(kit *k, const ds_piece_bytes *piece, uint64_t id, uint32_t p,
                        uint32_t rows_each)
{
    const ds_type type = DS_TYPE(DS_INT);
    ds_heap heap;
    ds_column *column;
    uint32_t n_rows;
    ds_heap_init(&heap, k->arena);
    ck_assert_int_eq(ds_piece_read(k->arena, &heap, piece->bytes, piece->length, &type, 1, &column,
                                   &n_rows, NULL),
                     DS_OK);
    ck_assert_uint_eq(n_rows, rows_each);
    for (uint32_t i = 0; i < n_rows; i++)
        ck_assert_int_eq(column->ints[i], (int64_t)(id * 1000000 + p * 1000 + i));
    ds_heap_fini(&heap);
}

START_TEST(only_the_piece_of_the_partition_travels)
{
    enum { ROWS = 500, N = 6 };
    kit k;
    start(&k, true);
    const uint64_t from[N] = {3, 0, 2, 1, 3, 2};
    ds_input inputs[N];
    for (int i = 0; i < N; i++)
        inputs[i] = write_shuffle(&k, from[i], ROWS);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        ds_piece_bytes *pieces;
        uint32_t n_pieces;
        k.n_fetches = 0;
        k.n_bytes = 0;
        ck_assert_int_eq(read_pieces(&k, inputs, N, p, &pieces, &n_pieces), DS_OK);
        ck_assert_uint_eq(n_pieces, p == 2 ? 0 : N);
        for (uint32_t i = 0; i < n_pieces; i++)
            check_piece(&k, &pieces[i], from[i], p, ROWS);
        ck_assert_uint_eq(k.n_fetches, p == 2 ? 2 : 4); /* two rounds to two executors */
        uint64_t remote = n_pieces > 0 ? 4 * pieces[0].length : 0;
        ck_assert_uint_eq(k.n_bytes, 4 * ds_shuffle_header_bytes(PARTITIONS) + remote);
    }
    stop(&k);
}
END_TEST

/* Changes 8 bytes of a written range, for all who read it. */
static void spoil(kit *k, const ds_input *input, uint64_t at, uint64_t value)
{
    memcpy(ds_store_bytes(k->stores[input->ref.executor_id], input->ref.offset + at), &value, 8);
}

START_TEST(spoiled_ranges_are_refused)
{
    static const struct {
        uint64_t at, value;
    } cases[] = {
        {0, 0},                            /* the mark, and how many */
        {0, UINT64_C(0x0000000666687364)}, /* one partition more */
        {8, UINT64_MAX},                   /* an offset outside */
        {8, 8},                            /* one that is not aligned */
        {16, UINT64_MAX},                  /* a length beyond the end */
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        for (uint64_t id = 1; id <= 2; id++) { /* mapped, and fetched */
            kit k;
            ds_piece_bytes *pieces;
            uint32_t n;
            start(&k, true);
            ds_input input = write_shuffle(&k, id, 10);
            ck_assert_int_eq(read_pieces(&k, &input, 1, 0, &pieces, &n), DS_OK);
            spoil(&k, &input, cases[c].at, cases[c].value);
            ck_assert_int_eq(read_pieces(&k, &input, 1, 0, &pieces, &n), DS_ERR_PROTOCOL);
            stop(&k);
        }
    }
}
END_TEST

START_TEST(wrong_inputs_are_refused)
{
    kit k;
    ds_piece_bytes *pieces;
    uint32_t n;
    start(&k, true);
    ds_input good = write_shuffle(&k, 2, 10);
    ds_input block = good, shorter = good, gone = good;
    block.kind = DS_INPUT_BLOCK;
    ck_assert_int_eq(read_pieces(&k, &block, 1, 0, &pieces, &n), DS_ERR_PROTOCOL);
    for (shorter.ref.length = 0; shorter.ref.length < ds_shuffle_header_bytes(PARTITIONS);
         shorter.ref.length++)
        ck_assert_int_eq(read_pieces(&k, &shorter, 1, 0, &pieces, &n), DS_ERR_PROTOCOL);
    gone.ref.executor_id = 99;
    const ds_input inputs[] = {good, gone};
    ck_assert_int_eq(read_pieces(&k, inputs, 2, 0, &pieces, &n), DS_ERR_LOST);
    ck_assert_int_eq(read_pieces(&k, inputs, 1, 0, &pieces, &n), DS_OK);
    ck_assert_int_eq(read_pieces(&k, inputs, 0, 0, &pieces, &n), DS_OK);
    ck_assert_uint_eq(n, 0);
    stop(&k);
}
END_TEST

UNIT_MAIN("peers", every_store_is_read_in_its_way, nothing_is_mapped_when_it_is_switched_off,
          one_round_for_each_executor, what_cannot_be_read_is_lost,
          the_budget_is_asked_before_bytes_are_fetched, addresses_change_and_go,
          only_the_piece_of_the_partition_travels, spoiled_ranges_are_refused,
          wrong_inputs_are_refused)
