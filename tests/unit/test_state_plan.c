/* state and snapshot when an app is loaded: types that settle, what is wrong, what runs when. */
#include "unit/plan_unit.h"

#include "dstream/op_state.h"

#define SOURCES                                                                                    \
    "'in': { 'type': 'queue', 'batches': [[]],"                                                    \
    "        'schema': { 'k': 'string', 'n': 'int', 'x': 'float', 't': 'timestamp',"               \
    "                    'l': 'list<int>' } }"

/* ---- types ---- */

static const struct {
    const char *set, *types;
} settles[] = {
    {"'n': 'coalesce(state.n, 0) + count()'", "k:string n:int"},
    {"'n': 'coalesce(state.n, 0) + sum(x)'", "k:string n:float"},
    {"'n': 'coalesce(state.n + 1, 1)'", "k:string n:int"},
    {"'n': 'state.n + count()'", "k:string n:int"},
    {"'a': 'state.b', 'b': 'state.c', 'c': 'sum(x)'", "k:string a:float b:float c:float"},
    {"'a': 'coalesce(state.a, state.b)', 'b': 'max(t)'", "k:string a:timestamp b:timestamp"},
    {"'a': 'coalesce(state.a, state.b, 0)', 'b': 'avg(n)'", "k:string a:float b:float"},
    {"'l': 'coalesce(state.l || collect_list(n), collect_list(n))'", "k:string l:list<int>"},
    {"'s': 'coalesce(state.s || last(k), k)'", "k:string s:string"},
    {"'b': 'coalesce(state.b, false) or timed_out()'", "k:string b:bool"},
    {"'c': 'case when count() > 0 then last(t) else state.c end'", "k:string c:timestamp"},
    {"'c': 'if(timed_out(), state.c, max(n))'", "k:string c:int"},
    {"'d': 'max(t) - state.t', 't': 'max(t)'", "k:string d:float t:timestamp"},
    {"'g': 'greatest(state.g, max(n))'", "k:string g:int"},
    {"'e': 'coalesce(element(state.l, 1), 0)', 'l': 'collect_list(n)'",
     "k:string e:int l:list<int>"},
    {"'z': 'coalesce(size(state.l), 0)', 'l': 'collect_list(n)'", "k:string z:int l:list<int>"},
    {"'c': 'cast(state.c as int)'", "k:string c:int"},
    {"'c': 'cast(state.c as string) || `x`'", "k:string c:string"},
    {"'u': 'upper(state.u)', 'a': 'abs(state.a)', 'm': 'round(state.m)'",
     "k:string u:string a:int m:int"},
};

START_TEST(types_settle)
{
    for (size_t i = 0; i < sizeof settles / sizeof *settles; i++) {
        char *streams = NULL;
        ds_buffer text = {0};
        ck_assert_int_gt(asprintf(&streams,
                                  "'a': { 'from': 'in', 'state': { 'key': ['k'], 'set': { %s } } }",
                                  settles[i].set),
                         0);
        planned p = plan_streams(SOURCES, streams, "a");
        ck_assert_msg(p.status == DS_OK, "%s: %s", settles[i].set, p.app.said.data);
        schema_text(ds_plan_find(p.plan, "a")->schema, &text);
        ck_assert_str_eq(text.data, settles[i].types);
        ds_buffer_fini(&text);
        plan_close(&p);
        free(streams);
    }
}
END_TEST

/* ---- what is wrong ---- */

#define STATE(rest) "'a': { 'from': 'in', 'state': { 'key': ['k'], " rest " } }"
#define SET "'set': { 'n': 'count()' }"

