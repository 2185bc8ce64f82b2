/* The tests section of the app file: batches, due times, input, expectations. */
#include "unit/app_unit.h"

#define HEAD                                                                                       \
    "{'version':1,'name':'x','batch':{'interval':'1s'},'sources':{"                                \
    "'l':{'type':'stdin'},"                                                                        \
    "'q':{'type':'queue','schema':{'n':'int','t':'timestamp'},'batches':[[{'n':1}],[],[]]},"       \
    "'r':{'type':'rate','rows_per_second':1}},"                                                    \
    "'streams':{'a':{'from':'l'},'w':{'from':'q','window':{'size':'60s','slide':'10s'}}},\n"

#define CHECKPOINT "'checkpoint':{'dir':'x'},"

START_TEST(a_test_is_read)
{
    loaded l = unit_load(
        HEAD CHECKPOINT
        "'tests':[{'name':'one','start':'2026-01-01T00:00:05Z','ordered':true,"
        "'input':[{'l':['x','${FIVE}'],'q':[{'n':1}]},{'q':[],'r':[{'value':5}]}],'batches':15,"
        "'expect':{'w':[[{'n':1}],[]],'l':[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[{'line':'x'}]"
        "]},"
        "'faults':[{'batch':15,'kill':'executor','when':'during'},"
        "{'batch':2,'kill':'driver','when':'after'},{'batch':2,'kill':'executor','when':'during'}],"
        "'expect_errors':{'l':1}},{'name':'two','expect_errors':{'q':0}}]}");
    ck_assert_msg(l.status == DS_OK, "%s", l.said.data);
    ck_assert_uint_eq(l.app->n_tests, 2);
    const ds_app_test *test = &l.app->tests[0];
    ck_assert_str_eq(test->name, "one");
    ck_assert_str_eq(test->path, "tests[0]");
    ck_assert_int_eq(test->start_ms, INT64_C(1767225605000));
    ck_assert_uint_eq(test->n_batches, 15);
    ck_assert(test->ordered);
    ck_assert_uint_eq(json_array_size(test->input), 2);
    const json_t *records = json_object_get(json_array_get(test->input, 0), "l");
    ck_assert_str_eq(json_string_value(json_array_get(records, 1)), "${FIVE}"); /* left alone */
    ck_assert_uint_eq(json_object_size(test->expect), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(test->expect_errors, "l")), 1);
    ck_assert_uint_eq(test->n_faults, 3);
    ck_assert_uint_eq(test->faults[0].batch, 2);
    ck_assert(test->faults[0].during && !test->faults[0].driver);
    ck_assert(!test->faults[1].during && test->faults[1].driver);
    ck_assert_uint_eq(test->faults[2].batch, 15);
    test = &l.app->tests[1];
    ck_assert_uint_eq(test->n_faults, 0);
    ck_assert_int_eq(test->start_ms, 0);
    ck_assert_uint_eq(test->n_batches, 3); /* the queue's own */
    ck_assert(!test->ordered);
    ck_assert_uint_eq(json_array_size(test->input), 0);
    ck_assert_uint_eq(json_object_size(test->expect), 0);
    unit_unload(&l);
}
END_TEST

START_TEST(how_many_batches)
{
    static const struct {
        const char *keys;
        unsigned batches;
    } cases[] = {
        {"'input':[]", 3},            /* the queue has three */
        {"'input':[{'l':[]}]", 3},    /* and is not named here */
        {"'input':[{'q':[]}]", 1},    /* but here */
        {"'input':[{},{'q':[]}]", 2}, /* wherever */
        {"'input':[{'q':[]}],'batches':0", 1},
        {"'input':[{'q':[]}],'batches':7", 7},
        {"'input':[{},{},{},{},{}],'batches':2", 5},
        {"'batches':1000000", 1000000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1000];
        snprintf(text, sizeof text, HEAD "'tests':[{'name':'t',%s}]}", cases[i].keys);
        loaded l = unit_load(text);
        ck_assert_msg(l.status == DS_OK, "%s", l.said.data);
        ck_assert_uint_eq(l.app->tests[0].n_batches, cases[i].batches);
        unit_unload(&l);
    }
}
END_TEST

