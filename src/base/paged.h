/*
 * Memory that goes to disk when there is too much of it: ranges of the spill file, mapped.
 *
 * For what is kept from batch to batch. Who allocates from a budget that has such memory
 * (ds_budget_alloc) gets ordinary memory as long as the budget's share lasts. Behind it large
 * pieces come from the file: they are used like any other memory, but the system may write their
 * pages out and read them back, and they are not charged to the budget but to limits.spill.
 *
 * Pages of the file that were touched count as the process's own until it lets go of them. So
 * whoever touches many calls ds_budget_relieve every few rows: when more than resident_bytes were
 * touched, all are let go at once. Nothing is lost by it: a page that is touched again is found in
 * the system's cache, or read.
 *
 * Disk is had before it is used: a full disk is an error here, and no signal later. An error of the
 * disk when a page is read ends the process (SIGBUS), as an executor that dies. Thread-safe; what
 * is allocated belongs to one thread at a time.
 */
#ifndef DS_BASE_PAGED_H
#define DS_BASE_PAGED_H

#include "base/memory.h"
#include "base/spill.h"

typedef struct ds_paged ds_paged;

/*
 * share_bytes: what a budget may use before the file is. resident_bytes (less than that): how much
 * of the share is for pages of the file, once there are any. NULL if spill (borrowed, may be NULL)
 * has no room at all. Free with ds_paged_free, when nothing is allocated any more.
 */
ds_paged *ds_paged_new(ds_spill *spill, uint64_t share_bytes, uint64_t resident_bytes);
void ds_paged_free(ds_paged *paged);
/*
 * One without a file, for one thread that is not to be at something for long: large arrays of about
 * so many bytes are ordinary memory that stays where it is when it grows, and goes back to the
 * system in bites, with step(arg, their size) behind each. NULL: there are no addresses.
 */
typedef void (*ds_paged_step_fn)(void *arg, uint64_t bytes);
ds_paged *ds_paged_new_memory(uint64_t bytes, ds_paged_step_fn step, void *arg);
/* Other shares, before anything is allocated. */
void ds_paged_share(ds_paged *paged, uint64_t share_bytes, uint64_t resident_bytes);

/* Asks for room for so many bytes more, in the budget's share or on disk, before work that cannot
 * fail. Others may take the room meanwhile. paged may be NULL: then only the budget counts.
 * DS_ERR_NO_MEMORY: limits.spill; DS_ERR_IO: the disk is full, worth a retry later. */
ds_status ds_paged_reserve(ds_paged *paged, const ds_budget *budget, uint64_t bytes,
                           ds_error *error);

/* Bytes that lie in the file now. */
uint64_t ds_paged_used(const ds_paged *paged);
/* Bytes for which the file was taken since this was asked last. */
uint64_t ds_paged_recent(ds_paged *paged);

/* ---- for memory.c ---- */

/* Memory for a budget, not cleared, or NULL: ordinary memory will do, or there is no other. */
void *ds_paged_alloc(ds_paged *paged, ds_budget *budget, size_t size);
/* Resizes, clearing what is new. p may be ordinary memory (or NULL if old is 0): then NULL is
 * returned if it should stay so; else it was copied and freed, and taken out of the budget. */
void *ds_paged_resize(ds_paged *paged, ds_budget *budget, void *p, size_t old, size_t size);
/* False: it is ordinary memory. */
bool ds_paged_give(ds_paged *paged, ds_budget *budget, void *p, size_t size);
void ds_paged_relieve(ds_paged *paged);
/* How many rows are touched at most before it has to be relieved; UINT32_MAX: the file is not in
 * use. */
uint32_t ds_paged_rows(const ds_paged *paged);

#endif
