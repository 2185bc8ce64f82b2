/* What a chain depends on, as text: what changes it and what does not. */
#include "dstream/kept.h"

#include "unit/plan_unit.h"

#define SOURCE                                                                                     \
    "'in': { 'type': 'queue', 'schema': { 'k': 'string', 'n': 'int', 'x': 'float', 's': 'string' " \
    "}, 'batches': [] }"

/* Of the stream w. The caller frees it. */
static char *signature(const char *w, const char *more)
{
    char *streams = NULL;
    ck_assert_int_gt(asprintf(&streams, "'w': { 'from': 'in', %s } %s", w, more), 0);
    planned p = plan_well(SOURCE, streams, more[0] == '\0' ? "w" : "v");
    ds_node *node = NULL;
    for (uint32_t i = 0; i < p.plan->n_nodes; i++)
        if (ds_node_keeps(p.plan->nodes[i]) && strcmp(p.plan->nodes[i]->stream, "w") == 0)
            node = p.plan->nodes[i];
    ck_assert_ptr_nonnull(node);
    char *text = ds_kept_signature(node);
    plan_close(&p);
    free(streams);
    return text;
}

static void compare(const char *a, const char *b, bool equal)
{
    char *of_a = signature(a, ""), *of_b = signature(b, "");
    ck_assert_msg((strcmp(of_a, of_b) == 0) == equal, "%s\n%s", of_a, of_b);
    free(of_a);
    free(of_b);
}

static void is(const char *w, const char *more, const char *expected)
{
    char *text = signature(w, more), *quoted = unit_quoted(expected);
    ck_assert_str_eq(text, quoted);
    free(text);
    free(quoted);
}

START_TEST(can_be_read)
{
    is("'window': { 'size': '30s', 'slide': '10s' }, 'group_by': ['k', 'n'],"
       "'aggregate': { 'a': 'sum(x * 2) filter (where n > 1)', 'b': 'approx_top_k(s, 3)',"
       "               'c': 'string_agg(s, `; `)', 'd': 'quantile(x, 0.25)' }",
       "",
       "{'keeps': 'a window of groups', 'size': '30s', 'slide': '10s', 'every': '1s',"
       " 'keys': [{'name': 'k', 'type': 'string'}, {'name': 'n', 'type': 'int'}],"
       " 'calls': [{'call': 'sum', 'arguments': [{'of': 'x * 2.0', 'type': 'float'}],"
       " 'where': 'n > 1', 'type': 'float'},"
       " {'call': 'approx_top_k', 'arguments': [{'of': 's', 'type': 'string'}], 'top': 3,"
       " 'type': 'list<string>'},"
       " {'call': 'string_agg', 'arguments': [{'of': 's', 'type': 'string'}],"
       " 'separator': '; ', 'type': 'string'},"
       " {'call': 'quantile', 'arguments': [{'of': 'x', 'type': 'float'}], 'quantile': 0.25,"
       " 'type': 'float'}, {'failures': 'any', 'of': 0}]}");
    is("'window': { 'size': '30s', 'slide': '10s' }",
       ", 'v': { 'from': 'w', 'select': { 'k': 'k', 'n': 'n' } }",
       "{'keeps': 'a window of rows', 'size': '30s', 'slide': '10s', 'every': '1s',"
       " 'columns': [{'name': 'k', 'type': 'string'}, {'name': 'n', 'type': 'int'}],"
       " 'by': null, 'in_order': false}");
    is("'state': { 'key': ['k'], 'set': { 'n': 'sum(n)', 'l': 'collect_list(s)' },"
       "           'timeout': '1h' }",
       "",
       "{'keeps': 'a state', 'keys': [{'name': 'k', 'type': 'string'}],"
       " 'values': [{'name': 'n', 'type': 'int'}, {'name': 'l', 'type': 'list<string>'}],"
       " 'timeout': '1h'}");
}
END_TEST

#define GROUPS(size, slide, keys, aggregate)                                                       \
    "'window': { 'size': '" size "', 'slide': '" slide "' }, 'group_by': [" keys "],"              \
    "'aggregate': { " aggregate " }"

