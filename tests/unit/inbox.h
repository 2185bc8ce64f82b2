/*
 * An inbox: a sink for receivers that keeps all that they say, for tests. Nothing sleeps: a
 * test waits for a condition over the inbox, at most DEADLINE_S seconds.
 */
#ifndef DS_TESTS_INBOX_H
#define DS_TESTS_INBOX_H

#include "receiver/receiver.h"

#include "base/memory.h"
#include "unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DEADLINE_S 10
#define INBOX_RECEIVERS 4 /* ids from 0 */

/* What one receiver said. */
typedef struct inbox_of {
    ds_buffer bytes;  /* records of all blocks, without headers */
    ds_buffer header; /* of the last block */
    uint64_t blocks, records, too_long, cut_short, longest;
    uint64_t asked, refused;          /* for room */
    int said[DS_RECEIVER_FAILED + 1]; /* how often each phase */
    ds_status status;
    char message[DS_ERROR_TEXT]; /* the last one */
    bool over;
} inbox_of;

typedef struct inbox {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t credit; /* bytes that may still be held */
    int rooms;      /* held by receivers */
    inbox_of of[INBOX_RECEIVERS];
    ds_buffer events; /* "B1 " a block of receiver 1, "T7 " tick 7, "E1 " its last word */
    ds_receivers *receivers;
} inbox;

/* Waits under the lock until the condition holds. */
#define INBOX_WAIT(in, condition)                                                                  \
    do {                                                                                           \
        struct timespec deadline_;                                                                 \
        clock_gettime(CLOCK_MONOTONIC, &deadline_);                                                \
        deadline_.tv_sec += DEADLINE_S;                                                            \
        pthread_mutex_lock(&(in)->lock);                                                           \
        int late_ = 0;                                                                             \
        while (!(condition) && late_ == 0)                                                         \
            late_ = pthread_cond_timedwait(&(in)->changed, &(in)->lock, &deadline_);               \
        bool held_ = (condition);                                                                  \
        pthread_mutex_unlock(&(in)->lock);                                                         \
        ck_assert_msg(held_, "waited in vain for: %s", #condition);                                \
    } while (0)

static inline bool inbox_reserve(void *arg, uint64_t id, uint64_t capacity, ds_block_room *room)
{
    inbox *in = arg;
    pthread_mutex_lock(&in->lock);
    bool granted = in->credit >= (int64_t)capacity;
    in->of[id].asked++;
    if (granted) {
        in->credit -= (int64_t)capacity;
        in->rooms++;
        room->bytes = ds_alloc(capacity);
        room->offset = (uint64_t)(uintptr_t)room->bytes;
        room->capacity = capacity;
    } else {
        in->of[id].refused++;
    }
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->lock);
    return granted;
}

static inline void inbox_release(inbox *in, const ds_block_room *room, uint64_t kept)
{
    if (room->capacity == 0)
        return;
    in->credit += (int64_t)(room->capacity - kept);
    in->rooms--;
    free(room->bytes);
}

static inline void inbox_report(void *arg, uint64_t id, const ds_block_room *room,
                                const ds_block *block)
{
    inbox *in = arg;
    inbox_of *of = &in->of[id];
    pthread_mutex_lock(&in->lock);
    ck_assert(!of->over);
    ck_assert_uint_eq(block->block_id, ++of->blocks);
    ck_assert_uint_le(block->length, room->capacity);
    ck_assert_uint_eq(block->offset, room->offset);
    if (block->length > 0) {
        uint64_t lines = 0;
        for (uint64_t i = block->header; i < block->length; i++)
            lines += room->bytes[i] == '\n';
        ck_assert_uint_eq(block->records, lines);
        ck_assert_int_eq(room->bytes[block->length - 1], '\n');
        of->header.length = 0;
        ds_buffer_append(&of->header, room->bytes, block->header);
        ds_buffer_append(&of->bytes, room->bytes + block->header, block->length - block->header);
        of->longest = block->length > of->longest ? block->length : of->longest;
    } else {
        ck_assert_uint_eq(block->records, 0);
        ck_assert_uint_gt(block->too_long, 0);
    }
    of->records += block->records;
    of->too_long += block->too_long;
    of->cut_short += block->cut_short;
    inbox_release(in, room, block->length);
    ds_buffer_printf(&in->events, "B%d ", (int)id);
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->lock);
}

