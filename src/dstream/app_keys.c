/*
 * The tables of the app file: every key, its type, limits, default and meaning.
 *
 * From the leaves up: simple values, then sources, streams, sinks, tests, the file. Texts
 * that stand here are shown by editors (dstream schema) and by messages.
 */
#include "dstream/app_keys.h"

#include "dstream/units.h"

#define REQUIRED DS_KEY_REQUIRED
#define MAX_DURATION INT64_C(3153600000000) /* 100 years */
#define BATCHES_MAX 1000000                 /* of a queue or a test */
#define GIB (INT64_C(1) << 30)
#define END_OF_KEYS                                                                                \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* ---- simple values ---- */

static const ds_shape boolean = {.kind = DS_SHAPE_BOOL};
static const ds_shape any_text = {.kind = DS_SHAPE_TEXT};
/* Names of files are put behind it, and the system takes less than 4,096 bytes. */
static const ds_shape path_text = {.kind = DS_SHAPE_TEXT, .min = 1, .max = 3500};
static const ds_shape title = {.kind = DS_SHAPE_TEXT, .min = 1, .max = 1000};
static const ds_shape address = {
    .kind = DS_SHAPE_TEXT, .noun = "\"host:port\"", .min = 1, .max = 300};
static const ds_shape expression = {.kind = DS_SHAPE_EXPRESSION};
static const ds_shape duration = {.kind = DS_SHAPE_DURATION, .min = 1, .max = MAX_DURATION};
static const ds_shape column = {
    .kind = DS_SHAPE_NAME, .names = DS_NAMES_COLUMN, .noun = "a column name (a string)"};
static const ds_shape reference = {
    .kind = DS_SHAPE_NAME, .names = DS_NAMES_ANY, .noun = "the name of a source or stream"};
static const ds_shape column_type = {.kind = DS_SHAPE_TYPE};

#define INT_SHAPE(name, least, most)                                                               \
    static const ds_shape name = {.kind = DS_SHAPE_INT, .min = (least), .max = (most)}

INT_SHAPE(one, 1, 1);
INT_SHAPE(count_or_zero, 0, INT64_MAX);

/* ---- sources ---- */

static const ds_choice source_types[] = {
    [DS_SOURCE_SOCKET] = {.name = "socket", .doc = "lines over TCP"},
    [DS_SOURCE_FILES] = {.name = "files", .doc = "each file that appears in a folder, once"},
    [DS_SOURCE_STDIN] = {.name = "stdin", .doc = "lines of standard input"},
    [DS_SOURCE_RATE] = {.name = "rate", .doc = "a generator of value and timestamp"},
    [DS_SOURCE_QUEUE] = {.name = "queue", .doc = "rows in this file, a list for each batch"},
    [DS_SOURCE_TABLE] = {.name = "table",
                         .doc = "a file of rows to join with, whole in every batch"},
    [DS_SOURCE_TAIL] = {.name = "tail", .doc = "files that grow, through rotation"},
    {.name = NULL},
};
const char *ds_source_type_name(ds_source_type type)
{
    return source_types[type].name;
}

static const ds_choice starts[] = {
    {.name = "beginning", .doc = "all that is in the files"},
    {.name = "end", .doc = "what is added from now on"},
    {.name = NULL},
};
static const ds_choice formats[] = {
    [DS_FORMAT_TEXT] = {.name = "text", .doc = "one column, line"},
    [DS_FORMAT_JSON] = {.name = "json", .doc = "an object a line"},
    [DS_FORMAT_CSV] = {.name = "csv", .doc = "RFC 4180, without line breaks in quotes"},
    [DS_FORMAT_COMBINED] = {.name = "combined", .doc = "a web server's log"},
    [DS_FORMAT_LOGFMT] = {.name = "logfmt", .doc = "key=value pairs"},
    [DS_FORMAT_REGEX] = {.name = "regex", .doc = "the named groups of a regular expression"},
    {.name = NULL},
};
static const ds_choice on_errors[] = {
    [DS_ON_ERROR_SKIP] = {.name = "skip", .doc = "counted and logged"},
    [DS_ON_ERROR_FAIL] = {.name = "fail", .doc = "the app ends with 65"},
    [DS_ON_ERROR_DEAD_LETTER] = {.name = "dead_letter", .doc = "goes to the dead letters"},
    {.name = NULL},
};
static const ds_shape source_type = {.kind = DS_SHAPE_CHOICE, .choices = source_types};
static const ds_shape start = {.kind = DS_SHAPE_CHOICE, .choices = starts};
static const ds_shape format = {.kind = DS_SHAPE_CHOICE, .choices = formats};
static const ds_shape on_error = {.kind = DS_SHAPE_CHOICE, .choices = on_errors};

