/* The sandbox: what is not there, what is another each time, and the limits. */
#include "unit/lua_kit.h"

static ds_lua *lua;

static void setup(void)
{
    lua = ds_lua_new(&LUA_KIT_LIMITS);
    ck_assert_ptr_nonnull(lua);
}

static void teardown(void)
{
    ds_lua_free(lua);
}

static void gives(const char *text, const char *wanted)
{
    const char *got = lua_in(lua, text);
    ck_assert_msg(strcmp(got, wanted) == 0, "%s\ngives   %s\ninstead of %s", text, got, wanted);
}

static void fails(const char *text, const char *part)
{
    const char *got = lua_in(lua, text);
    ck_assert_msg(strncmp(got, "error: ", 7) == 0 && strstr(got, part) != NULL,
                  "%s\ngives %s\ninstead of an error with \"%s\"", text, got, part);
    gives("return 1 + 1", "2"); /* the state is as good as before */
}

START_TEST(what_is_safe_is_there)
{
    setup();
    gives("return 1, 'a', true, nil, {}", "1 a true nil table");
    gives(
        "return ('abc'):upper(), #'abc', ('x'):rep(3, '-'), ('%5.2f|%-3d|%q'):format(1.5, 7, 'a')",
        "ABC 3 x-x-x  1.50|7  |\"a\"");
    gives("local t = {3, 1, 2} table.sort(t) return table.concat(t, ',')", "1,2,3");
    gives("local t = {1, 2} table.insert(t, 1, 0) return table.remove(t), unpack(t)", "2 0 1");
    gives("return math.floor(2.5), math.max(1, 3), bit.band(6, 3)", "2 3 2");
    gives("return pcall(error, 'x')", "false x");
    gives("return select('#', 1, 2, 3), tonumber('0x10'), tonumber('z', 36), tostring(1.5)",
          "3 16 35 1.5");
    gives("return ('abc'):byte(1, -1)", "97 98 99");
    gives("return ('abc'):byte(-1), ('abc'):byte(9)", "99");
    gives("local t = setmetatable({}, {__index = function(_, k) return k .. '!' end}) return t.a",
          "a!");
    gives("local s = 0 for i, v in ipairs({1, 2, 3}) do s = s + i * v end return s", "14");
    teardown();
}
END_TEST

START_TEST(what_reaches_out_is_not)
{
    setup();
    static const char *const names[] = {
        "io",
        "os",
        "package",
        "require",
        "module",
        "dofile",
        "loadfile",
        "load",
        "loadstring",
        "debug",
        "jit",
        "ffi",
        "collectgarbage",
        "coroutine",
        "getfenv",
        "setfenv",
        "rawset",
        "newproxy",
        "print",
        "_G",
        "gcinfo",
        "xpcall",
        "math.random",
        "math.randomseed",
        "string.dump",
        "string.buffer",
        "table.foreach",
        "table.foreachi",
        "table.getn",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[100];
        snprintf(text, sizeof text, "return %s", names[i]);
        gives(text, "nil");
    }
    teardown();
}
END_TEST

START_TEST(only_text_is_loaded)
{
    setup();
    ds_lua_loaded loaded;
    ds_lua_definition d = {
        .name = "f", .place = "f", .text = "\033LJ\002", .returns = DS_TYPE(DS_INT)};
    ck_assert(!ds_lua_load(lua, &d, &loaded));
    ck_assert_ptr_nonnull(strstr(ds_lua_message(lua), "attempt to load chunk with wrong mode"));
    teardown();
}
END_TEST

START_TEST(the_library_is_read_only)
{
    setup();
    fails("string.x = 1", "t:1: the library cannot be changed");
    fails("table.sort = nil", "the library cannot be changed");
    fails("table.insert(string, 1)", "t:1: the library cannot be changed");
    fails("table.insert(string, 1, 1)", "t:1: the library cannot be changed");
    fails("table.remove(math)", "t:1: the library cannot be changed");
    fails("table.remove(math, 1)", "t:1: the library cannot be changed");
    fails("table.sort(math)", "t:1: the library cannot be changed");
    fails("local b = bit table.sort(b, function() return true end)", "t:1: the library cannot");
    gives("local t = setmetatable({2, 1}, {__metatable = false}) table.sort(t) "
          "table.insert(t, 3) return #t, t[1], table.remove(t)",
          "3 1 3");
    fails("setmetatable(string, {})", "cannot change a protected metatable");
    gives("return getmetatable(''), getmetatable(string)", "false false");
    fails("getmetatable('').__index = nil", "attempt to index a boolean");
    fails("x = 1", "the global 'x' is set within a function");
    fails("math = nil", "the global 'math'");
    gives("return rawget(string, 'upper')", "nil");
    gives("local t = {} for k in pairs(string) do t[#t + 1] = k end return #t", "0");
    teardown();
}
END_TEST

