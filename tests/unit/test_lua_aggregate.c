/* Aggregates in Lua: groups, merges, windows, and states as bytes. */
#include "columnar/piece.h"
#include "columnar/user_functions.h"
#include "dstream/window.h"
#include "lua/encode.h"

#include "unit/grouping.h"
#include "unit/lua_functions.h"
#include "unit/lua_kit.h"

static lua_list list;
static bench b;
static ds_fault_notes notes;

/* Sums up; fails for 13. */
static const char total[] = "local m = {} function m.init() return 0 end "
                            "function m.update(s, x) if x == 13 then error('unlucky') end "
                            "return s + x end "
                            "function m.merge(a, b) return a + b end return m";
/* The mean, as a table that is kept. */
static const char mean[] =
    "local m = {init = function() return {n = 0, sum = 0} end} "
    "function m.update(s, x) s.n = s.n + 1 s.sum = s.sum + x return s end "
    "function m.merge(a, b) return {n = a.n + b.n, sum = a.sum + b.sum} end "
    "function m.finish(s) if s.n > 0 then return s.sum / s.n end end return m";
/* All words in order, with a limit. */
static const char words[] =
    "middle = {init = function() return {} end, "
    "update = function(s, w, n) for i = 1, n do s[#s + 1] = w end return s end, "
    "merge = function(a, b) for _, w in ipairs(b) do a[#a + 1] = w end return a end}";

static void setup(void)
{
    lua_add(&list, "total", "int", "int", true, total);
    lua_add(&list, "mean", "float", "float", true, mean);
    lua_add(&list, "middle", "string int", "list<string>", true, words);
    lua_add(&list, "tally", "", "int", true,
            "return {init = function() return 100 end, update = function(s) return s + 1 end, "
            "merge = function(a, b) return a + b - 100 end}");
    lua_add(&list, "longest", "string", "string", true,
            "return {init = function() return '' end, "
            "update = function(s, x) if #x > #s then return x end return s end, "
            "merge = function(a, b) if #b > #a then return b end return a end}");
    lua_add(&list, "bad_merge", "int", "int", true,
            "return {init = function() return 0 end, update = function(s, x) return s + x end, "
            "merge = function() error('cannot merge') end}");
    lua_add(&list, "bad_finish", "int", "int", true,
            "return {init = function() return 0 end, update = function(s, x) return s + x end, "
            "merge = function(a, b) return a + b end, "
            "finish = function(s) if s > 100 then return 'much' end return s end}");
    lua_add(&list, "bad_state", "int", "int", true,
            "return {init = function() return 0 end, "
            "update = function(s, x) if x == 1 then return print or type end "
            "if x == 2 then return setmetatable({}, {}) end "
            "if x == 3 then local t = {} t.t = t return t end "
            "if x == 4 then return ('x'):rep(2e6) end return x end, "
            "merge = function(a) return a end}");
    lua_ready(&list, NULL);
    bench_open(&b);
    ds_fault_notes_use(&notes);
}

static void teardown(void)
{
    ds_fault_notes_use(NULL);
    bench_close(&b);
    lua_done(&list);
}

/* Adds a call of an aggregate in Lua with the types of its definition. */
static void call(const char *name)
{
    const ds_aggregate *aggregate = ds_user_aggregate_find(list.functions, name);
    const ds_type *args = NULL;
    uint32_t n_args = 0;
    for (uint32_t i = 0; i < list.n; i++)
        if (strcmp(list.items[i].name, name) == 0) {
            args = list.items[i].args;
            n_args = list.items[i].n_args;
        }
    ds_type wanted[2] = {{0}};
    memcpy(wanted, args, n_args * sizeof *wanted);
    ds_literal literals[2] = {{0}};
    ds_resolve r = {.name = name,
                    .arena = b.d.arena,
                    .types = args,
                    .literals = literals,
                    .n_args = n_args,
                    .wanted = wanted};
    ds_agg_call *made = &b.calls[b.spec.n_calls++];
    *made = (ds_agg_call){.aggregate = aggregate};
    ck_assert_msg(aggregate->resolve(&r, made), "%s", r.message);
}