static inline void inbox_give_back(void *arg, uint64_t id, const ds_block_room *room)
{
    inbox *in = arg;
    (void)id;
    pthread_mutex_lock(&in->lock);
    ck_assert_uint_gt(room->capacity, 0);
    inbox_release(in, room, 0);
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->lock);
}

static inline void inbox_state(void *arg, uint64_t id, ds_receiver_phase phase, ds_status status,
                               const char *message)
{
    inbox *in = arg;
    inbox_of *of = &in->of[id];
    pthread_mutex_lock(&in->lock);
    ck_assert(!of->over);
    of->said[phase]++;
    of->status = status;
    snprintf(of->message, sizeof of->message, "%s", message);
    if (phase == DS_RECEIVER_ENDED || phase == DS_RECEIVER_FAILED) {
        of->over = true;
        ds_buffer_printf(&in->events, "E%d ", (int)id);
    }
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->lock);
}

static inline void inbox_cut_done(void *arg, uint64_t tick)
{
    inbox *in = arg;
    pthread_mutex_lock(&in->lock);
    ds_buffer_printf(&in->events, "T%d ", (int)tick);
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->lock);
}

static inline void inbox_open(inbox *in, int64_t credit)
{
    pthread_condattr_t attr;
    *in = (inbox){.credit = credit};
    pthread_mutex_init(&in->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&in->changed, &attr);
    pthread_condattr_destroy(&attr);
    ds_block_sink sink = {.arg = in,
                          .reserve = inbox_reserve,
                          .report = inbox_report,
                          .give_back = inbox_give_back,
                          .state = inbox_state,
                          .cut_done = inbox_cut_done};
    ck_assert_int_eq(ds_receivers_start(&sink, &in->receivers, NULL), DS_OK);
}

/* Stops the receivers; then all room has come back. */
static inline void inbox_close(inbox *in)
{
    ds_receivers_stop(in->receivers);
    ck_assert_int_eq(in->rooms, 0);
    for (size_t i = 0; i < INBOX_RECEIVERS; i++) {
        ds_buffer_fini(&in->of[i].bytes);
        ds_buffer_fini(&in->of[i].header);
    }
    ds_buffer_fini(&in->events);
    pthread_cond_destroy(&in->changed);
    pthread_mutex_destroy(&in->lock);
}

/* More credit, as when the driver releases blocks. */
static inline void inbox_credit(inbox *in, int64_t bytes)
{
    pthread_mutex_lock(&in->lock);
    in->credit += bytes;
    pthread_mutex_unlock(&in->lock);
    ds_receivers_credit(in->receivers);
}

static inline void inbox_stop(inbox *in, uint64_t id)
{
    ds_receivers_stop_one(in->receivers, id);
    INBOX_WAIT(in, in->of[id].over);
}

/* Cuts and waits for it. */
static inline void inbox_cut(inbox *in, uint64_t tick)
{
    char event[32];
    snprintf(event, sizeof event, "T%d ", (int)tick);
    ds_receivers_cut(in->receivers, tick);
    INBOX_WAIT(in, strstr(ds_buffer_text(&in->events), event) != NULL);
}

static inline void inbox_assert_bytes(inbox *in, uint64_t id, const char *text)
{
    pthread_mutex_lock(&in->lock);
    ck_assert_str_eq(ds_buffer_text(&in->of[id].bytes), text);
    ck_assert_uint_eq(in->of[id].bytes.length, strlen(text));
    pthread_mutex_unlock(&in->lock);
}

static inline void inbox_assert_events(inbox *in, const char *text)
{
    pthread_mutex_lock(&in->lock);
    ck_assert_str_eq(ds_buffer_text(&in->events), text);
    pthread_mutex_unlock(&in->lock);
}

/* Only once it is over, or nothing else is going on. */
static inline void inbox_assert_last(inbox *in, uint64_t id, ds_status status, const char *message)
{
    pthread_mutex_lock(&in->lock);
    ck_assert_int_eq(in->of[id].status, status);
    ck_assert_str_eq(in->of[id].message, message);
    pthread_mutex_unlock(&in->lock);
}

#endif
