/*
 * Text to tree, by recursive descent: one function for each level of precedence, from the
 * weakest (or) to the strongest (unary minus). A level reads what binds tighter, then as
 * many of its own operators as there are. Chains of and, or and || become one node with many
 * arguments, so that a long chain is neither deep nor evaluated pair by pair.
 *
 * The first error ends the parse: every function returns NULL from there on.
 */
#include "columnar/expr_parser.h"
#include "columnar/text.h"

#include <stdio.h>
#include <string.h>

/* Operators, the strongest first. */

static bool enter(ds_parser *p)
{
    if (++p->nesting <= DS_EXPR_NESTING)
        return true;
    char message[100];
    snprintf(message, sizeof message, "the expression is nested too deeply (more than %u levels)",
             DS_EXPR_NESTING);
    ds_parser_fail(p, &p->token, message);
    return false;
}

static ds_expr *parse_unary(ds_parser *p)
{
    if (!ds_token_is_symbol(&p->token, "-"))
        return ds_parse_primary(p);
    uint32_t from = p->token.offset;
    if (!enter(p))
        return NULL;
    ds_parser_advance(p);
    ds_token token = p->token;
    ds_expr *expr;
    if (token.kind == DS_TOKEN_INT || token.kind == DS_TOKEN_FLOAT) {
        ds_parser_advance(p);
        expr = token.kind == DS_TOKEN_INT ? ds_parser_int(p, &token, from, true)
                                          : ds_parser_float(p, -token.real, from);
    } else {
        ds_expr *arg = parse_unary(p);
        expr = arg == NULL ? NULL : ds_parser_call(p, "unary -", from, arg, NULL);
    }
    p->nesting--;
    return expr;
}

/* A level of left-associative operators with two sides; names end with NULL. */
static ds_expr *parse_left(ds_parser *p, ds_expr *(*tighter)(ds_parser *), const char *const *names)
{
    uint32_t from = p->token.offset;
    ds_expr *left = tighter(p);
    while (left != NULL) {
        size_t i = 0;
        while (names[i] != NULL && !ds_token_is_symbol(&p->token, names[i]))
            i++;
        if (names[i] == NULL)
            break;
        ds_parser_advance(p);
        ds_expr *right = tighter(p);
        left = right == NULL ? NULL : ds_parser_call(p, names[i], from, left, right);
    }
    return left;
}

static ds_expr *parse_product(ds_parser *p)
{
    static const char *const names[] = {"*", "/", "%", NULL};
    return parse_left(p, parse_unary, names);
}

static ds_expr *parse_sum(ds_parser *p)
{
    static const char *const names[] = {"+", "-", NULL};
    return parse_left(p, parse_product, names);
}

static ds_expr *parse_concat(ds_parser *p)
{
    uint32_t from = p->token.offset;
    ds_expr *first = parse_sum(p);
    if (first == NULL || !ds_token_is_symbol(&p->token, "||"))
        return first;
    ds_arg_list args = {0};
    ds_parser_push(p, &args, first);
    while (ds_parser_accept(p, "||")) {
        ds_expr *arg = parse_sum(p);
        if (arg == NULL)
            return NULL;
        ds_parser_push(p, &args, arg);
    }
    return ds_parser_call_list(p, "||", from, &args);
}

static const char *comparison_symbol(const ds_token *token)
{
    static const char *const names[] = {"=", "!=", "<", "<=", ">", ">="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ds_token_is_symbol(token, names[i]))
            return names[i];
    return NULL;
}

/* Behind "is". */
static ds_expr *parse_is(ds_parser *p, uint32_t from, ds_expr *left)
{
    bool negated = ds_parser_accept_word(p, "not");
    if (ds_parser_accept_word(p, "null"))
        return ds_parser_call(p, negated ? "is not null" : "is null", from, left, NULL);
    if (!ds_parser_accept_name(p, "distinct"))
        return ds_parser_unexpected(p, "null, not null or distinct from");
    if (!ds_parser_accept_name(p, "from"))
        return ds_parser_unexpected(p, "from");
    ds_expr *right = parse_concat(p);
    return right == NULL ? NULL
                         : ds_parser_call(p, negated ? "is not distinct from" : "is distinct from",
                                          from, left, right);
}

