#include "scheduler/tail_files.h"

#include "base/assert.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MOST 20u /* messages ... */
#define SHOWN_EVERY_US INT64_C(5000000)

void ds_tail_files_init(ds_tail_files *tail, const char *name, bool at_end)
{
    *tail = (ds_tail_files){.name = name, .next_number = 1, .at_end = at_end};
    tail->shown_since_us = INT64_MIN / 2;
    tail->open_ms = tail->kept_ms = INT64_MAX;
    tail->room = DS_FOLLOW_FILES / 2;
}

void ds_tail_files_fini(ds_tail_files *tail)
{
    for (uint32_t i = 0; i < tail->n; i++)
        free(tail->files[i].path);
    free(tail->files);
    *tail = (ds_tail_files){0};
}

/* ---- messages ---- */

__attribute__((format(printf, 4, 5))) static void say(ds_tail_files *tail, int64_t now_us,
                                                      ds_log_level level, const char *format, ...)
{
    if (now_us - tail->shown_since_us >= SHOWN_EVERY_US) {
        if (tail->hidden > 0)
            ds_log_info("source %s: %u more messages about its files were not shown", tail->name,
                        tail->hidden);
        tail->shown_since_us = now_us;
        tail->shown = tail->hidden = 0;
    }
    if (tail->shown >= SHOWN_MOST) {
        tail->hidden++;
        return;
    }
    tail->shown++;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ds_log(level, "source %s: %s", tail->name, text);
}

/* ---- the list ---- */

static ds_tail_file *find(const ds_tail_files *tail, uint64_t number)
{
    uint32_t from = 0, to = tail->n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (tail->files[middle].number < number)
            from = middle + 1;
        else
            to = middle;
    }
    return from < tail->n && tail->files[from].number == number ? &tail->files[from] : NULL;
}

/* Numbers are never used twice, so a new file comes last; one of a checkpoint may not. */
static ds_tail_file *insert(ds_tail_files *tail, ds_tail_file file)
{
    if (tail->n == tail->capacity) {
        tail->capacity = tail->capacity * 2 + 8;
        tail->files = ds_realloc(tail->files, tail->capacity, sizeof *tail->files);
    }
    uint32_t at = tail->n++;
    for (; at > 0 && tail->files[at - 1].number > file.number; at--)
        tail->files[at] = tail->files[at - 1];
    tail->files[at] = file;
    DS_ASSERT(at == 0 || tail->files[at - 1].number < file.number);
    if (file.number >= tail->next_number)
        tail->next_number = file.number + 1;
    return &tail->files[at];
}

static ds_tail_file detach(ds_tail_files *tail, ds_tail_file *file)
{
    ds_tail_file taken_out = *file;
    uint32_t at = (uint32_t)(file - tail->files);
    DS_ASSERT(at < tail->n);
    tail->n--;
    memmove(file, file + 1, (tail->n - at) * sizeof *file);
    return taken_out;
}

static void set_path(ds_tail_file *file, const char *path)
{
    char *copy = ds_strdup(path);
    free(file->path);
    file->path = copy;
}

/* A file that began again has a new number, and its old one means nothing any more. */
static void drop_older(ds_tail_files *tail, const ds_file_id *id)
{
    for (uint32_t i = tail->n; i > 0; i--) {
        ds_tail_file *file = &tail->files[i - 1];
        if (file->id.inode == id->inode && file->id.device == id->device)
            free(detach(tail, file).path);
    }
}

void ds_tail_files_recover(ds_tail_files *tail, const ds_tail_file *file)
{
    ds_tail_file *known = find(tail, file->number);
    if (known == NULL) {
        drop_older(tail, &file->id);
        known = insert(tail, *file);
        known->path = ds_strdup(file->path);
        return;
    }
    set_path(known, file->path);
    known->id = file->id;
    known->cut = file->cut;
    known->stop = file->stop;
    known->taken = file->taken;
    if (known->size < file->taken)
        known->size = file->taken;
}

