/* The checkpoint's journal: round trips, what a crash or a flipped bit leaves of it, refusals. */
#include "checkpoint/recovered_sources.h"

#include "unit/journal_kit.h"

#include <xxhash.h>

static void check_inputs(const journal_kit *k, uint32_t batch, uint32_t source,
                         const char *expected)
{
    ds_buffer text = {0};
    ck_assert_uint_lt(batch, k->recovered->n_batches);
    journal_inputs(&k->recovered->batches[batch], source, &text);
    ck_assert_str_eq(text.data, expected);
    ds_buffer_fini(&text);
}

/* ---- round trips ---- */

START_TEST(a_whole_record_without_batches)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    k.intakes[JOURNAL_Q].next = 7;
    k.intakes[JOURNAL_R].next = 4000000000000;
    k.intakes[JOURNAL_S].records = 12;
    ds_intake_taken(&k.intakes[JOURNAL_F], "b.log", 100, 40);
    ds_intake_taken(&k.intakes[JOURNAL_F], "a \"quoted\"", 5, 5);
    ds_intake_taken(&k.intakes[JOURNAL_F], "new", 9, 0); /* nothing was taken of it yet */
    ds_intake_taken(&k.intakes[JOURNAL_F], "unknown size", 0, 3);
    ds_intake_taken(&k.intakes[JOURNAL_F], "not \xff utf-8", 8, 8);
    k.last_ms = 5000;
    journal_whole(&k);
    ck_assert_int_eq(k.text.data[k.text.length - 1], '\n');
    ck_assert_ptr_eq(memchr(k.text.data, '\n', k.text.length), k.text.data + k.text.length - 1);
    journal_read(&k);
    const ds_recovered *r = k.recovered;
    ck_assert_str_eq(r->app, "x");
    ck_assert_uint_eq(r->plan_hash, k.plan->hash);
    ck_assert_uint_eq(r->epoch, UINT64_C(0x123456789ABCDEF0));
    ck_assert_uint_eq(r->key_partitions, k.plan->key_partitions);
    ck_assert_int_eq(r->zero_ms, 1000);
    ck_assert_int_eq(r->last_ms, 5000);
    ck_assert_uint_eq(r->n_batches, 0);
    ck_assert_ptr_null(r->warning);
    ck_assert_uint_eq(r->n_sources, 4);
    ck_assert_uint_eq(journal_source(&k, "q")->next, 7);
    ck_assert_uint_eq(journal_source(&k, "r")->next, 4000000000000);
    ck_assert_uint_eq(journal_source(&k, "s")->records, 12);
    const ds_recovered_source *f = journal_source(&k, "f");
    static const struct {
        const char *name;
        uint64_t size, taken;
    } files[] = {{"a \"quoted\"", 5, 5},
                 {"b.log", 100, 40},
                 {"not \xff utf-8", 8, 8},
                 {"unknown size", 0, 3}};
    ck_assert_uint_eq(f->n_files, 4);
    for (int i = 0; i < 4; i++) {
        ck_assert_str_eq(f->files[i].name, files[i].name);
        ck_assert_uint_eq(f->files[i].taken, files[i].taken);
        ck_assert(f->files[i].size == files[i].size || files[i].size == 0);
    }
    journal_close(&k);
}
END_TEST

START_TEST(batches_of_a_whole_record)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    ds_batch *one = journal_batch(&k, 2000);
    journal_file(one, "in/a", 0, 5);
    journal_file(one, "in/b", 7, 9);
    journal_allot(one, JOURNAL_R,
                  (ds_input){.kind = DS_INPUT_RATE, .from = 3, .to = 9, .position = 77});
    journal_commit(one, 2);
    one->state = DS_BATCH_PREPARED;
    ds_batch *two = journal_batch(&k, 3000);
    journal_allot(two, JOURNAL_Q, (ds_input){.kind = DS_INPUT_QUEUE, .from = 1});
    ds_batch *failed = journal_batch(&k, 4000);
    failed->state = DS_BATCH_FAILED;
    ds_batch *three = journal_batch(&k, 5000);
    journal_allot(three, JOURNAL_S,
                  (ds_input){.kind = DS_INPUT_BLOCK, .ref = {3, 64, 100}, .position = 5});
    journal_whole(&k);
    journal_read(&k);
    ck_assert_uint_eq(k.recovered->n_batches, 3);
    ck_assert_int_eq(k.recovered->last_ms, 5000);
    const ds_recovered_batch *b = k.recovered->batches;
    ck_assert_int_eq(b[0].time_ms, 2000);
    ck_assert(b[0].prepared && !b[1].prepared && !b[2].prepared);
    ck_assert(!b[0].has_blocks && !b[1].has_blocks && b[2].has_blocks);
    check_inputs(&k, 0, JOURNAL_F, "in/a 0-5; in/b 7-9");
    check_inputs(&k, 0, JOURNAL_R, "rate 3-9@77");
    check_inputs(&k, 1, JOURNAL_Q, "list 1");
    check_inputs(&k, 2, JOURNAL_S, "block");
    ck_assert_uint_eq(b[0].commit.n_files, 2);
    ck_assert_int_eq(b[0].commit.batch_ms, 2000);
    ck_assert(b[0].commit.again); /* it may have been begun */
    const ds_commit_file *file = &b[0].commit.files[1];
    ck_assert_str_eq(file->staged, "out/.dstream-x/2000-1");
    ck_assert_str_eq(file->folder, "out/2000");
    ck_assert_str_eq(file->name, "part-00001.json");
    ck_assert_uint_eq(file->length, 11);
    ck_assert_uint_eq(file->rows, 4);
    ck_assert_uint_eq(file->checksum, UINT64_C(0xFEDCBA9876543211));
    journal_close(&k);
}
END_TEST

