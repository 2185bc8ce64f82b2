#include "cli/progress.h"

#include "base/clock.h"
#include "base/log.h"
#include "columnar/digits.h"
#include "columnar/format.h"
#include "columnar/text.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_BYTES ((size_t)1 << 10) /* as most have */

static const char *const mode_names[] = {"auto", "plain", "json", "none"};

/* The log calls the hooks with its own lock held, so a line is never in the status line's way. */
static struct {
    ds_progress_mode mode;
    bool terminal;
    bool shared;          /* the rows go to a terminal too */
    pthread_mutex_t lock; /* guards line and paused */
    char line[512];
    bool paused; /* rows are being written: the line is neither drawn nor erased */
    int64_t shown_us, last_us;
    uint64_t last_rows;
    double rows_per_second;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool ds_progress_mode_parse(const char *name, ds_progress_mode *mode)
{
    for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++) {
        if (strcmp(name, mode_names[i]) == 0) {
            *mode = (ds_progress_mode)i;
            return true;
        }
    }
    return false;
}

static void put(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; /* nobody listens: there is no better place to say so */
}

static void erase(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&state.lock);
    if (!state.paused)
        put("\r\033[K");
    pthread_mutex_unlock(&state.lock);
}

static void draw(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&state.lock);
    if (!state.paused)
        put(state.line);
    pthread_mutex_unlock(&state.lock);
}

/* The line goes away and comes back in one step with its state, so nobody draws in between. */
static void set_paused(bool paused)
{
    if (!state.shared)
        return;
    pthread_mutex_lock(&state.lock);
    state.paused = paused;
    put(paused ? "\r\033[K" : state.line);
    pthread_mutex_unlock(&state.lock);
}

void ds_progress_pause(void)
{
    set_paused(true);
}

void ds_progress_resume(void)
{
    set_paused(false);
}

void ds_progress_begin(ds_progress_mode mode)
{
    state.mode = mode;
    state.terminal = mode == DS_PROGRESS_AUTO && isatty(STDERR_FILENO);
    state.shared = state.terminal && isatty(STDOUT_FILENO);
    if (state.terminal)
        ds_log_set_hook(erase, draw, NULL);
}

static void note_rate(const ds_progress *p)
{
    int64_t now_us = ds_clock_mono_us();
    if (state.last_us != 0 && now_us - state.last_us < 200000)
        return;
    if (state.last_us != 0)
        state.rows_per_second =
            (double)(p->rows_in - state.last_rows) * 1e6 / (double)(now_us - state.last_us);
    state.last_us = now_us;
    state.last_rows = p->rows_in;
}

static void write_time(char *text, int64_t ms)
{
    text[ds_format_timestamp(ms * 1000, text)] = '\0';
}

static void show_status_line(const ds_progress *p)
{
    int64_t now_us = ds_clock_mono_us();
    if (now_us - state.shown_us < 100000)
        return;
    state.shown_us = now_us;
    struct winsize size = {.ws_col = 80};
    ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
    char time[DS_TIMESTAMP_TEXT + 1];
    write_time(time, p->batch_ms);
    pthread_mutex_lock(&state.lock);
    snprintf(state.line, sizeof state.line,
             "%s  %.0f rows/s  delay %.1f ms  bad %" PRIu64 "  memory %.0f MiB  executors %u", time,
             state.rows_per_second, (double)p->delay_us / 1000, p->bad_total,
             (double)p->memory_bytes / (1 << 20), p->executors);
    if (size.ws_col > 1 && strlen(state.line) >= size.ws_col)
        state.line[size.ws_col - 1] = '\0';
    pthread_mutex_unlock(&state.lock);
    erase(NULL);
    draw(NULL);
}

static void show_plain(const ds_progress *p)
{
    char time[DS_TIMESTAMP_TEXT + 1];
    write_time(time, p->batch_ms);
    fprintf(stderr,
            "batch %s: rows in %" PRIu64 ", rows out %" PRIu64 ", bad %" PRIu64
            ", processing %.3f ms, delay %.3f ms, waiting %u, executors %u, memory %.1f MiB\n",
            time, p->batch_rows_in, p->batch_rows_out, p->bad_total,
            (double)p->processing_us / 1000, (double)p->delay_us / 1000, p->batches_waiting,
            p->executors, (double)p->memory_bytes / (1 << 20));
}

