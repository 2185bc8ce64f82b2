#include "checkpoint/recovered_sources.h"

#include "base/assert.h"

#include <stdio.h>
#include <string.h>

/* What it received may be in the log. */
static bool is_received(const char *type)
{
    return strcmp(type, ds_source_type_name(DS_SOURCE_SOCKET)) == 0 ||
           strcmp(type, ds_source_type_name(DS_SOURCE_STDIN)) == 0;
}

bool ds_recovered_fits(const ds_recovered_source *recovered, const ds_app_source *source)
{
    const char *type = ds_source_type_name(source->type);
    return recovered->type == NULL || strcmp(recovered->type, type) == 0 ||
           (is_received(recovered->type) && is_received(type));
}

bool ds_source_gives(const ds_app_source *source, ds_input_kind kind)
{
    if (source->batches != NULL)
        return kind == DS_INPUT_QUEUE;
    switch (source->type) {
    case DS_SOURCE_FILES: return kind == DS_INPUT_FILE;
    case DS_SOURCE_TAIL: return kind == DS_INPUT_TAIL;
    case DS_SOURCE_RATE: return kind == DS_INPUT_RATE;
    case DS_SOURCE_QUEUE: return kind == DS_INPUT_QUEUE;
    case DS_SOURCE_SOCKET:
    case DS_SOURCE_STDIN: return kind == DS_INPUT_BLOCK || kind == DS_INPUT_LOG;
    case DS_SOURCE_TABLE: return false;
    }
    DS_UNREACHABLE();
}

/* ---- what is told ---- */

static bool is_table(const char *type)
{
    return type != NULL && strcmp(type, ds_source_type_name(DS_SOURCE_TABLE)) == 0;
}

static const ds_app_source *of_app(const ds_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->app->n_sources; i++)
        if (strcmp(plan->app->sources[i].name, name) == 0)
            return &plan->app->sources[i];
    return NULL;
}

static const ds_recovered_source *of_checkpoint(const ds_recovered *recovered, const char *name)
{
    for (uint32_t i = 0; i < recovered->n_sources; i++)
        if (strcmp(recovered->sources[i].name, name) == 0)
            return &recovered->sources[i];
    return NULL;
}

/* About one that the checkpoint has. */
static void tell_former(const ds_recovered_source *former, const ds_plan *plan, char *text)
{
    const ds_app_source *source = of_app(plan, former->name);
    if (source == NULL && !is_table(former->type))
        snprintf(text, DS_ERROR_TEXT,
                 "source %s: the app has it no more: how far it was read is forgotten, and what of "
                 "it belongs to batches that run again is left out. If it is put back, it begins "
                 "anew",
                 former->name);
    if (source != NULL && !ds_recovered_fits(former, source))
        snprintf(text, DS_ERROR_TEXT,
                 "source %s: it was of type %s, and now is of type %s: it begins anew, and what it "
                 "gave before may come again; what of it belongs to batches that run again is left "
                 "out",
                 former->name, former->type, ds_source_type_name(source->type));
}

/* About one that it does not have. */
static void tell_new(const ds_app_source *source, char *text)
{
    if (source->type != DS_SOURCE_TABLE)
        snprintf(text, DS_ERROR_TEXT,
                 "source %s: the checkpoint does not know it: it begins anew. If the app had it "
                 "before, what it gave then may come again",
                 source->name);
}

void ds_recovered_tell_sources(const ds_recovered *recovered, const ds_plan *plan,
                               void (*say)(void *arg, const char *text), void *arg)
{
    DS_ASSERT(recovered->app != NULL);
    for (uint32_t i = 0; i < recovered->n_sources; i++) {
        char text[DS_ERROR_TEXT] = "";
        tell_former(&recovered->sources[i], plan, text);
        if (text[0] != '\0')
            say(arg, text);
    }
    for (uint32_t i = 0; i < plan->app->n_sources; i++) {
        const ds_app_source *source = &plan->app->sources[i];
        char text[DS_ERROR_TEXT] = "";
        if (of_checkpoint(recovered, source->name) == NULL)
            tell_new(source, text);
        if (text[0] != '\0')
            say(arg, text);
    }
}
