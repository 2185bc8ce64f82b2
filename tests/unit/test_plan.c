/* Plans: columns, what is read, stages, and what is due when. */
#include "dstream/op_window.h"

#include "unit/plan_unit.h"

#define IN                                                                                         \
    "'in': { 'type': 'queue', 'batches': [[]],"                                                    \
    "        'schema': { 'n': 'int', 'x': 'float', 's': 'string', 'l': 'list<string>' } }"
#define MORE ", 'also': { 'type': 'queue', 'batches': [[]], 'schema': { 'n': 'int' } }"

/* ---- columns ---- */

static const struct {
    const char *clauses, *columns;
} schemas[] = {
    {"", "n:int x:float s:string l:list<string>"},
    {", 'where': 'n > 1'", "n:int x:float s:string l:list<string>"},
    {", 'select': { 'b': 'n', 'a': 'n > 1' }", "b:int a:bool"},
    {", 'select': { '*': true, 'n': 'x', 'z': 'n + 1' }",
     "n:float x:float s:string l:list<string> z:int"},
    {", 'flat_map': { 'l': 'l' }", "n:int x:float s:string l:string"},
    {", 'flat_map': { 'w': 'split(s)' }, 'select': { 'w': 'w', 'n': 'n' }", "w:string n:int"},
    {", 'group_by': ['s', 'n']", "s:string n:int"},
    {", 'group_by': ['s'], 'aggregate': { 'z': 'count()', 'a': 'sum(x)', 'r': 'sum(n) / 2.0' }",
     "s:string z:int a:float r:float"},
    {", 'aggregate': { 'l': 'collect_list(n)', 'at': 'batch_time()' }", "l:list<int> at:timestamp"},
    {", 'window': '2s', 'aggregate': { 'from': 'window_start()', 'to': 'window_end()' }",
     "from:timestamp to:timestamp"},
    {", 'select': { 'n': 'n' }, 'distinct': true", "n:int"},
    {", 'window': '2s', 'select': { 'n': 'n' }", "n:int"},
    {", 'having': 'n > 1', 'order_by': 'x', 'limit': 3", "n:int x:float s:string l:list<string>"},
};

START_TEST(columns_follow_the_clauses)
{
    ds_buffer text = {0};
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        char *stream = NULL;
        ck_assert_int_gt(asprintf(&stream, "'a': { 'from': 'in' %s }", schemas[i].clauses), 0);
        planned p = plan_well(IN, stream, "a");
        const ds_plan_output *output = ds_plan_find(p.plan, "a");
        ck_assert_ptr_nonnull(output);
        schema_text(output->schema, &text);
        ck_assert_str_eq(text.data, schemas[i].columns);
        free(stream);
        plan_close(&p);
    }
    ds_buffer_fini(&text);
}
END_TEST

/* Outputs are known of sources and streams that nothing needs, too. */
START_TEST(all_outputs_can_be_found)
{
    planned p =
        plan_well(IN MORE, "'a': { 'from': 'in' }, 'b': { 'from': 'a', 'window': '3s' }", "a");
    ck_assert_uint_eq(p.plan->n_outputs, 4);
    ck_assert_int_eq(ds_plan_find(p.plan, "in")->slide_ms, 1000);
    ck_assert_uint_eq(ds_plan_find(p.plan, "also")->schema->n_fields, 1);
    ck_assert_int_eq(ds_plan_find(p.plan, "b")->slide_ms, 3000);
    ck_assert_ptr_null(ds_plan_find(p.plan, "c"));
    ck_assert_ptr_null(ds_plan_find(p.plan, ""));
    plan_close(&p);
}
END_TEST

/* ---- what is needed, what is read ---- */

START_TEST(only_what_a_sink_needs_stays)
{
    planned p = plan_well(IN MORE,
                          "'a': { 'from': 'in' }, 'b': { 'from': 'a', 'window': '3s' },"
                          "'c': { 'from': 'also', 'distinct': true }",
                          "a");
    ck_assert_uint_eq(p.plan->n_nodes, 3);
    ck_assert_uint_eq(p.plan->n_sinks, 1);
    ck_assert(!p.plan->has_windows);
    for (uint32_t i = 0; i < p.plan->n_nodes; i++) {
        ck_assert_uint_eq(p.plan->nodes[i]->id, i);
        ck_assert(p.plan->nodes[i]->needed);
        for (uint32_t k = 0; k < p.plan->nodes[i]->n_parents; k++)
            ck_assert_uint_lt(p.plan->nodes[i]->parents[k]->id, i);
    }
    plan_close(&p);
}
END_TEST

/* The names of the columns of a source that are read. */
static void wanted_text(const planned *p, const char *source, ds_buffer *out)
{
    const ds_node *node = plan_node(p->plan, source, DS_NODE_SOURCE);
    out->length = 0;
    for (uint32_t c = 0; c < node->schema.n_fields; c++)
        if (node->wanted[c])
            ds_buffer_printf(out, "%s ", node->schema.fields[c].name);
    ds_buffer_text(out);
}

