/* The ceiling for the Yahoo Streaming Benchmark: ceiling-yahoo ADS FILE...:
 * "campaign,slot,count" lines. It looks for the three values in their places in the text and
 * checks nothing else. */
#define _GNU_SOURCE
#include "input.h"
#include "table.h"

typedef struct job {
    table ads; /* `sum` is the campaign's number */
    table counts;
    char campaigns[1024][40];
    table known; /* campaigns by name; `sum` is the number */
} job;

static void take_ad(job *j, const char *line, const char *end)
{
    const char *comma = memchr(line, ',', (size_t)(end - line));
    if (comma == NULL || end - comma > 40)
        abort();
    size_t length = (size_t)(end - comma - 1);
    entry *campaign = table_at(&j->known, comma + 1, length);
    if (campaign->count++ == 0) {
        campaign->sum = (int64_t)j->known.used - 1;
        if (campaign->sum >= 1024)
            abort();
        memcpy(j->campaigns[campaign->sum], comma + 1, length);
    }
    int64_t number = campaign->sum;
    table_at(&j->ads, line, (size_t)(comma - line))->sum = number + 1;
}

static void take_ads(const char *at, const char *end, void *context)
{
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        take_ad(context, at, stop);
        at = stop + 1;
    }
}

/* The text of a key's value, in quotes: where it is expected, or somewhere behind. */
static inline const char *value_of(const char *at, const char *end, const char *key, size_t length)
{
    if ((size_t)(end - at) > length && memcmp(at, key, length) == 0)
        return at + length;
    const char *found = memmem(at, (size_t)(end - at), key, length);
    return found == NULL ? NULL : found + length;
}
#define VALUE(at, end, key) value_of(at, end, "\"" key "\": \"", sizeof key + 4)
#define BEFORE_AD 103 /* bytes; ids have 36 */

/* What stands behind the value at a place, and the comma. */
static inline const char *next_key(const char *value, const char *end)
{
    const char *quote = memchr(value, '"', (size_t)(end - value));
    return quote == NULL || end - quote < 3 ? end : quote + 3;
}

static void take_event(job *j, const char *line, const char *end)
{
    const char *ad = end - line < BEFORE_AD ? NULL : VALUE(line + BEFORE_AD, end, "ad_id");
    const char *after = ad == NULL ? end : next_key(ad, end);
    const char *kind = VALUE(after, end, "ad_type");
    const char *type = kind == NULL ? NULL : VALUE(next_key(kind, end), end, "event_type");
    if (type == NULL || memcmp(type, "view\"", 5) != 0)
        return;
    const char *time = VALUE(type + 7, end, "event_time");
    if (time == NULL)
        return;
    entry *found = table_at(&j->ads, ad, (size_t)(after - 3 - ad));
    if (found->sum == 0)
        return;
    int64_t ms = 0;
    for (; *time >= '0' && *time <= '9'; time++)
        ms = ms * 10 + (*time - '0');
    int64_t key[2] = {found->sum - 1, ms / 10000};
    table_at(&j->counts, (const char *)key, sizeof key)->count++;
}

static void take(const char *at, const char *end, void *context)
{
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        take_event(context, at, stop);
        at = stop + 1;
    }
}

int main(int argc, char **argv)
{
    static job j;
    if (argc < 3 || for_each_piece(argv + 1, 1, take_ads, &j) != 0)
        return 1;
    int failed = for_each_piece(argv + 2, argc - 2, take, &j);
    for (size_t i = 0; i < j.counts.capacity; i++) {
        if (j.counts.entries[i].key == NULL)
            continue;
        int64_t key[2];
        memcpy(key, j.counts.entries[i].key, sizeof key);
        printf("%s,%lld,%llu\n", j.campaigns[key[0]], (long long)key[1],
               (unsigned long long)j.counts.entries[i].count);
    }
    return failed;
}
