/* Shuffle outputs: written by one task, read by partition, and never believed. */
#include "exec/shuffle.h"

#include "columnar/piece.h"
#include "unit/columns.h"

#define ID 9

typedef struct kit {
    desk d;
    ds_store *store;
    ds_batch_ranges *ranges;
    ds_peers *peers;
    ds_budget budget;
    ds_error error;
} kit;

static void kit_open(kit *k, uint64_t bytes)
{
    desk_open(&k->d);
    ck_assert_int_eq(ds_store_new(bytes, &k->store, &k->error), DS_OK);
    k->ranges = ds_batch_ranges_new(k->store);
    k->peers = ds_peers_new();
    ds_peers_add_store(k->peers, ID, k->store);
    ds_budget_init(&k->budget, NULL, 0);
    k->error.message[0] = '\0';
}

static void kit_close(kit *k)
{
    ds_peers_free(k->peers);
    ds_batch_ranges_free(k->ranges);
    ds_store_free(k->store);
    desk_close(&k->d);
}

static const ds_type types[] = {DS_TYPE(DS_INT), DS_TYPE(DS_STRING)};

/* Writes rows to three partitions; NULL: none for that one. */
static ds_status write(kit *k, const char *const *ints, const char *const *texts, ds_ref *ref)
{
    ds_partition_rows rows[3] = {{.narrow = true}, {.narrow = false}, {.narrow = true}};
    for (int p = 0; p < 3; p++) {
        rows[p].columns = DS_ARENA_ARRAY(k->d.arena, ds_column *, 2);
        rows[p].columns[0] = column_of(&k->d, types[0], ints[p]);
        rows[p].columns[1] = column_of(&k->d, types[1], texts[p]);
        rows[p].n_rows = rows[p].columns[0]->length;
    }
    *ref = (ds_ref){.executor_id = ID};
    return ds_shuffle_write(k->store, k->ranges, 1000, &k->d.heap, rows, 3, 2, ref, &k->error);
}

static void check_piece(kit *k, const ds_piece_bytes *piece, const char *ints, const char *texts)
{
    ds_column *columns[2];
    uint32_t n;
    ck_assert_int_eq(ds_piece_read(k->d.arena, &k->d.heap, piece->bytes, piece->length, types, 2,
                                   columns, &n, &k->error),
                     DS_OK);
    ck_assert_str_eq(text_of(&k->d, columns[0]), ints);
    ck_assert_str_eq(text_of(&k->d, columns[1]), texts);
}

static ds_status read(kit *k, const ds_ref *refs, uint32_t n, uint32_t partition,
                      ds_piece_bytes **pieces, uint32_t *n_pieces)
{
    ds_input inputs[8];
    for (uint32_t i = 0; i < n; i++)
        inputs[i] = (ds_input){.kind = DS_INPUT_PIECES, .ref = refs[i], .path = ""};
    ds_shuffle_pieces found = {0};
    ds_status status = ds_shuffle_read(k->peers, inputs, n, 3, partition, k->d.arena, &k->budget,
                                       UINT64_MAX, &found, &k->error);
    *pieces = found.list;
    *n_pieces = found.n;
    return status;
}

START_TEST(pieces_by_partition)
{
    kit k;
    kit_open(&k, 1 << 20);
    static const char *const ints[] = {"1 2", "", "3 null"};
    static const char *const texts[] = {"a 'a text that is rather long'", "", "null b"};
    static const char *const more_ints[] = {"", "7", "8"}, *const more_texts[] = {"", "x", "y"};
    ds_ref refs[2];
    ck_assert_int_eq(write(&k, ints, texts, &refs[0]), DS_OK);
    ck_assert_int_eq(write(&k, more_ints, more_texts, &refs[1]), DS_OK);
    ck_assert_uint_eq(refs[0].offset % 64, 0);
    ds_piece_bytes *pieces;
    uint32_t n;
    ck_assert_int_eq(read(&k, refs, 2, 0, &pieces, &n), DS_OK);
    ck_assert_uint_eq(n, 1); /* empty ones are left out */
    check_piece(&k, &pieces[0], "1 2", "a 'a text that is rather long'");
    ck_assert_int_eq(read(&k, refs, 2, 1, &pieces, &n), DS_OK);
    ck_assert_uint_eq(n, 1);
    check_piece(&k, &pieces[0], "7", "x");
    ck_assert_int_eq(read(&k, refs, 2, 2, &pieces, &n), DS_OK);
    ck_assert_uint_eq(n, 2); /* in the order of the inputs */
    check_piece(&k, &pieces[0], "3 null", "null b");
    check_piece(&k, &pieces[1], "8", "y");
    const char *bytes = pieces[0].bytes, *store = ds_store_bytes(k.store, 0);
    ck_assert(bytes >= store && bytes < store + ds_store_size(k.store)); /* nothing was copied */
    ck_assert_int_eq(read(&k, refs, 0, 2, &pieces, &n), DS_OK);
    ck_assert_uint_eq(n, 0);
    kit_close(&k);
}
END_TEST

