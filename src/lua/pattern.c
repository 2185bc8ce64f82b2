/*
 * Backtracking, as Lua's manual describes it: an item is a class of characters, perhaps with a
 * repetition; what stands behind a repetition is tried for each number of them, the longest
 * first (for - the shortest). A recursion for each repetition, capture or special item, and a
 * loop over plain ones; so the depth is bounded by the length of the pattern.
 */
#include "lua/pattern.h"

#include "lua/sandbox.h"

#include <stdbool.h>
#include <string.h>

#define DEPTH 200
#define CHARGED_AT 1000u

typedef unsigned char byte;

void ds_lua_match_charge(ds_lua_match *match)
{
    uint64_t work = match->work;
    match->work = 0;
    ds_lua_charge(match->L, work);
}

static inline void work(ds_lua_match *match)
{
    if (++match->work >= CHARGED_AT)
        ds_lua_match_charge(match);
}

/* ---- classes ---- */

static bool is_between(byte c, byte least, byte most)
{
    return c >= least && c <= most;
}

static bool is_letter(byte c)
{
    return is_between(c | 0x20, 'a', 'z');
}

static bool is_digit(byte c)
{
    return is_between(c, '0', '9');
}

static bool is_graphic(byte c)
{
    return is_between(c, 0x21, 0x7E);
}

/* %a and so on; a letter that names no class stands for itself. */
static bool in_class(byte c, byte class)
{
    bool in;
    switch (class | 0x20) {
    case 'a': in = is_letter(c); break;
    case 'c': in = c < 0x20 || c == 0x7F; break;
    case 'd': in = is_digit(c); break;
    case 'g': in = is_graphic(c); break;
    case 'l': in = is_between(c, 'a', 'z'); break;
    case 'p': in = is_graphic(c) && !is_letter(c) && !is_digit(c); break;
    case 's': in = c == ' ' || is_between(c, '\t', '\r'); break;
    case 'u': in = is_between(c, 'A', 'Z'); break;
    case 'w': in = is_letter(c) || is_digit(c); break;
    case 'x': in = is_digit(c) || is_between(c | 0x20, 'a', 'f'); break;
    case 'z': in = c == '\0'; break;
    default: return class == c;
    }
    if (!is_letter(class))
        return class == c;
    return is_between(class, 'A', 'Z') ? !in : in;
}

/* Behind the ] of a set; item is at its [. */
static const char *end_of_set(ds_lua_match *match, const char *item)
{
    const char *at = item + 1;
    if (at < match->pattern_end && *at == '^')
        at++;
    do { /* the first one is no end: []] */
        if (at < match->pattern_end && *at == '%')
            at++;
        if (at++ >= match->pattern_end)
            luaL_error(match->L, "malformed pattern (missing ']')");
    } while (at >= match->pattern_end || *at != ']');
    return at + 1;
}

/* Behind the class that begins at item. */
static const char *end_of_class(ds_lua_match *match, const char *item)
{
    if (*item == '[')
        return end_of_set(match, item);
    if (*item != '%')
        return item + 1;
    if (item + 1 >= match->pattern_end)
        luaL_error(match->L, "malformed pattern (ends with '%%')");
    return item + 2;
}

/* end: behind the ]. */
static bool in_set(byte c, const char *set, const char *end)
{
    const char *at = set + 1, *last = end - 1;
    bool in = true;
    if (*at == '^') {
        in = false;
        at++;
    }
    while (at < last) {
        if (*at == '%') {
            if (in_class(c, (byte)at[1]))
                return in;
            at += 2;
        } else if (at + 2 < last && at[1] == '-') {
            if (is_between(c, (byte)at[0], (byte)at[2]))
                return in;
            at += 3;
        } else if ((byte)*at++ == c) {
            return in;
        }
    }
    return !in;
}

/* True if the character at `at` is of the class from item to end. */
static bool is_in(ds_lua_match *match, const char *at, const char *item, const char *end)
{
    work(match);
    if (at >= match->text_end)
        return false;
    byte c = (byte)*at;
    switch (*item) {
    case '.': return true;
    case '%': return in_class(c, (byte)item[1]);
    case '[': match->work += (uint64_t)(end - item) / 4; return in_set(c, item, end);
    default: return (byte)*item == c;
    }
}

/* ---- items ---- */

static const char *match_rest(ds_lua_match *match, const char *at, const char *item);

