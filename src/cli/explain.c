#include "base/memory.h"
#include "cli/commands.h"
#include "cli/explain_join.h"
#include "cli/explain_state.h"
#include "cli/load.h"
#include "dstream/op_broadcast.h"
#include "dstream/op_order.h"
#include "dstream/op_rows.h"
#include "dstream/op_window.h"
#include "lua/definition.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *duration(int64_t ms, char text[static 32])
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (ms % units[i].ms != 0)
            continue;
        snprintf(text, 32, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
        break;
    }
    return text;
}

static void print_schema(const ds_schema *schema)
{
    for (uint32_t i = 0; i < schema->n_fields; i++)
        printf("%s%s %s", i > 0 ? ", " : "", schema->fields[i].name,
               ds_type_name(schema->fields[i].type));
}

/* ---- streams ---- */

static bool is_cached(const ds_app *app, const char *name)
{
    for (uint32_t i = 0; i < app->n_streams; i++)
        if (app->streams[i].cache && strcmp(app->streams[i].name, name) == 0)
            return true;
    return false;
}

static void print_streams(const ds_plan *plan)
{
    printf("streams\n");
    for (uint32_t i = 0; i < plan->n_outputs; i++) {
        const ds_plan_output *output = &plan->outputs[i];
        char slide[32];
        bool needed = false;
        for (uint32_t n = 0; n < plan->n_nodes; n++)
            needed = needed || strcmp(plan->nodes[n]->stream, output->name) == 0;
        printf("  %-16s every %-6s ", output->name, duration(output->slide_ms, slide));
        print_schema(output->schema);
        if (is_cached(plan->app, output->name))
            printf("   (cache: as for every stream, its rows are made once a batch)");
        printf("%s\n", needed ? "" : "   (no sink needs it: not run)");
    }
}

/* ---- stages ---- */

/* Panes end where a window starts or ends: within a slide there is one cut or none. */
static void print_panes(const ds_node *node)
{
    const ds_window_spec *window = &node->group->window;
    int64_t whole = window->size_ms / window->slide_ms;
    int64_t n = window->size_ms % window->slide_ms == 0 ? whole : 2 * whole + 1;
    ds_type *types = ds_calloc(ds_group_partial_types(&node->group->spec, NULL), sizeof *types);
    uint32_t n_types = ds_group_partial_types(&node->group->spec, types);
    printf("%" PRId64 " pane%s, ", n, n == 1 ? "" : "s");
    ds_explain_size(types, n_types, "key and pane");
    free(types);
}

static void print_group(const ds_node *node)
{
    const ds_group_plan *group = node->group;
    printf("group by");
    for (uint32_t i = 0; i < group->n_keys; i++)
        printf("%s %s", i > 0 ? "," : "", node->schema.fields[i].name);
    if (group->n_keys == 0)
        printf(" nothing (one row)");
    for (uint32_t i = 0; i < group->n_visible; i++)
        printf("%s%s", i == 0 ? "; aggregates " : ", ", group->spec.calls[i].aggregate->name);
    if (!group->windowed)
        return;
    char size[32], slide[32];
    bool combines = false;
    for (uint32_t i = 0; i < group->spec.n_calls; i++) {
        const ds_agg_call *call = &group->spec.calls[i];
        combines = combines || call->aggregate->slide(call) == DS_SLIDE_COMBINE;
    }
    printf("; window %s by %s, panes kept by key (%s): ", duration(group->window.size_ms, size),
           duration(group->window.slide_ms, slide),
           combines ? "combined by queues" : "added and subtracted");
    print_panes(node);
}

