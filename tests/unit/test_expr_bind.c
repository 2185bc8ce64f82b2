/* Names, types and functions of expressions: what they come to mean, and what is refused. */
#include "unit/expr_table.h"

#include "base/nearest.h"
#include "columnar/aggregate.h"

START_TEST(columns)
{
    expr_table t;
    table_open(&t);
    ck_assert_int_eq(ds_expr_column(table_bind(&t, "f")), 2);
    ck_assert_int_eq(ds_expr_column(table_bind(&t, "(\"f\")")), 2);
    ck_assert_int_eq(ds_expr_column(table_bind(&t, "f + 1")), -1);
    ck_assert_int_eq(ds_expr_column(table_bind(&t, "1")), -1);
    EXPECT_ERROR(&t, "x9 > 1", 0, 2, "no column \"x9\" here");
    EXPECT_ERROR(&t, "1 + batch_time", 4, 10,
                 "no column \"batch_time\" here (the function is written batch_time())");
    EXPECT_ERROR(&t, "count > 1", 0, 5, "the function is written count");
    EXPECT_ERROR(&t, "coalesce(state.n, 0)", 9, 7,
                 "state.n can stand only in \"set\" of \"state\"");
    table_close(&t);
}
END_TEST

START_TEST(qualified_names)
{
    ds_field fields[] = {{"k", {DS_INT, 0}},   {"x", {DS_INT, 0}},        {"b.x", {DS_INT, 0}},
                         {"y", {DS_BOOL, 0}},  {"odd name", {DS_INT, 0}}, {"state", {DS_INT, 0}},
                         {"z", {DS_FLOAT, 0}}, {"c.z", {DS_FLOAT, 0}}};
    const char *const qualifiers[] = {"a", "a", "b", "b", "b", NULL, "state", "d"};
    ds_schema schema = {fields, 8};
    ds_scope scope = {.columns = &schema, .qualifiers = qualifiers, .place = "where"};
    static const struct {
        const char *text;
        int column;
    } names[] = {{"k", 0},
                 {"a.k", 0},
                 {"a.x", 1},
                 {"x", 1},
                 {"b.x", 2},
                 {"\"b.x\"", 2},
                 {"\"b\".\"x\"", 2},
                 {"b.y", 3},
                 {"b . \"odd name\"", 4},
                 {"\"odd name\"", 4},
                 {"state", 5},
                 {"state.z", 6},
                 {"d.c.z", 7},
                 {"c.z", 7}};
    static const char *const wrong[] = {"a.y", "X", "\"a.k\"", "c.x", "state.k", "b.K"};
    ds_arena *arena = ds_arena_new(NULL);
    ds_expr *expr;
    ds_expr_error error;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = names[i].text;
        ck_assert_int_eq(ds_expr_parse(arena, text, strlen(text), &expr, &error), DS_OK);
        ck_assert_msg(ds_expr_bind(arena, expr, &scope, &error) == DS_OK, "%s: %s", text,
                      error.message);
        ck_assert_msg(ds_expr_column(expr) == names[i].column, "%s: %d", text,
                      ds_expr_column(expr));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(ds_expr_parse(arena, wrong[i], strlen(wrong[i]), &expr, &error), DS_OK);
        ck_assert_msg(ds_expr_bind(arena, expr, &scope, &error) == DS_ERR_APP, "%s", wrong[i]);
        ck_assert_uint_eq(error.offset, 0);
        ck_assert_uint_eq(error.length, strlen(wrong[i]));
    }
    ds_arena_free(arena);
}
END_TEST

static void expect_type(expr_table *t, const char *text, const char *type)
{
    ds_expr *expr = table_bind(t, text);
    ck_assert_msg(expr != NULL, "%s: %s", text, t->error.message);
    ck_assert_str_eq(ds_type_name(ds_expr_type(expr)), type);
}

