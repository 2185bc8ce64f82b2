/*
 * States of aggregates in Lua from hostile peers: bytes are decoded in a sandbox. What is accepted
 * is encoded again, and has to stay as it is from then on; what is not must leave the sandbox
 * as good as before.
 */
#include "base/assert.h"
#include "lua/encode.h"
#include "lua/sandbox.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct round {
    const char *bytes;
    size_t length;
    ds_buffer out;
} round_trip;

static int decode_and_encode(lua_State *L)
{
    round_trip *r = lua_touserdata(L, 1);
    ds_lua_decode(L, r->bytes, r->length);
    ds_lua_restart(L);
    ds_lua_encode(L, 2, &r->out);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ds_lua *lua;
    const ds_lua_limits limits = {1000000, 4 << 20};
    if (lua == NULL)
        lua = ds_lua_new(&limits);
    round_trip first = {.bytes = (const char *)data, .length = size}, second = {0};
    if (ds_lua_call(lua, decode_and_encode, &first)) {
        second.bytes = first.out.data;
        second.length = first.out.length;
        DS_ASSERT(ds_lua_call(lua, decode_and_encode, &second));
        DS_ASSERT(second.out.length == first.out.length);
        DS_ASSERT(memcmp(second.out.data, first.out.data, first.out.length) == 0);
    }
    DS_ASSERT(ds_lua_bytes(lua) < limits.memory + (1 << 20));
    ds_buffer_fini(&first.out);
    ds_buffer_fini(&second.out);
    return 0;
}
