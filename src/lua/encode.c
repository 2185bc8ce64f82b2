/*
 * A value is a byte that says what it is, and then
 *
 *     INT                a varint, zigzag: numbers without a fraction of up to 53 bits
 *     NUMBER             8 bytes, little-endian
 *     STRING             a varint, the length, and the bytes
 *     TABLE              two varints, n elements and m other entries; n values; m keys and values
 *
 * A varint has 7 bits in each byte, the low ones first, and the top bit in all but the last.
 */
#include "lua/encode.h"

#include "lua/library.h"
#include "lua/sandbox.h"

#include <math.h>
#include <string.h>

enum { NIL, FALSE, TRUE, INT, NUMBER, STRING, TABLE };

#define EXACT 9007199254740992.0

/* ---- writing ---- */

static void put_varint(ds_buffer *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        ds_buffer_append_char(out, (char)(value | 0x80));
    ds_buffer_append_char(out, (char)value);
}

static void put_number(ds_buffer *out, double value)
{
    if (trunc(value) == value && fabs(value) <= EXACT && !(value == 0 && signbit(value))) {
        int64_t whole = (int64_t)value;
        ds_buffer_append_char(out, INT);
        put_varint(out, (uint64_t)whole << 1 ^ (uint64_t)(whole >> 63));
        return;
    }
    ds_buffer_append_char(out, NUMBER);
    ds_buffer_append(out, &value, sizeof value);
}

static void encode(lua_State *L, int index, ds_buffer *out, int depth);

/* How many elements there are from 1 on, without a nil between. */
static int elements(lua_State *L, int table)
{
    int n = 0;
    for (;; n++) {
        lua_rawgeti(L, table, n + 1);
        bool end = lua_isnil(L, -1);
        lua_pop(L, 1);
        if (end)
            return n;
    }
}

static bool is_element(lua_State *L, int index, int n)
{
    double key = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : 0;
    return key >= 1 && key <= n && trunc(key) == key;
}

static void encode_table(lua_State *L, int table, ds_buffer *out, int depth)
{
    if (lua_getmetatable(L, table))
        luaL_error(L, "a state cannot hold a table with a metatable");
    int n = elements(L, table), all = ds_lua_push_keys(L, table), keys = lua_gettop(L);
    ds_buffer_append_char(out, TABLE);
    put_varint(out, (uint64_t)n);
    put_varint(out, (uint64_t)(all - n));
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, table, i);
        encode(L, keys + 1, out, depth);
        lua_settop(L, keys);
    }
    for (int i = 1; i <= all; i++) {
        lua_rawgeti(L, keys, i);
        if (!is_element(L, keys + 1, n)) {
            encode(L, keys + 1, out, depth);
            lua_pushvalue(L, keys + 1);
            lua_rawget(L, table);
            encode(L, keys + 2, out, depth);
        }
        lua_settop(L, keys);
    }
    lua_settop(L, keys - 1);
}

static void encode(lua_State *L, int index, ds_buffer *out, int depth)
{
    size_t length;
    luaL_checkstack(L, 8, "a state is nested too deeply");
    switch (lua_type(L, index)) {
    case LUA_TNIL: ds_buffer_append_char(out, NIL); break;
    case LUA_TBOOLEAN: ds_buffer_append_char(out, lua_toboolean(L, index) ? TRUE : FALSE); break;
    case LUA_TNUMBER: put_number(out, lua_tonumber(L, index)); break;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, index, &length);
        ds_buffer_append_char(out, STRING);
        put_varint(out, length);
        ds_buffer_append(out, text, length);
        break;
    }
    case LUA_TTABLE:
        if (depth >= DS_LUA_NESTING)
            luaL_error(L, "a state has tables nested more than %d deep", DS_LUA_NESTING);
        encode_table(L, index, out, depth + 1);
        break;
    default: luaL_error(L, "a state cannot hold a %s", luaL_typename(L, index));
    }
    if (out->length > DS_LUA_ENCODED)
        luaL_error(L, "a state has more than %d bytes", (int)DS_LUA_ENCODED);
}

void ds_lua_encode(lua_State *L, int index, ds_buffer *out)
{
    size_t before = out->length;
    encode(L, index, out, 0);
    ds_lua_charge(L, (out->length - before) / 8);
}

/* ---- reading ---- */

typedef struct reader {
    lua_State *L;
    const char *at, *end;
} reader;

static void malformed(const reader *r)
{
    luaL_error(r->L, "the bytes of a state are damaged");
}

static size_t left(const reader *r)
{
    return (size_t)(r->end - r->at);
}

static uint64_t get_varint(reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (left(r) == 0)
            malformed(r);
        uint8_t byte = (uint8_t)*r->at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return value;
    }
    malformed(r);
    return 0;
}

static void get_int(reader *r)
{
    uint64_t value = get_varint(r);
    int64_t whole = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
    if (fabs((double)whole) > EXACT)
        malformed(r);
    lua_pushnumber(r->L, (double)whole);
}

static void get_number(reader *r)
{
    double value;
    if (left(r) < sizeof value)
        malformed(r);
    memcpy(&value, r->at, sizeof value);
    r->at += sizeof value;
    lua_pushnumber(r->L, isnan(value) ? (double)NAN : value);
}

static void get_string(reader *r)
{
    uint64_t length = get_varint(r);
    if (length > left(r))
        malformed(r);
    lua_pushlstring(r->L, r->at, (size_t)length);
    r->at += length;
}

static void decode(reader *r, int depth);

static void get_table(reader *r, int depth)
{
    uint64_t n = get_varint(r), m = get_varint(r);
    if (n > left(r) || m > left(r) / 2 || n + 2 * m > left(r) || depth >= DS_LUA_NESTING)
        malformed(r);
    ds_lua_new_table(r->L, (int)n, (int)m);
    for (uint64_t i = 1; i <= n; i++) {
        decode(r, depth + 1);
        lua_rawseti(r->L, -2, (int)i);
    }
    for (uint64_t i = 0; i < m; i++) {
        decode(r, depth + 1);
        int type = lua_type(r->L, -1);
        bool is_key = type == LUA_TSTRING || type == LUA_TBOOLEAN ||
                      (type == LUA_TNUMBER && !isnan(lua_tonumber(r->L, -1)));
        if (!is_key)
            malformed(r);
        decode(r, depth + 1);
        lua_rawset(r->L, -3);
    }
}

static void decode(reader *r, int depth)
{
    luaL_checkstack(r->L, 8, "a state is nested too deeply");
    if (left(r) == 0)
        malformed(r);
    switch (*r->at++) {
    case NIL: lua_pushnil(r->L); break;
    case FALSE: lua_pushboolean(r->L, 0); break;
    case TRUE: lua_pushboolean(r->L, 1); break;
    case INT: get_int(r); break;
    case NUMBER: get_number(r); break;
    case STRING: get_string(r); break;
    case TABLE: get_table(r, depth); break;
    default: malformed(r);
    }
}

void ds_lua_decode(lua_State *L, const char *bytes, size_t length)
{
    reader r = {L, bytes, bytes + length};
    ds_lua_charge(L, length / 8);
    decode(&r, 0);
    if (left(&r) != 0)
        malformed(&r);
}
