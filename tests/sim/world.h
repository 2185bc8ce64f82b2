/*
 * A random app with random input, made from one seed, and what it must give: computed from the
 * raw rows by a plain loop, with nothing of the engine.
 *
 * There are three sources: `a` and `b` have rows of a key and a number, `l` has lines of
 * words. Rows are given batch by batch. The app has some streams out of a table of kinds,
 * each with random windows and limits.
 */
#ifndef DS_TESTS_SIM_WORLD_H
#define DS_TESTS_SIM_WORLD_H

#include "base/buffer.h"
#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

#define INTERVAL_MS 100
#define MOST_BATCHES 24u
#define MOST_STREAMS 3u
#define SOURCES 3u /* a, b, l */

typedef struct input_row {
    char key[8]; /* a word, for `l` */
    bool key_null, number_null;
    int64_t number;
    uint32_t line; /* of `l`: in its batch */
} input_row;

typedef struct input_batch {
    input_row *rows;
    uint32_t n, n_lines;
} input_batch;

typedef enum stream_kind {
    KIND_WORDS,    /* word count */
    KIND_GROUP,    /* all aggregates by key */
    KIND_TOTAL,    /* all aggregates of all rows */
    KIND_UNION,    /* the same by key, of both sources */
    KIND_DISTINCT, /* distinct rows */
    KIND_ORDER,    /* the first rows in an order */
    KIND_MAP,      /* where, select */
    KIND_ROWS,     /* a window of rows, or rows as they are */
    KIND_TOP,      /* counts by key, then the first of them */
    KIND_COUNTS,   /* how many keys have so many rows: two shuffles */
    KIND_CHAIN,    /* a window over the results of a window */
    KIND_JOIN,     /* rows of one source with the counts of the other by key */
    KIND_PAIRS,    /* counts by key of two windows, joined where they are */
    KIND_SPREAD,   /* rows that were spread evenly */
    KIND_STATE,    /* counts and sums from the beginning, or snapshots of them (state.h) */
    KINDS
} stream_kind;

typedef struct stream {
    stream_kind kind;
    char name[8];
    int64_t size_ms, slide_ms; /* size 0: no window; slide: of its result */
    /* CHAIN: the first window, PAIRS: that of a, STATE: that of its parent (0: none) */
    int64_t inner_ms, limit; /* limit: ORDER, TOP */
    /* STATE */
    int64_t timeout_ms, removed; /* 0: none; keys with a multiple of so many rows go */
    bool emit_all, snapshot, initial;
    bool ordered;     /* the order of the rows counts */
    bool append;      /* its sink is one growing file */
    uint32_t rotated; /* how often that was renamed */
} stream;

typedef struct world {
    uint64_t seed;
    uint32_t n_batches; /* with input */
    input_batch input[SOURCES][MOST_BATCHES];
    stream streams[MOST_STREAMS];
    uint32_t n_streams;
    uint32_t executors, cores, key_partitions;
    bool checkpoint;
    int64_t every_ms; /* what is kept is saved so often */
    char dir[200];    /* every stream has a sink there; "": none has a sink */
} world;

/* The rows of one time as text, one line for each. */
typedef struct text_rows {
    char **lines;
    uint32_t n;
} text_rows;

void text_rows_add(text_rows *rows, char *line); /* takes it over */
void text_rows_sort(text_rows *rows);
bool text_rows_equal(const text_rows *a, const text_rows *b);
void text_rows_free(text_rows *rows);

/* Makes a world from its seed, with or without windows and state; files: some of its sinks are to
 * be files that grow. Free with world_free. */
void world_make(world *w, uint64_t seed, bool windows, bool files, ds_random *random);
void world_free(world *w);

/* The app file, with its input. */
void world_app(const world *w, ds_buffer *out);

/* The rows of a stream at time t, when the first batch is that of zero_ms + INTERVAL_MS. In
 * the order in which they have to be, or sorted. */
text_rows world_expect(const world *w, const stream *s, int64_t zero_ms, int64_t t_ms);

/* When the app has given all that it owes for the stream, if it ends with its input. */
int64_t world_end_ms(const world *w, const stream *s, int64_t zero_ms);

#endif
