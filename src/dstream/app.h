/*
 * The app file as a checked tree (app-format): variables replaced, defaults filled in, names
 * resolved, expressions still text. The planner (plan.h) binds and types the expressions.
 *
 * Immutable after load. Everything belongs to the app's arena.
 */
#ifndef DS_DSTREAM_APP_H
#define DS_DSTREAM_APP_H

#include "columnar/format.h"
#include "dstream/diagnostics.h"

#include <jansson.h>

typedef enum ds_source_type {
    DS_SOURCE_SOCKET,
    DS_SOURCE_FILES,
    DS_SOURCE_STDIN,
    DS_SOURCE_RATE,
    DS_SOURCE_QUEUE,
    DS_SOURCE_TABLE,
    DS_SOURCE_TAIL,
} ds_source_type;

/* As the app file has it. */
const char *ds_source_type_name(ds_source_type type);

typedef enum ds_on_error {
    DS_ON_ERROR_SKIP,
    DS_ON_ERROR_FAIL,
    DS_ON_ERROR_DEAD_LETTER
} ds_on_error;

typedef struct ds_app_source {
    const char *name;
    const char *path; /* "sources.access", for diagnostics */
    ds_source_type type;
    ds_on_error on_error;
    const ds_format *format; /* socket, files, stdin, table, tail */
    ds_format_spec spec;     /* as given to ds_format_new; csv header is asked here */
    ds_schema schema;        /* columns of its rows, whatever the type */
    bool listen;             /* socket */
    const char *host;        /* socket */
    uint16_t port;
    bool log;                  /* socket, stdin: what is received is in the log first */
    bool ack;                  /* socket: peers are told what is there */
    uint32_t replicas;         /* socket, stdin: processes that are to hold a block */
    int64_t block_interval_ms; /* socket, stdin */
    const char *dir, *pattern; /* files */
    bool new_files_only;
    const char *glob; /* tail */
    bool start_at_end;
    int64_t rows_per_second; /* rate */
    int64_t max_rate;        /* records a second; 0: no limit */
    const char *file;        /* table */
    int64_t reload_ms;       /* table: how often the file is looked at; 0: once, at the start */
    /* queue: checked list of lists of objects. Under a test every source has such lists, of
     * objects (rows) or strings (raw records). */
    const json_t *batches;
} ds_app_source;

/* A text of the app file and where it stands. */
typedef struct ds_app_text {
    const char *text; /* NULL: the clause is not there */
    const char *path; /* "streams.top.where" */
} ds_app_text;

typedef struct ds_app_item { /* one "name": "expression" */
    const char *name;
    ds_app_text expr;
} ds_app_item;

typedef enum ds_join_type {
    DS_JOIN_INNER,
    DS_JOIN_LEFT,  /* rows of the left side without a partner, too */
    DS_JOIN_RIGHT, /* of the right side */
    DS_JOIN_FULL   /* of both */
} ds_join_type;

typedef struct ds_app_join {
    const char *with;           /* the right side; the left one is what `from` says */
    const char **left, **right; /* the names of the key columns on each side */
    const char **paths;         /* where each pair stands */
    uint32_t n_on;
    ds_join_type type;
} ds_app_join;
typedef struct ds_app_state {
    const char *path;  /* "streams.totals.state" */
    const char **keys; /* plain column names; path: path.key[i] */
    uint32_t n_keys;
    ds_app_item *set;
    uint32_t n_set;
    ds_app_text remove_when;
    int64_t timeout_ms; /* 0: none */
    bool emit_all;
    /* A list of objects, or NULL. A string that was one variable is an object of one member
     * DS_APP_VARIABLE: the type of its column, which the planner knows, becomes its own. */
    const json_t *initial;
} ds_app_state;

#define DS_APP_VARIABLE "$variable"

typedef struct ds_app_stream {
    const char *name;
    const char *path;
    const char **from; /* names as written, all known; in the order of the file */
    uint32_t n_from;
    const ds_app_join *join; /* NULL: none */
    ds_app_item flat_map;    /* name NULL: none */
    ds_app_text where;
    bool has_select, select_all; /* "*": true first */
    ds_app_item *select;
    uint32_t n_select;
    bool has_window;
    int64_t window_size_ms, window_slide_ms;
    const char *window_path; /* "streams.counts.window" */
    int64_t slide_ms;        /* how often it is due: the window's, or its parents' */
    bool timeless;           /* made of tables alone, without a window: whole at any time */
    bool has_group_by;
    const char **group_by; /* plain column names; path: path.group_by[i] */
    uint32_t n_group_by;
    bool has_aggregate;
    ds_app_item *aggregate;
    uint32_t n_aggregate;
    bool distinct;
    const ds_app_state *state; /* NULL: none */
    bool snapshot;             /* from is a stream with state: its keys after each batch */
    ds_app_text having;
    ds_app_text order_by;
    int64_t limit;       /* -1: none */
    int64_t repartition; /* 0: none */
    bool cache;
} ds_app_stream;

typedef enum ds_sink_type { DS_SINK_CONSOLE, DS_SINK_FILE, DS_SINK_APPEND } ds_sink_type;

