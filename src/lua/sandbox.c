/*
 * The limits of a sandbox (sandbox.h): a counting hook, and an allocator before LuaJIT's own.
 *
 * When the work is used up the hook raises an error, and from then on it is called at every
 * instruction and raises it again: a pcall cannot hold it back. The allocator has no other
 * way than to refuse memory, which Lua reports as an error too; the next hook does the rest.
 *
 * LuaJIT collects garbage as it allocates, but not when memory is refused. So it does that
 * sooner when little is left, and a call begins with a full collection when half of the memory is
 * in use: what it may use does not depend on the calls before it.
 */
#include "lua/sandbox.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "columnar/text.h"
#include "lua/library.h"

#include <luajit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PERIOD 1000               /* instructions between two hooks */
#define LARGE 1024u               /* bytes from which an allocation is refused for want of work */
#define MADE_BYTES 64             /* of memory that are the work of an instruction */
#define COLLECTED_BYTES 256       /* the same, of those that a collection goes through */
#define STEP (INT64_C(64) << 10)  /* bytes in use that a budget is told of, at least */
#define DEPTH ((size_t)256 << 10) /* bytes of C stack for calls within calls */
/* Bytes of text for which an instruction counts once more. It may compare or copy all of it, or
 * even read it as a number ("111" + 1), which takes a nanosecond for each byte. */
#define LONG ((size_t)4 << 10)

struct ds_lua {
    lua_State *L;
    ds_lua_limits limits;
    lua_Alloc allocate; /* LuaJIT's own */
    void *allocate_arg;
    ds_budget *budget;            /* borrowed, or NULL */
    int64_t charged;              /* to it: nearly `used` */
    int64_t used;                 /* bytes */
    int64_t kept;                 /* bytes in use after the last collection */
    int64_t left;                 /* work */
    int64_t made;                 /* bytes allocated that have not been counted as work */
    int period;                   /* of the hook */
    size_t longest, kept_longest; /* bytes of text: of this call, and of what was loaded */
    size_t doubtful;              /* bytes allocated last: of a table, or text of such a length */
    bool guarded;                 /* limits hold */
    bool collecting;              /* nothing is refused: see ds_lua_collect */
    bool tight;                   /* garbage is collected sooner */
    ds_lua_stop stopped;
    const char *stack; /* of C, where the call began */
    int entry;         /* in the registry: run_called, made once */
    lua_CFunction called;
    void *called_with;
    char message[DS_LUA_MESSAGE];
};

/* ---- memory ---- */

static bool refuse(ds_lua *lua, ds_lua_stop why)
{
    if (lua->stopped == DS_LUA_FINE)
        lua->stopped = why;
    return true;
}

/* The next collection begins when the memory in use has grown by so much: to twice its size
 * where there is plenty, by a tenth where there is not. Then it goes on in larger steps, too: a
 * step is made for an allocation, however large that is. */
static void set_pause(ds_lua *lua)
{
    bool tight = lua->used > lua->limits.memory / 4;
    if (tight != lua->tight) {
        lua_gc(lua->L, LUA_GCSETPAUSE, tight ? 110 : 200);
        lua_gc(lua->L, LUA_GCSETSTEPMUL, tight ? 10000 : 200);
    }
    lua->tight = tight;
}

static bool is_power_of_two(size_t n)
{
    return (n & (n - 1)) == 0;
}

/* True for the sizes of tables: a power of two of entries, for lists one more; and for that of the
 * table of all texts, a power of two. All other large blocks are text; and a text may be
 * made of just such a length. But a table that grows frees what it had before, at once. */
static bool is_table(size_t size)
{
    return is_power_of_two(size) || (size % 8 == 0 && is_power_of_two(size / 8 - 1)) ||
           (size % 24 == 0 && is_power_of_two(size / 24));
}

/* The first one of a call means a collection before the next call (ds_lua_restart): that is work
 * of this one. */
static void note_long(ds_lua *lua, size_t size)
{
    if (size < LONG)
        return;
    if (lua->longest == lua->kept_longest && size > lua->longest)
        lua->left -= lua->kept / COLLECTED_BYTES;
    if (size > lua->longest)
        lua->longest = size;
}

/* What is allocated has to be collected some time, and that takes longer than making it. */
static void charge_made(ds_lua *lua, size_t size)
{
    lua->made += (int64_t)size;
    if (lua->made < LARGE)
        return;
    lua->left -= lua->made / MADE_BYTES;
    lua->made = 0;
}

/* At what comes next, here: the free of a block of old_size bytes, if it is one. */
static void settle_doubt(ds_lua *lua, size_t old_size)
{
    size_t size = lua->doubtful;
    lua->doubtful = 0;
    if (size >= LONG && !(old_size >= size / 4 && is_table(old_size)))
        note_long(lua, size);
}