/* Gives the batch a commit that adds two parts to one file, and one to another. */
static void add_appends(ds_batch *batch, uint64_t base)
{
    ds_commit_file *parts = DS_ARENA_ARRAY(batch->arena, ds_commit_file, 3);
    ds_commit_append *appends = DS_ARENA_ARRAY(batch->arena, ds_commit_append, 2);
    for (uint32_t i = 0; i < 3; i++)
        parts[i] = (ds_commit_file){
            .staged = i == 1 ? "\xFF" : "out/.log.dstream/x", .length = 20 + i, .checksum = i};
    appends[0] = (ds_commit_append){
        .path = "out/log", .base = {base, UINT64_MAX - 1}, .parts = parts, .n_parts = 2};
    appends[1] = (ds_commit_append){
        .path = "more\xFE", .base = {DS_APPEND_UNKNOWN, 0}, .parts = parts + 2, .n_parts = 1};
    batch->commit.appends = appends;
    batch->commit.n_appends = 2;
}

static void check_appends(const journal_kit *k, uint64_t base)
{
    const ds_commit *commit = &k->recovered->batches[0].commit;
    ck_assert_ptr_null(k->recovered->warning);
    ck_assert_uint_eq(commit->n_files, 1);
    ck_assert_uint_eq(commit->n_appends, 2);
    const ds_commit_append *one = &commit->appends[0], *two = &commit->appends[1];
    ck_assert_str_eq(one->path, "out/log");
    ck_assert_uint_eq(one->base.length, base);
    ck_assert_uint_eq(one->base.inode, UINT64_MAX - 1);
    ck_assert_uint_eq(one->n_parts, 2);
    ck_assert_str_eq(one->parts[0].staged, "out/.log.dstream/x");
    ck_assert_str_eq(one->parts[1].staged, "\xFF");
    ck_assert_uint_eq(one->parts[1].length, 21);
    ck_assert_uint_eq(one->parts[1].checksum, 1);
    ck_assert_str_eq(two->path, "more\xFE");
    ck_assert_uint_eq(two->base.length, DS_APPEND_UNKNOWN);
    ck_assert_uint_eq(two->n_parts, 1);
}

/* A file may turn out not to be as it was left: the batch is prepared once more, and that counts.
 */
START_TEST(appends_of_a_commit)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    journal_whole(&k);
    ds_batch *one = journal_batch(&k, 2000);
    journal_commit(one, 1);
    add_appends(one, 700);
    ds_journal_allotted(&k.text, k.plan, one);
    ds_journal_prepared(&k.text, 2000, &one->commit);
    journal_read(&k);
    check_appends(&k, 700);
    add_appends(one, 0);
    ds_journal_prepared(&k.text, 2000, &one->commit);
    journal_read(&k);
    check_appends(&k, 0);
    one->state = DS_BATCH_PREPARED;
    k.text.length = 0;
    journal_whole(&k);
    journal_read(&k);
    check_appends(&k, 0);
    journal_close(&k);
}
END_TEST

