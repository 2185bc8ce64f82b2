/* Narrow pieces: ints in as few bytes as they need, the same values again, and no trust in bytes.
 */
#include "columnar/narrow.h"
#include "columnar/piece.h"
#include "columnar/text_simd.h"

#include "base/random.h"
#include "unit/columns.h"

static const ds_simd levels[] = {DS_SIMD_PLAIN, DS_SIMD_SSE2, DS_SIMD_AVX2};

/* ---- ints ---- */

static const struct {
    int64_t value;
    uint32_t bytes;
} needs[] = {
    {0, 0},         {1, 1},         {-1, 1},        {127, 1},        {-128, 1},
    {128, 2},       {-129, 2},      {32767, 2},     {-32768, 2},     {32768, 4},
    {-32769, 4},    {INT32_MAX, 4}, {INT32_MIN, 4}, {2147483648, 8}, {-2147483649, 8},
    {INT64_MAX, 8}, {INT64_MIN, 8},
};

START_TEST(as_many_bytes_as_the_largest_needs)
{
    int64_t values[200] = {0};
    for (size_t l = 0; l < 3; l++) {
        ds_simd_limit(levels[l]);
        for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
            for (size_t at = 0; at < 200; at += 33) {
                values[at] = needs[i].value;
                ck_assert_uint_eq(ds_narrow_bytes(ds_narrow_bits(values, 200)), needs[i].bytes);
                ck_assert_uint_eq(ds_narrow_bytes(ds_narrow_bits(values, at)), 0);
                values[at] = 0;
            }
    }
    ds_simd_limit(DS_SIMD_AVX2);
    int64_t both[] = {-1, 128};
    ck_assert_uint_eq(ds_narrow_bytes(ds_narrow_bits(both, 2)), 2);
    ck_assert_uint_eq(
        ds_narrow_bytes(ds_narrow_bits(both, 1) | ds_narrow_bits((int64_t[]){INT32_MIN}, 1)), 4);
}
END_TEST

START_TEST(ints_there_and_back)
{
    ds_random random;
    ds_random_init(&random, 3);
    for (uint32_t bytes = 0; bytes <= 8; bytes = bytes == 0 ? 1 : bytes * 2)
        for (size_t n = 0; n < 200; n++) {
            int64_t values[200], again[201];
            _Alignas(8) unsigned char packed[1601];
            for (size_t i = 0; i < n; i++)
                values[i] = bytes == 0 ? 0 : (int64_t)ds_random_next(&random) >> (64 - 8 * bytes);
            for (size_t l = 0; l < 3; l++) {
                ds_simd_limit(levels[l]);
                memset(packed, 0xee, sizeof packed);
                again[n] = 77;
                ds_narrow_put(packed, values, n, bytes);
                ck_assert_uint_eq(packed[n * bytes], 0xee); /* nothing is written behind */
                ds_narrow_get(again, packed, n, bytes);
                ck_assert_int_eq(again[n], 77);
                for (size_t i = 0; i < n; i++)
                    ck_assert_int_eq(again[i], values[i]);
            }
        }
    ds_simd_limit(DS_SIMD_AVX2);
}
END_TEST

/* ---- pieces ---- */

#define LONG "'a text of more than twelve bytes'"
#define MANY 400u
#define N_SAMPLES (sizeof samples / sizeof *samples)

static const struct {
    ds_type type;
    const char *text;
    uint8_t spared;
} samples[] = {
    {DS_TYPE(DS_INT), "0 0 0 0", 7}, /* the first column is never left out altogether */
    {DS_TYPE(DS_INT), "0 0 0 0", 8},
    {DS_TYPE(DS_INT), "0 null null 0", 8},
    {DS_TYPE(DS_INT), "-128 127 null 0", 7},
    {DS_TYPE(DS_INT), "1 2 3 -32768", 6},
    {DS_TYPE(DS_TIMESTAMP), "1 2147483647 null 4", 4},
    {DS_TYPE(DS_TIMESTAMP), "1 null 2147483648 4", 0},
    {DS_TYPE(DS_INT), "9223372036854775807 0 0 0", 0},
    {DS_TYPE(DS_FLOAT), "0 0 null 0", 0},
    {DS_TYPE(DS_BOOL), "true null false true", 0},
    {DS_TYPE(DS_STRING), "short null " LONG " ''", 0},
    {DS_LIST_OF(DS_INT), "[1 2] null [] [3 null]", 0},
};

