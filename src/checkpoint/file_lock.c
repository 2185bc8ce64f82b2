#include "checkpoint/file_lock.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_LINKS 40 /* as the system follows */

/* What a name in a link means that stands at `link`. */
static char *beside(const char *link, const char *name)
{
    const char *slash = strrchr(link, '/');
    if (name[0] == '/' || slash == NULL)
        return ds_strdup(name);
    ds_buffer path = {0};
    ds_buffer_append(&path, link, (size_t)(slash - link) + 1);
    ds_buffer_append_text(&path, name);
    char *text = ds_strdup(ds_buffer_text(&path));
    ds_buffer_fini(&path);
    return text;
}

char *ds_link_target(const char *path)
{
    char *at = NULL;
    for (int i = 0; i < MOST_LINKS; i++) {
        char name[PATH_MAX];
        const char *from = at != NULL ? at : path;
        ssize_t n = readlink(from, name, sizeof name - 1);
        if (n < 0)
            return at;
        DS_ASSERT((size_t)n < sizeof name);
        name[n] = '\0';
        char *next = beside(from, name);
        free(at);
        at = next;
    }
    free(at);
    return NULL;
}

static bool is_same(int fd, const char *path)
{
    struct stat opened, found;
    return fd >= 0 && fstat(fd, &opened) == 0 && stat(path, &found) == 0 &&
           opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
}

/* One that is held open needs its room even when it was deleted. */
static void let_go(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool ds_file_lock(const char *path, int *fd)
{
    if (is_same(*fd, path))
        return true;
    let_go(fd);
    struct stat st;
    int file = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return true;
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = INT64_MAX - 1, .l_len = 1};
    bool regular = fstat(file, &st) == 0 && S_ISREG(st.st_mode);
    bool locked = regular && fcntl(file, F_OFD_SETLK, &lock) == 0;
    bool taken = regular && !locked && (errno == EAGAIN || errno == EACCES);
    DS_ASSERT(!locked || !taken);
    if (locked)
        *fd = file;
    else
        close(file);
    return !taken;
}