/* The steps of two batches, one after the other: what is left at each point. */
START_TEST(steps_of_batches)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    journal_whole(&k);
    ds_batch *one = journal_batch(&k, 2000), *two = journal_batch(&k, 3000);
    journal_file(one, "in/a", 0, 5);
    journal_allot(one, JOURNAL_Q, (ds_input){.kind = DS_INPUT_QUEUE, .from = 4});
    journal_file(two, "in/a", 5, 8);
    journal_file(two, "in/c", 0, 1);
    journal_allot(two, JOURNAL_R,
                  (ds_input){.kind = DS_INPUT_RATE, .from = 0, .to = 10, .position = 1});
    journal_commit(one, 1);
    journal_commit(two, 0);

    ds_journal_allotted(&k.text, k.plan, one);
    journal_read(&k);
    ck_assert_uint_eq(k.recovered->n_batches, 1);
    check_inputs(&k, 0, JOURNAL_F, "in/a 0-5");
    ck_assert_uint_eq(journal_source(&k, "f")->files[0].taken, 5);
    ck_assert_uint_eq(journal_source(&k, "q")->next, 5);

    ds_journal_allotted(&k.text, k.plan, two);
    ds_journal_prepared(&k.text, 2000, &one->commit);
    journal_read(&k);
    ck_assert_uint_eq(k.recovered->n_batches, 2);
    ck_assert(k.recovered->batches[0].prepared && !k.recovered->batches[1].prepared);
    ck_assert_uint_eq(k.recovered->batches[0].commit.n_files, 1);
    ck_assert_int_eq(k.recovered->last_ms, 3000);
    const ds_recovered_source *f = journal_source(&k, "f");
    ck_assert_uint_eq(f->n_files, 2);
    ck_assert_uint_eq(f->files[0].taken, 8);
    ck_assert_str_eq(f->files[1].name, "c"); /* by its name in the folder */
    ck_assert_uint_eq(journal_source(&k, "r")->next, 10);

    ds_journal_committed(&k.text, 2000, false);
    ds_journal_prepared(&k.text, 3000, &two->commit);
    journal_read(&k);
    ck_assert_uint_eq(k.recovered->n_batches, 1);
    ck_assert_int_eq(k.recovered->batches[0].time_ms, 3000);
    ck_assert(k.recovered->batches[0].prepared);
    ck_assert_uint_eq(k.recovered->batches[0].commit.n_files, 0);

    ds_journal_committed(&k.text, 2000, false); /* twice: no effect */
    char *text = ds_journal_describe(k.plan, two, "because \"so\"\n");
    ds_journal_failed(&k.text, text);
    journal_read(&k);
    ck_assert_uint_eq(k.recovered->n_batches, 0);
    ck_assert_uint_eq(k.recovered->failed.n, 1);
    ck_assert_str_eq(k.recovered->failed.texts[0], text);
    ck_assert_ptr_nonnull(strstr(text, "\"batch_ms\":3000,\"reason\":\"because"));
    free(text);
    ck_assert_int_eq(k.recovered->last_ms, 3000);
    ck_assert_ptr_null(k.recovered->warning);
    journal_close(&k);
}
END_TEST

/* ---- damage ---- */

/* Nothing writes it so; but what a save has is not applied once more. */
START_TEST(a_batch_is_retained_that_a_save_has)
{
    for (int64_t saved_ms = 1000; saved_ms <= 3000; saved_ms += 1000) {
        journal_kit k;
        journal_open(&k, JOURNAL_APP("x", ""));
        journal_whole(&k);
        ds_batch *batch = journal_batch(&k, 2000);
        journal_file(batch, "in/a", 0, 8);
        journal_commit(batch, 0);
        ds_journal_allotted(&k.text, k.plan, batch);
        ds_journal_prepared(&k.text, 2000, &batch->commit);
        const ds_chains chains = {.save = 1, .batch_ms = saved_ms};
        ds_journal_saved(&k.text, &chains, NULL, 0);
        ds_journal_committed(&k.text, 2000, true);
        journal_read(&k);
        ck_assert_uint_eq(k.recovered->n_batches, saved_ms < 2000);
        journal_close(&k);
    }
}
END_TEST

/* A journal of a whole record and some steps. */
static void open_some(journal_kit *k)
{
    journal_open(k, JOURNAL_APP("x", ""));
    ds_intake_taken(&k->intakes[JOURNAL_F], "old", 10, 10);
    journal_whole(k);
    for (int64_t t = 2000; t <= 4000; t += 1000) {
        ds_batch *batch = journal_batch(k, t);
        journal_file(batch, "in/a", (uint64_t)t, (uint64_t)t + 1000);
        journal_commit(batch, 1);
        ds_journal_allotted(&k->text, k->plan, batch);
        ds_journal_prepared(&k->text, t, &batch->commit);
        if (t < 4000)
            ds_journal_committed(&k->text, t, false);
    }
}

/* How many whole lines stand before a place. */
static int lines_before(const journal_kit *k, size_t place)
{
    int lines = 0;
    for (size_t i = 0; i < place; i++)
        lines += k->text.data[i] == '\n';
    return lines;
}

