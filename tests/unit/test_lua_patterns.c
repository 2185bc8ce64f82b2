/* Patterns: by the manual of Lua 5.1, and against LuaJIT's own on made-up ones. */
#include "base/random.h"

#include "unit/lua_kit.h"

#include <lualib.h>

static void gives(const char *text, const char *wanted)
{
    ds_lua *lua = ds_lua_new(&LUA_KIT_LIMITS);
    const char *got = lua_in(lua, text);
    ck_assert_msg(strcmp(got, wanted) == 0, "%s\ngives   %s\ninstead of %s", text, got, wanted);
    ds_lua_free(lua);
}

START_TEST(find_and_match)
{
    gives("return ('hello world'):find('o w')", "5 7");
    gives("return ('hello'):find('l', 1, true), ('a.b'):find('.', 2, true)", "3 2 2");
    gives("return ('hello'):find(''), ('hello'):find('', 10), (''):find('')", "1 6 1 0");
    gives("return ('hello'):find('xyz'), ('hello'):find('l', -2)", "nil 4 4");
    gives("return ('key = value'):match('(%w+)%s*=%s*(%w+)')", "key value");
    gives("return ('2026-01-02'):match('^(%d+)-(%d+)-(%d+)$')", "2026 01 02");
    gives("return ('hello'):match('()ll()')", "3 5");
    gives("return ('  x '):match('^%s*(.-)%s*$')", "x");
    gives("return ('f(a(b)c)d'):match('%b()')", "(a(b)c)");
    gives("return ('THE (quick) fox'):find('%f[%a]%a+%f[%A]')", "1 3");
    gives("return ('\"it\\'s\"'):match('([\"\\'])(.-)%1')", "\" it's");
    gives("return ('a-b'):match('[a%-]+'), ('x]y'):match('[]]'), ('^'):match('[%^x]')", "a- ] ^");
    gives("return ('caf\xc3\xa9'):match('%a+'), ('a\\0b'):find('%z')", "caf 2 2");
    gives("return ('abc'):match('b', -2), ('abc'):match('^b', 2), ('abc'):match('^b')", "b b nil");
    gives("return ('a$'):match('a$$'), ('a$b'):match('$b')", "a$ $b");
}
END_TEST

START_TEST(gmatch_and_gsub)
{
    gives("local r = {} for w in ('one two  three'):gmatch('%a+') do r[#r + 1] = w end "
          "return table.concat(r, ',')",
          "one,two,three");
    gives("local r = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do r[#r + 1] = k .. v end "
          "return table.concat(r, ',')",
          "a1,b2");
    gives("local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end return n", "4");
    gives("return ('hello world'):gsub('o', '0')", "hell0 w0rld 2");
    gives("return ('hello'):gsub('', '-')", "-h-e-l-l-o- 6");
    gives("return ('hello'):gsub('l', 'L', 1)", "heLlo 1");
    gives("return ('hello'):gsub('(h)(e)', '%2%1%0%%')", "ehhe%llo 1");
    gives("return ('$name is $age'):gsub('%$(%w+)', {name = 'Al', age = 5})", "Al is 5 2");
    gives("return ('abc'):gsub('%w', function(c) if c == 'b' then return '<b>' end end)",
          "a<b>c 3");
    gives("return ('abc'):gsub('^a', 'x'), ('aaa'):gsub('^a', 'x')", "xbc xaa 1");
    gives("return ('abc'):gsub('.', {a = 1, b = false})", "1bc 3");
    gives("return ('abc'):gsub('b', 5), (5):rep(2)", "error: t:1: attempt to index a number value");
}
END_TEST

START_TEST(what_is_malformed)
{
    static const char *const patterns[] = {"[a", "%",   "(a", "a)",  "%1", "%0",   "(a)%2",
                                           "%b", "%bx", "%f", "%fa", "[%", "[a%]", "(()"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char text[200];
        snprintf(text, sizeof text, "return (pcall(string.match, 'aaa', '%s'))", patterns[i]);
        gives(text, "false");
    }
    gives("return (pcall(string.gsub, 'a', 'a', '%9'))", "false");
    gives("return (pcall(string.gsub, 'a', 'a', function() return {} end))", "false");
    gives("return (pcall(string.gsub, 'a', 'a'))", "false");
    gives("return (pcall(string.gmatch, {}, 'a'))", "false");
    gives("return (pcall(string.find, 'a', ('()'):rep(33)))", "false");
}
END_TEST

