#include "lua/definition.h"

#include "lua/library.h"

#include <stdio.h>
#include <string.h>

static const char *const part_names[] = {"init", "update", "merge", "finish"};

/* ---- the text ---- */

/* True if a text is a function as an expression: "function(x) ... end". */
static bool is_anonymous(const char *text)
{
    text += strspn(text, " \t\r\n");
    if (strncmp(text, "function", 8) != 0)
        return *text == '{';
    return text[8 + strspn(text + 8, " \t\r\n")] == '(';
}

/* No less than the length of the longest text that a chunk holds itself: a quoted one ends where
 * its line does, if nothing says otherwise. */
static size_t longest_literal(const char *text)
{
    static const char *const going_on[] = {"[[", "[=", "\\\n", "\\\r", "\\z"};
    for (size_t i = 0; i < sizeof going_on / sizeof *going_on; i++)
        if (strstr(text, going_on[i]) != NULL)
            return strlen(text);
    size_t longest = 0;
    for (size_t length; *text != '\0'; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* Pushes the compiled text. Only text: LuaJIT does not check compiled code. */
static void compile(lua_State *L, const ds_lua_definition *d)
{
    const char *chunk = lua_pushfstring(L, "@%s", d->place);
    const char *text = d->text;
    if (is_anonymous(text))
        text = lua_pushfstring(L, "return %s", text);
    if (luaL_loadbufferx(L, text, strlen(text), chunk, "t") != 0)
        lua_error(L);
    ds_lua_forget_text(L); /* what it was made from is not there for it */
    ds_lua_note_text(L, longest_literal(d->text));
}

/* ---- what it gives ---- */

static void missing(lua_State *L, const ds_lua_definition *d, const char *what)
{
    luaL_error(L, "%s: it must return %s, or set a global of the name %s", d->place, what, d->name);
}

static void take_function(lua_State *L, const ds_lua_definition *d, ds_lua_loaded *loaded)
{
    if (!lua_isfunction(L, -1))
        missing(L, d, "a function");
    loaded->parts[DS_LUA_FUNCTION] = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void take_aggregate(lua_State *L, const ds_lua_definition *d, ds_lua_loaded *loaded)
{
    if (!lua_istable(L, -1))
        missing(L, d, "a table of the functions init, update, merge and finish");
    for (int i = 0; i < DS_LUA_PARTS; i++) {
        lua_getfield(L, -1, part_names[i]);
        if (lua_isnil(L, -1) && i == DS_LUA_FINISH) {
            lua_pop(L, 1);
            continue;
        }
        if (!lua_isfunction(L, -1))
            luaL_error(L, "%s: the aggregate has no function %s", d->place, part_names[i]);
        loaded->parts[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
}

/* ---- loading ---- */

typedef struct loading {
    const ds_lua_definition *definition;
    ds_lua_loaded *loaded;
} loading;

static int load(lua_State *L)
{
    const loading *l = lua_touserdata(L, 1);
    const ds_lua_definition *d = l->definition;
    ds_lua_push_environment(L);
    int environment = lua_gettop(L);
    compile(L, d);
    lua_pushvalue(L, environment);
    lua_setfenv(L, -2);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1))
        lua_getfield(L, environment, d->name);
    ds_lua_freeze(L, environment);
    if (d->aggregate)
        take_aggregate(L, d, l->loaded);
    else
        take_function(L, d, l->loaded);
    ds_lua_check(L);
    return 0;
}

bool ds_lua_load(ds_lua *lua, const ds_lua_definition *definition, ds_lua_loaded *loaded)
{
    for (int i = 0; i < DS_LUA_PARTS; i++)
        loaded->parts[i] = LUA_NOREF;
    loading l = {definition, loaded};
    bool fine = ds_lua_call(lua, load, &l);
    ds_lua_keep_text(lua);
    return fine;
}

bool ds_lua_try(const ds_lua_definition *definition, const ds_lua_limits *limits,
                char message[static DS_LUA_MESSAGE])
{
    ds_lua_loaded loaded;
    ds_lua *lua = ds_lua_new(limits);
    if (lua == NULL) {
        snprintf(message, DS_LUA_MESSAGE, "limits.lua_memory is too small for Lua itself");
        return false;
    }
    bool fine = ds_lua_load(lua, definition, &loaded);
    snprintf(message, DS_LUA_MESSAGE, "%s", fine ? "" : ds_lua_message(lua));
    ds_lua_free(lua);
    return fine;
}
