/* The plan-time half of op_state.h. */
#include "columnar/keys.h"
#include "columnar/rows.h"
#include "dstream/app_build.h"
#include "dstream/op_state.h"

#include <string.h>

#define MOST_ROUNDS 64u

/* ---- Types ----
 *
 * The type of a column of the state is that of its expression, which may name columns of the
 * state. In the first round these are null; in each further one they have the types that the
 * round before gave them, until a round changes nothing. An expression that means nothing with
 * null (element(state.l, 1)) waits for the types of others. What is wrong is told in the end.
 */

typedef struct binding {
    ds_planner *planner;
    const ds_app_state *clause;
    const ds_schema *rows;
    const char *const *qualifiers; /* of the rows */
    uint32_t n_keys;
    ds_schema names;    /* keys, then "state.x" */
    ds_agg_scope calls; /* of the last round */
    ds_expr **results;
} binding;

/* "state" is the old state, whatever the parent's name. */
static const char *const *without_state(ds_planner *planner, const char *const *qualifiers,
                                        uint32_t n)
{
    if (qualifiers == NULL)
        return NULL;
    const char **others = DS_ARENA_ARRAY(planner->arena, const char *, n);
    for (uint32_t i = 0; i < n; i++)
        if (qualifiers[i] != NULL && strcmp(qualifiers[i], "state") != 0)
            others[i] = qualifiers[i];
    return others;
}

static binding new_binding(ds_planner *planner, const ds_app_state *clause, const ds_schema *rows,
                           const char *const *qualifiers, const ds_schema *keys)
{
    ds_arena *arena = planner->arena;
    binding b = {.planner = planner,
                 .clause = clause,
                 .rows = rows,
                 .qualifiers = without_state(planner, qualifiers, rows->n_fields + 1),
                 .n_keys = keys->n_fields,
                 .names = ds_planner_schema(planner, keys->n_fields + clause->n_set)};
    memcpy(b.names.fields, keys->fields, keys->n_fields * sizeof *keys->fields);
    for (uint32_t i = 0; i < clause->n_set; i++)
        b.names.fields[keys->n_fields + i] = (ds_field){
            ds_arena_printf(arena, "state.%s", clause->set[i].name), DS_TYPE(DS_NULL_TYPE)};
    b.results = DS_ARENA_ARRAY(arena, ds_expr *, clause->n_set + 1);
    return b;
}

static void begin_calls(binding *b)
{
    const ds_planner *planner = b->planner;
    b->calls = (ds_agg_scope){.rows = b->rows,
                              .row_qualifiers = b->qualifiers,
                              .row_aliases = planner->aliases,
                              .n_row_aliases = b->qualifiers != NULL ? planner->n_aliases : 0,
                              .keys = &b->names,
                              .state = true};
}

static ds_scope scope_of(binding *b)
{
    return (ds_scope){.columns = &b->names,
                      .allow_timed_out = true,
                      .aggregates = &b->calls,
                      .place = "set",
                      .functions = b->planner->functions};
}

/* The type of a column with what is known of the others; null if there is none yet. */
static ds_type type_of(binding *b, const ds_app_text *text)
{
    ds_scope scope = scope_of(b);
    ds_expr_error error;
    ds_expr *expr;
    ds_arena *arena = b->planner->arena;
    if (ds_expr_parse(arena, text->text, strlen(text->text), &expr, &error) != DS_OK ||
        ds_expr_bind(arena, expr, &scope, &error) != DS_OK)
        return DS_TYPE(DS_NULL_TYPE);
    return ds_expr_type(expr);
}

/* One round. False if nothing changed, or what had a type has none any more. */
static bool next_round(binding *b)
{
    bool changed = false, lost = false;
    ds_type *types = DS_ARENA_ARRAY(b->planner->arena, ds_type, b->clause->n_set + 1);
    begin_calls(b);
    for (uint32_t i = 0; i < b->clause->n_set; i++) {
        types[i] = type_of(b, &b->clause->set[i].expr);
        ds_type known = b->names.fields[b->n_keys + i].type;
        changed = changed || !ds_type_equal(types[i], known);
        lost = lost || (types[i].kind == DS_NULL_TYPE && known.kind != DS_NULL_TYPE);
    }
    for (uint32_t i = 0; i < b->clause->n_set && !lost; i++)
        b->names.fields[b->n_keys + i].type = types[i];
    return changed && !lost;
}

