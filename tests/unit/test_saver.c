/* Writing what was collected: places, checksums, groups, failures; and the thread that does it. */
#include "exec/saver.h"

#include "base/buffer.h"
#include "unit/scratch_dir.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <xxhash.h>

#define EPOCH 0xabcU
#define ID 9u

typedef struct kit {
    scratch_dir d;
    ds_spill *spill;
    ds_store *store;
    ds_saved_ranges *ranges;
    ds_save_writer *writer;
    ds_budget budget;
    char folder[600];
} kit;

static void kit_open(kit *k)
{
    ds_error error;
    scratch_open(&k->d);
    k->spill = NULL;
    ck_assert_int_eq(ds_store_new(1 << 20, &k->store, &error), DS_OK);
    k->ranges = ds_saved_ranges_new(k->store);
    const ds_save_target target = {k->store, k->ranges, true, false, NULL};
    k->writer = ds_save_writer_new(&target);
    ds_budget_init(&k->budget, NULL, 1 << 20);
    snprintf(k->folder, sizeof k->folder, "%s/state/kept", k->d.path);
}

static void kit_close(kit *k)
{
    ck_assert_int_eq(k->budget.used_bytes, 0);
    ds_save_writer_free(k->writer);
    ds_saved_ranges_clear(k->ranges);
    ck_assert_uint_eq(ds_store_used(k->store), 0);
    ds_saved_ranges_free(k->ranges);
    ds_store_free(k->store);
    scratch_close(&k->d);
}

static ds_status add(ds_collected *c, uint32_t partition, uint32_t input, const char *bytes,
                     size_t length)
{
    const ds_saved_part part = {
        .stage = 2, .partition = partition, .input = input, .batch_ms = 5000, .whole = true};
    ds_save_to to;
    ds_error error;
    ds_collected_add(c, &part, &to);
    for (size_t at = 0; at < length; at += 7)
        DS_TRY(to.write(to.arg, bytes + at, length - at < 7 ? length - at : 7, &error));
    return DS_OK;
}

static ds_collected *new_for(kit *k, const char *folder, uint64_t save, uint32_t most_parts)
{
    const ds_save_order order = {EPOCH, ID, 1, save, folder};
    const ds_collected_room room = {.budget = &k->budget};
    return ds_collected_new(&order, most_parts, &room);
}

static ds_collected *collect(kit *k, const char *folder, uint64_t save, const char *text)
{
    ds_collected *c = new_for(k, folder, save, 1);
    ck_assert_int_eq(add(c, 3, 0, text, strlen(text)), DS_OK);
    return c;
}

static void write_list(kit *k, ds_collected *list)
{
    ds_save_writer_write(k->writer, list);
}

/* The bytes of a part in its file are these. */
static void check_part(const ds_saved_part *part, const char *name, const char *text)
{
    char bytes[64];
    const char *slash = strrchr(part->path, '/');
    ck_assert_ptr_nonnull(slash);
    ck_assert_str_eq(slash + 1, name);
    ck_assert_uint_eq(part->length, strlen(text));
    ck_assert_uint_lt(part->length, sizeof bytes);
    FILE *file = fopen(part->path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, (long)part->offset, SEEK_SET), 0);
    ck_assert_uint_eq(fread(bytes, 1, part->length, file), part->length);
    fclose(file);
    ck_assert_mem_eq(bytes, text, part->length);
    ck_assert_uint_eq(part->checksum, XXH3_64bits(text, strlen(text)));
    ck_assert(part->whole && part->batch_ms == 5000 && part->stage == 2);
    ck_assert_uint_eq(part->ref.length, 0);
}

/* ---- files ---- */

