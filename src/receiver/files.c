#include "receiver/files.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL_READ ((uint64_t)4096) /* at a time, behind the end of a piece */

typedef struct file_list {
    ds_file_info *files; /* names are owned */
    size_t n, capacity;
} file_list;

static void free_list(file_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free((char *)list->files[i].name);
    free(list->files);
}

static void add_file(file_list *list, const char *name, const struct stat *st)
{
    if (list->n == list->capacity) {
        list->capacity = list->capacity * 2 + 16;
        list->files = ds_realloc(list->files, list->capacity, sizeof *list->files);
    }
    list->files[list->n++] = (ds_file_info){.name = ds_strdup(name),
                                            .size = (uint64_t)st->st_size,
                                            .mtime_us = (int64_t)st->st_mtim.tv_sec * 1000000 +
                                                        st->st_mtim.tv_nsec / 1000};
}

static bool is_wanted(const char *name, const char *pattern)
{
    size_t length = strlen(name);
    bool unfinished = length >= 4 && strcmp(name + length - 4, ".tmp") == 0;
    return name[0] != '.' && !unfinished && fnmatch(pattern, name, FNM_PERIOD) == 0;
}

/* A file that is gone, or a link that leads nowhere, is not there. */
static bool is_absence(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

static ds_status collect(DIR *folder, const char *dir, const char *pattern, file_list *list,
                         ds_error *error)
{
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(folder)) != NULL) {
        struct stat st;
        if (!is_wanted(entry->d_name, pattern))
            continue;
        if (fstatat(dirfd(folder), entry->d_name, &st, 0) != 0) {
            if (is_absence(errno))
                continue;
            return ds_error_set(error, DS_ERR_IO, "cannot look at %s/%s: %s", dir, entry->d_name,
                                strerror(errno));
        }
        if (!S_ISREG(st.st_mode))
            continue;
        if (list->n == DS_FILES_LIMIT)
            return ds_error_set(error, DS_ERR_IO, "the folder %s has more than %zu files", dir,
                                DS_FILES_LIMIT);
        add_file(list, entry->d_name, &st);
    }
    if (errno != 0)
        return ds_error_set(error, DS_ERR_IO, "cannot list the folder %s: %s", dir,
                            strerror(errno));
    return DS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ds_file_info *)a)->name, ((const ds_file_info *)b)->name);
}

ds_status ds_files_list(const char *dir, const char *pattern, ds_files_fn fn, void *arg,
                        ds_error *error)
{
    DIR *folder = opendir(dir);
    if (folder == NULL) {
        ds_status status = is_absence(errno) ? DS_ERR_NO_INPUT : DS_ERR_IO;
        return ds_error_set(error, status, "cannot open the folder %s: %s", dir, strerror(errno));
    }
    file_list list = {0};
    ds_status status = collect(folder, dir, pattern, &list, error);
    closedir(folder);
    if (status == DS_OK) {
        if (list.n > 1)
            qsort(list.files, list.n, sizeof *list.files, by_name);
        for (size_t i = 0; i < list.n; i++)
            fn(arg, &list.files[i]);
    }
    free_list(&list);
    return status;
}

typedef struct file_reader {
    int fd;
    const char *path;
    const ds_file_range *range;
    ds_buffer *buffer;
    uint64_t first, at; /* offsets of the first byte in the buffer and behind the last one */
} file_reader;

/* Appends the next `n` bytes, or those up to the end of the file. */
static ds_status read_on(file_reader *reader, uint64_t n, ds_error *error)
{
    char *to = ds_buffer_reserve(reader->buffer, n);
    for (uint64_t done = 0; done < n;) {
        ssize_t got = pread(reader->fd, to + done, n - done, (off_t)(reader->at));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ds_error_set(error, DS_ERR_IO, "cannot read %s: %s", reader->path,
                                strerror(errno));
        if (got == 0)
            return DS_OK;
        done += (uint64_t)got;
        reader->at += (uint64_t)got;
        reader->buffer->length += (size_t)got;
    }
    return DS_OK;
}

