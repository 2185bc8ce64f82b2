/* Literals, names, calls, cast and case: what operators stand between. */
#include "columnar/expr_parser.h"
#include "columnar/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAME_PARTS 16

/* Literals. */

static ds_expr *literal(ds_parser *p, ds_kind kind, uint32_t from)
{
    ds_expr *expr = ds_parser_node(p, DS_EXPR_LITERAL, from, NULL);
    if (expr != NULL) {
        expr->type = ds_type_of(kind);
        expr->literal.is_literal = true;
        expr->literal.is_null = kind == DS_NULL_TYPE;
    }
    return expr;
}

static ds_expr *string_literal(ds_parser *p, const ds_token *token)
{
    ds_expr *expr = literal(p, DS_STRING, token->offset);
    if (expr != NULL) {
        expr->literal.text = token->text;
        expr->literal.length = token->text_length;
    }
    return expr;
}

/* The digits of token, negative if a minus stands before them at `from`. */
ds_expr *ds_parser_int(ds_parser *p, const ds_token *token, uint32_t from, bool negative)
{
    const char *text = negative ? ds_arena_printf(p->arena, "-%s", token->text) : token->text;
    int64_t value;
    if (!ds_parse_int(text, strlen(text), &value, NULL)) {
        ds_expr_fail(p->error, from, p->end - from,
                     "the number is out of range: an int lies between %" PRId64 " and %" PRId64,
                     INT64_MIN, INT64_MAX);
        return NULL;
    }
    ds_expr *expr = literal(p, DS_INT, from);
    if (expr != NULL)
        expr->literal.integer = value;
    return expr;
}

ds_expr *ds_parser_float(ds_parser *p, double value, uint32_t from)
{
    ds_expr *expr = literal(p, DS_FLOAT, from);
    if (expr != NULL)
        expr->literal.real = value;
    return expr;
}

/* '5m' in microseconds. */
static bool parse_duration(const ds_token *token, int64_t *us)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"ms", 1000},
                 {"s", 1000000},
                 {"m", INT64_C(60000000)},
                 {"h", INT64_C(3600000000)},
                 {"d", INT64_C(86400000000)}};
    size_t digits = strspn(token->text, "0123456789");
    int64_t count;
    if (digits == 0 || !ds_parse_int(token->text, digits, &count, NULL))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(token->text + digits, units[i].unit) == 0)
            return !__builtin_mul_overflow(count, units[i].us, us);
    return false;
}

static ds_expr *parse_interval(ds_parser *p)
{
    uint32_t from = p->token.offset;
    ds_parser_advance(p);
    int64_t us;
    if (!parse_duration(&p->token, &us))
        return ds_parser_fail(
            p, &p->token,
            "an interval is a whole number and a unit: '200ms', '10s', '5m', '1h', '1d'");
    ds_parser_advance(p);
    ds_expr *expr = literal(p, DS_INTERVAL, from);
    if (expr != NULL)
        expr->literal.integer = us;
    return expr;
}

/* Names and calls. */

static ds_expr *parse_name(ds_parser *p)
{
    uint32_t from = p->token.offset;
    const char *name = p->token.text;
    uint32_t qualifier_length = 0, parts = 1;
    ds_parser_advance(p);
    while (ds_parser_accept(p, ".")) {
        if (++parts > MAX_NAME_PARTS)
            return ds_parser_fail(p, &p->token, "the name has too many parts");
        if (p->token.kind != DS_TOKEN_NAME && p->token.kind != DS_TOKEN_QUOTED)
            return ds_parser_unexpected(p, "a column's name");
        if (qualifier_length == 0)
            qualifier_length = (uint32_t)strlen(name);
        name = ds_arena_printf(p->arena, "%s.%s", name, p->token.text);
        ds_parser_advance(p);
    }
    ds_expr *expr = ds_parser_node(p, DS_EXPR_NAME, from, NULL);
    if (expr != NULL) {
        expr->name = name;
        expr->qualifier_length = qualifier_length;
    }
    return expr;
}

