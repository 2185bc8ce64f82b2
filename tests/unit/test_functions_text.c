/* The functions of text. */
#include "base/random.h"
#include "columnar/md5.h"
#include "columnar/text_kernel.h"

#include "unit/kernel_harness.h"

/* é is two bytes, € three, 😀 four; LONG is more than a view holds inline. */
#define LONG "a text of more than twelve bytes"

START_TEST(length_counts_code_points)
{
    check("length", "s",
          "[[''], ['abc'], ['é€😀'], ['twelve bytes'], ['éééééé'], ['" LONG " é€😀'], [null]]",
          "[0,3,3,12,6,36,null]");
    check("length", "n", "[[null]]", "[null]");
    refused("length", "i", "[[1]]", "int");
}
END_TEST

START_TEST(case_changes_ascii_letters_only)
{
    check("lower", "s", "[['AZaz@[`{09'], ['ÉA'], ['" LONG " ABCXYZ É'], [''], [null]]",
          "['azaz@[`{09','Éa','" LONG " abcxyz É','',null]");
    check("upper", "s", "[['AZaz@[`{09'], ['éa'], ['" LONG "é'], ['" LONG "'], [null]]",
          "['AZAZ@[`{09','éA','A TEXT OF MORE THAN TWELVE BYTESé',"
          "'A TEXT OF MORE THAN TWELVE BYTES',null]");
    check("upper", "s", "[['ALREADY UPPER CASE 123 É']]", "['ALREADY UPPER CASE 123 É']");
}
END_TEST

START_TEST(case_changes_each_byte_at_each_length)
{
    harness h;
    harness_init(&h);
    json_t *rows = json_array();
    ds_buffer expected = {0};
    for (size_t length = 1; length < 40; length++) {
        char text[40];
        for (size_t i = 0; i < length; i++)
            text[i] = (char)(length % 3 == 0 ? '@' + (int)(i % 60) : 'A' + (int)(i % 26));
        json_array_append_new(rows, json_pack("[s#]", text, length));
        for (size_t i = 0; i < length; i++)
            text[i] = (char)tolower(text[i]);
        ds_buffer_append_text(&expected, length == 1 ? "" : ",");
        ds_json_string(&expected, text, length);
    }
    ck_assert(harness_resolve(&h, "lower", "s", rows));
    ck_assert_str_eq(harness_text(&h, (uint32_t)json_array_size(rows), false),
                     ds_buffer_text(&expected));
    ds_buffer_fini(&expected);
    json_decref(rows);
    harness_fini(&h);
}
END_TEST

START_TEST(trim_takes_ascii_white_space)
{
    const char *rows = "[['  a b\\t'], ['\\u000b\\f\\r\\nx'], [' \\n '], [''], ['\\u00a0x\\u00a0'],"
                       " ['   " LONG "\\n'], [null]]";
    check("trim", "s", rows, "['a b','x','','','\xC2\xA0x\xC2\xA0','" LONG "',null]");
    check("ltrim", "s", rows, "['a b\\t','x','','','\xC2\xA0x\xC2\xA0','" LONG "\\n',null]");
    check("rtrim", "s", rows,
          "['  a b','\\u000b\\f\\r\\nx','','','\xC2\xA0x\xC2\xA0','   " LONG "',null]");
}
END_TEST

START_TEST(substr_counts_from_one)
{
    check("substr", "si",
          "[['hello', 1], ['hello', 3], ['hello', 5], ['hello', 6], ['hello', 99], ['hello', 0],"
          " ['hello', -7], ['é€😀x', 3], ['', 1], [null, 1], ['x', null],"
          " ['hello', 9223372036854775807], ['hello', -9223372036854775808]]",
          "['hello','llo','o','','','hello','hello','😀x','',null,null,'','hello']");
    check("substr", "sii",
          "[['hello', 2, 3], ['hello', 0, 2], ['hello', -1, 3], ['hello', -5, 3], ['hello', 1, 0],"
          " ['hello', 2, -1], ['hello', 4, 99], ['é€😀x', 2, 2], ['hello', 1, null],"
          " ['hello', 2, 9223372036854775807], ['hello', 9223372036854775807, 5],"
          " ['hello', -9223372036854775808, 9223372036854775807],"
          " ['hello', -9223372036854775808, -9223372036854775808]]",
          "['ell','h','h','','','','lo','€😀',null,'ello','','','']");
    check("substr", "sii", "[['" LONG "', 3, 20], ['" LONG "', 3, 4], ['😀😀😀😀😀x😀', 5, 2]]",
          "['text of more than tw','text','😀x']");
    refused("substr", "ss", "[['a', 'b']]", "int");
    refused("substr", "sf", "[['a', 1.0]]", "int");
}
END_TEST