static const ds_key field_keys[] = {
    {"type", &column_type, REQUIRED, {0, 0}, NULL, "The type of the column."},
    {"path", &title, 0, {0, 0}, NULL, "Where it stands in nested objects: \"user.id\" (json)."},
    END_OF_KEYS,
};
static const ds_shape field_object = {
    .kind = DS_SHAPE_OBJECT, .id = "field", .keys = field_keys, .noun = "an object (a column)"};
static const ds_shape field = {.kind = DS_SHAPE_EITHER,
                               .noun = "a column type, or an object with type and path",
                               .item = &column_type,
                               .other = &field_object};
static const ds_shape schema = {.kind = DS_SHAPE_MAP,
                                .names = DS_NAMES_COLUMN,
                                .ordered = true,
                                .noun = "an object of columns and their types",
                                .min = 1,
                                .max = 1000,
                                .item = &field};

static const ds_shape row = {.kind = DS_SHAPE_ROW};
static const ds_shape rows = {.kind = DS_SHAPE_LIST, .noun = "a list of rows", .item = &row};
static const ds_shape batches = {
    .kind = DS_SHAPE_LIST, .noun = "a list of lists of rows", .max = BATCHES_MAX, .item = &rows};
static const ds_shape pattern_text = {
    .kind = DS_SHAPE_TEXT, .noun = "a regular expression (a string)", .min = 1, .max = 100000};
static const ds_shape delimiter = {
    .kind = DS_SHAPE_TEXT, .noun = "one ASCII character", .min = 1, .max = 1};
INT_SHAPE(replicas, 1, 2);
INT_SHAPE(rows_per_second, 1, 1000000000);
INT_SHAPE(max_rate, 1, INT64_C(1000000000000));

#define BIT(choice) (1u << (choice))
#define SOCKET BIT(DS_SOURCE_SOCKET)
#define STDIN BIT(DS_SOURCE_STDIN)
#define FILES BIT(DS_SOURCE_FILES)
#define TABLE BIT(DS_SOURCE_TABLE)
#define TAIL BIT(DS_SOURCE_TAIL)
#define RECORDS                                                                                    \
    (SOCKET | FILES | BIT(DS_SOURCE_STDIN) | TABLE | TAIL) /* sources of raw records               \
                                                            */
#define RATE BIT(DS_SOURCE_RATE)
#define QUEUE BIT(DS_SOURCE_QUEUE)
#define CSV BIT(DS_FORMAT_CSV)
#define REGEX BIT(DS_FORMAT_REGEX)
#define WITH_SCHEMA (BIT(DS_FORMAT_JSON) | CSV | BIT(DS_FORMAT_LOGFMT) | REGEX)

