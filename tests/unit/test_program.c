/* Programs: what runs for which rows, common parts, literals, whole chunks. */
#include "columnar/expr_bind.h"
#include "unit/expr_table.h"

#include <stdio.h>

START_TEST(only_what_decides_is_evaluated)
{
    expr_table t;
    table_open(&t);
    /* i * i fails in row 3 alone; where it is not reached, it does not. */
    EXPECT(&t, "i * i", "1|4|null|!|0|49");
    EXPECT(&t, "case when i < 8 then i * i else -1 end", "1|4|-1|-1|0|49");
    EXPECT(&t, "case when i > 8 then i * i else -1 end", "-1|-1|-1|!|-1|-1");
    EXPECT(&t, "case when j > 0 then i / j else i * i end", "0|0|null|!|0|49");
    EXPECT(&t, "if(i < 8, i * i, 0)", "1|4|0|0|0|49");
    EXPECT(&t, "coalesce(i, i * i)", "1|-2|null|9223372036854775807|0|7");
    EXPECT(&t, "coalesce(nullif(i, 7), i * i)", "1|-2|null|9223372036854775807|0|49");
    EXPECT(&t, "i > 8 or i * i > 3", "F|T|null|T|F|T");
    EXPECT(&t, "i < 8 or i * i > 3", "T|T|null|!|T|T");
    EXPECT(&t, "i < 8 and i * i > 3", "F|T|null|F|F|T");
    EXPECT(&t, "i > 8 and i * i > 3", "F|F|null|!|F|F");
    EXPECT(&t, "i * i > 3 and i < 8", "F|T|null|!|F|T");
    EXPECT(&t, "null and i * i > 3", "F|null|null|!|F|null");
    EXPECT(&t, "false and i * i > 3", "F|F|F|F|F|F");
    EXPECT(&t, "case when b then case when i < 8 then i * i else 5 end else 6 end", "1|6|6|5|6|49");
    EXPECT(&t, "case i when 1 then 10 when 7 then i * 9223372036854775807 end",
           "10|null|null|null|null|!");
    table_close(&t);
}
END_TEST

START_TEST(errors_count_for_selected_rows_only)
{
    expr_table t;
    table_open(&t);
    t.selected = 0x37;
    EXPECT(&t, "i * i", "1|4|null|-|0|49");
    t.selected = 0x08;
    EXPECT(&t, "i * i", "-|-|-|!|-|-");
    EXPECT(&t, "if(i < 8, i * i, 3)", "-|-|-|3|-|-");
    t.selected = 0;
    EXPECT(&t, "coalesce(i * i, 1) + if(b, 1, 2)", "-|-|-|-|-|-");
    EXPECT(&t, "b and (i * i = 1 or c) and s like '%a%'", "-|-|-|-|-|-");
    EXPECT(&t, "if(b, l, l || l)", "-|-|-|-|-|-");
    table_close(&t);
}
END_TEST

START_TEST(errors_are_added)
{
    expr_table t;
    table_open(&t);
    ds_expr *exprs[] = {table_bind(&t, "i + 1"), table_bind(&t, "7 / j"),
                        table_bind(&t, "cast(f as int)")};
    ds_program *program = ds_program_new(t.arena, exprs, 3);
    const ds_column *out[3];
    ds_eval ev = {.arena = t.arena, .heap = &t.heap, .selected = &t.selected, .errors = &t.errors};
    t.errors = 0x04;
    ds_program_run(program, &ev, &t.chunk, out);
    ck_assert_uint_eq(t.errors, 0x0c);
    ck_assert_ptr_eq(ev.selected, &t.selected);
    table_close(&t);
}
END_TEST

