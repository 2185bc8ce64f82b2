/* Loading good app files: every key, the defaults, order and slides of streams, variables. */
#include "unit/app_unit.h"

#define HEAD "{'version':1,'name':'x','batch':{'interval':'1s'},"
#define RATE "'sources':{'r':{'type':'rate','rows_per_second':1}}"

static loaded load_good(const char *text)
{
    loaded l = unit_load(text);
    ck_assert_msg(l.status == DS_OK, "%s", l.said.data);
    return l;
}

static const ds_app_source *source(const ds_app *app, const char *name)
{
    for (uint32_t i = 0; i < app->n_sources; i++)
        if (strcmp(app->sources[i].name, name) == 0)
            return &app->sources[i];
    ck_abort_msg("no source %s", name);
}

START_TEST(defaults)
{
    loaded l = load_good(HEAD RATE "}");
    const ds_app *app = l.app;
    ck_assert_str_eq(app->name, "x");
    ck_assert_int_eq(app->interval_ms, 1000);
    ck_assert_ptr_null(app->checkpoint_dir);
    ck_assert_int_eq(app->checkpoint_every_ms, 10000);
    ck_assert_int_eq(app->checkpoint_retain, 10);
    ck_assert_uint_eq(app->executors_count, 2);
    ck_assert_uint_eq(app->executors_cores, 1);
    ck_assert_int_eq(app->executors_memory, INT64_C(1) << 30);
    ck_assert_uint_eq(app->key_partitions, 8);
    ck_assert(!app->key_partitions_given);
    ck_assert_ptr_null(app->executors_listen);
    ck_assert_int_eq(app->limits_memory, INT64_C(2) << 30);
    ck_assert_int_eq(app->limits_record, 65536);
    ck_assert_int_eq(app->limits_block, 4 << 20);
    ck_assert_uint_eq(app->n_sources, 1);
    ck_assert_uint_eq(app->n_streams, 0);
    ck_assert_uint_eq(app->n_sinks, 0);
    ck_assert_uint_eq(app->n_tests, 0);
    ck_assert_uint_eq(l.said.length, 0);
    unit_unload(&l);
}
END_TEST

START_TEST(settings)
{
    loaded l =
        load_good("{'$schema':'http://x','version':1,'name':'A-b_1','batch':{'interval':'1ms'},"
                  "'checkpoint':{'dir':'${DIR}/state','every':'1m','retain':0},"
                  "'executors':{'count':0,'cores':3,'memory':'100MiB','key_partitions':7,"
                  "'listen':'tcp://127.0.0.1:7000'},"
                  "'limits':{'memory':'3GiB','record':'100B','block':'1MiB'}," RATE "}");
    const ds_app *app = l.app;
    ck_assert_str_eq(app->name, "A-b_1");
    ck_assert_int_eq(app->interval_ms, 1);
    ck_assert_str_eq(app->checkpoint_dir, "/data/state");
    ck_assert_int_eq(app->checkpoint_every_ms, 60000);
    ck_assert_int_eq(app->checkpoint_retain, 0);
    ck_assert_uint_eq(app->executors_count, 0);
    ck_assert_uint_eq(app->executors_cores, 3);
    ck_assert_int_eq(app->executors_memory, 100 << 20);
    ck_assert_uint_eq(app->key_partitions, 7);
    ck_assert(app->key_partitions_given);
    ck_assert_str_eq(app->executors_listen, "tcp://127.0.0.1:7000");
    ck_assert_int_eq(app->limits_memory, INT64_C(3) << 30);
    ck_assert_int_eq(app->limits_record, 100);
    ck_assert_int_eq(app->limits_block, 1 << 20);
    unit_unload(&l);
}
END_TEST

