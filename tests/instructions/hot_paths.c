/*
 * The hot paths, to be run by tests/instructions/check.py under callgrind.
 *
 * Each workload is an app whose tasks run in this process, one after another, on records that are
 * the same each time: a first batch that warms everything up, and a second one, whose instructions
 * are counted and written under the workload's name. That is repeated for each level of vector
 * instructions, which is chosen here and not by the processor.
 */
#include "base/random.h"
#include "columnar/text_simd.h"
#include "exec/save_writer.h"
#include "receiver/newline.h"
#include "unit/engine.h"

#include "counted.h"

#define RECORDS 12000u /* of a batch */
#define BLOCKS 4u      /* that they lie in: a map task each */

typedef struct workload {
    const char *name;
    const char *sources, *streams;
    void (*line)(ds_buffer *out, ds_random *random, uint32_t number);
    bool joins;
} workload;

static uint32_t pick(ds_random *random, uint32_t n)
{
    return (uint32_t)ds_random_below(random, n);
}

static void letters(ds_buffer *out, ds_random *random, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ds_buffer_append_char(out, (char)('a' + pick(random, 26)));
}

/* A name of 36 bytes, as ads and users have. */
static void long_name(ds_buffer *out, uint32_t number)
{
    uint64_t mixed = (number + 1) * UINT64_C(0x9E3779B97F4A7C15);
    ds_buffer_printf(out, "%08x-%04x-%04x-%04x-%012llx", (uint32_t)mixed, number & 0xffff,
                     (uint32_t)(mixed >> 32) & 0xffff, (uint32_t)(mixed >> 48) & 0xffff,
                     (unsigned long long)(mixed & 0xffffffffffff));
}

static void text_line(ds_buffer *out, ds_random *random, uint32_t number)
{
    for (uint32_t i = 0; i < 12; i++) {
        letters(out, random, 7);
        ds_buffer_append_char(out, ' ');
    }
    ds_buffer_append_text(out, number % 100 == 50 ? "needle" : "lesson");
}

static void words_line(ds_buffer *out, ds_random *random, uint32_t number)
{
    (void)number;
    for (uint32_t i = 0; i < 10; i++) {
        uint32_t word = pick(random, 5000);
        ds_buffer_printf(out, "%s%x%.*s", i > 0 ? " " : "", word, (int)(word % 7), "abcdefg");
    }
}

static void event_line(ds_buffer *out, ds_random *random, uint32_t number)
{
    static const char *const types[] = {"view", "click", "purchase"};
    static const char *const kinds[] = {"banner", "modal", "sponsored-search", "mail", "mobile"};
    ds_buffer_append_text(out, "{'user_id': '");
    long_name(out, pick(random, 100));
    ds_buffer_append_text(out, "', 'page_id': '");
    long_name(out, 1000 + pick(random, 100));
    ds_buffer_append_text(out, "', 'ad_id': '");
    long_name(out, 5000 + pick(random, 1000));
    ds_buffer_printf(out, "', 'ad_type': '%s', 'event_type': '%s', 'event_time': '%u', ",
                     kinds[pick(random, 5)], types[pick(random, 3)], 1480000000u + number / 10);
    ds_buffer_append_text(out, "'ip_address': '1.2.3.4'}");
}

static void bid_line(ds_buffer *out, ds_random *random, uint32_t number)
{
    ds_buffer_printf(out, "%u,%u,%u,%s,https://www.example.org/", 1000 + pick(random, 30000),
                     1000 + pick(random, 1000), 1 + pick(random, 10000000),
                     pick(random, 2) == 0 ? "Apple" : "Google");
    letters(out, random, 4);
    ds_buffer_printf(out, "/item.htm?query=1,%u", 1480000000u + number);
}

static void log_line(ds_buffer *out, ds_random *random, uint32_t number)
{
    static const uint32_t status[] = {200, 200, 200, 200, 304, 404, 500};
    ds_buffer_printf(out,
                     "10.%u.%u.7 - - [20/Nov/2026:10:%02u:%02u +0000] 'GET /products/%u HTTP/1.1' "
                     "%u %u 'https://www.example.org/start' 'Mozilla/5.0 (X11; Linux x86_64; "
                     "rv:128.0) Gecko/20100101 Firefox/128.0'",
                     pick(random, 256), pick(random, 256), number / 600 % 60, number / 10 % 60,
                     pick(random, 500), status[pick(random, 7)], pick(random, 20000));
}