/* Behind "in". */
static ds_expr *parse_in(ds_parser *p, uint32_t from, ds_expr *left)
{
    ds_arg_list args = {0};
    ds_parser_push(p, &args, left);
    if (!ds_parser_expect(p, "("))
        return NULL;
    do {
        ds_expr *item = ds_parse_expression(p);
        if (item == NULL)
            return NULL;
        ds_parser_push(p, &args, item);
    } while (ds_parser_accept(p, ","));
    return ds_parser_expect(p, ")") ? ds_parser_node(p, DS_EXPR_IN, from, &args) : NULL;
}

/* Behind "between". */
static ds_expr *parse_between(ds_parser *p, uint32_t from, ds_expr *left)
{
    ds_arg_list args = {0};
    ds_parser_push(p, &args, left);
    for (int i = 0; i < 2; i++) {
        if (i == 1 && !ds_parser_expect_word(p, "and"))
            return NULL;
        ds_expr *bound = parse_concat(p);
        if (bound == NULL)
            return NULL;
        ds_parser_push(p, &args, bound);
    }
    return ds_parser_node(p, DS_EXPR_BETWEEN, from, &args);
}

/* Behind a left side: [not] in, between, like. */
static ds_expr *parse_predicate(ds_parser *p, uint32_t from, ds_expr *left)
{
    bool negated = ds_parser_accept_word(p, "not");
    ds_expr *expr = NULL;
    if (ds_parser_accept_word(p, "in")) {
        expr = parse_in(p, from, left);
    } else if (ds_parser_accept_word(p, "between")) {
        expr = parse_between(p, from, left);
    } else if (ds_parser_accept_word(p, "like")) {
        ds_expr *pattern = parse_concat(p);
        expr = pattern == NULL ? NULL : ds_parser_call(p, "like", from, left, pattern);
    } else {
        return ds_parser_unexpected(p, "in, between or like");
    }
    return expr != NULL && negated ? ds_parser_call(p, "not", from, expr, NULL) : expr;
}

static bool starts_comparison(const ds_token *token)
{
    return comparison_symbol(token) != NULL || ds_token_is_word(token, "is") ||
           ds_token_is_word(token, "in") || ds_token_is_word(token, "between") ||
           ds_token_is_word(token, "like") || ds_token_is_word(token, "not");
}

static ds_expr *parse_comparison(ds_parser *p)
{
    uint32_t from = p->token.offset;
    ds_expr *left = parse_concat(p);
    if (left == NULL || !starts_comparison(&p->token))
        return left;
    const char *symbol = comparison_symbol(&p->token);
    if (symbol != NULL) {
        ds_parser_advance(p);
        ds_expr *right = parse_concat(p);
        left = right == NULL ? NULL : ds_parser_call(p, symbol, from, left, right);
    } else if (ds_parser_accept_word(p, "is")) {
        left = parse_is(p, from, left);
    } else {
        left = parse_predicate(p, from, left);
    }
    if (left != NULL && starts_comparison(&p->token))
        return ds_parser_fail(p, &p->token, "comparisons do not chain: use and, or parentheses");
    return left;
}

static ds_expr *parse_not(ds_parser *p)
{
    if (!ds_token_is_word(&p->token, "not"))
        return parse_comparison(p);
    uint32_t from = p->token.offset;
    if (!enter(p))
        return NULL;
    ds_parser_advance(p);
    ds_expr *arg = parse_not(p);
    p->nesting--;
    return arg == NULL ? NULL : ds_parser_call(p, "not", from, arg, NULL);
}