static const struct {
    const char *streams, *said; /* what one of the lines says */
} wrong[] = {
    /* types */
    {STATE("'set': { 'n': 'state.n' }"), "a.state.set.n: null has no type here: write cast(null"},
    {STATE("'set': { 'n': 'coalesce(state.m, 1)', 'm': 'coalesce(state.n, `x`)' }"),
     "a.state.set.n: coalesce wants values of one type"},
    {STATE("'set': { 'n': 'length(state.n)' }"), "a.state.set.n: length wants a string"},
    {STATE("'set': { 'n': 'array(state.n)' }"), "a.state.set.n: "},
    {STATE("'set': { 'n': 'interval `5s`' }"), "a.state.set.n: an interval"},
    /* names */
    {STATE("'set': { 'n': 'x + count()' }"),
     "\"x\" is neither a key nor inside an aggregate: add it to \"key\", or write"},
    {STATE("'set': { 'n': 'count() + state.m' }"),
     "\"set\" has no column \"m\" (did you mean state.n?)"},
    {STATE("'set': { 'n': 'sum(state.n)' }"),
     "state.n is the old state of a key, which cannot stand inside an aggregate"},
    {STATE("'set': { 'n': 'count() filter (where timed_out())' }"),
     "timed_out() cannot stand inside an aggregate"},
    {STATE("'set': { 'n': 'window_end()' }"), "window_end() can stand only after \"window\""},
    {STATE("'set': { 'k': 'count()' }"), "a.state.set.k: \"k\" is a key of the state already"},
    {"'a': { 'from': 'in', 'state': { 'key': ['kk'], " SET " } }",
     "a.state.key[0]: no column \"kk\" here (did you mean \"k\"?)"},
    {"'a': { 'from': 'in', 'state': { 'key': ['k', 'k'], " SET " } }",
     "a.state.key[1]: \"k\" is a key already"},
    {"'a': { 'from': 'in', 'state': { 'key': ['l'], " SET " } }", "a list cannot be a key"},
    {"'a': { 'from': 'in', 'select': { 'state.n': 'n' }, 'state': { 'key': ['state.n'], " SET
     " } }",
     "a.state.key[0]: \"state.n\" is the old value of a column of \"set\""},
    {"'a': { 'from': 'in', 'where': 'state.n > 1', 'state': { 'key': ['k'], " SET " } }",
     "a.where: state.n can stand only in \"set\" of \"state\""},
    {"'a': { 'from': 'in', 'where': 'timed_out()', 'state': { 'key': ['k'], " SET " } }",
     "a.where: timed_out() can stand only in \"set\" and \"having\""},
    {"'a': { 'from': 'in', 'state': { 'key': ['k'], " SET " } },"
     "'b': { 'from': 'a', 'where': 'timed_out()' }",
     "b.where: timed_out() can stand only"},
    {"'a': { 'from': 'in', 'state': { 'key': ['k'], " SET " }, 'order_by': 'timed_out()' }",
     "a.order_by: timed_out() can stand only"},
    {"'a': { 'from': 'in', 'state': { 'key': ['k'], " SET " } },"
     "'b': { 'from': 'a', 'snapshot': true, 'having': 'timed_out()' }",
     "b.having: timed_out() can stand only"},
    /* remove_when */
    {STATE(SET ", 'remove_when': 'n'"), "a.state.remove_when: remove_when wants a bool"},
    {STATE(SET ", 'remove_when': 'count() = 0'"), "count() is an aggregate, which cannot stand in"},
    {STATE(SET ", 'remove_when': 'state.n = 0'"), "state.n can stand only in \"set\""},
    {STATE(SET ", 'remove_when': 'timed_out()'"), "timed_out() can stand only in \"set\""},
    {STATE(SET ", 'remove_when': 'x = 0'"), "no column \"x\" here"},
    /* initial */
    {STATE(SET ", 'initial': [ { 'k': 'a', 'm': 1 } ]"), "a.state.initial[0].m: no column \"m\""},
    {STATE(SET ", 'initial': [ { 'k': 'a' }, { 'k': 5 } ]"),
     "a.state.initial[1].k: 5 does not fit the type string"},
    {STATE(SET ", 'initial': [ { 'n': '1' } ]"), "initial[0].n: \"1\" does not fit the type int"},
    {STATE(SET ", 'initial': [ { 'k': 'a' }, { 'k': 'b' }, { 'k': 'a', 'n': 4 } ]"),
     "a.state.initial[2]: a row before this one has the same key"},
    {STATE(SET ", 'initial': [ { 'n': 1 }, { 'k': null } ]"),
     "a.state.initial[1]: a row before this one has the same key"},
    {STATE(SET ", 'initial': [ { 'k': { 'a': 1 } } ]"), "initial[0].k: an object is no value"},
    {STATE(SET ", 'initial': [ { 'k': { '$variable': 'a' } } ]"), "initial[0].k: an object is no"},
    /* company */
    {"'a': { 'from': 'in', 'window': '5s', 'state': { 'key': ['k'], " SET " } }",
     "a.window: cannot stand in one stream with \"state\""},
    {"'a': { 'from': 'in', 'group_by': ['k'], 'state': { 'key': ['k'], " SET " } }",
     "a.group_by: cannot stand in one stream with \"state\""},
    {"'a': { 'from': 'in', 'aggregate': { 'n': 'count()' }, 'state': { 'key': ['k'], " SET " } }",
     "a.aggregate: cannot stand in one stream with \"state\""},
    {"'a': { 'from': 'in', 'distinct': true, 'state': { 'key': ['k'], " SET " } }",
     "a.distinct: cannot stand in one stream with \"state\""},
    /* snapshot */
    {"'a': { 'from': 'in', 'snapshot': true }", "a.from: \"in\" has no \"state\" that there could"},
    {STATE(SET) ", 'b': { 'from': 'a' }, 'c': { 'from': 'b', 'snapshot': true }",
     "c.from: \"b\" has no \"state\" that there could be a snapshot of"},
    {STATE(SET) ", 'c': { 'from': ['a', 'a'], 'snapshot': true }",
     "c.snapshot: a snapshot is of one stream: \"from\" names 2"},
    /* shapes */
    {"'a': { 'from': 'in', 'state': { " SET " } }", "a.state.key: missing: \"key\" is needed here"},
    {"'a': { 'from': 'in', 'state': { 'key': ['k'] } }", "a.state.set: missing: \"set\" is needed"},
    {"'a': { 'from': 'in', 'state': { 'key': [], " SET " } }", "a.state.key: is empty"},
    {STATE("'set': { }"), "a.state.set: is empty"},
    {STATE("'set': { '*': 'count()' }"), "\"*\" stands in select only"},
    {STATE(SET ", 'timeout': '0s'"), "a.state.timeout: "},
    {STATE(SET ", 'emit': 'some'"), "a.state.emit: \"some\" is not one of changed, all"},
    {STATE(SET ", 'initail': []"), "unknown key \"initail\" (did you mean \"initial\"?)"},
};

