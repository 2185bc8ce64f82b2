/*
 * Between columns and the records of a state, one column at a time.
 *
 * A list is kept as bytes, like text: the number of its elements (4 bytes), a bit for each that
 * is not null, then bools as bits, words as 8 bytes, text as its length (4 bytes) and bytes. Text
 * in a list that lies in the log is read as views into those bytes.
 */
#include "base/assert.h"
#include "columnar/text_store.h"
#include "dstream/state_record.h"

#define LONGEST ((size_t)1 << 30) /* bytes of a value */

typedef struct place { /* of one field of all records */
    ds_state *state;
    uint32_t field, offset;
    uint32_t null_word, null_bit;
    ds_type type;
} place;

static place place_of(const ds_state *state, uint32_t field)
{
    return (place){.state = (ds_state *)(uintptr_t)state,
                   .field = field,
                   .offset = state->fields[field].offset,
                   .null_word = field / 32,
                   .null_bit = (uint32_t)1 << (field % 32),
                   .type = state->fields[field].type};
}

static inline bool is_null(const place *p, unsigned char *record)
{
    return (ds_state_head_of(p->state, record)->nulls[p->null_word] & p->null_bit) != 0;
}

static inline uint64_t *word_at(const place *p, unsigned char *record)
{
    return (uint64_t *)(void *)(record + p->offset);
}

static inline ds_view *view_at(const place *p, unsigned char *record)
{
    return (ds_view *)(void *)(record + p->offset);
}

static bool is_key(const place *p)
{
    return p->field < p->state->spec->n_keys;
}

/* ---- Lists as bytes ---- */

static size_t bit_bytes(uint32_t n)
{
    return ((size_t)n + 7) / 8;
}

static void put_bits(ds_buffer *out, const uint64_t *bits, uint32_t from, uint32_t n)
{
    char *to = ds_buffer_reserve(out, bit_bytes(n) + 1);
    memset(to, 0, bit_bytes(n));
    for (uint32_t i = 0; i < n; i++)
        if (bits == NULL || ds_bit_get(bits, from + i))
            to[i / 8] = (char)(to[i / 8] | 1 << (i % 8));
    out->length += bit_bytes(n);
}

/* False: the list is too long. */
static bool put_list(ds_buffer *out, const ds_heap *heap, const ds_column *column, uint32_t row)
{
    const ds_column *child = column->child;
    uint32_t from = column->offsets[row], n = column->offsets[row + 1] - from;
    out->length = 0;
    if (n > LONGEST / 8)
        return false;
    ds_buffer_append(out, &n, sizeof n);
    put_bits(out, child->validity, from, n);
    if (child->type.kind == DS_BOOL) {
        put_bits(out, child->bits, from, n);
    } else if (child->type.kind != DS_STRING) {
        ds_buffer_append(out, child->ints + from, (size_t)n * 8);
    } else {
        for (uint32_t i = from; i < from + n && out->length <= LONGEST; i++) {
            bool null = ds_column_is_null(child, i);
            uint32_t length = null ? 0 : child->views[i].length;
            ds_buffer_append(out, &length, sizeof length);
            if (length > 0)
                ds_buffer_append(out, ds_view_bytes(heap, &child->views[i]), length);
        }
    }
    return out->length <= LONGEST;
}

/* A list being read. */
typedef struct list_reader {
    const ds_view *view;
    const char *bytes;
    uint32_t n;
    uint32_t base; /* of the state's buffers in the task's heap */
} list_reader;

static list_reader open_list(const place *p, unsigned char *record, uint32_t base)
{
    list_reader r = {.view = view_at(p, record), .base = base};
    r.bytes = ds_state_text_bytes(&p->state->text, r.view);
    memcpy(&r.n, r.bytes, sizeof r.n);
    return r;
}