START_TEST(nothing_tells_addresses)
{
    setup();
    gives("return tostring({}), tostring(print or type), tostring(nil)", "table function nil");
    gives("return ('%s %s'):format({}, type)", "table function");
    gives("return tostring(setmetatable({}, {__tostring = function() return 'me' end}))", "me");
    gives("return ('%s'):format(setmetatable({}, {__tostring = function() return 'me' end}))",
          "me");
    fails("return ('%p'):format({})", "%p is not available");
    fails("return ('%-5.1p'):format('')", "%p is not available");
    gives("return ('%%p'):format()", "%p");
    teardown();
}
END_TEST

START_TEST(keys_have_an_order)
{
    setup();
    static const char *const text =
        "local t = {30, 10, 20} t[true] = 1 t[false] = 2 t.b = 3 t.a = 4 t[-5] = 5 t[2.5] = 6 "
        "t.aa = 7 local r = {} for k in %s do r[#r + 1] = tostring(k) end "
        "return table.concat(r, ' ')";
    static const char *const ways[] = {"pairs(t)", "next, t"};
    for (int i = 0; i < 2; i++) {
        char full[400];
        snprintf(full, sizeof full, text, ways[i]);
        gives(full, "-5 1 2 2.5 3 a aa b false true");
    }
    gives("return next({}), next({x = 1})", "nil x 1");
    gives("local t = {a = 1, b = 2, c = 3} local n = 0 "
          "for k in pairs(t) do n = n + 1 t.b = nil t[k .. 'x'] = 1 end return n",
          "2");
    fails("for k in pairs({[{}] = 1}) do end", "a key that is a table has no order");
    fails("pairs(nil)", "table expected");
    fails("next(1)", "table expected");
    teardown();
}
END_TEST

START_TEST(sort_is_stable_and_safe)
{
    setup();
    gives("local t = {} for i = 1, 100 do t[i] = {i % 7, i} end "
          "table.sort(t, function(a, b) return a[1] < b[1] end) "
          "for i = 2, 100 do local a, b = t[i - 1], t[i] "
          "if a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) then return i end end return 'fine'",
          "fine");
    gives("local t = {5, 4, 3, 2, 1, 9, 7} table.sort(t, function() return true end) return #t",
          "7");
    gives("local t = {} for i = 1, 33 do t[i] = 34 - i end table.sort(t) return t[1], t[17], t[33]",
          "1 17 33");
    gives("local t = {} table.sort(t) return #t", "0");
    fails("table.sort({1, 'a'})", "attempt to compare");
    fails("table.sort({3, 2, 1}, function() error('no') end)", "no");
    teardown();
}
END_TEST

/* ---- limits ---- */