/* Texts are never made longer in their place: what grows is no text. */
static bool is_refused(ds_lua *lua, size_t old_size, size_t size)
{
    if (!lua->guarded || lua->collecting || size <= old_size)
        return false;
    set_pause(lua);
    if (lua->used + (int64_t)(size - old_size) > lua->limits.memory)
        return refuse(lua, DS_LUA_MEMORY);
    charge_made(lua, size);
    if (size < LARGE)
        return false;
    if (old_size == 0 && is_table(size))
        lua->doubtful = size;
    else if (old_size == 0)
        note_long(lua, size);
    return lua->left < 0 && refuse(lua, DS_LUA_INSTRUCTIONS);
}

static void charge_used(ds_lua *lua, int64_t least)
{
    int64_t more = lua->used - lua->charged;
    if (lua->budget == NULL || (more < least && more > -least))
        return;
    ds_budget_charge(lua->budget, more);
    lua->charged = lua->used;
}

static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
    ds_lua *lua = arg;
    settle_doubt(lua, size == 0 ? old_size : 0);
    if (is_refused(lua, old != NULL ? old_size : 0, size))
        return NULL;
    void *memory = lua->allocate(lua->allocate_arg, old, old_size, size);
    if (memory != NULL || size == 0)
        lua->used += (int64_t)size - (int64_t)old_size;
    charge_used(lua, STEP);
    return memory;
}

/* The state's own data. */
static ds_lua *own(lua_State *L)
{
    void *lua;
    lua_getallocf(L, &lua);
    return lua;
}

/* A collection allocates, too: a smaller table of all texts, before the larger one is freed. That
 * is half as large, so it may have it, whatever is in use: there may be no one to catch an error.
 */
void ds_lua_collect(ds_lua *lua)
{
    lua->collecting = true;
    lua_gc(lua->L, LUA_GCCOLLECT, 0);
    lua->collecting = false;
    lua->kept = lua->used;
}

void ds_lua_relieve(ds_lua *lua)
{
    if (lua->used - lua->kept > STEP)
        ds_lua_collect(lua);
    charge_used(lua, 1);
}

void ds_lua_charge_to(ds_lua *lua, ds_budget *budget)
{
    DS_ASSERT(lua->budget == NULL);
    lua->budget = budget;
    charge_used(lua, 1);
}

int64_t ds_lua_bytes(const ds_lua *lua)
{
    return lua->used;
}

/* ---- work ---- */

static void stop(lua_State *L, ds_lua *lua);

static void on_count(lua_State *L, lua_Debug *at)
{
    (void)at;
    ds_lua *lua = own(L);
    settle_doubt(lua, 0);
    lua->left -= lua->period * (int64_t)(1 + lua->longest / LONG);
    if (lua->left < 0)
        stop(L, lua);
}

static void stop(lua_State *L, ds_lua *lua)
{
    refuse(lua, DS_LUA_INSTRUCTIONS);
    lua->period = 1;
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    luaL_error(L, "too many instructions");
}

void ds_lua_restart(lua_State *L)
{
    ds_lua *lua = own(L);
    bool much =
        lua->used > lua->limits.memory / 2 && lua->used - lua->kept > lua->limits.memory / 8;
    if (much ||
        lua->longest > lua->kept_longest) /* text that is still there would be made unseen */
        ds_lua_collect(lua);
    lua->longest = lua->kept_longest;
    lua->left = lua->limits.instructions;
    lua->made = 0;
    lua->doubtful = 0;
    lua->stopped = DS_LUA_FINE;
    lua->period = lua->left < PERIOD ? (int)lua->left : PERIOD;
    lua_sethook(L, on_count, LUA_MASKCOUNT, lua->period);
}

void ds_lua_check(lua_State *L)
{
    if (own(L)->stopped != DS_LUA_FINE)
        luaL_error(L, "a limit was passed");
}

void ds_lua_charge(lua_State *L, uint64_t work)
{
    ds_lua *lua = own(L);
    lua->left -= work < INT64_MAX / 2 ? (int64_t)work : INT64_MAX / 2;
    if (lua->left < 0)
        stop(L, lua);
}

void ds_lua_note_text(lua_State *L, size_t length)
{
    note_long(own(L), length);
}

void ds_lua_charge_text(lua_State *L, size_t length)
{
    note_long(own(L), length);
    ds_lua_charge(L, length / DS_LUA_WORK_BYTES);
}

void ds_lua_forget_text(lua_State *L)
{
    ds_lua *lua = own(L);
    lua->longest = lua->kept_longest;
}

void ds_lua_new_table(lua_State *L, int n_elements, int n_others)
{
    ds_lua *lua = own(L);
    size_t longest = lua->longest;
    lua_createtable(L, n_elements, n_others);
    lua->longest = longest;
    lua->doubtful = 0;
}

void *ds_lua_new_bytes(lua_State *L, size_t size)
{
    ds_lua *lua = own(L);
    size_t longest = lua->longest;
    void *bytes = lua_newuserdata(L, size);
    lua->longest = longest;
    lua->doubtful = 0;
    return bytes;
}