/* The results, with the failed ones as "!". */
static const char *results_or_faults(ds_groups *groups)
{
    uint32_t n = ds_groups_count(groups);
    ds_column *columns[BENCH_CALLS + 4];
    uint64_t *overflows[BENCH_CALLS] = {NULL};
    ds_groups_results(groups, b.d.arena, &b.d.heap, all_ids(&b, n), n, columns, overflows);
    ds_buffer out = {0};
    for (uint32_t row = 0; row < n; row++)
        for (uint32_t c = 0; c < b.spec.n_calls; c++) {
            ds_buffer_append_text(&out, row + c > 0 ? " " : "");
            if (overflows[c] != NULL && ds_bit_get(overflows[c], row))
                ds_buffer_append_char(&out, '!');
            else
                print_value(&out, &b.d.heap, columns[b.spec.n_keys + c], row);
        }
    const char *text = ds_arena_strndup(b.d.arena, ds_buffer_text(&out), out.length);
    ds_buffer_fini(&out);
    return text;
}

START_TEST(groups_of_rows)
{
    setup();
    bench_key(&b, DS_TYPE(DS_STRING));
    call("total");
    call("mean");
    call("middle");
    call("tally");
    bench_start(&b);
    feed(&b, b.groups, "a b a c b", "1 2 3 null 5", "0.5 1 1.5 2 null", "x y z w v", "1 0 2 1 2");
    ck_assert_str_eq(results(&b, b.groups), "a 4 1 [x z z] 102; b 7 1 [v v] 102; c 0 2 [w] 101");
    feed(&b, b.groups, "c d", "7 8", "4 null", "u t", "1 1");
    ck_assert_str_eq(results(&b, b.groups),
                     "a 4 1 [x z z] 102; b 7 1 [v v] 102; c 7 3 [w u] 102; d 8 null [t] 101");
    ck_assert_uint_eq(ds_groups_overflows(b.groups), 0);
    teardown();
}
END_TEST

START_TEST(no_rows_at_all)
{
    setup();
    call("total");
    call("mean");
    call("middle");
    call("tally");
    bench_start(&b);
    ck_assert_str_eq(results(&b, b.groups), "0 null [] 100");
    teardown();
}
END_TEST

START_TEST(partials_are_merged)
{
    setup();
    bench_key(&b, DS_TYPE(DS_STRING));
    call("total");
    call("mean");
    call("middle");
    call("longest");
    ds_groups *parts[2] = {bench_groups(&b), bench_groups(&b)};
    bench_start(&b);
    feed(&b, parts[0], "a b", "1 2", "0.5 1", "x y", "1 2", "long-text-of-many-bytes s");
    feed(&b, parts[1], "b c", "10 20", "3 8", "p q", "1 1", "a-little-longer-text t");
    for (int i = 0; i < 2; i++) {
        merge_groups(&b, b.groups, parts[i]);
        ds_groups_free(parts[i]);
    }
    ck_assert_str_eq(results(&b, b.groups),
                     "a 1 0.5 [x] long-text-of-many-bytes; b 12 2 [y y p] a-little-longer-text; "
                     "c 20 8 [q] t");
    ds_groups_clear(b.groups);
    feed(&b, b.groups, "a", "5", "1", "w", "1", "z");
    ck_assert_str_eq(results(&b, b.groups), "a 5 1 [w] z");
    teardown();
}
END_TEST

