/*
 * So many records a second: tokens for what a receiver reads.
 *
 * Tokens come in steadily and are kept for a twentieth of a second (one at least), so what is read
 * is smooth. A record costs one. How many records a read will bring is not known before, so it is
 * bounded by the bytes that the tokens would be at the usual length of a record, and what came
 * beyond them is owed: nothing is read until it is paid off. Over any longer time the rate holds
 * exactly.
 *
 * It reads no clock. Not thread-safe.
 */
#ifndef DS_RECEIVER_RATE_LIMIT_H
#define DS_RECEIVER_RATE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ds_rate_limit {
    uint64_t rate;       /* records a second; 0: no limit */
    double tokens;       /* records that may come now, as of at_us; less than 0: owed */
    int64_t at_us;       /* monotonic */
    double record_bytes; /* about the length of a record */
    bool learned;        /* from records that came */
    uint64_t bytes;      /* that came since the last whole record */
} ds_rate_limit;

/* A limit of `rate` records a second (0: none) with a record's token in hand. */
void ds_rate_limit_init(ds_rate_limit *limit, uint64_t rate, int64_t now_us);
/* Another rate from now on; what is owed stays owed. */
void ds_rate_limit_set(ds_rate_limit *limit, uint64_t rate, int64_t now_us);

/* True if something may be read now. */
bool ds_rate_limit_allows(ds_rate_limit *limit, int64_t now_us);
/* How many bytes to read at most, once it is allowed; at least 1. */
size_t ds_rate_limit_bytes(const ds_rate_limit *limit);
/* A read brought so many bytes, which made so many records whole. */
void ds_rate_limit_took(ds_rate_limit *limit, uint64_t records, uint64_t bytes);
/* When it is worth trying again after it was not allowed: so far ahead that there is a hundredth
 * of a second's tokens then. */
int64_t ds_rate_limit_when(const ds_rate_limit *limit);

#endif