/* What the first n lines of that journal leave: batches under way, and the newest time. */
static void check_lines(const journal_kit *k, int n)
{
    static const struct {
        uint32_t n_batches;
        int64_t last_ms;
        bool prepared;
    } after[] = {{0, 0, false},    {0, 1000, false}, {1, 2000, false}, {1, 2000, true},
                 {0, 2000, false}, {1, 3000, false}, {1, 3000, true},  {0, 3000, false},
                 {1, 4000, false}, {1, 4000, true}};
    ck_assert_int_ge(n, 1);
    ck_assert_int_lt(n, (int)(sizeof after / sizeof *after));
    ck_assert_uint_eq(k->recovered->n_batches, after[n].n_batches);
    ck_assert_int_eq(k->recovered->last_ms, after[n].last_ms);
    if (after[n].n_batches > 0)
        ck_assert_int_eq(k->recovered->batches[0].prepared, after[n].prepared);
}

/* Cut off anywhere, as a crash amid a write does: the lines that are whole count. */
START_TEST(every_truncation)
{
    journal_kit k;
    open_some(&k);
    size_t length = k.text.length;
    for (size_t cut = 0; cut <= length; cut++) {
        /* A copy of exactly that size, so that reading behind it is noticed. */
        char *copy = ds_alloc(cut);
        memcpy(copy, k.text.data, cut);
        journal_read_bytes(&k, copy, cut);
        int lines = lines_before(&k, cut);
        /* A line that lacks nothing but its end is whole. */
        bool complete = cut > 0 && cut < length && k.text.data[cut] == '\n';
        if (lines + complete == 0) {
            ck_assert_int_eq(k.status, DS_ERR_IO);
            ck_assert_ptr_nonnull(strstr(k.error.message, "7.jsonl"));
        } else {
            ck_assert_int_eq(k.status, DS_OK);
            check_lines(&k, lines + complete);
            bool clean = complete || (cut > 0 && k.text.data[cut - 1] == '\n');
            ck_assert_int_eq(k.recovered->warning == NULL, clean);
        }
        free(copy);
    }
    journal_close(&k);
}
END_TEST

/* One bit is wrong anywhere. In the last line it may be what a crash left: that line does not
 * count. Before others it is damage. */
START_TEST(every_flipped_bit)
{
    journal_kit k;
    open_some(&k);
    const int all = lines_before(&k, k.text.length);
    for (size_t at = 0; at < k.text.length; at++) {
        char bit = (char)(1 << at % 8), was = k.text.data[at];
        int lines = lines_before(&k, at);
        k.text.data[at] ^= bit;
        journal_read_bytes(&k, k.text.data, k.text.length);
        int behind = lines + 1 + (was == '\n'); /* the first line that is not touched */
        if (lines == 0 || behind < all) {
            ck_assert_int_eq(k.status, DS_ERR_IO);
            ck_assert_ptr_nonnull(strstr(k.error.message, "7.jsonl"));
        } else {
            ck_assert_int_eq(k.status, DS_OK);
            /* Behind the last line nothing is missed by a changed end. */
            bool last = at == k.text.length - 1;
            check_lines(&k, lines);
            ck_assert(last || k.recovered->warning != NULL);
        }
        k.text.data[at] = was;
    }
    journal_close(&k);
}
END_TEST

/* Where a line begins. */
static char *line_at(journal_kit *k, int line)
{
    char *at = k->text.data;
    for (; line > 0; line--)
        at = strchr(at, '\n') + 1;
    return at;
}

/* Records that were not synced may be damaged by a crash while those behind them are whole. What is
 * behind a commit record was written when that was on the disk. */
START_TEST(what_tells_that_records_were_on_the_disk)
{
    enum { PREPARED = 5, COMMITTED = 6, ALLOTTED = 7, END = 8 };
    journal_kit k;
    open_some(&k);
    ds_buffer_append(&k.text, "", 1);
    k.text.length = (size_t)(line_at(&k, END) - k.text.data);
    *line_at(&k, COMMITTED) ^= 1; /* an allotment is behind it: that proves nothing */
    journal_read(&k);
    ck_assert_ptr_nonnull(k.recovered->warning);
    check_lines(&k, COMMITTED);
    *line_at(&k, COMMITTED) ^= 1;
    *line_at(&k, PREPARED) ^= 1; /* its batch is committed */
    journal_read_bytes(&k, k.text.data, k.text.length);
    ck_assert_int_eq(k.status, DS_ERR_IO);
    *line_at(&k, COMMITTED) ^= 1; /* that cannot be read either */
    journal_read(&k);
    check_lines(&k, PREPARED);
    journal_close(&k);
}
END_TEST

