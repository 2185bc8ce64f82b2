#include "base/spill.h"

#include "base/assert.h"
#include "base/extents.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PAGE ((uint64_t)4096) /* ranges begin there; a multiple of the system's will do */
#define IN_MEMORY 0x01021994  /* f_type of tmpfs */

struct ds_spill {
    int fd;
    char *folder;
    ds_error why_not; /* without a file: the reason */
    uint64_t size;
    bool is_cut; /* to what the process may write to a file, which is less than it should be */
    pthread_mutex_t lock; /* guards extents */
    ds_extents extents;
    _Atomic uint64_t written;
};

static uint64_t round_up(uint64_t n)
{
    return (n + PAGE - 1) / PAGE * PAGE;
}

/* ---- making it ---- */

/* A file without a name in the folder; -1 with errno. */
static int make_file(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char name[4096];
    int n = snprintf(name, sizeof name, "%s/.dstream-spill-XXXXXX", folder);
    if (n < 0 || (size_t)n >= sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    return fd;
}

/* What a limit of the process on the size of files leaves. */
static uint64_t allowed(uint64_t size, bool *is_cut)
{
    struct rlimit limit;
    *is_cut = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size;
    return (*is_cut ? limit.rlim_cur : size) / PAGE * PAGE;
}

/* What sets an end to the size of the file. */
static const char *limit_name(bool is_cut)
{
    return is_cut ? "the limit of the process on the size of files, ulimit -f" : "limits.spill";
}

static const char *reason(int why)
{
    return why == EFBIG ? "it would be larger than the process may make files (ulimit -f)"
                        : strerror(why);
}

static bool try_folder(ds_spill *spill, const char *folder, uint64_t size)
{
    int fd = make_file(folder);
    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0) {
        spill->fd = fd;
        spill->size = size;
        spill->folder = ds_strdup(folder);
        return true;
    }
    ds_error_set(&spill->why_not, DS_ERR_IO, "cannot make a file in %s: %s", folder, reason(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

static bool is_in_memory(const char *folder)
{
    struct statfs about;
    return statfs(folder, &about) == 0 && about.f_type == IN_MEMORY;
}

/* Folders that are on disk come first. */
static void try_temporary(ds_spill *spill, uint64_t size)
{
    const char *folders[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
    for (int in_memory = 0; in_memory <= 1; in_memory++)
        for (int i = 0; i < 3; i++)
            if (folders[i] != NULL && folders[i][0] != '\0' &&
                is_in_memory(folders[i]) == (in_memory != 0) && try_folder(spill, folders[i], size))
                return;
}

static void try_given(ds_spill *spill, const char *folder, uint64_t size)
{
    /* It is not made: that of a checkpoint is away, and would be in the way when it comes back. */
    if (!try_folder(spill, folder, size) && access(folder, F_OK) != 0 && errno == ENOENT)
        try_temporary(spill, size);
}

ds_spill *ds_spill_new(const char *folder, uint64_t limit_bytes)
{
    ds_spill *spill = ds_calloc(1, sizeof *spill);
    spill->fd = -1;
    pthread_mutex_init(&spill->lock, NULL);
    DS_ASSERT(limit_bytes <= (uint64_t)INT64_MAX / 2);
    uint64_t size = allowed(limit_bytes, &spill->is_cut);
    if (size == 0)
        ds_error_set(&spill->why_not, DS_ERR_NO_MEMORY, "%s allows nothing",
                     limit_name(spill->is_cut));
    else if (folder != NULL)
        try_given(spill, folder, size);
    else
        try_temporary(spill, size);
    ds_extents_init(&spill->extents, spill->size);
    return spill;
}

void ds_spill_free(ds_spill *spill)
{
    if (spill == NULL)
        return;
    if (spill->fd >= 0)
        close(spill->fd);
    ds_extents_fini(&spill->extents);
    pthread_mutex_destroy(&spill->lock);
    free(spill->folder);
    free(spill);
}

int ds_spill_fd(const ds_spill *spill)
{
    return spill->fd;
}

uint64_t ds_spill_size(const ds_spill *spill)
{
    return spill->size;
}

/* ---- ranges ---- */

static ds_status no_file(const ds_spill *spill, ds_error *error)
{
    return ds_error_set(error, DS_ERR_NO_MEMORY, "nothing can be spilled to disk: %s",
                        spill == NULL ? "there is no file" : spill->why_not.message);
}

static ds_status no_room(const ds_spill *spill, uint64_t length, uint64_t used, ds_error *error)
{
    return ds_error_set(error, DS_ERR_NO_MEMORY,
                        "%llu bytes do not fit on disk beside the %llu that were spilled (%s)",
                        (unsigned long long)length, (unsigned long long)used,
                        limit_name(spill->is_cut));
}

ds_status ds_spill_take(ds_spill *spill, uint64_t length, uint64_t *offset, ds_error *error)
{
    DS_ASSERT(length > 0);
    if (spill == NULL || spill->fd < 0)
        return no_file(spill, error);
    pthread_mutex_lock(&spill->lock);
    bool taken =
        length <= spill->size && ds_extents_take(&spill->extents, round_up(length), offset);
    uint64_t used = spill->extents.used;
    pthread_mutex_unlock(&spill->lock);
    return taken ? DS_OK : no_room(spill, length, used, error);
}

static ds_status disk_full(const ds_spill *spill, uint64_t length, int why, ds_error *error)
{
    return ds_error_set(error, DS_ERR_IO, "cannot spill %llu bytes to a file in %s: %s",
                        (unsigned long long)length, spill->folder, reason(why));
}

ds_status ds_spill_back(ds_spill *spill, uint64_t offset, uint64_t length, bool *cleared,
                        ds_error *error)
{
    DS_ASSERT(offset <= spill->size && length <= spill->size - offset);
    *cleared = fallocate(spill->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                         (off_t)length) == 0;
    int why;
    do
        why = posix_fallocate(spill->fd, (off_t)offset, (off_t)length);
    while (why == EINTR);
    return why == 0 ? DS_OK : disk_full(spill, length, why, error);
}

ds_status ds_spill_ask(ds_spill *spill, uint64_t length, ds_error *error)
{
    if (spill == NULL || spill->fd < 0)
        return no_file(spill, error);
    uint64_t used = ds_spill_used(spill);
    if (length > spill->size - used)
        return no_room(spill, length, used, error);
    struct statvfs disk;
    if (fstatvfs(spill->fd, &disk) == 0 && length / disk.f_frsize >= disk.f_bavail)
        return disk_full(spill, length, ENOSPC, error);
    return DS_OK;
}

void ds_spill_trim(ds_spill *spill, uint64_t offset, uint64_t length, uint64_t kept)
{
    DS_ASSERT(offset % PAGE == 0 && kept <= length);
    uint64_t from = offset + round_up(kept), end = offset + round_up(length);
    if (from == end)
        return;
    /* Before the range can be taken again. Where this is not to be had the disk stays taken. */
    (void)!fallocate(spill->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                     (off_t)(end - from));
    pthread_mutex_lock(&spill->lock);
    ds_extents_give(&spill->extents, from, end - from);
    pthread_mutex_unlock(&spill->lock);
}

void ds_spill_give(ds_spill *spill, uint64_t offset, uint64_t length)
{
    ds_spill_trim(spill, offset, length, 0);
}

/* ---- bytes ---- */

ds_status ds_spill_write(ds_spill *spill, uint64_t offset, const void *bytes, uint64_t length,
                         ds_error *error)
{
    const char *from = bytes;
    DS_ASSERT(offset <= spill->size && length <= spill->size - offset);
    for (uint64_t done = 0; done < length;) {
        ssize_t n = pwrite(spill->fd, from + done, length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ds_error_set(error, DS_ERR_IO, "cannot spill %llu bytes to a file in %s: %s",
                                (unsigned long long)length, spill->folder,
                                n < 0 ? reason(errno) : "nothing was written");
        done += (uint64_t)n;
    }
    atomic_fetch_add(&spill->written, length);
    return DS_OK;
}

ds_status ds_spill_read_fd(int fd, uint64_t offset, void *to, uint64_t length, ds_error *error)
{
    char *at = to;
    for (uint64_t done = 0; done < length;) {
        ssize_t n = pread(fd, at + done, length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ds_error_set(error, DS_ERR_IO, "cannot read what was spilled to disk: %s",
                                n < 0 ? strerror(errno) : "it is not there");
        done += (uint64_t)n;
    }
    return DS_OK;
}

ds_status ds_spill_read(ds_spill *spill, uint64_t offset, void *to, uint64_t length,
                        ds_error *error)
{
    DS_ASSERT(offset <= spill->size && length <= spill->size - offset);
    return ds_spill_read_fd(spill->fd, offset, to, length, error);
}

uint64_t ds_spill_used(const ds_spill *spill)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&spill->lock;
    pthread_mutex_lock(lock);
    uint64_t used = spill->extents.used;
    pthread_mutex_unlock(lock);
    return used;
}

uint64_t ds_spill_written(const ds_spill *spill)
{
    return atomic_load(&spill->written);
}
