/* What a checkpoint says of files that grow, written and read back. */
#include "checkpoint/journal.h"

#include "unit/plan_unit.h"

#include <xxhash.h>

#define APP                                                                                        \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"                                  \
    "'sources': { 't': { 'type': 'tail', 'path': 'log*' } },"                                      \
    "'sinks': { 'a': { 'from': 't', 'type': 'console' } } }"

typedef struct kit {
    planned p;
    ds_intake intake;
    ds_buffer text;
    ds_recovered *recovered;
} kit;

static void open_kit(kit *k)
{
    *k = (kit){.p = plan_whole(APP, NULL)};
    ck_assert_msg(k->p.plan != NULL, "%s", k->p.app.said.data);
    ds_intake_init(&k->intake, k->p.plan, 0);
}

static void close_kit(kit *k)
{
    ds_recovered_free(k->recovered);
    ds_intake_fini(&k->intake);
    ds_buffer_fini(&k->text);
    plan_close(&k->p);
}

static void write_whole(kit *k)
{
    ds_journal_state state = {.plan = k->p.plan,
                              .epoch = 5,
                              .zero_ms = 1000,
                              .last_ms = 1000,
                              .intakes = &k->intake,
                              .n_intakes = 1};
    ds_journal_whole(&k->text, &state);
}

static ds_status read_back(kit *k)
{
    ds_recovered_free(k->recovered);
    k->recovered = NULL;
    return ds_journal_read("7.jsonl", k->text.data, k->text.length, k->p.plan, &k->recovered, NULL);
}

/* Writes what a batch was given of the source. */
static void allot(kit *k, int64_t time_ms, uint64_t most)
{
    ds_batch *batch = ds_batch_new(k->p.plan, time_ms);
    ds_intake_allot(&k->intake, batch, 1000, most, &batch->allotments[batch->n_allotments++]);
    ds_journal_allotted(&k->text, k->p.plan, batch);
    ds_batch_free(batch);
}

static void see(kit *k, uint64_t number, const char *path, uint64_t inode, uint64_t complete,
                uint64_t size, bool final)
{
    ds_sighting s = {.number = number,
                     .path = path,
                     .id = {UINT64_MAX - 1, inode, UINT64_C(0xFEDCBA9876543210), 900},
                     .same_head = true,
                     .named = path[0] == 'l',
                     .size = size,
                     .complete = complete,
                     .pid = 1,
                     .fd = 2};
    const ds_sightings seen = {&s, 1, 0};
    ds_tail_files_see(&k->intake.tail, &seen, 1000000, final);
    k->intake.listed = true;
}

static const ds_tail_files *followed(const kit *k)
{
    ck_assert_uint_eq(k->recovered->n_sources, 1);
    return &k->recovered->sources[0].tail;
}

START_TEST(a_whole_record)
{
    kit k;
    open_kit(&k);
    see(&k, 0, "log", UINT64_MAX, 10, 12, false);
    see(&k, 0, "other \xff name", 77, 30, 35, true);
    ds_batch *batch = ds_batch_new(k.p.plan, 2000);
    ds_allotment *allotment = &batch->allotments[0];
    k.intake.most_bytes = 20; /* 12 of the first, and not all of the second */
    ds_intake_allot(&k.intake, batch, 1000, 100, allotment);
    ck_assert_uint_eq(allotment->n_inputs, 2);
    write_whole(&k);
    ck_assert_int_eq(read_back(&k), DS_OK);
    ck_assert(k.recovered->sources[0].listed);
    const ds_tail_files *tail = followed(&k);
    ck_assert_uint_eq(tail->n, 2);
    const ds_tail_file *a = &tail->files[0], *b = &tail->files[1];
    ck_assert_uint_eq(a->number, 1);
    ck_assert_str_eq(a->path, "log");
    ck_assert_uint_eq(a->id.device, UINT64_MAX - 1);
    ck_assert_uint_eq(a->id.inode, UINT64_MAX);
    ck_assert_uint_eq(a->id.head, UINT64_C(0xFEDCBA9876543210));
    ck_assert_uint_eq(a->id.head_bytes, 900);
    ck_assert(a->size == 12 && a->taken == 12 && a->stop == 0 && a->cut && !a->moved);
    ck_assert_str_eq(b->path, "other \xff name");
    ck_assert(b->size == 35 && b->taken == 8 && b->stop == 35 && !b->cut && b->moved);
    ds_batch_free(batch);
    close_kit(&k);
}
END_TEST

