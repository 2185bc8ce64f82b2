/* A state as parts of a chain and back: whole ones and changes, and bytes that are wrong. */
#include "columnar/piece.h"
#include "unit/saved_bytes.h"
#include "unit/state_model.h"

#include <string.h>

#define KIND 9
#define PARTS 64

typedef struct chain {
    saved_bytes parts[PARTS];
    uint32_t n;
} chain;

static ds_status save_part(ds_state *state, bool whole, saved_bytes *part)
{
    ds_save_to to = saved_to(part);
    ds_saver *saver;
    ds_error error;
    DS_TRY(ds_saver_new(&to, KIND, &saver, &error));
    ds_status status = ds_state_save(state, whole, saver, &error);
    if (status == DS_OK)
        status = ds_saver_end(saver, &error);
    ds_saver_free(saver);
    return status;
}

static ds_status load_part(ds_state *state, bool whole, saved_bytes *part)
{
    ds_load_from from = saved_from(part);
    ds_loader *loader;
    ds_error error;
    DS_TRY(ds_loader_new(&from, KIND, SIZE_MAX, &loader, &error));
    ds_status status = ds_state_load(state, whole, loader, &error);
    ds_loader_free(loader);
    return status;
}

static void empty(chain *c)
{
    while (c->n > 0)
        ds_buffer_fini(&c->parts[--c->n].buffer);
}

/* Adds a part if anything changed; returns its bytes. */
static size_t save(model *m, chain *c, bool whole)
{
    if (!whole && !ds_state_unsaved(m->state))
        return 0;
    if (whole)
        empty(c);
    ck_assert_uint_lt(c->n, PARTS);
    saved_bytes *part = &c->parts[c->n++];
    *part = (saved_bytes){{0}, 0};
    ck_assert_int_eq(save_part(m->state, whole, part), DS_OK);
    ck_assert(!ds_state_unsaved(m->state));
    return part->buffer.length;
}

static ds_state *load(model *m, chain *c)
{
    ds_state *state = ds_state_new(&m->spec, &m->budget);
    for (uint32_t i = 0; i < c->n; i++)
        ck_assert_int_eq(load_part(state, i == 0, &c->parts[i]), DS_OK);
    ck_assert(!ds_state_unsaved(state));
    return state;
}

static void same_ids(const uint32_t *a, uint32_t n, const uint32_t *b, uint32_t m)
{
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(a, b, n * sizeof *a);
}

/* The same numbers, in the same order. */
static void same_state(const ds_state *a, const ds_state *b)
{
    static uint32_t of_a[MODEL_KEYS], of_b[MODEL_KEYS];
    uint32_t at_a = 0, at_b = 0;
    ck_assert_uint_eq(ds_state_count(a), ds_state_count(b));
    uint32_t n = ds_state_walk(a, &at_a, of_a, MODEL_KEYS);
    same_ids(of_a, n, of_b, ds_state_walk(b, &at_b, of_b, MODEL_KEYS));
    n = ds_state_due(a, INT64_MAX, of_a, MODEL_KEYS);
    same_ids(of_a, n, of_b, ds_state_due(b, INT64_MAX, of_b, MODEL_KEYS));
}

/* Loads the chain and goes on with what was loaded. */
static void go_on_with_the_copy(model *m, chain *c)
{
    ds_state *copy = load(m, c);
    same_state(m->state, copy);
    ds_state_free(m->state);
    m->state = copy;
    model_check(m);
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

START_TEST(comes_back_as_it_was)
{
    model *m = with_a_past(_i == 0 ? 0 : 8000);
    chain c = {.n = 0};
    save(m, &c, true);
    go_on_with_the_copy(m, &c);
    for (int i = 0; i < 12; i++) {
        model_batch(m, 7 * i, 1, 5, true);
        save(m, &c, false);
    }
    model_check(m);
    go_on_with_the_copy(m, &c);
    empty(&c);
    model_free(m);
}
END_TEST

/* Keys come, change, go, time out; numbers move down; a batch may do all of it. */
START_TEST(changes_are_enough)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        model *m = model_new(_i == 0 ? 0 : 6000);
        chain c = {.n = 0};
        ds_random r;
        ds_random_init(&r, seed);
        save(m, &c, true);
        for (int i = 0; i < 60; i++) {
            uint32_t most = ds_random_below(&r, 4) == 0 ? 6000 : 300;
            int64_t first = (int64_t)ds_random_below(&r, 9000);
            model_batch(m, first, 1 + (int64_t)ds_random_below(&r, 3) * 6,
                        (uint32_t)ds_random_below(&r, most), ds_random_below(&r, 5) > 1);
            if (ds_random_below(&r, 3) > 0)
                continue;
            save(m, &c, ds_random_below(&r, 12) == 0);
            if (ds_random_below(&r, 3) == 0)
                go_on_with_the_copy(m, &c);
        }
        save(m, &c, false);
        go_on_with_the_copy(m, &c);
        empty(&c);
        model_free(m);
    }
}
END_TEST

