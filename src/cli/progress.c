#include "cli/progress.h"

#include "base/clock.h"
#include "base/log.h"
#include "columnar/format.h"
#include "columnar/text.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

static void put_bad(ds_buffer *out, const uint64_t *bad)
{
    ds_buffer_append_text(out, "\"bad\":{");
    for (int i = 0; i < DS_BAD_REASONS; i++)
        ds_buffer_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "",
                         ds_bad_reason_name((ds_bad_reason)i), bad[i]);
    ds_buffer_append_char(out, '}');
}

static void put_source(ds_buffer *out, const ds_source_counts *counts)
{
    ds_json_string(out, counts->name, strlen(counts->name));
    ds_buffer_printf(out, ":{\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",", counts->rows,
                     counts->bytes);
    put_bad(out, counts->bad);
    ds_buffer_printf(out, ",\"replaced_characters\":%" PRIu64 ",\"cut_short_records\":%" PRIu64,
                     counts->replaced, counts->cut_short);
    if (counts->rate > 0)
        ds_buffer_printf(out, ",\"rate\":%" PRIu64, counts->rate);
    if (counts->table_version > 0)
        ds_buffer_printf(out, ",\"table_version\":%" PRIu64 ",\"table_failures\":%" PRIu64,
                         counts->table_version, counts->table_failures);
    if (counts->follows)
        ds_buffer_printf(out,
                         ",\"files\":%u,\"bytes_behind\":%" PRIu64 ",\"begun_again\":%" PRIu64
                         ",\"bytes_lost\":%" PRIu64,
                         counts->files, counts->bytes_behind, counts->begun_again,
                         counts->lost_bytes);
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

static void show_json(const ds_progress *p)
{
    ds_buffer out = {0};
    char time[DS_TIMESTAMP_TEXT + 1];
    write_time(time, p->batch_ms);
    ds_buffer_printf(
        &out,
        "{\"batch_time\":\"%s\",\"batch_rows_in\":%" PRIu64 ",\"batch_rows_out\":%" PRIu64
        ",\"processing_us\":%" PRId64 ",\"delay_us\":%" PRId64 ",\"batches\":%" PRIu64
        ",\"failed_batches\":%" PRIu64 ",\"rows_in\":%" PRIu64 ",\"bytes_in\":%" PRIu64
        ",\"rows_out\":%" PRIu64 ",\"bad_records\":%" PRIu64 ",",
        time, p->batch_rows_in, p->batch_rows_out, p->processing_us, p->delay_us, p->batches,
        p->failed_batches, p->rows_in, p->bytes_in, p->rows_out, p->bad_total);
    ds_source_counts all = totals(p);
    put_bad(&out, all.bad);
    ds_buffer_printf(&out, ",\"replaced_characters\":%" PRIu64 ",\"sources\":{", all.replaced);
    for (uint32_t i = 0; i < p->n_sources; i++) {
        if (i > 0)
            ds_buffer_append_char(&out, ',');
        put_source(&out, &p->sources[i]);
    }
    ds_buffer_printf(
        &out,
        "},\"overflow_rows\":%" PRIu64 ",\"overflow_values\":%" PRIu64 ",\"function_rows\":%" PRIu64
        ",\"function_values\":%" PRIu64 ",\"dead_letters\":%" PRIu64 ",\"tasks\":%" PRIu64
        ",\"retries\":%" PRIu64 ",\"copies\":%" PRIu64 ",\"executors\":%u"
        ",\"executors_lost\":%" PRIu64 ",\"panes_lost\":%" PRIu64 ",\"blocks_lost\":%" PRIu64
        ",\"records_lost\":%" PRIu64 ",\"bytes_lost\":%" PRIu64
        ",\"batches_waiting\":%u,\"behind_ms\":%" PRId64 ",\"blocks_waiting\":%" PRIu64
        ",\"driver_bytes\":%" PRIu64 ",\"memory_bytes\":%" PRIu64 ",\"spilled_bytes\":%" PRIu64
        "}\n",
        p->overflow_rows, p->overflow_values, p->function_rows, p->function_values, p->dead_letters,
        p->tasks, p->retries, p->copies, p->executors, p->executors_lost, p->panes_lost,
        p->blocks_lost, p->records_lost, p->bytes_lost, p->batches_waiting, p->behind_ms,
        p->blocks_waiting, p->driver_bytes, p->memory_bytes, p->spilled_bytes);
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
