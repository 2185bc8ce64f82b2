#include "cli/executor_threads.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "exec/executor_loop.h"
#include "rpc/url.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct executor {
    struct executor *next;
    ds_executor_threads *all;
    ds_executor_options options;
    char url[DS_ADDRESS_URL], bulk[DS_ADDRESS_URL];
    char who[40];
    pthread_t thread;
    bool ended; /* of the lock; what follows is its thread's until then */
    ds_status status;
} executor;

struct ds_executor_threads {
    ds_launch_spec spec;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* one has ended */
    executor *first;        /* the list is the caller's alone */
};

ds_executor_threads *ds_executor_threads_new(const ds_launch_spec *spec)
{
    ds_executor_threads *threads = ds_calloc(1, sizeof *threads);
    threads->spec = *spec;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&threads->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&threads->lock, NULL);
    return threads;
}

bool ds_executor_threads_free(ds_executor_threads *threads)
{
    ds_executor_threads_reap(threads, NULL, NULL);
    for (const executor *e = threads->first; e != NULL; e = e->next)
        pthread_detach(e->thread); /* nobody will wait for it any more */
    if (threads->first != NULL)
        return false;
    pthread_cond_destroy(&threads->changed);
    pthread_mutex_destroy(&threads->lock);
    free(threads);
    return true;
}

/* ---- an executor's thread ---- */

static void *run(void *arg)
{
    executor *e = arg;
    ds_executor_threads *all = e->all;
    ds_error error = {.message = ""};
    ds_log_name_thread(e->who);
    pthread_setname_np(pthread_self(), "executor");
    e->status = ds_executor_loop(&e->options, &error);
    if (e->status != DS_OK && e->status != DS_ERR_UNAVAILABLE)
        ds_log_error("%s", error.message);
    /* Under the lock: whoever waits for the end may then free what this calls. */
    pthread_mutex_lock(&all->lock);
    e->ended = true;
    pthread_cond_signal(&all->changed);
    if (all->spec.ended != NULL)
        all->spec.ended(all->spec.ended_arg);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

static executor *new_executor(ds_executor_threads *threads, uint64_t id, const uint8_t *token)
{
    const ds_launch_spec *spec = &threads->spec;
    executor *e = ds_calloc(1, sizeof *e);
    e->all = threads;
    snprintf(e->url, sizeof e->url, "%s", spec->url);
    snprintf(e->bulk, sizeof e->bulk, "%s", spec->bulk);
    snprintf(e->who, sizeof e->who, "executor %" PRIu64, id);
    e->options = (ds_executor_options){.url = e->url,
                                       .bulk = e->bulk[0] != '\0' ? e->bulk : NULL,
                                       .app_id = spec->app_id,
                                       .executor_id = id,
                                       .secret = spec->secret,
                                       .tls = spec->own_tls,
                                       .cores = spec->cores,
                                       .memory_bytes = spec->memory_bytes,
                                       .spill_folder =
                                           *spec->spill_folder != '\0' ? spec->spill_folder : NULL,
                                       .spill_bytes = spec->spill_bytes,
                                       .has_stdin = spec->with_stdin,
                                       .in_driver = true};
    memcpy(e->options.token, token, sizeof e->options.token);
    return e;
}

ds_status ds_executor_threads_start(ds_executor_threads *threads, uint64_t executor_id,
                                    const uint8_t *token, ds_error *error)
{
    executor *e = new_executor(threads, executor_id, token);
    int failed = pthread_create(&e->thread, NULL, run, e);
    if (failed != 0) {
        free(e);
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "cannot start an executor: %s",
                            strerror(failed));
    }
    e->next = threads->first;
    threads->first = e;
    return DS_OK;
}

/* ---- their end ---- */

/* Takes one out of the list that has ended; NULL: there is none. */
static executor *take_ended(ds_executor_threads *threads)
{
    pthread_mutex_lock(&threads->lock);
    executor **at = &threads->first;
    while (*at != NULL && !(*at)->ended)
        at = &(*at)->next;
    executor *found = *at;
    if (found != NULL)
        *at = found->next;
    pthread_mutex_unlock(&threads->lock);
    return found;
}

void ds_executor_threads_reap(ds_executor_threads *threads, ds_exited_fn fn, void *arg)
{
    executor *e;
    while ((e = take_ended(threads)) != NULL) {
        char text[64];
        pthread_join(e->thread, NULL);
        snprintf(text, sizeof text, "its thread ended with status %d", ds_status_exit(e->status));
        if (fn != NULL)
            fn(arg, e->options.executor_id, text);
        free(e);
    }
}

bool ds_executor_threads_wait(ds_executor_threads *threads, int timeout_ms)
{
    int64_t deadline_us = ds_clock_mono_us() + (int64_t)timeout_ms * 1000;
    const struct timespec until = {.tv_sec = deadline_us / 1000000,
                                   .tv_nsec = deadline_us % 1000000 * 1000};
    bool in_time = true;
    pthread_mutex_lock(&threads->lock);
    for (const executor *e = threads->first; e != NULL && in_time; e = e->next)
        while (!e->ended && in_time)
            in_time = pthread_cond_timedwait(&threads->changed, &threads->lock, &until) == 0;
    pthread_mutex_unlock(&threads->lock);
    ds_executor_threads_reap(threads, NULL, NULL);
    return threads->first == NULL;
}
