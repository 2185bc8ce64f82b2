#include "base/files.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ds_status make_folders(const char *path, mode_t mode, ds_error *error)
{
    char *copy = ds_strdup(path);
    for (char *p = copy; *p != '\0'; p++) {
        if (*p != '/' || p == copy)
            continue;
        *p = '\0';
        mkdir(copy, mode); /* what matters is whether the last one can be made */
        *p = '/';
    }
    free(copy);
    struct stat found;
    if (mkdir(path, mode) == 0)
        return DS_OK;
    int reason = errno;
    if (reason == EEXIST && stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        return DS_OK;
    return ds_error_set(error, DS_ERR_IO, "cannot make the folder %s: %s", path,
                        strerror(reason == EEXIST ? ENOTDIR : reason));
}

ds_status ds_make_folders(const char *path, ds_error *error)
{
    return make_folders(path, 0777, error);
}

ds_status ds_make_private_folders(const char *path, ds_error *error)
{
    return make_folders(path, 0700, error);
}

ds_status ds_sync_folder(const char *path, ds_error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool fine = fd >= 0 && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (fine)
        return DS_OK;
    return ds_error_set(error, DS_ERR_IO, "cannot sync the folder %s: %s", path, strerror(reason));
}

/* Reads to the end, and closes. */
static ds_status read_all(int fd, const char *path, size_t limit, ds_buffer *out, ds_error *error)
{
    size_t total = 0;
    ds_status status = DS_OK;
    for (;;) {
        char *to = ds_buffer_reserve(out, 64 << 10);
        ssize_t n = read(fd, to, 64 << 10);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            status = ds_error_set(error, DS_ERR_IO, "cannot read %s: %s", path, strerror(errno));
        if (n <= 0)
            break;
        out->length += (size_t)n;
        total += (size_t)n;
        if (total > limit) {
            status = ds_error_set(error, DS_ERR_IO, "%s has more than %zu bytes", path, limit);
            break;
        }
    }
    close(fd);
    return status;
}

static ds_status cannot_open(const char *path, ds_error *error)
{
    return ds_error_set(error, DS_ERR_NO_INPUT, "cannot open %s: %s", path, strerror(errno));
}

ds_status ds_read_file(const char *path, size_t limit, ds_buffer *out, ds_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? cannot_open(path, error) : read_all(fd, path, limit, out, error);
}

ds_status ds_read_regular_file(const char *path, size_t limit, ds_buffer *out, ds_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return cannot_open(path, error);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return read_all(fd, path, limit, out, error);
    close(fd);
    return ds_error_set(error, DS_ERR_IO, "%s is no regular file", path);
}

char *ds_folder_above(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL   ? ds_strdup(".")
           : slash == path ? ds_strdup("/")
                           : ds_strndup(path, (size_t)(slash - path));
}
