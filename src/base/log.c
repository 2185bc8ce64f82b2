/*
 * The settings are written once, before threads start, and only read afterwards. A mutex
 * keeps the hook's erase, the line and the hook's redraw together.
 */
#include "base/log.h"

#include "base/buffer.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

static struct {
    ds_log_level level;
    bool json;
    const char *who;
    void (*before)(void *);
    void (*after)(void *);
    void *hook_arg;
    pthread_mutex_t lock;
} config = {.level = DS_LOG_INFO, .who = "dstream", .lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local const char *who_here; /* NULL: who everybody is */

void ds_log_name_thread(const char *who)
{
    who_here = who;
}

void ds_log_setup(ds_log_level level, bool json, const char *who)
{
    config.level = level;
    config.json = json;
    config.who = who;
}

bool ds_log_level_parse(const char *name, ds_log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (ds_log_level)i;
            return true;
        }
    }
    return false;
}

void ds_log_set_hook(void (*before)(void *), void (*after)(void *), void *arg)
{
    pthread_mutex_lock(&config.lock);
    config.before = before;
    config.after = after;
    config.hook_arg = arg;
    pthread_mutex_unlock(&config.lock);
}

/* The bytes of the UTF-8 character at p, or of what is left of one: *whole tells which. */
static size_t character(const unsigned char *p, bool *whole)
{
    size_t width = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (p[0] > 0xF4)
        width = 0;
    *whole = false;
    for (size_t i = 1; i < width; i++) {
        unsigned char least = 0x80, most = 0xBF;
        if (i == 1) { /* no long forms, no surrogates, nothing beyond U+10FFFF */
            least = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : least;
            most = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : most;
        }
        if (p[i] < least || p[i] > most)
            return i;
    }
    *whole = width > 0;
    return width > 0 ? width : 1;
}

/* Appends text with control characters (and, for JSON, quotes) escaped, and what is no UTF-8
 * replaced: one event, one line. */
static void append_escaped(ds_buffer *line, const char *text, bool json)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        bool whole;
        size_t width = character(p, &whole);
        if (!whole)
            ds_buffer_append_text(line, "\xEF\xBF\xBD");
        else if (width > 1)
            ds_buffer_append(line, p, width);
        else if (*p == '\n' && !json)
            ds_buffer_append_text(line, p[1] == '\0' ? "" : "\n    ");
        else if (json && (*p == '"' || *p == '\\'))
            ds_buffer_printf(line, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            ds_buffer_printf(line, json ? "\\u%04x" : "\\x%02x", *p);
        else
            ds_buffer_append_char(line, (char)*p);
        p += width;
    }
}

static void append_time(ds_buffer *line)
{
    char text[DS_CLOCK_TEXT];
    ds_buffer_append_text(line, ds_clock_stamp(ds_clock_wall_ms(), text));
}

static void write_all(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(STDERR_FILENO, bytes, length);
        if (n <= 0)
            return; /* nobody listens: there is no better place to say so */
        bytes += n;
        length -= (size_t)n;
    }
}

void ds_log(ds_log_level level, const char *format, ...)
{
    if (level < config.level)
        return;
    ds_buffer text = {0}, line = {0};
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    vsnprintf(ds_buffer_reserve(&text, (size_t)n + 1), (size_t)n + 1, format, again);
    va_end(again);
    if (config.json)
        ds_buffer_append_text(&line, "{\"time\":\"");
    append_time(&line);
    ds_buffer_printf(
        &line, config.json ? "\",\"level\":\"%s\",\"process\":\"%s\",\"message\":\"" : " %-5s %s: ",
        level_names[level], who_here != NULL ? who_here : config.who);
    append_escaped(&line, text.data, config.json);
    ds_buffer_append_text(&line, config.json ? "\"}\n" : "\n");

    pthread_mutex_lock(&config.lock);
    if (config.before != NULL)
        config.before(config.hook_arg);
    write_all(line.data, line.length);
    if (config.after != NULL)
        config.after(config.hook_arg);
    pthread_mutex_unlock(&config.lock);
    ds_buffer_fini(&text);
    ds_buffer_fini(&line);
}