static const ds_key source_keys[] = {
    {"type", &source_type, REQUIRED, {0, 0}, NULL, "Where its records come from."},
    {"format", &format, 0, {RECORDS, 0}, "text", "How a record becomes columns."},
    {"schema",
     &schema,
     REQUIRED | DS_KEY_OPTIONAL_WITH(DS_FORMAT_REGEX),
     {RECORDS | QUEUE, WITH_SCHEMA},
     NULL,
     "The columns: names and types. csv: in the order of the fields. regex: types of groups."},
    {"on_error", &on_error, 0, {0, 0}, "skip", "What happens to a record that is bad."},
    {"connect", &address, 0, {SOCKET, 0}, NULL, "\"host:port\" to connect to, again and again."},
    {"listen", &address, 0, {SOCKET, 0}, NULL, "\"host:port\" to listen on, for many clients."},
    {"log",
     &boolean,
     0,
     {SOCKET | STDIN, 0},
     NULL,
     "Whether what is received is on the disk before it counts as received; true if not given and "
     "there is a checkpoint."},
    {"ack",
     &boolean,
     0,
     {SOCKET, 0},
     "false",
     "Tells each peer how many of its records are safe, a number a line. Needs the log."},
    {"replicas",
     &replicas,
     DS_KEY_NOT_CANONICAL,
     {SOCKET | STDIN, 0},
     "1",
     "How many processes hold what is received before it counts as received."},
    {"block_interval",
     &duration,
     0,
     {SOCKET | STDIN, 0},
     "200ms",
     "How long a block waits for more at most; the batch interval at most."},
    {"dir", &path_text, REQUIRED, {FILES, 0}, NULL, "The folder in which files appear."},
    {"pattern", &path_text, 0, {FILES, 0}, "*", "Which names of files count, as in a shell."},
    {"new_files_only", &boolean, 0, {FILES, 0}, "false", "Pass over what is there at the start."},
    {"rows_per_second", &rows_per_second, REQUIRED, {RATE, 0}, NULL, "How many rows to make."},
    {"max_rate",
     &max_rate,
     DS_KEY_NOT_CANONICAL,
     {SOCKET | FILES | TAIL | BIT(DS_SOURCE_STDIN) | RATE, 0},
     NULL,
     "The most records a second that are taken from it."},
    {"batches", &batches, REQUIRED, {QUEUE, 0}, NULL, "The n-th list holds the rows of batch n."},
    {"header", &boolean, 0, {RECORDS, CSV}, "false", "The first record names the fields."},
    {"delimiter", &delimiter, 0, {RECORDS, CSV}, ",", "What stands between fields."},
    {"path",
     &path_text,
     REQUIRED,
     {TABLE | TAIL, 0},
     NULL,
     "The file of the table; the files that grow, as in a shell."},
    {"reload",
     &duration,
     0,
     {TABLE, 0},
     NULL,
     "How often the file is looked at; read once, at the start, if not given."},
    {"start_at", &start, 0, {TAIL, 0}, "beginning", "Where files begin that are there already."},
    {"regex",
     &pattern_text,
     REQUIRED,
     {RECORDS, REGEX},
     NULL,
     "PCRE2; its named groups are the columns."},
    END_OF_KEYS,
};
const ds_shape ds_source_shape = {.kind = DS_SHAPE_OBJECT,
                                  .id = "source",
                                  .noun = "an object (a source)",
                                  .keys = source_keys,
                                  .selectors = {"type", "format"}};

/* ---- streams ---- */

static const ds_shape references = {
    .kind = DS_SHAPE_LIST, .min = 1, .max = 1000, .item = &reference};
static const ds_shape from = {.kind = DS_SHAPE_EITHER,
                              .noun = "the name of a source or stream, or a list of such names",
                              .item = &reference,
                              .other = &references};

#define COLUMNS_SHAPE(name, text, most, shape)                                                     \
    static const ds_shape name = {.kind = DS_SHAPE_MAP,                                            \
                                  .names = DS_NAMES_COLUMN,                                        \
                                  .ordered = true,                                                 \
                                  .noun = (text),                                                  \
                                  .min = 1,                                                        \
                                  .max = (most),                                                   \
                                  .item = (shape)}

static const ds_shape selected = {.kind = DS_SHAPE_EITHER,
                                  .noun = "an expression (a string)",
                                  .item = &expression,
                                  .other = &boolean};
COLUMNS_SHAPE(flat_map, "an object of one column and its expression", 1, &expression);
COLUMNS_SHAPE(select_shape, "an object of columns and expressions", 1000, &selected);
COLUMNS_SHAPE(aggregate, "an object of columns and expressions", 1000, &expression);

static const ds_key window_keys[] = {
    {"size", &duration, REQUIRED, {0, 0}, NULL, "How far back it reaches."},
    {"slide", &duration, 0, {0, 0}, NULL, "How often it is computed; as its size if not given."},
    END_OF_KEYS,
};
const ds_shape ds_window_shape = {.kind = DS_SHAPE_OBJECT,
                                  .id = "window",
                                  .noun = "an object with size and slide",
                                  .keys = window_keys};
static const ds_shape window = {.kind = DS_SHAPE_EITHER,
                                .noun =
                                    "a duration such as \"10s\", or an object with size and slide",
                                .item = &duration,
                                .other = &ds_window_shape};
static const ds_shape group_by = {.kind = DS_SHAPE_LIST,
                                  .noun = "a list of column names",
                                  .min = 1,
                                  .max = 1000,
                                  .item = &column};

static const ds_choice join_types[] = {
    [DS_JOIN_INNER] = {.name = "inner", .doc = "rows with a partner"},
    [DS_JOIN_LEFT] = {.name = "left", .doc = "and those of the left side without one"},
    [DS_JOIN_RIGHT] = {.name = "right", .doc = "and those of the right side without one"},
    [DS_JOIN_FULL] = {.name = "full", .doc = "and those of both sides without one"},
    {.name = NULL},
};
static const ds_shape join_type = {.kind = DS_SHAPE_CHOICE, .choices = join_types};
static const ds_shape on_columns = {.kind = DS_SHAPE_LIST,
                                    .noun = "a list of column names",
                                    .min = 1,
                                    .max = DS_JOIN_KEYS_MAX,
                                    .item = &column};
