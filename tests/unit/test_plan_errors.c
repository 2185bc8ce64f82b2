/* What the planner says is wrong in the clauses of streams, and where it points. */
#include "unit/plan_unit.h"

#define SOURCES                                                                                    \
    "'in': { 'type': 'queue', 'batches': [[]],"                                                    \
    "        'schema': { 'n': 'int', 'm': 'int', 'x': 'float', 's': 'string', 'b': 'bool',"        \
    "                    't': 'timestamp', 'l': 'list<int>', 'ls': 'list<string>' } },"            \
    "'other': { 'type': 'queue', 'batches': [[]], 'schema': { 'n': 'float', 'm': 'int' } }"

/* Every error as "path: message [what is underlined]", a line each. */
static void brief(const char *said, ds_buffer *out)
{
    out->length = 0;
    while (*said != '\0') {
        const char *shown = strchr(said, '\n') + 1, *carets = strchr(shown, '\n') + 1;
        const char *rest = strstr(said, ": ") + 2, *from = shown, *at = carets;
        for (; *at == ' '; at++, from++) /* a character of the text for each blank */
            while (((unsigned char)from[1] & 0xC0) == 0x80)
                from++;
        ds_buffer_printf(out, "%.*s [%.*s]\n", (int)(shown - 1 - rest), rest, (int)strspn(at, "^"),
                         from);
        said = strchr(carets, '\n') + 1;
    }
    ds_buffer_text(out);
}