/* Appends a line with a checksum of its own. */
static void add_line(journal_kit *k, const char *text)
{
    char *json = unit_quoted(text);
    size_t body = strlen(json) - 1;
    ck_assert_int_eq(json[body], '}');
    ds_buffer_append(&k->text, json, body);
    ds_buffer_printf(&k->text, ",\"check\":\"%016llx\"}\n",
                     (unsigned long long)XXH3_64bits(json, body));
    free(json);
}

#define WHOLE                                                                                      \
    "{'record':'whole','format':1,'app':'x','plan_hash':'0000000000000001',"                       \
    "'epoch':'0000000000000002','key_partitions':4,'zero_ms':1000,'last_batch_ms':1000"

/* No crash leaves such a line: it is not taken for the end of the journal. */
static void check_no_good(journal_kit *k, const char *line)
{
    journal_read_bytes(k, k->text.data, k->text.length);
    ck_assert_msg(k->status == DS_ERR_IO, "%s", line);
    ck_assert_msg(strstr(k->error.message, "is not what it should be") != NULL, "%s",
                  k->error.message);
}

/* Lines whose checksum holds, and that no driver of ours writes. */
START_TEST(lines_that_mean_nothing)
{
    static const char *const lines[] = {
        "{'x':1}",
        "{'record':7,'batch_ms':2000}",
        "{'record':'unheard of','batch_ms':2000}",
        "{'record':'allotted'}",
        "{'record':'allotted','batch_ms':-5}",
        "{'record':'allotted','batch_ms':'2000'}",
        "{'record':'allotted','batch_ms':2000,'sources':{'f':[{'file':7,'from':0,'to':1}]}}",
        "{'record':'allotted','batch_ms':2000,'sources':{'f':[{'file':'a','from':5,'to':1}]}}",
        "{'record':'allotted','batch_ms':2000,'sources':{'f':[{'file':'a','to':1}]}}",
        "{'record':'allotted','batch_ms':2000,'sources':{'f':[7]}}",
        "{'record':'allotted','batch_ms':2000,'sources':{'r':[{'first_row':5,'end_row':1,'time_us':"
        "1}]}}",
        "{'record':'allotted','batch_ms':2000,'sources':{'q':[{'list':1.5}]}}",
        "{'record':'allotted','batch_ms':2000,'sources':{'f':[{}]}}",
        "{'record':'prepared','batch_ms':2000,'files':[]}", /* no such batch */
        "{'record':'committed'}",
        "{'record':'committed','batch_ms':2000,'batch_ms':2000}",
        "{'record':'whole','batch_ms':2000}",
        "{'record':'allotted','batch_ms':9223372036854775807}",
        "{'record':'allotted','batch_ms':2000,'sources':{'q':[{'list':9223372036854775807}]}}",
        "{'record':'allotted','batch_ms':2000,'sources':{'f':[{'file':{'hex':'4'},'from':0,'to':"
        "1}]}}",
        "{'record':'allotted','batch_ms':2000,'sources':{'f':[{'file':{'hex':'-1'},'from':0,'to':"
        "1}]}}",
        "{'record':'saved','save':1,'batch_ms':1000,'streams':[{}]}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        journal_kit k;
        journal_open(&k, JOURNAL_APP("x", ""));
        add_line(&k, WHOLE "}");
        add_line(&k, lines[i]);
        check_no_good(&k, lines[i]);
        add_line(&k, "{'record':'committed','batch_ms':3000}");
        check_no_good(&k, lines[i]);
        journal_close(&k);
    }
}
END_TEST

