#include "rpc/strangers.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define TELL_US (10 * SECOND_US)
#define FULL_US (SECOND_US / 8) /* the most that is in the bucket */

void ds_crowd_init(ds_crowd *crowd, const ds_link_limits *limits, int64_t now_us)
{
    *crowd = (ds_crowd){.most = limits->pending,
                        .most_each = limits->pending_each,
                        .rate = limits->strangers,
                        .bucket_us = FULL_US,
                        .filled_us = now_us,
                        .tell_us = now_us};
    if (crowd->most_each == 0)
        crowd->most_each = crowd->most;
}

static bool same_origin(const ds_origin *a, const ds_origin *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* The oldest of an origin, and how many there are of it. */
static ds_stranger *oldest_of(const ds_crowd *crowd, const ds_origin *origin, unsigned *n)
{
    ds_stranger *oldest = NULL;
    *n = 0;
    for (ds_stranger *s = crowd->first; s != NULL; s = s->next) {
        if (!same_origin(&s->origin, origin))
            continue;
        if (oldest == NULL)
            oldest = s;
        (*n)++;
    }
    return oldest;
}

ds_stranger *ds_crowd_victim(const ds_crowd *crowd, const ds_origin *origin)
{
    unsigned n, most = 0;
    ds_stranger *oldest = oldest_of(crowd, origin, &n);
    if (n > 0 && n >= crowd->most_each)
        return oldest;
    if (crowd->n < crowd->most)
        return NULL;
    for (ds_stranger *s = crowd->first; s != NULL; s = s->next) {
        ds_stranger *of_it = oldest_of(crowd, &s->origin, &n);
        if (n > most) {
            most = n;
            oldest = of_it;
        }
    }
    return oldest;
}

void ds_crowd_add(ds_crowd *crowd, ds_stranger *stranger, const ds_origin *origin)
{
    *stranger = (ds_stranger){.previous = crowd->last, .origin = *origin};
    if (crowd->last != NULL)
        crowd->last->next = stranger;
    else
        crowd->first = stranger;
    crowd->last = stranger;
    crowd->n++;
}

void ds_crowd_remove(ds_crowd *crowd, ds_stranger *stranger)
{
    DS_ASSERT(crowd->n > 0);
    if (stranger->previous != NULL)
        stranger->previous->next = stranger->next;
    else
        crowd->first = stranger->next;
    if (stranger->next != NULL)
        stranger->next->previous = stranger->previous;
    else
        crowd->last = stranger->previous;
    crowd->n--;
}

/* ---- the bucket ---- */

static void fill(ds_crowd *crowd, int64_t now_us)
{
    crowd->bucket_us += now_us - crowd->filled_us;
    if (crowd->bucket_us > FULL_US)
        crowd->bucket_us = FULL_US;
    crowd->filled_us = now_us;
}

void ds_crowd_count(ds_crowd *crowd, ds_stranger_end end, int64_t now_us)
{
    DS_ASSERT(end < DS_STRANGER_ENDS);
    crowd->ends[end]++;
    if (crowd->rate == 0)
        return;
    fill(crowd, now_us);
    crowd->bucket_us -= SECOND_US / crowd->rate;
    if (crowd->bucket_us < -SECOND_US)
        crowd->bucket_us = -SECOND_US; /* never shut for longer than that */
}

int64_t ds_crowd_open_us(ds_crowd *crowd, int64_t now_us)
{
    fill(crowd, now_us);
    return crowd->bucket_us >= 0 ? now_us : now_us - crowd->bucket_us;
}

/* ---- for people ---- */

bool ds_crowd_tell(ds_crowd *crowd, int64_t now_us, char *text, size_t size)
{
    static const char *const words[DS_STRANGER_ENDS] = {
        [DS_STRANGER_GONE] = "went away",
        [DS_STRANGER_SILENT] = "were too slow",
        [DS_STRANGER_GARBAGE] = "said something else",
        [DS_STRANGER_WRONG] = "hold another secret or none",
        [DS_STRANGER_VERSION] = "are of another version",
        [DS_STRANGER_CROWDED] = "were too many at once",
        [DS_STRANGER_FOREIGN] = "are not of our user",
    };
    size_t at = 0;
    if (now_us < crowd->tell_us)
        return false;
    for (unsigned i = DS_STRANGER_GONE + 1; i < DS_STRANGER_ENDS; i++) {
        uint64_t n = crowd->ends[i] - crowd->told[i];
        if (n > 0 && at < size)
            at += (size_t)snprintf(text + at, size - at, "%s%" PRIu64 " %s", at > 0 ? ", " : "", n,
                                   words[i]);
    }
    if (at == 0)
        return false;
    memcpy(crowd->told, crowd->ends, sizeof crowd->told);
    crowd->tell_us = now_us + TELL_US;
    return true;
}
