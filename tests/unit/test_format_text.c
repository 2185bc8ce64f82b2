/* The format text, and what all formats do with lines: ends, limits, positions, encoding. */
#include "unit/format_fixture.h"

static const ds_format_spec text = {.kind = DS_FORMAT_TEXT};

START_TEST(every_line_is_a_record)
{
    expect(&text, "", "", "");
    expect(&text, "a", "{\"line\":\"a\"}\n", "");
    expect(&text, "a\nb\n", "{\"line\":\"a\"}\n{\"line\":\"b\"}\n", "");
    expect(&text, "\n \t\n\nx",
           "{\"line\":\"\"}\n{\"line\":\" \\t\"}\n{\"line\":\"\"}\n{\"line\":\"x\"}\n", "");
}
END_TEST

START_TEST(a_carriage_return_before_the_newline_is_dropped)
{
    expect(&text, "a\r\nb\r\r\n\r\n", "{\"line\":\"a\"}\n{\"line\":\"b\\r\"}\n{\"line\":\"\"}\n",
           "");
    expect(&text, "a\rb\n", "{\"line\":\"a\\rb\"}\n", "");
    expect(&text, "a\r", "{\"line\":\"a\\r\"}\n", ""); /* no newline, no end */
}
END_TEST

START_TEST(views_are_cut_at_every_length)
{
    char input[64 * 65], *at = input;
    ds_buffer want = {0};
    for (int length = 0; length < 40; length++) {
        ds_buffer_append_text(&want, "{\"line\":\"");
        for (int i = 0; i < length; i++) {
            *at++ = (char)('a' + i % 26);
            ds_buffer_append_char(&want, (char)('a' + i % 26));
        }
        *at++ = '\n';
        ds_buffer_append_text(&want, "\"}\n");
    }
    expect_bytes(&text, NULL, input, (size_t)(at - input), ds_buffer_text(&want), "");
    expect_bytes(&text, NULL, input, (size_t)(at - input) - 1, ds_buffer_text(&want), "");
    ds_buffer_fini(&want);
}
END_TEST

