/*
 * The block store: one range of shared memory for each executor, with more room on disk behind.
 *
 * A sparse memfd, sealed against resizing, as large as the store may become; only pages that
 * were written to cost memory. Blocks, shuffle pieces and sink bytes are ranges in it, handed
 * out first-fit from the lowest address, so that ranges are reused while their pages are
 * warm: in the steady state there is no system call for a block, and the number of segments
 * is one for each executor, whatever the number of blocks. Pages that were not used for some time
 * go back to the system (ds_store_rest).
 *
 * Offsets behind the memory are places in a file without a name (base/spill.h), if the store was
 * given one: what finds no memory goes there. It is written and mostly read by system calls: it is
 * mapped, too, but pages that were touched count as memory of whoever did, many around them with
 * them, until it says that it is done with them (ds_store_forget).
 *
 * Other processes open both through /proc/PID/fd/N; the driver holds them open too, so their
 * bytes outlive the executor. They have no name that could be left behind.
 *
 * Thread-safe.
 */
#ifndef DS_EXEC_STORE_H
#define DS_EXEC_STORE_H

#include "base/error.h"
#include "base/memory.h"
#include "base/spill.h"

typedef struct ds_store ds_store;

/* Makes a store of `bytes` of memory (rounded up to pages). DS_ERR_IO if the system refuses. */
ds_status ds_store_new(uint64_t bytes, ds_store **store, ds_error *error);
/* The same with room on disk: spill is borrowed, also by others. */
ds_status ds_store_new_spilling(uint64_t bytes, ds_spill *spill, ds_store **store, ds_error *error);
/* Unmaps and closes it. Views that others hold stay good. NULL is allowed. */
void ds_store_free(ds_store *store);

int ds_store_fd(const ds_store *store);          /* of the memory; borrowed */
uint64_t ds_store_size(const ds_store *store);   /* of the memory, rounded up */
ds_spill *ds_store_spill(const ds_store *store); /* NULL: none */
/* Where memory can be written; not for places on disk. */
char *ds_store_bytes(ds_store *store, uint64_t offset);
/* The bytes of a range, or NULL if it lies outside. Those on disk are mapped: for those who look at
 * few of them, and forget. */
const char *ds_store_range(const ds_store *store, uint64_t offset, uint64_t length);
/* Copies bytes of the disk part, whose range is known to lie there. DS_ERR_IO. */
ds_status ds_store_read_disk(const ds_store *store, uint64_t offset, void *to, uint64_t length,
                             ds_error *error);

/* Takes `length` bytes (> 0) of memory, aligned to 64. False if there is no such free range. Looks
 * at the free ranges one by one. */
bool ds_store_take(ds_store *store, uint64_t length, uint64_t *offset);
/* Takes memory, or else room on disk. DS_ERR_NO_MEMORY if there is none either. */
ds_status ds_store_take_any(ds_store *store, uint64_t length, uint64_t *offset, ds_error *error);
/* Takes room on disk, or else memory: for what is seldom read. DS_ERR_NO_MEMORY as above. */
ds_status ds_store_take_disk(ds_store *store, uint64_t length, uint64_t *offset, ds_error *error);
bool ds_store_is_on_disk(const ds_store *store, uint64_t offset);
/* Copies bytes to a place within a taken range, wherever it is. DS_ERR_IO: the disk. */
ds_status ds_store_put(ds_store *store, uint64_t offset, const void *bytes, uint64_t length,
                       ds_error *error);
/* Gives back all of a range but its first `kept` bytes: from then on its length is `kept`. A
 * range of length 0 is none. Giving what was not taken is a bug, and asserted. */
void ds_store_trim(ds_store *store, uint64_t offset, uint64_t length, uint64_t kept);
/* Gives back a whole range, with the length it was taken with or trimmed to. */
void ds_store_give(ds_store *store, uint64_t offset, uint64_t length);

/* Bytes of memory taken now, and at most so far, each range rounded up to 64. */
uint64_t ds_store_used(const ds_store *store);
uint64_t ds_store_peak(const ds_store *store);

/* To be called now and then: memory that was not used since the call before the last goes back to
 * the system. */
void ds_store_rest(ds_store *store);
/* Lets go of pages of the disk part that this process has read: they stay what they are. */
void ds_store_forget(ds_store *store);

/* False if stores are not to be shared with other processes: DSTREAM_SHARED_MEMORY=off. */
bool ds_store_shares(void);

/* How a store of another process is opened. */
typedef struct ds_store_place {
    const char *path; /* of the memory: "/proc/PID/fd/N" */
    uint64_t bytes;
    const char *spill_path; /* of the file; "": there is none */
    uint64_t spill_bytes;
} ds_store_place;

/* A store of another process, mapped for reading. */
typedef struct ds_store_view ds_store_view;
/* DS_ERR_LOST if it cannot be opened, has another size, or is not sealed against shrinking
 * (reading it could then kill the reader). */
ds_status ds_store_view_open(const ds_store_place *place, ds_store_view **view, ds_error *error);
void ds_store_view_close(ds_store_view *view); /* NULL is allowed */
/* The descriptors (borrowed), under which others can open the store as long as the view is; the
 * second is of the file, -1 if there is none. */
int ds_store_view_fd(const ds_store_view *view);
int ds_store_view_spill_fd(const ds_store_view *view);
/* As ds_store_is_on_disk, ds_store_range and ds_store_read_disk. */
bool ds_store_view_is_on_disk(const ds_store_view *view, uint64_t offset);
const char *ds_store_view_bytes(const ds_store_view *view, uint64_t offset, uint64_t length);
ds_status ds_store_view_read_disk(const ds_store_view *view, uint64_t offset, void *to,
                                  uint64_t length, ds_error *error);
/* As ds_store_forget. */
void ds_store_view_forget(ds_store_view *view);

#endif