static const struct {
    const char *streams, *said;
} wrong[] = {
    {"'a': { 'from': 'in', 'join': { 'with': 'other', 'on': ['key'] } }",
     "streams.a.join.on[0]: no column \"key\" in \"in\" [\"key\"]\n"
     "streams.a.join.on[0]: no column \"key\" in \"other\" [\"key\"]\n"},
    {"'a': { 'from': 'in', 'join': { 'with': 'other', 'on': { 's': 'n', 'nn': 'm' } } }",
     "streams.a.join.on.s: keys of different types never meet: \"s\" is string in \"in\", and "
     "\"n\" is float in \"other\" [\"n\"]\n"
     "streams.a.join.on.nn: no column \"nn\" in \"in\" (did you mean \"n\"?) [\"m\"]\n"},
    {"'a': { 'from': ['in', 'in'], 'join': { 'with': 'other', 'on': { 'b': 'm' } } }",
     "streams.a.join.on.b: keys of different types never meet: \"b\" is bool in \"in\", and "
     "\"m\" is int in \"other\" [\"m\"]\n"},
    {"'a': { 'from': 'in', 'join': { 'with': 'in', 'on': ['l', 't', 't'] } }",
     "streams.a.join.on[0]: a list cannot be a key: \"l\" of \"in\" is list<int> [\"l\"]\n"
     "streams.a.join.on[2]: \"t\" is a key already [\"t\"]\n"},
    {"'b': { 'from': 'in', 'join': { 'with': 'other', 'on': ['n'] } },"
     "'a': { 'from': 'b', 'join': { 'with': 'other', 'on': ['n'] } }",
     "streams.a.join.with: there is a column \"other.m\" on the left side already: select another "
     "name for it before the join [\"other\"]\n"},
    {"'c': { 'from': 'in' }, 'a': { 'from': 'c', 'join': { 'with': 'other', 'on': ['n'], 'type': "
     "'left' },"
     "       'where': 'c.n > 0 and other.n > 0' }",
     "streams.a.where: a key appears once, with the value of the side that has it: write n "
     "(whether "
     "\"other\" has a row is told by another column of it) [other.n]\n"},
    {"'c': { 'from': 'in' }, 'a': { 'from': 'c', 'join': { 'with': 'other', 'on': { 'm': 'n' }, "
     "'type': 'right' },"
     "       'aggregate': { 'x': 'sum(other.n)', 'y': 'sum(c.m)' } }",
     "streams.a.aggregate.y: a key appears once, with the value of the side that has it: write m "
     "(whether \"c\" has a row is told by another column of it) [c.m]\n"},
    {"'a': { 'from': 'in', 'join': { 'with': 'other', 'on': ['n'] }, 'select': { 'z': 'other.n' },"
     "       'having': 'other.n > 0' }",
     "streams.a.having: no column \"other.n\" here [other.n]\n"},
    {"'a': { 'from': 'in', 'where': 'n + 1' }",
     "streams.a.where: where wants a bool, this is of type int [n + 1]\n"},
    {"'a': { 'from': 'in', 'where': 'nn > 1' }",
     "streams.a.where: no column \"nn\" here (did you mean \"n\"?) [nn]\n"},
    {"'a': { 'from': 'in', 'where': 'n > ' }",
     "streams.a.where: the expression ends where a value should follow [\"]\n"},
    {"'a': { 'from': 'in', 'where': 's > 1' }",
     "streams.a.where: > cannot compare \"s\", a string, with 1, an int [s > 1]\n"},
    {"'a': { 'from': 'in', 'where': 'count() > 1' }",
     "streams.a.where: count() is an aggregate, which cannot stand in \"where\" [count()]\n"},
    {"'a': { 'from': 'in', 'where': 'window_end() > t' }",
     "streams.a.where: window_end() can stand only after \"window\", in its own stream "
     "[window_end()]\n"},
    {"'a': { 'from': 'in', 'where': 'l' }",
     "streams.a.where: where wants a bool, this is of type list<int> [l]\n"},
    {"'a': { 'from': 'in', 'where': 'other.n > 1' }",
     "streams.a.where: no column \"other.n\" here [other.n]\n"},
    {"'a': { 'from': 'in', 'select': { 'y': 'null' } }",
     "streams.a.select.y: null has no type here: write cast(null as int) or another type [null]\n"},
    {"'a': { 'from': 'in', 'select': { 'y': 'array(null)', 'z': 'array()' } }",
     "streams.a.select.y: a list of nothing but null has no type, write cast(null as int) or "
     "another [array(null)]\n"
     "streams.a.select.z: array takes at least 1 arguments, here are 0: array(x, …) [array()]\n"},
    {"'a': { 'from': 'in', 'select': { 'y': 'interval `5m`' } }",
     "streams.a.select.y: an interval is no value of its own: add it to a timestamp [interval "
     "'5m']\n"},
    {"'a': { 'from': 'in', 'select': { '*': true, 'n': 's || 1', 'q': 'zz' } }",
     "streams.a.select.n: || wants strings or lists, 1 is an int (use cast) [1]\n"
     "streams.a.select.q: no column \"zz\" here [zz]\n"},
    {"'a': { 'from': 'in', 'select': { 'y': 'sum(n)' } }",
     "streams.a.select.y: sum() is an aggregate, which cannot stand in \"select\" [sum(n)]\n"},
    {"'a': { 'from': 'in', 'select': { 'y': 'window_start()' } }",
     "streams.a.select.y: window_start() can stand only after \"window\", in its own stream "
     "[window_start()]\n"},
    {"'a': { 'from': 'in', 'flat_map': { 'y': 'n' } }",
     "streams.a.flat_map.y: flat_map wants a list, this is of type int (split(…) or array(…) give "
     "one) [n]\n"},
    {"'a': { 'from': 'in', 'flat_map': { 'y': 'null' } }",
     "streams.a.flat_map.y: null has no type here: write cast(null as int) or another type "
     "[null]\n"},
    {"'a': { 'from': 'in', 'flat_map': { 'y': 'array(null)' } }",
     "streams.a.flat_map.y: a list of nothing but null has no type, write cast(null as int) or "
     "another [array(null)]\n"},
    {"'a': { 'from': 'in', 'flat_map': { 's': 'split(s)' }, 'where': 's > 1', 'select': { 'k': 's "
     "+ 1' } }",
     "streams.a.where: > cannot compare \"s\", a string, with 1, an int [s > 1]\n"
     "streams.a.select.k: + wants numbers, \"s\" is a string [s]\n"},
    {"'a': { 'from': ['in', 'other'] }", "streams.a.from[1]: a union wants the same types: \"n\" "
                                         "is int in \"in\" and float in \"other\" [\"other\"]\n"
                                         "streams.a.from[1]: a union wants the same columns: "
                                         "\"in\" has \"x\", \"other\" has not [\"other\"]\n"
                                         "streams.a.from[1]: a union wants the same columns: "
                                         "\"in\" has \"s\", \"other\" has not [\"other\"]\n"
                                         "streams.a.from[1]: a union wants the same columns: "
                                         "\"in\" has \"b\", \"other\" has not [\"other\"]\n"
                                         "streams.a.from[1]: a union wants the same columns: "
                                         "\"in\" has \"t\", \"other\" has not [\"other\"]\n"
                                         "streams.a.from[1]: a union wants the same columns: "
                                         "\"in\" has \"l\", \"other\" has not [\"other\"]\n"
                                         "streams.a.from[1]: a union wants the same columns: "
                                         "\"in\" has \"ls\", \"other\" has not [\"other\"]\n"},
    {"'a': { 'from': 'in', 'select': { 'n': 'x', 'k': 'm' } }, 'u': { 'from': ['other', 'a'] }",
     "streams.u.from[1]: a union wants the same columns: \"other\" has \"m\", \"a\" has not "
     "[\"a\"]\n"
     "streams.u.from[1]: a union wants the same columns: \"a\" has \"k\", \"other\" has not "
     "[\"a\"]\n"},
    {"'a': { 'from': 'in', 'group_by': ['l'] }",
     "streams.a.group_by[0]: a list cannot be a key: \"l\" is list<int> [\"l\"]\n"},
    {"'a': { 'from': 'in', 'group_by': ['nn', 'n'] }",
     "streams.a.group_by[0]: no column \"nn\" here (did you mean \"n\"?) [\"nn\"]\n"},
    {"'a': { 'from': 'in', 'group_by': ['n'], 'aggregate': { 'k': 'm + count()' } }",
     "streams.a.aggregate.k: \"m\" is neither a key nor inside an aggregate: add it to group_by, "
     "or write an aggregate such as max(m) [m]\n"},
    {"'a': { 'from': 'in', 'group_by': ['n'], 'aggregate': { 'k': 'sum(s)' } }",
     "streams.a.aggregate.k: sum() takes an int or a float, not string [s]\n"},
    {"'a': { 'from': 'in', 'aggregate': { 'k': 'null' } }",
     "streams.a.aggregate.k: null has no type here: write cast(null as int) or another type "
     "[null]\n"},
    {"'a': { 'from': 'in', 'aggregate': { 'k': 'sum(count())' } }",
     "streams.a.aggregate.k: count() cannot stand inside another aggregate [count()]\n"},
    {"'a': { 'from': 'in', 'aggregate': { 'k': 'window_end()' } }",
     "streams.a.aggregate.k: window_end() can stand only after \"window\", in its own stream "
     "[window_end()]\n"},
    {"'a': { 'from': 'in', 'window': '2s', 'aggregate': { 'k': 'sum(to_unix(window_end()))' } }",
     "streams.a.aggregate.k: window_end() cannot stand inside an aggregate: a row may belong to "
     "several windows [window_end()]\n"},
    {"'a': { 'from': 'in', 'window': '2s', 'where': 'window_end() > t', 'aggregate': { 'k': "
     "'count()' } }",
     "streams.a.where: window_end() can stand only after \"window\", in its own stream "
     "[window_end()]\n"},
    {"'a': { 'from': 'in', 'distinct': true }",
     "streams.a.distinct: a list cannot be compared for distinct: \"l\" is list<int> [true]\n"
     "streams.a.distinct: a list cannot be compared for distinct: \"ls\" is list<string> [true]\n"},
    {"'a': { 'from': 'in', 'having': 'n' }",
     "streams.a.having: having wants a bool, this is of type int [n]\n"},
    {"'a': { 'from': 'in', 'group_by': ['n'], 'aggregate': { 'k': 'count()' }, 'having': 'm > 1' }",
     "streams.a.having: no column \"m\" here (did you mean \"n\"?) [m]\n"},
    {"'a': { 'from': 'in', 'group_by': ['n'], 'aggregate': { 'k': 'count()' }, 'having': 'count() "
     "> 1' }",
     "streams.a.having: count() is an aggregate, which cannot stand in \"having\" [count()]\n"},
    {"'a': { 'from': 'in', 'order_by': 'l' }",
     "streams.a.order_by: order_by wants values that have an order, not list<int> [l]\n"},
    {"'a': { 'from': 'in', 'order_by': 'n, ls desc' }",
     "streams.a.order_by: order_by wants values that have an order, not list<string> [ls]\n"},
    {"'a': { 'from': 'in', 'order_by': 'n dsc' }",
     "streams.a.order_by: a comma, asc, desc or nulls is missing before this [dsc]\n"},
    {"'a': { 'from': 'in', 'order_by': 'null' }",
     "streams.a.order_by: order_by wants values that have an order, not null [null]\n"},
    {"'a': { 'from': 'in', 'order_by': 'n, mm desc, xx' }",
     "streams.a.order_by: no column \"mm\" here (did you mean \"m\"?) [mm]\n"
     "streams.a.order_by: no column \"xx\" here (did you mean \"x\"?) [xx]\n"},
    {"'a': { 'from': 'in', 'order_by': 'window_end()' }",
     "streams.a.order_by: window_end() can stand only after \"window\", in its own stream "
     "[window_end()]\n"},
    {"'a': { 'from': 'in', 'select': { 'k': 'n +' }, 'order_by': 'k' }, 'b': { 'from': 'a', "
     "'where': 'zz' }",
     "streams.a.select.k: the expression ends where a value should follow [\"]\n"},
    {"'a': { 'from': 'in', 'where': 'regexp_like(s, 1)', 'having': 'regexp_like(s, `(`)' }",
     "streams.a.where: the pattern of regexp_like has to be a string literal [1]\n"
     "streams.a.having: the regular expression is wrong at its byte 2: missing closing parenthesis "
     "['(']\n"},
    {"'a': { 'from': 'in', 'where': 'n', 'group_by': ['l'], 'aggregate': { 'k': 'sum(s)' } }",
     "streams.a.where: where wants a bool, this is of type int [n]\n"
     "streams.a.group_by[0]: a list cannot be a key: \"l\" is list<int> [\"l\"]\n"
     "streams.a.aggregate.k: sum() takes an int or a float, not string [s]\n"},
    {"'a': { 'from': 'in', 'having': 'n', 'order_by': 'l' }, 'b': { 'from': 'a', 'where': 's' }",
     "streams.a.having: having wants a bool, this is of type int [n]\n"
     "streams.a.order_by: order_by wants values that have an order, not list<int> [l]\n"
     "streams.b.where: where wants a bool, this is of type string [s]\n"},
    {"'a': { 'from': ['in', 'other'], 'where': 's' }",
     "streams.a.from[1]: a union wants the same types: \"n\" is int in \"in\" and float in "
     "\"other\" [\"other\"]\n"
     "streams.a.from[1]: a union wants the same columns: \"in\" has \"x\", \"other\" has not "
     "[\"other\"]\n"
     "streams.a.from[1]: a union wants the same columns: \"in\" has \"s\", \"other\" has not "
     "[\"other\"]\n"
     "streams.a.from[1]: a union wants the same columns: \"in\" has \"b\", \"other\" has not "
     "[\"other\"]\n"
     "streams.a.from[1]: a union wants the same columns: \"in\" has \"t\", \"other\" has not "
     "[\"other\"]\n"
     "streams.a.from[1]: a union wants the same columns: \"in\" has \"l\", \"other\" has not "
     "[\"other\"]\n"
     "streams.a.from[1]: a union wants the same columns: \"in\" has \"ls\", \"other\" has not "
     "[\"other\"]\n"
     "streams.a.where: where wants a bool, this is of type string [s]\n"},
    {"'a': { 'from': 'in', 'group_by': ['n'], 'aggregate': { 'first': 'zz', 'k': 'sum(s)' }, "
     "'having': 'k > 1' }",
     "streams.a.aggregate.first: no column \"zz\" here [zz]\n"
     "streams.a.aggregate.k: sum() takes an int or a float, not string [s]\n"},
    {"'a': { 'from': 'in', 'aggregate': { 'k': 'sum(n) filter (where m)' } }",
     "streams.a.aggregate.k: filter wants a condition (bool), this is an int [m]\n"},
    {"'a': { 'from': 'in', 'aggregate': { 'k': 'count(regexp_like(s, `[`))' } }",
     "streams.a.aggregate.k: the regular expression is wrong at its byte 2: missing terminating ] "
     "for character class ['[']\n"},
    {"'a': { 'from': 'in', 'select': { 'k': '(n' }, 'distinct': true }",
     "streams.a.select.k: the expression ends where ) should follow [\"]\n"},
};