START_TEST(windows_of_groups)
{
    static const char usual[] = GROUPS("6s", "2s", "'k'", "'a': 'sum(n)', 'b': 'max(s)'");
    compare(usual, usual, true);
    compare(usual, GROUPS("8s", "2s", "'k'", "'a': 'sum(n)', 'b': 'max(s)'"), false);
    compare(usual, GROUPS("6s", "3s", "'k'", "'a': 'sum(n)', 'b': 'max(s)'"), false);
    compare(usual, GROUPS("6s", "2s", "'s'", "'a': 'sum(n)', 'b': 'max(s)'"), false);
    compare(usual, GROUPS("6s", "2s", "'k', 's'", "'a': 'sum(n)', 'b': 'max(s)'"), false);
    compare(usual, GROUPS("6s", "2s", "'k'", "'a': 'sum(x)', 'b': 'max(s)'"), false);
    compare(usual, GROUPS("6s", "2s", "'k'", "'a': 'sum(n + 1)', 'b': 'max(s)'"), false);
    compare(usual, GROUPS("6s", "2s", "'k'", "'a': 'sum(n)', 'b': 'min(s)'"), false);
    compare(usual, GROUPS("6s", "2s", "'k'", "'a': 'sum(n)'"), false);
    compare(usual, GROUPS("6s", "2s", "'k'", "'a': 'sum(n)', 'b': 'max(s) filter (where n > 0)'"),
            false);
    /* What is made of calls afterwards, by whatever name. */
    compare(usual, GROUPS("6s", "2s", "'k'", "'t': 'sum( n )', 'o': 'max(s)'"), true);
    compare(usual, GROUPS("6s", "2s", "'k'", "'a': 'sum(n) * 2 + sum(n)', 'b': 'max(s)'"), true);
    compare(usual,
            GROUPS("6s", "2s", "'k'", "'a': 'sum(n)', 'b': 'max(s)'") ", 'having': 'a > 1',"
                                                                      " 'limit': 5",
            true);
}
END_TEST

START_TEST(states)
{
    static const char usual[] = "'state': { 'key': ['k'], 'set': { 'n': 'sum(n)' } }";
    compare(usual,
            "'state': { 'key': ['k'], 'set': { 'n': 'coalesce(state.n, 0) + count()' },"
            "           'remove_when': 'n > 5', 'emit': 'all' }",
            true);
    compare(usual, "'state': { 'key': ['k'], 'set': { 'm': 'sum(n)' } }", false);
    compare(usual, "'state': { 'key': ['k'], 'set': { 'n': 'sum(x)' } }", false);
    compare(usual, "'state': { 'key': ['s'], 'set': { 'n': 'sum(n)' } }", false);
    compare(usual, "'state': { 'key': ['k'], 'set': { 'n': 'sum(n)', 'm': 'max(n)' } }", false);
    compare(usual, "'state': { 'key': ['k'], 'set': { 'n': 'sum(n)' }, 'timeout': '5s' }", false);
}
END_TEST

START_TEST(windows_of_rows)
{
    static const char usual[] = "'window': { 'size': '6s', 'slide': '2s' }";
    static const char *const readers[] = {
        ", 'v': { 'from': 'w', 'select': { 'k': 'k' } }",
        ", 'v': { 'from': 'w', 'select': { 'm': 'k' } }",
        ", 'v': { 'from': 'w', 'select': { 'k': 'k', 'n': 'n' } }",
        ", 'v': { 'from': 'w', 'order_by': 'n' }",
    };
    char *texts[4];
    for (int i = 0; i < 4; i++)
        texts[i] = signature(usual, readers[i]);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++)
            ck_assert_msg((strcmp(texts[i], texts[k]) == 0) == (i == 1 && k == 0), "%s", texts[i]);
    for (int i = 0; i < 4; i++)
        free(texts[i]);
    is(usual,
       ", 'u': { 'from': 'in', 'window': { 'size': '6s', 'slide': '2s' } },"
       "'v': { 'from': 'w', 'join': { 'with': 'u', 'on': ['k'] }, 'select': { 'n': 'w.n' } }",
       "{'keeps': 'a window of rows', 'size': '6s', 'slide': '2s', 'every': '1s',"
       " 'columns': [{'name': 'k', 'type': 'string'}, {'name': 'n', 'type': 'int'}],"
       " 'by': ['k'], 'in_order': false}");
}
END_TEST

UNIT_MAIN("kept_signature", can_be_read, windows_of_groups, states, windows_of_rows)