START_TEST(key_partitions_follow_the_cores)
{
    static const struct {
        const char *executors;
        unsigned partitions;
    } cases[] = {
        {"{'count':3,'cores':2}", 24},
        {"{'cores':5}", 40},
        {"{'count':0,'cores':2,'listen':'tcp://[::1]:7'}", 8},
        {"{'count':1000,'cores':256},'limits':{'memory':'1024GiB'}", 65536},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        snprintf(text, sizeof text, HEAD RATE ",'executors':%s}", cases[i].executors);
        loaded l = load_good(text);
        ck_assert_uint_eq(l.app->key_partitions, cases[i].partitions);
        unit_unload(&l);
    }
}
END_TEST

START_TEST(receivers_and_the_log)
{
    loaded l = load_good("{'version':1,'name':'x','batch':{'interval':'50ms'},"
                         "'checkpoint':{'dir':'state'},'sources':{"
                         "'a':{'type':'socket','listen':'h:1'},"
                         "'b':{'type':'socket','listen':'h:2','log':false,'replicas':2},"
                         "'c':{'type':'socket','listen':'h:3','log':true,'ack':true,'replicas':2,"
                         "  'block_interval':'50ms'},"
                         "'d':{'type':'stdin','block_interval':'5ms','replicas':1},"
                         "'e':{'type':'files','dir':'x'}}}");
    static const bool log[] = {true, false, true, true, false};
    static const int64_t interval_ms[] = {50, 50, 50, 5, 0};
    for (uint32_t i = 0; i < 5; i++) {
        ck_assert_int_eq(l.app->sources[i].log, log[i]);
        ck_assert_int_eq(l.app->sources[i].ack, i == 2);
        ck_assert_uint_eq(l.app->sources[i].replicas, i == 4 ? 0 : i == 1 || i == 2 ? 2 : 1);
        ck_assert_int_eq(l.app->sources[i].block_interval_ms, interval_ms[i]);
    }
    unit_unload(&l);
}
END_TEST