/* Warnings are not looked at: their lines are those of the app file's own tests. */
static void leave_out_warnings(char *brief_text)
{
    char *to = brief_text;
    for (char *line = brief_text; *line != '\0';) {
        char *end = strchr(line, '\n') + 1;
        size_t length = (size_t)(end - line);
        if (strncmp(line, "warning:", 8) != 0) {
            memmove(to, line, length);
            to += length;
        }
        line = end;
    }
    *to = '\0';
}

START_TEST(says_what_is_wrong_and_where)
{
    ds_buffer text = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        planned p = plan_streams(SOURCES, wrong[i].streams, "a");
        ck_assert_int_eq(p.status, DS_ERR_APP);
        brief(p.app.said.data, &text);
        leave_out_warnings(text.data);
        ck_assert_msg(strcmp(text.data, wrong[i].said) == 0, "%s\nsays\n%snot\n%s",
                      wrong[i].streams, text.data, wrong[i].said);
        plan_close(&p);
    }
    ds_buffer_fini(&text);
}
END_TEST

/* Streams that no sink needs are looked at all the same. */
START_TEST(unneeded_streams_are_checked)
{
    planned p =
        plan_streams(SOURCES, "'a': { 'from': 'in' }, 'b': { 'from': 'in', 'where': 's' }", "a");
    ck_assert_int_eq(p.status, DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(p.app.said.data, "streams.b.where: where wants a bool"));
    plan_close(&p);
}
END_TEST

/* Whatever was bound before something else was wrong is freed: compiled patterns, too. */
START_TEST(errors_leave_nothing_behind)
{
    planned p = plan_streams(SOURCES,
                             "'a': { 'from': 'in', 'where': 'regexp_like(s, `a+`)',"
                             "       'aggregate': { 'k': 'count(regexp_extract(s, `(b)`))' },"
                             "       'having': 'z' }",
                             "a");
    ck_assert_int_eq(p.status, DS_ERR_APP);
    plan_close(&p);
}
END_TEST

/* A condition may be the literal null: no row passes. */
START_TEST(null_is_a_condition)
{
    planned p =
        plan_streams(SOURCES, "'a': { 'from': 'in', 'where': 'null', 'having': 'null' }", "a");
    ck_assert_int_eq(p.status, DS_OK);
    ck_assert_str_eq(p.app.said.data, "");
    plan_close(&p);
}
END_TEST

UNIT_MAIN("plan_errors", says_what_is_wrong_and_where, unneeded_streams_are_checked,
          errors_leave_nothing_behind, null_is_a_condition)