START_TEST(batches_move_positions_on)
{
    kit k;
    open_kit(&k);
    write_whole(&k);
    see(&k, 0, "log", 5, 10, 12, false);
    allot(&k, 2000, 4);
    ck_assert_int_eq(read_back(&k), DS_OK);
    ck_assert_uint_eq(followed(&k)->n, 1);
    const ds_tail_file *file = &followed(&k)->files[0];
    ck_assert(file->taken == 10 && !file->cut && file->stop == 0);
    ck_assert_str_eq(file->path, "log");
    ck_assert_uint_eq(file->id.inode, 5);
    const ds_recovered_batch *batch = &k.recovered->batches[0];
    ck_assert_uint_eq(batch->allotments[0].n_inputs, 3);
    const ds_input *input = &batch->allotments[0].inputs[2];
    ck_assert_int_eq(input->kind, DS_INPUT_TAIL);
    ck_assert(input->from == 8 && input->to == 10 && input->position == 8);
    ck_assert(input->tail.number == 1 && !input->tail.starts && input->tail.stop == 0);
    ck_assert(input->tail.pid == 0); /* its descriptor was another process's */
    ck_assert_uint_eq(input->tail.id.head_bytes, 900);
    ck_assert(batch->allotments[0].inputs[0].tail.starts);
    /* It was renamed, and its last line has no end. */
    see(&k, 1, "log.1", 5, 20, 25, true);
    allot(&k, 3000, 100);
    ck_assert_int_eq(read_back(&k), DS_OK);
    file = &followed(&k)->files[0];
    ck_assert(file->taken == 25 && file->cut && file->stop == 0);
    ck_assert_str_eq(file->path, "log.1");
    ck_assert_uint_eq(k.recovered->batches[1].allotments[0].inputs[0].tail.stop, 25);
    /* The same file, written anew. */
    see(&k, 1, "log.1", 5, 3, 3, false);
    allot(&k, 4000, 100);
    ck_assert_int_eq(read_back(&k), DS_OK);
    ck_assert_uint_eq(followed(&k)->n, 1);
    ck_assert_uint_eq(followed(&k)->files[0].number, 2);
    ck_assert_uint_eq(followed(&k)->files[0].taken, 3);
    ck_assert_uint_eq(followed(&k)->next_number, 3);
    close_kit(&k);
}
END_TEST

/* A part of a last line without an end was given, and the batch for the rest did not come. */
START_TEST(where_a_file_stops_is_known_again)
{
    kit k;
    open_kit(&k);
    write_whole(&k);
    see(&k, 0, "log", 5, 10, 30, true);
    k.intake.most_bytes = 15;
    allot(&k, 2000, 100);
    ck_assert_int_eq(read_back(&k), DS_OK);
    const ds_tail_file *file = &followed(&k)->files[0];
    ck_assert(file->taken == 15 && !file->cut && file->stop == 30);
    close_kit(&k);
}
END_TEST

/* Nothing in a journal is believed that cannot be. */
START_TEST(records_that_mean_nothing)
{
    static const char *const changes[][2] = {
        {"\"number\":1,", "\"number\":0,"},
        {"\"number\":1,", "\"number\":-1,"},
        {"\"head_bytes\":900", "\"head_bytes\":1025"},
        {"\"head\":\"fedc", "\"head\":\"zzzz"},
        {"\"inode\":5", "\"inode\":\"5\""},
        {"\"taken\":10", "\"taken\":-1"},
        {"\"path\":\"log\"", "\"path\":7"},
        {"\"bytes\":12", "\"bites\":12"},
        {"\"taken\":10", "\"stop\":10,\"taken\":10"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        kit k;
        open_kit(&k);
        see(&k, 0, "log", 5, 10, 12, false);
        ds_batch *batch = ds_batch_new(k.p.plan, 2000);
        ds_intake_allot(&k.intake, batch, 1000, 100, &batch->allotments[0]);
        write_whole(&k);
        ck_assert_int_eq(read_back(&k), DS_OK);
        const char *text = ds_buffer_text(&k.text), *at = strstr(text, changes[i][0]);
        ck_assert_msg(at != NULL, "%s in %s", changes[i][0], text);
        const char *end = strstr(text, ",\"check\"");
        ds_buffer changed = {0};
        ds_buffer_append(&changed, text, (size_t)(at - text));
        ds_buffer_append_text(&changed, changes[i][1]);
        ds_buffer_append(&changed, at + strlen(changes[i][0]),
                         (size_t)(end - at) - strlen(changes[i][0]));
        uint64_t check = XXH3_64bits(changed.data, changed.length);
        ds_buffer_printf(&changed, ",\"check\":\"%016llx\"}\n", (unsigned long long)check);
        ds_buffer_fini(&k.text);
        k.text = changed;
        ck_assert_msg(read_back(&k) == DS_ERR_IO, "%s", changes[i][1]);
        ds_batch_free(batch);
        close_kit(&k);
    }
}
END_TEST

UNIT_MAIN("journal_tail", a_whole_record, batches_move_positions_on,
          where_a_file_stops_is_known_again, records_that_mean_nothing)
