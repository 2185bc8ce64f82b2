/*
 * One mutex guards the queue; a task thread holds it only to take a task. A finished task is
 * handed to the callback with no lock held.
 *
 * A task that finds no memory while others have some is not done yet: it waits until they end,
 * and nobody begins meanwhile; then it runs once more, alone. So short memory makes an
 * executor slower, down to one task at a time, and what fails alone lacks memory indeed.
 * Whoever waits runs nothing, and those that run end without waiting for it: one after the other
 * has its turn.
 */
#include "exec/task_pool.h"

#include "base/assert.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

struct ds_task_done {
    ds_arena *arena;
    ds_task_result result;
};

typedef struct queued_task {
    struct queued_task *next;
    ds_arena *arena;
    ds_task_env env;
    ds_task task;
    bool others;    /* ran when it began */
    uint64_t begun; /* which one it was */
} queued_task;

struct ds_task_pool {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    queued_task *first, **last;
    bool stopping;
    uint32_t n_running; /* tasks */
    uint32_t n_short;   /* tasks that wait for their turn to run alone */
    bool alone;         /* one of them has it */
    uint64_t n_begun;   /* so often a task began to run */
    ds_task_done_fn fn;
    void *arg;
    uint32_t n_threads;
    pthread_t threads[];
};

const ds_task_result *ds_task_done_result(const ds_task_done *done)
{
    return &done->result;
}

void ds_task_done_free(ds_task_done *done)
{
    ds_arena_free(done->arena);
    free(done);
}

static queued_task *take(ds_task_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while ((pool->first == NULL || pool->alone || pool->n_short > 0) && !pool->stopping)
        pthread_cond_wait(&pool->filled, &pool->lock);
    queued_task *queued = pool->stopping ? NULL : pool->first;
    if (queued != NULL) {
        pool->first = queued->next;
        if (pool->first == NULL)
            pool->last = &pool->first;
        queued->others = pool->n_running > 0;
        queued->begun = ++pool->n_begun;
        pool->n_running++;
    }
    pthread_mutex_unlock(&pool->lock);
    return queued;
}

/* A task has run. True if it is to run once more, alone: now it may. */
static bool begin_alone(ds_task_pool *pool, const queued_task *queued, const ds_task_done *done)
{
    bool is_short = done->result.status == DS_ERR_NO_MEMORY;
    bool saving = is_short && ds_collection_wait(queued->env.collection);
    pthread_mutex_lock(&pool->lock);
    DS_ASSERT(pool->n_running > 0 && !pool->alone);
    pool->n_running--;
    bool waits = is_short && (saving || queued->others || pool->n_begun > queued->begun);
    pool->n_short += waits;
    if (pool->n_short > 0)
        pthread_cond_broadcast(&pool->filled);
    while (waits && (pool->n_running > 0 || pool->alone) && !pool->stopping)
        pthread_cond_wait(&pool->filled, &pool->lock);
    bool again = waits && !pool->stopping;
    pool->n_short -= waits;
    pool->n_running += again;
    pool->alone = pool->alone || again;
    pthread_mutex_unlock(&pool->lock);
    return again;
}

static void end_alone(ds_task_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    DS_ASSERT(pool->alone && pool->n_running == 1);
    pool->alone = false;
    pool->n_running--;
    pthread_cond_broadcast(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
}

static void free_queued(queued_task *queued)
{
    ds_arena_free(queued->arena);
    free(queued);
}

static ds_task_done *run_task(const queued_task *queued, ds_scratch *scratch)
{
    ds_task_done *done = ds_calloc(1, sizeof *done);
    done->arena = ds_arena_new(NULL);
    int64_t began_us = ds_clock_mono_us();
    ds_task_run(&queued->env, &queued->task, scratch, done->arena, &done->result);
    done->result.busy_us = (uint64_t)(ds_clock_mono_us() - began_us);
    return done;
}

static void *work(void *arg)
{
    ds_task_pool *pool = arg;
    ds_scratch scratch = {0};
    queued_task *queued;
    pthread_setname_np(pthread_self(), "task");
    while ((queued = take(pool)) != NULL) {
        ds_task_done *done = run_task(queued, &scratch);
        if (begin_alone(pool, queued, done)) {
            uint64_t spilled_bytes = done->result.spilled_bytes;
            ds_task_done_free(done);
            done = run_task(queued, &scratch);
            done->result.spilled_bytes += spilled_bytes;
            end_alone(pool);
        }
        free_queued(queued);
        pool->fn(pool->arg, done);
    }
    ds_scratch_fini(&scratch);
    return NULL;
}

ds_task_pool *ds_task_pool_start(uint32_t n_threads, ds_task_done_fn fn, void *arg)
{
    DS_ASSERT(n_threads > 0);
    ds_task_pool *pool = ds_calloc(1, sizeof *pool + n_threads * sizeof pool->threads[0]);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->filled, NULL);
    pool->last = &pool->first;
    pool->fn = fn;
    pool->arg = arg;
    pool->n_threads = n_threads;
    for (uint32_t i = 0; i < n_threads; i++) {
        int failed = pthread_create(&pool->threads[i], NULL, work, pool);
        DS_ASSERT(failed == 0);
    }
    return pool;
}

/* The task refers to the message it came with. */
static queued_task *copy_task(const ds_task_env *env, const ds_task *task)
{
    queued_task *queued = ds_calloc(1, sizeof *queued);
    queued->arena = ds_arena_new(NULL);
    queued->env = *env;
    queued->task = ds_task_copy(queued->arena, task);
    return queued;
}

void ds_task_pool_add(ds_task_pool *pool, const ds_task_env *env, const ds_task *task)
{
    queued_task *queued = copy_task(env, task);
    pthread_mutex_lock(&pool->lock);
    DS_ASSERT(!pool->stopping);
    *pool->last = queued;
    pool->last = &queued->next;
    pthread_cond_signal(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
}

void ds_task_pool_stop(ds_task_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);
    while (pool->first != NULL) {
        queued_task *queued = pool->first;
        pool->first = queued->next;
        free_queued(queued);
    }
    pthread_cond_destroy(&pool->filled);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
