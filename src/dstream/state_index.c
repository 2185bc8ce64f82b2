#include "dstream/state_index.h"

#include "base/assert.h"

#include <string.h>

#define FIRST_SLOTS 64u
#define MOST_SLOTS 4096u /* of a table that can still be split */
#define MOST_DEPTH 20u   /* the other 12 bits place a hash in its table */
#define BLOCK 256u       /* hashes that are looked up together */

/* ---- Tables ---- */

static ds_index_table *new_table(ds_state_index *index, uint32_t n_slots, uint32_t depth)
{
    ds_index_table *table = ds_budget_alloc(index->budget, sizeof *table);
    size_t bytes = n_slots * sizeof *table->slots;
    table->slots = ds_budget_alloc(index->budget, bytes);
    memset(table->slots, 0xff, bytes);
    table->mask = n_slots - 1;
    table->count = 0;
    table->depth = depth;
    index->bytes += sizeof *table + bytes;
    return table;
}

static void free_table(ds_state_index *index, ds_index_table *table)
{
    size_t bytes = ((size_t)table->mask + 1) * sizeof *table->slots;
    ds_budget_free(index->budget, table->slots, bytes);
    ds_budget_free(index->budget, table, sizeof *table);
    index->bytes -= sizeof *table + bytes;
}

static void put(ds_index_table *table, ds_index_slot slot)
{
    uint32_t at = slot.hash & table->mask;
    while (table->slots[at].id != DS_NO_ID)
        at = (at + 1) & table->mask;
    table->slots[at] = slot;
    table->count++;
}

static void put_all(ds_index_table *to, const ds_index_table *from)
{
    for (uint32_t i = 0; i <= from->mask; i++)
        if (from->slots[i].id != DS_NO_ID)
            put(to, from->slots[i]);
}

static void resize(ds_state_index *index, ds_index_table *table, uint32_t n_slots)
{
    ds_index_table *made = new_table(index, n_slots, table->depth);
    put_all(made, table);
    ds_index_table old = *table;
    *table = *made;
    *made = old;
    free_table(index, made);
}

/* ---- The directory ---- */

/* The places of a table in the directory are a run that begins at a multiple of its length. */
static void set_run(ds_state_index *index, uint32_t hash, uint32_t depth, ds_index_table *table)
{
    uint32_t length = (uint32_t)1 << (index->depth - depth);
    uint32_t at = index->depth == 0 ? 0 : hash >> (32 - index->depth);
    at &= ~(length - 1);
    for (uint32_t i = 0; i < length; i++)
        index->directory[at + i] = table;
}

static size_t directory_bytes(uint32_t depth)
{
    return ((size_t)1 << depth) * sizeof(ds_index_table *);
}

static ds_index_table **new_directory(ds_state_index *index, uint32_t depth)
{
    index->bytes += directory_bytes(depth);
    return ds_budget_alloc(index->budget, directory_bytes(depth));
}

static void free_directory(ds_state_index *index)
{
    index->bytes -= directory_bytes(index->depth);
    ds_budget_free(index->budget, index->directory, directory_bytes(index->depth));
}

static void double_directory(ds_state_index *index)
{
    size_t n = (size_t)1 << index->depth;
    ds_index_table **directory = new_directory(index, index->depth + 1);
    for (size_t i = 0; i < n; i++)
        directory[2 * i] = directory[2 * i + 1] = index->directory[i];
    free_directory(index);
    index->directory = directory;
    index->depth++;
    index->n_deepest = 0;
}

static void halve_directory(ds_state_index *index)
{
    uint32_t depth = index->depth - 1;
    size_t n = (size_t)1 << depth;
    ds_index_table **directory = new_directory(index, depth);
    for (size_t i = 0; i < n; i++)
        directory[i] = index->directory[2 * i];
    free_directory(index);
    index->directory = directory;
    index->depth = depth;
    index->n_deepest = 0;
    for (size_t i = 0; i < n; i++)
        index->n_deepest += directory[i]->depth == depth;
}

/* ---- Growing ---- */

static void split(ds_state_index *index, uint32_t hash, ds_index_table *table)
{
    uint32_t depth = table->depth + 1, bit = (uint32_t)1 << (32 - depth);
    if (table->depth == index->depth)
        double_directory(index);
    ds_index_table *low = new_table(index, MOST_SLOTS, depth);
    ds_index_table *high = new_table(index, MOST_SLOTS, depth);
    for (uint32_t i = 0; i <= table->mask; i++)
        if (table->slots[i].id != DS_NO_ID)
            put(table->slots[i].hash & bit ? high : low, table->slots[i]);
    set_run(index, hash & ~bit, depth, low);
    set_run(index, hash | bit, depth, high);
    index->n_deepest += depth == index->depth ? 2 : 0;
    free_table(index, table);
}

static bool is_full(const ds_index_table *table)
{
    return table->count >= table->mask / 4 * 3;
}

void ds_state_index_add(ds_state_index *index, uint32_t hash, uint32_t id)
{
    ds_index_table *table = ds_index_table_of(index, hash);
    while (is_full(table)) {
        /* Hashes that have all bits of the directory in common cannot be split. */
        if (table->mask + 1 < MOST_SLOTS || table->depth == MOST_DEPTH) {
            DS_ASSERT(table->mask < UINT32_MAX / 2);
            resize(index, table, (table->mask + 1) * 2);
        } else {
            split(index, hash, table);
        }
        table = ds_index_table_of(index, hash);
    }
    put(table, (ds_index_slot){hash, id});
}

/* ---- Shrinking ---- */