ds_follow_request ds_tail_files_ask(const ds_tail_files *tail, ds_arena *arena)
{
    ds_followed *files = DS_ARENA_ARRAY(arena, ds_followed, tail->n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < tail->n; i++) {
        const ds_tail_file *file = &tail->files[i];
        if (!file->gone)
            files[n++] = (ds_followed){.number = file->number,
                                       .path = ds_arena_strdup(arena, file->path),
                                       .id = file->id,
                                       .taken = file->taken};
    }
    return (ds_follow_request){.files = files, .n_files = n};
}

void ds_tail_files_given(ds_tail_files *tail, uint64_t number, int64_t batch_ms)
{
    ds_tail_file *file = find(tail, number);
    if (file != NULL && file->given_ms < batch_ms)
        file->given_ms = batch_ms;
}

void ds_tail_files_hold(ds_tail_files *tail, int64_t open_ms, int64_t kept_ms)
{
    DS_ASSERT(kept_ms <= open_ms);
    tail->open_ms = open_ms;
    tail->kept_ms = kept_ms;
}

static bool is_held(const ds_tail_files *tail, const ds_tail_file *file)
{
    return file->given_ms >= (tail->n > tail->room ? tail->open_ms : tail->kept_ms);
}

/* ---- what was seen ---- */

/* What was found of a file, was not taken, and cannot be had any more. */
static uint64_t lose(ds_tail_files *tail, const ds_tail_file *file)
{
    DS_ASSERT(!file->gone); /* once */
    uint64_t lost = file->size > file->taken ? file->size - file->taken : 0;
    tail->lost_bytes += lost;
    return lost;
}

static void see_gone(ds_tail_files *tail, ds_tail_file *file, int64_t now_us)
{
    uint64_t lost = lose(tail, file);
    file->gone = true;
    if (lost > 0)
        say(tail, now_us, DS_LOG_ERROR,
            "%.200s is gone: %" PRIu64 " bytes of it were not read and are lost", file->path, lost);
    else
        say(tail, now_us, DS_LOG_WARN, "%.200s is gone: it was read up to byte %" PRIu64,
            file->path, file->taken);
}

static void see_unreadable(ds_tail_files *tail, ds_tail_file *file, const char *why, int64_t now_us)
{
    if (!file->unreadable)
        say(tail, now_us, DS_LOG_ERROR, "%.200s cannot be read: %.200s; trying again", file->path,
            why);
    file->unreadable = true;
}

/* Its position is kept: it is the same file if it comes back. */
static void see_away(ds_tail_files *tail, ds_tail_file *file, int64_t now_us)
{
    if (file->away_us == 0) {
        say(tail, now_us, DS_LOG_WARN, "%.200s: its folder is not there: waiting for it",
            file->path);
        file->away_us = now_us;
        file->unreadable = true;
    }
    DS_ASSERT(file->unreadable);
    if (now_us - file->away_us >= DS_FOLLOW_AWAY_US)
        see_gone(tail, file, now_us);
}

const ds_tail_file *ds_tail_files_find(const ds_tail_files *tail, uint64_t number)
{
    const ds_tail_file *file = find(tail, number);
    return file != NULL && !file->gone ? file : NULL;
}

bool ds_tail_files_began_again(const ds_tail_files *tail, uint64_t number, const ds_file_id *id)
{
    for (uint32_t i = tail->n; i > 0 && tail->files[i - 1].number > number; i--)
        if (tail->files[i - 1].id.inode == id->inode && tail->files[i - 1].id.device == id->device)
            return true;
    return false;
}

uint32_t ds_tail_files_away(const ds_tail_files *tail)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < tail->n; i++)
        n += tail->files[i].away_us != 0 && !tail->files[i].gone;
    return n;
}

/* The file goes on under a new number, behind all others: what was given of it before has nothing
 * to do with what is in it now. */
