/* What the plan-time halves of the operators share. Private to this folder. */
#ifndef DS_DSTREAM_PLANNER_H
#define DS_DSTREAM_PLANNER_H

#include "columnar/aggregate.h"
#include "dstream/plan.h"

typedef struct ds_planner {
    const ds_app *app;
    ds_diagnostics *diagnostics;
    ds_arena *arena;
    bool uses_time; /* some expression that was bound since this was cleared does */
    /* Further names of columns where names have qualifiers: those of the stream at hand. */
    const ds_alias *aliases;
    uint32_t n_aliases;
    const ds_user_functions *functions; /* NULL: there are none */
} ds_planner;

/* Parses and binds one expression, whose result must be usable as a column: no bare null, no
 * interval. Errors go to the diagnostics and give NULL. */
ds_expr *ds_planner_bind_column(ds_planner *planner, const ds_app_text *text,
                                const ds_scope *scope);

/* The same for one whose result must be a bool. */
ds_expr *ds_planner_bind_condition(ds_planner *planner, const ds_app_text *text,
                                   const ds_scope *scope);

/* Only parses the expressions of a stream that is wrong in another way. */
void ds_planner_syntax(ds_planner *planner, const ds_app_stream *stream);

/* One qualifier for each column: the parent's name (all columns), or NULL if there is none. */
const char *const *ds_planner_qualifiers(ds_planner *planner, const char *parent,
                                         uint32_t n_columns);

/* A schema with room for n fields (all zero). */
ds_schema ds_planner_schema(ds_planner *planner, uint32_t n);

/* Reports a column that is not there, with the nearest one that is. */
void ds_planner_no_column(ds_planner *planner, const char *path, const char *name,
                          const ds_schema *schema);

/* As above, of a parent that has this name. */
void ds_planner_no_column_of(ds_planner *planner, const char *path, const char *name,
                             const char *parent, const ds_schema *schema);

/* Checks that what the app's tests expect of a stream are columns that it has. */
void ds_plan_check_tests(const ds_app *app, ds_diagnostics *diagnostics, const char *stream,
                         const ds_schema *schema);

#endif
