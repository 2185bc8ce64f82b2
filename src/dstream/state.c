/* Numbers, records and what becomes of them; see state.h. */
#include "base/assert.h"
#include "columnar/growable.h"
#include "dstream/state_record.h"

#include <stdlib.h>

#define SEGMENT_BYTES ((size_t)256 << 10) /* of records, about */
#define FIRST_RECORDS 16u
#define MOVES 1024u      /* keys that move down in one batch, and two for each that was taken out */
#define SMALL_LIST 1024u /* entries that a list of numbers may keep for nothing */
#define RELIEF 16u       /* keys here and there, before pages may have to go */

/* ---- Making ---- */

static uint32_t add_field(ds_state *state, ds_type type, uint32_t offset)
{
    state->fields[state->n_fields] = (ds_state_field){type, offset};
    if (ds_state_is_view(type))
        state->views[state->n_views++] = state->n_fields;
    state->n_fields++;
    return offset + (ds_state_is_view(type) ? 16 : 8);
}

static void lay_out(ds_state *state)
{
    const ds_state_spec *spec = state->spec;
    uint32_t n = spec->n_keys + spec->n_values;
    state->fields = ds_calloc(n, sizeof *state->fields);
    state->views = ds_calloc(n, sizeof *state->views);
    state->head = spec->timeout_ms > 0 ? (uint32_t)sizeof(ds_state_order) : 0;
    uint32_t at = state->head + (uint32_t)sizeof(ds_state_head) + (n + 31) / 32 * 4;
    at = (at + 7) & ~(uint32_t)7;
    for (uint32_t i = 0; i < spec->n_keys; i++)
        at = add_field(state, spec->keys[i], at);
    for (uint32_t i = 0; i < spec->n_values; i++)
        at = add_field(state, spec->values[i], at);
    state->record_bytes = at;
    state->shift = 4;
    while (((size_t)at << (state->shift + 1)) <= SEGMENT_BYTES && state->shift < 13)
        state->shift++;
}

ds_state *ds_state_new(const ds_state_spec *spec, ds_budget *budget)
{
    DS_ASSERT(spec->n_keys > 0);
    ds_state *state = ds_calloc(1, sizeof *state);
    state->spec = spec;
    state->budget = budget;
    lay_out(state);
    state->oldest = state->newest = DS_NO_ID;
    ds_state_index_init(&state->index, budget);
    ds_state_text_init(&state->text, budget);
    ds_budget_charge(budget, sizeof *state);
    return state;
}

size_t ds_state_key_bytes(const ds_state_spec *spec)
{
    ds_state *state = ds_state_new(spec, NULL);
    size_t record = state->record_bytes;
    ds_state_free(state);
    return record + 2 * sizeof(ds_index_slot); /* tables of the index are half full or more */
}

static size_t segment_bytes(const ds_state *state, uint32_t segment)
{
    uint32_t records = segment == 0 ? state->first_records : (uint32_t)1 << state->shift;
    return (size_t)records * state->record_bytes;
}

static void free_segments(ds_state *state, uint32_t kept)
{
    while (state->n_segments > kept) {
        state->n_segments--;
        ds_budget_free(state->budget, state->segments[state->n_segments],
                       segment_bytes(state, state->n_segments));
    }
    if (state->n_segments == 0)
        state->first_records = 0;
}

void ds_state_free(ds_state *state)
{
    if (state == NULL)
        return;
    ds_budget *budget = state->budget;
    free_segments(state, 0);
    ds_grow_free(state->segments, &state->segments_room, sizeof *state->segments, budget);
    ds_grow_free(state->used, &state->used_room, sizeof *state->used, budget);
    ds_grow_free(state->unsaved, &state->unsaved_room, sizeof *state->unsaved, budget);
    ds_grow_free(state->changed, &state->changed_room, sizeof *state->changed, budget);
    ds_grow_free(state->ended, &state->ended_room, sizeof *state->ended, budget);
    ds_state_index_fini(&state->index);
    ds_state_text_fini(&state->text);
    ds_buffer_fini(&state->scratch);
    free(state->fields);
    free(state->views);
    free(state);
    ds_budget_charge(budget, -(int64_t)sizeof *state);
}

/* ---- Numbers ---- */

