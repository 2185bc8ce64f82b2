#include "sim/folders.h"

#include "base/files.h"
#include "base/memory.h"

#include <dirent.h>
#include <ftw.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void folder_make(char *path, size_t size)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(path, size, "%s/dstream-sim-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (n >= (int)size || mkdtemp(path) == NULL) {
        fprintf(stderr, "sim: no folder can be made in TMPDIR\n");
        abort();
    }
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t *folder_times(const char *dir, const char *name, uint32_t *n, bool *whole)
{
    char path[600];
    int64_t *times = NULL;
    *n = 0;
    *whole = true;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        times = ds_realloc(times, *n + 1, sizeof *times);
        times[(*n)++] = strtoll(entry->d_name, NULL, 10);
        snprintf(path, sizeof path, "%s/%s/%.64s/_SUCCESS", dir, name, entry->d_name);
        *whole = *whole && access(path, F_OK) == 0;
    }
    if (folder != NULL)
        closedir(folder);
    if (*n > 0)
        qsort(times, *n, sizeof *times, by_time);
    return times;
}

static void append_value(ds_buffer *out, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING: ds_buffer_append_text(out, json_string_value(value)); break;
    case JSON_INTEGER: ds_buffer_printf(out, "%lld", (long long)json_integer_value(value)); break;
    case JSON_REAL: ds_buffer_printf(out, "%.6g", json_real_value(value)); break;
    case JSON_NULL: ds_buffer_append_text(out, "null"); break;
    case JSON_ARRAY:
        ds_buffer_append_char(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            ds_buffer_append_text(out, i > 0 ? "," : "");
            append_value(out, json_array_get(value, i));
        }
        ds_buffer_append_char(out, ']');
        break;
    default: ds_buffer_append_char(out, '?'); break;
    }
}

static void add_row(text_rows *rows, const char *line, size_t length)
{
    ds_buffer text = {0};
    json_t *row = json_loadb(line, length, 0, NULL);
    const char *name;
    json_t *value;
    json_object_foreach(row, name, value)
    {
        ds_buffer_append_text(&text, text.length > 0 ? "|" : "");
        append_value(&text, value);
    }
    json_decref(row);
    text_rows_add(rows, ds_strdup(ds_buffer_text(&text)));
    ds_buffer_fini(&text);
}

/* False if there is no such file. */
static bool add_rows(text_rows *rows, const char *path)
{
    ds_buffer text = {0};
    ds_error error;
    ds_status status = ds_read_file(path, (size_t)1 << 30, &text, &error);
    for (size_t at = 0; status == DS_OK && at < text.length;) {
        size_t length = strcspn(ds_buffer_text(&text) + at, "\n");
        add_row(rows, text.data + at, length);
        at += length + 1;
    }
    ds_buffer_fini(&text);
    return status == DS_OK;
}

text_rows folder_rows(const char *dir, const char *name, int64_t time_ms)
{
    text_rows rows = {0};
    char path[600];
    uint32_t part = 0;
    do {
        snprintf(path, sizeof path, "%s/%s/%" PRId64 "/part-%05u.json", dir, name, time_ms, part++);
    } while (add_rows(&rows, path));
    return rows;
}

text_rows append_rows_of(const char *dir, const char *name)
{
    text_rows rows = {0};
    char path[600];
    uint32_t n = 0;
    do {
        snprintf(path, sizeof path, "%s/%s.%u", dir, name, n++);
    } while (add_rows(&rows, path));
    snprintf(path, sizeof path, "%s/%s", dir, name);
    add_rows(&rows, path);
    return rows;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    remove(path);
    return 0;
}

void folder_remove(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
