/* The plan-time half of op_join.h. */
#include "base/assert.h"
#include "dstream/op_join.h"

#include <string.h>

#define MOST_COLUMNS 4000u
#define LONGEST_NAME 1000u /* as in a file */

/* The clause while it is looked at. */
typedef struct binding {
    ds_planner *planner;
    const ds_app_stream *stream;
    const ds_app_join *join;
    const ds_schema *const *sides;
    const char *names[2]; /* of the sides; the left one may be NULL */
    ds_join_plan *plan;
    bool fine;
} binding;

/* The parents of a union have the same columns: the first stands for all. */
static const char *side_name(const binding *b, int side)
{
    return b->names[side] != NULL ? b->names[side] : b->stream->from[0];
}

/* ---- keys ---- */

static int find_key(binding *b, uint32_t i, int side)
{
    const char *name = side == DS_LEFT_SIDE ? b->join->left[i] : b->join->right[i];
    const ds_schema *schema = b->sides[side];
    const char *path = b->join->paths[i];
    int at = ds_schema_find(schema, name);
    if (at < 0) {
        ds_planner_no_column_of(b->planner, path, name, side_name(b, side), schema);
    } else if (schema->fields[at].type.kind == DS_LIST) {
        ds_diag_error(b->planner->diagnostics, path,
                      "a list cannot be a key: \"%s\" of \"%s\" is %s", name, side_name(b, side),
                      ds_type_name(schema->fields[at].type));
        at = -1;
    }
    return at;
}

/* The type that two keys have in common; a null type if there is none. */
static ds_type common_type(ds_type left, ds_type right)
{
    if (ds_type_equal(left, right))
        return left;
    bool numbers = (left.kind == DS_INT && right.kind == DS_FLOAT) ||
                   (left.kind == DS_FLOAT && right.kind == DS_INT);
    return numbers ? DS_TYPE(DS_FLOAT) : DS_TYPE(DS_NULL_TYPE);
}

static void add_key(binding *b, uint32_t i)
{
    ds_join_plan *plan = b->plan;
    int left = find_key(b, i, DS_LEFT_SIDE), right = find_key(b, i, DS_RIGHT_SIDE);
    b->fine = b->fine && left >= 0 && right >= 0;
    if (left < 0 || right < 0)
        return;
    for (uint32_t k = 0; k < plan->n_keys; k++) {
        if (plan->keys[DS_LEFT_SIDE][k] != (uint32_t)left)
            continue;
        ds_diag_error(b->planner->diagnostics, b->join->paths[i], "\"%s\" is a key already",
                      b->join->left[i]);
        b->fine = false;
        return;
    }
    ds_type left_type = b->sides[DS_LEFT_SIDE]->fields[left].type;
    ds_type right_type = b->sides[DS_RIGHT_SIDE]->fields[right].type;
    ds_type type = common_type(left_type, right_type);
    if (type.kind == DS_NULL_TYPE) {
        ds_diag_error(b->planner->diagnostics, b->join->paths[i],
                      "keys of different types never meet: \"%s\" is %s in \"%s\", and \"%s\" is "
                      "%s in \"%s\"",
                      b->join->left[i], ds_type_name(left_type), side_name(b, DS_LEFT_SIDE),
                      b->join->right[i], ds_type_name(right_type), side_name(b, DS_RIGHT_SIDE));
        b->fine = false;
        return;
    }
    plan->keys[DS_LEFT_SIDE][plan->n_keys] = (uint32_t)left;
    plan->keys[DS_RIGHT_SIDE][plan->n_keys] = (uint32_t)right;
    plan->key_types[plan->n_keys++] = type;
}

static void add_keys(binding *b)
{
    ds_arena *arena = b->planner->arena;
    uint32_t n = b->join->n_on;
    DS_ASSERT(n <= DS_MAX_KEYS);
    b->plan->keys[DS_LEFT_SIDE] = DS_ARENA_ARRAY(arena, uint32_t, n + 1);
    b->plan->keys[DS_RIGHT_SIDE] = DS_ARENA_ARRAY(arena, uint32_t, n + 1);
    b->plan->key_types = DS_ARENA_ARRAY(arena, ds_type, n + 1);
    for (uint32_t i = 0; i < n; i++)
        add_key(b, i);
    b->fine = b->fine && n > 0;
}

