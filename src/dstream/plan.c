#include "dstream/plan.h"

#include "base/assert.h"
#include "dstream/op_broadcast.h"
#include "dstream/op_having.h"
#include "dstream/op_join.h"
#include "dstream/op_order.h"
#include "dstream/op_rows.h"
#include "dstream/op_state.h"
#include "dstream/op_window.h"
#include "dstream/plan_needs.h"
#include "dstream/plan_sinks.h"
#include "dstream/plan_stages.h"
#include "lua/functions.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/*
 * Made in three passes: nodes for all streams (so that all errors are found), then those that a
 * sink needs (with their wanted columns, from the sinks up), then stages.
 */
typedef struct builder {
    ds_planner planner;
    ds_plan *plan;
    uint32_t capacity;
    const char **names; /* of sources and streams that have been built */
    ds_node **outputs;  /* their last node; NULL if it had errors */
    uint32_t n_names;
    const ds_plan_options *options;
} builder;

static ds_node *add_node(builder *b, ds_node_kind kind, const char *stream, const char *path,
                         ds_node *const *parents, uint32_t n_parents)
{
    ds_plan *plan = b->plan;
    DS_ASSERT(plan->n_nodes < b->capacity);
    ds_node *node = DS_ARENA_NEW(plan->arena, ds_node);
    node->id = plan->n_nodes;
    node->kind = kind;
    node->stream = stream;
    node->path = path;
    node->stage = DS_NO_STAGE;
    node->parents = DS_ARENA_ARRAY(plan->arena, ds_node *, n_parents + 1);
    node->n_parents = n_parents;
    for (uint32_t i = 0; i < n_parents; i++) {
        node->parents[i] = parents[i];
        node->fails = node->fails || parents[i]->fails;
        node->letters = node->letters || parents[i]->letters;
        /* They are equal, but for those of tables, which are the interval, the least of all. */
        if (parents[i]->slide_ms > node->slide_ms)
            node->slide_ms = parents[i]->slide_ms;
    }
    if (n_parents > 0)
        node->schema = parents[0]->schema;
    plan->nodes[plan->n_nodes++] = node;
    return node;
}

static void name_output(builder *b, const char *name, ds_node *node)
{
    b->names[b->n_names] = name;
    b->outputs[b->n_names++] = node;
}

static ds_node *find_output(const builder *b, const char *name)
{
    for (uint32_t i = 0; i < b->n_names; i++)
        if (strcmp(b->names[i], name) == 0)
            return b->outputs[i];
    return NULL;
}

/* ---- nodes ---- */

static void add_sources(builder *b)
{
    const ds_app *app = b->plan->app;
    for (uint32_t i = 0; i < app->n_sources; i++) {
        const ds_app_source *source = &app->sources[i];
        ds_node *node = add_node(b, DS_NODE_SOURCE, source->name, source->path, NULL, 0);
        node->slide_ms = app->interval_ms;
        node->schema = source->schema;
        node->source = source;
        node->fails = source->on_error == DS_ON_ERROR_FAIL;
        node->table = source->type == DS_SOURCE_TABLE ? node : NULL;
        node->letters = source->on_error == DS_ON_ERROR_DEAD_LETTER;
        name_output(b, source->name, node);
    }
}

/* A snapshot is made where the state is, before that stream's having, order_by and limit. */
static ds_node *add_snapshot(builder *b, const ds_app_stream *stream)
{
    for (uint32_t i = 0; i < b->plan->n_nodes; i++) {
        ds_node *node = b->plan->nodes[i];
        if (node->kind == DS_NODE_STATE && strcmp(node->stream, stream->from[0]) == 0)
            return add_node(b, DS_NODE_SNAPSHOT, stream->name, stream->path, &node, 1);
    }
    return NULL; /* the state has errors */
}

/* The parent of a stream, or the union of its parents; NULL: they have errors of their own. */
static ds_node *add_parents(builder *b, const ds_app_stream *stream, bool alone)
{
    ds_arena *arena = b->plan->arena;
    ds_node **parents = DS_ARENA_ARRAY(arena, ds_node *, stream->n_from);
    const ds_schema **schemas = DS_ARENA_ARRAY(arena, const ds_schema *, stream->n_from);
    for (uint32_t i = 0; i < stream->n_from; i++) {
        parents[i] = stream->snapshot ? add_snapshot(b, stream) : find_output(b, stream->from[i]);
        if (parents[i] == NULL)
            return NULL;
        schemas[i] = &parents[i]->schema;
    }
    if (!alone && stream->n_from == 1)
        return parents[0];
    ds_rows_plan *rows = ds_union_plan_new(&b->planner, stream, schemas, stream->n_from);
    ds_node *node = add_node(b, DS_NODE_ROWS, stream->name, stream->path, parents, stream->n_from);
    node->rows = rows;
    return node;
}

