/* Joins with a table: what is looked up, where, and in which version. */
#include "dstream/op_broadcast.h"

#include "unit/engine.h"

#define QUEUE(batches)                                                                             \
    "'q': { 'type': 'queue', 'schema': { 'u': 'int', 'x': 'float', 's': 'string' },"               \
    "       'batches': [ " batches " ] }, "
#define TABLE                                                                                      \
    "'t': { 'type': 'table', 'path': 'x', 'format': 'json',"                                       \
    "       'schema': { 'id': 'int', 'name': 'string', 'l': 'list<string>' } }"
#define TEXT "'p': { 'type': 'table', 'path': 'y' }"
#define JOIN(more) "'j': { 'from': 'q', 'join': { 'with': 't', 'on': { 'u': 'id' } " more " } }"
#define PEOPLE                                                                                     \
    "{'id':1,'name':'ann'}\n{'id':2,'name':'bob'}\n{'id':2,'name':'bobby with a long name'}\n"     \
    "{'name':'nobody'}\n"

/* ---- what meets what ---- */

START_TEST(inner)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1,'x':1}, {'u':2}, {'u':3}, {} ], [], [ {'u':2,'s':'b'} ]") TABLE,
                JOIN(""), "j");
    engine_table(&e, "t", PEOPLE);
    engine_batch(&e);
    engine_in_order(&e, "j",
                    "[ {'u':1,'x':1,'name':'ann'}, {'u':2,'x':null,'name':'bob'},"
                    "  {'u':2,'x':null,'name':'bobby with a long name'} ]");
    engine_batch(&e);
    engine_rows(&e, "j", "[]");
    engine_batch(&e);
    engine_rows(&e, "j",
                "[ {'u':2,'s':'b','name':'bob'},"
                "  {'u':2,'s':'b','name':'bobby with a long name'} ]");
    engine_close(&e);
}
END_TEST

/* Rows of the stream without a partner come out in a left join; so they do in a right one with the
 * table on the left. */
START_TEST(outer)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1}, {'u':3}, {} ]") TABLE,
                JOIN(", 'type': 'left'") ", 'k': { 'from': 't', 'join': { 'with': 'q',"
                                         " 'on': { 'id': 'u' }, 'type': 'right' } }",
                "j k");
    engine_table(&e, "t", PEOPLE);
    engine_batch(&e);
    engine_rows(&e, "j", "[ {'u':1,'name':'ann'}, {'u':3,'name':null}, {'u':null,'name':null} ]");
    engine_rows(&e, "k",
                "[ {'id':1,'name':'ann'}, {'id':3,'name':null}, {'id':null,'name':null} ]");
    engine_close(&e);
}
END_TEST

START_TEST(an_empty_table)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1} ]") TABLE,
                JOIN("") ", 'k': { 'from': 'q', 'join': { 'with': 't', 'on': { 'u': 'id' },"
                         " 'type': 'left' } }",
                "j k");
    engine_table(&e, "t", "");
    engine_batch(&e);
    engine_rows(&e, "j", "[]");
    engine_rows(&e, "k", "[ {'u':1,'name':null} ]");
    engine_close(&e);
}
END_TEST

START_TEST(keys_of_all_sorts)
{
    engine e;
    engine_open(&e,
                QUEUE("[ {'u':1,'x':2,'s':'bobby with a long name'}, {'u':2,'x':2,'s':'bob'},"
                      "  {'u':2,'x':-0.0,'s':'x'} ]") TABLE,
                "'a': { 'from': 'q', 'join': { 'with': 't', 'on': { 's': 'name' } } },"
                "'b': { 'from': 'q', 'join': { 'with': 't', 'on': { 'x': 'id' } } },"
                "'c': { 'from': 'q', 'join': { 'with': 't', 'on': { 's': 'name', 'u': 'id' } } }",
                "a b c");
    engine_table(&e, "t", PEOPLE "{'id':0,'name':'zero'}\n");
    engine_batch(&e);
    engine_rows(&e, "a",
                "[ {'s':'bobby with a long name','id':2,'u':1}, {'s':'bob','id':2,'u':2} ]");
    engine_rows(&e, "b",
                "[ {'x':2.0,'u':1,'name':'bob'}, {'x':2.0,'u':1,'name':'bobby with a long name'},"
                "  {'x':2.0,'u':2,'name':'bob'}, {'x':2.0,'u':2,'name':'bobby with a long name'},"
                "  {'x':0.0,'u':2,'name':'zero'} ]");
    engine_rows(&e, "c", "[ {'s':'bob','u':2,'x':2.0} ]");
    engine_close(&e);
}
END_TEST

