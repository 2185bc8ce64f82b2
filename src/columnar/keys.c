/*
 * Open addressing with linear probing, at most half full. A slot is 8 bytes: the low half of
 * the hash, mixed, as a tag, and the key's number. Keys lie in one array for each column, so that a
 * block of rows is looked up column by column:
 *
 *     1. find the first slot with the row's tag (fetched ahead); that is nearly always the key
 *     2. compare the rows with these candidates, one column at a time
 *     3. rows that have no candidate or another key are looked up one by one, and added
 *
 * The low half of the hash, since the high bits choose the partition (ds_hash_partition): in one
 * partition's table they are all alike. A slot's place comes from the first bits of its tag, so the
 * slots are nearly in the order of their tags: a table that grows is read and written from one
 * end to the other, and nothing else is looked at.
 *
 * A null is kept as zero and marked in a mask by key. A table that never met a null does not
 * read the masks.
 */
#include "columnar/keys.h"

#include "base/assert.h"
#include "columnar/aggregate.h"
#include "columnar/growable.h"
#include "columnar/quick_hash.h"
#include "columnar/text_store.h"

#include <stdlib.h>

#define NONE UINT32_MAX
#define BLOCK 256u
#define SOME 64u /* of a block */
#define FIRST_SLOTS 64u
#define SLOTS_STEP ((size_t)64 << 10) /* of a large table, at a time */

typedef struct slot {
    uint32_t tag;
    uint32_t id; /* NONE: free */
} slot;

struct ds_keys {
    ds_budget *budget;
    uint32_t n_columns;
    ds_type types[DS_MAX_KEYS];
    slot *slots;
    uint32_t mask;  /* slots - 1 */
    uint32_t shift; /* from a tag to its slot: 32 less the bits of mask */
    bool reserved;  /* there are more slots than the keys would have by themselves */
    bool quick;     /* it is looked up by quick hashes */
    uint32_t limit, count;
    uint32_t n_stable; /* with quick ones: so many keys have their stable hashes */
    uint64_t *hashes;
    uint32_t *nulls; /* bit c: the key is null in column c */
    bool has_nulls;
    void *values[DS_MAX_KEYS]; /* ds_view, or uint64_t for all others */
    uint32_t hashes_room, nulls_room, values_room[DS_MAX_KEYS]; /* in items */
    uint32_t room;     /* the least of these: large arrays of wider items grow in other steps */
    uint32_t *removed; /* numbers to give out again */
    uint32_t n_removed, removed_room;
    ds_text_store text;
};

static bool is_text(const ds_keys *keys, uint32_t column)
{
    return keys->types[column].kind == DS_STRING;
}

static size_t width(const ds_keys *keys, uint32_t column)
{
    return is_text(keys, column) ? sizeof(ds_view) : sizeof(uint64_t);
}

/* ---- Slots ---- */

static void empty_slots(ds_keys *keys)
{
    for (size_t i = 0; i <= keys->mask; i += SLOTS_STEP) {
        size_t left = (size_t)keys->mask + 1 - i;
        memset(&keys->slots[i], 0xff, (left < SLOTS_STEP ? left : SLOTS_STEP) * sizeof(slot));
        ds_budget_relieve(keys->budget);
    }
}

static void make_slots(ds_keys *keys, uint32_t n)
{
    keys->slots = ds_budget_alloc(keys->budget, (size_t)n * sizeof(slot));
    keys->mask = n - 1;
    keys->shift = (uint32_t)__builtin_clz(keys->mask);
    empty_slots(keys);
}

/* Neighbouring hashes are far from each other: a table may be of a range of them (group_passes.c).
 */
static inline uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)hash * 0x9e3779b1u;
}

/* Where the search for a tag begins. */
static inline uint32_t home_of(const ds_keys *keys, uint32_t tag)
{
    return tag >> keys->shift;
}

static void add_slot(ds_keys *keys, slot added)
{
    uint32_t at = home_of(keys, added.tag);
    while (keys->slots[at].id != NONE)
        at = (at + 1) & keys->mask;
    keys->slots[at] = added;
}

/* Adds those of FIRST_SLOTS slots that are taken. Which ones are cannot be foreseen, so they are
 * put together without a branch. */
static void add_slots(ds_keys *keys, const slot *some)
{
    slot taken[FIRST_SLOTS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < FIRST_SLOTS; i++) {
        taken[n] = some[i];
        n += some[i].id != NONE;
    }
    for (uint32_t i = 0; i < n; i++)
        add_slot(keys, taken[i]);
}