static ds_node *add_join(builder *b, const ds_app_stream *stream)
{
    ds_node *sides[2] = {add_parents(b, stream, false), find_output(b, stream->join->with)};
    if (sides[0] == NULL || sides[1] == NULL)
        return NULL;
    const ds_schema *const schemas[2] = {&sides[0]->schema, &sides[1]->schema};
    const char *left = stream->n_from == 1 ? stream->from[0] : NULL;
    ds_exchange_plan *exchanges[2];
    ds_schema exchanged[2], output;
    ds_join_plan *join =
        ds_join_plan_new(&b->planner, stream, schemas, left, exchanges, exchanged, &output);
    if (join == NULL)
        return NULL;
    ds_broadcast_choose(join, exchanges, (const ds_node *const *)sides);
    for (int side = 0; side < 2; side++) {
        sides[side] = add_node(b, DS_NODE_EXCHANGE, stream->name, stream->path, &sides[side], 1);
        sides[side]->exchange = exchanges[side];
        sides[side]->schema = exchanged[side];
    }
    ds_node *node = add_node(b, DS_NODE_JOIN, stream->name, stream->path, sides, 2);
    node->join = join;
    node->schema = output;
    b->planner.aliases = join->aliases;
    b->planner.n_aliases = join->n_aliases;
    return node;
}

/* What "parent.column" may be in a stream; as many entries as its rows have columns, and one. */
static const char *const *qualifiers_of(builder *b, const ds_app_stream *stream,
                                        const ds_node *node)
{
    if (node->kind == DS_NODE_JOIN)
        return node->join->qualifiers;
    return ds_planner_qualifiers(&b->planner, stream->n_from == 1 ? stream->from[0] : NULL,
                                 node->schema.n_fields + 1);
}

/* A stream's rows up to its select. *qualifiers become those of its columns; NULL: there are none
 * any more. */
static ds_node *add_rows(builder *b, const ds_app_stream *stream, const char *const **qualifiers)
{
    b->planner.aliases = NULL;
    b->planner.n_aliases = 0;
    ds_node *node = stream->join != NULL ? add_join(b, stream) : add_parents(b, stream, true);
    if (node == NULL)
        return NULL;
    *qualifiers = qualifiers_of(b, stream, node);
    if (node->kind == DS_NODE_JOIN) {
        const ds_schema *const schemas[] = {&node->schema};
        ds_rows_plan *rows = ds_union_plan_new(&b->planner, stream, schemas, 1);
        node = add_node(b, DS_NODE_ROWS, stream->name, stream->path, &node, 1);
        node->rows = rows;
    }
    b->planner.uses_time = false;
    if (!ds_rows_plan_clauses(&b->planner, (ds_rows_plan *)node->rows, stream, *qualifiers,
                              &node->schema))
        return NULL;
    if (node->n_parents == 1 && !b->planner.uses_time)
        node->table = node->parents[0]->table;
    if (stream->has_select)
        *qualifiers = NULL;
    return node;
}

static ds_node *add_group(builder *b, const ds_app_stream *stream, ds_node *parent, bool distinct,
                          bool windowed, const char *const *qualifiers)
{
    ds_schema output;
    ds_group_plan *group =
        distinct ? ds_distinct_plan_new(&b->planner, stream, &parent->schema, &output)
                 : ds_group_plan_new(&b->planner, stream, &parent->schema, qualifiers, &output);
    if (group == NULL)
        return NULL;
    ds_node *node = add_node(b, DS_NODE_GROUP, stream->name, stream->path, &parent, 1);
    node->schema = output;
    node->group = group;
    if (windowed) {
        group->windowed = true;
        group->window = (ds_window_spec){.group = &group->spec,
                                         .size_ms = stream->window_size_ms,
                                         .slide_ms = stream->window_slide_ms,
                                         .step_ms = parent->slide_ms};
        node->slide_ms = stream->window_slide_ms;
    }
    return node;
}

static ds_node *add_state(builder *b, const ds_app_stream *stream, ds_node *parent,
                          const char *const *qualifiers)
{
    ds_schema output;
    ds_group_plan *group =
        ds_state_plan_new(&b->planner, stream, &parent->schema, qualifiers, &output);
    if (group == NULL)
        return NULL;
    ds_node *node = add_node(b, DS_NODE_STATE, stream->name, stream->path, &parent, 1);
    node->schema = output;
    node->group = group;
    return node;
}

