#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t ds_clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t ds_clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t ds_clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t ds_clock_thread_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static const char *write_time(int64_t ms, bool always, char text[DS_CLOCK_TEXT])
{
    int64_t rest = (ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t length = strftime(text, DS_CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest != 0 || always)
        snprintf(text + length, DS_CLOCK_TEXT - length, ".%03dZ", (int)rest);
    else
        snprintf(text + length, DS_CLOCK_TEXT - length, "Z");
    return text;
}

const char *ds_clock_text(int64_t ms, char text[DS_CLOCK_TEXT])
{
    return write_time(ms, false, text);
}

const char *ds_clock_stamp(int64_t ms, char text[DS_CLOCK_TEXT])
{
    return write_time(ms, true, text);
}
