/*
 * The streams as a graph: who is made of whom, in which order, and how often.
 *
 * Streams are few (at most 1,000), so the plain way is taken everywhere: a depth-first walk
 * for circles, and for the order again and again the first stream by name whose parents have
 * all been placed.
 */
#include "dstream/app_build.h"

#include "dstream/units.h"

#include <stdlib.h>
#include <string.h>

typedef struct graph {
    ds_app_builder *builder;
    ds_app_stream *streams; /* by name */
    uint32_t n;
    uint32_t **parents; /* of each stream: the indexes of those that are streams */
    uint32_t *n_parents;
    uint8_t *state; /* 0: not visited, 1: on the walk's way, 2: done */
    uint32_t *way;
    uint32_t way_length;
    bool circles;
} graph;

/* ---- names ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ds_app_node *)a)->name, ((const ds_app_node *)b)->name);
}

/* Sources and streams share one space of names: of one that is both only the source stays. */
static void make_nodes(ds_app_builder *builder)
{
    ds_app *app = builder->app;
    builder->nodes =
        DS_ARENA_ARRAY(builder->arena, ds_app_node, (size_t)app->n_sources + app->n_streams + 1);
    for (uint32_t i = 0; i < app->n_sources; i++)
        builder->nodes[i] = (ds_app_node){.name = app->sources[i].name,
                                          .source = &app->sources[i],
                                          .slide_ms = app->interval_ms,
                                          .timeless = app->sources[i].type == DS_SOURCE_TABLE};
    builder->n_nodes = app->n_sources;
    uint32_t n = app->n_sources;
    for (uint32_t i = 0; i < app->n_streams; i++) {
        if (ds_app_find(builder, app->streams[i].name) != NULL)
            ds_diag_error_key(builder->diagnostics, app->streams[i].path,
                              "there is a source of this name already");
        else
            builder->nodes[n++] =
                (ds_app_node){.name = app->streams[i].name, .stream = &app->streams[i]};
    }
    builder->n_nodes = n;
    qsort(builder->nodes, n, sizeof *builder->nodes, by_name);
}

/* A stream's parents: those of `from`, then what it joins. NULL: the name is wrong. */
static uint32_t parents_count(const ds_app_stream *stream)
{
    return stream->n_from + (stream->join != NULL);
}

static const char *parent_name(const ds_app_stream *stream, uint32_t i)
{
    return i < stream->n_from ? stream->from[i] : stream->join->with;
}

static const char *from_path(ds_app_builder *builder, const ds_app_stream *stream, uint32_t i)
{
    if (i == stream->n_from)
        return ds_app_path(builder, ds_app_path(builder, stream->path, "join"), "with");
    const json_t *streams = json_object_get(builder->app->tree, "streams");
    const json_t *from = json_object_get(json_object_get(streams, stream->name), "from");
    const char *path = ds_app_path(builder, stream->path, "from");
    return json_is_array(from) ? ds_app_path_at(builder, path, i) : path;
}

/* Finds the parents of each stream by name. */
static void resolve_parents(graph *g)
{
    ds_arena *arena = g->builder->arena;
    for (uint32_t s = 0; s < g->n; s++) {
        const ds_app_stream *stream = &g->streams[s];
        g->parents[s] = DS_ARENA_ARRAY(arena, uint32_t, stream->n_from + 2);
        for (uint32_t i = 0; i < parents_count(stream); i++) {
            const char *name = parent_name(stream, i);
            if (name == NULL)
                continue;
            const ds_app_node *node =
                ds_app_resolve(g->builder, from_path(g->builder, stream, i), false, name, false);
            if (node != NULL && node->stream != NULL)
                g->parents[s][g->n_parents[s]++] = (uint32_t)(node->stream - g->streams);
        }
    }
}

/* ---- circles ---- */

/* Where a stream names one of its parents. */
static const char *path_to(const graph *g, const ds_app_stream *stream, const char *parent)
{
    for (uint32_t i = 0; i < stream->n_from; i++)
        if (stream->from[i] != NULL && strcmp(stream->from[i], parent) == 0)
            return ds_app_path(g->builder, stream->path, "from");
    return from_path(g->builder, stream, stream->n_from);
}

