/*
 * The same plan twice, side by side: once with all memory that it may want, and once with so little
 * that it spills, works in passes and hands out early. Both have to give the same rows.
 *
 *     twins t;
 *     twins_open(&t, "'in': { ... }", "'a': { ... }", "a", 256 << 10);
 *     twins_feed(&t, "in", text);
 *     twins_batch(&t);       compares all tested streams, as multisets
 *     twins_close(&t);
 *
 * Streams whose names begin with "o_" are compared in order.
 */
#ifndef DS_TESTS_TWINS_H
#define DS_TESTS_TWINS_H

#include "base/random.h"
#include "unit/engine.h"

typedef struct twins {
    engine roomy, tight;
    uint64_t spilled_bytes; /* by the second, over all batches */
} twins;

static inline void twins_open(twins *t, const char *sources, const char *streams,
                              const char *tested, size_t share_bytes)
{
    *t = (twins){.spilled_bytes = 0};
    engine_open(&t->roomy, sources, streams, tested);
    engine_open(&t->tight, sources, streams, tested);
    engine_tighten(&t->tight, share_bytes, share_bytes);
}

static inline void twins_close(twins *t)
{
    engine_close(&t->roomy);
    engine_close(&t->tight);
}

static inline void twins_feed(twins *t, const char *source, const char *records)
{
    engine_feed(&t->roomy, source, records);
    engine_feed(&t->tight, source, records);
}

static inline int twins_by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The rows of a stream as lines of JSON; the lines belong to text. */
static inline size_t twins_lines(engine *e, const char *stream, ds_buffer *text, char ***lines)
{
    ds_heap heap;
    uint32_t n_chunks;
    size_t n = 0, room = 16;
    ds_heap_init(&heap, e->batch->arena);
    ds_chunk *chunks = engine_chunks(e, stream, &heap, &n_chunks);
    for (uint32_t i = 0; i < n_chunks; i++)
        ds_rows_write(text, DS_ROWS_JSON, ds_plan_find(e->plan, stream)->schema, &heap, &chunks[i]);
    ds_heap_fini(&heap);
    ds_buffer_text(text);
    *lines = ds_alloc(room * sizeof **lines);
    for (char *line = text->length == 0 ? NULL : strtok(text->data, "\n"); line != NULL;
         line = strtok(NULL, "\n")) {
        if (n == room)
            *lines = ds_realloc(*lines, room *= 2, sizeof **lines);
        (*lines)[n++] = line;
    }
    if (strncmp(stream, "o_", 2) != 0)
        qsort(*lines, n, sizeof **lines, twins_by_text);
    return n;
}

static inline void twins_compare(twins *t, const char *stream)
{
    ds_buffer text[2] = {{0}, {0}};
    char **lines[2];
    size_t n[2] = {twins_lines(&t->roomy, stream, &text[0], &lines[0]),
                   twins_lines(&t->tight, stream, &text[1], &lines[1])};
    ck_assert_msg(n[0] == n[1], "%s at %d ms: %d rows, not %d", stream, (int)t->roomy.time_ms,
                  (int)n[1], (int)n[0]);
    for (size_t i = 0; i < n[0]; i++)
        ck_assert_msg(strcmp(lines[0][i], lines[1][i]) == 0, "%s at %d ms, row %d: %s, not %s",
                      stream, (int)t->roomy.time_ms, (int)i, lines[1][i], lines[0][i]);
    for (int i = 0; i < 2; i++) {
        free(lines[i]);
        ds_buffer_fini(&text[i]);
    }
}

static inline void twins_batch(twins *t)
{
    engine_batch(&t->roomy);
    engine_batch(&t->tight);
    t->spilled_bytes += t->tight.sum.spilled_bytes;
    for (uint32_t i = 0; i < t->roomy.plan->n_sinks; i++)
        twins_compare(t, t->roomy.plan->sinks[i]->name);
}

/* n records "key,number,word", of at most so many keys; one key has half of all. */
static inline char *twins_records(ds_random *random, uint32_t n, uint32_t n_keys)
{
    ds_buffer text = {0};
    for (uint32_t i = 0; i < n; i++) {
        uint64_t key = ds_random_below(random, 2) == 0 ? 7 : ds_random_below(random, n_keys);
        ds_buffer_printf(&text, "%s%d,%d,%s%d\n", key % 3 == 0 ? "a rather long key " : "k",
                         (int)key, (int)ds_random_below(random, 1000) - 500,
                         key % 5 == 0 ? "words that are too long to be inline " : "",
                         (int)ds_random_below(random, 300));
    }
    ds_buffer_text(&text);
    return text.data;
}

#endif
