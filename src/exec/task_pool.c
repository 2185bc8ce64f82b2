/*
 * One mutex guards the queue; a task thread holds it only to take a task. A finished task is
 * handed to the callback with no lock held.
 *
 * Tasks come many at a time, and small ones end sooner than the next is added. So they share one
 * arena, a load, which goes with the last of them (it is that of the message that brought them,
 * where all that they refer to lies already); the first is told of at once, and all others
 * together, so that who adds and who runs them do not meet at the lock for each.
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
#include <stdatomic.h>
#include <stdlib.h>

struct ds_task_done {
    ds_arena *arena;
    ds_task_result result;
};

typedef struct load {
    ds_arena *arena;
    atomic_uint users; /* its tasks, and who adds to it */
    bool lent;         /* what tasks refer to lies there */
    bool told;         /* of the first of them */
} load;

typedef struct queued_task {
    struct queued_task *next;
    load *load; /* it lies in this */
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
    load *load; /* these three are of who adds tasks; NULL: none was put since the last go */
    queued_task *put, **last_put;
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

static void leave_load(load *l)
{
    if (atomic_fetch_sub(&l->users, 1) > 1)
        return;
    ds_arena_free(l->arena);
    free(l);
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
        leave_load(queued->load);
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
    pool->last_put = &pool->put;
    pool->fn = fn;
    pool->arg = arg;
    pool->n_threads = n_threads;
    for (uint32_t i = 0; i < n_threads; i++) {
        int failed = pthread_create(&pool->threads[i], NULL, work, pool);
        DS_ASSERT(failed == 0);
    }
    return pool;
}

static load *new_load(ds_arena *arena, bool lent)
{
    load *l = ds_calloc(1, sizeof *l);
    l->arena = arena;
    l->lent = lent;
    atomic_init(&l->users, 1);
    return l;
}

static queued_task *queue_task(load *l, const ds_task_env *env, const ds_task *task)
{
    queued_task *queued = DS_ARENA_NEW(l->arena, queued_task);
    atomic_fetch_add(&l->users, 1);
    queued->load = l;
    queued->env = *env;
    queued->task = l->lent ? *task : ds_task_copy(l->arena, task);
    return queued;
}

/* Hands over what was put. */
static void tell(ds_task_pool *pool)
{
    if (pool->put == NULL)
        return;
    bool many = pool->put->next != NULL && pool->n_threads > 1;
    pthread_mutex_lock(&pool->lock);
    DS_ASSERT(!pool->stopping);
    *pool->last = pool->put;
    pool->last = pool->last_put;
    if (many)
        pthread_cond_broadcast(&pool->filled);
    else
        pthread_cond_signal(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
    pool->put = NULL;
    pool->last_put = &pool->put;
}

void ds_task_pool_put(ds_task_pool *pool, const ds_task_env *env, const ds_task *task)
{
    if (pool->load == NULL)
        pool->load = new_load(ds_arena_new(NULL), false);
    queued_task *queued = queue_task(pool->load, env, task);
    *pool->last_put = queued;
    pool->last_put = &queued->next;
    if (!pool->load->told)
        tell(pool);
    pool->load->told = true;
}

void ds_task_pool_lend(ds_task_pool *pool, ds_arena *arena)
{
    ds_task_pool_go(pool);
    pool->load = new_load(arena, true);
}

void ds_task_pool_go(ds_task_pool *pool)
{
    if (pool->load == NULL)
        return;
    tell(pool);
    leave_load(pool->load);
    pool->load = NULL;
}

/* Tasks that nobody runs any more. */
static void drop(queued_task *queued)
{
    while (queued != NULL) {
        load *l = queued->load;
        queued = queued->next;
        leave_load(l);
    }
}

void ds_task_pool_stop(ds_task_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);
    drop(pool->first);
    drop(pool->put);
    if (pool->load != NULL)
        leave_load(pool->load);
    pthread_cond_destroy(&pool->filled);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