/* A line is written with every batch: by hand, as formats would be a third of what an empty batch
 * costs the driver. */
static void put_name(ds_buffer *out, const char *name)
{
    ds_buffer_append(out, ",\"", 2);
    ds_buffer_append_text(out, name);
    ds_buffer_append(out, "\":", 2);
}

static void put_count(ds_buffer *out, const char *name, uint64_t count)
{
    char digits[24];
    put_name(out, name);
    ds_buffer_append(out, digits, ds_digits_write(count, digits));
}

static void put_int(ds_buffer *out, const char *name, int64_t value)
{
    char text[24];
    put_name(out, name);
    ds_buffer_append(out, text, ds_format_int(value, text));
}

static void put_bad(ds_buffer *out, const uint64_t *bad)
{
    put_name(out, "bad");
    size_t begin = out->length;
    for (int i = 0; i < DS_BAD_REASONS; i++)
        put_count(out, ds_bad_reason_name((ds_bad_reason)i), bad[i]);
    out->data[begin] = '{'; /* where the first comma is */
    ds_buffer_append_char(out, '}');
}

static void put_source(ds_buffer *out, const ds_source_counts *counts)
{
    ds_json_string(out, counts->name, strlen(counts->name));
    ds_buffer_append_char(out, ':');
    size_t begin = out->length;
    put_count(out, "rows", counts->rows);
    put_count(out, "bytes", counts->bytes);
    put_bad(out, counts->bad);
    put_count(out, "replaced_characters", counts->replaced);
    put_count(out, "cut_short_records", counts->cut_short);
    if (counts->rate > 0)
        put_count(out, "rate", counts->rate);
    if (counts->table_version > 0) {
        put_count(out, "table_version", counts->table_version);
        put_count(out, "table_failures", counts->table_failures);
    }
    if (counts->follows) {
        put_count(out, "files", counts->files);
        put_count(out, "bytes_behind", counts->bytes_behind);
        put_count(out, "begun_again", counts->begun_again);
        put_count(out, "bytes_lost", counts->lost_bytes);
    }
    out->data[begin] = '{';
    ds_buffer_append_char(out, '}');
}

static void put_sources(ds_buffer *out, const ds_progress *p)
{
    put_name(out, "sources");
    ds_buffer_append_char(out, '{');
    for (uint32_t i = 0; i < p->n_sources; i++) {
        if (i > 0)
            ds_buffer_append_char(out, ',');
        put_source(out, &p->sources[i]);
    }
    ds_buffer_append_char(out, '}');
}

/* All sources together. */
static ds_source_counts totals(const ds_progress *p)
{
    ds_source_counts all = {0};
    for (uint32_t i = 0; i < p->n_sources; i++) {
        for (int r = 0; r < DS_BAD_REASONS; r++)
            all.bad[r] += p->sources[i].bad[r];
        all.replaced += p->sources[i].replaced;
    }
    return all;
}

static void put_batch(ds_buffer *out, const ds_progress *p)
{
    char time[DS_TIMESTAMP_TEXT + 1];
    write_time(time, p->batch_ms);
    ds_buffer_append_text(out, "{\"batch_time\":\"");
    ds_buffer_append_text(out, time);
    ds_buffer_append_char(out, '"');
    put_count(out, "batch_rows_in", p->batch_rows_in);
    put_count(out, "batch_rows_out", p->batch_rows_out);
    put_int(out, "processing_us", p->processing_us);
    put_int(out, "delay_us", p->delay_us);
    put_count(out, "batches", p->batches);
    put_count(out, "failed_batches", p->failed_batches);
    put_count(out, "rows_in", p->rows_in);
    put_count(out, "bytes_in", p->bytes_in);
    put_count(out, "rows_out", p->rows_out);
    put_count(out, "bad_records", p->bad_total);
}