START_TEST(sources_of_records)
{
    loaded l = load_good(
        HEAD
        "'limits':{'record':'1KiB'},'sources':{"
        "'d':{'type':'socket','connect':'h:1','format':'csv','header':true,'delimiter':';',"
        "  'schema':{'b':'int','a':'string'},'on_error':'fail'},"
        "'c':{'type':'socket','listen':'[::1]:9','format':'json',"
        "  'schema':{'ms':'float','uid':{'type':'int','path':'user.id'},'t':{'type':'timestamp'}}},"
        "'b':{'type':'files','dir':'in','format':'combined'},"
        "'e':{'type':'files','dir':'in','pattern':'*.log','new_files_only':true},"
        "'f':{'type':'tail','path':'/var/log/*.log','format':'logfmt','schema':{'ms':'int'}},"
        "'g':{'type':'tail','path':'x','start_at':'end','format':'regex','regex':'(?<w>.)'},"
        "'a':{'type':'stdin','format':'text','on_error':'skip'}}}");
    ck_assert_uint_eq(l.app->n_sources, 7);
    for (uint32_t i = 0; i < 7; i++)
        ck_assert_int_eq(l.app->sources[i].name[0], "abcdefg"[i]);
    const ds_app_source *s = source(l.app, "d");
    ck_assert_str_eq(s->path, "sources.d");
    ck_assert_int_eq(s->type, DS_SOURCE_SOCKET);
    ck_assert(!s->listen);
    ck_assert_str_eq(s->host, "h");
    ck_assert_uint_eq(s->port, 1);
    ck_assert_int_eq(s->on_error, DS_ON_ERROR_FAIL);
    ck_assert_int_eq(s->spec.kind, DS_FORMAT_CSV);
    ck_assert(s->spec.header);
    ck_assert_int_eq(s->spec.delimiter, ';');
    ck_assert_uint_eq(s->spec.record_limit, 1024);
    ck_assert_uint_eq(s->schema.n_fields, 2);
    ck_assert_str_eq(s->schema.fields[0].name, "b");
    ck_assert_int_eq(s->schema.fields[0].type.kind, DS_INT);
    ck_assert_str_eq(s->schema.fields[1].name, "a");
    ck_assert(!s->log && !s->ack);
    ck_assert_int_eq(s->block_interval_ms, 200);
    s = source(l.app, "c");
    ck_assert(s->listen);
    ck_assert_str_eq(s->host, "::1");
    ck_assert_uint_eq(s->schema.n_fields, 3);
    ck_assert_ptr_null(s->spec.paths[0]);
    ck_assert_str_eq(s->spec.paths[1], "user.id");
    ck_assert_int_eq(s->schema.fields[2].type.kind, DS_TIMESTAMP);
    s = source(l.app, "b");
    ck_assert_int_eq(s->type, DS_SOURCE_FILES);
    ck_assert_str_eq(s->dir, "in");
    ck_assert_str_eq(s->pattern, "*");
    ck_assert(!s->new_files_only);
    ck_assert_uint_eq(s->schema.n_fields, 11);
    ck_assert_int_ge(ds_schema_find(&s->schema, "agent"), 0);
    s = source(l.app, "e");
    ck_assert_str_eq(s->pattern, "*.log");
    ck_assert(s->new_files_only);
    s = source(l.app, "f");
    ck_assert_int_eq(s->type, DS_SOURCE_TAIL);
    ck_assert_str_eq(s->glob, "/var/log/*.log");
    ck_assert(!s->start_at_end);
    ck_assert_int_eq(s->spec.kind, DS_FORMAT_LOGFMT);
    ck_assert_uint_eq(s->schema.n_fields, 1);
    s = source(l.app, "g");
    ck_assert(s->start_at_end);
    ck_assert_str_eq(s->spec.regex, "(?<w>.)");
    ck_assert_str_eq(s->schema.fields[0].name, "w");
    ck_assert_int_eq(s->schema.fields[0].type.kind, DS_STRING);
    s = source(l.app, "a");
    ck_assert_int_eq(s->type, DS_SOURCE_STDIN);
    ck_assert_int_eq(s->on_error, DS_ON_ERROR_SKIP);
    ck_assert_ptr_nonnull(s->format);
    ck_assert_uint_eq(s->schema.n_fields, 1);
    ck_assert_str_eq(s->schema.fields[0].name, "line");
    unit_unload(&l);
}
END_TEST

START_TEST(generated_sources)
{
    loaded l = load_good(
        HEAD
        "'sources':{'r':{'type':'rate','rows_per_second':100,'on_error':'fail'},"
        "'q':{'type':'queue','schema':{'n':'int','f':'float','b':'bool','s':'string',"
        "  't':'timestamp','l':'list<int>'},"
        "'batches':[[{'n':1,'f':2,'b':true,'s':'x','t':'2026-01-01T00:00:00.5Z','l':[1,null]},{}],"
        "  [],[{'f':0.5,'s':null}]]}}}");
    const ds_app_source *s = source(l.app, "r");
    ck_assert_int_eq(s->type, DS_SOURCE_RATE);
    ck_assert_int_eq(s->rows_per_second, 100);
    ck_assert_uint_eq(s->schema.n_fields, 2);
    ck_assert_str_eq(s->schema.fields[0].name, "value");
    ck_assert_int_eq(s->schema.fields[0].type.kind, DS_INT);
    ck_assert_str_eq(s->schema.fields[1].name, "timestamp");
    ck_assert_int_eq(s->schema.fields[1].type.kind, DS_TIMESTAMP);
    s = source(l.app, "q");
    ck_assert_int_eq(s->type, DS_SOURCE_QUEUE);
    ck_assert_uint_eq(s->schema.n_fields, 6);
    ck_assert_str_eq(ds_type_name(s->schema.fields[5].type), "list<int>");
    ck_assert_uint_eq(json_array_size(s->batches), 3);
    unit_unload(&l);
}
END_TEST

