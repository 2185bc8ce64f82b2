/* byte, sub, lower, upper and reverse: as those of LuaJIT, and what they go through is work. */
#include "lua/library.h"

#include "lua/sandbox.h"

#include <stdint.h>

/* A place in a text of n bytes, from 1 on, as a number that may count from its end; without its
 * fraction. Places far outside are just outside. */
static int64_t place(double number, int64_t n)
{
    if (!(number > (double)-n - 1))
        return 0;
    if (number > (double)n)
        return n + 1;
    int64_t at = (int64_t)number;
    return at < 0 ? at + n + 1 : at;
}

/* From the place in argument 2 to that in argument 3, or to `last`. */
static void take_range(lua_State *L, int64_t n, double first, double last, int64_t *from,
                       int64_t *to)
{
    *from = place(first, n);
    *to = place(luaL_optnumber(L, 3, last), n);
    *from = *from < 1 ? 1 : *from;
    *to = *to > n ? n : *to;
}

static int sub(lua_State *L)
{
    size_t length;
    int64_t from, to;
    const char *text = luaL_checklstring(L, 1, &length);
    take_range(L, (int64_t)length, luaL_checknumber(L, 2), -1, &from, &to);
    size_t n = from <= to ? (size_t)(to - from + 1) : 0;
    ds_lua_charge_text(L, n);
    lua_pushlstring(L, n > 0 ? text + from - 1 : "", n);
    return 1;
}

static int byte(lua_State *L)
{
    size_t length;
    int64_t from, to;
    const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 1, &length);
    double first = luaL_optnumber(L, 2, 1);
    take_range(L, (int64_t)length, first, first, &from, &to);
    if (from > to)
        return 0;
    ds_lua_charge(L, (uint64_t)(to - from));
    luaL_checkstack(L, to - from < INT32_MAX / 2 ? (int)(to - from + 1) : INT32_MAX / 2,
                    "string slice too long");
    for (int64_t i = from; i <= to; i++)
        lua_pushinteger(L, text[i - 1]);
    return (int)(to - from + 1);
}

/* Makes a text of the same length of argument 1; letters are those of ASCII. */
static int convert(lua_State *L, void (*fn)(char *to, const char *from, size_t length))
{
    char small[256];
    size_t length;
    const char *from = luaL_checklstring(L, 1, &length);
    ds_lua_charge_text(L, length);
    char *to = length <= sizeof small ? small : ds_lua_new_bytes(L, length);
    fn(to, from, length);
    lua_pushlstring(L, to, length);
    return 1;
}

static void to_lower(char *to, const char *from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + 32) : from[i];
}

static void to_upper(char *to, const char *from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = from[i] >= 'a' && from[i] <= 'z' ? (char)(from[i] - 32) : from[i];
}

static void to_reverse(char *to, const char *from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = from[length - 1 - i];
}

static int lower(lua_State *L)
{
    return convert(L, to_lower);
}

static int upper(lua_State *L)
{
    return convert(L, to_upper);
}

static int reverse(lua_State *L)
{
    return convert(L, to_reverse);
}

void ds_lua_add_text(lua_State *L)
{
    ds_lua_set_function(L, "byte", byte);
    ds_lua_set_function(L, "sub", sub);
    ds_lua_set_function(L, "lower", lower);
    ds_lua_set_function(L, "upper", upper);
    ds_lua_set_function(L, "reverse", reverse);
}
