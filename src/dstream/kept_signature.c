/*
 * What a chain depends on. What is computed only from what is kept is left out: `having`, `select`,
 * how aggregates are put together to columns, and `set` and `remove_when` of a state, which may
 * change as long as the columns of the state keep their types.
 */
#include "base/assert.h"
#include "base/buffer.h"
#include "dstream/kept.h"
#include "dstream/units.h"

#include <jansson.h>

static json_t *duration(int64_t ms)
{
    char text[DS_UNIT_TEXT];
    ds_duration_format(ms, text);
    return json_string(text);
}

/* What has a name and a type. */
static json_t *columns(const ds_schema *schema, uint32_t from, uint32_t n)
{
    json_t *list = json_array();
    for (uint32_t i = from; i < from + n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", schema->fields[i].name, "type",
                                              ds_type_name(schema->fields[i].type)));
    return list;
}

static void set_times(json_t *to, int64_t size_ms, int64_t slide_ms, int64_t step_ms)
{
    json_object_set_new(to, "size", duration(size_ms));
    json_object_set_new(to, "slide", duration(slide_ms));
    json_object_set_new(to, "every", duration(step_ms));
}

/* ---- Aggregates ---- */

static json_t *printed(const ds_expr *expr)
{
    ds_buffer text = {0};
    ds_expr_print(expr, &text);
    json_t *string = json_string(ds_buffer_text(&text));
    ds_buffer_fini(&text);
    return string;
}

/* A call by its arguments, and the literals that were taken out of them. */
static json_t *call_of(const ds_agg_call *call)
{
    json_t *json = json_object(), *arguments = json_array();
    json_object_set_new(json, "call", json_string(call->aggregate->name));
    for (uint32_t a = 0; a < call->n_args; a++)
        json_array_append_new(arguments, json_pack("{s:o, s:s}", "of", printed(call->args[a]),
                                                   "type", ds_type_name(call->arg_types[a])));
    json_object_set_new(json, "arguments", arguments);
    if (call->filter != NULL)
        json_object_set_new(json, "where", printed(call->filter));
    if (call->quantile != 0)
        json_object_set_new(json, "quantile", json_real(call->quantile));
    if (call->top != 0)
        json_object_set_new(json, "top", json_integer(call->top));
    if (call->separator != NULL)
        json_object_set_new(json, "separator",
                            json_stringn(call->separator, call->separator_length));
    json_object_set_new(json, "type", json_string(ds_type_name(call->type)));
    return json;
}

/* Hidden calls count rows for which another one could not be computed. */
static json_t *calls_of(const ds_group_plan *group)
{
    json_t *list = json_array();
    for (uint32_t c = 0; c < group->spec.n_calls; c++) {
        const ds_call_input *input = &group->inputs[c];
        if (c < group->n_visible)
            json_array_append_new(list, call_of(&group->spec.calls[c]));
        else
            json_array_append_new(list, json_pack("{s:s, s:i}", "failures",
                                                  input->of_functions ? "functions" : "any", "of",
                                                  input->poisoned_by));
    }
    return list;
}

/* ---- By kind ---- */

static json_t *of_groups(const ds_node *root)
{
    const ds_group_plan *group = root->group;
    json_t *json = json_pack("{s:s}", "keeps", "a window of groups");
    set_times(json, group->window.size_ms, group->window.slide_ms, group->window.step_ms);
    json_object_set_new(json, "keys", columns(&root->schema, 0, group->n_keys));
    json_object_set_new(json, "calls", calls_of(group));
    return json;
}

static json_t *of_rows(const ds_node *root)
{
    const ds_window_plan *plan = root->window;
    json_t *json = json_pack("{s:s}", "keeps", "a window of rows"), *kept = json_array();
    set_times(json, plan->size_ms, plan->slide_ms, plan->step_ms);
    for (uint32_t c = 0; c < root->schema.n_fields; c++) {
        const ds_field *field = &root->schema.fields[c];
        if (root->wanted[c])
            json_array_append_new(kept, json_pack("{s:s, s:s}", "name", field->name, "type",
                                                  ds_type_name(field->type)));
    }
    json_object_set_new(json, "columns", kept);
    json_t *keys = json_array();
    for (uint32_t k = 0; k < plan->n_keys; k++)
        json_array_append_new(keys, json_string(root->schema.fields[plan->keys[k]].name));
    json_object_set_new(json, "by", plan->keys != NULL ? keys : json_null());
    if (plan->keys == NULL)
        json_decref(keys);
    json_object_set_new(json, "in_order", json_boolean(root->ordered));
    return json;
}

static json_t *of_state(const ds_node *root)
{
    const ds_state_spec *spec = &root->group->state->spec;
    json_t *json = json_pack("{s:s}", "keeps", "a state");
    json_object_set_new(json, "keys", columns(&root->schema, 0, spec->n_keys));
    json_object_set_new(json, "values", columns(&root->schema, spec->n_keys, spec->n_values));
    json_object_set_new(json, "timeout",
                        spec->timeout_ms > 0 ? duration(spec->timeout_ms) : json_null());
    return json;
}

char *ds_kept_signature(const ds_node *root)
{
    DS_ASSERT(ds_node_keeps(root));
    json_t *json = root->kind == DS_NODE_STATE   ? of_state(root)
                   : root->kind == DS_NODE_GROUP ? of_groups(root)
                                                 : of_rows(root);
    char *dumped = json_dumps(json, JSON_REAL_PRECISION(17));
    DS_ASSERT(dumped != NULL);
    char *text = ds_strdup(dumped);
    free(dumped);
    json_decref(json);
    return text;
}