START_TEST(clauses_of_a_stream)
{
    loaded l = load_good(
        HEAD RATE
        ",'streams':{'a':{'from':'r'},'s':{'limit':0,'order_by':'n desc','having':'n > 1',"
        "'distinct':true,'aggregate':{'z':'count()','n':'sum(x)'},'group_by':['k','odd key'],"
        "'window':{'slide':'2s','size':'6s'},'select':{'*':true,'k':'value','odd key':'1'},"
        "'where':'value > 0','flat_map':{'w':'array(value)'},'from':['a','r']}}}");
    const ds_app_stream *s = unit_stream(l.app, "s");
    ck_assert_str_eq(s->path, "streams.s");
    ck_assert_uint_eq(s->n_from, 2);
    ck_assert_str_eq(s->from[0], "a");
    ck_assert_str_eq(s->from[1], "r");
    ck_assert_str_eq(s->flat_map.name, "w");
    ck_assert_str_eq(s->flat_map.expr.text, "array(value)");
    ck_assert_str_eq(s->flat_map.expr.path, "streams.s.flat_map.w");
    ck_assert_str_eq(s->where.text, "value > 0");
    ck_assert_str_eq(s->where.path, "streams.s.where");
    ck_assert(s->has_select && s->select_all);
    ck_assert_uint_eq(s->n_select, 2);
    ck_assert_str_eq(s->select[0].name, "k");
    ck_assert_str_eq(s->select[1].expr.path, "streams.s.select[\"odd key\"]");
    ck_assert(s->has_window);
    ck_assert_int_eq(s->window_size_ms, 6000);
    ck_assert_int_eq(s->window_slide_ms, 2000);
    ck_assert_int_eq(s->slide_ms, 2000);
    ck_assert_str_eq(s->window_path, "streams.s.window");
    ck_assert(s->has_group_by && s->has_aggregate && s->distinct);
    ck_assert_uint_eq(s->n_group_by, 2);
    ck_assert_str_eq(s->group_by[1], "odd key");
    ck_assert_uint_eq(s->n_aggregate, 2);
    ck_assert_str_eq(s->aggregate[0].name, "z");
    ck_assert_str_eq(s->aggregate[1].name, "n");
    ck_assert_str_eq(s->aggregate[1].expr.text, "sum(x)");
    ck_assert_str_eq(s->having.text, "n > 1");
    ck_assert_str_eq(s->order_by.text, "n desc");
    ck_assert_int_eq(s->limit, 0);
    unit_unload(&l);
}
END_TEST

static void check_pair(const ds_app_join *join, uint32_t i, const char *left, const char *right,
                       const char *path)
{
    ck_assert_str_eq(join->left[i], left);
    ck_assert_str_eq(join->right[i], right);
    ck_assert_str_eq(join->paths[i], path);
}

START_TEST(joins)
{
    loaded l = load_good(
        HEAD RATE ",'streams':{"
                  "'z':{'from':'r','join':{'with':'r','on':{'value':'timestamp','b':'a'},"
                  "'type':'full'},'repartition':12},"
                  "'a':{'from':['r','z'],'join':{'on':['k','l'],'with':'z'},'cache':true}}}");
    ck_assert_str_eq(l.app->streams[0].name, "z"); /* a parent comes before a */
    const ds_app_stream *z = unit_stream(l.app, "z"), *a = unit_stream(l.app, "a");
    ck_assert_str_eq(z->join->with, "r");
    ck_assert_int_eq(z->join->type, DS_JOIN_FULL);
    ck_assert_uint_eq(z->join->n_on, 2);
    check_pair(z->join, 0, "value", "timestamp", "streams.z.join.on.value");
    check_pair(z->join, 1, "b", "a", "streams.z.join.on.b");
    ck_assert_int_eq(z->repartition, 12);
    ck_assert(!z->cache);
    ck_assert_int_eq(a->join->type, DS_JOIN_INNER);
    check_pair(a->join, 0, "k", "k", "streams.a.join.on[0]");
    check_pair(a->join, 1, "l", "l", "streams.a.join.on[1]");
    ck_assert(a->cache);
    ck_assert_int_eq(a->slide_ms, 1000);
    unit_unload(&l);
}
END_TEST

