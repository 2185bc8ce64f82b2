/* The ceiling for bids: ceiling-csv FILE...: "auction,count,sum,max" lines from the first and
 * the third field. Groups are 32 MB, beyond the cache: so bids are taken some at a time, and their
 * groups are fetched ahead. */
#define _GNU_SOURCE
#include "input.h"
#include <stdint.h>

typedef struct group {
    uint64_t key, count, sum, most; /* count 0: a free place */
} group;

enum { BATCH = 1024, AHEAD = 24 };

typedef struct bids {
    uint64_t auction[BATCH], price[BATCH];
    size_t n;
} bids;

typedef struct groups {
    group *at;
    size_t capacity, used;
} groups;

static size_t slot_of(const groups *g, uint64_t key)
{
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (g->capacity - 1);
}

static group *place_of(groups *g, uint64_t key)
{
    size_t at = slot_of(g, key);
    while (g->at[at].count > 0 && g->at[at].key != key)
        at = (at + 1) & (g->capacity - 1);
    return &g->at[at];
}

static void grow(groups *g)
{
    groups larger = {.capacity = g->capacity == 0 ? 1 << 14 : g->capacity * 2, .used = g->used};
    larger.at = calloc(larger.capacity, sizeof(group));
    if (larger.at == NULL)
        abort();
    for (size_t i = 0; i < g->capacity; i++)
        if (g->at[i].count > 0)
            *place_of(&larger, g->at[i].key) = g->at[i];
    free(g->at);
    *g = larger;
}

static void add(groups *g, uint64_t key, uint64_t price)
{
    group *found = place_of(g, key);
    if (found->count++ == 0) {
        found->key = key;
        g->used++;
    }
    found->sum += price;
    if (price > found->most)
        found->most = price;
}

static uint64_t number(const char **at)
{
    uint64_t value = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        value = value * 10 + (uint64_t)(**at - '0');
    return value;
}

static void add_all(groups *g, bids *b)
{
    while ((g->used + b->n) * 2 >= g->capacity)
        grow(g);
    for (size_t i = 0; i < b->n; i++) {
        if (i + AHEAD < b->n)
            __builtin_prefetch(&g->at[slot_of(g, b->auction[i + AHEAD])], 1);
        add(g, b->auction[i], b->price[i]);
    }
    b->n = 0;
}

static void take(const char *at, const char *end, void *context)
{
    bids some = {.n = 0};
    while (at < end) {
        some.auction[some.n] = number(&at);
        at = memchr(at + 1, ',', (size_t)(end - at - 1));
        if (at == NULL)
            break;
        at++;
        some.price[some.n++] = number(&at);
        if (some.n == BATCH)
            add_all(context, &some);
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
    }
    add_all(context, &some);
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

static void write_group(const group *g)
{
    char line[96];
    char *end = put(put(line, g->key, ','), g->count, ',');
    end = put(put(end, g->sum, ','), g->most, '\n');
    fwrite_unlocked(line, 1, (size_t)(end - line), stdout);
}

int main(int argc, char **argv)
{
    groups g = {0};
    int failed = for_each_piece(argv + 1, argc - 1, take, &g);
    for (size_t i = 0; i < g.capacity; i++)
        if (g.at[i].count > 0)
            write_group(&g.at[i]);
    return failed;
}
