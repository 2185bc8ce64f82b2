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
    pthread_mutex_t lock; /* guards line */
    char line[512];
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
    put("\r\033[K");
}

static void draw(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&state.lock);
    put(state.line);
    pthread_mutex_unlock(&state.lock);
}

void ds_progress_begin(ds_progress_mode mode)
{
    state.mode = mode;
    state.terminal = mode == DS_PROGRESS_AUTO && isatty(STDERR_FILENO);
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
            time, p->rows_in, p->rows_out, p->bad_total, (double)p->processing_us / 1000,
            (double)p->delay_us / 1000, p->batches_waiting, p->executors,
            (double)p->memory_bytes / (1 << 20));
}

static void show_json(const ds_progress *p)
{
    ds_buffer out = {0};
    char time[DS_TIMESTAMP_TEXT + 1];
    write_time(time, p->batch_ms);
    ds_buffer_printf(&out,
                     "{\"batch_time\":\"%s\",\"processing_us\":%" PRId64 ",\"delay_us\":%" PRId64
                     ",\"batches\":%" PRIu64 ",\"failed_batches\":%" PRIu64 ",\"rows_in\":%" PRIu64
                     ",\"bytes_in\":%" PRIu64 ",\"rows_out\":%" PRIu64,
                     time, p->processing_us, p->delay_us, p->batches, p->failed_batches, p->rows_in,
                     p->bytes_in, p->rows_out);
    ds_buffer_printf(&out, ",\"bad_records\":%" PRIu64 ",\"bad\":{", p->bad_total);
    for (int i = 0; i < DS_BAD_REASONS; i++)
        ds_buffer_printf(&out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "",
                         ds_bad_reason_name((ds_bad_reason)i), p->bad[i]);
    ds_buffer_printf(&out,
                     "},\"replaced_characters\":%" PRIu64 ",\"overflow_rows\":%" PRIu64
                     ",\"overflow_values\":%" PRIu64 ",\"tasks\":%" PRIu64 ",\"retries\":%" PRIu64,
                     p->replaced, p->overflow_rows, p->overflow_values, p->tasks, p->retries);
    ds_buffer_printf(&out,
                     ",\"executors\":%u,\"executors_lost\":%" PRIu64 ",\"panes_lost\":%" PRIu64
                     ",\"batches_waiting\":%u,\"blocks_waiting\":%" PRIu64
                     ",\"driver_bytes\":%" PRIu64 ",\"memory_bytes\":%" PRIu64 "}\n",
                     p->executors, p->executors_lost, p->panes_lost, p->batches_waiting,
                     p->blocks_waiting, p->driver_bytes, p->memory_bytes);
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

void ds_progress_end(void)
{
    if (!state.terminal)
        return;
    ds_log_set_hook(NULL, NULL, NULL);
    erase(NULL);
}
