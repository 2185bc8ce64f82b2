#include "cli/metrics.h"

#include "columnar/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXECUTORS_MOST 1024u

/* ---- the format ---- */

static void head(ds_buffer *out, const char *name, const char *type, const char *help)
{
    ds_buffer_printf(out, "# HELP dstream_%s %s\n# TYPE dstream_%s %s\n", name, help, name, type);
}

/* Begins a line: the name with up to two labels. */
static void name_of(ds_buffer *out, const char *name, const char *label, const char *value)
{
    ds_buffer_printf(out, "dstream_%s", name);
    if (label == NULL)
        return;
    ds_buffer_printf(out, "{%s=\"", label);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\\' || *c == '"')
            ds_buffer_append_char(out, '\\');
        if (*c == '\n')
            ds_buffer_append_text(out, "\\n");
        else
            ds_buffer_append_char(out, *c);
    }
    ds_buffer_append_char(out, '"');
}

static void end_count(ds_buffer *out, bool labels, uint64_t value)
{
    ds_buffer_printf(out, "%s %" PRIu64 "\n", labels ? "}" : "", value);
}

static void end_seconds(ds_buffer *out, bool labels, int64_t us)
{
    ds_buffer_printf(out, "%s %" PRId64 ".%06d\n", labels ? "}" : "", us / 1000000,
                     (int)(us % 1000000));
}

static void count(ds_buffer *out, const char *name, const char *type, const char *help,
                  uint64_t value)
{
    head(out, name, type, help);
    name_of(out, name, NULL, NULL);
    end_count(out, false, value);
}

static void seconds(ds_buffer *out, const char *name, const char *type, const char *help,
                    int64_t us)
{
    head(out, name, type, help);
    name_of(out, name, NULL, NULL);
    end_seconds(out, false, us > 0 ? us : 0);
}

static void histogram(ds_buffer *out, const char *name, const char *help, const ds_histogram *h)
{
    uint64_t n = 0;
    head(out, name, "histogram", help);
    for (uint32_t i = 0; i < DS_HISTOGRAM_BOUNDS; i++) {
        n += h->counts[i];
        ds_buffer_printf(out, "dstream_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                         (double)ds_histogram_bounds_us[i] / 1e6, n);
    }
    ds_buffer_printf(out, "dstream_%s_bucket{le=\"+Inf\"} %" PRIu64 "\ndstream_%s_sum", name, h->n,
                     name);
    end_seconds(out, false, h->sum_us);
    ds_buffer_printf(out, "dstream_%s_count %" PRIu64 "\n", name, h->n);
}

/* ---- the whole app ---- */

typedef struct figure {
    const char *name, *type, *help;
    size_t offset; /* of an uint64_t */
} figure;

#define COUNTER(name, field, help)                                                                 \
    {                                                                                              \
        name "_total", "counter", help, offsetof(ds_progress, field)                               \
    }
#define GAUGE(name, field, help)                                                                   \
    {                                                                                              \
        name, "gauge", help, offsetof(ds_progress, field)                                          \
    }

static const figure app_figures[] = {
    COUNTER("batches", batches, "Batches that were committed."),
    COUNTER("batches_failed", failed_batches, "Batches that were given up."),
    COUNTER("batches_behind_reports", behind_reports, "How often it was logged that batches wait."),
    COUNTER("receiver_stops", refused,
            "How often a receiver found no room, and stopped reading for a while."),
    COUNTER("rows_in", rows_in, "Records that were read from sources, but for bad ones."),
    COUNTER("bytes_in", bytes_in, "Bytes that were read."),
    COUNTER("rows_out", rows_out, "Rows that were given to sinks."),
    COUNTER("overflow_rows", overflow_rows, "Rows that were dropped for an overflow."),
    COUNTER("overflow_values", overflow_values, "Values that became null for an overflow."),
    COUNTER("function_rows", function_rows, "Rows dropped as a function of the user's failed."),
    COUNTER("function_values", function_values, "Values that became null for the same reason."),
    COUNTER("dead_letters", dead_letters, "Dead letters that were written."),
    COUNTER("tasks", tasks, "Attempts of tasks that were handed out."),
    COUNTER("task_retries", retries, "Tasks that ran again."),
    COUNTER("spilled_bytes", spilled_bytes, "Bytes written to disk for want of memory."),
    COUNTER("executors_lost", executors_lost, "Executors that were lost."),
    COUNTER("panes_lost", panes_lost, "Key partitions whose windows or state were lost."),
    COUNTER("saves", saves, "Saves of windows and state that were finished."),
    COUNTER("saved_bytes", saved_bytes, "Bytes of them."),
    COUNTER("blocks_lost", blocks_lost, "Received blocks that were lost."),
    COUNTER("records_lost", records_lost, "Records of them."),
    COUNTER("bytes_lost", bytes_lost, "Bytes of them, and of files gone before they were read."),
    COUNTER("blocks_replicated", blocks_replicated,
            "Received blocks that were copied to a second executor."),
    COUNTER("records_replicated", records_replicated, "Records of them."),
    COUNTER("blocks_single", blocks_single,
            "Received blocks that one process held, where their source wants two."),
    COUNTER("console_bytes", driver_bytes, "Bytes of rows that passed through the driver."),
    GAUGE("blocks_waiting", blocks_waiting, "Received blocks that are in no batch yet."),
    GAUGE("executors_memory_bytes", memory_bytes, "Memory that executors use, stores included."),
};

static uint64_t at(const void *from, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)from + offset, sizeof value);
    return value;
}

