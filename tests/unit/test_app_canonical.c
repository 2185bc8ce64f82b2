/* The canonical text, the JSON Schema, and that the docs name every key. */
#include "dstream/app_keys.h"

#include "unit/app_unit.h"

static const char full[] =
    "{'$schema':'x','version':1,'name':'x','batch':{'interval':'1s'},\n"
    "'sources':{'q':{'type':'queue','schema':{'z':'int','a':{'type':'float'}},"
    "'batches':[[{'z':1,'a':0.1},{'a':1e300,'z':-5}],[]]},"
    "'c':{'type':'socket','connect':'h:1','format':'json','schema':{'n':{'path':'a.b','type':'int'}"
    "}}},\n"
    "'streams':{'s':{'from':['q','q'],'window':'4s','group_by':['z','b'],"
    "'aggregate':{'n':'count()','m':'max(a)'},'limit':'${FIVE}'},"
    "'a':{'select':{'*':true,'y':'1','x':'2'},'from':'c'}},\n"
    "'sinks':{'o':{'from':'s','type':'console'},'b':{'type':'file','from':'a','dir':'${DIR}'}},\n"
    "'tests':[{'name':'t','expect_errors':{}}]}";

static char *canonical(const char *text, ds_app_options options)
{
    loaded l = unit_load_with(text, options);
    ck_assert_msg(l.status == DS_OK, "%s", l.said.data);
    char *canonical_text = ds_app_canonical(l.app);
    unit_unload(&l);
    return canonical_text;
}

START_TEST(canonical_text)
{
    char *text = canonical(full, (ds_app_options){0});
    char *expected = unit_quoted(
        "{'batch':{'interval':'1s'},'name':'x',"
        "'sinks':{'b':{'dir':'/data','from':'a','type':'file'},'o':{'from':'s','type':'console'}},"
        "'sources':{'c':{'connect':'h:1','format':'json','schema':{'n':{'path':'a.b','type':'int'}}"
        ","
        "'type':'socket'},"
        "'q':{'batches':[[{'a':0.10000000000000001,'z':1},{'a':1.0000000000000001e300,'z':-5}],[]],"
        "'schema':{'z':'int','a':{'type':'float'}},'type':'queue'}},"
        "'streams':{'a':{'from':'c','select':{'*':true,'y':'1','x':'2'}},"
        "'s':{'aggregate':{'n':'count()','m':'max(a)'},'from':['q','q'],'group_by':['z','b'],"
        "'limit':5,'window':'4s'}},'version':1}");
    ck_assert_str_eq(text, expected);
    free(expected);
    free(text);
}
END_TEST

START_TEST(loading_it_gives_the_same_app)
{
    char *text = canonical(full, (ds_app_options){0});
    ds_app *app;
    ds_error error;
    ck_assert_int_eq(ds_app_from_canonical(text, strlen(text), &app, &error), DS_OK);
    ck_assert_uint_eq(app->n_streams, 2);
    ck_assert_str_eq(app->streams[0].name, "a");
    ck_assert_str_eq(app->streams[0].select[0].name, "y");
    ck_assert_int_eq(app->streams[1].limit, 5);
    ck_assert_uint_eq(app->n_tests, 0);
    const json_t *row = json_array_get(json_array_get(app->sources[1].batches, 0), 1);
    ck_assert(json_real_value(json_object_get(row, "a")) == 1e300);
    char *again = ds_app_canonical(app);
    ck_assert_str_eq(again, text);
    free(again);
    free(text);
    ds_app_free(app);
}
END_TEST

START_TEST(order_and_layout_make_no_difference)
{
    static const char one[] = "{'version':1,'name':'x','batch':{'interval':'1s'},'sources':{"
                              "'a':{'type':'rate','rows_per_second':1},'b':{'type':'stdin'}}}";
    static const char other[] = "{ 'sources' : {\n 'b' : { 'type' : 'stdin' } ,\n"
                                "'a':{'rows_per_second':1,'type':'\\u0072ate'}},\n"
                                "'batch':{'interval':'1s'},'name':'x','version':1,'tests':[]}";
    char *x = canonical(one, (ds_app_options){0}), *y = canonical(other, (ds_app_options){0});
    ck_assert_str_eq(x, y);
    free(x);
    free(y);
}
END_TEST

START_TEST(order_of_columns_makes_one)
{
    static const char *const clauses[][2] = {
        {"'select':{'a':'1','b':'2'}", "'select':{'b':'2','a':'1'}"},
        {"'aggregate':{'a':'1','b':'2'}", "'aggregate':{'b':'2','a':'1'}"},
        {"'group_by':['a','b']", "'group_by':['b','a']"},
    };
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++) {
        char *texts[2];
        for (int k = 0; k < 2; k++) {
            char text[400];
            snprintf(text, sizeof text,
                     "{'version':1,'name':'x','batch':{'interval':'1s'},'sources':{"
                     "'r':{'type':'rate','rows_per_second':1}},'streams':{'s':{'from':'r',%s}}}",
                     clauses[i][k]);
            texts[k] = canonical(text, (ds_app_options){0});
        }
        ck_assert_str_ne(texts[0], texts[1]);
        free(texts[0]);
        free(texts[1]);
    }
}
END_TEST

