/* Patterns that only cut (regex_cut.h): which are, and that they find what PCRE2 finds. */
#include "columnar/regex_cut.h"

#include "columnar/regex.h"
#include "columnar/text_simd.h"
#include "unit/unit.h"

#include "base/random.h"

#define TEXT_MOST 200

typedef struct both {
    ds_arena *arena;
    const ds_regex *regex;
    const ds_regex_cut *cut; /* NULL: it is not of this kind */
} both;

/* False if PCRE2 does not take the pattern. */
static bool compile(both *b, const char *pattern)
{
    size_t at;
    ds_error error;
    *b = (both){.arena = ds_arena_new(NULL)};
    size_t length = strlen(pattern);
    bool fine = ds_regex_compile(b->arena, pattern, length, &b->regex, &at, &error) == DS_OK;
    if (fine)
        b->cut = ds_regex_cut_compile(b->arena, pattern, length, ds_regex_groups(b->regex));
    return fine;
}

static const char *const cutting[] = {
    "^\\S+ \\S+ \\S+ \\[[^]]*\\] \"\\S+ (?<path>\\S+) \\S+\" (?<status>\\d+) ",
    "^(?<a>\\d+)-(?<b>\\w*)$",
    "^a",
    "^(\\S+)",
    "^(?:x)(?<y>[a-f0-9]+)-",
    "^(?P<level>[A-Z]+): (?<text>.*)$",
    "^(?<t>\\[[^]]*\\]) (?<rest>.*)",
    "^\\d*[^0-9x]*x*",
    "^((\\d+)\\.)(\\d+)",
    "^[]a]+[^]a]+",
    "^\\S+\"\" (.*)",
    "^\\S+\"$",
    "^[a-]*\\.",
    "^\\w+\\s+(\\w+)\\W+",
    "^(?<x>a*)(?<y>b*)c",
    "^.*$",
    "^[^,]*,([^,]*),",
    "^abcdefghijklmnopqrst(u*)",
    "^\\$\\^\\(\\)\\[\\]\\{\\}\\*\\+\\?\\|\\\\",
};

static const char *const others[] = {
    "a",       "^a|b",     "^(a)?",     "^(a)+",     "^a{2}",    "^a+?",   "^a++",
    "^\\S+a",  "^.*x",     "^(?i)a",    "^\\bx",     "^(?=a)a",  "^a\\1",  "^[[:alpha:]]+",
    "^[\\d]+", "^\\S+\"",  "^\\w+\\d",  "^\\S+\" *", "^(?!a)",   "^\\x41", "^\\w*x*a",
    "^\\d?",   "^(?>a+)",  "^(?<a>x)*", "^\xc3\xbc", "^a$b",     "^^a",    "^\\Qa+\\E",
    "^\\d\\d", "^[a-\\d]", "^(?|a|b)",  "^(?'n'a)",  "^a\\K",    "$",      "^(?#x)a",
    "^\\R",    "^(?:a|b)", "^(?m)a",    "^.+\\.$x",  "^(*FAIL)", "^a+a*",  "^[+--]",
};

START_TEST(patterns_that_cut_are_known)
{
    both b;
    if (!ds_regex_cut_allowed())
        return;
    for (size_t i = 0; i < sizeof cutting / sizeof *cutting; i++) {
        ck_assert_msg(compile(&b, cutting[i]), "%s", cutting[i]);
        ck_assert_msg(b.cut != NULL, "%s", cutting[i]);
        ds_arena_free(b.arena);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (compile(&b, others[i]))
            ck_assert_msg(b.cut == NULL, "%s", others[i]);
        ds_arena_free(b.arena);
    }
}
END_TEST

START_TEST(without_vectors_there_are_none)
{
    both b;
    ds_simd_limit(DS_SIMD_PLAIN);
    ck_assert(compile(&b, cutting[0]));
    ck_assert_ptr_null(b.cut);
    ds_simd_limit(DS_SIMD_AVX2);
    ds_arena_free(b.arena);
}
END_TEST

