/*
 * Any bytes as an app file: the parser agrees with jansson's about what is JSON, loading ends
 * with errors or an app, and an app's canonical text gives the same canonical text again.
 */
#include "base/assert.h"
#include "dstream/app.h"

#include <stdlib.h>
#include <string.h>

static const char *variable(const char *name, void *arg)
{
    (void)arg;
    return name[0] == 'E' ? "" : name[0] == 'N' ? "5" : name[0] == 'U' ? NULL : "10s";
}

/* jansson counts a scalar as a level too, so texts near its limit are left out. */
static bool is_deep(const uint8_t *data, size_t size)
{
    size_t depth = 0, most = 0;
    for (size_t i = 0; i < size; i++) {
        depth += data[i] == '[' || data[i] == '{';
        most = depth > most ? depth : most;
    }
    return most > 2000;
}

static void compare_with_jansson(const ds_json_source *source, const uint8_t *data, size_t size)
{
    if (is_deep(data, size))
        return;
    json_t *other = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    DS_ASSERT((source != NULL) == (other != NULL));
    if (source != NULL && ds_json_source_n_repeated(source) == 0)
        DS_ASSERT(json_equal(ds_json_source_root(source), other));
    json_decref(other);
}

static void round_trip(const ds_app *app)
{
    ds_app *again;
    ds_error error;
    char *text = ds_app_canonical(app);
    ds_status status = ds_app_from_canonical(text, strlen(text), &again, &error);
    DS_ASSERT(status == DS_OK);
    char *other = ds_app_canonical(again);
    DS_ASSERT(strcmp(text, other) == 0);
    free(text);
    free(other);
    ds_app_free(again);
}

static void load(const ds_json_source *source, const ds_app_options *options)
{
    ds_app *app;
    ds_buffer said = {0};
    ds_diagnostics *diagnostics = ds_diagnostics_new(source);
    ds_status status = ds_app_load(source, options, diagnostics, &app);
    DS_ASSERT((status == DS_OK) == (app != NULL));
    ds_diagnostics_print(diagnostics, &said);
    DS_ASSERT(status == DS_OK || said.length > 0);
    if (app != NULL)
        round_trip(app);
    ds_app_free(app);
    ds_buffer_fini(&said);
    ds_diagnostics_free(diagnostics);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A text behind a NUL is a --set. */
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t length = nul != NULL ? (size_t)(nul - data) : size;
    char *set = NULL;
    if (nul != NULL)
        set = strndup((const char *)nul + 1, size - length - 1);
    const char *sets[] = {set};
    ds_app_options options = {.sets = sets, .n_sets = set != NULL, .getenv = variable};
    ds_json_source *source;
    ds_json_source_new("app.json", size > 0 ? (const char *)data : "", length, &source, NULL);
    compare_with_jansson(source, data, length);
    if (source != NULL)
        load(source, &options);
    ds_json_source_free(source);
    free(set);
    return 0;
}
