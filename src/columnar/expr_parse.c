/*
 * Text to tree, by recursive descent: one function for each level of precedence, from the
 * weakest (or) to the strongest (unary minus). A level reads what binds tighter, then as
 * many of its own operators as there are. Chains of and, or and || become one node with many
 * arguments, so that a long chain is neither deep nor evaluated pair by pair.
 *
 * The first error ends the parse: every function returns NULL from there on.
 */
#include "columnar/expr_lex.h"
#include "columnar/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_NAME_PARTS 16

typedef struct parser {
    ds_arena *arena;
    ds_lexer lexer;
    ds_token token; /* the one to read next */
    uint32_t end;   /* where the last one read ended */
    uint32_t nesting;
    uint32_t n_nodes;
    ds_expr_error *error;
} parser;

/* Arguments of a node while they are read. */
typedef struct arg_list {
    ds_expr **items;
    uint32_t n, capacity;
} arg_list;

static ds_expr *parse_expression(parser *p);

static void *fail_at(parser *p, const ds_token *token, const char *message)
{
    if (token->kind != DS_TOKEN_INVALID)
        ds_expr_fail(p->error, token->offset, token->length, "%s", message);
    return NULL;
}

static void advance(parser *p)
{
    p->end = p->token.offset + p->token.length;
    p->token = ds_lexer_next(&p->lexer);
}

static ds_token peek(const parser *p)
{
    ds_lexer ahead = p->lexer;
    ahead.error = NULL;
    return ds_lexer_next(&ahead);
}

static bool is_word(const ds_token *token, const char *word)
{
    return token->kind == DS_TOKEN_WORD && strcmp(token->text, word) == 0;
}

/* A word that is not reserved: filter, from, asc ... */
static bool is_soft_word(const ds_token *token, const char *word)
{
    return token->kind == DS_TOKEN_NAME && strcasecmp(token->text, word) == 0;
}

static bool is_symbol(const ds_token *token, const char *symbol)
{
    return token->kind == DS_TOKEN_SYMBOL && strcmp(token->text, symbol) == 0;
}

static bool accept_word(parser *p, const char *word)
{
    if (!is_word(&p->token, word))
        return false;
    advance(p);
    return true;
}

static bool accept_soft_word(parser *p, const char *word)
{
    if (!is_soft_word(&p->token, word))
        return false;
    advance(p);
    return true;
}

static bool accept_symbol(parser *p, const char *symbol)
{
    if (!is_symbol(&p->token, symbol))
        return false;
    advance(p);
    return true;
}

/* The message for a token that cannot stand where it does. */
static void *unexpected(parser *p, const char *wanted)
{
    char message[160];
    if (p->token.kind == DS_TOKEN_END)
        snprintf(message, sizeof message, "the expression ends where %s should follow", wanted);
    else
        snprintf(message, sizeof message, "%s is missing before this", wanted);
    return fail_at(p, &p->token, message);
}

static bool expect_symbol(parser *p, const char *symbol)
{
    if (accept_symbol(p, symbol))
        return true;
    unexpected(p, symbol);
    return false;
}

static bool expect_word(parser *p, const char *word)
{
    if (accept_word(p, word))
        return true;
    unexpected(p, word);
    return false;
}

