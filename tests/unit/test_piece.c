/* Pieces: every type there and back, equal bytes for equal rows, and no trust in bytes. */
#include "columnar/piece.h"

#include "base/random.h"
#include "unit/columns.h"

#define LONG "'a text of more than twelve bytes'"

static const struct {
    ds_type type;
    const char *text;
} samples[] = {
    {DS_TYPE(DS_BOOL), "true null false true"},
    {DS_TYPE(DS_INT), "1 null -3 9223372036854775807"},
    {DS_TYPE(DS_FLOAT), "1.5 null -0 1e+300"},
    {DS_TYPE(DS_STRING), "short null " LONG " ''"},
    {DS_TYPE(DS_TIMESTAMP), "0 1 -1 null"},
    {DS_LIST_OF(DS_INT), "[1 2] null [] [3 null]"},
    {DS_LIST_OF(DS_STRING), "[a " LONG "] [] null [null " LONG " '']"},
    {DS_LIST_OF(DS_BOOL), "[true null] null [false] [true true]"},
    {DS_LIST_OF(DS_FLOAT), "[] [] [0.25] null"},
    {DS_TYPE(DS_INT), "4 5 6 7"},
    {DS_TYPE(DS_STRING), LONG " " LONG " x " LONG},
};

#define N_SAMPLES (sizeof samples / sizeof *samples)

typedef struct piece {
    char *bytes;
    size_t size;
} piece;

static piece write_piece(const desk *d, ds_column **columns, uint32_t n, uint32_t rows)
{
    const ds_column *const *in = (const ds_column *const *)columns;
    piece p = {.size = ds_piece_size(&d->heap, in, n, rows)};
    p.bytes = ds_alloc(p.size);
    memset(p.bytes, 0xee, p.size);
    ck_assert_uint_eq(ds_piece_write(p.bytes, &d->heap, in, n, rows), p.size);
    return p;
}

static piece sample_piece(desk *d, ds_type *types)
{
    ds_column *columns[N_SAMPLES];
    for (size_t i = 0; i < N_SAMPLES; i++) {
        types[i] = samples[i].type;
        columns[i] = column_of(d, samples[i].type, samples[i].text);
    }
    return write_piece(d, columns, N_SAMPLES, 4);
}

START_TEST(every_type_there_and_back)
{
    desk d, e;
    desk_open(&d);
    desk_open(&e);
    ds_heap_add(&e.heap, "another buffer first");
    ds_type types[N_SAMPLES];
    piece p = sample_piece(&d, types);
    desk_close(&d);
    ck_assert_uint_eq(p.size % 8, 0);
    ds_column *columns[N_SAMPLES];
    uint32_t rows;
    ck_assert_int_eq(
        ds_piece_read(e.arena, &e.heap, p.bytes, p.size, types, N_SAMPLES, columns, &rows, NULL),
        DS_OK);
    ck_assert_uint_eq(rows, 4);
    for (size_t i = 0; i < N_SAMPLES; i++)
        ck_assert_str_eq(text_of(&e, columns[i]), samples[i].text);
    /* Fixed-width values are used where they lie. */
    const char *ints = (const char *)columns[1]->ints;
    ck_assert(ints > p.bytes && ints < p.bytes + p.size);
    free(p.bytes);
    desk_close(&e);
}
END_TEST

START_TEST(no_rows_is_headers_only)
{
    desk d;
    desk_open(&d);
    ds_type types[N_SAMPLES];
    ds_column *columns[N_SAMPLES];
    for (size_t i = 0; i < N_SAMPLES; i++) {
        types[i] = samples[i].type;
        columns[i] = column_of(&d, samples[i].type, "");
    }
    piece p = write_piece(&d, columns, N_SAMPLES, 0);
    ck_assert_uint_eq(p.size, 24 + 8 * N_SAMPLES);
    uint32_t rows = 9;
    ck_assert_int_eq(
        ds_piece_read(d.arena, &d.heap, p.bytes, p.size, types, N_SAMPLES, columns, &rows, NULL),
        DS_OK);
    ck_assert_uint_eq(rows, 0);
    for (size_t i = 0; i < N_SAMPLES; i++)
        ck_assert_str_eq(text_of(&d, columns[i]), "");
    free(p.bytes);
    piece none = write_piece(&d, columns, 0, 7); /* rows without columns */
    ck_assert_int_eq(
        ds_piece_read(d.arena, &d.heap, none.bytes, none.size, types, 0, columns, &rows, NULL),
        DS_OK);
    ck_assert_uint_eq(rows, 7);
    free(none.bytes);
    desk_close(&d);
}
END_TEST