/* Most numbers become free at once, and the rest move down in the batches after: of the copy as of
 * one that was never saved. */
START_TEST(numbers_move)
{
    model *m = model_new(_i == 0 ? 0 : 5000), *plain = model_new(m->spec.timeout_ms);
    chain c = {.n = 0};
    ds_random r;
    ds_random_init(&r, 3);
    uint32_t most = 0;
    for (int i = 0; i < 40; i++) {
        int64_t first = 0, step = 1;
        uint32_t n = i % 10 == 0 ? 20000 : i % 10 == 2 ? 18000 + (uint32_t)i : 10;
        if (n == 10) {
            first = (int64_t)ds_random_below(&r, 20000);
            step = 1 + (int64_t)ds_random_below(&r, 300);
        }
        model_batch(m, first, step, n, i % 10 != 2);
        model_batch(plain, first, step, n, i % 10 != 2);
        same_state(plain->state, m->state);
        ck_assert_uint_eq(ds_state_limit(plain->state), ds_state_limit(m->state));
        most = ds_state_limit(m->state) > most ? ds_state_limit(m->state) : most;
        if (ds_random_below(&r, 3) == 0)
            continue;
        save(m, &c, ds_random_below(&r, 9) == 0 || c.n == 0);
        go_on_with_the_copy(m, &c);
    }
    ck_assert_uint_lt(ds_state_limit(m->state), most / 4);
    empty(&c);
    model_free(plain);
    model_free(m);
}
END_TEST

/* What changed is what is written, however much there is. */
START_TEST(costs_what_changed)
{
    model *m = model_new(1000000);
    chain c = {.n = 0};
    model_batch(m, 0, 1, 20000, true);
    size_t whole = save(m, &c, true);
    ck_assert_uint_eq(save(m, &c, false), 0);
    model_batch(m, 77, 100, 10, true);
    size_t ten = save(m, &c, false);
    ck_assert_uint_gt(ten, 0);
    ck_assert_uint_lt(ten, whole / 500);
    model_batch(m, 77, 100, 10, false); /* those that go cost their number */
    ck_assert_uint_lt(save(m, &c, false), ten / 4);
    model_batch(m, 0, 1, 0, true);
    ck_assert_uint_eq(save(m, &c, false), 0);
    go_on_with_the_copy(m, &c);
    ck_assert_uint_eq(save(m, &c, false), 0);
    empty(&c);
    model_free(m);
}
END_TEST

/* Values that are set to what they are, are not changes; times are. */
START_TEST(equal_values_are_no_change)
{
    desk d;
    ds_type types[] = {DS_TYPE(DS_INT), DS_TYPE(DS_FLOAT), DS_TYPE(DS_STRING), DS_LIST_OF(DS_INT)};
    ds_state_spec spec = {types, 1, types + 1, 3, _i == 0 ? 0 : 1000};
    desk_open(&d);
    ds_state *state = ds_state_new(&spec, NULL);
    const ds_column *key[] = {column_of(&d, types[0], "1 2 3")};
    const ds_column *values[2][3] = {{column_of(&d, types[1], "0.5 null -1"),
                                      column_of(&d, types[2], "a null 'a text that is long'"),
                                      column_of(&d, types[3], "[1] [] null")},
                                     {column_of(&d, types[1], "0.5 null -1"),
                                      column_of(&d, types[2], "a b 'a text that is long'"),
                                      column_of(&d, types[3], "[1] [] null")}};
    uint64_t hashes[3];
    uint32_t ids[3] = {DS_NEW_KEY, DS_NEW_KEY, DS_NEW_KEY};
    ds_hash_rows(&d.heap, key, 1, 3, hashes);
    ds_state_add(state, &d.heap, key, hashes, 3, NULL, 5, ids);
    ds_state_set(state, &d.heap, ids, values[0], 3);
    saved_bytes parts[3] = {{{0}, 0}};
    ck_assert_int_eq(save_part(state, true, &parts[0]), DS_OK);
    ds_state_set(state, &d.heap, ids, values[0], 3);
    ck_assert(!ds_state_unsaved(state));
    ds_state_set(state, &d.heap, ids, values[1], 3);
    ck_assert(ds_state_unsaved(state));
    ck_assert_int_eq(save_part(state, false, &parts[1]), DS_OK);
    ck_assert_uint_lt(parts[1].buffer.length, parts[0].buffer.length);
    ds_state_see(state, ids, 3, 6);
    ck_assert(ds_state_unsaved(state) == (_i == 1));
    for (int i = 0; i < 3; i++)
        ds_buffer_fini(&parts[i].buffer);
    ds_state_free(state);
    desk_close(&d);
}
END_TEST

