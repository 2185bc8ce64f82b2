/* Sources as the driver sees them: what has arrived, and what a batch is given of it. */
#include "scheduler/intake.h"

#include "unit/plan_unit.h"

#define SOURCES                                                                                    \
    "'f': { 'type': 'files', 'dir': '/data/in' },"                                                 \
    "'q': { 'type': 'queue', 'schema': { 'n': 'int' }, 'batches': [ [ { 'n': 1 } ], [],"           \
    "        [ { 'n': 2 } ] ] },"                                                                  \
    "'r': { 'type': 'rate', 'rows_per_second': 7 },"                                               \
    "'s': { 'type': 'socket', 'listen': '127.0.0.1:1' },"                                          \
    "'t': { 'type': 'stdin' }"

enum { F, Q, R, S, T };

typedef struct kit {
    planned p;
    ds_intake intakes[5];
    ds_batch *batch;
    ds_allotment allotment;
} kit;

static void kit_open(kit *k)
{
    k->p = plan_well(SOURCES, "", "f q r s");
    k->batch = NULL;
    for (uint32_t i = 0; i < 5; i++)
        ds_intake_init(&k->intakes[i], k->p.plan, i);
}

static void kit_close(kit *k)
{
    for (int i = 0; i < 5; i++)
        ds_intake_fini(&k->intakes[i]);
    ds_batch_free(k->batch);
    plan_close(&k->p);
}

/* Gives what there is to a batch at time_ms. */
static const ds_allotment *allot(kit *k, int source, int64_t time_ms, uint64_t block_bytes)
{
    ds_batch_free(k->batch);
    k->batch = ds_batch_new(k->p.plan, time_ms);
    ds_intake_allot(&k->intakes[source], k->batch, 1000, block_bytes, &k->allotment);
    ck_assert_uint_eq(k->allotment.source, (uint32_t)source);
    return &k->allotment;
}

START_TEST(only_what_the_plan_reads_is_needed)
{
    kit k;
    kit_open(&k);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(k.intakes[i].needed, i != T);
        ck_assert_int_eq(ds_intake_has_receiver(&k.intakes[i]), i == S || i == T);
        ck_assert_int_eq(k.intakes[i].phase, DS_INTAKE_IDLE);
    }
    kit_close(&k);
}
END_TEST

/* ---- blocks ---- */

static void report(kit *k, uint64_t receiver, uint64_t id, uint64_t offset, uint64_t length,
                   uint64_t records)
{
    const ds_block block = {.block_id = id, .offset = offset, .length = length, .records = records};
    ds_intake_report(&k->intakes[S], receiver + 100, receiver, &block);
}

START_TEST(blocks_go_to_the_next_batch)
{
    kit k;
    kit_open(&k);
    ck_assert(!ds_intake_has_more(&k.intakes[S]));
    ck_assert_uint_eq(allot(&k, S, 1000, 1)->n_inputs, 0);
    report(&k, 1, 1, 0, 500, 10);
    report(&k, 1, 2, 512, 30, 2);
    ck_assert(ds_intake_has_more(&k.intakes[S]));
    const ds_allotment *a = allot(&k, S, 2000, 1);
    ck_assert_uint_eq(a->n_inputs, 2);
    ck_assert_int_eq(a->inputs[1].kind, DS_INPUT_BLOCK);
    ck_assert_uint_eq(a->inputs[1].ref.executor_id, 101);
    ck_assert_uint_eq(a->inputs[1].ref.offset, 512);
    ck_assert_uint_eq(a->inputs[1].ref.length, 30);
    ck_assert_uint_eq(a->inputs[0].position, 0);
    ck_assert_uint_eq(a->inputs[1].position, 10);
    ck_assert(!ds_intake_has_more(&k.intakes[S]));
    report(&k, 1, 3, 0, 8, 1);
    a = allot(&k, S, 3000, 1);
    ck_assert_uint_eq(a->n_inputs, 1);
    ck_assert_uint_eq(a->inputs[0].position, 12); /* counted on from batch to batch */
    kit_close(&k);
}
END_TEST