START_TEST(left_and_right)
{
    check("left", "si",
          "[['hello', 2], ['hello', 0], ['hello', -1], ['hello', 9], ['é€😀x', 2], ['', 3],"
          " ['" LONG "', 13], [null, 1], ['x', null], ['x', -9223372036854775808]]",
          "['he','','','hello','é€','','a text of mor',null,null,'']");
    check("right", "si",
          "[['hello', 2], ['hello', 0], ['hello', -1], ['hello', 9], ['é€😀x', 2], ['', 3],"
          " ['" LONG "', 13], ['ééééééééé€', 9], [null, 1], ['x', null],"
          " ['x', 9223372036854775807]]",
          "['lo','','','hello','😀x','',' twelve bytes','éééééééé€',null,null,'x']");
}
END_TEST

START_TEST(places_of_code_points)
{
    static const char *const points[] = {"a", "b", "é", "€", "😀"};
    ds_random random;
    ds_random_init(&random, 71);
    for (int round = 0; round < 3000; round++) {
        char text[160];
        uint32_t starts[41], n = (uint32_t)ds_random_below(&random, 40), length = 0;
        uint64_t kinds = 1 + ds_random_below(&random, 5);
        for (uint32_t i = 0; i < n; i++) {
            const char *point = points[ds_random_below(&random, kinds)];
            starts[i] = length;
            memcpy(text + length, point, strlen(point));
            length += (uint32_t)strlen(point);
        }
        starts[n] = length;
        bool fine = ds_utf8_length(text, length) == n;
        for (uint32_t i = 0; i <= n; i++)
            fine &= ds_utf8_skip(text, length, i) == starts[i] &&
                    ds_utf8_skip_back(text, length, i) == starts[n - i];
        ck_assert(fine);
        ck_assert_uint_eq(ds_utf8_skip(text, length, n + 1), length);
        ck_assert_uint_eq(ds_utf8_skip_back(text, length, UINT64_MAX), 0);
    }
}
END_TEST

