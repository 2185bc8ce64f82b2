#include "base/json_path.h"

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '$';
}

void ds_json_path_key(ds_buffer *path, const char *key, size_t length)
{
    size_t plain = 0;
    while (plain < length && is_plain(key[plain]))
        plain++;
    if (length > 0 && plain == length) {
        if (path->length > 0)
            ds_buffer_append_char(path, '.');
        ds_buffer_append(path, key, length);
        return;
    }
    ds_buffer_append_text(path, "[\"");
    for (size_t i = 0; i < length; i++) {
        if (key[i] == '"' || key[i] == '\\')
            ds_buffer_append_char(path, '\\');
        ds_buffer_append_char(path, key[i]);
    }
    ds_buffer_append_text(path, "\"]");
}

void ds_json_path_index(ds_buffer *path, size_t index)
{
    ds_buffer_printf(path, "[%zu]", index);
}

/* Reads 12] behind the bracket. */
static const char *read_index(const char *p, ds_json_step *step)
{
    const char *start = p;
    step->is_index = true;
    step->index = 0;
    for (; *p >= '0' && *p <= '9' && p - start < 18; p++)
        step->index = step->index * 10 + (size_t)(*p - '0');
    return p > start && *p == ']' ? p + 1 : NULL;
}

/* Reads odd key"] behind the opening quote. */
static const char *read_quoted(const char *p, ds_buffer *scratch)
{
    for (; *p != '"'; p++) {
        if (*p == '\\')
            p++;
        if (*p == '\0')
            return NULL;
        ds_buffer_append_char(scratch, *p);
    }
    return p[1] == ']' ? p + 2 : NULL;
}

static const char *read_plain(const char *p, char stop, ds_buffer *scratch)
{
    const char *start = p;
    while (*p != '\0' && *p != '.' && *p != '[' && (stop == '\0' || *p != stop))
        p++;
    ds_buffer_append(scratch, start, (size_t)(p - start));
    return p > start ? p : NULL;
}

bool ds_json_path_next(const char **path, char stop, ds_json_step *step, ds_buffer *scratch)
{
    const char *p = *path;
    if (*p == '\0' || *p == stop)
        return false;
    *step = (ds_json_step){0};
    scratch->length = 0;
    if (p[0] == '[' && p[1] == '"')
        p = read_quoted(p + 2, scratch);
    else if (p[0] == '[')
        p = read_index(p + 1, step);
    else
        p = read_plain(p, stop, scratch);
    if (p == NULL)
        return false;
    step->key = ds_buffer_text(scratch);
    step->key_length = scratch->length;
    if (*p == '.' && p[1] != '\0' && p[1] != '.' && p[1] != '[' && p[1] != stop)
        p++;
    else if (*p != '\0' && *p != stop && *p != '[')
        return false;
    *path = p;
    return true;
}
