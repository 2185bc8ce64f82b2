/*
 * The block store: one range of shared memory for each executor.
 *
 * A sparse memfd, sealed against resizing, as large as the store may become; only pages that
 * were written to cost memory. Blocks, shuffle pieces and sink bytes are ranges in it, handed
 * out first-fit from the lowest address, so that ranges are reused while their pages are
 * warm: in the steady state there is no system call for a block, and the number of segments
 * is one for each executor, whatever the number of blocks. Other processes open it through
 * /proc/PID/fd/N; the driver holds it open too, so its bytes outlive the executor. It has no
 * name that could be left behind.
 *
 * Thread-safe.
 */
#ifndef DS_EXEC_STORE_H
#define DS_EXEC_STORE_H

#include "base/error.h"
#include "base/memory.h"

typedef struct ds_store ds_store;

/* Makes a store of `bytes` (rounded up to pages). DS_ERR_IO if the system refuses. */
ds_status ds_store_new(uint64_t bytes, ds_store **store, ds_error *error);
/* Unmaps and closes it. Views that others hold stay good. NULL is allowed. */
void ds_store_free(ds_store *store);

int ds_store_fd(const ds_store *store);        /* borrowed */
uint64_t ds_store_size(const ds_store *store); /* rounded up: what views are opened with */
char *ds_store_bytes(ds_store *store, uint64_t offset);
/* The bytes of a range, or NULL if it lies outside. */
const char *ds_store_range(const ds_store *store, uint64_t offset, uint64_t length);

/* Takes `length` bytes (> 0), aligned to 64. False if there is no such free range. Looks at the
 * free ranges one by one. */
bool ds_store_take(ds_store *store, uint64_t length, uint64_t *offset);
/* Gives back all of a range but its first `kept` bytes: from then on its length is `kept`. A
 * range of length 0 is none. Giving what was not taken is a bug, and asserted. */
void ds_store_trim(ds_store *store, uint64_t offset, uint64_t length, uint64_t kept);
/* Gives back a whole range, with the length it was taken with or trimmed to. */
void ds_store_give(ds_store *store, uint64_t offset, uint64_t length);

/* Bytes taken now, and at most so far, each range rounded up to 64. */
uint64_t ds_store_used(const ds_store *store);
uint64_t ds_store_peak(const ds_store *store);

/* False if stores are not to be shared with other processes: DSTREAM_SHARED_MEMORY=off. */
bool ds_store_shares(void);

/* A store of another process, mapped for reading. */
typedef struct ds_store_view ds_store_view;
/* Opens by path ("/proc/PID/fd/N"). DS_ERR_LOST if it cannot be opened, has another size, or is
 * not sealed against shrinking (reading it could then kill the reader). */
ds_status ds_store_view_open(const char *path, uint64_t bytes, ds_store_view **view,
                             ds_error *error);
void ds_store_view_close(ds_store_view *view); /* NULL is allowed */
/* The descriptor (borrowed), under which others can open the store as long as the view is. */
int ds_store_view_fd(const ds_store_view *view);
/* The bytes of a range, or NULL if it lies outside. */
const char *ds_store_view_bytes(const ds_store_view *view, uint64_t offset, uint64_t length);

#endif
