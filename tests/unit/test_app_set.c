/* --set path=value: what it changes, what it makes, what it refuses. */
#include "unit/app_unit.h"

static const char file[] =
    "{'version':1,'name':'x','batch':{'interval':'1s'},\n"
    "'sources':{'q':{'type':'queue','schema':{'n':'int','s':'string'},\n"
    "'batches':[[{'n':1},{'n':2}],[]]}},\n"
    "'streams':{'all':{'from':['q','q']},'top':{'from':'all','limit':'${UNSET}','where':'n > 1',\n"
    "'select':{'*':true,'k':'n','j':'s'}},'w':{'from':'q','window':'4s'}},\n"
    "'sinks':{'out':{'from':'top','type':'file','dir':'x'},'o':{'from':'w','type':'console'}}}";

#define SETS(...)                                                                                  \
    (ds_app_options)                                                                               \
    {                                                                                              \
        .sets = (const char *const[]){__VA_ARGS__},                                                \
        .n_sets = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)                      \
    }

/* What every test has to set, as its variable is not. */
#define LIMIT "streams.top.limit=3"

static loaded load_set(ds_app_options options)
{
    loaded l = unit_load_with(file, options);
    ck_assert_msg(l.status == DS_OK, "%s", l.said.data);
    return l;
}

START_TEST(values_are_replaced)
{
    loaded l = load_set(SETS(LIMIT, "batch.interval=500ms", "name=other-name",
                             "streams.all.from[1]=w2", "streams.all.from[1]=q",
                             "streams.top.where=n > 1 and s = 'x=y'", "sinks.out.dir=/tmp/out",
                             "streams.top.select.k=\"n + 1\"", "streams.w.window=8s"));
    ck_assert_int_eq(l.app->interval_ms, 500);
    ck_assert_str_eq(l.app->name, "other-name");
    const ds_app_stream *top = unit_stream(l.app, "top");
    ck_assert_int_eq(top->limit, 3);
    ck_assert_str_eq(top->where.text, "n > 1 and s = 'x=y'");
    ck_assert_str_eq(top->select[0].name, "k");
    ck_assert_str_eq(top->select[0].expr.text, "n + 1");
    ck_assert_str_eq(top->select[1].name, "j");
    ck_assert_int_eq(unit_stream(l.app, "w")->window_size_ms, 8000);
    for (uint32_t i = 0; i < l.app->n_sinks; i++)
        if (l.app->sinks[i].dir != NULL)
            ck_assert_str_eq(l.app->sinks[i].dir, "/tmp/out");
    unit_unload(&l);
}
END_TEST

START_TEST(values_are_json_where_that_fits)
{
    loaded l = load_set(SETS(LIMIT, "name=true1", "sinks.out.dir=123", "streams.top.distinct=true",
                             "streams.top.select={\"a\":\"n\"}", "streams.all.from=[\"q\"]",
                             "streams.w.window={\"size\":\"6s\",\"slide\":\"2s\"}",
                             "sources.q.batches[0][1].n=7", "sources.q.batches[0][1].s=7x"));
    ck_assert(unit_stream(l.app, "top")->distinct);
    ck_assert_uint_eq(unit_stream(l.app, "top")->n_select, 1);
    ck_assert_uint_eq(unit_stream(l.app, "all")->n_from, 1);
    ck_assert_int_eq(unit_stream(l.app, "w")->slide_ms, 2000);
    const json_t *row = json_array_get(json_array_get(l.app->sources[0].batches, 0), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "n")), 7);
    ck_assert_str_eq(json_string_value(json_object_get(row, "s")), "7x");
    unit_unload(&l);
}
END_TEST

START_TEST(optional_keys_are_made)
{
    loaded l = load_set(SETS(LIMIT, "checkpoint.dir=/tmp/state", "executors.cores=4",
                             "streams.all.limit=9", "streams.all.window.size=2s"));
    ck_assert_str_eq(l.app->checkpoint_dir, "/tmp/state");
    ck_assert_uint_eq(l.app->executors_cores, 4);
    ck_assert_int_eq(unit_stream(l.app, "all")->limit, 9);
    ck_assert_int_eq(unit_stream(l.app, "all")->window_size_ms, 2000);
    unit_unload(&l);
}
END_TEST

START_TEST(values_are_taken_literally)
{
    loaded l =
        load_set(SETS(LIMIT, "sinks.out.dir=${UNSET}/x", "streams.top.where=s = '$${FIVE}'"));
    for (uint32_t i = 0; i < l.app->n_sinks; i++)
        if (l.app->sinks[i].dir != NULL)
            ck_assert_str_eq(l.app->sinks[i].dir, "${UNSET}/x");
    ck_assert_str_eq(unit_stream(l.app, "top")->where.text, "s = '$${FIVE}'");
    unit_unload(&l);
}
END_TEST

