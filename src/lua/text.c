/* byte, lower, upper and reverse: as those of LuaJIT, and what they go through is work. */
#include "lua/library.h"

#include "lua/sandbox.h"

#include <stdint.h>

static int byte(lua_State *L)
{
    size_t length;
    const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 1, &length);
    int64_t n = (int64_t)length, from = (int64_t)luaL_optnumber(L, 2, 1);
    int64_t to = (int64_t)luaL_optnumber(L, 3, (double)from);
    from = from < 0 ? from + n + 1 : from;
    to = to < 0 ? to + n + 1 : to;
    from = from < 1 ? 1 : from;
    to = to > n ? n : to;
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
    ds_lua_charge(L, length / DS_LUA_WORK_BYTES);
    char *to = length <= sizeof small ? small : lua_newuserdata(L, length);
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
    ds_lua_set_function(L, "lower", lower);
    ds_lua_set_function(L, "upper", upper);
    ds_lua_set_function(L, "reverse", reverse);
}