START_TEST(equal_rows_give_equal_bytes)
{
    desk d;
    desk_open(&d);
    ds_column *a = column_of(&d, DS_TYPE(DS_INT), "1 null 3");
    ds_column *b = column_of(&d, DS_TYPE(DS_INT), "1 null 3");
    ds_column *s = column_of(&d, DS_TYPE(DS_STRING), "x null " LONG);
    ds_column *t = column_of(&d, DS_TYPE(DS_STRING), "x null " LONG);
    b->ints[1] = 123456; /* under a null */
    b->validity[0] |= (uint64_t)0xabc << 3;
    t->views[1] = t->views[2];
    ds_column *first[] = {a, s}, *second[] = {b, t};
    piece p = write_piece(&d, first, 2, 3), q = write_piece(&d, second, 2, 3);
    ck_assert_uint_eq(p.size, q.size);
    ck_assert_mem_eq(p.bytes, q.bytes, p.size);
    free(p.bytes);
    free(q.bytes);
    desk_close(&d);
}
END_TEST

START_TEST(lists_that_begin_inside_their_child)
{
    desk d;
    desk_open(&d);
    /* The list column of rows 70 .. 139 of a longer one: bits of the child are shifted. */
    ds_buffer text = {0};
    for (int i = 0; i < 140; i++)
        ds_buffer_printf(&text, "[%s %s] ", i % 3 ? "true" : "false", i % 5 ? "null" : "true");
    ds_column *all = column_of(&d, DS_LIST_OF(DS_BOOL), ds_buffer_text(&text));
    uint32_t indexes[70];
    for (uint32_t i = 0; i < 70; i++)
        indexes[i] = 70 + i;
    const char *wanted = text_of(&d, ds_column_gather(d.arena, all, indexes, 70));
    ds_column part = *all, *columns[] = {&part}, *out[1];
    part.offsets += 70;
    part.length = 70;
    piece p = write_piece(&d, columns, 1, 70);
    uint32_t rows;
    ds_type type = DS_LIST_OF(DS_BOOL);
    ck_assert_int_eq(ds_piece_read(d.arena, &d.heap, p.bytes, p.size, &type, 1, out, &rows, NULL),
                     DS_OK);
    ck_assert_str_eq(text_of(&d, out[0]), wanted);
    free(p.bytes);
    ds_buffer_fini(&text);
    desk_close(&d);
}
END_TEST

START_TEST(other_types_are_refused)
{
    desk d;
    desk_open(&d);
    ds_type types[N_SAMPLES];
    piece p = sample_piece(&d, types);
    ds_column *columns[N_SAMPLES + 1];
    uint32_t rows;
    ds_error error;
    types[1] = DS_TYPE(DS_TIMESTAMP);
    ck_assert_int_eq(
        ds_piece_read(d.arena, &d.heap, p.bytes, p.size, types, N_SAMPLES, columns, &rows, &error),
        DS_ERR_PROTOCOL);
    ck_assert_str_eq(error.message, "piece: column 1: not of the type that is wanted");
    types[1] = DS_TYPE(DS_INT);
    ck_assert_int_eq(ds_piece_read(d.arena, &d.heap, p.bytes, p.size, types, N_SAMPLES - 1, columns,
                                   &rows, &error),
                     DS_ERR_PROTOCOL);
    free(p.bytes);
    desk_close(&d);
}
END_TEST

START_TEST(cut_off_anywhere_is_refused)
{
    desk d;
    desk_open(&d);
    ds_type types[N_SAMPLES];
    piece p = sample_piece(&d, types);
    for (size_t length = 0; length < p.size; length++) {
        char *cut = ds_alloc(length);
        memcpy(cut, p.bytes, length);
        if (length >= 24) /* the header may lie about the length too */
            memcpy(cut + 16, &length, sizeof length);
        ds_column *columns[N_SAMPLES];
        uint32_t rows;
        ck_assert_int_eq(
            ds_piece_read(d.arena, &d.heap, cut, length, types, N_SAMPLES, columns, &rows, NULL),
            DS_ERR_PROTOCOL);
        free(cut);
    }
    free(p.bytes);
    desk_close(&d);
}
END_TEST