#define AT "'type': 'socket', 'listen': '127.0.0.1:1'"
#define LINES "'in': { " AT " }"
#define WORDS "'words': { 'from': 'in', 'flat_map': { 'word': 'split(line)' } },"

static const workload workloads[] = {
    {.name = "grep",
     .sources = LINES,
     .streams = "'out': { 'from': 'in', 'where': 'line like `%needle%`',"
                "  'aggregate': { 'n': 'count()' } }",
     .line = text_line},
    {.name = "words",
     .sources = LINES,
     .streams =
         WORDS "'out': { 'from': 'words', 'group_by': ['word'], 'aggregate': { 'n': 'count()' } }",
     .line = words_line},
    {.name = "yahoo",
     .sources = "'in': { " AT ", 'format': 'json', 'schema': { 'ad_id': 'string',"
                "  'event_type': 'string', 'event_time': 'string' } },"
                "'ads': { 'type': 'table', 'path': 'none', 'format': 'csv',"
                "  'schema': { 'ad_id': 'string', 'campaign': 'int' } }",
     .streams = "'views': { 'from': 'in', 'where': 'event_type = `view`',"
                "  'select': { 'ad_id': 'ad_id', 'slot': 'cast(event_time as int) / 10' } },"
                "'joined': { 'from': 'views', 'join': { 'with': 'ads', 'on': ['ad_id'] } },"
                "'out': { 'from': 'joined', 'group_by': ['campaign', 'slot'],"
                "  'aggregate': { 'n': 'count()' } }",
     .line = event_line,
     .joins = true},
    {.name = "bids",
     .sources = "'in': { " AT ", 'format': 'csv', 'schema': { 'auction': 'int', 'bidder': 'int',"
                "  'price': 'int', 'channel': 'string', 'url': 'string', 'at': 'int' } }",
     .streams = "'out': { 'from': 'in', 'group_by': ['auction'], 'aggregate': { 'n': 'count()',"
                "  'total': 'sum(price)', 'most': 'max(price)' } }",
     .line = bid_line},
    {.name = "combined",
     .sources = "'in': { " AT ", 'format': 'combined' }",
     .streams = "'out': { 'from': 'in', 'group_by': ['status', 'path'],"
                "  'aggregate': { 'n': 'count()', 'kb': 'sum(bytes)' } }",
     .line = log_line},
    {.name = "regex",
     .sources = "'in': { " AT ", 'format': 'regex', 'schema': { 'status': 'int' }, 'regex':"
                "  '^\\\\S+ \\\\S+ \\\\S+ \\\\[[^]]*\\\\] \\\"\\\\S+ (?<path>\\\\S+) \\\\S+\\\" "
                "(?<status>\\\\d+) ' }",
     .streams = "'out': { 'from': 'in', 'group_by': ['status', 'path'],"
                "  'aggregate': { 'n': 'count()' } }",
     .line = log_line},
    {.name = "state",
     .sources = LINES,
     .streams = WORDS "'out': { 'from': 'words', 'state': { 'key': ['word'], 'set': {"
                      "  'n': 'coalesce(state.n, 0) + count()' } } }",
     .line = words_line},
    {.name = "window",
     .sources = LINES,
     .streams =
         WORDS "'out': { 'from': 'words', 'window': { 'size': '9s', 'slide': '1s' },"
               "  'group_by': ['word'], 'aggregate': { 'n': 'count()', 'last': 'max(word)' },"
               "  'order_by': 'n desc', 'limit': 100 }",
     .line = words_line},
    {.name = "rows",
     .sources = "'in': { " AT ", 'format': 'combined' }",
     .streams = "'out': { 'from': 'in', 'select': { 'time': 'time', 'host': 'host',"
                "  'path': 'path', 'kb': 'bytes / 1024.0' } }",
     .line = log_line},
};

static char *make_records(const workload *w, uint64_t seed)
{
    ds_random random;
    ds_buffer text = {0};
    ds_random_init(&random, seed);
    for (uint32_t i = 0; i < RECORDS / BLOCKS; i++) {
        w->line(&text, &random, i);
        ds_buffer_append_char(&text, '\n');
    }
    return ds_strdup((ds_buffer_text(&text), text.data));
}

static void feed(engine *e, const workload *w, uint64_t seed)
{
    for (uint64_t b = 0; b < BLOCKS; b++) {
        char *records = make_records(w, seed + b);
        engine_feed(e, "in", records);
        free(records);
    }
}