typedef struct ds_app_sink {
    const char *name;
    const char *path;
    const char *from;
    ds_sink_type type;
    ds_row_format format;
    int64_t limit;    /* console: -1: none */
    const char *dir;  /* file */
    const char *file; /* append: its path */
} ds_app_sink;

/* Something that dies amid a test. */
typedef struct ds_app_fault {
    uint32_t batch; /* counted from 1 */
    bool driver;    /* the driver, and its executors with it; else one executor */
    bool during;    /* once tasks of the batch run; else once it is committed */
} ds_app_fault;

typedef struct ds_app_test {
    const char *name;
    const char *path; /* "tests[0]" */
    int64_t start_ms;
    uint32_t n_batches;          /* the longest list, or `batches` */
    const json_t *input;         /* list of objects: source to list of strings or of rows */
    const json_t *expect;        /* object: stream to list of lists of rows */
    const json_t *expect_errors; /* object: source to number, or NULL */
    bool ordered;
    ds_app_fault *faults; /* in the order of their batches, those during one first */
    uint32_t n_faults;
} ds_app_test;

typedef struct ds_app_backpressure {
    bool enabled;
    int64_t initial_rate, min_rate; /* records a second; 0: none */
    double proportional, integral, derived;
} ds_app_backpressure;

typedef struct ds_app_speculation {
    bool enabled;
    double multiplier, quantile;
    int64_t interval_ms, min_runtime_ms;
} ds_app_speculation;

typedef enum ds_executors_mode {
    DS_MODE_PROCESSES,
    DS_MODE_THREADS /* of the driver's process */
} ds_executors_mode;

typedef struct ds_app {
    const char *name;
    int64_t interval_ms;
    const char *checkpoint_dir; /* NULL: none */
    int64_t checkpoint_every_ms;
    int64_t checkpoint_retain;
    uint32_t executors_count, executors_cores;
    ds_executors_mode executors_mode; /* of those that the driver starts */
    int64_t executors_memory;
    uint32_t key_partitions; /* after defaults */
    bool key_partitions_given;
    const char *executors_listen;      /* NULL: none */
    const char *executors_secret;      /* NULL: none, or in the file; not in the canonical text */
    const char *executors_secret_file; /* NULL: none; not in the canonical text */
    struct ds_app_tls {                /* paths, and a name; cert NULL: none; not in it either */
        const char *cert, *key, *ca, *name;
    } executors_tls;
    int64_t executors_heartbeat_ms;
    ds_app_speculation speculation;
    int64_t limits_memory, limits_record, limits_block, limits_spill;
    int64_t lua_instructions, lua_memory; /* limits */
    struct ds_lua_definition *functions;  /* sorted by name (lua/definition.h) */
    uint32_t n_functions;
    ds_app_backpressure backpressure;
    const char *api_listen; /* as written; NULL: no api */
    const char *api_host;
    uint16_t api_port;
    const char *dead_letters; /* path; NULL: none */
    ds_app_source *sources;   /* sorted by name */
    uint32_t n_sources;
    ds_app_stream *streams; /* sorted so that parents come first, then by name */
    uint32_t n_streams;
    ds_app_sink *sinks; /* sorted by name */
    uint32_t n_sinks;
    ds_app_test *tests;
    uint32_t n_tests;
    json_t *json;  /* canonical: variables and --set replaced, without tests; owned */
    json_t *tree;  /* the checked file, which batches, input and so on point into; owned */
    json_t *given; /* under a test: the lists of each source; owned, or NULL */
    ds_arena *arena;
} ds_app;

typedef struct ds_app_options {
    const char *const *sets; /* "batch.interval=500ms", as given to --set */
    uint32_t n_sets;
    bool need_sinks;                                    /* run: an app without sinks is an error */
    const char *(*getenv)(const char *name, void *arg); /* NULL: the environment; tests */
    void *getenv_arg;
} ds_app_options;

/*
 * Checks the whole file and makes the app (free with ds_app_free). Problems go to diagnostics
 * (made for the same source), all of them; DS_ERR_APP if there is any error, DS_ERR_USAGE if
 * all errors are of --set. Expressions are not looked at (the planner does; it reports to the
 * same diagnostics, which know what variables were replaced). A key that the format has but
 * this version does not ("functions", ...) is an error "not available yet". options may be
 * NULL. The source may be freed before the app.
 */
ds_status ds_app_load(const ds_json_source *source, const ds_app_options *options,
                      ds_diagnostics *diagnostics, ds_app **app);

/* Makes the app from its canonical text, as sent to executors (strict, no variables), with or
 * without the input of a test. error receives the first problem. */
ds_status ds_app_from_canonical(const char *text, size_t length, ds_app **app, ds_error *error);

/* Takes the app and all that it holds; NULL is fine. */
void ds_app_free(ds_app *app);

/* The canonical text (sorted keys except where order counts); the caller frees. Its XXH3-64 is
 * the plan's hash. Loading it gives the same app. */
char *ds_app_canonical(const ds_app *app);

/* The canonical text of the app with the input of one of its tests, which every source then
 * gives instead of its own (a queue that the input does not name keeps its batches). Only
 * ds_app_from_canonical takes it. The caller frees. */
char *ds_app_canonical_test(const ds_app *app, const ds_app_test *test);

/* The JSON Schema of the app file, made from the same tables that check it. Caller frees. */
char *ds_app_json_schema(void);

#endif