static void report_types(binding *b)
{
    const ds_app_item *first = &b->clause->set[0];
    ds_diag_error_in(b->planner->diagnostics, first->expr.path, 0,
                     (uint32_t)strlen(first->expr.text),
                     "the types of the state's columns do not settle: write what they are, as in "
                     "cast(state.%s as int)",
                     first->name);
}

/* Binds all columns, once their types are known; reports what is wrong. */
static bool bind_all(binding *b)
{
    uint32_t rounds = 0;
    while (rounds < MOST_ROUNDS && next_round(b))
        rounds++;
    bool fine = true, settled = true;
    begin_calls(b);
    for (uint32_t i = 0; i < b->clause->n_set; i++) {
        ds_scope scope = scope_of(b);
        b->results[i] = ds_planner_bind_column(b->planner, &b->clause->set[i].expr, &scope);
        fine = fine && b->results[i] != NULL;
        settled = settled && fine &&
                  ds_type_equal(ds_expr_type(b->results[i]), b->names.fields[b->n_keys + i].type);
    }
    if (fine && !settled)
        report_types(b);
    return fine && settled;
}

/* ---- Initial rows ---- */

/* The rows of the clause, with marks of variables (app.h) taken off; *original: where they were
 * there are variables, as in the file. New references. */
static json_t *unmarked(const json_t *initial, json_t **original)
{
    json_t *rows = json_deep_copy(initial);
    *original = json_array();
    for (size_t r = 0; r < json_array_size(rows); r++) {
        json_t *row = json_array_get(rows, r), *marks = json_object();
        for (void *i = json_object_iter(row); i != NULL; i = json_object_iter_next(row, i)) {
            json_t *text = json_object_get(json_object_iter_value(i), DS_APP_VARIABLE);
            if (!json_is_string(text))
                continue;
            json_object_set_new(marks, json_object_iter_key(i), json_string("${V}"));
            json_object_iter_set(row, i, text);
        }
        json_array_append_new(*original, marks);
    }
    return rows;
}

static void fini_heap(void *heap)
{
    ds_heap_fini(heap);
}

/* Two rows of one key would be two answers to one question. */
static bool check_keys(ds_planner *planner, const ds_state_plan *plan, const char *path)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_keys *keys = ds_keys_new(plan->spec.keys, plan->spec.n_keys, NULL);
    bool *taken = DS_ARENA_ARRAY(arena, bool, (size_t)plan->n_initial *DS_CHUNK_ROWS);
    uint64_t hashes[DS_CHUNK_ROWS];
    uint32_t ids[DS_CHUNK_ROWS];
    bool fine = true;
    for (uint32_t c = 0; c < plan->n_initial; c++) {
        const ds_chunk *chunk = &plan->initial[c];
        ds_hash_rows(&plan->heap, chunk->columns, plan->spec.n_keys, chunk->n_rows, hashes);
        ds_keys_put(keys, &plan->heap, chunk->columns, hashes, chunk->n_rows, ids);
        for (uint32_t r = 0; r < chunk->n_rows; r++) {
            if (taken[ids[r]])
                ds_diag_error(
                    planner->diagnostics,
                    ds_arena_printf(planner->arena, "%s[%u]", path, c * DS_CHUNK_ROWS + r),
                    "a row before this one has the same key");
            fine = fine && !taken[ids[r]];
            taken[ids[r]] = true;
        }
    }
    ds_keys_free(keys);
    ds_arena_free(arena);
    return fine;
}