static ds_node *add_row_window(builder *b, const ds_app_stream *stream, ds_node *parent)
{
    ds_node *node = add_node(b, DS_NODE_WINDOW, stream->name, stream->path, &parent, 1);
    ds_window_plan *window = DS_ARENA_NEW(b->plan->arena, ds_window_plan);
    window->size_ms = stream->window_size_ms;
    window->slide_ms = stream->window_slide_ms;
    window->step_ms = parent->slide_ms;
    node->window = window;
    node->slide_ms = stream->window_slide_ms;
    return node;
}

/* A clause that has errors and does not change the columns is left out: what follows is looked at
 * all the same, as all errors are told at once. */
static ds_node *add_having(builder *b, const ds_app_stream *stream, ds_node *parent)
{
    const ds_having_plan *having = ds_having_plan_new(&b->planner, stream, &parent->schema);
    if (having == NULL)
        return parent;
    ds_node *node = add_node(b, DS_NODE_HAVING, stream->name, stream->path, &parent, 1);
    node->having = having;
    return node;
}

static ds_node *add_order(builder *b, const ds_app_stream *stream, ds_node *parent)
{
    const ds_order_plan *order = ds_order_plan_new(&b->planner, stream, &parent->schema);
    if (order == NULL)
        return parent;
    ds_node *node = add_node(b, DS_NODE_ORDER, stream->name, stream->path, &parent, 1);
    node->order = order;
    return node;
}

static ds_node *add_repartition(builder *b, const ds_app_stream *stream, ds_node *parent)
{
    ds_node *node = add_node(b, DS_NODE_EXCHANGE, stream->name, stream->path, &parent, 1);
    node->exchange = ds_exchange_evenly(&b->planner, (uint32_t)stream->repartition);
    return node;
}

static bool comes_after_window(const ds_node *node)
{
    return node->kind != DS_NODE_ROWS && node->kind != DS_NODE_JOIN &&
           node->kind != DS_NODE_EXCHANGE;
}

/* The chain of a stream's nodes, in the order in which its clauses apply. */
static ds_node *add_stream(builder *b, const ds_app_stream *stream)
{
    uint32_t first = b->plan->n_nodes;
    const char *const *qualifiers;
    ds_node *node = add_rows(b, stream, &qualifiers);
    bool groups = stream->has_group_by || stream->has_aggregate;
    bool window = stream->has_window;
    if (node != NULL && groups) {
        node = add_group(b, stream, node, false, window, qualifiers);
        window = false;
    }
    if (node != NULL && stream->distinct) {
        node = add_group(b, stream, node, true, window, NULL);
        window = false;
    }
    if (node != NULL && window)
        node = add_row_window(b, stream, node);
    if (node != NULL && stream->state != NULL)
        node = add_state(b, stream, node, qualifiers);
    if (node != NULL && stream->having.text != NULL)
        node = add_having(b, stream, node);
    if (node != NULL && (stream->order_by.text != NULL || stream->limit >= 0))
        node = add_order(b, stream, node);
    if (node != NULL && stream->repartition > 0)
        node = add_repartition(b, stream, node);
    for (uint32_t i = first; i < b->plan->n_nodes; i++)
        if (stream->has_window && comes_after_window(b->plan->nodes[i]))
            b->plan->nodes[i]->window_ms = stream->window_size_ms;
    return node;
}

static void add_sink(builder *b, const char *name, const char *path, const char *from,
                     ds_sink_plan sink)
{
    ds_node *parent = find_output(b, from);
    if (parent == NULL)
        return;
    ds_node *node = add_node(b, DS_NODE_SINK, name, path, &parent, 1);
    ds_sink_plan *plan = DS_ARENA_NEW(b->plan->arena, ds_sink_plan);
    *plan = sink;
    plan->index = b->plan->n_sinks;
    plan->name = name;
    node->sink = plan;
    b->plan->sinks[b->plan->n_sinks++] = plan;
}

static void add_sinks(builder *b)
{
    const ds_app *app = b->plan->app;
    const ds_plan_options *options = b->options;
    if (options != NULL && options->testing) {
        for (uint32_t i = 0; i < options->n_tested; i++)
            add_sink(b, options->tested[i], "tests", options->tested[i],
                     (ds_sink_plan){.kind = DS_TO_TEST, .limit = -1});
        return;
    }
    for (uint32_t i = 0; i < app->n_sinks; i++) {
        const ds_app_sink *sink = &app->sinks[i];
        add_sink(b, sink->name, sink->path, sink->from, ds_sink_plan_of(b->plan->arena, app, sink));
    }
    ds_plan_add_dead_letters(b->plan);
}

static void check_tests(const builder *b)
{
    for (uint32_t i = 0; i < b->n_names; i++)
        if (b->outputs[i] != NULL)
            ds_plan_check_tests(b->plan->app, b->planner.diagnostics, b->names[i],
                                &b->outputs[i]->schema);
}