static void feed_ads(engine *e)
{
    ds_buffer text = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        long_name(&text, 5000 + i);
        ds_buffer_printf(&text, ",%u\n", i / 10);
    }
    engine_table(e, "ads", ds_buffer_text(&text));
    ds_buffer_fini(&text);
}

static void open_app(engine *e, const workload *w)
{
    ds_buffer text = {0};
    ds_buffer_printf(&text,
                     "{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' },"
                     "  'executors': { 'key_partitions': 4 },"
                     "  'sources': { %s }, 'streams': { %s },"
                     "  'sinks': { 's': { 'from': 'out', 'type': 'console' } } }",
                     w->sources, w->streams);
    engine_open_app(e, ds_buffer_text(&text));
    ds_buffer_fini(&text);
    e->once = true;
}

static void count_workload(const workload *w, const char *level)
{
    engine e;
    open_app(&e, w);
    if (w->joins)
        feed_ads(&e);
    feed(&e, w, 1);
    engine_batch(&e);
    feed(&e, w, 1 + BLOCKS);
    count_begin(level, w->name);
    engine_batch(&e);
    count_end();
    ck_assert_uint_eq(e.sum.rows_in, RECORDS);
    engine_close(&e);
}

/* A receiver looks for the last line end of what it read, and counts them. */
static void count_newlines(const char *level)
{
    char *text = make_records(&workloads[0], 1);
    size_t length = strlen(text), lines = 0;
    count_begin(level, "newlines");
    for (uint32_t b = 0; b < BLOCKS; b++)
        lines += ds_newline_count(text, ds_newline_end(text, length));
    count_end();
    ck_assert_uint_eq(lines, RECORDS);
    free(text);
}

typedef struct saving {
    const ds_plan *plan;
    uint64_t number; /* of the save; 0: none */
} saving;

/* Tasks of the stage that keeps something are part of the save. */
static void save_kept(void *arg, ds_task *task)
{
    const saving *s = arg;
    if (s->plan->stages[task->stage].keyed)
        task->save = s->number;
}

static void write_saves(engine *e, ds_save_writer *writer)
{
    ds_collected *list = ds_collection_take(e->collection);
    ck_assert_ptr_nonnull(list);
    ds_save_writer_write(writer, list);
    while (list != NULL) {
        ds_collected *collected = list;
        list = collected->next;
        ck_assert_uint_eq(collected->saved.status, DS_OK);
        ds_collected_free(collected);
    }
}

/* A batch with hardly any input that saves what keys have changed since the save before: they are
 * collected, and written into the store. */
static void count_save(const workload *w, const char *level)
{
    engine e;
    open_app(&e, w);
    ds_saved_ranges *ranges = ds_saved_ranges_new(e.others);
    const ds_save_target target = {.store = e.others, .ranges = ranges};
    ds_save_writer *writer = ds_save_writer_new(&target);
    saving s = {e.plan, 0};
    e.shape = save_kept;
    e.shape_arg = &s;
    for (uint64_t save = 1; save <= 2; save++) {
        s.number = 0;
        feed(&e, w, 1 + save * BLOCKS);
        engine_batch(&e);
        s.number = save;
        engine_feed(&e, "in", "some words"); /* without any, nothing runs */
        if (save == 2)
            count_begin(level, "save");
        engine_batch(&e);
        write_saves(&e, writer);
    }
    count_end();
    ds_save_writer_free(writer);
    ds_saved_ranges_clear(ranges);
    ds_saved_ranges_free(ranges);
    engine_close(&e);
}

static const workload *workload_called(const char *name)
{
    const workload *w = workloads;
    while (strcmp(w->name, name) != 0)
        w++;
    return w;
}

static void count_level(ds_simd most, const char *level)
{
    ds_simd_limit(most);
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        count_workload(&workloads[i], level);
    count_save(workload_called("state"), level);
    count_newlines(level);
    ds_simd_limit(DS_SIMD_AVX2);
}

START_TEST(plain)
{
    count_level(DS_SIMD_PLAIN, "plain");
}
END_TEST

START_TEST(avx2)
{
    if (ds_simd_level() == DS_SIMD_AVX2)
        count_level(DS_SIMD_AVX2, "avx2");
}
END_TEST

START_TEST(control)
{
    count_control();
}
END_TEST

UNIT_MAIN("hot_paths", plain, avx2, control)
