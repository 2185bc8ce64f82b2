#include "exec/table_loader.h"

#include "base/assert.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct loader {
    ds_task_env env;
    ds_msg_table_load load;
    ds_table_load_fn fn;
    void *arg;
} loader;

static void *work(void *arg)
{
    loader *l = arg;
    ds_table_load_done *done = ds_calloc(1, sizeof *done);
    done->arena = ds_arena_new(NULL);
    ds_table_load(&l->env, &l->load, ds_clock_wall_us(), done->arena, &done->loaded);
    l->fn(l->arg, done);
    free(l);
    return NULL;
}

static void start(void *(*run)(void *arg), void *arg)
{
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, run, arg);
    DS_ASSERT(failed == 0);
    pthread_detach(thread);
}

void ds_table_load_start(const ds_task_env *env, const ds_msg_table_load *load, ds_table_load_fn fn,
                         void *arg)
{
    loader *l = ds_calloc(1, sizeof *l);
    *l = (loader){*env, *load, fn, arg};
    start(work, l);
}

typedef struct preparer {
    ds_task_env env;
    ds_table_use use;
    void (*fn)(void *arg);
    void *arg;
} preparer;

static void *prepare(void *arg)
{
    preparer *p = arg;
    ds_tables_prepare(p->env.tables, &p->use);
    p->fn(p->arg);
    free(p);
    return NULL;
}

void ds_table_prepare_start(const ds_task_env *env, const ds_table_use *use, void (*fn)(void *arg),
                            void *arg)
{
    preparer *p = ds_calloc(1, sizeof *p);
    *p = (preparer){*env, *use, fn, arg};
    start(prepare, p);
}

void ds_table_load_free(ds_table_load_done *done)
{
    ds_arena_free(done->arena);
    free(done);
}
