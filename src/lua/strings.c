/* find, match, gmatch and gsub, over pattern.h. What they do beyond matching is as in Lua 5.1. */
#include "lua/library.h"

#include "lua/pattern.h"
#include "lua/sandbox.h"

#include <stdbool.h>
#include <string.h>

/* Text and pattern from arguments 1 and 2. anchored: of a pattern that begins with ^. */
static ds_lua_match match_of(lua_State *L, int text, int pattern, bool *anchored)
{
    size_t text_length, pattern_length;
    ds_lua_match match = {.L = L};
    match.text = luaL_checklstring(L, text, &text_length);
    match.pattern = luaL_checklstring(L, pattern, &pattern_length);
    match.text_end = match.text + text_length;
    match.pattern_end = match.pattern + pattern_length;
    if (anchored != NULL) {
        *anchored = pattern_length > 0 && *match.pattern == '^';
        match.pattern += *anchored;
    }
    return match;
}

static void push_made(lua_State *L, const char *bytes, size_t length)
{
    ds_lua_charge_text(L, length);
    lua_pushlstring(L, bytes, length);
}

/* Pushes capture i; the whole match if there are none and i is 0. */
static void push_capture(ds_lua_match *match, uint32_t i, const char *begin, const char *end)
{
    lua_State *L = match->L;
    if (i >= match->n_captures) {
        if (i != 0)
            luaL_error(L, "invalid capture index");
        push_made(L, begin, (size_t)(end - begin));
        return;
    }
    const ds_lua_capture *capture = &match->captures[i];
    if (capture->length == DS_LUA_CAPTURE_OPEN)
        luaL_error(L, "unfinished capture");
    if (capture->length == DS_LUA_CAPTURE_POSITION)
        lua_pushinteger(L, capture->begin - match->text + 1);
    else
        push_made(L, capture->begin, (size_t)capture->length);
}

/* Pushes all captures (the whole match if begin is given and there are none). */
static int push_captures(ds_lua_match *match, const char *begin, const char *end)
{
    uint32_t n = match->n_captures == 0 && begin != NULL ? 1 : match->n_captures;
    luaL_checkstack(match->L, (int)n, "too many captures");
    for (uint32_t i = 0; i < n; i++)
        push_capture(match, i, begin, end);
    return (int)n;
}

static bool is_plain(const ds_lua_match *match)
{
    for (const char *at = match->pattern; at < match->pattern_end; at++)
        if (*at == '\0' || strchr("^$*+?.([%-", *at) != NULL)
            return false;
    return true;
}

static int push_range(lua_State *L, const ds_lua_match *match, const char *begin, const char *end)
{
    lua_pushinteger(L, begin - match->text + 1);
    lua_pushinteger(L, end - match->text);
    return 2;
}

/* memmem takes a time in proportion to both lengths, whatever they hold. */
static int find_plain(lua_State *L, const ds_lua_match *match, const char *from)
{
    size_t left = (size_t)(match->text_end - from);
    size_t length = (size_t)(match->pattern_end - match->pattern);
    ds_lua_charge(L, (left + length) / 16);
    const char *found = memmem(from, left, match->pattern, length);
    if (found != NULL)
        return push_range(L, match, found, found + length);
    lua_pushnil(L);
    return 1;
}

/* Where argument 3 says that the search begins. */
static const char *first_place(lua_State *L, const ds_lua_match *match)
{
    ptrdiff_t length = match->text_end - match->text, init = luaL_optinteger(L, 3, 1);
    if (init < 0)
        init = init + length < 0 ? 1 : init + length + 1;
    if (init < 1)
        init = 1;
    return match->text + (init - 1 > length ? length : init - 1);
}

static int find_or_match(lua_State *L, bool find)
{
    bool anchored;
    ds_lua_match whole = match_of(L, 1, 2, NULL), match = match_of(L, 1, 2, &anchored);
    const char *at = first_place(L, &match);
    if (find && (lua_toboolean(L, 4) || is_plain(&whole)))
        return find_plain(L, &whole, at);
    do {
        const char *end = ds_lua_match_at(&match, at);
        if (end != NULL) {
            ds_lua_match_charge(&match);
            return find ? push_range(L, &match, at, end) + push_captures(&match, NULL, NULL)
                        : push_captures(&match, at, end);
        }
    } while (at++ < match.text_end && !anchored);
    ds_lua_match_charge(&match);
    lua_pushnil(L);
    return 1;
}

