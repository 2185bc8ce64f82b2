#include "receiver/block_log.h"

#include "base/assert.h"
#include "base/claim.h"
#include "base/files.h"
#include "base/inject.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

#define MOST_TRIES 1000u /* names that are taken already */

struct ds_block_log {
    char *folder;
    char *checkpoint; /* in which that is, and */
    uint64_t epoch;   /* of the run that holds it; 0: whoever */
    uint64_t receiver_id, segment_bytes;
    uint64_t segment; /* the newest one */
    int fd;           /* of it, or -1 */
    int folder_fd;    /* where it was made, or -1 */
    uint64_t length;  /* of it */
    uint64_t synced;  /* of that, durable */
    bool named;       /* its name is durable */
    bool closing;     /* nothing is written to it any more */
};

ds_block_log *ds_block_log_new(const char *folder, uint64_t receiver_id, uint64_t segment_bytes)
{
    DS_ASSERT(receiver_id != 0 && segment_bytes > 0);
    ds_block_log *log = ds_calloc(1, sizeof *log);
    *log = (ds_block_log){.folder = ds_strdup(folder),
                          .receiver_id = receiver_id,
                          .segment_bytes = segment_bytes,
                          .fd = -1,
                          .folder_fd = -1};
    return log;
}

/* The folder is CHECKPOINT/log/SOURCE. */
void ds_block_log_claim(ds_block_log *log, uint64_t epoch)
{
    DS_ASSERT(epoch != 0 && log->fd < 0 && log->epoch == 0);
    size_t length = strlen(log->folder);
    for (int slashes = 0; length > 0 && slashes < 2;)
        slashes += log->folder[--length] == '/';
    log->epoch = epoch;
    log->checkpoint = length == 0 ? ds_strdup("/") : ds_strndup(log->folder, length);
}

static void close_segment(ds_block_log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    if (log->folder_fd >= 0)
        close(log->folder_fd);
    log->fd = log->folder_fd = -1;
    log->closing = false;
}

void ds_block_log_free(ds_block_log *log)
{
    if (log == NULL)
        return;
    close_segment(log);
    free(log->folder);
    free(log->checkpoint);
    free(log);
}

uint64_t ds_log_seed(uint64_t receiver_id, uint64_t segment)
{
    return receiver_id << 24 ^ segment;
}

/* ---- segments ---- */

static char *segment_path(const ds_block_log *log)
{
    char name[DS_LOG_NAME];
    ds_buffer path = {0};
    ds_log_place_name(name, &(ds_log_place){log->receiver_id, log->segment, 0});
    ds_buffer_printf(&path, "%s/%s", log->folder, name);
    ds_buffer_text(&path);
    return path.data;
}

static ds_status failed(const ds_block_log *log, const char *what, ds_error *error)
{
    int why = errno;
    char *path = segment_path(log);
    ds_error_set(error, DS_ERR_IO, "cannot %s %s: %s", what, path, strerror(why));
    free(path);
    return DS_ERR_IO;
}

/* Writes all or says why not; how much of it was written is not known then. */
static bool write_all(int fd, struct iovec *parts, int n_parts)
{
    while (n_parts > 0) {
        ssize_t n = writev(fd, parts, n_parts);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        size_t done = (size_t)n;
        for (; n_parts > 0 && done >= parts->iov_len; n_parts--)
            done -= (parts++)->iov_len;
        if (n_parts > 0) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= done;
        }
    }
    return true;
}

static bool write_head(ds_block_log *log)
{
    char head[DS_LOG_HEAD];
    const uint64_t numbers[] = {htole64(log->receiver_id), htole64(log->segment)};
    memcpy(head, DS_LOG_MAGIC, 8);
    memcpy(head + 8, numbers, sizeof numbers);
    const uint64_t check = htole64(XXH3_64bits(head, 24));
    memcpy(head + 24, &check, sizeof check);
    struct iovec part = {head, sizeof head};
    return write_all(log->fd, &part, 1);
}

/* Opens the folder in which segments are made. */
static ds_status open_folder(ds_block_log *log, ds_error *error)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    DS_ASSERT(log->folder_fd < 0);
    if (log->epoch == 0) {
        DS_TRY(ds_make_private_folders(log->folder, error));
        log->folder_fd = open(log->folder, flags);
    } else {
        int root = ds_claim_open(log->checkpoint, log->epoch, error);
        if (root < 0)
            return DS_ERR_IO;
        const char *below = log->folder + strlen(log->checkpoint);
        log->folder_fd = openat(root, below + strspn(below, "/"), flags);
        int why = errno;
        close(root);
        errno = why;
    }
    if (log->folder_fd >= 0)
        return DS_OK;
    return ds_error_set(error, DS_ERR_IO, "cannot open the folder of the log %s: %s", log->folder,
                        strerror(errno));
}

ds_status ds_block_log_look(ds_block_log *log, ds_error *error)
{
    DS_ASSERT(log->fd < 0);
    ds_status status = open_folder(log, error);
    close_segment(log);
    return status == DS_OK ? DS_OK : DS_ERR_NO_INPUT;
}

