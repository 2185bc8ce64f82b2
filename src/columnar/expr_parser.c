#include "columnar/expr_parser.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void *ds_parser_fail(ds_parser *p, const ds_token *token, const char *message)
{
    if (token->kind != DS_TOKEN_INVALID)
        ds_expr_fail(p->error, token->offset, token->length, "%s", message);
    return NULL;
}

void ds_parser_advance(ds_parser *p)
{
    p->end = p->token.offset + p->token.length;
    p->token = ds_lexer_next(&p->lexer);
}

ds_token ds_parser_peek(const ds_parser *p)
{
    ds_lexer ahead = p->lexer;
    ahead.error = NULL;
    return ds_lexer_next(&ahead);
}

bool ds_token_is_word(const ds_token *token, const char *word)
{
    return token->kind == DS_TOKEN_WORD && strcmp(token->text, word) == 0;
}

bool ds_token_is_name(const ds_token *token, const char *word)
{
    return token->kind == DS_TOKEN_NAME && strcasecmp(token->text, word) == 0;
}

bool ds_token_is_symbol(const ds_token *token, const char *symbol)
{
    return token->kind == DS_TOKEN_SYMBOL && strcmp(token->text, symbol) == 0;
}

bool ds_parser_accept_word(ds_parser *p, const char *word)
{
    if (!ds_token_is_word(&p->token, word))
        return false;
    ds_parser_advance(p);
    return true;
}

bool ds_parser_accept_name(ds_parser *p, const char *word)
{
    if (!ds_token_is_name(&p->token, word))
        return false;
    ds_parser_advance(p);
    return true;
}

bool ds_parser_accept(ds_parser *p, const char *symbol)
{
    if (!ds_token_is_symbol(&p->token, symbol))
        return false;
    ds_parser_advance(p);
    return true;
}

void *ds_parser_unexpected(ds_parser *p, const char *wanted)
{
    char message[160];
    if (p->token.kind == DS_TOKEN_END)
        snprintf(message, sizeof message, "the expression ends where %s should follow", wanted);
    else
        snprintf(message, sizeof message, "%s is missing before this", wanted);
    return ds_parser_fail(p, &p->token, message);
}

bool ds_parser_expect(ds_parser *p, const char *symbol)
{
    if (ds_parser_accept(p, symbol))
        return true;
    ds_parser_unexpected(p, symbol);
    return false;
}

bool ds_parser_expect_word(ds_parser *p, const char *word)
{
    if (ds_parser_accept_word(p, word))
        return true;
    ds_parser_unexpected(p, word);
    return false;
}

void ds_parser_push(ds_parser *p, ds_arg_list *list, ds_expr *item)
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

ds_expr *ds_parser_node(ds_parser *p, ds_expr_kind kind, uint32_t from, const ds_arg_list *args)
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

ds_expr *ds_parser_call_list(ds_parser *p, const char *name, uint32_t from, const ds_arg_list *args)
{
    ds_expr *expr = ds_parser_node(p, DS_EXPR_CALL, from, args);
    if (expr != NULL)
        expr->name = name;
    return expr;
}

ds_expr *ds_parser_call(ds_parser *p, const char *name, uint32_t from, ds_expr *a, ds_expr *b)
{
    ds_arg_list args = {0};
    ds_parser_push(p, &args, a);
    if (b != NULL)
        ds_parser_push(p, &args, b);
    return ds_parser_call_list(p, name, from, &args);
}