/* Reports the part of the way that starts and ends at stream s. */
static void report_circle(graph *g, uint32_t s)
{
    uint32_t start = 0;
    while (g->way[start] != s)
        start++;
    ds_buffer text = {0};
    for (uint32_t i = start; i < g->way_length; i++)
        ds_buffer_printf(&text, "%s from ", g->streams[g->way[i]].name);
    ds_buffer_append_text(&text, g->streams[s].name);
    ds_diag_error(g->builder->diagnostics,
                  path_to(g, &g->streams[g->way[g->way_length - 1]], g->streams[s].name),
                  "goes in a circle: %s", ds_buffer_text(&text));
    ds_buffer_fini(&text);
    g->circles = true;
}

static void visit(graph *g, uint32_t s)
{
    g->state[s] = 1;
    g->way[g->way_length++] = s;
    for (uint32_t i = 0; i < g->n_parents[s]; i++) {
        uint32_t parent = g->parents[s][i];
        if (g->state[parent] == 1)
            report_circle(g, parent);
        else if (g->state[parent] == 0)
            visit(g, parent);
    }
    g->way_length--;
    g->state[s] = 2;
}

/* ---- order ---- */

static bool is_ready(const graph *g, uint32_t s, const bool *placed)
{
    for (uint32_t i = 0; i < g->n_parents[s]; i++)
        if (!placed[g->parents[s][i]])
            return false;
    return !placed[s];
}

/* Puts parents before their children, otherwise by name. */
static void sort_streams(graph *g)
{
    ds_app_builder *builder = g->builder;
    ds_app_stream *sorted = DS_ARENA_ARRAY(builder->arena, ds_app_stream, g->n + 1);
    bool *placed = DS_ARENA_ARRAY(builder->arena, bool, g->n + 1);
    for (uint32_t n = 0; n < g->n; n++) {
        uint32_t s = 0;
        while (!is_ready(g, s, placed))
            s++;
        placed[s] = true;
        sorted[n] = g->streams[s];
        ds_app_node *node = ds_app_find(builder, sorted[n].name);
        if (node->stream != NULL)
            node->stream = &sorted[n];
    }
    builder->app->streams = sorted;
}

/* ---- slides ---- */

static void check_multiple(ds_app_builder *builder, const ds_app_stream *stream, const char *key,
                           int64_t value, int64_t slide)
{
    if (value % slide == 0)
        return;
    char has[DS_UNIT_TEXT], of[DS_UNIT_TEXT];
    ds_duration_format(value, has);
    ds_duration_format(slide, of);
    const json_t *streams = json_object_get(builder->app->tree, "streams");
    const json_t *object = json_object_get(json_object_get(streams, stream->name), "window");
    bool apart = json_object_get(object, key) != NULL;
    ds_diag_error(builder->diagnostics,
                  apart ? ds_app_path(builder, stream->window_path, key) : stream->window_path,
                  "the window's %s %s is not a multiple of %s, %s", key, has, of,
                  slide == builder->app->interval_ms ? "the batch interval"
                                                     : "the slide of what it is made from");
}

/* The slide that the parents have in common (what is made of tables alone is whole at any time,
 * and goes with every slide); 0 if one is not known or they differ. */
static int64_t parents_slide(ds_app_builder *builder, const ds_app_stream *stream)
{
    int64_t slide = stream->n_from > 0 ? builder->app->interval_ms : 0;
    const char *first = NULL;
    for (uint32_t i = 0; i < parents_count(stream); i++) {
        const char *name = parent_name(stream, i);
        const ds_app_node *node = name != NULL ? ds_app_find(builder, name) : NULL;
        if (node == NULL || node->slide_ms == 0)
            return 0;
        if (node->timeless)
            continue;
        if (first != NULL && node->slide_ms != slide) {
            char one[DS_UNIT_TEXT], other[DS_UNIT_TEXT];
            ds_duration_format(slide, one);
            ds_duration_format(node->slide_ms, other);
            ds_diag_error(builder->diagnostics, from_path(builder, stream, i),
                          "the parents of a %s have equal slides, but that of \"%s\" is %s and "
                          "that of \"%s\" is %s",
                          i < stream->n_from ? "union" : "join", first, one, node->name, other);
            return 0;
        }
        first = node->name;
        slide = node->slide_ms;
    }
    return slide;
}