static const struct {
    const char *streams, *tested, *wanted;
} projections[] = {
    {"'a': { 'from': 'in' }", "a", "n x s l "},
    {"'a': { 'from': 'in', 'select': { 'k': 'n' } }", "a", "n "},
    {"'a': { 'from': 'in', 'select': { 'k': 'n', 'z': 'x' } }, 'b': { 'from': 'a', 'select': { "
     "'k': 'k' } }",
     "b", "n "},
    {"'a': { 'from': 'in', 'where': 's = `q`', 'select': { 'k': 'n' } }", "a", "n s "},
    {"'a': { 'from': 'in', 'flat_map': { 'l': 'split(s)' }, 'select': { 'l': 'l' } }", "a", "s "},
    {"'a': { 'from': 'in', 'flat_map': { 'w': 'l' }, 'select': { 'k': 'length(w) + n' } }", "a",
     "n l "},
    {"'a': { 'from': 'in', 'aggregate': { 'k': 'count()' } }", "a", ""},
    {"'a': { 'from': 'in', 'group_by': ['s'], 'aggregate': { 'k': 'sum(n) filter (where x > 0)' } "
     "}",
     "a", "n x s "},
    {"'a': { 'from': 'in', 'select': { 'n': 'n', 's': 's' }, 'order_by': 'n' },"
     "'b': { 'from': 'a', 'select': { 'n': 'n' } }",
     "b", "n s "}, /* ties are broken by all columns */
    {"'a': { 'from': 'in', 'having': 'x > 0' }, 'b': { 'from': 'a', 'select': { 'n': 'n' } }", "b",
     "n x "},
    {"'a': { 'from': 'in', 'window': '2s' }, 'b': { 'from': 'a', 'select': { 'n': 'n' } }", "b",
     "n "},
    {"'a': { 'from': 'in', 'window': '2s' }, 'b': { 'from': 'a', 'aggregate': { 'k': 'count()' } }",
     "b", ""},
    {"'a': { 'from': 'in', 'select': { 'n': 'n' } }, 'b': { 'from': 'in', 'select': { 'n': 'x' } }",
     "a b", "n x "},
    {"'a': { 'from': 'in', 'select': { 'p': 'n', 'q': 'x' } },"
     "'b': { 'from': 'in', 'select': { 'q': 'x', 'p': 'length(s)' } },"
     "'u': { 'from': ['a', 'b'], 'select': { 'k': 'p' } }",
     "u", "n s "},
    {"'a': { 'from': 'in' }, 'u': { 'from': ['a', 'a'], 'where': 'n > 0', 'select': { 'x': 'x' } }",
     "u", "n x "},
};

START_TEST(only_columns_that_count_are_read)
{
    ds_buffer text = {0};
    for (size_t i = 0; i < sizeof projections / sizeof *projections; i++) {
        planned p = plan_well(IN, projections[i].streams, projections[i].tested);
        wanted_text(&p, "in", &text);
        ck_assert_msg(strcmp(text.data, projections[i].wanted) == 0, "%s wants %s",
                      projections[i].streams, text.data);
        plan_close(&p);
    }
    ds_buffer_fini(&text);
}
END_TEST

START_TEST(order_is_kept_only_where_it_counts)
{
    planned p = plan_well(IN,
                          "'a': { 'from': 'in', 'window': '2s' },"
                          "'f': { 'from': 'a', 'aggregate': { 'k': 'first(n)' } },"
                          "'w': { 'from': 'in', 'window': '2s' },"
                          "'g': { 'from': 'w', 'aggregate': { 'k': 'sum(n)' } }",
                          "f g");
    ck_assert(plan_node(p.plan, "a", DS_NODE_WINDOW)->ordered);
    ck_assert_uint_eq(plan_stage(p.plan, "a", DS_NODE_WINDOW)->n_partitions, 1);
    ck_assert(!plan_node(p.plan, "w", DS_NODE_WINDOW)->ordered);
    ck_assert_uint_eq(plan_stage(p.plan, "w", DS_NODE_WINDOW)->n_partitions, 3);
    plan_close(&p);
}
END_TEST

/* ---- stages ---- */

/* "0 in(0); 1 a(3) <- 0" */
static void stages_text(const ds_plan *plan, ds_buffer *out)
{
    static const char *const kinds[] = {"source", "rows",   "exchange", "join",
                                        "group",  "window", "state",    "snapshot",
                                        "having", "order",  "sink"};
    out->length = 0;
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        const ds_stage *stage = &plan->stages[s];
        ck_assert_uint_eq(stage->id, s);
        ck_assert_uint_eq(stage->root->stage, s);
        for (uint32_t i = 0; i < stage->n_inputs; i++) {
            const ds_node *root = stage->inputs[i].root;
            ck_assert_uint_eq(root->stage, s);
            ck_assert_uint_eq(root->input, i);
            ds_buffer_printf(out, "%s%s %s",
                             i > 0   ? " + "
                             : s > 0 ? "; "
                                     : "",
                             kinds[root->kind], root->stream);
        }
        ds_buffer_printf(out, " %u%s", stage->n_partitions, stage->keyed ? " keyed" : "");
        for (uint32_t i = 0; i < stage->n_parents; i++)
            ds_buffer_printf(out, "%s%u", i > 0 ? "," : " from ", stage->parents[i]);
    }
    ds_buffer_text(out);
}