START_TEST(a_stream_without_clauses)
{
    loaded l = load_good(HEAD RATE ",'streams':{'a':{'from':['r'],'distinct':false}}}");
    const ds_app_stream *s = unit_stream(l.app, "a");
    ck_assert_uint_eq(s->n_from, 1);
    ck_assert_ptr_null(s->flat_map.name);
    ck_assert_ptr_null(s->where.text);
    ck_assert_ptr_null(s->having.text);
    ck_assert_ptr_null(s->order_by.text);
    ck_assert(!s->has_select && !s->has_window && !s->has_group_by && !s->has_aggregate);
    ck_assert(!s->distinct && !s->cache && s->join == NULL);
    ck_assert_int_eq(s->repartition, 0);
    ck_assert_int_eq(s->limit, -1);
    ck_assert_int_eq(s->slide_ms, 1000);
    unit_unload(&l);
}
END_TEST

START_TEST(parents_come_first)
{
    loaded l = load_good(HEAD RATE ",'streams':{'a':{'from':['z','b']},'z':{'from':'m'},"
                                   "'b':{'from':'r'},'m':{'from':'r'},'c':{'from':'r'}}}");
    char order[6] = {0};
    for (uint32_t i = 0; i < 5; i++)
        order[i] = l.app->streams[i].name[0];
    ck_assert_str_eq(order, "bcmza");
    unit_unload(&l);
}
END_TEST

START_TEST(slides_go_down_the_graph)
{
    loaded l = load_good(
        HEAD RATE
        ",'streams':{'a':{'from':'r','window':'4s'},'b':{'from':'a'},"
        "'c':{'from':['a','b'],'window':{'size':'8s'}},"
        "'d':{'from':'b','window':{'size':'4s','slide':'12s'}},'e':{'from':'d','window':'1m'}}}");
    ck_assert_int_eq(unit_stream(l.app, "a")->slide_ms, 4000);
    ck_assert_int_eq(unit_stream(l.app, "b")->slide_ms, 4000);
    ck_assert_int_eq(unit_stream(l.app, "c")->slide_ms, 8000);
    ck_assert_int_eq(unit_stream(l.app, "c")->window_slide_ms, 8000);
    ck_assert_int_eq(unit_stream(l.app, "d")->slide_ms, 12000);
    ck_assert_int_eq(unit_stream(l.app, "d")->window_size_ms, 4000);
    ck_assert_int_eq(unit_stream(l.app, "e")->slide_ms, 60000);
    unit_unload(&l);
}
END_TEST

START_TEST(sinks)
{
    loaded l = load_good(HEAD RATE ",'sinks':{"
                                   "'z':{'from':'r','type':'console'},'my-sink':{'from':'r','type':"
                                   "'console','format':'table','limit':9},"
                                   "'a':{'from':'r','type':'file','dir':'out/a'},"
                                   "'b':{'from':'r','type':'file','dir':'out/b','format':'csv'}}}");
    ck_assert_uint_eq(l.app->n_sinks, 4);
    const ds_app_sink *s = l.app->sinks;
    ck_assert_str_eq(s[0].name, "a");
    ck_assert_str_eq(s[0].path, "sinks.a");
    ck_assert_str_eq(s[0].from, "r");
    ck_assert_int_eq(s[0].type, DS_SINK_FILE);
    ck_assert_int_eq(s[0].format, DS_ROWS_JSON);
    ck_assert_str_eq(s[0].dir, "out/a");
    ck_assert_int_eq(s[1].format, DS_ROWS_CSV);
    ck_assert_str_eq(s[2].name, "my-sink");
    ck_assert_int_eq(s[2].type, DS_SINK_CONSOLE);
    ck_assert_int_eq(s[2].format, DS_ROWS_TABLE);
    ck_assert_int_eq(s[2].limit, 9);
    ck_assert_int_eq(s[3].format, DS_ROWS_JSON);
    ck_assert_int_eq(s[3].limit, -1);
    unit_unload(&l);
}
END_TEST