START_TEST(columns_are_not_copied_nor_touched)
{
    expr_table t;
    table_open(&t);
    ds_expr *exprs[] = {table_bind(&t, "s"), table_bind(&t, "i + 1"), table_bind(&t, "s"),
                        table_bind(&t, "coalesce(g, 1.5)"), table_bind(&t, "coalesce(i, 2)")};
    ds_program *program = ds_program_new(t.arena, exprs, 5);
    const ds_column *columns[TABLE_COLUMNS] = {t.chunk.columns[0]}, *out[5];
    ds_column full = *t.chunk.columns[3];
    full.validity = NULL;
    columns[6] = t.chunk.columns[6];
    columns[3] = &full;
    t.chunk.columns = columns;
    ds_eval ev = {.arena = t.arena, .heap = &t.heap, .selected = &t.selected, .errors = &t.errors};
    ds_program_run(program, &ev, &t.chunk, out);
    ck_assert_ptr_eq(out[0], columns[6]);
    ck_assert_ptr_eq(out[2], columns[6]);
    ck_assert_ptr_eq(out[3], &full);
    ck_assert_ptr_ne(out[4], columns[0]);
    table_close(&t);
}
END_TEST

START_TEST(common_parts_are_computed_once)
{
    expr_table t;
    table_open(&t);
    ds_expr *exprs[] = {table_bind(&t, "i + j"), table_bind(&t, "i + j"),
                        table_bind(&t, "(i + j) * 2"), table_bind(&t, "coalesce(n, i + j)"),
                        table_bind(&t, "coalesce(n, j + i)")};
    ds_program *program = ds_program_new(t.arena, exprs, 5);
    const ds_column *out[5];
    ds_eval ev = {.arena = t.arena, .heap = &t.heap, .selected = &t.selected, .errors = &t.errors};
    ds_program_run(program, &ev, &t.chunk, out);
    ck_assert_ptr_eq(out[0], out[1]);
    ck_assert_ptr_eq(out[0], out[3]);
    ck_assert_ptr_ne(out[0], out[4]);
    table_close(&t);
}
END_TEST

/* A part computed for some rows must not serve where others are wanted. */
START_TEST(parts_of_branches_stay_there)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "case when b then i + 1 end", "2|null|null|!|null|8");
    EXPECT(&t, "coalesce(case when b then i - 1 end, i - 1)", "0|-3|null|9223372036854775806|-1|6");
    EXPECT(&t, "if(b, i * 3, 1) = i * 3 or i * 3 > 0", "T|F|null|!|F|T");
    EXPECT(&t, "case when b then s || 'x' else u || 'y' end || if(c, s || 'x', '-')",
           "applexapplex|a%yx|null|a text of many bytesx-|\xc3\xa4hrey-|100%x-");
    table_close(&t);
}
END_TEST

START_TEST(nested_sugar_stays_small)
{
    expr_table t;
    table_open(&t);
    /* Each level names what is below it twice. */
    static const char *const before[] = {"nullif(", "case "};
    static const char *const after[] = {", 100)", " when 1 then 1 else i end"};
    for (int form = 0; form < 2; form++) {
        ds_buffer text = {0};
        for (int level = 0; level < 60; level++)
            ds_buffer_append_text(&text, before[form]);
        ds_buffer_append_text(&text, "i");
        for (int level = 0; level < 60; level++)
            ds_buffer_append_text(&text, after[form]);
        EXPECT(&t, ds_buffer_text(&text), "1|-2|null|9223372036854775807|0|7");
        ds_buffer_fini(&text);
    }
    ds_buffer text = {0};
    for (int level = 0; level < 60; level++)
        ds_buffer_append_text(&text, "(");
    ds_buffer_append_text(&text, "b");
    for (int level = 0; level < 60; level++)
        ds_buffer_append_text(&text, ") in (b, true)");
    EXPECT(&t, ds_buffer_text(&text), "T|T|null|T|T|T");
    ds_buffer_fini(&text);
    table_close(&t);
}
END_TEST