START_TEST(the_source_is_not_changed)
{
    loaded l = load_set(SETS(LIMIT, "name=other"));
    ck_assert_str_eq(json_string_value(json_object_get(ds_json_source_root(l.source), "name")),
                     "x");
    unit_unload(&l);
}
END_TEST

START_TEST(paths_that_name_nothing)
{
    static const char *const cases[][2] = {
        {"batch.intreval=1s", "--set batch.intreval: unknown key (did you mean \"interval\"?)\n"},
        {"zzz=1", "--set zzz: unknown key\n"},
        {"streams.tpo.limit=3",
         "--set streams.tpo: there is none of this name in the file (did you mean \"top\"?)\n"},
        {"streams.new.from=q", "--set streams.new: there is none of this name in the file\n"},
        {"streams.top.select.kk=n",
         "--set streams.top.select.kk: there is none of this name in the file (did you mean "
         "\"k\"?)\n"},
        {"executors.secret=wonderful", "--set executors.secret: a secret does not belong on a "
                                       "command line, which everybody can read\n"},
        {"executors.mode=thread",
         "--set executors.mode: \"thread\" is not one of processes, threads "
         "(did you mean \"threads\"?)\n"},
        {"streams.all.from[2]=q",
         "--set streams.all.from[2]: there is no element of this index in the file\n"},
        {"streams.top.from[0]=q",
         "--set streams.top.from[0]: what stands there in the file has no such part\n"},
        {"streams.w.window.size=2s",
         "--set streams.w.window.size: what stands there in the file has no such part\n"},
        {"streams[0].limit=2",
         "--set streams[0]: what stands there in the file has no such part\n"},
        {"name.x=2", "--set name.x: what stands there in the file has no such part\n"},
        {"streams.all.where.x=2", "--set streams.all.where: is not in the file\n"},
        {"sources.q.batches[0][0].s.x=2", "--set sources.q.batches[0][0].s: is not in the file\n"},
        {"batch.interval", "--set batch.interval: is not written as path=value\n"},
        {"", "--set : is not written as path=value\n"},
        {"=1s", "--set =1s: the path cannot be read\n"},
        {"batch..interval=1s", "--set batch..interval=1s: the path cannot be read\n"},
        {"batch.=1s", "--set batch.=1s: the path cannot be read\n"},
        {"name=\xFF", "--set name: the value is not UTF-8\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unit_says_with(file, SETS(LIMIT, cases[i][0]), cases[i][1]);
        loaded l = unit_load_with(file, SETS(LIMIT, cases[i][0]));
        ck_assert_int_eq(l.status, DS_ERR_USAGE);
        unit_unload(&l);
    }
}
END_TEST

START_TEST(values_that_are_wrong)
{
    unit_says_with(file,
                   SETS("streams.top.limit=x", "streams.w.window=1500ms", "batch={}",
                        "streams.top.select={\"*\":1}"),
                   "--set batch.interval: missing: \"interval\" is needed here\n"
                   "--set streams.top.limit: must be a whole number, not \"x\"\n"
                   "--set streams.top.select[\"*\"]: must be an expression (a string), not 1\n");
    unit_says_with(file, SETS(LIMIT, "streams.w.window=1500ms"),
                   "--set streams.w.window: the window's size 1500ms is not a multiple of 1s, the "
                   "batch interval\n");
    loaded l = unit_load_with(file, SETS(LIMIT, "streams.w.window=1500ms"));
    ck_assert_int_eq(l.status, DS_ERR_USAGE);
    unit_unload(&l);
    l = unit_load_with(file, SETS("streams.w.window=1500ms")); /* and UNSET in the file */
    ck_assert_int_eq(l.status, DS_ERR_APP);
    unit_unload(&l);
}
END_TEST

START_TEST(errors_in_a_set_string_show_it)
{
    loaded l = load_set(SETS(LIMIT, "streams.top.where=m > 1"));
    ds_diag_error_in(l.diagnostics, "streams.top.where", 0, 1, "no column \"m\"");
    ds_buffer said = {0};
    ds_diagnostics_print(l.diagnostics, &said);
    static const char expected[] = "--set streams.top.where: no column \"m\"\n"
                                   "    m > 1\n"
                                   "    ^\n";
    ck_assert_int_eq(strncmp(ds_buffer_text(&said), expected, strlen(expected)), 0);
    ds_buffer_fini(&said);
    unit_unload(&l);
}
END_TEST

UNIT_MAIN("app_set", values_are_replaced, values_are_json_where_that_fits, optional_keys_are_made,
          values_are_taken_literally, the_source_is_not_changed, paths_that_name_nothing,
          values_that_are_wrong, errors_in_a_set_string_show_it)
