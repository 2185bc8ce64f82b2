/* The log of received blocks: what was written is read, whatever became of the end of a file. */
#include "base/log_place.h"
#include "receiver/block_log_read.h"

#include "unit/scratch_dir.h"
#include "unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LARGE (UINT64_C(1) << 20) /* of a segment */

static const ds_log_place nowhere;

/* The bytes of block `id`: as many as it says. */
static char *text_of(uint64_t id, uint64_t length)
{
    char *text = ds_alloc(length + 1);
    for (uint64_t i = 0; i < length; i++)
        text[i] = (char)('a' + (id * 7 + i) % 26);
    return text;
}

static ds_status append(ds_block_log *log, uint64_t id, uint64_t length, ds_block *block)
{
    char *text = text_of(id, length);
    ds_error error;
    *block = (ds_block){.block_id = id,
                        .length = length,
                        .records = id + 1,
                        .header = length > 3 ? 3 : 0,
                        .too_long = id + 2,
                        .cut_short = id + 3};
    ds_status status = ds_block_log_append(log, text, block, &error);
    free(text);
    return status;
}

static ds_block put(ds_block_log *log, uint64_t id, uint64_t length)
{
    ds_block block;
    ck_assert_int_eq(append(log, id, length, &block), DS_OK);
    return block;
}

static void sync_log(ds_block_log *log)
{
    ds_error error;
    ck_assert_int_eq(ds_block_log_sync(log, &error), DS_OK);
}

static ds_log_found scan(scratch_dir *d, const ds_log_place *after)
{
    ds_log_found found;
    ds_error error = {.message = ""};
    ck_assert_msg(ds_block_log_scan(d->path, after, 0, &found, &error) == DS_OK, "%s",
                  error.message);
    return found;
}

static void same_block(const ds_block *a, const ds_block *b)
{
    ck_assert_uint_eq(a->block_id, b->block_id);
    ck_assert_uint_eq(a->length, b->length);
    ck_assert_uint_eq(a->records, b->records);
    ck_assert_uint_eq(a->header, b->header);
    ck_assert_uint_eq(a->too_long, b->too_long);
    ck_assert_uint_eq(a->cut_short, b->cut_short);
    ck_assert_int_eq(ds_log_place_compare(&a->log, &b->log), 0);
}

static void check_found(scratch_dir *d, const ds_log_place *after, const ds_block *blocks, size_t n)
{
    ds_log_found found = scan(d, after);
    ck_assert_uint_eq(found.n_blocks, n);
    for (size_t i = 0; i < n; i++)
        same_block(&found.blocks[i], &blocks[i]);
    ds_log_found_fini(&found);
}

static ds_status read_block(scratch_dir *d, const ds_block *block, ds_buffer *bytes)
{
    char name[DS_LOG_NAME];
    ds_error error;
    ds_log_place_name(name, &block->log);
    return ds_block_log_read(scratch_path(d, name), &block->log, block->length, bytes, &error);
}

static void check_bytes(scratch_dir *d, const ds_block *block)
{
    ds_buffer bytes = {0};
    char *text = text_of(block->block_id, block->length);
    ck_assert_int_eq(read_block(d, block, &bytes), DS_OK);
    ck_assert_uint_eq(bytes.length, block->length);
    if (block->length > 0)
        ck_assert_mem_eq(bytes.data, text, block->length);
    free(text);
    ds_buffer_fini(&bytes);
}

