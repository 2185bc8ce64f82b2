/* Functions in Lua for tests of expressions and aggregates. */
#ifndef DS_TESTS_LUA_FUNCTIONS_H
#define DS_TESTS_LUA_FUNCTIONS_H

#include "lua/functions.h"

#include "unit/unit.h"

#include <string.h>

#define LUA_MOST 40

typedef struct lua_list {
    ds_arena *arena;
    ds_lua_definition items[LUA_MOST];
    uint32_t n;
    const ds_user_functions *functions;
} lua_list;

/* Adds a function. args: names of types with blanks between; NULL: any. */
static inline void lua_add(lua_list *list, const char *name, const char *args, const char *returns,
                           bool aggregate, const char *text)
{
    if (list->arena == NULL)
        list->arena = ds_arena_new(NULL);
    ck_assert_uint_lt(list->n, LUA_MOST);
    ds_lua_definition *d = &list->items[list->n++];
    *d = (ds_lua_definition){.name = name, .place = name, .text = text, .aggregate = aggregate};
    ck_assert(ds_type_parse(returns, &d->returns));
    ds_type *types = args == NULL ? NULL : DS_ARENA_ARRAY(list->arena, ds_type, 8);
    for (const char *at = args; at != NULL && *at != '\0';) {
        char type[32];
        size_t length = strcspn(at, " ");
        snprintf(type, sizeof type, "%.*s", (int)length, at);
        ck_assert(ds_type_parse(type, &types[d->n_args++]));
        at += length + (at[length] == ' ');
    }
    d->args = types;
}

static inline void lua_ready(lua_list *list, const ds_lua_limits *limits)
{
    static const ds_lua_limits usual = {1000000, 16 << 20};
    list->functions =
        ds_lua_functions_new(list->arena, list->items, list->n, limits == NULL ? &usual : limits);
}

static inline void lua_done(lua_list *list)
{
    ds_arena_free(list->arena);
}

/* Expects that one of the notes is of this function and holds this text; forgets them. */
static inline void lua_noted(ds_fault_notes *notes, const char *function, const char *part)
{
    bool found = false;
    for (uint32_t i = 0; i < notes->n; i++)
        found = found || (strcmp(notes->notes[i].function, function) == 0 &&
                          strstr(notes->notes[i].message, part) != NULL);
    ck_assert_msg(found, "no note of %s with %s, but %u: %s: %s", function, part, notes->n,
                  notes->notes[0].function, notes->notes[0].message);
    notes->n = 0;
}

#endif