START_TEST(damaged_bytes_never_harm)
{
    desk d;
    desk_open(&d);
    ds_type types[N_SAMPLES];
    piece p = sample_piece(&d, types);
    char *bad = ds_alloc(p.size);
    ds_random random;
    ds_random_init(&random, 7);
    uint32_t refused = 0;
    for (int round = 0; round < 3000; round++) {
        memcpy(bad, p.bytes, p.size);
        for (int i = 0; i < 2; i++)
            bad[ds_random_below(&random, p.size)] = (char)ds_random_next(&random);
        ds_arena *arena = ds_arena_new(NULL);
        desk e = {.arena = arena};
        ds_heap_init(&e.heap, arena);
        ds_column *columns[N_SAMPLES];
        uint32_t rows;
        if (ds_piece_read(arena, &e.heap, bad, p.size, types, N_SAMPLES, columns, &rows, NULL) ==
            DS_OK) {
            for (size_t i = 0; i < N_SAMPLES; i++)
                ck_assert_ptr_nonnull(text_of(&e, columns[i]));
        } else {
            refused++;
        }
        desk_close(&e);
    }
    ck_assert_uint_gt(refused, 500);
    free(bad);
    free(p.bytes);
    desk_close(&d);
}
END_TEST

/* A piece of one string column, whose bytes the test then changes. */
static ds_status read_strings(const piece *p)
{
    desk e;
    desk_open(&e);
    ds_type type = DS_TYPE(DS_STRING);
    ds_column *column;
    uint32_t rows;
    ds_status status =
        ds_piece_read(e.arena, &e.heap, p->bytes, p->size, &type, 1, &column, &rows, NULL);
    desk_close(&e);
    return status;
}

START_TEST(views_are_checked)
{
    desk d;
    desk_open(&d);
    ds_column *s = column_of(&d, DS_TYPE(DS_STRING), "abc " LONG);
    piece p = write_piece(&d, &s, 1, 2);
    ck_assert_int_eq(read_strings(&p), DS_OK);
    ds_view *views = (ds_view *)(p.bytes + 32);
    char *text = p.bytes + 64;
    ck_assert_uint_eq(views[1].ref.offset, 64);

    views[0].inlined[7] = 'x'; /* behind the text */
    ck_assert_int_eq(read_strings(&p), DS_ERR_PROTOCOL);
    views[0].inlined[7] = 0;
    views[1].ref.prefix[2] ^= 1;
    ck_assert_int_eq(read_strings(&p), DS_ERR_PROTOCOL);
    views[1].ref.prefix[2] ^= 1;
    views[1].ref.buffer = 1;
    ck_assert_int_eq(read_strings(&p), DS_ERR_PROTOCOL);
    views[1].ref.buffer = 0;
    views[1].length++;
    ck_assert_int_eq(read_strings(&p), DS_ERR_PROTOCOL);
    views[1].length = UINT32_MAX;
    ck_assert_int_eq(read_strings(&p), DS_ERR_PROTOCOL);
    views[1].length = 31;
    views[1].ref.offset = 32; /* inside the piece, but not text */
    memcpy(views[1].ref.prefix, p.bytes + 32, 4);
    ck_assert_int_eq(read_strings(&p), DS_ERR_PROTOCOL);
    views[1].ref.offset = 65;
    views[1].length = 30;
    memcpy(views[1].ref.prefix, text + 1, 4);
    ck_assert_int_eq(read_strings(&p), DS_OK);
    free(p.bytes);
    desk_close(&d);
}
END_TEST

START_TEST(many_rows)
{
    desk d;
    desk_open(&d);
    uint32_t n = 100000;
    ds_column *ints = ds_column_new(d.arena, DS_TYPE(DS_INT), n);
    ds_column *strings = ds_column_new(d.arena, DS_TYPE(DS_STRING), n);
    for (uint32_t i = 0; i < n; i++) {
        char text[40];
        int length = snprintf(text, sizeof text, "%s%u", i % 2 ? "a longer prefix " : "", i);
        ints->ints[i] = i;
        strings->views[i] = ds_view_copy(&d.heap, text, (uint32_t)length);
    }
    ds_column *columns[] = {ints, strings}, *out[2];
    piece p = write_piece(&d, columns, 2, n);
    ds_type types[] = {DS_TYPE(DS_INT), DS_TYPE(DS_STRING)};
    uint32_t rows;
    ck_assert_int_eq(ds_piece_read(d.arena, &d.heap, p.bytes, p.size, types, 2, out, &rows, NULL),
                     DS_OK);
    ck_assert_uint_eq(rows, n);
    for (uint32_t i = 0; i < n; i += 97) {
        ck_assert(ds_value_equal(&d.heap, ints, i, &d.heap, out[0], i));
        ck_assert(ds_value_equal(&d.heap, strings, i, &d.heap, out[1], i));
    }
    free(p.bytes);
    desk_close(&d);
}
END_TEST

/* ---- in parts ---- */

#define MANY 400u