static const struct {
    const char *streams, *tested, *stages;
} cuts[] = {
    {"'a': { 'from': 'in' }", "a", "source in 0; sink a 1 from 0"},
    {"'a': { 'from': 'in', 'where': 'n > 1' }, 'b': { 'from': 'a', 'having': 'n > 2' }", "b",
     "source in 0; sink b 1 from 0"},
    {"'a': { 'from': 'in', 'group_by': ['n'] }", "a",
     "source in 0; group a 3 from 0; sink a 1 from 1"},
    {"'a': { 'from': 'in', 'aggregate': { 'k': 'count()' }, 'having': 'k > 1' }", "a",
     "source in 0; group a 1 from 0"}, /* one task alone makes the rows */
    {"'a': { 'from': 'in', 'limit': 2 }, 'b': { 'from': 'a', 'where': 'n > 1' }", "b",
     "source in 0; order a 1 from 0"},
    {"'a': { 'from': 'in', 'limit': 2 }, 'b': { 'from': ['a', 'a'] }", "b",
     "source in 0; order a 1 from 0; sink b 1 from 1"},
    {"'a': { 'from': 'in', 'window': '2s', 'group_by': ['n'], 'aggregate': { 'k': 'count()' },"
     "       'order_by': 'k', 'limit': 1 }",
     "a", "source in 0; group a 3 keyed from 0; order a 1 from 1"},
    {"'a': { 'from': 'in', 'window': '2s', 'select': { 'n': 'n' }, 'distinct': true }", "a",
     "source in 0; group a 3 keyed from 0; sink a 1 from 1"},
    {"'a': { 'from': 'in', 'group_by': ['n'], 'aggregate': { 'k': 'count()' }, 'distinct': true }",
     "a", "source in 0; group a 3 from 0; group a 3 from 1; sink a 1 from 2"},
    {"'a': { 'from': 'in', 'window': '2s' }", "a",
     "source in 0; window a 3 keyed from 0; sink a 1 from 1"},
    {"'a': { 'from': 'in', 'select': { 'n': 'n' } }, 'u': { 'from': ['also', 'a'] },"
     "'v': { 'from': ['u', 'also'], 'group_by': ['n'] }",
     "v", "source also 0; source in 0; group v 3 from 0,1; sink v 1 from 2"},
    {"'g': { 'from': 'also', 'group_by': ['n'] }, 'u': { 'from': ['also', 'g'] },"
     "'v': { 'from': 'u', 'aggregate': { 'k': 'count()' } }",
     "v", "source also 0; group g 3 from 0; group v 1 from 0,1"},
};

#define KEYED                                                                                      \
    "'x': { 'type': 'queue', 'batches': [[]], 'schema': { 'k': 'int', 'v': 'float' } },"           \
    "'y': { 'type': 'queue', 'batches': [[]], 'schema': { 'k': 'int', 'd': 'string' } },"          \
    "'tab': { 'type': 'table', 'path': 'x', 'format': 'json',"                                     \
    "         'schema': { 'k': 'int', 'd': 'string', 'v': 'float' } }"
#define BY_K(name, of) "'" name "': { 'from': '" of "', 'group_by': ['k'] }, "
#define JOIN(name, left, right)                                                                    \
    "'" name "': { 'from': '" left "', 'join': { 'with': '" right "', 'on': ['k'] } }"
#define TWO_KEYS(name, of, first, second)                                                          \
    "'" name "': { 'from': '" of "', 'group_by': ['" first "', '" second "'] }, "

