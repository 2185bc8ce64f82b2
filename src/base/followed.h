/*
 * Files that grow and are followed: what is said about them between those who look at them
 * (receiver/tail.h), those who decide what belongs to a batch (scheduler/tail_files.h) and
 * those who read it (exec).
 *
 * A file is told from others by its device and inode, and by what it begins with: an inode is
 * used again when its file is gone, and a file that is written anew keeps its inode.
 */
#ifndef DS_BASE_FOLLOWED_H
#define DS_BASE_FOLLOWED_H

#include <stdbool.h>
#include <stdint.h>

#define DS_HEAD_BYTES 1024u   /* of a file's beginning that are remembered, or fewer */
#define DS_FOLLOW_FILES 1000u /* that one source follows at a time */
/* So long a folder may be away; then what was in it is gone. */
#define DS_FOLLOW_AWAY_US INT64_C(3600000000)

typedef struct ds_file_id {
    uint64_t device, inode;
    uint64_t head; /* XXH3-64 of its first head_bytes bytes */
    uint32_t head_bytes;
} ds_file_id;

/* A file that is followed already. */
typedef struct ds_followed {
    uint64_t number; /* not 0 */
    const char *path;
    ds_file_id id;
    uint64_t taken; /* bytes that batches were given */
} ds_followed;

/* What is asked: how these files are, and which others there are. */
typedef struct ds_follow_request {
    const ds_followed *files; /* each is kept open at least until the next request */
    uint32_t n_files;
    bool all; /* the pattern is looked at now, whatever that costs */
} ds_follow_request;

typedef enum ds_sight {
    DS_SIGHT_SEEN,
    DS_SIGHT_GONE,       /* it cannot be found any more */
    DS_SIGHT_AWAY,       /* it cannot be found, and its folder is not there, either */
    DS_SIGHT_UNREADABLE, /* it is there, and cannot be opened or read */
} ds_sight;

/* How a file was found. */
typedef struct ds_sighting {
    ds_sight what;
    uint64_t number;  /* of the request; 0: it is new */
    const char *path; /* a name that leads to it, or the last one that did */
    const char *why;  /* UNREADABLE: the reason */
    /* SEEN */
    ds_file_id id;     /* with as much of its head as there is now */
    bool same_head;    /* it begins as it did; new ones: true */
    bool named;        /* a name that the pattern matches leads to it */
    uint64_t size;     /* bytes */
    uint64_t complete; /* of them those up to the end of the last whole line */
    uint32_t pid, fd;  /* /proc/PID/fd/FD leads to it, whatever its name; 0: nothing does */
} ds_sighting;

/* What is answered. */
typedef struct ds_sightings {
    const ds_sighting *list; /* those of the request in its order, then new ones, oldest first */
    uint32_t n;
    uint32_t beyond; /* files that were found and are too many to be followed */
} ds_sightings;

#endif