void ds_lua_keep_text(ds_lua *lua)
{
    lua->kept_longest = lua->longest;
}

void ds_lua_check_depth(lua_State *L)
{
    const char *here = __builtin_frame_address(0);
    const char *begin = own(L)->stack;
    size_t depth = here < begin ? (size_t)(begin - here) : (size_t)(here - begin);
    if (depth > DEPTH)
        luaL_error(L, "calls are nested too deeply");
}

/* ---- calls ---- */

/* Keeps what is on top of the stack as the message. Allocates nothing in Lua. */
static void keep_message(ds_lua *lua)
{
    lua_State *L = lua->L;
    ds_buffer text = {0};
    if (lua->stopped == DS_LUA_INSTRUCTIONS)
        ds_buffer_printf(&text, "it takes more than %lld instructions (limits.lua_instructions)",
                         (long long)lua->limits.instructions);
    else if (lua->stopped == DS_LUA_MEMORY)
        ds_buffer_printf(&text, "it needs more than %lld bytes of memory (limits.lua_memory)",
                         (long long)lua->limits.memory);
    else if (lua_type(L, -1) == LUA_TSTRING) {
        size_t length;
        const char *said = lua_tolstring(L, -1, &length);
        ds_utf8_repair(&text, said, length < DS_LUA_MESSAGE ? length : DS_LUA_MESSAGE);
    } else if (lua_type(L, -1) == LUA_TNUMBER)
        ds_buffer_printf(&text, "%.14g", lua_tonumber(L, -1));
    else
        ds_buffer_printf(&text, "an error that is a %s", luaL_typename(L, -1));
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.data[i] < 0x20)
            text.data[i] = ' ';
    size_t length = text.length < DS_LUA_MESSAGE ? text.length : DS_LUA_MESSAGE - 1;
    while (length < text.length && length > 0 && (text.data[length] & 0xC0) == 0x80)
        length--; /* no half characters */
    memcpy(lua->message, text.data, length);
    lua->message[length] = '\0';
    ds_buffer_fini(&text);
}

/* What every call begins with. lua_cpcall makes a closure for each call, without ever asking
 * whether it is time to collect them. */
static int run_called(lua_State *L)
{
    const ds_lua *lua = own(L);
    lua_pushlightuserdata(L, lua->called_with);
    return lua->called(L);
}

static int make_entry(lua_State *L)
{
    ds_lua *lua = lua_touserdata(L, 1);
    lua_pushcfunction(L, run_called);
    lua->entry = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

bool ds_lua_call(ds_lua *lua, lua_CFunction fn, void *arg)
{
    lua->stack = __builtin_frame_address(0);
    lua->called = fn;
    lua->called_with = arg;
    ds_lua_restart(lua->L);
    lua_rawgeti(lua->L, LUA_REGISTRYINDEX, lua->entry);
    bool fine = lua_pcall(lua->L, 0, 0, 0) == 0;
    if (!fine)
        keep_message(lua);
    lua_settop(lua->L, 0);
    return fine;
}

const char *ds_lua_message(const ds_lua *lua)
{
    return lua->message;
}

ds_lua_stop ds_lua_stopped(const ds_lua *lua)
{
    return lua->stopped;
}

/* ---- the state ---- */

/* The last resort: an error of Lua's that no call catches is a bug of ours, which says where. */
static int on_panic(lua_State *L)
{
    const char *said = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    fprintf(stderr, "an error in Lua outside of a call: %s\n", said);
    DS_UNREACHABLE();
}

ds_lua *ds_lua_new(const ds_lua_limits *limits)
{
    DS_ASSERT(limits->instructions > 0 && limits->memory > 0);
    lua_State *L = luaL_newstate();
    DS_ASSERT(L != NULL); /* as for any memory that the system has not */
    ds_lua *lua = ds_calloc(1, sizeof *lua);
    lua->L = L;
    lua_atpanic(L, on_panic);
    lua->limits = (ds_lua_limits){INT64_MAX / 4, INT64_MAX / 4}; /* not yet for the library */
    lua->allocate = lua_getallocf(L, &lua->allocate_arg);
    lua->used = (int64_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024;
    lua_setallocf(L, allocate, lua);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    bool fine = lua_cpcall(L, make_entry, lua) == 0 && ds_lua_call(lua, ds_lua_open_library, NULL);
    DS_ASSERT(fine);
    ds_lua_collect(lua);
    lua->limits = *limits;
    lua->guarded = true;
    if (lua->used <= limits->memory)
        return lua;
    ds_lua_free(lua);
    return NULL;
}

void ds_lua_free(ds_lua *lua)
{
    if (lua == NULL)
        return;
    lua->guarded = false;
    ds_budget_charge(lua->budget, -lua->charged);
    lua_setallocf(lua->L, lua->allocate, lua->allocate_arg); /* it frees what is its own */
    lua_close(lua->L);
    free(lua);
}