/* Opens without waiting, whatever took the file's place. */
static ds_status open_file(const char *path, int *fd, ds_error *error)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return ds_error_set(error, is_absence(errno) ? DS_ERR_NO_INPUT : DS_ERR_IO,
                            "cannot open %s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
        return DS_OK;
    close(*fd);
    return ds_error_set(error, DS_ERR_IO, "%s is not a regular file", path);
}

/* How many bytes of the last record of a piece may stand behind it. */
static uint64_t most_behind(const ds_file_range *range)
{
    uint64_t most = (uint64_t)range->record_limit + 1;
    if (range->stop == 0)
        return most;
    uint64_t left = range->stop > range->to ? range->stop - range->to : 0;
    return left < most ? left : most;
}

/* Reads behind the piece until its last record ends. */
static ds_status read_tail(file_reader *reader, ds_error *error)
{
    const uint64_t most = most_behind(reader->range);
    for (uint64_t done = 0; done < most;) {
        uint64_t n = most - done < TAIL_READ ? most - done : TAIL_READ;
        size_t before = reader->buffer->length;
        DS_TRY(read_on(reader, n, error));
        size_t got = reader->buffer->length - before;
        const char *tail = reader->buffer->data + before;
        const char *end = got > 0 ? memchr(tail, '\n', got) : NULL;
        if (end != NULL)
            reader->buffer->length = before + (size_t)(end - tail) + 1;
        if (end != NULL || got < n)
            return DS_OK;
        done += n;
    }
    return DS_OK;
}

/* Where the first record starts in the buffer; its length if none does. */
static size_t find_start(const file_reader *reader)
{
    const ds_buffer *buffer = reader->buffer;
    if (reader->first < reader->range->from) {
        const char *end = memchr(buffer->data, '\n', buffer->length - 1);
        return end == NULL ? buffer->length : (size_t)(end - buffer->data) + 1;
    }
    if (reader->first == 0)
        return 0;
    size_t start = buffer->length > 1 && buffer->data[0] == '\r' && buffer->data[1] == '\n';
    return buffer->data[start] == '\n' ? start + 1 : 0;
}

static ds_status take_records(file_reader *reader, ds_file_piece *piece, ds_error *error)
{
    const ds_buffer *buffer = reader->buffer;
    size_t start = find_start(reader);
    if (start == buffer->length)
        return DS_OK; /* no record starts here */
    if (buffer->data[buffer->length - 1] != '\n')
        DS_TRY(read_tail(reader, error));
    piece->bytes = buffer->data + start;
    piece->length = buffer->length - start;
    piece->offset = reader->first + start;
    return DS_OK;
}

ds_status ds_file_range_read(int fd, const char *name, const ds_file_range *range,
                             ds_buffer *buffer, ds_file_piece *piece, ds_error *error)
{
    *piece = (ds_file_piece){.bytes = "", .offset = range->from};
    if (range->from >= range->to)
        return DS_OK;
    uint64_t first = range->from > 0 && !range->starts ? range->from - 1 : range->from;
    file_reader reader = {
        .fd = fd, .path = name, .range = range, .buffer = buffer, .first = first, .at = first};
    buffer->length = 0;
    ds_buffer_reserve(buffer, range->to - first + TAIL_READ); /* it would double for the tail */
    DS_TRY(read_on(&reader, range->to - first, error));
    if (reader.at < range->to)
        return ds_error_set(error, DS_ERR_IO, "%s has shrunk: it ends before byte %llu", name,
                            (unsigned long long)range->to);
    return take_records(&reader, piece, error);
}

ds_status ds_file_piece_read(const char *path, uint64_t from, uint64_t to, uint32_t record_limit,
                             ds_buffer *buffer, ds_file_piece *piece, ds_error *error)
{
    int fd;
    *piece = (ds_file_piece){.bytes = "", .offset = from};
    DS_TRY(open_file(path, &fd, error));
    ds_file_range range = {.from = from, .to = to, .record_limit = record_limit};
    ds_status status = ds_file_range_read(fd, path, &range, buffer, piece, error);
    close(fd);
    return status;
}
