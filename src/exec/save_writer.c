#include "exec/save_writer.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/claim.h"
#include "base/files.h"
#include "base/inject.h"
#include "exec/fold.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* Bytes that go to the disk together, beside the writing. A file of many that is handed to it all
 * at once, by the sync, would keep whoever syncs meanwhile waiting: the driver, in every batch. */
#define DISK_BYTES (256 << 10)

#define BITE ((size_t)64 << 10) /* bytes that are written in one go: less than 0.1 ms, mostly */

struct ds_save_writer {
    ds_save_target target;
    /* The file that is open: fd -1 for none. */
    int fd;
    uint64_t save;
    char *folder, *path;
    uint64_t length;
    uint64_t on_way; /* of these, to the disk */
    uint32_t number; /* how many were there before it, of the same save */
    bool used;       /* something in it was reported */
    bool made;       /* some file, in this folder */
};

ds_save_writer *ds_save_writer_new(const ds_save_target *target)
{
    ds_save_writer *writer = ds_calloc(1, sizeof *writer);
    writer->target = *target;
    writer->fd = -1;
    return writer;
}

/* A file of which nothing was reported is of no use. */
static void close_file(ds_save_writer *writer)
{
    if (writer->fd < 0)
        return;
    close(writer->fd);
    writer->fd = -1;
    if (!writer->used)
        unlink(writer->path);
}

static void forget_file(ds_save_writer *writer)
{
    close_file(writer);
    free(writer->folder);
    free(writer->path);
    writer->folder = writer->path = NULL;
}

void ds_save_writer_free(ds_save_writer *writer)
{
    if (writer == NULL)
        return;
    forget_file(writer);
    free(writer);
}

/* ---- files ---- */