static bool get_bit(const char *bits, uint32_t i)
{
    return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void get_list(const list_reader *r, ds_column *child, uint32_t at)
{
    const char *valid = r->bytes + sizeof r->n, *values = valid + bit_bytes(r->n);
    if (child->type.kind != DS_BOOL && child->type.kind != DS_STRING && r->n > 0)
        memcpy(child->ints + at, values, (size_t)r->n * 8);
    for (uint32_t i = 0; i < r->n; i++) {
        ds_bit_put(child->validity, at + i, get_bit(valid, i));
        if (child->type.kind == DS_BOOL) {
            ds_bit_put(child->bits, at + i, get_bit(values, i));
        } else if (child->type.kind == DS_STRING) {
            uint32_t length;
            memcpy(&length, values, sizeof length);
            values += sizeof length;
            /* More than fits a view lies in the log, as the list around it does. */
            uint32_t offset = r->view->ref.offset + (uint32_t)(values - r->bytes);
            child->views[at + i] = ds_view_at(
                values, length, length > DS_INLINE_BYTES ? r->view->ref.buffer + r->base : 0,
                length > DS_INLINE_BYTES ? offset : 0);
            values += length;
        }
    }
}

/* ---- Into records ---- */

static uint64_t word_of(const ds_column *column, uint32_t row, bool key)
{
    if (column->type.kind == DS_BOOL)
        return ds_bit_get(column->bits, row);
    if (!key || column->type.kind != DS_FLOAT)
        return (uint64_t)column->ints[row];
    double value = column->floats[row] + 0.0; /* -0.0 becomes 0.0 */
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

static void replace_view(const place *p, unsigned char *record, uint32_t id, const char *bytes,
                         uint32_t length)
{
    ds_view *view = view_at(p, record);
    if (view->length == length &&
        memcmp(ds_state_text_bytes(&p->state->text, view), bytes, length) == 0)
        return; /* most long values stay as they are */
    ds_view made = ds_state_text_put(&p->state->text, id, bytes, length);
    ds_state_mark(p->state, id);
    ds_state_text_drop(&p->state->text, view);
    *view = made;
}

static void replace_word(const place *p, unsigned char *record, uint32_t id, uint64_t word)
{
    if (*word_at(p, record) == word)
        return;
    *word_at(p, record) = word;
    ds_state_mark(p->state, id);
}

static void clear_view(const place *p, unsigned char *record)
{
    ds_view *view = view_at(p, record);
    ds_state_text_drop(&p->state->text, view);
    *view = (ds_view){0};
}

/* False: it is too long. */
static bool write_value(const place *p, unsigned char *record, uint32_t id, const ds_heap *heap,
                        const ds_column *column, uint32_t row)
{
    switch (p->type.kind) {
    case DS_STRING: {
        const ds_view *view = &column->views[row];
        if (view->length > LONGEST)
            return false;
        replace_view(p, record, id, ds_view_bytes(heap, view), view->length);
        return true;
    }
    case DS_LIST: {
        ds_buffer *bytes = &p->state->scratch;
        if (!put_list(bytes, heap, column, row))
            return false;
        replace_view(p, record, id, bytes->data, (uint32_t)bytes->length);
        return true;
    }
    default: replace_word(p, record, id, word_of(column, row, is_key(p))); return true;
    }
}

static uint32_t write_field(const place *p, const ds_heap *heap, const ds_column *column,
                            const uint32_t *ids, uint32_t n)
{
    uint32_t too_long = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == DS_NEW_KEY)
            continue;
        unsigned char *record = ds_state_record(p->state, ids[i]);
        uint32_t *nulls = &ds_state_head_of(p->state, record)->nulls[p->null_word];
        bool null = ds_column_is_null(column, i);
        if (!null && !write_value(p, record, ids[i], heap, column, i)) {
            null = true;
            too_long++;
        }
        uint32_t before = *nulls;
        *nulls = null ? before | p->null_bit : before & ~p->null_bit;
        if (*nulls != before)
            ds_state_mark(p->state, ids[i]);
        if (null && ds_state_is_view(p->type))
            clear_view(p, record);
        else if (null)
            *word_at(p, record) = 0;
    }
    return too_long;
}

uint32_t ds_state_write_fields(ds_state *state, uint32_t first, uint32_t n_fields,
                               const ds_heap *heap, const ds_column *const *columns,
                               const uint32_t *ids, uint32_t n)
{
    uint32_t too_long = 0;
    for (uint32_t f = 0; f < n_fields; f++) {
        place p = place_of(state, first + f);
        too_long += write_field(&p, heap, columns[f], ids, n);
    }
    if (state->scratch.capacity > (size_t)1 << 20)
        ds_buffer_fini(&state->scratch);
    return too_long;
}

/* ---- Out of records ---- */

static void read_words(const place *p, ds_column *column, const uint32_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        column->ints[i] =
            ids[i] == DS_NEW_KEY ? 0 : (int64_t)*word_at(p, ds_state_record(p->state, ids[i]));
}

static void read_bools(const place *p, ds_column *column, const uint32_t *ids, uint32_t n)
{
    memset(column->bits, 0, ds_bitmap_words(n) * 8);
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] != DS_NEW_KEY && *word_at(p, ds_state_record(p->state, ids[i])) != 0)
            ds_bit_set(column->bits, i);
}

static void read_strings(const place *p, ds_column *column, const uint32_t *ids, uint32_t n,
                         uint32_t base)
{
    for (uint32_t i = 0; i < n; i++)
        column->views[i] =
            ids[i] == DS_NEW_KEY
                ? (ds_view){0}
                : ds_text_store_view(view_at(p, ds_state_record(p->state, ids[i])), base);
}

