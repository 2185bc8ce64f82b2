/*
 * The driver's control under a microscope: every port records, every event is made by hand, and
 * time stands still between them.
 *
 *     driver_kit k;
 *     kit_open(&k, app text);      changes k.config as it likes
 *     kit_start(&k);               launches
 *     kit_join(&k, 1);             executor 1 introduces itself and takes the plan
 *     kit_settle(&k);              answers what waits for an answer, until nothing does
 */
#ifndef DS_TESTS_DRIVER_KIT_H
#define DS_TESTS_DRIVER_KIT_H

#include "checkpoint/journal.h"
#include "driver/driver.h"

#include "unit/plan_unit.h"

#define KIT_EPOCH 77
#define KIT_EXECUTORS 32
#define KIT_SENT 4096
#define KIT_HEARTBEAT 86400000 /* who says nothing matters to few tests */
#define KIT_STORE ((uint64_t)1 << 20)
#define KIT_ZERO INT64_C(1767225600000) /* the wall clock at the start: 2026-01-01 */

typedef struct kit_sent {
    uint64_t peer;
    uint8_t type;
    uint64_t number; /* of a cut, a receiver, an executor (PEER) */
    uint64_t credit, rate;
    bool gone, later;
    uint64_t version;       /* of a table */
    ds_msg_table_load load; /* TABLE_LOAD */
    ds_task task;           /* one entry for each task of a message */
    int64_t batch_ms;
    uint32_t n_batches;   /* RELEASE: batch_ms is the first of so many, */
    uint32_t n_saved;     /* RELEASE: refs of saved parts */
    int64_t committed_ms; /* and the first one that is committed and retained; 0: none */
    struct ds_block_range blocks[8];
    uint32_t n_blocks;
    ds_replica *replicas; /* REPLICATE; room in credit */
    uint32_t n_replicas;
    const char *text;
} kit_sent;

typedef struct kit_journal {
    uint64_t ticket;
    bool whole, sync, answered;
    char *text;
} kit_journal;

/* A look into a log, or the order to delete what is before a place. */
typedef struct kit_log {
    uint32_t source; /* of a look */
    char folder[64];
    ds_log_place place;
} kit_log;

typedef struct driver_kit {
    planned p;
    ds_driver_config config;
    ds_driver *driver;
    ds_arena *arena;
    int64_t now_us, wall_ms;
    uint8_t tokens[KIT_EXECUTORS][DS_TOKEN_BYTES];
    uint64_t n_launched, n_killed, n_closed_peers, n_flushes;
    bool can_run;   /* processes of executors */
    bool no_stores; /* stores cannot be opened, */
    bool fetches;   /* but bytes can be fetched */
    kit_sent sent[KIT_SENT];
    uint32_t n_sent;
    uint32_t lists[64]; /* sources whose folders are to be listed */
    uint32_t n_lists;
    ds_followed *asked; /* the newest question about files that grow, in arena */
    uint32_t n_asked, n_follows;
    kit_log scans[16], trims[16];
    uint32_t n_scans, n_trims;
    kit_journal journal[256];
    uint32_t n_journal;
    const ds_commit *commits[64];
    uint32_t n_commits, n_committed; /* the latter are answered */
    uint64_t closed_stores[16];
    uint32_t n_closed_stores;
    const char *dropped_files[64];
    uint32_t n_dropped_files;
    uint32_t n_progress;
    bool ended;
    ds_status status;
    char message[DS_ERROR_TEXT];
    uint64_t store_bytes; /* of those that join */
    uint64_t busy_us;     /* what tasks are said to have taken */
    int64_t acts_ms;      /* and when their state acts next */
    uint64_t lost_bytes;  /* and what of their inputs was gone, in files and in the log */
    ds_loss missing;
} driver_kit;

/* ---- ports ---- */