static bool read_initial(ds_planner *planner, ds_state_plan *plan, const ds_app_state *clause,
                         const ds_schema *output)
{
    const char *path = ds_arena_printf(planner->arena, "%s.initial", clause->path);
    uint32_t errors = ds_diagnostics_errors(planner->diagnostics);
    json_t *original, *rows = unmarked(clause->initial, &original);
    ds_app_builder builder = {.diagnostics = planner->diagnostics};
    ds_app_check_rows(&builder, output, rows, original, path);
    ds_heap_init(&plan->heap, planner->arena);
    ds_arena_on_free(planner->arena, fini_heap, &plan->heap);
    bool fine = ds_diagnostics_errors(planner->diagnostics) == errors;
    ds_error error;
    if (fine && ds_rows_from_json(planner->arena, &plan->heap, output, rows, 0, &plan->initial,
                                  &plan->n_initial, NULL, NULL, &error) != DS_OK) {
        ds_diag_error(planner->diagnostics, path, "%s", error.message);
        fine = false;
    }
    json_decref(rows);
    json_decref(original);
    return fine && check_keys(planner, plan, path);
}

/* ---- The whole ---- */

static bool bind_remove(ds_planner *planner, ds_state_plan *plan, const ds_app_state *clause,
                        const ds_schema *output)
{
    if (clause->remove_when.text == NULL)
        return true;
    ds_scope scope = {.columns = output, .place = "remove_when"};
    ds_expr *expr = ds_planner_bind_condition(planner, &clause->remove_when, &scope);
    if (expr != NULL && ds_expr_type(expr).kind == DS_BOOL)
        plan->remove_when = ds_program_new(planner->arena, &expr, 1);
    return expr != NULL;
}

static const ds_type *types_of(ds_planner *planner, const ds_field *fields, uint32_t n)
{
    ds_type *types = DS_ARENA_ARRAY(planner->arena, ds_type, n + 1);
    for (uint32_t i = 0; i < n; i++)
        types[i] = fields[i].type;
    return types;
}

static ds_state_plan *new_plan(ds_planner *planner, const ds_app_state *clause, uint32_t n_keys,
                               const ds_schema *output)
{
    ds_state_plan *plan = DS_ARENA_NEW(planner->arena, ds_state_plan);
    plan->emit_all = clause->emit_all;
    plan->spec = (ds_state_spec){
        .keys = types_of(planner, output->fields, n_keys),
        .n_keys = n_keys,
        .values = types_of(planner, output->fields + n_keys, clause->n_set),
        .n_values = clause->n_set,
        .timeout_ms = clause->timeout_ms,
    };
    return plan;
}

ds_group_plan *ds_state_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                 const ds_schema *rows, const char *const *qualifiers,
                                 ds_schema *output)
{
    ds_arena *arena = planner->arena;
    const ds_app_state *clause = stream->state;
    ds_group_plan *group = DS_ARENA_NEW(arena, ds_group_plan);
    group->usual = DS_ARENA_NEW(arena, _Atomic uint32_t);
    group->usual_merged = DS_ARENA_NEW(arena, _Atomic uint32_t);
    ds_schema keys;
    bool fine =
        ds_group_plan_keys(planner, clause->keys, clause->n_keys,
                           ds_arena_printf(arena, "%s.key", clause->path), rows, group, &keys);
    binding b = new_binding(planner, clause, rows, qualifiers, &keys);
    if (!bind_all(&b) || !fine)
        return NULL;
    group->n_old = clause->n_set;
    *output = ds_planner_schema(planner, b.names.n_fields);
    for (uint32_t i = 0; i < b.names.n_fields; i++)
        output->fields[i] = b.names.fields[i];
    for (uint32_t i = 0; i < clause->n_set; i++)
        output->fields[keys.n_fields + i].name = clause->set[i].name;
    ds_state_plan *plan = new_plan(planner, clause, keys.n_fields, output);
    fine = bind_remove(planner, plan, clause, output);
    if (clause->initial != NULL)
        fine = read_initial(planner, plan, clause, output) && fine;
    if (!fine)
        return NULL;
    group->state = plan;
    ds_group_plan_results(planner, group, &b.calls, b.results, clause->n_set);
    return group;
}
