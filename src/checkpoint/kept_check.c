#include "checkpoint/kept_check.h"

#include "base/assert.h"
#include "base/file_sum.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* DS_ERR_LOST: it is damaged; DS_ERR_IO: it cannot be read now. */
static ds_status check_open(int fd, const ds_saved_part *part, ds_error *error)
{
    struct stat st;
    uint64_t end, checksum;
    if (fstat(fd, &st) != 0)
        return ds_error_set(error, DS_ERR_IO, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return ds_error_set(error, DS_ERR_LOST, "it is no file");
    if (__builtin_add_overflow(part->offset, part->length, &end) || end > (uint64_t)st.st_size)
        return ds_error_set(error, DS_ERR_LOST, "the file is cut short: it has %" PRIu64 " bytes",
                            (uint64_t)st.st_size);
    DS_TRY(ds_file_sum(fd, part->offset, part->length, &checksum, error));
    if (checksum != part->checksum)
        return ds_error_set(error, DS_ERR_LOST,
                            "the checksum of bytes %" PRIu64 "+%" PRIu64 " is wrong", part->offset,
                            part->length);
    return DS_OK;
}

static ds_status check_part(const char *path, const ds_saved_part *part, ds_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ds_error_set(error, errno == ENOENT ? DS_ERR_LOST : DS_ERR_IO, "%s",
                            strerror(errno));
    ds_status status = check_open(fd, part, error);
    close(fd);
    return status;
}

static void check_stream(const char *folder, const ds_recovered_stream *stream,
                         ds_kept_found *found, ds_error *error)
{
    ds_buffer path = {0};
    for (uint32_t i = 0; i < stream->n_parts; i++) {
        const ds_saved_part *part = &stream->parts[i];
        ds_error why;
        path.length = 0;
        ds_buffer_printf(&path, "%s/%s", folder, part->path);
        ds_status status = check_part(ds_buffer_text(&path), part, &why);
        if (status == DS_OK) {
            found->n_parts++;
            found->bytes += part->length;
            continue;
        }
        found->unread += status == DS_ERR_IO;
        if (found->damaged++ == 0)
            ds_error_set(error, DS_ERR_IO, "what was saved of stream %s cannot be read from %s: %s",
                         stream->stream, ds_buffer_text(&path), why.message);
    }
    ds_buffer_fini(&path);
}

ds_status ds_kept_check(const char *folder, const ds_recovered_kept *kept, ds_kept_found *found,
                        ds_error *error)
{
    DS_ASSERT(folder[0] != '\0');
    *found = (ds_kept_found){0};
    for (uint32_t s = 0; s < kept->n_streams; s++)
        check_stream(folder, &kept->streams[s], found, error);
    return found->damaged == 0 ? DS_OK : DS_ERR_IO;
}

ds_status ds_recovered_check_kept(const ds_recovered *recovered, const ds_plan *plan,
                                  const char *dir, ds_error *error)
{
    ds_kept_found found;
    ds_error why;
    ds_buffer folder = {0};
    if (!plan->has_windows && !plan->has_state)
        return DS_OK;
    ds_buffer_printf(&folder, "%s/kept", dir);
    ds_status status = ds_kept_check(ds_buffer_text(&folder), &recovered->kept, &found, &why);
    ds_buffer_fini(&folder);
    if (status == DS_OK)
        return DS_OK;
    if (found.unread == found.damaged) /* the disk may be better in a moment */
        return ds_error_set(error, DS_ERR_IO, "cannot go on from the checkpoint in %s yet: %s", dir,
                            why.message);
    return ds_recovered_refuse(dir, why.message, error);
}