/* What was said about the file and by the planner. */
static bool says(const char *streams, const char *said)
{
    char *text = NULL;
    ck_assert_int_gt(asprintf(&text,
                              "{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' },\n"
                              "'sources': { %s },\n'streams': { %s },\n'sinks': {} }",
                              SOURCES, streams),
                     0);
    loaded l = unit_load(text);
    free(text);
    if (l.app != NULL) {
        ds_plan *plan = NULL;
        ck_assert_int_eq(ds_plan_new(l.app, NULL, l.diagnostics, &plan), DS_ERR_APP);
        l.said.length = 0;
        ds_diagnostics_print(l.diagnostics, &l.said);
    }
    bool found = strstr(ds_buffer_text(&l.said), said) != NULL;
    ck_assert_msg(found, "%s\nshould say: %s\nsays: %s", streams, said, l.said.data);
    unit_unload(&l);
    return found;
}

START_TEST(errors)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert(says(wrong[i].streams, wrong[i].said));
}
END_TEST

/* A type that needs more rounds than there are. */
START_TEST(types_that_do_not_settle)
{
    ds_buffer streams = {0};
    ds_buffer_append_text(&streams, "'a': { 'from': 'in', 'state': { 'key': ['k'], 'set': { ");
    for (int i = 0; i < 80; i++)
        ds_buffer_printf(&streams, "'c%d': 'coalesce(state.c%d, 1)', ", i, i + 1);
    ds_buffer_append_text(&streams, "'c80': 'sum(x)' } } }");
    ck_assert(says(ds_buffer_text(&streams), "streams.a.state.set.c0: the types of the state's "
                                             "columns do not settle: write what they are"));
    ds_buffer_fini(&streams);
}
END_TEST

