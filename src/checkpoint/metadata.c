#include "checkpoint/metadata.h"

#include "base/assert.h"
#include "base/claim.h"
#include "base/files.h"
#include "base/inject.h"
#include "base/log.h"
#include "checkpoint/lost_metadata.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_LIMIT ((size_t)1 << 30)

struct ds_metadata {
    char *dir, *files; /* files: DIR/metadata */
    int lock_fd;
    int fd; /* the file that is appended to, or -1 */
    uint64_t newest;
    int64_t retain;
};

static ds_status failed(ds_error *error, const char *what, const char *path)
{
    return ds_error_set(error, DS_ERR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

static char *join(const char *dir, const char *name)
{
    ds_buffer path = {0};
    ds_buffer_printf(&path, "%s/%s", dir, name);
    char *text = ds_strdup(ds_buffer_text(&path));
    ds_buffer_fini(&path);
    return text;
}

static char *file_path(const ds_metadata *m, uint64_t number, const char *suffix)
{
    DS_ASSERT(number > 0);
    char name[40];
    snprintf(name, sizeof name, "%010" PRIu64 ".jsonl%s", number, suffix);
    return join(m->files, name);
}

static ds_status take_lock(ds_metadata *m, ds_error *error)
{
    char *path = join(m->dir, "lock");
    ds_status status = DS_OK;
    m->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, DS_PRIVATE_FILE);
    if (m->lock_fd < 0)
        status = failed(error, "open", path);
    else if (flock(m->lock_fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK
                     ? ds_error_set(error, DS_ERR_UNAVAILABLE,
                                    "the checkpoint folder %s is in use by another dstream: stop "
                                    "it, or give this app a checkpoint.dir of its own",
                                    m->dir)
                     : failed(error, "lock", path);
    free(path);
    return status;
}

/* The number of a metadata file; false for other names. */
static bool number_of(const char *name, uint64_t *number)
{
    char canonical[40];
    if (sscanf(name, "%" SCNu64, number) != 1 || *number == UINT64_MAX)
        return false;
    snprintf(canonical, sizeof canonical, "%010" PRIu64 ".jsonl", *number);
    return strcmp(canonical, name) == 0;
}

/* Calls fn with the number of every metadata file. */
static void each_file(const ds_metadata *m, void (*fn)(ds_metadata *m, uint64_t number),
                      ds_metadata *arg)
{
    DIR *dir = opendir(m->files);
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        uint64_t number;
        if (number_of(entry->d_name, &number))
            fn(arg, number);
    }
    closedir(dir);
}

static void note_newest(ds_metadata *m, uint64_t number)
{
    if (number > m->newest)
        m->newest = number;
}

static void drop_old(ds_metadata *m, uint64_t number)
{
    if (number + (uint64_t)m->retain >= m->newest)
        return;
    char *path = file_path(m, number, "");
    unlink(path);
    free(path);
}

/* A start that is refused leaves no lock where there was none. */
static ds_status look_first(ds_metadata *m, ds_error *error)
{
    char *path = join(m->dir, "lock");
    bool used = access(path, F_OK) == 0;
    free(path);
    each_file(m, note_newest, m);
    return used || m->newest > 0 ? DS_OK : ds_lost_metadata_check(m->dir, error);
}

ds_status ds_metadata_open(const char *dir, int64_t retain, ds_metadata **result, ds_error *error)
{
    ds_metadata *m = ds_calloc(1, sizeof *m);
    m->dir = ds_strdup(dir);
    m->files = join(dir, "metadata");
    m->lock_fd = m->fd = -1;
    m->retain = retain;
    ds_status status = look_first(m, error);
    if (status == DS_OK)
        status = ds_make_private_folders(m->dir, error);
    if (status == DS_OK)
        status = take_lock(m, error);
    if (status != DS_OK) {
        ds_metadata_close(m);
        return status;
    }
    m->newest = 0; /* others may have worked until we had the lock */
    each_file(m, note_newest, m);
    *result = m;
    return DS_OK;
}

ds_status ds_metadata_mark(ds_metadata *m, uint64_t epoch, ds_error *error)
{
    DS_ASSERT(m->lock_fd >= 0);
    char *path = join(m->dir, "lock");
    ds_status status = ds_make_private_folders(m->files, error);
    if (status == DS_OK)
        status = ds_sync_folder(m->dir, error); /* so that a fresh metadata folder stays */
    if (status == DS_OK)
        status = ds_claim_write(m->lock_fd, epoch, path, error);
    free(path);
    return status;
}

void ds_metadata_close(ds_metadata *m)
{
    if (m == NULL)
        return;
    if (m->fd >= 0)
        close(m->fd);
    if (m->lock_fd >= 0)
        close(m->lock_fd);
    free(m->dir);
    free(m->files);
    free(m);
}

bool ds_metadata_is_new(const ds_metadata *m)
{
    return m->newest == 0;
}

/* ---- reading ---- */

static ds_status begin_anew(const ds_metadata *m, ds_error *error)
{
    DS_ASSERT(m->newest == 0);
    DS_TRY(ds_lost_metadata_check(m->dir, error));
    if (ds_lost_metadata_was_claimed(m->dir))
        ds_log_warn("the checkpoint folder %s has no metadata, though an app ran with it: this one "
                    "begins anew, and outputs may come twice",
                    m->dir);
    return DS_OK;
}

/*
 * Files are written aside, synced and renamed, so a crash leaves no newest file that is damaged at
 * its beginning: a disk does. What an older file says may be out of date then (batches would be
 * output twice), so nothing is passed over.
 */
ds_status ds_metadata_recover(ds_metadata *m, const ds_plan *plan, ds_recovered **recovered,
                              ds_error *error)
{
    *recovered = NULL;
    if (m->newest == 0)
        return begin_anew(m, error);
    char *path = file_path(m, m->newest, "");
    ds_buffer text = {0};
    ds_error why;
    ds_status status = ds_read_regular_file(path, JOURNAL_LIMIT, &text, &why);
    if (status != DS_OK) /* the disk may be better in a moment */
        status = ds_error_set(error, DS_ERR_IO, "cannot go on from the checkpoint in %s yet: %s",
                              m->dir, why.message);
    else if (ds_journal_read(path, text.data, text.length, plan, recovered, &why) != DS_OK)
        status = ds_recovered_refuse(m->dir, why.message, error);
    ds_buffer_fini(&text);
    free(path);
    return status;
}

ds_status ds_metadata_peek(const char *dir, const ds_plan *plan, ds_recovered **recovered,
                           ds_error *error)
{
    ds_metadata m = {.dir = (char *)(uintptr_t)dir, .files = join(dir, "metadata")};
    each_file(&m, note_newest, &m);
    DS_ASSERT(m.newest > 0);
    ds_status status = ds_metadata_recover(&m, plan, recovered, error);
    free(m.files);
    return status;
}

/* ---- writing ---- */

static ds_status write_all(int fd, const char *bytes, size_t length, const char *path,
                           ds_error *error)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(error, "write", path);
        bytes += n;
        length -= (size_t)n;
    }
    return DS_OK;
}