START_TEST(a_group_goes_to_one_file)
{
    kit k;
    kit_open(&k);
    ds_collected *a = new_for(&k, k.folder, 7, 3);
    ck_assert_int_eq(add(a, 0, 0, "first", 5), DS_OK);
    ck_assert_int_eq(add(a, 0, 1, "", 0), DS_OK); /* nothing changed there */
    ck_assert_int_eq(add(a, 0, 2, "the second one", 14), DS_OK);
    ds_collected *b = collect(&k, k.folder, 7, "another");
    a->next = b;
    ck_assert_int_gt(k.budget.used_bytes, 3 * 1024);
    write_list(&k, a);
    ck_assert_int_eq(k.budget.used_bytes, 0);
    ck_assert_uint_eq(a->saved.status, DS_OK);
    ck_assert_uint_eq(a->saved.save, 7);
    ck_assert_uint_eq(a->saved.n_parts, 3);
    check_part(&a->saved.parts[0], "7-abc-9.kept", "first");
    check_part(&a->saved.parts[2], "7-abc-9.kept", "the second one");
    check_part(&b->saved.parts[0], "7-abc-9.kept", "another");
    const ds_saved_part *empty = &a->saved.parts[1];
    ck_assert_str_eq(empty->path, "");
    ck_assert(empty->length == 0 && empty->input == 1 && empty->batch_ms == 5000);
    ds_collected *c = collect(&k, k.folder, 7, "later"); /* behind what is there */
    write_list(&k, c);
    check_part(&c->saved.parts[0], "7-abc-9.kept", "later");
    check_part(&a->saved.parts[0], "7-abc-9.kept", "first");
    ck_assert_int_eq(scratch_entries(&k.d, "state/kept"), 1);
    ds_collected_free(a);
    ds_collected_free(b);
    ds_collected_free(c);
    kit_close(&k);
}
END_TEST

/* Two frames, one of bytes that may be taken. */
static void save_frames(const ds_save_to *to, ds_budget *kept)
{
    ds_saver *saver;
    char *rows = ds_budget_alloc(kept, 5000), *few = ds_budget_alloc(kept, 100);
    memset(rows, 'r', 5000);
    memset(few, 'f', 100);
    ck_assert_int_eq(ds_saver_new(to, 1, &saver, NULL), DS_OK);
    ck_assert_int_eq(ds_saver_give(saver, 1, few, 100, kept, NULL), DS_OK);
    ck_assert_int_eq(ds_saver_give(saver, 2, rows, 5000, kept, NULL), DS_OK);
    ck_assert_int_eq(ds_saver_end(saver, NULL), DS_OK);
    ds_saver_free(saver);
}

static ds_status take_in(void *arg, const void *bytes, size_t length, ds_error *error)
{
    ds_buffer *buffer = arg;
    (void)error;
    ds_buffer_append(buffer, bytes, length);
    return DS_OK;
}

/* What is taken stays charged where it was, and is written as if it had been copied. */
START_TEST(bytes_are_taken_over)
{
    kit k;
    kit_open(&k);
    ds_budget kept;
    ds_buffer expected = {.length = 0}, found = {.length = 0};
    ds_budget_init(&kept, NULL, 0);
    save_frames(&(ds_save_to){.arg = &expected, .write = take_in}, &kept);
    ck_assert_int_eq(kept.used_bytes, 0);
    for (int round = 0; round < 2; round++) { /* once to the file, once to the store */
        ds_collected *c = new_for(&k, round == 0 ? k.folder : "", (uint64_t)round + 1, 1);
        const ds_saved_part part = {.stage = 2, .batch_ms = 5000};
        ds_save_to to;
        ds_collected_add(c, &part, &to);
        save_frames(&to, &kept);
        ck_assert_int_eq(kept.used_bytes, 5000);
        ck_assert_int_lt(k.budget.used_bytes, 4000);
        const ds_save_to back = {.arg = &found, .write = take_in};
        found.length = 0;
        ck_assert_int_eq(ds_collected_read(c, 0, &back, NULL), DS_OK);
        ck_assert_uint_eq(found.length, expected.length);
        ck_assert_mem_eq(found.data, expected.data, expected.length);
        write_list(&k, c);
        ck_assert_int_eq(kept.used_bytes, 0);
        ck_assert_uint_eq(c->saved.status, DS_OK);
        ck_assert_uint_eq(c->saved.parts[0].length, expected.length);
        ck_assert_uint_eq(c->saved.parts[0].checksum, XXH3_64bits(expected.data, expected.length));
        ds_collected_free(c);
    }
    ds_buffer_fini(&expected);
    ds_buffer_fini(&found);
    kit_close(&k);
}
END_TEST

