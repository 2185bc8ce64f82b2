/*
 * A recursive-descent parser.
 *
 * jansson's own parser is not used, because its positions are those of the token at which it
 * gave up and its word about a repeated key has no path. One parser of ours makes the tree
 * and the index of places in the same pass, so the two cannot disagree.
 *
 * Strings are read in two steps: scan_string checks every byte, ds_json_decode then trusts
 * what was checked. The index keeps offsets only: 12 bytes for each value, and no path is
 * ever built for a value that is not asked for.
 */
#include "base/json_parse.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *text, *at, *end; /* *end is a NUL */
    ds_json_index *index;
    ds_json_fault *fault;
    ds_buffer scratch;
    uint32_t depth;
} parser;

__attribute__((format(printf, 3, 4))) static void fail(parser *p, const char *at,
                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->fault->message, sizeof p->fault->message, format, args);
    va_end(args);
    p->fault->at = (size_t)(at - p->text);
}

static void skip_blanks(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')
        p->at++;
}

/* ---- UTF-8 ---- */

/* The length of the UTF-8 character at s (RFC 3629), or 0 if it is not one. */
static size_t utf8_char(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char first, last, low, high; /* of the lead byte; of the second byte */
        uint8_t length;
    } forms[] = {
        {0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (s[0] < forms[i].first || s[0] > forms[i].last)
            continue;
        size_t length = forms[i].length;
        if (length > left || (length > 1 && (s[1] < forms[i].low || s[1] > forms[i].high)))
            return 0;
        for (size_t k = 2; k < length; k++)
            if ((s[k] & 0xC0) != 0x80)
                return 0;
        return length;
    }
    return 0;
}