/* Entries at :10, :20 … behind the start, up to the last batch. */
START_TEST(due_times)
{
    UNIT_SAYS(
        HEAD CHECKPOINT "'tests':[{'name':'t',", "}]}", {"'batches':9,'expect':{'w':[]}", ""},
        {"'batches':10,'expect':{'w':[[]]}", ""}, {"'batches':29,'expect':{'w':[[],[]]}", ""},
        {"'start':'1970-01-01T00:00:09Z','batches':3,'expect':{'w':[[]]}", ""},
        {"'start':'1970-01-01T00:00:10Z','batches':9,'expect':{'w':[]}", ""},
        {"'start':'1969-12-31T23:59:59Z','batches':3,'expect':{'w':[[]]}", ""},
        {"'start':'1969-12-31T23:59:50Z','batches':9,'expect':{'w':[]}", ""},
        {"'start':'1969-12-31T23:59:50Z','batches':10,'expect':{'w':[[]]}", ""},
        {"'expect':{'q':[[],[],[]],'a':[[],[],[]]}", ""},
        {"'expect':{'q':[[],[]],'w':[[]]}",
         "app.json:2:61: tests[0].expect.q: must have 3 entries, not 2: \"q\" is due every 1s, "
         "in 3 batches of 1s\napp.json:2:73: tests[0].expect.w: must have 0 entries, not 1: "
         "\"w\" is due every 10s, in 3 batches of 1s\n"},
        {"'batches':20,'expect':{'w':[[]]}",
         "app.json:2:74: tests[0].expect.w: must have 2 entries, not 1: \"w\" is due every 10s, "
         "in 20 batches of 1s\n"},
        {"'batches':20,'expect':{'w':[[],[],[]]}",
         "app.json:2:74: tests[0].expect.w: must have 2 entries, not 3: \"w\" is due every 10s, "
         "in 20 batches of 1s\n"},
        {"'start':'1970-01-01T00:00:09Z','batches':3,'expect':{'w':[]}",
         "app.json:2:104: tests[0].expect.w: must have 1 entries, not 0: \"w\" is due every 10s, "
         "in 3 batches of 1s\n"});
}
END_TEST

START_TEST(wrong_tests)
{
    UNIT_SAYS(
        HEAD CHECKPOINT "'tests':[", "]}",
        {"{'batches':1,'expect_errors':{}}",
         "app.json:2:35: tests[0].name: missing: \"name\" is needed here\n"},
        {"{'name':''}", "app.json:2:43: tests[0].name: is empty\n"},
        {"7,{'name':'t','expect_errors':{}}",
         "app.json:2:35: tests[0]: must be an object (a test), not 7\n"},
        {"{'name':'t','expect_errors':{}},{'name':'t','expect_errors':{}}",
         "app.json:2:75: tests[1].name: there is a test of this name already\n"},
        {"{'name':'t','expcet':{}}",
         "app.json:2:47: tests[0].expcet: unknown key \"expcet\" (did you mean \"expect\"?)\n"},
        {"{'name':'t'}", "app.json:2:35: warning: tests[0]: the test expects nothing\n"},
        {"{'name':'t','start':'yesterday','expect_errors':{}}",
         "app.json:2:55: tests[0].start: must be a time in RFC 3339, such as "
         "\"2026-01-01T00:00:00Z\"\n"},
        {"{'name':'t','start':'1970-01-01T00:00:00.5Z','expect_errors':{}}",
         "app.json:2:55: tests[0].start: must be a multiple of the batch interval, 1s\n"},
        {"{'name':'t','start':'1970-01-01T00:00:00.000001Z','expect_errors':{}}",
         "app.json:2:55: tests[0].start: must be a multiple of the batch interval, 1s\n"},
        {"{'name':'t','start':'9999-12-31T23:59:57Z','expect_errors':{}}",
         "app.json:2:55: tests[0].start: the last batch would be after the year 9999\n"},
        {"{'name':'t','batches':-1,'ordered':'yes','expect_errors':{}}",
         "app.json:2:57: tests[0].batches: must be 0 or more, not -1\napp.json:2:70: "
         "tests[0].ordered: must be true or false, not \"yes\"\n"},
        {"{'name':'t','batches':1000001,'expect':{'w':[]}}",
         "app.json:2:57: tests[0].batches: must be at most 1000000, not 1000001\n"},
        {"{'name':'t','expect_errors':{'l':-1,'w':1,'k':0}}",
         "app.json:2:68: tests[0].expect_errors.l: must be 0 or more, not -1\napp.json:2:71: "
         "tests[0].expect_errors.w: no source \"w\" (did you mean \"l\"?)\napp.json:2:77: "
         "tests[0].expect_errors.k: no source \"k\" (did you mean \"l\"?)\n"});
}
END_TEST

START_TEST(wrong_faults)
{
    UNIT_SAYS(
        HEAD CHECKPOINT "'tests':[{'name':'t','expect_errors':{},'batches':3,\n'faults':", "}]}",
        {"{}", "app.json:3:10: tests[0].faults: must be a list of faults, not an object\n"},
        {"[{'batch':3}]",
         "app.json:3:11: tests[0].faults[0].kill: missing: \"kill\" is needed here\n"
         "app.json:3:11: tests[0].faults[0].when: missing: \"when\" is needed here\n"},
        {"[{'batch':4,'kill':'driver','when':'after'}]",
         "app.json:3:20: tests[0].faults[0].batch: the test has 3 batches\n"},
        {"[{'batch':0,'kill':'drivr','when':'before'}]",
         "app.json:3:20: tests[0].faults[0].batch: must be 1 or more, not 0\n"
         "app.json:3:29: tests[0].faults[0].kill: \"drivr\" is not one of driver, "
         "executor (did you mean \"driver\"?)\n"
         "app.json:3:44: tests[0].faults[0].when: \"before\" is not one of during, "
         "after\n"});
}
END_TEST

