/* Functions in Lua from several threads: no two meet in one state. */
#include "lua/functions.h"

#include "unit/expr_table.h"
#include "unit/lua_functions.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS 50

static const char text[] = "local seen = 0 "
                           "return function(x) if x == nil then return nil end "
                           "local before = seen seen = seen + 1 "
                           "local s = 0 for i = 1, 100 do s = s + x end "
                           "if seen ~= before + 1 then error('somebody else was here') end "
                           "return s end";

typedef struct worker {
    const ds_user_functions *functions;
    ds_fault_notes notes;
    unsigned wrong;
} worker;

/* Each thread has a table, a program and notes of its own; what it shares is the functions. */
static void *work(void *arg)
{
    worker *w = arg;
    ds_fault_notes_use(&w->notes);
    expr_table table;
    table_open(&table);
    table.functions = w->functions;
    for (int i = 0; i < ROUNDS; i++) {
        w->wrong += strcmp(table_eval(&table, "hundred(j)"), "200|300|500|-100|0|null") != 0;
        w->wrong += strcmp(table_eval(&table, "fails(j)"), "!|!|!|!|!|!") != 0;
    }
    table_close(&table);
    ds_fault_notes_use(NULL);
    return NULL;
}

START_TEST(threads_share_functions_and_no_state)
{
    lua_list list = {0};
    lua_add(&list, "hundred", "int", "int", false, text);
    lua_add(&list, "fails", "int", "int", false, "function() error('always') end");
    lua_ready(&list, NULL);
    pthread_t threads[THREADS];
    worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.functions = list.functions};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(workers[i].wrong, 0);
        ck_assert_uint_eq(workers[i].notes.n, 1); /* of its own */
        ck_assert_str_eq(workers[i].notes.notes[0].message, "fails:1: always");
    }
    lua_done(&list);
}
END_TEST

START_TEST(states_are_charged)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    lua_list list = {0};
    lua_add(&list, "hundred", "int", "int", false, text);
    lua_ready(&list, NULL);
    ds_lua_functions_charge(list.functions, &budget);
    ck_assert_int_eq(budget.used_bytes, 0); /* none is made before it is needed */
    worker w = {.functions = list.functions};
    expr_table table;
    table_open(&table);
    table.functions = w.functions;
    table_eval(&table, "hundred(j)");
    ck_assert_int_gt(budget.used_bytes, 10000);
    int64_t used = budget.used_bytes;
    table_eval(&table, "hundred(j)");
    ck_assert_int_lt(budget.used_bytes, 2 * used); /* the same state */
    table_close(&table);
    lua_done(&list);
    ck_assert_int_eq(budget.used_bytes, 0);
    ds_lua_functions_charge(NULL, &budget);
}
END_TEST

/* What waits for work, or comes back from it, keeps no garbage when memory is short. */
START_TEST(garbage_goes_when_memory_is_short)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    lua_list list = {0};
    lua_add(&list, "wastes", "int", "int", false,
            "function(x) local t = {} for i = 1, 50000 do t[i] = i end return #t end");
    lua_ready(&list, NULL);
    ds_lua_functions_charge(list.functions, &budget);
    int64_t need = ds_lua_functions_need(list.functions);
    ck_assert_int_gt(need, 10000);
    ck_assert_int_lt(need, 200 << 10);
    expr_table table;
    table_open(&table);
    table.functions = list.functions;
    table_eval(&table, "wastes(j)");
    ck_assert_int_gt(budget.used_bytes, need + (500 << 10));
    ds_lua_functions_relieve(list.functions);
    ck_assert_int_lt(budget.used_bytes, need + (128 << 10));
    budget.limit_bytes = need + (256 << 10);
    table_eval(&table, "wastes(j)");
    ck_assert_int_lt(budget.used_bytes, need + (128 << 10));
    table_close(&table);
    lua_done(&list);
    ck_assert_int_eq(budget.used_bytes, 0);
    ck_assert_int_eq(ds_lua_functions_need(NULL), 0);
    ds_lua_functions_relieve(NULL);
}
END_TEST

UNIT_MAIN("lua_pool", threads_share_functions_and_no_state, states_are_charged,
          garbage_goes_when_memory_is_short)