START_TEST(types)
{
    expr_table t;
    table_open(&t);
    expect_type(&t, "1", "int");
    expect_type(&t, "i + 1", "int");
    expect_type(&t, "i + 1.0", "float");
    expect_type(&t, "i / 2", "int");
    expect_type(&t, "i > 1", "bool");
    expect_type(&t, "t - t", "float");
    expect_type(&t, "t - interval '1s'", "timestamp");
    expect_type(&t, "null", "null");
    expect_type(&t, "coalesce(null, null)", "null");
    expect_type(&t, "if(b, null, null)", "null");
    expect_type(&t, "nullif(null, 1)", "null");
    expect_type(&t, "null + 1", "int");
    expect_type(&t, "null || null", "string");
    expect_type(&t, "cast(null as timestamp)", "timestamp");
    expect_type(&t, "case when b then 1 when c then 2.5 end", "float");
    expect_type(&t, "greatest(1, 2.5)", "float");
    expect_type(&t, "l || l", "list<int>");
    expect_type(&t, "round(f)", "int");
    expect_type(&t, "round(f, 1)", "float");
    expect_type(&t, "-f", "float");
    table_close(&t);
}
END_TEST

START_TEST(messages)
{
    expr_table t;
    table_open(&t);
    EXPECT_ERROR(&t, "s + 1", 0, 1, "+ wants numbers, \"s\" is a string");
    EXPECT_ERROR(&t, "1 + (i * 'x')", 9, 3, "* wants numbers, 'x' is a string");
    EXPECT_ERROR(&t, "-s", 1, 1, "- wants a number, \"s\" is a string");
    EXPECT_ERROR(&t, "abs(s)", 4, 1, "abs wants a number, \"s\" is a string");
    EXPECT_ERROR(&t, "1 + lenght(s)", 4, 6, "no function \"lenght\" (did you mean \"length\"?)");
    EXPECT_ERROR(&t, "zzzzzz(s)", 0, 6, "no function \"zzzzzz\"");
    EXPECT_ERROR(&t, "abs()", 0, 5, "abs takes 1 argument, here are 0: abs(x)");
    EXPECT_ERROR(&t, "round(f, 1, 2)", 0, 14, "round takes 1 to 2 arguments, here are 3");
    EXPECT_ERROR(&t, "power(1)", 0, 8, "power takes 2 arguments");
    EXPECT_ERROR(&t, "coalesce()", 0, 10, "coalesce takes at least 1 argument");
    EXPECT_ERROR(&t, "abs(*)", 0, 6, "only count takes *");
    EXPECT_ERROR(&t, "abs(i) filter (where b)", 21, 1, "filter restricts aggregates, abs is none");
    EXPECT_ERROR(&t, "sum(i) > 1", 0, 6, "sum() is an aggregate, which cannot stand in \"where\"");
    EXPECT_ERROR(&t, "approx_top_k(i, 1)", 0, 18, "aggregate, which cannot stand in");
    EXPECT_ERROR(&t, "timed_out()", 0, 11, "timed_out() can stand only in \"set\" and \"having\"");
    table_close(&t);
}
END_TEST

START_TEST(windows_have_their_place)
{
    expr_table t;
    table_open(&t);
    ds_scope scope = {.columns = &t.schema, .place = "where"};
    static const char *const texts[] = {"window_end()", "t > Window_Start()"};
    for (size_t i = 0; i < 2; i++) {
        ds_expr *expr;
        ck_assert_int_eq(ds_expr_parse(t.arena, texts[i], strlen(texts[i]), &expr, &t.error),
                         DS_OK);
        ck_assert_int_eq(ds_expr_bind(t.arena, expr, &scope, &t.error), DS_ERR_APP);
        ck_assert_ptr_nonnull(strstr(t.error.message, "can stand only after \"window\""));
    }
    ck_assert(ds_expr_uses_time(table_bind(&t, "t > window_end()")));
    ck_assert(ds_expr_uses_time(table_bind(&t, "if(b, batch_time(), t)")));
    ck_assert(!ds_expr_uses_time(table_bind(&t, "if(b, t, t)")));
    table_close(&t);
}
END_TEST