/* A range that is used again holds nothing of what was there before. */
START_TEST(nothing_stale_is_handed_on)
{
    kit k;
    kit_open(&k, 1 << 20);
    static const char *const ints[] = {"1", "2 3", ""}, *const texts[] = {"a", "b c", ""};
    ds_ref first, second;
    ck_assert_int_eq(write(&k, ints, texts, &first), DS_OK);
    char *copy = ds_alloc(first.length);
    memcpy(copy, ds_store_bytes(k.store, first.offset), first.length);
    memset(ds_store_bytes(k.store, first.offset), 0xAB, first.length);
    ds_batch_ranges_release(k.ranges, 1000);
    ck_assert_int_eq(write(&k, ints, texts, &second), DS_OK);
    ck_assert_uint_eq(second.offset, first.offset);
    ck_assert_uint_eq(second.length, first.length);
    ck_assert_mem_eq(ds_store_bytes(k.store, second.offset), copy, first.length);
    free(copy);
    kit_close(&k);
}
END_TEST

START_TEST(a_full_store)
{
    kit k;
    kit_open(&k, 4096);
    uint64_t offset;
    ck_assert_int_eq(ds_batch_ranges_take(k.ranges, 1, 4096, &offset, NULL), DS_OK);
    static const char *const ints[] = {"1", "", ""}, *const texts[] = {"a", "", ""};
    ds_ref ref;
    ck_assert_int_eq(write(&k, ints, texts, &ref), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(k.error.message, "the block store is full"));
    ck_assert_uint_eq(ds_store_used(k.store), 4096);
    kit_close(&k);
}
END_TEST

/* Ranges come by message and bytes from a peer: anything may be in them. */
START_TEST(what_is_no_shuffle_output)
{
    kit k;
    kit_open(&k, 1 << 20);
    static const char *const ints[] = {"1", "2", "3"}, *const texts[] = {"a", "b", "c"};
    ds_ref good, ref;
    ds_piece_bytes *pieces;
    uint32_t n;
    ck_assert_int_eq(write(&k, ints, texts, &good), DS_OK);
    uint32_t *words = (uint32_t *)(void *)ds_store_bytes(k.store, good.offset);
    uint64_t *extents = (uint64_t *)(void *)(words + 2);

    ref = good;
    ref.length = 8; /* cut short */
    ck_assert_int_eq(read(&k, &ref, 1, 0, &pieces, &n), DS_ERR_PROTOCOL);
    ref.length = good.length / 2;
    ck_assert_int_eq(read(&k, &ref, 1, 2, &pieces, &n), DS_ERR_PROTOCOL);
    ref = good;
    ref.offset += 4; /* not where ranges begin */
    ref.length -= 4;
    ck_assert_int_eq(read(&k, &ref, 1, 0, &pieces, &n), DS_ERR_PROTOCOL);
    ref = good;
    ref.offset = UINT64_MAX - 63;
    ck_assert_int_eq(read(&k, &ref, 1, 0, &pieces, &n), DS_ERR_LOST);
    ref = good;
    ref.executor_id++;
    ck_assert_int_eq(read(&k, &ref, 1, 0, &pieces, &n), DS_ERR_LOST);
    ck_assert_ptr_nonnull(strstr(k.error.message, "executor 10"));

    static const struct {
        int word;
        uint64_t value;
    } wrong[] = {{2, 1}, {2, UINT64_MAX - 63}, {2, 1 << 20}, {3, UINT64_MAX}, {3, 1 << 20}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t *to = &extents[wrong[i].word], was = *to;
        *to = wrong[i].value;
        ck_assert_int_eq(read(&k, &good, 1, 1, &pieces, &n), DS_ERR_PROTOCOL);
        *to = was;
    }
    words[0] ^= 1;
    ck_assert_int_eq(read(&k, &good, 1, 0, &pieces, &n), DS_ERR_PROTOCOL);
    words[0] ^= 1;
    words[1]++;
    ck_assert_int_eq(read(&k, &good, 1, 0, &pieces, &n), DS_ERR_PROTOCOL);
    words[1]--;
    ck_assert_int_eq(read(&k, &good, 1, 0, &pieces, &n), DS_OK);

    ds_input block = {.kind = DS_INPUT_BLOCK, .ref = good, .path = ""};
    ds_shuffle_pieces found;
    ck_assert_int_eq(ds_shuffle_read(k.peers, &block, 1, 3, 0, k.d.arena, &k.budget, UINT64_MAX,
                                     &found, &k.error),
                     DS_ERR_PROTOCOL);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("shuffle", pieces_by_partition, nothing_stale_is_handed_on, a_full_store,
          what_is_no_shuffle_output)
