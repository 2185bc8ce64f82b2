/*
 * Growing files, looked at: which files a glob matches, how far each has grown, and which of
 * those that are followed were rotated away, cut off or written anew.
 *
 * Every file that is followed is held open, and every one that appears is opened as soon as that
 * is noticed: so it can be read to its end whatever becomes of its name, by this process and
 * (through /proc/PID/fd/FD) by others. What a file means for the app is not decided here: that
 * is scheduler/tail_files.h, which asks and is answered in the words of base/followed.h.
 *
 * Cost: a look takes one fstat for each file, a few reads for each that changed, and now and then
 * the glob: when names in its folders came or went and at least once a second, but so seldom that
 * it takes no more than a tenth of the time. Not thread-safe.
 */
#ifndef DS_RECEIVER_TAIL_H
#define DS_RECEIVER_TAIL_H

#include "base/followed.h"

typedef struct ds_tail ds_tail;

/* Begins to follow what the glob `pattern` (copied) matches; nothing is opened yet. A line
 * longer than record_limit bytes is over even without its end. */
ds_tail *ds_tail_new(const char *pattern, uint32_t record_limit);
/* Closes all files. */
void ds_tail_free(ds_tail *tail);

/* A descriptor that can be read from when ds_tail_notice has something to do; -1: none. */
int ds_tail_poll_fd(const ds_tail *tail);
/* When (monotonic, us) ds_tail_notice is wanted at the latest; INT64_MAX before the first look. */
int64_t ds_tail_due_us(const ds_tail *tail);
/* Opens files that appeared, so that they are not missed. now_us: the monotonic clock. */
void ds_tail_notice(ds_tail *tail, int64_t now_us);

/* Looks at the files of the request, and for others; the first time the request says `all`. Files
 * that are neither in it nor new are closed. The answer is good until the next call. */
const ds_sightings *ds_tail_look(ds_tail *tail, const ds_follow_request *request, int64_t now_us);

#endif