/* Each sample again and again: columns of many rows. */
static ds_column *repeated(desk *d, size_t sample)
{
    ds_column *few = column_of(d, samples[sample].type, samples[sample].text);
    uint32_t indexes[MANY];
    for (uint32_t i = 0; i < MANY; i++)
        indexes[i] = (i * 7 + i / 5) % 4;
    return ds_column_gather(d->arena, few, indexes, MANY);
}

static piece repeated_piece(desk *d, ds_type *types, ds_column **columns)
{
    for (size_t i = 0; i < N_SAMPLES; i++) {
        types[i] = samples[i].type;
        columns[i] = repeated(d, i);
    }
    return write_piece(d, columns, N_SAMPLES, MANY);
}

static void check_part(desk *d, const ds_piece *opened, ds_column **all, uint32_t from, uint32_t n)
{
    ds_column *part[N_SAMPLES];
    uint32_t indexes[MANY];
    for (uint32_t i = 0; i < n; i++)
        indexes[i] = from + i;
    ck_assert_int_eq(ds_piece_take(opened, d->arena, from, n, part, NULL), DS_OK);
    for (size_t c = 0; c < N_SAMPLES; c++) {
        ck_assert_uint_eq(part[c]->length, n);
        ck_assert_str_eq(text_of(d, part[c]),
                         text_of(d, ds_column_gather(d->arena, all[c], indexes, n)));
    }
}

START_TEST(rows_are_taken_in_parts)
{
    desk d;
    desk_open(&d);
    ds_type types[N_SAMPLES];
    ds_column *columns[N_SAMPLES];
    piece p = repeated_piece(&d, types, columns);
    ds_piece *opened;
    ck_assert_int_eq(
        ds_piece_open(d.arena, &d.heap, p.bytes, p.size, types, N_SAMPLES, &opened, NULL), DS_OK);
    ck_assert_uint_eq(ds_piece_length(opened), MANY);
    for (uint32_t from = 0; from < MANY; from += 64) {
        check_part(&d, opened, columns, from, 0);
        check_part(&d, opened, columns, from, 1);
        check_part(&d, opened, columns, from, MANY - from < 64 ? MANY - from : 64);
        check_part(&d, opened, columns, from, MANY - from);
    }
    free(p.bytes);
    desk_close(&d);
}
END_TEST

/* A value that is wrong is met when it is taken, and not before. */
START_TEST(values_are_checked_when_they_are_taken)
{
    desk d;
    desk_open(&d);
    ds_column *strings = repeated(&d, 3), *lists = repeated(&d, 5), *out[2];
    ds_column *columns[] = {strings, lists};
    ds_type types[] = {samples[3].type, samples[5].type};
    piece p = write_piece(&d, columns, 2, MANY);
    ds_view *views = (ds_view *)(p.bytes + 40 + (MANY + 63) / 64 * 8);
    ds_piece *opened;
    ck_assert_int_eq(ds_piece_open(d.arena, &d.heap, p.bytes, p.size, types, 2, &opened, NULL),
                     DS_OK);
    ds_view good = views[130];
    views[130] = (ds_view){.length = 13};
    ck_assert_int_eq(ds_piece_take(opened, d.arena, 0, 130, out, NULL), DS_OK);
    ck_assert_int_eq(ds_piece_take(opened, d.arena, 0, 131, out, NULL), DS_ERR_PROTOCOL);
    ck_assert_int_eq(ds_piece_take(opened, d.arena, 128, 64, out, NULL), DS_ERR_PROTOCOL);
    ck_assert_int_eq(ds_piece_take(opened, d.arena, 192, 64, out, NULL), DS_OK);
    views[130] = good;
    uint32_t *offsets = (uint32_t *)(void *)((char *)views + MANY * sizeof *views);
    while (offsets[0] != 0 || offsets[1] > 3 || offsets[MANY] < MANY / 2) /* behind the text */
        offsets += 2;
    offsets[300] = UINT32_MAX;
    ck_assert_int_eq(ds_piece_take(opened, d.arena, 0, 299, out, NULL), DS_OK);
    ck_assert_int_eq(ds_piece_take(opened, d.arena, 256, 64, out, NULL), DS_ERR_PROTOCOL);
    ck_assert_int_eq(ds_piece_take(opened, d.arena, 320, 64, out, NULL), DS_OK);
    free(p.bytes);
    desk_close(&d);
}
END_TEST

UNIT_MAIN("piece", every_type_there_and_back, no_rows_is_headers_only, equal_rows_give_equal_bytes,
          lists_that_begin_inside_their_child, other_types_are_refused, cut_off_anywhere_is_refused,
          damaged_bytes_never_harm, views_are_checked, many_rows, rows_are_taken_in_parts,
          values_are_checked_when_they_are_taken)
