/* Tasks by their inputs: blocks, files, the generator, lists; what is bad, gone or nonsense. */
#include "receiver/block_log.h"
#include "receiver/followed.h"
#include "unit/engine.h"
#include "unit/scratch_dir.h"

#include <fcntl.h>

#define CSV                                                                                        \
    "'in': { 'type': 'files', 'dir': 'unused', 'format': 'csv', 'header': true,"                   \
    "        'schema': { 'n': 'int', 's': 'string' } }"
#define JSON(more)                                                                                 \
    "'in': { 'type': 'socket', 'listen': '127.0.0.1:1', 'format': 'json',"                         \
    "        'schema': { 'n': 'int' }" more " }"

static void feed_file(engine *e, const char *path, uint64_t from, uint64_t to)
{
    engine_add(e, "in", (ds_input){.kind = DS_INPUT_FILE, .from = from, .to = to, .path = path});
}

/* ---- blocks ---- */

START_TEST(blocks_of_records)
{
    engine e;
    engine_open(&e, JSON(""), "", "in");
    e.block_bytes = 1000; /* all in one task */
    engine_feed(&e, "in", "{'n':1}\n{'n':2}\n");
    engine_feed(&e, "in", "\n  \n{'n':3}");
    engine_batch(&e);
    engine_in_order(&e, "in", "[ { 'n': 1 }, { 'n': 2 }, { 'n': 3 } ]");
    ck_assert_uint_eq(e.sum.rows_in, 3);
    ck_assert_uint_eq(e.sum.bytes_in, 16 + 11);
    ck_assert_uint_eq(e.batch->stages[0].n_tasks, 1);
    engine_close(&e);
}
END_TEST

/* Bad records are counted by reason, and a few of them are shown with their place. */
START_TEST(bad_records_are_counted_and_shown)
{
    engine e;
    engine_open(&e, JSON(""), "'g': { 'from': 'in', 'aggregate': { 'c': 'count()' } }", "g");
    engine_feed(&e, "in", "{'n':1}\nnot json\n{'n':'x'}\n{'n':2}\n{'n':1e999}\n[]\n{\n");
    e.fed[0].input.position = 100;
    ds_input inputs[] = {e.fed[0].input};
    engine_batch(&e);
    engine_rows(&e, "g", "[ { 'c': 2 } ]");
    uint64_t bad = 0;
    for (int i = 0; i < DS_BAD_REASONS; i++)
        bad += e.sum.bad[i];
    ck_assert_uint_eq(bad, 5);
    ck_assert_uint_eq(e.sum.rows_in + bad, 7);

    ds_task task = {.batch_ms = 1000, .stage = 0, .inputs = inputs, .n_inputs = 1};
    ds_task_result result;
    ds_arena *arena = ds_arena_new(NULL);
    ds_task_run(&e.env, &task, &e.scratch, arena, &result);
    ck_assert_int_eq(result.status, DS_OK);
    ck_assert_uint_eq(result.n_samples, DS_TASK_SAMPLES);
    ck_assert_str_eq(result.samples[0].where, "record 102");
    ck_assert_ptr_nonnull(strstr(result.samples[0].detail, ": not json"));
    ck_assert_str_eq(result.samples[1].where, "record 103");
    ds_arena_free(arena);
    engine_close(&e);
}
END_TEST

/* A long record is shown in part, and bytes that are no text are made text. */
START_TEST(samples_are_short_text)
{
    engine e;
    engine_open(&e, JSON(""), "", "in");
    char text[1000] = "\xff\xfe";
    memset(text + 2, 'x', sizeof text - 3);
    engine_feed(&e, "in", text);
    ds_input inputs[] = {e.fed[0].input};
    engine_batch(&e);
    ds_task task = {.batch_ms = 1000, .stage = 0, .inputs = inputs, .n_inputs = 1};
    ds_task_result result;
    ds_arena *arena = ds_arena_new(NULL);
    ds_task_run(&e.env, &task, &e.scratch, arena, &result);
    const char *detail = result.samples[0].detail;
    ck_assert_uint_lt(strlen(detail), 400);
    ck_assert_ptr_nonnull(strstr(detail, "\xEF\xBF\xBD\xEF\xBF\xBDxxx"));
    ck_assert_str_eq(detail + strlen(detail) - strlen(" …"), " …");
    ds_arena_free(arena);
    engine_close(&e);
}
END_TEST