START_TEST(a_failure_is_of_its_group)
{
    setup();
    bench_key(&b, DS_TYPE(DS_STRING));
    call("total");
    bench_start(&b);
    feed(&b, b.groups, "a b a b c", "1 13 2 5 3");
    lua_noted(&notes, "total", "total:1: unlucky");
    ck_assert_str_eq(results_or_faults(b.groups), "3 ! 3");
    ck_assert_uint_eq(ds_groups_overflows(b.groups), 1);
    feed(&b, b.groups, "b", "1"); /* it stays so */
    ck_assert_str_eq(results_or_faults(b.groups), "3 ! 3");
    ds_groups *whole = bench_groups(&b);
    feed(&b, whole, "b a", "1 1");
    merge_groups(&b, whole, b.groups);
    ck_assert_str_eq(results_or_faults(whole), "! 4 3");
    ds_groups_free(whole);
    teardown();
}
END_TEST

START_TEST(merge_and_finish_may_fail)
{
    setup();
    call("bad_merge");
    call("bad_finish");
    bench_start(&b);
    feed(&b, b.groups, "1", "100");
    ds_groups *other = bench_groups(&b);
    merge_groups(&b, other, b.groups); /* into nothing: no call of merge */
    ck_assert_str_eq(results_or_faults(other), "1 100");
    feed(&b, b.groups, "1", "1");
    merge_groups(&b, other, b.groups);
    ck_assert_str_eq(results_or_faults(other), "! !");
    lua_noted(&notes, "bad_merge", "cannot merge");
    ds_groups_free(other);
    ck_assert_str_eq(results_or_faults(b.groups), "2 !");
    lua_noted(&notes, "bad_finish", "it returned a string, not an int");
    teardown();
}
END_TEST

START_TEST(states_that_cannot_be_kept)
{
    setup();
    static const char *const why[] = {"a state cannot hold a function", "a metatable",
                                      "nested more than 32 deep", "a state has more than 1048576"};
    bench_key(&b, DS_TYPE(DS_INT));
    call("bad_state");
    for (int i = 0; i < 4; i++) {
        char row[20];
        snprintf(row, sizeof row, "%d 9", i + 1);
        bench_start(&b);
        feed(&b, b.groups, "1 2", row);
        ck_assert_str_eq(results_or_faults(b.groups), "! 9");
        lua_noted(&notes, "bad_state", why[i]);
    }
    teardown();
}
END_TEST

START_TEST(many_groups_in_little_memory)
{
    setup();
    enum { N = 20000 };
    bench_key(&b, DS_TYPE(DS_INT));
    call("longest");
    bench_start(&b);
    ds_column *keys = ds_column_new(b.d.arena, DS_TYPE(DS_INT), N);
    ds_column *texts = ds_column_new(b.d.arena, DS_TYPE(DS_STRING), N);
    size_t first = 0;
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < N; i++) {
            char text[64];
            int length = snprintf(text, sizeof text, "%0*d", 20 + round, i * 7919 % N);
            keys->ints[i] = i * 7919 % N;
            texts->views[i] = ds_view_copy(&b.d.heap, text, (uint32_t)length);
        }
        const ds_column *key = keys, *text = texts, *const * args[] = {&text};
        ds_groups_update(b.groups, &b.d.heap, &key, args, NULL, NULL, N);
        if (round == 0)
            first = ds_groups_bytes(b.groups);
    }
    ck_assert_uint_eq(ds_groups_count(b.groups), N);
    ck_assert_uint_lt(ds_groups_bytes(b.groups), 4 * first); /* old states are forgotten */
    ds_column *columns[2];
    uint32_t *ids = all_ids(&b, N);
    ds_groups_results(b.groups, b.d.arena, &b.d.heap, ids, N, columns, NULL);
    for (int i = 0; i < N; i++) {
        char text[64];
        snprintf(text, sizeof text, "%027d", (int)columns[0]->ints[i]);
        ck_assert_int_eq(memcmp(ds_view_bytes(&b.d.heap, &columns[1]->views[i]), text, 27), 0);
    }
    teardown();
}
END_TEST