static void put_app(ds_buffer *out, const ds_progress *p)
{
    for (size_t i = 0; i < sizeof app_figures / sizeof *app_figures; i++)
        count(out, app_figures[i].name, app_figures[i].type, app_figures[i].help,
              at(p, app_figures[i].offset));
}

static void put_batches(ds_buffer *out, const ds_progress *p, const ds_driver_health *health)
{
    histogram(out, "batch_processing_seconds", "From the start of a batch to its commit.",
              &p->processing);
    histogram(out, "batch_scheduling_delay_seconds", "From when a batch is due to its start.",
              &p->scheduling);
    histogram(out, "batch_delay_seconds", "From the time of a batch to its commit.", &p->delay);
    seconds(out, "batch_processing_last_seconds", "gauge", "The same of the newest batch.",
            p->processing.last_us);
    seconds(out, "batch_scheduling_delay_last_seconds", "gauge", "The same of the newest batch.",
            p->scheduling.last_us);
    seconds(out, "batch_delay_last_seconds", "gauge", "The same of the newest batch.",
            p->delay.last_us);
    seconds(out, "batch_last_time_seconds", "gauge",
            "The time of the newest committed batch, since 1970.", p->batch_ms * 1000);
    count(out, "batches_waiting", "gauge", "Batches that wait or are under way.", health->batches);
    seconds(out, "behind_seconds", "gauge",
            "Since the time of the oldest batch that is due and not committed.",
            health->behind_ms * 1000);
    count(out, "executors", "gauge", "Executors that are ready.", health->executors);
    count(out, "batches_retained", "gauge", "Committed batches that may have to run again.",
          p->retained);
    histogram(out, "save_seconds", "How long a save of windows and state took.", &p->saving);
    count(out, "ready", "gauge", "1 if /ready says so.", ds_metrics_ready(health));
}

/* ---- sources, streams, sinks ---- */

typedef struct source_figure {
    const char *name, *type, *help;
    size_t offset;
    bool (*has)(const ds_app_source *source, const ds_source_counts *counts);
} source_figure;

static bool any_source(const ds_app_source *source, const ds_source_counts *counts)
{
    (void)source;
    (void)counts;
    return true;
}

static bool receives(const ds_app_source *source, const ds_source_counts *counts)
{
    (void)counts;
    return source->type == DS_SOURCE_SOCKET || source->type == DS_SOURCE_STDIN;
}

static bool has_rate(const ds_app_source *source, const ds_source_counts *counts)
{
    (void)source;
    return counts->rate > 0;
}

static bool follows(const ds_app_source *source, const ds_source_counts *counts)
{
    (void)source;
    return counts->follows;
}

static bool is_table(const ds_app_source *source, const ds_source_counts *counts)
{
    (void)counts;
    return source->type == DS_SOURCE_TABLE;
}

#define OF_SOURCE(name, type, field, has, help)                                                    \
    {                                                                                              \
        "source_" name, type, help, offsetof(ds_source_counts, field), has                         \
    }

static const source_figure source_figures[] = {
    OF_SOURCE("rows_total", "counter", rows, any_source,
              "Records that were read, but for bad ones."),
    OF_SOURCE("bytes_total", "counter", bytes, any_source, "Bytes that were read."),
    OF_SOURCE("replaced_characters_total", "counter", replaced, any_source,
              "Characters that became U+FFFD."),
    OF_SOURCE("cut_short_records_total", "counter", cut_short, receives,
              "Records that a peer left unfinished."),
    OF_SOURCE("lost_bytes_total", "counter", lost_bytes, follows,
              "Bytes of files that were gone before they were read."),
    OF_SOURCE("begun_again_total", "counter", begun_again, follows,
              "Files that were cut off or written anew."),
    OF_SOURCE("bytes_behind", "gauge", bytes_behind, follows,
              "Bytes that were found and are in no batch yet."),
    OF_SOURCE("table_version", "gauge", table_version, is_table,
              "The newest version of the table."),
    OF_SOURCE("table_failures_total", "counter", table_failures, is_table,
              "Looks at the file of the table that failed."),
    OF_SOURCE("rate_limit", "gauge", rate, has_rate,
              "Records a second that it may give now, if that is limited."),
};

