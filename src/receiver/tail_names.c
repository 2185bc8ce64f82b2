#include "receiver/tail_names.h"

#include "base/memory.h"

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

static void add(ds_tail_names *names, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    if (names->n == names->capacity) {
        names->capacity = names->capacity * 2 + 16;
        names->list = ds_realloc(names->list, names->capacity, sizeof *names->list);
        names->by_inode = ds_realloc(names->by_inode, names->capacity, sizeof *names->by_inode);
    }
    names->list[names->n++] = (ds_tail_name){ds_strdup(path), st.st_dev, st.st_ino};
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

void ds_tail_names_find(ds_tail_names *names, const char *pattern)
{
    clear(names);
    glob_t found;
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            add(names, found.gl_pathv[i]);
    globfree(&found);
    if (names->n == 0)
        return;
    qsort(names->list, names->n, sizeof *names->list, by_path);
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
    if (glob(folder, GLOB_NOSORT | GLOB_ONLYDIR, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            fn(arg, found.gl_pathv[i]);
    globfree(&found);
    free(folder);
}
