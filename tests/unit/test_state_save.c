/* A state as bytes and back: whole, a range of hashes, and bytes that are wrong. */
#include "columnar/piece.h"
#include "unit/state_model.h"

#include <string.h>

#define MOST_PIECES 200

typedef struct pieces {
    char *bytes[MOST_PIECES];
    size_t lengths[MOST_PIECES];
    uint32_t n;
    uint32_t fails_at; /* 0: never */
} pieces;

static ds_status take(void *arg, const void *piece, size_t length, ds_error *error)
{
    pieces *p = arg;
    if (p->n + 1 == p->fails_at)
        return ds_error_set(error, DS_ERR_IO, "no room");
    ck_assert_uint_lt(p->n, MOST_PIECES);
    p->bytes[p->n] = ds_alloc(length);
    memcpy(p->bytes[p->n], piece, length);
    p->lengths[p->n++] = length;
    return DS_OK;
}

static void save(model *m, uint64_t first, uint64_t last, pieces *p)
{
    ds_error error;
    ck_assert_int_eq(ds_state_save(m->state, first, last, take, p, &error), DS_OK);
}

static ds_status load(model *m, const pieces *p, uint32_t i)
{
    ds_error error;
    return ds_state_load(m->state, p->bytes[i], p->lengths[i], &error);
}

static void free_pieces(pieces *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        free(p->bytes[i]);
    p->n = 0;
}

/* A state with a past: keys seen at several times, some of them gone. */
static model *with_a_past(int64_t timeout_ms)
{
    model *m = model_new(timeout_ms);
    model_batch(m, 0, 1, 6000, true);
    model_batch(m, 100, 3, 1000, true);
    model_batch(m, 50, 2, 700, false);
    model_batch(m, 5000, 1, 4000, true);
    return m;
}

/* The same keys with the same past, and nothing in the state. */
static model *emptied(const model *of)
{
    model *m = model_new(of->spec.timeout_ms);
    memcpy(m->entries, of->entries, sizeof m->entries);
    m->count = of->count;
    m->now_ms = of->now_ms;
    m->next_value = of->next_value;
    return m;
}

/* Batch after batch the keys time out that have to. */
static void let_time_pass(model *m)
{
    for (int i = 0; i < 12; i++)
        model_batch(m, 7 * i, 1, 5, true);
    model_check(m);
}

START_TEST(comes_back_as_it_was)
{
    model *m = with_a_past(_i == 0 ? 0 : 8000);
    pieces p = {0};
    save(m, 0, UINT64_MAX, &p);
    ck_assert_uint_eq(p.n, (m->count + DS_CHUNK_ROWS - 1) / DS_CHUNK_ROWS);
    model *again = emptied(m);
    for (uint32_t i = 0; i < p.n; i++)
        ck_assert_int_eq(load(again, &p, i), DS_OK);
    model_check(again);
    let_time_pass(again);
    let_time_pass(m);
    free_pieces(&p);
    model_free(again);
    model_free(m);
}
END_TEST

/* Saving changes nothing, and what did not change gives the same bytes. */
START_TEST(the_same_state_gives_the_same_bytes)
{
    model *m = with_a_past(8000);
    pieces a = {0}, b = {0};
    save(m, 0, UINT64_MAX, &a);
    save(m, 0, UINT64_MAX, &b);
    ck_assert_uint_eq(a.n, b.n);
    for (uint32_t i = 0; i < a.n; i++) {
        ck_assert_uint_eq(a.lengths[i], b.lengths[i]);
        ck_assert_mem_eq(a.bytes[i], b.bytes[i], a.lengths[i]);
    }
    model_check(m);
    free_pieces(&a);
    free_pieces(&b);
    model_free(m);
}
END_TEST

/* Ranges of hashes go and come, in any order, and everything is as before: time-outs, too. */
START_TEST(ranges_go_and_come)
{
    model *m = with_a_past(_i == 0 ? 0 : 8000);
    pieces p[4] = {{.n = 0}};
    uint32_t total = 0, count = m->count;
    uint64_t quarter = UINT64_MAX / 4 + 1;
    for (uint64_t r = 0; r < 4; r++) {
        uint32_t before = ds_state_count(m->state);
        save(m, r * quarter, r * quarter + (quarter - 1), &p[r]);
        ds_state_forget(m->state, r * quarter, r * quarter + (quarter - 1));
        ck_assert_uint_gt(before - ds_state_count(m->state), count / 5);
        total += before - ds_state_count(m->state);
    }
    ck_assert_uint_eq(total, count);
    ck_assert_uint_eq(ds_state_count(m->state), 0);
    static const uint32_t order[] = {2, 0, 3, 1};
    ds_state_begin(m->state);
    for (uint32_t r = 0; r < 4; r++)
        for (uint32_t i = 0; i < p[order[r]].n; i++)
            ck_assert_int_eq(load(m, &p[order[r]], i), DS_OK);
    model_check(m);
    let_time_pass(m);
    for (uint32_t r = 0; r < 4; r++)
        free_pieces(&p[r]);
    model_free(m);
}
END_TEST