/* One node for "a and b and c". */
static ds_expr *parse_logic(ds_parser *p, ds_expr *(*tighter)(ds_parser *), const char *word,
                            ds_expr_kind kind)
{
    uint32_t from = p->token.offset;
    ds_expr *first = tighter(p);
    if (first == NULL || !ds_token_is_word(&p->token, word))
        return first;
    ds_arg_list args = {0};
    ds_parser_push(p, &args, first);
    while (ds_parser_accept_word(p, word)) {
        ds_expr *arg = tighter(p);
        if (arg == NULL)
            return NULL;
        ds_parser_push(p, &args, arg);
    }
    return ds_parser_node(p, kind, from, &args);
}

static ds_expr *parse_and(ds_parser *p)
{
    return parse_logic(p, parse_not, "and", DS_EXPR_AND);
}

ds_expr *ds_parse_expression(ds_parser *p)
{
    if (!enter(p))
        return NULL;
    ds_expr *expr = parse_logic(p, parse_and, "or", DS_EXPR_OR);
    p->nesting--;
    return expr;
}

/* The two entries. */

static bool start(ds_parser *p, ds_arena *arena, const char *text, size_t length,
                  ds_expr_error *error)
{
    *p = (ds_parser){.arena = arena, .error = error};
    if (length > DS_EXPR_TEXT)
        return ds_expr_fail(error, 0, 1, "the expression is longer than %zu bytes", DS_EXPR_TEXT);
    size_t valid;
    size_t wrong = ds_utf8_invalid(text, length, &valid);
    if (wrong > 0)
        return ds_expr_fail(error, (uint32_t)valid, (uint32_t)wrong, "this is not UTF-8 text");
    p->lexer = (ds_lexer){.arena = arena, .text = text, .length = (uint32_t)length, .error = error};
    ds_parser_advance(p);
    if (p->token.kind == DS_TOKEN_END)
        return ds_expr_fail(error, 0, (uint32_t)length, "an expression is missing");
    return true;
}

ds_status ds_expr_parse(ds_arena *arena, const char *text, size_t length, ds_expr **expr,
                        ds_expr_error *error)
{
    ds_parser p;
    if (!start(&p, arena, text, length, error))
        return DS_ERR_APP;
    *expr = ds_parse_expression(&p);
    if (*expr == NULL)
        return DS_ERR_APP;
    if (p.token.kind == DS_TOKEN_END)
        return DS_OK;
    ds_parser_unexpected(&p, "an operator");
    return DS_ERR_APP;
}

static bool parse_order_item(ds_parser *p, ds_order_item *item)
{
    item->expr = ds_parse_expression(p);
    if (item->expr == NULL)
        return false;
    item->offset = item->expr->offset;
    item->length = item->expr->length;
    item->descending = ds_parser_accept_name(p, "desc");
    if (!item->descending)
        ds_parser_accept_name(p, "asc");
    item->nulls_first = item->descending;
    if (!ds_parser_accept_name(p, "nulls"))
        return true;
    item->nulls_first = ds_parser_accept_name(p, "first");
    if (item->nulls_first || ds_parser_accept_name(p, "last"))
        return true;
    ds_parser_unexpected(p, "first or last");
    return false;
}

ds_status ds_order_parse(ds_arena *arena, const char *text, size_t length, ds_order_item **items,
                         uint32_t *n_items, ds_expr_error *error)
{
    ds_parser p;
    if (!start(&p, arena, text, length, error))
        return DS_ERR_APP;
    uint32_t capacity = 0;
    *items = NULL;
    *n_items = 0;
    do {
        if (*n_items == capacity) {
            capacity = capacity == 0 ? 4 : capacity * 2;
            ds_order_item *more = DS_ARENA_ARRAY(arena, ds_order_item, capacity);
            if (*n_items > 0)
                memcpy(more, *items, *n_items * sizeof *more);
            *items = more;
        }
        if (!parse_order_item(&p, &(*items)[*n_items]))
            return DS_ERR_APP;
        ++*n_items;
    } while (ds_parser_accept(&p, ","));
    if (p.token.kind == DS_TOKEN_END)
        return DS_OK;
    ds_parser_unexpected(&p, "a comma, asc, desc or nulls");
    return DS_ERR_APP;
}
