/* Running pieces of Lua in a sandbox, for tests. */
#ifndef DS_TESTS_LUA_KIT_H
#define DS_TESTS_LUA_KIT_H

#include "base/buffer.h"
#include "base/memory.h"
#include "lua/definition.h"
#include "lua/library.h"

#include "unit/unit.h"

#include <string.h>

#define LUA_KIT_LIMITS ((ds_lua_limits){1000000, 16 << 20})

typedef struct lua_run {
    const char *text;
    ds_buffer *out;
} lua_run;

/* The values from first on, as text with blanks between. */
static inline void lua_kit_show(lua_State *L, int first, ds_buffer *out)
{
    for (int i = first; i <= lua_gettop(L); i++) {
        if (i > first)
            ds_buffer_append_char(out, ' ');
        if (lua_isboolean(L, i))
            ds_buffer_append_text(out, lua_toboolean(L, i) ? "true" : "false");
        else if (lua_isstring(L, i)) {
            size_t length;
            const char *text = lua_tolstring(L, i, &length);
            ds_buffer_append(out, text, length);
        } else
            ds_buffer_append_text(out, luaL_typename(L, i));
    }
}

static inline int lua_kit_body(lua_State *L)
{
    const lua_run *r = lua_touserdata(L, 1);
    ds_lua_push_environment(L);
    if (luaL_loadbufferx(L, r->text, strlen(r->text), "=t", "t") != 0)
        lua_error(L);
    lua_pushvalue(L, -2);
    lua_setfenv(L, -2);
    ds_lua_freeze(L, 2);
    lua_call(L, 0, LUA_MULTRET);
    ds_lua_check(L);
    lua_kit_show(L, 3, r->out);
    return 0;
}

/* What a chunk returns, or "error: " and why not. Valid until the next call. */
static inline const char *lua_in(ds_lua *lua, const char *text)
{
    static ds_buffer out;
    out.length = 0;
    lua_run r = {text, &out};
    if (!ds_lua_call(lua, lua_kit_body, &r)) {
        out.length = 0;
        ds_buffer_printf(&out, "error: %s", ds_lua_message(lua));
    }
    return ds_buffer_text(&out);
}

#endif