static void print_root(const ds_node *node)
{
    char size[32], slide[32];
    switch (node->kind) {
    case DS_NODE_SOURCE: {
        printf("read source %s (%s): ", node->stream, ds_source_type_name(node->source->type));
        bool first = true;
        for (uint32_t c = 0; c < node->schema.n_fields; c++) {
            if (!node->wanted[c])
                continue;
            printf("%s%s", first ? "" : ", ", node->schema.fields[c].name);
            first = false;
        }
        printf("%s", first ? "no columns, only the number of records" : "");
        break;
    }
    case DS_NODE_GROUP: print_group(node); break;
    case DS_NODE_WINDOW:
        printf("keep whole rows; window %s by %s: %" PRId64 " batches",
               duration(node->window->size_ms, size), duration(node->window->slide_ms, slide),
               node->window->size_ms / node->window->step_ms);
        if (node->window->keys != NULL) {
            printf(", by key (");
            ds_explain_columns(&node->schema, node->window->keys, node->window->n_keys);
            printf(")");
        }
        break;
    case DS_NODE_STATE: ds_explain_state(node); break;
    case DS_NODE_EXCHANGE: ds_explain_exchange(node); break;
    case DS_NODE_ORDER:
        printf("bring sorted runs together");
        if (node->order->limit >= 0)
            printf(", first %" PRId64, node->order->limit);
        break;
    case DS_NODE_SINK: printf("bring rows together for sink %s", node->stream); break;
    default: break;
    }
}

static void print_write(const ds_plan *plan, const ds_node *node)
{
    const ds_stage *target = &plan->stages[node->stage];
    printf("      shuffle to stage %u: ", target->id);
    switch (node->kind) {
    case DS_NODE_GROUP:
    case DS_NODE_STATE: printf("partial aggregates by key"); break;
    case DS_NODE_ORDER:
        printf("%s", node->order->limit >= 0 ? "the first rows, sorted" : "sorted rows");
        break;
    case DS_NODE_EXCHANGE:
        printf("whole rows ");
        ds_explain_to(node);
        break;
    case DS_NODE_WINDOW:
        printf("whole rows%s", node->window->keys != NULL ? " by " : "");
        ds_explain_columns(&node->schema, node->window->keys, node->window->n_keys);
        break;
    default: printf("whole rows"); break;
    }
    const ds_stage_input *input = ds_plan_input(plan, node);
    printf(", %u partition%s, ", target->n_partitions, target->n_partitions == 1 ? "" : "s");
    ds_explain_size(input->types, input->n_types, "row");
    printf("\n");
}

static void print_children(const ds_plan *plan, const ds_stage *stage, const ds_node *node);

/* A stream that is only another name for its parent computes nothing. */
static void print_rows(const ds_node *node)
{
    if (node->kind == DS_NODE_HAVING) {
        printf("      compute %s: having\n", node->stream);
        return;
    }
    if (node->kind == DS_NODE_SNAPSHOT) {
        ds_explain_snapshot(node);
        return;
    }
    const ds_rows_plan *rows = node->rows;
    const bool steps[] = {node->n_parents > 1, rows->flat_map != NULL, rows->where != NULL,
                          rows->select != NULL};
    static const char *const names[] = {"union", "flat_map", "where", "select"};
    bool first = true;
    for (int i = 0; i < 4; i++) {
        if (!steps[i])
            continue;
        if (first)
            printf("      compute %s: %s", node->stream, names[i]);
        else
            printf(", %s", names[i]);
        first = false;
    }
    if (!first)
        printf("\n");
}

/* Rows on their way to a join with a table. */
static void print_side(const ds_plan *plan, const ds_stage *stage, const ds_node *exchange)
{
    const ds_node *join = exchange->children[0];
    if (ds_broadcast_stream(join) != exchange) {
        ds_explain_held(join);
        return;
    }
    ds_explain_lookup(join);
    print_children(plan, stage, join);
}

static void print_child(const ds_plan *plan, const ds_stage *stage, const ds_node *node)
{
    static const char *const sinks[] = {[DS_TO_CONSOLE] = "console",
                                        [DS_TO_FILE] = "file",
                                        [DS_TO_APPEND] = "append",
                                        [DS_TO_TEST] = "test"};
    if (node->stage != DS_NO_STAGE) {
        print_write(plan, node);
        return;
    }
    if (node->kind == DS_NODE_EXCHANGE && ds_node_is_broadcast(node->children[0])) {
        print_side(plan, stage, node);
        return;
    }
    if (node->kind == DS_NODE_EXCHANGE) {
        ds_explain_here(node); /* its join comes when all roots have given their rows */
        return;
    }
    if (node->kind == DS_NODE_SINK)
        printf("      write sink %s (%s)\n", node->stream, sinks[node->sink->kind]);
    else
        print_rows(node);
    print_children(plan, stage, node);
}

