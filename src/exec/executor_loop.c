/*
 * Threads: the link's, the task pool's, the receivers' and the saver's threads bring events. What
 * every batch needs (tasks, their results, cuts, blocks, releases) they step the control with
 * themselves, one at a time (turns.h); all else is for this thread. So ports are called from any
 * thread, by one at a time, and `turns` guards what they use. Task threads fetch what they cannot
 * map over bulk links of their own, and the threads of those links give others bytes of the store.
 * When the driver is lost, or the control ends while tasks run, the process leaves by _exit:
 * nothing it holds has a name but files of a save, which the next driver clears away, so the kernel
 * cleans up.
 *
 * In the driver's process (options->in_driver) events of the link come on the driver's thread, bulk
 * is only for executors that joined from outside, and all is stopped and freed in the end
 * (close_all): first who gives work, then who does it, then what it is done on.
 */
#include "exec/executor_loop.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "dstream/memory_shares.h"
#include "exec/bulk_client.h"
#include "exec/bulk_server.h"
#include "exec/executor.h"
#include "exec/saver.h"
#include "exec/table_loader.h"
#include "exec/task_pool.h"
#include "exec/turns.h"
#include "receiver/log_writer.h"
#include "rpc/link.h"
#include "rpc/url.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CONNECT_MS 10000
#define FOLD_BYTES (2u << 20) /* less is written down in a few milliseconds (but see fold.c) */

typedef enum mail_kind {
    MAIL_MESSAGE,
    MAIL_LOST,
    MAIL_TASK,
    MAIL_TABLE,
    MAIL_PREPARED,
    MAIL_SAVED,
    MAIL_REPLICATED,
    MAIL_BLOCK,
    MAIL_STATE,
    MAIL_CUT_DONE
} mail_kind;

typedef struct mail {
    ds_mail link;
    mail_kind kind;
    ds_task_done *done;
    ds_table_load_done *loaded;
    ds_collected *collected;
    ds_replicate_done *replicated;
    uint64_t receiver_id, tick;
    ds_block block;
    ds_msg_receiver_state state;
    size_t length;
    char bytes[];
} mail;

typedef struct executor_loop {
    const ds_executor_options *options;
    ds_executor *control;
    ds_turns *turns;
    ds_client *client;
    ds_task_pool *pool;
    ds_receivers *receivers; /* started with the first receiver */
    ds_save_thread *saver;   /* started with the first save */
    ds_pace pace;            /* of the saver */
    ds_log_writer *log;      /* before this loop as the receivers' sink */
    pthread_mutex_t acking;  /* guards acks, and receivers when they are told of it */
    bool acks;               /* some peer is told what is in the log */
    uint32_t helpers;        /* threads that load tables, or fetch blocks */
    ds_spill *spill;
    ds_store *store;
    ds_bulk_server *bulk_server;
    ds_bulk_client *bulk_client;
    _Atomic uint64_t id; /* 0: not welcomed yet */
    ds_buffer out;
    atomic_bool ended;
    bool closing; /* and it only waits for helpers */
    ds_status status;
    ds_error *error;
} executor_loop;

static mail *new_mail(mail_kind kind, const void *bytes, size_t length)
{
    mail *m = ds_calloc(1, sizeof *m + length + 1);
    m->kind = kind;
    m->length = length;
    if (bytes != NULL)
        memcpy(m->bytes, bytes, length);
    return m;
}

/* ---- events from other threads ---- */

/* What comes with every batch, and takes no time. */
static bool is_short(const ds_link_event *event)
{
    int type = ds_message_peek(event->bytes, event->length);
    return type == DS_MSG_TASKS || type == DS_MSG_RELEASE || type == DS_MSG_CUT;
}

static void on_link(void *arg, const ds_link_event *event)
{
    executor_loop *loop = arg;
    if (event->kind == DS_LINK_LOST)
        ds_turns_post(loop->turns, &new_mail(MAIL_LOST, NULL, 0)->link);
    if (event->kind != DS_LINK_MESSAGE)
        return;
    mail *m = new_mail(MAIL_MESSAGE, event->bytes, event->length);
    if (is_short(event))
        ds_turns_do(loop->turns, &m->link);
    else
        ds_turns_post(loop->turns, &m->link);
}