typedef struct piece {
    char *bytes;
    size_t size;
} piece;

static piece write_piece(const desk *d, ds_column **columns, uint32_t n, uint32_t rows,
                         uint8_t *spared)
{
    const ds_column *const *in = (const ds_column *const *)columns;
    piece p = {.size = ds_piece_size_narrow(&d->heap, in, n, rows, spared)};
    p.bytes = ds_alloc(p.size);
    memset(p.bytes, 0xee, p.size);
    ck_assert_uint_eq(ds_piece_write_narrow(p.bytes, &d->heap, in, n, rows, spared), p.size);
    return p;
}

static piece sample_piece(desk *d, ds_type *types, ds_column **columns, uint32_t rows)
{
    uint8_t spared[N_SAMPLES];
    uint32_t indexes[MANY];
    for (uint32_t i = 0; i < rows; i++)
        indexes[i] = rows == 4 ? i : (i * 7 + i / 5) % 4;
    for (size_t i = 0; i < N_SAMPLES; i++) {
        types[i] = samples[i].type;
        columns[i] = ds_column_gather(d->arena, column_of(d, samples[i].type, samples[i].text),
                                      indexes, rows);
    }
    piece p = write_piece(d, columns, N_SAMPLES, rows, spared);
    for (size_t i = 0; i < N_SAMPLES && rows > 0; i++)
        ck_assert_uint_eq(spared[i], samples[i].spared);
    return p;
}

static ds_status read_piece(desk *d, const piece *p, const ds_type *types, uint32_t n_types,
                            ds_column **columns, uint32_t *rows)
{
    return ds_piece_read(d->arena, &d->heap, p->bytes, p->size, types, n_types, columns, rows,
                         NULL);
}

START_TEST(every_type_there_and_back)
{
    desk d;
    desk_open(&d);
    ds_type types[N_SAMPLES];
    ds_column *columns[N_SAMPLES], *again[N_SAMPLES];
    piece p = sample_piece(&d, types, columns, 4);
    uint32_t rows;
    ck_assert_int_eq(read_piece(&d, &p, types, N_SAMPLES, again, &rows), DS_OK);
    ck_assert_uint_eq(rows, 4);
    for (size_t i = 0; i < N_SAMPLES; i++)
        ck_assert_str_eq(text_of(&d, again[i]), samples[i].text);
    free(p.bytes);
    desk_close(&d);
}
END_TEST

START_TEST(rows_are_taken_in_parts)
{
    desk d;
    desk_open(&d);
    ds_type types[N_SAMPLES];
    ds_column *columns[N_SAMPLES], *part[N_SAMPLES];
    piece p = sample_piece(&d, types, columns, MANY);
    ds_piece *opened;
    ck_assert_int_eq(
        ds_piece_open(d.arena, &d.heap, p.bytes, p.size, types, N_SAMPLES, &opened, NULL), DS_OK);
    for (uint32_t from = 0; from < MANY; from += 64)
        for (uint32_t n = 0; n <= MANY - from; n += 1 + n / 2) {
            uint32_t indexes[MANY];
            for (uint32_t i = 0; i < n; i++)
                indexes[i] = from + i;
            ck_assert_int_eq(ds_piece_take(opened, d.arena, from, n, part, NULL), DS_OK);
            for (size_t c = 0; c < N_SAMPLES; c++)
                ck_assert_str_eq(text_of(&d, part[c]),
                                 text_of(&d, ds_column_gather(d.arena, columns[c], indexes, n)));
        }
    free(p.bytes);
    desk_close(&d);
}
END_TEST