START_TEST(set_values_are_in_it_and_literal)
{
    static const char *const sets[] = {"sinks.b.dir=${DIR}", "batch.interval=2s"};
    char *text = canonical(full, (ds_app_options){.sets = sets, .n_sets = 2});
    ck_assert_ptr_nonnull(strstr(text, "\"dir\":\"${DIR}\""));
    ck_assert_ptr_nonnull(strstr(text, "{\"batch\":{\"interval\":\"2s\"}"));
    ds_app *app;
    ck_assert_int_eq(ds_app_from_canonical(text, strlen(text), &app, NULL), DS_OK);
    ck_assert_str_eq(app->sinks[0].dir, "${DIR}");
    ds_app_free(app);
    free(text);
}
END_TEST

START_TEST(what_is_no_plan_is_refused)
{
    static const char *const cases[][2] = {
        {"", "plan:1:1: the file ends where a value is expected"},
        {"{\"version\":1", "plan:1:13: the file ends where \",\" or \"}\" is expected"},
        {"{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"}}",
         "plan:1:1: sources: missing: \"sources\" is needed here"},
        {"{\"version\":1,\"version\":1}", "plan:1:1: name: missing: \"name\" is needed here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ds_app *app;
        ds_error error;
        ck_assert_int_eq(ds_app_from_canonical(cases[i][0], strlen(cases[i][0]), &app, &error),
                         DS_ERR_APP);
        ck_assert_ptr_null(app);
        ck_assert_str_eq(error.message, cases[i][1]);
    }
}
END_TEST

/* ---- every key of the tables ---- */

typedef void (*visit_fn)(const ds_shape *owner, const ds_key *key, void *arg);

static void walk(const ds_shape *shape, visit_fn visit, void *arg)
{
    if (shape == NULL)
        return;
    for (const ds_key *key = shape->keys; key != NULL && key->name != NULL; key++) {
        visit(shape, key, arg);
        walk(key->shape, visit, arg);
    }
    walk(shape->item, visit, arg);
    walk(shape->other, visit, arg);
}

static json_t *properties(const json_t *schema, const ds_shape *owner)
{
    const json_t *object =
        owner->id == NULL ? schema : json_object_get(json_object_get(schema, "$defs"), owner->id);
    return json_object_get(object, "properties");
}

/* A key of this version is described in the schema, one of a later version is not in it. */
static void check_in_schema(const ds_shape *owner, const ds_key *key, void *arg)
{
    json_t *found = json_object_get(properties(arg, owner), key->name);
    if ((key->flags & DS_KEY_LATER) != 0) {
        ck_assert_msg(found == NULL, "%s", key->name);
        return;
    }
    ck_assert_msg(found != NULL, "%s", key->name);
    ck_assert_str_eq(json_string_value(json_object_get(found, "description")), key->doc);
    ck_assert_msg((json_object_get(found, "default") != NULL) == (key->fallback != NULL), "%s",
                  key->name);
}

START_TEST(schema_knows_every_key)
{
    char *text = ds_app_json_schema();
    json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(schema);
    ck_assert_str_eq(json_string_value(json_object_get(schema, "$schema")),
                     "https://json-schema.org/draft/2020-12/schema");
    ck_assert(json_is_false(json_object_get(schema, "additionalProperties")));
    walk(&ds_app_shape, check_in_schema, schema);
    json_decref(schema);
    free(text);
}
END_TEST

/* The rule for one type (and format) of a source. */
static json_t *rule(json_t *schema, const char *type, const char *format)
{
    json_t *source = json_object_get(json_object_get(schema, "$defs"), "source");
    json_t *rules = json_object_get(source, "allOf");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        json_t *given =
            json_object_get(json_object_get(json_array_get(rules, i), "if"), "properties");
        const char *t = json_string_value(json_object_get(json_object_get(given, "type"), "const"));
        const char *f =
            json_string_value(json_object_get(json_object_get(given, "format"), "const"));
        if (strcmp(t, type) == 0 &&
            (format == NULL ? f == NULL : f != NULL && strcmp(f, format) == 0))
            return json_object_get(json_array_get(rules, i), "then");
    }
    ck_abort_msg("no rule for %s, %s", type, format != NULL ? format : "no format");
}

static bool forbids(const json_t *then, const char *key)
{
    return json_is_false(json_object_get(json_object_get(then, "properties"), key));
}

static bool requires(const json_t *then, const char *key)
{
    const json_t *required = json_object_get(then, "required");
    for (size_t i = 0; i < json_array_size(required); i++)
        if (strcmp(json_string_value(json_array_get(required, i)), key) == 0)
            return true;
    return false;
}