static const char *lower_case(ds_parser *p, const char *text)
{
    char *lower = ds_arena_strdup(p->arena, text);
    for (char *c = lower; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return lower;
}

/* After "count(": count(distinct x) is not of this language, but people write it. */
static bool is_distinct_word(ds_parser *p)
{
    ds_token next = ds_parser_peek(p);
    return ds_token_is_name(&p->token, "distinct") &&
           (next.kind == DS_TOKEN_NAME || next.kind == DS_TOKEN_QUOTED);
}

/* "unit from t" of extract(unit from t). */
static bool parse_extract_unit(ds_parser *p, ds_arg_list *args)
{
    ds_token unit = p->token, next = ds_parser_peek(p);
    if (unit.kind != DS_TOKEN_NAME || !ds_token_is_name(&next, "from"))
        return true;
    ds_parser_advance(p);
    ds_expr *expr = string_literal(p, &unit);
    ds_parser_advance(p);
    if (expr == NULL)
        return false;
    expr->literal.text = lower_case(p, unit.text);
    ds_parser_push(p, args, expr);
    ds_expr *t = ds_parse_expression(p);
    if (t == NULL)
        return false;
    ds_parser_push(p, args, t);
    return true;
}

/* The arguments of a call, behind its "(", with the ")". */
static bool parse_args(ds_parser *p, const char *name, ds_arg_list *args, bool *star)
{
    if (ds_token_is_symbol(&p->token, "*")) {
        ds_parser_advance(p);
        *star = true;
        return ds_parser_expect(p, ")");
    }
    if (ds_parser_accept(p, ")"))
        return true;
    if (is_distinct_word(p))
        return ds_parser_fail(p, &p->token, "distinct cannot stand here: use count_distinct(x)") !=
               NULL;
    if (strcmp(name, "extract") == 0 && !parse_extract_unit(p, args))
        return false;
    if (args->n == 0) {
        do {
            ds_expr *arg = ds_parse_expression(p);
            if (arg == NULL)
                return false;
            ds_parser_push(p, args, arg);
        } while (ds_parser_accept(p, ","));
    }
    if (ds_parser_accept(p, ")"))
        return true;
    ds_parser_unexpected(p, ", or )");
    return false;
}

static ds_expr *parse_call(ds_parser *p)
{
    ds_token name_token = p->token;
    const char *name = lower_case(p, name_token.text);
    ds_parser_advance(p);
    ds_parser_advance(p); /* ( */
    ds_arg_list args = {0};
    bool star = false;
    if (!parse_args(p, name, &args, &star))
        return NULL;
    ds_expr *filter = NULL;
    ds_token next = ds_parser_peek(p);
    if (ds_token_is_name(&p->token, "filter") && ds_token_is_symbol(&next, "(")) {
        ds_parser_advance(p);
        ds_parser_advance(p);
        if (!ds_parser_accept_name(p, "where"))
            return ds_parser_unexpected(p, "where");
        filter = ds_parse_expression(p);
        if (filter == NULL || !ds_parser_expect(p, ")"))
            return NULL;
    }
    ds_expr *expr = ds_parser_call_list(p, name, name_token.offset, &args);
    if (expr == NULL)
        return NULL;
    expr->name_length = name_token.length;
    expr->star = star;
    expr->filter = filter;
    if (filter != NULL && filter->height >= expr->height)
        expr->height = filter->height + 1;
    return expr;
}

static ds_expr *parse_cast(ds_parser *p)
{
    static const struct {
        const char *type, *function;
    } casts[] = {{"bool", "cast to bool"},
                 {"int", "cast to int"},
                 {"float", "cast to float"},
                 {"string", "cast to string"},
                 {"timestamp", "cast to timestamp"}};
    uint32_t from = p->token.offset;
    ds_parser_advance(p);
    if (!ds_parser_expect(p, "("))
        return NULL;
    ds_expr *arg = ds_parse_expression(p);
    if (arg == NULL || !ds_parser_expect_word(p, "as"))
        return NULL;
    const char *function = NULL;
    for (size_t i = 0; i < sizeof casts / sizeof *casts; i++)
        if (ds_token_is_name(&p->token, casts[i].type))
            function = casts[i].function;
    if (function == NULL)
        return ds_parser_fail(p, &p->token, "cast goes to bool, int, float, string or timestamp");
    ds_parser_advance(p);
    if (!ds_parser_expect(p, ")"))
        return NULL;
    return ds_parser_call(p, function, from, arg, NULL);
}

/* "when a then b ... else c end", behind "case" and, for DS_EXPR_CASE_OF, x in args. */
static ds_expr *parse_case_rest(ds_parser *p, ds_expr_kind kind, uint32_t from, ds_arg_list *args)
{
    if (!ds_token_is_word(&p->token, "when"))
        return ds_parser_unexpected(p, "when");
    while (ds_parser_accept_word(p, "when")) {
        ds_expr *condition = ds_parse_expression(p);
        if (condition == NULL || !ds_parser_expect_word(p, "then"))
            return NULL;
        ds_parser_push(p, args, condition);
        ds_expr *value = ds_parse_expression(p);
        if (value == NULL)
            return NULL;
        ds_parser_push(p, args, value);
    }
    ds_expr *otherwise = ds_parser_accept_word(p, "else")
                             ? ds_parse_expression(p)
                             : literal(p, DS_NULL_TYPE, p->token.offset);
    if (otherwise == NULL)
        return NULL;
    ds_parser_push(p, args, otherwise);
    if (!ds_parser_accept_word(p, "end"))
        return ds_parser_unexpected(p, "end");
    return ds_parser_node(p, kind, from, args);
}

static ds_expr *parse_case(ds_parser *p)
{
    uint32_t from = p->token.offset;
    ds_parser_advance(p);
    ds_arg_list args = {0};
    if (ds_token_is_word(&p->token, "when"))
        return parse_case_rest(p, DS_EXPR_CASE, from, &args);
    ds_expr *x = ds_parse_expression(p);
    if (x == NULL)
        return NULL;
    ds_parser_push(p, &args, x);
    return parse_case_rest(p, DS_EXPR_CASE_OF, from, &args);
}

static ds_expr *parse_reserved(ds_parser *p)
{
    ds_token token = p->token;
    if (ds_token_is_word(&token, "case"))
        return parse_case(p);
    if (ds_token_is_word(&token, "cast"))
        return parse_cast(p);
    bool truth = ds_token_is_word(&token, "true");
    if (truth || ds_token_is_word(&token, "false") || ds_token_is_word(&token, "null")) {
        ds_parser_advance(p);
        ds_expr *expr =
            literal(p, ds_token_is_word(&token, "null") ? DS_NULL_TYPE : DS_BOOL, token.offset);
        if (expr != NULL)
            expr->literal.boolean = truth;
        return expr;
    }
    char message[160];
    if (ds_token_is_word(&token, "not"))
        snprintf(message, sizeof message, "not binds weaker than this place: use parentheses");
    else
        snprintf(message, sizeof message,
                 "a value is missing before %s (a column of that name is written \"%s\")",
                 token.text, token.text);
    return ds_parser_fail(p, &p->token, message);
}

ds_expr *ds_parse_primary(ds_parser *p)
{
    ds_token token = p->token;
    switch (token.kind) {
    case DS_TOKEN_INT: ds_parser_advance(p); return ds_parser_int(p, &token, token.offset, false);
    case DS_TOKEN_FLOAT: ds_parser_advance(p); return ds_parser_float(p, token.real, token.offset);
    case DS_TOKEN_STRING: ds_parser_advance(p); return string_literal(p, &token);
    case DS_TOKEN_WORD: return parse_reserved(p);
    case DS_TOKEN_QUOTED: return parse_name(p);
    case DS_TOKEN_NAME: {
        ds_token next = ds_parser_peek(p);
        if (ds_token_is_symbol(&next, "("))
            return parse_call(p);
        if (next.kind == DS_TOKEN_STRING && ds_token_is_name(&token, "interval"))
            return parse_interval(p);
        return parse_name(p);
    }
    case DS_TOKEN_INVALID: return NULL;
    default: break;
    }
    if (!ds_parser_accept(p, "("))
        return ds_parser_unexpected(p, "a value");
    ds_expr *expr = ds_parse_expression(p);
    return expr != NULL && ds_parser_expect(p, ")") ? expr : NULL;
}