START_TEST(endless_loops_end)
{
    setup();
    static const char *const loops[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function r() pcall(r) end while true do pcall(r) end",
        "local function r() return r() end r()",
        "for i = 1, 1e9 do pcall(error) end",
        "table.sort({1, 2}, function() while true do end end)",
        "('aaa'):gsub('a', function() while true do end end)",
        "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
        "return ('%s'):format(setmetatable({}, {__tostring = function() while true do end end}))",
        "for i = 1, 1e9 do local s = ('x'):rep(1000000) end",
        "local s = ('x'):rep(100000) for i = 1, 1e9 do local t = s .. i end",
        "local s = ('x'):rep(100000) for i = 1, 1e9 do local t = s:upper() end",
        "for i = 1, 1e9 do local s = (''):rep(1e9) end",
        "local t = {} for i = 1, 1e5 do t[i] = '' end while true do table.concat(t) end",
        "local t = {} for i = 1, 1e5 do t[i] = 0 end while true do table.insert(t, 1, 0) end",
        "local t = {} for i = 1, 1e5 do t[i] = 0 end while true do pcall(unpack, t) end",
        "local t = {} for i = 1, 1e4 do t[i] = 0 end while true do next(t, 5000) end",
        "local t = {} for i = 1, 1e4 do t[i] = 0 end while true do pairs(t) end",
        "local s = ('x'):rep(1e6) while true do s:find('y', 1, true) end",
        "local s = ('1'):rep(1e6) while true do tonumber(s) end",
        "local s = ('1'):rep(1e6) while true do tonumber(s, 10) end",
        "local s = ('1'):rep(1e5) while true do s:byte(1, 5000) end",
        "local b = ('x'):rep(1e5) while true do local s = ('%s%s'):format(b, b) end",
        "local s = ('a'):rep(1e6) for i = 1, 1e9 do local z = s:sub(1, -2) end",
        "local t = {} for i = 1, 9e4 do t[i] = 'k' .. i end "
        "while true do string.format('%q', ('a'):rep(1e5)) end",
        "local t = {} for i = 1, 39599 do t[i] = i .. 'k' end while true do "
        "string.reverse(('x'):rep(3e5)) end",
        "local t = {} for i = 1, 15146 do t['k' .. i] = i end "
        "while true do (('ab'):rep(1e5)):upper() end",
        "local s = ('1'):rep(6e4) while true do local z = s + 0 end",
        "local t = {} for i = 1, 1e4 do t[i] = {} end while true do local z = {} end",
        "local s = ('a'):rep(3e5) while true do s:match('()(.*)') s:gsub('^', '') end",
        "local t = {} for i = 1, 9 do t[('x'):rep(1e5) .. i] = 1 end while true do next(t) end",
    };
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        fails(loops[i], "it takes more than 1000000 instructions (limits.lua_instructions)");
        ck_assert_int_eq(ds_lua_stopped(lua), DS_LUA_FINE);
    }
    teardown();
}
END_TEST

/* What library functions make counts even if Lua has that text already, and needs no memory. */
START_TEST(texts_that_are_there_are_work)
{
    static const char *const made[] = {
        "s:sub(1, -2)",        "s:upper()",      "s:reverse()",     "('%s'):format(s)",
        "(s:gsub('^a', 'a'))", "s:match('^.*')", "('a'):rep(3000)", "table.concat({s})",
    };
    setup();
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "local s = ('a'):rep(3000) local n for i = 1, 30000 do n = #(%s) end return n",
                 made[i]);
        fails(text, "instructions (limits.lua_instructions)");
    }
    gives("local s = ('a'):rep(3000) local n for i = 1, 30000 do n = #s:sub(2, 9) end return n",
          "8");
    teardown();
}
END_TEST

START_TEST(places_in_a_text)
{
    setup();
    gives("local s = 'abcde' return s:sub(2), s:sub(2, 3), s:sub(-2), s:sub(2, -2), s:sub(0, 1), "
          "s:sub(-99, 99), s:sub(-1e300, 1e300), s:sub(2.9, 3.9), string.sub(12345, 2, 3)",
          "bcde bc de bcd a abcde abcde bc 23");
    gives("local s = 'abcde' return #s:sub(4, 3), #s:sub(6), #s:sub(1e300), #s:sub(1, -6), "
          "#(''):sub(1), #s:sub(1, -1e300)",
          "0 0 0 0 0 0");
    fails("local z = ('a'):sub()", "t:1: bad argument #1 to 'sub' (number expected, got no value)");
    teardown();
}
END_TEST

/* An instruction may go through all of a long text: it counts for more then. */
START_TEST(long_texts_are_work)
{
    static const char *const loops[] = {
        "local s = ('x'):rep(1e6) for i = 1, 1e5 do local t = s .. 'a' end",
        "local s = ('x'):rep(1e6) local a, b = s .. 'a', s .. 'b' "
        "for i = 1, 1e5 do if b < a then return 1 end end",
        "local s = ('1'):rep(1e6) for i = 1, 1e5 do local t = s:sub(2) end",
        "local s = ('x'):rep(1e6) for i = 1, 1e5 do local t = s:lower() end",
        /* of the size of a table */
        "local s = ('1'):rep(4000) local t = s .. s .. s .. s .. s .. s .. ('1'):rep(548) "
        "for i = 1, 1e5 do local z = t + 0 end",
        "local s = ('x'):rep(1e6) for i = 1, 1e5 do local t = s:reverse() end",
    };
    setup();
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
        fails(loops[i], "instructions (limits.lua_instructions)");
    /* What is left of it does not count for the next call; and tables are no text. */
    gives("local n = 0 for i = 1, 2e5 do n = n + 1 end return n", "200000");
    gives("local t = {} for i = 1, 1e5 do t[i] = i end return #t", "100000");
    gives("local t = {} for i = 1, 3e4 do t['k' .. i] = i end return t.k77", "77");
    teardown();
}
END_TEST