COLUMNS_SHAPE(on_pairs, "an object of column names", DS_JOIN_KEYS_MAX, &column);
static const ds_shape on = {.kind = DS_SHAPE_EITHER,
                            .noun = "a list of column names, or an object where the names differ",
                            .item = &on_columns,
                            .other = &on_pairs};
static const ds_key join_keys[] = {
    {"with", &reference, REQUIRED, {0, 0}, NULL, "The right side; the left one is the parent."},
    {"on", &on, REQUIRED, {0, 0}, NULL, "The key columns; {\"left\": \"right\"} if named apart."},
    {"type", &join_type, 0, {0, 0}, "inner", "What happens to rows without a partner."},
    END_OF_KEYS,
};
const ds_shape ds_join_shape = {
    .kind = DS_SHAPE_OBJECT, .id = "join", .noun = "an object with with and on", .keys = join_keys};
INT_SHAPE(repartition, 1, DS_REPARTITION_MAX);
static const ds_choice emits[] = {
    {.name = "changed", .doc = "the keys with rows, and those that time out"},
    {.name = "all", .doc = "every live key, every batch"},
    {.name = NULL},
};
static const ds_shape emit = {.kind = DS_SHAPE_CHOICE, .choices = emits};
static const ds_shape state_rows = {
    .kind = DS_SHAPE_LIST, .noun = "a list of rows", .max = BATCHES_MAX, .item = &row};
static const ds_shape key_columns = {
    .kind = DS_SHAPE_LIST, .noun = "a list of column names", .min = 1, .max = 32, .item = &column};
static const ds_key state_keys[] = {
    {"key", &key_columns, REQUIRED, {0, 0}, NULL, "The columns by which state is kept."},
    {"set", &aggregate, REQUIRED, {0, 0}, NULL, "The new state: of state.x, aggregates and keys."},
    {"remove_when",
     &expression,
     0,
     {0, 0},
     NULL,
     "Forgets a key for whose new row it holds; that row is not emitted."},
    {"timeout", &duration, 0, {0, 0}, NULL, "Forgets keys without rows for longer than that."},
    {"emit", &emit, 0, {0, 0}, "changed", "Which keys have a row in a batch."},
    {"initial", &state_rows, 0, {0, 0}, NULL, "What is known at the first start."},
    END_OF_KEYS,
};
const ds_shape ds_state_shape = {.kind = DS_SHAPE_OBJECT,
                                 .id = "state",
                                 .noun = "an object with key and set",
                                 .keys = state_keys};

static const ds_key stream_keys[] = {
    {"from", &from, REQUIRED, {0, 0}, NULL, "The parent, or several of the same columns (union)."},
    {"join", &ds_join_shape, 0, {0, 0}, NULL, "Rows of another stream with the same keys."},
    {"flat_map", &flat_map, 0, {0, 0}, NULL, "One row for each element of a list."},
    {"where", &expression, 0, {0, 0}, NULL, "Keeps the rows for which it is true."},
    {"select", &select_shape, 0, {0, 0}, NULL, "The columns; \"*\": true first keeps all."},
    {"window", &window, 0, {0, 0}, NULL, "The batches of some time together."},
    {"group_by", &group_by, 0, {0, 0}, NULL, "The key columns; alone: the distinct keys."},
    {"aggregate", &aggregate, 0, {0, 0}, NULL, "Columns over all rows of a key, or over all rows."},
    {"distinct", &boolean, 0, {0, 0}, "false", "Each row once."},
    {"state", &ds_state_shape, 0, {0, 0}, NULL, "What is remembered of each key."},
    {"snapshot", &boolean, 0, {0, 0}, "false", "The parent's live state after every batch."},
    {"having", &expression, 0, {0, 0}, NULL, "Keeps the result's rows for which it is true."},
    {"order_by",
     &expression,
     0,
     {0, 0},
     NULL,
     "Expressions over the result, as in \"n desc, word\"."},
    {"limit", &count_or_zero, 0, {0, 0}, NULL, "The first so many rows."},
    {"repartition",
     &repartition,
     0,
     {0, 0},
     NULL,
     "Spreads the rows evenly over so many partitions; they lose their order."},
    {"cache", &boolean, 0, {0, 0}, "false", "Keeps the rows of a batch for all who read them."},
    END_OF_KEYS,
};
const ds_shape ds_stream_shape = {
    .kind = DS_SHAPE_OBJECT, .id = "stream", .noun = "an object (a stream)", .keys = stream_keys};