START_TEST(names_of_segments)
{
    char name[DS_LOG_NAME];
    ds_log_place place = {3, 1, 77}, read;
    ds_log_place_name(name, &place);
    ck_assert_str_eq(name, "0000000003-000001.log");
    ck_assert(ds_log_place_read(name, &read));
    ck_assert_uint_eq(read.receiver_id, 3);
    ck_assert_uint_eq(read.segment, 1);
    ck_assert_uint_eq(read.offset, 0);
    place = (ds_log_place){UINT64_MAX, UINT64_MAX, 0};
    ds_log_place_name(name, &place);
    ck_assert(ds_log_place_read(name, &read));
    ck_assert_int_eq(ds_log_place_compare(&place, &read), 0);
    static const char *const others[] = {"",
                                         "3-1.log",
                                         "0000000000-000001.log",
                                         "0000000003-000000.log",
                                         "0000000003-000001.log.tmp",
                                         "0000000003-000001",
                                         "-000000003-000001.log",
                                         "99999999999999999999999-000001.log"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(!ds_log_place_read(others[i], &read), "%s", others[i]);
}
END_TEST

START_TEST(places_are_ordered)
{
    static const ds_log_place in_order[] = {{0, 0, 0}, {1, 1, 5}, {1, 2, 3}, {1, 2, 4}, {2, 1, 0}};
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 5; k++) {
            int order = ds_log_place_compare(&in_order[i], &in_order[k]);
            ck_assert_int_eq((order > 0) - (order < 0), (i > k) - (i < k));
        }
    ck_assert(!ds_log_segment_before(&in_order[2], &in_order[3]));
    ck_assert(ds_log_segment_before(&in_order[1], &in_order[2]));
    ck_assert(ds_log_segment_before(&in_order[3], &in_order[4]));
    ck_assert(!ds_log_segment_before(&in_order[4], &in_order[3]));
}
END_TEST

START_TEST(what_is_written_is_found)
{
    scratch_dir d;
    scratch_open(&d);
    static const uint64_t lengths[] = {10, 0, 1, 300000, 5};
    ds_block blocks[5];
    ds_block_log *log = ds_block_log_new(d.path, 4, LARGE);
    for (uint64_t i = 0; i < 5; i++)
        blocks[i] = put(log, i + 1, lengths[i]);
    sync_log(log);
    ds_block_log_free(log);
    check_found(&d, &nowhere, blocks, 5);
    for (size_t i = 0; i < 5; i++) {
        check_bytes(&d, &blocks[i]);
        check_found(&d, &blocks[i].log, blocks + i + 1, 4 - i);
    }
    scratch_close(&d);
}
END_TEST

START_TEST(no_folder_is_an_empty_log)
{
    scratch_dir d;
    scratch_open(&d);
    ds_log_found found;
    ds_error error;
    const char *path = scratch_path(&d, "none");
    ck_assert_int_eq(ds_block_log_scan(path, &nowhere, 0, &found, &error), DS_OK);
    ck_assert_uint_eq(found.n_blocks, 0);
    ck_assert_uint_eq(found.last_receiver, 0);
    ds_block_log_trim(path, &(ds_log_place){9, 9, 9});
    ds_block_log *log = ds_block_log_new(path, 1, LARGE); /* it is made when it is needed */
    put(log, 1, 10);
    ds_block_log_free(log);
    ck_assert_int_eq(scratch_entries(&d, "none"), 1);
    scratch_close(&d);
}
END_TEST

START_TEST(a_file_for_a_folder_is_an_error)
{
    scratch_dir d;
    scratch_open(&d);
    scratch_write(&d, "file", "x");
    ds_log_found found;
    ds_error error;
    const char *path = scratch_path(&d, "file");
    ck_assert_int_eq(ds_block_log_scan(path, &nowhere, 0, &found, &error), DS_ERR_IO);
    ds_log_found_fini(&found);
    ds_block_log *log = ds_block_log_new(path, 1, LARGE);
    ds_block block;
    ck_assert_int_eq(append(log, 1, 10, &block), DS_ERR_IO);
    ck_assert_int_eq(append(log, 1, 10, &block), DS_ERR_IO);
    ds_block_log_free(log);
    scratch_close(&d);
}
END_TEST

START_TEST(segments_are_bounded)
{
    scratch_dir d;
    scratch_open(&d);
    ds_block blocks[20];
    ds_block_log *log = ds_block_log_new(d.path, 1, 1000);
    for (uint64_t i = 0; i < 20; i++)
        blocks[i] = put(log, i + 1, i == 7 ? 5000 : 200); /* one is larger than a segment */
    sync_log(log);
    ds_block_log_free(log);
    check_found(&d, &nowhere, blocks, 20);
    ck_assert_uint_gt(blocks[19].log.segment, 5);
    ck_assert_int_eq(scratch_entries(&d, ""), (int)blocks[19].log.segment);
    for (size_t i = 0; i < 20; i++)
        check_bytes(&d, &blocks[i]);
    ds_block_log_trim(d.path, &blocks[9].log);
    ck_assert_int_eq(scratch_entries(&d, ""),
                     (int)(blocks[19].log.segment - blocks[9].log.segment + 1));
    check_found(&d, &blocks[9].log, blocks + 10, 10);
    scratch_close(&d);
}
END_TEST

