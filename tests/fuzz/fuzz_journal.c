/*
 * Metadata files that are not what they should be: the bytes are lines of a journal whose checksums
 * are made right, so that what stands behind them is looked at, too. A driver goes on from what can
 * be read, as far as it gets by itself.
 */
#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/json_source.h"
#include "base/log.h"
#include "base/random.h"
#include "checkpoint/journal.h"
#include "checkpoint/view.h"
#include "driver/driver.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static const char app_text[] =
    "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},\"checkpoint\":{\"dir\":\"s\"},"
    "\"executors\":{\"key_partitions\":2},\"sources\":{"
    "\"f\":{\"type\":\"files\",\"dir\":\"in\"},"
    "\"l\":{\"type\":\"tail\",\"path\":\"in/*\"},"
    "\"q\":{\"type\":\"queue\",\"schema\":{\"n\":\"int\"},\"batches\":[[],[{\"n\":1}]]},"
    "\"r\":{\"type\":\"rate\",\"rows_per_second\":10},"
    "\"s\":{\"type\":\"socket\",\"listen\":\"127.0.0.1:1\"},"
    "\"t\":{\"type\":\"table\",\"path\":\"t.csv\",\"format\":\"csv\","
    "\"schema\":{\"line\":\"string\",\"v\":\"int\"}}},"
    "\"streams\":{\"j\":{\"from\":\"s\",\"join\":{\"with\":\"t\",\"on\":[\"line\"]}},"
    "\"w\":{\"from\":\"f\",\"window\":{\"size\":\"5s\",\"slide\":\"1s\"},\"group_by\":[\"line\"],"
    "\"aggregate\":{\"n\":\"count()\"}},"
    "\"z\":{\"from\":\"l\",\"state\":{\"key\":[\"line\"],"
    "\"set\":{\"n\":\"coalesce(state.n,0)+count()\"}}}},"
    "\"sinks\":{\"a\":{\"from\":\"w\",\"type\":\"file\",\"dir\":\"out\"},"
    "\"b\":{\"from\":\"z\",\"type\":\"append\",\"path\":\"z.txt\"},"
    "\"c\":{\"from\":\"j\",\"type\":\"console\"},\"d\":{\"from\":\"q\",\"type\":\"console\"},"
    "\"e\":{\"from\":\"r\",\"type\":\"console\"}}}";

static ds_plan *plan_of_app(void)
{
    static ds_plan *plan;
    if (plan != NULL)
        return plan;
    ds_log_setup(DS_LOG_OFF, false, "fuzz");
    ds_app *app;
    ds_error error;
    DS_ASSERT(ds_app_from_canonical(app_text, strlen(app_text), &app, &error) == DS_OK);
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    DS_ASSERT(ds_plan_new(app, NULL, diagnostics, &plan) == DS_OK);
    ds_diagnostics_free(diagnostics);
    return plan;
}

/* Adds a line; an object gets the checksum that it should have. */
static void add_line(ds_buffer *text, const char *line, size_t length)
{
    if (length < 2 || line[length - 1] != '}') {
        ds_buffer_append(text, line, length);
    } else {
        ds_buffer_append(text, line, length - 1);
        ds_buffer_printf(text, ",\"check\":\"%016" PRIx64 "\"}",
                         (uint64_t)XXH3_64bits(line, length - 1));
    }
    ds_buffer_append_char(text, '\n');
}

/* ---- a driver, and all that it works with ---- */

enum { EPOCH = 1, STEPS = 40, MOST_ANSWERS = 64 };

/* What the driver waits for: answered in the order of the questions. */
typedef struct answer {
    ds_driver_event event;
    ds_message message;
    ds_task_result result;
    ds_logged_blocks logged;
    ds_sightings seen;
} answer;

static answer answers[MOST_ANSWERS];
static uint32_t n_answers, n_answered;
static bool ended;

/* The place for one; those that are too many are given up. */
static answer *next_answer(ds_driver_event_kind kind)
{
    static answer beyond;
    answer *to = n_answers < MOST_ANSWERS ? &answers[n_answers++] : &beyond;
    *to = (answer){.event = {.kind = kind, .text = ""}};
    return to;
}

static answer *next_message(uint64_t peer, uint8_t type)
{
    answer *to = next_answer(DS_DRIVER_MESSAGE);
    to->event.peer = peer;
    to->event.message = &to->message;
    to->message = (ds_message){.type = type, .epoch = type == DS_MSG_HELLO ? 0 : EPOCH};
    return to;
}