/* ---- sinks ---- */

static const ds_choice sink_types[] = {
    [DS_SINK_CONSOLE] = {.name = "console", .doc = "rows on standard output"},
    [DS_SINK_FILE] = {.name = "file", .doc = "a folder for each output time"},
    [DS_SINK_APPEND] = {.name = "append", .doc = "one growing file"},
    {.name = NULL},
};
static const ds_choice row_formats[] = {
    [DS_ROWS_JSON] = {.name = "json", .doc = "an object a line"},
    [DS_ROWS_CSV] = {.name = "csv", .doc = "a line of fields"},
    [DS_ROWS_TABLE] = {.name = "table", .doc = "for people; console only"},
    {.name = NULL},
};
static const ds_shape sink_type = {.kind = DS_SHAPE_CHOICE, .choices = sink_types};
static const ds_shape row_format = {.kind = DS_SHAPE_CHOICE, .choices = row_formats};

static const ds_key sink_keys[] = {
    {"from", &reference, REQUIRED, {0, 0}, NULL, "The stream whose rows it takes."},
    {"type", &sink_type, REQUIRED, {0, 0}, NULL, "Where the rows go."},
    {"format", &row_format, 0, {0, 0}, "json", "How they are written; table: console only."},
    {"limit", &count_or_zero, 0, {BIT(DS_SINK_CONSOLE), 0}, NULL, "The most rows of one time."},
    {"dir", &path_text, REQUIRED, {BIT(DS_SINK_FILE), 0}, NULL, "The folder for the output."},
    {"path", &path_text, REQUIRED, {BIT(DS_SINK_APPEND), 0}, NULL, "The file that grows."},
    END_OF_KEYS,
};
const ds_shape ds_sink_shape = {.kind = DS_SHAPE_OBJECT,
                                .id = "sink",
                                .noun = "an object (a sink)",
                                .keys = sink_keys,
                                .selectors = {"type"}};

/* ---- tests ---- */

INT_SHAPE(test_batches, 0, BATCHES_MAX);

static const ds_shape record = {.kind = DS_SHAPE_EITHER,
                                .noun = "a raw record (a string) or a row (an object)",
                                .item = &any_text,
                                .other = &row};
static const ds_shape records = {
    .kind = DS_SHAPE_LIST, .noun = "a list of records or rows", .item = &record};
static const ds_shape input_batch = {
    .kind = DS_SHAPE_MAP, .noun = "an object of sources and their records", .item = &records};
static const ds_shape input = {.kind = DS_SHAPE_LIST,
                               .noun = "a list, an element for each batch",
                               .max = BATCHES_MAX,
                               .item = &input_batch};
static const ds_shape expect = {
    .kind = DS_SHAPE_MAP, .noun = "an object of streams and their rows", .item = &batches};
static const ds_shape expect_errors = {
    .kind = DS_SHAPE_MAP, .noun = "an object of sources and numbers", .item = &count_or_zero};

INT_SHAPE(fault_batch, 1, BATCHES_MAX);
static const ds_choice victims[] = {
    {"driver", "the driver and its executors; it recovers from the checkpoint", false},
    {"executor", "one executor; a new one takes its place", false},
    {NULL, NULL, false},
};
static const ds_choice moments[] = {
    {"during", "once its tasks run, before it is committed", false},
    {"after", "once it is committed", false},
    {NULL, NULL, false},
};
static const ds_shape victim = {.kind = DS_SHAPE_CHOICE, .choices = victims};
static const ds_shape moment = {.kind = DS_SHAPE_CHOICE, .choices = moments};
static const ds_key fault_keys[] = {
    {"batch", &fault_batch, REQUIRED, {0, 0}, NULL, "The batch, counted from 1."},
    {"kill", &victim, REQUIRED, {0, 0}, NULL, "What is killed, without warning."},
    {"when", &moment, REQUIRED, {0, 0}, NULL, "When that happens."},
    END_OF_KEYS,
};
const ds_shape ds_fault_shape = {
    .kind = DS_SHAPE_OBJECT, .id = "fault", .noun = "an object (a fault)", .keys = fault_keys};
