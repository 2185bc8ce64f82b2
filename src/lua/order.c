/*
 * pairs and next in the order of keys: numbers, then strings by their bytes, then false and true.
 * LuaJIT's own order follows hashes with a random seed, and addresses: another one in each
 * process. Keys that are tables or functions have no order, and cannot be gone through.
 */
#include "lua/library.h"

#include "base/assert.h"
#include "lua/sandbox.h"

#include <stdlib.h>
#include <string.h>

typedef struct key {
    int rank; /* of its type */
    double number;
    const char *text; /* stays where it is as long as the table has it */
    size_t length;
} key;

enum { NUMBERS, STRINGS, BOOLEANS };

static key key_at(lua_State *L, int index)
{
    key k = {.rank = NUMBERS};
    switch (lua_type(L, index)) {
    case LUA_TNUMBER: k.number = lua_tonumber(L, index); break;
    case LUA_TBOOLEAN:
        k.rank = BOOLEANS;
        k.number = lua_toboolean(L, index);
        break;
    case LUA_TSTRING:
        k.rank = STRINGS;
        k.text = lua_tolstring(L, index, &k.length);
        break;
    default: luaL_error(L, "a key that is a %s has no order", luaL_typename(L, index));
    }
    return k;
}

static int compare(const void *x, const void *y)
{
    const key *a = x, *b = y;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->rank != STRINGS)
        return (a->number > b->number) - (a->number < b->number);
    size_t least = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->text, b->text, least);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static void push_key(lua_State *L, const key *k)
{
    if (k->rank == NUMBERS)
        lua_pushnumber(L, k->number);
    else if (k->rank == STRINGS)
        lua_pushlstring(L, k->text, k->length);
    else
        lua_pushboolean(L, k->number != 0);
}

/* Counts the work of bringing them into order, too, which is more for long ones. */
static uint32_t count_keys(lua_State *L, int index)
{
    uint32_t n = 0;
    uint64_t bytes = 0;
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1), n++)
        if (lua_type(L, -2) == LUA_TSTRING)
            bytes += lua_objlen(L, -2);
    ds_lua_charge(L, (uint64_t)n * 4 + bytes / 16);
    return n;
}

int ds_lua_push_keys(lua_State *L, int index)
{
    DS_ASSERT(index > 0);
    uint32_t n = count_keys(L, index), at = 0;
    key *keys = ds_lua_new_bytes(L, (n + 1) * sizeof *keys);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1))
        keys[at++] = key_at(L, lua_gettop(L) - 1);
    qsort(keys, n, sizeof *keys, compare);
    ds_lua_new_table(L, (int)n, 0);
    for (uint32_t i = 0; i < n; i++) {
        push_key(L, &keys[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_remove(L, -2);
    return (int)n;
}

/* Upvalues: the table, its keys, and how many have been gone through. A key that has been taken
 * out since is passed over. */
static int step(lua_State *L)
{
    int at = (int)lua_tointeger(L, lua_upvalueindex(3));
    for (;;) {
        lua_settop(L, 0);
        lua_rawgeti(L, lua_upvalueindex(2), ++at);
        if (lua_isnil(L, 1))
            return 1;
        lua_pushvalue(L, 1);
        lua_rawget(L, lua_upvalueindex(1));
        if (!lua_isnil(L, 2))
            break;
    }
    lua_pushinteger(L, at);
    lua_replace(L, lua_upvalueindex(3));
    return 2;
}

static int ordered_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    ds_lua_push_keys(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, step, 3);
    lua_insert(L, 1);
    return 2; /* the iterator, and the table as its state */
}

static int ordered_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    bool first = lua_isnil(L, 2), found = false;
    key after = first ? (key){0} : key_at(L, 2), least = {0};
    ds_lua_charge(L, count_keys(L, 1));
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        key k = key_at(L, lua_gettop(L) - 1);
        if ((first || compare(&k, &after) > 0) && (!found || compare(&k, &least) < 0)) {
            least = k;
            found = true;
        }
    }
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    push_key(L, &least);
    lua_pushvalue(L, -1);
    lua_rawget(L, 1);
    return 2;
}

void ds_lua_add_order(lua_State *L)
{
    ds_lua_set_function(L, "pairs", ordered_pairs);
    ds_lua_set_function(L, "next", ordered_next);
}