/* Makes a file that was not there. */
static int make_file(ds_block_log *log)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC;
    int fd = -1;
    for (unsigned i = 0; i < MOST_TRIES && fd < 0; i++) {
        char name[DS_LOG_NAME];
        log->segment++;
        ds_log_place_name(name, &(ds_log_place){log->receiver_id, log->segment, 0});
        fd = openat(log->folder_fd, name, flags, DS_PRIVATE_FILE);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

/* Nothing stands in the segment: it goes. */
static void drop_segment(ds_block_log *log)
{
    char name[DS_LOG_NAME];
    ds_log_place_name(name, &(ds_log_place){log->receiver_id, log->segment, 0});
    unlinkat(log->folder_fd, name, 0);
    close_segment(log);
}

static ds_status begin_segment(ds_block_log *log, ds_error *error)
{
    DS_ASSERT(log->fd < 0);
    DS_TRY(open_folder(log, error));
    log->fd = make_file(log);
    if (log->fd < 0) {
        ds_status status = failed(log, "make", error);
        log->segment--; /* it may be tried again for ever */
        close_segment(log);
        return status;
    }
    if (flock(log->fd, LOCK_EX | LOCK_NB) != 0 || !write_head(log)) {
        ds_status status = failed(log, "write", error);
        drop_segment(log);
        return status;
    }
    log->length = DS_LOG_HEAD;
    log->synced = 0;
    log->named = false;
    return DS_OK;
}

/* Takes away what is not whole, or not durable. If that cannot be done nothing more goes there. */
static void cut_back(ds_block_log *log, uint64_t length)
{
    if (ftruncate(log->fd, (off_t)length) != 0)
        log->closing = true;
    log->length = length;
}

/* What is written to a file that somebody removed, or whose folder is away, may not be found
 * again. */
static ds_status check_name(const ds_block_log *log, ds_error *error)
{
    char *path = segment_path(log);
    bool there = ds_claim_leads_to(path, log->fd);
    free(path);
    if (there)
        return DS_OK;
    errno = ENOENT;
    return failed(log, "go on in", error);
}

static ds_status sync_segment(ds_block_log *log, ds_error *error)
{
    if (log->fd < 0 || log->synced == log->length)
        return DS_OK;
    DS_INJECT("log.written");
    ds_status status = fdatasync(log->fd) == 0 ? DS_OK : failed(log, "sync", error);
    if (status == DS_OK && !log->named)
        status = fsync(log->folder_fd) == 0 ? DS_OK : failed(log, "sync the folder of", error);
    if (status == DS_OK)
        status = check_name(log, error);
    DS_INJECT("log.synced");
    if (status == DS_OK) {
        log->named = true;
        log->synced = log->length;
        return DS_OK;
    }
    /* What the system did with these bytes is not known: they are written again elsewhere. */
    cut_back(log, log->synced > DS_LOG_HEAD ? log->synced : DS_LOG_HEAD);
    close_segment(log);
    return status;
}

ds_status ds_block_log_sync(ds_block_log *log, ds_error *error)
{
    ds_status status = sync_segment(log, error);
    if (log->closing)
        close_segment(log);
    return status;
}

bool ds_block_log_is_closed(const ds_block_log *log)
{
    return log->fd < 0 || log->closing || log->length == DS_LOG_HEAD;
}

/* ---- records ---- */

static void put(char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}

static void make_head(const ds_block_log *log, char *head, const char *bytes, const ds_block *block)
{
    const uint32_t header = htole32(block->header);
    memcpy(head, DS_LOG_RECORD_MAGIC, 4);
    memcpy(head + 4, &header, 4);
    put(head + 8, block->block_id);
    put(head + 16, block->length);
    put(head + 24, block->records);
    put(head + 32, block->too_long);
    put(head + 40, block->cut_short);
    put(head + 48, XXH3_64bits(bytes, block->length));
    put(head + 56, XXH3_64bits_withSeed(head, 56, ds_log_seed(log->receiver_id, log->segment)));
}

/* Goes on in the segment, or in another one if it is large or broken. */
static ds_status choose_segment(ds_block_log *log, uint64_t more, ds_error *error)
{
    bool full = log->length > DS_LOG_HEAD && log->length + more > log->segment_bytes;
    if (log->fd >= 0 && (full || log->closing)) {
        DS_TRY(sync_segment(log, error));
        close_segment(log);
    }
    return log->fd >= 0 ? DS_OK : begin_segment(log, error);
}

ds_status ds_block_log_append(ds_block_log *log, const char *bytes, ds_block *block,
                              ds_error *error)
{
    DS_ASSERT(block->header <= block->length);
    char head[DS_LOG_RECORD_HEAD];
    DS_TRY(choose_segment(log, sizeof head + block->length, error));
    make_head(log, head, bytes, block);
    struct iovec parts[] = {{head, sizeof head}, {(char *)(uintptr_t)bytes, block->length}};
    if (!write_all(log->fd, parts, block->length > 0 ? 2 : 1)) {
        const bool full = errno == ENOSPC || errno == EDQUOT;
        ds_status status = failed(log, "write", error);
        cut_back(log, log->length);
        log->closing = log->closing || (full && log->length > DS_LOG_HEAD);
        return status;
    }
    block->log = (ds_log_place){log->receiver_id, log->segment, log->length};
    log->length += sizeof head + block->length;
    return DS_OK;
}