static inline kit_sent *kit_new_sent(driver_kit *k, uint64_t peer, uint8_t type)
{
    ck_assert_uint_lt(k->n_sent, KIT_SENT);
    kit_sent *s = &k->sent[k->n_sent++];
    *s = (kit_sent){.peer = peer, .type = type, .text = ""};
    return s;
}

static inline void kit_record_task(driver_kit *k, uint64_t peer, const ds_task *task)
{
    kit_sent *s = kit_new_sent(k, peer, DS_MSG_TASKS);
    s->task = *task;
    s->task.inputs = DS_ARENA_ARRAY(k->arena, ds_input, task->n_inputs + 1);
    for (uint32_t i = 0; i < task->n_inputs; i++) {
        s->task.inputs[i] = task->inputs[i];
        s->task.inputs[i].path = ds_arena_strdup(k->arena, task->inputs[i].path);
    }
    s->task.saved = DS_ARENA_ARRAY(k->arena, ds_saved_part, task->n_saved + 1);
    for (uint32_t i = 0; i < task->n_saved; i++) {
        s->task.saved[i] = task->saved[i];
        s->task.saved[i].path = ds_arena_strdup(k->arena, task->saved[i].path);
    }
    s->task.tables = DS_ARENA_ARRAY(k->arena, ds_table_use, task->n_tables + 1);
    for (uint32_t i = 0; i < task->n_tables; i++)
        s->task.tables[i] = task->tables[i];
}

static inline void kit_send(void *arg, uint64_t peer, const ds_message *message)
{
    driver_kit *k = arg;
    ds_buffer bytes = {0};
    ck_assert_uint_eq(message->epoch, KIT_EPOCH);
    ds_message_encode(&bytes, message); /* within the limits of messages */
    ds_buffer_fini(&bytes);
    for (uint32_t i = 0; message->type == DS_MSG_TASKS && i < message->tasks.n_tasks; i++)
        kit_record_task(k, peer, &message->tasks.tasks[i]);
    if (message->type == DS_MSG_TASKS)
        return;
    kit_sent *s = kit_new_sent(k, peer, message->type);
    switch ((ds_message_type)message->type) {
    case DS_MSG_RELEASE:
        s->batch_ms = message->release.n_batches > 0 ? message->release.batches[0] : 0;
        s->n_batches = message->release.n_batches;
        s->committed_ms = message->release.n_committed > 0 ? message->release.committed[0] : 0;
        s->n_saved = message->release.n_saved;
        for (uint32_t i = 0; i < message->release.n_blocks && i < 8; i++)
            s->blocks[s->n_blocks++] = message->release.blocks[i];
        break;
    case DS_MSG_REPLICATE:
        s->number = message->replicate.number;
        s->credit = message->replicate.room_bytes;
        s->n_replicas = message->replicate.n_blocks;
        s->replicas = DS_ARENA_ARRAY(k->arena, ds_replica, s->n_replicas + 1);
        for (uint32_t i = 0; i < s->n_replicas; i++)
            s->replicas[i] = message->replicate.blocks[i];
        break;
    case DS_MSG_CUT: s->number = message->cut.tick; break;
    case DS_MSG_RECEIVER_START:
        s->number = message->receiver_start.receiver_id;
        s->credit = message->receiver_start.credit_bytes;
        s->text = ds_arena_strdup(k->arena, message->receiver_start.log_folder);
        s->rate = message->receiver_start.rate;
        break;
    case DS_MSG_RECEIVER_RATE:
        s->number = message->receiver_rate.receiver_id;
        s->rate = message->receiver_rate.rate;
        break;
    case DS_MSG_RECEIVER_STOP: s->number = message->receiver_stop.receiver_id; break;
    case DS_MSG_PEER:
        s->number = message->peer.executor_id;
        s->gone = message->peer.gone;
        break;
    case DS_MSG_TABLE_LOAD:
        s->load = message->table_load;
        s->version = message->table_load.version;
        break;
    case DS_MSG_TABLE:
        s->number = message->table.n_inputs;
        s->version = message->table.version;
        break;
    case DS_MSG_TABLE_DROP: s->version = message->table_drop.version; break;
    case DS_MSG_WELCOME: s->number = message->welcome.executor_id; break;
    case DS_MSG_REJECT: s->text = ds_arena_strdup(k->arena, message->reject.reason); break;
    default: break;
    }
}