START_TEST(long_literals_in_the_heap)
{
    expr_table t;
    table_open(&t);
    ds_expr *exprs[] = {table_bind(&t, "'a literal of more than twelve bytes'"),
                        table_bind(&t, "if(b, 'another literal, as long', s)")};
    ds_program *program = ds_program_new(t.arena, exprs, 2);
    const ds_column *out[2];
    ds_eval ev = {.arena = t.arena, .heap = &t.heap, .selected = &t.selected, .errors = &t.errors};
    ds_program_run(program, &ev, &t.chunk, out);
    uint32_t n_buffers = t.heap.n_buffers;
    for (int run = 0; run < 5; run++)
        ds_program_run(program, &ev, &t.chunk, out);
    ck_assert_uint_eq(t.heap.n_buffers, n_buffers);
    table_show(&t.text, &t.heap, out[0], 5);
    table_show(&t.text, &t.heap, out[1], 3);
    ck_assert_str_eq(ds_buffer_text(&t.text),
                     "a literal of more than twelve bytesanother literal, as long");
    /* Another task's heap. */
    ds_heap other;
    ds_heap_init(&other, t.arena);
    ds_heap_add(&other, "x");
    ev.heap = &other;
    t.text.length = 0;
    ds_program_run(program, &ev, &t.chunk, out);
    table_show(&t.text, &other, out[0], 0);
    ck_assert_str_eq(ds_buffer_text(&t.text), "a literal of more than twelve bytes");
    ds_heap_fini(&other);
    table_close(&t);
}
END_TEST

START_TEST(no_rows)
{
    expr_table t;
    table_open(&t);
    static const char *const texts[] = {"i + 1",
                                        "i / j",
                                        "f + g",
                                        "s || u",
                                        "l || l",
                                        "if(b, l, l)",
                                        "s like '%x%'",
                                        "i in (1, 2)",
                                        "coalesce(s, 'x')",
                                        "1",
                                        "b and c or not b",
                                        "greatest(i, j)",
                                        "i = j",
                                        "cast(i as string)",
                                        "round(f, 1)"};
    ds_chunk empty = {.n_columns = TABLE_COLUMNS};
    const ds_column *columns[TABLE_COLUMNS];
    for (uint32_t i = 0; i < TABLE_COLUMNS; i++)
        columns[i] = ds_column_gather(t.arena, t.chunk.columns[i], NULL, 0);
    empty.columns = columns;
    ds_eval ev = {.arena = t.arena, .heap = &t.heap, .selected = NULL, .errors = NULL};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ds_expr *expr = table_bind(&t, texts[i]);
        ck_assert_ptr_nonnull(expr);
        ds_program *program = ds_program_new(t.arena, &expr, 1);
        const ds_column *out;
        ds_program_run(program, &ev, &empty, &out);
        ck_assert_uint_eq(out->length, 0);
    }
    table_close(&t);
}
END_TEST

/* One bound expression in several programs: what bind prepared for it (a compiled pattern) serves
 * all of them and goes with the arena. */
START_TEST(shared_by_programs)
{
    expr_table t;
    table_open(&t);
    ds_expr *expr = table_bind(&t, "regexp_extract(s, '(.)')");
    ck_assert_ptr_nonnull(expr);
    char *first = ds_arena_strdup(t.arena, table_run(&t, expr));
    ck_assert_str_eq(table_run(&t, expr), first);
    table_close(&t);
}
END_TEST

/* All rows of a chunk, so that full and last words are reached. */

typedef struct big {
    ds_arena *arena;
    ds_heap heap;
    ds_schema schema;
    ds_chunk chunk;
    uint64_t selected[DS_CHUNK_WORDS], errors[DS_CHUNK_WORDS];
} big;

static void big_open(big *b, uint32_t n)
{
    static ds_field fields[] = {{"x", {DS_INT, 0}}, {"y", {DS_INT, 0}}, {"s", {DS_STRING, 0}}};
    *b = (big){.arena = ds_arena_new(NULL), .schema = {fields, 3}};
    ds_heap_init(&b->heap, b->arena);
    const ds_column **columns = DS_ARENA_ARRAY(b->arena, const ds_column *, 3);
    ds_column *x = ds_column_new(b->arena, DS_TYPE(DS_INT), n);
    ds_column *y = ds_column_new(b->arena, DS_TYPE(DS_INT), n);
    ds_column *s = ds_column_new(b->arena, DS_TYPE(DS_STRING), n);
    ds_column_need_validity(y, b->arena);
    for (uint32_t i = 0; i < n; i++) {
        char text[32];
        x->ints[i] = (int64_t)i;
        y->ints[i] = (int64_t)(i * 7 % 64);
        if (i % 5 == 0)
            ds_bit_clear(y->validity, i);
        s->views[i] = ds_view_copy(&b->heap, text,
                                   (uint32_t)snprintf(text, sizeof text, "row %u of a chunk", i));
    }
    columns[0] = x;
    columns[1] = y;
    columns[2] = s;
    ds_bitmap_fill(b->selected, n);
    b->chunk = (ds_chunk){.n_rows = n, .n_columns = 3, .columns = columns};
}

