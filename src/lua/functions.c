#include "lua/functions.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A state, with all functions loaded. */
typedef struct ds_lua_state {
    struct ds_lua_state *next;
    ds_lua *lua;
    struct {
        bool loaded;
        ds_lua_loaded parts;
        char message[DS_LUA_MESSAGE]; /* why not */
    } texts[];
} ds_lua_state;

struct ds_lua_set {
    ds_user_functions functions; /* first: it stands for the whole */
    ds_lua_limits limits;
    ds_budget *budget; /* NULL: none */
    ds_lua_function *items;
    uint32_t n;
    pthread_mutex_t lock; /* of idle */
    ds_lua_state *idle;
};

/* ---- states ---- */

static ds_lua_state *new_state(const ds_lua_set *set)
{
    ds_lua *lua = ds_lua_new(&set->limits);
    if (lua == NULL)
        return NULL;
    ds_lua_charge_to(lua, set->budget);
    ds_lua_state *state = ds_calloc(1, sizeof *state + set->n * sizeof state->texts[0]);
    state->lua = lua;
    for (uint32_t i = 0; i < set->n; i++) {
        state->texts[i].loaded = ds_lua_load(lua, set->items[i].definition, &state->texts[i].parts);
        if (!state->texts[i].loaded)
            memcpy(state->texts[i].message, ds_lua_message(lua), DS_LUA_MESSAGE);
    }
    ds_lua_relieve(lua);
    return state;
}

static ds_lua_state *take_state(ds_lua_set *set)
{
    pthread_mutex_lock(&set->lock);
    ds_lua_state *state = set->idle;
    if (state != NULL)
        set->idle = state->next;
    pthread_mutex_unlock(&set->lock);
    return state != NULL ? state : new_state(set);
}

static void put_state(ds_lua_set *set, ds_lua_state *state)
{
    if (ds_budget_exceeded(set->budget))
        ds_lua_relieve(state->lua);
    pthread_mutex_lock(&set->lock);
    state->next = set->idle;
    set->idle = state;
    pthread_mutex_unlock(&set->lock);
}

static void free_set(void *arg)
{
    ds_lua_set *set = arg;
    while (set->idle != NULL) {
        ds_lua_state *state = set->idle;
        set->idle = state->next;
        ds_lua_free(state->lua);
        free(state);
    }
    pthread_mutex_destroy(&set->lock);
}

/* ---- use ---- */

void ds_lua_use_begin(ds_lua_use *use, const ds_lua_function *function)
{
    *use = (ds_lua_use){.function = function, .state = take_state(function->set)};
    uint32_t i = function->index;
    if (use->state == NULL)
        snprintf(use->message, DS_LUA_MESSAGE, "limits.lua_memory is too small for Lua itself");
    else if (use->state->texts[i].loaded)
        use->loaded = &use->state->texts[i].parts;
    else
        memcpy(use->message, use->state->texts[i].message, DS_LUA_MESSAGE);
}

void ds_lua_use_end(ds_lua_use *use)
{
    if (use->state != NULL)
        put_state(use->function->set, use->state);
}

bool ds_lua_use_call(ds_lua_use *use, lua_CFunction fn, void *arg)
{
    if (use->loaded != NULL) {
        ds_lua *lua = use->state->lua;
        if (ds_lua_call(lua, fn, arg))
            return true;
        if (ds_lua_stopped(lua) ==
            DS_LUA_MEMORY) { /* garbage of other calls may have been in the way */
            ds_lua_collect(lua);
            if (ds_lua_call(lua, fn, arg))
                return true;
        }
        snprintf(use->message, sizeof use->message, "%s", ds_lua_message(lua));
    }
    ds_fault_note(use->function->definition->name, use->message);
    return false;
}

void ds_lua_push_part(lua_State *L, const ds_lua_use *use, ds_lua_part part)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, use->loaded->parts[part]);
}

/* ---- entries ---- */

/* "score(string, int)". */
static const char *usage_of(ds_arena *arena, const ds_lua_definition *d)
{
    ds_buffer text = {0};
    ds_buffer_printf(&text, "%s(", d->name);
    for (uint32_t i = 0; d->args != NULL && i < d->n_args; i++)
        ds_buffer_printf(&text, "%s%s", i > 0 ? ", " : "", ds_type_name(d->args[i]));
    ds_buffer_append_text(&text, d->args == NULL ? "...)" : ")");
    const char *usage = ds_arena_strndup(arena, text.data, text.length);
    ds_buffer_fini(&text);
    return usage;
}

static const char *lower_name(ds_arena *arena, const char *name)
{
    char *lower = ds_arena_strdup(arena, name);
    for (char *c = lower; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    return lower;
}

static void init_function(ds_arena *arena, ds_lua_function *f, const ds_lua_definition *d)
{
    const char *name = lower_name(arena, d->name), *usage = usage_of(arena, d);
    f->definition = d;
    if (d->aggregate)
        ds_lua_aggregate_init(&f->aggregate, name, d, usage);
    else
        f->function = (ds_function){.name = name,
                                    .min_args = d->args != NULL ? d->n_args : 0,
                                    .max_args = d->args != NULL ? d->n_args : DS_MAX_ARGS,
                                    .resolve = ds_lua_resolve,
                                    .usage = usage};
}

const ds_user_functions *ds_lua_functions_new(ds_arena *arena, const ds_lua_definition *definitions,
                                              uint32_t n, const ds_lua_limits *limits)
{
    ds_lua_set *set = DS_ARENA_NEW(arena, ds_lua_set);
    const ds_function **functions = DS_ARENA_ARRAY(arena, const ds_function *, n + 1);
    const ds_aggregate **aggregates = DS_ARENA_ARRAY(arena, const ds_aggregate *, n + 1);
    set->limits = *limits;
    set->n = n;
    set->items = DS_ARENA_ARRAY(arena, ds_lua_function, n + 1);
    set->functions = (ds_user_functions){.functions = functions, .aggregates = aggregates};
    pthread_mutex_init(&set->lock, NULL);
    ds_arena_on_free(arena, free_set, set);
    for (uint32_t i = 0; i < n; i++) {
        ds_lua_function *f = &set->items[i];
        f->set = set;
        f->index = i;
        init_function(arena, f, &definitions[i]);
        if (definitions[i].aggregate)
            aggregates[set->functions.n_aggregates++] = &f->aggregate;
        else
            functions[set->functions.n_functions++] = &f->function;
    }
    return &set->functions;
}

void ds_lua_functions_charge(const ds_user_functions *functions, ds_budget *budget)
{
    ds_lua_set *set = (ds_lua_set *)(uintptr_t)functions;
    if (set == NULL)
        return;
    DS_ASSERT(set->idle == NULL && set->budget == NULL);
    set->budget = budget;
}

int64_t ds_lua_functions_need(const ds_user_functions *functions)
{
    ds_lua_set *set = (ds_lua_set *)(uintptr_t)functions;
    ds_lua_state *state = set == NULL ? NULL : take_state(set);
    if (state == NULL)
        return 0;
    int64_t bytes = ds_lua_bytes(state->lua);
    put_state(set, state);
    return bytes;
}

void ds_lua_functions_relieve(const ds_user_functions *functions)
{
    ds_lua_set *set = (ds_lua_set *)(uintptr_t)functions;
    if (set == NULL)
        return;
    pthread_mutex_lock(&set->lock);
    for (ds_lua_state *state = set->idle; state != NULL; state = state->next)
        ds_lua_relieve(state->lua);
    pthread_mutex_unlock(&set->lock);
}
