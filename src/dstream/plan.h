/*
 * The plan: an app's DStream graph, typed and cut into stages. Constant once made; the state
 * of a batch is elsewhere.
 *
 * Each stream of the app file becomes a short chain of nodes, one for each operator that it
 * uses, in the order in which clauses apply:
 *
 *     join        rows of two parents by key, an exchange before each side (op_join.h)
 *     rows        union, flat_map, where, select: row by row (op_rows.h)
 *     group       group_by + aggregate, or distinct; with or without a window (op_group.h)
 *     window      a window of whole rows (op_window.h)
 *     state       what is remembered of each key (op_state.h)
 *     snapshot    all of a state after each batch; a child of the state, in its stage
 *     having      a filter on the result (op_having.h)
 *     order       order_by, limit: a total order (op_order.h)
 *     exchange    repartition: rows spread evenly (op_exchange.h)
 *     sink        console, file, append, or what a test looks at
 *
 * A stage is cut at each node that needs its rows brought together: exchange, group, window, state,
 * order, and a console that would have several writers. So the first half of such a node runs in
 * the stages of its parents, where it writes pieces for each key partition; its second half is a
 * root of a later stage, where it reads them. A source is the root of a stage too. Every stage
 * computes its rows once, however many nodes read them.
 *
 * A stage has as many inputs as roots: one, but where rows that were brought together by the
 * same keys meet. A task reads its partition of all of them, one root after the other.
 *
 * Nodes and stages that no sink needs are not part of the plan.
 */
#ifndef DS_DSTREAM_PLAN_H
#define DS_DSTREAM_PLAN_H

#include "dstream/app.h"

#define DS_NO_STAGE UINT32_MAX
#define DS_NO_SINK UINT32_MAX
#define DS_NO_BATCH INT64_MIN /* earlier than every batch time, in ms */

typedef enum ds_node_kind {
    DS_NODE_SOURCE,
    DS_NODE_ROWS,
    DS_NODE_EXCHANGE,
    DS_NODE_JOIN,
    DS_NODE_GROUP,
    DS_NODE_WINDOW,
    DS_NODE_STATE,
    DS_NODE_SNAPSHOT,
    DS_NODE_HAVING,
    DS_NODE_ORDER,
    DS_NODE_SINK,
} ds_node_kind;

typedef struct ds_node ds_node;

/* The plan-time half of a sink. */
typedef enum ds_sink_kind { DS_TO_CONSOLE, DS_TO_FILE, DS_TO_APPEND, DS_TO_TEST } ds_sink_kind;
typedef struct ds_sink_plan {
    ds_sink_kind kind;
    uint32_t index; /* among the plan's sinks */
    const char *name;
    ds_row_format format; /* console, file, append */
    int64_t limit;        /* console; -1: none */
    const char *dir;      /* file */
    const char *path;     /* append */
    const char *staging;  /* file, append: the folder in which tasks write aside */
    bool hidden;          /* append: for nobody but the user */
} ds_sink_plan;

/* True if tasks write its rows to staged files. */
bool ds_sink_is_staged(const ds_sink_plan *sink);

struct ds_node {
    uint32_t id; /* index in the plan; parents have smaller ones */
    ds_node_kind kind;
    const char *stream; /* the stream, source or sink of the app file that it belongs to */
    const char *path;   /* its place in the app file */
    ds_node **parents;
    uint32_t n_parents;
    ds_node **children;
    uint32_t n_children;
    int64_t slide_ms;     /* of its output */
    int64_t window_ms;    /* size of the window that its rows stand for; 0: none */
    ds_schema schema;     /* of its output */
    bool *wanted;         /* which columns of its output some child reads */
    bool ordered;         /* some node below depends on the order of its rows */
    bool needed;          /* a sink reads it; only such nodes stay in the plan */
    const ds_node *table; /* its rows are made of this table's alone, row by row; NULL: not so */
    bool held;            /* its rows go nowhere but to joins with a table, as those of the table */
    bool fails;           /* a source above says "on_error": "fail": so overflows are fatal, too */
    bool letters;         /* one says "dead_letter": rows that are dropped go there */
    uint32_t stage;       /* the stage that it is a root of, or DS_NO_STAGE */
    uint32_t input;       /* of that stage: whose root it is */
    union {               /* by kind */
        const ds_app_source *source;
        const struct ds_rows_plan *rows;
        const struct ds_exchange_plan *exchange;
        const struct ds_join_plan *join;
        const struct ds_group_plan *group; /* of a state, too */
        const struct ds_window_plan *window;
        const struct ds_having_plan *having;
        const struct ds_order_plan *order;
        const ds_sink_plan *sink;
    };
};

/* What is brought together for a stage: the pieces that the first half of root wrote. */
typedef struct ds_stage_input {
    ds_node *root;        /* its second half reads them */
    const ds_type *types; /* of their columns; NULL for sources */
    uint32_t n_types;
} ds_stage_input;

typedef struct ds_stage {
    uint32_t id;
    ds_stage_input *inputs; /* by id of the root; a source has one, and others mostly */
    uint32_t n_inputs;
    ds_node *root;         /* the first that keeps panes, or the first: names the stage */
    uint32_t n_partitions; /* 0: as many as its input has (sources) */
    uint32_t *parents;     /* stages that write pieces for it; smaller ids, ascending */
    uint32_t n_parents;
    bool keyed; /* keeps something: a task must run where its partition lives, others anywhere */
    ds_node **joins; /* made in it, once all its roots have given their rows */
    uint32_t n_joins;
    /* Joins with tables, through which its rows pass (op_broadcast.h), and the sources of the
     * tables (indexes in the app), each once. */
    ds_node **lookups;
    uint32_t n_lookups;
    uint32_t *tables;
    uint32_t n_tables;
} ds_stage;

