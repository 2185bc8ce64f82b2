/*
 * The tests of the app file, as far as they can be checked without running them: names, times,
 * records, rows of sources, and that a stream has as many expected entries as it is due.
 */
#include "dstream/app_build.h"

#include "base/json_path.h"
#include "columnar/text.h"
#include "dstream/app_canonical.h"
#include "dstream/app_check.h"
#include "dstream/units.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- input ---- */

/* A list holds raw records or rows, not both; generated sources take rows only. */
static void check_records(ds_app_builder *builder, const ds_app_source *source,
                          const json_t *records, const char *path)
{
    bool generated = source->type == DS_SOURCE_QUEUE || source->type == DS_SOURCE_RATE;
    bool texts = json_is_string(json_array_get(records, 0));
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        const char *text = json_string_value(record), *fault = NULL;
        if (json_is_null(record))
            continue;
        if (text != NULL && generated)
            fault = "a queue or rate is given rows (objects), not raw records";
        else if (text != NULL && strchr(text, '\n') != NULL)
            fault = "a record cannot hold a line break";
        else if ((text != NULL) != texts)
            fault = "raw records (strings) and rows (objects) do not stand in one list";
        if (fault != NULL)
            ds_diag_error(builder->diagnostics, ds_app_path_at(builder, path, i), "%s", fault);
    }
}

static void check_batch(ds_app_builder *builder, json_t *batch, size_t index, const char *path)
{
    for (void *i = json_object_iter(batch); i != NULL; i = json_object_iter_next(batch, i)) {
        const char *name = json_object_iter_key(i);
        json_t *records = json_object_iter_value(i);
        const char *at = ds_app_path(builder, path, name);
        const ds_app_node *node = ds_app_resolve(builder, at, true, name, true);
        if (node == NULL)
            continue;
        if (node->source->type == DS_SOURCE_TABLE && index > 0)
            ds_diag_error_key(builder->diagnostics, at, "a table is given in the first batch");
        check_records(builder, node->source, records, at);
        if (node->source->schema.n_fields > 0)
            ds_app_check_rows(builder, &node->source->schema, records, NULL, at);
    }
}

static bool is_in_input(const ds_app_test *test, const char *name)
{
    for (size_t i = 0; i < json_array_size(test->input); i++)
        if (json_object_get(json_array_get(test->input, i), name) != NULL)
            return true;
    return false;
}

/* The longest of input, `batches` and the queues that input does not name. */
static uint32_t count_batches(const ds_app_builder *builder, const ds_app_test *test,
                              const json_t *object)
{
    size_t n = (size_t)ds_shape_number(&ds_test_shape, object, "batches");
    if (json_array_size(test->input) > n)
        n = json_array_size(test->input);
    for (uint32_t i = 0; i < builder->app->n_sources; i++) {
        const ds_app_source *source = &builder->app->sources[i];
        size_t size = json_array_size(source->batches);
        if (size > n && !is_in_input(test, source->name))
            n = size;
    }
    return (uint32_t)n;
}

/* ---- under a test ---- */

static json_t *lists_of(const json_t *input, const char *name)
{
    json_t *lists = json_array();
    for (size_t i = 0; i < json_array_size(input); i++) {
        json_t *list = json_object_get(json_array_get(input, i), name);
        if (list != NULL)
            json_array_append(lists, list);
        else
            json_array_append_new(lists, json_array());
    }
    return lists;
}

void ds_app_build_given(ds_app_builder *builder, json_t *input)
{
    ds_app *app = builder->app;
    const ds_app_test test = {.input = input};
    for (size_t i = 0; i < json_array_size(input); i++)
        check_batch(builder, json_array_get(input, i), i, ds_app_path_at(builder, DS_APP_GIVEN, i));
    app->given = json_object();
    for (uint32_t i = 0; i < app->n_sources; i++) {
        ds_app_source *source = &app->sources[i];
        bool named = is_in_input(&test, source->name);
        if (source->type == DS_SOURCE_QUEUE && !named)
            continue;
        json_t *lists = named ? lists_of(input, source->name) : json_array();
        json_object_set_new(app->given, source->name, lists);
        source->batches = lists;
    }
}

/* ---- time ---- */