/* Whether the sides of a join share a stage with what makes their rows. */
static const struct {
    const char *streams, *tested, *stages;
} fused[] = {
    {JOIN("j", "x", "y"), "j",
     "source x 0; source y 0; exchange j + exchange j 3 from 0,1; sink j 1 from 2"},
    {JOIN("j", "x", "x"), "j", "source x 0; exchange j + exchange j 3 from 0; sink j 1 from 1"},
    {BY_K("a", "x") JOIN("j", "a", "y"), "j",
     "source x 0; source y 0; group a + exchange j 3 from 0,1; sink j 1 from 2"},
    {BY_K("a", "x") JOIN("j", "y", "a"), "j",
     "source x 0; source y 0; group a + exchange j 3 from 0,1; sink j 1 from 2"},
    {BY_K("a", "x") BY_K("b", "y") JOIN("j", "a", "b"), "j",
     "source x 0; source y 0; group a + group b 3 from 0,1; sink j 1 from 2"},
    {BY_K("a", "x") JOIN("j", "a", "a"), "j", "source x 0; group a 3 from 0; sink j 1 from 1"},
    {BY_K("a", "x") BY_K("b", "y") JOIN("j", "a", "b") ", " JOIN("l", "j", "a"), "l",
     "source x 0; source y 0; group a + group b 3 from 0,1; sink l 1 from 2"},
    {"'e': { 'from': 'y', 'select': { 'k': 'k', 'e': 'd' } }, " JOIN("j", "x",
                                                                     "y") ", " JOIN("l", "j", "e"),
     "l",
     "source x 0; source y 0; exchange j + exchange j + exchange l 3 from 0,1; sink l 1 from 2"},
    /* What keeps the keys, under whatever name, and what does not. */
    {BY_K("a", "x") "'s': { 'from': 'a', 'where': 'k > 1', 'select': { 'z': '2', 'k': 'k' },"
                    "'having': 'z > 1' }, " JOIN("j", "s", "y"),
     "j", "source x 0; source y 0; group a + exchange j 3 from 0,1; sink j 1 from 2"},
    {BY_K("a", "x") "'s': { 'from': 'a', 'select': { 'q': 'k' } }, "
                    "'j': { 'from': 's', 'join': { 'with': 'y', 'on': { 'q': 'k' } } }",
     "j", "source x 0; source y 0; group a + exchange j 3 from 0,1; sink j 1 from 2"},
    {BY_K("a", "x") "'s': { 'from': 'a', 'select': { 'k': 'k + 0' } }, " JOIN("j", "s", "y"), "j",
     "source x 0; source y 0; group a 3 from 0; exchange j + exchange j 3 from 1,2; "
     "sink j 1 from 3"},
    {BY_K("a", "x") "'s': { 'from': 'a', 'flat_map': { 'k': 'array(k, 2)' } }, " JOIN("j", "s",
                                                                                      "y"),
     "j",
     "source x 0; source y 0; group a 3 from 0; exchange j + exchange j 3 from 1,2; "
     "sink j 1 from 3"},
    {BY_K("a", "x") "'s': { 'from': 'a', 'flat_map': { 'e': 'array(k, 2)' } }, " JOIN("j", "s",
                                                                                      "y"),
     "j", "source x 0; source y 0; group a + exchange j 3 from 0,1; sink j 1 from 2"},
    {BY_K("a", "x") "'s': { 'from': ['a', 'a'] }, " JOIN("j", "s", "y"), "j",
     "source x 0; source y 0; group a 3 from 0; exchange j + exchange j 3 from 1,2; "
     "sink j 1 from 3"},
    {BY_K("a", "x") "'s': { 'from': 'a', 'limit': 3 }, " JOIN("j", "s", "y"), "j",
     "source x 0; source y 0; group a 3 from 0; order s 1 from 2; "
     "exchange j + exchange j 3 from 1,3; sink j 1 from 4"},
    /* Some of the keys, another order of them, keys that become floats. */
    {TWO_KEYS("a", "y", "k", "d") JOIN("j", "a", "x"), "j",
     "source x 0; source y 0; group a 3 from 1; exchange j + exchange j 3 from 0,2; "
     "sink j 1 from 3"},
    {TWO_KEYS("a", "y", "k", "d") TWO_KEYS(
         "b", "y", "d", "k") "'j': { 'from': 'a', 'join': { 'with': 'b', 'on': ['d', 'k'] } }",
     "j", "source y 0; group b 3 from 0; group a + exchange j 3 from 0,1; sink j 1 from 2"},
    {TWO_KEYS("a", "y", "k", "d") "'b': { 'from': 'y', 'distinct': true }, "
                                  "'j': { 'from': 'a', 'join': { 'with': 'b', 'on': ['d', 'k'] } }",
     "j", "source y 0; group a + group b 3 from 0; sink j 1 from 1"},
    {"'a': { 'from': 'x', 'group_by': ['v'] }, "
     "'j': { 'from': 'a', 'join': { 'with': 'y', 'on': { 'v': 'k' } } }",
     "j", "source x 0; source y 0; group a + exchange j 3 from 0,1; sink j 1 from 2"},
    {"'a': { 'from': 'y', 'group_by': ['k'] }, "
     "'j': { 'from': 'a', 'join': { 'with': 'x', 'on': { 'k': 'v' } } }",
     "j",
     "source x 0; source y 0; group a 3 from 1; exchange j + exchange j 3 from 0,2; "
     "sink j 1 from 3"},
    /* A stage never waits for itself. */
    {BY_K("a", "x") "'t': { 'from': 'a', 'limit': 2 }, " JOIN("j", "a", "t"), "j",
     "source x 0; group a 3 from 0; order t 1 from 1; exchange j + exchange j 3 from 1,2; "
     "sink j 1 from 3"},
    {BY_K("a", "x") "'t': { 'from': 'a', 'limit': 2 }, " BY_K("b", "t") JOIN("j", "a", "b"), "j",
     "source x 0; group a 3 from 0; order t 1 from 1; group b + exchange j 3 from 1,2; "
     "sink j 1 from 3"},
    {BY_K("a", "x") BY_K("c", "y") "'t': { 'from': 'a', 'limit': 2 }, " BY_K("b", "t")
         JOIN("i", "a", "c") ", " JOIN("j", "c", "b"),
     "i j",
     "source x 0; source y 0; group a + group c 3 from 0,1; order t 1 from 2; "
     "group b + exchange j 3 from 2,3; sink i 1 from 2; sink j 1 from 4"},
    /* Windows of whole rows take the keys of the first join, unless their order counts. */
    {"'w': { 'from': 'x', 'window': '2s' }, 'z': { 'from': 'y', 'window': '2s' }, " JOIN("j", "w",
                                                                                         "z"),
     "j", "source x 0; source y 0; window w + window z 3 keyed from 0,1; sink j 1 from 2"},
    {"'w': { 'from': 'x', 'window': '2s' }, 'z': { 'from': 'y', 'window': '2s' }, " JOIN(
         "j", "w", "z") ", 'l': { 'from': 'z', 'join': { 'with': 'j', 'on': ['d'] } }",
     "l",
     "source x 0; source y 0; window w + window z 3 keyed from 0,1; "
     "exchange l + exchange l 3 from 2; sink l 1 from 3"},
    {"'w': { 'from': 'x', 'window': '2s' }, 'f': { 'from': 'w', 'aggregate': { 'a': 'first(k)' } },"
     "'z': { 'from': 'y', 'window': '2s' }, " JOIN("j", "w", "z"),
     "j f",
     "source x 0; source y 0; window w 1 keyed from 0; group f 1 from 2; "
     "window z + exchange j 3 keyed from 1,2; sink j 1 from 4"},
    {"'w': { 'from': 'y', 'select': { 'k': 'k', 'o': 'k + 1' }, 'window': '2s' }, "
     "'j': { 'from': 'w', 'join': { 'with': 'w', 'on': { 'k': 'o' } } }",
     "j", "source y 0; window w 3 keyed from 0; exchange j + exchange j 3 from 1; sink j 1 from 2"},
    /* What is looked up in a table stays where it is; of a table are other keys. */
    {BY_K("a", "x") JOIN("l", "a", "tab") ", " JOIN("j", "l", "y"), "j",
     "source tab 0; source x 0; source y 0; group a + exchange j 3 from 1,2; sink j 1 from 3"},
    {BY_K("a", "x") JOIN("l", "a", "tab") ", " BY_K(
         "b", "y") "'s': { 'from': 'l', 'select': { 'z': 'k', 'k': 'v' } },"
                   "'j': { 'from': 's', 'join': { 'with': 'b', 'on': { 'z': 'k' } } }",
     "j", "source tab 0; source x 0; source y 0; group a + group b 3 from 1,2; sink j 1 from 3"},
    {BY_K("a", "y")
         JOIN("l", "a", "tab") ", 'j': { 'from': 'l', 'join': { 'with': 'y', 'on': ['d'] } }",
     "j",
     "source tab 0; source y 0; group a 3 from 1; exchange j + exchange j 3 from 1,2; "
     "sink j 1 from 3"},
    {"'l': { 'from': 'x', 'join': { 'with': 'tab', 'on': ['k'] }, 'select': { 'k': 'k' } }, " JOIN(
         "j", "l", "y"),
     "j",
     "source tab 0; source x 0; source y 0; exchange j + exchange j 3 from 1,2; sink j 1 from 3"},
    {BY_K("a", "x") "'l': { 'from': 'a', 'join': { 'with': 'tab', 'on': { 'k': 'v' } },"
                    " 'select': { 'k': 'k' } }, " JOIN("j", "l", "y"),
     "j",
     "source tab 0; source x 0; source y 0; group a 3 from 1; "
     "exchange j + exchange j 3 from 2,3; sink j 1 from 4"},
    {"'s': { 'from': 'x', 'state': { 'key': ['k'], 'set': { 'n': 'count()' } } }, " JOIN("j", "s",
                                                                                         "y"),
     "j", "source x 0; source y 0; state s + exchange j 3 keyed from 0,1; sink j 1 from 2"},
    {BY_K("a", "x") "'r': { 'from': 'a', 'repartition': 7 }, " JOIN("j", "r", "y"), "j",
     "source x 0; source y 0; group a 3 from 0; exchange r 7 from 2; "
     "exchange j + exchange j 3 from 1,3; sink j 1 from 4"},
};

