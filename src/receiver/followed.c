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

/* Reads n bytes of the beginning; false with errno, 0 if there are not as many. */
static bool read_head(int fd, char *to, uint32_t n)
{
    uint32_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, to + done, n - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = 0;
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

ds_head ds_head_check(int fd, const ds_file_id *id)
{
    char bytes[DS_HEAD_BYTES];
    if (id->head_bytes > DS_HEAD_BYTES)
        return DS_HEAD_OTHER;
    if (!read_head(fd, bytes, id->head_bytes))
        return errno == 0 ? DS_HEAD_OTHER : DS_HEAD_UNREAD;
    return XXH3_64bits(bytes, id->head_bytes) == id->head ? DS_HEAD_SAME : DS_HEAD_OTHER;
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
    int denied; /* why something that may be the file could not be opened or read, or 0 */
    bool away;  /* the folder is not there, or not what it was */
} search;

static bool is_absence(int why)
{
    return why == ENOENT || why == ENOTDIR || why == ELOOP;
}

/* A device may have another number after the system was started again. */
static bool is_file(search *s, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        s->denied = errno;
        return false;
    }
    bool same_device = (uint64_t)st.st_dev == s->id->device;
    if ((uint64_t)st.st_ino != s->id->inode || (!same_device && s->id->head_bytes == 0))
        return false;
    ds_head head = ds_head_check(fd, s->id);
    if (head == DS_HEAD_UNREAD)
        s->denied = errno;
    return head == DS_HEAD_SAME;
}

/* Opens what a path leads to, if it is the file. Only what can be looked at, and is another file or
 * none, proves that it is not there: then the result is 0, else why it cannot be told. */
static int try_path(search *s, const char *path)
{
    int fd = ds_open_regular(path);
    if (fd < 0) {
        int why = errno;
        struct stat st;
        if (stat(path, &st) != 0)
            return is_absence(errno) ? 0 : errno;
        if (S_ISREG(st.st_mode) && (uint64_t)st.st_ino == s->id->inode)
            s->denied = why;
        return 0;
    }
    if (is_file(s, fd))
        s->fd = fd;
    else
        close(fd);
    return 0;
}

static void try_name(search *s, const char *path)
{
    int why = try_path(s, path);
    if (why != 0)
        s->denied = why;
}

/* A process that is gone, or somebody else's, says nothing; nor does what a server forgot, as that
 * has a name, or has none. */
static void try_link(search *s, uint32_t pid, uint32_t number)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/%u/fd/%u", pid, number);
    int why = try_path(s, link);
    if (why != 0 && why != EACCES && why != EPERM && why != ESRCH && why != ESTALE)
        s->denied = why;
}

/* ---- its folder ---- */

/* NULL with errno. */
static DIR *open_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    int length = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    char folder[PATH_BYTES / 2];
    if ((size_t)length >= sizeof folder) {
        errno = ENOENT;
        return NULL;
    }
    snprintf(folder, sizeof folder, "%.*s", length, slash == NULL ? "." : path);
    return opendir(folder);
}

/* A mount point whose disk is not there: another device, and nothing in it. A folder that holds
 * something is taken for the one that is meant, as links to other disks may stand in it. */
static bool is_bare(DIR *dir, uint64_t device)
{
    struct stat st;
    if (fstat(dirfd(dir), &st) == 0 && (uint64_t)st.st_dev == device)
        return false;
    rewinddir(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            return false;
    return true; /* or it cannot be told */
}

bool ds_folder_is_away(const char *path, uint64_t device)
{
    DIR *dir = open_folder_of(path);
    if (dir == NULL)
        return true;
    bool bare = is_bare(dir, device);
    closedir(dir);
    return bare;
}

/* Looks for the inode among the files that share a folder with path. */
static void try_folder(search *s, const char *path, char *found)
{
    DIR *dir = open_folder_of(path);
    if (dir == NULL && is_absence(errno))
        s->away = true;
    else if (dir == NULL)
        s->denied = errno;
    if (dir == NULL)
        return;
    const char *slash = strrchr(path, '/');
    const struct dirent *entry;
    while (s->fd < 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if ((uint64_t)entry->d_ino != s->id->inode)
            continue;
        snprintf(found, PATH_BYTES, "%.*s%s", slash == NULL ? 0 : (int)(slash - path) + 1, path,
                 entry->d_name);
        try_name(s, found);
    }
    if (s->fd < 0 && errno != 0)
        s->denied = errno;
    if (s->fd < 0)
        s->away = is_bare(dir, s->id->device);
    closedir(dir);
}

ds_status ds_followed_open(const char *path, const ds_file_id *id, uint32_t pid, uint32_t number,
                           int *fd, char *kept, size_t path_size, ds_error *error)
{
    search s = {.id = id, .fd = -1};
    char found[PATH_BYTES] = "";
    if (pid != 0)
        try_link(&s, pid, number);
    if (s.fd < 0) {
        snprintf(found, sizeof found, "%s", path);
        try_name(&s, path);
    }
    if (s.fd < 0)
        try_folder(&s, path, found);
    if (s.fd >= 0) {
        *fd = s.fd;
        if (kept != NULL)
            snprintf(kept, path_size, "%s", found);
        return DS_OK;
    }
    if (s.denied != 0)
        return ds_error_set(error, DS_ERR_IO, "cannot open %s: %s", path, strerror(s.denied));
    if (s.away)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "%s: its folder is not there", path);
    return ds_error_set(error, DS_ERR_NO_INPUT, "%s is gone, or was written anew", path);
}