static const char *most_first(ds_lua_match *match, const char *at, const char *item,
                              const char *end)
{
    const char *last = at;
    while (is_in(match, last, item, end))
        last++;
    for (; last >= at; last--) {
        const char *found = match_rest(match, last, end + 1);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static const char *least_first(ds_lua_match *match, const char *at, const char *item,
                               const char *end)
{
    for (;;) {
        const char *found = match_rest(match, at, end + 1);
        if (found != NULL)
            return found;
        if (!is_in(match, at, item, end))
            return NULL;
        at++;
    }
}

static const char *open_capture(ds_lua_match *match, const char *at, const char *item,
                                ptrdiff_t kind)
{
    if (match->n_captures >= DS_LUA_CAPTURES)
        luaL_error(match->L, "too many captures");
    match->captures[match->n_captures++] = (ds_lua_capture){at, kind};
    const char *found = match_rest(match, at, item);
    if (found == NULL)
        match->n_captures--;
    return found;
}

static const char *close_capture(ds_lua_match *match, const char *at, const char *item)
{
    uint32_t i = match->n_captures;
    while (i > 0 && match->captures[i - 1].length != DS_LUA_CAPTURE_OPEN)
        i--;
    if (i == 0)
        luaL_error(match->L, "invalid pattern capture");
    ds_lua_capture *capture = &match->captures[i - 1];
    capture->length = at - capture->begin;
    const char *found = match_rest(match, at, item);
    if (found == NULL)
        capture->length = DS_LUA_CAPTURE_OPEN;
    return found;
}

/* %b(): from one character to the other that closes it. item is behind the b. */
static const char *match_balanced(ds_lua_match *match, const char *at, const char *item)
{
    if (match->pattern_end - item < 2)
        luaL_error(match->L, "unbalanced pattern");
    if (at >= match->text_end || *at != item[0])
        return NULL;
    size_t open = 1;
    for (const char *c = at + 1; c < match->text_end; c++) {
        work(match);
        if (*c == item[1]) {
            if (--open == 0)
                return c + 1;
        } else if (*c == item[0]) {
            open++;
        }
    }
    return NULL;
}

/* %f[set]: between a character that is not in the set and one that is. item is behind the f. */
static bool is_frontier(ds_lua_match *match, const char *at, const char *item, const char **end)
{
    if (item >= match->pattern_end || *item != '[')
        luaL_error(match->L, "missing '[' after '%%f' in pattern");
    *end = end_of_set(match, item);
    byte before = at == match->text ? '\0' : (byte)at[-1];
    byte here = at == match->text_end ? '\0' : (byte)*at;
    return !in_set(before, item, *end) && in_set(here, item, *end);
}

/* %1: the same text as a capture (%0 is none). NULL if it does not stand here. */
static const char *match_again(ds_lua_match *match, const char *at, byte digit)
{
    uint32_t i = (uint32_t)(digit - '1');
    if (i >= match->n_captures || match->captures[i].length == DS_LUA_CAPTURE_OPEN)
        luaL_error(match->L, "invalid capture index");
    ptrdiff_t length = match->captures[i].length;
    if (length < 0 || match->text_end - at < length)
        return NULL;
    match->work += (uint64_t)length / 8;
    return memcmp(match->captures[i].begin, at, (size_t)length) == 0 ? at + length : NULL;
}

/* The items that begin with % and are no classes. True if it was one: *at and *item are behind
 * it then, *at is NULL if it does not match. */
static bool match_special(ds_lua_match *match, const char **at, const char **item)
{
    const char *p = *item;
    if (*p != '%' || p + 1 >= match->pattern_end)
        return false;
    if (p[1] == 'b') {
        *at = match_balanced(match, *at, p + 2);
        *item = p + 4;
    } else if (p[1] == 'f') {
        const char *end;
        if (!is_frontier(match, *at, p + 2, &end))
            *at = NULL;
        *item = end;
    } else if (is_digit((byte)p[1])) {
        *at = match_again(match, *at, (byte)p[1]);
        *item = p + 2;
    } else {
        return false;
    }
    return true;
}

static bool is_capture(const ds_lua_match *match, const char *item)
{
    return item < match->pattern_end && (*item == '(' || *item == ')');
}

static const char *match_capture(ds_lua_match *match, const char *at, const char *item)
{
    if (*item == ')')
        return close_capture(match, at, item + 1);
    if (item + 1 < match->pattern_end && item[1] == ')')
        return open_capture(match, at, item + 2, DS_LUA_CAPTURE_POSITION);
    return open_capture(match, at, item + 1, DS_LUA_CAPTURE_OPEN);
}

/* A class with what may stand behind it. True if all is decided: *found is the end or NULL.
 * Else *at and *item are behind it. */
static bool match_class(ds_lua_match *match, const char **at, const char **item, const char **found)
{
    const char *end = end_of_class(match, *item);
    char repeat = end < match->pattern_end ? *end : '\0';
    if (repeat == '*' || repeat == '-') {
        *found = (repeat == '*' ? most_first : least_first)(match, *at, *item, end);
        return true;
    }
    bool in = is_in(match, *at, *item, end);
    if (repeat == '+') {
        *found = in ? most_first(match, *at + 1, *item, end) : NULL;
        return true;
    }
    if (repeat == '?') {
        *found = in ? match_rest(match, *at + 1, end + 1) : NULL;
        *item = end + 1;
        return *found != NULL;
    }
    *found = NULL;
    *at += 1;
    *item = end;
    return !in;
}

static const char *match_items(ds_lua_match *match, const char *at, const char *item)
{
    while (item < match->pattern_end) {
        const char *found;
        work(match);
        if (is_capture(match, item))
            return match_capture(match, at, item);
        if (*item == '$' && item + 1 == match->pattern_end)
            return at == match->text_end ? at : NULL;
        if (match_special(match, &at, &item)) {
            if (at == NULL)
                return NULL;
        } else if (match_class(match, &at, &item, &found)) {
            return found;
        }
    }
    return at;
}

static const char *match_rest(ds_lua_match *match, const char *at, const char *item)
{
    if (++match->depth > DEPTH)
        luaL_error(match->L, "pattern too complex");
    const char *found = match_items(match, at, item);
    match->depth--;
    return found;
}

const char *ds_lua_match_at(ds_lua_match *match, const char *at)
{
    match->depth = 0;
    match->n_captures = 0;
    return match_rest(match, at, match->pattern);
}