START_TEST(an_empty_state_has_no_pieces)
{
    model *m = model_new(1000);
    pieces p = {0};
    save(m, 0, UINT64_MAX, &p);
    ck_assert_uint_eq(p.n, 0);
    model_free(m);
}
END_TEST

START_TEST(a_write_that_fails_ends_it)
{
    model *m = with_a_past(0);
    pieces p = {.fails_at = 2};
    ds_error error;
    ck_assert_int_eq(ds_state_save(m->state, 0, UINT64_MAX, take, &p, &error), DS_ERR_IO);
    ck_assert_str_eq(error.message, "no room");
    ck_assert_uint_eq(p.n, 1);
    free_pieces(&p);
    model_free(m);
}
END_TEST

/* ---- bytes that are wrong ---- */

START_TEST(a_key_that_is_there_is_refused)
{
    model *m = with_a_past(8000);
    pieces p = {0};
    save(m, 0, UINT64_MAX, &p);
    ck_assert_int_eq(load(m, &p, 0), DS_ERR_PROTOCOL);
    model *again = emptied(m);
    ck_assert_int_eq(load(again, &p, 0), DS_OK);
    ck_assert_int_eq(load(again, &p, 0), DS_ERR_PROTOCOL);
    free_pieces(&p);
    model_free(again);
    model_free(m);
}
END_TEST

/* Rows with one key twice, and times that go back: put together by hand. */
START_TEST(pieces_that_nobody_wrote_are_refused)
{
    static const char *const bad[][2] = {{"1 2 1", "5 6 7"}, {"1 2 3", "5 4 6"}, {"1 2", "5 null"}};
    desk d;
    desk_open(&d);
    ds_type key = DS_TYPE(DS_INT), value = DS_TYPE(DS_INT), types[] = {key, value};
    ds_state_spec spec = {&types[0], 1, &types[1], 1, 1000};
    for (size_t i = 0; i < 3; i++) {
        ds_state *state = ds_state_new(&spec, NULL);
        ds_column *keys = column_of(&d, key, bad[i][0]), *times = column_of(&d, key, bad[i][1]);
        const ds_column *columns[] = {keys, keys, times};
        size_t size = ds_piece_size(&d.heap, columns, 3, keys->length);
        void *piece = ds_arena_alloc(d.arena, size);
        ds_piece_write(piece, &d.heap, columns, 3, keys->length);
        ds_error error;
        ck_assert_int_eq(ds_state_load(state, piece, size, &error), DS_ERR_PROTOCOL);
        ds_state_free(state);
    }
    desk_close(&d);
}
END_TEST

/* Any byte may be another one: an error or not, nothing worse. */
START_TEST(damaged_bytes_do_no_harm)
{
    model *m = model_new(8000);
    model_batch(m, 0, 1, 60, true);
    pieces p = {0};
    save(m, 0, UINT64_MAX, &p);
    ds_random random;
    ds_random_init(&random, 5);
    ds_error error;
    char *bytes = ds_alloc(p.lengths[0]);
    for (int i = 0; i < 2000; i++) {
        ds_state *state = ds_state_new(&m->spec, NULL);
        memcpy(bytes, p.bytes[0], p.lengths[0]);
        for (int k = 0; k < 1 + i % 3; k++)
            bytes[ds_random_below(&random, p.lengths[0])] ^=
                (char)(1 << ds_random_below(&random, 8));
        if (ds_state_load(state, bytes, p.lengths[0], &error) == DS_OK)
            ck_assert_uint_eq(ds_state_count(state), 60);
        ds_state_free(state);
    }
    for (size_t length = 0; length < p.lengths[0]; length += 8) {
        ds_state *state = ds_state_new(&m->spec, NULL);
        ck_assert_int_eq(ds_state_load(state, p.bytes[0], length, &error), DS_ERR_PROTOCOL);
        ds_state_free(state);
    }
    free(bytes);
    free_pieces(&p);
    model_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state_save");
    TCase *tcase = tcase_create("state_save");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, comes_back_as_it_was, 0, 2);
    tcase_add_loop_test(tcase, ranges_go_and_come, 0, 2);
    const TTest *const tests[] = {
        the_same_state_gives_the_same_bytes,  an_empty_state_has_no_pieces,
        a_write_that_fails_ends_it,           a_key_that_is_there_is_refused,
        pieces_that_nobody_wrote_are_refused, damaged_bytes_do_no_harm};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