/* What stands between the table and the join is done when the table is read. */
START_TEST(what_is_made_of_a_table)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1}, {'u':2} ]") TABLE,
                "'a': { 'from': 't', 'where': 'size(l) > 0' },"
                "'b': { 'from': 'a', 'flat_map': { 'l': 'l' },"
                "       'select': { 'id': 'id', 'n': 'upper(name)', 'e': 'l',"
                "                   'big': 'id * 9223372036854775807' } },"
                "'j': { 'from': 'q', 'join': { 'with': 'b', 'on': { 'u': 'id' } } }",
                "j");
    engine_table(&e, "t",
                 "{'id':1,'name':'ann','l':['x','a rather long one']}\n"
                 "{'id':1,'name':'nil'}\n{'id':2,'name':'much','l':['y']}\n");
    engine_batch(&e);
    engine_rows(&e, "j",
                "[ {'u':1,'n':'ANN','e':'x'}, {'u':1,'n':'ANN','e':'a rather long one'} ]");
    ck_assert_uint_eq(e.sum.overflow_rows, 0); /* counted when it was loaded */
    engine_close(&e);
}
END_TEST

START_TEST(tables_with_tables)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1} ]") TABLE ", " TEXT,
                "'n': { 'from': 'p', 'select': { 'id': 'cast(line as int)', 'p': 'line' } },"
                "'k': { 'from': 'q', 'join': { 'with': 't', 'on': { 'u': 'id' } } },"
                "'m': { 'from': 'k', 'join': { 'with': 'n', 'on': { 'u': 'id' } } }",
                "m");
    engine_table(&e, "t", PEOPLE);
    engine_table(&e, "p", "1\n2\n");
    engine_batch(&e);
    engine_rows(&e, "m", "[ {'u':1,'name':'ann','p':'1'} ]");
    engine_close(&e);
}
END_TEST

/* The left one is read in every batch, the right one is held. */
START_TEST(a_table_with_itself)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1} ]") TABLE,
                "'s': { 'from': 't', 'join': { 'with': 't', 'on': [ 'id' ] },"
                "       'select': { 'id': 'id', 'b': 't.name' } }",
                "s");
    engine_table(&e, "t", PEOPLE);
    engine_feed(&e, "t", "{'id':2,'name':'x'}\n{'id':3}\n{}\n");
    engine_batch(&e);
    engine_rows(&e, "s", "[ {'id':2,'b':'bob'}, {'id':2,'b':'bobby with a long name'} ]");
    engine_close(&e);
}
END_TEST

/* ---- large tables ---- */

static char *many_people(uint32_t n, bool one_key)
{
    ds_buffer text = {0};
    for (uint32_t i = 0; i < n; i++)
        ds_buffer_printf(&text, "{'id':%u,'name':'somebody number %u with some text'}\n",
                         one_key ? 1 : i, i);
    char *copy = ds_strdup(ds_buffer_text(&text));
    ds_buffer_fini(&text);
    return copy;
}

/* More rows than are made compact at a time. */
START_TEST(many_rows)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':0}, {'u':32767}, {'u':32768}, {'u':99999}, {'u':100000} ]") TABLE,
                JOIN(""), "j");
    char *text = many_people(100000, false);
    engine_table(&e, "t", text);
    free(text);
    engine_batch(&e);
    engine_rows(&e, "j",
                "[ {'u':0,'name':'somebody number 0 with some text'},"
                "  {'u':32767,'name':'somebody number 32767 with some text'},"
                "  {'u':32768,'name':'somebody number 32768 with some text'},"
                "  {'u':99999,'name':'somebody number 99999 with some text'} ]");
    engine_close(&e);
}
END_TEST

