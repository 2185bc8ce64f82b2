/* The ceiling for a word count: reads a file, counts words, prints "count,word" lines. */
#include "table.h"

#include <fcntl.h>
#include <unistd.h>

#define PIECE ((size_t)4 << 20)

static int is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int main(int argc, char **argv)
{
    int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    char *buffer = malloc(PIECE * 2);
    if (fd < 0 || buffer == NULL)
        return 1;
    table words = {0};
    size_t kept = 0;
    for (;;) {
        ssize_t n = read(fd, buffer + kept, PIECE);
        if (n < 0)
            return 1;
        size_t end = kept + (size_t)n, at = 0;
        for (;;) {
            while (at < end && is_space((unsigned char)buffer[at]))
                at++;
            size_t from = at;
            while (at < end && !is_space((unsigned char)buffer[at]))
                at++;
            if (at == end && n > 0) { /* may go on in the next piece */
                kept = end - from;
                memmove(buffer, buffer + from, kept);
                break;
            }
            if (at > from)
                table_at(&words, buffer + from, at - from)->count++;
            if (at == end)
                break;
        }
        if (n == 0)
            break;
    }
    for (size_t i = 0; i < words.capacity; i++)
        if (words.entries[i].key != NULL)
            printf("%llu,%.*s\n", (unsigned long long)words.entries[i].count,
                   (int)words.entries[i].length, words.entries[i].key);
    return 0;
}
