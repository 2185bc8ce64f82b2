/* The ceiling for grep: ceiling-grep NEEDLE FILE...: how many lines have the needle. */
#define _GNU_SOURCE
#include "input.h"

typedef struct job {
    const char *needle;
    size_t length;
    unsigned long count;
} job;

static void take(const char *at, const char *end, void *context)
{
    job *j = context;
    while ((at = memmem(at, (size_t)(end - at), j->needle, j->length)) != NULL) {
        j->count++;
        at = memchr(at, '\n', (size_t)(end - at));
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 1;
    job j = {argv[1], strlen(argv[1]), 0};
    int failed = for_each_piece(argv + 2, argc - 2, take, &j);
    printf("all,%lu\n", j.count);
    return failed;
}