START_TEST(each_save_has_its_file)
{
    kit k;
    kit_open(&k);
    ds_collected *list[] = {collect(&k, k.folder, 7, "seven"), collect(&k, k.folder, 8, "eight"),
                            collect(&k, k.folder, 7, "late")};
    list[0]->next = list[1];
    list[1]->next = list[2];
    write_list(&k, list[0]);
    check_part(&list[0]->saved.parts[0], "7-abc-9.kept", "seven");
    check_part(&list[1]->saved.parts[0], "8-abc-9.kept", "eight");
    check_part(&list[2]->saved.parts[0], "7-abc-9-1.kept", "late");
    for (int i = 0; i < 3; i++)
        ds_collected_free(list[i]);
    kit_close(&k);
}
END_TEST

START_TEST(without_changes_there_is_no_file)
{
    kit k;
    kit_open(&k);
    ds_collected *c = collect(&k, k.folder, 7, "");
    write_list(&k, c);
    ck_assert_uint_eq(c->saved.status, DS_OK);
    ck_assert_uint_eq(c->saved.n_parts, 1);
    ck_assert(!scratch_exists(&k.d, "state"));
    ds_collected_free(c);
    kit_close(&k);
}
END_TEST

/* What was saved before is gone: a save of changes is of no use, so it fails, and the next is
 * whole.
 */
START_TEST(a_folder_that_is_removed_fails_the_save)
{
    kit k;
    kit_open(&k);
    ds_collected *first = collect(&k, k.folder, 7, "first");
    write_list(&k, first);
    ck_assert_int_eq(remove(scratch_path(&k.d, "state/kept/7-abc-9.kept")), 0);
    ck_assert_int_eq(rmdir(k.folder), 0);
    ds_collected *second = collect(&k, k.folder, 8, "second");
    write_list(&k, second);
    ck_assert_uint_eq(second->saved.status, DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(second->saved.message, "was removed"));
    ds_collected *third = collect(&k, k.folder, 9, "third");
    write_list(&k, third);
    check_part(&third->saved.parts[0], "9-abc-9.kept", "third");
    ds_collected_free(first);
    ds_collected_free(second);
    ds_collected_free(third);
    kit_close(&k);
}
END_TEST

/* Another folder is in the place of the checkpoint: nothing is made there. */
START_TEST(a_checkpoint_that_is_another_fails_the_save)
{
    kit k;
    kit_open(&k);
    const ds_save_target target = {k.store, k.ranges, true, true, NULL};
    ds_save_writer_free(k.writer);
    k.writer = ds_save_writer_new(&target);
    static const struct {
        const char *lock, *why;
    } steps[] = {{NULL, "/state was removed or replaced"},
                 {"0000000000000abd\n", "/state was removed or replaced"},
                 {"0000000000000abc\n", "was removed, with what was saved there"}};
    for (size_t i = 0; i < 3; i++) {
        if (steps[i].lock != NULL) {
            mkdir(scratch_path(&k.d, "state"), 0700);
            scratch_write(&k.d, "state/lock", steps[i].lock);
        }
        ds_collected *c = collect(&k, k.folder, 7, "a");
        write_list(&k, c);
        ck_assert_uint_eq(c->saved.status, DS_ERR_IO);
        ck_assert_msg(strstr(c->saved.message, steps[i].why) != NULL, "%s", c->saved.message);
        ck_assert_int_eq(scratch_exists(&k.d, "state/kept"), i == 2);
        ds_collected_free(c);
    }
    ds_collected *again = collect(&k, k.folder, 8, "again"); /* it is ours, and there */
    write_list(&k, again);
    check_part(&again->saved.parts[0], "8-abc-9.kept", "again");
    ds_collected_free(again);
    kit_close(&k);
}
END_TEST

START_TEST(a_file_that_cannot_be_made_fails_the_save)
{
    kit k;
    kit_open(&k);
    scratch_write(&k.d, "state", "a file, not a folder");
    ds_collected *a = collect(&k, k.folder, 7, "a"), *b = collect(&k, k.folder, 7, "b");
    a->next = b;
    write_list(&k, a);
    for (const ds_collected *c = a; c != NULL; c = c->next) {
        ck_assert_uint_eq(c->saved.status, DS_ERR_IO);
        ck_assert_ptr_nonnull(strstr(c->saved.message, "/state"));
        ck_assert_uint_eq(c->saved.n_parts, 1); /* it says of what */
        ck_assert_uint_eq(c->saved.parts[0].partition, 3);
        ck_assert_uint_eq(c->saved.parts[0].length, 0);
        ck_assert_str_eq(c->saved.parts[0].path, "");
    }
    unlink(scratch_path(&k.d, "state"));
    ds_collected *again = collect(&k, k.folder, 8, "again");
    write_list(&k, again);
    check_part(&again->saved.parts[0], "8-abc-9.kept", "again");
    ds_collected_free(a);
    ds_collected_free(b);
    ds_collected_free(again);
    kit_close(&k);
}
END_TEST