START_TEST(schema_knows_which_keys_go_together)
{
    char *text = ds_app_json_schema();
    json_t *schema = json_loads(text, 0, NULL);
    json_t *files = rule(schema, "files", NULL);
    ck_assert(forbids(files, "connect") && forbids(files, "batches"));
    ck_assert(!forbids(files, "dir") && !forbids(files, "schema") && !forbids(files, "format"));
    ck_assert(requires(files, "dir") && !requires(files, "schema"));
    ck_assert(requires(rule(schema, "files", "json"), "schema"));
    ck_assert(forbids(rule(schema, "files", "text"), "schema"));
    ck_assert(forbids(rule(schema, "stdin", "json"), "header"));
    ck_assert(!forbids(rule(schema, "stdin", "csv"), "header"));
    json_t *queue = rule(schema, "queue", NULL);
    ck_assert(requires(queue, "schema") && requires(queue, "batches") && forbids(queue, "format"));
    json_decref(schema);
    free(text);
}
END_TEST

static void check_in_docs(const ds_shape *owner, const ds_key *key, void *arg)
{
    (void)owner;
    char quoted[80];
    snprintf(quoted, sizeof quoted, "`%s`", key->name);
    const char *docs = arg;
    bool there = strstr(docs, quoted) != NULL;
    snprintf(quoted, sizeof quoted, ".%s`", key->name); /* as in `executors.mode` */
    ck_assert_msg(there || strstr(docs, quoted) != NULL, "docs: no %s", key->name);
}

static void check_choices_in_docs(const char *docs, const ds_choice *choices)
{
    for (; choices->name != NULL; choices++)
        ck_assert_msg(strstr(docs, choices->name) != NULL, "docs: no %s", choices->name);
}

START_TEST(docs_name_every_key)
{
    char path[1000];
    const char *end = strstr(__FILE__, "tests/unit/");
    ck_assert_ptr_nonnull(end);
    snprintf(path, sizeof path, "%.*sdocs/app-file.md", (int)(end - __FILE__), __FILE__);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    static char docs[1 << 16];
    size_t length = fread(docs, 1, sizeof docs - 1, file);
    fclose(file);
    docs[length] = '\0';
    walk(&ds_app_shape, check_in_docs, docs);
    for (const char *const *later = ds_app_later_keys; *later != NULL; later++)
        ck_assert_ptr_nonnull(strstr(docs, *later));
    check_choices_in_docs(docs, ds_shape_key(&ds_source_shape, "type")->shape->choices);
    check_choices_in_docs(docs, ds_shape_key(&ds_source_shape, "format")->shape->choices);
    check_choices_in_docs(docs, ds_shape_key(&ds_source_shape, "on_error")->shape->choices);
    check_choices_in_docs(docs, ds_shape_key(&ds_sink_shape, "type")->shape->choices);
    check_choices_in_docs(docs, ds_shape_key(&ds_sink_shape, "format")->shape->choices);
}
END_TEST

/* So the plan's hash is the same with another secret, and no executor is sent one. */
START_TEST(secrets_are_no_part_of_it)
{
    static const char *const secrets[] = {"'secret':'0123456789abcdef'", "'secret_file':'abc'",
                                          "'secret':'${WORD}'"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        char app[512];
        ds_app *made;
        snprintf(app, sizeof app,
                 "{'version':1,'name':'a','batch':{'interval':'1s'},"
                 "'executors':{'count':0,'listen':'tcp://0.0.0.0:7000',%s},"
                 "'sources':{'r':{'type':'rate','rows_per_second':1}},"
                 "'sinks':{'c':{'type':'console','from':'r'}}}",
                 secrets[i]);
        loaded l = unit_load(app);
        ck_assert_int_eq(l.status, DS_OK);
        ck_assert((l.app->executors_secret == NULL) == (i == 1));
        ck_assert((l.app->executors_secret_file == NULL) == (i != 1));
        char *text = ds_app_canonical(l.app);
        ck_assert_ptr_null(strstr(text, "secret"));
        ck_assert_ptr_null(strstr(text, "abc"));
        ck_assert_ptr_null(strstr(text, "0123"));
        ck_assert_int_eq(ds_app_from_canonical(text, strlen(text), &made, NULL), DS_OK);
        ck_assert_ptr_null(made->executors_secret);
        ck_assert_str_eq(made->executors_listen, "tcp://0.0.0.0:7000");
        ds_app_free(made);
        free(text);
        unit_unload(&l);
    }
}
END_TEST

UNIT_MAIN("app_canonical", canonical_text, secrets_are_no_part_of_it, loading_it_gives_the_same_app,
          order_and_layout_make_no_difference, order_of_columns_makes_one,
          set_values_are_in_it_and_literal, what_is_no_plan_is_refused, schema_knows_every_key,
          schema_knows_which_keys_go_together, docs_name_every_key)