START_TEST(streams_keyed_alike_share_a_stage)
{
    ds_buffer text = {0};
    for (size_t i = 0; i < sizeof fused / sizeof *fused; i++) {
        planned p = plan_well(KEYED, fused[i].streams, fused[i].tested);
        stages_text(p.plan, &text);
        ck_assert_str_eq(text.data, fused[i].stages);
        plan_close(&p);
    }
    ds_buffer_fini(&text);
}
END_TEST

/* Joins of joins double their columns: that has an end, and the graph stays small. */
START_TEST(very_many_joins)
{
    ds_buffer streams = {0};
    ds_buffer_printf(&streams, "'s0': { 'from': 'x' }");
    for (int i = 1; i < 100; i++)
        ds_buffer_printf(&streams,
                         ", 's%d': { 'from': 's%d', 'join': { 'with': 's%d', 'on': ['k'] },"
                         " 'select': { 'k': 'k', 'v': 'v + s%d.v' } }",
                         i, i - 1, i - 1, i - 1);
    planned p = plan_well(KEYED, ds_buffer_text(&streams), "s99");
    ck_assert_uint_eq(p.plan->n_stages, 3);
    ck_assert_uint_eq(p.plan->stages[1].n_inputs, 2);
    ck_assert_uint_eq(p.plan->stages[1].n_joins, 99);
    ds_buffer_fini(&streams);
    plan_close(&p);
}
END_TEST

