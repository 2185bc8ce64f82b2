#include "columnar/format_json_scan.h"

#include <string.h>

static const char *fail(ds_json_scanner *scanner, const char *error)
{
    scanner->error = error;
    return NULL;
}

/* Strings. */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The number that four hex digits make; -1 if they are none. */
static int32_t hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int32_t number = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        number = number << 4 | digit;
    }
    return number;
}

/* Passes over the escape whose backslash is at p. */
static const char *scan_escape(ds_json_scanner *scanner, const char *p)
{
    if (scanner->end - p < 2)
        return fail(scanner, "a string without an end");
    if (p[1] == 'u' && hex4(p + 2, scanner->end) >= 0)
        return p + 6;
    if (p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL)
        return p + 2;
    return fail(scanner, "an unknown escape in a string");
}

const char *ds_json_string_scan_slow(ds_json_scanner *scanner, const char *p)
{
    for (;;) {
        if (p == scanner->end)
            return fail(scanner, "a string without an end");
        if (*p == '"')
            return p;
        if (*p != '\\')
            return fail(scanner, "a control character in a string");
        p = scan_escape(scanner, p);
        if (p == NULL)
            return NULL;
        p = ds_scan_json(p, scanner->end, scanner->limit);
    }
}

static void append_utf8(ds_buffer *out, uint32_t code)
{
    char text[4];
    size_t n;
    if (code < 0x80) {
        text[0] = (char)code;
        n = 1;
    } else if (code < 0x800) {
        text[0] = (char)(0xC0 | code >> 6);
        n = 2;
    } else if (code < 0x10000) {
        text[0] = (char)(0xE0 | code >> 12);
        n = 3;
    } else {
        text[0] = (char)(0xF0 | code >> 18);
        n = 4;
    }
    for (size_t i = 1; i < n; i++)
        text[i] = (char)(0x80 | (code >> (6 * (n - 1 - i)) & 0x3F));
    ds_buffer_append(out, text, n);
}

/* Appends what \uXXXX at p stands for. Returns what is behind it (and its second half). */
static const char *unescape_code(ds_buffer *out, const char *p, const char *end)
{
    uint32_t code = (uint32_t)hex4(p + 2, end);
    p += 6;
    if (code == 0 || (code >= 0xDC00 && code <= 0xDFFF))
        return NULL;
    if (code >= 0xD800 && code <= 0xDBFF) {
        int32_t low = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, end) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return NULL;
        code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
        p += 6;
    }
    append_utf8(out, code);
    return p;
}

bool ds_json_unescape(ds_buffer *out, const char *text, size_t length)
{
    const char *p = text, *end = text + length;
    while (p < end) {
        const char *backslash = memchr(p, '\\', (size_t)(end - p));
        ds_buffer_append(out, p, (size_t)((backslash == NULL ? end : backslash) - p));
        if (backslash == NULL)
            break;
        p = backslash;
        if (p[1] == 'u') {
            p = unescape_code(out, p, end);
            if (p == NULL)
                return false;
            continue;
        }
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        const char *letter = strchr(from, p[1]);
        ds_buffer_append_char(out, letter != NULL ? to[letter - from] : p[1]);
        p += 2;
    }
    return true;
}

/* Numbers and words. */

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Passes over digits, one at least. */
static inline const char *scan_digits(const char *p, const char *end)
{
    const char *from = p;
    while (p < end && is_digit(*p))
        p++;
    return p > from ? p : NULL;
}

static inline const char *scan_number(ds_json_scanner *scanner, const char *p, ds_json_token *token)
{
    const char *end = scanner->end;
    token->kind = DS_JSON_INT;
    token->start = p;
    p += *p == '-';
    const char *first = p;
    p = scan_digits(p, end);
    if (p == NULL || (*first == '0' && p - first > 1))
        return fail(scanner, "a number that is not like JSON's");
    if (p < end && *p == '.') {
        token->kind = DS_JSON_NUMBER;
        p = scan_digits(p + 1, end);
    }
    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        token->kind = DS_JSON_NUMBER;
        p++;
        p += p < end && (*p == '+' || *p == '-');
        p = scan_digits(p, end);
    }
    token->end = p;
    return p != NULL ? p : fail(scanner, "a number that is not like JSON's");
}

