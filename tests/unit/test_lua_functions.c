/* Functions in Lua within expressions: types, nulls, lists, errors, selections. */
#include "unit/expr_table.h"
#include "unit/lua_functions.h"

static lua_list list;
static expr_table table;
static ds_fault_notes notes;

static void setup(void)
{
    static const struct {
        const char *name, *args, *returns, *text;
    } functions[] = {
        {"twice", "int", "int", "function(x) return x and 2 * x end"},
        {"Half", "float", "float", "return function(x) return x and x / 2 end"},
        {"half_int", "int", "int", "function(x) return x / 2 end"},
        {"flip", "bool", "bool", "function half_not(x) end function flip(x) return not x end"},
        {"shout", "string", "string",
         "function(s) return s and s:upper() .. '!!!!!!!!!!!!!!!' end"},
        {"later", "timestamp", "timestamp", "function(t) return t and t + 1e6 end"},
        {"sum_of", "list<int>", "int",
         "function(l) if not l then return -1 end local s = 0 "
         "for i = 1, l.n do s = s + (l[i] or 100) end return s end"},
        {"cut", "string int", "list<string>",
         "function(s, n) if not s then return nil end local r = {} "
         "for i = 1, #s, n do r[#r + 1] = s:sub(i, i + n - 1) end return r end"},
        {"holes", "int", "list<int>", "function(x) return {1, nil, x, n = 4} end"},
        {"flags", "int", "list<bool>", "function(x) return {x == 1, x == nil} end"},
        {"floats", "", "list<float>", "function() return {1.5, 0/0, 1/0, 2} end"},
        {"same", NULL, "string", "function(...) return table.concat({...}, '/') end"},
        {"count_args", NULL, "int", "function(...) return (select('#', ...)) end"},
        {"type_of", NULL, "string", "function(x) return type(x) end"},
        {"one", "", "int", "function() return 1 end"},
        {"give", "int", "int",
         "function(x) return ({1.5, 'a', true, {}, 9007199254740994, 0/0, 2^53})[x] end"},
        {"give_string", "int", "string",
         "function(x) return ({'\\255', 'a\\0b', 5, true, 'ok'})[x] end"},
        {"give_bool", "int", "bool", "function(x) return ({1, 'a', {}})[x] end"},
        {"give_float", "int", "float", "function(x) return ({0/0, 1/0, -1/0, 2, 'x'})[x] end"},
        {"give_list", "int", "list<int>",
         "function(x) return ({{}, {a = 1}, {1, 'x'}, {n = 1e9}, {1.5}, {n = -1}, 5, {n = 0, a = "
         "1}})[x] end"},
        {"raise", "int", "int", "function(x) if x == 1 then error('one is bad') end return x end"},
        {"remember", "int", "int", "n = 0 function remember(x) n = n + 1 return n end"},
        {"forever", "int", "int", "function(x) while x == 7 do end return x end"},
        {"eat", "int", "int",
         "function(x) local t = {} while x == 7 do t[#t + 1] = ('x'):rep(1e5 + #t) end return x "
         "end"},
        {"shape", "int", "string",
         "local names = {'a', 'b'} return function(x) return names[x] or 'z' end"},
        {"broken", "int", "int", "return 5"},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        lua_add(&list, functions[i].name, functions[i].args, functions[i].returns, false,
                functions[i].text);
    lua_ready(&list, NULL);
    table_open(&table);
    table.functions = list.functions;
    ds_fault_notes_use(&notes);
}

static void teardown(void)
{
    ds_fault_notes_use(NULL);
    table_close(&table);
    lua_done(&list);
}

START_TEST(values_of_all_types)
{
    setup();
    EXPECT(&table, "twice(j)", "4|6|10|-2|0|null");
    EXPECT(&table, "half(f)", "0.75|-1.25|null|5e+307|0|50.125");
    EXPECT(&table, "HALF(j)", "1|1.5|2.5|-0.5|0|null");
    EXPECT(&table, "flip(b)", "F|T|T|F|T|F");
    EXPECT(&table, "shout(s)",
           "APPLE!!!!!!!!!!!!!!!|!!!!!!!!!!!!!!!|null|A TEXT OF MANY BYTES!!!!!!!!!!!!!!!|"
           "\xc3\xa4HRE!!!!!!!!!!!!!!!|100%!!!!!!!!!!!!!!!");
    EXPECT(&table, "extract(second from later(t))", "1|1|null|!|!|2");
    lua_noted(&notes, "later",
              "argument 1 is 253402300799999999: Lua's numbers are exact up to 2^53");
    ck_assert_uint_eq(table.faults, 0x18);
    teardown();
}
END_TEST

START_TEST(lists)
{
    setup();
    EXPECT(&table, "sum_of(l)", "3|0|-1|103|3|7");
    EXPECT(&table, "cut(s, 2)",
           "[ap,pl,e]|[]|null|[a ,te,xt, o,f ,ma,ny, b,yt,es]|[\xc3\xa4,hr,e]|[10,0%]");
    EXPECT(&table, "cut(u, 100)", "[Apple]|[a%]|null|[a text of many bytez]|[\xc3\xa4hre]|null");
    EXPECT(&table, "holes(j)",
           "[1,null,2,null]|[1,null,3,null]|[1,null,5,null]|[1,null,-1,null]|"
           "[1,null,0,null]|[1,null,null,null]");
    EXPECT(&table, "flags(j - 1)", "[T,F]|[F,F]|[F,F]|[F,F]|[F,F]|[F,T]");
    EXPECT(&table, "floats()",
           "[1.5,null,null,2]|[1.5,null,null,2]|[1.5,null,null,2]|"
           "[1.5,null,null,2]|[1.5,null,null,2]|[1.5,null,null,2]");
    EXPECT(&table, "give_list(j)", "!|!|!|null|null|null");
    EXPECT(&table, "give_list(j - 1)", "[]|!|!|null|null|null");
    lua_noted(&notes, "give_list", "a table without elements from 1 on, not a list");
    EXPECT(&table, "give_list(j + 5)", "!|[]|null|!|!|null");
    teardown();
}
END_TEST

START_TEST(arguments_of_any_type)
{
    setup();
    EXPECT(&table, "same(j, 'x', f)", "2/x/1.5|3/x/-2.5|5/x|-1/x/1e+308|0/x/0|!");
    EXPECT(&table, "count_args()", "0|0|0|0|0|0");
    EXPECT(&table, "count_args(i, null, l, t)", "4|4|4|!|!|4");
    EXPECT(&table, "type_of(null)", "nil|nil|nil|nil|nil|nil");
    EXPECT(&table, "type_of(l)", "table|table|nil|table|table|table");
    teardown();
}
END_TEST

START_TEST(calls_are_checked)
{
    setup();
    EXPECT_ERROR(&table, "twice(s)", 6, 1, "twice wants int, \"s\" is string");
    EXPECT_ERROR(&table, "twice(f)", 6, 1, "twice wants int, \"f\" is float");
    EXPECT_ERROR(&table, "1 + cut(s, 2)", 4, 9, "");
    EXPECT_ERROR(&table, "cut(s)", 0, 6, "cut takes 2 arguments, here are 1: cut(string, int)");
    EXPECT_ERROR(&table, "one(1)", 0, 6, "one takes 0 arguments");
    EXPECT_ERROR(&table, "twise(j)", 0, 5, "no function \"twise\" (did you mean \"twice\"?)");
    EXPECT_ERROR(&table, "twice", 0, 5, "the function is written twice(int)");
    EXPECT_ERROR(&table, "twice(*)", 0, 8, "only count takes *");
    EXPECT_ERROR(&table, "twice(j) filter (where b)", 23, 1, "filter restricts aggregates");
    EXPECT_ERROR(&table, "sum_of(array(s))", 7, 8, "sum_of wants list<int>");
    EXPECT_ERROR(&table, "count_args(interval '1s')", 11, 13, "count_args takes no interval");
    EXPECT(&table, "twice(null)", "null|null|null|null|null|null");
    teardown();
}
END_TEST

START_TEST(results_are_checked)
{
    setup();
    static const char *const wrong[] = {
        "it returned 1.5, not an int",
        "it returned a string, not an int",
        "it returned true, not an int",
        "it returned a table, not an int",
    };
    for (int i = 0; i < 4; i++) {
        char text[40];
        snprintf(text, sizeof text, "give(%d)", i + 1);
        EXPECT(&table, text, "!|!|!|!|!|!");
        lua_noted(&notes, "give", wrong[i]);
        ck_assert_uint_eq(table.faults, 0x3f);
    }
    EXPECT(&table, "give(5)", "!|!|!|!|!|!");
    EXPECT(&table, "give(6)", "!|!|!|!|!|!");
    EXPECT(&table, "give(7)",
           "9007199254740992|9007199254740992|9007199254740992|9007199254740992|"
           "9007199254740992|9007199254740992");
    notes.n = 0;
    EXPECT(&table, "give_string(j - 1)", "!|!|!|null|null|null");
    lua_noted(&notes, "give_string", "not UTF-8, from byte 1 on");
    EXPECT(&table, "give_string(j - 0)", "!|!|ok|null|null|null");
    lua_noted(&notes, "give_string", "it returned 5, not a string");
    EXPECT(&table, "give_bool(j)", "!|!|null|null|null|null");
    EXPECT(&table, "give_float(j - 1)", "null|null|2|null|null|null");
    notes.n = 0;
    EXPECT(&table, "give_float(5)", "!|!|!|!|!|!");
    lua_noted(&notes, "give_float", "it returned a string, not a float");
    teardown();
}
END_TEST

START_TEST(errors_are_of_their_rows)
{
    setup();
    EXPECT(&table, "raise(i)", "!|-2|null|!|0|7");
    lua_noted(&notes, "raise", "raise:1: one is bad");
    ck_assert_uint_eq(table.faults, 0x9);
    /* Overflows are errors too, but no faults. */
    EXPECT(&table, "raise(i) + (i + 1)", "!|-3|null|!|1|15");
    ck_assert_uint_eq(table.faults, 0x9);
    EXPECT(&table, "i + 1", "2|-1|null|!|1|8");
    ck_assert_uint_eq(table.faults, 0);
    EXPECT(&table, "remember(j)", "!|!|!|!|!|!");
    lua_noted(&notes, "remember", "the global 'n' is set within a function");
    EXPECT(&table, "broken(j)", "!|!|!|!|!|!");
    lua_noted(&notes, "broken",
              "broken: it must return a function, or set a global of the name broken");
    teardown();
}
END_TEST

START_TEST(limits_are_of_one_call)
{
    setup();
    EXPECT(&table, "forever(i)", "1|-2|null|!|0|!");
    lua_noted(&notes, "forever", "argument 1 is 9223372036854775807");
    ck_assert_uint_eq(table.faults, 0x28);
    EXPECT(&table, "forever(j * 0 + 7)", "!|!|!|!|!|null");
    lua_noted(&notes, "forever", "it takes more than 1000000 instructions");
    EXPECT(&table, "eat(j - 1 + 6)", "!|8|10|4|5|null");
    lua_noted(&notes, "eat", "it needs more than 16777216 bytes");
    teardown();
}
END_TEST

START_TEST(only_rows_that_are_wanted)
{
    setup();
    EXPECT(&table, "case when j > 2 then raise(1) else twice(j) end", "4|!|!|-2|0|null");
    EXPECT(&table, "if(b, 1, raise(1))", "1|!|!|1|!|1");
    EXPECT(&table, "coalesce(j, raise(1))", "2|3|5|-1|0|!");
    EXPECT(&table, "j > 100 and raise(1) > 0", "F|F|F|F|F|!");
    table.selected = 0x12;
    EXPECT(&table, "raise(1)", "-|!|-|-|!|-");
    EXPECT(&table, "cut(s, 3)", "-|[]|-|-|[\xc3\xa4h,re]|-");
    EXPECT(&table, "case when j = 3 then cut('abc', 1) else cut('xy', 1) end",
           "-|[a,b,c]|-|-|[x,y]|-");
    teardown();
}
END_TEST

START_TEST(nested_and_shared)
{
    setup();
    EXPECT(&table, "twice(twice(twice(j)))", "16|24|40|-8|0|null");
    EXPECT(&table, "shape(j) || shape(1)", "ba|za|za|za|za|za");
    EXPECT(&table, "size(cut(shout('a'), 4))", "4|4|4|4|4|4");
    ds_expr *expr = table_bind(&table, "1 + twice(j)");
    ck_assert(ds_expr_uses_functions(expr));
    ck_assert(!ds_expr_uses_functions(table_bind(&table, "1 + abs(j)")));
    teardown();
}
END_TEST

START_TEST(a_thousand_rows)
{
    setup();
    enum { N = DS_CHUNK_ROWS };
    ds_column *column = ds_column_new(table.arena, DS_TYPE(DS_INT), N);
    for (int i = 0; i < N; i++)
        column->ints[i] = i % 10;
    const ds_column *columns[TABLE_COLUMNS] = {column}, *out;
    ds_chunk chunk = {.n_rows = N, .n_columns = TABLE_COLUMNS, .columns = columns};
    uint64_t selected[DS_CHUNK_WORDS], errors[DS_CHUNK_WORDS] = {0};
    ds_bitmap_fill(selected, N);
    ds_eval ev = {
        .arena = table.arena, .heap = &table.heap, .selected = selected, .errors = errors};
    ds_expr *expr = table_bind(&table, "raise(i)");
    ds_program_run(ds_program_new(table.arena, &expr, 1), &ev, &chunk, &out);
    ck_assert_uint_eq(ds_bitmap_count(errors, N), N / 10 + 1);
    ck_assert_uint_eq(ds_bitmap_count(ev.faults, N), N / 10 + 1);
    for (int i = 0; i < N; i++)
        ck_assert(i % 10 == 1 ? ds_column_is_null(out, (uint32_t)i) : out->ints[i] == i % 10);
    teardown();
}
END_TEST

START_TEST(a_text_is_tried)
{
    setup();
    static const struct {
        const char *text, *message;
        bool aggregate;
    } texts[] = {
        {"return function() end", "", false},
        {"function f() end", "", false},
        {"  function (x) return x end", "", false},
        {"return {init = f, update = f}", "place.lua: the aggregate has no function init", true},
        {"local function f() end return {init = f, update = f, merge = f}", "", true},
        {"local function f() end return {init = f, update = f, merge = f, finish = 5}",
         "place.lua: the aggregate has no function finish", true},
        {"return function() end", "place.lua: it must return a table of the functions", true},
        {"return nil", "place.lua: it must return a function, or set a global of the name f",
         false},
        {"x = = 5", "place.lua:1: unexpected symbol near '='", false},
        {"\n\nerror('no')", "place.lua:3: no", false},
        {"function (x) return end end", "place.lua:1: '<eof>' expected near 'end'", false},
        {"while true do end", "it takes more than 1000000 instructions", false},
        {"local t = {} for i = 1, 1e5 do t[i] = ('x'):rep(1e5) .. i end",
         "it needs more than 16777216 bytes", false},
        {"return os.time", "place.lua:1: attempt to index global 'os' (a nil value)", false},
    };
    char message[DS_LUA_MESSAGE];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ds_lua_definition d = {.name = "f",
                               .place = "place.lua",
                               .text = texts[i].text,
                               .returns = DS_TYPE(DS_INT),
                               .aggregate = texts[i].aggregate};
        bool fine = ds_lua_try(&d, &(ds_lua_limits){1000000, 16 << 20}, message);
        ck_assert_msg(fine == (texts[i].message[0] == '\0') &&
                          strstr(message, texts[i].message) != NULL,
                      "%s: %s", texts[i].text, message);
    }
    ck_assert(!ds_lua_try(&(ds_lua_definition){.name = "f", .place = "f", .text = "return 1"},
                          &(ds_lua_limits){1000, 1000}, message));
    ck_assert_ptr_nonnull(strstr(message, "limits.lua_memory is too small"));
    teardown();
}
END_TEST

UNIT_MAIN("lua_functions", values_of_all_types, lists, arguments_of_any_type, calls_are_checked,
          results_are_checked, errors_are_of_their_rows, limits_are_of_one_call,
          only_rows_that_are_wanted, nested_and_shared, a_thousand_rows, a_text_is_tried)
