#include "receiver/log_writer.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "base/memory.h"
#include "receiver/block_log.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_WAIT_US INT64_C(100000) /* before a full disk is tried again, doubled, */
#define LAST_WAIT_US INT64_C(2000000) /* and the longest wait */

typedef enum item_kind { ITEM_BLOCK, ITEM_STATE, ITEM_CUT_DONE, ITEM_STOP } item_kind;

typedef struct item {
    ds_mail link;      /* in the mailbox */
    struct item *next; /* of those that were taken */
    item_kind kind;
    uint64_t receiver_id, tick;
    ds_block_room room;
    ds_block block;
    ds_receiver_phase phase;
    ds_status status;
    char message[];
} item;

/* The log of one receiver. */
typedef struct logged {
    struct logged *next;
    uint64_t receiver_id;
    ds_block_log *log;
    bool written; /* in this group */
} logged;

struct ds_log_writer {
    ds_block_sink sink;
    ds_mailbox *mailbox;
    pthread_mutex_t lock;
    logged *logs; /* guarded by lock; those in it are the thread's */
    bool started;
    pthread_t thread;
    /* Of the thread. */
    item *first, **last; /* what was taken, in order */
    bool failing, stopping;
    uint64_t failed_id; /* FAILING: the receiver that was told */
    int64_t wait_us, retry_us;
};

static item *new_item(item_kind kind, uint64_t receiver_id, size_t text)
{
    item *it = ds_calloc(1, sizeof *it + text + 1);
    it->kind = kind;
    it->receiver_id = receiver_id;
    return it;
}

static logged *find(ds_log_writer *w, uint64_t receiver_id)
{
    pthread_mutex_lock(&w->lock);
    logged *l = w->logs;
    while (l != NULL && l->receiver_id != receiver_id)
        l = l->next;
    pthread_mutex_unlock(&w->lock);
    return l;
}

static void post(ds_log_writer *w, item *it)
{
    ds_mailbox_post(w->mailbox, &it->link);
}

/* ---- the sink ---- */

static bool on_reserve(void *arg, uint64_t receiver_id, uint64_t capacity, ds_block_room *room)
{
    ds_log_writer *w = arg;
    return w->sink.reserve(w->sink.arg, receiver_id, capacity, room);
}

static void on_report(void *arg, uint64_t receiver_id, const ds_block_room *room,
                      const ds_block *block)
{
    ds_log_writer *w = arg;
    if (find(w, receiver_id) == NULL) {
        w->sink.report(w->sink.arg, receiver_id, room, block);
        return;
    }
    item *it = new_item(ITEM_BLOCK, receiver_id, 0);
    it->room = room != NULL ? *room : (ds_block_room){0};
    it->block = *block;
    post(w, it);
}

static void on_give_back(void *arg, uint64_t receiver_id, const ds_block_room *room)
{
    ds_log_writer *w = arg;
    w->sink.give_back(w->sink.arg, receiver_id, room);
}

static void on_state(void *arg, uint64_t receiver_id, ds_receiver_phase phase, ds_status status,
                     const char *message)
{
    ds_log_writer *w = arg;
    if (find(w, receiver_id) == NULL) {
        w->sink.state(w->sink.arg, receiver_id, phase, status, message);
        return;
    }
    item *it = new_item(ITEM_STATE, receiver_id, strlen(message));
    it->phase = phase;
    it->status = status;
    memcpy(it->message, message, strlen(message));
    post(w, it);
}

static void on_cut_done(void *arg, uint64_t tick)
{
    ds_log_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    bool started = w->started;
    pthread_mutex_unlock(&w->lock);
    if (!started) {
        w->sink.cut_done(w->sink.arg, tick);
        return;
    }
    item *it = new_item(ITEM_CUT_DONE, 0, 0);
    it->tick = tick;
    post(w, it);
}

ds_block_sink ds_log_writer_sink(ds_log_writer *w)
{
    return (ds_block_sink){w, on_reserve, on_report, on_give_back, on_state, on_cut_done};
}

/* ---- the thread ---- */