static void on_task_done(void *arg, ds_task_done *done)
{
    executor_loop *loop = arg;
    mail *m = new_mail(MAIL_TASK, NULL, 0);
    ds_pace_task(&loop->pace);
    m->done = done;
    ds_turns_do(loop->turns, &m->link);
}

static void on_table_loaded(void *arg, ds_table_load_done *done)
{
    executor_loop *loop = arg;
    mail *m = new_mail(MAIL_TABLE, NULL, 0);
    m->loaded = done;
    ds_turns_post(loop->turns, &m->link);
}

static bool on_reserve(void *arg, uint64_t receiver_id, uint64_t capacity, ds_block_room *room)
{
    executor_loop *loop = arg;
    uint64_t offset;
    if (!ds_block_ledger_reserve(ds_executor_ledger(loop->control), receiver_id, capacity, &offset))
        return false;
    *room = (ds_block_room){ds_store_bytes(loop->store, offset), offset, capacity};
    return true;
}

static void on_block(void *arg, uint64_t receiver_id, const ds_block_room *room,
                     const ds_block *block)
{
    executor_loop *loop = arg;
    if (room != NULL && room->capacity > 0)
        ds_block_ledger_report(ds_executor_ledger(loop->control), receiver_id, block->block_id,
                               room->offset, room->capacity, block->length);
    mail *m = new_mail(MAIL_BLOCK, NULL, 0);
    m->receiver_id = receiver_id;
    m->block = *block;
    ds_turns_do(loop->turns, &m->link);
    if (block->log.receiver_id == 0)
        return;
    pthread_mutex_lock(&loop->acking);
    if (loop->acks)
        ds_receivers_durable(loop->receivers, receiver_id, block->block_id);
    pthread_mutex_unlock(&loop->acking);
}

static void on_give_back(void *arg, uint64_t receiver_id, const ds_block_room *room)
{
    executor_loop *loop = arg;
    ds_block_ledger_report(ds_executor_ledger(loop->control), receiver_id, 0, room->offset,
                           room->capacity, 0);
}

static void on_state(void *arg, uint64_t receiver_id, ds_receiver_phase phase, ds_status status,
                     const char *message)
{
    executor_loop *loop = arg;
    mail *m = new_mail(MAIL_STATE, message, strlen(message));
    m->state = (ds_msg_receiver_state){receiver_id, (uint8_t)phase, (uint32_t)status, m->bytes};
    ds_turns_post(loop->turns, &m->link);
}

static void on_cut_done(void *arg, uint64_t tick)
{
    executor_loop *loop = arg;
    mail *m = new_mail(MAIL_CUT_DONE, NULL, 0);
    m->tick = tick;
    ds_turns_do(loop->turns, &m->link);
}

/* ---- ports ---- */

static void port_send(void *arg, const ds_message *message)
{
    executor_loop *loop = arg;
    DS_ASSERT(loop->client != NULL);
    loop->out.length = 0;
    ds_message_encode(&loop->out, message);
    ds_client_send(loop->client, loop->out.data, loop->out.length);
}

static void port_run(void *arg, const ds_task_env *env, const ds_task *task)
{
    executor_loop *loop = arg;
    ds_pace_task(&loop->pace);
    ds_task_pool_put(loop->pool, env, task);
}

static void port_load(void *arg, const ds_task_env *env, const ds_msg_table_load *load)
{
    executor_loop *loop = arg;
    loop->helpers++;
    ds_table_load_start(env, load, on_table_loaded, loop);
}

static void on_table_prepared(void *arg)
{
    executor_loop *loop = arg;
    ds_turns_post(loop->turns, &new_mail(MAIL_PREPARED, NULL, 0)->link);
}

static void port_prepare(void *arg, const ds_task_env *env, const ds_table_use *use)
{
    executor_loop *loop = arg;
    loop->helpers++;
    ds_table_prepare_start(env, use, on_table_prepared, loop);
}

