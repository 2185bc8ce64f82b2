/*
 * The form in which kept data is saved as bytes: frames, in order, with a checksum at the end.
 *
 *     magic "DSKEPT\r\n", version u32, kind u32
 *     frames: tag u32, zero u32, length u64, then so many bytes, padded with zeros to 8
 *     the last frame: tag 0, length 8, XXH3-64 of all bytes before it
 *
 * All numbers are little-endian. What the frames of a kind are is said by who writes them. Equal
 * data gives equal bytes. Reading trusts nothing: lengths have a limit, and what was read may be
 * used only once the end was read and its checksum is right.
 */
#ifndef DS_BASE_SAVED_H
#define DS_BASE_SAVED_H

#include "base/error.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DS_SAVED_VERSION 1u

/* ---- writing ---- */

/* Takes bytes one after the other. Errors end the saving. */
typedef struct ds_save_to {
    void *arg;
    ds_status (*write)(void *arg, const void *bytes, size_t length, ds_error *error);
    /* For who is not to look at all bytes; may be NULL. True: these bytes of a budget, which come
     * next, are now owned by it. They stay charged to that until they are freed. */
    bool (*take)(void *arg, void *bytes, size_t length, ds_budget *budget);
    /* Becomes true when all was put: then the checksum is zero, to be made by ds_saved_sum. NULL:
     * it is made at once. */
    bool *lacks_sum;
} ds_save_to;

/* The checksum of bytes that were saved without it, for who reads them once more: gives all of them
 * (length of them, from at on) to `to` with it. */
typedef struct ds_saved_sum {
    ds_save_to to;
    uint64_t length, at;
    void *hash;
} ds_saved_sum;
void ds_saved_sum_init(ds_saved_sum *sum, const ds_save_to *to, uint64_t length);
/* The next bytes (arg: the ds_saved_sum; a ds_save_to has it as its write). */
ds_status ds_saved_sum_put(void *arg, const void *bytes, size_t n, ds_error *error);
void ds_saved_sum_fini(ds_saved_sum *sum);

typedef struct ds_saver ds_saver;

/* Begins with the header. to is copied. Free with ds_saver_free. */
ds_status ds_saver_new(const ds_save_to *to, uint32_t kind, ds_saver **saver, ds_error *error);
void ds_saver_free(ds_saver *saver);

/* A frame (tag > 0) of several parts, none of which is padded. */
typedef struct ds_saved_bytes {
    const void *bytes;
    size_t length;
} ds_saved_bytes;
ds_status ds_saver_put(ds_saver *saver, uint32_t tag, const ds_saved_bytes *parts, size_t n_parts,
                       ds_error *error);
/* The same of one part, memory of a budget (which outlives it) that is owned by the saver from now
 * on. */
ds_status ds_saver_give(ds_saver *saver, uint32_t tag, void *bytes, size_t length,
                        ds_budget *budget, ds_error *error);
/* The end. Nothing may be put after it. */
ds_status ds_saver_end(ds_saver *saver, ds_error *error);

/* ---- reading ---- */

/* Gives the next `length` bytes; DS_ERR_PROTOCOL if there are not so many. */
typedef struct ds_load_from {
    void *arg;
    ds_status (*read)(void *arg, void *to, size_t length, ds_error *error);
} ds_load_from;

typedef struct ds_loader ds_loader;

/* Begins by reading the header, which has to be of this version and kind (else DS_ERR_PROTOCOL).
 * A frame may have `most` bytes. from is copied. */
ds_status ds_loader_new(const ds_load_from *from, uint32_t kind, size_t most, ds_loader **loader,
                        ds_error *error);
void ds_loader_free(ds_loader *loader);

/* Reads the head of the next frame; *tag 0: the end, and the checksum was right. */
ds_status ds_loader_next(ds_loader *loader, uint32_t *tag, size_t *length, ds_error *error);
/* Reads all bytes of the frame. */
ds_status ds_loader_take(ds_loader *loader, void *to, ds_error *error);
/* The same, to new memory (the caller frees it) that grows as the bytes come: a length that is a
 * lie costs little. */
ds_status ds_loader_take_new(ds_loader *loader, char **bytes, ds_error *error);

#endif
