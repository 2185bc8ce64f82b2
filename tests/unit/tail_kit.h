/*
 * A `tail` in one hand: files in a folder of its own are looked at (receiver/tail.h), what that
 * means is decided (scheduler/tail_files.h), and what is given is read and cut into lines.
 */
#ifndef DS_TESTS_TAIL_KIT_H
#define DS_TESTS_TAIL_KIT_H

#include "receiver/files.h"
#include "receiver/followed.h"
#include "receiver/tail.h"
#include "scheduler/tail_files.h"

#include "unit/scratch_dir.h"

#include <fcntl.h>
#include <stdlib.h>

typedef struct tail_kit {
    scratch_dir d;
    char glob[200];
    uint32_t record_limit;
    uint64_t most; /* bytes of one piece */
    ds_tail *tail;
    ds_tail_files files;
    int64_t now_us;
    bool beside;     /* names are looked at beside the questions, not by them */
    bool by_path;    /* pieces are opened by their paths */
    ds_buffer lines; /* what was read, each with a blank behind */
    uint64_t lost;   /* bytes that were gone when they were to be read */
} tail_kit;

static inline void tail_begin(tail_kit *k, bool at_end)
{
    k->tail = ds_tail_new(k->glob, k->record_limit);
    ds_tail_files_init(&k->files, "in", at_end);
}

static inline void tail_open(tail_kit *k, const char *pattern, bool at_end)
{
    memset(k, 0, sizeof *k);
    scratch_open(&k->d);
    snprintf(k->glob, sizeof k->glob, "%s/%s", k->d.path, pattern);
    k->record_limit = 50;
    k->most = 1000;
    k->now_us = 1000000000;
    tail_begin(k, at_end);
}

static inline void tail_close(tail_kit *k)
{
    ds_tail_free(k->tail);
    ds_tail_files_fini(&k->files);
    ds_buffer_fini(&k->lines);
    scratch_close(&k->d);
}

/* A driver that died knows its positions, and holds nothing open. */
static inline void tail_restart(tail_kit *k)
{
    ds_tail_files before = k->files;
    ds_tail_free(k->tail);
    tail_begin(k, before.at_end);
    k->files.seen = true;
    for (uint32_t i = 0; i < before.n; i++) {
        ds_tail_file known = {.number = before.files[i].number,
                              .path = before.files[i].path,
                              .id = before.files[i].id,
                              .size = before.files[i].size,
                              .taken = before.files[i].taken,
                              .stop = before.files[i].stop,
                              .cut = before.files[i].cut,
                              .moved = before.files[i].moved};
        ds_tail_files_recover(&k->files, &known);
    }
    k->files.lost_bytes = before.lost_bytes;
    k->files.begun_again = before.begun_again;
    ds_tail_files_fini(&before);
}

static inline void tail_note(tail_kit *k, const ds_file_piece *piece)
{
    const char *at = piece->bytes, *end = at + piece->length;
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        if (line == NULL)
            line = end;
        ds_buffer_append(&k->lines, at, (size_t)(line - at));
        ds_buffer_append_char(&k->lines, ' ');
        at = line + 1;
    }
}

/* Reads what was given, as a task does. */
static inline void tail_read(tail_kit *k, const ds_input *input)
{
    int fd;
    ds_file_piece piece;
    ds_buffer buffer = {0};
    const ds_tail_input *t = &input->tail;
    ds_status status =
        ds_followed_open(input->path, &t->id, k->by_path ? 0 : t->pid, t->fd, &fd, NULL, 0, NULL);
    if (status != DS_OK) {
        ck_assert_int_eq(status, DS_ERR_NO_INPUT);
        k->lost += input->to - input->from;
        return;
    }
    ds_file_range range = {.from = input->from,
                           .to = input->to,
                           .stop = t->stop,
                           .starts = t->starts,
                           .record_limit = k->record_limit};
    ck_assert_int_eq(ds_file_range_read(fd, input->path, &range, &buffer, &piece, NULL), DS_OK);
    ck_assert_int_eq(ds_head_check(fd, &t->id), DS_HEAD_SAME);
    tail_note(k, &piece);
    ds_buffer_fini(&buffer);
    close(fd);
}

static inline const ds_sightings *tail_see(tail_kit *k, bool final)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_follow_request request = ds_tail_files_ask(&k->files, arena);
    request.all = !k->beside;
    if (k->beside)
        ds_tail_notice(k->tail, k->now_us);
    const ds_sightings *seen = ds_tail_look(k->tail, &request, k->now_us);
    ds_tail_files_see(&k->files, seen, k->now_us, final);
    ds_arena_free(arena);
    return seen;
}

/* One batch. */
static inline void tail_batch(tail_kit *k, bool final)
{
    ds_input input;
    tail_see(k, final);
    while (ds_tail_files_take(&k->files, k->most, &input))
        tail_read(k, &input);
    k->now_us += 100000;
}

/* The lines that one more batch reads. */
#define tail_expect(k, expected)                                                                   \
    do {                                                                                           \
        (k)->lines.length = 0;                                                                     \
        tail_batch((k), false);                                                                    \
        ck_assert_str_eq(ds_buffer_text(&(k)->lines), (expected));                                 \
    } while (0)

static inline void tail_append(tail_kit *k, const char *name, const char *text)
{
    int fd = open(scratch_path(&k->d, name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static inline void tail_rename(tail_kit *k, const char *from, const char *to)
{
    ck_assert_int_eq(rename(scratch_path(&k->d, from), scratch_path(&k->d, to)), 0);
}

#endif