START_TEST(prepared_records_that_mean_nothing)
{
    static const char *const files[] = {
        "",
        ",'files':7",
        ",'files':[7]",
        ",'files':[{'staged':'a','folder':'b','name':'c','bytes':1}]",
        ",'files':[{'staged':'a','folder':'b','name':'c','bytes':1,'rows':1,'checksum':'12'}]",
        ",'files':[{'staged':'a','folder':7,'name':'c','bytes':1,'rows':1,"
        "'checksum':'0123456789abcdef'}]",
        ",'files':[],'appends':[7]",
        ",'files':[],'appends':[{'path':'a','base':1,'inode':1}]",
        ",'files':[],'appends':[{'path':'a','base':1,'parts':[{'staged':'a','bytes':1,'rows':1,"
        "'checksum':'0123456789abcdef'}]}]",
        ",'files':[],'appends':[{'path':'a','base':1,'parts':[]}]",
        ",'files':[],'appends':[{'path':'a','base':-1,'parts':[{'staged':'a','bytes':1,'rows':1,"
        "'checksum':'0123456789abcdef'}]}]",
        ",'files':[],'appends':[{'path':7,'parts':[{'staged':'a','bytes':1,'rows':1,"
        "'checksum':'0123456789abcdef'}]}]",
        ",'files':[],'appends':[{'path':'a','parts':[{'staged':'a','bytes':1,'rows':1}]}]",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        journal_kit k;
        char line[300];
        journal_open(&k, JOURNAL_APP("x", ""));
        add_line(&k, WHOLE "}");
        add_line(&k, "{'record':'allotted','batch_ms':2000,'sources':{}}");
        snprintf(line, sizeof line, "{'record':'prepared','batch_ms':2000%s}", files[i]);
        add_line(&k, line);
        check_no_good(&k, files[i]);
        journal_close(&k);
    }
}
END_TEST

START_TEST(whole_records_that_mean_nothing)
{
    static const char *const lines[] = {
        "{'record':'whole'}",
        "{'format':1}",
        WHOLE ",'batches':[{}]}",
        WHOLE ",'batches':[{'batch_ms':2000},{'batch_ms':2000}]}",
        WHOLE ",'sources':{'f':{'files':[{'name':'a','bytes':1}]}}}",
        WHOLE ",'sources':{'f':{'files':[{'name':7,'bytes':1,'taken':1}]}}}",
        "{'record':'whole','format':1,'app':'x','plan_hash':'0000000000000001',"
        "'epoch':'0000000000000002','key_partitions':0,'zero_ms':1000,'last_batch_ms':1000}",
        "[]}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        journal_kit k;
        journal_open(&k, JOURNAL_APP("x", ""));
        add_line(&k, lines[i]);
        journal_read_bytes(&k, k.text.data, k.text.length);
        ck_assert_msg(k.status != DS_OK, "%s", lines[i]);
        journal_close(&k);
    }
}
END_TEST

/* Written by a later version: that is no damage, and nothing older may be used in its place. */
START_TEST(an_unknown_format)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    add_line(&k, "{'record':'whole','format':3,'anything':[]}");
    journal_read_bytes(&k, k.text.data, k.text.length);
    ck_assert_int_eq(k.status, DS_ERR_APP);
    ck_assert_str_eq(k.error.message, "7.jsonl: format 3 of the checkpoint is not known here (this "
                                      "version reads format 2)");
    journal_close(&k);
}
END_TEST

START_TEST(sources_that_are_gone)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    add_line(&k, WHOLE ",'sources':{'gone':{'next':5},'q':{'next':6}},'batches':"
                       "[{'batch_ms':2000,'sources':{'gone':[{'list':1}],'q':[{'list':5}]}}]}");
    add_line(&k, "{'record':'allotted','batch_ms':3000,'sources':{'gone':[{'list':2}]}}");
    journal_read(&k);
    ck_assert_ptr_null(k.recovered->warning);
    ck_assert_uint_eq(k.recovered->n_batches, 2);
    ck_assert_uint_eq(k.recovered->batches[0].n_allotments, 1);
    ck_assert_uint_eq(k.recovered->batches[1].n_allotments, 0);
    ck_assert_uint_eq(journal_source(&k, "q")->next, 6);
    journal_close(&k);
}
END_TEST

/* What one of another type gave, and where it was, is not for it. */
START_TEST(sources_of_another_type)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    add_line(&k, WHOLE ",'sources':{'q':{'type':'rate','next':6},'f':{'type':'files'}},'batches':"
                       "[{'batch_ms':2000,'sources':{'q':[{'first_row':0,'end_row':6,'time_us':0},"
                       "{'list':5}],'f':[{'list':1},{'executor':1,'length':2,'first_record':0,"
                       "'records':1}]}}]}");
    journal_read(&k);
    ck_assert_ptr_null(k.recovered->warning);
    const ds_recovered_batch *batch = &k.recovered->batches[0];
    for (uint32_t i = 0; i < batch->n_allotments; i++) {
        const ds_allotment *allotment = &batch->allotments[i];
        ck_assert_uint_eq(allotment->n_inputs, allotment->source == JOURNAL_Q);
    }
    ck_assert(!batch->has_blocks);
    const ds_app_source *sources = k.plan->app->sources;
    ck_assert(!ds_recovered_fits(journal_source(&k, "q"), &sources[JOURNAL_Q]));
    ck_assert(ds_recovered_fits(journal_source(&k, "f"), &sources[JOURNAL_F]));
    const ds_recovered_source unknown = {.name = "q"}, received = {.name = "s", .type = "stdin"};
    ck_assert(ds_recovered_fits(&unknown, &sources[JOURNAL_Q]));
    ck_assert(ds_recovered_fits(&received, &sources[JOURNAL_S]));
    ck_assert(!ds_recovered_fits(&received, &sources[JOURNAL_F]));
    journal_close(&k);
}
END_TEST

