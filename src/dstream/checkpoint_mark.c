#include "dstream/checkpoint_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MARK_BYTES 17 /* 16 hexadecimal digits, and the end of the line */
#define PATH_BYTES 4096

ds_status ds_checkpoint_mark(int lock_fd, uint64_t epoch, const char *path, ds_error *error)
{
    char mark[MARK_BYTES + 1];
    snprintf(mark, sizeof mark, "%016" PRIx64 "\n", epoch);
    if (pwrite(lock_fd, mark, MARK_BYTES, 0) == MARK_BYTES && ftruncate(lock_fd, MARK_BYTES) == 0 &&
        fsync(lock_fd) == 0) /* other hosts may have it mounted */
        return DS_OK;
    return ds_error_set(error, DS_ERR_IO, "cannot write %s: %s", path, strerror(errno));
}

static ds_status read_mark(const char *path, char mark[MARK_BYTES + 1], ds_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, mark, MARK_BYTES);
    int why = errno;
    if (fd >= 0)
        close(fd);
    mark[n < 0 ? 0 : n] = '\0';
    return n >= 0 ? DS_OK
                  : ds_error_set(error, DS_ERR_NO_INPUT, "cannot read %s: %s", path, strerror(why));
}

ds_status ds_checkpoint_mark_check(const char *kept_folder, uint64_t epoch, ds_error *error)
{
    const char *slash = strrchr(kept_folder, '/');
    int length = slash == NULL ? 0 : (int)(slash - kept_folder);
    char path[PATH_BYTES], expected[MARK_BYTES + 1], mark[MARK_BYTES + 1];
    snprintf(path, sizeof path, "%.*s%slock", length, kept_folder, slash == NULL ? "" : "/");
    DS_TRY(read_mark(path, mark, error));
    snprintf(expected, sizeof expected, "%016" PRIx64 "\n", epoch);
    if (strcmp(mark, expected) == 0)
        return DS_OK;
    return ds_error_set(error, DS_ERR_NO_INPUT, "%.*s is not the checkpoint folder of this app",
                        length, kept_folder);
}
