/*
 * The table of an app in a file of its own, and an executor's half of what is done with it:
 *
 *     table_kit t;
 *     kit_table(&t, "'format': 'csv', 'schema': { 'n': 'int' }");
 *     table_write(&t, "1\n2\n");
 *     table_load(&t, 1);            as version 1; t.loaded says what came of it
 *     table_text(&t)                what its blocks hold
 */
#ifndef DS_TESTS_TABLE_KIT_H
#define DS_TESTS_TABLE_KIT_H

#include "exec/table_load.h"

#include "unit/plan_unit.h"
#include "unit/scratch_dir.h"

#define TABLE_STORE ((uint64_t)1 << 20)
#define TABLE_EXECUTOR 7
#define TABLE_NOW (INT64_C(4000000000) * 1000000) /* every file is old by then */

typedef struct table_kit {
    scratch_dir dir;
    planned p;
    ds_store *store;
    ds_peers *peers;
    ds_tables *tables;
    ds_budget budget;
    ds_task_env env;
    ds_arena *arena;
    ds_buffer text;
    int64_t now_us;
    ds_msg_table_load ask; /* what is known of it */
    ds_msg_table_loaded loaded;
} table_kit;

static inline void table_open(table_kit *t, const char *keys, const char *streams,
                              const char *tested)
{
    *t = (table_kit){.now_us = TABLE_NOW};
    ds_buffer sources = {0};
    ds_error error;
    scratch_open(&t->dir);
    ds_buffer_printf(&sources,
                     "'t': { 'type': 'table', 'path': '%s', %s }, "
                     "'r': { 'type': 'rate', 'rows_per_second': 1 }",
                     scratch_path(&t->dir, "table"), keys);
    t->p = plan_well(ds_buffer_text(&sources), streams, tested);
    ds_buffer_fini(&sources);
    ck_assert_int_eq(ds_store_new(TABLE_STORE, &t->store, &error), DS_OK);
    t->peers = ds_peers_new();
    ds_peers_add_store(t->peers, TABLE_EXECUTOR, t->store);
    ds_budget_init(&t->budget, NULL, 0);
    t->arena = ds_arena_new(NULL);
    t->env = (ds_task_env){.plan = t->p.plan,
                           .store = t->store,
                           .peers = t->peers,
                           .budget = &t->budget,
                           .executor_id = TABLE_EXECUTOR};
    const ds_table_builder builder = {t->p.plan, t->peers, &t->budget};
    t->env.tables = t->tables = ds_tables_new(&builder, TABLE_EXECUTOR, t->store);
    ck_assert_str_eq(t->p.plan->app->sources[1].name, "t");
    t->ask.source = 1;
}

static inline void table_close(table_kit *t)
{
    ds_tables_free(t->tables);
    ck_assert_uint_eq(ds_store_used(t->store), 0);
    ck_assert_int_eq(t->budget.used_bytes, 0);
    ds_arena_free(t->arena);
    ds_buffer_fini(&t->text);
    ds_peers_free(t->peers);
    ds_store_free(t->store);
    plan_close(&t->p);
    scratch_close(&t->dir);
}

static inline void table_write(table_kit *t, const char *text)
{
    scratch_write_bytes(&t->dir, "table", text, strlen(text));
}

static inline ds_status table_load(table_kit *t, uint64_t version)
{
    t->ask.load_id++;
    t->ask.version = version;
    ds_table_load(&t->env, &t->ask, t->now_us, t->arena, &t->loaded);
    ck_assert_uint_eq(t->loaded.load_id, t->ask.load_id);
    return (ds_status)t->loaded.result.status;
}

static inline void table_loads(table_kit *t, uint64_t version)
{
    ck_assert_msg(table_load(t, version) == DS_OK, "%s", t->loaded.result.message);
}

/* The driver knows from now on what was loaded last. */
static inline void table_known(table_kit *t)
{
    t->ask.known = t->loaded.stamp;
    t->ask.checksum = t->loaded.checksum;
}

static inline void table_refused(table_kit *t, ds_status status, const char *said)
{
    ck_assert_int_eq(table_load(t, 99), status);
    ck_assert_msg(strstr(t->loaded.result.message, said) != NULL, "\"%s\" does not say \"%s\"",
                  t->loaded.result.message, said);
    ck_assert_uint_eq(t->loaded.n_inputs, 0);
}

/* The blocks of the last load, one behind the other, each behind a |. */
static inline const char *table_text(table_kit *t)
{
    t->text.length = 0;
    for (uint32_t i = 0; i < t->loaded.n_inputs; i++) {
        const ds_input *input = &t->loaded.inputs[i];
        ck_assert_uint_eq(input->kind, DS_INPUT_BLOCK);
        ck_assert_uint_eq(input->ref.executor_id, TABLE_EXECUTOR);
        ds_buffer_append_char(&t->text, '|');
        ds_buffer_append(&t->text, ds_store_bytes(t->store, input->ref.offset), input->ref.length);
    }
    return ds_buffer_text(&t->text);
}

#endif