START_TEST(wrong_input)
{
    UNIT_SAYS(
        HEAD CHECKPOINT "'tests':[{'name':'t','expect_errors':{},'input':", "}]}",
        {"{}", "app.json:2:74: tests[0].input: must be a list, an element for each batch, not an "
               "object\n"},
        {"[['x']]", "app.json:2:75: tests[0].input[0]: must be an object of sources and their "
                    "records, not a list\n"},
        {"[{'l':'x'}]",
         "app.json:2:80: tests[0].input[0].l: must be a list of records or rows, not \"x\"\n"},
        {"[{'L':[],'w':[],'nothing':[]}]",
         "app.json:2:76: tests[0].input[0].L: no source \"L\" (did you mean \"l\"?)\n"
         "app.json:2:83: tests[0].input[0].w: no source \"w\" (did you mean \"l\"?)\n"
         "app.json:2:90: tests[0].input[0].nothing: no source \"nothing\"\n"},
        {"[{'l':['x',{'line':'y'},5,'two\\nlines']}]",
         "app.json:2:85: tests[0].input[0].l[1]: raw records (strings) and rows (objects) do not "
         "stand in one list\n"
         "app.json:2:98: tests[0].input[0].l[2]: must be a raw record (a string) or a row (an "
         "object), not 5\n"
         "app.json:2:100: tests[0].input[0].l[3]: a record cannot hold a line break\n"},
        {"[{'q':['x'],'r':['y']}]", "app.json:2:81: tests[0].input[0].q[0]: a queue or rate is "
                                    "given rows (objects), not raw records\n"
                                    "app.json:2:91: tests[0].input[0].r[0]: a queue or rate is "
                                    "given rows (objects), not raw records\n"},
        {"[{'q':[{'n':1,'m':2}]},{'q':[{'n':'1'},{'t':'x'}]}]",
         "app.json:2:88: tests[0].input[0].q[0].m: no column \"m\" (did you mean \"n\"?)\n"
         "app.json:2:108: tests[0].input[1].q[0].n: \"1\" does not fit the type int\n"
         "app.json:2:118: tests[0].input[1].q[1].t: \"x\" does not fit the type timestamp (RFC "
         "3339: \"2026-01-01T00:00:00Z\")\n"},
        {"[{'l':[{'line':5,'lien':'x'}]}]",
         "app.json:2:89: tests[0].input[0].l[0].line: 5 does not fit the type string\n"
         "app.json:2:91: tests[0].input[0].l[0].lien: no column \"lien\" (did you mean "
         "\"line\"?)\n"});
}
END_TEST

START_TEST(wrong_expectations)
{
    UNIT_SAYS(
        HEAD CHECKPOINT "'tests':[{'name':'t','batches':10,'expect':", "}]}",
        {"[]", "app.json:2:69: tests[0].expect: must be an object of streams and their rows, not "
               "a list\n"},
        {"{'ww':[[]]}",
         "app.json:2:70: tests[0].expect.ww: no source or stream \"ww\" (did you mean \"w\"?)\n"},
        {"{'w':{}}",
         "app.json:2:74: tests[0].expect.w: must be a list of lists of rows, not an object\n"},
        {"{'w':[{}]}",
         "app.json:2:75: tests[0].expect.w[0]: must be a list of rows, not an object\n"},
        {"{'w':[[5]]}",
         "app.json:2:76: tests[0].expect.w[0][0]: must be an object (a row), not 5\n"},
        {"{'w':[[{'n':1},{'n':2,'t':null},{'t':null}]]}",
         "app.json:2:84: tests[0].expect.w[0][1]: all expected rows of a stream name the same "
         "columns, and this one has others than the first\n"
         "app.json:2:101: tests[0].expect.w[0][2]: all expected rows of a stream name the same "
         "columns, and this one has others than the first\n"},
        {"{'w':[[{'n':{'x':1},'l':[1,null,'x'],'m':[[1]]}]]}",
         "app.json:2:81: tests[0].expect.w[0][0].n: cannot be the value of a column\n"
         "app.json:2:110: tests[0].expect.w[0][0].m: cannot be the value of a column\n"},
        {"{'q':[[{'n':1.0,'m':2}],[],[],[],[],[],[],[],[],[]]}",
         "app.json:2:85: tests[0].expect.q[0][0].m: no column \"m\" (did you mean \"n\"?)\n"});
}
END_TEST

UNIT_MAIN("app_tests", a_test_is_read, how_many_batches, due_times, wrong_tests, wrong_faults,
          wrong_input, wrong_expectations)