static void make_room(ds_state *state)
{
    uint32_t segment = state->limit >> state->shift, whole = (uint32_t)1 << state->shift;
    ds_budget *budget = state->budget;
    state->used = ds_grow(state->used, &state->used_room, (uint64_t)state->limit / 64 + 1,
                          sizeof *state->used, budget);
    state->unsaved = ds_grow(state->unsaved, &state->unsaved_room, (uint64_t)state->limit / 64 + 1,
                             sizeof *state->unsaved, budget);
    if (segment == 0 && state->limit == state->first_records) {
        uint32_t more = state->first_records == 0 ? FIRST_RECORDS : state->first_records;
        state->segments =
            ds_grow(state->segments, &state->segments_room, 1, sizeof *state->segments, budget);
        size_t old = (size_t)state->first_records * state->record_bytes;
        state->segments[0] =
            ds_budget_resize(budget, state->n_segments == 0 ? NULL : state->segments[0], old,
                             old + (size_t)more * state->record_bytes);
        state->first_records += more;
        state->n_segments = 1;
    } else if (segment == state->n_segments) {
        state->segments = ds_grow(state->segments, &state->segments_room, (uint64_t)segment + 1,
                                  sizeof *state->segments, budget);
        state->segments[segment] = ds_budget_alloc(budget, (size_t)whole * state->record_bytes);
        state->n_segments++;
    }
}

void ds_state_raise_limit(ds_state *state)
{
    DS_ASSERT(state->limit < DS_NEW_KEY - 1);
    make_room(state);
    state->limit++;
}

void ds_state_use_number(ds_state *state, uint32_t id)
{
    DS_ASSERT(id < state->limit && !ds_bit_get(state->used, id));
    ds_bit_set(state->used, id);
    ds_state_mark(state, id);
    state->n_used++;
    memset(ds_state_record(state, id), 0, state->record_bytes);
}

/* The lowest number that is free. */
static uint32_t take_number(ds_state *state)
{
    uint32_t id = state->limit;
    if (state->n_used < state->limit) {
        uint32_t word = state->lowest / 64;
        while (state->used[word] == UINT64_MAX)
            word++;
        id = word * 64 + (uint32_t)__builtin_ctzll(~state->used[word]);
        state->lowest = id + 1;
    }
    if (id >= state->limit) {
        ds_state_raise_limit(state);
        state->lowest = state->limit;
    }
    ds_state_use_number(state, id);
    return id;
}

/* That this is a change is noted where the key is taken out: later, what ended is saved as such. */
static void free_number(ds_state *state, uint32_t id)
{
    ds_bit_clear(state->used, id);
    state->n_used--;
    state->n_freed++;
    if (id < state->lowest)
        state->lowest = id;
}

uint32_t ds_state_count(const ds_state *state)
{
    return state->n_used - state->n_ended;
}

uint32_t ds_state_limit(const ds_state *state)
{
    return state->limit;
}

/* ---- Tidying up ---- */

static ds_view *view_of(ds_state *state, uint32_t id, uint32_t field)
{
    return (ds_view *)(void *)(ds_state_record(state, id) + state->fields[field].offset);
}

static ds_view *owner_of(void *arg, uint32_t id, uint32_t buffer, uint32_t offset)
{
    ds_state *state = arg;
    if (!ds_state_in_use(state, id))
        return NULL;
    for (uint32_t i = 0; i < state->n_views; i++) {
        ds_view *view = view_of(state, id, state->views[i]);
        if (view->length > DS_INLINE_BYTES && view->ref.buffer == buffer &&
            view->ref.offset == offset)
            return view;
    }
    return NULL;
}

static void drop_text(ds_state *state, uint32_t id)
{
    for (uint32_t i = 0; i < state->n_views; i++)
        ds_state_text_drop(&state->text, view_of(state, id, state->views[i]));
}

/* The keys before and after a record that moved have to know its new number. */
static void relink(ds_state *state, uint32_t to)
{
    const ds_state_order *order = ds_state_order_of(state, to);
    if (order->before == DS_NO_ID)
        state->oldest = to;
    else
        ds_state_order_of(state, order->before)->after = to;
    if (order->after == DS_NO_ID)
        state->newest = to;
    else
        ds_state_order_of(state, order->after)->before = to;
}

