#include "base/claim.h"

#include "base/assert.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLAIM_TEXT 17 /* 16 hexadecimal digits, and a line end */

static void make_text(uint64_t epoch, char text[CLAIM_TEXT + 1])
{
    DS_ASSERT(epoch != 0);
    snprintf(text, CLAIM_TEXT + 1, "%016" PRIx64 "\n", epoch);
}

ds_status ds_claim_write(int lock_fd, uint64_t epoch, const char *path, ds_error *error)
{
    char text[CLAIM_TEXT + 1];
    make_text(epoch, text);
    if (pwrite(lock_fd, text, CLAIM_TEXT, 0) == CLAIM_TEXT && ftruncate(lock_fd, CLAIM_TEXT) == 0 &&
        fsync(lock_fd) == 0) /* other hosts may have it mounted */
        return DS_OK;
    return ds_error_set(error, DS_ERR_IO, "cannot write %s: %s", path, strerror(errno));
}

static bool has_claim(int dir_fd, uint64_t epoch)
{
    char text[CLAIM_TEXT + 1], found[CLAIM_TEXT];
    make_text(epoch, text);
    int fd = openat(dir_fd, "lock", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd >= 0 ? read(fd, found, sizeof found) : -1;
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = n < 0 ? why : 0;
    return n == CLAIM_TEXT && memcmp(found, text, CLAIM_TEXT) == 0;
}

int ds_claim_open(const char *dir, uint64_t epoch, ds_error *error)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && has_claim(fd, epoch))
        return fd;
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (why == 0 || why == ENOENT)
        ds_error_set(error, DS_ERR_IO, "the checkpoint folder %s was removed or replaced", dir);
    else
        ds_error_set(error, DS_ERR_IO, "cannot open the checkpoint folder %s: %s", dir,
                     strerror(why));
    return -1;
}

ds_status ds_claim_check_above(const char *folder, uint64_t epoch, ds_error *error)
{
    char *dir = ds_folder_above(folder);
    int fd = ds_claim_open(dir, epoch, error);
    free(dir);
    if (fd < 0)
        return DS_ERR_IO;
    close(fd);
    return DS_OK;
}

bool ds_claim_leads_to(const char *path, int fd)
{
    struct stat held, there;
    return fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_dev == there.st_dev &&
           held.st_ino == there.st_ino;
}