START_TEST(stages_are_cut_where_rows_come_together)
{
    ds_buffer text = {0};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        planned p = plan_well(IN MORE, cuts[i].streams, cuts[i].tested);
        stages_text(p.plan, &text);
        ck_assert_str_eq(text.data, cuts[i].stages);
        plan_close(&p);
    }
    ds_buffer_fini(&text);
}
END_TEST

START_TEST(sinks_of_the_app)
{
    planned p =
        plan_whole("{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' },"
                   "'executors': { 'key_partitions': 5 }, 'sources': { " IN " },"
                   "'streams': { 'a': { 'from': 'in', 'group_by': ['n'] } },"
                   "'sinks': { 'f': { 'from': 'a', 'type': 'file', 'dir': 'out', 'format': 'csv' },"
                   "'h': { 'from': 'a', 'type': 'append', 'path': 'out/log' },"
                   "'g': { 'from': 'a', 'type': 'append', 'path': 'log', 'format': 'csv' },"
                   "'c': { 'from': 'a', 'type': 'console', 'limit': 7, 'format': 'table' } } }",
                   NULL);
    ck_assert_msg(p.plan != NULL, "%s", p.app.said.data);
    ds_buffer text = {0};
    stages_text(p.plan, &text);
    /* A file has a part for each task; the console is written by one. */
    ck_assert_str_eq(text.data, "source in 0; group a 5 from 0; sink c 1 from 1");
    ck_assert_uint_eq(p.plan->n_sinks, 4);
    const ds_sink_plan *c = p.plan->sinks[0], *f = p.plan->sinks[1];
    const ds_sink_plan *g = p.plan->sinks[2], *h = p.plan->sinks[3];
    ck_assert_str_eq(c->name, "c");
    ck_assert_int_eq(c->kind, DS_TO_CONSOLE);
    ck_assert_int_eq(c->limit, 7);
    ck_assert_int_eq(c->format, DS_ROWS_TABLE);
    ck_assert_str_eq(f->name, "f");
    ck_assert_int_eq(f->kind, DS_TO_FILE);
    ck_assert_int_eq(f->format, DS_ROWS_CSV);
    ck_assert_str_eq(f->dir, "out");
    ck_assert_str_eq(f->staging, "out/.dstream-t");
    ck_assert_uint_eq(f->index, 1);
    ck_assert_int_eq(g->kind, DS_TO_APPEND);
    ck_assert_int_eq(g->format, DS_ROWS_CSV);
    ck_assert_str_eq(g->path, "log");
    ck_assert_str_eq(g->staging, ".log.dstream");
    ck_assert_str_eq(h->path, "out/log");
    ck_assert_str_eq(h->staging, "out/.log.dstream");
    ck_assert(ds_sink_is_staged(f) && ds_sink_is_staged(g) && !ds_sink_is_staged(c));
    ds_buffer_fini(&text);
    plan_close(&p);
}
END_TEST

/* A tested source is a sink of its own; what a test looks at twice is there twice. */
START_TEST(a_source_can_be_tested)
{
    planned p = plan_well(IN, "'a': { 'from': 'in' }", "in a in");
    ck_assert_uint_eq(p.plan->n_sinks, 3);
    ck_assert_str_eq(p.plan->sinks[0]->name, "in");
    ck_assert_int_eq(p.plan->sinks[0]->kind, DS_TO_TEST);
    plan_close(&p);
}
END_TEST

/* "on_error": "fail" is handed down to all that is made of a source. */
START_TEST(the_strictest_source_counts)
{
    planned p = plan_well(
        "'lax': { 'type': 'queue', 'batches': [[]], 'schema': { 'n': 'int' } },"
        "'strict': { 'type': 'queue', 'on_error': 'fail', 'batches': [[]],"
        "            'schema': { 'n': 'int' } }",
        "'a': { 'from': 'lax' }, 'u': { 'from': ['a', 'strict'] },"
        "'g': { 'from': 'u', 'group_by': ['n'] }, 'z': { 'from': 'g', 'select': { 'k': 'n + 1' } }",
        "z a");
    ck_assert(!plan_node(p.plan, "a", DS_NODE_ROWS)->fails);
    ck_assert(plan_node(p.plan, "u", DS_NODE_ROWS)->fails);
    ck_assert(plan_node(p.plan, "z", DS_NODE_ROWS)->fails);
    plan_close(&p);
}
END_TEST

