/*
 * A plain open-addressing table from byte strings to two sums, for the ceiling programs: what
 * a careful C programmer writes for the job and nothing more.
 */
#ifndef DS_BENCH_TABLE_H
#define DS_BENCH_TABLE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    const char *key; /* in the text pool */
    uint32_t length, hash;
    uint64_t count;
    int64_t sum;
} entry;

typedef struct table {
    entry *entries;
    size_t capacity, used; /* capacity: a power of two */
} table;

static inline uint32_t table_hash(const char *key, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, key, 8);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
        key += 8;
        length -= 8;
    }
    uint64_t word = 0;
    memcpy(&word, key, length);
    hash = (hash ^ word ^ (uint64_t)length << 56) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(hash >> 32);
}

static inline void table_grow(table *t)
{
    size_t capacity = t->capacity == 0 ? 1 << 14 : t->capacity * 2;
    entry *entries = calloc(capacity, sizeof *entries);
    if (entries == NULL)
        abort();
    for (size_t i = 0; i < t->capacity; i++) {
        if (t->entries[i].key == NULL)
            continue;
        size_t at = t->entries[i].hash & (capacity - 1);
        while (entries[at].key != NULL)
            at = (at + 1) & (capacity - 1);
        entries[at] = t->entries[i];
    }
    free(t->entries);
    t->entries = entries;
    t->capacity = capacity;
}

/* The entry of a key; a new one copies it. */
static inline entry *table_at(table *t, const char *key, size_t length)
{
    if (t->used * 2 >= t->capacity)
        table_grow(t);
    uint32_t hash = table_hash(key, length);
    size_t at = hash & (t->capacity - 1);
    for (;; at = (at + 1) & (t->capacity - 1)) {
        entry *e = &t->entries[at];
        if (e->key == NULL) {
            char *copy = malloc(length + 1);
            if (copy == NULL)
                abort();
            memcpy(copy, key, length);
            *e = (entry){.key = copy, .length = (uint32_t)length, .hash = hash};
            t->used++;
            return e;
        }
        if (e->hash == hash && e->length == length && memcmp(e->key, key, length) == 0)
            return e;
    }
}

#endif