static const ds_shape faults = {
    .kind = DS_SHAPE_LIST, .noun = "a list of faults", .max = 1000, .item = &ds_fault_shape};

static const ds_key test_keys[] = {
    {"name", &title, REQUIRED, {0, 0}, NULL, "What it shows; each test has its own."},
    {"start",
     &title,
     0,
     {0, 0},
     "1970-01-01T00:00:00Z",
     "The time before the first batch (RFC 3339); a multiple of the interval."},
    {"input", &input, 0, {0, 0}, NULL, "For each batch the records or rows of the sources."},
    {"batches", &test_batches, 0, {0, 0}, NULL, "Runs empty batches on to that many."},
    {"expect", &expect, 0, {0, 0}, NULL, "The rows of a stream at each time it is due."},
    {"expect_errors", &expect_errors, 0, {0, 0}, NULL, "How many records of a source are bad."},
    {"ordered", &boolean, 0, {0, 0}, "false", "The order of the expected rows counts."},
    {"faults", &faults, 0, {0, 0}, NULL, "What is killed; the rows stay the same."},
    END_OF_KEYS,
};
const ds_shape ds_test_shape = {
    .kind = DS_SHAPE_OBJECT, .id = "test", .noun = "an object (a test)", .keys = test_keys};

/* ---- the file ---- */

static const ds_key batch_keys[] = {
    {"interval", &duration, REQUIRED, {0, 0}, NULL, "How long a batch is; 1ms or more."},
    END_OF_KEYS,
};
const ds_shape ds_batch_shape = {.kind = DS_SHAPE_OBJECT, .id = "batch", .keys = batch_keys};

INT_SHAPE(retain, 0, 1000000);
static const ds_key checkpoint_keys[] = {
    {"dir", &path_text, 0, {0, 0}, NULL, "The folder that a restart goes on from."},
    {"every", &duration, 0, {0, 0}, "10s", "How often windows and state are saved."},
    {"retain", &retain, 0, {0, 0}, "10", "How many old metadata files stay."},
    END_OF_KEYS,
};
const ds_shape ds_checkpoint_shape = {
    .kind = DS_SHAPE_OBJECT, .id = "checkpoint", .keys = checkpoint_keys};

static const ds_shape secret_text = {
    .kind = DS_SHAPE_TEXT, .hidden = true, .noun = "a secret (a string)", .min = 1, .max = 4096};
static const ds_shape host_name = {.kind = DS_SHAPE_TEXT, .min = 1, .max = 253};
static const ds_key tls_keys[] = {
    {"cert", &path_text, REQUIRED, {0, 0}, NULL, "The driver's certificate, a PEM file."},
    {"key", &path_text, REQUIRED, {0, 0}, NULL, "Its key, a PEM file."},
    {"ca", &path_text, REQUIRED, {0, 0}, NULL, "Who signs certificates of the app, a PEM file."},
    {"name",
     &host_name,
     0,
     {0, 0},
     NULL,
     "What certificates of executors are for; if not given: the host of their address."},
    END_OF_KEYS,
};
const ds_shape ds_tls_shape = {.kind = DS_SHAPE_OBJECT,
                               .id = "tls",
                               .noun = "an object with cert, key and ca",
                               .keys = tls_keys};
INT_SHAPE(executors_count, 0, 1000);
INT_SHAPE(executors_cores, 1, 256);
INT_SHAPE(key_partitions, 1, DS_KEY_PARTITIONS_MAX);
static const ds_shape memory_size = {
    .kind = DS_SHAPE_SIZE, .min = 16 << 20, .max = INT64_C(1) << 50};
static const ds_shape multiplier = {.kind = DS_SHAPE_FLOAT, .min = 1, .max = 1000};
static const ds_shape quantile = {.kind = DS_SHAPE_FLOAT, .min = 0, .max = 1};
static const ds_key speculation_keys[] = {
    {"enabled", &boolean, 0, {0, 0}, "true", "Whether slow tasks get a second copy."},
    {"multiplier",
     &multiplier,
     0,
     {0, 0},
     "1.5",
     "How many times longer than the median of its stage a slow task takes."},
    {"quantile", &quantile, 0, {0, 0}, "0.75", "The part of a stage that has to be done before."},
    {"interval", &duration, 0, {0, 0}, "100ms", "How often it is looked for slow tasks."},
    {"min_runtime", &duration, 0, {0, 0}, "100ms", "A task that takes less is not slow."},
    END_OF_KEYS,
};
const ds_shape ds_speculation_shape = {
    .kind = DS_SHAPE_OBJECT, .id = "speculation", .keys = speculation_keys};
