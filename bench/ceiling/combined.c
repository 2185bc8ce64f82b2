/* The ceiling for an access log: ceiling-combined FILE...: "status,path,count" lines; no checks
 * of other fields. */
#define _GNU_SOURCE
#include "input.h"
#include "table.h"

/* The path is the request's second word; the status follows the request's closing quote. */
static void take_line(table *t, const char *line, const char *end)
{
    const char *quote = memchr(line, '"', (size_t)(end - line));
    const char *path = quote == NULL ? NULL : memchr(quote, ' ', (size_t)(end - quote));
    const char *stop = path == NULL ? NULL : memchr(++path, ' ', (size_t)(end - path));
    quote = stop == NULL ? NULL : memchr(stop, '"', (size_t)(end - stop));
    if (quote == NULL || end - quote < 6)
        return;
    char key[4096];
    size_t length = (size_t)(stop - path);
    if (length > sizeof key - 4)
        return;
    memcpy(key, quote + 2, 3);
    key[3] = ',';
    memcpy(key + 4, path, length);
    table_at(t, key, length + 4)->count++;
}

static void take(const char *at, const char *end, void *context)
{
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        take_line(context, at, stop);
        at = stop + 1;
    }
}

int main(int argc, char **argv)
{
    table t = {0};
    int failed = for_each_piece(argv + 1, argc - 1, take, &t);
    for (size_t i = 0; i < t.capacity; i++)
        if (t.entries[i].key != NULL)
            printf("%.*s,%llu\n", (int)t.entries[i].length, t.entries[i].key,
                   (unsigned long long)t.entries[i].count);
    return failed;
}
