/*
 * The files of a source `tail`: what is known of each, and which of their bytes come next.
 *
 * A pure state machine. It is told how the files were found (base/followed.h), decides what that
 * means, and gives out ranges of bytes:
 *
 *     found            begins at 0 (or, at the very first look and with start_at "end", behind its
 *                      last line)
 *     grown            up to the end of its last whole line there is more to give
 *     renamed, or      its end is read; when nothing was added for some time, what stands behind
 *     no longer named  the last line end is a record, too; then a file without a name is let go
 *     shorter than     it was cut off: begins at 0 again, under a new number; so does one whose
 *     what was taken   first bytes are others: it was written anew
 *     gone             what was not taken of it is lost
 *     away             its folder is not there: it is waited for; after DS_FOLLOW_AWAY_US it is
 * gone
 *
 * What is lost is counted and logged, never silent. Positions never go back, but for a file that
 * begins again.
 */
#ifndef DS_SCHEDULER_TAIL_FILES_H
#define DS_SCHEDULER_TAIL_FILES_H

#include "base/arena.h"
#include "base/followed.h"
#include "rpc/message.h"

#define DS_TAIL_QUIET_US                                                                           \
    INT64_C(5000000) /* without growth, a file that was rotated away is done                       \
                      */

typedef struct ds_tail_file {
    uint64_t number; /* never used twice */
    char *path;
    ds_file_id id;
    uint64_t size, complete; /* as found last; complete: up to the end of a line */
    uint64_t taken;          /* given to batches */
    uint64_t stop;           /* not 0: it is given up to here, where its last line has no end */
    bool cut;                /* what was given last was a record without an end: one starts here */
    bool moved;              /* its name changed, or none of the pattern leads to it */
    bool named;
    bool gone, unreadable;
    int64_t given_ms;   /* the newest batch that has bytes of it; 0: none has */
    int64_t changed_us; /* when it was found changed */
    int64_t away_us;    /* since when its folder is not there; 0: it is */
    uint32_t pid, fd;
} ds_tail_file;

typedef struct ds_tail_files {
    const char *name;    /* of the source, for messages */
    ds_tail_file *files; /* by number */
    uint32_t n, capacity;
    uint64_t next_number;
    bool at_end; /* files of the very first look begin at their end */
    bool seen;   /* there was a look, since the start or before a restart */
    bool news;   /* a restart has to know what was seen: a file has another name, or began again */
    uint32_t room; /* with more files than these none stays open for batches that only may run */
    int64_t open_ms, kept_ms; /* batches since these have to read files, and may have to again */
    /* Counted since the start. */
    uint64_t begun_again, lost_bytes;
    uint32_t beyond;
    /* Messages: some in a while. */
    int64_t shown_since_us;
    uint32_t shown, hidden;
} ds_tail_files;

/* name is borrowed. */
void ds_tail_files_init(ds_tail_files *tail, const char *name, bool at_end);
void ds_tail_files_fini(ds_tail_files *tail);

/* Notes what a checkpoint says of a file (path is copied); of one that is known already, that more
 * was given to a batch. */
void ds_tail_files_recover(ds_tail_files *tail, const ds_tail_file *file);

/* Puts the question of the next look: the files that are known, in arena. */
ds_follow_request ds_tail_files_ask(const ds_tail_files *tail, ds_arena *arena);

/* A batch has bytes of a file. */
void ds_tail_files_given(ds_tail_files *tail, uint64_t number, int64_t batch_ms);

/* Batches since open_ms are not done, and those since kept_ms (not later) may run again (INT64_MAX:
 * none). Files that they need stay in the list, and so open, when all is read of them and they have
 * no name any more; for the latter only while there are no more files than `room`. */
void ds_tail_files_hold(ds_tail_files *tail, int64_t open_ms, int64_t kept_ms);

/* Takes in an answer. final: nothing comes after it, so that a last line needs no end. */
void ds_tail_files_see(ds_tail_files *tail, const ds_sightings *seen, int64_t now_us, bool final);

/* A file that can be read, or may come back with its folder (borrowed until the next look); pid is
 * 0 if it was not found since the start. NULL: it is gone, or was let go. */
const ds_tail_file *ds_tail_files_find(const ds_tail_files *tail, uint64_t number);

/* True if this file, once known by that number, began again under a later one: what was in it is
 * gone, even if the same bytes stand at its beginning now. */
bool ds_tail_files_began_again(const ds_tail_files *tail, uint64_t number, const ds_file_id *id);

/* The number of files whose folders are away, and are waited for. */
uint32_t ds_tail_files_away(const ds_tail_files *tail);

/* True if there is something to be given. */
bool ds_tail_files_more(const ds_tail_files *tail);

/* How many bytes that is. */
uint64_t ds_tail_files_behind(const ds_tail_files *tail);

/* Gives the next range, of up to `most` bytes of one file: its path is borrowed. False if there is
 * nothing more. */
bool ds_tail_files_take(ds_tail_files *tail, uint64_t most, ds_input *input);

#endif
