#include "checkpoint/staged.h"

#include "base/file_sum.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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
    uint64_t sum;
    ds_status status = ds_file_sum(fd, 0, file->length, &sum, &error);
    close(fd);
    if (status != DS_OK)
        return damaged(file, error.message);
    return sum == file->checksum ? DS_STAGED_WHOLE
                                 : damaged(file, "its bytes are not those that were written");
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
