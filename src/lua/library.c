#include "lua/library.h"

#include "lua/sandbox.h"

#include <lualib.h>
#include <string.h>

#define LIBRARY "dstream.library" /* in the registry: what an environment begins with */

void ds_lua_set_function(lua_State *L, const char *name, lua_CFunction fn)
{
    lua_pushcfunction(L, fn);
    lua_setfield(L, -2, name);
}

/* ---- guards: functions of LuaJIT's behind a check of our own ---- */

/* Calls the guarded function (upvalue 1; upvalue 2 is its name) with all arguments. Its errors
 * get the place of the caller, which it cannot see. */
static int call_guarded(lua_State *L)
{
    int n_args = lua_gettop(L);
    ds_lua_check_depth(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    if (lua_pcall(L, n_args, LUA_MULTRET, 0) == 0)
        return lua_gettop(L);
    ds_lua_check(L);
    if (lua_type(L, -1) == LUA_TSTRING) {
        const char *said = lua_tostring(L, -1);
        const char *name = lua_pushfstring(L, "'%s'", lua_tostring(L, lua_upvalueindex(2)));
        luaL_where(L, 1);
        luaL_gsub(L, said, "'?'", name);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static uint64_t length_of(lua_State *L, int index)
{
    return lua_type(L, index) == LUA_TSTRING || lua_istable(L, index) ? lua_objlen(L, index) : 0;
}

/* tonumber: the length of a text is work. */
static int guard_number(lua_State *L)
{
    ds_lua_charge(L, length_of(L, 1) / 8);
    return call_guarded(L);
}

/* The library and globals are tables that are read through; C functions of LuaJIT's would write to
 * them all the same. Only their metatables have the mark. */
static const char mark;

static void check_writable(lua_State *L, int index, int level)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return;
    lua_pushlightuserdata(L, (void *)(uintptr_t)&mark);
    lua_rawget(L, -2);
    if (!lua_isnil(L, -1)) {
        luaL_where(L, level);
        lua_pushliteral(L, "the library cannot be changed");
        lua_concat(L, 2);
        lua_error(L);
    }
    lua_pop(L, 2);
}

/* For sort, which is in Lua: the place of the error is that of its caller. */
static int check_list(lua_State *L)
{
    check_writable(L, 1, 2);
    return 0;
}

static int guard_remove(lua_State *L)
{
    check_writable(L, 1, 1);
    return call_guarded(L);
}

static int guard_insert(lua_State *L)
{
    check_writable(L, 1, 1);
    if (lua_gettop(L) > 2)
        ds_lua_charge(L, length_of(L, 1));
    return call_guarded(L);
}

/* Work in proportion to a range from argument `first` to the next one. */
static void charge_range(lua_State *L, int first)
{
    double from = luaL_optnumber(L, first, 1);
    double to = luaL_optnumber(L, first + 1, (double)length_of(L, 1));
    if (to > from)
        ds_lua_charge(L, to - from < 1e15 ? (uint64_t)(to - from) : UINT64_C(1000000000000000));
}

static int guard_unpack(lua_State *L)
{
    charge_range(L, 2);
    return call_guarded(L);
}

/* The work of making the text that is on top of the stack. */
static int charge_result(lua_State *L, int n_results)
{
    ds_lua_charge_text(L, length_of(L, -1));
    return n_results;
}

static int guard_concat(lua_State *L)
{
    charge_range(L, 3);
    return charge_result(L, call_guarded(L));
}

/* rep: what it makes may be there already, and would cost nothing; an empty text repeated costs
 * time, but no memory; and numbers of 32 bits are what LuaJIT looks at. */
static int guard_rep(lua_State *L)
{
    size_t length, separator;
    luaL_checklstring(L, 1, &length);
    luaL_optlstring(L, 3, "", &separator);
    double n = luaL_checknumber(L, 2), bytes = n * (double)(length + separator);
    if (n >= INT32_MAX || bytes >= INT32_MAX)
        return luaL_error(L, "resulting string too large");
    if (bytes > 0) {
        ds_lua_charge_text(L, (size_t)bytes);
        return call_guarded(L);
    }
    lua_pushliteral(L, "");
    return 1;
}

/* A table or a function is named by its type: an address is another one each time. */
static int to_string(lua_State *L)
{
    luaL_checkany(L, 1);
    ds_lua_check_depth(L);
    switch (lua_type(L, 1)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
        lua_settop(L, 1);
        lua_tolstring(L, 1, NULL);
        return 1;
    case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false"); return 1;
    case LUA_TTABLE:
        if (luaL_callmeta(L, 1, "__tostring"))
            return 1;
        break;
    default: break;
    }
    lua_pushstring(L, luaL_typename(L, 1));
    return 1;
}

/* %p would show an address. */
static void check_format(lua_State *L, const char *format, size_t length)
{
    const char *end = format + length;
    for (const char *at = format; at < end; at++) {
        if (*at != '%')
            continue;
        at++;
        while (at < end && strchr("-+ #0123456789.", *at) != NULL && *at != '\0')
            at++;
        if (at < end && *at == 'p')
            luaL_error(L, "format: %%p is not available");
    }
}

static int guard_format(lua_State *L)
{
    size_t length;
    const char *format = luaL_checklstring(L, 1, &length);
    check_format(L, format, length);
    for (int i = 2; i <= lua_gettop(L); i++) {
        if (lua_type(L, i) != LUA_TTABLE && lua_type(L, i) != LUA_TFUNCTION)
            continue;
        lua_pushcfunction(L, to_string);
        lua_pushvalue(L, i);
        lua_call(L, 1, 1);
        lua_replace(L, i);
    }
    for (int i = 1; i <= lua_gettop(L); i++)
        ds_lua_charge(L, length_of(L, i) / DS_LUA_WORK_BYTES);
    return charge_result(L, call_guarded(L));
}

/* ---- what is taken over ---- */

typedef struct taken {
    const char *name;
    lua_CFunction guard; /* NULL: as it is */
} taken;

static const taken base_functions[] = {
    {"assert", NULL},       {"error", NULL},
    {"getmetatable", NULL}, {"ipairs", NULL},
    {"pcall", NULL},        {"rawequal", NULL},
    {"rawget", NULL},       {"select", NULL},
    {"setmetatable", NULL}, {"tonumber", guard_number},
    {"type", NULL},         {"unpack", guard_unpack},
    {NULL, NULL},
};
static const taken string_functions[] = {
    {"char", NULL}, {"format", guard_format}, {"len", NULL}, {"rep", guard_rep}, {NULL, NULL},
};
static const taken table_functions[] = {
    {"concat", guard_concat},
    {"insert", guard_insert},
    {"remove", guard_remove},
    {NULL, NULL},
};
static const taken math_values[] = {
    {"abs", NULL},   {"acos", NULL},  {"asin", NULL},  {"atan", NULL}, {"atan2", NULL},
    {"ceil", NULL},  {"cos", NULL},   {"cosh", NULL},  {"deg", NULL},  {"exp", NULL},
    {"floor", NULL}, {"fmod", NULL},  {"frexp", NULL}, {"huge", NULL}, {"ldexp", NULL},
    {"log", NULL},   {"log10", NULL}, {"max", NULL},   {"min", NULL},  {"modf", NULL},
    {"pi", NULL},    {"pow", NULL},   {"rad", NULL},   {"sin", NULL},  {"sinh", NULL},
    {"sqrt", NULL},  {"tan", NULL},   {"tanh", NULL},  {NULL, NULL},
};
static const taken bit_functions[] = {
    {"arshift", NULL}, {"band", NULL},   {"bnot", NULL}, {"bor", NULL}, {"bswap", NULL},
    {"bxor", NULL},    {"lshift", NULL}, {"rol", NULL},  {"ror", NULL}, {"rshift", NULL},
    {"tobit", NULL},   {"tohex", NULL},  {NULL, NULL},
};

/* Copies values from the table at index `from` to the one on top of the stack. */
static void take(lua_State *L, int from, const taken *values)
{
    for (; values->name != NULL; values++) {
        lua_getfield(L, from, values->name);
        if (values->guard != NULL) {
            lua_pushstring(L, values->name);
            lua_pushcclosure(L, values->guard, 2);
        }
        lua_setfield(L, -2, values->name);
    }
}

/* A merge sort: stable, and a comparison that makes no sense does no harm. */
static const char sort_text[] =
    "local check = ...\n"
    "local function less(a, b) return a < b end\n"
    "return function(list, before)\n"
    "  check(list)\n"
    "  before = before or less\n"
    "  local n, from, to, width = #list, {}, {}, 1\n"
    "  for i = 1, n do from[i] = list[i] end\n"
    "  while width < n do\n"
    "    for low = 1, n, 2 * width do\n"
    "      local a, b = low, low + width\n"
    "      local a_end, b_end = b, b + width\n"
    "      if a_end > n + 1 then a_end = n + 1 end\n"
    "      if b_end > n + 1 then b_end = n + 1 end\n"
    "      for at = low, b_end - 1 do\n"
    "        if a < a_end and (b >= b_end or not before(from[b], from[a])) then\n"
    "          to[at], a = from[a], a + 1\n"
    "        else\n"
    "          to[at], b = from[b], b + 1\n"
    "        end\n"
    "      end\n"
    "    end\n"
    "    from, to, width = to, from, 2 * width\n"
    "  end\n"
    "  for i = 1, n do list[i] = from[i] end\n"
    "end\n";

static void add_sort(lua_State *L)
{
    if (luaL_loadbuffer(L, sort_text, sizeof sort_text - 1, "=sort") != 0)
        lua_error(L);
    lua_pushcfunction(L, check_list);
    lua_call(L, 1, 1);
    lua_setfield(L, -2, "sort");
}

/* ---- read-only tables ---- */

static int read_only_library(lua_State *L)
{
    return luaL_error(L, "the library cannot be changed");
}

static int read_only_globals(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
    return luaL_error(L,
                      "the global '%s' is set within a function: what it remembers would depend "
                      "on where a record is worked on (\"local\" is missing?)",
                      name);
}

/* Replaces the table on top of the stack by an empty one that reads from it. */
static void protect(lua_State *L, lua_CFunction on_write)
{
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&mark);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    if (on_write != NULL) {
        lua_pushcfunction(L, on_write);
    } else {
        lua_pushvalue(L, -3);
    }
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* ---- the whole ---- */

/* Opens a library of LuaJIT's: its table (or that of globals) is on top of the stack then. */
static void open_original(lua_State *L, lua_CFunction open, const char *name)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
    if (name[0] == '\0')
        lua_pushvalue(L, LUA_GLOBALSINDEX);
    else
        lua_getglobal(L, name);
}

/* Methods of strings ("text":upper()) come from the table on top of the stack. */
static void set_string_methods(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

/* Adds a library to the table on top of the stack. */
static void add_library(lua_State *L, lua_CFunction open, const char *name, const taken *values,
                        void (*more)(lua_State *))
{
    open_original(L, open, name);
    lua_newtable(L);
    take(L, lua_gettop(L) - 1, values);
    if (more != NULL)
        more(L);
    protect(L, read_only_library);
    lua_remove(L, -2);
    lua_setfield(L, -2, name);
}

static void more_strings(lua_State *L)
{
    ds_lua_add_text(L);
    ds_lua_add_patterns(L);
    set_string_methods(L);
}

int ds_lua_open_library(lua_State *L)
{
    lua_settop(L, 0);
    open_original(L, luaopen_base, "");
    lua_newtable(L);
    take(L, 1, base_functions);
    ds_lua_set_function(L, "tostring", to_string);
    ds_lua_add_order(L);
    add_library(L, luaopen_string, LUA_STRLIBNAME, string_functions, more_strings);
    add_library(L, luaopen_table, LUA_TABLIBNAME, table_functions, add_sort);
    add_library(L, luaopen_math, LUA_MATHLIBNAME, math_values, NULL);
    add_library(L, luaopen_bit, LUA_BITLIBNAME, bit_functions, NULL);
    lua_setfield(L, LUA_REGISTRYINDEX, LIBRARY);
    return 0;
}

void ds_lua_push_environment(lua_State *L)
{
    lua_newtable(L);
    lua_getfield(L, LUA_REGISTRYINDEX, LIBRARY);
    for (lua_pushnil(L); lua_next(L, -2) != 0;) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_settable(L, -5);
    }
    lua_pop(L, 1);
    protect(L, NULL);
}

void ds_lua_freeze(lua_State *L, int index)
{
    lua_getmetatable(L, index);
    lua_pushcfunction(L, read_only_globals);
    lua_setfield(L, -2, "__newindex");
    lua_pop(L, 1);
}