/* All pairs of one key, a chunk at a time. */
START_TEST(many_rows_of_one_key)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1}, {'u':1}, {'u':2} ]") TABLE,
                JOIN("") ", 'n': { 'from': 'j', 'group_by': [ 'u' ],"
                         " 'aggregate': { 'n': 'count()', 'd': 'count_distinct(name)' } }",
                "n");
    char *text = many_people(7000, true);
    engine_table(&e, "t", text);
    free(text);
    engine_batch(&e);
    engine_rows(&e, "n", "[ {'u':1,'n':14000,'d':7000} ]");
    engine_close(&e);
}
END_TEST

START_TEST(a_table_that_does_not_fit)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1} ], [ {'u':1} ]") TABLE, JOIN(""), "j");
    char *text = many_people(50000, false);
    e.once = true;
    e.budget.limit_bytes = 1 << 20;
    engine_table(&e, "t", text);
    free(text);
    ck_assert_int_eq(engine_try(&e), DS_ERR_NO_MEMORY);
    ck_assert_msg(strstr(e.message, "table t does not fit into the memory") != NULL, "%s",
                  e.message);
    e.budget.limit_bytes = 0; /* there is nothing left of the attempt */
    engine_batch(&e);
    ck_assert_uint_eq(engine_count_rows(&e, "j"), 1);
    engine_close(&e);
}
END_TEST

/* ---- versions ---- */

START_TEST(versions_stand_side_by_side)
{
    engine e;
    size_t decoded = 0;
    engine_open(&e, QUEUE("[ {'u':1} ], [ {'u':1} ], [ {'u':1} ]") TABLE, JOIN(""), "j");
    uint32_t t = engine_source(&e, "t");
    engine_table(&e, "t", "{'id':1,'name':'old'}\n");
    ck_assert_uint_eq(ds_tables_count(e.tables, &decoded), 1);
    ck_assert_uint_eq(decoded, 0); /* the first task that needs it does */
    engine_batch(&e);
    engine_rows(&e, "j", "[ {'u':1,'name':'old'} ]");
    engine_table(&e, "t", "{'id':1,'name':'new'}\n");
    engine_batch(&e);
    engine_rows(&e, "j", "[ {'u':1,'name':'new'} ]");
    e.uses[0].version = 1; /* a task of the first batch runs again */
    engine_batch(&e);
    engine_rows(&e, "j", "[ {'u':1,'name':'old'} ]");
    ck_assert_uint_eq(ds_tables_count(e.tables, &decoded), 2);
    ck_assert_uint_eq(decoded, 2);
    ds_tables_drop(e.tables, t, 1);
    decoded = 0;
    ck_assert_uint_eq(ds_tables_count(e.tables, &decoded), 1);
    ck_assert_uint_eq(decoded, 1);
    engine_close(&e);
}
END_TEST

/* What is dropped while a task uses it goes when the task is done. */
START_TEST(a_version_in_use)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1} ]") TABLE, JOIN(""), "j");
    engine_table(&e, "t", PEOPLE);
    ds_broadcast **broadcasts = ds_calloc(e.plan->n_nodes, sizeof(ds_broadcast *));
    ds_table_version_use *used, *again;
    ds_error error;
    ck_assert_int_eq(ds_tables_take(e.tables, &e.uses[0], broadcasts, &used, &error), DS_OK);
    ck_assert_int_eq(ds_tables_take(e.tables, &e.uses[0], broadcasts, &again, &error), DS_OK);
    ck_assert_ptr_eq(used, again);
    ds_tables_drop(e.tables, e.uses[0].source, 1);
    ck_assert_uint_eq(ds_tables_count(e.tables, NULL), 0);
    const ds_node *join = plan_node(e.plan, "j", DS_NODE_JOIN);
    ck_assert_uint_eq(ds_broadcast_rows(broadcasts[join->id]), 3); /* null keys are left out */
    ck_assert_uint_gt(ds_broadcast_bytes(broadcasts[join->id]), 100);
    ds_tables_put(e.tables, used);
    ck_assert_int_gt(e.budget.used_bytes, 0);
    ds_tables_put(e.tables, again);
    ck_assert_int_eq(e.budget.used_bytes, 0);
    ck_assert_int_eq(ds_tables_take(e.tables, &e.uses[0], broadcasts, &used, &error), DS_ERR_LOST);
    free(broadcasts);
    engine_close(&e);
}
END_TEST