/* Checks the whole text at once, so that whatever is shown of it later is good UTF-8. */
static bool check_encoding(parser *p)
{
    if (p->end - p->text >= 3 && memcmp(p->text, "\xEF\xBB\xBF", 3) == 0) {
        fail(p, p->text, "the file starts with a byte order mark; save it as UTF-8 without one");
        return false;
    }
    for (const char *s = p->text; s < p->end;) {
        size_t length = utf8_char((const unsigned char *)s, (size_t)(p->end - s));
        if (length == 0 || *s == '\0') {
            fail(p, s, "not a text in UTF-8 (byte 0x%02X)", (unsigned char)*s);
            return false;
        }
        s += length;
    }
    return true;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The number behind \u, or -1. */
static int32_t read_hex(const char *s)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(s[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high_surrogate(int32_t c)
{
    return c >= 0xD800 && c <= 0xDBFF;
}

static bool is_low_surrogate(int32_t c)
{
    return c >= 0xDC00 && c <= 0xDFFF;
}

/* Checks the escape at p->at, moves behind it. */
static bool scan_escape(parser *p)
{
    const char *start = p->at;
    if (start[1] != '\0' && strchr("\"\\/bfnrt", start[1]) != NULL) {
        p->at += 2;
        return true;
    }
    if (start[1] != 'u') {
        fail(p, start, "not an escape of JSON (a backslash itself is written \\\\)");
        return false;
    }
    int32_t c = read_hex(start + 2);
    bool pair = c >= 0 && is_high_surrogate(c) && start[6] == '\\' && start[7] == 'u' &&
                is_low_surrogate(read_hex(start + 8));
    if (c < 0)
        fail(p, start, "\\u needs four hexadecimal digits");
    else if (c == 0)
        fail(p, start, "\\u0000 cannot stand in a string");
    else if ((is_high_surrogate(c) && !pair) || is_low_surrogate(c))
        fail(p, start, "half a surrogate pair");
    else
        p->at += pair ? 12 : 6;
    return p->at > start;
}

/* Checks the string at p->at, moves behind it. */
static bool scan_string(parser *p)
{
    const char *start = p->at++;
    while (*p->at != '"') {
        if (*p->at == '\\') {
            if (!scan_escape(p))
                return false;
        } else if (*p->at == '\0' || *p->at == '\n' || *p->at == '\r') {
            fail(p, start, "a string that does not end on its line");
            return false;
        } else if ((unsigned char)*p->at < 0x20) {
            fail(p, p->at, "a control character in a string (a tab is written \\t)");
            return false;
        } else {
            p->at++;
        }
    }
    p->at++;
    return true;
}

static size_t encode_utf8(uint32_t c, char out[static 4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead[length] | c);
    return length;
}

size_t ds_json_decode(const char **at, char out[static 4])
{
    const char *s = *at;
    if (*s == '"')
        return 0;
    if (*s != '\\') {
        size_t length = utf8_char((const unsigned char *)s, 4);
        memcpy(out, s, length);
        *at = s + length;
        return length;
    }
    if (s[1] != 'u') {
        static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
        const char *name = strchr(names, s[1]);
        out[0] = name != NULL ? values[name - names] : s[1];
        *at = s + 2;
        return 1;
    }
    uint32_t c = (uint32_t)read_hex(s + 2);
    *at = s + 6;
    if (is_high_surrogate((int32_t)c)) {
        c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)read_hex(s + 8) - 0xDC00);
        *at = s + 12;
    }
    return encode_utf8(c, out);
}

/* Reads the string at p->at into scratch. */
static bool read_string(parser *p)
{
    const char *s = p->at + 1;
    if (!scan_string(p))
        return false;
    p->scratch.length = 0;
    char bytes[4];
    for (size_t n; (n = ds_json_decode(&s, bytes)) > 0;)
        ds_buffer_append(&p->scratch, bytes, n);
    return true;
}

/* ---- numbers and words ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The end of the number at s by JSON's grammar, or NULL. */
static const char *scan_number(const char *s, bool *real)
{
    if (*s == '-')
        s++;
    if (!is_digit(*s) || (s[0] == '0' && is_digit(s[1])))
        return NULL;
    while (is_digit(*s))
        s++;
    *real = *s == '.' || *s == 'e' || *s == 'E';
    if (*s == '.') {
        if (!is_digit(*++s))
            return NULL;
        while (is_digit(*s))
            s++;
    }
    if (*s == 'e' || *s == 'E') {
        s++;
        if (*s == '+' || *s == '-')
            s++;
        if (!is_digit(*s))
            return NULL;
        while (is_digit(*s))
            s++;
    }
    return is_word(*s) || *s == '.' ? NULL : s;
}

static json_t *read_number(parser *p)
{
    bool real = false;
    const char *start = p->at, *end = scan_number(start, &real);
    if (end == NULL) {
        fail(p, start, "not a number of JSON");
        return NULL;
    }
    p->at = end;
    errno = 0;
    if (!real) {
        long long value = strtoll(start, NULL, 10);
        if (errno == 0)
            return json_integer(value);
    } else {
        double value = strtod(start, NULL);
        if (isfinite(value))
            return json_real(value);
    }
    fail(p, start, "a number out of range");
    return NULL;
}

static json_t *read_word(parser *p)
{
    static const char *const words[] = {"true", "false", "null"};
    const char *start = p->at;
    while (is_word(*p->at))
        p->at++;
    size_t length = (size_t)(p->at - start);
    for (int i = 0; i < 3; i++)
        if (strlen(words[i]) == length && memcmp(words[i], start, length) == 0)
            return i == 0 ? json_true() : i == 1 ? json_false() : json_null();
    fail(p, start, "\"%.*s\" is not a value; texts stand in double quotes",
         (int)(length < 30 ? length : 30), start);
    return NULL;
}

/* ---- structure ---- */

/* Says what was expected where something else stands. */
static void unexpected(parser *p, const char *expected)
{
    char c = *p->at;
    if (p->at == p->end)
        fail(p, p->at, "the file ends where %s is expected", expected);
    else if (c == '/' || c == '#')
        fail(p, p->at, "expected %s (there are no comments in JSON)", expected);
    else if (c == '\'')
        fail(p, p->at, "expected %s (texts stand in double quotes)", expected);
    else
        fail(p, p->at, "expected %s", expected);
}

static uint32_t add_entry(parser *p, uint32_t key)
{
    ds_json_index *index = p->index;
    if (index->n == index->capacity) {
        index->capacity = index->capacity == 0 ? 64 : index->capacity * 2;
        index->entries = ds_realloc(index->entries, index->capacity, sizeof *index->entries);
    }
    index->entries[index->n] = (ds_json_entry){key, (uint32_t)(p->at - p->text), 0};
    return index->n++;
}

static json_t *read_value(parser *p, uint32_t key);

/* Reads "key": value into object. */
static bool read_member(parser *p, json_t *object)
{
    if (*p->at != '"') {
        unexpected(p, "a key in double quotes");
        return false;
    }
    uint32_t key = (uint32_t)(p->at - p->text);
    if (!read_string(p))
        return false;
    char *name = ds_strndup(ds_buffer_text(&p->scratch), p->scratch.length);
    skip_blanks(p);
    json_t *value = NULL;
    uint32_t entry = p->index->n;
    if (*p->at != ':') {
        unexpected(p, "\":\"");
    } else {
        p->at++;
        value = read_value(p, key);
    }
    if (value != NULL && json_object_get(object, name) == NULL)
        json_object_set_nocheck(object, name, value);
    else if (value != NULL && p->index->n_repeated < DS_JSON_REPEATED)
        p->index->repeated[p->index->n_repeated++] = entry;
    json_decref(value);
    free(name);
    return value != NULL;
}

static bool read_element(parser *p, json_t *list)
{
    json_t *value = read_value(p, DS_JSON_NO_KEY);
    return value != NULL && json_array_append_new(list, value) == 0;
}

/* Reads the members or elements between two brackets into container. */
static bool read_container(parser *p, json_t *container, char close)
{
    bool object = close == '}';
    p->at++;
    skip_blanks(p);
    if (*p->at == close) {
        p->at++;
        return true;
    }
    for (;;) {
        if (!(object ? read_member(p, container) : read_element(p, container)))
            return false;
        skip_blanks(p);
        if (*p->at == close)
            break;
        if (*p->at != ',') {
            unexpected(p, object ? "\",\" or \"}\"" : "\",\" or \"]\"");
            return false;
        }
        const char *comma = p->at++;
        skip_blanks(p);
        if (*p->at == close) {
            fail(p, comma, "a comma with nothing behind it");
            return false;
        }
    }
    p->at++;
    return true;
}

static json_t *read_nested(parser *p)
{
    if (p->depth == DS_JSON_DEPTH) {
        fail(p, p->at, "nested more than %u deep", DS_JSON_DEPTH);
        return NULL;
    }
    p->depth++;
    bool object = *p->at == '{';
    json_t *container = object ? json_object() : json_array();
    if (!read_container(p, container, object ? '}' : ']')) {
        json_decref(container);
        container = NULL;
    }
    p->depth--;
    return container;
}

static json_t *read_value(parser *p, uint32_t key)
{
    skip_blanks(p);
    uint32_t entry = add_entry(p, key);
    char c = *p->at;
    json_t *value = NULL;
    if (c == '{' || c == '[')
        value = read_nested(p);
    else if (c == '"')
        value = read_string(p)
                    ? json_stringn_nocheck(ds_buffer_text(&p->scratch), p->scratch.length)
                    : NULL;
    else if (is_digit(c) || c == '-' || c == '+' || c == '.')
        value = read_number(p);
    else if (is_word(c))
        value = read_word(p);
    else
        unexpected(p, "a value");
    p->index->entries[entry].after = p->index->n;
    return value;
}

json_t *ds_json_parse(const char *text, size_t length, ds_json_index *index, ds_json_fault *fault)
{
    parser p = {.text = text, .at = text, .end = text + length, .index = index, .fault = fault};
    json_t *root = NULL;
    if (check_encoding(&p)) {
        root = read_value(&p, DS_JSON_NO_KEY);
        skip_blanks(&p);
        if (root != NULL && p.at != p.end) {
            fail(&p, p.at, "something stands behind the end of the document");
            json_decref(root);
            root = NULL;
        }
    }
    ds_buffer_fini(&p.scratch);
    return root;
}
