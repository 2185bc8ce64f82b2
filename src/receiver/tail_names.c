#include "receiver/tail_names.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void clear(ds_tail_names *names)
{
    for (uint32_t i = 0; i < names->n; i++)
        free(names->list[i].path);
    names->n = 0;
}

void ds_tail_names_fini(ds_tail_names *names)
{
    clear(names);
    free(names->list);
    free(names->by_inode);
    *names = (ds_tail_names){0};
}

/* ---- what cannot be looked at for a moment ---- */

/* A name that is not there, or that is not ours to see, is no name. Any other error says nothing:
 * what was there before is taken to be there still. glob() passes no argument to who reads folders
 * for it, nor does it tell when reading one fails. */
static _Thread_local bool failed;

static void note(int why)
{
    const bool known = why == 0 || why == ENOENT || why == ENOTDIR || why == ELOOP ||
                       why == EACCES || why == EPERM || why == ENAMETOOLONG;
    failed = failed || !known;
}

static void *open_noting(const char *path)
{
    DIR *dir = opendir(path);
    int why = errno;
    if (dir == NULL)
        note(why);
    errno = why;
    return dir;
}

static struct dirent *read_noting(void *dir)
{
    errno = 0;
    struct dirent *entry = readdir(dir);
    if (entry == NULL)
        note(errno);
    return entry;
}

static void close_noting(void *dir)
{
    closedir(dir);
}

static int stat_noting(const char *path, struct stat *st)
{
    int result = stat(path, st);
    if (result != 0)
        note(errno);
    return result;
}

static int lstat_noting(const char *path, struct stat *st)
{
    int result = lstat(path, st);
    if (result != 0)
        note(errno);
    return result;
}

static int find_all(const char *pattern, int flags, glob_t *found)
{
    *found = (glob_t){.gl_opendir = open_noting,
                      .gl_readdir = read_noting,
                      .gl_closedir = close_noting,
                      .gl_stat = stat_noting,
                      .gl_lstat = lstat_noting};
    return glob(pattern, GLOB_NOSORT | GLOB_ALTDIRFUNC | flags, NULL, found);
}

/* ---- the list ---- */

static void add_name(ds_tail_names *names, ds_tail_name name)
{
    if (names->n == names->capacity) {
        names->capacity = names->capacity * 2 + 16;
        names->list = ds_realloc(names->list, names->capacity, sizeof *names->list);
        names->by_inode = ds_realloc(names->by_inode, names->capacity, sizeof *names->by_inode);
    }
    names->list[names->n++] = name;
}

static void add(ds_tail_names *names, const char *path)
{
    struct stat st;
    if (stat_noting(path, &st) == 0 && S_ISREG(st.st_mode))
        add_name(names, (ds_tail_name){ds_strdup(path), st.st_dev, st.st_ino});
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const ds_tail_name *)a)->path, ((const ds_tail_name *)b)->path);
}

static int compare_files(const ds_tail_name *a, uint64_t device, uint64_t inode)
{
    if (a->inode != inode)
        return a->inode < inode ? -1 : 1;
    return a->device == device ? 0 : a->device < device ? -1 : 1;
}

static int by_inode(const void *a, const void *b, void *arg)
{
    const ds_tail_name *list = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = compare_files(&list[x], list[y].device, list[y].inode);
    return order != 0 ? order : (x > y) - (x < y);
}

/* Takes over what was found before and is not found now; both are sorted by path. */
static void keep_lost(ds_tail_names *names, ds_tail_names *before)
{
    uint32_t n = names->n, at = 0;
    for (uint32_t i = 0; i < before->n; i++) {
        ds_tail_name *old = &before->list[i];
        while (at < n && strcmp(names->list[at].path, old->path) < 0)
            at++;
        if (at < n && strcmp(names->list[at].path, old->path) == 0)
            continue;
        add_name(names, *old);
        old->path = NULL; /* taken */
    }
}

static void sort(ds_tail_names *names)
{
    if (names->n > 1)
        qsort(names->list, names->n, sizeof *names->list, by_path);
}

void ds_tail_names_find(ds_tail_names *names, const char *pattern)
{
    ds_tail_names before = *names;
    *names = (ds_tail_names){0};
    failed = false;
    glob_t found;
    if (find_all(pattern, 0, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            add(names, found.gl_pathv[i]);
    globfree(&found);
    sort(names);
    if (failed)
        keep_lost(names, &before);
    ds_tail_names_fini(&before);
    if (names->n == 0)
        return;
    sort(names);
    for (uint32_t i = 0; i < names->n; i++)
        names->by_inode[i] = i;
    qsort_r(names->by_inode, names->n, sizeof *names->by_inode, by_inode, names->list);
}

const char *ds_tail_names_of(const ds_tail_names *names, uint64_t device, uint64_t inode,
                             const char *preferred)
{
    uint32_t from = 0, to = names->n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (compare_files(&names->list[names->by_inode[middle]], device, inode) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    const char *first = NULL;
    for (; from < names->n; from++) {
        const ds_tail_name *name = &names->list[names->by_inode[from]];
        if (compare_files(name, device, inode) != 0)
            break;
        if (preferred != NULL && strcmp(name->path, preferred) == 0)
            return name->path;
        if (first == NULL)
            first = name->path;
    }
    return first;
}

const char *ds_tail_names_last(const char *pattern)
{
    const char *slash = strrchr(pattern, '/');
    return slash == NULL ? pattern : slash + 1;
}

void ds_tail_names_folders(const char *pattern, void (*fn)(void *arg, const char *folder),
                           void *arg)
{
    size_t length = (size_t)(ds_tail_names_last(pattern) - pattern);
    if (length == 0) {
        fn(arg, ".");
        return;
    }
    char *folder = ds_strndup(pattern, length > 1 ? length - 1 : 1);
    glob_t found;
    if (find_all(folder, GLOB_ONLYDIR, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            fn(arg, found.gl_pathv[i]);
    globfree(&found);
    free(folder);
}
