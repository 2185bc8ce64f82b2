/*
 * The thread: commands come by a queue and an eventfd, everything else by the poller. Each
 * round waits, carries out the commands, then serves what is ready, then the timers. Commands
 * go first, so that a tick does not wait for a round of reads; those that come meanwhile are
 * found with the eventfd, which is emptied before the queue, so that none is missed.
 */
#include "receiver/flood.h"

#include "base/assert.h"
#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef enum command_kind { ADD, STOP_ONE, CUT, CREDIT, RATE, DURABLE, STOP } command_kind;

typedef struct command {
    command_kind kind;
    uint64_t number;       /* receiver, tick */
    uint64_t rate;         /* RATE */
    uint64_t block_id;     /* DURABLE */
    ds_receiver_spec spec; /* ADD: name and host are owned */
} command;

struct ds_receivers {
    ds_watch wake; /* the eventfd */
    ds_block_sink sink;
    ds_poller poller;
    ds_intake *intakes;
    bool stopping;
    pthread_t thread;
    pthread_mutex_t lock;
    command *commands; /* guarded by lock */
    size_t n_commands, capacity;
    bool credit_queued; /* guarded by lock */
};

/* Carries out the ends that were asked for. */
static void sweep(ds_receivers *receivers)
{
    for (ds_intake **link = &receivers->intakes; *link != NULL;) {
        ds_intake *intake = *link;
        if (!intake->over || !ds_intake_finish(intake)) {
            link = &intake->next;
            continue;
        }
        *link = intake->next;
        ds_intake_free(intake);
    }
}

static void add(ds_receivers *receivers, const ds_receiver_spec *spec)
{
    ds_intake *intake = ds_intake_new(&receivers->poller, &receivers->sink, spec);
    ds_intake **link = &receivers->intakes;
    while (*link != NULL)
        link = &(*link)->next;
    *link = intake;
}

static void stop_one(ds_receivers *receivers, uint64_t receiver_id)
{
    for (ds_intake *i = receivers->intakes; i != NULL; i = i->next)
        if (i->spec.receiver_id == receiver_id) {
            ds_flood_drain(i);
            ds_intake_end(i, DS_RECEIVER_ENDED, DS_OK, "stopped");
        }
}

static void cut(ds_receivers *receivers, uint64_t tick)
{
    for (ds_intake *i = receivers->intakes; i != NULL; i = i->next)
        ds_intake_cut(i);
    receivers->sink.cut_done(receivers->sink.arg, tick);
}

static void credit(ds_receivers *receivers)
{
    for (ds_intake *i = receivers->intakes; i != NULL; i = i->next)
        ds_intake_credit(i);
}

static void set_rate(ds_receivers *receivers, uint64_t receiver_id, uint64_t rate)
{
    for (ds_intake *i = receivers->intakes; i != NULL; i = i->next)
        if (i->spec.receiver_id == receiver_id)
            ds_intake_rate(i, rate);
}

static void durable(ds_receivers *receivers, uint64_t receiver_id, uint64_t block_id)
{
    for (ds_intake *i = receivers->intakes; i != NULL; i = i->next)
        if (i->spec.receiver_id == receiver_id)
            ds_intake_durable(i, block_id);
}

static void carry_out(ds_receivers *receivers, const command *c)
{
    switch (c->kind) {
    case ADD: add(receivers, &c->spec); break;
    case STOP_ONE: stop_one(receivers, c->number); break;
    case CUT: cut(receivers, c->number); break;
    case CREDIT: credit(receivers); break;
    case RATE: set_rate(receivers, c->number, c->rate); break;
    case DURABLE: durable(receivers, c->number, c->block_id); break;
    case STOP: receivers->stopping = true; break;
    }
    sweep(receivers);
}

static void free_command(command *c)
{
    if (c->kind != ADD)
        return;
    free((char *)c->spec.name);
    free((char *)c->spec.host);
}

static void run_commands(ds_receivers *receivers)
{
    pthread_mutex_lock(&receivers->lock);
    command *commands = receivers->commands;
    size_t n = receivers->n_commands;
    receivers->commands = NULL;
    receivers->n_commands = receivers->capacity = 0;
    receivers->credit_queued = false;
    pthread_mutex_unlock(&receivers->lock);
    for (size_t i = 0; i < n; i++) {
        if (!receivers->stopping)
            carry_out(receivers, &commands[i]);
        free_command(&commands[i]);
    }
    free(commands);
}

static void on_wake(ds_watch *watch)
{
    uint64_t count;
    ssize_t n = read(watch->fd, &count, sizeof count);
    DS_ASSERT(n == sizeof count || errno == EAGAIN);
    run_commands((ds_receivers *)(void *)watch); /* its first member */
}