/* The number of ways through a graph may be beyond counting; the graph itself is small. */
START_TEST(many_ways_through_a_small_graph)
{
    ds_buffer streams = {0};
    ds_buffer_printf(&streams, "'s0': { 'from': ['also', 'also'] }");
    for (int i = 1; i < 200; i++)
        ds_buffer_printf(&streams, ", 's%d': { 'from': ['s%d', 's%d'] }", i, i - 1, i - 1);
    planned p = plan_well("'also': { 'type': 'queue', 'batches': [[]], 'schema': { 'n': 'int' } }",
                          ds_buffer_text(&streams), "s199");
    ck_assert_uint_eq(p.plan->n_stages, 2);
    ck_assert_uint_eq(p.plan->stages[1].n_parents, 1);
    ck_assert_uint_eq(plan_node(p.plan, "s100", DS_NODE_ROWS)->n_children, 1);
    ds_buffer_fini(&streams);
    plan_close(&p);
}
END_TEST

START_TEST(the_hash_is_of_the_app)
{
    planned a = plan_well(IN, "'a': { 'from': 'in' }", "a");
    planned b = plan_well(IN, "'a':   {  'from':  'in' }", "a");
    planned c = plan_well(IN, "'a': { 'from': 'in', 'where': 'true' }", "a");
    ck_assert_uint_eq(a.plan->hash, b.plan->hash);
    ck_assert_uint_ne(a.plan->hash, c.plan->hash);
    plan_close(&a);
    plan_close(&b);
    plan_close(&c);
}
END_TEST

/* ---- time ---- */

START_TEST(multiples)
{
    static const int64_t cases[][4] = {
        /* t, step, floor, ceil */
        {0, 5, 0, 0},  {1, 5, 0, 5},     {5, 5, 5, 5},
        {9, 5, 5, 10}, {-1, 5, -5, 0},   {-5, 5, -5, -5},
        {7, 1, 7, 7},  {-6, 5, -10, -5}, {1767225600001, 1000, 1767225600000, 1767225601000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(ds_floor_to(cases[i][0], cases[i][1]), cases[i][2]);
        ck_assert_int_eq(ds_ceil_to(cases[i][0], cases[i][1]), cases[i][3]);
    }
}
END_TEST

/* By the definition: some window (e - size, e], e a multiple of slide, holds t. */
START_TEST(a_window_covers_a_batch)
{
    for (int64_t size = 1; size <= 12; size++)
        for (int64_t slide = 1; slide <= 12; slide++)
            for (int64_t t = 1; t <= 50; t++) {
                bool covered = false;
                for (int64_t e = slide; e <= 200; e += slide)
                    covered = covered || (e - size < t && t <= e);
                ck_assert_msg(ds_window_covers(size, slide, t) == covered, "%d by %d at %d",
                              (int)size, (int)slide, (int)t);
            }
}
END_TEST

/* What is due at t (in seconds): "runs ...; emits ..." with names of streams; "any" last. Nodes
 * of rows are left out. */
static void due_text(const ds_plan *plan, int64_t t, ds_buffer *out)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_due due;
    ds_plan_due(plan, arena, t * 1000, &due);
    out->length = 0;
    for (uint32_t s = 0; s < plan->n_stages; s++)
        if (due.stage_runs[s])
            ds_buffer_printf(out, "%s ", plan->stages[s].root->stream);
    ds_buffer_append_text(out, "|");
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        if (due.emits[i] && plan->nodes[i]->stage != DS_NO_STAGE)
            ds_buffer_printf(out, " %s", plan->nodes[i]->stream);
    if (due.any)
        ds_buffer_append_text(out, " !");
    ds_arena_free(arena);
    ds_buffer_text(out);
}

static void check_due(const char *streams, const char *tested, const char *const *expected, int n)
{
    planned p = plan_well("'in': { 'type': 'queue', 'batches': [[]], 'schema': { 'n': 'int' } }",
                          streams, tested);
    ds_buffer text = {0};
    for (int t = 1; t <= n; t++) {
        due_text(p.plan, t, &text);
        ck_assert_msg(strcmp(text.data, expected[t - 1]) == 0, "at %d: %s", t, text.data);
    }
    ds_buffer_fini(&text);
    plan_close(&p);
}
#define CHECK_DUE(streams, tested, ...)                                                            \
    do {                                                                                           \
        static const char *const expected_[] = {__VA_ARGS__};                                      \
        check_due(streams, tested, expected_, (int)(sizeof expected_ / sizeof *expected_));        \
    } while (0)

START_TEST(due_without_windows)
{
    CHECK_DUE("'a': { 'from': 'in', 'group_by': ['n'] }", "a", "in a a | in a a",
              "in a a | in a a");
    /* A total has a row at every time, rows or not. */
    CHECK_DUE("'a': { 'from': 'in', 'aggregate': { 'k': 'count()' } }", "a", "in a | in a !",
              "in a | in a !");
}
END_TEST

START_TEST(due_of_a_tumbling_window)
{
    CHECK_DUE("'w': { 'from': 'in', 'window': '3s', 'group_by': ['n'] }", "w", "in w | in",
              "in w | in", "in w w | in w w !", "in w | in", "in w | in", "in w w | in w w !");
}
END_TEST

