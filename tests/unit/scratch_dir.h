/* A folder for one test, removed with all that is in it. */
#ifndef DS_TESTS_SCRATCH_DIR_H
#define DS_TESTS_SCRATCH_DIR_H

#include "base/buffer.h"
#include "unit/unit.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_PATHS 8

typedef struct scratch_dir {
    char path[64];
    char made[SCRATCH_PATHS][512]; /* the paths given out last */
    unsigned n_made;
} scratch_dir;

static inline void scratch_open(scratch_dir *d)
{
    memset(d, 0, sizeof *d);
    strcpy(d->path, "/tmp/dstream-unit-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(d->path));
}

static inline int scratch_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void scratch_close(scratch_dir *d)
{
    ck_assert_int_eq(nftw(d->path, scratch_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The path of a name in the folder; good for the next SCRATCH_PATHS calls. */
static inline const char *scratch_path(scratch_dir *d, const char *name)
{
    char *path = d->made[d->n_made++ % SCRATCH_PATHS];
    ck_assert_uint_lt(strlen(d->path) + 1 + strlen(name), sizeof d->made[0]);
    stpcpy(stpcpy(stpcpy(path, d->path), "/"), name);
    return path;
}

static inline bool scratch_exists(scratch_dir *d, const char *name)
{
    return access(scratch_path(d, name), F_OK) == 0;
}

static inline void scratch_write_bytes(scratch_dir *d, const char *name, const void *bytes,
                                       size_t length)
{
    FILE *file = fopen(scratch_path(d, name), "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
}

static inline void scratch_write(scratch_dir *d, const char *name, const char *text)
{
    scratch_write_bytes(d, name, text, strlen(text));
}

/* The bytes of a file, with a NUL behind; the caller frees. */
static inline char *scratch_read(scratch_dir *d, const char *name, size_t *length)
{
    FILE *file = fopen(scratch_path(d, name), "re");
    ck_assert_msg(file != NULL, "no file %s", name);
    ds_buffer text = {0};
    for (int c; (c = fgetc(file)) != EOF;)
        ds_buffer_append_char(&text, (char)c);
    fclose(file);
    ds_buffer_text(&text);
    if (length != NULL)
        *length = text.length;
    return text.data;
}

static inline void scratch_holds(scratch_dir *d, const char *name, const char *expected)
{
    char *text = scratch_read(d, name, NULL);
    ck_assert_str_eq(text, expected);
    free(text);
}

/* How many entries a folder has, hidden ones too. */
static inline int scratch_entries(scratch_dir *d, const char *name)
{
    DIR *dir = opendir(scratch_path(d, name));
    ck_assert_msg(dir != NULL, "no folder %s", name);
    int n = -2;
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

#endif