static void add_told(void *arg, const char *text)
{
    ds_buffer_append_text(arg, text);
    ds_buffer_append_char(arg, '\n');
}

START_TEST(sources_that_begin_anew_are_told)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    add_line(&k, WHOLE ",'sources':{'q':{'type':'rate','next':6},'gone':{'type':'tail'},"
                       "'f':{'type':'files'},'r':{'next':5},'table':{'type':'table'}}}");
    journal_read(&k);
    ds_buffer told = {0};
    ds_recovered_tell_sources(k.recovered, k.plan, add_told, &told);
    const char *text = ds_buffer_text(&told);
    ck_assert_ptr_nonnull(strstr(text, "source q: it was of type rate, and now is of type queue"));
    ck_assert_ptr_nonnull(strstr(text, "source gone: the app has it no more"));
    ck_assert_ptr_nonnull(strstr(text, "source s: the checkpoint does not know it"));
    ck_assert_ptr_null(strstr(text, "source f:"));
    ck_assert_ptr_null(strstr(text, "source r:"));
    ck_assert_ptr_null(strstr(text, "table"));
    ds_buffer_fini(&told);
    journal_close(&k);
}
END_TEST

/* A path that fits into no message. */
START_TEST(a_path_that_is_too_long)
{
    journal_kit k;
    char line[DS_MESSAGE_TEXT_LIMIT + 200], path[DS_MESSAGE_TEXT_LIMIT + 2] = "";
    for (size_t length = DS_MESSAGE_TEXT_LIMIT; length < sizeof path; length++) {
        memset(path, 'a', length);
        snprintf(line, sizeof line,
                 "{'record':'allotted','batch_ms':2000,'sources':{'f':[{'file':'%s','from':0,"
                 "'to':1}]}}",
                 path);
        journal_open(&k, JOURNAL_APP("x", ""));
        add_line(&k, WHOLE "}");
        add_line(&k, line);
        if (length <= DS_MESSAGE_TEXT_LIMIT)
            journal_read(&k);
        else
            check_no_good(&k, path);
        journal_close(&k);
    }
}
END_TEST

/* What is said of a table that is none is of something that is gone. */
START_TEST(tables_that_are_none)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    add_line(&k, WHOLE "}");
    add_line(&k, "{'record':'allotted','batch_ms':2000,'tables':{'f':{'version':1},'gone':{}}}");
    journal_read(&k);
    ck_assert_uint_eq(k.recovered->batches[0].n_tables, 0);
    journal_close(&k);
}
END_TEST

/* A long journal is read in linear time. */
START_TEST(a_long_journal)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    journal_whole(&k);
    const int n = 60000;
    for (int i = 0; i < n; i += 10) {
        ds_batch *batch = ds_batch_new(k.plan, 2000 + i * 100);
        for (int f = i; f < i + 10; f++) {
            char path[32];
            snprintf(path, sizeof path, "in/file-%06d", f);
            journal_file(batch, ds_arena_strdup(batch->arena, path), 0, 5);
        }
        ds_journal_allotted(&k.text, k.plan, batch);
        ds_journal_committed(&k.text, batch->time_ms, false);
        ds_batch_free(batch);
    }
    journal_read(&k);
    const ds_recovered_source *f = journal_source(&k, "f");
    ck_assert_uint_eq(f->n_files, (size_t)n);
    ck_assert_str_eq(f->files[n - 1].name, "file-059999");
    journal_close(&k);
}
END_TEST

/* ---- going on ---- */

static void check_refusal(journal_kit *k, const char *app, const char *why)
{
    planned other = plan_whole(app, NULL);
    ck_assert_msg(other.plan != NULL, "%s", other.app.said.data);
    ds_error error = {.message = ""};
    ds_status status = ds_recovered_check(k->recovered, other.plan, "state", &error);
    if (why == NULL) {
        ck_assert_msg(status == DS_OK, "%s", error.message);
    } else {
        ck_assert_int_eq(status, DS_ERR_APP);
        ck_assert_ptr_nonnull(strstr(error.message, "cannot go on from the checkpoint in state: "));
        ck_assert_msg(strstr(error.message, why) != NULL, "%s", error.message);
        ck_assert_ptr_nonnull(strstr(error.message, "It was left as it is."));
    }
    plan_close(&other);
}