START_TEST(wanted_columns)
{
    expr_table t;
    table_open(&t);
    bool wanted[TABLE_COLUMNS] = {false};
    ds_expr_columns(table_bind(&t, "i between j and 3 or nullif(f, g) in (1, 2)"), wanted);
    const bool expected[TABLE_COLUMNS] = {true, true, true, true};
    ck_assert_mem_eq(wanted, expected, sizeof wanted);
    ds_expr_columns(table_bind(&t, "case s when 'x' then b end"), wanted);
    ck_assert(wanted[4] && wanted[6] && !wanted[5]);
    table_close(&t);
}
END_TEST

static const char *canonical(expr_table *t, const char *text)
{
    ds_expr *expr = table_bind(t, text);
    ck_assert_msg(expr != NULL, "%s: %s", text, t->error.message);
    t->text.length = 0;
    ds_expr_print(expr, &t->text);
    return ds_buffer_text(&t->text);
}

START_TEST(literals_are_folded)
{
    expr_table t;
    table_open(&t);
    ck_assert_str_eq(canonical(&t, "i * (60 * 60)"), "i * 3600");
    ck_assert_str_eq(canonical(&t, "1 + 2 > 2"), "true");
    ck_assert_str_eq(canonical(&t, "f + 1"), "f + 1.0");
    ck_assert_str_eq(canonical(&t, "i + 1.5"), "cast(i as float) + 1.5");
    ck_assert_str_eq(canonical(&t, "'a' || 'b' || 'c'"), "'abc'");
    ck_assert_str_eq(canonical(&t, "-(1 - 2)"), "1");
    ck_assert_str_eq(canonical(&t, "1 / 0"), "null");
    ck_assert_str_eq(canonical(&t, "9223372036854775807 + 1"), "9223372036854775807 + 1");
    ck_assert_str_eq(canonical(&t, "cast('12' as int) + i"), "12 + i");
    ck_assert_str_eq(canonical(&t, "batch_time()"), "batch_time()");
    ck_assert_str_eq(canonical(&t, "t > '1970-01-02'"), "t > to_timestamp('1970-01-02T00:00:00Z')");
    ck_assert_str_eq(canonical(&t, "i between 1 and 2"), "i between 1 and 2");
    ck_assert_str_eq(canonical(&t, "coalesce(nullif(i, 1), 2)"), "coalesce(nullif(i, 1), 2)");
    table_close(&t);
}
END_TEST

/* Aggregates. */

typedef struct agg_table {
    expr_table table;
    ds_field key_fields[2];
    ds_schema keys;
    ds_agg_scope aggregates;
} agg_table;

static void agg_open(agg_table *a)
{
    static const char *const qualifiers[TABLE_COLUMNS] = {"a", "a", "b"};
    table_open(&a->table);
    a->key_fields[0] = (ds_field){"j", DS_TYPE(DS_INT)};
    a->key_fields[1] = (ds_field){"s", DS_TYPE(DS_STRING)};
    a->keys = (ds_schema){a->key_fields, 2};
    a->aggregates =
        (ds_agg_scope){.rows = &a->table.schema, .row_qualifiers = qualifiers, .keys = &a->keys};
}

static ds_expr *agg_bind(agg_table *a, const char *text)
{
    ds_scope scope = {.columns = &a->keys,
                      .allow_window = true,
                      .aggregates = &a->aggregates,
                      .place = "aggregate"};
    expr_table *t = &a->table;
    ds_expr *expr;
    ck_assert_msg(ds_expr_parse(t->arena, text, strlen(text), &expr, &t->error) == DS_OK, "%s: %s",
                  text, t->error.message);
    return ds_expr_bind(t->arena, expr, &scope, &t->error) == DS_OK ? expr : NULL;
}