static void on_replicated(void *arg, ds_replicate_done *done)
{
    executor_loop *loop = arg;
    mail *m = new_mail(MAIL_REPLICATED, NULL, 0);
    m->replicated = done;
    ds_turns_post(loop->turns, &m->link);
}

static void port_replicate(void *arg, const ds_replicate_env *env, const ds_msg_replicate *asked)
{
    executor_loop *loop = arg;
    loop->helpers++;
    ds_replicate_start(env, asked, on_replicated, loop);
}

static void on_saved(void *arg, ds_collected *collected)
{
    executor_loop *loop = arg;
    mail *m = new_mail(MAIL_SAVED, NULL, 0);
    m->collected = collected;
    ds_turns_post(loop->turns, &m->link);
}

static void port_save(void *arg, ds_collected *collected)
{
    executor_loop *loop = arg;
    const ds_save_target target = {loop->store, ds_executor_saved_ranges(loop->control), true, true,
                                   &loop->pace};
    if (loop->saver == NULL)
        loop->saver = ds_save_thread_start(&target, on_saved, loop);
    ds_save_thread_add(loop->saver, collected);
}

static void port_end(void *arg, ds_status status, const char *reason)
{
    executor_loop *loop = arg;
    loop->ended = true;
    loop->status = status == DS_OK ? DS_OK : ds_error_set(loop->error, status, "%s", reason);
}

/* One that joined from another folder reads and writes where the driver does. */
static void port_welcomed(void *arg, const ds_msg_welcome *welcome)
{
    executor_loop *loop = arg;
    char why[DS_ERROR_TEXT];
    atomic_store(&loop->id, welcome->executor_id);
    if (loop->bulk_server != NULL) {
        const ds_secret key = ds_bulk_key(&loop->options->secret, welcome->key);
        ds_bulk_client_set_key(loop->bulk_client, &key);
        ds_bulk_server_set_key(loop->bulk_server, &key);
    }
    if (loop->options->in_driver || welcome->folder[0] == '\0' || chdir(welcome->folder) == 0)
        return;
    snprintf(why, sizeof why, "cannot enter the driver's folder %s: %s", welcome->folder,
             strerror(errno));
    port_end(loop, DS_ERR_UNAVAILABLE, why);
}

static _Atomic bool rests; /* of the process, whoever asked */

static void *rest(void *arg)
{
    ds_memory_rest();
    atomic_store(&rests, false);
    return arg;
}

/* On a thread of its own: much memory takes long, and this thread has to beat. */
static void port_rest(void *arg)
{
    pthread_t thread;
    if (atomic_exchange(&rests, true))
        return;
    if (pthread_create(&thread, NULL, rest, arg) == 0)
        pthread_detach(thread);
    else
        atomic_store(&rests, false);
}

static ds_status start_receivers(executor_loop *loop, ds_error *error)
{
    const ds_block_sink own = {loop, on_reserve, on_block, on_give_back, on_state, on_cut_done};
    if (loop->log == NULL)
        loop->log = ds_log_writer_new(&own);
    const ds_block_sink sink = ds_log_writer_sink(loop->log);
    return ds_receivers_start(&sink, &loop->receivers, error);
}

static void port_receiver_add(void *arg, const ds_receiver_spec *spec)
{
    executor_loop *loop = arg;
    ds_error error;
    ds_status status = DS_OK;
    if (loop->receivers == NULL)
        status = start_receivers(loop, &error);
    if (spec->ack && status == DS_OK) {
        pthread_mutex_lock(&loop->acking);
        loop->acks = true;
        pthread_mutex_unlock(&loop->acking);
    }
    if (status == DS_OK && spec->log_folder != NULL && spec->log_folder[0] != '\0')
        status =
            ds_log_writer_add(loop->log, spec->receiver_id, spec->log_folder, spec->epoch, &error);
    if (status == DS_OK)
        ds_receivers_add(loop->receivers, spec);
    else
        on_state(loop, spec->receiver_id, DS_RECEIVER_FAILED, status, error.message);
}