START_TEST(what_fits_and_what_does_not)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    journal_batch(&k, 2000);
    journal_whole(&k);
    journal_read(&k);
    check_refusal(&k, JOURNAL_APP("x", ""), NULL);
    /* An app that changed may go on, if it is the same by name. */
    check_refusal(&k, JOURNAL_APP("x", ", 'streams': { 'n': { 'from': 'f' } }"), NULL);
    check_refusal(&k, JOURNAL_APP("y", ""), "it belongs to the app \"x\"");
    check_refusal(&k, JOURNAL_APP("x", ", 'executors': { 'key_partitions': 99 }"),
                  "it has 8 key partitions, fixed at the first start, and the app file says 99");
    check_refusal(&k, JOURNAL_APP("x", ", 'executors': { 'key_partitions': 8 }"), NULL);
    journal_close(&k);
}
END_TEST

#define BLOCKS(newest)                                                                             \
    ",'sources':{'s':{'records':9" newest "}},'batches':[{'batch_ms':2000,'sources':{'s':[{"       \
    "'log':'0000000003-000001.log','log_offset':100,'length':9,'first_record':0,'records':1}]}}]}"

/* A checkpoint whose records hold one by one, and not together. */
START_TEST(records_that_do_not_fit_together)
{
    static const char *const rest[] = {
        ",'batches':[{'batch_ms':500}]}",                    /* before the first one */
        ",'batches':[{'batch_ms':2500}]}",                   /* at no batch time */
        ",'batches':[{'batch_ms':3000},{'batch_ms':2000}]}", /* in another order */
        ",'last_input_ms':2000}",                            /* later than all */
        ",'kept':{'save':1,'batch_ms':2000,'streams':[]}}",  /* of no batch */
        ",'batches':[{'batch_ms':2000},{'batch_ms':3000,'committed':true}]}",
        ",'batches':[{'batch_ms':2000}],'kept':{'save':1,'batch_ms':2000,'streams':[]}}",
        BLOCKS(",'log':'0000000003-000001.log','log_offset':99"), /* not given to any */
        BLOCKS(""),
    };
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        journal_kit k;
        ds_buffer line = {0};
        journal_open(&k, JOURNAL_APP("x", ""));
        ds_buffer_printf(&line, "%s%s", WHOLE, rest[i]);
        add_line(&k, ds_buffer_text(&line));
        journal_read(&k);
        check_refusal(&k, JOURNAL_APP("x", ""), "its metadata is damaged: ");
        ds_buffer_fini(&line);
        journal_close(&k);
    }
}
END_TEST

START_TEST(received_records_are_gone)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    ds_batch *batch = journal_batch(&k, 2000);
    const ds_input block = {.kind = DS_INPUT_BLOCK, .ref = {1, 0, 9}, .from = 3, .to = 7};
    journal_allot(batch, JOURNAL_S, block);
    journal_whole(&k);
    journal_read(&k);
    check_refusal(&k, JOURNAL_APP("x", ""), NULL); /* it runs without them */
    ds_loss loss = ds_recovered_unlogged(k.recovered, k.plan, JOURNAL_S);
    ck_assert_uint_eq(loss.blocks, 1);
    ck_assert_uint_eq(loss.records, 4);
    ck_assert_uint_eq(loss.bytes, 9);
    ck_assert_uint_eq(ds_recovered_unlogged(k.recovered, k.plan, JOURNAL_F).blocks, 0);
    k.text.length = 0;
    journal_commit(batch, 1);
    batch->state = DS_BATCH_PREPARED; /* its outputs only have to be put in place */
    journal_whole(&k);
    journal_read(&k);
    check_refusal(&k, JOURNAL_APP("x", ""), NULL);
    ck_assert_uint_eq(ds_recovered_unlogged(k.recovered, k.plan, JOURNAL_S).blocks, 0);
    journal_close(&k);
}
END_TEST

UNIT_MAIN("journal", a_batch_is_retained_that_a_save_has, a_whole_record_without_batches,
          batches_of_a_whole_record, steps_of_batches, every_truncation, every_flipped_bit,
          what_tells_that_records_were_on_the_disk, lines_that_mean_nothing,
          prepared_records_that_mean_nothing, appends_of_a_commit, whole_records_that_mean_nothing,
          an_unknown_format, sources_that_are_gone, sources_of_another_type,
          sources_that_begin_anew_are_told, tables_that_are_none, a_path_that_is_too_long,
          a_long_journal, what_fits_and_what_does_not, records_that_do_not_fit_together,
          received_records_are_gone)