START_TEST(a_group_takes_fewer_bytes)
{
    desk d;
    desk_open(&d);
    ds_column *columns[4];
    uint8_t spared[4];
    for (int c = 0; c < 4; c++) {
        columns[c] = ds_column_new(d.arena, DS_TYPE(DS_INT), MANY);
        for (uint32_t i = 0; i < MANY; i++)
            columns[c]->ints[i] = c == 0 ? 500000 - i : c == 1 ? i % 3 : c == 2 ? 1000 * i : 0;
    }
    piece p = write_piece(&d, columns, 4, MANY, spared);
    ck_assert_uint_eq(p.size, 24 + 4 * 8 + MANY * (4 + 1 + 4));
    free(p.bytes);
    p = write_piece(&d, columns, 4, 0, spared);
    ck_assert_uint_eq(p.size, 24 + 4 * 8);
    free(p.bytes);
    desk_close(&d);
}
END_TEST

START_TEST(equal_rows_give_equal_bytes)
{
    desk d;
    desk_open(&d);
    uint8_t spared[1];
    ds_column *a = column_of(&d, DS_TYPE(DS_INT), "1 null 3");
    ds_column *b = column_of(&d, DS_TYPE(DS_INT), "1 null 3");
    b->ints[1] = INT64_MIN; /* under a null */
    piece p = write_piece(&d, &a, 1, 3, spared), q = write_piece(&d, &b, 1, 3, spared);
    ck_assert_uint_eq(spared[0], 7);
    ck_assert_uint_eq(p.size, q.size);
    ck_assert_mem_eq(p.bytes, q.bytes, p.size);
    free(p.bytes);
    free(q.bytes);
    desk_close(&d);
}
END_TEST

/* A piece as version 1 had it: it is in saves, and is read for good. */
START_TEST(the_first_version_is_read)
{
    desk d;
    desk_open(&d);
    _Alignas(8) static const unsigned char bytes[] = {
        0x73,   0x50, 0x69, 0x65, 1,    0,    2,    0,    2,      0, 0, 0, 0, 0, 0, 0,
        80,     0,    0,    0,    0,    0,    0,    0,    DS_INT, 0, 0, 0, 0, 0, 0, 0,
        DS_INT, 0,    1,    0,    0,    0,    0,    0,    7,      0, 0, 0, 0, 0, 0, 0,
        0xff,   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,      0, 0, 0, 0, 0, 0, 0,
        0,      1,    0,    0,    0,    0,    0,    0,    0,      0, 0, 0, 0, 0, 0, 0};
    ds_column *columns[] = {column_of(&d, DS_TYPE(DS_INT), "7 -1"),
                            column_of(&d, DS_TYPE(DS_INT), "256 null")};
    const ds_column *const *in = (const ds_column *const *)columns;
    ds_type types[] = {DS_TYPE(DS_INT), DS_TYPE(DS_INT)};
    ds_column *again[2];
    uint32_t rows;
    piece p = {(char *)(uintptr_t)bytes, sizeof bytes};
    ck_assert_int_eq(read_piece(&d, &p, types, 2, again, &rows), DS_OK);
    ck_assert_str_eq(text_of(&d, again[0]), "7 -1");
    ck_assert_str_eq(text_of(&d, again[1]), "256 null");
    _Alignas(8) unsigned char written[sizeof bytes]; /* what is not narrow is as it was */
    ck_assert_uint_eq(ds_piece_size(&d.heap, in, 2, 2), sizeof bytes);
    ds_piece_write(written, &d.heap, in, 2, 2);
    ck_assert_mem_eq(written, bytes, sizeof bytes);
    desk_close(&d);
}
END_TEST

