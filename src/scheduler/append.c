#include "scheduler/append.h"

#include "base/assert.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)256 << 10)

/* One append, with its file open. */
typedef struct appending {
    const ds_commit_append *append;
    int fd;
    uint64_t length; /* of the file */
    uint64_t size;   /* of all parts */
    uint64_t there;  /* bytes of the parts that are in the file already */
    bool complete;   /* nothing is to be written any more */
} appending;

static ds_status failed(ds_error *error, const char *what, const char *path)
{
    return ds_error_set(error, DS_ERR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

static ds_status open_append(appending *a, const ds_commit_append *append, ds_error *error)
{
    *a = (appending){.append = append};
    a->fd = open(append->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (a->fd < 0)
        return failed(error, "open", append->path);
    struct stat st;
    if (fstat(a->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(a->fd);
        return ds_error_set(error, DS_ERR_IO, "cannot append to %s: it is not a regular file",
                            append->path);
    }
    a->length = (uint64_t)st.st_size;
    for (uint32_t i = 0; i < append->n_parts; i++)
        a->size += append->parts[i].length;
    return DS_OK;
}

static ds_status read_all(int fd, char *to, size_t n, uint64_t at, const char *path,
                          ds_error *error)
{
    while (n > 0) {
        ssize_t got = pread(fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed(error, "read", path);
        if (got == 0)
            return ds_error_set(error, DS_ERR_IO, "%s is shorter than it should be", path);
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return DS_OK;
}

static ds_status write_all(int fd, const char *bytes, size_t n, uint64_t at, const char *path,
                           ds_error *error)
{
    while (n > 0) {
        ssize_t put = pwrite(fd, bytes, n, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return failed(error, "write", path);
        bytes += put;
        at += (uint64_t)put;
        n -= (size_t)put;
    }
    return DS_OK;
}

static ds_status open_part(const ds_commit_file *part, int *fd, ds_error *error)
{
    *fd = open(part->staged, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return failed(error, "open", part->staged);
    struct stat st;
    if (fstat(*fd, &st) == 0 && (uint64_t)st.st_size == part->length)
        return DS_OK;
    close(*fd);
    return ds_error_set(error, DS_ERR_IO, "%s is not %" PRIu64 " bytes long", part->staged,
                        part->length);
}

/* ---- what is in the file ---- */

/* How far two runs of bytes are the same, and whether what follows in `found` is zeros or the
 * same, too. */
static size_t compare(const char *found, const char *wanted, size_t n, bool *ours)
{
    if (memcmp(found, wanted, n) == 0)
        return n;
    size_t same = 0;
    while (found[same] == wanted[same])
        same++;
    for (size_t i = same; i < n; i++)
        *ours = *ours && (found[i] == wanted[i] || found[i] == '\0');
    return same;
}

/* Compares one part with what is in the file from `at` on; *there grows while all is the same. */
static ds_status compare_part(appending *a, const ds_commit_file *part, uint64_t at, bool *ours,
                              ds_error *error)
{
    int fd;
    DS_TRY(open_part(part, &fd, error));
    char *wanted = ds_alloc(2 * COPY_BYTES), *found = wanted + COPY_BYTES;
    uint64_t begin = at - a->append->base; /* of the part */
    ds_status status = DS_OK;
    for (uint64_t done = 0; done < part->length && at + done < a->length && status == DS_OK;) {
        uint64_t left = part->length - done, in_file = a->length - at - done;
        size_t n = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        n = in_file < n ? (size_t)in_file : n;
        status = read_all(fd, wanted, n, done, part->staged, error);
        if (status == DS_OK)
            status = read_all(a->fd, found, n, at + done, a->append->path, error);
        if (status == DS_OK) {
            size_t same = compare(found, wanted, n, ours);
            if (a->there == begin + done)
                a->there += same;
        }
        done += n;
    }
    free(wanted);
    close(fd);
    return status;
}

static bool all_staged(const ds_commit_append *append)
{
    for (uint32_t i = 0; i < append->n_parts; i++)
        if (access(append->parts[i].staged, F_OK) != 0 && errno == ENOENT)
            return false;
    return true;
}

/* An append that may have been begun, in a file that is not shorter than its base. */
static ds_status look_behind_base(appending *a, ds_error *error)
{
    const ds_commit_append *append = a->append;
    bool ours = true;
    uint64_t at = append->base;
    DS_ASSERT(a->length >= at);
    for (uint32_t i = 0; i < append->n_parts; i++) {
        DS_TRY(compare_part(a, &append->parts[i], at, &ours, error));
        at += append->parts[i].length;
    }
    a->complete = a->there == a->size;
    if (a->complete || (ours && a->length <= at))
        return DS_OK;
    return ds_error_set(error, DS_ERR_APP,
                        "%s: something else wrote to it while a batch was being added behind its "
                        "first %" PRIu64 " bytes, and nothing is overwritten: move the file away, "
                        "or cut it to so many bytes, and start again",
                        append->path, append->base);
}

/* Whether the append can begin or go on where its base says. */
static ds_status look(appending *a, bool *moved, ds_error *error)
{
    const ds_commit_append *append = a->append;
    *moved = false;
    if (append->begun && !all_staged(append)) {
        if (a->length < append->base + a->size)
            ds_log_warn("%s: a batch was added to it at byte %" PRIu64
                        ", and it is shorter now: it was cut, or begun anew, since",
                        append->path, append->base);
        a->complete = true;
        return DS_OK;
    }
    if (append->begun && a->length >= append->base)
        return look_behind_base(a, error);
    *moved = a->length != append->base;
    return DS_OK;
}

/* Somebody else's last line is ended, so that it and the first row stay apart. */
static ds_status end_line(appending *a, ds_error *error)
{
    char last = '\n';
    if (a->length > 0)
        DS_TRY(read_all(a->fd, &last, 1, a->length - 1, a->append->path, error));
    if (last == '\n')
        return DS_OK;
    DS_TRY(write_all(a->fd, "\n", 1, a->length, a->append->path, error));
    a->length++;
    return DS_OK;
}

/* ---- writing ---- */

/* For file systems that cannot copy by themselves. */
static ds_status copy_by_hand(const appending *a, int from, const ds_commit_file *part,
                              uint64_t done, uint64_t at, ds_error *error)
{
    char *bytes = ds_alloc(COPY_BYTES);
    ds_status status = DS_OK;
    while (done < part->length && status == DS_OK) {
        uint64_t left = part->length - done;
        size_t n = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        status = read_all(from, bytes, n, done, part->staged, error);
        if (status == DS_OK)
            status = write_all(a->fd, bytes, n, at + done, a->append->path, error);
        done += n;
    }
    free(bytes);
    return status;
}

static bool cannot_copy(int reason)
{
    return reason == EXDEV || reason == EINVAL || reason == ENOSYS || reason == EOPNOTSUPP ||
           reason == EPERM;
}

/* Copies a part from byte `done` on to its place, which begins at `at`. */
static ds_status copy_part(const appending *a, const ds_commit_file *part, uint64_t done,
                           uint64_t at, ds_error *error)
{
    int from;
    DS_TRY(open_part(part, &from, error));
    ds_status status = DS_OK;
    while (done < part->length) {
        off_t in = (off_t)done, out = (off_t)(at + done);
        ssize_t n = copy_file_range(from, &in, a->fd, &out, part->length - done, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || (n < 0 && cannot_copy(errno)))
            status = copy_by_hand(a, from, part, done, at, error);
        else if (n < 0)
            status = failed(error, "write", a->append->path);
        if (n <= 0)
            break;
        done += (uint64_t)n;
    }
    close(from);
    return status;
}

static ds_status write_parts(const appending *a, ds_error *error)
{
    uint64_t begin = 0; /* of the part, behind the base */
    for (uint32_t i = 0; i < a->append->n_parts; i++) {
        const ds_commit_file *part = &a->append->parts[i];
        uint64_t done = a->there > begin ? a->there - begin : 0;
        if (done < part->length)
            DS_TRY(copy_part(a, part, done, a->append->base + begin, error));
        begin += part->length;
    }
    return DS_OK;
}

/* The entry of a new file is made durable, too. */
static ds_status sync_file(const appending *a, ds_error *error)
{
    const char *path = a->append->path, *slash = strrchr(path, '/');
    if (fdatasync(a->fd) != 0)
        return failed(error, "sync", path);
    if (a->append->base > 0)
        return DS_OK;
    ds_buffer folder = {0};
    ds_buffer_append(&folder, path, slash == NULL ? 0 : (size_t)(slash - path) + 1);
    ds_buffer_append_char(&folder, '.');
    ds_status status = ds_sync_folder(ds_buffer_text(&folder), error);
    ds_buffer_fini(&folder);
    return status;
}

/* Whoever reads the file while the batch waits for its next attempt sees whole rows only. */
static void cut_back(const appending *a)
{
    int done = ftruncate(a->fd, (off_t)a->append->base);
    (void)done; /* the next attempt looks at what is there */
}

static void remove_parts(const ds_commit_append *append)
{
    for (uint32_t i = 0; i < append->n_parts; i++)
        unlink(append->parts[i].staged);
}

/* Adds what is missing of one append, at its base. */
static ds_status complete(appending *a, bool durable, ds_error *error)
{
    ds_status status = a->complete ? DS_OK : write_parts(a, error);
    if (status != DS_OK)
        cut_back(a);
    else if (durable)
        status = sync_file(a, error);
    if (status == DS_OK)
        remove_parts(a->append);
    return status;
}

/* *length receives the length of a file that is not as long as the base says. */
static ds_status append_one(const ds_commit_append *append, bool durable, uint64_t *length,
                            ds_error *error)
{
    appending a;
    bool moved;
    DS_TRY(open_append(&a, append, error));
    ds_status status = look(&a, &moved, error);
    if (status == DS_OK)
        status = moved ? end_line(&a, error) : complete(&a, durable, error);
    if (moved)
        *length = a.length;
    close(a.fd);
    return status;
}

ds_status ds_append_files(const ds_commit *commit, bool durable, uint64_t *lengths, bool *moved,
                          ds_error *error)
{
    *moved = false;
    for (uint32_t i = 0; i < commit->n_appends; i++) {
        const ds_commit_append *append = &commit->appends[i];
        lengths[i] = append->base;
        DS_TRY(append_one(append, durable, &lengths[i], error));
        *moved = *moved || lengths[i] != append->base;
    }
    return DS_OK;
}
