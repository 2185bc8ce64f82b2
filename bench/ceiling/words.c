/* The ceiling for a word count: ceiling-words FILE...: "word,count" lines. */
#define _GNU_SOURCE
#include "input.h"
#include "table.h"

static int is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void take(const char *at, const char *end, void *context)
{
    for (;;) {
        while (at < end && is_space((unsigned char)*at))
            at++;
        if (at == end)
            return;
        const char *from = at;
        while (!is_space((unsigned char)*at)) /* a piece ends with a line end */
            at++;
        table_at(context, from, (size_t)(at - from))->count++;
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