static void push(parser *p, arg_list *list, ds_expr *item)
{
    if (list->n == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        ds_expr **items = DS_ARENA_ARRAY(p->arena, ds_expr *, capacity);
        if (list->n > 0)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = item;
}

/* Makes a node that spans the text from `from` to the last token read. */
static ds_expr *node(parser *p, ds_expr_kind kind, uint32_t from, const arg_list *args)
{
    ds_expr *expr = ds_expr_node(p->arena, kind, 0);
    expr->offset = from;
    expr->length = p->end > from ? p->end - from : 1;
    if (++p->n_nodes > DS_EXPR_NODES) {
        ds_expr_fail(p->error, from, expr->length, "the expression is too large");
        return NULL;
    }
    if (args != NULL) {
        expr->args = args->items;
        expr->n_args = args->n;
    }
    for (uint32_t i = 0; i < expr->n_args; i++)
        if (expr->args[i]->height > expr->height)
            expr->height = expr->args[i]->height;
    if (++expr->height > DS_EXPR_HEIGHT) {
        ds_expr_fail(p->error, from, expr->length,
                     "the expression is nested too deeply (more than %u levels)", DS_EXPR_HEIGHT);
        return NULL;
    }
    return expr;
}

static ds_expr *call_list(parser *p, const char *name, uint32_t from, const arg_list *args)
{
    ds_expr *expr = node(p, DS_EXPR_CALL, from, args);
    if (expr != NULL)
        expr->name = name;
    return expr;
}

static ds_expr *call(parser *p, const char *name, uint32_t from, ds_expr *a, ds_expr *b)
{
    arg_list args = {0};
    push(p, &args, a);
    if (b != NULL)
        push(p, &args, b);
    return call_list(p, name, from, &args);
}

/* Literals. */

static ds_expr *literal(parser *p, ds_kind kind, uint32_t from)
{
    ds_expr *expr = node(p, DS_EXPR_LITERAL, from, NULL);
    if (expr != NULL) {
        expr->type = ds_type_of(kind);
        expr->literal.is_literal = true;
        expr->literal.is_null = kind == DS_NULL_TYPE;
    }
    return expr;
}

static ds_expr *string_literal(parser *p, const ds_token *token)
{
    ds_expr *expr = literal(p, DS_STRING, token->offset);
    if (expr != NULL) {
        expr->literal.text = token->text;
        expr->literal.length = token->text_length;
    }
    return expr;
}

/* The digits of token, negative if a minus stands before them at `from`. */
static ds_expr *int_literal(parser *p, const ds_token *token, uint32_t from, bool negative)
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

static ds_expr *float_literal(parser *p, double value, uint32_t from)
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

static ds_expr *parse_interval(parser *p)
{
    uint32_t from = p->token.offset;
    advance(p);
    int64_t us;
    if (!parse_duration(&p->token, &us))
        return fail_at(
            p, &p->token,
            "an interval is a whole number and a unit: '200ms', '10s', '5m', '1h', '1d'");
    advance(p);
    ds_expr *expr = literal(p, DS_INTERVAL, from);
    if (expr != NULL)
        expr->literal.integer = us;
    return expr;
}

/* Names and calls. */

static ds_expr *parse_name(parser *p)
{
    uint32_t from = p->token.offset;
    const char *name = p->token.text;
    uint32_t qualifier_length = 0, parts = 1;
    advance(p);
    while (accept_symbol(p, ".")) {
        if (++parts > MAX_NAME_PARTS)
            return fail_at(p, &p->token, "the name has too many parts");
        if (p->token.kind != DS_TOKEN_NAME && p->token.kind != DS_TOKEN_QUOTED)
            return unexpected(p, "a column's name");
        if (qualifier_length == 0)
            qualifier_length = (uint32_t)strlen(name);
        name = ds_arena_printf(p->arena, "%s.%s", name, p->token.text);
        advance(p);
    }
    ds_expr *expr = node(p, DS_EXPR_NAME, from, NULL);
    if (expr != NULL) {
        expr->name = name;
        expr->qualifier_length = qualifier_length;
    }
    return expr;
}

static const char *lower_case(parser *p, const char *text)
{
    char *lower = ds_arena_strdup(p->arena, text);
    for (char *c = lower; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return lower;
}

/* After "count(": count(distinct x) is not of this language, but people write it. */
static bool is_distinct_word(parser *p)
{
    ds_token next = peek(p);
    return is_soft_word(&p->token, "distinct") &&
           (next.kind == DS_TOKEN_NAME || next.kind == DS_TOKEN_QUOTED);
}

/* "unit from t" of extract(unit from t). */
static bool parse_extract_unit(parser *p, arg_list *args)
{
    ds_token unit = p->token, next = peek(p);
    if (unit.kind != DS_TOKEN_NAME || !is_soft_word(&next, "from"))
        return true;
    advance(p);
    ds_expr *expr = string_literal(p, &unit);
    advance(p);
    if (expr == NULL)
        return false;
    expr->literal.text = lower_case(p, unit.text);
    push(p, args, expr);
    ds_expr *t = parse_expression(p);
    if (t == NULL)
        return false;
    push(p, args, t);
    return true;
}

/* The arguments of a call, behind its "(", with the ")". */
static bool parse_args(parser *p, const char *name, arg_list *args, bool *star)
{
    if (is_symbol(&p->token, "*")) {
        advance(p);
        *star = true;
        return expect_symbol(p, ")");
    }
    if (accept_symbol(p, ")"))
        return true;
    if (is_distinct_word(p))
        return fail_at(p, &p->token, "distinct cannot stand here: use count_distinct(x)") != NULL;
    if (strcmp(name, "extract") == 0 && !parse_extract_unit(p, args))
        return false;
    if (args->n == 0) {
        do {
            ds_expr *arg = parse_expression(p);
            if (arg == NULL)
                return false;
            push(p, args, arg);
        } while (accept_symbol(p, ","));
    }
    if (accept_symbol(p, ")"))
        return true;
    unexpected(p, ", or )");
    return false;
}

static ds_expr *parse_call(parser *p)
{
    ds_token name_token = p->token;
    const char *name = lower_case(p, name_token.text);
    advance(p);
    advance(p); /* ( */
    arg_list args = {0};
    bool star = false;
    if (!parse_args(p, name, &args, &star))
        return NULL;
    ds_expr *filter = NULL;
    ds_token next = peek(p);
    if (is_soft_word(&p->token, "filter") && is_symbol(&next, "(")) {
        advance(p);
        advance(p);
        if (!accept_soft_word(p, "where"))
            return unexpected(p, "where");
        filter = parse_expression(p);
        if (filter == NULL || !expect_symbol(p, ")"))
            return NULL;
    }
    ds_expr *expr = call_list(p, name, name_token.offset, &args);
    if (expr == NULL)
        return NULL;
    expr->name_length = name_token.length;
    expr->star = star;
    expr->filter = filter;
    if (filter != NULL && filter->height >= expr->height)
        expr->height = filter->height + 1;
    return expr;
}

static ds_expr *parse_cast(parser *p)
{
    static const struct {
        const char *type, *function;
    } casts[] = {{"bool", "cast to bool"},
                 {"int", "cast to int"},
                 {"float", "cast to float"},
                 {"string", "cast to string"},
                 {"timestamp", "cast to timestamp"}};
    uint32_t from = p->token.offset;
    advance(p);
    if (!expect_symbol(p, "("))
        return NULL;
    ds_expr *arg = parse_expression(p);
    if (arg == NULL || !expect_word(p, "as"))
        return NULL;
    const char *function = NULL;
    for (size_t i = 0; i < sizeof casts / sizeof *casts; i++)
        if (is_soft_word(&p->token, casts[i].type))
            function = casts[i].function;
    if (function == NULL)
        return fail_at(p, &p->token, "cast goes to bool, int, float, string or timestamp");
    advance(p);
    if (!expect_symbol(p, ")"))
        return NULL;
    return call(p, function, from, arg, NULL);
}

/* "when a then b ... else c end", behind "case" and, for DS_EXPR_CASE_OF, x in args. */
static ds_expr *parse_case_rest(parser *p, ds_expr_kind kind, uint32_t from, arg_list *args)
{
    if (!is_word(&p->token, "when"))
        return unexpected(p, "when");
    while (accept_word(p, "when")) {
        ds_expr *condition = parse_expression(p);
        if (condition == NULL || !expect_word(p, "then"))
            return NULL;
        push(p, args, condition);
        ds_expr *value = parse_expression(p);
        if (value == NULL)
            return NULL;
        push(p, args, value);
    }
    ds_expr *otherwise =
        accept_word(p, "else") ? parse_expression(p) : literal(p, DS_NULL_TYPE, p->token.offset);
    if (otherwise == NULL)
        return NULL;
    push(p, args, otherwise);
    if (!accept_word(p, "end"))
        return unexpected(p, "end");
    return node(p, kind, from, args);
}

static ds_expr *parse_case(parser *p)
{
    uint32_t from = p->token.offset;
    advance(p);
    arg_list args = {0};
    if (is_word(&p->token, "when"))
        return parse_case_rest(p, DS_EXPR_CASE, from, &args);
    ds_expr *x = parse_expression(p);
    if (x == NULL)
        return NULL;
    push(p, &args, x);
    return parse_case_rest(p, DS_EXPR_CASE_OF, from, &args);
}

static ds_expr *parse_reserved(parser *p)
{
    ds_token token = p->token;
    if (is_word(&token, "case"))
        return parse_case(p);
    if (is_word(&token, "cast"))
        return parse_cast(p);
    bool truth = is_word(&token, "true");
    if (truth || is_word(&token, "false") || is_word(&token, "null")) {
        advance(p);
        ds_expr *expr = literal(p, is_word(&token, "null") ? DS_NULL_TYPE : DS_BOOL, token.offset);
        if (expr != NULL)
            expr->literal.boolean = truth;
        return expr;
    }
    char message[160];
    if (is_word(&token, "not"))
        snprintf(message, sizeof message, "not binds weaker than this place: use parentheses");
    else
        snprintf(message, sizeof message,
                 "a value is missing before %s (a column of that name is written \"%s\")",
                 token.text, token.text);
    return fail_at(p, &p->token, message);
}

static ds_expr *parse_primary(parser *p)
{
    ds_token token = p->token;
    switch (token.kind) {
    case DS_TOKEN_INT: advance(p); return int_literal(p, &token, token.offset, false);
    case DS_TOKEN_FLOAT: advance(p); return float_literal(p, token.real, token.offset);
    case DS_TOKEN_STRING: advance(p); return string_literal(p, &token);
    case DS_TOKEN_WORD: return parse_reserved(p);
    case DS_TOKEN_QUOTED: return parse_name(p);
    case DS_TOKEN_NAME: {
        ds_token next = peek(p);
        if (is_symbol(&next, "("))
            return parse_call(p);
        if (next.kind == DS_TOKEN_STRING && is_soft_word(&token, "interval"))
            return parse_interval(p);
        return parse_name(p);
    }
    case DS_TOKEN_INVALID: return NULL;
    default: break;
    }
    if (!accept_symbol(p, "("))
        return unexpected(p, "a value");
    ds_expr *expr = parse_expression(p);
    return expr != NULL && expect_symbol(p, ")") ? expr : NULL;
}

/* Operators, the strongest first. */

static bool enter(parser *p)
{
    if (++p->nesting <= DS_EXPR_NESTING)
        return true;
    char message[100];
    snprintf(message, sizeof message, "the expression is nested too deeply (more than %u levels)",
             DS_EXPR_NESTING);
    fail_at(p, &p->token, message);
    return false;
}

static ds_expr *parse_unary(parser *p)
{
    if (!is_symbol(&p->token, "-"))
        return parse_primary(p);
    uint32_t from = p->token.offset;
    if (!enter(p))
        return NULL;
    advance(p);
    ds_token token = p->token;
    ds_expr *expr;
    if (token.kind == DS_TOKEN_INT || token.kind == DS_TOKEN_FLOAT) {
        advance(p);
        expr = token.kind == DS_TOKEN_INT ? int_literal(p, &token, from, true)
                                          : float_literal(p, -token.real, from);
    } else {
        ds_expr *arg = parse_unary(p);
        expr = arg == NULL ? NULL : call(p, "unary -", from, arg, NULL);
    }
    p->nesting--;
    return expr;
}

/* A level of left-associative operators with two sides; names end with NULL. */
static ds_expr *parse_left(parser *p, ds_expr *(*tighter)(parser *), const char *const *names)
{
    uint32_t from = p->token.offset;
    ds_expr *left = tighter(p);
    while (left != NULL) {
        size_t i = 0;
        while (names[i] != NULL && !is_symbol(&p->token, names[i]))
            i++;
        if (names[i] == NULL)
            break;
        advance(p);
        ds_expr *right = tighter(p);
        left = right == NULL ? NULL : call(p, names[i], from, left, right);
    }
    return left;
}

static ds_expr *parse_product(parser *p)
{
    static const char *const names[] = {"*", "/", "%", NULL};
    return parse_left(p, parse_unary, names);
}

static ds_expr *parse_sum(parser *p)
{
    static const char *const names[] = {"+", "-", NULL};
    return parse_left(p, parse_product, names);
}

static ds_expr *parse_concat(parser *p)
{
    uint32_t from = p->token.offset;
    ds_expr *first = parse_sum(p);
    if (first == NULL || !is_symbol(&p->token, "||"))
        return first;
    arg_list args = {0};
    push(p, &args, first);
    while (accept_symbol(p, "||")) {
        ds_expr *arg = parse_sum(p);
        if (arg == NULL)
            return NULL;
        push(p, &args, arg);
    }
    return call_list(p, "||", from, &args);
}

static const char *comparison_symbol(const ds_token *token)
{
    static const char *const names[] = {"=", "!=", "<", "<=", ">", ">="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_symbol(token, names[i]))
            return names[i];
    return NULL;
}

/* Behind "is". */
static ds_expr *parse_is(parser *p, uint32_t from, ds_expr *left)
{
    bool negated = accept_word(p, "not");
    if (accept_word(p, "null"))
        return call(p, negated ? "is not null" : "is null", from, left, NULL);
    if (!accept_soft_word(p, "distinct"))
        return unexpected(p, "null, not null or distinct from");
    if (!accept_soft_word(p, "from"))
        return unexpected(p, "from");
    ds_expr *right = parse_concat(p);
    return right == NULL
               ? NULL
               : call(p, negated ? "is not distinct from" : "is distinct from", from, left, right);
}

/* Behind "in". */
static ds_expr *parse_in(parser *p, uint32_t from, ds_expr *left)
{
    arg_list args = {0};
    push(p, &args, left);
    if (!expect_symbol(p, "("))
        return NULL;
    do {
        ds_expr *item = parse_expression(p);
        if (item == NULL)
            return NULL;
        push(p, &args, item);
    } while (accept_symbol(p, ","));
    return expect_symbol(p, ")") ? node(p, DS_EXPR_IN, from, &args) : NULL;
}

/* Behind "between". */
static ds_expr *parse_between(parser *p, uint32_t from, ds_expr *left)
{
    arg_list args = {0};
    push(p, &args, left);
    for (int i = 0; i < 2; i++) {
        if (i == 1 && !expect_word(p, "and"))
            return NULL;
        ds_expr *bound = parse_concat(p);
        if (bound == NULL)
            return NULL;
        push(p, &args, bound);
    }
    return node(p, DS_EXPR_BETWEEN, from, &args);
}

/* Behind a left side: [not] in, between, like. */
static ds_expr *parse_predicate(parser *p, uint32_t from, ds_expr *left)
{
    bool negated = accept_word(p, "not");
    ds_expr *expr = NULL;
    if (accept_word(p, "in")) {
        expr = parse_in(p, from, left);
    } else if (accept_word(p, "between")) {
        expr = parse_between(p, from, left);
    } else if (accept_word(p, "like")) {
        ds_expr *pattern = parse_concat(p);
        expr = pattern == NULL ? NULL : call(p, "like", from, left, pattern);
    } else {
        return unexpected(p, "in, between or like");
    }
    return expr != NULL && negated ? call(p, "not", from, expr, NULL) : expr;
}

static bool starts_comparison(const ds_token *token)
{
    return comparison_symbol(token) != NULL || is_word(token, "is") || is_word(token, "in") ||
           is_word(token, "between") || is_word(token, "like") || is_word(token, "not");
}

static ds_expr *parse_comparison(parser *p)
{
    uint32_t from = p->token.offset;
    ds_expr *left = parse_concat(p);
    if (left == NULL || !starts_comparison(&p->token))
        return left;
    const char *symbol = comparison_symbol(&p->token);
    if (symbol != NULL) {
        advance(p);
        ds_expr *right = parse_concat(p);
        left = right == NULL ? NULL : call(p, symbol, from, left, right);
    } else if (accept_word(p, "is")) {
        left = parse_is(p, from, left);
    } else {
        left = parse_predicate(p, from, left);
    }
    if (left != NULL && starts_comparison(&p->token))
        return fail_at(p, &p->token, "comparisons do not chain: use and, or parentheses");
    return left;
}

static ds_expr *parse_not(parser *p)
{
    if (!is_word(&p->token, "not"))
        return parse_comparison(p);
    uint32_t from = p->token.offset;
    if (!enter(p))
        return NULL;
    advance(p);
    ds_expr *arg = parse_not(p);
    p->nesting--;
    return arg == NULL ? NULL : call(p, "not", from, arg, NULL);
}

/* One node for "a and b and c". */
static ds_expr *parse_logic(parser *p, ds_expr *(*tighter)(parser *), const char *word,
                            ds_expr_kind kind)
{
    uint32_t from = p->token.offset;
    ds_expr *first = tighter(p);
    if (first == NULL || !is_word(&p->token, word))
        return first;
    arg_list args = {0};
    push(p, &args, first);
    while (accept_word(p, word)) {
        ds_expr *arg = tighter(p);
        if (arg == NULL)
            return NULL;
        push(p, &args, arg);
    }
    return node(p, kind, from, &args);
}

static ds_expr *parse_and(parser *p)
{
    return parse_logic(p, parse_not, "and", DS_EXPR_AND);
}

static ds_expr *parse_expression(parser *p)
{
    if (!enter(p))
        return NULL;
    ds_expr *expr = parse_logic(p, parse_and, "or", DS_EXPR_OR);
    p->nesting--;
    return expr;
}

/* The two entries. */

static bool start(parser *p, ds_arena *arena, const char *text, size_t length, ds_expr_error *error)
{
    *p = (parser){.arena = arena, .error = error};
    if (length > DS_EXPR_TEXT)
        return ds_expr_fail(error, 0, 1, "the expression is longer than %zu bytes", DS_EXPR_TEXT);
    size_t valid;
    size_t wrong = ds_utf8_invalid(text, length, &valid);
    if (wrong > 0)
        return ds_expr_fail(error, (uint32_t)valid, (uint32_t)wrong, "this is not UTF-8 text");
    p->lexer = (ds_lexer){.arena = arena, .text = text, .length = (uint32_t)length, .error = error};
    advance(p);
    if (p->token.kind == DS_TOKEN_END)
        return ds_expr_fail(error, 0, (uint32_t)length, "an expression is missing");
    return true;
}

ds_status ds_expr_parse(ds_arena *arena, const char *text, size_t length, ds_expr **expr,
                        ds_expr_error *error)
{
    parser p;
    if (!start(&p, arena, text, length, error))
        return DS_ERR_APP;
    *expr = parse_expression(&p);
    if (*expr == NULL)
        return DS_ERR_APP;
    if (p.token.kind == DS_TOKEN_END)
        return DS_OK;
    unexpected(&p, "an operator");
    return DS_ERR_APP;
}

static bool parse_order_item(parser *p, ds_order_item *item)
{
    item->expr = parse_expression(p);
    if (item->expr == NULL)
        return false;
    item->descending = accept_soft_word(p, "desc");
    if (!item->descending)
        accept_soft_word(p, "asc");
    item->nulls_first = item->descending;
    if (!accept_soft_word(p, "nulls"))
        return true;
    item->nulls_first = accept_soft_word(p, "first");
    if (item->nulls_first || accept_soft_word(p, "last"))
        return true;
    unexpected(p, "first or last");
    return false;
}

ds_status ds_order_parse(ds_arena *arena, const char *text, size_t length, ds_order_item **items,
                         uint32_t *n_items, ds_expr_error *error)
{
    parser p;
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
    } while (accept_symbol(&p, ","));
    if (p.token.kind == DS_TOKEN_END)
        return DS_OK;
    unexpected(&p, "a comma, asc, desc or nulls");
    return DS_ERR_APP;
}