static void port_receiver_stop(void *arg, uint64_t receiver_id)
{
    executor_loop *loop = arg;
    if (loop->receivers != NULL)
        ds_receivers_stop_one(loop->receivers, receiver_id);
}

static void port_receiver_rate(void *arg, uint64_t receiver_id, uint64_t rate)
{
    executor_loop *loop = arg;
    if (loop->receivers != NULL)
        ds_receivers_rate(loop->receivers, receiver_id, rate);
}

static void port_cut(void *arg, uint64_t tick)
{
    executor_loop *loop = arg;
    if (loop->receivers != NULL)
        ds_receivers_cut(loop->receivers, tick);
    else
        on_cut_done(loop, tick);
}

static void port_credit(void *arg)
{
    executor_loop *loop = arg;
    if (loop->receivers != NULL)
        ds_receivers_credit(loop->receivers);
}

/* ---- bulk ---- */

static const char *on_hold(void *arg, const ds_ref *ref)
{
    executor_loop *loop = arg;
    if (ref->executor_id != atomic_load(&loop->id))
        return NULL;
    return ds_store_range(loop->store, ref->offset, ref->length);
}

static void on_let_go(void *arg)
{
    executor_loop *loop = arg;
    if (ds_spill_used(loop->spill) > 0)
        ds_store_forget(loop->store);
}

static ds_status fetch(void *arg, const char *url, const ds_bulk_item *items, size_t n_items,
                       ds_error *error)
{
    executor_loop *loop = arg;
    char reached[DS_ADDRESS_URL];
    if (loop->bulk_client == NULL)
        return ds_error_set(error, DS_ERR_LOST, "nothing is fetched within a process");
    ds_url_reach(url, loop->options->url, reached);
    return ds_bulk_client_fetch(loop->bulk_client, reached, items, n_items, error);
}

static void drop(void *arg, const char *url)
{
    executor_loop *loop = arg;
    char reached[DS_ADDRESS_URL];
    if (loop->bulk_client == NULL)
        return;
    ds_url_reach(url, loop->options->url, reached);
    ds_bulk_client_drop(loop->bulk_client, reached);
}

static ds_status open_bulk(executor_loop *loop, const ds_executor_options *options, ds_error *error)
{
    char url[DS_BULK_URL];
    const ds_bulk_source source = {.arg = loop, .hold = on_hold, .let_go = on_let_go};
    const ds_link_options link = {.secret = &options->secret, .tls = options->tls};
    ds_url driver;
    DS_TRY(ds_url_parse(options->url, false, &driver, error));
    DS_TRY(ds_url_check_secret(&driver, options->secret.given, error));
    if (options->in_driver && options->bulk == NULL)
        return DS_OK; /* who is in the same process opens the store itself */
    if (options->bulk == NULL)
        DS_TRY(ds_bulk_url(options->url, url, error));
    loop->bulk_client = ds_bulk_client_new(DS_BULK_WAIT_MS);
    ds_bulk_client_set_tls(loop->bulk_client, options->tls);
    return ds_bulk_server_open(options->bulk != NULL ? options->bulk : url, &link, &source,
                               &loop->bulk_server, error);
}

/* ---- the loop ---- */

static void step_message(executor_loop *loop, const mail *m, ds_executor_event *event)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_message message;
    ds_error error;
    if (ds_message_decode(arena, m->bytes, m->length, &message, &error) != DS_OK) {
        port_end(loop, DS_ERR_PROTOCOL, error.message);
        ds_arena_free(arena);
        return;
    }
    const bool tasks = message.type == DS_MSG_TASKS;
    if (tasks)
        ds_task_pool_lend(loop->pool, arena);
    event->kind = DS_EXECUTOR_MESSAGE;
    event->message = &message;
    ds_executor_step(loop->control, event);
    if (tasks)
        ds_task_pool_go(loop->pool);
    else
        ds_arena_free(arena);
}