/* What was reported before stays as it is; a file of which nothing was is removed. */
START_TEST(a_full_disk_fails_what_is_being_written_only)
{
    kit k;
    kit_open(&k);
    ds_collected *good = collect(&k, k.folder, 7, "good");
    write_list(&k, good);
    struct rlimit limit, little;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    little = limit;
    little.rlim_cur = 6;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &little), 0);
    ds_collected *bad = collect(&k, k.folder, 7, "too much"),
                 *worse = collect(&k, k.folder, 8, "more..");
    worse->saved.parts[0].whole = false;
    bad->next = worse;
    ds_collected *worst = collect(&k, k.folder, 9, "much too much");
    worse->next = worst;
    write_list(&k, bad);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_uint_eq(bad->saved.status, DS_ERR_IO);
    ck_assert_uint_eq(worse->saved.status, DS_OK); /* six bytes fit */
    ck_assert_uint_eq(worst->saved.status, DS_ERR_IO);
    ck_assert(!scratch_exists(&k.d, "state/kept/9-abc-9.kept"));
    ds_collected *after = collect(&k, k.folder, 9, "after");
    write_list(&k, after);
    check_part(&after->saved.parts[0], "9-abc-9-1.kept", "after");
    check_part(&good->saved.parts[0], "7-abc-9.kept", "good");
    ds_collected *all[] = {good, bad, worse, worst, after};
    for (int i = 0; i < 5; i++)
        ds_collected_free(all[i]);
    kit_close(&k);
}
END_TEST

/* ---- memory ---- */

START_TEST(what_cannot_be_afforded_is_not_collected)
{
    kit k;
    kit_open(&k);
    static char much[2 << 20];
    memset(much, 'x', sizeof much);
    ds_collected *c = new_for(&k, k.folder, 7, 2);
    ck_assert_int_eq(add(c, 3, 0, much, 1 << 17), DS_OK);
    ck_assert_int_gt(k.budget.used_bytes, 1 << 17);
    ck_assert_int_eq(add(c, 3, 1, much, sizeof much), DS_ERR_NO_MEMORY);
    ck_assert_int_le(k.budget.used_bytes, k.budget.limit_bytes);
    ds_collected_fail(c, DS_ERR_NO_MEMORY, "no room");
    ds_collected_fail(c, DS_ERR_IO, "and no disk");
    ck_assert_int_eq(k.budget.used_bytes, 0);
    write_list(&k, c);
    ck_assert_uint_eq(c->saved.status, DS_ERR_NO_MEMORY);
    ck_assert_str_eq(c->saved.message, "no room");
    ck_assert_uint_eq(c->saved.n_parts, 2);
    ck_assert(!scratch_exists(&k.d, "state"));
    ds_collected_free(c);
    kit_close(&k);
}
END_TEST

