/*
 * Logging to standard error, as text or as one JSON object a line.
 *
 * Thread-safe: a line is one write. A status line of the terminal (progress) is erased before
 * a log line and drawn again after it by the hook.
 */
#ifndef DS_BASE_LOG_H
#define DS_BASE_LOG_H

#include <stdbool.h>

typedef enum ds_log_level {
    DS_LOG_DEBUG,
    DS_LOG_INFO,
    DS_LOG_WARN,
    DS_LOG_ERROR,
    DS_LOG_OFF
} ds_log_level;

/* Sets what is shown; before other threads start. who: "driver", "executor 3" (borrowed). */
void ds_log_setup(ds_log_level level, bool json, const char *who);

/* Another name for the lines of this thread (borrowed until the next; NULL: none). */
void ds_log_name_thread(const char *who);

/* "debug", "info", "warn", "error", "off". False if it is none. */
bool ds_log_level_parse(const char *name, ds_log_level *level);

/* Writes one line: time, level, who and a printf-style message (newlines escaped). */
void ds_log(ds_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Called around each line while it is written (borrowed; NULL: none). */
void ds_log_set_hook(void (*before)(void *), void (*after)(void *), void *arg);

#define ds_log_debug(...) ds_log(DS_LOG_DEBUG, __VA_ARGS__)
#define ds_log_info(...) ds_log(DS_LOG_INFO, __VA_ARGS__)
#define ds_log_warn(...) ds_log(DS_LOG_WARN, __VA_ARGS__)
#define ds_log_error(...) ds_log(DS_LOG_ERROR, __VA_ARGS__)

#endif
