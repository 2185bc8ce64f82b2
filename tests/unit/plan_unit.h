/* Planning app files in unit tests. Texts are written with ' for ". */
#ifndef DS_TESTS_PLAN_UNIT_H
#define DS_TESTS_PLAN_UNIT_H

#include "dstream/plan.h"

#include "unit/app_unit.h"

typedef struct planned {
    loaded app;
    ds_plan *plan; /* NULL: errors */
    ds_status status;
} planned;

#define PLAN_TESTED 16

/* Plans an app file. tested: "a b" makes a plan for a test that looks at these, NULL one for its
 * sinks. */
static inline planned plan_whole(const char *text, const char *tested)
{
    planned p = {.app = unit_load(text)};
    ck_assert_msg(p.app.app != NULL, "%s", p.app.said.data);
    const char *names[PLAN_TESTED];
    ds_plan_options options = {.tested = names, .testing = true};
    char *save = NULL, *copy = tested == NULL ? NULL : ds_strdup(tested), *at = copy;
    for (; copy != NULL && (at = strtok_r(at, " ", &save)) != NULL; at = NULL) {
        ck_assert_uint_lt(options.n_tested, PLAN_TESTED);
        names[options.n_tested++] = ds_arena_strdup(p.app.app->arena, at);
    }
    free(copy);
    p.status = ds_plan_new(p.app.app, tested == NULL ? NULL : &options, p.app.diagnostics, &p.plan);
    ck_assert_int_eq(p.status == DS_OK, p.plan != NULL);
    p.app.said.length = 0;
    ds_diagnostics_print(p.app.diagnostics, &p.app.said);
    ds_buffer_text(&p.app.said);
    return p;
}

/* As above, of the entries of "sources" and "streams" alone. */
static inline planned plan_streams(const char *sources, const char *streams, const char *tested)
{
    ds_buffer text = {0};
    ds_buffer_printf(&text,
                     "{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' },\n"
                     "'executors': { 'key_partitions': 3 },\n"
                     "'sources': { %s },\n'streams': { %s },\n'sinks': {} }",
                     sources, streams);
    planned p = plan_whole(ds_buffer_text(&text), tested);
    ds_buffer_fini(&text);
    return p;
}

static inline planned plan_well(const char *sources, const char *streams, const char *tested)
{
    planned p = plan_streams(sources, streams, tested);
    ck_assert_msg(p.status == DS_OK, "%s", p.app.said.data);
    return p;
}

static inline void plan_close(planned *p)
{
    ds_plan_free(p->plan);
    unit_unload(&p->app);
}

/* "n:int x:float" */
static inline void schema_text(const ds_schema *schema, ds_buffer *out)
{
    out->length = 0;
    for (uint32_t i = 0; i < schema->n_fields; i++)
        ds_buffer_printf(out, "%s%s:%s", i > 0 ? " " : "", schema->fields[i].name,
                         ds_type_name(schema->fields[i].type));
    ds_buffer_text(out);
}

/* The node of a kind that belongs to a stream, source or sink; the first of several. */
static inline ds_node *plan_node(const ds_plan *plan, const char *stream, ds_node_kind kind)
{
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        if (plan->nodes[i]->kind == kind && strcmp(plan->nodes[i]->stream, stream) == 0)
            return plan->nodes[i];
    return NULL;
}

/* The stage whose root is such a node. */
static inline const ds_stage *plan_stage(const ds_plan *plan, const char *stream, ds_node_kind kind)
{
    const ds_node *node = plan_node(plan, stream, kind);
    ck_assert_msg(node != NULL, "no such node of %s", stream);
    return node->stage == DS_NO_STAGE ? NULL : &plan->stages[node->stage];
}

#endif