START_TEST(variables_take_the_type_of_their_key)
{
    loaded l = load_good(
        "{'version':'${ONE:-1}','name':'${WORD}-x','batch':{'interval':'${MS}ms'},"
        "'sources':{'q':{'type':'${TYPE}','schema':{'n':'int','f':'float','b':'bool','s':'string'},"
        "'batches':[[{'n':'${FIVE}','f':'${HALF}','b':'${YES}','s':'${FIVE}'}]]}},"
        "'streams':{'a':{'from':'${SOURCE:-q}','limit':'${FIVE}','distinct':'${YES}',"
        "'where':'n > ${FIVE} and s = $${x}','select':{'n':'n','${FIVE}':'1'}}},"
        "'sinks':{'s':{'from':'a','type':'${SINK:-console}','limit':'${FIVE}'}}}");
    ck_assert_str_eq(l.app->name, "abc-x");
    ck_assert_int_eq(l.app->interval_ms, 250);
    const ds_app_stream *s = unit_stream(l.app, "a");
    ck_assert_int_eq(s->limit, 5);
    ck_assert(s->distinct);
    ck_assert_str_eq(s->where.text, "n > 5 and s = ${x}");
    ck_assert_str_eq(s->select[1].name, "${FIVE}"); /* keys are left alone */
    const json_t *row = json_array_get(json_array_get(source(l.app, "q")->batches, 0), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "n")), 5);
    ck_assert(json_real_value(json_object_get(row, "f")) == 0.5);
    ck_assert(json_is_true(json_object_get(row, "b")));
    ck_assert_str_eq(json_string_value(json_object_get(row, "s")), "5");
    ck_assert_int_eq(l.app->sinks[0].limit, 5);
    unit_unload(&l);
}
END_TEST

START_TEST(an_app_outlives_its_source)
{
    loaded l = load_good(HEAD RATE ",'tests':[{'name':'t','input':[{'r':[{'value':1}]}],"
                                   "'expect':{'r':[[{'value':1}]]}}]}");
    ds_app *app = l.app;
    l.app = NULL;
    unit_unload(&l);
    ck_assert_str_eq(app->name, "x");
    ck_assert_uint_eq(json_array_size(app->tests[0].input), 1);
    ds_app_free(app);
}
END_TEST

START_TEST(dead_letters)
{
    loaded l = load_good(HEAD "'dead_letters':'out/dead','sources':{"
                              "'a':{'type':'stdin','on_error':'dead_letter'},"
                              "'b':{'type':'rate','rows_per_second':1,'on_error':'fail'}},"
                              "'sinks':{'s':{'from':'a','type':'append','path':'out/log'},"
                              "'t':{'from':'b','type':'console'}}}");
    ck_assert_str_eq(l.app->dead_letters, "out/dead");
    ck_assert_int_eq(l.app->sources[0].on_error, DS_ON_ERROR_DEAD_LETTER);
    ck_assert_int_eq(l.app->sources[1].on_error, DS_ON_ERROR_FAIL);
    ck_assert_int_eq(l.app->sinks[0].type, DS_SINK_APPEND);
    ck_assert_str_eq(l.app->sinks[0].file, "out/log");
    ck_assert_ptr_null(l.app->sinks[0].dir);
    unit_unload(&l);
    l = load_good(HEAD RATE ",'sinks':{'s':{'from':'r','type':'console'}}}");
    ck_assert_ptr_null(l.app->dead_letters);
    unit_unload(&l);
    unit_says(HEAD RATE ",\n'dead_letters':'x','sinks':{'s':{'from':'r','type':'console'}}}",
              "app.json:2:1: warning: dead_letters: no source says \"on_error\": \"dead_letter\": "
              "nothing goes there\n");
    unit_says(HEAD
              "'dead_letters':'./x',\n'sources':{'a':{'type':'stdin','on_error':'dead_letter'}},"
              "\n'sinks':{'s':{'from':'a','type':'append','path':'x'}}}",
              "app.json:3:49: sinks.s.path: the dead letters go to this file\n");
    unit_says(HEAD "\n'dead_letters':'x/',\n'sources':{'a':{'type':'stdin','on_error':"
                   "'dead_letter'}},\n'sinks':{'s':{'from':'a','type':'console'}}}",
              "app.json:2:16: dead_letters: names a folder; it must name a file\n");
}
END_TEST