/* What a batch gives back are runs of consecutive blocks, by receiver. */
START_TEST(blocks_are_noted_as_runs)
{
    kit k;
    kit_open(&k);
    report(&k, 1, 4, 0, 8, 1);
    report(&k, 1, 5, 8, 8, 1);
    report(&k, 2, 1, 0, 8, 1);
    report(&k, 1, 6, 16, 8, 1);
    report(&k, 2, 2, 8, 8, 1);
    report(&k, 1, 9, 32, 8, 1); /* 7 and 8 held nothing */
    allot(&k, S, 1000, 1);
    static const uint64_t runs[][4] = {{101, 1, 4, 6}, {102, 2, 1, 2}, {101, 1, 9, 9}};
    ck_assert_uint_eq(k.batch->n_blocks, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(k.batch->blocks[i].executor_id, runs[i][0]);
        ck_assert_uint_eq(k.batch->blocks[i].receiver_id, runs[i][1]);
        ck_assert_uint_eq(k.batch->blocks[i].first, runs[i][2]);
        ck_assert_uint_eq(k.batch->blocks[i].last, runs[i][3]);
    }
    kit_close(&k);
}
END_TEST

START_TEST(a_block_may_be_nothing_but_counts)
{
    kit k;
    kit_open(&k);
    const ds_block block = {.block_id = 1, .too_long = 3};
    ds_intake_report(&k.intakes[S], 101, 1, &block);
    ds_intake_report(&k.intakes[S], 101, 1, &block);
    ck_assert_uint_eq(k.intakes[S].too_long, 6);
    ck_assert(!ds_intake_has_more(&k.intakes[S]));
    ck_assert_uint_eq(allot(&k, S, 1000, 1)->n_inputs, 0);
    kit_close(&k);
}
END_TEST

/* ---- files ---- */

static void list(kit *k, const char *names, uint64_t size, bool skip)
{
    ds_listed_file files[32];
    uint32_t n = 0;
    char *copy = strdup(names), *save = NULL, *at = copy;
    for (; (at = strtok_r(at, " ", &save)) != NULL; at = NULL)
        files[n++] = (ds_listed_file){at, size};
    ds_intake_list(&k->intakes[F], files, n, skip);
    free(copy);
}

/* "a:0-5 b:0-3" of the last allotment. */
static void check_pieces(const kit *k, const char *expected)
{
    ds_buffer text = {0};
    for (uint32_t i = 0; i < k->allotment.n_inputs; i++) {
        const ds_input *input = &k->allotment.inputs[i];
        ck_assert_int_eq(input->kind, DS_INPUT_FILE);
        ck_assert_int_eq(strncmp(input->path, "/data/in/", 9), 0);
        ck_assert_uint_eq(input->position, input->from);
        ds_buffer_printf(&text, "%s%s:%d-%d", i > 0 ? " " : "", input->path + 9, (int)input->from,
                         (int)input->to);
    }
    ck_assert_str_eq(ds_buffer_text(&text), expected);
    ds_buffer_fini(&text);
}

START_TEST(files_are_read_once_in_pieces)
{
    kit k;
    kit_open(&k);
    list(&k, "b d", 10, false);
    ck_assert(ds_intake_has_more(&k.intakes[F]));
    allot(&k, F, 1000, 4);
    check_pieces(&k, "b:0-4 b:4-8 b:8-10 d:0-4 d:4-8 d:8-10");
    ck_assert(!ds_intake_has_more(&k.intakes[F]));
    list(&k, "a b c d e", 20, false); /* b and d have grown: what they were when seen counts */
    allot(&k, F, 2000, 100);
    check_pieces(&k, "a:0-20 c:0-20 e:0-20");
    list(&k, "b", 5, false); /* others are gone: no matter */
    allot(&k, F, 3000, 100);
    check_pieces(&k, "");
    list(&k, "z0", 0, false); /* empty */
    ck_assert(!ds_intake_has_more(&k.intakes[F]));
    kit_close(&k);
}
END_TEST