static const char *text_of(agg_table *a, const ds_expr *expr)
{
    a->table.text.length = 0;
    ds_expr_print(expr, &a->table.text);
    return ds_buffer_text(&a->table.text);
}

START_TEST(aggregates_become_columns)
{
    agg_table a;
    agg_open(&a);
    ds_expr *count = agg_bind(&a, "count()");
    ck_assert_int_eq(ds_expr_column(count), 2);
    ck_assert_str_eq(text_of(&a, count), "count()");
    ds_expr *rate = agg_bind(&a, "count() / 60.0 + j");
    ck_assert_str_eq(ds_type_name(ds_expr_type(rate)), "float");
    ck_assert_str_eq(text_of(&a, rate), "cast(count() as float) / 60.0 + cast(j as float)");
    ck_assert_uint_eq(a.aggregates.n_calls, 1);
    ck_assert_uint_eq(a.aggregates.calls[0].n_args, 0);
    ck_assert_str_eq(ds_type_name(a.aggregates.calls[0].type), "int");
    ck_assert_int_eq(ds_expr_column(agg_bind(&a, "s")), 1);
    ck_assert_int_eq(ds_expr_column(agg_bind(&a, "a.j")), 0);
    ck_assert_ptr_nonnull(agg_bind(&a, "max(i) > 3 and window_end() > batch_time()"));
    ck_assert_uint_eq(a.aggregates.n_calls, 2);
    ck_assert_int_eq(ds_expr_column(a.aggregates.calls[1].args[0]), 0);
    bool wanted[2] = {false};
    ds_expr_columns(rate, wanted);
    ck_assert(wanted[0] && !wanted[1]);
    table_close(&a.table);
}
END_TEST

START_TEST(equal_calls_are_shared)
{
    agg_table a;
    agg_open(&a);
    ck_assert_ptr_nonnull(agg_bind(&a, "sum(i) / count(i) + sum(i)"));
    ck_assert_uint_eq(a.aggregates.n_calls, 2);
    ck_assert_ptr_nonnull(agg_bind(&a, "sum( a.i ) + SUM(i)"));
    ck_assert_uint_eq(a.aggregates.n_calls, 2);
    ck_assert_ptr_nonnull(agg_bind(&a, "sum(i + 1)"));
    ck_assert_ptr_nonnull(agg_bind(&a, "sum(i) filter (where b)"));
    ck_assert_ptr_nonnull(agg_bind(&a, "sum(i) filter (where c)"));
    ck_assert_ptr_nonnull(agg_bind(&a, "sum(i) filter (where b)"));
    ck_assert_uint_eq(a.aggregates.n_calls, 5);
    ck_assert_ptr_nonnull(agg_bind(&a, "quantile(i, 0.5) + quantile(i, 0.9)"));
    ck_assert_ptr_nonnull(agg_bind(&a, "quantile(i, 1 / 2.0)"));
    ck_assert_uint_eq(a.aggregates.n_calls, 7);
    table_close(&a.table);
}
END_TEST

START_TEST(arguments_of_aggregates)
{
    agg_table a;
    agg_open(&a);
    ds_expr *expr = agg_bind(&a, "quantile(i, 0.25)");
    ck_assert_str_eq(text_of(&a, expr), "quantile(cast(i as float), 0.25)");
    const ds_agg_call *call = &a.aggregates.calls[0];
    ck_assert_uint_eq(call->n_args, 1);
    ck_assert_double_eq(call->quantile, 0.25);
    ck_assert_str_eq(ds_type_name(call->arg_types[0]), "float");
    ck_assert_ptr_nonnull(agg_bind(&a, "min_by(s, i * 2) filter (where f > 1)"));
    call = &a.aggregates.calls[1];
    ck_assert_uint_eq(call->n_args, 2);
    ck_assert_str_eq(ds_type_name(call->arg_types[0]), "string");
    ck_assert_str_eq(ds_type_name(call->arg_types[1]), "int");
    ck_assert_str_eq(ds_type_name(ds_expr_type(call->filter)), "bool");
    ck_assert_ptr_nonnull(agg_bind(&a, "count(*) filter (where null)"));
    table_close(&a.table);
}
END_TEST