START_TEST(receivers_come_in_their_order)
{
    scratch_dir d;
    scratch_open(&d);
    ds_block blocks[4];
    ds_block_log *second = ds_block_log_new(d.path, 12, LARGE);
    blocks[2] = put(second, 1, 10);
    blocks[3] = put(second, 2, 20);
    ds_block_log_free(second);
    ds_block_log *first = ds_block_log_new(d.path, 5, LARGE);
    blocks[0] = put(first, 1, 30);
    blocks[1] = put(first, 2, 40);
    ds_block_log_free(first);
    scratch_write(&d, "0000000099-000001.log.tmp", "other names are nothing");
    scratch_write(&d, "README", "nor is this");
    check_found(&d, &nowhere, blocks, 4);
    ds_log_found found = scan(&d, &nowhere);
    ck_assert_uint_eq(found.last_receiver, 12);
    ck_assert_uint_eq(found.cut_bytes + found.damaged.blocks + found.missing + found.flaws, 0);
    ds_log_found_fini(&found);
    ds_block_log_trim(d.path, &blocks[2].log);
    ck_assert_int_eq(scratch_entries(&d, ""), 3);
    scratch_close(&d);
}
END_TEST

/* ---- damage ---- */

typedef struct written {
    scratch_dir d;
    ds_block blocks[3];
    char *bytes;
    size_t length;
} written;

#define WRITTEN "0000000002-000001.log"

static void write_three(written *w)
{
    scratch_open(&w->d);
    ds_block_log *log = ds_block_log_new(w->d.path, 2, LARGE);
    for (uint64_t i = 0; i < 3; i++)
        w->blocks[i] = put(log, i + 1, 10 + i);
    sync_log(log);
    ds_block_log_free(log);
    w->bytes = scratch_read(&w->d, WRITTEN, &w->length);
}

static void drop_three(written *w)
{
    free(w->bytes);
    scratch_close(&w->d);
}

START_TEST(cut_at_every_byte)
{
    written w;
    write_three(&w);
    for (size_t at = 0; at < w.length; at++) {
        scratch_write_bytes(&w.d, WRITTEN, w.bytes, at);
        size_t whole = 0;
        uint64_t end = at >= DS_LOG_HEAD ? DS_LOG_HEAD : 0;
        for (; whole < 3; whole++) {
            const ds_block *b = &w.blocks[whole];
            if (b->log.offset + DS_LOG_RECORD_HEAD + b->length > at)
                break;
            end = b->log.offset + DS_LOG_RECORD_HEAD + b->length;
        }
        check_found(&w.d, &nowhere, w.blocks, whole);
        ds_log_found found = scan(&w.d, &nowhere);
        ck_assert_uint_eq(found.cut_bytes, at - end);
        ck_assert_uint_eq(found.damaged.blocks + found.missing + found.flaws, 0);
        ds_log_found_fini(&found);
        ds_buffer bytes = {0};
        for (size_t i = 0; i < 3; i++)
            ck_assert_int_eq(read_block(&w.d, &w.blocks[i], &bytes),
                             i < whole ? DS_OK : DS_ERR_LOST);
        ds_buffer_fini(&bytes);
    }
    drop_three(&w);
}
END_TEST

/* Of a block whose bytes do not hold it is known how many records it had. */
static void check_damaged(const ds_log_found *found, const ds_block *blocks, uint64_t at)
{
    for (size_t i = 0; i < 3 && found->damaged.blocks > 0; i++) {
        const ds_block *b = &blocks[i];
        uint64_t bytes = b->log.offset + DS_LOG_RECORD_HEAD;
        if (at < b->log.offset || at >= bytes + b->length)
            continue;
        ck_assert_uint_eq(found->damaged.bytes, b->length);
        ck_assert_uint_eq(found->unknown, at < bytes);
        ck_assert_uint_eq(found->damaged.records, at < bytes ? 0 : b->records);
    }
}