/* A window of three panes against the same rows put together. */
START_TEST(windows)
{
    setup();
    bench_key(&b, DS_TYPE(DS_INT));
    call("total");
    call("middle");
    bench_call(&b, "sum", DS_TYPE(DS_INT));
    ds_window_spec spec = {.group = &b.spec, .size_ms = 3000, .slide_ms = 1000, .step_ms = 1000};
    ds_window *window = ds_window_new(&spec, &b.budget);
    for (int t = 1; t <= 12; t++) {
        char keys[40], values[40], texts[40];
        snprintf(keys, sizeof keys, "1 %d 2", t % 4);
        snprintf(values, sizeof values, "%d %d %d", t, 10 * t, t == 6 ? 13 : t == 3 ? 4 : 100 + t);
        snprintf(texts, sizeof texts, "p%d q%d r%d", t, t, t);
        ds_groups *groups = bench_groups(&b);
        feed(&b, groups, keys, values, texts, "1 1 1", values);
        ds_column *columns[20];
        partials(&b, groups, columns);
        ds_window_add(window, t * 1000, &b.d.heap, (const ds_column *const *)columns,
                      ds_groups_count(groups));
        ds_groups_free(groups);
        ds_window_slide(window, t * 1000);
        uint32_t n = ds_window_count(window);
        uint64_t *overflows[3] = {NULL};
        ds_window_results(window, b.d.arena, &b.d.heap, 0, n, columns, overflows);
        for (uint32_t i = 0; i < n; i++) {
            bool broken = columns[0]->ints[i] == 2 && t >= 6 && t < 9;
            ck_assert(broken == (overflows[0] != NULL && ds_bit_get(overflows[0], i)));
            ck_assert(broken == ds_column_is_null(columns[1], i));
            if (!broken)
                ck_assert_int_eq(columns[1]->ints[i], columns[3]->ints[i]);
            uint32_t words_of_key = columns[2]->offsets[i + 1] - columns[2]->offsets[i];
            ck_assert_uint_ge(words_of_key, columns[0]->ints[i] == 1 && t >= 3 ? 3 : 1);
        }
    }
    ck_assert_uint_eq(ds_window_overflows(window), 3);
    ds_window_free(window);
    teardown();
}
END_TEST

/* ---- bytes ---- */

typedef struct coding {
    const char *text;
    const char *bytes;
    size_t length;
    ds_buffer out;
} coding;

static int encode_text(lua_State *L)
{
    coding *c = lua_touserdata(L, 1);
    ds_lua_push_environment(L);
    if (luaL_loadstring(L, c->text) != 0)
        lua_error(L);
    lua_pushvalue(L, 2);
    lua_setfenv(L, -2);
    lua_call(L, 0, 1);
    ds_lua_encode(L, 3, &c->out);
    return 0;
}

static int decode_and_encode(lua_State *L)
{
    coding *c = lua_touserdata(L, 1);
    ds_lua_decode(L, c->bytes, c->length);
    ds_lua_encode(L, 2, &c->out);
    return 0;
}

START_TEST(values_as_bytes)
{
    setup();
    static const struct {
        const char *text, *hex;
    } values[] = {
        {"return nil", "00"},
        {"return false", "01"},
        {"return true", "02"},
        {"return 1", "0302"},
        {"return -1", "0301"},
        {"return 300", "03d804"},
        {"return 2^53", "0380808080808080"
                        "20"},
        {"return 0.5", "04000000000000e03f"},
        {"return -0.0 * 1", "040000000000000080"},
        {"return 1/0", "04000000000000f07f"},
        {"return 'ab'", "05026162"},
        {"return {}", "060000"},
        {"return {1, 'a'}", "0602000302050161"},
        {"return {b = 1, a = 2, [true] = 3, [5] = 4}", "060004"
                                                       "030a0308"
                                                       "0501610304"
                                                       "0501620302"
                                                       "020306"},
        {"return {1, nil, 3}", "060101"
                               "0302"
                               "0306"
                               "0306"},
        {"return {{{}}}", "060100"
                          "060100"
                          "060000"},
    };
    ds_lua *lua = ds_lua_new(&LUA_KIT_LIMITS);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        coding c = {.text = values[i].text}, back = {0};
        ck_assert_msg(ds_lua_call(lua, encode_text, &c), "%s", ds_lua_message(lua));
        ds_buffer hex = {0};
        for (size_t k = 0; k < c.out.length; k++)
            ds_buffer_printf(&hex, "%02x", (unsigned char)c.out.data[k]);
        ck_assert_str_eq(ds_buffer_text(&hex), values[i].hex);
        back.bytes = c.out.data;
        back.length = c.out.length;
        ck_assert_msg(ds_lua_call(lua, decode_and_encode, &back), "%s", ds_lua_message(lua));
        ck_assert_uint_eq(back.out.length, c.out.length);
        ck_assert_int_eq(memcmp(back.out.data, c.out.data, c.out.length), 0);
        for (size_t cut = 0; cut < c.out.length; cut++) { /* no part of it is a value */
            coding part = {.bytes = c.out.data, .length = cut};
            ck_assert(!ds_lua_call(lua, decode_and_encode, &part));
            ck_assert_ptr_nonnull(strstr(ds_lua_message(lua), "damaged"));
            ds_buffer_fini(&part.out);
        }
        ds_buffer_fini(&hex);
        ds_buffer_fini(&c.out);
        ds_buffer_fini(&back.out);
    }
    ds_lua_free(lua);
    teardown();
}
END_TEST