START_TEST(warnings)
{
    const char *text = HEAD "\n'sources':{'r':{'type':'rate','rows_per_second':1},\n"
                            "'s':{'type':'rate','rows_per_second':1}},\n"
                            "'streams':{'a':{'from':'r','window':'2s'},\n"
                            "'b':{'from':'a','window':'4s'},'c':{'from':'r'}},\n"
                            "'sinks':{'o':{'from':'b','type':'console'}}}";
    unit_says(text, "app.json:3:1: warning: sources.s: no sink needs it, so it is not run\n"
                    "app.json:4:28: warning: streams.a.window: windows are lost at a restart, as "
                    "there is no checkpoint.dir\n"
                    "app.json:5:32: warning: streams.c: no sink needs it, so it is not run\n");
    loaded l = unit_load(text);
    ck_assert_int_eq(l.status, DS_OK);
    ck_assert_uint_eq(ds_diagnostics_warnings(l.diagnostics), 3);
    unit_unload(&l);
    unit_says(HEAD RATE ",'checkpoint':{'dir':'x'},'streams':{'a':{'from':'r','window':'1s'}}}",
              "");
    unit_says(HEAD RATE ",\n'streams':{'a':{'from':'r','order_by':'value','repartition':2},"
                        "'b':{'from':'r','limit':9,'repartition':2}}}",
              "app.json:2:47: warning: streams.a.repartition: the rows lose the order of "
              "order_by\n");
}
END_TEST

START_TEST(rates_and_the_api)
{
    loaded l = load_good(HEAD RATE "}");
    ck_assert(!l.app->backpressure.enabled);
    ck_assert_int_eq(l.app->sources[0].max_rate, 0);
    unit_unload(&l);
    l = load_good(HEAD "'sources':{'a':{'type':'stdin','max_rate':'${FIVE}'}},"
                       "'backpressure':true,'api':{'listen':'127.0.0.1:4040'}}");
    ck_assert_int_eq(l.app->sources[0].max_rate, 5);
    ck_assert(l.app->backpressure.enabled);
    ck_assert_int_eq(l.app->backpressure.initial_rate, 0);
    ck_assert_int_eq(l.app->backpressure.min_rate, 100);
    ck_assert_double_eq(l.app->backpressure.proportional, 1.0);
    ck_assert_double_eq(l.app->backpressure.integral, 0.2);
    ck_assert_double_eq(l.app->backpressure.derived, 0.0);
    ck_assert_str_eq(l.app->api_host, "127.0.0.1");
    ck_assert_uint_eq(l.app->api_port, 4040);
    /* None of it is part of the plan: it may differ from one run to the next. */
    ck_assert_ptr_null(json_object_get(l.app->json, "backpressure"));
    ck_assert_ptr_null(json_object_get(l.app->json, "api"));
    const json_t *source = json_object_get(json_object_get(l.app->json, "sources"), "a");
    ck_assert_uint_eq(json_object_size(source), 1);
    unit_unload(&l);
    l = load_good(HEAD RATE ",'backpressure':{'initial_rate':9,'min_rate':2,'proportional':2,"
                            "'integral':'${HALF}','derived':0.25}}");
    ck_assert(l.app->backpressure.enabled);
    ck_assert_int_eq(l.app->backpressure.initial_rate, 9);
    ck_assert_int_eq(l.app->backpressure.min_rate, 2);
    ck_assert_double_eq(l.app->backpressure.proportional, 2);
    ck_assert_double_eq(l.app->backpressure.integral, 0.5);
    ck_assert_double_eq(l.app->backpressure.derived, 0.25);
    unit_unload(&l);
    l = load_good(HEAD RATE ",'backpressure':{'enabled':false}}");
    ck_assert(!l.app->backpressure.enabled);
    unit_unload(&l);
    unit_says(HEAD RATE ",\n'api':{'listen':'0.0.0.0:4040'}}",
              "app.json:2:8: warning: api.listen: is not a loopback address: anyone who can reach "
              "it can read the metrics\n");
}
END_TEST

