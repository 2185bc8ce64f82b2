#include "cli/follower.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/limits.h"
#include "receiver/tail.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct question {
    struct question *next;
    uint32_t source;
    const ds_follow_request *request;
    ds_arena *arena;
} question;

struct ds_follower {
    ds_follower_fn fn;
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock;
    question *first, **last;
    bool stopping;
    int wake;        /* an eventfd */
    ds_tail **tails; /* by source; NULL: it is no tail */
    uint32_t n_sources;
    struct pollfd *polled;
};

static question *take(ds_follower *f)
{
    pthread_mutex_lock(&f->lock);
    question *q = f->first;
    if (q != NULL) {
        f->first = q->next;
        if (f->first == NULL)
            f->last = &f->first;
    }
    pthread_mutex_unlock(&f->lock);
    return q;
}

static bool is_stopping(ds_follower *f)
{
    pthread_mutex_lock(&f->lock);
    bool stopping = f->stopping;
    pthread_mutex_unlock(&f->lock);
    return stopping;
}

static void free_question(question *q)
{
    ds_arena_free(q->arena);
    free(q);
}

static void answer_all(ds_follower *f)
{
    question *q;
    while ((q = take(f)) != NULL) {
        f->fn(f->arg, q->source, ds_tail_look(f->tails[q->source], q->request, ds_clock_mono_us()));
        free_question(q);
    }
}

/* Waits until there is a question, names changed, or it is time to look whether they did. */
static void wait_for_something(ds_follower *f)
{
    nfds_t n = 0;
    int64_t due_us = INT64_MAX;
    f->polled[n++] = (struct pollfd){.fd = f->wake, .events = POLLIN};
    for (uint32_t i = 0; i < f->n_sources; i++) {
        if (f->tails[i] == NULL)
            continue;
        f->polled[n++] = (struct pollfd){.fd = ds_tail_poll_fd(f->tails[i]), .events = POLLIN};
        if (ds_tail_due_us(f->tails[i]) < due_us)
            due_us = ds_tail_due_us(f->tails[i]);
    }
    int64_t wait_us = due_us == INT64_MAX ? INT64_MAX : due_us - ds_clock_mono_us();
    bool ever = wait_us <= INT64_C(1000) * INT_MAX;
    poll(f->polled, n, !ever ? -1 : wait_us <= 0 ? 0 : (int)(wait_us / 1000) + 1);
    uint64_t woken;
    if (read(f->wake, &woken, sizeof woken) < 0)
        return; /* nobody woke us */
}

static void *work(void *arg)
{
    ds_follower *f = arg;
    while (!is_stopping(f)) {
        answer_all(f);
        for (uint32_t i = 0; i < f->n_sources; i++)
            if (f->tails[i] != NULL)
                ds_tail_notice(f->tails[i], ds_clock_mono_us());
        wait_for_something(f);
    }
    return NULL;
}

static ds_tail *new_tail(const ds_app_source *source)
{
    ds_tail *tail = ds_tail_new(source->glob, source->spec.record_limit);
    if (ds_tail_poll_fd(tail) < 0)
        ds_log_warn("source %s: changes of names are not told (inotify): they are looked for once "
                    "a second, and files that come and go within one may be missed",
                    source->name);
    return tail;
}

ds_follower *ds_follower_start(const ds_app *app, ds_follower_fn fn, void *arg)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < app->n_sources; i++)
        n += app->sources[i].type == DS_SOURCE_TAIL;
    if (n == 0)
        return NULL;
    ds_limits_raise();
    ds_follower *f = ds_calloc(1, sizeof *f);
    f->fn = fn;
    f->arg = arg;
    f->last = &f->first;
    f->n_sources = app->n_sources;
    f->tails = ds_calloc(app->n_sources, sizeof(ds_tail *));
    f->polled = ds_calloc(n + 1, sizeof *f->polled);
    for (uint32_t i = 0; i < app->n_sources; i++)
        if (app->sources[i].type == DS_SOURCE_TAIL)
            f->tails[i] = new_tail(&app->sources[i]);
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&f->lock, NULL);
    int failed = f->wake < 0 || pthread_create(&f->thread, NULL, work, f) != 0;
    DS_ASSERT(!failed);
    return f;
}

static void wake(ds_follower *f)
{
    uint64_t one = 1;
    ssize_t n = write(f->wake, &one, sizeof one);
    DS_ASSERT(n == sizeof one);
}

void ds_follower_ask(ds_follower *f, uint32_t source, const ds_follow_request *request,
                     ds_arena *arena)
{
    DS_ASSERT(f != NULL && source < f->n_sources && f->tails[source] != NULL);
    question *q = ds_calloc(1, sizeof *q);
    *q = (question){.source = source, .request = request, .arena = arena};
    pthread_mutex_lock(&f->lock);
    *f->last = q;
    f->last = &q->next;
    pthread_mutex_unlock(&f->lock);
    wake(f);
}

void ds_follower_stop(ds_follower *f)
{
    if (f == NULL)
        return;
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_mutex_unlock(&f->lock);
    wake(f);
    pthread_join(f->thread, NULL);
    for (question *q; (q = take(f)) != NULL;)
        free_question(q);
    for (uint32_t i = 0; i < f->n_sources; i++)
        ds_tail_free(f->tails[i]);
    close(f->wake);
    pthread_mutex_destroy(&f->lock);
    free(f->tails);
    free(f->polled);
    free(f);
}
