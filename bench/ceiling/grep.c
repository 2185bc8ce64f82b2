/* The ceiling for grep: ceiling-grep NEEDLE FILE...: how many lines have the needle. */
#define _GNU_SOURCE
#include "input.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

#if defined(__x86_64__)
/* The same, 32 places at a time: where the first and the last byte of the needle are. The C
 * library's memmem has no vector code. Needles of 2 to LOOK_AHEAD / 2 bytes. */
__attribute__((target("avx2"))) static void take_avx2(const char *at, const char *end,
                                                      void *context)
{
    job *j = context;
    const size_t to_last = j->length - 1;
    const __m256i first = _mm256_set1_epi8(j->needle[0]);
    const __m256i last = _mm256_set1_epi8(j->needle[to_last]);
    while (at < end) {
        __m256i here = _mm256_loadu_si256((const void *)at);
        __m256i there = _mm256_loadu_si256((const void *)(at + to_last));
        __m256i both =
            _mm256_and_si256(_mm256_cmpeq_epi8(here, first), _mm256_cmpeq_epi8(there, last));
        unsigned places = (unsigned)_mm256_movemask_epi8(both);
        const char *next = at + 32;
        for (; places != 0; places &= places - 1) {
            const char *place = at + __builtin_ctz(places);
            if (place + j->length > end || memcmp(place, j->needle, j->length) != 0)
                continue;
            j->count++;
            next = memchr(place, '\n', (size_t)(end - place));
            break;
        }
        at = next;
    }
}
#endif

static void (*best(size_t length))(const char *, const char *, void *)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && length >= 2 && length <= LOOK_AHEAD / 2)
        return take_avx2;
#endif
    (void)length;
    return take;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 1;
    job j = {argv[1], strlen(argv[1]), 0};
    int failed = for_each_piece(argv + 2, argc - 2, best(j.length), &j);
    printf("all,%lu\n", j.count);
    return failed;
}