static void step_mail(executor_loop *loop, mail *m)
{
    ds_executor_event event = {.now_us = ds_clock_mono_us()};
    switch (m->kind) {
    case MAIL_MESSAGE: step_message(loop, m, &event); return;
    case MAIL_LOST: event.kind = DS_EXECUTOR_DRIVER_LOST; break;
    case MAIL_TASK:
        DS_ASSERT(m->done != NULL);
        event.kind = DS_EXECUTOR_TASK_DONE;
        event.result = ds_task_done_result(m->done);
        break;
    case MAIL_SAVED:
        DS_ASSERT(m->collected != NULL);
        event.kind = DS_EXECUTOR_SAVED;
        event.saved = &m->collected->saved;
        break;
    case MAIL_REPLICATED:
        loop->helpers--;
        DS_ASSERT(m->replicated != NULL);
        event.kind = DS_EXECUTOR_REPLICATED;
        event.replicated = &m->replicated->replicated;
        break;
    case MAIL_PREPARED:
        loop->helpers--;
        event.kind = DS_EXECUTOR_TABLE_PREPARED;
        break;
    case MAIL_TABLE:
        loop->helpers--;
        DS_ASSERT(m->loaded != NULL);
        event.kind = DS_EXECUTOR_TABLE_LOADED;
        event.loaded = &m->loaded->loaded;
        break;
    case MAIL_BLOCK:
        event.kind = DS_EXECUTOR_BLOCK;
        event.block.receiver_id = m->receiver_id;
        event.block.block = m->block;
        break;
    case MAIL_STATE:
        event.kind = DS_EXECUTOR_RECEIVER_STATE;
        event.state = m->state;
        break;
    case MAIL_CUT_DONE:
        event.kind = DS_EXECUTOR_CUT_DONE;
        event.tick = m->tick;
        break;
    }
    ds_executor_step(loop->control, &event);
}

static void free_mail(mail *m)
{
    if (m->kind == MAIL_TASK)
        ds_task_done_free(m->done);
    if (m->kind == MAIL_TABLE)
        ds_table_load_free(m->loaded);
    if (m->kind == MAIL_SAVED)
        ds_collected_free(m->collected);
    if (m->kind == MAIL_REPLICATED)
        ds_replicate_free(m->replicated);
    free(m);
}

/* A helper has ended with it. */
static bool is_of_helper(const mail *m)
{
    return m->kind == MAIL_TABLE || m->kind == MAIL_PREPARED || m->kind == MAIL_REPLICATED;
}

/* Steps with events, or drops those that come after the end. */
static void step_all(void *arg, ds_mail *items)
{
    executor_loop *loop = arg;
    while (items != NULL) {
        mail *m = (mail *)items;
        items = items->next;
        if (!loop->ended)
            step_mail(loop, m);
        else
            loop->helpers -= is_of_helper(m);
        free_mail(m);
    }
    if (!loop->ended)
        ds_task_pool_go(loop->pool);
    if (!loop->ended)
        ds_executor_step(loop->control, &(ds_executor_event){.kind = DS_EXECUTOR_TIME,
                                                             .now_us = ds_clock_mono_us()});
}

static int64_t deadline_us(void *arg)
{
    executor_loop *loop = arg;
    if (!loop->ended)
        return ds_executor_deadline_us(loop->control);
    return loop->closing && loop->helpers > 0 ? INT64_MAX : INT64_MIN;
}

static void run(executor_loop *loop)
{
    ds_turns_lock(loop->turns);
    ds_executor_step(loop->control, &(ds_executor_event){.kind = DS_EXECUTOR_STARTED,
                                                         .now_us = ds_clock_mono_us()});
    ds_turns_unlock(loop->turns);
    while (!loop->ended)
        ds_turns_wait(loop->turns);
}

/* Tells hosts apart. */
static void read_boot_id(char *text, size_t size)
{
    text[0] = '\0';
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL)
        return;
    if (fgets(text, (int)size, file) == NULL)
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    fclose(file);
}

static void stop_receivers(executor_loop *loop)
{
    pthread_mutex_lock(&loop->acking);
    loop->acks = false;
    pthread_mutex_unlock(&loop->acking);
    if (loop->receivers != NULL)
        ds_receivers_stop(loop->receivers);
    ds_log_writer_free(loop->log);
}