START_TEST(what_cannot_be_spared_is_refused)
{
    desk d;
    desk_open(&d);
    ds_type types[] = {DS_TYPE(DS_INT), DS_TYPE(DS_INT), DS_TYPE(DS_FLOAT)};
    ds_column *columns[] = {column_of(&d, types[0], "0 0 0 0 0 0 0 0"),
                            column_of(&d, types[1], "1 2 3 4 5 6 7 8"),
                            column_of(&d, types[2], "0 0 0 0 0 0 0 0")};
    uint8_t spared[3];
    piece p = write_piece(&d, columns, 3, 8, spared);
    uint32_t rows;
    unsigned char *header = (unsigned char *)p.bytes + 24;
    ck_assert_int_eq(read_piece(&d, &p, types, 3, columns, &rows), DS_OK);
    for (int c = 0; c < 3; c++)
        for (unsigned wrong = 0; wrong < 256; wrong++) {
            unsigned char right = header[c * 8 + 3];
            header[c * 8 + 3] = (unsigned char)wrong;
            ck_assert(wrong == right ||
                      read_piece(&d, &p, types, 3, columns, &rows) == DS_ERR_PROTOCOL);
            header[c * 8 + 3] = right;
        }
    for (int version = 0; version < 4; version++) {
        p.bytes[4] = (char)version;
        ck_assert_int_eq(read_piece(&d, &p, types, 3, columns, &rows),
                         version == 2 ? DS_OK : DS_ERR_PROTOCOL);
    }
    free(p.bytes);

    /* Rows without bytes: a piece is as long as its rows are many. */
    columns[0] = column_of(&d, types[0], "");
    p = write_piece(&d, columns, 1, 0, spared);
    p.bytes[8] = p.bytes[11] = 127;
    p.bytes[27] = 8;
    ck_assert_int_eq(read_piece(&d, &p, types, 1, columns, &rows), DS_ERR_PROTOCOL);
    free(p.bytes);
    desk_close(&d);
}
END_TEST

START_TEST(cut_off_anywhere_is_refused)
{
    desk d;
    desk_open(&d);
    ds_type types[N_SAMPLES];
    ds_column *columns[N_SAMPLES];
    piece p = sample_piece(&d, types, columns, 4);
    for (size_t length = 0; length < p.size; length++) {
        piece cut = {ds_alloc(length), length};
        uint32_t rows;
        memcpy(cut.bytes, p.bytes, length);
        if (length >= 24) /* the header may lie about the length too */
            memcpy(cut.bytes + 16, &length, sizeof length);
        ck_assert_int_eq(read_piece(&d, &cut, types, N_SAMPLES, columns, &rows), DS_ERR_PROTOCOL);
        free(cut.bytes);
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
    ds_column *columns[N_SAMPLES];
    piece p = sample_piece(&d, types, columns, 4), bad = {ds_alloc(p.size), p.size};
    ds_random random;
    ds_random_init(&random, 7);
    uint32_t refused = 0;
    for (int round = 0; round < 3000; round++) {
        memcpy(bad.bytes, p.bytes, p.size);
        for (int i = 0; i < 2; i++)
            bad.bytes[ds_random_below(&random, p.size)] = (char)ds_random_next(&random);
        desk e;
        desk_open(&e);
        uint32_t rows;
        if (read_piece(&e, &bad, types, N_SAMPLES, columns, &rows) == DS_OK) {
            for (size_t i = 0; i < N_SAMPLES; i++)
                ck_assert_ptr_nonnull(text_of(&e, columns[i]));
        } else {
            refused++;
        }
        desk_close(&e);
    }
    ck_assert_uint_gt(refused, 500);
    free(bad.bytes);
    free(p.bytes);
    desk_close(&d);
}
END_TEST

UNIT_MAIN("piece_narrow", as_many_bytes_as_the_largest_needs, ints_there_and_back,
          every_type_there_and_back, rows_are_taken_in_parts, a_group_takes_fewer_bytes,
          equal_rows_give_equal_bytes, the_first_version_is_read, what_cannot_be_spared_is_refused,
          cut_off_anywhere_is_refused, damaged_bytes_never_harm)
