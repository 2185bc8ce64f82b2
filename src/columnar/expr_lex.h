/* The words of expressions. Private to the parser. */
#ifndef DS_COLUMNAR_EXPR_LEX_H
#define DS_COLUMNAR_EXPR_LEX_H

#include "columnar/expr_tree.h"

typedef enum ds_token_kind {
    DS_TOKEN_END,
    DS_TOKEN_NAME,    /* text: as written */
    DS_TOKEN_QUOTED,  /* text: the name without quotes */
    DS_TOKEN_WORD,    /* a reserved word; text: in lower case */
    DS_TOKEN_INT,     /* digits; text: as written */
    DS_TOKEN_FLOAT,   /* real */
    DS_TOKEN_STRING,  /* text: without quotes */
    DS_TOKEN_SYMBOL,  /* text: + - * / % = != < <= > >= || ( ) , . ("<>" is "!=") */
    DS_TOKEN_INVALID, /* error is set */
} ds_token_kind;

typedef struct ds_token {
    ds_token_kind kind;
    uint32_t offset, length; /* in the text */
    const char *text;        /* terminated; in the arena or static */
    uint32_t text_length;
    double real;
} ds_token;

typedef struct ds_lexer {
    ds_arena *arena;
    const char *text;
    uint32_t length;
    uint32_t at; /* the next byte */
    ds_expr_error *error;
} ds_lexer;

/* Reads the next token. A lexer may be copied to look ahead. */
ds_token ds_lexer_next(ds_lexer *lexer);

/* True if a name needs no quotes. */
bool ds_expr_plain_name(const char *name);

#endif
