/* A first line as a pattern, the rest as the records that it is searched for in. */
#include "fuzz_format.h"

/* Patterns that take a second for a line are within the limits: here they would only take time. */
static bool is_cheap(const char *pattern)
{
    int loops = 0;
    for (; *pattern != '\0'; pattern++)
        loops += *pattern == '*' || *pattern == '+' || *pattern == '{' || *pattern == '(';
    return loops <= 6;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    if (end == NULL || end - data > 200)
        return 0;
    ds_arena *arena = ds_arena_new(NULL);
    ds_format_spec spec = {.kind = DS_FORMAT_REGEX, .record_limit = 40};
    static ds_field typed[] = {{"n", {DS_INT, 0}}};
    spec.regex = ds_arena_strndup(arena, (const char *)data, (size_t)(end - data));
    spec.schema = (ds_schema){typed, strstr(spec.regex, "(?<n>") != NULL};
    const ds_format *format;
    size_t length = size - (size_t)(end - data) - 1, valid;
    bool text = ds_utf8_invalid(spec.regex, strlen(spec.regex), &valid) == 0;
    if (text && is_cheap(spec.regex) && ds_format_new(arena, &spec, &format, NULL) == DS_OK &&
        ds_format_schema(format)->n_fields <= 16)
        fuzz_format(&spec, end + 1, length < 400 ? length : 400);
    ds_arena_free(arena);
    return 0;
}
