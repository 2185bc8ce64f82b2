#include "checkpoint/kept_folder.h"

#include "base/assert.h"
#include "base/files.h"
#include "base/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".kept"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names that a checkpoint needs, sorted; free the list. */
static const char **names_of(const ds_recovered_kept *kept, size_t *n)
{
    size_t most = 0;
    for (uint32_t s = 0; kept != NULL && s < kept->n_streams; s++)
        most += kept->streams[s].n_parts;
    const char **names = ds_calloc(most + 1, sizeof *names);
    *n = 0;
    for (uint32_t s = 0; kept != NULL && s < kept->n_streams; s++)
        for (uint32_t i = 0; i < kept->streams[s].n_parts; i++)
            names[(*n)++] = kept->streams[s].parts[i].path;
    DS_ASSERT(*n == most);
    qsort(names, *n, sizeof *names, by_name);
    return names;
}

bool ds_kept_folder_is_ours(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && length > strlen(SUFFIX) && strstr(name, SUFFIX) != NULL;
}

static void delete_file(const char *folder, const char *name)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path)
        unlink(path);
}

static uint32_t delete_others(const char *folder, const char **names, size_t n)
{
    DIR *dir = opendir(folder);
    uint32_t deleted = 0;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        const char *name = entry->d_name;
        if (!ds_kept_folder_is_ours(name) ||
            (n > 0 && bsearch(&name, names, n, sizeof *names, by_name) != NULL))
            continue;
        delete_file(folder, name);
        deleted++;
    }
    if (dir != NULL)
        closedir(dir);
    return deleted;
}

ds_status ds_kept_folder_open(const char *folder, const ds_recovered_kept *kept, ds_error *error)
{
    DS_TRY(ds_make_private_folders(folder, error));
    size_t n;
    const char **names = names_of(kept, &n);
    uint32_t deleted = delete_others(folder, names, n);
    if (deleted > 0)
        ds_log_debug("%u files in %s belonged to nothing, and were deleted", deleted, folder);
    free(names);
    return DS_OK;
}

void ds_kept_folder_remove(const char *folder)
{
    delete_others(folder, NULL, 0);
    rmdir(folder);
}