typedef struct ds_plan_output { /* of a source or stream, needed or not */
    const char *name;
    const ds_schema *schema;
    int64_t slide_ms;
} ds_plan_output;

typedef struct ds_plan {
    const ds_app *app; /* borrowed */
    uint64_t hash;     /* XXH3-64 of the canonical text */
    ds_node **nodes;   /* topological: parents first */
    uint32_t n_nodes;
    ds_stage *stages; /* topological; sources first, by name */
    uint32_t n_stages;
    const ds_sink_plan **sinks;
    uint32_t n_sinks;
    uint32_t dead_letters; /* the sink that they are, which no node writes to; or DS_NO_SINK */
    ds_plan_output *outputs;
    uint32_t n_outputs;
    uint32_t key_partitions;
    bool has_windows, has_state;
    const struct ds_user_functions *functions; /* NULL: there are none */
    ds_arena *arena;
} ds_plan;

typedef struct ds_plan_options {
    /* Streams or sources whose rows a test looks at; sinks of the app are left out then. */
    const char *const *tested;
    uint32_t n_tested;
    bool testing;
} ds_plan_options;

/* Binds and types all expressions of all streams (also of those that no sink needs) and makes
 * the plan. What is wrong goes to diagnostics; DS_ERR_APP if anything is. app is borrowed. */
ds_status ds_plan_new(const ds_app *app, const ds_plan_options *options,
                      ds_diagnostics *diagnostics, ds_plan **plan);
/* Binds and types the expressions of an app that has errors already, for more of them at once:
 * streams that are wrong themselves, and what is made of them, are left out. */
void ds_plan_check(const ds_app *app, ds_diagnostics *diagnostics);
void ds_plan_free(ds_plan *plan);
/* From now on the memory that functions of the user's own take is charged to budget (borrowed; it
 * outlives the plan). Before anything runs. */
void ds_plan_charge(const ds_plan *plan, ds_budget *budget);
/* What they need for each task thread before they do anything, in bytes; and to be called when
 * memory is short: what they do not need any more is freed. Any thread. */
int64_t ds_plan_functions_need(const ds_plan *plan);
void ds_plan_relieve(const ds_plan *plan);

/* The output of a stream or source by name, or NULL. */
const ds_plan_output *ds_plan_find(const ds_plan *plan, const char *stream);

/* What runs at a batch time. */
typedef struct ds_due {
    bool *stage_runs; /* a stage has something to do if it has input */
    bool *reads;      /* by node: it takes its parents' rows at this time */
    bool *emits;      /* by node: its rows are computed and read at this time */
    bool any;         /* something is due without input: a window, a total, a state's time-outs */
} ds_due;

/* Fills a ds_due (in arena) for batch time t. zero is the time before the first batch. */
void ds_plan_due(const ds_plan *plan, ds_arena *arena, int64_t t_ms, ds_due *due);

/* The input of a stage that a root reads. */
static inline const ds_stage_input *ds_plan_input(const ds_plan *plan, const ds_node *root)
{
    return &plan->stages[root->stage].inputs[root->input];
}

/* True for a node that keeps rows of some time: a window, of groups or of whole rows. */
bool ds_node_is_windowed(const ds_node *node);

/* True for a node that keeps something from batch to batch: a window or a state. */
bool ds_node_keeps(const ds_node *node);

/* True if the second half of a root has something to do: its rows are due, or it takes a batch into
 * its panes. */
bool ds_node_runs(const ds_node *root, const ds_due *due);

/* True if a root of the stage has something to do even when it has no input: a total without keys,
 * a window, or a state with time-outs. */
bool ds_stage_always(const ds_stage *stage);
/* True if such a root has it to do now. */
bool ds_stage_due_always(const ds_stage *stage, const ds_due *due);

/* True if tasks of the stage read a table (index in the app): its rows, or to join with them. */
bool ds_stage_reads_table(const ds_plan *plan, const ds_stage *stage, uint32_t source);

/* The first time after `after` at which something without input is due (a window's end, a
 * total), given the last time that sources had rows; 0 if everything has been computed at its
 * first due time at or after its last input. */
int64_t ds_plan_drain_next(const ds_plan *plan, int64_t last_input_ms, int64_t after_ms);

/* What is known of what streams hold when nothing comes in. */
typedef struct ds_gap {
    int64_t after_ms;        /* batch times up to this one are over */
    const int64_t *input_ms; /* by stage: the last batch that brought it rows, or DS_NO_BATCH */
    const int64_t *acts_ms;  /* by stage: after which time a state of it acts; INT64_MAX: never */
    bool totals;             /* those that are due count, though they are empty */
} ds_gap;

/* The first batch time of a gap that matters: a window holds rows, a state may act, or a total is
 * due and counts. INT64_MAX if there is none. *sure: nothing that batches under way may do makes it
 * an earlier one. Tables are no reason for a batch. */
int64_t ds_plan_gap_next(const ds_plan *plan, const ds_gap *gap, bool *sure);

/* The largest multiple of step at or below t, and the smallest at or above it. */
int64_t ds_floor_to(int64_t t, int64_t step);
int64_t ds_ceil_to(int64_t t, int64_t step);

#endif