/* Saving changes nothing, and what did not change gives the same bytes. */
START_TEST(the_same_state_gives_the_same_bytes)
{
    model *m = with_a_past(8000);
    saved_bytes a = {{0}, 0}, b = {{0}, 0};
    ck_assert_int_eq(save_part(m->state, true, &a), DS_OK);
    ck_assert_int_eq(save_part(m->state, true, &b), DS_OK);
    ck_assert_uint_eq(a.buffer.length, b.buffer.length);
    ck_assert_mem_eq(a.buffer.data, b.buffer.data, a.buffer.length);
    model_check(m);
    ds_buffer_fini(&a.buffer);
    ds_buffer_fini(&b.buffer);
    model_free(m);
}
END_TEST

/* ---- bytes that are wrong ---- */

/* Frames by hand, over an int key and an int value, with a time-out. */
typedef struct hand {
    desk d;
    ds_type types[3];
    ds_state_spec spec;
    saved_bytes part;
    ds_save_to to;
    ds_saver *saver;
} hand;

static void hand_open(hand *h)
{
    *h = (hand){.types = {DS_TYPE(DS_INT), DS_TYPE(DS_INT), DS_TYPE(DS_INT)}};
    desk_open(&h->d);
    h->spec = (ds_state_spec){&h->types[0], 1, &h->types[1], 1, 1000};
    h->to = saved_to(&h->part);
    ck_assert_int_eq(ds_saver_new(&h->to, KIND, &h->saver, NULL), DS_OK);
}

static void hand_head(hand *h, uint32_t limit, uint32_t count)
{
    const uint32_t head[4] = {limit, count, 0, 0};
    ck_assert_int_eq(ds_saver_put(h->saver, 3, &(ds_saved_bytes){head, sizeof head}, 1, NULL),
                     DS_OK);
}

/* words: numbers, those before them, free numbers. */
static void hand_keys(hand *h, uint32_t n_keys, uint32_t n_free, const uint32_t *words,
                      const char *seen)
{
    uint32_t n = 2 * n_keys + n_free, all[32] = {n_keys, n_free};
    memcpy(all + 2, words, n * sizeof *words);
    ds_saved_bytes parts[2] = {{all, (n + 3) / 2 * 2 * sizeof *all}, {NULL, 0}};
    if (n_keys > 0) {
        ds_column *times = column_of(&h->d, h->types[0], seen);
        const ds_column *columns[] = {times, times, times};
        size_t size = ds_piece_size(&h->d.heap, columns, 3, n_keys);
        void *piece = ds_arena_alloc(h->d.arena, size);
        ds_piece_write(piece, &h->d.heap, columns, 3, n_keys);
        parts[1] = (ds_saved_bytes){piece, size};
    }
    ck_assert_int_eq(ds_saver_put(h->saver, 4, parts, 2, NULL), DS_OK);
}

static void hand_close(hand *h, ds_status expected)
{
    ck_assert_int_eq(ds_saver_end(h->saver, NULL), DS_OK);
    ds_state *state = ds_state_new(&h->spec, NULL);
    ck_assert_int_eq(load_part(state, true, &h->part), expected);
    ds_state_free(state);
    ds_saver_free(h->saver);
    ds_buffer_fini(&h->part.buffer);
    desk_close(&h->d);
}

#define NONE UINT32_MAX

