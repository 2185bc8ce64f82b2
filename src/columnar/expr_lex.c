#include "columnar/expr_lex.h"

#include "columnar/text.h"

#include <string.h>
#include <strings.h>

static const char *const reserved[] = {
    "and",  "or",   "not",  "is",  "null", "in",    "between", "like", "case",
    "when", "then", "else", "end", "true", "false", "cast",    "as",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool continues_name(char c)
{
    return starts_name(c) || is_digit(c);
}

bool ds_expr_plain_name(const char *name)
{
    if (!starts_name(*name))
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (!continues_name(*c))
            return false;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcasecmp(name, reserved[i]) == 0)
            return false;
    return true;
}

static char peek(const ds_lexer *lexer, uint32_t ahead)
{
    return lexer->length - lexer->at > ahead ? lexer->text[lexer->at + ahead] : '\0';
}

static ds_token token_to(ds_lexer *lexer, ds_token_kind kind, uint32_t from)
{
    return (ds_token){.kind = kind,
                      .offset = from,
                      .length = lexer->at - from,
                      .text = ds_arena_strndup(lexer->arena, lexer->text + from, lexer->at - from),
                      .text_length = lexer->at - from};
}

static ds_token invalid(ds_lexer *lexer, uint32_t from, uint32_t length, const char *message)
{
    ds_expr_fail(lexer->error, from, length, "%s", message);
    return (ds_token){.kind = DS_TOKEN_INVALID, .offset = from, .length = length, .text = ""};
}

static ds_token lex_name(ds_lexer *lexer)
{
    uint32_t from = lexer->at;
    while (continues_name(peek(lexer, 0)))
        lexer->at++;
    ds_token token = token_to(lexer, DS_TOKEN_NAME, from);
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcasecmp(token.text, reserved[i]) == 0) {
            token.kind = DS_TOKEN_WORD;
            token.text = reserved[i];
        }
    return token;
}

/* The bytes between the quotes of the token at from, a doubled quote as one. */
static const char *unquote(ds_lexer *lexer, uint32_t from, uint32_t *length)
{
    char quote = lexer->text[from];
    char *text = ds_arena_alloc(lexer->arena, lexer->at - from);
    *length = 0;
    for (uint32_t i = from + 1; i < lexer->at - 1; i++) {
        if (lexer->text[i] == quote)
            i++;
        text[(*length)++] = lexer->text[i];
    }
    text[*length] = '\0';
    return text;
}

/* 'text' or "name", with the quote doubled for itself. */
static ds_token lex_quoted(ds_lexer *lexer, char quote)
{
    uint32_t from = lexer->at++;
    for (;; lexer->at++) {
        if (lexer->at == lexer->length)
            return invalid(lexer, from, lexer->length - from,
                           quote == '"' ? "the quoted name does not end: \" is missing"
                                        : "the string does not end: ' is missing");
        if (peek(lexer, 0) != quote)
            continue;
        if (peek(lexer, 1) != quote)
            break;
        lexer->at++;
    }
    lexer->at++;
    ds_token token = {.kind = quote == '"' ? DS_TOKEN_QUOTED : DS_TOKEN_STRING,
                      .offset = from,
                      .length = lexer->at - from};
    token.text = unquote(lexer, from, &token.text_length);
    if (quote == '"' && token.text_length == 0)
        return invalid(lexer, from, 2, "a name cannot be empty");
    return token;
}

static void skip_digits(ds_lexer *lexer)
{
    while (is_digit(peek(lexer, 0)))
        lexer->at++;
}

static ds_token lex_number(ds_lexer *lexer)
{
    uint32_t from = lexer->at;
    ds_token_kind kind = DS_TOKEN_INT;
    skip_digits(lexer);
    if (peek(lexer, 0) == '.') {
        kind = DS_TOKEN_FLOAT;
        lexer->at++;
        skip_digits(lexer);
    }
    char mark = peek(lexer, 0);
    uint32_t sign = peek(lexer, 1) == '-' || peek(lexer, 1) == '+';
    if ((mark == 'e' || mark == 'E') && is_digit(peek(lexer, 1 + sign))) {
        kind = DS_TOKEN_FLOAT;
        lexer->at += 1 + sign;
        skip_digits(lexer);
    }
    if (continues_name(peek(lexer, 0)) || peek(lexer, 0) == '.') {
        while (continues_name(peek(lexer, 0)) || peek(lexer, 0) == '.')
            lexer->at++;
        return invalid(lexer, from, lexer->at - from, "this is not a number");
    }
    ds_token token = token_to(lexer, kind, from);
    if (kind == DS_TOKEN_FLOAT && !ds_parse_float(token.text, token.text_length, &token.real))
        return invalid(lexer, from, token.length, "the number is out of range");
    return token;
}

typedef struct symbol {
    const char *written;
    const char *means; /* NULL: not of this language */
    const char *hint;
} symbol;

/* Longer ones before their beginnings. */
static const symbol symbols[] = {
    {"!=", "!=", NULL},
    {"<>", "!=", NULL},
    {"<=", "<=", NULL},
    {">=", ">=", NULL},
    {"||", "||", NULL},
    {"==", NULL, "== is not an operator: use = to compare"},
    {"&&", NULL, "&& is not an operator: use and"},
    {"+", "+", NULL},
    {"-", "-", NULL},
    {"*", "*", NULL},
    {"/", "/", NULL},
    {"%", "%", NULL},
    {"=", "=", NULL},
    {"<", "<", NULL},
    {">", ">", NULL},
    {"(", "(", NULL},
    {")", ")", NULL},
    {",", ",", NULL},
    {".", ".", NULL},
    {"!", NULL, "! is not an operator: use not"},
    {"|", NULL, "| is not an operator: use || to join strings, or to combine conditions"},
    {"`", NULL, "names are quoted with \""},
    {";", NULL, "an expression does not end with ;"},
};

static ds_token lex_symbol(ds_lexer *lexer)
{
    uint32_t from = lexer->at;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        const symbol *s = &symbols[i];
        uint32_t length = (uint32_t)strlen(s->written);
        if (lexer->length - from < length || memcmp(lexer->text + from, s->written, length) != 0)
            continue;
        if (s->means == NULL)
            return invalid(lexer, from, length, s->hint);
        lexer->at += length;
        return (ds_token){.kind = DS_TOKEN_SYMBOL,
                          .offset = from,
                          .length = length,
                          .text = s->means,
                          .text_length = (uint32_t)strlen(s->means)};
    }
    return invalid(lexer, from, 1, "this character does not belong into an expression");
}

ds_token ds_lexer_next(ds_lexer *lexer)
{
    while (lexer->at < lexer->length && strchr(" \t\r\n", lexer->text[lexer->at]) != NULL)
        lexer->at++;
    if (lexer->at == lexer->length)
        return (ds_token){.kind = DS_TOKEN_END, .offset = lexer->at, .length = 1, .text = ""};
    char c = peek(lexer, 0);
    if (starts_name(c))
        return lex_name(lexer);
    if (is_digit(c) || (c == '.' && is_digit(peek(lexer, 1))))
        return lex_number(lexer);
    if (c == '\'' || c == '"')
        return lex_quoted(lexer, c);
    return lex_symbol(lexer);
}