static void put_run(ds_buffer *out, const ds_progress *p)
{
    put_count(out, "overflow_rows", p->overflow_rows);
    put_count(out, "overflow_values", p->overflow_values);
    put_count(out, "function_rows", p->function_rows);
    put_count(out, "function_values", p->function_values);
    put_count(out, "dead_letters", p->dead_letters);
    put_count(out, "tasks", p->tasks);
    put_count(out, "retries", p->retries);
    put_count(out, "copies", p->copies);
    put_count(out, "executors", p->executors);
    put_count(out, "executors_lost", p->executors_lost);
    put_count(out, "panes_lost", p->panes_lost);
    put_count(out, "blocks_lost", p->blocks_lost);
    put_count(out, "records_lost", p->records_lost);
    put_count(out, "bytes_lost", p->bytes_lost);
    put_count(out, "batches_waiting", p->batches_waiting);
    put_int(out, "behind_ms", p->behind_ms);
    put_count(out, "blocks_waiting", p->blocks_waiting);
    put_count(out, "driver_bytes", p->driver_bytes);
    put_count(out, "memory_bytes", p->memory_bytes);
    put_count(out, "spilled_bytes", p->spilled_bytes);
}

static void show_json(const ds_progress *p)
{
    const ds_source_counts all = totals(p);
    ds_buffer out = {0};
    ds_buffer_reserve(&out, LINE_BYTES);
    put_batch(&out, p);
    put_bad(&out, all.bad);
    put_count(&out, "replaced_characters", all.replaced);
    put_sources(&out, p);
    put_run(&out, p);
    ds_buffer_append_text(&out, "}\n");
    put(ds_buffer_text(&out));
    ds_buffer_fini(&out);
}

void ds_progress_show(const ds_progress *progress)
{
    note_rate(progress);
    if (state.terminal)
        show_status_line(progress);
    else if (state.mode == DS_PROGRESS_PLAIN)
        show_plain(progress);
    else if (state.mode == DS_PROGRESS_JSON)
        show_json(progress);
}

static void summarize_source(const ds_source_counts *counts)
{
    ds_buffer text = {0};
    ds_buffer_printf(&text, "source %s: %" PRIu64 " records", counts->name, counts->rows);
    const char *before = "; bad: ";
    for (int i = 0; i < DS_BAD_REASONS; i++) {
        if (counts->bad[i] == 0)
            continue;
        ds_buffer_printf(&text, "%s%" PRIu64 " %s", before, counts->bad[i],
                         ds_bad_reason_name((ds_bad_reason)i));
        before = ", ";
    }
    if (counts->replaced > 0)
        ds_buffer_printf(&text, "; %" PRIu64 " characters replaced", counts->replaced);
    ds_log_info("%s", ds_buffer_text(&text));
    ds_buffer_fini(&text);
    if (counts->lost_bytes > 0)
        ds_log_error("source %s: %" PRIu64 " bytes were gone before they were read", counts->name,
                     counts->lost_bytes);
}

static void summarize_losses(const ds_progress *p)
{
    static const char *const causes[DS_LOSS_CAUSES] = {
        [DS_LOST_WITH_EXECUTORS] = "were lost with executors",
        [DS_LOST_DAMAGED] = "were lost: they are damaged in the log",
        [DS_LOST_MISSING] = "were lost: they are gone from the log",
        [DS_LOST_UNLOGGED] = "were lost with the driver before: they were in no log",
    };
    for (int i = 0; i < DS_LOSS_CAUSES; i++)
        if (p->lost[i].blocks > 0)
            ds_log_error("%s%" PRIu64 " received records (%" PRIu64 " blocks, %" PRIu64
                         " bytes) %s",
                         p->unknown_lost[i] > 0 ? "at least " : "", p->lost[i].records,
                         p->lost[i].blocks, p->lost[i].bytes, causes[i]);
}

void ds_progress_summary(const ds_progress *p)
{
    for (uint32_t i = 0; i < p->n_sources; i++)
        summarize_source(&p->sources[i]);
    if (p->function_rows + p->function_values > 0)
        ds_log_info("functions failed: %" PRIu64 " rows dropped, %" PRIu64 " values null",
                    p->function_rows, p->function_values);
    summarize_losses(p);
    if (p->dead_letters > 0)
        ds_log_info("%" PRIu64 " dead letters", p->dead_letters);
    ds_log_info("%" PRIu64 " batches, %" PRIu64 " rows out", p->batches, p->rows_out);
}

void ds_progress_end(void)
{
    if (!state.terminal)
        return;
    ds_log_set_hook(NULL, NULL, NULL);
    erase(NULL);
}