START_TEST(damaged_bytes)
{
    setup();
    static const struct {
        const char *bytes;
        size_t length;
    } damaged[] = {
        {"\x07", 1},                                          /* no such thing */
        {"\x00\x00", 2},                                      /* something behind it */
        {"\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* more than 53 bits */
        {"\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},
        {"\x05\x7f"
         "a",
         3},                                                          /* a length beyond the end */
        {"\x06\xff\xff\xff\xff\x0f\x00", 7},                          /* elements beyond the end */
        {"\x06\x00\x01\x00\x00", 5},                                  /* a key that is nil */
        {"\x06\x00\x01\x04\x00\x00\x00\x00\x00\x00\xf8\x7f\x00", 13}, /* or not a number */
        {"\x06\x00\x01\x06\x00\x00\x00", 7},                          /* or a table */
    };
    ds_lua *lua = ds_lua_new(&LUA_KIT_LIMITS);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        coding c = {.bytes = damaged[i].bytes, .length = damaged[i].length};
        ck_assert(!ds_lua_call(lua, decode_and_encode, &c));
        ck_assert_str_eq(ds_lua_message(lua), "the bytes of a state are damaged");
        ds_buffer_fini(&c.out);
    }
    char deep[300];
    for (int i = 0; i < 100; i++)
        memcpy(deep + 3 * i, "\x06\x01\x00", 3);
    coding c = {.bytes = deep, .length = sizeof deep};
    ck_assert(!ds_lua_call(lua, decode_and_encode, &c));
    ds_lua_free(lua);
    teardown();
}
END_TEST

START_TEST(partials_of_a_peer_are_not_trusted)
{
    setup();
    bench_key(&b, DS_TYPE(DS_INT));
    call("total");
    bench_start(&b);
    feed(&b, b.groups, "1 2 3 4", "1 2 3 4");
    ds_column *keys = column_of(&b.d, DS_TYPE(DS_INT), "1 2 3 4 5");
    ds_column *states = column_of(&b.d, DS_TYPE(DS_STRING), "\x09 null \xff \x05\x01w \x0a");
    const ds_column *columns[] = {keys, states};
    ds_groups_merge(b.groups, &b.d.heap, columns, 5);
    ck_assert_str_eq(results_or_faults(b.groups), "! 2 ! ! !");
    lua_noted(&notes, "total", "the bytes of a state are damaged");
    teardown();
}
END_TEST

UNIT_MAIN("lua_aggregate", groups_of_rows, no_rows_at_all, partials_are_merged,
          a_failure_is_of_its_group, merge_and_finish_may_fail, states_that_cannot_be_kept,
          many_groups_in_little_memory, windows, values_as_bytes, damaged_bytes,
          partials_of_a_peer_are_not_trusted)