static inline void kit_send_later(void *arg, uint64_t peer, const ds_message *message)
{
    driver_kit *k = arg;
    kit_send(k, peer, message);
    k->sent[k->n_sent - 1].later = true;
}

static inline void kit_flush(void *arg, uint64_t peer)
{
    (void)peer;
    ((driver_kit *)arg)->n_flushes++;
}

static inline void kit_close_peer(void *arg, uint64_t peer)
{
    (void)peer;
    ((driver_kit *)arg)->n_closed_peers++;
}

static inline void kit_launch(void *arg, uint64_t executor_id, const uint8_t *token)
{
    driver_kit *k = arg;
    ck_assert_uint_lt(executor_id, KIT_EXECUTORS);
    k->n_launched++;
    memcpy(k->tokens[executor_id], token, DS_TOKEN_BYTES);
}

static inline void kit_kill(void *arg, uint64_t executor_id)
{
    (void)executor_id;
    ((driver_kit *)arg)->n_killed++;
}

static inline bool kit_can_run(void *arg, uint64_t executor_id)
{
    (void)executor_id;
    return ((const driver_kit *)arg)->can_run;
}

static inline ds_status kit_open_store(void *arg, uint64_t executor_id, const ds_msg_hello *hello,
                                       ds_store_paths *paths, ds_error *error)
{
    (void)hello;
    if (((driver_kit *)arg)->no_stores)
        return ds_error_set(error, DS_ERR_LOST, "no such store");
    snprintf(paths->memory, sizeof paths->memory, "/store/%d", (int)executor_id);
    return DS_OK;
}

static inline void kit_close_store(void *arg, uint64_t executor_id)
{
    driver_kit *k = arg;
    k->closed_stores[k->n_closed_stores++] = executor_id;
}

static inline void kit_list_files(void *arg, uint32_t source)
{
    driver_kit *k = arg;
    k->lists[k->n_lists++] = source;
}

static inline void kit_follow(void *arg, uint32_t source, const ds_follow_request *request,
                              ds_arena *arena)
{
    driver_kit *k = arg;
    (void)source;
    k->n_follows++;
    k->n_asked = request->n_files;
    k->asked = DS_ARENA_ARRAY(k->arena, ds_followed, request->n_files + 1);
    for (uint32_t i = 0; i < request->n_files; i++) {
        k->asked[i] = request->files[i];
        k->asked[i].path = ds_arena_strdup(k->arena, request->files[i].path);
    }
    ds_arena_free(arena);
}

static inline void kit_scan_log(void *arg, uint32_t source, const char *folder,
                                const ds_log_place *after)
{
    driver_kit *k = arg;
    ck_assert_uint_lt(k->n_scans, 16);
    kit_log *scan = &k->scans[k->n_scans++];
    *scan = (kit_log){.source = source, .place = *after};
    snprintf(scan->folder, sizeof scan->folder, "%s", folder);
}

static inline void kit_trim_log(void *arg, const char *folder, const ds_log_place *before)
{
    driver_kit *k = arg;
    ck_assert_uint_lt(k->n_trims, 16);
    kit_log *trim = &k->trims[k->n_trims++];
    *trim = (kit_log){.place = *before};
    snprintf(trim->folder, sizeof trim->folder, "%s", folder);
}

static inline void kit_journal_port(void *arg, const char *line, size_t length, bool whole,
                                    bool sync, uint64_t ticket)
{
    driver_kit *k = arg;
    ck_assert_uint_lt(k->n_journal, 256);
    k->journal[k->n_journal++] = (kit_journal){.ticket = ticket,
                                               .whole = whole,
                                               .sync = sync,
                                               .text = ds_arena_strndup(k->arena, line, length)};
}