static void agg_fails(agg_table *a, const char *text, uint32_t offset, const char *part)
{
    uint32_t n_calls = a->aggregates.n_calls;
    ck_assert_msg(agg_bind(a, text) == NULL, "%s: no error", text);
    ck_assert_msg(strstr(a->table.error.message, part) != NULL, "%s: %s", text,
                  a->table.error.message);
    ck_assert_msg(a->table.error.offset == offset, "%s: %u", text, a->table.error.offset);
    ck_assert_uint_eq(a->aggregates.n_calls, n_calls);
}

START_TEST(wrong_aggregates)
{
    agg_table a;
    agg_open(&a);
    agg_fails(&a, "count() + i", 10, "\"i\" is neither a key nor inside an aggregate");
    agg_fails(&a, "b.f", 0, "neither a key nor inside an aggregate");
    agg_fails(&a, "stauts", 0, "no column \"stauts\" here");
    agg_fails(&a, "sum(i + max(j))", 8, "max() cannot stand inside another aggregate");
    agg_fails(&a, "sum(i) filter (where count() > 1)", 21, "cannot stand inside another");
    agg_fails(&a, "sum(*)", 0, "only count takes *");
    agg_fails(&a, "sum(nothing)", 4, "no column \"nothing\" here");
    agg_fails(&a, "max(interval '1s')", 4, "intervals cannot be aggregated");
    agg_fails(&a, "sum(i) filter (where i)", 21, "filter wants a condition (bool)");
    agg_fails(&a, "max(window_end())", 4, "cannot stand inside an aggregate");
    agg_fails(&a, "count(i, j, f, g, b)", 0, "too many arguments");
    agg_fails(&a, "quantile(i, f)", 12, "literal");
    agg_fails(&a, "approx_quantile(i, f)", 19, "literal");
    agg_fails(&a, "approx_quantile(i, 1.5)", 19, "from 0 to 1");
    agg_fails(&a, "approx_top_k(i, 0)", 16, "from 1 to 10000");
    agg_fails(&a, "approx_top_k(i, i)", 16, "literal");
    agg_fails(&a, "count() + max(s)", 10, "+ wants numbers, max(s) is a string");
    table_close(&a.table);
}
END_TEST

START_TEST(nearest_names)
{
    const char *const names[] = {"status", "bytes", NULL, "host", "user_agent", ""};
    ck_assert_str_eq(ds_nearest_name("stauts", names, 6), "status");
    ck_assert_str_eq(ds_nearest_name("STATUS", names, 6), "status");
    ck_assert_str_eq(ds_nearest_name("byte", names, 6), "bytes");
    ck_assert_str_eq(ds_nearest_name("useragent", names, 6), "user_agent");
    ck_assert_ptr_null(ds_nearest_name("method", names, 6));
    ck_assert_ptr_null(ds_nearest_name("x", names, 6));
    ck_assert_ptr_null(ds_nearest_name("", names, 6));
    ck_assert_ptr_null(ds_nearest_name("status", names, 0));
    char longest[100];
    memset(longest, 'a', sizeof longest);
    longest[99] = '\0';
    ck_assert_ptr_null(ds_nearest_name(longest, names, 6));
}
END_TEST

UNIT_MAIN("expr_bind", columns, qualified_names, types, messages, windows_have_their_place,
          wanted_columns, literals_are_folded, aggregates_become_columns, equal_calls_are_shared,
          arguments_of_aggregates, wrong_aggregates, nearest_names)