START_TEST(another_byte_anywhere)
{
    written w;
    write_three(&w);
    for (size_t at = 0; at < w.length; at++) {
        w.bytes[at] = (char)(w.bytes[at] ^ 0x20);
        scratch_write_bytes(&w.d, WRITTEN, w.bytes, w.length);
        w.bytes[at] = (char)(w.bytes[at] ^ 0x20);
        ds_log_found found = scan(&w.d, &nowhere);
        const uint64_t harmed = found.damaged.blocks + found.flaws;
        ck_assert_uint_gt(harmed + found.cut_bytes, 0);
        ck_assert_uint_eq(found.missing, 0);
        ck_assert_uint_eq(found.flaws, at < DS_LOG_HEAD);
        check_damaged(&found, w.blocks, at);
        for (size_t i = 0; i < found.n_blocks; i++)
            check_bytes(&w.d, &found.blocks[i]);
        /* The others are there; in the head of the last one it may be the end of the segment. */
        bool last = at >= w.blocks[2].log.offset && harmed == 0;
        ck_assert_uint_eq(harmed, !last);
        ck_assert_uint_eq(found.n_blocks, at < DS_LOG_HEAD ? 3 : 2);
        ds_log_found_fini(&found);
    }
    drop_three(&w);
}
END_TEST

/* Large damage in a large file, also where pieces that are searched meet. */
START_TEST(what_stands_behind_damage)
{
    scratch_dir d;
    scratch_open(&d);
    ds_block blocks[3];
    for (uint64_t length = 262080; length < 262200; length++) {
        ds_block_log *log = ds_block_log_new(d.path, length, LARGE);
        for (uint64_t i = 0; i < 3; i++)
            blocks[i] = put(log, i + 1, i == 1 ? length : 10);
        ds_block_log_free(log);
        char name[DS_LOG_NAME];
        ds_log_place_name(name, &blocks[1].log);
        int fd = open(scratch_path(&d, name), O_WRONLY);
        ck_assert_int_eq(pwrite(fd, "DSB\x1a?", 5, (off_t)blocks[1].log.offset + 1), 5);
        close(fd);
        ds_log_found found = scan(&d, &nowhere);
        ck_assert_uint_eq(found.n_blocks, 2);
        ck_assert_uint_eq(found.damaged.blocks, 1);
        ck_assert_uint_eq(found.damaged.bytes, length);
        ck_assert_uint_eq(found.unknown, 1);
        ck_assert_uint_eq(found.missing + found.flaws, 0);
        same_block(&found.blocks[1], &blocks[2]);
        ds_log_found_fini(&found);
        check_found(&d, &blocks[0].log, &blocks[2], 1);
        remove(scratch_path(&d, name));
    }
    scratch_close(&d);
}
END_TEST

START_TEST(a_record_belongs_to_its_segment)
{
    written w;
    write_three(&w);
    static const char *const others[] = {"0000000002-000002.log", "0000000003-000001.log"};
    for (int i = 0; i < 2; i++)
        scratch_write_bytes(&w.d, others[i], w.bytes, w.length);
    ds_log_found found = scan(&w.d, &nowhere);
    ck_assert_uint_eq(found.n_blocks, 3);
    ck_assert_uint_eq(found.cut_bytes, 2 * w.length);
    ds_log_found_fini(&found);
    ds_block moved = w.blocks[0];
    moved.log.segment = 2;
    ds_buffer bytes = {0};
    ck_assert_int_eq(read_block(&w.d, &moved, &bytes), DS_ERR_DATA);
    ds_buffer_fini(&bytes);
    drop_three(&w);
}
END_TEST

START_TEST(places_that_are_none)
{
    written w;
    write_three(&w);
    ds_buffer bytes = {0};
    static const uint64_t offsets[] = {0, 1, 33, 64, 1000000, UINT64_MAX, UINT64_MAX - 63};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        ds_block block = w.blocks[0];
        block.log.offset = offsets[i];
        ck_assert_int_eq(read_block(&w.d, &block, &bytes),
                         offsets[i] > w.length ? DS_ERR_LOST : DS_ERR_DATA);
    }
    ds_block other = w.blocks[0];
    other.length++;
    ck_assert_int_eq(read_block(&w.d, &other, &bytes), DS_ERR_DATA);
    other = w.blocks[0];
    other.log.receiver_id = 77;
    ck_assert_int_eq(read_block(&w.d, &other, &bytes), DS_ERR_LOST);
    ck_assert_int_eq(ds_block_log_read("/nowhere/0000000002-000001.log", &w.blocks[0].log,
                                       w.blocks[0].length, &bytes, NULL),
                     DS_ERR_IO); /* that may be another host's */
    ck_assert_int_eq(mkdir(scratch_path(&w.d, "0000000077-000001.log"), 0777), 0);
    ck_assert_int_eq(read_block(&w.d, &other, &bytes), DS_ERR_LOST);
    ds_buffer_fini(&bytes);
    drop_three(&w);
}
END_TEST