static const ds_shape speculation = {.kind = DS_SHAPE_EITHER,
                                     .noun = "true, false, or an object of its settings",
                                     .item = &boolean,
                                     .other = &ds_speculation_shape};
static const ds_shape heartbeat = {.kind = DS_SHAPE_DURATION, .min = 10, .max = 86400000};
static const ds_choice modes[] = {
    [DS_MODE_PROCESSES] = {.name = "processes", .doc = "one that dies is replaced"},
    [DS_MODE_THREADS] = {.name = "threads", .doc = "the least memory, and the fastest batches"},
    {.name = NULL},
};
static const ds_shape executors_mode = {.kind = DS_SHAPE_CHOICE, .choices = modes};
static const ds_key executors_keys[] = {
    {"count", &executors_count, 0, {0, 0}, "2", "How many there are; 0 only with listen."},
    {"cores", &executors_cores, 0, {0, 0}, "1", "Task threads in each."},
    {"memory", &memory_size, 0, {0, 0}, "1GiB", "The memory limit of each; 16MiB or more."},
    {"key_partitions",
     &key_partitions,
     0,
     {0, 0},
     NULL,
     "Partitions of keyed data; 4 for each core if not given. Fixed at the first start on a "
     "checkpoint."},
    {"listen",
     &path_text,
     0,
     {0, 0},
     NULL,
     "tcp://host:port or tls+tcp://host:port where executors may join; beyond this host with a "
     "secret."},
    {"heartbeat",
     &heartbeat,
     DS_KEY_NOT_CANONICAL,
     {0, 0},
     "300ms",
     "An executor that is silent for so long is lost."},
    {"secret",
     &secret_text,
     DS_KEY_NOT_CANONICAL,
     {0, 0},
     NULL,
     "What executors from outside have to hold, usually \"${DSTREAM_SECRET}\"."},
    {"secret_file",
     &path_text,
     DS_KEY_NOT_CANONICAL,
     {0, 0},
     NULL,
     "A file with the secret, instead of secret."},
    {"tls", &ds_tls_shape, DS_KEY_NOT_CANONICAL, {0, 0}, NULL, "Certificates for tls+tcp."},
    {"speculation",
     &speculation,
     DS_KEY_NOT_CANONICAL,
     {0, 0},
     "false",
     "Slow tasks get a second copy elsewhere."},
    {"mode",
     &executors_mode,
     DS_KEY_NOT_CANONICAL,
     {0, 0},
     "processes",
     "Whether executors are processes, or threads of the driver."},
    END_OF_KEYS,
};
const ds_shape ds_executors_shape = {
    .kind = DS_SHAPE_OBJECT, .id = "executors", .keys = executors_keys};

static const ds_shape record_size = {.kind = DS_SHAPE_SIZE, .min = 1, .max = GIB};
static const ds_shape disk_size = {.kind = DS_SHAPE_SIZE, .min = 0, .max = INT64_C(1) << 50};
INT_SHAPE(lua_instructions, 1000, 1000000000);
static const ds_shape lua_memory = {.kind = DS_SHAPE_SIZE, .min = 256 << 10, .max = GIB};
static const ds_key limits_keys[] = {
    {"memory", &memory_size, 0, {0, 0}, "2GiB", "The memory of the whole app; 16MiB or more."},
    {"record", &record_size, 0, {0, 0}, "64KiB", "The longest record; longer ones are bad."},
    {"block", &record_size, 0, {0, 0}, "4MiB", "The largest block; not less than record."},
    {"spill", &disk_size, 0, {0, 0}, "16GiB", "Disk that may be used for want of memory."},
    {"lua_instructions",
     &lua_instructions,
     0,
     {0, 0},
     "1000000",
     "The work that one call of a function in Lua may take."},
    {"lua_memory",
     &lua_memory,
     0,
     {0, 0},
     "16MiB",
     "The memory of functions in Lua, in each task thread."},
    END_OF_KEYS,
};
const ds_shape ds_limits_shape = {.kind = DS_SHAPE_OBJECT, .id = "limits", .keys = limits_keys};

