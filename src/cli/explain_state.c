#include "cli/explain_state.h"

#include "dstream/op_state.h"
#include "dstream/units.h"

#include <stdio.h>

static void print_names(const ds_field *fields, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        printf("%s%s", i > 0 ? ", " : "", fields[i].name);
}

static bool keeps_text(const ds_state_spec *spec)
{
    bool text = false;
    for (uint32_t i = 0; i < spec->n_keys; i++)
        text = text || spec->keys[i].kind == DS_STRING;
    for (uint32_t i = 0; i < spec->n_values; i++)
        text = text || spec->values[i].kind == DS_STRING || spec->values[i].kind == DS_LIST;
    return text;
}

static void print_life(const ds_state_plan *plan)
{
    char timeout[DS_UNIT_TEXT];
    ds_duration_format(plan->spec.timeout_ms, timeout);
    if (plan->spec.timeout_ms > 0)
        printf("; until %s after its last row", timeout);
    if (plan->remove_when != NULL)
        printf("%s remove_when holds", plan->spec.timeout_ms > 0 ? " or" : "; until");
    if (plan->spec.timeout_ms == 0 && plan->remove_when == NULL)
        printf("; for ever");
}

void ds_explain_state(const ds_node *node)
{
    const ds_group_plan *group = node->group;
    const ds_state_plan *plan = group->state;
    const ds_state_spec *spec = &plan->spec;
    printf("keep state by ");
    print_names(node->schema.fields, spec->n_keys);
    printf(": ");
    print_names(node->schema.fields + spec->n_keys, spec->n_values);
    for (uint32_t i = 0; i < group->n_visible; i++)
        printf("%s%s", i == 0 ? "; aggregates " : ", ", group->spec.calls[i].aggregate->name);
    print_life(plan);
    printf("; about %zu bytes a key%s", ds_state_key_bytes(spec),
           keeps_text(spec) ? " and its text" : "");
    printf("; emit %s", plan->emit_all ? "all keys" : "what changed");
}

void ds_explain_snapshot(const ds_node *node)
{
    printf("      compute %s: snapshot of the state of %s\n", node->stream,
           node->parents[0]->stream);
}