/* Moves the key with the highest number to the lowest that is free. */
static void move_down(ds_state *state, uint32_t from)
{
    const unsigned char *record = ds_state_record(state, from);
    uint32_t to = take_number(state);
    DS_ASSERT(to < from);
    unsigned char *moved = ds_state_record(state, to);
    memcpy(moved, record, state->record_bytes);
    ds_state_index_renumber(&state->index, ds_state_head_of(state, moved)->hash, from, to);
    for (uint32_t i = 0; i < state->n_views; i++)
        ds_state_text_renumber(&state->text, view_of(state, to, state->views[i]), to);
    if (state->head > 0)
        relink(state, to);
    ds_state_mark(state, from);
    free_number(state, from);
}

/* Lowers the limit to the highest number in use. */
static void lower_limit(ds_state *state)
{
    uint32_t word = (state->limit + 63) / 64;
    while (word > 0 && state->used[word - 1] == 0)
        word--;
    state->limit = word == 0 ? 0 : word * 64 - (uint32_t)__builtin_clzll(state->used[word - 1]);
    if (state->lowest > state->limit)
        state->lowest = state->limit;
}

/* Bits of the numbers below the limit. */
static uint64_t *shrunk(ds_state *state, uint64_t *bits, uint32_t *room)
{
    size_t old = *room * sizeof *bits;
    *room = state->limit / 64 + 1;
    return ds_budget_resize(state->budget, bits, old, *room * sizeof *bits);
}

static void compact(ds_state *state)
{
    uint64_t moves = MOVES + 2 * (uint64_t)state->n_freed;
    if (state->n_freed > 0)
        lower_limit(state);
    while (state->n_used < state->limit / 2 && moves > 0) {
        move_down(state, state->limit - 1);
        lower_limit(state);
        if (--moves % RELIEF == 0)
            ds_budget_relieve(state->budget);
    }
    state->n_freed = 0;
    uint32_t needed = (state->limit + ((uint32_t)1 << state->shift) - 1) >> state->shift;
    if (state->n_segments > needed + 1)
        free_segments(state, needed);
    if ((uint64_t)state->used_room > 64 + (uint64_t)state->limit / 8) {
        state->used = shrunk(state, state->used, &state->used_room);
        state->unsaved = shrunk(state, state->unsaved, &state->unsaved_room);
    }
}

/* Empties a list, and gives memory back that it needs no longer. */
static uint32_t *empty_list(ds_state *state, uint32_t *list, uint32_t *n, uint32_t *room)
{
    bool large = *room > SMALL_LIST && *n < *room / 8;
    *n = 0;
    if (!large)
        return list;
    ds_grow_free(list, room, sizeof *list, state->budget);
    return NULL;
}

void ds_state_begin(ds_state *state)
{
    for (uint32_t i = 0; i < state->n_ended; i++) {
        drop_text(state, state->ended[i]);
        free_number(state, state->ended[i]);
        if (i % RELIEF == 0)
            ds_budget_relieve(state->budget);
    }
    state->ended = empty_list(state, state->ended, &state->n_ended, &state->ended_room);
    state->changed = empty_list(state, state->changed, &state->n_changed, &state->changed_room);
    compact(state);
    ds_state_text_tidy(&state->text, owner_of, state);
}

/* ---- Keys ---- */

/* The first number with each row's hash: that is nearly always its key. Their records are fetched
 * all at once; that of any number stands for what is not there. */
static void find_candidates(const ds_state *state, const uint64_t *hashes, uint32_t n,
                            uint32_t *ids, bool *same)
{
    ds_state_index_find(&state->index, hashes, n, ids);
    for (uint32_t i = 0; i < n; i++)
        same[i] = ids[i] != DS_NO_ID;
    if (state->limit == 0)
        return;
    for (uint32_t i = 0; i < n; i++) {
        const unsigned char *record = ds_state_record(state, same[i] ? ids[i] : 0);
        __builtin_prefetch(record);
        __builtin_prefetch(record + state->record_bytes - 1);
    }
}