/* Reads `start`. False if it is wrong. */
static bool read_start(ds_app_builder *builder, ds_app_test *test, const json_t *object)
{
    const char *text = ds_shape_string(&ds_test_shape, object, "start");
    const char *path = ds_app_path(builder, test->path, "start");
    int64_t us, interval = builder->app->interval_ms;
    if (json_is_null(json_object_get(object, "start")) || interval == 0)
        return false;
    if (!ds_parse_timestamp(text, strlen(text), &us)) {
        ds_diag_error(builder->diagnostics, path,
                      "must be a time in RFC 3339, such as \"2026-01-01T00:00:00Z\"");
        return false;
    }
    test->start_ms = us / 1000;
    if (us % 1000 != 0 || test->start_ms % interval != 0) {
        char shown[DS_UNIT_TEXT];
        ds_duration_format(interval, shown);
        ds_diag_error(builder->diagnostics, path, "must be a multiple of the batch interval, %s",
                      shown);
        return false;
    }
    if (test->start_ms + test->n_batches * interval > DS_TIMESTAMP_MAX / 1000) {
        ds_diag_error(builder->diagnostics, path, "the last batch would be after the year 9999");
        return false;
    }
    return true;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* How many multiples of slide lie behind the start, up to the last batch. */
static int64_t count_due(const ds_app_builder *builder, const ds_app_test *test, int64_t slide)
{
    int64_t end = test->start_ms + test->n_batches * builder->app->interval_ms;
    return floor_div(end, slide) - floor_div(test->start_ms, slide);
}

static void check_due(ds_app_builder *builder, const ds_app_test *test, const ds_app_node *node,
                      const json_t *entries, const char *path)
{
    if (node->slide_ms == 0 || !json_is_array(entries))
        return;
    int64_t due = count_due(builder, test, node->slide_ms);
    if (due == (int64_t)json_array_size(entries))
        return;
    char slide[DS_UNIT_TEXT], interval[DS_UNIT_TEXT];
    ds_duration_format(node->slide_ms, slide);
    ds_duration_format(builder->app->interval_ms, interval);
    ds_diag_error(builder->diagnostics, path,
                  "must have %" PRId64 " entries, not %zu: \"%s\" is due every %s, in %u batches "
                  "of %s",
                  due, json_array_size(entries), node->name, slide, test->n_batches, interval);
}

/* ---- expectations ---- */

static bool same_columns(const json_t *a, json_t *b)
{
    if (json_object_size(a) != json_object_size(b))
        return false;
    for (void *i = json_object_iter(b); i != NULL; i = json_object_iter_next(b, i))
        if (json_object_get(a, json_object_iter_key(i)) == NULL)
            return false;
    return true;
}

/* A value that a column can have: not an object, and no list in a list. */
static bool is_value(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++)
        if (json_is_object(json_array_get(value, i)) || json_is_array(json_array_get(value, i)))
            return false;
    return !json_is_object(value);
}

static void check_expected_row(ds_app_builder *builder, const ds_schema *schema, json_t *row,
                               ds_buffer *path)
{
    for (void *i = json_object_iter(row); i != NULL; i = json_object_iter_next(row, i)) {
        const char *name = json_object_iter_key(i);
        size_t before = path->length;
        ds_json_path_key(path, name, strlen(name));
        if (schema != NULL)
            ds_app_check_column(builder, schema, name, ds_buffer_text(path));
        if (!is_value(json_object_iter_value(i)))
            ds_diag_error(builder->diagnostics, ds_buffer_text(path),
                          "cannot be the value of a column");
        path->length = before;
    }
}

/* Checks the rows of one entry; *first is the first row of the stream, which names the columns
 * of all. */
static void check_entry(ds_app_builder *builder, const ds_schema *schema, const json_t *rows,
                        const json_t **first, ds_buffer *path)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (!json_is_object(row))
            continue;
        size_t before = path->length;
        ds_json_path_index(path, i);
        check_expected_row(builder, schema, row, path);
        if (*first == NULL)
            *first = row;
        else if (!same_columns(*first, row))
            ds_diag_error(builder->diagnostics, ds_buffer_text(path),
                          "all expected rows of a stream name the same columns, and this one has "
                          "others than the first");
        path->length = before;
    }
}

static void check_expected(ds_app_builder *builder, const ds_app_node *node, const json_t *entries,
                           const char *path)
{
    bool known = node->source != NULL && node->source->schema.n_fields > 0;
    const json_t *first = NULL;
    ds_buffer at = {0};
    ds_buffer_append_text(&at, path);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        size_t before = at.length;
        ds_json_path_index(&at, i);
        check_entry(builder, known ? &node->source->schema : NULL, json_array_get(entries, i),
                    &first, &at);
        at.length = before;
    }
    ds_buffer_fini(&at);
}

static void check_expect(ds_app_builder *builder, const ds_app_test *test, bool timed)
{
    json_t *expect = (json_t *)(uintptr_t)test->expect; /* iterators take no const */
    const char *path = ds_app_path(builder, test->path, "expect");
    for (void *i = json_object_iter(expect); i != NULL; i = json_object_iter_next(expect, i)) {
        const char *name = json_object_iter_key(i);
        const char *at = ds_app_path(builder, path, name);
        const ds_app_node *node = ds_app_resolve(builder, at, true, name, false);
        if (node == NULL)
            continue;
        if (timed)
            check_due(builder, test, node, json_object_iter_value(i), at);
        check_expected(builder, node, json_object_iter_value(i), at);
    }
}

