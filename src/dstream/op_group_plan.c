/* The plan-time half of op_group.h. */
#include "base/assert.h"
#include "columnar/expr_failure.h"
#include "dstream/op_group.h"

#include <string.h>

/* What a table of groups takes. */
#define MOST_KEYS 32u

static bool too_many_keys(ds_planner *planner, const char *path, uint32_t n)
{
    if (n <= MOST_KEYS)
        return false;
    ds_diag_error(planner->diagnostics, path, "%u key columns are too many: at most %u", n,
                  MOST_KEYS);
    return true;
}

static bool is_list(ds_type type)
{
    return type.kind == DS_LIST;
}

static void set_spec_keys(ds_planner *planner, ds_group_plan *plan, const ds_schema *keys)
{
    ds_type *types = DS_ARENA_ARRAY(planner->arena, ds_type, keys->n_fields + 1);
    for (uint32_t i = 0; i < keys->n_fields; i++)
        types[i] = keys->fields[i].type;
    plan->spec.keys = types;
    plan->spec.n_keys = keys->n_fields;
}

bool ds_group_plan_keys(ds_planner *planner, const char *const *names, uint32_t n, const char *list,
                        const ds_schema *rows, ds_group_plan *plan, ds_schema *keys)
{
    bool fine = !too_many_keys(planner, list, n);
    plan->keys = DS_ARENA_ARRAY(planner->arena, uint32_t, n + 1);
    *keys = ds_planner_schema(planner, n);
    keys->n_fields = 0;
    for (uint32_t i = 0; i < n; i++) {
        const char *name = names[i];
        const char *path = ds_arena_printf(planner->arena, "%s[%u]", list, i);
        int at = ds_schema_find(rows, name);
        if (at < 0) {
            ds_planner_no_column(planner, path, name, rows);
            fine = false;
        } else if (is_list(rows->fields[at].type)) {
            ds_diag_error(planner->diagnostics, path, "a list cannot be a key: \"%s\" is %s", name,
                          ds_type_name(rows->fields[at].type));
            fine = false;
        } else if (ds_schema_find(keys, name) >= 0) {
            ds_diag_error(planner->diagnostics, path, "\"%s\" is a key already", name);
            fine = false;
        } else {
            plan->keys[keys->n_fields] = (uint32_t)at;
            keys->fields[keys->n_fields++] = rows->fields[at];
        }
    }
    plan->n_keys = keys->n_fields;
    set_spec_keys(planner, plan, keys);
    return fine;
}

/* Adds an expression to the inputs program (a bare column too: programs hand it through). */
static int add_input(ds_expr **exprs, uint32_t *n, ds_expr *expr)
{
    if (expr == NULL)
        return -1;
    for (uint32_t i = 0; i < *n; i++)
        if (exprs[i] == expr)
            return (int)i;
    exprs[*n] = expr;
    return (int)(*n)++;
}

static bool can_overflow(const ds_expr *expr)
{
    return expr != NULL && ds_expr_column(expr) < 0;
}

static ds_program **programs_of_each(ds_arena *arena, ds_expr **exprs, uint32_t n)
{
    ds_program **programs = DS_ARENA_ARRAY(arena, ds_program *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        programs[i] = ds_program_new(arena, &exprs[i], 1);
    return programs;
}

static bool uses_functions(const ds_expr *expr)
{
    return expr != NULL && ds_expr_uses_functions(expr);
}

/* Adds the hidden call that counts the rows for which call i cannot be computed. */
static int add_companion(ds_group_plan *plan, ds_agg_call *calls, uint32_t *total, uint32_t i,
                         bool of_functions)
{
    plan->inputs[*total] = (ds_call_input){{-1, -1}, -1, (int)i, of_functions};
    calls[*total] = (ds_agg_call){.aggregate = ds_aggregate_find("count"), .type = DS_TYPE(DS_INT)};
    return (int)(*total)++;
}

/* Lays out the calls: visible ones as collected, hidden companions behind them. */
static void add_calls(ds_planner *planner, ds_group_plan *plan, const ds_agg_scope *scope,
                      uint32_t n_row_columns)
{
    ds_arena *arena = planner->arena;
    uint32_t n = scope->n_calls;
    ds_agg_call *calls = DS_ARENA_ARRAY(arena, ds_agg_call, 3 * n + 1);
    ds_expr **exprs = DS_ARENA_ARRAY(arena, ds_expr *, 3 * n + 1);
    plan->inputs = DS_ARENA_ARRAY(arena, ds_call_input, 3 * n + 1);
    plan->watch = DS_ARENA_ARRAY(arena, int, n + 1);
    plan->blame = DS_ARENA_ARRAY(arena, int, n + 1);
    plan->reads = DS_ARENA_ARRAY(arena, bool, n_row_columns + 1);
    plan->n_visible = n;
    uint32_t total = n;
    for (uint32_t i = 0; i < n; i++) {
        const ds_agg_call *call = &scope->calls[i];
        calls[i] = *call;
        ds_call_input *input = &plan->inputs[i];
        *input = (ds_call_input){{-1, -1}, -1, -1, false};
        bool watched = can_overflow(call->filter), functions = uses_functions(call->filter);
        for (uint32_t a = 0; a < call->n_args; a++) {
            input->args[a] = add_input(exprs, &plan->n_inputs, call->args[a]);
            watched = watched || can_overflow(call->args[a]);
            functions = functions || uses_functions(call->args[a]);
            ds_expr_columns(call->args[a], plan->reads);
        }
        input->filter = add_input(exprs, &plan->n_inputs, call->filter);
        if (call->filter != NULL)
            ds_expr_columns(call->filter, plan->reads);
        plan->ordered = plan->ordered || call->aggregate->ordered;
        plan->watch[i] = watched ? add_companion(plan, calls, &total, i, false) : -1;
        plan->blame[i] = functions ? add_companion(plan, calls, &total, i, true) : -1;
    }
    plan->spec.calls = calls;
    plan->spec.n_calls = total;
    if (plan->n_inputs > 0)
        plan->input_program = ds_program_new(arena, exprs, plan->n_inputs);
    plan->input_each = programs_of_each(arena, exprs, plan->n_inputs);
}

static void mark_keys(ds_group_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_keys; i++)
        plan->reads[plan->keys[i]] = true;
}