START_TEST(a_version_that_is_not_there)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1} ], [ {'u':1} ], [ {'u':1} ]") TABLE, JOIN(""), "j");
    e.once = true;
    ck_assert_int_eq(engine_try(&e), DS_ERR_PROTOCOL); /* none was named */
    engine_table(&e, "t", PEOPLE);
    e.uses[0].version = 9;
    ck_assert_int_eq(engine_try(&e), DS_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(e.message, "version 9"));
    const ds_input gone = {.kind = DS_INPUT_BLOCK, .ref = {99, 0, 8}, .path = ""};
    ds_tables_add(e.tables, e.uses[0].source, 9, &gone, 1, NULL);
    ck_assert_int_eq(engine_try(&e), DS_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(e.message, "executor 99"));
    engine_close(&e);
}
END_TEST

/* ---- plans ---- */

static bool is_looked_up(const planned *p, const char *stream)
{
    const ds_node *join = plan_node(p->plan, stream, DS_NODE_JOIN);
    ck_assert_ptr_nonnull(join);
    return ds_node_is_broadcast(join);
}

START_TEST(which_joins_look_up)
{
    static const struct {
        const char *stream;
        bool looks_up;
    } cases[] = {
        {JOIN(""), true},
        {JOIN(", 'type': 'left'"), true},
        {JOIN(", 'type': 'right'"), false},
        {JOIN(", 'type': 'full'"), false},
        {"'j': { 'from': 't', 'join': { 'with': 'q', 'on': { 'id': 'u' } } }", true},
        {"'j': { 'from': 't', 'join': { 'with': 'q', 'on': { 'id': 'u' }, 'type': 'left' } }",
         false},
        {"'j': { 'from': 't', 'join': { 'with': 'q', 'on': { 'id': 'u' }, 'type': 'right' } }",
         true},
        {"'a': { 'from': 't', 'select': { 'u': 'id', 't': 'batch_time()' } },"
         "'j': { 'from': 'q', 'join': { 'with': 'a', 'on': [ 'u' ] } }",
         false},
        {"'a': { 'from': 't', 'select': { 'u': 'id', 't': '1' } }, 'b': { 'from': 'a' },"
         "'j': { 'from': 'q', 'join': { 'with': 'b', 'on': [ 'u' ] } }",
         true},
        {"'a': { 'from': 't', 'group_by': [ 'id' ] },"
         "'j': { 'from': 'q', 'join': { 'with': 'a', 'on': { 'u': 'id' } } }",
         false},
        {"'a': { 'from': [ 't', 't' ] },"
         "'j': { 'from': 'q', 'join': { 'with': 'a', 'on': { 'u': 'id' } } }",
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        planned p = plan_well(QUEUE("") TABLE, cases[i].stream, "j");
        ck_assert_msg(is_looked_up(&p, "j") == cases[i].looks_up, "%s", cases[i].stream);
        plan_close(&p);
    }
}
END_TEST

/* Rows are looked up in whatever stage they are made, and the table is no stage of a batch. */
START_TEST(where_rows_are_looked_up)
{
    planned p = plan_well(QUEUE("") "'r': { 'type': 'queue', 'batches': [], 'schema': { 'u': 'int',"
                                    " 'x': 'float', 's': 'string' } }, " TABLE,
                          "'b': { 'from': [ 'q', 'r' ] },"
                          "'j': { 'from': 'b', 'join': { 'with': 't', 'on': { 'u': 'id' } } },"
                          "'g': { 'from': 'q', 'group_by': [ 'u' ] },"
                          "'k': { 'from': 'g', 'join': { 'with': 't', 'on': { 'u': 'id' } } },"
                          "'n': { 'from': 'j', 'group_by': [ 'u' ] }",
                          "k n");
    for (uint32_t s = 0; s < p.plan->n_stages; s++) {
        const ds_stage *stage = &p.plan->stages[s];
        const char *root = stage->root->stream;
        bool looks_up = strcmp(root, "q") == 0 || strcmp(root, "r") == 0 || strcmp(root, "g") == 0;
        ck_assert_msg((stage->n_tables == 1) == looks_up, "%s", root);
        ck_assert_uint_eq(stage->n_lookups, stage->n_tables);
        ck_assert_int_eq(ds_stage_reads_table(p.plan, stage, 2),
                         looks_up || strcmp(root, "t") == 0);
        for (uint32_t i = 0; i < stage->n_parents; i++)
            ck_assert_str_ne(p.plan->stages[stage->parents[i]].root->stream, "t");
    }
    ck_assert(plan_node(p.plan, "t", DS_NODE_SOURCE)->held);
    ck_assert(!plan_node(p.plan, "q", DS_NODE_SOURCE)->held);
    ds_due due;
    ds_arena *arena = ds_arena_new(NULL);
    ds_plan_due(p.plan, arena, 1000, &due);
    ck_assert(!due.any);
    ck_assert(!due.stage_runs[plan_stage(p.plan, "t", DS_NODE_SOURCE)->id]);
    ck_assert(due.stage_runs[plan_stage(p.plan, "q", DS_NODE_SOURCE)->id]);
    ck_assert_int_eq(ds_plan_drain_next(p.plan, 3000, 1000), 0);
    ds_arena_free(arena);
    plan_close(&p);
}
END_TEST

/* A table that is also written somewhere is a stage of every batch, too. */
START_TEST(a_table_in_both_ways)
{
    engine e;
    engine_open(&e, QUEUE("[ {'u':1} ], []") TABLE, JOIN("") ", 'c': { 'from': 't' }", "j c");
    ck_assert(!plan_node(e.plan, "t", DS_NODE_SOURCE)->held);
    ds_due due;
    ds_arena *arena = ds_arena_new(NULL);
    ds_plan_due(e.plan, arena, 1000, &due);
    ck_assert(due.any);
    ck_assert_int_eq(ds_plan_drain_next(e.plan, 3000, 1000), 2000);
    ds_arena_free(arena);
    engine_table(&e, "t", "{'id':1,'name':'ann'}\n");
    for (int i = 0; i < 2; i++) {
        engine_feed(&e, "t", "{'id':1,'name':'ann'}\n");
        engine_batch(&e);
        engine_rows(&e, "c", "[ {'id':1,'name':'ann'} ]");
        engine_rows(&e, "j", i == 0 ? "[ {'u':1,'name':'ann'} ]" : "[]");
    }
    engine_close(&e);
}
END_TEST

/* What is made of tables alone is due when the other side is. */
START_TEST(slides)
{
    planned p = plan_well(QUEUE("") TABLE,
                          "'w': { 'from': 'q', 'window': '5s', 'group_by': [ 'u' ] },"
                          "'j': { 'from': 'w', 'join': { 'with': 't', 'on': { 'u': 'id' },"
                          "       'type': 'full' } },"
                          "'g': { 'from': 't', 'group_by': [ 'id' ] },"
                          "'k': { 'from': 'g', 'join': { 'with': 'w', 'on': { 'id': 'u' } } },"
                          "'both': { 'from': 't', 'join': { 'with': 'g', 'on': [ 'id' ] } },"
                          "'l': { 'from': 'w', 'join': { 'with': 'both', 'on': { 'u': 'id' } } },"
                          "'h': { 'from': 't', 'window': '3s', 'group_by': [ 'id' ] }",
                          "j k l");
    static const struct {
        const char *stream;
        int64_t slide_ms;
    } cases[] = {{"t", 1000}, {"g", 1000},    {"j", 5000}, {"k", 5000},
                 {"l", 5000}, {"both", 1000}, {"h", 3000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_eq(ds_plan_find(p.plan, cases[i].stream)->slide_ms, cases[i].slide_ms);
    plan_close(&p);
}
END_TEST

UNIT_MAIN("op_broadcast", inner, outer, an_empty_table, keys_of_all_sorts, what_is_made_of_a_table,
          tables_with_tables, a_table_with_itself, many_rows, many_rows_of_one_key,
          a_table_that_does_not_fit, versions_stand_side_by_side, a_version_in_use,
          a_version_that_is_not_there, which_joins_look_up, where_rows_are_looked_up,
          a_table_in_both_ways, slides)