/* Whatever comes from now on is dropped. */
static void end_steps(executor_loop *loop)
{
    ds_turns_lock(loop->turns);
    loop->ended = loop->closing = true;
    ds_executor_hurry(loop->control);
    ds_turns_unlock(loop->turns);
}

/* Leaves nothing behind, whether it was opened as a whole or not. Waits for running tasks. */
static void close_all(executor_loop *loop)
{
    ds_client_free(loop->client);
    stop_receivers(loop);
    if (loop->turns != NULL)
        end_steps(loop);
    if (loop->pool != NULL)
        ds_task_pool_stop(loop->pool);
    while (loop->helpers > 0)
        ds_turns_wait(loop->turns);
    ds_save_thread_stop(loop->saver);
    ds_bulk_server_free(loop->bulk_server);
    ds_bulk_client_free(loop->bulk_client);
    ds_turns_free(loop->turns);
    ds_executor_free(loop->control);
    ds_store_free(loop->store);
    ds_spill_free(loop->spill);
    ds_buffer_fini(&loop->out);
    pthread_mutex_destroy(&loop->acking);
}

/* The checkpoint folder may be away for a while: only the driver makes it. */
static const char *spill_folder(const ds_executor_options *options)
{
    const char *folder = options->spill_folder;
    return folder != NULL && access(folder, F_OK) == 0 ? folder : NULL;
}

static ds_status open_and_run(executor_loop *loop)
{
    const ds_executor_options *options = loop->options;
    ds_error *error = loop->error;
    char host[64];
    read_boot_id(host, sizeof host);
    uint64_t budget_bytes = (uint64_t)ds_memory_of_tasks((int64_t)options->memory_bytes);
    loop->spill = ds_spill_new(spill_folder(options), options->spill_bytes);
    DS_TRY(ds_store_new_spilling(budget_bytes, loop->spill, &loop->store, error));
    DS_TRY(open_bulk(loop, options, error));
    ds_executor_config config = {
        .app_id = options->app_id,
        .executor_id = options->executor_id,
        .cores = options->cores,
        .pid = getpid(),
        .host = host,
        .memory_bytes = (int64_t)budget_bytes,
        .store = loop->store,
        .private_memory = !options->in_driver && !ds_store_shares(),
        .bulk_url = loop->bulk_server != NULL ? ds_bulk_server_url(loop->bulk_server) : NULL,
        .fetcher = {loop, fetch, drop},
        .has_stdin = options->has_stdin,
        .fold_bytes = FOLD_BYTES,
        .patient = true};
    memcpy(config.token, options->token, sizeof config.token);
    const ds_executor_ports ports = {.arg = loop,
                                     .send = port_send,
                                     .run = port_run,
                                     .load = port_load,
                                     .prepare = port_prepare,
                                     .save = port_save,
                                     .replicate = port_replicate,
                                     .receiver_add = port_receiver_add,
                                     .receiver_stop = port_receiver_stop,
                                     .receiver_rate = port_receiver_rate,
                                     .receivers_cut = port_cut,
                                     .receivers_credit = port_credit,
                                     .rest = port_rest,
                                     .welcomed = port_welcomed,
                                     .end = port_end};
    loop->turns = ds_turns_new(&(ds_turns_work){loop, step_all, deadline_us});
    loop->control = ds_executor_new(&config, &ports);
    loop->pool = ds_task_pool_start(options->cores, on_task_done, loop);
    const ds_link_options link = {.secret = &options->secret, .tls = options->tls};
    DS_TRY(
        ds_client_open_with(options->url, &link, CONNECT_MS, on_link, loop, &loop->client, error));
    run(loop);
    ds_client_flush(loop->client, 1000);
    return loop->status;
}

ds_status ds_executor_loop(const ds_executor_options *options, ds_error *error)
{
    /* Where the process ends after this, other threads use it until then. */
    executor_loop *loop = ds_calloc(1, sizeof *loop);
    loop->options = options;
    loop->error = error;
    pthread_mutex_init(&loop->acking, NULL);
    ds_status status = open_and_run(loop);
    if (!options->in_driver)
        return status;
    close_all(loop);
    free(loop);
    return status;
}