/* Doubles the slots; numbers that wait to be given out again are passed over. */
static void grow_slots(ds_keys *keys)
{
    slot *old = keys->slots;
    uint32_t n = keys->mask + 1;
    DS_ASSERT(n <= UINT32_MAX / 2);
    make_slots(keys, n * 2);
    for (uint32_t i = 0; i < n; i += FIRST_SLOTS) {
        add_slots(keys, old + i);
        if (i % SLOTS_STEP == 0)
            ds_budget_relieve(keys->budget);
    }
    ds_budget_free(keys->budget, old, (size_t)n * sizeof(slot));
    keys->reserved = false;
}

/* As many as this many keys have that came one by one. */
static uint64_t slots_for(uint32_t count)
{
    uint64_t n = FIRST_SLOTS;
    while (count > n / 2 - 1)
        n *= 2;
    return n;
}

/* Closes the gap that a removed slot leaves: later ones of the run move up. */
static void remove_slot(ds_keys *keys, uint32_t at)
{
    for (uint32_t next = (at + 1) & keys->mask; keys->slots[next].id != NONE;
         next = (next + 1) & keys->mask) {
        uint32_t home = home_of(keys, keys->slots[next].tag);
        if (((next - home) & keys->mask) >= ((next - at) & keys->mask)) {
            keys->slots[at] = keys->slots[next];
            at = next;
        }
    }
    keys->slots[at].id = NONE;
}

/* ---- Making and emptying ---- */

static void no_columns(ds_keys *keys)
{
    keys->hashes = ds_grow(keys->hashes, &keys->hashes_room, 1, sizeof(uint64_t), keys->budget);
    keys->hashes[0] = 0;
    keys->limit = keys->count = 1;
}

ds_keys *ds_keys_new(const ds_type *types, uint32_t n_columns, ds_budget *budget)
{
    DS_ASSERT(n_columns <= DS_MAX_KEYS);
    ds_keys *keys = ds_calloc(1, sizeof *keys);
    ds_budget_charge(budget, sizeof *keys);
    keys->budget = budget;
    keys->n_columns = n_columns;
    for (uint32_t c = 0; c < n_columns; c++) {
        DS_ASSERT(types[c].kind != DS_LIST);
        keys->types[c] = types[c];
    }
    ds_text_store_init(&keys->text, budget);
    if (n_columns == 0)
        no_columns(keys);
    else
        make_slots(keys, FIRST_SLOTS);
    return keys;
}

void ds_keys_free(ds_keys *keys)
{
    if (keys == NULL)
        return;
    ds_budget *budget = keys->budget;
    for (uint32_t c = 0; c < keys->n_columns; c++)
        ds_grow_free(keys->values[c], &keys->values_room[c], width(keys, c), budget);
    ds_grow_free(keys->hashes, &keys->hashes_room, sizeof(uint64_t), budget);
    ds_grow_free(keys->nulls, &keys->nulls_room, sizeof(uint32_t), budget);
    ds_grow_free(keys->removed, &keys->removed_room, sizeof(uint32_t), budget);
    ds_text_store_fini(&keys->text);
    if (keys->slots != NULL)
        ds_budget_free(budget, keys->slots, ((size_t)keys->mask + 1) * sizeof(slot));
    free(keys);
    ds_budget_charge(budget, -(int64_t)sizeof *keys);
}

void ds_keys_reserve(ds_keys *keys, uint32_t count)
{
    uint64_t n = slots_for(count), old = (uint64_t)keys->mask + 1;
    if (keys->n_columns == 0 || keys->limit > 0 || n <= old || n > UINT32_MAX / 2)
        return;
    ds_budget_free(keys->budget, keys->slots, (size_t)old * sizeof(slot));
    make_slots(keys, (uint32_t)n);
    keys->reserved = true;
}

void ds_keys_clear(ds_keys *keys)
{
    if (keys->n_columns == 0)
        return;
    if (keys->limit > 0)
        empty_slots(keys);
    keys->limit = keys->count = keys->n_removed = keys->n_stable = 0;
    keys->has_nulls = keys->quick = false;
    ds_text_store_clear(&keys->text);
}

/* ---- Values ---- */