START_TEST(due_of_a_sliding_window)
{
    CHECK_DUE("'w': { 'from': 'in', 'window': { 'size': '4s', 'slide': '2s' } }", "w", "in w | in",
              "in w w | in w w !", "in w | in", "in w w | in w w !");
}
END_TEST

/* Batches that no window holds are not even read. */
START_TEST(due_of_a_window_with_gaps)
{
    CHECK_DUE("'w': { 'from': 'in', 'window': { 'size': '1s', 'slide': '3s' }, 'group_by': ['n'] }",
              "w", "|", "|", "in w w | in w w !", "|");
    CHECK_DUE("'w': { 'from': 'in', 'window': { 'size': '2s', 'slide': '4s' }, 'group_by': ['n'] },"
              "'a': { 'from': 'in' }",
              "w a", "in a | in a", "in a | in a", "in w a | in a", "in w w a | in w w a !",
              "in a | in a");
}
END_TEST

/* A window over a window takes rows when that one gives them. */
START_TEST(due_of_stacked_windows)
{
    CHECK_DUE("'w': { 'from': 'in', 'window': '2s', 'group_by': ['n'] },"
              "'v': { 'from': 'w', 'window': '4s', 'aggregate': { 'k': 'count()' } }",
              "v", "in w | in", "in w v | in w !", "in w | in", "in w v | in w v !");
}
END_TEST

/* A window that only a window with gaps reads is computed where that has no gap. */
START_TEST(due_is_what_somebody_reads)
{
    CHECK_DUE("'w': { 'from': 'in', 'window': '1s', 'group_by': ['n'] },"
              "'v': { 'from': 'w', 'window': { 'size': '1s', 'slide': '3s' } }",
              "v", "in w | in", "in w | in", "in w v v | in w v v !");
}
END_TEST

/* ---- the end of the input ---- */

/* The times (in seconds) that follow when the last input was at `last` and batches ran up to
 * `ran`. */
static void check_drain(const char *streams, const char *tested, int last, int ran,
                        const char *expected)
{
    planned p = plan_well("'in': { 'type': 'queue', 'batches': [[]], 'schema': { 'n': 'int' } }",
                          streams, tested);
    ds_buffer text = {0};
    int64_t at = ran * 1000;
    while ((at = ds_plan_drain_next(p.plan, last * 1000, at)) != 0) {
        ds_buffer_printf(&text, "%d ", (int)(at / 1000));
        ck_assert_uint_lt(text.length, 100);
    }
    ck_assert_str_eq(ds_buffer_text(&text), expected);
    ds_buffer_fini(&text);
    plan_close(&p);
}

START_TEST(drains_until_every_stream_was_computed)
{
    const char *plain = "'a': { 'from': 'in' }";
    const char *w = "'w': { 'from': 'in', 'window': { 'size': '60s', 'slide': '10s' } }";
    const char *two =
        "'w': { 'from': 'in', 'window': '10s' }, 'v': { 'from': 'in', 'window': '4s' }";
    const char *stacked = "'w': { 'from': 'in', 'window': '10s' },"
                          "'v': { 'from': 'w', 'window': '30s' }, 'x': { 'from': 'v' }";
    check_drain(plain, "a", 7, 7, "");
    check_drain(plain, "a", 7, 9, "");
    check_drain(w, "w", 7, 7, "10 ");
    check_drain(w, "w", 7, 8, "10 ");
    check_drain(w, "w", 7, 10, "");
    check_drain(w, "w", 10, 10, ""); /* its first due time at its last input */
    check_drain(two, "w v", 5, 5, "8 10 ");
    check_drain(two, "v", 5, 5, "8 "); /* what nobody needs is not waited for */
    check_drain(stacked, "x", 11, 11, "20 30 ");
    check_drain(stacked, "x", 21, 21, "30 ");
    check_drain(stacked, "w", 11, 11, "20 ");
}
END_TEST

/* A window with gaps is due at the end of the first window at or after the last input. */
START_TEST(drains_windows_with_gaps)
{
    const char *gaps = "'w': { 'from': 'in', 'window': { 'size': '2s', 'slide': '10s' } }";
    check_drain(gaps, "w", 3, 3, "10 ");
    check_drain(gaps, "w", 10, 10, "");
}
END_TEST

UNIT_MAIN("plan", columns_follow_the_clauses, all_outputs_can_be_found,
          only_what_a_sink_needs_stays, only_columns_that_count_are_read,
          order_is_kept_only_where_it_counts, stages_are_cut_where_rows_come_together,
          streams_keyed_alike_share_a_stage, very_many_joins, sinks_of_the_app,
          a_source_can_be_tested, the_strictest_source_counts, many_ways_through_a_small_graph,
          the_hash_is_of_the_app, multiples, a_window_covers_a_batch, due_without_windows,
          due_of_a_tumbling_window, due_of_a_sliding_window, due_of_a_window_with_gaps,
          due_of_stacked_windows, due_is_what_somebody_reads,
          drains_until_every_stream_was_computed, drains_windows_with_gaps)