static void drop_log(ds_log_writer *w, uint64_t receiver_id)
{
    pthread_mutex_lock(&w->lock);
    logged **link = &w->logs;
    while (*link != NULL && (*link)->receiver_id != receiver_id)
        link = &(*link)->next;
    logged *l = *link;
    if (l != NULL)
        *link = l->next;
    pthread_mutex_unlock(&w->lock);
    if (l != NULL)
        ds_block_log_free(l->log);
    free(l);
}

static void hand_on(ds_log_writer *w, const item *it)
{
    const ds_block_sink *sink = &w->sink;
    switch (it->kind) {
    case ITEM_BLOCK: sink->report(sink->arg, it->receiver_id, &it->room, &it->block); break;
    case ITEM_CUT_DONE: sink->cut_done(sink->arg, it->tick); break;
    case ITEM_STATE:
        sink->state(sink->arg, it->receiver_id, it->phase, it->status, it->message);
        if (it->phase == DS_RECEIVER_ENDED || it->phase == DS_RECEIVER_FAILED)
            drop_log(w, it->receiver_id); /* its last word */
        break;
    case ITEM_STOP: DS_UNREACHABLE();
    }
}

/* Moves what has come to the list. */
static void take(ds_log_writer *w, int64_t until_us)
{
    ds_mail *items = ds_mailbox_take(w->mailbox, until_us);
    while (items != NULL) {
        item *it = (item *)items;
        items = items->next;
        if (it->kind == ITEM_STOP) {
            w->stopping = true;
            free(it);
            continue;
        }
        *w->last = it;
        w->last = &it->next;
    }
}

/* Takes the first item out of the list that *link is in. */
static item *unlink_item(ds_log_writer *w, item **link)
{
    item *it = *link;
    *link = it->next;
    if (*link == NULL)
        w->last = link;
    return it;
}

/* Syncs the logs that this group wrote to; the first failure counts. */
static ds_status sync_group(ds_log_writer *w, uint64_t *failed_id, ds_error *error)
{
    ds_status status = DS_OK;
    pthread_mutex_lock(&w->lock);
    logged *l = w->logs; /* only this thread takes one out, and others come first */
    pthread_mutex_unlock(&w->lock);
    for (; l != NULL; l = l->next) {
        if (!l->written)
            continue;
        l->written = false;
        ds_status one = ds_block_log_sync(l->log, status == DS_OK ? error : NULL);
        if (status == DS_OK && one != DS_OK)
            *failed_id = l->receiver_id;
        status = status == DS_OK ? one : status;
    }
    return status;
}

/* Writes items up to the first that cannot be written, and makes them durable. Returns how many
 * may be handed on. */
static size_t write_group(ds_log_writer *w, uint64_t *failed_id, ds_error *error)
{
    size_t n = 0;
    ds_error why = {.status = DS_OK};
    for (item *it = w->first; it != NULL; it = it->next, n++) {
        if (it->kind != ITEM_BLOCK)
            continue;
        logged *l = find(w, it->receiver_id);
        DS_ASSERT(l != NULL);
        if (ds_block_log_append(l->log, it->room.bytes, &it->block, &why) != DS_OK) {
            *failed_id = it->receiver_id;
            break;
        }
        l->written = true;
    }
    *error = why;
    return sync_group(w, failed_id, error) == DS_OK ? n : 0;
}

/* Says it once; and once more, without a word for people, when blocks were handed on since then:
 * the driver hears that their segment is closed. */
static void tell_failure(ds_log_writer *w, uint64_t receiver_id, const ds_error *error)
{
    char text[DS_ERROR_TEXT] = "";
    const bool closed = ds_block_log_is_closed(find(w, receiver_id)->log);
    if (!w->failing)
        snprintf(text, sizeof text, "%.900s; nothing more is read until it can", error->message);
    w->sink.state(w->sink.arg, receiver_id, DS_RECEIVER_RETRYING,
                  closed ? DS_ERR_IO : DS_ERR_UNAVAILABLE, text);
}

