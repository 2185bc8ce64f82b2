/*
 * The second pass over an app file: from the checked tree (app_check.h) to ds_app, with all
 * that a shape alone cannot tell: names, the graph, addresses, rows.
 *
 * The parts run in the order of this header. Each takes what it finds: a value that was wrong
 * is not there any more and has been reported.
 */
#ifndef DS_DSTREAM_APP_BUILD_H
#define DS_DSTREAM_APP_BUILD_H

#include "dstream/app.h"
#include "dstream/app_keys.h"

/* A source or stream by name. */
typedef struct ds_app_node {
    const char *name;
    const ds_app_source *source; /* or */
    ds_app_stream *stream;
    int64_t slide_ms; /* 0: not known, as something is wrong */
    bool timeless;    /* a table, or made of tables alone: its slide is that of what it is with */
    bool used;        /* a sink needs it */
} ds_app_node;

typedef struct ds_app_builder {
    ds_app *app; /* being made; its tree is the checked tree */
    ds_arena *arena;
    const ds_json_source *source;
    bool variables; /* were replaced */
    ds_diagnostics *diagnostics;
    ds_app_node *nodes; /* sorted by name */
    uint32_t n_nodes;
} ds_app_builder;

/* batch, checkpoint, executors, limits. */
void ds_app_build_settings(ds_app_builder *builder);
/* Reads the texts of functions into the tree, where the canonical text finds them. */
void ds_app_build_functions(ds_app_builder *builder);
void ds_app_build_sources(ds_app_builder *builder);
/* Reads the pattern of format regex into source->spec, whose schema is known. False, reported
 * where in the pattern or the schema, if it is wrong or not there. */
bool ds_app_read_regex(ds_app_builder *builder, ds_app_source *source, const json_t *object);
void ds_app_build_streams(ds_app_builder *builder);
/* The join clause of a stream, or NULL: it has none, or a wrong one. */
const ds_app_join *ds_app_build_join(ds_app_builder *builder, const ds_app_stream *stream,
                                     const json_t *object);
/* The state clause of a stream, or NULL: it has none, or a wrong one. */
const ds_app_state *ds_app_build_state(ds_app_builder *builder, const ds_app_stream *stream,
                                       json_t *object);
/* Reports snapshots of what has no state. */
void ds_app_check_snapshots(ds_app_builder *builder);
/* Parents, circles, order and slides of the streams; makes the nodes. */
void ds_app_build_graph(ds_app_builder *builder);
void ds_app_build_sinks(ds_app_builder *builder, bool needed);
/* Warnings about the graph as a whole: what is never run, what is lost at a restart. */
void ds_app_check_use(ds_app_builder *builder);
void ds_app_build_tests(ds_app_builder *builder);
/* Under a test: gives the sources what its (shape-checked) input says. */
void ds_app_build_given(ds_app_builder *builder, json_t *input);

/* The source or stream of that name, or NULL. */
ds_app_node *ds_app_find(const ds_app_builder *builder, const char *name);
/* As ds_app_find; reports at path (at its key, if key), with the nearest name, if there is none.
 * sources_only: only a source will do. */
ds_app_node *ds_app_resolve(ds_app_builder *builder, const char *path, bool key, const char *name,
                            bool sources_only);

/* Of an object of the tree: a text and its place; a string or the strings of a list (NULL stands
 * for one that was wrong); the entries of a map of expressions ("*" is left out). */
ds_app_text ds_app_read_text(ds_app_builder *builder, const char *parent, const json_t *object,
                             const char *key);
const char **ds_app_read_names(ds_app_builder *builder, const json_t *value, uint32_t *n);
ds_app_item *ds_app_read_items(ds_app_builder *builder, json_t *map, const char *path, uint32_t *n);

/* The path of a key or element, in the arena. */
const char *ds_app_path(ds_app_builder *builder, const char *parent, const char *key);
const char *ds_app_path_at(ds_app_builder *builder, const char *parent, size_t index);
/* A string of the tree, copied into the arena (NULL stays NULL). */
const char *ds_app_text_copy(ds_app_builder *builder, const char *text);
/* The names of a map, sorted, borrowed from it; *n of them. */
const char **ds_app_names(ds_app_builder *builder, const json_t *map, uint32_t *n);

/*
 * Checks the rows of a list by the columns of schema: known names, fitting values. original is
 * the same list in the file before variables were replaced (NULL: not known): a string that was
 * one variable takes the type of its column.
 */
void ds_app_check_rows(ds_app_builder *builder, const ds_schema *schema, json_t *rows,
                       const json_t *original, const char *path);
/* Reports a name that is no column of the schema. True if it is one. */
bool ds_app_check_column(ds_app_builder *builder, const ds_schema *schema, const char *name,
                         const char *path);

#endif