START_TEST(patterns_end)
{
    setup();
    static const char *const loops[] = {
        "return (('a'):rep(200)):find(('.-'):rep(20) .. 'b')",
        "return (('a'):rep(30000)):find('.-.-b')",
        "return (('a'):rep(200)):gsub(('a*'):rep(20) .. 'b', '')",
        "return (('('):rep(100000)):find('%b()')",
        "for x in (('a'):rep(300)):gmatch(('.*'):rep(9) .. 'b') do end",
        "return (('a'):rep(1000)):match(('[^b]*'):rep(9) .. 'b')",
        "return ((('a'):rep(1000)) .. 'c'):match('(a+)%1%1%1b')",
        "local p = '[' .. ('xyz'):rep(5000) .. ']' return (('a'):rep(5000)):find(p)",
    };
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
        fails(loops[i], "instructions (limits.lua_instructions)");
    fails("return ('a'):find(('.-'):rep(300))", "pattern too complex");
    teardown();
}
END_TEST

START_TEST(memory_is_limited)
{
    setup();
    static const char *const eaters[] = {
        "return ('x'):rep(1e9)",
        "return ('%1000s'):format('x')",
        "return ('x'):rep(1e308)",
        "local t = {} for i = 1, 30 do t[i] = ('x'):rep(1e6 + i) end",
        "return table.concat({('x'):rep(8e6), ('x'):rep(8e6)})",
        "return (('x'):rep(1e6)):gsub('x', ('y'):rep(100))",
    };
    for (size_t i = 0; i < sizeof eaters / sizeof *eaters; i++) {
        const char *got = lua_in(lua, eaters[i]);
        ck_assert_msg(strncmp(got, "error: ", 7) == 0, "%s gives %.100s", eaters[i], got);
        ck_assert_int_lt(ds_lua_bytes(lua), 17 << 20);
    }
    fails("local s = 'x' while true do s = s .. s end",
          "it needs more than 16777216 bytes of memory (limits.lua_memory)");
    fails("local t = {} for i = 1, 15 do t[i] = ('x'):rep(2e6 + i) end", "limits.lua_memory");
    /* Most of it can be of use: garbage is collected in time. */
    gives("local t = {} for i = 1, 11 do t[i] = ('x'):rep(1e6 + i) end "
          "for i = 1, 50 do local s = ('y'):rep(1e5 + i) end return #t",
          "11");
    /* A caught error is none the less one. */
    fails("pcall(string.rep, 'x', 17e6) return 1", "limits.lua_memory");
    teardown();
}
END_TEST

START_TEST(what_was_used_before_is_free_again)
{
    setup();
    for (int i = 0; i < 30; i++)
        gives("local t = {} for i = 1, 5 do t[i] = ('x'):rep(1e6 + i) end return #t", "5");
    ds_lua_collect(lua);
    ck_assert_int_lt(ds_lua_bytes(lua), 1 << 20);
    teardown();
}
END_TEST

static int do_nothing(lua_State *L)
{
    (void)L;
    return 0;
}

/* A call of a function that makes nothing gives Lua no reason to collect anything. */
START_TEST(calls_leave_no_garbage)
{
    setup();
    int64_t before = ds_lua_bytes(lua);
    for (int i = 0; i < 100000; i++)
        ck_assert(ds_lua_call(lua, do_nothing, NULL));
    ck_assert_int_lt(ds_lua_bytes(lua), before + (64 << 10));
    teardown();
}
END_TEST

START_TEST(memory_is_charged_while_it_is_in_use)
{
    setup();
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_lua_charge_to(lua, &budget);
    int64_t before = budget.used_bytes;
    ck_assert_int_eq(before, ds_lua_bytes(lua));
    gives("local s = ('x'):rep(1e6) return #s", "1000000");
    ck_assert_int_gt(budget.peak_bytes, before + 1000000);
    gives("local t = {} for i = 1, 50000 do t[i] = i end return #t", "50000");
    ds_lua_relieve(lua);
    ck_assert_int_eq(budget.used_bytes, ds_lua_bytes(lua));
    ck_assert_int_lt(budget.used_bytes, before + (512 << 10)); /* some for texts to come */
    teardown();
    ck_assert_int_eq(budget.used_bytes, 0);
}
END_TEST