static inline void kit_commit_port(void *arg, const ds_commit *commit)
{
    driver_kit *k = arg;
    ck_assert_uint_lt(k->n_commits, 64);
    ck_assert_uint_eq(k->n_commits, k->n_committed); /* one at a time */
    k->commits[k->n_commits++] = commit;
}

static inline void kit_drop_files(void *arg, const char *const *paths, size_t n)
{
    driver_kit *k = arg;
    for (size_t i = 0; i < n; i++)
        k->dropped_files[k->n_dropped_files++] = ds_arena_strdup(k->arena, paths[i]);
}

static inline void kit_progress(void *arg, const ds_progress *progress)
{
    (void)progress;
    ((driver_kit *)arg)->n_progress++;
}

static inline void kit_end(void *arg, ds_status status, const char *message)
{
    driver_kit *k = arg;
    ck_assert(!k->ended);
    k->ended = true;
    k->status = status;
    snprintf(k->message, sizeof k->message, "%s", message);
}

/* ---- life ---- */

static inline void kit_open(driver_kit *k, const char *app)
{
    memset(k, 0, sizeof *k);
    k->p = plan_whole(app, NULL);
    ck_assert_msg(k->p.plan != NULL, "%s", k->p.app.said.data);
    k->arena = ds_arena_new(NULL);
    k->now_us = 5000000;
    k->wall_ms = KIT_ZERO;
    k->store_bytes = KIT_STORE;
    k->config = (ds_driver_config){.plan = k->p.plan,
                                   .epoch = KIT_EPOCH,
                                   .seed = 1,
                                   .heartbeat_ms = KIT_HEARTBEAT,
                                   .credit_bytes = 1 << 20};
}

static inline void kit_close(driver_kit *k)
{
    ds_driver_free(k->driver);
    ds_arena_free(k->arena);
    plan_close(&k->p);
}

static inline void kit_step(driver_kit *k, ds_driver_event event)
{
    if (k->ended)
        return;
    event.now_us = k->now_us;
    event.wall_ms = k->wall_ms;
    if (event.text == NULL)
        event.text = "";
    ds_driver_step(k->driver, &event);
    ds_driver_check(k->driver);
}

static inline void kit_start(driver_kit *k)
{
    const ds_driver_ports ports = {.arg = k,
                                   .send = kit_send,
                                   .send_later = kit_send_later,
                                   .flush = kit_flush,
                                   .close_peer = kit_close_peer,
                                   .launch = kit_launch,
                                   .kill = kit_kill,
                                   .can_run = kit_can_run,
                                   .open_store = kit_open_store,
                                   .close_store = kit_close_store,
                                   .list_files = kit_list_files,
                                   .follow = kit_follow,
                                   .scan_log = kit_scan_log,
                                   .trim_log = kit_trim_log,
                                   .journal = kit_journal_port,
                                   .commit = kit_commit_port,
                                   .drop_files = kit_drop_files,
                                   .progress = kit_progress,
                                   .end = kit_end};
    k->driver = ds_driver_new(&k->config, &ports);
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_STARTED});
}

/* Time passes, on both clocks. */
static inline void kit_wait_ms(driver_kit *k, int64_t ms)
{
    k->now_us += ms * 1000;
    k->wall_ms += ms;
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_TIME});
}

/* How long until it wants to be stepped, in ms; -1: not at all. */
static inline int64_t kit_wants_ms(const driver_kit *k)
{
    int64_t mono_us, wall_ms, ms = INT64_MAX;
    ds_driver_deadline(k->driver, &mono_us, &wall_ms);
    if (mono_us != INT64_MAX)
        ms = (mono_us - k->now_us + 999) / 1000;
    if (wall_ms != INT64_MAX && wall_ms - k->wall_ms < ms)
        ms = wall_ms - k->wall_ms;
    return ms == INT64_MAX ? -1 : ms < 0 ? 0 : ms;
}