static int64_t next_deadline(const ds_receivers *receivers)
{
    int64_t least = DS_NEVER;
    for (const ds_intake *i = receivers->intakes; i != NULL; i = i->next) {
        int64_t at = ds_intake_deadline(i);
        least = at < least ? at : least;
    }
    return least;
}

static void run_timers(ds_receivers *receivers)
{
    for (ds_intake *i = receivers->intakes; i != NULL; i = i->next)
        if (ds_intake_deadline(i) <= receivers->poller.now_us)
            ds_intake_timer(i);
}

static void *run(void *arg)
{
    ds_receivers *receivers = arg;
    pthread_setname_np(pthread_self(), "receivers");
    while (!receivers->stopping) {
        ds_poller_wait(&receivers->poller, next_deadline(receivers));
        run_commands(receivers);
        ds_poller_dispatch(&receivers->poller);
        run_timers(receivers);
        sweep(receivers);
    }
    while (receivers->intakes != NULL) {
        ds_intake *intake = receivers->intakes;
        receivers->intakes = intake->next;
        ds_intake_free(intake);
    }
    return NULL;
}

/* Signals are for the threads that know what to do with them. */
static int start_thread(ds_receivers *receivers)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&receivers->thread, NULL, run, receivers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static void free_receivers(ds_receivers *receivers)
{
    if (receivers->wake.fd >= 0)
        close(receivers->wake.fd);
    ds_poller_fini(&receivers->poller);
    pthread_mutex_destroy(&receivers->lock);
    free(receivers->commands);
    free(receivers);
}

ds_status ds_receivers_start(const ds_block_sink *sink, ds_receivers **result, ds_error *error)
{
    ds_receivers *receivers = ds_calloc(1, sizeof *receivers);
    ds_status status = ds_poller_init(&receivers->poller, error);
    if (status != DS_OK) {
        free(receivers);
        return status;
    }
    receivers->sink = *sink;
    pthread_mutex_init(&receivers->lock, NULL);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    receivers->wake = (ds_watch){.fd = fd, .ready = on_wake};
    int failed = fd < 0 ? errno : ds_poller_watch(&receivers->poller, &receivers->wake, EPOLLIN);
    if (failed == 0)
        failed = start_thread(receivers);
    if (failed != 0) {
        free_receivers(receivers);
        return ds_error_set(error, DS_ERR_IO, "cannot start the thread of the receivers: %s",
                            strerror(failed));
    }
    *result = receivers;
    return DS_OK;
}

static void queue(ds_receivers *receivers, command c)
{
    pthread_mutex_lock(&receivers->lock);
    if (receivers->n_commands == receivers->capacity) {
        receivers->capacity = receivers->capacity * 2 + 8;
        receivers->commands =
            ds_realloc(receivers->commands, receivers->capacity, sizeof *receivers->commands);
    }
    receivers->commands[receivers->n_commands++] = c;
    pthread_mutex_unlock(&receivers->lock);
    const uint64_t one = 1;
    ssize_t n = write(receivers->wake.fd, &one, sizeof one);
    DS_ASSERT(n == sizeof one);
}

void ds_receivers_add(ds_receivers *receivers, const ds_receiver_spec *spec)
{
    command c = {.kind = ADD, .spec = *spec};
    c.spec.name = ds_strdup(spec->name != NULL ? spec->name : "");
    c.spec.host = ds_strdup(spec->host != NULL ? spec->host : "");
    queue(receivers, c);
}

void ds_receivers_stop_one(ds_receivers *receivers, uint64_t receiver_id)
{
    queue(receivers, (command){.kind = STOP_ONE, .number = receiver_id});
}

void ds_receivers_cut(ds_receivers *receivers, uint64_t tick)
{
    queue(receivers, (command){.kind = CUT, .number = tick});
}

void ds_receivers_credit(ds_receivers *receivers)
{
    pthread_mutex_lock(&receivers->lock);
    bool queued = receivers->credit_queued; /* one is for all that was released until then */
    receivers->credit_queued = true;
    pthread_mutex_unlock(&receivers->lock);
    if (!queued)
        queue(receivers, (command){.kind = CREDIT});
}

void ds_receivers_rate(ds_receivers *receivers, uint64_t receiver_id, uint64_t rate)
{
    queue(receivers, (command){.kind = RATE, .number = receiver_id, .rate = rate});
}

void ds_receivers_durable(ds_receivers *receivers, uint64_t receiver_id, uint64_t block_id)
{
    queue(receivers, (command){.kind = DURABLE, .number = receiver_id, .block_id = block_id});
}

void ds_receivers_stop(ds_receivers *receivers)
{
    queue(receivers, (command){.kind = STOP});
    pthread_join(receivers->thread, NULL);
    free_receivers(receivers);
}