static inline const char *scan_word(ds_json_scanner *scanner, const char *p, const char *word,
                                    size_t length, ds_json_kind kind, ds_json_token *token)
{
    if ((size_t)(scanner->end - p) < length || memcmp(p, word, length) != 0)
        return fail(scanner, "a word that is not true, false or null");
    *token = (ds_json_token){.kind = kind, .start = p, .end = p + length};
    return p + length;
}

/* Scans a value that is no object and no list. */
static inline const char *scan_scalar(ds_json_scanner *scanner, const char *p, ds_json_token *token)
{
    if (p == scanner->end)
        return fail(scanner, "a value is missing");
    switch (*p) {
    case '"': return ds_json_string_scan(scanner, p + 1, token);
    case 't': return scan_word(scanner, p, "true", 4, DS_JSON_TRUE, token);
    case 'f': return scan_word(scanner, p, "false", 5, DS_JSON_FALSE, token);
    case 'n': return scan_word(scanner, p, "null", 4, DS_JSON_NULL, token);
    default:
        if (*p == '-' || is_digit(*p))
            return scan_number(scanner, p, token);
        return fail(scanner, "a value is missing or not JSON");
    }
}

/* Objects and lists. */

typedef struct levels {
    uint64_t objects[DS_JSON_DEPTH / 64]; /* bit i: level i is an object, no list */
    unsigned depth;
} levels;

static inline bool in_object(const levels *open)
{
    unsigned top = open->depth - 1;
    return open->objects[top / 64] >> (top % 64) & 1;
}

static inline void open_level(levels *open, bool object)
{
    uint64_t *word = &open->objects[open->depth / 64], bit = (uint64_t)1 << open->depth % 64;
    *word = object ? *word | bit : *word & ~bit;
    open->depth++;
}

/* Passes over `"key":` and the space around it. */
static inline const char *scan_key(ds_json_scanner *scanner, const char *p)
{
    ds_json_token key;
    if (p == scanner->end || *p != '"')
        return fail(scanner, "a key is missing");
    p = ds_json_string_scan(scanner, p + 1, &key);
    if (p == NULL)
        return NULL;
    p = ds_json_space(p, scanner->end);
    if (p == scanner->end || *p != ':')
        return fail(scanner, "no colon behind a key");
    return ds_json_space(p + 1, scanner->end);
}

/*
 * Behind a value: closes levels that end here, down to `floor`, and passes over a comma (and
 * the key behind it). Returns where the next value is, or the end if all are closed.
 */
static const char *scan_after(ds_json_scanner *scanner, const char *p, levels *open, unsigned floor)
{
    while (open->depth > floor) {
        bool object = in_object(open);
        p = ds_json_space(p, scanner->end);
        if (p == scanner->end)
            return fail(scanner, object ? "an object without an end" : "a list without an end");
        if (*p == ',') {
            p = ds_json_space(p + 1, scanner->end);
            return object ? scan_key(scanner, p) : p;
        }
        if (*p != (object ? '}' : ']'))
            return fail(scanner, "no comma between two values");
        open->depth--;
        p++;
    }
    return p;
}

static const char *scan_nested(ds_json_scanner *scanner, const char *p, unsigned depth)
{
    levels open = {.depth = depth};
    ds_json_token scalar;
    do {
        bool object = p < scanner->end && *p == '{';
        if (object || (p < scanner->end && *p == '[')) {
            if (open.depth == DS_JSON_DEPTH)
                return fail(scanner, "values nested more than 512 levels deep");
            open_level(&open, object);
            p = ds_json_space(p + 1, scanner->end);
            if (p < scanner->end && *p == (object ? '}' : ']')) {
                open.depth--; /* empty: as a value that ends here */
                p = scan_after(scanner, p + 1, &open, depth);
            } else if (object) {
                p = scan_key(scanner, p);
            }
        } else {
            p = scan_scalar(scanner, p, &scalar);
            if (p != NULL)
                p = scan_after(scanner, p, &open, depth);
        }
    } while (p != NULL && open.depth > depth);
    return p;
}

const char *ds_json_value_scan(ds_json_scanner *scanner, const char *p, unsigned depth,
                               ds_json_token *token)
{
    if (p < scanner->end && (*p == '{' || *p == '[')) {
        token->kind = *p == '{' ? DS_JSON_OBJECT : DS_JSON_LIST;
        token->start = p;
        token->end = scan_nested(scanner, p, depth);
        return token->end;
    }
    return scan_scalar(scanner, p, token);
}