static uint64_t word_of(const ds_column *column, uint32_t row)
{
    switch (column->type.kind) {
    case DS_BOOL: return ds_bit_get(column->bits, row);
    case DS_FLOAT: {
        double value = column->floats[row] + 0.0; /* -0.0 becomes 0.0 */
        uint64_t word;
        memcpy(&word, &value, sizeof word);
        return word;
    }
    default: return (uint64_t)column->ints[row];
    }
}

static uint32_t null_mask(const ds_keys *keys, const ds_column *const *columns, uint32_t row)
{
    uint32_t mask = 0;
    for (uint32_t c = 0; c < keys->n_columns; c++)
        mask |= (uint32_t)ds_column_is_null(columns[c], row) << c;
    return mask;
}

static bool row_equal(const ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                      uint32_t row, uint32_t id)
{
    uint32_t nulls = null_mask(keys, columns, row);
    if (nulls != keys->nulls[id])
        return false;
    for (uint32_t c = 0; c < keys->n_columns; c++) {
        if ((nulls >> c) & 1)
            continue;
        if (is_text(keys, c)) {
            const ds_view *views = keys->values[c];
            if (!ds_text_equal(&keys->text.heap, &views[id], heap, &columns[c]->views[row]))
                return false;
        } else {
            const uint64_t *words = keys->values[c];
            if (words[id] != word_of(columns[c], row))
                return false;
        }
    }
    return true;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Makes room for a key more. */
static void make_room(ds_keys *keys)
{
    uint64_t need = (uint64_t)keys->limit + 1;
    ds_budget *budget = keys->budget;
    keys->hashes = ds_grow(keys->hashes, &keys->hashes_room, need, sizeof(uint64_t), budget);
    keys->nulls = ds_grow(keys->nulls, &keys->nulls_room, need, sizeof(uint32_t), budget);
    keys->room = least(keys->hashes_room, keys->nulls_room);
    for (uint32_t c = 0; c < keys->n_columns; c++) {
        keys->values[c] =
            ds_grow(keys->values[c], &keys->values_room[c], need, width(keys, c), budget);
        keys->room = least(keys->room, keys->values_room[c]);
    }
}

static inline uint32_t new_id(ds_keys *keys)
{
    if (keys->n_removed > 0)
        return keys->removed[--keys->n_removed];
    if (keys->limit >= keys->room)
        make_room(keys);
    return keys->limit++;
}

static void keep_values(ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                        uint32_t row, uint32_t id, uint32_t nulls)
{
    for (uint32_t c = 0; c < keys->n_columns; c++) {
        bool null = (nulls >> c) & 1;
        if (is_text(keys, c)) {
            ds_view *views = keys->values[c];
            views[id] = null ? (ds_view){0}
                             : ds_text_store_keep(&keys->text, heap, &columns[c]->views[row]);
        } else {
            uint64_t *words = keys->values[c];
            words[id] = null ? 0 : word_of(columns[c], row);
        }
    }
}

static inline uint32_t add_key(ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                               uint32_t row, uint64_t hash)
{
    uint32_t id = new_id(keys);
    keys->count++;
    keys->hashes[id] = hash;
    if (keys->n_columns == 1 && is_text(keys, 0) && columns[0]->validity == NULL) {
        ds_view *views = keys->values[0]; /* as most tables of many keys are */
        keys->nulls[id] = 0;
        views[id] = ds_text_store_keep(&keys->text, heap, &columns[0]->views[row]);
        return id;
    }
    uint32_t nulls = null_mask(keys, columns, row);
    keys->nulls[id] = nulls;
    keys->has_nulls |= nulls != 0;
    keep_values(keys, heap, columns, row, id, nulls);
    return id;
}

/* The slot of a row's key, or the free one where it would be; searched from slot `at` on. */
static slot *find_slot(const ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                       uint32_t row, uint64_t hash, uint32_t at)
{
    uint32_t tag = tag_of(hash);
    for (; keys->slots[at].id != NONE; at = (at + 1) & keys->mask)
        if (keys->slots[at].tag == tag && row_equal(keys, heap, columns, row, keys->slots[at].id))
            break;
    return &keys->slots[at];
}

static uint32_t find_or_add(ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                            uint32_t row, uint64_t hash, uint32_t at)
{
    slot *found = find_slot(keys, heap, columns, row, hash, at);
    if (found->id != NONE)
        return found->id;
    uint32_t id = add_key(keys, heap, columns, row, hash);
    *found = (slot){tag_of(hash), id};
    if (keys->count > keys->mask / 2)
        grow_slots(keys);
    return id;
}

/* ---- Looking up a block ---- */

/* Whether the search for a tag goes on behind a slot. */
static inline uint32_t passes(slot at, uint32_t tag)
{
    return (uint32_t)(at.tag != tag) & (uint32_t)(at.id != NONE);
}

/* The candidate, or any key if there is none: which of both cannot be foreseen, so there is no
 * branch. */
static inline uint32_t key_or_any(uint32_t candidate, bool is_one)
{
    return candidate & (0 - (uint32_t)is_one);
}

/* Where the search for the keys of a block's rows stands. */
typedef struct search {
    uint32_t tags[BLOCK], places[BLOCK];
    uint32_t others[BLOCK], n_others; /* rows that go on: they found another tag */
} search;

/* Looks at the first slot of each row; all of them are fetched at once. */
static void find_first(const ds_keys *keys, const uint64_t *hashes, uint32_t n,
                       uint32_t *restrict candidates, search *restrict s)
{
    const slot *slots = keys->slots;
    uint32_t shift = keys->shift, n_others = 0;
    for (uint32_t i = 0; i < n; i++) {
        s->tags[i] = tag_of(hashes[i]);
        s->places[i] = s->tags[i] >> shift;
        __builtin_prefetch(&slots[s->places[i]]);
    }
    for (uint32_t i = 0; i < n; i++) {
        const slot at = slots[s->places[i]];
        candidates[i] = at.id;
        s->others[n_others] = i;
        n_others += passes(at, s->tags[i]);
    }
    s->n_others = n_others;
}

/* Looks at the next slot of those that go on. */
static void find_next(const ds_keys *keys, uint32_t *restrict candidates, search *restrict s)
{
    const slot *slots = keys->slots;
    uint32_t mask = keys->mask, n = s->n_others, n_others = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = s->others[i], place = (s->places[row] + 1) & mask;
        const slot at = slots[place];
        candidates[row] = at.id;
        s->places[row] = place;
        s->others[n_others] = row;
        n_others += passes(at, s->tags[row]);
    }
    s->n_others = n_others;
}

