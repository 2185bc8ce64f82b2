/* Rows as JSON, CSV and text tables: app-format, section 7. */
#include "unit/rows_fixture.h"

#define ALL_TYPES "b:bool i:int f:float s:string t:timestamp"

START_TEST(json_rows_are_one_object_a_line)
{
    fixture f;
    fixture_init(&f, ALL_TYPES);
    load_well(
        &f,
        "[{\"b\":true,\"i\":-5,\"f\":2,\"s\":\"a\\n\\\"\\u00e9\",\"t\":\"2026-01-01T00:00:10Z\"},"
        "{\"b\":false,\"i\":0,\"f\":1.5e300,\"s\":\"\",\"t\":\"2026-01-01T00:00:10.250Z\"},{}]");
    ck_assert_str_eq(
        written(&f, DS_ROWS_JSON),
        "{\"b\":true,\"i\":-5,\"f\":2.0,\"s\":\"a\\n\\\"\xC3\xA9\",\"t\":\"2026-01-01T00:00:10Z\"}"
        "\n"
        "{\"b\":false,\"i\":0,\"f\":1.5e+300,\"s\":\"\",\"t\":\"2026-01-01T00:00:10.25Z\"}\n"
        "{\"b\":null,\"i\":null,\"f\":null,\"s\":null,\"t\":null}\n");
    fixture_fini(&f);
}
END_TEST

START_TEST(json_keys_are_escaped)
{
    fixture f;
    fixture_init(&f, "a\"b:int");
    load_well(&f, "[{\"a\\\"b\":1}]");
    ck_assert_str_eq(written(&f, DS_ROWS_JSON), "{\"a\\\"b\":1}\n");
    fixture_fini(&f);
}
END_TEST

START_TEST(json_lists)
{
    fixture f;
    fixture_init(&f, "l:list<string> n:list<int>");
    load_well(&f, "[{\"l\":[\"a\",null,\"x,\\\"y\"],\"n\":[]},{\"n\":[1,2]}]");
    ck_assert_str_eq(written(&f, DS_ROWS_JSON),
                     "{\"l\":[\"a\",null,\"x,\\\"y\"],\"n\":[]}\n{\"l\":null,\"n\":[1,2]}\n");
    ck_assert_str_eq(written(&f, DS_ROWS_CSV),
                     "\"[\"\"a\"\",null,\"\"x,\\\"\"y\"\"]\",[]\n,\"[1,2]\"\n");
    fixture_fini(&f);
}
END_TEST

START_TEST(csv_quotes_where_it_must)
{
    fixture f;
    fixture_init(&f, "a:string b:string");
    load_well(
        &f, "[{\"a\":\"plain\",\"b\":\"a,b\"},{\"a\":\"say \\\"hi\\\"\",\"b\":\"x\\ny\"},"
            "{\"a\":\"\",\"b\":null},{\"a\":\" x \",\"b\":\"\\r\"},{\"a\":\"\\\"\",\"b\":\"; '\"},"
            "{\"a\":\" \",\"b\":\"\\t\"}]");
    ck_assert_str_eq(written(&f, DS_ROWS_CSV), "plain,\"a,b\"\n\"say \"\"hi\"\"\",\"x\ny\"\n"
                                               "\"\",\n x ,\"\r\"\n\"\"\"\",; '\n\" \",\"\t\"\n");
    fixture_fini(&f);
}
END_TEST

START_TEST(csv_values)
{
    fixture f;
    fixture_init(&f, ALL_TYPES);
    load_well(&f, "[{\"b\":true,\"i\":-5,\"f\":2,\"s\":\"a\",\"t\":\"2026-01-01T00:00:10Z\"},{"
                  "\"b\":false},{}]");
    ck_assert_str_eq(written(&f, DS_ROWS_CSV),
                     "true,-5,2.0,a,2026-01-01T00:00:10Z\nfalse,,,,\n,,,,\n");
    fixture_fini(&f);
}
END_TEST

START_TEST(csv_reads_back)
{
    fixture f;
    fixture_init(&f, "s:string i:int f:float b:bool t:timestamp");
    load_well(&f, "[{\"s\":\"a,\\\"b\\\"\",\"i\":-9223372036854775808,\"f\":1e-7,\"b\":true,"
                  "\"t\":\"1969-12-31T23:59:59.999999Z\"},{\"s\":\"\",\"f\":-0.0},{\"s\":\" \"},"
                  "{\"i\":9223372036854775807,\"f\":0.1,\"b\":false}]");
    const char *csv = written(&f, DS_ROWS_CSV), *json = written(&f, DS_ROWS_JSON);
    const ds_format *format;
    ds_format_spec spec = {.kind = DS_FORMAT_CSV, .schema = f.schema};
    ck_assert_int_eq(ds_format_new(f.arena, &spec, &format, NULL), DS_OK);
    ds_decoder *decoder = ds_decoder_new(format, NULL, NULL, NULL);
    ds_decoder_open(decoder, &f.heap, csv, strlen(csv), 0);
    ds_chunk chunk;
    ck_assert(ds_decoder_next(decoder, f.arena, &chunk));
    f.chunks = &chunk;
    f.n_chunks = 1;
    ck_assert_str_eq(written(&f, DS_ROWS_JSON), json);
    ds_decoder_free(decoder);
    fixture_fini(&f);
}
END_TEST