static inline void kit_message(driver_kit *k, uint64_t peer, ds_message message)
{
    if (message.epoch == 0 && message.type != DS_MSG_HELLO)
        message.epoch = KIT_EPOCH;
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_MESSAGE, .peer = peer, .message = &message});
}

/* Executor n talks over peer 100 + n. */
static inline uint64_t kit_peer(uint64_t executor_id)
{
    return 100 + executor_id;
}

static inline ds_message kit_hello(driver_kit *k, uint64_t executor_id)
{
    ds_message m = {.type = DS_MSG_HELLO};
    m.hello = (ds_msg_hello){.protocol = DS_PROTOCOL_VERSION,
                             .build = DS_VERSION,
                             .app_id = k->p.plan->app->name,
                             .executor_id = executor_id,
                             .cores = 1,
                             .pid = 1,
                             .store_fd = 5,
                             .store_bytes = k->store_bytes,
                             .host = "",
                             .bulk_url = k->fetches ? "abstract://bulk" : ""};
    memcpy(m.hello.token, k->tokens[executor_id], DS_TOKEN_BYTES);
    return m;
}

static inline void kit_introduce(driver_kit *k, uint64_t executor_id)
{
    kit_message(k, kit_peer(executor_id), kit_hello(k, executor_id));
}

static inline void kit_ready(driver_kit *k, uint64_t executor_id)
{
    ds_message m = {.type = DS_MSG_PLAN_RESULT};
    m.plan_result = (ds_msg_plan_result){1, DS_OK, ""};
    kit_message(k, kit_peer(executor_id), m);
}

static inline void kit_join(driver_kit *k, uint64_t executor_id)
{
    kit_introduce(k, executor_id);
    kit_ready(k, executor_id);
}

/* Starts, and executors 1 to n join. */
static inline void kit_start_with(driver_kit *k, uint64_t n)
{
    kit_start(k);
    for (uint64_t id = 1; id <= n; id++)
        kit_join(k, id);
}

static inline void kit_beat(driver_kit *k, uint64_t executor_id)
{
    ds_message m = {.type = DS_MSG_HEARTBEAT};
    kit_message(k, kit_peer(executor_id), m);
}

static inline void kit_lose(driver_kit *k, uint64_t executor_id)
{
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_PEER_LOST, .peer = kit_peer(executor_id)});
}

/* ---- what was sent ---- */

static inline uint32_t kit_count(const driver_kit *k, uint8_t type)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n_sent; i++)
        n += k->sent[i].type == type;
    return n;
}

/* The newest message of a type, or NULL. */
static inline const kit_sent *kit_last(const driver_kit *k, uint8_t type)
{
    for (uint32_t i = k->n_sent; i-- > 0;)
        if (k->sent[i].type == type)
            return &k->sent[i];
    return NULL;
}

/* The newest attempt of a task, or NULL. */
static inline const kit_sent *kit_task(const driver_kit *k, int64_t batch_ms, uint32_t stage,
                                       uint32_t partition)
{
    for (uint32_t i = k->n_sent; i-- > 0;) {
        const kit_sent *s = &k->sent[i];
        if (s->type == DS_MSG_TASKS && s->task.batch_ms == batch_ms && s->task.stage == stage &&
            s->task.partition == partition)
            return s;
    }
    return NULL;
}

/* ---- answers ---- */

static inline void kit_result(driver_kit *k, const kit_sent *to, ds_status status,
                              ds_output *outputs, uint32_t n_outputs)
{
    ck_assert_ptr_nonnull(to);
    ds_task_result r = {.batch_ms = to->task.batch_ms,
                        .plan_id = to->task.plan_id,
                        .stage = to->task.stage,
                        .partition = to->task.partition,
                        .attempt = to->task.attempt,
                        .status = (uint32_t)status,
                        .message = "so",
                        .rows_in = status == DS_OK ? 1 : 0,
                        .busy_us = k->busy_us,
                        .acts_ms = k->acts_ms,
                        .lost_bytes = k->lost_bytes,
                        .missing = k->missing,
                        .outputs = outputs,
                        .n_outputs = n_outputs};
    ds_message m = {.type = DS_MSG_TASK_RESULTS};
    m.task_results = (ds_msg_task_results){&r, 1};
    kit_message(k, to->peer, m);
}