/* Step 1: the first key with each row's tag, or NONE; whether there is one; and the slot at which
 * the search ended. How far a search goes, and whether there is a key, cannot be foreseen: so all
 * go one slot further together, those that go on are put together, and there is no branch. */
static void find_candidates(const ds_keys *keys, const uint64_t *hashes, uint32_t n,
                            uint32_t *candidates, bool *same, search *s)
{
    find_first(keys, hashes, n, candidates, s);
    while (s->n_others > 0)
        find_next(keys, candidates, s);
    for (uint32_t i = 0; i < n; i++)
        same[i] = candidates[i] != NONE;
}

/* Of long views. */
static inline bool texts_equal(const char *a, const char *b, uint32_t length)
{
    uint64_t x[4], y[4];
    if (length > DS_FEW_BYTES)
        return memcmp(a, b, length) == 0;
    ds_few_words(a, length, x);
    ds_few_words(b, length, y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}

/* Step 2 for one column: clears same[i] where the candidate's value is another. */
static void compare_views(const ds_keys *keys, uint32_t c, const ds_heap *heap,
                          const ds_column *column, uint32_t from, uint32_t n,
                          const uint32_t *candidates, bool *same)
{
    const ds_view *kept = keys->values[c], *views = column->views + from;
    for (uint32_t i = 0; i < n; i++)
        same[i] =
            same[i] && (ds_text_equal(&keys->text.heap, &kept[candidates[i]], heap, &views[i]) ||
                        ds_column_is_null(column, from + i));
}

/* As compare_views, where there are long keys and no nulls: which rows are long cannot be foreseen,
 * so all are compared by their views first, and then long ones again. */
static void compare_long_views(const ds_keys *keys, uint32_t c, const ds_heap *heap,
                               const ds_column *column, uint32_t from, uint32_t n,
                               const uint32_t *candidates, bool *same)
{
    const ds_view *kept = keys->values[c], *views = column->views + from;
    uint32_t rows[BLOCK], n_long = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t a[2], b[2];
        memcpy(a, &kept[key_or_any(candidates[i], same[i])], sizeof a);
        memcpy(b, &views[i], sizeof b);
        bool is_long = views[i].length > DS_INLINE_BYTES;
        same[i] &= (a[0] == b[0]) & ((a[1] == b[1]) | is_long);
        rows[n_long] = i;
        n_long += is_long & same[i];
    }
    for (uint32_t i = 0; i < n_long; i++) {
        uint32_t row = rows[i];
        same[row] = texts_equal(ds_view_bytes(&keys->text.heap, &kept[candidates[row]]),
                                ds_view_bytes(heap, &views[row]), views[row].length);
    }
}