START_TEST(bad_records_under_fail)
{
    engine e;
    engine_open(&e, JSON(", 'on_error': 'fail'"), "", "in");
    engine_feed(&e, "in", "{'n':1}\n{'n':2}");
    engine_batch(&e);
    engine_feed(&e, "in", "{'n':1}\nnonsense\n");
    ck_assert_int_eq(engine_try(&e), DS_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(e.message, "source in: bad record: record 2: "));
    ck_assert_ptr_nonnull(strstr(e.message, "nonsense"));
    engine_close(&e);
}
END_TEST

START_TEST(blocks_that_are_gone_or_wrong)
{
    engine e;
    engine_open(&e, JSON(""), "", "in");
    e.once = true;
    engine_add(&e, "in", (ds_input){.kind = DS_INPUT_BLOCK, .ref = {99, 0, 10}});
    ck_assert_int_eq(engine_try(&e), DS_ERR_LOST);
    ck_assert_ptr_nonnull(strstr(e.message, "executor 99"));
    engine_add(&e, "in", (ds_input){.kind = DS_INPUT_BLOCK, .ref = {ENGINE_ID, ENGINE_STORE, 10}});
    ck_assert_int_eq(engine_try(&e), DS_ERR_LOST);
    engine_add(&e, "in",
               (ds_input){.kind = DS_INPUT_BLOCK, .ref = {ENGINE_ID, 0, 10}, .header = 11});
    ck_assert_int_eq(engine_try(&e), DS_ERR_PROTOCOL);
    engine_add(&e, "in", (ds_input){.kind = DS_INPUT_PIECES, .ref = {ENGINE_ID, 0, 10}});
    ck_assert_int_eq(engine_try(&e), DS_ERR_PROTOCOL);
    engine_close(&e);
}
END_TEST

/* ---- files ---- */