/* What finds no memory waits in the store: on disk, and then in what memory that has. */
static void check_tight(const char *folder_name, uint64_t disk_bytes)
{
    kit k;
    ds_error error;
    kit_open(&k);
    ds_spill *spill = ds_spill_new("/tmp", disk_bytes);
    ds_store *store;
    ck_assert_int_eq(ds_store_new_spilling(8 << 20, spill, &store, &error), DS_OK);
    k.budget.limit_bytes = 300000;
    const ds_save_order order = {EPOCH, ID, 1, 7, folder_name == NULL ? "" : k.folder};
    const ds_collected_room room = {&k.budget, store, NULL};
    ds_collected *c = ds_collected_new(&order, 2, &room);
    size_t length = 3000003;
    char *bytes = ds_alloc(length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(i * 17 + (i >> 9));
    ck_assert_int_eq(add(c, 0, 0, bytes, length), DS_OK);
    ck_assert_int_eq(add(c, 0, 1, bytes, 1000), DS_OK);
    ck_assert_int_le(k.budget.used_bytes, 300000);
    ck_assert_uint_gt(ds_spill_used(spill) + ds_store_used(store), 2 << 20);
    const ds_save_target target = {k.store, k.ranges, true, false, NULL};
    ds_save_writer *writer = ds_save_writer_new(&target);
    ck_assert_uint_eq(ds_store_used(k.store), 0);
    ds_save_writer_write(writer, c);
    ds_save_writer_free(writer);
    ck_assert_uint_eq(ds_spill_used(spill) + ds_store_used(store), 0);
    ck_assert_int_eq(k.budget.used_bytes, 0);
    if (folder_name != NULL) {
        ck_assert_uint_eq(c->saved.status, DS_OK);
        size_t n;
        char *read = scratch_read(&k.d, "state/kept/7-abc-9.kept", &n);
        ck_assert_uint_eq(n, length + 1000);
        ck_assert_mem_eq(read, bytes, length);
        ck_assert_mem_eq(read + length, bytes, 1000);
        free(read);
        ck_assert_uint_eq(c->saved.parts[0].checksum, XXH3_64bits(bytes, length));
        ck_assert_uint_eq(c->saved.parts[1].checksum, XXH3_64bits(bytes, 1000));
    } else {
        ck_assert_uint_eq(c->saved.status, DS_ERR_NO_MEMORY); /* that store is too small */
    }
    free(bytes);
    ds_collected_free(c);
    kit_close(&k);
    ds_store_free(store);
    ds_spill_free(spill);
}

START_TEST(what_finds_no_memory_waits_in_the_store)
{
    check_tight("kept", 64 << 20);
    check_tight("kept", 2 << 20);
    check_tight("kept", 0);
    check_tight(NULL, 64 << 20);
}
END_TEST

/* Many pieces of a part, byte for byte. */
START_TEST(large_parts)
{
    kit k;
    kit_open(&k);
    k.budget.limit_bytes = 0;
    size_t length = 5000003;
    char *bytes = ds_alloc(length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(i * 31 + (i >> 11));
    ds_collected *c = new_for(&k, k.folder, 7, 1);
    ck_assert_int_eq(add(c, 0, 0, bytes, length), DS_OK);
    write_list(&k, c);
    size_t n;
    char *read = scratch_read(&k.d, "state/kept/7-abc-9.kept", &n);
    ck_assert_uint_eq(n, length);
    ck_assert_mem_eq(read, bytes, n);
    ck_assert_uint_eq(c->saved.parts[0].checksum, XXH3_64bits(bytes, length));
    free(read);
    free(bytes);
    ds_collected_free(c);
    kit_close(&k);
}
END_TEST

/* ---- the store ---- */

START_TEST(without_a_folder_parts_go_to_the_store)
{
    kit k;
    kit_open(&k);
    ds_collected *a = new_for(&k, "", 7, 2);
    ck_assert_int_eq(add(a, 0, 0, "first", 5), DS_OK);
    ck_assert_int_eq(add(a, 0, 1, "", 0), DS_OK);
    ds_collected *b = collect(&k, "", 7, "second");
    a->next = b;
    write_list(&k, a);
    const ds_saved_part *part = &b->saved.parts[0];
    ck_assert_str_eq(part->path, "");
    ck_assert(part->ref.executor_id == ID && part->ref.length == 6 && part->length == 6);
    ck_assert_mem_eq(ds_store_range(k.store, part->ref.offset, 6), "second", 6);
    ck_assert_uint_eq(part->checksum, XXH3_64bits("second", 6));
    ck_assert_uint_eq(a->saved.parts[1].ref.length, 0);
    ck_assert_uint_eq(ds_store_used(k.store), 128);
    ds_saved_ranges_give(k.ranges, part->ref.offset, 6);
    ck_assert_uint_eq(ds_store_used(k.store), 64);
    ds_saved_ranges_give(k.ranges, part->ref.offset, 6);             /* again */
    ds_saved_ranges_give(k.ranges, a->saved.parts[0].ref.offset, 4); /* not that */
    ck_assert_uint_eq(ds_store_used(k.store), 64);
    ds_collected_free(a);
    ds_collected_free(b);
    kit_close(&k);
}
END_TEST

START_TEST(a_full_store_fails_the_save)
{
    kit k;
    kit_open(&k);
    k.budget.limit_bytes = 0;
    static char much[1 << 20];
    ds_collected *c = new_for(&k, "", 7, 2);
    ck_assert_int_eq(add(c, 0, 0, "first", 5), DS_OK);
    ck_assert_int_eq(add(c, 0, 1, much, sizeof much), DS_OK);
    write_list(&k, c);
    ck_assert_uint_eq(c->saved.status, DS_ERR_NO_MEMORY);
    ck_assert_uint_eq(c->saved.parts[0].ref.length, 0);
    ck_assert_uint_eq(ds_store_used(k.store), 0);
    ds_collected_free(c);
    kit_close(&k);
}
END_TEST

START_TEST(the_disk_behind_the_store_comes_first)
{
    ds_error error;
    ds_spill *spill = ds_spill_new("/tmp", 1 << 20);
    ds_store *store;
    ck_assert_int_eq(ds_store_new_spilling(1 << 20, spill, &store, &error), DS_OK);
    ds_saved_ranges *ranges = ds_saved_ranges_new(store);
    uint64_t a, b, c;
    ck_assert_int_eq(ds_saved_ranges_take(ranges, 600000, &a, &error), DS_OK);
    ck_assert(ds_store_is_on_disk(store, a));
    ck_assert_int_eq(ds_saved_ranges_take(ranges, 600000, &b, &error), DS_OK);
    ck_assert(!ds_store_is_on_disk(store, b));
    ck_assert_int_eq(ds_saved_ranges_take(ranges, 600000, &c, &error), DS_ERR_NO_MEMORY);
    ds_saved_ranges_give(ranges, a, 600000);
    ck_assert_uint_eq(ds_spill_used(spill), 0);
    ds_saved_ranges_clear(ranges);
    ck_assert_uint_eq(ds_store_used(store), 0);
    ds_saved_ranges_free(ranges);
    ds_saved_ranges_free(NULL);
    ds_store_free(store);
    ds_spill_free(spill);
}
END_TEST

/* ---- giving back beside ---- */

static void count_wakes(void *arg)
{
    ++*(int *)arg;
}

START_TEST(ranges_are_given_back_by_another)
{
    ds_error error;
    ds_spill *spill = ds_spill_new("/tmp", 4 << 20);
    ds_store *store;
    ck_assert_int_eq(ds_store_new_spilling(1 << 20, spill, &store, &error), DS_OK);
    ds_saved_ranges *ranges = ds_saved_ranges_new(store);
    uint64_t a, b, c, all = 3 << 20;
    int wakes = 0;
    ds_saved_ranges_note(ranges, count_wakes, &wakes);
    ck_assert_int_eq(ds_saved_ranges_take(ranges, 1000000, &a, &error), DS_OK);
    ck_assert_int_eq(ds_saved_ranges_take(ranges, 10, &b, &error), DS_OK);
    uint64_t used = ds_spill_used(spill);
    ds_saved_ranges_give(ranges, a, 1000000);
    ds_saved_ranges_give(ranges, a, 1000000); /* again */
    ck_assert_int_eq(wakes, 1);
    ck_assert_uint_eq(ds_spill_used(spill), used);
    ds_saved_ranges_clean(ranges, NULL);
    ck_assert_uint_lt(ds_spill_used(spill), used - 990000);
    ds_saved_ranges_give(ranges, b, 10);
    ck_assert_int_eq(wakes, 2);
    ck_assert_int_eq(ds_saved_ranges_take(ranges, all, &c, &error),
                     DS_OK); /* after what was noted */
    ck_assert_uint_eq(ds_spill_used(spill), all);
    ds_saved_ranges_give(ranges, c, all);
    ds_saved_ranges_clear(ranges);
    ck_assert_uint_eq(ds_spill_used(spill), 0);
    ck_assert_int_eq(ds_saved_ranges_take(ranges, 10, &b, &error), DS_OK);
    ds_saved_ranges_note(ranges, NULL, NULL);
    ds_saved_ranges_give(ranges, b, 10); /* now */
    ck_assert_uint_eq(ds_spill_used(spill), 0);
    ds_saved_ranges_free(ranges);
    ds_store_free(store);
    ds_spill_free(spill);
}
END_TEST

/* ---- the thread ---- */

#define MANY 500u

typedef struct answers {
    pthread_mutex_t lock;
    pthread_cond_t all;
    uint32_t n;
    bool in_order;
    uint64_t bytes;
} answers;

static void on_saved(void *arg, ds_collected *c)
{
    answers *a = arg;
    pthread_mutex_lock(&a->lock);
    a->in_order &= c->saved.parts[0].partition == a->n && c->saved.status == DS_OK;
    a->bytes += c->saved.parts[0].length;
    if (++a->n == MANY)
        pthread_cond_signal(&a->all);
    pthread_mutex_unlock(&a->lock);
    ds_collected_free(c);
}

START_TEST(the_thread_writes_all_in_order)
{
    kit k;
    kit_open(&k);
    k.budget.limit_bytes = 0;
    answers a = {.in_order = true};
    pthread_mutex_init(&a.lock, NULL);
    pthread_cond_init(&a.all, NULL);
    const ds_save_target target = {k.store, k.ranges, true, false, NULL};
    ds_save_thread *saver = ds_save_thread_start(&target, on_saved, &a);
    for (uint32_t i = 0; i < MANY; i++) {
        ds_collected *c = new_for(&k, k.folder, 1 + i / 200, 1);
        ck_assert_int_eq(add(c, i, 0, "some bytes", 10), DS_OK);
        ds_save_thread_add(saver, c);
    }
    pthread_mutex_lock(&a.lock);
    while (a.n < MANY)
        pthread_cond_wait(&a.all, &a.lock);
    pthread_mutex_unlock(&a.lock);
    ck_assert(a.in_order);
    ck_assert_uint_eq(a.bytes, MANY * 10);
    ck_assert_int_eq(scratch_entries(&k.d, "state/kept"), 3);
    for (uint32_t i = 0; i < 5; i++) /* which may be forgotten */
        ds_save_thread_add(saver, collect(&k, k.folder, 9, "not waited for"));
    ds_save_thread_stop(saver);
    ds_save_thread_stop(NULL);
    pthread_cond_destroy(&a.all);
    pthread_mutex_destroy(&a.lock);
    kit_close(&k);
}
END_TEST

/* A thread that collects what there is room for only when others are written. */
typedef struct collector {
    ds_collected *collected;
    ds_status status;
} collector;

static char much[200000];

static void *collect_much(void *arg)
{
    collector *c = arg;
    c->status = add(c->collected, 1, 0, much, sizeof much);
    return NULL;
}

START_TEST(tasks_wait_for_what_is_being_written)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 600000); /* for one of two */
    const ds_save_order order = {EPOCH, ID, 1, 1, ""};
    ds_collection *list = ds_collection_new();
    const ds_collected_room room = {&budget, NULL, list};
    ds_collected *first = ds_collected_new(&order, 1, &room);
    ck_assert_int_eq(add(first, 0, 0, much, sizeof much), DS_OK);
    ds_budget_charge(&budget, 200000);
    collector second = {ds_collected_new(&order, 1, &room), DS_OK};
    ds_collection_add(list, first);
    collect_much(&second); /* nobody writes: there is no use in waiting */
    ck_assert_int_eq(second.status, DS_ERR_NO_MEMORY);
    ds_collected_free(second.collected);
    ds_collection_set_patient(list);
    second.collected = ds_collected_new(&order, 1, &room);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, collect_much, &second), 0);
    ds_collected_forget_bytes(ds_collection_take(list));
    pthread_join(thread, NULL);
    ck_assert_int_eq(second.status, DS_OK);
    ds_collected *third = ds_collected_new(&order, 1, &room);
    ck_assert_int_eq(add(third, 0, 0, much, sizeof much), DS_ERR_NO_MEMORY); /* none is added */
    ds_collection_add(list, second.collected); /* which nobody writes, but the executor ends */
    collector fourth = {ds_collected_new(&order, 1, &room), DS_OK};
    ck_assert_int_eq(pthread_create(&thread, NULL, collect_much, &fourth), 0);
    ds_collection_end_patience(list);
    pthread_join(thread, NULL);
    ck_assert_int_eq(fourth.status, DS_ERR_NO_MEMORY);
    ck_assert_ptr_eq(ds_collection_take(list), second.collected);
    ds_collected_free(fourth.collected);
    ds_collected_free(first);
    ds_collected_free(second.collected);
    ds_collected_free(third);
    ds_collection_free(list);
    ck_assert_int_eq(budget.used_bytes, 200000);
}
END_TEST