/* Which results are calls as they stand, if whatever a result is can be left out without a trace.
 */
static int *bare_calls(ds_arena *arena, const ds_group_plan *plan, ds_expr **results, uint32_t n)
{
    int *bare = DS_ARENA_ARRAY(arena, int, n + 1);
    for (uint32_t c = 0; c < plan->n_visible; c++)
        if (plan->watch[c] >= 0 || plan->blame[c] >= 0)
            return NULL;
    for (uint32_t r = 0; r < n; r++) {
        if (!ds_expr_is_leaf(results[r]))
            return NULL;
        int column = ds_expr_column(results[r]), first = (int)(plan->n_keys + plan->n_old);
        bare[r] = column >= first ? column - first : -1;
    }
    return bare;
}

void ds_group_plan_results(ds_planner *planner, ds_group_plan *plan, const ds_agg_scope *scope,
                           ds_expr **results, uint32_t n)
{
    ds_arena *arena = planner->arena;
    add_calls(planner, plan, scope, scope->rows->n_fields);
    mark_keys(plan);
    plan->n_results = n;
    plan->uses = DS_ARENA_ARRAY(arena, bool *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        plan->uses[i] = DS_ARENA_ARRAY(arena, bool, plan->n_visible + 1);
        ds_expr_calls(results[i], scope->keys->n_fields, plan->uses[i]);
    }
    plan->bare = bare_calls(arena, plan, results, n);
    if (n > 0)
        plan->finish = ds_program_new(arena, results, n);
    plan->finish_each = programs_of_each(arena, results, n);
}

ds_group_plan *ds_group_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                 const ds_schema *rows, const char *const *qualifiers,
                                 ds_schema *output)
{
    ds_arena *arena = planner->arena;
    ds_group_plan *plan = DS_ARENA_NEW(arena, ds_group_plan);
    plan->usual = DS_ARENA_NEW(arena, _Atomic uint32_t);
    plan->usual_merged = DS_ARENA_NEW(arena, _Atomic uint32_t);
    ds_schema keys;
    bool fine =
        ds_group_plan_keys(planner, stream->group_by, stream->n_group_by,
                           ds_arena_printf(arena, "%s.group_by", stream->path), rows, plan, &keys);

    ds_agg_scope aggregates = {.rows = rows,
                               .row_qualifiers = qualifiers,
                               .row_aliases = planner->aliases,
                               .n_row_aliases = qualifiers != NULL ? planner->n_aliases : 0,
                               .keys = &keys};
    ds_scope scope = {.columns = &keys,
                      .allow_window = stream->has_window,
                      .aggregates = &aggregates,
                      .place = "aggregate"};
    uint32_t n = stream->n_aggregate;
    *output = ds_planner_schema(planner, keys.n_fields + n);
    memcpy(output->fields, keys.fields, keys.n_fields * sizeof *keys.fields);
    ds_expr **results = DS_ARENA_ARRAY(arena, ds_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const ds_app_item *item = &stream->aggregate[i];
        if (ds_schema_find(&keys, item->name) >= 0) {
            ds_diag_error_key(planner->diagnostics, item->expr.path,
                              "\"%s\" is the name of a key already", item->name);
            fine = false;
        }
        results[i] = ds_planner_bind_column(planner, &item->expr, &scope);
        fine = fine && results[i] != NULL;
        output->fields[keys.n_fields + i] = (ds_field){
            item->name, results[i] != NULL ? ds_expr_type(results[i]) : DS_TYPE(DS_NULL_TYPE)};
    }
    if (!fine)
        return NULL;
    ds_group_plan_results(planner, plan, &aggregates, results, n);
    return plan;
}

ds_group_plan *ds_distinct_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                    const ds_schema *rows, ds_schema *output)
{
    ds_arena *arena = planner->arena;
    ds_group_plan *plan = DS_ARENA_NEW(arena, ds_group_plan);
    plan->usual = DS_ARENA_NEW(arena, _Atomic uint32_t);
    plan->usual_merged = DS_ARENA_NEW(arena, _Atomic uint32_t);
    plan->keys = DS_ARENA_ARRAY(arena, uint32_t, rows->n_fields + 1);
    plan->n_keys = rows->n_fields;
    *output = *rows;
    bool fine = !too_many_keys(planner, ds_arena_printf(arena, "%s.distinct", stream->path),
                               rows->n_fields);
    for (uint32_t i = 0; i < rows->n_fields; i++) {
        plan->keys[i] = i;
        if (is_list(rows->fields[i].type)) {
            ds_diag_error(planner->diagnostics, ds_arena_printf(arena, "%s.distinct", stream->path),
                          "a list cannot be compared for distinct: \"%s\" is %s",
                          rows->fields[i].name, ds_type_name(rows->fields[i].type));
            fine = false;
        }
    }
    set_spec_keys(planner, plan, rows);
    add_calls(planner, plan, &(ds_agg_scope){0}, rows->n_fields);
    mark_keys(plan);
    return fine ? plan : NULL;
}
