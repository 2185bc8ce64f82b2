#include "checkpoint/staged.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define READ_BYTES ((size_t)256 << 10)

static ds_status read_some(int fd, char *to, size_t most, uint64_t at, const char *path, size_t *n,
                           ds_error *error)
{
    ssize_t got;
    do
        got = pread(fd, to, most, (off_t)at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ds_error_set(error, DS_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (got == 0)
        return ds_error_set(error, DS_ERR_IO, "%s is shorter than it should be", path);
    *n = (size_t)got;
    return DS_OK;
}

ds_status ds_staged_compare(int fd, uint64_t at, uint64_t length, uint64_t checksum,
                            const char *path, bool *same, ds_error *error)
{
    XXH3_state_t *sum = XXH3_createState();
    char *bytes = ds_alloc(READ_BYTES);
    ds_status status = DS_OK;
    DS_ASSERT(sum != NULL && fd >= 0);
    XXH3_64bits_reset(sum);
    for (uint64_t done = 0; done < length && status == DS_OK;) {
        size_t n = length - done < READ_BYTES ? (size_t)(length - done) : READ_BYTES;
        status = read_some(fd, bytes, n, at + done, path, &n, error);
        if (status == DS_OK)
            XXH3_64bits_update(sum, bytes, n);
        done += n;
    }
    *same = status == DS_OK && XXH3_64bits_digest(sum) == checksum;
    XXH3_freeState(sum);
    free(bytes);
    return status;
}

static ds_staged_state damaged(const ds_commit_file *file, const char *why)
{
    ds_log_warn("the staged file %s is damaged: %s", file->staged, why);
    return DS_STAGED_DAMAGED;
}

static ds_staged_state look_inside(const ds_commit_file *file)
{
    int fd = open(file->staged, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? DS_STAGED_GONE : DS_STAGED_WHOLE;
    ds_error error;
    bool same;
    ds_status status =
        ds_staged_compare(fd, 0, file->length, file->checksum, file->staged, &same, &error);
    close(fd);
    if (status != DS_OK)
        return damaged(file, error.message);
    return same ? DS_STAGED_WHOLE : damaged(file, "its bytes are not those that were written");
}

ds_staged_state ds_staged_look(const ds_commit_file *file, bool again)
{
    struct stat st;
    if (stat(file->staged, &st) != 0)
        return errno == ENOENT ? DS_STAGED_GONE : DS_STAGED_WHOLE;
    if ((uint64_t)st.st_size != file->length)
        return damaged(file, "its length is not that which was written");
    return again ? look_inside(file) : DS_STAGED_WHOLE;
}
