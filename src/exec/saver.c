#include "exec/saver.h"

#include "base/assert.h"
#include "exec/fold.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLD_NICE 5

struct ds_save_thread {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    ds_collected *first, **last;
    bool stopping;
    bool noted; /* ranges are to be given back */
    ds_save_writer *writer;
    ds_saved_ranges *ranges;
    ds_pace *pace;
    ds_saved_fn fn;
    void *arg;
    pthread_t thread;
};

/* All that waits, which may be nothing; false when there is to be an end. */
static bool take(ds_save_thread *saver, ds_collected **list)
{
    pthread_mutex_lock(&saver->lock);
    while (saver->first == NULL && !saver->noted && !saver->stopping)
        pthread_cond_wait(&saver->filled, &saver->lock);
    bool stopping = saver->stopping;
    *list = stopping ? NULL : saver->first;
    if (*list != NULL) {
        saver->first = NULL;
        saver->last = &saver->first;
    }
    saver->noted = false;
    pthread_mutex_unlock(&saver->lock);
    return !stopping;
}

/* Some ranges are to be given back. */
static void on_noted(void *arg)
{
    ds_save_thread *saver = arg;
    pthread_mutex_lock(&saver->lock);
    saver->noted = true;
    pthread_cond_signal(&saver->filled);
    pthread_mutex_unlock(&saver->lock);
}

/* ---- folds ---- */

static bool folds(const ds_collected *list)
{
    while (list != NULL && list->fold == NULL)
        list = list->next;
    return list != NULL;
}

typedef struct folding {
    ds_collected *list;
    ds_pace *pace;
} folding;

/* Takes only the time that nobody else wants, more or less: a weight of a third. It cannot be taken
 * back without privileges, so this thread ends afterwards. */
static void *fold_all(void *arg)
{
    const folding *f = arg;
    id_t me = (id_t)syscall(SYS_gettid);
    setpriority(PRIO_PROCESS, me, getpriority(PRIO_PROCESS, me) + FOLD_NICE);
    for (ds_collected *c = f->list; c != NULL; c = c->next)
        ds_fold_make(c, f->pace);
    return NULL;
}

/* If there can be no thread, the writer does it. */
static void fold(ds_save_thread *saver, ds_collected *list)
{
    pthread_t thread;
    folding f = {list, saver->pace};
    if (folds(list) && pthread_create(&thread, NULL, fold_all, &f) == 0)
        pthread_join(thread, NULL);
}

static void *work(void *arg)
{
    ds_save_thread *saver = arg;
    ds_collected *list;
    while (take(saver, &list)) {
        ds_pace_begin(saver->pace);
        ds_saved_ranges_clean(saver->ranges, saver->pace);
        fold(saver, list);
        ds_save_writer_write(saver->writer, list);
        while (list != NULL) {
            ds_collected *done = list;
            list = done->next;
            done->next = NULL;
            saver->fn(saver->arg, done);
        }
    }
    return NULL;
}

ds_save_thread *ds_save_thread_start(const ds_save_target *target, ds_saved_fn fn, void *arg)
{
    ds_save_thread *saver = ds_calloc(1, sizeof *saver);
    pthread_mutex_init(&saver->lock, NULL);
    pthread_cond_init(&saver->filled, NULL);
    saver->last = &saver->first;
    saver->writer = ds_save_writer_new(target);
    saver->ranges = target->ranges;
    saver->pace = target->pace;
    saver->fn = fn;
    saver->arg = arg;
    int failed = pthread_create(&saver->thread, NULL, work, saver);
    DS_ASSERT(failed == 0);
    ds_saved_ranges_note(saver->ranges, on_noted, saver);
    return saver;
}

void ds_save_thread_add(ds_save_thread *saver, ds_collected *collected)
{
    pthread_mutex_lock(&saver->lock);
    DS_ASSERT(!saver->stopping);
    collected->next = NULL;
    *saver->last = collected;
    saver->last = &collected->next;
    pthread_cond_signal(&saver->filled);
    pthread_mutex_unlock(&saver->lock);
}

void ds_save_thread_stop(ds_save_thread *saver)
{
    if (saver == NULL)
        return;
    ds_pace_hurry(saver->pace);
    ds_saved_ranges_note(saver->ranges, NULL, NULL);
    pthread_mutex_lock(&saver->lock);
    saver->stopping = true;
    pthread_cond_broadcast(&saver->filled);
    pthread_mutex_unlock(&saver->lock);
    pthread_join(saver->thread, NULL);
    while (saver->first != NULL) {
        ds_collected *collected = saver->first;
        saver->first = collected->next;
        ds_collected_free(collected);
    }
    ds_save_writer_free(saver->writer);
    pthread_cond_destroy(&saver->filled);
    pthread_mutex_destroy(&saver->lock);
    free(saver);
}