typedef struct waiter {
    ds_collection *list;
    _Atomic bool waits;
} waiter;

static void *wait_for_writing(void *arg)
{
    waiter *w = arg;
    w->waits = true;
    ds_collection_wait(w->list);
    return NULL;
}

/* Waits in another thread until `written` (or nothing: the list's patience) ends. */
static void wait_until(ds_collection *list, ds_collected *written)
{
    waiter w = {.list = list};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_writing, &w), 0);
    while (!w.waits)
        sched_yield();
    if (written != NULL)
        ds_collected_forget_bytes(written);
    else
        ds_collection_end_patience(list);
    pthread_join(thread, NULL);
}

START_TEST(memory_that_is_being_saved_is_waited_for)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    const ds_save_order order = {EPOCH, ID, 1, 1, ""};
    ds_collection *list = ds_collection_new();
    const ds_collected_room room = {&budget, NULL, list};
    ck_assert(!ds_collection_wait(NULL));
    ds_collection_set_patient(list);
    ck_assert(!ds_collection_wait(list));
    ds_collected *parts[2];
    for (int i = 0; i < 2; i++) {
        parts[i] = ds_collected_new(&order, 1, &room);
        ck_assert_int_eq(add(parts[i], 0, 0, much, sizeof much), DS_OK);
        ds_collection_add(list, parts[i]);
    }
    ck_assert(!ds_collection_wait(list)); /* its own may be among them: nobody has taken them */
    ck_assert_ptr_eq(ds_collection_take(list), parts[0]);
    ds_collected_forget_bytes(parts[0]);
    wait_until(list, parts[1]); /* written before it could be waited for, or not */
    ck_assert_int_eq(budget.used_bytes, 0);
    ck_assert(!ds_collection_wait(list));
    ds_collected *last = ds_collected_new(&order, 1, &room);
    ck_assert_int_eq(add(last, 0, 0, much, sizeof much), DS_OK);
    ds_collection_add(list, last);
    ck_assert_ptr_eq(ds_collection_take(list), last);
    wait_until(list, NULL); /* nobody writes it, but the executor ends */
    ck_assert(!ds_collection_wait(list));
    for (int i = 0; i < 2; i++)
        ds_collected_free(parts[i]);
    ds_collected_free(last);
    ds_collection_free(list);
    ck_assert_int_eq(budget.used_bytes, 0);
}
END_TEST