static int find(lua_State *L)
{
    return find_or_match(L, true);
}

static int match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Upvalues: text, pattern, and where to go on. */
static int next_match(lua_State *L)
{
    ds_lua_match m = match_of(L, lua_upvalueindex(1), lua_upvalueindex(2), NULL);
    const char *at = m.text + (size_t)lua_tointeger(L, lua_upvalueindex(3));
    for (; at <= m.text_end; at++) {
        const char *end = ds_lua_match_at(&m, at);
        if (end == NULL)
            continue;
        ds_lua_match_charge(&m);
        lua_pushinteger(L, end - m.text + (end == at));
        lua_replace(L, lua_upvalueindex(3));
        return push_captures(&m, at, end);
    }
    ds_lua_match_charge(&m);
    lua_pushnil(L);
    return 1;
}

static int gmatch(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_match, 3);
    return 1;
}

/* ---- gsub ---- */

/* The text that is made, in a userdata at `slot`: it is freed if an error ends the call. */
typedef struct made {
    lua_State *L;
    int slot;
    char *bytes;
    size_t length, room;
} made;

static void append(made *out, const char *bytes, size_t length)
{
    if (length > out->room - out->length) {
        size_t room = 2 * (out->length + length) + 64;
        char *more = ds_lua_new_bytes(out->L, room);
        if (out->length > 0)
            memcpy(more, out->bytes, out->length);
        lua_replace(out->L, out->slot);
        out->bytes = more;
        out->room = room;
    }
    if (length > 0)
        memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

static void append_top(made *out)
{
    size_t length;
    const char *bytes = lua_tolstring(out->L, -1, &length);
    append(out, bytes, length);
    lua_pop(out->L, 1);
}

/* A replacement text: %0 is the match, %1 a capture, %% a percent sign. */
static void append_text(made *out, ds_lua_match *match, const char *begin, const char *end)
{
    size_t length;
    const char *text = lua_tolstring(out->L, 3, &length);
    ds_lua_charge(out->L, length / 8);
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '%') {
            append(out, &text[i], 1);
            continue;
        }
        char c = ++i < length ? text[i] : '\0';
        if (c < '0' || c > '9') {
            append(out, &c, 1);
        } else if (c == '0') {
            append(out, begin, (size_t)(end - begin));
        } else {
            push_capture(match, (uint32_t)(c - '1'), begin, end);
            append_top(out);
        }
    }
}

/* What a function or a table gives for the match; false and nil keep it as it is. */
static void append_value(made *out, ds_lua_match *match, const char *begin, const char *end)
{
    lua_State *L = out->L;
    if (lua_type(L, 3) == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        int n = push_captures(match, begin, end);
        lua_call(L, n, 1);
    } else {
        push_capture(match, 0, begin, end);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        append(out, begin, (size_t)(end - begin));
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    append_top(out);
}

static void append_replacement(made *out, ds_lua_match *match, const char *begin, const char *end)
{
    if (lua_isstring(out->L, 3))
        append_text(out, match, begin, end);
    else
        append_value(out, match, begin, end);
}

static int gsub(lua_State *L)
{
    bool anchored;
    ds_lua_check_depth(L);
    ds_lua_match m = match_of(L, 1, 2, &anchored);
    int type = lua_type(L, 3);
    luaL_argcheck(L,
                  type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                      type == LUA_TTABLE,
                  3, "string/function/table expected");
    double most = luaL_optnumber(L, 4, 1e15);
    lua_settop(L, 4);
    lua_pushnil(L);
    made out = {.L = L, .slot = 5};
    const char *at = m.text;
    int64_t n = 0;
    while ((double)n < most) {
        const char *end = ds_lua_match_at(&m, at);
        if (end != NULL) {
            n++;
            append_replacement(&out, &m, at, end);
        }
        if (end != NULL && end > at)
            at = end;
        else if (at < m.text_end)
            append(&out, at++, 1);
        else
            break;
        if (anchored)
            break;
    }
    ds_lua_match_charge(&m);
    append(&out, at, (size_t)(m.text_end - at));
    push_made(L, out.length > 0 ? out.bytes : "", out.length);
    lua_pushinteger(L, (lua_Integer)n);
    return 2;
}

void ds_lua_add_patterns(lua_State *L)
{
    ds_lua_set_function(L, "find", find);
    ds_lua_set_function(L, "match", match);
    ds_lua_set_function(L, "gmatch", gmatch);
    ds_lua_set_function(L, "gsub", gsub);
}