static inline void kit_done(driver_kit *k, const kit_sent *to)
{
    kit_result(k, to, DS_OK, NULL, 0);
}

/* A task is done and wrote pieces for a stage. */
static inline void kit_done_for(driver_kit *k, const kit_sent *to, uint32_t target)
{
    ds_output output = {.kind = DS_OUTPUT_PIECES,
                        .target = target,
                        .rows = 1,
                        .ref = {to->peer - 100, 64, 64},
                        .length = 64,
                        .path = ""};
    kit_result(k, to, DS_OK, &output, 1);
}

/* What a task has saved of input 0: a part in a file of the folder "kept", or without a checkpoint
 * in the store. */
static inline ds_saved_part kit_part(driver_kit *k, const kit_sent *of, uint64_t length)
{
    bool in_store = k->config.kept_folder == NULL;
    ds_saved_part part = {.stage = of->task.stage,
                          .partition = of->task.partition,
                          .batch_ms = of->task.batch_ms,
                          .whole = of->task.save_whole,
                          .length = length,
                          .checksum = 7,
                          .path = ""};
    if (in_store)
        part.ref = (ds_ref){of->peer - 100, 4096 + 64 * of->task.partition, length};
    else
        part.path =
            ds_arena_printf(k->arena, "kept/%d-%d.kept", (int)of->task.save, (int)(of->peer - 100));
    return part;
}

static inline void kit_saved(driver_kit *k, const kit_sent *of, ds_status status,
                             ds_saved_part *parts, uint32_t n)
{
    ds_message m = {.type = DS_MSG_SAVED};
    m.saved = (ds_msg_saved){.plan_id = 1,
                             .save = of->task.save,
                             .status = (uint32_t)status,
                             .message = "the disk is full",
                             .parts = parts,
                             .n_parts = n};
    kit_message(k, of->peer, m);
}

/* A task of the saving batch is done, and its partition is saved. */
static inline void kit_save(driver_kit *k, const kit_sent *of)
{
    ck_assert_ptr_nonnull(of);
    ck_assert_uint_gt(of->task.save, 0);
    ds_saved_part part = kit_part(k, of, 100);
    kit_saved(k, of, DS_OK, &part, 1);
}

static inline void kit_fail(driver_kit *k, const kit_sent *to, ds_status status)
{
    kit_result(k, to, status, NULL, 0);
}

static inline void kit_journaled(driver_kit *k, uint32_t i, ds_status status)
{
    ck_assert_uint_lt(i, k->n_journal);
    k->journal[i].answered = true;
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_JOURNALED,
                                  .ticket = k->journal[i].ticket,
                                  .status = status,
                                  .text = "the disk is full"});
}

/* Answers all records of the journal that wait for it; false if there were none. */
static inline bool kit_journal_all(driver_kit *k)
{
    bool any = false;
    for (uint32_t i = 0; i < k->n_journal && !k->ended; i++) {
        if (k->journal[i].answered)
            continue;
        kit_journaled(k, i, DS_OK);
        any = true;
    }
    return any;
}

/* Answers the commit under way. */
static inline void kit_committed(driver_kit *k, ds_status status)
{
    ck_assert_uint_lt(k->n_committed, k->n_commits);
    int64_t batch_ms = k->commits[k->n_committed++]->batch_ms;
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_COMMITTED,
                                  .batch_ms = batch_ms,
                                  .status = status,
                                  .text = "the disk is full"});
}

static inline void kit_listed(driver_kit *k, uint32_t source, const ds_listed_file *files,
                              uint32_t n, ds_status status)
{
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_FILES,
                                  .source = source,
                                  .files = files,
                                  .n_files = n,
                                  .status = status,
                                  .text = "no such folder"});
}

