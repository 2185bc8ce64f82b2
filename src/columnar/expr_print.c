/*
 * A tree as canonical text: reads back as the same tree, with parentheses only where they are
 * needed. Conversions that bind put in are shown as casts.
 */
#include "columnar/expr_lex.h"
#include "columnar/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Levels of precedence, from the weakest. */
enum {
    LEVEL_OR = 1,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_COMPARE,
    LEVEL_CONCAT,
    LEVEL_SUM,
    LEVEL_PRODUCT,
    LEVEL_UNARY,
    LEVEL_PRIMARY
};

/* Operators that are calls: prefix, between the arguments, or behind the only one. */
static const struct {
    const char *name, *before, *between, *after;
    int level, left, right; /* of the operator; the least of its sides */
} operators[] = {
    {"not", "not ", "", "", LEVEL_NOT, LEVEL_NOT, LEVEL_NOT},
    {"=", "", " = ", "", LEVEL_COMPARE, LEVEL_CONCAT, LEVEL_CONCAT},
    {"!=", "", " != ", "", LEVEL_COMPARE, LEVEL_CONCAT, LEVEL_CONCAT},
    {"<", "", " < ", "", LEVEL_COMPARE, LEVEL_CONCAT, LEVEL_CONCAT},
    {"<=", "", " <= ", "", LEVEL_COMPARE, LEVEL_CONCAT, LEVEL_CONCAT},
    {">", "", " > ", "", LEVEL_COMPARE, LEVEL_CONCAT, LEVEL_CONCAT},
    {">=", "", " >= ", "", LEVEL_COMPARE, LEVEL_CONCAT, LEVEL_CONCAT},
    {"like", "", " like ", "", LEVEL_COMPARE, LEVEL_CONCAT, LEVEL_CONCAT},
    {"is null", "", "", " is null", LEVEL_COMPARE, LEVEL_CONCAT, LEVEL_CONCAT},
    {"is not null", "", "", " is not null", LEVEL_COMPARE, LEVEL_CONCAT, LEVEL_CONCAT},
    {"is distinct from", "", " is distinct from ", "", LEVEL_COMPARE, LEVEL_CONCAT, LEVEL_CONCAT},
    {"is not distinct from", "", " is not distinct from ", "", LEVEL_COMPARE, LEVEL_CONCAT,
     LEVEL_CONCAT},
    {"||", "", " || ", "", LEVEL_CONCAT, LEVEL_SUM, LEVEL_SUM},
    {"+", "", " + ", "", LEVEL_SUM, LEVEL_SUM, LEVEL_PRODUCT},
    {"-", "", " - ", "", LEVEL_SUM, LEVEL_SUM, LEVEL_PRODUCT},
    {"*", "", " * ", "", LEVEL_PRODUCT, LEVEL_PRODUCT, LEVEL_UNARY},
    {"/", "", " / ", "", LEVEL_PRODUCT, LEVEL_PRODUCT, LEVEL_UNARY},
    {"%", "", " % ", "", LEVEL_PRODUCT, LEVEL_PRODUCT, LEVEL_UNARY},
    {"unary -", "-", "", "", LEVEL_UNARY, LEVEL_UNARY, LEVEL_UNARY},
};

static void print(const ds_expr *expr, int least, ds_buffer *out);

static void print_quoted(ds_buffer *out, char quote, const char *text, size_t length)
{
    ds_buffer_append_char(out, quote);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == quote)
            ds_buffer_append_char(out, quote);
        ds_buffer_append_char(out, text[i]);
    }
    ds_buffer_append_char(out, quote);
}

static void print_name(const char *name, ds_buffer *out)
{
    if (ds_expr_plain_name(name))
        ds_buffer_append_text(out, name);
    else
        print_quoted(out, '"', name, strlen(name));
}

/* A name before bind: parent.column or one name. */
static void print_unbound(const ds_expr *expr, ds_buffer *out)
{
    if (expr->qualifier_length == 0) {
        print_name(expr->name, out);
        return;
    }
    char *parent = ds_strndup(expr->name, expr->qualifier_length);
    print_name(parent, out);
    free(parent);
    ds_buffer_append_char(out, '.');
    print_name(expr->name + expr->qualifier_length + 1, out);
}

/* The largest unit that holds it whole. */
static void print_interval(int64_t us, ds_buffer *out)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"d", INT64_C(86400000000)},
                 {"h", INT64_C(3600000000)},
                 {"m", INT64_C(60000000)},
                 {"s", 1000000},
                 {"ms", 1000}};
    size_t i = 0;
    while (i < 4 && us % units[i].us != 0)
        i++;
    ds_buffer_printf(out, "interval '%" PRId64 "%s'", us / units[i].us, units[i].unit);
}

static void print_literal(const ds_expr *expr, ds_buffer *out)
{
    const ds_literal *literal = &expr->literal;
    char text[DS_TIMESTAMP_TEXT + DS_FLOAT_TEXT];
    if (literal->is_null) {
        ds_buffer_append_text(out, "null");
        return;
    }
    switch (expr->type.kind) {
    case DS_BOOL: ds_buffer_append_text(out, literal->boolean ? "true" : "false"); break;
    case DS_INT: ds_buffer_printf(out, "%" PRId64, literal->integer); break;
    case DS_FLOAT: ds_buffer_append(out, text, ds_format_float(literal->real, text)); break;
    case DS_STRING: print_quoted(out, '\'', literal->text, literal->length); break;
    case DS_INTERVAL: print_interval(literal->integer, out); break;
    default:
        ds_buffer_append_text(out, "to_timestamp('");
        ds_buffer_append(out, text, ds_format_timestamp(literal->integer, text));
        ds_buffer_append_text(out, "')");
        break;
    }
}

