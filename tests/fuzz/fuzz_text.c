/*
 * Outside bytes through everything that reads text: numbers, timestamps, UTF-8. What is read
 * must survive being written and read again, and what is repaired must be valid. Up to the first
 * NUL they are a format of time as well, and behind it what is read by it.
 */
#include "base/assert.h"
#include "columnar/text.h"
#include "columnar/time_format.h"

#include <math.h>

static void fuzz_numbers(const char *text, size_t length)
{
    int64_t integer;
    bool overflow, boolean;
    if (ds_parse_int(text, length, &integer, &overflow)) {
        char again[24];
        int64_t back;
        DS_ASSERT(ds_parse_int(again, ds_format_int(integer, again), &back, NULL));
        DS_ASSERT(back == integer);
    }
    double real;
    if (ds_parse_float(text, length, &real)) {
        DS_ASSERT(isfinite(real));
        char again[DS_FLOAT_TEXT];
        double back;
        DS_ASSERT(ds_parse_float(again, ds_format_float(real, again), &back));
        DS_ASSERT(memcmp(&back, &real, sizeof real) == 0);
    }
    (void)ds_parse_bool(text, length, &boolean);
}

static void fuzz_time(const char *text, size_t length)
{
    int64_t us, back;
    if (!ds_parse_timestamp(text, length, &us))
        return;
    DS_ASSERT(us >= DS_TIMESTAMP_MIN && us <= DS_TIMESTAMP_MAX);
    char again[DS_TIMESTAMP_TEXT];
    DS_ASSERT(ds_parse_timestamp(again, ds_format_timestamp(us, again), &back));
    DS_ASSERT(back == us);
}

static void fuzz_format(const char *text, size_t length)
{
    const char *end = memchr(text, '\0', length);
    size_t format_length = end == NULL ? length : (size_t)(end - text), bad;
    if (format_length > DS_TIME_FORMAT_LIMIT)
        return;
    ds_arena *arena = ds_arena_new(NULL);
    const ds_time_format *format = ds_time_format_new(arena, text, format_length, true, &bad);
    int64_t us;
    if (format == NULL) {
        DS_ASSERT(bad < format_length && text[bad] == '%');
    } else if (end != NULL &&
               ds_time_format_read(format, end + 1, length - format_length - 1, &us)) {
        DS_ASSERT(us >= DS_TIMESTAMP_MIN && us <= DS_TIMESTAMP_MAX);
        char *again = ds_arena_alloc(arena, ds_time_format_room(format));
        size_t n = ds_time_format_write(format, us, again);
        DS_ASSERT(n <= ds_time_format_room(format));
    }
    ds_arena_free(arena);
}

static void fuzz_utf8(const char *text, size_t length)
{
    ds_buffer out = {0};
    size_t valid, before = ds_utf8_invalid(text, length, &valid);
    size_t replaced = ds_utf8_repair(&out, text, length);
    DS_ASSERT((before == 0) == (replaced == 0));
    DS_ASSERT(ds_utf8_invalid(ds_buffer_text(&out), out.length, &valid) == 0);
    DS_ASSERT(valid == out.length);
    DS_ASSERT(!ds_text_is_plain(text, length) || replaced == 0);
    DS_ASSERT(ds_utf8_length(out.data, out.length) <= out.length);
    out.length = 0;
    ds_json_string(&out, text, length);
    DS_ASSERT(out.length >= length + 2);
    ds_buffer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    fuzz_numbers(text, size);
    fuzz_time(text, size);
    if (size > 0)
        fuzz_format(text, size);
    fuzz_utf8(text, size);
    return 0;
}