INT_SHAPE(least_rate, 1, INT64_C(1000000000000));
static const ds_shape gain = {.kind = DS_SHAPE_FLOAT, .min = 0, .max = 1000};
static const ds_key backpressure_keys[] = {
    {"enabled", &boolean, 0, {0, 0}, "true", "Whether rates follow what batches can process."},
    {"initial_rate",
     &max_rate,
     0,
     {0, 0},
     NULL,
     "Records a second of each source until the first estimate; its max_rate if not given."},
    {"min_rate", &least_rate, 0, {0, 0}, "100", "The least rate of an estimate."},
    {"proportional", &gain, 0, {0, 0}, "1.0", "How much of the error in the rate counts."},
    {"integral", &gain, 0, {0, 0}, "0.2", "How much of what is behind counts."},
    {"derived", &gain, 0, {0, 0}, "0.0", "How much of the change of the error counts."},
    END_OF_KEYS,
};
const ds_shape ds_backpressure_shape = {
    .kind = DS_SHAPE_OBJECT, .id = "backpressure", .keys = backpressure_keys};
static const ds_shape backpressure = {.kind = DS_SHAPE_EITHER,
                                      .noun = "true, false, or an object of its settings",
                                      .item = &boolean,
                                      .other = &ds_backpressure_shape};
static const ds_key api_keys[] = {
    {"listen", &address, REQUIRED, {0, 0}, NULL, "\"host:port\" for metrics and health (HTTP)."},
    END_OF_KEYS,
};
const ds_shape ds_api_shape = {.kind = DS_SHAPE_OBJECT, .id = "api", .keys = api_keys};

static const ds_shape app_name = {.kind = DS_SHAPE_NAME, .names = DS_NAMES_DASHED};

#define NAMED_SHAPE(name, rule, least, text, shape)                                                \
    static const ds_shape name = {.kind = DS_SHAPE_MAP,                                            \
                                  .names = (rule),                                                 \
                                  .noun = (text),                                                  \
                                  .min = (least),                                                  \
                                  .max = 1000,                                                     \
                                  .item = (shape)}
NAMED_SHAPE(sources, DS_NAMES_WORD, 1, "an object of named sources", &ds_source_shape);
NAMED_SHAPE(streams, DS_NAMES_WORD, 0, "an object of named streams", &ds_stream_shape);
NAMED_SHAPE(sinks, DS_NAMES_DASHED, 0, "an object of named sinks", &ds_sink_shape);

static const ds_shape tests = {
    .kind = DS_SHAPE_LIST, .noun = "a list of tests", .max = 10000, .item = &ds_test_shape};

static const ds_key app_keys[] = {
    {"$schema", &any_text, DS_KEY_NOT_CANONICAL, {0, 0}, NULL, "For editors."},
    {"version", &one, REQUIRED, {0, 0}, NULL, "The version of this format, 1."},
    {"name", &app_name, REQUIRED, {0, 0}, NULL, "The app's name: letters, digits, _ and -."},
    {"batch", &ds_batch_shape, REQUIRED, {0, 0}, NULL, "Batches."},
    {"checkpoint", &ds_checkpoint_shape, 0, {0, 0}, NULL, "What survives a restart."},
    {"executors", &ds_executors_shape, 0, {0, 0}, NULL, "The processes that do the work."},
    {"limits", &ds_limits_shape, 0, {0, 0}, NULL, "Limits."},
    {"backpressure",
     &backpressure,
     DS_KEY_NOT_CANONICAL,
     {0, 0},
     "false",
     "Slows sources to what batches can process."},
    {"api",
     &ds_api_shape,
     DS_KEY_NOT_CANONICAL,
     {0, 0},
     NULL,
     "Where the app tells of itself over HTTP."},
    {"sources", &sources, REQUIRED, {0, 0}, NULL, "Where data comes from."},
    {"streams", &streams, 0, {0, 0}, NULL, "What is made of it."},
    {"sinks", &sinks, 0, {0, 0}, NULL, "Where results go; needed to run the app."},
    {"functions", &ds_functions_shape, 0, {0, 0}, NULL, "Functions of your own, in Lua."},
    {"tests",
     &tests,
     DS_KEY_NO_VARIABLES | DS_KEY_NOT_CANONICAL,
     {0, 0},
     NULL,
     "What `dstream test` checks."},
    {"dead_letters", &path_text, 0, {0, 0}, NULL, "The file for bad records, as JSON."},
    END_OF_KEYS,
};
const ds_shape ds_app_shape = {
    .kind = DS_SHAPE_OBJECT, .noun = "an object (an app)", .keys = app_keys};

const char *const ds_app_later_keys[] = {
    "concurrent_jobs",
    NULL,
};