/* Which key a column of a side is, or -1. */
static int key_of(const ds_join_plan *plan, int side, uint32_t column)
{
    for (uint32_t k = 0; k < plan->n_keys; k++)
        if (plan->keys[side][k] == column)
            return (int)k;
    return -1;
}

/* ---- columns ---- */

static void add_column(binding *b, ds_schema *output, const char *name, ds_type type,
                       const char *qualifier, ds_join_column column)
{
    bool found = ds_schema_find(output, name) >= 0;
    if (found || strlen(name) > LONGEST_NAME) {
        ds_diag_error(b->planner->diagnostics,
                      ds_arena_printf(b->planner->arena, "%s.join.with", b->stream->path),
                      found ? "there is a column \"%.200s\" on the left side already: select "
                              "another name for it before the join"
                            : "the name of the column \"%.200s…\" is too long: select another one "
                              "for it before the join",
                      name);
        b->fine = false;
        return;
    }
    uint32_t at = output->n_fields++;
    output->fields[at] = (ds_field){name, type};
    b->plan->columns[at] = column;
    b->plan->qualifiers[at] = qualifier;
}

/* Joins of joins double the columns each time: there is an end to it. */
static bool too_wide(binding *b, const ds_schema *output)
{
    uint32_t n = output->n_fields - b->plan->n_keys;
    if (n <= MOST_COLUMNS)
        return false;
    ds_diag_error(
        b->planner->diagnostics, ds_arena_printf(b->planner->arena, "%s.join", b->stream->path),
        "its result would have %u columns: at most %u, select fewer before", n, MOST_COLUMNS);
    b->fine = false;
    return true;
}

static void add_columns(binding *b, ds_schema *output)
{
    ds_join_plan *plan = b->plan;
    const ds_schema *left = b->sides[DS_LEFT_SIDE], *right = b->sides[DS_RIGHT_SIDE];
    ds_arena *arena = b->planner->arena;
    *output = ds_planner_schema(b->planner, left->n_fields + right->n_fields);
    if (too_wide(b, output))
        return;
    plan->columns = DS_ARENA_ARRAY(arena, ds_join_column, output->n_fields + 1);
    plan->qualifiers = DS_ARENA_ARRAY(arena, const char *, output->n_fields + 2);
    output->n_fields = 0;
    for (uint32_t c = 0; c < left->n_fields; c++) {
        int key = key_of(plan, DS_LEFT_SIDE, c);
        if (key >= 0)
            add_column(b, output, left->fields[c].name, plan->key_types[key], NULL,
                       (ds_join_column){true, DS_LEFT_SIDE, (uint32_t)key});
        else
            add_column(b, output, left->fields[c].name, left->fields[c].type,
                       b->names[DS_LEFT_SIDE], (ds_join_column){false, DS_LEFT_SIDE, c});
    }
    for (uint32_t c = 0; c < right->n_fields; c++) {
        const ds_field *field = &right->fields[c];
        if (key_of(plan, DS_RIGHT_SIDE, c) >= 0)
            continue;
        const char *name = field->name;
        if (ds_schema_find(left, name) >= 0)
            name = ds_arena_printf(arena, "%s.%s", b->names[DS_RIGHT_SIDE], name);
        add_column(b, output, name, field->type, b->names[DS_RIGHT_SIDE],
                   (ds_join_column){false, DS_RIGHT_SIDE, c});
    }
}

/* ---- names of keys ---- */

bool ds_join_keeps(const ds_join_plan *plan, int side)
{
    return plan->type == DS_JOIN_FULL ||
           plan->type == (side == DS_LEFT_SIDE ? DS_JOIN_LEFT : DS_JOIN_RIGHT);
}

/* "a.k" and "b.k" are the key where that side always has a row; where it may have none, the name
 * would promise a null that the key does not have. */
static void add_alias(binding *b, const ds_schema *output, uint32_t k, int side)
{
    ds_join_plan *plan = b->plan;
    if (b->names[side] == NULL)
        return;
    const char *key = b->sides[DS_LEFT_SIDE]->fields[plan->keys[DS_LEFT_SIDE][k]].name;
    const char *name = b->sides[side]->fields[plan->keys[side][k]].name;
    ds_alias *alias = &plan->aliases[plan->n_aliases++];
    alias->name = ds_arena_printf(b->planner->arena, "%s.%s", b->names[side], name);
    alias->column = (uint32_t)ds_schema_find(output, key);
    if (ds_join_keeps(plan, !side))
        alias->why_not = ds_arena_printf(
            b->planner->arena,
            "a key appears once, with the value of the side that has it: write %s (whether \"%s\" "
            "has a row is told by another column of it)",
            key, b->names[side]);
}

