/*
 * The ceiling for a word count: ceiling-words FILE...: "word,count" lines.
 *
 * Words end with a byte up to ' '. Those of up to 16 bytes, nearly all, are kept as two numbers:
 * where a word ends is found in eight bytes at a time, what is behind it is cut off, and words
 * are compared as numbers. Longer ones go to the table of byte strings.
 */
#define _GNU_SOURCE
#include "input.h"
#include "table.h"

typedef struct place {
    uint64_t low, high, count; /* count 0: free */
} place;

typedef struct job {
    place *places;
    size_t capacity, used;
    table longer;
} job;

#define ONES UINT64_C(0x0101010101010101)

/* How many of eight bytes, from the lowest, are above ' '; 8: all. Exact up to the first. */
static inline unsigned until_space(uint64_t bytes)
{
    uint64_t found = (bytes - 0x21 * ONES) & ~bytes & 0x80 * ONES;
    return found == 0 ? 8 : (unsigned)__builtin_ctzll(found) / 8;
}

static inline uint64_t first_bytes(uint64_t bytes, unsigned count)
{
    return count == 8 ? bytes : bytes & ((UINT64_C(1) << 8 * count) - 1);
}

static inline place *place_of(job *j, uint64_t low, uint64_t high)
{
    uint64_t hash = (low ^ high * UINT64_C(0xC2B2AE3D27D4EB4F)) * UINT64_C(0x9E3779B97F4A7C15);
    size_t at = (size_t)(hash >> 32) & (j->capacity - 1);
    while (j->places[at].count > 0 && (j->places[at].low != low || j->places[at].high != high))
        at = (at + 1) & (j->capacity - 1);
    return &j->places[at];
}

static void grow(job *j)
{
    job larger = {.capacity = j->capacity == 0 ? 1 << 14 : j->capacity * 2};
    larger.places = calloc(larger.capacity, sizeof(place));
    if (larger.places == NULL)
        abort();
    for (size_t i = 0; i < j->capacity; i++)
        if (j->places[i].count > 0)
            *place_of(&larger, j->places[i].low, j->places[i].high) = j->places[i];
    free(j->places);
    j->places = larger.places;
    j->capacity = larger.capacity;
}

static inline void add(job *j, uint64_t low, uint64_t high)
{
    if (j->used * 2 >= j->capacity)
        grow(j);
    place *p = place_of(j, low, high);
    if (p->count++ == 0) {
        p->low = low;
        p->high = high;
        j->used++;
    }
}

/* A piece ends with a line end, and can be read for 16 bytes behind it. */
static void take(const char *at, const char *end, void *context)
{
    job *j = context;
    while (at < end) {
        uint64_t low, high = 0;
        memcpy(&low, at, 8);
        unsigned length = until_space(low);
        low = first_bytes(low, length);
        if (length == 8) {
            memcpy(&high, at + 8, 8);
            unsigned more = until_space(high);
            high = first_bytes(high, more);
            length += more;
        }
        if (length == 16) {
            while ((unsigned char)at[length] > ' ')
                length++;
        }
        if (length > 16)
            table_at(&j->longer, at, length)->count++;
        else if (length > 0)
            add(j, low, high);
        at += length + 1;
    }
}

int main(int argc, char **argv)
{
    job j = {0};
    int failed = for_each_piece(argv + 1, argc - 1, take, &j);
    for (size_t i = 0; i < j.capacity; i++) {
        char word[17] = {0};
        memcpy(word, &j.places[i].low, 8);
        memcpy(word + 8, &j.places[i].high, 8);
        if (j.places[i].count > 0)
            printf("%s,%llu\n", word, (unsigned long long)j.places[i].count);
    }
    for (size_t i = 0; i < j.longer.capacity; i++)
        if (j.longer.entries[i].key != NULL)
            printf("%.*s,%llu\n", (int)j.longer.entries[i].length, j.longer.entries[i].key,
                   (unsigned long long)j.longer.entries[i].count);
    return failed;
}