/* A parent called state: in an aggregate its columns are named as they are. */
START_TEST(a_parent_called_state)
{
    planned p = plan_well("'state': { 'type': 'queue', 'batches': [[]],"
                          "           'schema': { 'k': 'string', 'n': 'int' } }",
                          "'a': { 'from': 'state', 'state': { 'key': ['k'],"
                          "       'set': { 'n': 'coalesce(state.n, `x`) || k', 'm': 'sum(n)' } } }",
                          "a");
    ds_buffer text = {0};
    schema_text(ds_plan_find(p.plan, "a")->schema, &text);
    ck_assert_str_eq(text.data, "k:string n:string m:int");
    ds_buffer_fini(&text);
    plan_close(&p);
}
END_TEST

/* A string that was one variable takes the type of its column, on executors, too. */
START_TEST(variables_in_initial_rows)
{
    planned p = plan_streams(SOURCES,
                             STATE("'set': { 'n': 'coalesce(state.n, 0) + count()',"
                                   "         'b': 'coalesce(state.b, false)',"
                                   "         's': 'coalesce(state.s, ``)' },"
                                   "'initial': [ { 'k': '${FIVE}', 'n': '${FIVE}', 'b': '${YES}',"
                                   "               's': 'x${FIVE}' } ]"),
                             "a");
    ck_assert_msg(p.status == DS_OK, "%s", p.app.said.data);
    char *text = ds_app_canonical(p.app.app);
    ds_app *app;
    ds_error error;
    ck_assert_int_eq(ds_app_from_canonical(text, strlen(text), &app, &error), DS_OK);
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    ds_plan *plan;
    const char *tested = "a";
    ds_plan_options options = {.tested = &tested, .n_tested = 1, .testing = true};
    ck_assert_int_eq(ds_plan_new(app, &options, diagnostics, &plan), DS_OK);
    ck_assert_uint_eq(plan->hash, p.plan->hash);
    const ds_state_plan *state = plan_node(plan, "a", DS_NODE_STATE)->group->state;
    ck_assert_uint_eq(state->n_initial, 1);
    const ds_chunk *rows = &state->initial[0];
    ck_assert_uint_eq(rows->n_rows, 1);
    ck_assert_uint_eq(rows->columns[0]->views[0].length, 1);
    ck_assert_int_eq(rows->columns[1]->ints[0], 5);
    ck_assert(ds_bit_get(rows->columns[2]->bits, 0));
    ck_assert_uint_eq(rows->columns[3]->views[0].length, 2);
    ds_plan_free(plan);
    ds_diagnostics_free(diagnostics);
    ds_app_free(app);
    free(text);
    plan_close(&p);
}
END_TEST

START_TEST(a_variable_of_another_type)
{
    ck_assert(says(STATE(SET ", 'initial': [ { 'k': 'a', 'n': '${WORD}' } ]"),
                   "a.state.initial[0].n: \"abc\" does not fit the type int"));
}
END_TEST

/* ---- the plan ---- */

