/*
 * Figures that are told outside: sums, histograms, and what is there now. All are counted since the
 * start of the driver.
 */
#ifndef DS_SCHEDULER_FIGURES_H
#define DS_SCHEDULER_FIGURES_H

#include "rpc/message.h"
#include <stdbool.h>
#include <stdint.h>

#define DS_HISTOGRAM_BOUNDS 15u

/* How many durations were not longer than each bound, one by one: a duration counts in the first
 * that it fits, and behind the last if in none. */
typedef struct ds_histogram {
    uint64_t counts[DS_HISTOGRAM_BOUNDS + 1];
    uint64_t n;
    int64_t sum_us, last_us;
} ds_histogram;

extern const int64_t ds_histogram_bounds_us[DS_HISTOGRAM_BOUNDS]; /* 1 ms to a minute */

/* Adds a duration; one below 0 counts as 0. */
void ds_histogram_add(ds_histogram *histogram, int64_t us);

/* What came from one source since the start. */
typedef struct ds_source_counts {
    const char *name;
    uint64_t rows, bytes;
    uint64_t bad[DS_BAD_REASON_SLOTS]; /* records, by reason (ds_bad_reason) */
    uint64_t bad_total;
    uint64_t replaced;  /* characters that became U+FFFD */
    uint64_t cut_short; /* records that a peer left unfinished */
    uint64_t rate;      /* records a second that it may give now; 0: no limit */
    /* tables: the newest version (0: there is none), and how often a look at the file failed */
    uint64_t table_version, table_failures;
    /* tail */
    bool follows;
    uint32_t files;        /* followed now */
    uint64_t bytes_behind; /* of them, found and not given to a batch yet */
    uint64_t begun_again;  /* files that were cut off or written anew */
    uint64_t lost_bytes;   /* that were gone before they were read */
} ds_source_counts;

/* What a sink was given. */
typedef struct ds_sink_counts {
    const char *name;
    uint64_t rows, bytes; /* in place */
    uint64_t failures;    /* commits that failed, of batches with rows for it */
} ds_sink_counts;

/* What tasks did for the stages that a stream (or source, or console) names. */
typedef struct ds_stream_counts {
    const char *name;
    uint64_t tasks;    /* that were done */
    uint64_t failures; /* attempts of tasks */
    uint64_t busy_us;
    uint64_t rows; /* that were brought together for it: partial results, where it aggregates */
} ds_stream_counts;

/* An executor that lives. */
typedef struct ds_executor_figures {
    uint32_t slot; /* a small number of its own as long as it lives; then another may have it */
    bool ready;
    uint32_t tasks, partitions, receivers; /* there now */
    uint64_t memory_bytes;                 /* used, but for the store */
    uint64_t store_bytes, store_limit_bytes, spill_limit_bytes;
} ds_executor_figures;

/* How the driver is. */
typedef struct ds_driver_health {
    bool running;       /* batches are made: it has started, and does not end */
    bool ran;           /* the first batch is done, or there was nothing to do in its time */
    uint32_t executors; /* ready */
    uint32_t batches;   /* waiting or under way */
    int64_t behind_ms;  /* since the time of the oldest batch that is due and not committed */
    bool behind;        /* so much that it is worth telling */
} ds_driver_health;

#endif
