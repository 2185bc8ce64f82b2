#include "dstream/plan_sinks.h"

#include <string.h>

bool ds_sink_is_staged(const ds_sink_plan *sink)
{
    return sink->kind == DS_TO_FILE || sink->kind == DS_TO_APPEND;
}

/* Beside the file, and its own: two apps may append to files of one folder. */
static const char *staging_of_path(ds_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    return ds_arena_printf(arena, "%.*s.%s.dstream", (int)(name - path), path, name);
}

ds_sink_plan ds_sink_plan_of(ds_arena *arena, const ds_app *app, const ds_app_sink *sink)
{
    static const ds_sink_kind kinds[] = {[DS_SINK_CONSOLE] = DS_TO_CONSOLE,
                                         [DS_SINK_FILE] = DS_TO_FILE,
                                         [DS_SINK_APPEND] = DS_TO_APPEND};
    ds_sink_plan plan = {.kind = kinds[sink->type],
                         .name = sink->name,
                         .format = sink->format,
                         .limit = sink->limit,
                         .dir = sink->dir,
                         .path = sink->file};
    if (plan.kind == DS_TO_FILE)
        plan.staging = ds_arena_printf(arena, "%s/.dstream-%s", plan.dir, app->name);
    if (plan.kind == DS_TO_APPEND)
        plan.staging = staging_of_path(arena, plan.path);
    return plan;
}

void ds_plan_add_dead_letters(ds_plan *plan)
{
    const ds_app *app = plan->app;
    bool any = false;
    for (uint32_t i = 0; i < app->n_sources; i++)
        any = any || app->sources[i].on_error == DS_ON_ERROR_DEAD_LETTER;
    if (!any || app->dead_letters == NULL)
        return;
    ds_sink_plan *sink = DS_ARENA_NEW(plan->arena, ds_sink_plan);
    *sink = (ds_sink_plan){.kind = DS_TO_APPEND,
                           .index = plan->n_sinks,
                           .name = "dead_letters",
                           .hidden = true,
                           .format = DS_ROWS_JSON,
                           .limit = -1,
                           .path = app->dead_letters,
                           .staging = staging_of_path(plan->arena, app->dead_letters)};
    plan->dead_letters = plan->n_sinks;
    plan->sinks[plan->n_sinks++] = sink;
}
