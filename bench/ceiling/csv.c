/* The ceiling for bids: ceiling-csv FILE...: "auction,count,sum,max" lines from the first and
 * the third field. */
#define _GNU_SOURCE
#include "input.h"
#include <stdint.h>

typedef struct group {
    uint64_t key, count, sum, most; /* count 0: a free place */
} group;

typedef struct groups {
    group *at;
    size_t capacity, used;
} groups;

static group *place_of(groups *g, uint64_t key)
{
    size_t at = (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (g->capacity - 1);
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
    if (g->used * 2 >= g->capacity)
        grow(g);
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

static void take(const char *at, const char *end, void *context)
{
    while (at < end) {
        uint64_t auction = number(&at);
        at = memchr(at + 1, ',', (size_t)(end - at - 1));
        if (at == NULL)
            return;
        at++;
        add(context, auction, number(&at));
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
    }
}

int main(int argc, char **argv)
{
    groups g = {0};
    int failed = for_each_piece(argv + 1, argc - 1, take, &g);
    for (size_t i = 0; i < g.capacity; i++)
        if (g.at[i].count > 0)
            printf("%llu,%llu,%llu,%llu\n", (unsigned long long)g.at[i].key,
                   (unsigned long long)g.at[i].count, (unsigned long long)g.at[i].sum,
                   (unsigned long long)g.at[i].most);
    return failed;
}
