/* The ceiling for a status count over an access log: hits and bytes by status, no checks of the
 * other fields. Prints "status,count,bytes" lines. */
#include "table.h"

#include <fcntl.h>
#include <unistd.h>

#define PIECE ((size_t)4 << 20)

/* The status and the bytes follow the request's closing quote. */
static void take_line(table *t, const char *line, const char *end)
{
    const char *quote = memchr(line, '"', (size_t)(end - line));
    if (quote == NULL)
        return;
    do
        quote = memchr(quote + 1, '"', (size_t)(end - quote - 1));
    while (quote != NULL && quote[-1] == '\\');
    if (quote == NULL || end - quote < 6)
        return;
    const char *status = quote + 2, *p = status;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    entry *e = table_at(t, status, (size_t)(p - status));
    int64_t bytes = 0;
    for (p++; p < end && *p >= '0' && *p <= '9'; p++)
        bytes = bytes * 10 + (*p - '0');
    e->count++;
    e->sum += bytes;
}

int main(int argc, char **argv)
{
    int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    char *buffer = malloc(PIECE * 2);
    if (fd < 0 || buffer == NULL)
        return 1;
    table t = {0};
    size_t kept = 0;
    for (;;) {
        ssize_t n = read(fd, buffer + kept, PIECE);
        if (n < 0)
            return 1;
        const char *at = buffer, *end = buffer + kept + n, *stop;
        while ((stop = memchr(at, '\n', (size_t)(end - at))) != NULL) {
            take_line(&t, at, stop);
            at = stop + 1;
        }
        if (n == 0) {
            if (at < end)
                take_line(&t, at, end);
            break;
        }
        kept = (size_t)(end - at);
        memmove(buffer, at, kept);
    }
    for (size_t i = 0; i < t.capacity; i++)
        if (t.entries[i].key != NULL)
            printf("%.*s,%llu,%lld\n", (int)t.entries[i].length, t.entries[i].key,
                   (unsigned long long)t.entries[i].count, (long long)t.entries[i].sum);
    return 0;
}