static void put_bad(ds_buffer *out, const ds_progress *p)
{
    static const char name[] = "source_bad_records_total";
    head(out, name, "counter", "Bad records, by reason.");
    for (uint32_t i = 0; i < p->n_sources; i++)
        for (int r = 0; r < DS_BAD_REASONS; r++) {
            name_of(out, name, "source", p->sources[i].name);
            ds_buffer_printf(out, ",reason=\"%s\"", ds_bad_reason_name((ds_bad_reason)r));
            end_count(out, true, p->sources[i].bad[r]);
        }
}

/* A metric without a value is left out. */
static void put_source_figure(ds_buffer *out, const ds_plan *plan, const ds_progress *p,
                              const source_figure *f)
{
    bool begun = false;
    for (uint32_t i = 0; i < p->n_sources; i++) {
        if (!f->has(&plan->app->sources[i], &p->sources[i]))
            continue;
        if (!begun)
            head(out, f->name, f->type, f->help);
        begun = true;
        name_of(out, f->name, "source", p->sources[i].name);
        end_count(out, true, at(&p->sources[i], f->offset));
    }
}

static void put_files(ds_buffer *out, const ds_progress *p)
{
    bool begun = false;
    for (uint32_t i = 0; i < p->n_sources; i++) {
        if (!p->sources[i].follows)
            continue;
        if (!begun)
            head(out, "source_files", "gauge", "Files that are followed.");
        begun = true;
        name_of(out, "source_files", "source", p->sources[i].name);
        end_count(out, true, p->sources[i].files);
    }
}

static void put_sources(ds_buffer *out, const ds_plan *plan, const ds_progress *p)
{
    for (size_t i = 0; i < sizeof source_figures / sizeof *source_figures; i++)
        put_source_figure(out, plan, p, &source_figures[i]);
    put_bad(out, p);
    put_files(out, p);
}

static const figure sink_figures[] = {
    {"sink_rows_total", "counter", "Rows that are in place.", offsetof(ds_sink_counts, rows)},
    {"sink_bytes_total", "counter", "Bytes of them.", offsetof(ds_sink_counts, bytes)},
    {"sink_failures_total", "counter", "Commits that failed, of batches with rows for it.",
     offsetof(ds_sink_counts, failures)},
};

static void put_sinks(ds_buffer *out, const ds_progress *p)
{
    for (size_t f = 0; f < sizeof sink_figures / sizeof *sink_figures && p->n_sinks > 0; f++) {
        head(out, sink_figures[f].name, sink_figures[f].type, sink_figures[f].help);
        for (uint32_t i = 0; i < p->n_sinks; i++) {
            name_of(out, sink_figures[f].name, "sink", p->sinks[i].name);
            end_count(out, true, at(&p->sinks[i], sink_figures[f].offset));
        }
    }
}

static const figure stream_figures[] = {
    {"stream_tasks_total", "counter", "Tasks that were done for it.",
     offsetof(ds_stream_counts, tasks)},
    {"stream_task_failures_total", "counter", "Attempts of them that failed.",
     offsetof(ds_stream_counts, failures)},
    {"stream_shuffled_rows_total", "counter", "Rows or partial results brought together for it.",
     offsetof(ds_stream_counts, rows)},
};

static void put_streams(ds_buffer *out, const ds_progress *p)
{
    for (size_t f = 0; f < sizeof stream_figures / sizeof *stream_figures; f++) {
        head(out, stream_figures[f].name, stream_figures[f].type, stream_figures[f].help);
        for (uint32_t i = 0; i < p->n_streams; i++) {
            name_of(out, stream_figures[f].name, "stream", p->streams[i].name);
            end_count(out, true, at(&p->streams[i], stream_figures[f].offset));
        }
    }
    head(out, "stream_task_seconds_total", "counter", "Time that its tasks took.");
    for (uint32_t i = 0; i < p->n_streams; i++) {
        name_of(out, "stream_task_seconds_total", "stream", p->streams[i].name);
        end_seconds(out, true, (int64_t)p->streams[i].busy_us);
    }
}

/* ---- executors, the driver ---- */

static const figure executor_figures[] = {
    {"executor_memory_bytes", "gauge", "Memory that it uses, without its store.",
     offsetof(ds_executor_figures, memory_bytes)},
    {"executor_store_bytes", "gauge", "Bytes of its store that are used.",
     offsetof(ds_executor_figures, store_bytes)},
    {"executor_store_limit_bytes", "gauge", "Bytes of memory that its store may become.",
     offsetof(ds_executor_figures, store_limit_bytes)},
    {"executor_spill_limit_bytes", "gauge", "Bytes of disk behind it.",
     offsetof(ds_executor_figures, spill_limit_bytes)},
};