START_TEST(where_it_runs)
{
    planned p = plan_well(SOURCES,
                          "'a': { 'from': 'in', 'where': 'n > 0', 'state': { 'key': ['k'], 'set': {"
                          "       'c': 'count()', 'f': 'first(x)' } }, 'having': 'c > 1' },"
                          "'s': { 'from': 'a', 'snapshot': true, 'where': 'c > 5' }",
                          "s");
    const ds_stage *stage = plan_stage(p.plan, "a", DS_NODE_STATE);
    ck_assert(stage->keyed && p.plan->has_state && !p.plan->has_windows);
    ck_assert_uint_eq(stage->n_partitions, 3);
    ck_assert_ptr_null(plan_stage(p.plan, "s", DS_NODE_SNAPSHOT));
    ck_assert_ptr_null(plan_node(p.plan, "a", DS_NODE_HAVING)); /* nobody reads it */
    const ds_node *source = plan_node(p.plan, "in", DS_NODE_SOURCE);
    ck_assert(source->ordered); /* first(x) */
    ck_assert(source->wanted[0] && source->wanted[1] && source->wanted[2]);
    ck_assert(!source->wanted[3] && !source->wanted[4]);
    plan_close(&p);
}
END_TEST

static bool any_due(const ds_plan *plan, int64_t t_ms)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_due due;
    ds_plan_due(plan, arena, t_ms, &due);
    ds_arena_free(arena);
    return due.any;
}

/* What is due without input, and how long an app goes on when its input has ended. */
START_TEST(what_is_due)
{
    static const struct {
        const char *state;
        bool alone;
    } cases[] = {{"" SET, false},
                 {SET ", 'remove_when': 'n = 1', 'emit': 'changed'", false},
                 {SET ", 'timeout': '1h'", true},
                 {SET ", 'emit': 'all'", true}};
    for (size_t i = 0; i < 4; i++) {
        char *streams = NULL;
        ck_assert_int_gt(asprintf(&streams,
                                  "'a': { 'from': 'in', 'state': { 'key': ['k'], %s } },"
                                  "'w': { 'from': 'in', 'window': '3s' },"
                                  "'b': { 'from': 'w', 'state': { 'key': ['k'], %s } }",
                                  cases[i].state, cases[i].state),
                         0);
        planned p = plan_well(SOURCES, streams, "a");
        ck_assert_int_eq(any_due(p.plan, 1000), cases[i].alone);
        ck_assert_int_eq(ds_stage_always(plan_stage(p.plan, "a", DS_NODE_STATE)), cases[i].alone);
        ck_assert_int_eq(ds_plan_drain_next(p.plan, 4000, 4000), 0); /* time-outs do not run on */
        plan_close(&p);
        p = plan_well(SOURCES, streams, "b");
        ck_assert_int_eq(ds_plan_find(p.plan, "b")->slide_ms, 3000);
        ck_assert(!any_due(p.plan, 1000));
        ck_assert_int_eq(ds_plan_drain_next(p.plan, 4000, 4000), 6000);
        ck_assert_int_eq(ds_plan_drain_next(p.plan, 4000, 6000), 0);
        plan_close(&p);
        free(streams);
    }
}
END_TEST

START_TEST(a_snapshot_is_due_alone)
{
    planned p = plan_well(SOURCES, STATE(SET) ", 's': { 'from': 'a', 'snapshot': true }", "a");
    ck_assert(!any_due(p.plan, 1000)); /* nobody reads the snapshot */
    plan_close(&p);
    p = plan_well(SOURCES, STATE(SET) ", 's': { 'from': 'a', 'snapshot': true }", "s");
    ck_assert(any_due(p.plan, 1000));
    plan_close(&p);
}
END_TEST

START_TEST(warns_without_a_checkpoint)
{
    loaded l = unit_load("{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' },\n"
                         "'sources': { " SOURCES " },\n'streams': { " STATE(
                             SET) " },\n"
                                  "'sinks': { 'o': { 'from': 'a', 'type': 'console' } } }");
    ck_assert_ptr_nonnull(l.app);
    ck_assert_ptr_nonnull(
        strstr(l.said.data, "warning: streams.a.state: state is lost at a restart"));
    unit_unload(&l);
}
END_TEST

UNIT_MAIN("state_plan", types_settle, errors, types_that_do_not_settle, a_parent_called_state,
          variables_in_initial_rows, a_variable_of_another_type, where_it_runs, what_is_due,
          a_snapshot_is_due_alone, warns_without_a_checkpoint)