static void add_aliases(binding *b, const ds_schema *output)
{
    ds_join_plan *plan = b->plan;
    plan->aliases = DS_ARENA_ARRAY(b->planner->arena, ds_alias, 2 * (size_t)plan->n_keys);
    for (uint32_t k = 0; k < plan->n_keys; k++) {
        add_alias(b, output, k, DS_LEFT_SIDE);
        add_alias(b, output, k, DS_RIGHT_SIDE);
    }
}

ds_join_plan *ds_join_plan_new(ds_planner *planner, const ds_app_stream *stream,
                               const ds_schema *const sides[2], const char *left_name,
                               ds_exchange_plan *exchanges[2], ds_schema exchanged[2],
                               ds_schema *output)
{
    binding b = {.planner = planner,
                 .stream = stream,
                 .join = stream->join,
                 .sides = sides,
                 .names = {left_name, stream->join->with},
                 .plan = DS_ARENA_NEW(planner->arena, ds_join_plan),
                 .fine = true};
    b.plan->type = stream->join->type;
    add_keys(&b);
    if (!b.fine)
        return NULL;
    add_columns(&b, output);
    if (!b.fine)
        return NULL;
    add_aliases(&b, output);
    for (int side = 0; side < 2; side++) {
        exchanges[side] = ds_exchange_by_key(planner, sides[side], b.plan->keys[side],
                                             b.plan->key_types, b.plan->n_keys, &exchanged[side]);
        exchanges[side]->drops_null_keys = !ds_join_keeps(b.plan, side);
    }
    return b.plan;
}

/* ---- later passes ---- */

static void want_side(ds_planner *planner, ds_join_plan *plan, const ds_node *node, int side)
{
    ds_node *parent = node->parents[side];
    uint32_t n = parent->schema.n_fields;
    for (uint32_t c = 0; c < node->schema.n_fields; c++)
        if (node->wanted[c] && !plan->columns[c].is_key && plan->columns[c].side == side)
            parent->wanted[plan->columns[c].column] = true;
    for (uint32_t k = 0; k < plan->n_keys; k++)
        parent->wanted[plan->keys[side][k]] = true;
    plan->wanted[side] = DS_ARENA_ARRAY(planner->arena, uint32_t, n + 1);
    plan->wanted_types[side] = DS_ARENA_ARRAY(planner->arena, ds_type, n + 1);
    for (uint32_t c = 0; c < n; c++) {
        if (!parent->wanted[c])
            continue;
        plan->wanted[side][plan->n_wanted[side]] = c;
        plan->wanted_types[side][plan->n_wanted[side]++] = parent->schema.fields[c].type;
    }
}

void ds_join_plan_want(ds_planner *planner, const ds_node *node)
{
    ds_join_plan *plan = (ds_join_plan *)node->join;
    want_side(planner, plan, node, DS_LEFT_SIDE);
    want_side(planner, plan, node, DS_RIGHT_SIDE);
}

static void reorder(const uint32_t *order, uint32_t n, uint32_t *keys)
{
    uint32_t old[DS_MAX_KEYS];
    memcpy(old, keys, n * sizeof *keys);
    for (uint32_t k = 0; k < n; k++)
        keys[k] = old[order[k]];
}

void ds_join_plan_reorder(ds_planner *planner, const ds_node *node, const uint32_t *order)
{
    ds_join_plan *plan = (ds_join_plan *)node->join;
    uint32_t n = plan->n_keys;
    uint32_t *place = DS_ARENA_ARRAY(planner->arena, uint32_t, n); /* where each key is now */
    ds_type *types = DS_ARENA_ARRAY(planner->arena, ds_type, n);
    for (uint32_t k = 0; k < n; k++) {
        place[order[k]] = k;
        types[k] = plan->key_types[order[k]];
    }
    plan->key_types = types;
    for (int side = 0; side < 2; side++) {
        reorder(order, n, plan->keys[side]);
        reorder(order, n, ((ds_exchange_plan *)node->parents[side]->exchange)->keys);
    }
    for (uint32_t c = 0; c < node->schema.n_fields; c++)
        if (plan->columns[c].is_key)
            plan->columns[c].column = place[plan->columns[c].column];
}