START_TEST(tables_are_aligned)
{
    fixture f;
    fixture_init(&f, "status:int path:string kb:float ok:bool at:timestamp");
    load_well(
        &f,
        "[{\"status\":200,\"path\":\"/\",\"kb\":2,\"ok\":true,\"at\":\"2026-01-01T00:00:00Z\"},"
        "{\"status\":4,\"path\":\"/gr\\u00fc\\u00df\",\"kb\":10.25,\"ok\":false},{\"path\":\"\"}]");
    ck_assert_str_eq(written(&f, DS_ROWS_TABLE),
                     "status  path      kb  ok     at\n"
                     "------  -----  -----  -----  --------------------\n"
                     "   200  /        2.0  true   2026-01-01T00:00:00Z\n"
                     "     4  /gr\xC3\xBC\xC3\x9F  10.25  false  null\n"
                     "  null          null  null   null\n");
    fixture_fini(&f);
}
END_TEST

START_TEST(tables_go_over_all_chunks)
{
    fixture f;
    ds_buffer rows = {0}, out = {0};
    fixture_init(&f, "n:int");
    for (int i = 0; i < 5000; i++)
        ds_buffer_printf(&rows, "%s{\"n\":%d}", i == 0 ? "[" : ",", i);
    ds_buffer_append_char(&rows, ']');
    load_well(&f, ds_buffer_text(&rows));
    ck_assert_uint_eq(f.n_chunks, 3);
    ds_rows_table(&out, &f.schema, &f.heap, f.chunks, f.n_chunks);
    ck_assert(strncmp(ds_buffer_text(&out), "   n\n----\n   0\n   1\n", 20) == 0);
    ck_assert_uint_eq(out.length, 5002 * 5);
    out.length = 0;
    ds_rows_table(&out, &f.schema, &f.heap, NULL, 0);
    ck_assert_str_eq(ds_buffer_text(&out), "n\n-\n");
    ds_buffer_fini(&out);
    ds_buffer_fini(&rows);
    fixture_fini(&f);
}
END_TEST

START_TEST(tables_are_safe_for_a_terminal)
{
    fixture f;
    fixture_init(&f, "s:string l:list<string>");
    load_well(
        &f, "[{\"s\":\"a\\u001b[31m\\n\\t\\u007f\\u0085\\u00a0\\\\\",\"l\":[\"\\u009b\\u001b\"]}]");
    const char *text = written(&f, DS_ROWS_TABLE);
    const char *line = strchr(strchr(text, '\n') + 1, '\n') + 1;
    ck_assert_str_eq(line, "a\\u001b[31m\\n\\t\\u007f\\u0085\xC2\xA0\\  [\"\\u009b\\u001b\"]\n");
    fixture_fini(&f);
}
END_TEST

START_TEST(long_cells_are_cut)
{
    fixture f;
    char rows[400] = "[{\"s\":\"";
    fixture_init(&f, "s:string n:int");
    for (int i = 0; i < 100; i++)
        strcat(rows, "\xC3\xBC");
    strcat(rows, "\",\"n\":1}]");
    load_well(&f, rows);
    const char *text = written(&f, DS_ROWS_TABLE);
    const char *line = strchr(strchr(text, '\n') + 1, '\n') + 1;
    ck_assert_uint_eq(strlen(line), 80 * 2 + strlen("...  1\n"));
    ck_assert_str_eq(line + 160, "...  1\n");
    fixture_fini(&f);
}
END_TEST

START_TEST(no_rows_write_nothing)
{
    fixture f;
    fixture_init(&f, "s:string");
    load_well(&f, "[]");
    ck_assert_uint_eq(f.n_chunks, 0);
    ds_chunk none = {.n_columns = 1};
    ds_buffer out = {0};
    ds_rows_write(&out, DS_ROWS_JSON, &f.schema, &f.heap, &none);
    ds_rows_write(&out, DS_ROWS_CSV, &f.schema, &f.heap, &none);
    ck_assert_uint_eq(out.length, 0);
    ds_buffer_fini(&out);
    fixture_fini(&f);
}
END_TEST

UNIT_MAIN("rows write", json_rows_are_one_object_a_line, json_keys_are_escaped, json_lists,
          csv_quotes_where_it_must, csv_values, csv_reads_back, tables_are_aligned,
          tables_go_over_all_chunks, tables_are_safe_for_a_terminal, long_cells_are_cut,
          no_rows_write_nothing)