/* ---- disks that are full ---- */

/* Check writes to a file, too: nothing is asserted while there is a limit. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
}

START_TEST(a_full_disk_at_every_byte)
{
    for (rlim_t room = 0; room < 300; room++) {
        scratch_dir d;
        scratch_open(&d);
        ds_block blocks[3], block;
        ds_block_log *log = ds_block_log_new(d.path, 1, LARGE);
        size_t n = 0, refused = 0;
        limit_files(room);
        while (n < 3 && append(log, n + 1, 10, &blocks[n]) == DS_OK)
            n++;
        for (size_t i = n; i < 3; i++) /* it stays full */
            refused += append(log, n + 1, 10, &block) == DS_ERR_IO;
        ds_status synced = ds_block_log_sync(log, NULL);
        limit_files(RLIM_INFINITY);
        ck_assert_int_eq(synced, DS_OK);
        ck_assert_uint_eq(refused, 3 - n);
        ck_assert_uint_eq(n, room < DS_LOG_HEAD              ? 0
                             : (room - DS_LOG_HEAD) / 74 > 3 ? 3
                                                             : (room - DS_LOG_HEAD) / 74);
        check_found(&d, &nowhere, blocks, n);
        for (; n < 3; n++)
            blocks[n] = put(log, n + 1, 10);
        sync_log(log);
        check_found(&d, &nowhere, blocks, 3);
        ck_assert_int_eq(scratch_entries(&d, ""), 1);
        ds_log_found found = scan(&d, &nowhere);
        ck_assert_uint_eq(found.cut_bytes, 0);
        ds_log_found_fini(&found);
        ds_block_log_free(log);
        scratch_close(&d);
    }
}
END_TEST

/* What was written twice, since it was not known to be durable, counts once. */
START_TEST(the_later_copy_counts)
{
    scratch_dir d;
    scratch_open(&d);
    ds_block blocks[4];
    ds_block_log *log = ds_block_log_new(d.path, 1, LARGE);
    blocks[0] = put(log, 1, 10);
    put(log, 2, 20);
    put(log, 3, 30);
    ds_block_log_free(log);
    log = ds_block_log_new(d.path, 1, LARGE); /* finds that its first segment is there already */
    blocks[1] = put(log, 2, 20);
    blocks[2] = put(log, 3, 30);
    blocks[3] = put(log, 4, 40);
    ds_block_log_free(log);
    ck_assert_uint_eq(blocks[3].log.segment, 2);
    check_found(&d, &nowhere, blocks, 4);
    scratch_close(&d);
}
END_TEST

/* A copy that does not hold does no harm, whichever it is. */
START_TEST(one_copy_is_enough)
{
    for (uint64_t spoilt = 1; spoilt <= 2; spoilt++) {
        scratch_dir d;
        scratch_open(&d);
        ds_block copies[2];
        for (uint64_t i = 0; i < 2; i++) {
            ds_block_log *log = ds_block_log_new(d.path, 1, LARGE);
            copies[i] = put(log, 1, 20);
            ds_block_log_free(log);
        }
        char name[DS_LOG_NAME];
        ds_log_place_name(name, &copies[spoilt - 1].log);
        int fd = open(scratch_path(&d, name), O_WRONLY);
        ck_assert_int_eq(pwrite(fd, "?", 1, DS_LOG_HEAD + DS_LOG_RECORD_HEAD + 5), 1);
        close(fd);
        ds_log_found found = scan(&d, &nowhere);
        ck_assert_uint_eq(found.n_blocks, 1);
        same_block(&found.blocks[0], &copies[2 - spoilt]);
        ck_assert_uint_eq(found.damaged.blocks + found.damaged.records + found.damaged.bytes, 0);
        ck_assert_uint_eq(found.flaws, 1);
        ds_log_found_fini(&found);
        scratch_close(&d);
    }
}
END_TEST

