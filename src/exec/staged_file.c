#include "exec/staged_file.h"

#include "base/assert.h"
#include "base/files.h"
#include "base/inject.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define DRAIN_BYTES ((size_t)256 << 10)

struct ds_staged_file {
    char *path;
    int fd;
    bool completed;
    uint64_t length;
    ds_buffer buffer;
    XXH3_state_t *checksum;
};

static ds_status failed(ds_error *error, const char *what, const char *path)
{
    return ds_error_set(error, DS_ERR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

ds_status ds_staged_file_new(const char *folder, const char *name, bool shared,
                             ds_staged_file **result, ds_error *error)
{
    ds_buffer path = {0};
    ds_buffer_printf(&path, "%s/%s", folder, name);
    ds_staged_file *file = ds_calloc(1, sizeof *file);
    file->path = ds_strdup(ds_buffer_text(&path));
    ds_buffer_fini(&path);
    const mode_t mode = shared ? 0666 : DS_PRIVATE_FILE;
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    file->fd = open(file->path, flags, mode);
    if (file->fd < 0 && errno == ENOENT && ds_make_folders(folder, NULL) == DS_OK)
        file->fd = open(file->path, flags, mode);
    if (file->fd < 0) {
        ds_status status = failed(error, "create", file->path);
        ds_staged_file_free(file);
        return status;
    }
    file->checksum = XXH3_createState();
    DS_ASSERT(file->checksum != NULL);
    XXH3_64bits_reset(file->checksum);
    *result = file;
    return DS_OK;
}

ds_buffer *ds_staged_file_buffer(ds_staged_file *file)
{
    return &file->buffer;
}

static ds_status write_out(ds_staged_file *file, ds_error *error)
{
    DS_ASSERT(file->fd >= 0 && !file->completed);
    const char *bytes = file->buffer.data;
    size_t left = file->buffer.length;
    XXH3_64bits_update(file->checksum, bytes, left);
    while (left > 0) {
        ssize_t n = write(file->fd, bytes, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(error, "write", file->path);
        bytes += n;
        left -= (size_t)n;
    }
    file->length += file->buffer.length;
    file->buffer.length = 0;
    return DS_OK;
}

ds_status ds_staged_file_drain(ds_staged_file *file, ds_error *error)
{
    return file->buffer.length < DRAIN_BYTES ? DS_OK : write_out(file, error);
}

ds_status ds_staged_file_complete(ds_staged_file *file, bool sync, uint64_t *length,
                                  uint64_t *checksum, ds_error *error)
{
    DS_ASSERT(file->fd >= 0 && !file->completed);
    if (file->buffer.length > 0)
        DS_TRY(write_out(file, error));
    DS_INJECT("staged.written");
    if (sync && fsync(file->fd) != 0)
        return failed(error, "sync", file->path);
    int fd = file->fd;
    file->fd = -1;
    if (close(fd) != 0)
        return failed(error, "close", file->path);
    DS_INJECT("staged.synced");
    file->completed = true;
    *length = file->length;
    *checksum = XXH3_64bits_digest(file->checksum);
    return DS_OK;
}

const char *ds_staged_file_path(const ds_staged_file *file)
{
    return file->path;
}

void ds_staged_file_discard(ds_staged_file *file)
{
    file->completed = false;
}

void ds_staged_file_free(ds_staged_file *file)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        close(file->fd);
    if (!file->completed && file->checksum != NULL)
        unlink(file->path);
    if (file->checksum != NULL)
        XXH3_freeState(file->checksum);
    ds_buffer_fini(&file->buffer);
    free(file->path);
    free(file);
}