/* A batch takes so many bytes at most; what is left comes with the next. */
START_TEST(a_batch_of_files_is_bounded)
{
    kit k;
    kit_open(&k);
    const uint64_t most = DS_FILES_BATCH_BYTES, block = most / 4;
    list(&k, "a", most - 5, false);
    list(&k, "b c", block, false);
    uint64_t sum = 0;
    const ds_allotment *a = allot(&k, F, 1000, block);
    for (uint32_t i = 0; i < a->n_inputs; i++) {
        ck_assert_uint_le(a->inputs[i].to - a->inputs[i].from, block);
        sum += a->inputs[i].to - a->inputs[i].from;
    }
    ck_assert_uint_eq(sum, most);
    ck_assert(ds_intake_has_more(&k.intakes[F]));
    a = allot(&k, F, 2000, block);
    ck_assert_uint_eq(a->n_inputs, 2);
    ck_assert_str_eq(a->inputs[0].path, "/data/in/b");
    ck_assert_uint_eq(a->inputs[0].from, 5);
    ck_assert_uint_eq(a->inputs[0].to, block);
    ck_assert(!ds_intake_has_more(&k.intakes[F]));
    kit_close(&k);
}
END_TEST

START_TEST(new_files_only)
{
    kit k;
    kit_open(&k);
    list(&k, "old older", 10, true);
    ck_assert(!ds_intake_has_more(&k.intakes[F]));
    list(&k, "new old older", 10, false);
    allot(&k, F, 1000, 100);
    check_pieces(&k, "new:0-10");
    kit_close(&k);
}
END_TEST

/* From a checkpoint: how far each file was taken, and its size if that is known. */
START_TEST(files_go_on_from_a_checkpoint)
{
    kit k;
    kit_open(&k);
    ds_intake_taken(&k.intakes[F], "done", 10, 10);
    ds_intake_taken(&k.intakes[F], "half", 10, 4);
    ds_intake_taken(&k.intakes[F], "open", 0, 6); /* its size is not known */
    ds_intake_taken(&k.intakes[F], "full", 0, 8);
    ck_assert(ds_intake_has_more(&k.intakes[F]));
    allot(&k, F, 1000, 100);
    check_pieces(&k, "half:4-10");
    static const ds_listed_file files[] = {
        {"done", 99}, {"full", 8}, {"half", 99}, {"new", 2}, {"open", 20}};
    ds_intake_list(&k.intakes[F], files, 5, false);
    allot(&k, F, 2000, 100);
    check_pieces(&k, "new:0-2 open:6-20");
    kit_close(&k);
}
END_TEST

/* Tens of thousands of files, or of pieces of one, are no trouble: they go to several batches. */
START_TEST(many_files)
{
    kit k;
    kit_open(&k);
    const uint32_t n = 20000;
    ds_listed_file *files = ds_calloc(n, sizeof *files);
    char(*names)[16] = ds_calloc(n, sizeof *names);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "%08u", i);
        files[i] = (ds_listed_file){names[i], 3};
    }
    ds_intake_list(&k.intakes[F], files, n, false);
    const ds_allotment *a = allot(&k, F, 1000, 100);
    ck_assert_uint_eq(a->n_inputs, DS_FILES_BATCH_PIECES);
    ck_assert(ds_intake_has_more(&k.intakes[F]));
    a = allot(&k, F, 2000, 100);
    ck_assert_uint_eq(a->n_inputs, n - DS_FILES_BATCH_PIECES);
    ck_assert_str_eq(a->inputs[a->n_inputs - 1].path, "/data/in/00019999");
    ck_assert(!ds_intake_has_more(&k.intakes[F]));
    free(names);
    free(files);
    list(&k, "large", 100000, false);
    a = allot(&k, F, 3000, 1);
    ck_assert_uint_eq(a->n_inputs, DS_FILES_BATCH_PIECES);
    ck_assert(ds_intake_has_more(&k.intakes[F]));
    kit_close(&k);
}
END_TEST

/* ---- rate ---- */

/* Rows come evenly: after n batches there are as many as the rate says, at every n. */
START_TEST(a_rate_is_kept_to_the_row)
{
    kit k;
    kit_open(&k);
    const int64_t zero = INT64_C(1767225600000);
    uint64_t rows = 0;
    for (int64_t i = 1; i <= 500; i++) {
        ds_batch_free(k.batch);
        k.batch = ds_batch_new(k.p.plan, zero + i * 10);
        ds_intake_allot(&k.intakes[R], k.batch, 10, 100, &k.allotment);
        for (uint32_t n = 0; n < k.allotment.n_inputs; n++) {
            const ds_input *input = &k.allotment.inputs[n];
            ck_assert_int_eq(input->kind, DS_INPUT_RATE);
            ck_assert_uint_eq(input->from, rows);
            rows = input->to;
        }
        ck_assert_uint_eq(rows, (uint64_t)(i * 10 * 7 / 1000));
    }
    ck_assert(ds_intake_has_more(&k.intakes[R]));
    k.intakes[R].phase = DS_INTAKE_ENDED;
    ck_assert(!ds_intake_has_more(&k.intakes[R]));
    kit_close(&k);
}
END_TEST