/* Answers a look into the log. */
static inline void kit_logged(driver_kit *k, uint32_t source, const ds_logged_blocks *found)
{
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_LOGGED, .source = source, .logged = found});
}

static inline void kit_block(driver_kit *k, uint64_t executor_id, uint64_t receiver_id,
                             ds_block block)
{
    ds_message m = {.type = DS_MSG_BLOCKS};
    m.blocks = (ds_msg_blocks){receiver_id, &block, 1};
    kit_message(k, kit_peer(executor_id), m);
}

static inline void kit_receiver(driver_kit *k, uint64_t executor_id, uint64_t receiver_id,
                                ds_receiver_phase phase, ds_status status)
{
    ds_message m = {.type = DS_MSG_RECEIVER_STATE};
    m.receiver_state =
        (ds_msg_receiver_state){receiver_id, (uint8_t)phase, (uint32_t)status, "because"};
    kit_message(k, kit_peer(executor_id), m);
}

/* Answers the load of a table. */
static inline void kit_loaded(driver_kit *k, const kit_sent *to, ds_msg_table_loaded what)
{
    ck_assert_ptr_nonnull(to);
    ds_message m = {.type = DS_MSG_TABLE_LOADED};
    m.table_loaded = what;
    m.table_loaded.load_id = to->load.load_id;
    if (m.table_loaded.result.message == NULL)
        m.table_loaded.result.message = "";
    kit_message(k, to->peer, m);
}

static inline void kit_cut_done(driver_kit *k, uint64_t executor_id, uint64_t tick)
{
    ds_message m = {.type = DS_MSG_CUT_DONE};
    m.cut_done.tick = tick;
    kit_message(k, kit_peer(executor_id), m);
}

/* Answers tasks (well, without output), journal records and commits until nothing is open. Tasks
 * that were sent before `from` are left alone. */
static inline void kit_settle_from(driver_kit *k, uint32_t from)
{
    for (bool again = true; again && !k->ended;) {
        again = kit_journal_all(k);
        for (; from < k->n_sent && !k->ended; from++) {
            if (k->sent[from].type == DS_MSG_TASKS) {
                kit_done(k, &k->sent[from]);
                again = true;
            }
        }
        while (k->n_committed < k->n_commits && !k->ended) {
            kit_committed(k, DS_OK);
            again = true;
        }
    }
}

static inline void kit_settle(driver_kit *k)
{
    kit_settle_from(k, 0);
}

/* What the first n records of its journal tell a driver of this plan that goes on, from the last
 * whole one on. The caller frees it, after that driver. */
static inline ds_recovered *kit_recovered(const driver_kit *k, uint32_t n, const ds_plan *plan)
{
    ds_buffer text = {0};
    ds_error error = {0};
    ds_recovered *recovered = NULL;
    for (uint32_t i = 0; i < n; i++) {
        text.length = k->journal[i].whole ? 0 : text.length;
        ds_buffer_append_text(&text, k->journal[i].text);
    }
    ds_status status =
        ds_journal_read("1.jsonl", ds_buffer_text(&text), text.length, plan, &recovered, &error);
    ck_assert_msg(status == DS_OK, "%s", error.message);
    ck_assert_ptr_null(recovered->warning);
    ds_buffer_fini(&text);
    return recovered;
}

/* ---- apps ---- */

#define KIT_APP(executors, sources, streams, sinks)                                                \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"                                  \
    "'executors': { " executors " }, 'sources': { " sources " }, 'streams': { " streams " },"      \
    "'sinks': { " sinks " } }"
#define KIT_QUEUE(batches)                                                                         \
    "'q': { 'type': 'queue', 'schema': { 'n': 'int' }, 'batches': [ " batches " ] }"
#define KIT_CONSOLE(from) "'c': { 'from': '" from "', 'type': 'console' }"

#endif