static void begin_executor(ds_buffer *out, const char *name, const ds_executor_figures *executor)
{
    char slot[16];
    snprintf(slot, sizeof slot, "%u", executor->slot);
    name_of(out, name, "executor", slot);
}

static void put_executors(ds_buffer *out, const ds_driver *driver)
{
    static ds_executor_figures list[EXECUTORS_MOST];
    uint32_t n = ds_driver_executors(driver, list, EXECUTORS_MOST);
    if (n == 0)
        return;
    for (size_t f = 0; f < sizeof executor_figures / sizeof *executor_figures; f++) {
        head(out, executor_figures[f].name, executor_figures[f].type, executor_figures[f].help);
        for (uint32_t i = 0; i < n; i++) {
            begin_executor(out, executor_figures[f].name, &list[i]);
            end_count(out, true, at(&list[i], executor_figures[f].offset));
        }
    }
    head(out, "executor_tasks", "gauge", "Tasks that it has now.");
    for (uint32_t i = 0; i < n; i++) {
        begin_executor(out, "executor_tasks", &list[i]);
        end_count(out, true, list[i].tasks);
    }
    head(out, "executor_partitions", "gauge", "Key partitions that live there.");
    for (uint32_t i = 0; i < n; i++) {
        begin_executor(out, "executor_partitions", &list[i]);
        end_count(out, true, list[i].partitions);
    }
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int64_t cpu_us(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return ((int64_t)used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
           used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static void put_driver(ds_buffer *out, const ds_plan *plan, const ds_loop_figures *loop)
{
    head(out, "info", "gauge", "1, with the app's name and the program's version.");
    name_of(out, "info", "app", plan->app->name);
    ds_buffer_printf(out, ",version=\"%s\"", DS_VERSION);
    end_count(out, true, 1);
    seconds(out, "start_time_seconds", "gauge", "When the driver started, since 1970.",
            loop->started_ms * 1000);
    seconds(out, "batch_interval_seconds", "gauge", "batch.interval.",
            plan->app->interval_ms * 1000);
    count(out, "memory_limit_bytes", "gauge", "limits.memory.", (uint64_t)plan->app->limits_memory);
    count(out, "executor_memory_limit_bytes", "gauge",
          "What each executor may use, with its store.", loop->executor_memory_bytes);
    count(out, "driver_memory_bytes", "gauge", "Memory of the driver (resident).",
          resident_bytes());
    seconds(out, "driver_cpu_seconds_total", "counter", "Processor time of the driver.", cpu_us());
    count(out, "driver_events_waiting", "gauge", "Events that wait for the control.",
          loop->mail_waiting);
    count(out, "driver_disk_jobs", "gauge", "Jobs that the disk thread has or that wait for it.",
          loop->disk_jobs);
    count(out, "driver_deletions", "gauge", "Files of no more use that are still to be deleted.",
          loop->deletions);
    count(out, "driver_heartbeats_dropped_total", "counter",
          "Heartbeats that were dropped as too many events waited.", loop->mail_dropped);
    count(out, "api_requests_total", "counter", "Requests over HTTP.", loop->requests);
    histogram(out, "commit_seconds", "How long the output of a batch took to be put in place.",
              &loop->commit);
    histogram(out, "journal_write_seconds",
              "How long a record of the checkpoint took to be written.", &loop->journal);
}

void ds_metrics_page(ds_buffer *out, const ds_plan *plan, const ds_driver *driver,
                     const ds_loop_figures *loop)
{
    const ds_progress *p = ds_driver_progress(driver);
    const ds_driver_health health = ds_driver_get_health(driver);
    put_driver(out, plan, loop);
    put_app(out, p);
    put_batches(out, p, &health);
    put_sources(out, plan, p);
    put_streams(out, p);
    put_sinks(out, p);
    put_executors(out, driver);
}

bool ds_metrics_ready(const ds_driver_health *health)
{
    return health->running && health->ran && health->executors > 0 && !health->behind;
}

void ds_metrics_health(ds_buffer *out, const ds_driver_health *health)
{
    ds_buffer_printf(out,
                     "{\"alive\":true,\"ready\":%s,\"running\":%s,\"executors\":%u,"
                     "\"batches_waiting\":%u,\"behind_ms\":%" PRId64 "}\n",
                     ds_metrics_ready(health) ? "true" : "false",
                     health->running ? "true" : "false", health->executors, health->batches,
                     health->behind_ms);
}