static void compare_words(const ds_keys *keys, uint32_t c, const ds_column *column, uint32_t from,
                          uint32_t n, const uint32_t *candidates, bool *same)
{
    const uint64_t *kept = keys->values[c];
    if (column->type.kind == DS_INT && column->validity == NULL) {
        const int64_t *values = column->ints + from;
        for (uint32_t i = 0; i < n; i++)
            same[i] &= kept[key_or_any(candidates[i], same[i])] == (uint64_t)values[i];
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        same[i] = same[i] && (kept[candidates[i]] == word_of(column, from + i) ||
                              ds_column_is_null(column, from + i));
}

static void compare(const ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                    uint32_t from, uint32_t n, const uint32_t *candidates, bool *same)
{
    bool nulls = keys->has_nulls;
    if (keys->limit == 0)
        return; /* nothing has a candidate */
    for (uint32_t c = 0; c < keys->n_columns; c++)
        nulls |= columns[c]->validity != NULL;
    for (uint32_t i = 0; nulls && i < n; i++)
        same[i] = same[i] && keys->nulls[candidates[i]] == null_mask(keys, columns, from + i);
    for (uint32_t c = 0; c < keys->n_columns; c++) {
        if (is_text(keys, c) && keys->text.used > 0 && !nulls)
            compare_long_views(keys, c, heap, columns[c], from, n, candidates, same);
        else if (is_text(keys, c))
            compare_views(keys, c, heap, columns[c], from, n, candidates, same);
        else
            compare_words(keys, c, columns[c], from, n, candidates, same);
    }
}

/* Of SOME rows. */
static inline bool all_same(const bool *same)
{
    uint64_t words[SOME / 8], all = UINT64_C(0x0101010101010101);
    memcpy(words, same, sizeof words);
    for (uint32_t w = 0; w < SOME / 8; w++)
        all &= words[w];
    return all == UINT64_C(0x0101010101010101);
}

/* The rows that are not the same: mostly none, or some here and there, which cannot be foreseen. */
static uint32_t list_others(const bool *same, uint32_t n, uint32_t *rows)
{
    uint32_t listed = 0;
    for (uint32_t from = 0; from < n; from += SOME) {
        uint32_t end = n - from < SOME ? n : from + SOME;
        if (end - from == SOME && all_same(same + from))
            continue;
        for (uint32_t i = from; i < end; i++) {
            rows[listed] = i;
            listed += !same[i];
        }
    }
    return listed;
}

/* Step 3. What was added since step 1 lies in slots that were free, so the search goes on where it
 * ended then; unless the table has grown. */
static void add_others(ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                       const uint64_t *hashes, uint32_t from, uint32_t n, const bool *same,
                       const uint32_t *places, uint32_t *ids)
{
    uint32_t mask = keys->mask, rows[BLOCK], n_rows = list_others(same, n, rows);
    for (uint32_t i = 0; i < n_rows; i++) {
        uint32_t row = rows[i];
        uint64_t hash = hashes[from + row];
        uint32_t at = keys->mask == mask ? places[row] : home_of(keys, tag_of(hash));
        ids[from + row] = find_or_add(keys, heap, columns, from + row, hash, at);
    }
}

void ds_keys_put(ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                 const uint64_t *hashes, uint32_t n_rows, uint32_t *ids)
{
    if (keys->n_columns == 0) {
        memset(ids, 0, (size_t)n_rows * sizeof *ids);
        return;
    }
    bool same[BLOCK];
    search s;
    for (uint32_t from = 0, n; from < n_rows; from += n) {
        uint32_t most = ds_budget_step(keys->budget, BLOCK);
        n = n_rows - from < most ? n_rows - from : most;
        find_candidates(keys, hashes + from, n, ids + from, same, &s);
        compare(keys, heap, columns, from, n, ids + from, same);
        add_others(keys, heap, columns, hashes, from, n, same, s.places, ids);
    }
}

void ds_keys_find(const ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                  const uint64_t *hashes, uint32_t n_rows, uint32_t *ids)
{
    DS_ASSERT(keys->n_columns > 0 && NONE == DS_NO_KEY);
    bool same[BLOCK];
    search s;
    for (uint32_t from = 0; from < n_rows; from += BLOCK) {
        uint32_t n = n_rows - from < BLOCK ? n_rows - from : BLOCK;
        find_candidates(keys, hashes + from, n, ids + from, same, &s);
        compare(keys, heap, columns, from, n, ids + from, same);
        for (uint32_t i = 0; i < n; i++)
            if (!same[i] && ids[from + i] != NONE)
                ids[from + i] =
                    find_slot(keys, heap, columns, from + i, hashes[from + i], s.places[i])->id;
    }
}

static int by_word(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void ds_keys_order(const uint64_t *hashes, uint32_t n_rows, uint64_t *sorted, uint32_t *order)
{
    for (uint32_t i = 0; i < n_rows; i++)
        sorted[i] = (uint64_t)tag_of(hashes[i]) << 32 | i;
    qsort(sorted, n_rows, sizeof *sorted, by_word);
    for (uint32_t i = 0; i < n_rows; i++)
        order[i] = (uint32_t)sorted[i];
}

/* ---- Removing ---- */

static void tidy_text(ds_keys *keys)
{
    ds_text_store next;
    ds_text_store_init(&next, keys->budget);
    for (uint32_t c = 0; c < keys->n_columns; c++) {
        ds_view *views = keys->values[c];
        for (uint32_t id = 0; is_text(keys, c) && id < keys->limit; id++) {
            views[id] = ds_text_store_keep(&next, &keys->text.heap, &views[id]);
            if (id % BLOCK == 0)
                ds_budget_relieve(keys->budget);
        }
    }
    ds_text_store_fini(&keys->text);
    keys->text = next;
}

void ds_keys_remove(ds_keys *keys, uint32_t id)
{
    DS_ASSERT(keys->n_columns > 0 && id < keys->limit && !keys->quick);
    uint32_t at = home_of(keys, tag_of(keys->hashes[id]));
    while (keys->slots[at].id != id) {
        DS_ASSERT(keys->slots[at].id != NONE);
        at = (at + 1) & keys->mask;
    }
    remove_slot(keys, at);
    for (uint32_t c = 0; c < keys->n_columns; c++) {
        if (!is_text(keys, c))
            continue;
        ds_view *view = (ds_view *)keys->values[c] + id;
        ds_text_store_drop(&keys->text, view);
        *view = (ds_view){0};
    }
    keys->removed = ds_grow(keys->removed, &keys->removed_room, (uint64_t)keys->n_removed + 1,
                            sizeof *keys->removed, keys->budget);
    keys->removed[keys->n_removed++] = id;
    keys->count--;
    if (ds_text_store_wasteful(&keys->text))
        tidy_text(keys);
}

/* ---- Reading ---- */

uint32_t ds_keys_count(const ds_keys *keys)
{
    return keys->count;
}

uint32_t ds_keys_limit(const ds_keys *keys)
{
    return keys->limit;
}

/* ---- Quick hashes ---- */

void ds_keys_be_quick(ds_keys *keys)
{
    DS_ASSERT(keys->limit == 0 && keys->n_columns > 0);
    keys->quick = true;
}

bool ds_keys_are_quick(const ds_keys *keys)
{
    return keys->quick;
}

/* Makes a column of the keys from..from + n, up to BLOCK. bits, validity: room. */
static ds_column kept_column(const ds_keys *keys, uint32_t c, uint32_t from, uint32_t n,
                             uint64_t *bits, uint64_t *validity)
{
    ds_column column = {.type = keys->types[c], .length = n};
    const uint64_t *words = keys->values[c];
    if (is_text(keys, c)) {
        column.views = (ds_view *)keys->values[c] + from;
    } else if (column.type.kind == DS_BOOL) {
        for (uint32_t i = 0; i < n; i++)
            ds_bit_put(bits, i, words[from + i] != 0);
        column.bits = bits;
    } else if (column.type.kind == DS_FLOAT) {
        column.floats = (double *)keys->values[c] + from;
    } else {
        column.ints = (int64_t *)keys->values[c] + from;
    }
    for (uint32_t i = 0; keys->has_nulls && i < n; i++)
        ds_bit_put(validity, i, (keys->nulls[from + i] >> c & 1) == 0);
    column.validity = keys->has_nulls ? validity : NULL;
    return column;
}

void ds_keys_settle(ds_keys *keys)
{
    ds_column columns[DS_MAX_KEYS];
    const ds_column *pointers[DS_MAX_KEYS];
    uint64_t bits[DS_MAX_KEYS][BLOCK / 64], validity[DS_MAX_KEYS][BLOCK / 64];
    while (keys->quick && keys->n_stable < keys->limit) {
        uint32_t from = keys->n_stable, left = keys->limit - from, n = left < BLOCK ? left : BLOCK;
        for (uint32_t c = 0; c < keys->n_columns; c++) {
            columns[c] = kept_column(keys, c, from, n, bits[c], validity[c]);
            pointers[c] = &columns[c];
        }
        ds_hash_rows(&keys->text.heap, pointers, keys->n_columns, n, keys->hashes + from);
        keys->n_stable += n;
        ds_budget_relieve(keys->budget);
    }
}

const uint64_t *ds_keys_hashes(const ds_keys *keys)
{
    DS_ASSERT(!keys->quick || keys->n_stable == keys->limit);
    return keys->hashes;
}

const uint64_t *ds_keys_words(const ds_keys *keys, uint32_t column)
{
    DS_ASSERT(column < keys->n_columns && !is_text(keys, column));
    return keys->values[column];
}

const ds_view *ds_keys_views(const ds_keys *keys, uint32_t column)
{
    DS_ASSERT(column < keys->n_columns && is_text(keys, column));
    return keys->values[column];
}

const ds_heap *ds_keys_heap(const ds_keys *keys)
{
    return &keys->text.heap;
}

static void fill_column(ds_keys *keys, uint32_t c, uint32_t base, const uint32_t *ids, uint32_t n,
                        ds_column *column)
{
    const ds_view *views = keys->values[c];
    const uint64_t *words = keys->values[c];
    switch (column->type.kind) {
    case DS_BOOL:
        memset(column->bits, 0, ds_bitmap_words(n) * 8);
        for (uint32_t i = 0; i < n; i++)
            ds_bit_put(column->bits, i, words[ids[i]] != 0);
        break;
    case DS_STRING:
        for (uint32_t i = 0; i < n; i++)
            column->views[i] = ds_text_store_view(&views[ids[i]], base);
        break;
    default:
        for (uint32_t i = 0; i < n; i++)
            column->ints[i] = (int64_t)words[ids[i]];
        break;
    }
}

static void fill_validity(const ds_keys *keys, uint32_t c, ds_arena *arena, const uint32_t *ids,
                          uint32_t n, ds_column *column)
{
    for (uint32_t i = 0; keys->has_nulls && i < n; i++)
        if ((keys->nulls[ids[i]] >> c) & 1) {
            ds_column_need_validity(column, arena);
            ds_bit_clear(column->validity, i);
        }
}

ds_column *ds_keys_column(ds_keys *keys, uint32_t c, ds_arena *arena, ds_heap *heap,
                          const uint32_t *ids, uint32_t n)
{
    ds_column *column = ds_column_new(arena, keys->types[c], n);
    fill_column(keys, c, ds_text_store_export(&keys->text, heap), ids, n, column);
    fill_validity(keys, c, arena, ids, n, column);
    return column;
}

void ds_keys_columns(ds_keys *keys, ds_arena *arena, ds_heap *heap, const uint32_t *ids, uint32_t n,
                     ds_column **columns)
{
    for (uint32_t c = 0; c < keys->n_columns; c++)
        columns[c] = ds_keys_column(keys, c, arena, heap, ids, n);
}

size_t ds_keys_bytes(const ds_keys *keys)
{
    uint64_t slots = keys->slots == NULL ? 0
                     : keys->reserved    ? slots_for(keys->count)
                                         : (uint64_t)keys->mask + 1;
    size_t bytes = sizeof *keys + (size_t)slots * sizeof(slot) +
                   keys->hashes_room * sizeof(uint64_t) +
                   ((size_t)keys->nulls_room + keys->removed_room) * sizeof(uint32_t);
    for (uint32_t c = 0; c < keys->n_columns; c++)
        bytes += keys->values_room[c] * width(keys, c);
    return bytes + keys->text.bytes;
}