/* Both ways find the same groups in text, which has DS_CUT_BEHIND bytes behind it. */
static void expect_same(const both *b, ds_matcher *m, const char *pattern, const char *text,
                        size_t length, ds_steady *before)
{
    size_t places[64], from, to, cut_from, cut_to;
    bool found = ds_matcher_search(m, text, length, 0, false) == DS_MATCH_FOUND;
    bool cut = ds_regex_cut_run(b->cut, text, text + length, places, before);
    ck_assert_msg(cut == found, "%s in %.*s", pattern, (int)length, text);
    for (uint32_t group = 1; found && group <= ds_regex_groups(b->regex); group++) {
        bool part = ds_matcher_group(m, group, &from, &to);
        ck_assert(part && ds_places_group(places, group, &cut_from, &cut_to));
        ck_assert_msg(from == cut_from && to == cut_to, "group %u of %s in %.*s", group, pattern,
                      (int)length, text);
    }
}

/* Text that a pattern may match: mostly its own characters. */
static size_t make_text(char *text, const char *pattern, ds_random *random)
{
    static const char any[] = "aaabbbxyz0123456789  \t\"\"].-,:[(){}*+?|\\$^_ABC\r/%~!";
    size_t n = 0, length = strlen(pattern);
    for (size_t i = 1; i < length && n < TEXT_MOST - 40; i++) {
        uint32_t choice = (uint32_t)ds_random_below(random, 12);
        uint32_t often = choice < 2 ? (uint32_t)ds_random_below(random, 40) : 1;
        char c = choice < 7 ? pattern[i] : any[ds_random_below(random, sizeof any - 1)];
        for (; choice < 10 && often > 0; often--)
            text[n++] = c;
    }
    return n;
}

static void compare(const char *pattern, int texts, ds_random *random)
{
    both b;
    ds_steady before[64] = {{0}};
    if (compile(&b, pattern) && b.cut != NULL) {
        ds_matcher m;
        ds_matcher_init(&m, b.regex);
        ck_assert_uint_le(ds_regex_cut_runs(b.cut), 64);
        for (int i = 0; i < texts; i++) {
            char text[TEXT_MOST + DS_CUT_BEHIND];
            memset(text, i % 2 == 0 ? 'a' : '\n', sizeof text);
            size_t length = make_text(text, pattern, random);
            uint32_t often = i % 16 == 0 ? 40 : 1; /* so that lengths become known */
            for (uint32_t j = 0; j < often; j++)
                expect_same(&b, &m, pattern, text, length, before);
        }
        ds_matcher_fini(&m);
    }
    ds_arena_free(b.arena);
}

START_TEST(they_find_what_pcre_finds)
{
    ds_random random;
    ds_random_init(&random, 3);
    for (size_t i = 0; i < sizeof cutting / sizeof *cutting; i++)
        compare(cutting[i], 300, &random);
}
END_TEST

START_TEST(any_patterns_find_what_pcre_finds)
{
    static const char *const parts[] = {"\\S", "\\d", "\\w", "\\D",  "\\W",   "\\s", ".",     "a",
                                        "b",   " ",   "\"",  "[^]]", "[a-f]", "\\.", "\\]",   "x",
                                        "+",   "+",   "*",   "(",    ")",     "(?:", "(?<n>", "$"};
    ds_random random;
    ds_random_init(&random, 4);
    for (int round = 0; round < 20000; round++) {
        char pattern[64] = "^";
        uint32_t n = 1 + (uint32_t)ds_random_below(&random, 8);
        for (uint32_t i = 0; i < n; i++)
            strcat(pattern, parts[ds_random_below(&random, sizeof parts / sizeof *parts)]);
        compare(pattern, 20, &random);
    }
}
END_TEST

UNIT_MAIN("regex cut", patterns_that_cut_are_known, without_vectors_there_are_none,
          they_find_what_pcre_finds, any_patterns_find_what_pcre_finds)
