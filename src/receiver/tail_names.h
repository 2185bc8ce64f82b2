/*
 * The names that a glob matches, and which file each leads to. Not thread-safe.
 */
#ifndef DS_RECEIVER_TAIL_NAMES_H
#define DS_RECEIVER_TAIL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ds_tail_name {
    char *path;
    uint64_t device, inode;
} ds_tail_name;

typedef struct ds_tail_names {
    ds_tail_name *list; /* sorted by path (by bytes) */
    uint32_t n, capacity;
    uint32_t *by_inode; /* indexes of list, sorted by inode, device, then path */
} ds_tail_names;

/* Frees what it holds; a zeroed one holds nothing. */
void ds_tail_names_fini(ds_tail_names *names);

/* Looks for the regular files (links are followed) that a glob matches, as a shell does: a leading
 * dot is matched by a dot only. Replaces what names held; but when something could not be looked at
 * (an input/output error, no descriptor left) what they held and is not found stays. */
void ds_tail_names_find(ds_tail_names *names, const char *pattern);

/* The name of a file: `preferred` (may be NULL) if that leads to it, else the first; NULL: none. */
const char *ds_tail_names_of(const ds_tail_names *names, uint64_t device, uint64_t inode,
                             const char *preferred);

/* Calls fn with each folder that may hold a name of the pattern. */
void ds_tail_names_folders(const char *pattern, void (*fn)(void *arg, const char *folder),
                           void *arg);

/* The last part of a pattern, which is matched with names in a folder. Points into it. */
const char *ds_tail_names_last(const char *pattern);

#endif