static void read_lists(const place *p, ds_column *column, ds_arena *arena, const uint32_t *ids,
                       uint32_t n, uint32_t base)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        unsigned char *record = ids[i] == DS_NEW_KEY ? NULL : ds_state_record(p->state, ids[i]);
        if (record != NULL && !is_null(p, record))
            total += open_list(p, record, base).n;
        DS_ASSERT(total <= UINT32_MAX);
        column->offsets[i + 1] = (uint32_t)total;
    }
    column->child = ds_column_new(arena, ds_type_element(p->type), (uint32_t)total);
    if (total > 0)
        ds_column_need_validity(column->child, arena);
    for (uint32_t i = 0; i < n; i++) {
        if (column->offsets[i] == column->offsets[i + 1])
            continue;
        list_reader r = open_list(p, ds_state_record(p->state, ids[i]), base);
        get_list(&r, column->child, column->offsets[i]);
    }
}

/* Mostly there is none, and then no row is looked at twice. */
static bool any_null(const place *p, const uint32_t *ids, uint32_t n)
{
    uint32_t nulls = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool is_new = ids[i] == DS_NEW_KEY;
        unsigned char *record = ds_state_record(p->state, is_new ? 0 : ids[i]);
        nulls |= ds_state_head_of(p->state, record)->nulls[p->null_word] | (0 - (uint32_t)is_new);
    }
    return (nulls & p->null_bit) != 0;
}

static void read_nulls(const place *p, ds_column *column, ds_arena *arena, const uint32_t *ids,
                       uint32_t n)
{
    if (p->state->limit > 0 && !any_null(p, ids, n))
        return;
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] == DS_NEW_KEY || is_null(p, ds_state_record(p->state, ids[i]))) {
            ds_column_need_validity(column, arena);
            ds_bit_clear(column->validity, i);
        }
}

void ds_state_read_fields(ds_state *state, uint32_t first, uint32_t n_fields, const bool *wanted,
                          ds_arena *arena, ds_heap *heap, const uint32_t *ids, uint32_t n,
                          ds_column **columns)
{
    uint32_t base = state->n_views == 0 ? 0 : ds_state_text_export(&state->text, heap);
    for (uint32_t f = 0; f < n_fields; f++) {
        place p = place_of(state, first + f);
        columns[f] = NULL;
        if (wanted != NULL && !wanted[f])
            continue;
        columns[f] = ds_column_new(arena, p.type, n);
        switch (p.type.kind) {
        case DS_BOOL: read_bools(&p, columns[f], ids, n); break;
        case DS_STRING: read_strings(&p, columns[f], ids, n, base); break;
        case DS_LIST: read_lists(&p, columns[f], arena, ids, n, base); break;
        default: read_words(&p, columns[f], ids, n); break;
        }
        read_nulls(&p, columns[f], arena, ids, n);
    }
}

/* ---- Comparing ---- */

/* Values under nulls are not looked at: those of the record are zero then. */
static bool same_nulls(const place *p, unsigned char *record, const ds_column *column, uint32_t row)
{
    return is_null(p, record) == ds_column_is_null(column, row);
}

static void compare_views(const place *p, const ds_heap *heap, const ds_column *column,
                          uint32_t from, uint32_t n, const uint32_t *ids, bool *same)
{
    const ds_heap *mine = &p->state->text.heap;
    for (uint32_t i = 0; i < n; i++) {
        if (!same[i])
            continue;
        unsigned char *record = ds_state_record(p->state, ids[i]);
        const ds_view *view = view_at(p, record);
        same[i] = same_nulls(p, record, column, from + i) &&
                  (ds_column_is_null(column, from + i) ||
                   ds_text_equal(mine, view, heap, &column->views[from + i]));
    }
}

static void compare_words(const place *p, const ds_column *column, uint32_t from, uint32_t n,
                          const uint32_t *ids, bool *same)
{
    bool plain = column->type.kind == DS_INT && column->validity == NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (!same[i])
            continue;
        unsigned char *record = ds_state_record(p->state, ids[i]);
        uint64_t word = *word_at(p, record);
        if (plain)
            same[i] = word == (uint64_t)column->ints[from + i] && !is_null(p, record);
        else
            same[i] =
                same_nulls(p, record, column, from + i) &&
                (ds_column_is_null(column, from + i) || word == word_of(column, from + i, true));
    }
}

void ds_state_compare_keys(const ds_state *state, const ds_heap *heap, const ds_column *const *keys,
                           uint32_t from, uint32_t n, const uint32_t *ids, bool *same)
{
    for (uint32_t k = 0; k < state->spec->n_keys; k++) {
        place p = place_of(state, k);
        if (p.type.kind == DS_STRING)
            compare_views(&p, heap, keys[k], from, n, ids, same);
        else
            compare_words(&p, keys[k], from, n, ids, same);
    }
}
