/*
 * What happens to the names in some folders, told by inotify.
 *
 * A file that is rotated away again before anybody looked at its folder would be missed: its
 * name leads to a newer file by then. So renames are followed by name: a file that had a name
 * which counts, and has another one now, is a stray until somebody has opened it. Where inotify is
 * not to be had nothing is told, and folders have to be looked at every so often.
 *
 * Not thread-safe.
 */
#ifndef DS_RECEIVER_TAIL_WATCH_H
#define DS_RECEIVER_TAIL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define DS_WATCH_STRAYS 1000u

typedef struct ds_tail_watch ds_tail_watch;

/* Watches nothing yet. Names that the glob `pattern` (borrowed, of one name) matches count. */
ds_tail_watch *ds_tail_watch_new(const char *pattern);
void ds_tail_watch_free(ds_tail_watch *watch);

/* The descriptor to be polled for what happened, or -1. */
int ds_tail_watch_fd(const ds_tail_watch *watch);

/* Watches a folder, if it is not watched already. Names of its files are told as `folder`/name. */
void ds_tail_watch_add(ds_tail_watch *watch, const char *folder);

/* Takes note of all that happened. True if names came or went, or may have. */
bool ds_tail_watch_drain(ds_tail_watch *watch);

/* What became of a stray. */
typedef enum ds_stray {
    DS_STRAY_DONE,    /* it is a stray no longer */
    DS_STRAY_MISSING, /* it is not there: after a few times it is gone */
    DS_STRAY_UNKNOWN, /* nobody can look now */
} ds_stray;

/* Calls fn with the path of each stray, oldest first. True if some were renamed meanwhile: they
 * have to be looked at again. */
bool ds_tail_watch_strays(ds_tail_watch *watch, ds_stray (*fn)(void *arg, const char *path),
                          void *arg);

#endif
