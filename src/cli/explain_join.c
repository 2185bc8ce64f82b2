#include "cli/explain_join.h"

#include "dstream/op_broadcast.h"

#include <stdio.h>

void ds_explain_size(const ds_type *types, uint32_t n_types, const char *of)
{
    uint32_t bytes = 0, bits = 0;
    bool text = false;
    for (uint32_t i = 0; i < n_types; i++) {
        text = text || types[i].kind == DS_STRING || types[i].kind == DS_LIST;
        bits += types[i].kind == DS_BOOL;
        bytes += (uint32_t)ds_type_width(types[i]);
    }
    bytes += (bits + 7) / 8;
    printf("%u byte%s a %s%s", bytes, bytes == 1 ? "" : "s", of, text ? " and its text" : "");
}

void ds_explain_columns(const ds_schema *schema, const uint32_t *columns, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        printf("%s%s", i > 0 ? ", " : "", schema->fields[columns[i]].name);
}

/* An exchange by key has one child, its join. */
static const ds_node *join_of(const ds_node *exchange)
{
    return exchange->children[0];
}

static const char *side_of(const ds_node *exchange)
{
    return join_of(exchange)->parents[DS_LEFT_SIDE] == exchange ? "left" : "right";
}

static void print_side(const ds_node *exchange)
{
    printf("%s side of join %s", side_of(exchange), exchange->stream);
}

bool ds_explain_is_side(const ds_node *node)
{
    return node->kind == DS_NODE_EXCHANGE && node->exchange->keys != NULL;
}

void ds_explain_to(const ds_node *node)
{
    const ds_exchange_plan *plan = node->exchange;
    printf(plan->keys == NULL ? "evenly" : "by ");
    ds_explain_columns(&node->schema, plan->keys, plan->n_keys);
    if (plan->keys != NULL) {
        printf(" for the ");
        print_side(node);
    }
}

void ds_explain_exchange(const ds_node *node)
{
    const ds_exchange_plan *plan = node->exchange;
    if (plan->keys == NULL) {
        printf("take rows spread evenly (repartition of %s)", node->stream);
        return;
    }
    printf("take the ");
    print_side(node);
    printf(", brought together by ");
    ds_explain_columns(&node->schema, plan->keys, plan->n_keys);
}

void ds_explain_here(const ds_node *node)
{
    const ds_exchange_plan *plan = node->exchange;
    printf("      to the ");
    print_side(node);
    printf(", in partitions by ");
    ds_explain_columns(&node->schema, plan->keys, plan->n_keys);
    printf(" already: no shuffle\n");
}

static void print_on(const ds_node *node)
{
    const ds_join_plan *plan = node->join;
    const ds_schema *left = &node->parents[DS_LEFT_SIDE]->schema;
    const ds_schema *right = &node->parents[DS_RIGHT_SIDE]->schema;
    for (uint32_t k = 0; k < plan->n_keys; k++)
        printf("%s%s = %s", k > 0 ? ", " : "", left->fields[plan->keys[DS_LEFT_SIDE][k]].name,
               right->fields[plan->keys[DS_RIGHT_SIDE][k]].name);
}

static const char *const kinds[] = {[DS_JOIN_INNER] = "inner",
                                    [DS_JOIN_LEFT] = "left",
                                    [DS_JOIN_RIGHT] = "right",
                                    [DS_JOIN_FULL] = "full"};

void ds_explain_lookup(const ds_node *join)
{
    printf("      join %s: %s, on ", join->stream, kinds[join->join->type]);
    print_on(join);
    printf("; rows are looked up in table %s as they pass: no shuffle\n",
           join->join->table->stream);
}

void ds_explain_held(const ds_node *join)
{
    const ds_join_plan *plan = join->join;
    int side = plan->table_side;
    printf("      held by every executor for join %s, by ", join->stream);
    ds_explain_columns(&join->parents[side]->schema, plan->keys[side], plan->n_keys);
    printf(": ");
    ds_explain_size(plan->wanted_types[side], plan->n_wanted[side], "row");
    printf(", and the keys\n");
}

void ds_explain_join(const ds_node *node)
{
    const ds_join_plan *plan = node->join;
    printf("      join %s: %s, on ", node->stream, kinds[plan->type]);
    print_on(node);
    printf("; holds the smaller side for the batch: left ");
    ds_explain_size(plan->wanted_types[DS_LEFT_SIDE], plan->n_wanted[DS_LEFT_SIDE], "row");
    printf(", right ");
    ds_explain_size(plan->wanted_types[DS_RIGHT_SIDE], plan->n_wanted[DS_RIGHT_SIDE], "row");
    printf("\n");
}