START_TEST(long_fields_refer_to_the_input)
{
    ds_arena *arena = ds_arena_new(NULL);
    const ds_format *format;
    ck_assert_int_eq(ds_format_new(arena, &text, &format, NULL), DS_OK);
    ds_decoder *decoder = ds_decoder_new(format, NULL, NULL, NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    const char *input = "short\na line of more than twelve bytes\n";
    ds_decoder_open(decoder, &heap, input, strlen(input), 7);
    ds_chunk chunk;
    ck_assert(ds_decoder_next(decoder, arena, &chunk));
    ck_assert_uint_eq(chunk.n_rows, 2);
    ck_assert_ptr_eq(ds_view_bytes(&heap, &chunk.columns[0]->views[1]), input + 6);
    ck_assert_int_eq(chunk.positions[0], 7);
    ck_assert_int_eq(chunk.positions[1], 8);
    ck_assert(!ds_decoder_next(decoder, arena, &chunk));
    ck_assert(!ds_decoder_next(decoder, arena, &chunk));
    ds_decoder_free(decoder);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}
END_TEST

START_TEST(a_record_over_the_limit_is_bad)
{
    ds_format_spec spec = {.kind = DS_FORMAT_TEXT, .record_limit = 5};
    expect(
        &spec, "12345\n123456\n12345\r\n1\n",
        "{\"line\":\"12345\"}\n{\"line\":\"12345\"}\n{\"line\":\"1\"}\n",
        "too_long 6 123456: 6 bytes are more than the 5 that a record may have (limits.record)\n");
    decoded d = decode_bytes(&spec, NULL, "a\n123456\nb\n", 11);
    ck_assert_str_eq(ds_buffer_text(&d.positions), "100,102,");
    decoded_fini(&d);
}
END_TEST

START_TEST(the_default_limit_is_64_kib)
{
    ds_buffer input = {0};
    for (int i = 0; i < 65536; i++)
        ds_buffer_append_char(&input, 'x');
    decoded d = decode_bytes(&text, NULL, input.data, input.length);
    ck_assert_uint_eq(d.counts.records, 1);
    decoded_fini(&d);
    ds_buffer_append_char(&input, 'x');
    d = decode_bytes(&text, NULL, input.data, input.length);
    ck_assert_uint_eq(d.counts.bad[DS_BAD_TOO_LONG], 1);
    decoded_fini(&d);
    ds_buffer_fini(&input);
}
END_TEST

START_TEST(invalid_parts_become_replacement_characters)
{
    const char input[] = "gr\xC3\xBC\xC3\x9F\n\xFFx\nplain\na\0b and more than twelve\n\xE2\x82\n";
    decoded d = decode_bytes(&text, NULL, input, sizeof input - 1);
    ck_assert_str_eq(ds_buffer_text(&d.rows),
                     "{\"line\":\"gr\xC3\xBC\xC3\x9F\"}\n{\"line\":\"\xEF\xBF\xBDx\"}\n"
                     "{\"line\":\"plain\"}\n{\"line\":\"a\xEF\xBF\xBD"
                     "b and more than twelve\"}\n"
                     "{\"line\":\"\xEF\xBF\xBD\"}\n");
    ck_assert_uint_eq(d.counts.replaced, 3);
    ck_assert_uint_eq(d.counts.records, 5);
    decoded_fini(&d);
}
END_TEST

START_TEST(many_lines_come_in_full_chunks)
{
    ds_buffer input = {0};
    for (int i = 0; i < 50000; i++)
        ds_buffer_printf(&input, "%d\n", i);
    ds_arena *arena = ds_arena_new(NULL);
    const ds_format *format;
    ck_assert_int_eq(ds_format_new(arena, &text, &format, NULL), DS_OK);
    ds_decoder *decoder = ds_decoder_new(format, NULL, NULL, NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_decoder_open(decoder, &heap, input.data, input.length, 0);
    ds_chunk chunk;
    int64_t row = 0;
    while (ds_decoder_next(decoder, arena, &chunk)) {
        ck_assert(chunk.n_rows == DS_CHUNK_ROWS || row + chunk.n_rows == 50000);
        for (uint32_t i = 0; i < chunk.n_rows; i++, row++) {
            char want[16];
            const ds_view *view = &chunk.columns[0]->views[i];
            int n = snprintf(want, sizeof want, "%lld", (long long)row);
            ck_assert_int_eq(chunk.positions[i], row);
            ck_assert_int_eq(view->length, n);
            ck_assert_mem_eq(ds_view_bytes(&heap, view), want, (size_t)n);
        }
    }
    ck_assert_int_eq(row, 50000);
    ds_decoder_free(decoder);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    ds_buffer_fini(&input);
}
END_TEST

START_TEST(a_decoder_takes_one_input_after_another)
{
    ds_arena *arena = ds_arena_new(NULL);
    const ds_format *format;
    ck_assert_int_eq(ds_format_new(arena, &text, &format, NULL), DS_OK);
    ds_decoder *decoder = ds_decoder_new(format, NULL, NULL, NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_chunk first, second;
    ds_decoder_open(decoder, &heap, "the first of the inputs", 23, 0);
    ck_assert(ds_decoder_next(decoder, arena, &first));
    ds_decoder_open(decoder, &heap, "and the second of them\n", 23, 10);
    ck_assert(ds_decoder_next(decoder, arena, &second));
    ck_assert_mem_eq(ds_view_bytes(&heap, &first.columns[0]->views[0]), "the first", 9);
    ck_assert_mem_eq(ds_view_bytes(&heap, &second.columns[0]->views[0]), "and the se", 10);
    ck_assert_int_eq(second.positions[0], 10);
    ds_decoder_counts counts;
    ds_decoder_count(decoder, &counts);
    ck_assert_uint_eq(counts.records, 2);
    ds_decoder_free(decoder);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}
END_TEST

START_TEST(reasons_have_names)
{
    ck_assert_str_eq(ds_bad_reason_name(DS_BAD_TOO_LONG), "too_long");
    ck_assert_str_eq(ds_bad_reason_name(DS_BAD_SYNTAX), "syntax");
    ck_assert_str_eq(ds_bad_reason_name(DS_BAD_TYPE), "type");
    ck_assert_str_eq(ds_bad_reason_name(DS_BAD_RANGE), "range");
    ck_assert_str_eq(ds_bad_reason_name(DS_BAD_FIELDS), "fields");
    ck_assert_str_eq(ds_bad_reason_name(DS_BAD_ENCODING), "encoding");
    ck_assert_str_eq(ds_bad_reason_name(DS_BAD_HEADER), "header");
    ck_assert_str_eq(ds_bad_reason_name(DS_BAD_MATCH_LIMIT), "match_limit");
}
END_TEST

UNIT_MAIN("format text", every_line_is_a_record, a_carriage_return_before_the_newline_is_dropped,
          views_are_cut_at_every_length, long_fields_refer_to_the_input,
          a_record_over_the_limit_is_bad, the_default_limit_is_64_kib,
          invalid_parts_become_replacement_characters, many_lines_come_in_full_chunks,
          a_decoder_takes_one_input_after_another, reasons_have_names)
