/* Dead letters: what is written of a bad record, of any reason, and of a row that overflows. */
#include "base/files.h"
#include "unit/engine.h"
#include "unit/scratch_dir.h"

#define LETTER "{\"time\":\"1970-01-01T00:00:01Z\",\"source\":\"in\",\"position\":"
#define ROW "{\"time\":\"1970-01-01T00:00:01Z\",\"stream\":"
#define OVERFLOW                                                                                   \
    "\"reason\":\"overflow\","                                                                     \
    "\"detail\":\"a result in its flat_map, where or select is out of range\",\"row\":"

typedef struct kit {
    scratch_dir d;
    engine e;
} kit;

/* An app of one source, whose letters go to `dead`. */
static void kit_open(kit *k, const char *source, const char *streams, const char *last)
{
    char *text = NULL;
    scratch_open(&k->d);
    ck_assert_int_gt(
        asprintf(&text,
                 "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                 "'limits': { 'record': '40B' }, 'dead_letters': '%s/dead',"
                 "'functions': { 'odd': { 'lua': [ 'function(s)',"
                 "   'if s == [[b]] then error([[odd]]) end return s end' ],"
                 "   'args': ['string'], 'returns': 'string' } },"
                 "'sources': { 'in': { 'on_error': 'dead_letter', %s } }, 'streams': { %s },"
                 "'sinks': { 'o': { 'from': '%s', 'type': 'file', 'dir': '%s/out' } } }",
                 k->d.path, source, streams, last, k->d.path),
        0);
    engine_open_app(&k->e, text);
    free(text);
}

static void kit_close(kit *k)
{
    engine_close(&k->e);
    scratch_close(&k->d);
}

/* The letters of the last batch; the caller frees. "" if there are none. */
static char *letters(kit *k)
{
    ds_buffer text = {0};
    ds_error error;
    const ds_commit *commit = &k->e.commit;
    for (uint32_t i = 0; i < commit->n_appends; i++) {
        ck_assert_uint_eq(commit->appends[i].sink, k->e.plan->dead_letters);
        for (uint32_t p = 0; p < commit->appends[i].n_parts; p++)
            ck_assert_int_eq(
                ds_read_file(commit->appends[i].parts[p].staged, 1 << 20, &text, &error), DS_OK);
    }
    ds_buffer_text(&text);
    return text.data;
}

static void check_letters(kit *k, const char *expected, uint64_t n)
{
    char *text = letters(k);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(k->e.batch->dead_letters, n);
    free(text);
}

/* One bad record that came as a block of bytes. */
static void check_record(const char *source, const char *record, const char *expected)
{
    kit k;
    kit_open(&k, source, "", "in");
    engine_feed(&k.e, "in", record);
    engine_batch(&k.e);
    check_letters(&k, expected, 1);
    ck_assert_uint_eq(k.e.batch->rows_out, 0);
    kit_close(&k);
}

#define JSON "'type': 'stdin', 'format': 'json', 'schema': { 'n': 'int' }"
#define CSV "'type': 'stdin', 'format': 'csv', 'schema': { 'n': 'int', 's': 'string' }"

START_TEST(every_reason)
{
    check_record(CSV, "0123456789012345678901234567890123456789x\n",
                 LETTER
                 "{\"record\":1},\"reason\":\"too_long\",\"detail\":\"41 bytes are more than "
                 "the 40 that a record may have (limits.record)\","
                 "\"record\":\"0123456789012345678901234567890123456789\",\"length\":41}\n");
    check_record(JSON, "[1]\n",
                 LETTER "{\"record\":1},\"reason\":\"syntax\",\"detail\":\"not valid JSON: not an "
                        "object\",\"record\":\"[1]\"}\n");
    check_record(CSV, "x,a\r\n",
                 LETTER
                 "{\"record\":1},\"reason\":\"type\",\"detail\":\"field 1 \\\"x\\\" is not an "
                 "int (column n)\",\"record\":\"x,a\"}\n");
    check_record(CSV, "99999999999999999999,a\n",
                 LETTER "{\"record\":1},\"reason\":\"range\",\"detail\":\"field 1 "
                        "\\\"99999999999999999999\\\" is out of range for an int (column n)\","
                        "\"record\":\"99999999999999999999,a\"}\n");
    check_record(CSV, "1", /* no line end */
                 LETTER "{\"record\":1},\"reason\":\"fields\",\"detail\":\"1 fields instead of 2\","
                        "\"record\":\"1\"}\n");
    check_record(JSON, "{'n':1,'s':'\xFF'}\n",
                 LETTER "{\"record\":1},\"reason\":\"encoding\",\"detail\":\"byte 13 is not valid "
                        "UTF-8\",\"record\":\"{\\\"n\\\":1,\\\"s\\\":\\\"\xEF\xBF\xBD\\\"}\","
                        "\"base64\":\"eyJuIjoxLCJzIjoi/yJ9\"}\n");
}
END_TEST

