#include "columnar/row_order.h"

#include "base/assert.h"

#include <stdlib.h>

#define TOP_BIT ((uint64_t)1 << 63)

/* The keys, then the remaining columns; lists have no order. */
void ds_row_order_init(ds_row_order *order, const ds_type *types, uint32_t n_columns,
                       const ds_sort_key *keys, uint32_t n_keys)
{
    *order = (ds_row_order){.keys = ds_calloc((size_t)n_keys + n_columns, sizeof *order->keys)};
    bool *used = ds_calloc(n_columns, sizeof *used);
    for (uint32_t k = 0; k < n_keys; k++) {
        DS_ASSERT(keys[k].column < n_columns);
        if (!used[keys[k].column] && types[keys[k].column].kind != DS_LIST)
            order->keys[order->n_keys++] = keys[k];
        used[keys[k].column] = true;
    }
    for (uint32_t c = 0; c < n_columns; c++)
        if (!used[c] && types[c].kind != DS_LIST)
            order->keys[order->n_keys++] = (ds_sort_key){.column = c};
    free(used);
}

void ds_row_order_fini(ds_row_order *order)
{
    free(order->keys);
    *order = (ds_row_order){0};
}

/* ---- Prefixes ---- */

static uint64_t text_prefix(const ds_heap *heap, const ds_view *view)
{
    unsigned char bytes[8] = {0};
    memcpy(bytes, ds_view_bytes(heap, view), view->length < 8 ? view->length : 8);
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return __builtin_bswap64(word);
}

static uint64_t float_prefix(double value)
{
    uint64_t word;
    value += 0.0; /* -0.0 is 0.0 */
    memcpy(&word, &value, sizeof word);
    return word & TOP_BIT ? ~word : word | TOP_BIT;
}

/* Ints of up to 60 bits are told apart to the last one, others but for the last two. */
static uint64_t int_prefix(int64_t value)
{
    const int64_t exact = (int64_t)1 << 60;
    if (value >= exact)
        value = exact + ((value - exact) >> 2);
    else if (value < -exact)
        value = -exact + ((value + exact) >> 2);
    return (uint64_t)(value + 3 * exact) << 1;
}

/* Where all ints have up to 60 bits, as they mostly do: without a branch, several at a time. */
static bool small_int_prefixes(const int64_t *values, uint32_t n, bool descending, uint64_t top,
                               uint64_t *prefixes)
{
    const int64_t exact = (int64_t)1 << 60;
    const uint64_t flip = descending ? ~(uint64_t)0 : 0;
    uint64_t outside = 0;
    for (uint32_t i = 0; i < n; i++)
        outside |= ((uint64_t)values[i] + (uint64_t)exact) >> 61;
    for (uint32_t i = 0; i < n && outside == 0; i++)
        prefixes[i] = (((((uint64_t)values[i] + 3 * (uint64_t)exact) << 1) ^ flip) >> 1) | top;
    return outside == 0;
}

static bool is_int(const ds_column *column)
{
    return column->type.kind == DS_INT || column->type.kind == DS_TIMESTAMP;
}

static uint64_t value_prefix(const ds_heap *heap, const ds_column *column, uint32_t row)
{
    switch (column->type.kind) {
    case DS_BOOL: return (uint64_t)ds_bit_get(column->bits, row) << 63;
    case DS_STRING: return text_prefix(heap, &column->views[row]);
    case DS_FLOAT: return float_prefix(column->floats[row]);
    default: return int_prefix(column->ints[row]);
    }
}

void ds_row_order_prefixes(const ds_row_order *order, const ds_heap *heap,
                           const ds_column *const *columns, uint32_t from, uint32_t n,
                           uint64_t *prefixes)
{
    if (order->n_keys == 0)
        memset(prefixes, 0, n * sizeof *prefixes);
    else
        ds_row_order_prefixes_of(order, heap, columns[order->keys[0].column], from, n, prefixes);
}

void ds_row_order_prefixes_of(const ds_row_order *order, const ds_heap *heap,
                              const ds_column *column, uint32_t from, uint32_t n,
                              uint64_t *prefixes)
{
    const ds_sort_key *key = &order->keys[0];
    DS_ASSERT(order->n_keys > 0);
    if (is_int(column) && column->validity == NULL &&
        small_int_prefixes(column->ints + from, n, key->descending, key->nulls_first ? TOP_BIT : 0,
                           prefixes))
        return;
    for (uint32_t i = 0; i < n; i++) {
        bool null = ds_column_is_null(column, from + i);
        uint64_t value = null ? 0 : value_prefix(heap, column, from + i);
        if (key->descending && !null)
            value = ~value;
        prefixes[i] = (value >> 1) | (null != key->nulls_first ? TOP_BIT : 0);
    }
}

/* ---- Comparing ---- */

static int compare_texts(const ds_heap *heap_a, const ds_view *a, const ds_heap *heap_b,
                         const ds_view *b)
{
    uint32_t least = a->length < b->length ? a->length : b->length;
    int order = memcmp(ds_view_bytes(heap_a, a), ds_view_bytes(heap_b, b), least);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_values(const ds_heap *heap_a, const ds_column *a, uint32_t i,
                          const ds_heap *heap_b, const ds_column *b, uint32_t j)
{
    switch (a->type.kind) {
    case DS_BOOL: return (int)ds_bit_get(a->bits, i) - (int)ds_bit_get(b->bits, j);
    case DS_STRING: return compare_texts(heap_a, &a->views[i], heap_b, &b->views[j]);
    case DS_FLOAT: return (a->floats[i] > b->floats[j]) - (a->floats[i] < b->floats[j]);
    default: return (a->ints[i] > b->ints[j]) - (a->ints[i] < b->ints[j]);
    }
}

int ds_row_order_compare_apart(const ds_row_order *order, const ds_heap *heap_a,
                               const ds_column *const *a, uint32_t i, const ds_heap *heap_b,
                               const ds_column *const *b, uint32_t j)
{
    for (uint32_t k = 0; k < order->n_keys; k++) {
        const ds_sort_key *key = &order->keys[k];
        const ds_column *c = a[key->column], *d = b[key->column];
        bool null_c = ds_column_is_null(c, i), null_d = ds_column_is_null(d, j);
        if (null_c || null_d) {
            if (null_c && null_d)
                continue;
            return null_c == key->nulls_first ? -1 : 1;
        }
        int difference = compare_values(heap_a, c, i, heap_b, d, j);
        if (difference != 0)
            return key->descending ? -difference : difference;
    }
    return 0;
}

int ds_row_order_compare(const ds_row_order *order, const ds_heap *heap, ds_column *const *a,
                         uint32_t i, ds_column *const *b, uint32_t j)
{
    return ds_row_order_compare_apart(order, heap, (const ds_column *const *)a, i, heap,
                                      (const ds_column *const *)b, j);
}