static uint32_t find_slowly(const ds_state *state, const ds_heap *heap,
                            const ds_column *const *keys, uint32_t row, uint64_t hash)
{
    ds_index_cursor cursor;
    uint32_t id = ds_state_index_first(&state->index, (uint32_t)hash, &cursor);
    for (; id != DS_NO_ID; id = ds_state_index_next(&cursor, (uint32_t)hash)) {
        bool same = true;
        ds_state_compare_keys(state, heap, keys, row, 1, &id, &same);
        if (same)
            break;
    }
    return id;
}

_Static_assert(DS_NO_ID == DS_NEW_KEY, "what is not in the index is new");

void ds_state_find(const ds_state *state, const ds_heap *heap, const ds_column *const *keys,
                   const uint64_t *hashes, uint32_t n, uint32_t *ids)
{
    bool same[DS_CHUNK_ROWS];
    DS_ASSERT(n <= DS_CHUNK_ROWS);
    find_candidates(state, hashes, n, ids, same);
    ds_state_compare_keys(state, heap, keys, 0, n, ids, same);
    for (uint32_t i = 0; i < n; i++)
        if (!same[i] && ids[i] != DS_NO_ID)
            ids[i] = find_slowly(state, heap, keys, i, hashes[i]);
}

void ds_state_keys(ds_state *state, ds_arena *arena, ds_heap *heap, const uint32_t *ids, uint32_t n,
                   ds_column **columns)
{
    ds_state_read_fields(state, 0, state->spec->n_keys, NULL, arena, heap, ids, n, columns);
}

void ds_state_values(ds_state *state, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                     uint32_t n, ds_column **columns)
{
    ds_state_read_fields(state, state->spec->n_keys, state->spec->n_values, NULL, arena, heap, ids,
                         n, columns);
}

void ds_state_rows(ds_state *state, ds_arena *arena, ds_heap *heap, const uint32_t *ids, uint32_t n,
                   const bool *wanted, ds_column **columns)
{
    ds_state_read_fields(state, 0, state->n_fields, wanted, arena, heap, ids, n, columns);
}

uint32_t ds_state_walk(const ds_state *state, uint32_t *at, uint32_t *ids, uint32_t most)
{
    uint32_t n = 0, i = *at;
    while (i < state->limit && n < most) {
        uint64_t word = state->used[i / 64] >> (i % 64);
        if (word == 0) {
            i = (i / 64 + 1) * 64;
            continue;
        }
        i += (uint32_t)__builtin_ctzll(word);
        if (state->n_ended == 0 || !ds_state_is_out(state, i))
            ids[n++] = i;
        i++;
    }
    *at = i;
    return n;
}

/* ---- Changes ---- */

static uint32_t *append(ds_state *state, uint32_t *list, uint32_t *n, uint32_t *room, uint32_t id)
{
    list = ds_grow(list, room, (uint64_t)*n + 1, sizeof *list, state->budget);
    list[(*n)++] = id;
    return list;
}

void ds_state_add(ds_state *state, const ds_heap *heap, const ds_column *const *keys,
                  const uint64_t *hashes, uint32_t n, const uint64_t *wanted, int64_t seen_ms,
                  uint32_t *ids)
{
    uint32_t added[DS_CHUNK_ROWS];
    DS_ASSERT(n <= DS_CHUNK_ROWS);
    for (uint32_t i = 0; i < n; i++) {
        bool adds = ids[i] == DS_NEW_KEY && (wanted == NULL || ds_bit_get(wanted, i));
        added[i] = DS_NEW_KEY;
        if (!adds)
            continue;
        uint32_t id = ids[i] = added[i] = take_number(state), hash = (uint32_t)hashes[i];
        ds_state_head *head = ds_state_head_of(state, ds_state_record(state, id));
        head->hash = hash;
        for (uint32_t f = state->spec->n_keys; f < state->n_fields; f++)
            head->nulls[f / 32] |= (uint32_t)1 << (f % 32);
        ds_state_index_add(&state->index, hash, id);
        if (state->head == 0)
            continue;
        ds_state_order_of(state, id)->seen_ms = seen_ms;
        ds_state_link(state, id, state->newest);
    }
    ds_state_write_fields(state, 0, state->spec->n_keys, heap, keys, added, n);
}