/* A collection between calls makes a smaller table of texts, where nothing catches an error. */
START_TEST(a_collection_needs_no_memory)
{
    static const char *const full[] = {
        "local s = ('a'):rep(9e5) local t = {} for i = 1, 113233 do t['k' .. i] = i end next(t)",
        "local t = {} for i = 1, 20000 do t['k' .. i] = i end while true do next(t) end",
        "local t = {} for i = 1, 1e9 do t[i] = 'k' .. i end",
    };
    for (int64_t memory = 1 << 20; memory <= 16 << 20; memory *= 2) {
        lua = ds_lua_new(&(ds_lua_limits){2000000, memory});
        for (size_t i = 0; i < sizeof full / sizeof *full; i++) {
            lua_in(lua, full[i]);
            gives("return 1 + 1", "2");
            lua_in(lua, full[i]);
            ds_lua_collect(lua);
            ck_assert_int_lt(ds_lua_bytes(lua), memory);
        }
        ds_lua_free(lua);
    }
}
END_TEST

START_TEST(depth_is_limited)
{
    setup();
    fails("local function r() return 1 + r() end r()", "stack overflow");
    fails("local function r() return (('a'):gsub('a', r)) end r()", "");
    fails("local t = setmetatable({}, {}) "
          "getmetatable(t).__tostring = function(x) return ('%s'):format(x) end return tostring(t)",
          "");
    fails("local t = setmetatable({}, {}) "
          "getmetatable(t).__index = function(x, k) return (('a'):gsub('a', x)) end return t.a",
          "");
    fails("local function r() return pcall(string.format, '%s', "
          "setmetatable({}, {__tostring = r})) end while true do r() end",
          "");
    char *deep = ds_alloc(100001);
    memset(deep, '(', 100000);
    deep[100000] = '\0';
    fails(deep, "");
    free(deep);
    fails("return unpack({}, 1, 1e6)", "");
    fails("return unpack({}, 1, 1e300)", "");
    fails("return (('a'):rep(1e6)):byte(1, -1)", "");
    teardown();
}
END_TEST

START_TEST(tiny_limits)
{
    setup();
    ck_assert_ptr_null(ds_lua_new(&(ds_lua_limits){1000, 1000}));
    ds_lua *small = ds_lua_new(&(ds_lua_limits){50, 1 << 20});
    ck_assert_str_eq(lua_in(small, "return 1 + 1"), "2");
    ck_assert_ptr_nonnull(
        strstr(lua_in(small, "for i = 1, 100 do end"), "more than 50 instructions"));
    ck_assert_str_eq(lua_in(small, "return 1 + 1"), "2");
    ds_lua_free(small);
    teardown();
}
END_TEST

START_TEST(messages)
{
    setup();
    fails("local a = nil\nreturn a.b", "t:2: attempt to index local 'a' (a nil value)");
    fails("error('\xff\xfe')", "\xef\xbf\xbd\xef\xbf\xbd");
    fails("error({})", "an error that is a table");
    fails("error(12.5, 0)", "12.5");
    fails("error('a\\nb', 0)", "a b");
    fails("error(('x'):rep(1000))", "xxx");
    fails("error(('\xc3\xa4'):rep(1000), 0)", "\xc3\xa4\xc3\xa4");
    fails("local s = ('%d'):format('x')",
          "t:1: bad argument #2 to 'format' (number expected, got string)");
    fails("local s = table.concat({{}})",
          "t:1: invalid value (table) at index 1 in table for 'concat'");
    fails("local s = ('x'):find('[')", "t:1: malformed pattern (missing ']')");
    fails("return #", "t:1: unexpected symbol near '<eof>'");
    teardown();
}
END_TEST

UNIT_MAIN("lua_sandbox", what_is_safe_is_there, what_reaches_out_is_not, only_text_is_loaded,
          the_library_is_read_only, nothing_tells_addresses, keys_have_an_order,
          sort_is_stable_and_safe, endless_loops_end, texts_that_are_there_are_work,
          places_in_a_text, long_texts_are_work, patterns_end, memory_is_limited,
          what_was_used_before_is_free_again, calls_leave_no_garbage,
          memory_is_charged_while_it_is_in_use, a_collection_needs_no_memory, depth_is_limited,
          tiny_limits, messages)