START_TEST(frames_that_nobody_wrote_are_refused)
{
    static const struct {
        uint32_t limit, count, n_keys, n_free, words[8];
        const char *seen;
        ds_status status;
    } cases[] = {
        {3, 2, 2, 1, {0, 2, NONE, 0, 1}, "5 6", DS_OK},
        {3, 2, 2, 1, {0, 2, 2, NONE, 1}, "6 5", DS_OK},            /* the other order */
        {3, 2, 2, 1, {0, 2, NONE, 0, 1}, "6 5", DS_ERR_PROTOCOL},  /* times that go back */
        {3, 2, 2, 1, {0, 2, 2, 0, 1}, "5 6", DS_ERR_PROTOCOL},     /* a circle */
        {3, 2, 2, 1, {0, 2, 0, 0, 1}, "5 6", DS_ERR_PROTOCOL},     /* behind itself */
        {3, 2, 2, 1, {0, 2, NONE, 1, 1}, "5 6", DS_ERR_PROTOCOL},  /* behind none */
        {3, 2, 2, 1, {0, 2, NONE, 77, 1}, "5 6", DS_ERR_PROTOCOL}, /* above the limit */
        {3, 2, 2, 1, {0, 2, NONE, 0, 2}, "5 6", DS_ERR_PROTOCOL},  /* free and not */
        {3, 2, 2, 0, {0, 2, NONE, 0}, "5 6", DS_ERR_PROTOCOL},     /* a gap */
        {3, 2, 2, 1, {2, 0, NONE, 0, 1}, "5 6", DS_ERR_PROTOCOL},  /* not ascending */
        {3, 1, 2, 1, {0, 2, NONE, 0, 1}, "5 6", DS_ERR_PROTOCOL},  /* a wrong count */
        {2, 2, 2, 1, {0, 2, NONE, 0, 1}, "5 6", DS_ERR_PROTOCOL},  /* limits */
        {4, 2, 2, 1, {0, 2, NONE, 0, 1}, "5 6", DS_ERR_PROTOCOL},
        {3, 2, 2, 1, {0, 2, NONE, 0, 1}, "5 null", DS_ERR_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hand h;
        hand_open(&h);
        hand_head(&h, cases[i].limit, cases[i].count);
        hand_keys(&h, cases[i].n_keys, cases[i].n_free, cases[i].words, cases[i].seen);
        hand_close(&h, cases[i].status);
    }
    hand h; /* no head; two */
    hand_open(&h);
    hand_close(&h, DS_ERR_PROTOCOL);
    hand_open(&h);
    hand_head(&h, 0, 0);
    hand_head(&h, 0, 0);
    hand_close(&h, DS_ERR_PROTOCOL);
}
END_TEST

/* Any byte may be another one, and the end missing. */
START_TEST(damaged_bytes_are_refused)
{
    model *m = model_new(8000);
    model_batch(m, 0, 1, 60, true);
    saved_bytes part = {{0}, 0};
    ck_assert_int_eq(save_part(m->state, true, &part), DS_OK);
    for (size_t i = 0; i < part.buffer.length; i += 1 + i / 100) {
        part.buffer.data[i] ^= 0x10;
        ds_state *state = ds_state_new(&m->spec, NULL);
        ck_assert_int_eq(load_part(state, true, &part), DS_ERR_PROTOCOL);
        ds_state_free(state);
        part.buffer.data[i] ^= 0x10;
    }
    size_t length = part.buffer.length;
    for (size_t cut = 0; cut < length; cut += 8 + cut / 50) {
        part.buffer.length = cut;
        ds_state *state = ds_state_new(&m->spec, NULL);
        ck_assert_int_eq(load_part(state, true, &part), DS_ERR_PROTOCOL);
        ds_state_free(state);
    }
    ds_buffer_fini(&part.buffer);
    model_free(m);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case("state_save", 120);
    tcase_add_loop_test(tcase, comes_back_as_it_was, 0, 2);
    tcase_add_loop_test(tcase, changes_are_enough, 0, 2);
    tcase_add_loop_test(tcase, numbers_move, 0, 2);
    tcase_add_loop_test(tcase, equal_values_are_no_change, 0, 2);
    const TTest *const tests[] = {costs_what_changed, the_same_state_gives_the_same_bytes,
                                  frames_that_nobody_wrote_are_refused, damaged_bytes_are_refused};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    return unit_run_case(tcase, "state_save");
}
