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
void ds_store_free(ds_store *store);

int ds_store_fd(const ds_store *store);
uint64_t ds_store_size(const ds_store *store);
char *ds_store_bytes(ds_store *store, uint64_t offset);

/* Takes `length` bytes (> 0), aligned to 64. False if there is no such free range. */
bool ds_store_take(ds_store *store, uint64_t length, uint64_t *offset);
/* Gives back all of a range but its first `kept` bytes. */
void ds_store_trim(ds_store *store, uint64_t offset, uint64_t length, uint64_t kept);
/* Gives back a whole range. */
void ds_store_give(ds_store *store, uint64_t offset, uint64_t length);

uint64_t ds_store_used(const ds_store *store);
uint64_t ds_store_peak(const ds_store *store);

/* A store of another process, mapped for reading. */
typedef struct ds_store_view ds_store_view;
/* Opens by path ("/proc/PID/fd/N"). DS_ERR_LOST if it cannot be opened or has another size. */
ds_status ds_store_view_open(const char *path, uint64_t bytes, ds_store_view **view,
                             ds_error *error);
void ds_store_view_close(ds_store_view *view);
/* The bytes of a range, or NULL if it lies outside. */
const char *ds_store_view_bytes(const ds_store_view *view, uint64_t offset, uint64_t length);

#endif