/* Blocks are numbered: it is known of how many there is nothing. Not of those before the first one
 * that is there, which may have gone with their batches. */
START_TEST(a_segment_that_is_not_there)
{
    scratch_dir d;
    scratch_open(&d);
    ds_block blocks[6];
    ds_block_log *log = ds_block_log_new(d.path, 1, 200);
    for (uint64_t i = 0; i < 6; i++)
        blocks[i] = put(log, i + 1, 40);
    ds_block_log_free(log);
    static const struct {
        uint64_t segment, missing;
    } steps[] = {{0, 0}, {1, 0}, {4, 1}, {3, 2}, {6, 2}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char name[DS_LOG_NAME];
        ds_log_place_name(name, &(ds_log_place){1, steps[i].segment, 0});
        if (steps[i].segment > 0)
            ck_assert_int_eq(remove(scratch_path(&d, name)), 0);
        ds_log_found found = scan(&d, &nowhere);
        ck_assert_uint_eq(found.missing, steps[i].missing);
        ck_assert_uint_eq(found.damaged.blocks + found.flaws, 0);
        ds_log_found_fini(&found);
    }
    ck_assert_uint_eq(blocks[5].log.segment, 6);
    scratch_close(&d);
}
END_TEST

/* Nothing is durable in a file without a name: it is written to another one. */
START_TEST(a_segment_that_is_removed_while_it_is_written)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    char name[DS_LOG_NAME];
    ds_block_log *log = ds_block_log_new(d.path, 1, LARGE);
    ds_block block = put(log, 1, 10);
    sync_log(log);
    ds_log_place_name(name, &block.log);
    ck_assert_int_eq(remove(scratch_path(&d, name)), 0);
    sync_log(log); /* nothing was written since */
    put(log, 2, 20);
    ck_assert_int_eq(ds_block_log_sync(log, &error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, name));
    block = put(log, 2, 20);
    sync_log(log);
    ck_assert_uint_eq(block.log.segment, 2);
    check_found(&d, &nowhere, &block, 1);
    ds_block_log_free(log);
    scratch_close(&d);
}
END_TEST

/* ---- checkpoints that are away ---- */

static char *path_of(scratch_dir *d, const char *name)
{
    return ds_strdup(scratch_path(d, name));
}

static void make_checkpoint(scratch_dir *d, const char *name, const char *epoch)
{
    char path[64];
    ck_assert_int_eq(mkdir(scratch_path(d, name), 0700), 0);
    snprintf(path, sizeof path, "%s/log", name);
    ck_assert_int_eq(mkdir(scratch_path(d, path), 0700), 0);
    snprintf(path, sizeof path, "%s/log/s", name);
    ck_assert_int_eq(mkdir(scratch_path(d, path), 0700), 0);
    snprintf(path, sizeof path, "%s/lock", name);
    scratch_write(d, path, epoch);
}

static ds_block_log *claimed_log(scratch_dir *d)
{
    ds_block_log *log = ds_block_log_new(scratch_path(d, "ck/log/s"), 1, 200);
    ds_block_log_claim(log, 7);
    return log;
}

static void cannot_append(ds_block_log *log, const char *why)
{
    ds_block block = {.block_id = 9, .length = 3};
    ds_error error;
    ck_assert_int_eq(ds_block_log_append(log, "xy\n", &block, &error), DS_ERR_IO);
    ck_assert_msg(strstr(error.message, why) != NULL, "%s", error.message);
}