static void fail(ds_log_writer *w, uint64_t receiver_id, bool handed_on, const ds_error *error)
{
    if (!w->failing || handed_on)
        tell_failure(w, receiver_id, error);
    if (!w->failing)
        w->failed_id = receiver_id;
    w->wait_us = !w->failing || handed_on || w->wait_us == 0 ? FIRST_WAIT_US : w->wait_us * 2;
    if (w->wait_us > LAST_WAIT_US)
        w->wait_us = LAST_WAIT_US;
    w->failing = true;
    w->retry_us = ds_clock_mono_us() + w->wait_us;
}

static void write_items(ds_log_writer *w)
{
    ds_error error = {.message = ""};
    uint64_t failed_id = 0;
    size_t n = write_group(w, &failed_id, &error);
    if (failed_id == 0 && w->failing) { /* before what may be the last word */
        w->failing = false;
        w->sink.state(w->sink.arg, w->failed_id, DS_RECEIVER_RUNNING, DS_OK,
                      "the log can be written again");
    }
    const bool handed_on = n > 0;
    for (; n > 0; n--) {
        item *it = unlink_item(w, &w->first);
        hand_on(w, it);
        free(it);
    }
    if (failed_id != 0)
        fail(w, failed_id, handed_on, &error);
}

/* The next batch does not wait for a disk that is full. */
static void pass_cuts(ds_log_writer *w)
{
    for (item **link = &w->first; *link != NULL;) {
        if ((*link)->kind != ITEM_CUT_DONE) {
            link = &(*link)->next;
            continue;
        }
        item *it = unlink_item(w, link);
        hand_on(w, it);
        free(it);
    }
}

static void *run(void *arg)
{
    ds_log_writer *w = arg;
    pthread_setname_np(pthread_self(), "log");
    for (;;) {
        take(w, w->failing ? w->retry_us : INT64_MAX);
        if (w->stopping)
            return NULL;
        if (!w->failing || ds_clock_mono_us() >= w->retry_us)
            write_items(w);
        if (w->failing)
            pass_cuts(w);
    }
}

/* ---- life ---- */

ds_log_writer *ds_log_writer_new(const ds_block_sink *sink)
{
    ds_log_writer *w = ds_calloc(1, sizeof *w);
    w->sink = *sink;
    w->mailbox = ds_mailbox_new();
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

static int start_thread(ds_log_writer *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

ds_status ds_log_writer_add(ds_log_writer *w, uint64_t receiver_id, const char *folder,
                            uint64_t epoch, ds_error *error)
{
    DS_ASSERT(find(w, receiver_id) == NULL);
    logged *l = ds_calloc(1, sizeof *l);
    l->receiver_id = receiver_id;
    l->log = ds_block_log_new(folder, receiver_id, DS_LOG_SEGMENT_BYTES);
    if (epoch != 0)
        ds_block_log_claim(l->log, epoch);
    if (epoch != 0 && ds_block_log_look(l->log, error) != DS_OK) {
        ds_block_log_free(l->log);
        free(l);
        return DS_ERR_NO_INPUT;
    }
    pthread_mutex_lock(&w->lock);
    int failed = w->started ? 0 : start_thread(w);
    w->started = failed == 0;
    if (failed == 0) {
        l->next = w->logs;
        w->logs = l;
    }
    pthread_mutex_unlock(&w->lock);
    if (failed == 0)
        return DS_OK;
    ds_block_log_free(l->log);
    free(l);
    return ds_error_set(error, DS_ERR_IO, "cannot start the thread of the log: %s",
                        strerror(failed));
}

void ds_log_writer_free(ds_log_writer *w)
{
    if (w == NULL)
        return;
    if (w->started) {
        post(w, new_item(ITEM_STOP, 0, 0));
        pthread_join(w->thread, NULL);
    }
    take(w, 0);
    while (w->first != NULL) {
        item *it = unlink_item(w, &w->first);
        if (it->kind == ITEM_BLOCK && it->room.capacity > 0)
            w->sink.give_back(w->sink.arg, it->receiver_id, &it->room);
        free(it);
    }
    while (w->logs != NULL)
        drop_log(w, w->logs->receiver_id);
    ds_mailbox_free(w->mailbox);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