/* What is no text is there twice: to be read, and to be had again. */
START_TEST(bytes_that_are_no_text)
{
    static const char *const cases[][3] = {
        {"\xFF", "\xEF\xBF\xBD", "/w=="},
        {"\xFF\xFE", "\xEF\xBF\xBD\xEF\xBF\xBD", "//4="},
        {"a\xFF\xFE", "a\xEF\xBF\xBD\xEF\xBF\xBD", "Yf/+"},
        {"a\xFFzz", "a\xEF\xBF\xBDzz", "Yf96eg=="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[400];
        snprintf(expected, sizeof expected,
                 LETTER "{\"record\":1},\"reason\":\"fields\",\"detail\":\"1 fields instead of 2\","
                        "\"record\":\"%s\",\"base64\":\"%s\"}\n",
                 cases[i][1], cases[i][2]);
        check_record(CSV, cases[i][0], expected);
    }
}
END_TEST

/* A record is not cut within a character. */
START_TEST(long_records_of_characters)
{
    ds_buffer record = {0};
    ds_buffer_append_char(&record, 'x');
    for (int i = 0; i < 20; i++)
        ds_buffer_append_text(&record, "\xC3\xA4");
    kit k;
    kit_open(&k, CSV, "", "in");
    engine_feed(&k.e, "in", ds_buffer_text(&record));
    engine_batch(&k.e);
    char *text = letters(&k);
    ck_assert_ptr_null(strstr(text, "base64"));
    ck_assert_ptr_nonnull(strstr(text, "\xC3\xA4\",\"length\":41}"));
    free(text);
    ds_buffer_fini(&record);
    kit_close(&k);
}
END_TEST

/* Received records are numbered over all blocks and lines, as messages do; good ones are passed. */
START_TEST(positions_of_received_records)
{
    kit k;
    kit_open(&k, JSON, "", "in");
    engine_feed(&k.e, "in", "{'n':1}\nx\n\n{'n':2}\ny\nz\n");
    engine_feed(&k.e, "in", "a\n{'n':3}\nb\n");
    k.e.fed[1].input.position = 100;
    k.e.block_bytes = 1 << 20;
    engine_batch(&k.e);
    ck_assert_uint_eq(k.e.n_tasks, 1);
    static const char *const positions[] = {"2", "5", "6", "101", "103"};
    char *text = letters(&k), *line = text;
    for (int i = 0; i < 5; i++) {
        char expected[60];
        snprintf(expected, sizeof expected, "\"position\":{\"record\":%s},", positions[i]);
        ck_assert_ptr_nonnull(strstr(line, expected));
        line = strchr(line, '\n') + 1;
    }
    ck_assert_str_eq(line, "");
    free(text);
    kit_close(&k);
}
END_TEST

/* A piece of a file says where in the file; the header goes with each record. */
START_TEST(positions_in_files)
{
    kit k;
    kit_open(&k,
             "'type': 'files', 'dir': 'x', 'format': 'csv', 'header': true,"
             "'schema': { 'n': 'int' }",
             "", "in");
    scratch_write(&k.d, "a", "m,n\n1,2\n1,x\n2\n");
    const char *path = scratch_path(&k.d, "a");
    engine_add(&k.e, "in", (ds_input){.kind = DS_INPUT_FILE, .from = 0, .to = 9, .path = path});
    engine_add(&k.e, "in", (ds_input){.kind = DS_INPUT_FILE, .from = 9, .to = 14, .path = path});
    engine_batch(&k.e);
    char expected[700];
    snprintf(expected, sizeof expected,
             LETTER
             "{\"file\":\"%s\",\"offset\":8},\"reason\":\"type\",\"detail\":\"field 2 \\\"x\\\" "
             "is not an int (column n)\",\"header\":\"m,n\",\"record\":\"1,x\"}\n" LETTER
             "{\"file\":\"%s\",\"offset\":12},\"reason\":\"fields\",\"detail\":\"1 fields "
             "instead of 2\",\"header\":\"m,n\",\"record\":\"2\"}\n",
             path, path);
    check_letters(&k, expected, 2);
    kit_close(&k);
}
END_TEST

/* A header without a column: every record behind it is a letter, with that header. */
START_TEST(a_bad_header)
{
    kit k;
    kit_open(&k, "'type': 'stdin', 'format': 'csv', 'header': true, 'schema': { 'n': 'int' }", "",
             "in");
    engine_feed(&k.e, "in", "m\n1\n2\n");
    k.e.fed[0].input.header = 2;
    engine_batch(&k.e);
    check_letters(&k,
                  LETTER
                  "{\"record\":1},\"reason\":\"header\",\"detail\":\"the header has no column "
                  "\\\"n\\\"\",\"header\":\"m\",\"record\":\"1\"}\n" LETTER
                  "{\"record\":2},\"reason\":\"header\",\"detail\":\"the header has no column "
                  "\\\"n\\\"\",\"header\":\"m\",\"record\":\"2\"}\n",
                  2);
    kit_close(&k);
}
END_TEST

/* ---- overflows ---- */

#define ROWS                                                                                       \
    "'type': 'queue', 'schema': { 'n': 'int', 's': 'string', 'l': 'list<int>' },"                  \
    "'batches': [ [ { 'n': 1, 's': 'a' }, { 'n': 9223372036854775807, 's': 'x\\n\\\"y', 'l': [1] " \
    "},"                                                                                           \
    "{ 'n': null, 's': null }, { 'n': 9223372036854775806, 's': 'b' } ] ]"

/* The whole row is there, also columns that nothing else reads. */
START_TEST(rows_that_overflow)
{
    static const char *const clauses[] = {
        "'where': 'n + 1 > 0', 'select': { 'k': 'n' }",
        "'select': { 'k': 'n + 1' }",
        "'flat_map': { 'k': 'array(n + 1)' }, 'select': { 'k': 'k' }",
    };
    for (size_t i = 0; i < 3; i++) {
        kit k;
        char stream[200];
        snprintf(stream, sizeof stream, "'a': { 'from': 'in', %s }", clauses[i]);
        kit_open(&k, ROWS, stream, "a");
        engine_batch(&k.e);
        check_letters(&k,
                      ROW "\"a\"," OVERFLOW
                          "{\"n\":9223372036854775807,\"s\":\"x\\n\\\"y\",\"l\":[1]}}\n",
                      1);
        ck_assert_uint_eq(k.e.sum.overflow_rows, 1);
        kit_close(&k);
    }
}
END_TEST

/* A row is what came into the stream: of a union with the columns of its first parent. */
START_TEST(rows_of_streams_of_streams)
{
    kit k;
    kit_open(&k, ROWS,
             "'a': { 'from': 'in', 'select': { 'k': 'n', 't': 's' } },"
             "'b': { 'from': 'in', 'where': 'n = 1', 'select': { 't': 's', 'k': 'n' } },"
             "'c': { 'from': ['b', 'a'], 'where': 'k + 1 > 0', 'select': { 'k': 'k' } }",
             "c");
    engine_batch(&k.e);
    check_letters(&k, ROW "\"c\"," OVERFLOW "{\"t\":\"x\\n\\\"y\",\"k\":9223372036854775807}}\n",
                  1);
    kit_close(&k);
}
END_TEST

/* Behind an aggregate, too: in the task that makes the rows. */
START_TEST(rows_of_aggregates)
{
    kit k;
    kit_open(&k, ROWS,
             "'a': { 'from': 'in', 'group_by': ['s'], 'aggregate': { 'm': 'max(n)' } },"
             "'b': { 'from': 'a', 'select': { 'k': 'm + 1' } }",
             "b");
    engine_batch(&k.e);
    check_letters(&k, ROW "\"b\"," OVERFLOW "{\"s\":\"x\\n\\\"y\",\"m\":9223372036854775807}}\n",
                  1);
    kit_close(&k);
}
END_TEST

/* Both kinds of failures, of different rows. */
START_TEST(rows_whose_function_fails)
{
    kit k;
    kit_open(&k, ROWS, "'a': { 'from': 'in', 'select': { 'k': 'n + 1', 't': 'odd(s)' } }", "a");
    engine_batch(&k.e);
    check_letters(
        &k,
        ROW "\"a\"," OVERFLOW "{\"n\":9223372036854775807,\"s\":\"x\\n\\\"y\",\"l\":[1]}}\n" ROW
            "\"a\",\"reason\":\"function\",\"detail\":\"a function in its flat_map, where "
            "or select failed\",\"row\":{\"n\":9223372036854775806,\"s\":\"b\",\"l\":null}}\n",
        2);
    ck_assert_uint_eq(k.e.sum.overflow_rows, 1);
    kit_close(&k);
}
END_TEST

/* Columns are kept for letters only where a number can be out of range. */
START_TEST(columns_that_are_read)
{
    static const struct {
        const char *clauses;
        bool all;
    } cases[] = {
        {"'where': 'n > 5', 'select': { 'n': 'n' }", false},
        {"'where': 'length(s) + 1 > 5', 'select': { 'n': 'n' }", true},
        {"'select': { 'n': 'n / 2.0', 't': 'coalesce(n, 3)' }", false},
        {"'select': { 'n': '-n' }", true},
        {"'select': { 'n': 'case when cast(s as int) > 3 then 1.5 else 2.5 end' }", true},
        {"'select': { 'n': 'from_unix(n) > batch_time()' }", true},
        {"'where': 'odd(s) > s', 'select': { 'n': 'n' }", true},
        {"'flat_map': { 'n': 'array(n)' }, 'select': { 'n': 'n' }", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit k;
        char stream[200];
        snprintf(stream, sizeof stream, "'a': { 'from': 'in', %s }", cases[i].clauses);
        kit_open(&k, ROWS, stream, "a");
        const ds_node *source = k.e.plan->nodes[0];
        ck_assert_int_eq(source->kind, DS_NODE_SOURCE);
        ck_assert_msg(source->wanted[2] == cases[i].all, "%s", stream);
        kit_close(&k);
    }
}
END_TEST

/* ---- failures ---- */

START_TEST(no_letters_no_file)
{
    kit k;
    kit_open(&k, JSON, "", "in");
    engine_feed(&k.e, "in", "{'n':1}\n");
    engine_batch(&k.e);
    check_letters(&k, "", 0);
    ck_assert(!scratch_exists(&k.d, ".dead.dstream"));
    kit_close(&k);
}
END_TEST

/* A letter that cannot be written fails the task, which may be run again; nothing is left of it. */
START_TEST(a_file_that_cannot_be_made)
{
    kit k;
    kit_open(&k, JSON, "", "in");
    k.e.once = true;
    scratch_write(&k.d, ".dead.dstream", "in the way");
    engine_feed(&k.e, "in", "{'n':1}\nx\n");
    const engine_fed fed = k.e.fed[0];
    ck_assert_int_eq(engine_try(&k.e), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.e.message, ".dead.dstream"));
    ck_assert(!scratch_exists(&k.d, "out"));
    unlink(scratch_path(&k.d, ".dead.dstream"));
    k.e.fed[k.e.n_fed++] = fed;
    engine_feed(&k.e, "in", "y\n");
    ck_assert_int_eq(engine_try(&k.e), DS_OK);
    ck_assert_uint_ge(k.e.batch->dead_letters, 1);
    kit_close(&k);
}
END_TEST

/* A sink that fails takes the letters of its task with it. */
START_TEST(a_sink_that_fails)
{
    kit k;
    kit_open(&k, JSON, "", "in");
    k.e.once = true;
    scratch_write(&k.d, "out", "in the way");
    engine_feed(&k.e, "in", "x\n{'n':1}\n");
    ck_assert_int_eq(engine_try(&k.e), DS_ERR_IO);
    ck_assert_int_eq(scratch_entries(&k.d, ".dead.dstream"), 0);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("dead_letters", every_reason, bytes_that_are_no_text, long_records_of_characters,
          positions_of_received_records, positions_in_files, a_bad_header, rows_that_overflow,
          rows_of_streams_of_streams, rows_of_aggregates, rows_whose_function_fails,
          columns_that_are_read, no_letters_no_file, a_file_that_cannot_be_made, a_sink_that_fails)
