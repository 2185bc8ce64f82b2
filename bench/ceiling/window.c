/*
 * The ceiling for windows: ceiling-window count|sum|max PANES ROWS FILE...
 *
 * Lines are "key,value", values not negative; each ROWS of them are a pane. After each pane it
 * prints the 100 keys with the highest result over the last PANES panes as "key,result,pane" lines,
 * and to standard error the microseconds since the pane before.
 *
 * Keys are numbered as they come; what a pane has is added up by number. Of counts and sums panes
 * are added to what the window has, and subtracted when they leave it. For max each key has a queue
 * of what can still become its maximum: values that fall, with the links in the panes themselves.
 */
#define _GNU_SOURCE
#include "input.h"
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { BATCH = 1024, AHEAD = 24, TOP = 100 };

typedef struct item { /* what a pane has of a key */
    int64_t value;
    uint32_t key;               /* its number */
    struct item *older, *newer; /* in the key's queue; for max only */
} item;

typedef struct pane {
    item *items;
    uint32_t count, room;
} pane;

typedef struct key {
    uint64_t name;
    item *first, *last; /* of its queue; for max only */
    uint32_t panes;     /* of the window that have it */
} key;

typedef struct slot {
    uint64_t name;
    uint32_t number;   /* from 1 on; 0: free */
    uint32_t pane, at; /* the last pane that has it, from 1 on, and where there */
} slot;

typedef struct window {
    bool counts, is_max;
    uint32_t size, rows, left; /* panes, rows of a pane, rows that the current one still gets */
    uint32_t now;              /* the current pane, from 1 on */
    pane *panes;               /* a ring of size + 1: the current one is beside those it follows */
    slot *slots;
    key *keys;
    int64_t *results; /* by number; LEAST: none */
    uint32_t capacity, used;
    struct timespec began;
} window;

static const int64_t LEAST = INT64_MIN;