START_TEST(a_high_rate_comes_in_pieces)
{
    planned p = plan_well("'r': { 'type': 'rate', 'rows_per_second': 1000000 }", "", "r");
    ds_intake intake;
    ds_intake_init(&intake, p.plan, 0);
    const int64_t time_ms = INT64_C(1767225601000);
    ds_batch *batch = ds_batch_new(p.plan, time_ms);
    ds_allotment a;
    ds_intake_allot(&intake, batch, 1000, 100, &a);
    ck_assert_uint_eq(a.n_inputs, (1000000 + DS_RATE_PIECE_ROWS - 1) / DS_RATE_PIECE_ROWS);
    uint64_t next = 0;
    for (uint32_t i = 0; i < a.n_inputs; i++) {
        ck_assert_uint_eq(a.inputs[i].from, next);
        ck_assert_uint_le(a.inputs[i].to - a.inputs[i].from, DS_RATE_PIECE_ROWS);
        /* The position is the time of its first row. */
        ck_assert_uint_eq(a.inputs[i].position, (uint64_t)(time_ms - 1000) * 1000 + next);
        next = a.inputs[i].to;
    }
    ck_assert_uint_eq(next, 1000000);
    ds_batch_free(batch);
    ds_intake_fini(&intake);
    plan_close(&p);
}
END_TEST

/* However many rows a batch has, its pieces can be counted. */
START_TEST(a_rate_beyond_reason)
{
    planned p = plan_well("'r': { 'type': 'rate', 'rows_per_second': 1000000000 }", "", "r");
    ds_intake intake;
    ds_intake_init(&intake, p.plan, 0);
    const int64_t day_ms = INT64_C(86400000);
    ds_batch *batch = ds_batch_new(p.plan, INT64_C(20454) * day_ms);
    ds_allotment a;
    ds_intake_allot(&intake, batch, day_ms, 100, &a);
    ck_assert_uint_le(a.n_inputs, DS_RATE_BATCH_PIECES + 1);
    const ds_input *last = &a.inputs[a.n_inputs - 1];
    ck_assert_uint_eq(last->to, UINT64_C(86400) * 1000000000);
    ck_assert_uint_eq(last->position, (uint64_t)(20453 * day_ms) * 1000 + last->from / 1000);
    ds_batch_free(batch);
    ds_intake_fini(&intake);
    plan_close(&p);
}
END_TEST

/* ---- queue ---- */

START_TEST(each_batch_has_its_list)
{
    kit k;
    kit_open(&k);
    const ds_allotment *a = allot(&k, Q, 1000, 1);
    ck_assert_uint_eq(a->n_inputs, 1);
    ck_assert_int_eq(a->inputs[0].kind, DS_INPUT_QUEUE);
    ck_assert_uint_eq(a->inputs[0].from, 0);
    ck_assert_uint_eq(allot(&k, Q, 2000, 1)->n_inputs, 0); /* the empty one counts */
    ck_assert(ds_intake_has_more(&k.intakes[Q]));
    ck_assert_uint_eq(allot(&k, Q, 3000, 1)->inputs[0].from, 2);
    ck_assert(!ds_intake_has_more(&k.intakes[Q]));
    ck_assert_uint_eq(allot(&k, Q, 4000, 1)->n_inputs, 0);
    ck_assert_uint_eq(k.intakes[Q].next, 3);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("intake", only_what_the_plan_reads_is_needed, blocks_go_to_the_next_batch,
          blocks_are_noted_as_runs, a_block_may_be_nothing_but_counts,
          files_are_read_once_in_pieces, a_batch_of_files_is_bounded, new_files_only,
          files_go_on_from_a_checkpoint, many_files, a_rate_is_kept_to_the_row,
          a_high_rate_comes_in_pieces, a_rate_beyond_reason, each_batch_has_its_list)