/* Whoever removes the folder, and perhaps makes another one, takes it from us: what we write there
 * would be lost, or stand amid what another driver writes. */
ds_status ds_metadata_check(const ds_metadata *m, ds_error *error)
{
    char *path = join(m->dir, "lock");
    bool ours = ds_claim_leads_to(path, m->lock_fd);
    free(path);
    return ours ? DS_OK
                : ds_error_set(error, DS_ERR_IO,
                               "the checkpoint folder %s was removed or replaced: put it back, or "
                               "end this app and start it anew",
                               m->dir);
}

/* What is appended to a file that somebody removed is lost. */
static ds_status check_there(const ds_metadata *m, ds_error *error)
{
    struct stat st;
    DS_ASSERT(m->fd >= 0);
    if (fstat(m->fd, &st) == 0 && st.st_nlink > 0)
        return DS_OK;
    return ds_error_set(error, DS_ERR_IO, "a metadata file was removed from %s", m->files);
}

/* A new file becomes the newest only when all of it is on the disk. */
static ds_status write_new(ds_metadata *m, const char *line, size_t length, ds_error *error)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
    DS_TRY(ds_metadata_check(m, error));
    mkdir(m->files, S_IRWXU); /* should somebody have removed it */
    char *path = file_path(m, m->newest + 1, "");
    char *aside = file_path(m, m->newest + 1, ".tmp");
    ds_status status = DS_OK;
    m->fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, DS_PRIVATE_FILE);
    if (m->fd < 0)
        status = failed(error, "create", aside);
    if (status == DS_OK)
        status = write_all(m->fd, line, length, aside, error);
    DS_INJECT("journal.file_written");
    if (status == DS_OK && fsync(m->fd) != 0)
        status = failed(error, "sync", aside);
    DS_INJECT("journal.file_synced");
    if (status == DS_OK && rename(aside, path) != 0)
        status = failed(error, "rename", aside);
    DS_INJECT("journal.file_renamed");
    if (status == DS_OK)
        status = ds_sync_folder(m->files, error);
    if (status == DS_OK)
        status = ds_metadata_check(m, error); /* it went there */
    if (status == DS_OK) {
        m->newest++;
        each_file(m, drop_old, m);
    } else if (m->fd >= 0) {
        close(m->fd);
        m->fd = -1;
        unlink(aside);
    }
    free(path);
    free(aside);
    return status;
}

ds_status ds_metadata_append(ds_metadata *m, const char *line, size_t length, bool whole, bool sync,
                             ds_error *error)
{
    DS_ASSERT(length > 0 ? line[length - 1] == '\n' : !whole);
    if (whole)
        return write_new(m, line, length, error);
    if (m->fd < 0)
        return ds_error_set(error, DS_ERR_IO, "no metadata file is open in %s", m->files);
    ds_status status = write_all(m->fd, line, length, m->files, error);
    DS_INJECT("journal.written");
    if (status == DS_OK && sync && fdatasync(m->fd) != 0)
        status = failed(error, "sync", m->files);
    if (status == DS_OK)
        status = ds_metadata_check(m, error);
    if (status == DS_OK)
        status = check_there(m, error);
    DS_INJECT("journal.synced");
    if (status != DS_OK) { /* half a line may stand at the end: only a new file goes on */
        close(m->fd);
        m->fd = -1;
    }
    return status;
}