START_TEST(parts_do_not_copy)
{
    static const struct {
        const char *name, *types, *row;
        uint32_t offset;
    } cases[] = {
        {"trim", "s", "[['  " LONG "']]", 2},
        {"substr", "si", "[['" LONG "', 3]]", 2},
        {"left", "si", "[['" LONG "', 20]]", 0},
        {"right", "si", "[['" LONG "', 20]]", 12},
        {"split_part", "ssi", "[['a," LONG ",b', ',', 2]]", 2},
        {"lower", "s", "[['" LONG "']]", 0},
        {"replace", "sss", "[['" LONG "', 'zz', 'y']]", 0},
        {"lpad", "sis", "[['" LONG "', 20, 'y']]", 0},
        {"regexp_extract", "sS", "[['x " LONG "', 'a.*']]", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        harness h;
        harness_init(&h);
        json_t *rows = harness_json(cases[i].row);
        ck_assert(harness_resolve(&h, cases[i].name, cases[i].types, rows));
        uint64_t selected = 1, errors;
        const ds_column *out = harness_run(&h, 1, &selected, &errors);
        const ds_view *from = &h.columns[0]->views[0], *part = &out->views[0];
        ck_assert_uint_gt(part->length, DS_INLINE_BYTES);
        ck_assert_uint_eq(part->ref.buffer, from->ref.buffer);
        ck_assert_uint_eq(part->ref.offset, from->ref.offset + cases[i].offset);
        json_decref(rows);
        harness_fini(&h);
    }
}
END_TEST

START_TEST(padding)
{
    check("lpad", "sis",
          "[['7', 3, '0'], ['abc', 2, 'x'], ['abc', 3, 'x'], ['a', 6, 'xyz'], ['', 2, 'é'],"
          " ['é', 4, '€😀'], ['abc', 5, ''], ['abc', 2, ''], ['abc', -1, 'x'], ['abc', 0, 'x'],"
          " [null, 1, 'x'], ['a', null, 'x'], ['a', 1, null]]",
          "['007','ab','abc','xyzxya','éé','€😀€é','abc','ab','','',null,null,null]");
    check("rpad", "sis",
          "[['7', 3, '0'], ['abc', 2, 'x'], ['a', 6, 'xyz'], ['é', 4, '€😀'], ['', 0, 'x'],"
          " ['a', 20, 'bc'], ['" LONG "', 34, '!?']]",
          "['700','ab','axyzxy','é€😀€','','abcbcbcbcbcbcbcbcbcb','" LONG "!?']");
}
END_TEST

START_TEST(new_text_is_limited)
{
    check("lpad", "sis",
          "[['a', 9223372036854775807, 'x'], ['a', 16777217, 'x'], ['a', 6000000, '€'],"
          " [null, 16777217, 'x'], ['a', 9223372036854775807, ''], ['b', 3, 'x']]",
          "[error,error,error,null,'a','xxb']");
    check("rpad", "sis", "[['a', 16777217, 'x']]", "[error]");

    harness h; /* one value of the full size, and only so many of them */
    harness_init(&h);
    json_t *rows = harness_json("[['a', 16777216, 'xy'], ['a', 16777216, 'xy']]");
    for (int i = 0; i < 18; i++)
        json_array_append(rows, json_array_get(rows, 0));
    ck_assert(harness_resolve(&h, "lpad", "sis", rows));
    uint64_t selected = (1 << 20) - 1, errors;
    const ds_column *out = harness_run(&h, 20, &selected, &errors);
    ck_assert_uint_eq(errors, 0xf0000);
    const char *bytes = ds_view_bytes(&h.heap, &out->views[15]);
    ck_assert_uint_eq(out->views[15].length, DS_TEXT_LIMIT);
    ck_assert(memcmp(bytes, "xyxy", 4) == 0);
    ck_assert(memcmp(bytes + DS_TEXT_LIMIT - 4, "xyxa", 4) == 0);
    ck_assert_uint_eq(out->views[16].length, 0);
    /* The long text again through what multiplies it. */
    const ds_column *big = out;
    json_t *other = harness_json("[['x', 'a', 'bc']]");
    for (int i = 0; i < 19; i++)
        json_array_append(other, json_array_get(other, 0));
    ck_assert(harness_resolve(&h, "replace", "sss", other));
    h.columns[0] = big;
    selected = 3;
    harness_run(&h, 20, &selected, &errors);
    ck_assert_uint_eq(errors, 3);
    ck_assert(harness_resolve(&h, "concat", "ss", other));
    h.columns[0] = big;
    harness_run(&h, 20, &selected, &errors);
    ck_assert_uint_eq(errors, 3);
    json_decref(other);
    json_decref(rows);
    harness_fini(&h);
}
END_TEST

START_TEST(replacing)
{
    check("replace", "sss",
          "[['banana', 'an', 'AN'], ['banana', 'a', ''], ['banana', '', 'x'], ['aaa', 'aa', 'b'],"
          " ['', 'a', 'b'], ['abc', 'x', 'y'], ['a', 'a', '" LONG "'], ['é€é', 'é', 'e'],"
          " ['" LONG "', 'e', 'é'], [null, 'a', 'b'], ['a', null, 'b'], ['a', 'b', null],"
          " ['aa', 'a', '$1']]",
          "['bANANa','bnn','banana','ba','','abc','" LONG "','e€e',"
          "'a téxt of moré than twélvé bytés',null,null,null,'$1$1']");
}
END_TEST

START_TEST(concatenation)
{
    check("concat", "s", "[['a'], [''], [null]]", "['a','',null]");
    check("concat", "ss", "[['a', 'b'], ['', ''], ['a', null], [null, 'a']]",
          "['ab','',null,null]");
    check("concat", "sss", "[['one ', 'two ', 'three four'], ['" LONG "', ', ', 'é']]",
          "['one two three four','" LONG ", é']");
    check("concat", "sn", "[['a', null]]", "[null]");
    refused("concat", "si", "[['a', 1]]", "int");
}
END_TEST

START_TEST(looking_for_text)
{
    const char *rows = "[['hello', 'he'], ['hello', 'lo'], ['hello', 'll'], ['hello', ''],"
                       " ['', ''], ['', 'a'], ['hello', 'hello!'], ['" LONG "', 'a text of more '],"
                       " ['" LONG "', 'n twelve bytes'], ['é€😀', '😀'], [null, 'a'], ['a', null]]";
    check("starts_with", "ss", rows,
          "[true,false,false,true,true,false,false,true,false,false,null,null]");
    check("ends_with", "ss", rows,
          "[false,true,false,true,true,false,false,false,true,true,null,null]");
    check("contains", "ss", rows,
          "[true,true,true,true,true,false,false,true,true,true,null,null]");
    check("position", "ss", rows, "[1,4,3,1,1,0,0,1,19,3,null,null]");
}
END_TEST

START_TEST(split_part_counts_from_one)
{
    check("split_part", "ssi",
          "[['a,b,c', ',', 1], ['a,b,c', ',', 2], ['a,b,c', ',', 3], ['a,b,c', ',', 4],"
          " ['a,b,c', ',', 0], ['a,b,c', ',', -1], ['', ',', 1], ['', ',', 2], [',', ',', 2],"
          " ['a::b', '::', 2], ['é€', '', 2], ['é€', '', 3], ['', '', 1],"
          " ['a', ',', 9223372036854775807], [null, ',', 1], ['a', null, 1], ['a', ',', null]]",
          "['a','b','c',null,null,null,'',null,'','b','€',null,null,null,null,null,null]");
}
END_TEST

START_TEST(digests)
{
    check("md5", "s",
          "[[''], ['a'], ['abc'], ['message digest'], ['abcdefghijklmnopqrstuvwxyz'],"
          " ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'],"
          " ['12345678901234567890123456789012345678901234567890123456789012345678901234567890'],"
          " [null]]",
          "['d41d8cd98f00b204e9800998ecf8427e','0cc175b9c0f1b6a831c399e269772661',"
          "'900150983cd24fb0d6963f7d28e17f72','f96b697d7cb7938d525a2f31aaf161d0',"
          "'c3fcd3d76192e4007dfb496cca67e13b','d174ab98d277d9f5a5611c2c9f419d9f',"
          "'57edf4a22be3c955ac49da2e2107b67a',null]");
    char hex[33] = {0}, text[128]; /* the lengths around a block */
    memset(text, 'x', sizeof text);
    ds_md5_hex(text, 55, hex);
    ck_assert_str_eq(hex, "04364420e25c512fd958a70738aa8f72");
    ds_md5_hex(text, 56, hex);
    ck_assert_str_eq(hex, "668a72d5ba17f08e62dabcafad6db14b");
    ds_md5_hex(text, 64, hex);
    ck_assert_str_eq(hex, "c1bb4f81d892b2d57947682aeb252456");
}
END_TEST

START_TEST(hashes)
{
    /* XXH3-64 with seed 0. */
    check("hash", "s", "[[''], ['a'], ['" LONG "'], [null]]",
          "[3244421341483603138,-1817709641818812897,-923891763302274341,null]");
    check("hash", "i", "[[0], [1], [-1], [null]]",
          "[-4072596861322023719,3439722301264460078,5841669975847748627,null]");
    check("hash", "t", "[['1970-01-01T00:00:00.000001Z']]", "[3439722301264460078]");
    check("hash", "f", "[[0.0], [-0.0], [1.5], [null]]",
          "[-4072596861322023719,-4072596861322023719,2693614958850487384,null]");
    check("hash", "b", "[[false], [true], [null]]",
          "[-4302098779834749733,-2220562881957146901,null]");
    check("hash", "n", "[[null]]", "[null]");
    refused("hash", "[i", "[[[1]]]", "list<int>");
}
END_TEST

UNIT_MAIN("functions_text", length_counts_code_points, case_changes_ascii_letters_only,
          case_changes_each_byte_at_each_length, trim_takes_ascii_white_space,
          substr_counts_from_one, left_and_right, places_of_code_points, parts_do_not_copy, padding,
          new_text_is_limited, replacing, concatenation, looking_for_text,
          split_part_counts_from_one, digests, hashes)