START_TEST(pieces_of_files)
{
    engine e;
    scratch_dir d;
    scratch_open(&d);
    engine_open(&e, CSV, "", "in");
    const char *text = "s,other,n\na,x,1\nb,y,2\nc,z,3\n";
    scratch_write(&d, "a.csv", text);
    const char *path = ds_arena_strdup(e.p.app.app->arena, scratch_path(&d, "a.csv"));
    uint64_t length = strlen(text);
    feed_file(&e, path, 0, length);
    engine_batch(&e);
    engine_in_order(&e, "in",
                    "[ { 'n': 1, 's': 'a' }, { 'n': 2, 's': 'b' }, { 'n': 3, 's': 'c' } ]");
    /* Cut anywhere, each record is read once, with the header of the file. */
    for (uint64_t cut = 1; cut < length; cut++) {
        feed_file(&e, path, 0, cut);
        feed_file(&e, path, cut, length);
        engine_batch(&e);
        engine_in_order(&e, "in",
                        "[ { 'n': 1, 's': 'a' }, { 'n': 2, 's': 'b' }, { 'n': 3, 's': 'c' } ]");
        ck_assert_uint_eq(e.sum.rows_in, 3);
        for (int i = 0; i < DS_BAD_REASONS; i++)
            ck_assert_uint_eq(e.sum.bad[i], 0);
    }
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

START_TEST(a_header_that_lacks_a_column)
{
    engine e;
    scratch_dir d;
    scratch_open(&d);
    engine_open(&e, CSV, "", "in");
    scratch_write(&d, "good.csv", "n,s\n1,a\n");
    scratch_write(&d, "bad.csv", "n,x\n1,a\n2,b\n");
    ds_arena *arena = e.p.app.app->arena;
    e.block_bytes = 1000; /* both in one task */
    feed_file(&e, ds_arena_strdup(arena, scratch_path(&d, "bad.csv")), 0, 12);
    feed_file(&e, ds_arena_strdup(arena, scratch_path(&d, "good.csv")), 0, 8);
    engine_batch(&e);
    engine_in_order(&e, "in", "[ { 'n': 1, 's': 'a' } ]");
    ck_assert_uint_eq(e.sum.bad[DS_BAD_HEADER], 2);
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

/* A file that is gone is no error of the task; one that cannot be read is. */
START_TEST(files_that_are_gone)
{
    engine e;
    scratch_dir d;
    scratch_open(&d);
    engine_open(&e, "'in': { 'type': 'files', 'dir': 'unused' }", "", "in");
    ds_arena *arena = e.p.app.app->arena;
    scratch_write(&d, "there", "x\n");
    const char *gone = ds_arena_strdup(arena, scratch_path(&d, "gone"));
    const char *there = ds_arena_strdup(arena, scratch_path(&d, "there"));
    feed_file(&e, gone, 0, 10);
    feed_file(&e, there, 0, 2);
    ds_input inputs[] = {e.fed[0].input};
    engine_batch(&e);
    engine_rows(&e, "in", "[ { 'line': 'x' } ]");
    ds_task task = {.batch_ms = 1000, .stage = 0, .inputs = inputs, .n_inputs = 1};
    ds_task_result result;
    ds_arena *results = ds_arena_new(NULL);
    ds_task_run(&e.env, &task, &e.scratch, results, &result);
    ck_assert_int_eq(result.status, DS_OK);
    ck_assert_uint_eq(result.n_samples, 1);
    ck_assert_str_eq(result.samples[0].where, gone);
    ck_assert_str_eq(result.samples[0].detail, "the file vanished before it was read");
    ck_assert_uint_eq(result.lost_bytes, 10);
    ds_arena_free(results);
    feed_file(&e, ds_arena_strdup(arena, scratch_path(&d, "away/there")), 0, 10);
    ck_assert_int_eq(engine_try(&e), DS_ERR_IO); /* it is tried again */
    ck_assert_ptr_nonnull(strstr(e.message, "cannot open the folder"));
    feed_file(&e, there, 0, 100);
    ck_assert_int_eq(engine_try(&e), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.message, "has shrunk"));
    feed_file(&e, ds_arena_strdup(arena, d.path), 0, 100);
    ck_assert_int_eq(engine_try(&e), DS_ERR_IO);
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

/* ---- files that grow ---- */

#define TAIL "'in': { 'type': 'tail', 'path': 'unused' }"

/* The input for [from, to) of a file as it is now. */
static ds_input tail_input(engine *e, scratch_dir *d, const char *name, uint64_t from, uint64_t to)
{
    ds_input input = {.kind = DS_INPUT_TAIL, .from = from, .to = to, .position = from};
    input.path = ds_arena_strdup(e->p.app.app->arena, scratch_path(d, name));
    input.tail.number = 1;
    int fd = open(input.path, O_RDONLY);
    struct stat st;
    ck_assert_int_eq(fstat(fd, &st), 0);
    input.tail.id = (ds_file_id){.device = st.st_dev, .inode = st.st_ino};
    ck_assert(ds_head_read(fd, (uint64_t)st.st_size, &input.tail.id));
    close(fd);
    return input;
}

/* Runs one input by itself; what is said of it, or "". */
static const char *tail_run(engine *e, const ds_input *input, ds_task_result *result)
{
    static char said[400];
    ds_input inputs[] = {*input};
    ds_task task = {.batch_ms = 1000, .stage = 0, .inputs = inputs, .n_inputs = 1};
    ds_arena *arena = ds_arena_new(NULL);
    ds_task_run(&e->env, &task, &e->scratch, arena, result);
    ck_assert_int_eq(result->status, DS_OK);
    snprintf(said, sizeof said, "%s", result->n_samples > 0 ? result->samples[0].detail : "");
    ds_arena_free(arena);
    return said;
}

/* Writes a block to a log in the folder, and makes it an input. */
static ds_input logged_input(scratch_dir *d, const char *text, uint32_t header)
{
    ds_block_log *log = ds_block_log_new(d->path, 3, 1 << 20);
    ds_block block = {.block_id = 1, .length = strlen(text), .header = header};
    ds_error error;
    char name[DS_LOG_NAME];
    ck_assert_int_eq(ds_block_log_append(log, text, &block, &error), DS_OK);
    ds_block_log_free(log);
    ds_log_place_name(name, &block.log);
    return (ds_input){.kind = DS_INPUT_LOG,
                      .ref = {.length = block.length},
                      .from = 10,
                      .to = 12,
                      .position = 10,
                      .header = header,
                      .path = scratch_path(d, name),
                      .log = block.log};
}

START_TEST(blocks_of_the_log)
{
    engine e;
    scratch_dir d;
    scratch_open(&d);
    engine_open(&e,
                "'in': { 'type': 'socket', 'listen': '127.0.0.1:1', 'format': 'csv',"
                " 'header': true, 'schema': { 's': 'string', 'n': 'int' } }",
                "", "in");
    engine_add(&e, "in", logged_input(&d, "n,s\n1,a\nx,b\n2,c\n", 4));
    engine_batch(&e);
    engine_in_order(&e, "in", "[ { 's': 'a', 'n': 1 }, { 's': 'c', 'n': 2 } ]");
    ck_assert_uint_eq(e.sum.lost_bytes, 0);
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

/* Changes the last byte of a file. */
static void flip(scratch_dir *d, const char *name)
{
    FILE *file = fopen(scratch_path(d, name), "r+b");
    ck_assert_ptr_nonnull(file);
    fseek(file, -1, SEEK_END);
    fputc('?', file);
    fclose(file);
}

/* What is damaged or gone is counted and said; the rest of the batch goes on. */
START_TEST(blocks_that_the_log_has_no_more)
{
    engine e;
    scratch_dir d;
    ds_task_result result;
    scratch_open(&d);
    engine_open(&e, "'in': { 'type': 'stdin' }", "", "in");
    static const bool damaged[] = {true, false, false};
    static const char *const said_of[] = {"is damaged at byte", "is cut short", "is not there"};
    for (int i = 0; i < 3; i++) {
        ds_input input = logged_input(&d, "abc\ndef\n", 0);
        if (i == 0)
            flip(&d, strrchr(input.path, '/') + 1);
        if (i == 1)
            scratch_write(&d, strrchr(input.path, '/') + 1, "little");
        if (i == 2)
            remove(input.path);
        const char *said = tail_run(&e, &input, &result);
        ck_assert_ptr_nonnull(strstr(said, "2 received records are"));
        ck_assert_ptr_nonnull(strstr(said, said_of[i]));
        const ds_loss *loss = damaged[i] ? &result.damaged : &result.missing;
        ck_assert_uint_eq(loss->blocks, 1);
        ck_assert_uint_eq(loss->records, 2);
        ck_assert_uint_eq(loss->bytes, input.ref.length);
        ck_assert_uint_eq(result.damaged.blocks + result.missing.blocks, 1);
        ck_assert_uint_eq(result.lost_bytes, 0);
        ck_assert_uint_eq(result.rows_in, 0);
    }
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

START_TEST(pieces_of_files_that_grow)
{
    engine e;
    scratch_dir d;
    scratch_open(&d);
    engine_open(&e, TAIL, "", "in");
    scratch_write(&d, "log", "a\nbb\nccc\nd");
    engine_add(&e, "in", tail_input(&e, &d, "log", 0, 3));
    engine_add(&e, "in", tail_input(&e, &d, "log", 3, 9));
    engine_batch(&e);
    engine_in_order(&e, "in", "[ { 'line': 'a' }, { 'line': 'bb' }, { 'line': 'ccc' } ]");
    ds_input input = tail_input(&e, &d, "log", 5, 10);
    input.tail.starts = true;
    input.tail.stop = 10;
    FILE *more = fopen(input.path, "a"); /* it grows, and is renamed */
    fputs("ddd\n", more);
    fclose(more);
    rename(scratch_path(&d, "log"), scratch_path(&d, "log.1"));
    scratch_write(&d, "log", "another file\n");
    engine_add(&e, "in", input);
    engine_batch(&e);
    engine_in_order(&e, "in", "[ { 'line': 'ccc' }, { 'line': 'd' } ]");
    ck_assert_uint_eq(e.sum.lost_bytes, 0);
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

START_TEST(a_file_that_is_held_open_is_read_when_it_is_gone)
{
    engine e;
    scratch_dir d;
    scratch_open(&d);
    engine_open(&e, TAIL, "", "in");
    scratch_write(&d, "log", "a\nb\n");
    ds_input input = tail_input(&e, &d, "log", 0, 4);
    int fd = open(input.path, O_RDONLY);
    input.tail.pid = (uint32_t)getpid();
    input.tail.fd = (uint32_t)fd;
    unlink(input.path);
    scratch_write(&d, "log", "another file\n");
    engine_add(&e, "in", input);
    engine_batch(&e);
    engine_in_order(&e, "in", "[ { 'line': 'a' }, { 'line': 'b' } ]");
    close(fd); /* and then another file has that number */
    fd = open(scratch_path(&d, "log"), O_RDONLY);
    ds_task_result result;
    ck_assert_ptr_nonnull(
        strstr(tail_run(&e, &input, &result), "4 bytes were gone before they were read: "));
    ck_assert_uint_eq(result.lost_bytes, 4);
    ck_assert_uint_eq(result.rows_in, 0);
    close(fd);
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

/* Bytes of another file, or of another life of the same one, are never taken for those meant. */
START_TEST(a_file_that_is_not_what_it_was_is_lost)
{
    static const char *const now[] = {"", "a\n", "x\nb\nc\n", "A\nb\nc\nd\n", "a\nb\nx\n"};
    engine e;
    scratch_dir d;
    scratch_open(&d);
    engine_open(&e, TAIL, "", "in");
    for (size_t i = 0; i < sizeof now / sizeof *now; i++) {
        ds_task_result result;
        scratch_write(&d, "log", "a\nb\nc\n");
        ds_input input = tail_input(&e, &d, "log", 2, 6);
        scratch_write(&d, "log", now[i]); /* in place */
        ck_assert_str_ne(tail_run(&e, &input, &result), "");
        ck_assert_uint_eq(result.lost_bytes, 4);
        ck_assert_uint_eq(result.rows_in, 0);
    }
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

START_TEST(headers_of_files_that_grow)
{
    engine e;
    scratch_dir d;
    scratch_open(&d);
    engine_open(&e,
                "'in': { 'type': 'tail', 'path': 'unused', 'format': 'csv', 'header': true,"
                "        'schema': { 'n': 'int' } }",
                "", "in");
    scratch_write(&d, "log", "s,n\na,1\nb,2\n");
    engine_add(&e, "in", tail_input(&e, &d, "log", 0, 8));
    engine_add(&e, "in", tail_input(&e, &d, "log", 8, 12));
    engine_batch(&e);
    engine_in_order(&e, "in", "[ { 'n': 1 }, { 'n': 2 } ]");
    scratch_write(&d, "log", "x,y\nb,2\n");
    ds_input input = tail_input(&e, &d, "log", 4, 8);
    ds_task_result result;
    ck_assert_ptr_nonnull(strstr(tail_run(&e, &input, &result), "no column"));
    ck_assert_uint_eq(result.bad[DS_BAD_HEADER], 1);
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

/* ---- what cannot be read for a moment ---- */

#define UNREADABLE "/proc/self/mem" /* a regular file whose first bytes nobody can read */
static const char rows_in_memory[] = "\n1,a\n2,b\n";

/* One read error of a header does not make records bad for good. */
START_TEST(a_header_that_cannot_be_read_is_not_a_wrong_one)
{
    engine e;
    engine_open(&e,
                "'in': { 'type': 'files', 'dir': 'unused', 'format': 'csv', 'header': true,"
                "        'schema': { 'n': 'int' } }",
                "", "in");
    uint64_t at = (uint64_t)(uintptr_t)rows_in_memory + 1;
    feed_file(&e, UNREADABLE, at, at + strlen(rows_in_memory) - 1);
    ck_assert_int_eq(engine_try(&e), DS_ERR_IO);
    ck_assert_ptr_nonnull(
        strstr(e.message, "cannot read the header of " UNREADABLE ": Input/output error"));
    engine_close(&e);
}
END_TEST

START_TEST(a_file_that_grows_and_cannot_be_read_is_tried_again)
{
    engine e;
    engine_open(&e, TAIL, "", "in");
    int fd = open(UNREADABLE, O_RDONLY);
    struct stat st;
    ck_assert_int_eq(fstat(fd, &st), 0);
    ds_input input = {.kind = DS_INPUT_TAIL, .to = 4, .path = UNREADABLE};
    input.tail.id = (ds_file_id){st.st_dev, st.st_ino, 7, 3};
    engine_add(&e, "in", input);
    ck_assert_int_eq(engine_try(&e), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.message, "Input/output error"));
    close(fd);
    engine_close(&e);
}
END_TEST

START_TEST(a_file_that_grows_waits_for_its_folder)
{
    engine e;
    scratch_dir d;
    ds_task_result result;
    scratch_open(&d);
    engine_open(&e, TAIL, "", "in");
    mkdir(scratch_path(&d, "logs"), 0755);
    scratch_write(&d, "logs/log", "a\nb\n");
    ds_input input = tail_input(&e, &d, "logs/log", 0, 4);
    input.tail.awaited = true;
    rename(scratch_path(&d, "logs"), scratch_path(&d, "away"));
    engine_add(&e, "in", input);
    ck_assert_int_eq(engine_try(&e), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.message, "its folder is not there"));
    input.tail.awaited = false; /* it was long enough */
    ck_assert_ptr_nonnull(strstr(tail_run(&e, &input, &result), "4 bytes were gone"));
    ck_assert_uint_eq(result.lost_bytes, 4);
    rename(scratch_path(&d, "away"), scratch_path(&d, "logs"));
    ck_assert_str_eq(tail_run(&e, &input, &result), "");
    ck_assert_uint_eq(result.rows_in, 2);
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

/* A task of very many files leaves no buffer for each of them behind. */
START_TEST(many_small_files)
{
    engine e;
    scratch_dir d;
    scratch_open(&d);
    engine_open(&e, CSV, "'g': { 'from': 'in', 'aggregate': { 'c': 'count()', 'l': 'last(s)' } }",
                "g");
    scratch_write(&d, "a.csv", "n,s\n1,a text that is rather long\n");
    const char *path = ds_arena_strdup(e.p.app.app->arena, scratch_path(&d, "a.csv"));
    e.block_bytes = 1 << 20;
    for (int i = 0; i < ENGINE_FED; i++)
        feed_file(&e, path, 0, 33);
    engine_batch(&e);
    engine_rows(&e, "g", "[ { 'c': 64, 'l': 'a text that is rather long' } ]");
    ck_assert_uint_eq(e.n_tasks, 2);
    feed_file(&e, path, 0, 33);
    engine_batch(&e);
    ck_assert_uint_le(e.scratch.n_files, 16);
    scratch_close(&d);
    engine_close(&e);
}
END_TEST

/* ---- generator, lists ---- */

START_TEST(rows_of_the_generator)
{
    engine e;
    engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 4 }", "", "in");
    engine_add(&e, "in",
               (ds_input){.kind = DS_INPUT_RATE, .from = 10, .to = 13, .position = 2000000});
    engine_batch(&e);
    engine_in_order(&e, "in",
                    "[ { 'value': 10, 'timestamp': '1970-01-01T00:00:02Z' },"
                    "  { 'value': 11, 'timestamp': '1970-01-01T00:00:02.25Z' },"
                    "  { 'value': 12, 'timestamp': '1970-01-01T00:00:02.5Z' } ]");
    ck_assert_uint_eq(e.sum.rows_in, 3);
    engine_close(&e);
}
END_TEST

/* ---- nonsense and limits ---- */

START_TEST(tasks_that_mean_nothing)
{
    engine e;
    engine_open(&e, JSON(""), "'g': { 'from': 'in', 'group_by': ['n'] }", "g");
    ds_arena *arena = ds_arena_new(NULL);
    ds_task_result result;
    ds_task task = {.batch_ms = 1000, .stage = 99, .partition = 1, .attempt = 2};
    ds_task_run(&e.env, &task, &e.scratch, arena, &result);
    ck_assert_int_eq(result.status, DS_ERR_PROTOCOL);
    ck_assert_uint_eq(result.attempt, 2);
    task.stage = 1;
    task.partition = 3; /* it has three */
    ds_task_run(&e.env, &task, &e.scratch, arena, &result);
    ck_assert_int_eq(result.status, DS_ERR_PROTOCOL);
    task.partition = 2;
    ds_input input = {.kind = DS_INPUT_BLOCK, .ref = {ENGINE_ID, 0, 8}, .path = ""};
    task.inputs = &input;
    task.n_inputs = 1;
    ds_task_run(&e.env, &task, &e.scratch, arena, &result);
    ck_assert_int_eq(result.status, DS_ERR_PROTOCOL);
    task.stage = 0;
    task.n_inputs = 0; /* a map task without input has nothing to do */
    ds_task_run(&e.env, &task, &e.scratch, arena, &result);
    ck_assert_int_eq(result.status, DS_OK);
    ck_assert_uint_eq(result.n_outputs, 0);
    ds_arena_free(arena);
    engine_close(&e);
}
END_TEST

/* Each source has input of its own kinds. */
START_TEST(input_of_another_kind)
{
    static const uint8_t of_bytes[] = {DS_INPUT_RATE, DS_INPUT_QUEUE, DS_INPUT_PIECES};
    static const uint8_t of_rows[] = {DS_INPUT_BLOCK, DS_INPUT_FILE,   DS_INPUT_TAIL,
                                      DS_INPUT_QUEUE, DS_INPUT_PIECES, DS_INPUT_LOG};
    for (int rows = 0; rows < 2; rows++) {
        engine e;
        engine_open(&e, rows ? "'in': { 'type': 'rate', 'rows_per_second': 1 }" : JSON(""), "",
                    "in");
        for (size_t i = 0; i < (rows ? 5 : 3); i++) {
            ds_arena *arena = ds_arena_new(NULL);
            ds_input input = {.kind = rows ? of_rows[i] : of_bytes[i], .to = 1, .path = "x"};
            ds_task task = {.batch_ms = 1000, .inputs = &input, .n_inputs = 1};
            ds_task_result result;
            ds_task_run(&e.env, &task, &e.scratch, arena, &result);
            ck_assert_int_eq(result.status, DS_ERR_PROTOCOL);
            ds_arena_free(arena);
        }
        engine_close(&e);
    }
}
END_TEST

/* A budget that is too small fails the task between two chunks, and everything is given back. */
START_TEST(memory_has_a_limit)
{
    engine e;
    engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 1 }",
                "'g': { 'from': 'in', 'group_by': ['value'], 'aggregate': { 'c': 'count()' } }",
                "g");
    e.budget.limit_bytes = 4 << 20;
    engine_feed_rate(&e, "in", 0, 1000000);
    ck_assert_int_eq(engine_try(&e), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(e.message, "memory limit"));
    ck_assert_int_eq(e.budget.used_bytes, 0);
    ck_assert_int_lt(e.budget.peak_bytes, 16 << 20);
    engine_feed_rate(&e, "in", 0, 1000); /* the next one may fit */
    engine_batch(&e);
    ck_assert_uint_eq(engine_count_rows(&e, "g"), 1000);
    engine_close(&e);
}
END_TEST

UNIT_MAIN("task", blocks_of_records, bad_records_are_counted_and_shown, samples_are_short_text,
          bad_records_under_fail, blocks_that_are_gone_or_wrong, pieces_of_files,
          a_header_that_lacks_a_column, files_that_are_gone, blocks_of_the_log,
          blocks_that_the_log_has_no_more, pieces_of_files_that_grow,
          a_file_that_is_held_open_is_read_when_it_is_gone, a_file_that_is_not_what_it_was_is_lost,
          headers_of_files_that_grow, a_header_that_cannot_be_read_is_not_a_wrong_one,
          a_file_that_grows_and_cannot_be_read_is_tried_again,
          a_file_that_grows_waits_for_its_folder, many_small_files, rows_of_the_generator,
          tasks_that_mean_nothing, input_of_another_kind, memory_has_a_limit)