/* ---- against the original ---- */

static const char *pick(ds_random *random, const char *const *items, size_t n)
{
    return items[ds_random_below(random, n)];
}

static void make_pattern(ds_random *random, ds_buffer *out)
{
    static const char *const items[] = {"a",  "b",    ".",    "%a",    "%d",    "[ab]",  "[^a]",
                                        "%A", "[%w]", "[a-]", "%b()",  "%f[a]", "()",    "x",
                                        "%s", "[]a]", "%.",   "[%d_]", "%1",    "%f[%A]"};
    static const char *const repeats[] = {"", "", "", "*", "+", "-", "?"};
    if (ds_random_below(random, 4) == 0)
        ds_buffer_append_char(out, '^');
    uint64_t n = 1 + ds_random_below(random, 5);
    for (uint64_t i = 0; i < n; i++) {
        bool group = ds_random_below(random, 4) == 0;
        ds_buffer_append_text(out, group ? "(" : "");
        ds_buffer_append_text(out, pick(random, items, sizeof items / sizeof *items));
        ds_buffer_append_text(out, pick(random, repeats, sizeof repeats / sizeof *repeats));
        ds_buffer_append_text(out, group ? ")" : "");
    }
    if (ds_random_below(random, 4) == 0)
        ds_buffer_append_char(out, '$');
}

static void make_text(ds_random *random, ds_buffer *out)
{
    static const char alphabet[] = "aabbx()1_. ]-";
    for (uint64_t n = ds_random_below(random, 10); n > 0; n--)
        ds_buffer_append_char(out, alphabet[ds_random_below(random, sizeof alphabet - 1)]);
}

/* What LuaJIT itself says to the same chunk. */
static const char *original(lua_State *L, const char *text, ds_buffer *out)
{
    out->length = 0;
    lua_settop(L, 0);
    ck_assert_int_eq(luaL_loadstring(L, text), 0);
    if (lua_pcall(L, 0, LUA_MULTRET, 0) == 0)
        lua_kit_show(L, 1, out);
    else
        ds_buffer_append_text(out, "error");
    return ds_buffer_text(out);
}

START_TEST(as_the_original)
{
    static const char *const calls[] = {
        "return ('%s'):find('%s')",
        "return ('%s'):match('%s', 2)",
        "local r = {} for a, b in ('%s'):gmatch('%s') do r[#r + 1] = a .. '/' .. tostring(b) end "
        "return table.concat(r, ' ')",
        "return ('%s'):gsub('%s', '<%%0>')",
        "return ('%s'):gsub('%s', function(a, b) return '{' .. a .. tostring(b) .. '}' end, 3)",
        "return ('%s'):find('%s', -3)",
    };
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    ds_lua *lua = ds_lua_new(&LUA_KIT_LIMITS);
    ds_random random;
    ds_random_init(&random, 7);
    ds_buffer text = {0}, pattern = {0}, out = {0};
    unsigned fine = 0, n = 6000;
    for (unsigned i = 0; i < n; i++) {
        text.length = pattern.length = 0;
        make_text(&random, &text);
        make_pattern(&random, &pattern);
        char chunk[400];
        snprintf(chunk, sizeof chunk, calls[i % (sizeof calls / sizeof *calls)],
                 ds_buffer_text(&text), ds_buffer_text(&pattern));
        const char *wanted = original(L, chunk, &out), *got = lua_in(lua, chunk);
        bool failed = strncmp(got, "error", 5) == 0;
        fine += !failed;
        ck_assert_msg(strcmp(failed ? "error" : got, wanted) == 0, "%s\ngives %s\ninstead of %s",
                      chunk, got, wanted);
    }
    ck_assert_uint_gt(fine, n / 2);
    ds_buffer_fini(&text);
    ds_buffer_fini(&pattern);
    ds_buffer_fini(&out);
    ds_lua_free(lua);
    lua_close(L);
}
END_TEST

UNIT_MAIN("lua_patterns", find_and_match, gmatch_and_gsub, what_is_malformed, as_the_original)