static void print_list(const ds_expr *expr, uint32_t first, ds_buffer *out)
{
    ds_buffer_append_char(out, '(');
    for (uint32_t i = first; i < expr->n_args; i++) {
        if (i > first)
            ds_buffer_append_text(out, ", ");
        print(expr->args[i], 0, out);
    }
    ds_buffer_append_char(out, ')');
}

static void print_function(const ds_expr *expr, ds_buffer *out)
{
    static const char cast[] = "cast to ";
    if (strncmp(expr->name, cast, strlen(cast)) == 0) {
        ds_buffer_append_text(out, "cast(");
        print(expr->args[0], 0, out);
        ds_buffer_printf(out, " as %s)", expr->name + strlen(cast));
        return;
    }
    ds_buffer_append_text(out, expr->name);
    if (expr->star)
        ds_buffer_append_text(out, "(*)");
    else
        print_list(expr, 0, out);
    if (expr->filter != NULL) {
        ds_buffer_append_text(out, " filter (where ");
        print(expr->filter, 0, out);
        ds_buffer_append_char(out, ')');
    }
}

static int operator_of(const ds_expr *expr)
{
    for (int i = 0; expr->kind == DS_EXPR_CALL && i < (int)(sizeof operators / sizeof *operators);
         i++)
        if (strcmp(expr->name, operators[i].name) == 0)
            return i;
    return -1;
}

static void print_operator(const ds_expr *expr, int at, ds_buffer *out)
{
    bool is_minus = operators[at].level == LEVEL_UNARY;
    ds_buffer_append_text(out, operators[at].before);
    for (uint32_t i = 0; i < expr->n_args; i++) {
        if (i > 0)
            ds_buffer_append_text(out, operators[at].between);
        int least = i == 0 ? operators[at].left : operators[at].right;
        if (is_minus && expr->args[i]->kind == DS_EXPR_LITERAL)
            least = LEVEL_PRIMARY + 1; /* -(1): "-1" is a literal */
        print(expr->args[i], least, out);
    }
    ds_buffer_append_text(out, operators[at].after);
}

static void print_chain(const ds_expr *expr, const char *word, int least, ds_buffer *out)
{
    for (uint32_t i = 0; i < expr->n_args; i++) {
        if (i > 0)
            ds_buffer_append_text(out, word);
        print(expr->args[i], least, out);
    }
}

static void print_case(const ds_expr *expr, uint32_t first, ds_buffer *out)
{
    ds_buffer_append_text(out, "case");
    if (first > 0) {
        ds_buffer_append_char(out, ' ');
        print(expr->args[0], 0, out);
    }
    for (uint32_t i = first; i + 1 < expr->n_args; i += 2) {
        ds_buffer_append_text(out, " when ");
        print(expr->args[i], 0, out);
        ds_buffer_append_text(out, " then ");
        print(expr->args[i + 1], 0, out);
    }
    const ds_expr *otherwise = expr->args[expr->n_args - 1];
    if (otherwise->kind != DS_EXPR_LITERAL || !otherwise->literal.is_null) {
        ds_buffer_append_text(out, " else ");
        print(otherwise, 0, out);
    }
    ds_buffer_append_text(out, " end");
}

static int level_of(const ds_expr *expr, int at)
{
    switch (expr->kind) {
    case DS_EXPR_OR: return LEVEL_OR;
    case DS_EXPR_AND: return LEVEL_AND;
    case DS_EXPR_BETWEEN:
    case DS_EXPR_IN: return LEVEL_COMPARE;
    default: return at >= 0 ? operators[at].level : LEVEL_PRIMARY;
    }
}

static void print_node(const ds_expr *expr, int at, ds_buffer *out)
{
    switch (expr->kind) {
    case DS_EXPR_LITERAL: print_literal(expr, out); break;
    case DS_EXPR_NAME: print_unbound(expr, out); break;
    case DS_EXPR_COLUMN:
        if (expr->from_aggregate)
            ds_buffer_append_text(out, expr->name);
        else
            print_name(expr->name, out);
        break;
    case DS_EXPR_CALL:
        if (at >= 0)
            print_operator(expr, at, out);
        else
            print_function(expr, out);
        break;
    case DS_EXPR_AND: print_chain(expr, " and ", LEVEL_NOT, out); break;
    case DS_EXPR_OR: print_chain(expr, " or ", LEVEL_AND, out); break;
    case DS_EXPR_CASE: print_case(expr, 0, out); break;
    case DS_EXPR_CASE_OF: print_case(expr, 1, out); break;
    case DS_EXPR_BETWEEN:
        print(expr->args[0], LEVEL_CONCAT, out);
        ds_buffer_append_text(out, " between ");
        print(expr->args[1], LEVEL_CONCAT, out);
        ds_buffer_append_text(out, " and ");
        print(expr->args[2], LEVEL_CONCAT, out);
        break;
    case DS_EXPR_IN:
        print(expr->args[0], LEVEL_CONCAT, out);
        ds_buffer_append_text(out, " in ");
        print_list(expr, 1, out);
        break;
    case DS_EXPR_COALESCE: break; /* only a body */
    }
}

static void print(const ds_expr *expr, int least, ds_buffer *out)
{
    int at = operator_of(expr);
    bool parentheses = level_of(expr, at) < least;
    if (parentheses)
        ds_buffer_append_char(out, '(');
    print_node(expr, at, out);
    if (parentheses)
        ds_buffer_append_char(out, ')');
}

void ds_expr_print(const ds_expr *expr, struct ds_buffer *out)
{
    print(expr, 0, out);
}