static const ds_column *big_run(big *b, const char *text)
{
    ds_scope scope = {.columns = &b->schema};
    ds_expr_error error;
    ds_expr *expr;
    ck_assert_int_eq(ds_expr_parse(b->arena, text, strlen(text), &expr, &error), DS_OK);
    ck_assert_msg(ds_expr_bind(b->arena, expr, &scope, &error) == DS_OK, "%s", error.message);
    ds_program *program = ds_program_new(b->arena, &expr, 1);
    ds_eval ev = {
        .arena = b->arena, .heap = &b->heap, .selected = b->selected, .errors = b->errors};
    const ds_column *out;
    ds_program_run(program, &ev, &b->chunk, &out);
    return out;
}

START_TEST(whole_chunks)
{
    static const uint32_t sizes[] = {1, 63, 64, 65, 127, 1000, 2047, 2048};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        big b;
        uint32_t n = sizes[s];
        big_open(&b, n);
        const ds_column *sum = big_run(&b, "x * 3 + y");
        const ds_column *less = big_run(&b, "x % 64 < y");
        const ds_column *choice = big_run(&b, "case when y > 32 then x when y > 8 then -x end");
        const ds_column *text = big_run(&b, "s like '%7 of%' or s = 'row 3 of a chunk'");
        const ds_column *both = big_run(&b, "y > 5 and x > 10 or y is null");
        for (uint32_t i = 0; i < n; i++) {
            int64_t x = i, y = i * 7 % 64;
            bool null = i % 5 == 0;
            ck_assert_int_eq(ds_column_is_null(sum, i), null);
            ck_assert_int_eq(ds_column_is_null(less, i), null);
            ck_assert_int_eq(ds_column_is_null(choice, i), null || y <= 8);
            if (!null) {
                ck_assert_int_eq(sum->ints[i], x * 3 + y);
                ck_assert_int_eq(ds_bit_get(less->bits, i), x % 64 < y);
            }
            if (!null && y > 8)
                ck_assert_int_eq(choice->ints[i], y > 32 ? x : -x);
            ck_assert_int_eq(ds_bit_get(text->bits, i), i % 10 == 7 || i == 3);
            ck_assert(!ds_column_is_null(both, i));
            ck_assert_int_eq(ds_bit_get(both->bits, i), null || (y > 5 && x > 10));
        }
        ds_heap_fini(&b.heap);
        ds_arena_free(b.arena);
    }
}
END_TEST

START_TEST(failures_in_every_block)
{
    big b;
    big_open(&b, DS_CHUNK_ROWS);
    big_run(&b, "y + if(x % 100 = 99, 9223372036854775807, 0)");
    for (uint32_t i = 0; i < DS_CHUNK_ROWS; i++)
        ck_assert_int_eq(ds_bit_get(b.errors, i), i % 100 == 99 && i * 7 % 64 > 0 && i % 5 != 0);
    ds_heap_fini(&b.heap);
    ds_arena_free(b.arena);
}
END_TEST

UNIT_MAIN("program", only_what_decides_is_evaluated, errors_count_for_selected_rows_only,
          errors_are_added, columns_are_not_copied_nor_touched, common_parts_are_computed_once,
          parts_of_branches_stay_there, nested_sugar_stays_small, long_literals_in_the_heap,
          no_rows, shared_by_programs, whole_chunks, failures_in_every_block)
