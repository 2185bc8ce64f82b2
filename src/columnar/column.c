#include "columnar/column.h"

#include "base/assert.h"

void ds_bitmap_fill(uint64_t *bits, size_t n)
{
    size_t words = ds_bitmap_words(n);
    if (words == 0)
        return;
    memset(bits, 0xff, words * sizeof *bits);
    if (n % 64 != 0)
        bits[words - 1] = ((uint64_t)1 << (n % 64)) - 1;
}

static uint64_t last_word(uint64_t word, size_t n)
{
    return n % 64 == 0 ? word : word & (((uint64_t)1 << (n % 64)) - 1);
}

size_t ds_bitmap_count(const uint64_t *bits, size_t n)
{
    size_t words = ds_bitmap_words(n), count = 0;
    for (size_t i = 0; i < words; i++) {
        uint64_t word = i + 1 == words ? last_word(bits[i], n) : bits[i];
        count += (size_t)__builtin_popcountll(word);
    }
    return count;
}

uint32_t ds_bitmap_indexes(const uint64_t *bits, uint32_t n, uint32_t *indexes)
{
    size_t words = ds_bitmap_words(n);
    uint32_t count = 0;
    for (size_t i = 0; i < words; i++) {
        uint64_t word = i + 1 == words ? last_word(bits[i], n) : bits[i];
        while (word != 0) {
            indexes[count++] = (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(word);
            word &= word - 1;
        }
    }
    return count;
}

size_t ds_type_width(ds_type type)
{
    switch ((ds_kind)type.kind) {
    case DS_BOOL: return 0;
    case DS_STRING: return sizeof(ds_view);
    case DS_LIST: return sizeof(uint32_t);
    case DS_NULL_TYPE:
    case DS_INT:
    case DS_FLOAT:
    case DS_TIMESTAMP:
    case DS_INTERVAL: return 8;
    }
    DS_UNREACHABLE();
}

void ds_column_init(ds_column *column, ds_arena *arena, ds_type type, uint32_t n)
{
    size_t bytes = type.kind == DS_BOOL   ? ds_bitmap_words(n) * 8
                   : type.kind == DS_LIST ? ((size_t)n + 1) * sizeof(uint32_t)
                                          : (size_t)n * ds_type_width(type);
    *column = (ds_column){.type = type, .length = n};
    column->values = ds_arena_alloc(arena, bytes);
    if (type.kind == DS_LIST)
        column->offsets[0] = 0;
}

ds_column *ds_column_new(ds_arena *arena, ds_type type, uint32_t n)
{
    ds_column *column = ds_arena_alloc(arena, sizeof *column);
    ds_column_init(column, arena, type, n);
    return column;
}

void ds_column_need_validity(ds_column *column, ds_arena *arena)
{
    if (column->validity != NULL)
        return;
    column->validity = ds_arena_alloc(arena, ds_bitmap_words(column->length) * 8);
    ds_bitmap_fill(column->validity, column->length);
}

ds_column *ds_column_nulls(ds_arena *arena, ds_type type, uint32_t n)
{
    ds_column *column = ds_column_new(arena, type, n);
    size_t words = ds_bitmap_words(n);
    column->validity = ds_arena_calloc(arena, words, 8);
    if (type.kind == DS_BOOL) {
        memset(column->bits, 0, words * 8);
    } else if (type.kind == DS_LIST) {
        memset(column->offsets, 0, ((size_t)n + 1) * sizeof(uint32_t));
        column->child = ds_column_new(arena, ds_type_element(type), 0);
    } else {
        memset(column->values, 0, (size_t)n * ds_type_width(type));
    }
    return column;
}

static void gather_bits(uint64_t *to, const uint64_t *from, const uint32_t *indexes, uint32_t n)
{
    for (uint32_t at = 0; at < n; at += 64) {
        uint32_t count = n - at < 64 ? n - at : 64;
        uint64_t word = 0;
        for (uint32_t i = 0; i < count; i++)
            word |= (uint64_t)ds_bit_get(from, indexes[at + i]) << i;
        to[at / 64] = word;
    }
}

static void gather_list(ds_arena *arena, const ds_column *column, const uint32_t *indexes,
                        uint32_t n, ds_column *out)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        total += column->offsets[indexes[i] + 1] - column->offsets[indexes[i]];
        out->offsets[i + 1] = total;
    }
    uint32_t *elements = ds_arena_alloc(arena, (size_t)total * sizeof *elements);
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t e = column->offsets[indexes[i]]; e < column->offsets[indexes[i] + 1]; e++)
            elements[at++] = e;
    DS_ASSERT(at == total);
    out->child = ds_column_gather(arena, column->child, elements, total);
}

ds_column *ds_column_gather(ds_arena *arena, const ds_column *column, const uint32_t *indexes,
                            uint32_t n)
{
    ds_column *out = ds_column_new(arena, column->type, n);
    if (column->validity != NULL) {
        out->validity = ds_arena_alloc(arena, ds_bitmap_words(n) * 8);
        gather_bits(out->validity, column->validity, indexes, n);
    }
    switch (column->type.kind) {
    case DS_BOOL: gather_bits(out->bits, column->bits, indexes, n); break;
    case DS_STRING:
        for (uint32_t i = 0; i < n; i++)
            out->views[i] = column->views[indexes[i]];
        break;
    case DS_LIST: gather_list(arena, column, indexes, n, out); break;
    default:
        for (uint32_t i = 0; i < n; i++)
            out->ints[i] = column->ints[indexes[i]];
        break;
    }
    return out;
}

static bool list_equal(const ds_heap *heap_a, const ds_column *a, uint32_t row_a,
                       const ds_heap *heap_b, const ds_column *b, uint32_t row_b)
{
    uint32_t from_a = a->offsets[row_a], from_b = b->offsets[row_b];
    uint32_t n = a->offsets[row_a + 1] - from_a;
    if (n != b->offsets[row_b + 1] - from_b)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!ds_value_equal(heap_a, a->child, from_a + i, heap_b, b->child, from_b + i))
            return false;
    return true;
}

bool ds_value_equal(const ds_heap *heap_a, const ds_column *a, uint32_t row_a,
                    const ds_heap *heap_b, const ds_column *b, uint32_t row_b)
{
    DS_ASSERT(ds_type_equal(a->type, b->type));
    bool null_a = ds_column_is_null(a, row_a), null_b = ds_column_is_null(b, row_b);
    if (null_a || null_b)
        return null_a && null_b;
    switch (a->type.kind) {
    case DS_BOOL: return ds_bit_get(a->bits, row_a) == ds_bit_get(b->bits, row_b);
    case DS_FLOAT: return a->floats[row_a] == b->floats[row_b];
    case DS_STRING: {
        const ds_view *x = &a->views[row_a], *y = &b->views[row_b];
        return x->length == y->length &&
               memcmp(ds_view_bytes(heap_a, x), ds_view_bytes(heap_b, y), x->length) == 0;
    }
    case DS_LIST: return list_equal(heap_a, a, row_a, heap_b, b, row_b);
    default: return a->ints[row_a] == b->ints[row_b];
    }
}
