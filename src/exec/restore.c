#include "exec/restore.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define READ_BYTES ((size_t)256 << 10)

/* A part while it is read. */
typedef struct reader {
    const ds_saved_part *part;
    ds_peers *peers;
    ds_pace *pace;
    int fd;        /* of a file */
    uint64_t next; /* byte of the part that is not in the buffer yet */
    size_t at, n;  /* in the buffer: the next byte to give; how many there are */
    XXH3_state_t *checksum;
    char bytes[READ_BYTES];
} reader;

/* ---- reading ---- */

static ds_status read_file(const reader *r, size_t length, char *to, ds_error *error)
{
    uint64_t offset = r->part->offset + r->next;
    while (length > 0) {
        ssize_t n = pread(r->fd, to, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ds_error_set(error, DS_ERR_IO, "%s", strerror(errno));
        if (n == 0)
            return ds_error_set(error, DS_ERR_PROTOCOL, "the file is cut short");
        to += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return DS_OK;
}

/* Fills the empty buffer with what comes next. */
static ds_status fill(reader *r, ds_error *error)
{
    DS_ASSERT(r->at == r->n);
    uint64_t left = r->part->length - r->next;
    size_t length = left < sizeof r->bytes ? (size_t)left : sizeof r->bytes;
    if (r->fd >= 0) {
        DS_TRY(read_file(r, length, r->bytes, error));
    } else {
        const ds_ref *ref = &r->part->ref;
        const ds_ref piece = {ref->executor_id, ref->offset + r->next, length};
        DS_TRY(ds_peers_copy(r->peers, &piece, r->bytes, error));
    }
    XXH3_64bits_update(r->checksum, r->bytes, length);
    r->next += length;
    r->at = 0;
    r->n = length;
    return DS_OK;
}

static ds_status read_part(void *arg, void *to, size_t length, ds_error *error)
{
    reader *r = arg;
    ds_pace_step(r->pace, length);
    for (char *at = to; length > 0;) {
        if (r->at == r->n && r->next == r->part->length)
            return ds_error_set(error, DS_ERR_PROTOCOL, "the part ends too early");
        if (r->at == r->n)
            DS_TRY(fill(r, error));
        size_t n = r->n - r->at < length ? r->n - r->at : length;
        memcpy(at, r->bytes + r->at, n);
        r->at += n;
        at += n;
        length -= n;
    }
    return DS_OK;
}

/* ---- parts ---- */

static ds_status open_part(reader *r, ds_error *error)
{
    const ds_saved_part *part = r->part;
    struct stat st;
    uint64_t end;
    if (__builtin_add_overflow(part->offset, part->length, &end) || end > (uint64_t)INT64_MAX)
        return ds_error_set(error, DS_ERR_PROTOCOL, "no file is so long");
    if (part->path[0] == '\0')
        return part->ref.length == part->length
                   ? DS_OK
                   : ds_error_set(error, DS_ERR_PROTOCOL, "its place is of another length");
    r->fd = open(part->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0 || fstat(r->fd, &st) != 0)
        return ds_error_set(error, errno == ENOENT ? DS_ERR_NO_INPUT : DS_ERR_IO, "%s",
                            strerror(errno));
    if (!S_ISREG(st.st_mode))
        return ds_error_set(error, DS_ERR_IO, "it is no file");
    if ((uint64_t)st.st_size < end)
        return ds_error_set(error, DS_ERR_PROTOCOL,
                            "the file is cut short: it has %" PRIu64 " bytes",
                            (uint64_t)st.st_size);
    return DS_OK;
}

/* Loads what is read; then the checksum has its say, whatever came of the loading: bytes that are
 * damaged are the better reason. */
static ds_status load_part(ds_kept *kept, reader *r, ds_error *error)
{
    const ds_load_from from = {r, read_part};
    ds_status status = ds_kept_load(kept, r->part->input, &from, error);
    if (status == DS_OK && (r->at < r->n || r->next < r->part->length))
        status = ds_error_set(error, DS_ERR_PROTOCOL, "there are more bytes than were loaded");
    ds_error why;
    while (r->next < r->part->length) {
        r->at = r->n;
        if (fill(r, &why) != DS_OK)
            return status;
    }
    if (XXH3_64bits_digest(r->checksum) != r->part->checksum)
        status = ds_error_set(error, DS_ERR_PROTOCOL, "the checksum is wrong");
    return status;
}

/* Bytes that were read, and are wrong, are damage. Whatever keeps us from reading them, or from
 * keeping what they make, may pass. */
static ds_status kind_of(ds_status status)
{
    switch (status) {
    case DS_ERR_NO_INPUT:
    case DS_ERR_NO_MEMORY: return status;
    case DS_ERR_IO:
    case DS_ERR_UNAVAILABLE:
    case DS_ERR_CLOSED:
    case DS_ERR_LOST: return DS_ERR_IO; /* of a store: if that is gone, the driver knows it */
    default: return DS_ERR_LOST;
    }
}

static ds_status lost(const ds_saved_part *part, ds_status status, const ds_error *why,
                      ds_error *error)
{
    DS_ASSERT(status != DS_OK);
    status = kind_of(status);
    char at[64];
    snprintf(at, sizeof at, "%" PRIu64 "+%" PRIu64,
             part->path[0] != '\0' ? part->offset : part->ref.offset, part->length);
    if (part->path[0] != '\0')
        return ds_error_set(
            error, status, "key partition %u of stage %u cannot be restored from %s (bytes %s): %s",
            part->partition, part->stage, part->path, at, why->message);
    return ds_error_set(error, status,
                        "key partition %u of stage %u cannot be restored from the store of "
                        "executor %" PRIu64 " (bytes %s): %s",
                        part->partition, part->stage, part->ref.executor_id, at, why->message);
}

static ds_status restore_part(ds_kept *kept, const ds_saved_part *part, ds_peers *peers,
                              ds_pace *pace, ds_error *error)
{
    if (part->length == 0)
        return DS_OK;
    ds_error why;
    reader *r = ds_alloc(sizeof *r);
    r->part = part;
    r->peers = peers;
    r->pace = pace;
    r->fd = -1;
    r->next = 0;
    r->at = r->n = 0;
    r->checksum = XXH3_createState();
    DS_ASSERT(r->checksum != NULL);
    XXH3_64bits_reset(r->checksum);
    ds_status status = open_part(r, &why);
    if (status == DS_OK)
        status = load_part(kept, r, &why);
    if (r->fd >= 0)
        close(r->fd);
    XXH3_freeState(r->checksum);
    free(r);
    return status == DS_OK ? DS_OK : lost(part, status, &why, error);
}

ds_status ds_restore_parts(ds_kept *kept, const ds_task *task, ds_peers *peers, ds_pace *pace,
                           ds_error *error)
{
    DS_ASSERT(task->n_saved > 0 && ds_kept_version(kept) == DS_NO_BATCH);
    for (uint32_t i = 0; i < task->n_saved; i++)
        DS_TRY(restore_part(kept, &task->saved[i], peers, pace, error));
    return DS_OK;
}

ds_status ds_restore(ds_kept *kept, const ds_task *task, ds_peers *peers, ds_error *error)
{
    DS_TRY(ds_restore_parts(kept, task, peers, NULL, error));
    ds_kept_stand(kept, task->keyed_ms);
    return DS_OK;
}

/* ---- before ---- */

/* The chain of each input that keeps something begins with a whole part. */
static bool is_chain(const ds_task *task, uint32_t input)
{
    for (uint32_t i = 0; i < task->n_saved; i++)
        if (task->saved[i].input == input)
            return task->saved[i].whole && task->saved[i].length > 0;
    return false;
}

bool ds_restore_fits(const ds_stage *stage, const ds_task *task)
{
    if (task->n_saved == 0)
        return true;
    if (!stage->keyed || task->keyed_ms == DS_NO_BATCH)
        return false;
    for (uint32_t i = 0; i < task->n_saved; i++) {
        const ds_saved_part *part = &task->saved[i];
        if (part->stage != task->stage || part->partition != task->partition ||
            part->input >= stage->n_inputs || !ds_node_keeps(stage->inputs[part->input].root) ||
            part->batch_ms > task->keyed_ms)
            return false;
    }
    for (uint32_t i = 0; i < stage->n_inputs; i++)
        if (ds_node_keeps(stage->inputs[i].root) && !is_chain(task, i))
            return false;
    return true;
}
