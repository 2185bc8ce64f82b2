#include "checkpoint/append.h"

#include "base/assert.h"
#include "base/file_sum.h"
#include "base/files.h"
#include "base/inject.h"
#include "base/memory.h"
#include "checkpoint/placed.h"
#include "checkpoint/staged.h"

#include <dirent.h>
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
    ds_buffer path; /* of the file */
    bool renamed;   /* that is not the append's */
    bool again;     /* the commit may have been begun before a crash */
    int fd;
    ds_append_end end; /* of the file, now */
    uint64_t size;     /* of all parts */
    uint64_t there;    /* bytes of the parts that are in the file already */
    bool complete;     /* nothing is to be written any more */
    bool lost;         /* nor can it be: it is neither staged nor in the file */
} appending;

static ds_status failed(ds_error *error, const char *what, const char *path)
{
    return ds_error_set(error, DS_ERR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

/* Where the name begins in a path. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

static const char *path_of(appending *a)
{
    return ds_buffer_text(&a->path);
}

/* A file that is not there yet may be read by whoever may read what is put into it. */
static mode_t mode_for(const ds_commit_append *append)
{
    struct stat st;
    bool hidden = append->n_parts > 0 && stat(append->parts[0].staged, &st) == 0 &&
                  (st.st_mode & 077) == 0 && (st.st_mode & 0700) == DS_PRIVATE_FILE;
    return hidden ? DS_PRIVATE_FILE : 0666;
}

static ds_status open_file(appending *a, const char *path, mode_t mode, ds_error *error)
{
    struct stat st;
    DS_ASSERT(a->fd < 0);
    a->path.length = 0;
    ds_buffer_append_text(&a->path, path);
    a->fd = open(path_of(a), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, mode);
    if (a->fd < 0)
        return failed(error, "open", path);
    if (fstat(a->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return ds_error_set(error, DS_ERR_IO, "cannot append to %s: it is not a regular file",
                            path);
    a->end = (ds_append_end){(uint64_t)st.st_size, (uint64_t)st.st_ino};
    return DS_OK;
}

/* Looks beside the file for the one with an inode: its name was changed. False if there is none. */
static bool find_renamed(const char *path, uint64_t inode, ds_buffer *found)
{
    ds_buffer_append(found, path, folder_length(path));
    ds_buffer_append_char(found, '.');
    DIR *dir = opendir(ds_buffer_text(found));
    bool there = false;
    for (struct dirent *entry; dir != NULL && !there && (entry = readdir(dir)) != NULL;) {
        struct stat st;
        there = fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(st.st_mode) && (uint64_t)st.st_ino == inode;
        found->length = folder_length(path);
        ds_buffer_append_text(found, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    ds_buffer_text(found);
    return there;
}

/* Opens the file; of an append that may have been begun the one in which it was, even if its name
 * was changed since. */
static ds_status open_append(appending *a, const ds_commit_append *append, bool again,
                             ds_error *error)
{
    *a = (appending){.append = append, .again = again, .fd = -1};
    for (uint32_t i = 0; i < append->n_parts; i++)
        a->size += append->parts[i].length;
    ds_buffer renamed = {0};
    struct stat st;
    bool other = append->begun &&
                 (stat(append->path, &st) != 0 || (uint64_t)st.st_ino != append->base.inode);
    const char *path = append->path;
    a->renamed = other && find_renamed(append->path, append->base.inode, &renamed);
    if (a->renamed)
        path = ds_buffer_text(&renamed);
    ds_status status = open_file(a, path, mode_for(append), error);
    ds_buffer_fini(&renamed);
    return status;
}

static void close_append(appending *a)
{
    if (a->fd >= 0)
        close(a->fd);
    ds_buffer_fini(&a->path);
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
    DS_ASSERT(n > 0);
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
    uint64_t begin = at - a->append->base.length; /* of the part */
    DS_ASSERT(at >= a->append->base.length && a->there <= begin);
    ds_status status = DS_OK;
    for (uint64_t done = 0; done < part->length && at + done < a->end.length && status == DS_OK;) {
        uint64_t left = part->length - done, in_file = a->end.length - at - done;
        size_t n = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        n = in_file < n ? (size_t)in_file : n;
        status = read_all(fd, wanted, n, done, part->staged, error);
        if (status == DS_OK)
            status = read_all(a->fd, found, n, at + done, path_of(a), error);
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

static bool all_staged(const appending *a)
{
    const ds_commit_append *append = a->append;
    for (uint32_t i = 0; i < append->n_parts; i++)
        if (ds_staged_look(&append->parts[i], a->again || append->begun) != DS_STAGED_WHOLE)
            return false;
    return true;
}

/* An append that may have been begun, in a file that is not shorter than its base. */
static ds_status look_behind_base(appending *a, ds_error *error)
{
    const ds_commit_append *append = a->append;
    bool ours = true;
    uint64_t at = append->base.length;
    DS_ASSERT(a->end.length >= at);
    for (uint32_t i = 0; i < append->n_parts; i++) {
        DS_TRY(compare_part(a, &append->parts[i], at, &ours, error));
        at += append->parts[i].length;
    }
    a->complete = a->there == a->size;
    if (a->complete || (ours && a->end.length <= at))
        return DS_OK;
    return ds_error_set(error, DS_ERR_APP,
                        "%s: something else wrote to it while a batch was being added behind its "
                        "first %" PRIu64 " bytes, and nothing is overwritten: move the file away, "
                        "or cut it to so many bytes, and start again",
                        path_of(a), append->base.length);
}

/* Whether one part is in the file, where it should begin. */
static ds_status check_part(appending *a, const ds_commit_file *part, uint64_t at, bool *same,
                            ds_error *error)
{
    ds_error why;
    uint64_t sum;
    DS_ASSERT(at >= a->append->base.length);
    ds_status status = ds_file_sum(a->fd, at, part->length, &sum, &why);
    *same = status == DS_OK && sum == part->checksum;
    if (status != DS_ERR_IO)
        return DS_OK;
    return ds_error_set(error, DS_ERR_IO, "cannot read %s: %s", path_of(a), why.message);
}

/* Parts are gone, or damaged: whether all of them are in the file, behind the base. */
static ds_status look_for_parts(appending *a, ds_error *error)
{
    const ds_commit_append *append = a->append;
    uint64_t at = append->base.length;
    bool same = append->begun && a->end.inode == append->base.inode &&
                a->end.length >= append->base.length + a->size;
    for (uint32_t i = 0; i < append->n_parts && same; i++) {
        const ds_commit_file *part = &append->parts[i];
        DS_TRY(check_part(a, part, at, &same, error));
        at += part->length;
    }
    a->complete = same;
    a->lost = !same;
    return DS_OK;
}

/* Whether the append can begin or go on where its base says. */
static ds_status look(appending *a, bool *moved, ds_error *error)
{
    const ds_commit_append *append = a->append;
    *moved = false;
    DS_ASSERT(!append->begun || append->base.length != DS_APPEND_UNKNOWN);
    a->complete = append->begun && ds_placed_is_marked(append->parts[0].staged);
    if (a->complete)
        return DS_OK;
    if (!all_staged(a))
        return look_for_parts(a, error);
    const bool same = a->end.inode == append->base.inode;
    if (!append->begun) {
        *moved = !same || a->end.length != append->base.length;
        return DS_OK;
    }
    *moved = a->end.length < append->base.length;
    ds_status status = *moved ? DS_OK : look_behind_base(a, error);
    if (status != DS_ERR_APP || (same && !a->renamed))
        return status;
    *moved = true; /* quite another file has the name now; or this one was moved away */
    return DS_OK;
}

/* Somebody else's last line is ended, so that it and the first row stay apart. */
static ds_status end_line(appending *a, ds_error *error)
{
    DS_ASSERT(!a->complete);
    char last = '\n';
    if (a->end.length > 0)
        DS_TRY(read_all(a->fd, &last, 1, a->end.length - 1, path_of(a), error));
    if (last == '\n')
        return DS_OK;
    DS_TRY(write_all(a->fd, "\n", 1, a->end.length, path_of(a), error));
    a->end.length++;
    return DS_OK;
}

/* ---- writing ---- */

/* For file systems that cannot copy by themselves. */
static ds_status copy_by_hand(appending *a, int from, const ds_commit_file *part, uint64_t done,
                              uint64_t at, ds_error *error)
{
    char *bytes = ds_alloc(COPY_BYTES);
    ds_status status = DS_OK;
    while (done < part->length && status == DS_OK) {
        uint64_t left = part->length - done;
        size_t n = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        status = read_all(from, bytes, n, done, part->staged, error);
        if (status == DS_OK)
            status = write_all(a->fd, bytes, n, at + done, path_of(a), error);
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
static ds_status copy_part(appending *a, const ds_commit_file *part, uint64_t done, uint64_t at,
                           ds_error *error)
{
    int from;
    DS_ASSERT(done < part->length && at >= a->append->base.length);
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
            status = failed(error, "write", path_of(a));
        if (n <= 0)
            break;
        done += (uint64_t)n;
        DS_INJECT("append.part_written");
    }
    close(from);
    return status;
}

static ds_status write_parts(appending *a, ds_error *error)
{
    uint64_t begin = 0; /* of the part, behind the base */
    DS_ASSERT(a->there < a->size && a->append->base.length <= a->end.length);
    for (uint32_t i = 0; i < a->append->n_parts; i++) {
        const ds_commit_file *part = &a->append->parts[i];
        uint64_t done = a->there > begin ? a->there - begin : 0;
        if (done < part->length)
            DS_TRY(copy_part(a, part, done, a->append->base.length + begin, error));
        begin += part->length;
    }
    return DS_OK;
}

/* The entry of a new file is made durable, too. */
static ds_status sync_file(appending *a, ds_error *error)
{
    if (fdatasync(a->fd) != 0)
        return failed(error, "sync", path_of(a));
    if (a->append->base.length > 0)
        return DS_OK;
    ds_buffer folder = {0};
    ds_buffer_append(&folder, path_of(a), folder_length(path_of(a)));
    ds_buffer_append_char(&folder, '.');
    ds_status status = ds_sync_folder(ds_buffer_text(&folder), error);
    ds_buffer_fini(&folder);
    return status;
}

/* Whoever reads the file while the batch waits for its next attempt sees whole rows only. */
static void cut_back(const appending *a)
{
    DS_ASSERT(!a->complete && a->append->base.length <= (uint64_t)INT64_MAX);
    int done = ftruncate(a->fd, (off_t)a->append->base.length);
    (void)done; /* the next attempt looks at what is there */
}

static void remove_parts(const ds_commit_append *append)
{
    DS_ASSERT(append->n_parts > 0);
    for (uint32_t i = 0; i < append->n_parts; i++)
        unlink(append->parts[i].staged);
    DS_INJECT("append.parts_removed");
}

/* Adds what is missing of one append, at its base. */
static ds_status complete(appending *a, bool durable, ds_error *error)
{
    ds_status status = a->complete ? DS_OK : write_parts(a, error);
    if (status != DS_OK)
        cut_back(a);
    else if (durable)
        status = sync_file(a, error);
    DS_INJECT("append.synced");
    if (status != DS_OK)
        return status;
    ds_placed_mark(a->append->parts[0].staged);
    remove_parts(a->append);
    return DS_OK;
}

/* Measures the file that has the name now, whichever was looked at. *moved: to be false if ending
 * its last line, which was cut by no more than that, made it what the base says. */
static ds_status measure(appending *a, bool *moved, ds_error *error)
{
    const ds_append_end *base = &a->append->base;
    DS_ASSERT(*moved);
    if (a->renamed) {
        close(a->fd);
        a->fd = -1;
        a->renamed = false;
        DS_TRY(open_file(a, a->append->path, mode_for(a->append), error));
    }
    DS_TRY(end_line(a, error));
    *moved = a->end.length != base->length || a->end.inode != base->inode;
    a->there = 0;
    return DS_OK;
}

/* *end receives the end of a file that is not as the base says. *lost: nothing can be done. */
static ds_status append_one(const ds_commit_append *append, bool again, bool durable,
                            ds_append_end *end, bool *lost, ds_error *error)
{
    appending a;
    bool moved = false;
    ds_status status = open_append(&a, append, again, error);
    if (status == DS_OK)
        status = look(&a, &moved, error);
    if (status == DS_OK && moved)
        status = measure(&a, &moved, error);
    if (status == DS_OK && a.lost)
        remove_parts(append);
    else if (status == DS_OK && !moved)
        status = complete(&a, durable, error);
    if (moved)
        *end = a.end;
    *lost = a.lost;
    close_append(&a);
    return status;
}

ds_status ds_append_files(const ds_commit *commit, bool durable, ds_append_end *ends, bool *moved,
                          bool *lost, ds_error *error)
{
    *moved = false;
    for (uint32_t i = 0; i < commit->n_appends; i++) {
        const ds_append_end base = commit->appends[i].base;
        ends[i] = base;
        DS_TRY(append_one(&commit->appends[i], commit->again, durable, &ends[i], &lost[i], error));
        *moved = *moved || ends[i].length != base.length || ends[i].inode != base.inode;
    }
    return DS_OK;
}