static void launch(void *arg, uint64_t id, const uint8_t *token)
{
    answer *to = next_message(id, DS_MSG_HELLO);
    (void)arg;
    to->message.hello = (ds_msg_hello){.protocol = DS_PROTOCOL_VERSION,
                                       .build = DS_VERSION,
                                       .app_id = "x",
                                       .executor_id = id,
                                       .cores = 1,
                                       .pid = 1,
                                       .store_fd = 5,
                                       .store_bytes = 1 << 20,
                                       .host = "",
                                       .bulk_url = ""};
    memcpy(to->message.hello.token, token, DS_TOKEN_BYTES);
}

static void task_done(uint64_t peer, const ds_task *task)
{
    answer *to = next_message(peer, DS_MSG_TASK_RESULTS);
    to->result = (ds_task_result){.batch_ms = task->batch_ms,
                                  .plan_id = task->plan_id,
                                  .stage = task->stage,
                                  .partition = task->partition,
                                  .attempt = task->attempt,
                                  .message = ""};
    to->message.task_results = (ds_msg_task_results){&to->result, 1};
}

/* All that is sent has to be within the limits of messages. */
static void send_to(void *arg, uint64_t peer, const ds_message *message)
{
    ds_buffer bytes = {0};
    (void)arg;
    ds_message_encode(&bytes, message);
    ds_buffer_fini(&bytes);
    answer *to;
    switch ((ds_message_type)message->type) {
    case DS_MSG_PLAN:
        to = next_message(peer, DS_MSG_PLAN_RESULT);
        to->message.plan_result = (ds_msg_plan_result){1, DS_OK, ""};
        break;
    case DS_MSG_TABLE_LOAD:
        to = next_message(peer, DS_MSG_TABLE_LOADED);
        to->message.table_loaded.load_id = message->table_load.load_id;
        to->message.table_loaded.result.message = "";
        break;
    case DS_MSG_CUT:
        next_message(peer, DS_MSG_CUT_DONE)->message.cut_done.tick = message->cut.tick;
        break;
    case DS_MSG_TASKS:
        for (uint32_t i = 0; i < message->tasks.n_tasks; i++)
            task_done(peer, &message->tasks.tasks[i]);
        break;
    default: break;
    }
}

static void no_number(void *arg, uint64_t number)
{
    (void)arg, (void)number;
}

static ds_status open_store(void *arg, uint64_t id, const ds_msg_hello *hello,
                            ds_store_paths *paths, ds_error *error)
{
    (void)arg, (void)id, (void)hello, (void)error;
    snprintf(paths->memory, sizeof paths->memory, "/store");
    return DS_OK;
}

static void list_files(void *arg, uint32_t source)
{
    static const ds_listed_file files[] = {{"a.txt", 4}, {"c.txt", 9}};
    (void)arg;
    answer *to = next_answer(DS_DRIVER_FILES);
    to->event.source = source;
    to->event.files = files;
    to->event.n_files = 2;
}

static void follow(void *arg, uint32_t source, const ds_follow_request *request, ds_arena *arena)
{
    (void)arg, (void)request;
    answer *to = next_answer(DS_DRIVER_FOLLOWED);
    to->event.source = source;
    to->event.seen = &to->seen;
    ds_arena_free(arena);
}

static void scan_log(void *arg, uint32_t source, const char *folder, const ds_log_place *after)
{
    (void)arg, (void)folder, (void)after;
    answer *to = next_answer(DS_DRIVER_LOGGED);
    to->event.source = source;
    to->event.logged = &to->logged;
}

static void no_trim(void *arg, const char *folder, const ds_log_place *before)
{
    (void)arg, (void)folder, (void)before;
}

static void journal(void *arg, const char *line, size_t length, bool whole, bool sync,
                    uint64_t ticket)
{
    (void)arg, (void)line, (void)length, (void)whole, (void)sync;
    if (ticket != 0)
        next_answer(DS_DRIVER_JOURNALED)->event.ticket = ticket;
}

static void commit(void *arg, const ds_commit *what)
{
    static const ds_append_end none[8]; /* each file is empty */
    (void)arg;
    answer *to = next_answer(DS_DRIVER_COMMITTED);
    to->event.batch_ms = what->batch_ms;
    bool is_known = true;
    for (uint32_t i = 0; i < what->n_appends; i++)
        is_known = is_known && what->appends[i].base.length != DS_APPEND_UNKNOWN;
    if (is_known)
        return;
    if (what->n_appends <= sizeof none / sizeof *none)
        to->event.ends = none;
    else
        to->event.status = DS_ERR_IO;
}