static ds_status failed(ds_error *error, const char *what, const char *path)
{
    return ds_error_set(error, DS_ERR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

static void set_path(ds_save_writer *writer, const ds_save_order *order)
{
    ds_buffer path = {0};
    ds_buffer_printf(&path, "%s/%" PRIu64 "-%" PRIx64 "-%" PRIu64, order->folder, order->save,
                     order->epoch, order->executor_id);
    if (writer->number > 0)
        ds_buffer_printf(&path, "-%" PRIu32, writer->number);
    ds_buffer_append_text(&path, ".kept");
    free(writer->path);
    writer->path = ds_strdup(ds_buffer_text(&path));
    ds_buffer_fini(&path);
}

/* Makes the folder that is not there, and lets its name be as durable as the files in it. */
static ds_status make_folder(const char *folder, bool sync, ds_error *error)
{
    DS_TRY(ds_make_private_folders(folder, error));
    if (!sync)
        return DS_OK;
    char *above = ds_folder_above(folder);
    ds_status status = ds_sync_folder(above, error);
    free(above);
    return status;
}

/* Where names of files and of their folder begin: in the checkpoint, if it is the run's, or
 * wherever the process is. */
static ds_status open_root(const ds_save_writer *writer, uint64_t epoch, int *root, ds_error *error)
{
    *root = AT_FDCWD;
    if (!writer->target.claimed)
        return DS_OK;
    char *checkpoint = ds_folder_above(writer->folder);
    *root = ds_claim_open(checkpoint, epoch, error);
    free(checkpoint);
    return *root >= 0 ? DS_OK : DS_ERR_IO;
}

/* A path as it is called there: its last names. */
static const char *from_root(const ds_save_writer *writer, const char *path)
{
    const char *slash = strrchr(writer->folder, '/');
    return writer->target.claimed && slash != NULL ? path + (slash + 1 - writer->folder) : path;
}

/* Somebody removed the folder, and what was saved in it: changes since then are of no use, but
 * after a save that failed the next one has all. */
static ds_status make_again(const ds_save_writer *writer, int root, ds_error *error)
{
    if (mkdirat(root, from_root(writer, writer->folder), S_IRWXU) != 0)
        return failed(error, "make", writer->folder);
    return ds_error_set(error, DS_ERR_IO, "the folder %s was removed, with what was saved there",
                        writer->folder);
}

/* Creates a file that is not there yet: parts that were written late must not end the file of those
 * before them. */
static ds_status create_in(ds_save_writer *writer, int root, const ds_save_order *order,
                           ds_error *error)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    DS_ASSERT(writer->fd < 0);
    for (;; writer->number++) {
        set_path(writer, order);
        if (strlen(writer->path) >= DS_MESSAGE_TEXT_LIMIT)
            return ds_error_set(error, DS_ERR_IO, "a path is too long: %s", writer->folder);
        const char *path = from_root(writer, writer->path);
        writer->fd = openat(root, path, flags, DS_PRIVATE_FILE);
        if (writer->fd < 0 && errno == ENOENT && (writer->made || writer->target.claimed))
            return make_again(writer, root, error); /* the driver had made it */
        if (writer->fd < 0 && errno == ENOENT) {
            DS_TRY(make_folder(writer->folder, writer->target.sync, error));
            writer->fd = openat(root, path, flags, DS_PRIVATE_FILE);
        }
        if (writer->fd >= 0) {
            writer->made = true;
            return DS_OK;
        }
        if (errno != EEXIST)
            return failed(error, "create", writer->path);
    }
}

static ds_status create(ds_save_writer *writer, const ds_save_order *order, ds_error *error)
{
    int root;
    DS_TRY(open_root(writer, order->epoch, &root, error));
    ds_status status = create_in(writer, root, order, error);
    if (root >= 0)
        close(root);
    return status;
}

/* Lets the file for a save be open. */
static ds_status open_file(ds_save_writer *writer, const ds_save_order *order, ds_error *error)
{
    DS_ASSERT(order->folder[0] != '\0');
    bool same = writer->folder != NULL && writer->save == order->save &&
                strcmp(writer->folder, order->folder) == 0;
    if (same && writer->fd >= 0)
        return DS_OK;
    bool was_here = writer->folder != NULL && strcmp(writer->folder, order->folder) == 0;
    uint32_t number = same ? writer->number + 1 : 0;
    forget_file(writer);
    writer->made = writer->made && was_here;
    writer->number = number;
    writer->save = order->save;
    writer->folder = ds_strdup(order->folder);
    writer->length = writer->on_way = 0;
    writer->used = false;
    return create(writer, order, error);
}

/* Lets the last bytes begin their way to the disk, once those before them are there. Only the sync
 * makes them durable; but what fails on the way is told once, and maybe here. A system may forbid
 * the call: then the sync does it all. */
static ds_status send_to_disk(ds_save_writer *writer, ds_error *error)
{
    const off_t before = (off_t)writer->on_way, n = (off_t)writer->length - before;
    if (!writer->target.sync || n < DISK_BYTES)
        return DS_OK;
    int result =
        before == 0 ? 0 : sync_file_range(writer->fd, 0, before, SYNC_FILE_RANGE_WAIT_BEFORE);
    if (result == 0)
        result = sync_file_range(writer->fd, before, n, SYNC_FILE_RANGE_WRITE);
    if (result != 0 && errno != ENOSYS && errno != EPERM)
        return failed(error, "write", writer->path);
    writer->on_way = writer->length;
    return DS_OK;
}

static ds_status write_all(ds_save_writer *writer, const char *bytes, size_t length,
                           ds_error *error)
{
    while (length > 0) {
        ssize_t n = write(writer->fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(error, "write", writer->path);
        bytes += n;
        length -= (size_t)n;
        writer->length += (uint64_t)n;
    }
    return send_to_disk(writer, error);
}

/* A part on its way: to the file, or to a place in the store. */
typedef struct writing {
    ds_save_writer *writer;
    bool stored;
    uint64_t at; /* in the store */
    XXH3_state_t *checksum;
    size_t n_gathered; /* small pieces, which go together */
    char gathered[BITE];
} writing;

static ds_status write_bite(writing *w, const char *bytes, size_t length, ds_error *error)
{
    ds_pace_step(w->writer->target.pace, length);
    XXH3_64bits_update(w->checksum, bytes, length);
    if (!w->stored)
        return write_all(w->writer, bytes, length, error);
    DS_TRY(ds_store_put(w->writer->target.store, w->at, bytes, length, error));
    w->at += length;
    return DS_OK;
}

static ds_status write_gathered(writing *w, ds_error *error)
{
    size_t n = w->n_gathered;
    w->n_gathered = 0;
    return n == 0 ? DS_OK : write_bite(w, w->gathered, n, error);
}

static ds_status write_some(void *arg, const void *bytes, size_t length, ds_error *error)
{
    writing *w = arg;
    const char *at = bytes;
    if (length > BITE - w->n_gathered || length >= BITE / 4)
        DS_TRY(write_gathered(w, error));
    if (length < BITE / 4) {
        memcpy(w->gathered + w->n_gathered, bytes, length);
        w->n_gathered += length;
        return DS_OK;
    }
    for (size_t n; length > 0; at += n, length -= n) {
        n = length < BITE ? length : BITE;
        DS_TRY(write_bite(w, at, n, error));
    }
    return DS_OK;
}

/* Writes a part, and sets its checksum. offset: in the store, or NULL for the file. */
static ds_status write_part(ds_save_writer *writer, ds_collected *collected, uint32_t i,
                            const uint64_t *offset, ds_error *error)
{
    writing *w = ds_alloc(sizeof *w);
    w->writer = writer;
    w->checksum = XXH3_createState();
    DS_ASSERT(w->checksum != NULL);
    XXH3_64bits_reset(w->checksum);
    w->stored = offset != NULL;
    w->at = offset != NULL ? *offset : 0;
    w->n_gathered = 0;
    const ds_save_to to = {.arg = w, .write = write_some};
    ds_status status = ds_collected_read(collected, i, &to, error);
    if (status == DS_OK)
        status = write_gathered(w, error);
    collected->saved.parts[i].checksum = XXH3_64bits_digest(w->checksum);
    XXH3_freeState(w->checksum);
    free(w);
    return status;
}

static ds_status put_in_file(ds_save_writer *writer, ds_collected *collected, ds_error *error)
{
    ds_msg_saved *saved = &collected->saved;
    collected->path = ds_strdup(writer->path);
    for (uint32_t i = 0; i < saved->n_parts; i++) {
        ds_saved_part *part = &saved->parts[i];
        if (part->length == 0)
            continue;
        part->path = collected->path;
        part->offset = writer->length;
        DS_TRY(write_part(writer, collected, i, NULL, error));
        DS_ASSERT(writer->length == part->offset + part->length);
    }
    return DS_OK;
}

static ds_status make_durable(ds_save_writer *writer, ds_error *error)
{
    if (!writer->target.sync)
        return DS_OK;
    DS_INJECT("kept.written");
    if (fdatasync(writer->fd) != 0)
        return failed(error, "sync", writer->path);
    DS_INJECT("kept.synced");
    if (writer->used)
        return DS_OK;
    DS_TRY(ds_sync_folder(writer->folder, error));
    if (ds_claim_leads_to(writer->path, writer->fd))
        return DS_OK;
    return ds_error_set(error, DS_ERR_IO, "%s was moved away while it was written", writer->path);
}

/* ---- the store ---- */

static ds_status put_in_store(ds_save_writer *writer, ds_collected *collected, ds_error *error)
{
    const ds_save_target *target = &writer->target;
    for (uint32_t i = 0; i < collected->saved.n_parts; i++) {
        ds_saved_part *part = &collected->saved.parts[i];
        uint64_t offset;
        if (part->length == 0)
            continue;
        DS_TRY(ds_saved_ranges_take(target->ranges, part->length, &offset, error));
        part->ref = (ds_ref){collected->order.executor_id, offset, part->length};
        DS_TRY(write_part(writer, collected, i, &offset, error));
    }
    return DS_OK;
}

static void give_back(ds_save_writer *writer, const ds_collected *collected)
{
    for (uint32_t i = 0; i < collected->saved.n_parts; i++) {
        const ds_ref *ref = &collected->saved.parts[i].ref;
        if (ref->length > 0)
            ds_saved_ranges_give(writer->target.ranges, ref->offset, ref->length);
    }
}

/* ---- groups ---- */

/* The lengths of the parts. True if there is anything to write. */
static bool measure(ds_collected *collected)
{
    bool any = false;
    for (uint32_t i = 0; i < collected->saved.n_parts; i++) {
        collected->saved.parts[i].length = collected->bytes[i].length;
        any |= collected->bytes[i].length > 0;
    }
    return any;
}

static bool same_file(const ds_collected *a, const ds_collected *b)
{
    return a->order.save == b->order.save && strcmp(a->folder, b->folder) == 0;
}

/* Those that follow each other and go to the same file: written, synced once. Returns the next. */
static ds_collected *write_group(ds_save_writer *writer, ds_collected *first)
{
    ds_error error;
    ds_status status = DS_OK;
    bool any = false;
    ds_collected *end = first;
    for (; end != NULL && same_file(end, first); end = end->next) {
        if (end->saved.status != DS_OK || !measure(end) || status != DS_OK)
            continue;
        any = true;
        status = open_file(writer, &end->order, &error);
        if (status == DS_OK)
            status = put_in_file(writer, end, &error);
    }
    if (any && status == DS_OK)
        status = make_durable(writer, &error);
    if (status != DS_OK)
        close_file(writer);
    else if (any)
        writer->used = true;
    for (ds_collected *c = first; c != end; c = c->next) {
        if (status != DS_OK)
            ds_collected_fail(c, status, error.message);
        ds_collected_forget_bytes(c);
    }
    return end;
}

static void write_in_store(ds_save_writer *writer, ds_collected *collected)
{
    ds_error error;
    if (collected->saved.status != DS_OK || !measure(collected))
        return;
    ds_status status = put_in_store(writer, collected, &error);
    if (status == DS_OK) {
        ds_collected_forget_bytes(collected);
        return;
    }
    give_back(writer, collected);
    ds_collected_fail(collected, status, error.message);
}

void ds_save_writer_write(ds_save_writer *writer, ds_collected *list)
{
    for (ds_collected *c = list; c != NULL; c = c->next)
        ds_fold_make(c, writer->target.pace);
    ds_pace_begin(writer->target.pace);
    while (list != NULL) {
        if (list->folder[0] != '\0') {
            list = write_group(writer, list);
            continue;
        }
        write_in_store(writer, list);
        list = list->next;
    }
}
