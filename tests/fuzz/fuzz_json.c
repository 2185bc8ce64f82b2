/*
 * Any bytes as JSON lines. What this decoder accepts, jansson must accept, too, and the other
 * way round: but for the depth, for numbers and for strings that only jansson looks into.
 */
#include "fuzz_format.h"

#include <jansson.h>

static ds_field fields[] = {
    {"s", {DS_STRING, 0}},       {"i", {DS_INT, 0}},       {"f", {DS_FLOAT, 0}},
    {"b", {DS_BOOL, 0}},         {"t", {DS_TIMESTAMP, 0}}, {"l", {DS_LIST, DS_INT}},
    {"m", {DS_LIST, DS_STRING}}, {"deep", {DS_INT, 0}},    {"deeper", {DS_STRING, 0}},
};
static const char *const paths[] = {NULL, NULL, NULL, NULL, NULL, NULL, NULL, "u.i", "u.v.s"};

/* One line without a newline: is it an object to both, or to neither? */
static void compare_with_jansson(const ds_format *format, const uint8_t *data, size_t size)
{
    static const bool none[16];
    json_error_t error;
    ds_decoder_counts counts;
    for (size_t i = 0; i < size; i++)
        if (data[i] == '\n' || data[i] == '\0')
            return;
    fuzz_decode(format, none, (const char *)data, size, &counts);
    json_t *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL, &error);
    bool is_object = json_is_object(json);
    json_decref(json);
    if (is_object)
        DS_ASSERT(counts.bad[DS_BAD_SYNTAX] == 0 || size > 512);
    else if (json_error_code(&error) == json_error_invalid_syntax)
        DS_ASSERT(counts.records == 0 || strstr(error.text, "\\u") != NULL);
}

/* Strings alone are read in a way of their own. */
static ds_field strings[] = {{"s", {DS_STRING, 0}}, {"k", {DS_STRING, 0}}};

static void decode_strings(const uint8_t *data, size_t size)
{
    ds_format_spec spec = {.kind = DS_FORMAT_JSON, .schema = {strings, 2}, .record_limit = 2000};
    fuzz_each_alone(&spec, data, size);
    fuzz_format(&spec, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ds_format_spec spec = {
        .kind = DS_FORMAT_JSON, .schema = {fields, 9}, .paths = paths, .record_limit = 2000};
    ds_arena *plan = ds_arena_new(NULL);
    const ds_format *format;
    DS_ASSERT(ds_format_new(plan, &spec, &format, NULL) == DS_OK);
    compare_with_jansson(format, data, size);
    decode_strings(data, size);
    fuzz_each_alone(&spec, data, size);
    ds_arena_free(plan);
    return fuzz_format(&spec, data, size);
}