static void no_files(void *arg, const char *const *paths, size_t n)
{
    (void)arg, (void)paths, (void)n;
}

static void no_progress(void *arg, const ds_progress *progress)
{
    (void)arg, (void)progress;
}

static void end(void *arg, ds_status status, const char *message)
{
    (void)arg, (void)status, (void)message;
    ended = true;
}

static void step(ds_driver *driver, ds_driver_event event, int64_t now_us, int64_t wall_ms)
{
    event.now_us = now_us;
    event.wall_ms = wall_ms;
    ds_driver_step(driver, &event);
    ds_driver_check(driver);
}

/* Answers, and lets time pass where there is nothing to answer. */
static void drive(ds_driver *driver, int64_t wall_ms)
{
    int64_t now_us = 5000000;
    n_answers = n_answered = 0;
    ended = false;
    step(driver, (ds_driver_event){.kind = DS_DRIVER_STARTED, .text = ""}, now_us, wall_ms);
    for (uint32_t i = 0; i < STEPS && !ended; i++) {
        if (n_answered < n_answers) {
            step(driver, answers[n_answered++].event, now_us, wall_ms);
            continue;
        }
        n_answers = n_answered = 0;
        now_us += 500000;
        wall_ms += 500;
        step(driver, (ds_driver_event){.kind = DS_DRIVER_TIME, .text = ""}, now_us, wall_ms);
    }
}

static void go_on(const ds_plan *plan, const ds_recovered *recovered)
{
    const ds_driver_config config = {.plan = plan,
                                     .epoch = EPOCH,
                                     .checkpoint = true,
                                     .saves = true,
                                     .log_folder = "s/log",
                                     .kept_folder = "s/kept",
                                     .heartbeat_ms = 10000,
                                     .credit_bytes = 1 << 20,
                                     .recovered = recovered};
    const ds_driver_ports ports = {.send = send_to,
                                   .close_peer = no_number,
                                   .launch = launch,
                                   .kill = no_number,
                                   .open_store = open_store,
                                   .close_store = no_number,
                                   .list_files = list_files,
                                   .follow = follow,
                                   .scan_log = scan_log,
                                   .trim_log = no_trim,
                                   .journal = journal,
                                   .commit = commit,
                                   .drop_files = no_files,
                                   .progress = no_progress,
                                   .end = end};
    ds_driver *driver = ds_driver_new(&config, &ports);
    drive(driver, recovered->last_ms + 100);
    ds_driver_free(driver);
}

/* As a person does. */
static void look_at(const ds_buffer *text)
{
    ds_metadata_view file = {.first_ms = INT64_MIN, .last_ms = INT64_MIN};
    char time[DS_CLOCK_TEXT];
    json_t *state =
        ds_metadata_view_records(&file, text->length > 0 ? text->data : "", text->length);
    DS_ASSERT(file.unreadable == (state == NULL));
    if (file.first_ms != INT64_MIN) {
        ds_clock_text(file.first_ms, time);
        ds_clock_text(file.last_ms, time);
    }
    free(json_dumps(state, JSON_INDENT(2) | JSON_REAL_PRECISION(17)));
    json_decref(state);
}

/* ---- lines that are still JSON when they are changed ---- */

static const json_int_t odd_numbers[] = {
    0, 1, 2, 3, -1, 1000, UINT32_MAX, UINT32_MAX + 1LL, INT64_MAX, INT64_MIN, INT64_MAX / 4};

static uint32_t pick(ds_random *random, size_t n)
{
    return n == 0 ? 0 : (uint32_t)(ds_random_next(random) % n);
}

/* A value, by what holds it. */
typedef struct spot {
    json_t *holder;
    const char *key; /* NULL: in an array */
    size_t index;
} spot;

enum { MOST_SPOTS = 4096 };

/* All values below one. */
static size_t list_spots(json_t *value, spot *spots, size_t n)
{
    const char *key;
    json_t *child;
    size_t i;
    json_object_foreach(value, key, child)
    {
        if (n < MOST_SPOTS)
            spots[n++] = (spot){value, key, 0};
        n = list_spots(child, spots, n);
    }
    json_array_foreach(value, i, child)
    {
        if (n < MOST_SPOTS)
            spots[n++] = (spot){value, NULL, i};
        n = list_spots(child, spots, n);
    }
    return n;
}

static json_t *value_at(const spot *at)
{
    return at->key != NULL ? json_object_get(at->holder, at->key)
                           : json_array_get(at->holder, at->index);
}

static void replace(const spot *at, json_t *value)
{
    if (at->key != NULL)
        json_object_set_new(at->holder, at->key, value);
    else
        json_array_set_new(at->holder, at->index, value);
}