/* No folder is made, nor a file in another one. */
START_TEST(segments_are_made_in_the_checkpoint_of_the_run_only)
{
    scratch_dir d;
    scratch_open(&d);
    ds_block_log *log = claimed_log(&d);
    cannot_append(log, "/ck was removed or replaced");
    ck_assert_int_eq(scratch_entries(&d, ""), 0);
    make_checkpoint(&d, "ck", "");
    cannot_append(log, "/ck was removed or replaced");
    scratch_write(&d, "ck/lock", "0000000000000008\n");
    cannot_append(log, "/ck was removed or replaced");
    scratch_write(&d, "ck/lock", "0000000000000007\n");
    ck_assert_int_eq(rmdir(scratch_path(&d, "ck/log/s")), 0);
    cannot_append(log, "/ck/log/s: No such file");
    ck_assert_int_eq(scratch_entries(&d, "ck/log"), 0);
    ck_assert_int_eq(mkdir(scratch_path(&d, "ck/log/s"), 0700), 0);
    ds_block block = put(log, 1, 10);
    sync_log(log);
    ck_assert_uint_eq(block.log.segment, 1);
    ck_assert_int_eq(scratch_entries(&d, "ck/log/s"), 1);
    ds_block_log_free(log);
    scratch_close(&d);
}
END_TEST

/* Moved away, and another one in its place: what comes is not durable before it is back. */
START_TEST(a_checkpoint_that_moves_while_a_segment_is_written)
{
    scratch_dir d;
    scratch_open(&d);
    make_checkpoint(&d, "ck", "0000000000000007\n");
    char *here = path_of(&d, "ck"), *away = path_of(&d, "away"), *other = path_of(&d, "other");
    ds_block_log *log = claimed_log(&d);
    ds_block blocks[2];
    blocks[0] = put(log, 1, 10);
    sync_log(log);
    ck_assert_int_eq(rename(here, away), 0);
    make_checkpoint(&d, "ck", "0000000000000008\n");
    put(log, 2, 20);
    ck_assert_int_eq(ds_block_log_sync(log, NULL), DS_ERR_IO);
    cannot_append(log, "/ck was removed or replaced");
    ck_assert_int_eq(scratch_entries(&d, "ck/log/s"), 0);
    ck_assert_int_eq(rename(here, other), 0);
    ck_assert_int_eq(rename(away, here), 0);
    blocks[1] = put(log, 2, 20);
    sync_log(log);
    ds_block_log_free(log);
    ds_log_found found;
    ck_assert_int_eq(ds_block_log_scan(scratch_path(&d, "ck/log/s"), &nowhere, 0, &found, NULL),
                     DS_OK);
    ck_assert_uint_eq(found.n_blocks, 2);
    same_block(&found.blocks[0], &blocks[0]);
    same_block(&found.blocks[1], &blocks[1]);
    ck_assert_uint_eq(found.cut_bytes, 0);
    ds_log_found_fini(&found);
    free(here);
    free(away);
    free(other);
    scratch_close(&d);
}
END_TEST

/* ---- writers that live ---- */

START_TEST(a_living_writer_is_waited_for)
{
    scratch_dir d;
    scratch_open(&d);
    ds_block_log *log = ds_block_log_new(d.path, 1, LARGE);
    ds_block block = put(log, 1, 10);
    ds_log_found found;
    ds_error error;
    ck_assert_int_eq(ds_block_log_scan(d.path, &nowhere, 20, &found, &error), DS_OK);
    ck_assert(found.locked);
    ds_log_found_fini(&found);
    pid_t child = fork(); /* it has the lock, too, until it ends */
    if (child == 0)
        _exit(0);
    ds_block_log_free(log);
    ck_assert_int_eq(ds_block_log_scan(d.path, &nowhere, 20000, &found, &error), DS_OK);
    ck_assert(!found.locked);
    ck_assert_uint_eq(found.n_blocks, 1);
    same_block(&found.blocks[0], &block);
    ds_log_found_fini(&found);
    waitpid(child, NULL, 0);
    scratch_close(&d);
}
END_TEST

UNIT_MAIN("block_log", names_of_segments, places_are_ordered, what_is_written_is_found,
          no_folder_is_an_empty_log, a_file_for_a_folder_is_an_error, segments_are_bounded,
          receivers_come_in_their_order, cut_at_every_byte, another_byte_anywhere,
          what_stands_behind_damage, a_record_belongs_to_its_segment, places_that_are_none,
          a_full_disk_at_every_byte, the_later_copy_counts, one_copy_is_enough,
          a_segment_that_is_not_there, a_segment_that_is_removed_while_it_is_written,
          segments_are_made_in_the_checkpoint_of_the_run_only,
          a_checkpoint_that_moves_while_a_segment_is_written, a_living_writer_is_waited_for)