static void check_expect_errors(ds_app_builder *builder, const ds_app_test *test)
{
    uint32_t n;
    const char **names = ds_app_names(builder, test->expect_errors, &n);
    const char *path = ds_app_path(builder, test->path, "expect_errors");
    for (uint32_t i = 0; i < n; i++)
        ds_app_resolve(builder, ds_app_path(builder, path, names[i]), true, names[i], true);
}

/* ---- faults ---- */

static int by_moment(const void *a, const void *b)
{
    const ds_app_fault *x = a, *y = b;
    if (x->batch != y->batch)
        return x->batch < y->batch ? -1 : 1;
    return (int)y->during - (int)x->during;
}

static void read_faults(ds_app_builder *builder, ds_app_test *test, json_t *list)
{
    const char *path = ds_app_path(builder, test->path, "faults");
    test->faults = DS_ARENA_ARRAY(builder->arena, ds_app_fault, json_array_size(list) + 1);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *object = json_array_get(list, i);
        const char *kill = ds_shape_string(&ds_fault_shape, object, "kill");
        const char *when = ds_shape_string(&ds_fault_shape, object, "when");
        if (kill == NULL || when == NULL)
            continue; /* that was said */
        ds_app_fault fault = {.batch = (uint32_t)ds_shape_number(&ds_fault_shape, object, "batch"),
                              .driver = strcmp(kill, "driver") == 0,
                              .during = strcmp(when, "during") == 0};
        if (fault.batch > test->n_batches)
            ds_diag_error(builder->diagnostics,
                          ds_app_path(builder, ds_app_path_at(builder, path, i), "batch"),
                          "the test has %u batches", test->n_batches);
        test->faults[test->n_faults++] = fault;
    }
    qsort(test->faults, test->n_faults, sizeof *test->faults, by_moment);
}

/* ---- one test, all tests ---- */

/* Gives the value at key, which is made if it is not there. */
static json_t *value_or(json_t *object, const char *key, json_t *fallback)
{
    if (ds_shape_get(object, key) == NULL)
        json_object_set(object, key, fallback);
    json_decref(fallback);
    return json_object_get(object, key);
}

static void read_test(ds_app_builder *builder, ds_app_test *test, json_t *object)
{
    bool expects = json_object_get(object, "expect") != NULL ||
                   json_object_get(object, "expect_errors") != NULL;
    bool known = !json_is_null(json_object_get(object, "input")) &&
                 !json_is_null(json_object_get(object, "batches"));
    test->name = ds_app_text_copy(builder, json_string_value(ds_shape_get(object, "name")));
    test->input = value_or(object, "input", json_array());
    test->expect = value_or(object, "expect", json_object());
    test->expect_errors = ds_shape_get(object, "expect_errors");
    test->ordered = ds_shape_number(&ds_test_shape, object, "ordered") != 0;
    test->n_batches = count_batches(builder, test, object);
    read_faults(builder, test, ds_shape_get(object, "faults"));
    const char *path = ds_app_path(builder, test->path, "input");
    for (size_t i = 0; i < json_array_size(test->input); i++)
        check_batch(builder, json_array_get(test->input, i), i, ds_app_path_at(builder, path, i));
    bool timed = read_start(builder, test, object) && known;
    check_expect(builder, test, timed);
    check_expect_errors(builder, test);
    if (!expects && ds_diagnostics_errors(builder->diagnostics) == 0)
        ds_diag_warning(builder->diagnostics, test->path, "the test expects nothing");
}

void ds_app_build_tests(ds_app_builder *builder)
{
    ds_app *app = builder->app;
    json_t *tests = ds_shape_get(app->tree, "tests");
    app->n_tests = (uint32_t)json_array_size(tests);
    app->tests = DS_ARENA_ARRAY(builder->arena, ds_app_test, app->n_tests + 1);
    json_t *seen = json_object();
    for (uint32_t i = 0; i < app->n_tests; i++) {
        ds_app_test *test = &app->tests[i];
        test->path = ds_app_path_at(builder, "tests", i);
        read_test(builder, test, json_array_get(tests, i));
        if (test->name == NULL)
            continue;
        if (json_object_get(seen, test->name) != NULL)
            ds_diag_error(builder->diagnostics, ds_app_path(builder, test->path, "name"),
                          "there is a test of this name already");
        json_object_set_new(seen, test->name, json_true());
    }
    json_decref(seen);
}