static json_t *other_number(const json_t *number, ds_random *random)
{
    json_int_t was = json_integer_value(number);
    switch (pick(random, 4)) {
    case 0: return json_integer((json_int_t)((uint64_t)was + 1000));
    case 1: return json_integer((json_int_t)((uint64_t)was - 1000));
    case 2: return json_integer((json_int_t)((uint64_t)was + pick(random, 5) - 2));
    default:
        return json_integer(odd_numbers[pick(random, sizeof odd_numbers / sizeof *odd_numbers)]);
    }
}

/* Changes one value: another number, one of elsewhere in the line, none, or twice the same. */
static void change_line(json_t *line, ds_random *random)
{
    static spot spots[MOST_SPOTS];
    size_t n = list_spots(line, spots, 0);
    if (n == 0)
        return;
    const spot *at = &spots[pick(random, n)];
    json_t *value = value_at(at);
    uint32_t how = pick(random, 6);
    if (json_is_integer(value) && how < 4)
        replace(at, other_number(value, random));
    else if (json_is_boolean(value) && how < 4)
        replace(at, json_boolean(!json_is_true(value)));
    else if (json_is_array(value) && json_array_size(value) > 0 && how < 3)
        json_array_append_new(
            value, json_deep_copy(json_array_get(value, pick(random, json_array_size(value)))));
    else if (how < 5)
        replace(at, json_deep_copy(value_at(&spots[pick(random, n)])));
    else if (at->key != NULL)
        json_object_del(at->holder, at->key);
    else
        json_array_remove(at->holder, at->index);
}

/* Where a line begins, and how long it is. */
static const char *line_at(const ds_buffer *text, uint32_t number, size_t *length)
{
    const char *at = text->data, *end = at + text->length;
    for (; number > 0; number--)
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    *length = (size_t)((stop == NULL ? end : stop) - at);
    return at;
}

static void add_changed(ds_buffer *to, const char *line, size_t length, ds_random *random)
{
    json_t *object = json_loadb(line, length, 0, NULL);
    if (object == NULL) {
        ds_buffer_append(to, line, length);
        return;
    }
    for (uint32_t times = 1 + pick(random, 2); times > 0; times--)
        change_line(object, random);
    char *changed = json_dumps(object, JSON_COMPACT);
    ds_buffer_append_text(to, changed);
    free(changed);
    json_decref(object);
}

/* A line is changed, left out, or another one is put before it. */
static void change_lines(const ds_buffer *from, ds_buffer *to, ds_random *random)
{
    uint32_t n = 1;
    for (size_t i = 0; i < from->length; i++)
        n += from->data[i] == '\n';
    uint32_t which = pick(random, n), how = pick(random, 8);
    for (uint32_t i = 0; i < n; i++) {
        size_t length, other_length;
        const char *line = line_at(from, i, &length);
        const char *other = line_at(from, pick(random, n), &other_length);
        if (i == which && how == 0)
            continue;
        if (i == which && how <= 2) {
            add_changed(to, other, other_length, random);
            ds_buffer_append_char(to, '\n');
        }
        if (i == which && how > 2)
            add_changed(to, line, length, random);
        else
            ds_buffer_append(to, line, length);
        if (i + 1 < n)
            ds_buffer_append_char(to, '\n');
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    ds_random random;
    ds_random_init(&random, seed);
    if (size == 0 || pick(&random, 8) == 0)
        return LLVMFuzzerMutate(data, size, most);
    ds_buffer from = {0}, to = {0};
    ds_buffer_append(&from, (const char *)data, size);
    change_lines(&from, &to, &random);
    size_t length = to.length < most ? to.length : most;
    if (length > 0)
        memcpy(data, to.data, length);
    ds_buffer_fini(&from);
    ds_buffer_fini(&to);
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ds_plan *plan = plan_of_app();
    ds_buffer text = {0};
    const char *at = (const char *)data, *end = at + size;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        add_line(&text, at, (size_t)((stop == NULL ? end : stop) - at));
        at = stop == NULL ? end : stop + 1;
    }
    look_at(&text);
    ds_recovered *recovered = NULL;
    ds_error error;
    if (text.length > 0 &&
        ds_journal_read("1.jsonl", text.data, text.length, plan, &recovered, &error) == DS_OK &&
        ds_recovered_check(recovered, plan, "s", &error) == DS_OK)
        go_on(plan, recovered);
    ds_recovered_free(recovered);
    ds_buffer_fini(&text);
    return 0;
}
