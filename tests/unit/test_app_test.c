/* Tests of an app file: the canonical text with their input, and running them. */
#include "sim/app_test.h"

#include "dstream/plan.h"

#include "unit/app_unit.h"

#define HEAD                                                                                       \
    "{'version':1,'name':'x','batch':{'interval':'1s'},'sources':{"                                \
    "'l':{'type':'stdin'},"                                                                        \
    "'j':{'type':'socket','listen':'h:1','format':'json','schema':{'x':'int'},'on_error':'fail'}," \
    "'q':{'type':'queue','schema':{'n':'int'},'batches':[[{'n':1}],[{'n':2}]]},"                   \
    "'r':{'type':'rate','rows_per_second':1}},"                                                    \
    "'streams':{'words':{'from':'l','flat_map':{'w':'split(line)'},'group_by':['w'],"              \
    "'aggregate':{'n':'count()'}},"                                                                \
    "'w':{'from':'q','window':'2s','aggregate':{'s':'sum(n)'}}},'tests':["

static loaded load(const char *tests)
{
    ds_buffer text = {0};
    ds_buffer_printf(&text, "%s%s]}", HEAD, tests);
    loaded l = unit_load(ds_buffer_text(&text));
    ds_buffer_fini(&text);
    ck_assert_msg(l.status == DS_OK, "%s", l.said.data);
    return l;
}

/* ---- the canonical text ---- */

static ds_app *under_test(const loaded *l, uint32_t test)
{
    ds_app *app;
    ds_error error;
    char *text = ds_app_canonical_test(l->app, &l->app->tests[test]);
    ds_status status = ds_app_from_canonical(text, strlen(text), &app, &error);
    ck_assert_msg(status == DS_OK, "%s", error.message);
    char *again = ds_app_canonical(app); /* what executors are sent is the same */
    ck_assert_str_eq(again, text);
    free(again);
    free(text);
    return app;
}

static const json_t *list_of(const ds_app *app, uint32_t source, size_t batch)
{
    return json_array_get(app->sources[source].batches, batch);
}

START_TEST(every_source_has_lists_under_a_test)
{
    loaded l = load("{'name':'t','expect':{},'input':[{'l':['a','b']},{'r':[{'value':5}]}]}");
    ds_app *app = under_test(&l, 0);
    ck_assert_str_eq(app->sources[0].name, "j");
    ck_assert_uint_eq(json_array_size(app->sources[0].batches), 0); /* gives nothing */
    ck_assert_ptr_nonnull(app->sources[0].batches);
    ck_assert_str_eq(json_string_value(json_array_get(list_of(app, 1, 0), 1)), "b");
    ck_assert_uint_eq(json_array_size(list_of(app, 1, 1)), 0);
    ck_assert_uint_eq(json_array_size(app->sources[2].batches), 2); /* its own */
    ck_assert_uint_eq(json_array_size(list_of(app, 2, 0)), 1);
    ck_assert_uint_eq(json_array_size(list_of(app, 3, 0)), 0);
    ck_assert_uint_eq(json_array_size(list_of(app, 3, 1)), 1);
    ds_app_free(app);
    unit_unload(&l);
}
END_TEST

START_TEST(input_in_place_of_a_queue)
{
    loaded l = load("{'name':'t','expect':{},'input':[{'q':[]},{'q':[{'n':7}]}]}");
    ds_app *app = under_test(&l, 0);
    ck_assert_uint_eq(json_array_size(list_of(app, 2, 0)), 0);
    ck_assert_uint_eq(json_array_size(list_of(app, 2, 1)), 1);
    ds_app_free(app);
    unit_unload(&l);
}
END_TEST

START_TEST(input_stands_in_no_app_file)
{
    loaded l = unit_load("{'version':1,'name':'x','batch':{'interval':'1s'},"
                         "'sources':{'l':{'type':'stdin'}},'given':[{'l':['a']}]}");
    ck_assert_int_eq(l.status, DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(l.said.data, "given: unknown key \"given\""));
    unit_unload(&l);
}
END_TEST

START_TEST(wrong_input_in_a_canonical_text)
{
    static const char *const wrong[] = {"{}",
                                        "[[]]",
                                        "[{'no':[]}]",
                                        "[{'l':['a',{}]}]",
                                        "[{'l':[5]}]",
                                        "[{'q':['a']}]",
                                        "[{'l':{}}]",
                                        "[{'q':[{'m':1}]}]",
                                        "[{'q':[{'n':'x'}]}]",
                                        "'x'"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ds_buffer text = {0};
        ds_buffer_printf(&text, "%s],'given':%s}", HEAD, wrong[i]);
        char *json = unit_quoted(ds_buffer_text(&text));
        ds_app *app;
        ds_error error;
        ck_assert_msg(ds_app_from_canonical(json, strlen(json), &app, &error) == DS_ERR_APP, "%s",
                      wrong[i]);
        ck_assert_ptr_null(app);
        free(json);
        ds_buffer_fini(&text);
    }
}
END_TEST

/* ---- running ---- */