static void print_children(const ds_plan *plan, const ds_stage *stage, const ds_node *node)
{
    for (uint32_t i = 0; i < node->n_children; i++)
        print_child(plan, stage, node->children[i]);
}

static void print_stage(const ds_plan *plan, const ds_stage *stage)
{
    char slide[32];
    duration(stage->keyed ? stage->root->parents[0]->slide_ms : stage->root->slide_ms, slide);
    printf("  stage %u, ", stage->id);
    if (stage->root->held)
        printf("for each version of the table, in every executor\n");
    else if (stage->n_partitions == 0)
        printf("one task for each block or piece of input, every %s\n", slide);
    else
        printf("%u task%s, every %s\n", stage->n_partitions, stage->n_partitions == 1 ? "" : "s",
               slide);
    for (uint32_t i = 0; i < stage->n_inputs; i++) {
        const ds_node *root = stage->inputs[i].root;
        printf("      ");
        print_root(root);
        printf("\n");
        if (ds_explain_is_side(root))
            continue; /* its join follows */
        if (root->kind == DS_NODE_SINK)
            printf("      write sink %s (console)\n", root->stream);
        print_children(plan, stage, root);
    }
    for (uint32_t i = 0; i < stage->n_joins; i++) {
        ds_explain_join(stage->joins[i]);
        print_children(plan, stage, stage->joins[i]);
    }
}

static void print_dead_letters(const ds_plan *plan)
{
    if (plan->dead_letters == DS_NO_SINK)
        return;
    printf("\ndead letters go to %s, from", plan->app->dead_letters);
    const char *before = " ";
    for (uint32_t i = 0; i < plan->app->n_sources; i++) {
        if (plan->app->sources[i].on_error != DS_ON_ERROR_DEAD_LETTER)
            continue;
        printf("%s%s", before, plan->app->sources[i].name);
        before = ", ";
    }
    printf("\n");
}

static void print_functions(const ds_app *app)
{
    if (app->n_functions > 0)
        printf("\nfunctions\n");
    for (uint32_t i = 0; i < app->n_functions; i++) {
        const ds_lua_definition *f = &app->functions[i];
        printf("  %s(", f->name);
        for (uint32_t a = 0; a < f->n_args; a++)
            printf("%s%s", a > 0 ? ", " : "", ds_type_name(f->args[a]));
        printf("%s) gives %s: %sin Lua, %s\n", f->args == NULL ? "..." : "",
               ds_type_name(f->returns), f->aggregate ? "an aggregate " : "", f->place);
    }
}

static void print_plan(const ds_plan *plan)
{
    const ds_app *app = plan->app;
    char interval[32];
    printf("app %s: a batch every %s, %u executor%s with %u core%s, %u key partitions, plan "
           "%016" PRIx64 "\n\n",
           app->name, duration(app->interval_ms, interval), app->executors_count,
           app->executors_count == 1 ? "" : "s", app->executors_cores,
           app->executors_cores == 1 ? "" : "s", plan->key_partitions, plan->hash);
    print_streams(plan);
    print_functions(app);
    printf("\nstages of a batch\n");
    for (uint32_t i = 0; i < plan->n_stages; i++)
        print_stage(plan, &plan->stages[i]);
    if (plan->n_stages == 0)
        printf("  none: no sink reads anything\n");
    print_dead_letters(plan);
}

int ds_command_explain(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] == '-')
        return ds_usage_error("explain", "one app file is wanted");
    ds_loaded loaded;
    ds_status status = ds_load(argv[1], &(ds_app_options){0}, false, &loaded);
    if (status == DS_OK)
        print_plan(loaded.plan);
    ds_loaded_free(&loaded);
    return ds_status_exit(status);
}