static ds_tail_file *begin_again(ds_tail_files *tail, ds_tail_file *file, const ds_sighting *seen,
                                 int64_t now_us)
{
    DS_ASSERT(seen->what == DS_SIGHT_SEEN);
    uint64_t lost = lose(tail, file);
    char what[80] = "";
    if (lost > 0)
        snprintf(what, sizeof what, "; %" PRIu64 " bytes that were not read are lost", lost);
    say(tail, now_us, lost > 0 ? DS_LOG_ERROR : DS_LOG_WARN,
        "%.200s %s: it is read from its beginning again%s", file->path,
        seen->size < file->taken ? "was cut off" : "was written anew", what);
    tail->begun_again++;
    tail->news = true;
    ds_tail_file again = detach(tail, file);
    again.number = tail->next_number;
    again.id = seen->id;
    again.taken = again.stop = again.size = again.complete = 0;
    again.cut = again.moved = false;
    again.given_ms = 0;
    again.changed_us = now_us;
    return insert(tail, again);
}

static void see_path(ds_tail_files *tail, ds_tail_file *file, const ds_sighting *seen,
                     int64_t now_us)
{
    bool renamed = strcmp(file->path, seen->path) != 0;
    if (renamed) {
        say(tail, now_us, DS_LOG_INFO, "%.200s is now %.200s", file->path, seen->path);
        set_path(file, seen->path);
        file->moved = tail->news = true;
    }
    if (renamed || (!seen->named && file->named))
        file->changed_us = now_us; /* whoever writes it may go on for a while */
    file->named = seen->named;
    file->moved = file->moved || !seen->named;
}

static void see_known(ds_tail_files *tail, ds_tail_file *file, const ds_sighting *seen,
                      int64_t now_us)
{
    if (seen->what == DS_SIGHT_GONE) {
        see_gone(tail, file, now_us);
        return;
    }
    if (seen->what == DS_SIGHT_AWAY) {
        see_away(tail, file, now_us);
        return;
    }
    if (seen->what == DS_SIGHT_UNREADABLE) {
        see_unreadable(tail, file, seen->why, now_us);
        return;
    }
    if (file->unreadable)
        say(tail, now_us, DS_LOG_INFO, "%.200s can be read again", file->path);
    if (!seen->same_head || seen->size < file->taken)
        file = begin_again(tail, file, seen, now_us);
    see_path(tail, file, seen, now_us);
    if (file->size != seen->size || file->changed_us == 0)
        file->changed_us = now_us;
    file->unreadable = false;
    file->away_us = 0;
    file->id = seen->id;
    file->size = seen->size;
    file->complete = seen->complete > file->taken ? seen->complete : file->taken;
    file->pid = seen->pid;
    file->fd = seen->fd;
}

/* Makes room for a file that is there: true if one that is away, and that no batch needs, was
 * forgotten for it. */
static bool drop_away(ds_tail_files *tail)
{
    for (uint32_t i = 0; i < tail->n; i++)
        if (tail->files[i].away_us != 0 && !is_held(tail, &tail->files[i])) {
            free(detach(tail, &tail->files[i]).path);
            return true;
        }
    return false;
}

static void see_new(ds_tail_files *tail, const ds_sighting *seen, bool at_end, int64_t now_us)
{
    if (seen->what == DS_SIGHT_UNREADABLE)
        say(tail, now_us, DS_LOG_ERROR, "%.200s cannot be read: %.200s; trying again", seen->path,
            seen->why);
    if (seen->what != DS_SIGHT_SEEN || (tail->n >= DS_FOLLOW_FILES && !drop_away(tail)))
        return;
    insert(tail, (ds_tail_file){.number = tail->next_number,
                                .path = ds_strdup(seen->path),
                                .id = seen->id,
                                .size = seen->size,
                                .complete = seen->complete,
                                .taken = at_end ? seen->complete : 0,
                                .named = seen->named,
                                .moved = !seen->named,
                                .changed_us = now_us,
                                .pid = seen->pid,
                                .fd = seen->fd});
    say(tail, now_us, DS_LOG_INFO, "following %.200s", seen->path);
}