/* What is said about the only test; "" if it holds. */
static void says(const char *test, const char *expected)
{
    loaded l = load(test);
    ds_buffer what = {0};
    bool holds = ds_app_test_run(l.app, &l.app->tests[0], &what);
    ck_assert_str_eq(ds_buffer_text(&what), expected);
    ck_assert_int_eq(holds, what.length == 0);
    ds_buffer_fini(&what);
    unit_unload(&l);
}

START_TEST(tests_that_hold)
{
    says("{'name':'t','expect':{'w':[[{'s':3}]],'q':[[{'n':1}],[{'n':2}]]}}", "");
    says("{'name':'t','expect':{'words':[[{'w':'a','n':2},{'n':1,'w':'b'}],[]]},"
         "'input':[{'l':['a b',' a ']}]}",
         "");
    says("{'name':'t','expect':{'r':[[{'timestamp':null}],[]]},'input':[{'r':[{'value':1}]}]}", "");
    says("{'name':'t','expect':{'w':[]},'input':[{'q':[]}]}", "");
    says("{'name':'t','expect':{}}", "");
}
END_TEST

START_TEST(rows_that_differ)
{
    says("{'name':'t','start':'2026-01-01T00:00:00Z','expect':{'w':[[{'s':4}],[]]},'batches':4}",
         "w at 2026-01-01T00:00:02Z (batch 2, entry 1):\n"
         "  1 missing row:\n    {\"s\": 4}\n"
         "  1 unexpected row:\n    {\"s\": 3}\n"
         "w at 2026-01-01T00:00:04Z (batch 4, entry 2):\n"
         "  1 unexpected row:\n    {\"s\": null}\n");
}
END_TEST

/* A time at which nothing ran has no rows. */
START_TEST(rows_at_times_without_a_batch)
{
    says("{'name':'t','expect':{'words':[[],[{'w':'a','n':1}]]}}",
         "words at 1970-01-01T00:00:02Z (batch 2, entry 2):\n"
         "  1 missing row:\n    {\"w\": \"a\", \"n\": 1}\n");
}
END_TEST

START_TEST(bad_records_are_counted)
{
    says("{'name':'t','input':[{'l':['x']},{}],'expect_errors':{'l':0,'q':1}}",
         "q: bad records: 0, expected: 1\n");
}
END_TEST

START_TEST(a_bad_record_under_fail)
{
    says("{'name':'t','input':[{'j':['{}']},{'j':['x']}],'expect':{'j':[[{'x':null}],[]]}}",
         "the app ended: source j: bad record: record 1: not valid JSON: not an object: x\n");
    says("{'name':'t','input':[{'j':['{}']},{'j':['x','{}']}],'expect':{'j':[[{'x':null}],[]]},"
         "'expect_errors':{'j':1}}",
         "");
    says("{'name':'t','input':[{'j':['{}']},{}],'expect':{'j':[[{'x':null}],[]]},"
         "'expect_errors':{'j':1}}",
         "j: bad records: 0, expected: 1\n");
}
END_TEST

/* Whatever is killed, and when: the rows and the number of bad records are the same. */
START_TEST(faults_change_nothing)
{
    static const char *const lives[] = {"driver", "executor"}, *const moments[] = {"during",
                                                                                   "after"};
    for (int i = 0; i < 16; i++) {
        ds_buffer text = {0};
        ds_buffer_append_text(
            &text, "{'name':'t','expect':{'words':[[{'w':'a','n':2},{'n':1,'w':'b'}],[],[{'w':'c',"
                   "'n':1}],[{'w':'d','n':1}]],'j':[[{'x':null}],[],[],[{'x':null}]]},"
                   "'expect_errors':{'l':1},'input':[{'l':['a b',' a '],'j':['{}']},{},"
                   "{'l':['c']},{'l':['d','");
        for (int c = 0; c < 70000; c++)
            ds_buffer_append_char(&text, 'x'); /* too long: a bad record */
        ds_buffer_printf(&text,
                         "'],'j':['{}']}],'faults':[{'batch':%d,'kill':'%s','when':'%s'},"
                         "{'batch':4,'kill':'%s','when':'%s'}]}",
                         1 + i % 4, lives[i / 4 % 2], moments[i / 8], lives[i % 2],
                         moments[i / 2 % 2]);
        says(ds_buffer_text(&text), "");
        ds_buffer_fini(&text);
    }
}
END_TEST

START_TEST(columns_that_a_stream_does_not_have)
{
    loaded l = load("{'name':'t','expect':{'w':[[{'t':4}]]}}");
    ds_plan *plan;
    ck_assert_int_eq(ds_plan_new(l.app, NULL, l.diagnostics, &plan), DS_ERR_APP);
    l.said.length = 0;
    ds_diagnostics_print(l.diagnostics, &l.said);
    ck_assert_ptr_nonnull(strstr(ds_buffer_text(&l.said),
                                 "tests[0].expect.w[0][0].t: no column \"t\" (did you mean"));
    unit_unload(&l);
}
END_TEST

UNIT_MAIN("app_test", every_source_has_lists_under_a_test, input_in_place_of_a_queue,
          input_stands_in_no_app_file, wrong_input_in_a_canonical_text, tests_that_hold,
          rows_that_differ, rows_at_times_without_a_batch, bad_records_are_counted,
          a_bad_record_under_fail, faults_change_nothing, columns_that_a_stream_does_not_have)