/* Joins a table that is nearly empty with its other half, if that was not split further. */
static bool join(ds_state_index *index, uint32_t hash, ds_index_table *table)
{
    uint32_t bit = (uint32_t)1 << (32 - table->depth);
    ds_index_table *other = ds_index_table_of(index, hash ^ bit);
    if (other->depth != table->depth || other->count + table->count > MOST_SLOTS * 3 / 8)
        return false;
    ds_index_table *made = new_table(index, MOST_SLOTS, table->depth - 1);
    put_all(made, table);
    put_all(made, other);
    index->n_deepest -= table->depth == index->depth ? 2 : 0;
    set_run(index, hash, made->depth, made);
    free_table(index, table);
    free_table(index, other);
    while (index->depth > 0 && index->n_deepest == 0)
        halve_directory(index);
    return true;
}

static void shrink(ds_state_index *index, uint32_t hash, ds_index_table *table)
{
    uint32_t n_slots = table->mask + 1;
    if (n_slots <= FIRST_SLOTS || table->count >= n_slots / 8)
        return;
    if (table->depth == 0 || n_slots > MOST_SLOTS)
        resize(index, table, n_slots / 2);
    else
        join(index, hash, table);
}

static uint32_t find(const ds_index_table *table, uint32_t hash, uint32_t id)
{
    uint32_t at = hash & table->mask;
    while (table->slots[at].id != id) {
        DS_ASSERT(table->slots[at].id != DS_NO_ID);
        at = (at + 1) & table->mask;
    }
    return at;
}

/* Closes the gap that a pair leaves: later ones of the run move up. */
static void take_out(ds_index_table *table, uint32_t at)
{
    ds_index_slot *slots = table->slots;
    uint32_t mask = table->mask;
    for (uint32_t next = (at + 1) & mask; slots[next].id != DS_NO_ID; next = (next + 1) & mask) {
        uint32_t home = slots[next].hash & mask;
        if (((next - home) & mask) >= ((next - at) & mask)) {
            slots[at] = slots[next];
            at = next;
        }
    }
    slots[at] = (ds_index_slot){0, DS_NO_ID};
    table->count--;
}

void ds_state_index_remove(ds_state_index *index, uint32_t hash, uint32_t id)
{
    ds_index_table *table = ds_index_table_of(index, hash);
    take_out(table, find(table, hash, id));
    shrink(index, hash, table);
}

void ds_state_index_renumber(ds_state_index *index, uint32_t hash, uint32_t from, uint32_t to)
{
    const ds_index_table *table = ds_index_table_of(index, hash);
    table->slots[find(table, hash, from)].id = to;
}

/* ---- Looking up ---- */

/* Where the search for the hashes of a block stands. */
typedef struct search {
    const ds_index_table *tables[BLOCK];
    uint32_t places[BLOCK];
    uint32_t others[BLOCK], n_others; /* those that go on: they found another hash */
} search;

static inline uint32_t passes(ds_index_slot at, uint32_t hash)
{
    return (uint32_t)(at.hash != hash) & (uint32_t)(at.id != DS_NO_ID);
}

/* Looks at the first slot of each; all of them are fetched at once. */
static void find_first(const ds_state_index *index, const uint64_t *hashes, uint32_t n,
                       uint32_t *restrict ids, search *restrict s)
{
    uint32_t n_others = 0;
    for (uint32_t i = 0; i < n; i++) {
        s->tables[i] = ds_index_table_of(index, (uint32_t)hashes[i]);
        s->places[i] = (uint32_t)hashes[i] & s->tables[i]->mask;
        __builtin_prefetch(&s->tables[i]->slots[s->places[i]]);
    }
    for (uint32_t i = 0; i < n; i++) {
        const ds_index_slot at = s->tables[i]->slots[s->places[i]];
        ids[i] = at.id;
        s->others[n_others] = i;
        n_others += passes(at, (uint32_t)hashes[i]);
    }
    s->n_others = n_others;
}

/* Looks at the next slot of those that go on. */
static void find_next(const uint64_t *hashes, uint32_t *restrict ids, search *restrict s)
{
    uint32_t n = s->n_others, n_others = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t which = s->others[i];
        const ds_index_table *table = s->tables[which];
        uint32_t place = (s->places[which] + 1) & table->mask;
        const ds_index_slot at = table->slots[place];
        ids[which] = at.id;
        s->places[which] = place;
        s->others[n_others] = which;
        n_others += passes(at, (uint32_t)hashes[which]);
    }
    s->n_others = n_others;
}

/* How far a search goes cannot be foreseen: so all go one slot further together, and those that go
 * on are put together without a branch. */
void ds_state_index_find(const ds_state_index *index, const uint64_t *hashes, uint32_t n,
                         uint32_t *ids)
{
    search s;
    for (uint32_t from = 0; from < n; from += BLOCK) {
        uint32_t some = n - from < BLOCK ? n - from : BLOCK;
        find_first(index, hashes + from, some, ids + from, &s);
        while (s.n_others > 0)
            find_next(hashes + from, ids + from, &s);
    }
}

/* ---- Making ---- */

void ds_state_index_init(ds_state_index *index, ds_budget *budget)
{
    *index = (ds_state_index){.budget = budget, .n_deepest = 1};
    index->directory = new_directory(index, 0);
    index->directory[0] = new_table(index, FIRST_SLOTS, 0);
}

void ds_state_index_fini(ds_state_index *index)
{
    size_t n = (size_t)1 << index->depth;
    for (size_t i = 0; i < n;) {
        ds_index_table *table = index->directory[i];
        i += (size_t)1 << (index->depth - table->depth);
        free_table(index, table);
    }
    free_directory(index);
    DS_ASSERT(index->bytes == 0);
}