/* Made of tables alone, and by nothing that remembers other batches. */
static bool is_timeless(ds_app_builder *builder, const ds_app_stream *stream)
{
    for (uint32_t i = 0; i < parents_count(stream); i++) {
        const char *name = parent_name(stream, i);
        const ds_app_node *node = name != NULL ? ds_app_find(builder, name) : NULL;
        if (node == NULL || !node->timeless)
            return false;
    }
    return !stream->has_window && stream->state == NULL;
}

static void compute_slide(ds_app_builder *builder, ds_app_stream *stream)
{
    int64_t slide = parents_slide(builder, stream);
    if (stream->has_window && slide > 0) {
        check_multiple(builder, stream, "size", stream->window_size_ms, slide);
        if (stream->window_slide_ms != stream->window_size_ms)
            check_multiple(builder, stream, "slide", stream->window_slide_ms, slide);
    }
    stream->slide_ms = stream->has_window ? stream->window_slide_ms : slide;
    stream->timeless = is_timeless(builder, stream);
    ds_app_node *node = ds_app_find(builder, stream->name);
    if (node->stream != stream)
        return;
    node->slide_ms = stream->slide_ms;
    node->timeless = stream->timeless;
}

void ds_app_build_graph(ds_app_builder *builder)
{
    make_nodes(builder);
    ds_app *app = builder->app;
    graph g = {.builder = builder, .streams = app->streams, .n = app->n_streams};
    g.parents = DS_ARENA_ARRAY(builder->arena, uint32_t *, g.n + 1);
    g.n_parents = DS_ARENA_ARRAY(builder->arena, uint32_t, g.n + 1);
    g.state = DS_ARENA_ARRAY(builder->arena, uint8_t, g.n + 1);
    g.way = DS_ARENA_ARRAY(builder->arena, uint32_t, g.n + 1);
    resolve_parents(&g);
    for (uint32_t s = 0; s < g.n; s++)
        if (g.state[s] == 0)
            visit(&g, s);
    if (g.circles)
        return;
    sort_streams(&g);
    for (uint32_t s = 0; s < g.n; s++)
        compute_slide(builder, &app->streams[s]);
}

/* ---- use ---- */

/* Marks what a sink needs, from the last stream back to the first. */
static void mark_used(ds_app_builder *builder)
{
    const ds_app *app = builder->app;
    for (uint32_t i = 0; i < app->n_sinks; i++) {
        ds_app_node *node =
            app->sinks[i].from != NULL ? ds_app_find(builder, app->sinks[i].from) : NULL;
        if (node != NULL)
            node->used = true;
    }
    for (uint32_t s = app->n_streams; s-- > 0;) {
        const ds_app_stream *stream = &app->streams[s];
        if (!ds_app_find(builder, stream->name)->used)
            continue;
        for (uint32_t i = 0; i < parents_count(stream); i++)
            ds_app_find(builder, parent_name(stream, i))->used = true;
    }
}

void ds_app_check_use(ds_app_builder *builder)
{
    const ds_app *app = builder->app;
    if (ds_diagnostics_errors(builder->diagnostics) > 0)
        return;
    mark_used(builder);
    for (uint32_t i = 0; i < builder->n_nodes && app->n_sinks > 0; i++) {
        const ds_app_node *node = &builder->nodes[i];
        if (!node->used)
            ds_diag_warning(builder->diagnostics,
                            node->stream != NULL ? node->stream->path : node->source->path,
                            "no sink needs it, so it is not run");
    }
    for (uint32_t s = 0; s < app->n_streams; s++)
        if (app->streams[s].order_by.text != NULL && app->streams[s].repartition > 0)
            ds_diag_warning(builder->diagnostics,
                            ds_app_path(builder, app->streams[s].path, "repartition"),
                            "the rows lose the order of order_by");
    for (uint32_t s = 0; s < app->n_streams && app->checkpoint_dir == NULL; s++) {
        if (!app->streams[s].has_window)
            continue;
        ds_diag_warning(builder->diagnostics, app->streams[s].window_path,
                        "windows are lost at a restart, as there is no checkpoint.dir");
        break;
    }
    for (uint32_t s = 0; s < app->n_streams && app->checkpoint_dir == NULL; s++) {
        if (app->streams[s].state == NULL)
            continue;
        ds_diag_warning(builder->diagnostics, app->streams[s].state->path,
                        "state is lost at a restart, as there is no checkpoint.dir");
        break;
    }
}