/* ---- the whole ---- */

static uint32_t most_nodes(const ds_app *app, const ds_plan_options *options)
{
    uint32_t n_sinks = app->n_sinks + (options != NULL ? options->n_tested : 0);
    return app->n_sources + 14 * app->n_streams + n_sinks + 1;
}

static uint64_t hash_of(const ds_app *app)
{
    char *text = ds_app_canonical(app);
    uint64_t hash = XXH3_64bits(text, strlen(text));
    free(text);
    return hash;
}

static const ds_user_functions *functions_of(ds_arena *arena, const ds_app *app)
{
    const ds_lua_limits limits = {app->lua_instructions, app->lua_memory};
    if (app->n_functions == 0)
        return NULL;
    return ds_lua_functions_new(arena, app->functions, app->n_functions, &limits);
}

static builder new_builder(const ds_app *app, const ds_plan_options *options,
                           ds_diagnostics *diagnostics)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_plan *plan = DS_ARENA_NEW(arena, ds_plan);
    plan->app = app;
    plan->arena = arena;
    plan->dead_letters = DS_NO_SINK;
    plan->key_partitions = app->key_partitions;
    builder b = {.planner = {.app = app, .diagnostics = diagnostics, .arena = arena},
                 .plan = plan,
                 .options = options};
    b.planner.functions = plan->functions = functions_of(arena, app);
    b.capacity = most_nodes(app, options);
    plan->nodes = DS_ARENA_ARRAY(arena, ds_node *, b.capacity);
    plan->sinks = DS_ARENA_ARRAY(arena, const ds_sink_plan *, b.capacity);
    b.names = DS_ARENA_ARRAY(arena, const char *, b.capacity);
    b.outputs = DS_ARENA_ARRAY(arena, ds_node *, b.capacity);
    return b;
}

void ds_plan_check(const ds_app *app, ds_diagnostics *diagnostics)
{
    builder b = new_builder(app, NULL, diagnostics);
    add_sources(&b);
    for (uint32_t i = 0; i < b.n_names; i++)
        if (ds_diagnostics_wrong_under(diagnostics, b.outputs[i]->path))
            b.outputs[i] = NULL;
    for (uint32_t i = 0; i < app->n_streams; i++) {
        const ds_app_stream *stream = &app->streams[i];
        if (ds_diagnostics_wrong_under(diagnostics, stream->path))
            ds_planner_syntax(&b.planner, stream);
        else
            name_output(&b, stream->name, add_stream(&b, stream));
    }
    ds_plan_free(b.plan);
}

ds_status ds_plan_new(const ds_app *app, const ds_plan_options *options,
                      ds_diagnostics *diagnostics, ds_plan **result)
{
    *result = NULL;
    uint32_t errors = ds_diagnostics_errors(diagnostics);
    builder b = new_builder(app, options, diagnostics);
    ds_plan *plan = b.plan;
    add_sources(&b);
    for (uint32_t i = 0; i < app->n_streams; i++)
        name_output(&b, app->streams[i].name, add_stream(&b, &app->streams[i]));
    add_sinks(&b);
    check_tests(&b);
    if (ds_diagnostics_errors(diagnostics) > errors) {
        ds_plan_free(plan);
        return DS_ERR_APP;
    }
    plan->outputs = DS_ARENA_ARRAY(plan->arena, ds_plan_output, b.n_names + 1);
    for (uint32_t i = 0; i < b.n_names; i++)
        plan->outputs[i] =
            (ds_plan_output){b.names[i], &b.outputs[i]->schema, b.outputs[i]->slide_ms};
    plan->n_outputs = b.n_names;
    ds_plan_prune(plan);
    ds_plan_propagate(&b.planner, b.plan);
    ds_plan_make_stages(&b.planner, plan);
    plan->hash = hash_of(app);
    *result = plan;
    return DS_OK;
}

void ds_plan_charge(const ds_plan *plan, ds_budget *budget)
{
    ds_lua_functions_charge(plan->functions, budget);
}

int64_t ds_plan_functions_need(const ds_plan *plan)
{
    return ds_lua_functions_need(plan->functions);
}

void ds_plan_relieve(const ds_plan *plan)
{
    ds_lua_functions_relieve(plan->functions);
}

void ds_plan_free(ds_plan *plan)
{
    if (plan != NULL)
        ds_arena_free(plan->arena);
}

const ds_plan_output *ds_plan_find(const ds_plan *plan, const char *stream)
{
    for (uint32_t i = 0; i < plan->n_outputs; i++)
        if (strcmp(plan->outputs[i].name, stream) == 0)
            return &plan->outputs[i];
    return NULL;
}