/* A last line without an end is a record when nothing will be added to it. */
static void finish_file(ds_tail_file *file, bool quiet, bool final)
{
    bool done = final || (file->moved && quiet);
    if (done && file->stop == 0 && file->complete < file->size && file->taken < file->size)
        file->stop = file->size;
}

static void finish_all(ds_tail_files *tail, int64_t now_us, bool final)
{
    for (uint32_t i = 0; i < tail->n;) {
        ds_tail_file *file = &tail->files[i];
        /* A file of the checkpoint that was not found yet is not quiet. */
        bool quiet = file->changed_us != 0 && now_us - file->changed_us >= DS_TAIL_QUIET_US;
        bool over = file->gone || (!file->named && quiet && file->taken == file->size);
        if (!over) {
            finish_file(file, quiet, final);
            i++;
        } else if (is_held(tail, file)) {
            i++;
        } else {
            ds_tail_file gone = detach(tail, file);
            free(gone.path);
        }
    }
}

static void see_beyond(ds_tail_files *tail, uint32_t beyond, int64_t now_us)
{
    if (beyond > 0 && tail->beyond == 0)
        say(tail, now_us, DS_LOG_ERROR,
            "%u files more than the %u that can be followed at a time wait until others are gone",
            beyond, DS_FOLLOW_FILES);
    tail->beyond = beyond;
}

void ds_tail_files_see(ds_tail_files *tail, const ds_sightings *seen, int64_t now_us, bool final)
{
    bool at_end = tail->at_end && !tail->seen;
    for (uint32_t i = 0; i < seen->n; i++) {
        const ds_sighting *sighting = &seen->list[i];
        ds_tail_file *file = sighting->number != 0 ? find(tail, sighting->number) : NULL;
        if (sighting->number == 0)
            see_new(tail, sighting, at_end, now_us);
        else if (file != NULL)
            see_known(tail, file, sighting, now_us);
    }
    see_beyond(tail, seen->beyond, now_us);
    finish_all(tail, now_us, final);
    tail->seen = true;
}

/* ---- what is given ---- */

/* Up to where bytes of a file can be given. */
static uint64_t end_of(const ds_tail_file *file)
{
    if (file->gone || file->unreadable)
        return file->taken;
    uint64_t end = file->stop != 0 ? file->stop : file->complete;
    return end > file->taken ? end : file->taken;
}

bool ds_tail_files_more(const ds_tail_files *tail)
{
    for (uint32_t i = 0; i < tail->n; i++)
        if (end_of(&tail->files[i]) > tail->files[i].taken)
            return true;
    return false;
}

uint64_t ds_tail_files_behind(const ds_tail_files *tail)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < tail->n; i++)
        bytes += end_of(&tail->files[i]) - tail->files[i].taken;
    return bytes;
}

static void take_from(ds_tail_file *file, uint64_t to, ds_input *input)
{
    DS_ASSERT(to > file->taken && !file->gone);
    DS_ASSERT(file->stop == 0 || to <= file->stop);
    *input = (ds_input){.kind = DS_INPUT_TAIL,
                        .from = file->taken,
                        .to = to,
                        .position = file->taken,
                        .path = file->path,
                        .tail = {.number = file->number,
                                 .id = file->id,
                                 .stop = file->stop,
                                 .starts = file->cut || file->taken == 0,
                                 .pid = file->pid,
                                 .fd = file->fd}};
    file->taken = to;
    file->cut = to == file->stop;
    if (file->cut)
        file->stop = 0;
}

bool ds_tail_files_take(ds_tail_files *tail, uint64_t most, ds_input *input)
{
    DS_ASSERT(most > 0);
    for (uint32_t i = 0; i < tail->n; i++) {
        ds_tail_file *file = &tail->files[i];
        uint64_t end = end_of(file);
        if (end <= file->taken)
            continue;
        take_from(file, end - file->taken > most ? file->taken + most : end, input);
        return true;
    }
    return false;
}