uint32_t ds_state_set(ds_state *state, const ds_heap *heap, const uint32_t *ids,
                      const ds_column *const *values, uint32_t n)
{
    return ds_state_write_fields(state, state->spec->n_keys, state->spec->n_values, heap, values,
                                 ids, n);
}

static void see_key(ds_state *state, uint32_t id, int64_t seen_ms)
{
    ds_state_order *order = ds_state_order_of(state, id);
    if (order->seen_ms >= seen_ms)
        return;
    order->seen_ms = seen_ms;
    ds_state_mark(state, id);
    if (state->newest == id)
        return;
    ds_state_unlink(state, id);
    ds_state_link(state, id, state->newest);
}

/* Asks for the memory of the keys before and after some keys in the order. */
static void prefetch_neighbours(const ds_state *state, const uint32_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == DS_NEW_KEY)
            continue;
        const ds_state_order *order = ds_state_order_of(state, ids[i]);
        if (order->before != DS_NO_ID)
            __builtin_prefetch(ds_state_record(state, order->before), 1);
        if (order->after != DS_NO_ID)
            __builtin_prefetch(ds_state_record(state, order->after), 1);
    }
}

void ds_state_see(ds_state *state, const uint32_t *ids, uint32_t n, int64_t seen_ms)
{
    enum { BLOCK = 64 };
    for (uint32_t from = 0; from < n; from += BLOCK) {
        uint32_t end = n - from < BLOCK ? n : from + BLOCK;
        if (state->head > 0)
            prefetch_neighbours(state, ids + from, end - from);
        for (uint32_t i = from; i < end; i++) {
            if (ids[i] == DS_NEW_KEY)
                continue;
            if (state->head > 0)
                see_key(state, ids[i], seen_ms);
            state->changed =
                append(state, state->changed, &state->n_changed, &state->changed_room, ids[i]);
        }
    }
}

static void take_out(ds_state *state, uint32_t id)
{
    const ds_state_head *head = ds_state_head_of(state, ds_state_record(state, id));
    ds_state_index_remove(&state->index, head->hash, id);
    ds_state_mark(state, id);
    if (state->head > 0)
        ds_state_unlink(state, id);
}

void ds_state_remove(ds_state *state, const uint32_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == DS_NEW_KEY)
            continue;
        take_out(state, ids[i]);
        drop_text(state, ids[i]);
        free_number(state, ids[i]);
    }
}

uint32_t ds_state_due(const ds_state *state, int64_t t_ms, uint32_t *ids, uint32_t most)
{
    uint32_t n = 0;
    if (state->head == 0)
        return 0;
    for (uint32_t id = state->oldest; id != DS_NO_ID && n < most;) {
        const ds_state_order *order = ds_state_order_of(state, id);
        if (order->seen_ms >= t_ms - state->spec->timeout_ms)
            break;
        ids[n++] = id;
        id = order->after;
    }
    return n;
}

int64_t ds_state_oldest_ms(const ds_state *state)
{
    bool any = state->head > 0 && state->oldest != DS_NO_ID;
    return any ? ds_state_order_of(state, state->oldest)->seen_ms : INT64_MAX;
}

void ds_state_end(ds_state *state, const uint32_t *ids, uint32_t n)
{
    DS_ASSERT(state->head > 0);
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == DS_NEW_KEY)
            continue;
        take_out(state, ids[i]);
        ds_state_order_of(state, ids[i])->before = ids[i];
        state->ended = append(state, state->ended, &state->n_ended, &state->ended_room, ids[i]);
    }
}

const uint32_t *ds_state_changed(const ds_state *state, uint32_t *n)
{
    *n = state->n_changed;
    return state->changed;
}

const uint32_t *ds_state_ended(const ds_state *state, uint32_t *n)
{
    *n = state->n_ended;
    return state->ended;
}

size_t ds_state_bytes(const ds_state *state)
{
    size_t bytes = sizeof *state + state->index.bytes + state->text.bytes +
                   state->segments_room * sizeof *state->segments +
                   2 * state->used_room * sizeof *state->used +
                   ((size_t)state->changed_room + state->ended_room) * sizeof(uint32_t);
    for (uint32_t s = 0; s < state->n_segments; s++)
        bytes += segment_bytes(state, s);
    return bytes;
}
