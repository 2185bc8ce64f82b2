#include "checkpoint/placed.h"

#include "base/assert.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".placed"
#define SUFFIX_LENGTH (sizeof SUFFIX - 1)

void ds_placed_path(ds_buffer *path, const char *staged)
{
    DS_ASSERT(staged[0] != '\0');
    ds_buffer_append_text(path, staged);
    ds_buffer_append_text(path, SUFFIX);
}

void ds_placed_mark(const char *staged)
{
    ds_buffer path = {0};
    ds_placed_path(&path, staged);
    int fd = open(ds_buffer_text(&path), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0)
        close(fd);
    ds_buffer_fini(&path);
}

bool ds_placed_is_marked(const char *staged)
{
    ds_buffer path = {0};
    ds_placed_path(&path, staged);
    bool marked = access(ds_buffer_text(&path), F_OK) == 0;
    ds_buffer_fini(&path);
    return marked;
}

size_t ds_placed_staged_length(const char *path)
{
    size_t length = strlen(path);
    bool is_mark = length > SUFFIX_LENGTH && strcmp(path + length - SUFFIX_LENGTH, SUFFIX) == 0;
    return is_mark ? length - SUFFIX_LENGTH : 0;
}
