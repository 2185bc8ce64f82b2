/* The check of the driver's state: it notices what does not agree. */
#include "unit/driver_kit.h"

#include "driver/driver_state.h"

#include <signal.h>
#include <sys/wait.h>

/* Two executors, a batch that runs on both of them and keeps windows. */
static void open_running(driver_kit *k)
{
    kit_open(k,
             KIT_APP("'count': 2, 'key_partitions': 2", KIT_QUEUE("[{ 'n': 1 }], [{ 'n': 2 }]"),
                     "'g': { 'from': 'q', 'window': '3s', 'group_by': ['n'] }", KIT_CONSOLE("g")));
    k->config.virtual_time = true;
    kit_start_with(k, 2);
    kit_done_for(k, kit_task(k, 1000, 0, 0), 1);
    kit_done(k, kit_task(k, 1000, 1, 0));
}

static void too_many_batches(ds_driver *d)
{
    d->n_batches++;
}

static void time_stands_still(ds_driver *d)
{
    d->batches->time_ms = d->last_ms + 1;
}

static void commits_before_its_end(ds_driver *d)
{
    d->batches->state = DS_BATCH_COMMITTING;
}

static void more_done_than_there_is(ds_driver *d)
{
    d->batches->stages[1].n_done++;
}

static void stage_forgotten(ds_driver *d)
{
    d->batches->stages_left--;
}

static void task_passed_over(ds_driver *d)
{
    d->batches->stages[1].tasks[1].state = DS_TASK_WAITING;
    d->batches->stages[1].next = 2;
}

static void task_nowhere(ds_driver *d)
{
    d->batches->stages[1].tasks[1].executor_id = 7;
}

static void task_not_counted(ds_driver *d)
{
    d->registry.list[0]->running++;
}

static void receiver_not_counted(ds_driver *d)
{
    d->registry.list[1]->receivers++;
}

static void owner_not_counted(ds_driver *d)
{
    d->registry.list[1]->owned--;
}

static void owner_gone(ds_driver *d)
{
    d->owners[0] = 7;
}

static void kept_by_nobody(ds_driver *d)
{
    for (size_t i = 0; i < d->registry.n; i++)
        if (d->registry.list[i]->id == d->owners[0])
            d->registry.list[i]->owned--;
    d->owners[0] = 0;
}

static void executor_without_peer(ds_driver *d)
{
    d->registry.list[0]->peer = 0;
}

static void executor_misplaced(ds_driver *d)
{
    d->registry.list[0]->place = 1;
}

static void executor_not_found(ds_driver *d)
{
    ds_id_map_remove(&d->registry.ids, 1);
}

static void peer_not_found(ds_driver *d)
{
    ds_id_map_remove(&d->registry.peers, d->registry.list[0]->peer);
}

static void memory_not_counted(ds_driver *d)
{
    d->registry.used_bytes++;
}

static void executor_not_chosen(ds_driver *d)
{
    ds_choice_remove(&d->registry.by_running, d->registry.list[0]);
}

static void running_not_counted(ds_driver *d)
{
    d->batches->stages[1].n_running--;
}

static void waiting_not_counted(ds_driver *d)
{
    d->batches->stages[1].n_again++;
}

typedef void (*damage_fn)(ds_driver *d);
static const damage_fn damages[] = {too_many_batches,
                                    time_stands_still,
                                    commits_before_its_end,
                                    more_done_than_there_is,
                                    stage_forgotten,
                                    task_passed_over,
                                    task_nowhere,
                                    task_not_counted,
                                    receiver_not_counted,
                                    owner_not_counted,
                                    owner_gone,
                                    kept_by_nobody,
                                    executor_without_peer,
                                    executor_misplaced,
                                    executor_not_found,
                                    peer_not_found,
                                    memory_not_counted,
                                    executor_not_chosen,
                                    running_not_counted,
                                    waiting_not_counted};

/* True if the check ends a process with this damage. */
static bool is_noticed(const driver_kit *k, damage_fn damage)
{
    int status;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        damage(k->driver);
        ds_driver_check(k->driver);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

START_TEST(damage_is_noticed)
{
    driver_kit k;
    open_running(&k);
    ds_driver_check(k.driver);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++)
        ck_assert_msg(is_noticed(&k, damages[i]), "damage %zu is not noticed", i);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver_check", damage_is_noticed)
