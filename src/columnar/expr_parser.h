/*
 * What the parts of the parser share: reading tokens, making nodes. Private to expr_parse.c
 * (operators), expr_primary.c (what they stand between) and expr_parser.c.
 *
 * The first error ends the parse: every function that makes a node returns NULL from there
 * on, with the error filled.
 */
#ifndef DS_COLUMNAR_EXPR_PARSER_H
#define DS_COLUMNAR_EXPR_PARSER_H

#include "columnar/expr_lex.h"

typedef struct ds_parser {
    ds_arena *arena;
    ds_lexer lexer;
    ds_token token; /* the one to read next */
    uint32_t end;   /* where the last one read ended */
    uint32_t nesting;
    uint32_t n_nodes;
    ds_expr_error *error;
} ds_parser;

/* Arguments of a node while they are read. A zeroed one is empty. */
typedef struct ds_arg_list {
    ds_expr **items;
    uint32_t n, capacity;
} ds_arg_list;

/* Tokens: reserved words, other names in any case (filter, from, asc ...), symbols. */
bool ds_token_is_word(const ds_token *token, const char *word);
bool ds_token_is_name(const ds_token *token, const char *name);
bool ds_token_is_symbol(const ds_token *token, const char *symbol);

/* Reads the next token; looks at the one behind it. */
void ds_parser_advance(ds_parser *p);
ds_token ds_parser_peek(const ds_parser *p);

/* Reads the token if it is this one. */
bool ds_parser_accept(ds_parser *p, const char *symbol);
bool ds_parser_accept_word(ds_parser *p, const char *word);
bool ds_parser_accept_name(ds_parser *p, const char *name);
/* Likewise; an error if it is not. */
bool ds_parser_expect(ds_parser *p, const char *symbol);
bool ds_parser_expect_word(ds_parser *p, const char *word);

/* An error under a token, unless it is invalid and has its error. Returns NULL. */
void *ds_parser_fail(ds_parser *p, const ds_token *token, const char *message);
/* The error that `wanted` should stand where the next token does. Returns NULL. */
void *ds_parser_unexpected(ds_parser *p, const char *wanted);

/* Appends an item (taken) to a list. */
void ds_parser_push(ds_parser *p, ds_arg_list *list, ds_expr *item);

/* Makes a node that spans the text from `from` to the last token read. NULL beyond a limit. */
ds_expr *ds_parser_node(ds_parser *p, ds_expr_kind kind, uint32_t from, const ds_arg_list *args);
/* Makes a call; b may be NULL. */
ds_expr *ds_parser_call_list(ds_parser *p, const char *name, uint32_t from,
                             const ds_arg_list *args);
ds_expr *ds_parser_call(ds_parser *p, const char *name, uint32_t from, ds_expr *a, ds_expr *b);

/* Literals of a token that was read, negative if a minus stands before it at `from`. */
ds_expr *ds_parser_int(ds_parser *p, const ds_token *token, uint32_t from, bool negative);
ds_expr *ds_parser_float(ds_parser *p, double value, uint32_t from);

/* A whole expression; and a part without operators, or in parentheses. */
ds_expr *ds_parse_expression(ds_parser *p);
ds_expr *ds_parse_primary(ds_parser *p);

#endif