START_TEST(the_list_of_tasks)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_collection *list = ds_collection_new();
    ck_assert_ptr_null(ds_collection_take(list));
    const ds_save_order order = {EPOCH, ID, 1, 1, ""};
    const ds_collected_room room = {&budget, NULL, list};
    ds_collected *a = ds_collected_new(&order, 1, &room);
    ds_collected *b = ds_collected_new(&order, 1, &room);
    ds_collection_add(list, a);
    ds_collection_add(list, b);
    ck_assert_ptr_eq(ds_collection_take(list), a);
    ck_assert_ptr_eq(a->next, b);
    ck_assert_ptr_null(b->next);
    ck_assert_ptr_null(ds_collection_take(list));
    ds_collected *c = ds_collected_new(&order, 1, &room);
    ck_assert_int_eq(add(c, 0, 0, "x", 1), DS_OK);
    ds_collection_add(list, c);
    ds_collected_free(a);
    ds_collected_free(b);
    ds_collection_free(list);
    ds_collection_free(NULL);
    ck_assert_int_eq(budget.used_bytes, 0);
}
END_TEST

UNIT_MAIN("saver", a_group_goes_to_one_file, bytes_are_taken_over, each_save_has_its_file,
          without_changes_there_is_no_file, a_folder_that_is_removed_fails_the_save,
          a_checkpoint_that_is_another_fails_the_save, a_file_that_cannot_be_made_fails_the_save,
          a_full_disk_fails_what_is_being_written_only, what_cannot_be_afforded_is_not_collected,
          what_finds_no_memory_waits_in_the_store, large_parts,
          without_a_folder_parts_go_to_the_store, a_full_store_fails_the_save,
          the_disk_behind_the_store_comes_first, ranges_are_given_back_by_another,
          the_thread_writes_all_in_order, tasks_wait_for_what_is_being_written,
          memory_that_is_being_saved_is_waited_for, the_list_of_tasks)
