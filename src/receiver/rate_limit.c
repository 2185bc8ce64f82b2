#include "receiver/rate_limit.h"

#include "base/assert.h"

#include <math.h>

#define BURST_PART 20.0 /* of a second's tokens are kept */
#define RESUME_PART 100.0
#define FIRST_BYTES 8.0 /* of a record, before any came */
#define LEAST_READ 16.0
#define MOST_READ ((double)(1 << 30))

static double at_least_one(double tokens)
{
    return tokens > 1 ? tokens : 1;
}

void ds_rate_limit_init(ds_rate_limit *limit, uint64_t rate, int64_t now_us)
{
    *limit =
        (ds_rate_limit){.rate = rate, .tokens = 1, .at_us = now_us, .record_bytes = FIRST_BYTES};
}

/* Adds the tokens of the time that has passed. */
static void accrue(ds_rate_limit *limit, int64_t now_us)
{
    if (now_us <= limit->at_us)
        return;
    double most = at_least_one((double)limit->rate / BURST_PART);
    limit->tokens += (double)(now_us - limit->at_us) * (double)limit->rate / 1e6;
    if (limit->tokens > most)
        limit->tokens = most;
    limit->at_us = now_us;
}

void ds_rate_limit_set(ds_rate_limit *limit, uint64_t rate, int64_t now_us)
{
    accrue(limit, now_us);
    limit->rate = rate;
    limit->at_us = now_us;
}

bool ds_rate_limit_allows(ds_rate_limit *limit, int64_t now_us)
{
    if (limit->rate == 0)
        return true;
    accrue(limit, now_us);
    return limit->tokens >= 1;
}

size_t ds_rate_limit_bytes(const ds_rate_limit *limit)
{
    if (limit->rate == 0)
        return SIZE_MAX;
    double bytes = at_least_one(limit->tokens) * limit->record_bytes;
    bytes = bytes > LEAST_READ ? bytes : LEAST_READ;
    return (size_t)(bytes < MOST_READ ? bytes : MOST_READ);
}

void ds_rate_limit_took(ds_rate_limit *limit, uint64_t records, uint64_t bytes)
{
    limit->bytes += bytes;
    if (limit->rate == 0)
        limit->tokens = 1; /* nothing is owed from a time without a limit */
    else
        limit->tokens -= (double)records;
    if (records == 0) {
        if (!limit->learned && limit->record_bytes < (double)limit->bytes)
            limit->record_bytes = (double)limit->bytes * 2;
        return;
    }
    double length = (double)limit->bytes / (double)records;
    limit->record_bytes = limit->learned ? limit->record_bytes * 0.75 + length * 0.25 : length;
    limit->learned = true;
    limit->bytes = 0;
}

int64_t ds_rate_limit_when(const ds_rate_limit *limit)
{
    if (limit->rate == 0)
        return limit->at_us;
    double wanted = at_least_one((double)limit->rate / RESUME_PART);
    if (limit->tokens >= wanted)
        return limit->at_us;
    double wait_us = ceil((wanted - limit->tokens) / (double)limit->rate * 1e6);
    DS_ASSERT(wait_us > 0);
    return wait_us < 1e12 ? limit->at_us + (int64_t)wait_us : limit->at_us + INT64_C(1000000000000);
}
