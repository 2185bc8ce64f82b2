#include "receiver/followed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define PATH_BYTES 8192

/* Reads n bytes of the beginning; false if there are not as many. */
static bool read_head(int fd, char *to, uint32_t n)
{
    uint32_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, to + done, n - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (uint32_t)got;
    }
    return true;
}

bool ds_head_read(int fd, uint64_t size, ds_file_id *id)
{
    char bytes[DS_HEAD_BYTES];
    uint32_t n = size < DS_HEAD_BYTES ? (uint32_t)size : DS_HEAD_BYTES;
    if (!read_head(fd, bytes, n))
        return false;
    id->head_bytes = n;
    id->head = XXH3_64bits(bytes, n);
    return true;
}

bool ds_head_holds(int fd, const ds_file_id *id)
{
    char bytes[DS_HEAD_BYTES];
    return id->head_bytes <= DS_HEAD_BYTES && read_head(fd, bytes, id->head_bytes) &&
           XXH3_64bits(bytes, id->head_bytes) == id->head;
}

int ds_open_regular(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
        return fd;
    close(fd);
    errno = EISDIR;
    return -1;
}

/* ---- finding ---- */

typedef struct search {
    const ds_file_id *id;
    int fd;
    int denied; /* why something that may be the file could not be opened, or 0 */
} search;

/* A device may have another number after the system was started again. */
static bool is_file(int fd, const ds_file_id *id)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_ino != id->inode)
        return false;
    bool same_device = (uint64_t)st.st_dev == id->device;
    return (same_device || id->head_bytes > 0) && ds_head_holds(fd, id);
}

/* Opens what a path leads to, if it is the file. */
static bool try_path(search *s, const char *path)
{
    int fd = ds_open_regular(path);
    if (fd < 0) {
        int why = errno;
        struct stat st;
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_ino == s->id->inode)
            s->denied = why;
        return false;
    }
    if (is_file(fd, s->id)) {
        s->fd = fd;
        return true;
    }
    close(fd);
    return false;
}

/* Looks for the inode among the files that share a folder with path. */
static bool try_folder(search *s, const char *path, char *found)
{
    const char *slash = strrchr(path, '/');
    int length = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    char folder[PATH_BYTES / 2];
    if ((size_t)length >= sizeof folder)
        return false;
    snprintf(folder, sizeof folder, "%.*s", length, slash == NULL ? "." : path);
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return false;
    bool there = false;
    for (const struct dirent *entry; !there && (entry = readdir(dir)) != NULL;) {
        if ((uint64_t)entry->d_ino != s->id->inode)
            continue;
        snprintf(found, PATH_BYTES, "%.*s%s", slash == NULL ? 0 : (int)(slash - path) + 1, path,
                 entry->d_name);
        there = try_path(s, found);
    }
    closedir(dir);
    return there;
}

ds_status ds_followed_open(const char *path, const ds_file_id *id, uint32_t pid, uint32_t number,
                           int *fd, char *kept, size_t path_size, ds_error *error)
{
    search s = {.id = id, .fd = -1};
    char found[PATH_BYTES] = "";
    bool there = false;
    if (pid != 0) {
        char link[64];
        snprintf(link, sizeof link, "/proc/%u/fd/%u", pid, number);
        there = try_path(&s, link);
    }
    if (!there) {
        snprintf(found, sizeof found, "%s", path);
        there = try_path(&s, path) || try_folder(&s, path, found);
    }
    if (there) {
        *fd = s.fd;
        if (kept != NULL)
            snprintf(kept, path_size, "%s", found);
        return DS_OK;
    }
    if (s.denied != 0)
        return ds_error_set(error, DS_ERR_IO, "cannot open %s: %s", path, strerror(s.denied));
    return ds_error_set(error, DS_ERR_NO_INPUT, "%s is gone, or was written anew", path);
}
