/* The disk thread: order, and jobs that take over those that wait behind them. */
#include "cli/disk.c" /* the room of the program has no library */

#include "unit/unit.h"

#include <sched.h>
#include <stdatomic.h>

#define MOST 16

/* What was done, in order: the numbers of each job that ran, and of those that joined it. */
typedef struct done {
    int numbers[MOST], runs, n;
    atomic_int freed;
    pthread_mutex_t gate; /* of the first job */
} done;

typedef struct numbered {
    ds_disk_job job;
    done *to;
    int numbers[MOST], n;
    bool gated;
} numbered;

static void run_numbered(ds_disk_job *job)
{
    numbered *me = (numbered *)job;
    if (me->gated)
        pthread_mutex_lock(&me->to->gate);
    me->to->runs++;
    for (int i = 0; i < me->n; i++)
        me->to->numbers[me->to->n++] = me->numbers[i];
    if (me->gated)
        pthread_mutex_unlock(&me->to->gate);
}

static void free_numbered(ds_disk_job *job)
{
    atomic_fetch_add(&((numbered *)job)->to->freed, 1);
    free(job);
}

/* Three at most, and no multiple of ten. */
static bool join_numbered(ds_disk_job *job, ds_disk_job *behind)
{
    numbered *me = (numbered *)job, *next = (numbered *)behind;
    if (behind->run != run_numbered || me->n == 3 || next->numbers[0] % 10 == 0)
        return false;
    me->numbers[me->n++] = next->numbers[0];
    return true;
}

static void add(ds_disk *disk, done *to, int number, bool joins)
{
    numbered *job = ds_calloc(1, sizeof *job);
    *job = (numbered){.job = {.run = run_numbered, .free = free_numbered},
                      .to = to,
                      .numbers = {number},
                      .n = 1,
                      .gated = number == 0};
    if (joins)
        job->job.join = join_numbered;
    ds_disk_add(disk, &job->job);
}

/* Adds them while the first one, number 0, cannot go on. Returns how many times a job ran. */
static int do_all(const int *numbers, int n, bool joins, done *d)
{
    *d = (done){.gate = PTHREAD_MUTEX_INITIALIZER};
    ds_disk *disk = ds_disk_start();
    pthread_mutex_lock(&d->gate);
    add(disk, d, 0, false); /* is taken alone, whenever that is */
    for (int i = 0; i < n; i++)
        add(disk, d, numbers[i], joins);
    ck_assert_uint_ge(ds_disk_waiting(disk), (size_t)n);
    pthread_mutex_unlock(&d->gate);
    ds_disk_stop(disk);
    ck_assert_int_eq(atomic_load(&d->freed), n + 1);
    ck_assert_int_eq(d->n, n + 1);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(d->numbers[i + 1], numbers[i]);
    return d->runs;
}

START_TEST(in_order)
{
    done d;
    const int numbers[] = {5, 3, 8, 1};
    ck_assert_int_eq(do_all(numbers, 4, false, &d), 5);
    ck_assert_int_eq(do_all(numbers, 0, false, &d), 1);
}
END_TEST

START_TEST(those_behind_join)
{
    done d;
    const int numbers[] = {1, 2, 3, 4, 5, 10, 6, 20, 30, 7};
    /* 0; 1 2 3; 4 5; 10 6; 20; 30 7 */
    ck_assert_int_eq(do_all(numbers, 10, true, &d), 6);
}
END_TEST

/* Jobs that were joined do not count any more: at the end none waits. */
START_TEST(what_joined_does_not_wait)
{
    done d = {.gate = PTHREAD_MUTEX_INITIALIZER};
    ds_disk *disk = ds_disk_start();
    for (int i = 1; i < 10; i++)
        add(disk, &d, i, true);
    while (ds_disk_waiting(disk) > 0)
        sched_yield();
    ds_disk_stop(disk);
    ck_assert_int_eq(d.n, 9);
    ds_disk_stop(NULL);
}
END_TEST

UNIT_MAIN("disk", in_order, those_behind_join, what_joined_does_not_wait)