static void *checked(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static size_t place_of(const window *w, uint64_t name)
{
    return (size_t)((name * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (w->capacity - 1);
}

static slot *slot_of(const window *w, uint64_t name)
{
    size_t at = place_of(w, name);
    while (w->slots[at].number > 0 && w->slots[at].name != name)
        at = (at + 1) & (w->capacity - 1);
    return &w->slots[at];
}

static void make_room(window *w)
{
    slot *old = w->slots;
    uint32_t count = w->capacity;
    w->capacity = count == 0 ? 1 << 14 : count * 2;
    w->slots = checked(calloc(w->capacity, sizeof *w->slots));
    w->keys = checked(realloc(w->keys, (w->capacity / 2 + 1) * sizeof *w->keys));
    w->results = checked(realloc(w->results, (w->capacity / 2 + 1) * sizeof *w->results));
    for (uint32_t i = 0; i < count; i++)
        if (old[i].number > 0)
            *slot_of(w, old[i].name) = old[i];
    free(old);
}

static slot *known_slot_of(window *w, uint64_t name)
{
    slot *s = slot_of(w, name);
    if (s->number == 0) {
        *s = (slot){.name = name, .number = ++w->used};
        w->keys[w->used] = (key){.name = name};
        w->results[w->used] = LEAST;
    }
    return s;
}

static pane *pane_of(const window *w, uint32_t number)
{
    return &w->panes[number % (w->size + 1)];
}

static item *new_item(const window *w, pane *p, slot *s)
{
    if (p->count == p->room) {
        p->room = p->room == 0 ? 1024 : p->room * 2;
        p->items = checked(realloc(p->items, p->room * sizeof *p->items));
    }
    s->pane = w->now;
    s->at = p->count++;
    p->items[s->at] = (item){.key = s->number};
    return &p->items[s->at];
}

/* A row, into the current pane. */
static void add(window *w, pane *p, uint64_t name, int64_t value)
{
    slot *s = known_slot_of(w, name);
    item *i = s->pane == w->now ? &p->items[s->at] : new_item(w, p, s);
    if (w->is_max)
        i->value = value > i->value ? value : i->value;
    else
        i->value += value;
}

static void pane_comes(window *w, pane *p)
{
    for (item *i = p->items; i < p->items + p->count; i++) {
        key *k = &w->keys[i->key];
        if (w->is_max) {
            while (k->last != NULL && k->last->value <= i->value)
                k->last = k->last->older;
            i->older = k->last;
            *(k->last != NULL ? &k->last->newer : &k->first) = i;
            k->last = i;
            w->results[i->key] = k->first->value;
        } else {
            w->results[i->key] = (k->panes == 0 ? 0 : w->results[i->key]) + i->value;
        }
        k->panes++;
    }
}

static void pane_goes(window *w, pane *p)
{
    for (item *i = p->items; i < p->items + p->count; i++) {
        key *k = &w->keys[i->key];
        if (w->is_max && k->first == i) { /* if not, a later one pushed it out */
            k->first = i->newer;
            *(k->first != NULL ? &k->first->older : &k->last) = NULL;
            if (k->first != NULL)
                w->results[i->key] = k->first->value;
        } else if (!w->is_max) {
            w->results[i->key] -= i->value;
        }
        if (--k->panes == 0)
            w->results[i->key] = LEAST;
    }
    p->count = 0;
}

/* Whether the key a stands before b. */
static bool is_before(const window *w, uint32_t a, uint32_t b)
{
    if (w->results[a] != w->results[b])
        return w->results[a] > w->results[b];
    return w->keys[a].name < w->keys[b].name;
}

static int compare(const void *a, const void *b, void *context)
{
    return is_before(context, *(const uint32_t *)a, *(const uint32_t *)b) ? -1 : 1;
}

/* Of a heap with the last of its keys on top, which is replaced. */
static void replace_last(const window *w, uint32_t *heap, uint32_t count, uint32_t number)
{
    uint32_t at = 0;
    for (uint32_t below; (below = 2 * at + 1) < count; at = below) {
        if (below + 1 < count && is_before(w, heap[below], heap[below + 1]))
            below++;
        if (!is_before(w, number, heap[below]))
            break;
        heap[at] = heap[below];
    }
    heap[at] = number;
}

/* The first keys, in order; their number. */
static uint32_t first_keys(window *w, uint32_t *found)
{
    uint32_t count = 0, i = 1;
    for (; i <= w->used && count < TOP; i++)
        if (w->results[i] != LEAST)
            found[count++] = i;
    qsort_r(found, count, sizeof *found, compare, w);
    for (uint32_t k = 0; k < count / 2; k++) { /* the last first: a heap, too */
        uint32_t last = found[count - 1 - k];
        found[count - 1 - k] = found[k];
        found[k] = last;
    }
    for (; i <= w->used; i++)
        if (w->results[i] >= w->results[found[0]] && is_before(w, i, found[0]))
            replace_last(w, found, count, i);
    qsort_r(found, count, sizeof *found, compare, w);
    return count;
}

/* The end of what was written: the digits, and what stands behind them. */
static char *put(char *at, uint64_t value, char behind)
{
    char digits[24];
    int n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n > 0)
        *at++ = digits[--n];
    *at++ = behind;
    return at;
}

static void print_top(window *w)
{
    uint32_t found[TOP], count = first_keys(w, found);
    for (uint32_t i = 0; i < count; i++) {
        char line[96];
        char *end =
            put(put(line, w->keys[found[i]].name, ','), (uint64_t)w->results[found[i]], ',');
        end = put(end, w->now - 1, '\n');
        fwrite_unlocked(line, 1, (size_t)(end - line), stdout);
    }
    fflush(stdout);
}

static void print_time(window *w)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    fprintf(stderr, "%ld\n",
            (now.tv_sec - w->began.tv_sec) * 1000000L + (now.tv_nsec - w->began.tv_nsec) / 1000);
    w->began = now;
}

/* The current pane is whole. */
static void slide(window *w)
{
    pane_comes(w, pane_of(w, w->now));
    pane_goes(w, pane_of(w, w->now + 1)); /* the oldest, whose place the next one has */
    print_top(w);
    print_time(w);
    w->now++;
    w->left = w->rows;
}

static void add_all(window *w, const uint64_t *names, const int64_t *values, uint32_t n)
{
    pane *p = pane_of(w, w->now);
    while ((w->used + n) * 2 >= w->capacity)
        make_room(w);
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(&w->slots[place_of(w, names[i + AHEAD])]);
        add(w, p, names[i], values[i]);
    }
    w->left -= n;
    if (w->left == 0)
        slide(w);
}

static uint64_t number(const char **at)
{
    uint64_t value = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        value = value * 10 + (uint64_t)(**at - '0');
    return value;
}

static void take(const char *at, const char *end, void *context)
{
    window *w = context;
    uint64_t names[BATCH];
    int64_t values[BATCH];
    while (at < end) {
        uint32_t n = 0, most = w->left < BATCH ? w->left : BATCH;
        while (n < most && at < end) {
            names[n] = number(&at);
            at++;
            int64_t value = (int64_t)number(&at);
            values[n++] = w->counts ? 1 : value;
            at++;
        }
        add_all(w, names, values, n);
    }
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 64;
    window w = {.counts = strcmp(argv[1], "count") == 0,
                .is_max = strcmp(argv[1], "max") == 0,
                .size = (uint32_t)atoi(argv[2]),
                .rows = (uint32_t)atoi(argv[3]),
                .now = 1};
    w.panes = checked(calloc(w.size + 1, sizeof *w.panes));
    w.left = w.rows;
    clock_gettime(CLOCK_MONOTONIC, &w.began);
    int failed = for_each_piece(argv + 4, argc - 4, take, &w);
    if (w.left < w.rows)
        slide(&w);
    return failed;
}