START_TEST(how_executors_are_watched)
{
    loaded l = load_good(HEAD RATE "}");
    ck_assert_int_eq(l.app->executors_heartbeat_ms, 300);
    ck_assert_int_eq(l.app->executors_mode, DS_MODE_PROCESSES);
    ck_assert(!l.app->speculation.enabled);
    unit_unload(&l);
    l = load_good(HEAD RATE
                  ",'executors':{'count':3,'heartbeat':'2s','mode':'threads','speculation':true}}");
    ck_assert_int_eq(l.app->executors_heartbeat_ms, 2000);
    ck_assert_int_eq(l.app->executors_mode, DS_MODE_THREADS);
    ck_assert(l.app->speculation.enabled);
    ck_assert_double_eq(l.app->speculation.multiplier, 1.5);
    ck_assert_double_eq(l.app->speculation.quantile, 0.75);
    ck_assert_int_eq(l.app->speculation.interval_ms, 100);
    ck_assert_int_eq(l.app->speculation.min_runtime_ms, 100);
    /* They may differ from one run to the next. */
    const json_t *executors = json_object_get(l.app->json, "executors");
    ck_assert_uint_eq(json_object_size(executors), 1);
    unit_unload(&l);
    l = load_good(HEAD RATE ",'executors':{'speculation':{'multiplier':3,'quantile':1,"
                            "'interval':'5ms','min_runtime':'2s'}}}");
    ck_assert(l.app->speculation.enabled);
    ck_assert_double_eq(l.app->speculation.multiplier, 3);
    ck_assert_double_eq(l.app->speculation.quantile, 1);
    ck_assert_int_eq(l.app->speculation.interval_ms, 5);
    ck_assert_int_eq(l.app->speculation.min_runtime_ms, 2000);
    unit_unload(&l);
    l = load_good(HEAD RATE ",'executors':{'speculation':{'enabled':false}}}");
    ck_assert(!l.app->speculation.enabled);
    unit_unload(&l);
}
END_TEST

START_TEST(sinks_are_needed_to_run)
{
    static const ds_app_options run = {.need_sinks = true};
    static const char message[] =
        "app.json:1:1: sinks: missing: an app needs at least one sink to run\n";
    unit_says_with(HEAD RATE "}", run, message);
    unit_says_with(HEAD RATE ",\n'sinks':{}}", run,
                   "app.json:2:1: sinks: missing: an app needs at least one sink to run\n");
    unit_says_with(HEAD RATE ",'sinks':{'a':{'from':'r','type':'console'}}}", run, "");
    unit_says(HEAD RATE "}", "");
}
END_TEST

UNIT_MAIN("app", defaults, settings, key_partitions_follow_the_cores, receivers_and_the_log,
          sources_of_records, generated_sources, clauses_of_a_stream, joins,
          a_stream_without_clauses, parents_come_first, slides_go_down_the_graph, sinks,
          variables_take_the_type_of_their_key, an_app_outlives_its_source, warnings, dead_letters,
          rates_and_the_api, how_executors_are_watched, sinks_are_needed_to_run)
