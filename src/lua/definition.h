/*
 * A function of the user's own as the app file gives it, and how its text becomes something
 * that can be called.
 *
 * The text is a chunk that returns the function, or sets a global of its name; an expression
 * that is a function will do, too. An aggregate is a table of functions: init() gives the state
 * of no rows, update(state, values ...) that with a row, merge(older, newer) that of both, and
 * finish(state) the result (if it is left out, the state is).
 */
#ifndef DS_LUA_DEFINITION_H
#define DS_LUA_DEFINITION_H

#include "columnar/type.h"
#include "lua/sandbox.h"

#define DS_LUA_TEXT ((size_t)256 << 10) /* bytes of a text */

typedef struct ds_lua_definition {
    const char *name;  /* as written in the app file */
    const char *place; /* what messages call the text: "score.lua" */
    const char *text;
    const ds_type *args; /* NULL: any number of any types */
    uint32_t n_args;
    ds_type returns;
    bool aggregate;
} ds_lua_definition;

typedef enum ds_lua_part {
    DS_LUA_FUNCTION, /* or init */
    DS_LUA_UPDATE,
    DS_LUA_MERGE,
    DS_LUA_FINISH,
    DS_LUA_PARTS,
} ds_lua_part;

/* Places in the registry, by part; LUA_NOREF: it is not there. */
typedef struct ds_lua_loaded {
    int parts[DS_LUA_PARTS];
} ds_lua_loaded;

/* Loads a text into a state. False: the state's message says why. */
bool ds_lua_load(ds_lua *lua, const ds_lua_definition *definition, ds_lua_loaded *loaded);

/* Loads it into a state of its own, to learn whether it can be. False with a message, which begins
 * with the place ("score.lua:3: ...") where it is known. */
bool ds_lua_try(const ds_lua_definition *definition, const ds_lua_limits *limits,
                char message[static DS_LUA_MESSAGE]);

#endif
