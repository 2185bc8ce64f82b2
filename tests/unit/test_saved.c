/* Frames with a checksum: there and back, and no trust in bytes. */
#include "base/saved.h"

#include "base/buffer.h"
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

typedef struct bytes {
    ds_buffer buffer;
    size_t at, limit; /* of reading; of writing (0: none) */
} bytes;

static ds_status append(void *arg, const void *from, size_t length, ds_error *error)
{
    bytes *b = arg;
    if (b->limit > 0 && b->buffer.length + length > b->limit)
        return ds_error_set(error, DS_ERR_IO, "full");
    ds_buffer_append(&b->buffer, from, length);
    return DS_OK;
}

static ds_status next(void *arg, void *to, size_t length, ds_error *error)
{
    bytes *b = arg;
    if (length > b->buffer.length - b->at)
        return ds_error_set(error, DS_ERR_PROTOCOL, "cut off");
    memcpy(to, b->buffer.data + b->at, length);
    b->at += length;
    return DS_OK;
}

static ds_status save(bytes *b)
{
    ds_saver *saver;
    const ds_save_to to = {.arg = b, .write = append};
    const ds_saved_bytes one[] = {{"hello", 5}, {" world", 6}}, none[] = {{NULL, 0}};
    const ds_saved_bytes eight[] = {{"12345678", 8}};
    DS_TRY(ds_saver_new(&to, 42, &saver, NULL));
    ds_status status = ds_saver_put(saver, 1, one, 2, NULL);
    if (status == DS_OK)
        status = ds_saver_put(saver, 7, none, 1, NULL);
    if (status == DS_OK)
        status = ds_saver_put(saver, 1, eight, 1, NULL);
    if (status == DS_OK)
        status = ds_saver_end(saver, NULL);
    ds_saver_free(saver);
    return status;
}

/* Reads all frames; what they hold goes to text, "|" behind each. */
static ds_status load(bytes *b, uint32_t kind, size_t most, ds_buffer *text)
{
    ds_loader *loader;
    const ds_load_from from = {b, next};
    b->at = 0;
    DS_TRY(ds_loader_new(&from, kind, most, &loader, NULL));
    uint32_t tag = 1;
    ds_status status = DS_OK;
    while (status == DS_OK && tag != 0) {
        char frame[64];
        size_t length;
        status = ds_loader_next(loader, &tag, &length, NULL);
        if (status != DS_OK || tag == 0)
            break;
        ck_assert_uint_le(length, sizeof frame);
        status = ds_loader_take(loader, frame, NULL);
        if (status == DS_OK && text != NULL) {
            ds_buffer_printf(text, "%u:", tag);
            ds_buffer_append(text, frame, length);
            ds_buffer_append_text(text, "|");
        }
    }
    ds_loader_free(loader);
    return status;
}

/* Frames of which some are given, with their bytes of a budget. */
static void give_some(const ds_save_to *to, ds_budget *budget)
{
    ds_saver *saver;
    ck_assert_int_eq(ds_saver_new(to, 42, &saver, NULL), DS_OK);
    const ds_saved_bytes one[] = {{"hello", 5}};
    ck_assert_int_eq(ds_saver_put(saver, 1, one, 1, NULL), DS_OK);
    for (size_t length = 1; length < 40; length += 9) {
        char *given = ds_budget_alloc(budget, length);
        memset(given, (int)length, length);
        ck_assert_int_eq(ds_saver_give(saver, 3, given, length, budget, NULL), DS_OK);
    }
    ck_assert_int_eq(ds_saver_end(saver, NULL), DS_OK);
    ds_saver_free(saver);
}

typedef struct takes {
    bytes b;
    int asked, taken;
} takes;

static bool take_each_second(void *arg, void *from, size_t length, ds_budget *budget)
{
    takes *t = arg;
    if (t->asked++ % 2 == 0)
        return false;
    ds_buffer_append(&t->b.buffer, from, length);
    ds_budget_free(budget, from, length);
    t->taken++;
    return true;
}

/* The checksum later, and bytes that are taken: the same bytes in the end, in whatever pieces. */
START_TEST(the_checksum_can_be_made_later)
{
    bytes plain = {.limit = 0};
    takes later = {.taken = 0};
    ds_budget budget;
    bool lacks_sum = false;
    ds_budget_init(&budget, NULL, 0);
    give_some(&(ds_save_to){.arg = &plain, .write = append}, &budget);
    ck_assert_int_eq(budget.used_bytes, 0);
    give_some(&(ds_save_to){&later.b, append, take_each_second, &lacks_sum}, &budget);
    ck_assert_int_eq(budget.used_bytes, 0);
    ck_assert(lacks_sum && later.taken == 2);
    size_t length = later.b.buffer.length;
    ck_assert_uint_eq(length, plain.buffer.length);
    ck_assert_int_ne(memcmp(later.b.buffer.data, plain.buffer.data, length), 0);
    for (size_t piece = 1; piece <= length; piece += 1 + piece / 3) {
        bytes summed = {.limit = 0};
        ds_saved_sum sum;
        const ds_save_to to = {.arg = &summed, .write = append};
        ds_saved_sum_init(&sum, &to, length);
        for (size_t at = 0; at < length; at += piece) {
            size_t n = length - at < piece ? length - at : piece;
            ck_assert_int_eq(ds_saved_sum_put(&sum, later.b.buffer.data + at, n, NULL), DS_OK);
        }
        ds_saved_sum_fini(&sum);
        ck_assert_uint_eq(summed.buffer.length, length);
        ck_assert_mem_eq(summed.buffer.data, plain.buffer.data, length);
        ck_assert_int_eq(load(&summed, 42, 64, NULL), DS_OK);
        ds_buffer_fini(&summed.buffer);
    }
    ds_buffer_fini(&plain.buffer);
    ds_buffer_fini(&later.b.buffer);
}
END_TEST

START_TEST(frames_come_back)
{
    bytes b = {{0}, 0, 0}, again = {{0}, 0, 0};
    ds_buffer text = {0};
    ck_assert_int_eq(save(&b), DS_OK);
    ck_assert_uint_eq(b.buffer.length % 8, 0);
    ck_assert_int_eq(load(&b, 42, 64, &text), DS_OK);
    ck_assert_str_eq(ds_buffer_text(&text), "1:hello world|7:|1:12345678|");
    ck_assert_uint_eq(b.at, b.buffer.length);
    ck_assert_int_eq(save(&again), DS_OK); /* equal data, equal bytes */
    ck_assert_uint_eq(again.buffer.length, b.buffer.length);
    ck_assert_mem_eq(again.buffer.data, b.buffer.data, b.buffer.length);
    ds_buffer_fini(&again.buffer);
    ds_buffer_fini(&b.buffer);
    ds_buffer_fini(&text);
}
END_TEST

START_TEST(other_kinds_and_long_frames_are_refused)
{
    bytes b = {{0}, 0, 0};
    ck_assert_int_eq(save(&b), DS_OK);
    ck_assert_int_eq(load(&b, 41, 64, NULL), DS_ERR_PROTOCOL);
    ck_assert_int_eq(load(&b, 42, 10, NULL), DS_ERR_PROTOCOL);
    ck_assert_int_eq(load(&b, 42, 11, NULL), DS_OK);
    ds_buffer_fini(&b.buffer);
}
END_TEST

START_TEST(any_change_is_found)
{
    bytes b = {{0}, 0, 0};
    ck_assert_int_eq(save(&b), DS_OK);
    for (size_t i = 0; i < b.buffer.length; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.buffer.data[i] = (char)(b.buffer.data[i] ^ (1 << bit));
            ck_assert_int_eq(load(&b, 42, 64, NULL), DS_ERR_PROTOCOL);
            b.buffer.data[i] = (char)(b.buffer.data[i] ^ (1 << bit));
        }
    size_t whole = b.buffer.length;
    for (b.buffer.length = 0; b.buffer.length < whole; b.buffer.length++)
        ck_assert_int_eq(load(&b, 42, 64, NULL), DS_ERR_PROTOCOL);
    ck_assert_int_eq(load(&b, 42, 64, NULL), DS_OK);
    ds_buffer_fini(&b.buffer);
}
END_TEST

START_TEST(a_write_that_fails_ends_it)
{
    bytes whole = {{0}, 0, 0};
    ck_assert_int_eq(save(&whole), DS_OK);
    for (size_t limit = 1; limit < whole.buffer.length; limit += 5) {
        bytes b = {{0}, 0, limit};
        ck_assert_int_eq(save(&b), DS_ERR_IO);
        ds_buffer_fini(&b.buffer);
    }
    ds_buffer_fini(&whole.buffer);
}
END_TEST

static ds_status load_long(bytes *b, char **frame)
{
    ds_loader *loader;
    const ds_load_from from = {b, next};
    uint32_t tag;
    size_t length;
    b->at = 0;
    DS_TRY(ds_loader_new(&from, 1, SIZE_MAX, &loader, NULL));
    ds_status status = ds_loader_next(loader, &tag, &length, NULL);
    if (status == DS_OK)
        status = ds_loader_take_new(loader, frame, NULL);
    ds_loader_free(loader);
    return status;
}

START_TEST(long_frames_come_in_memory_that_grows)
{
    for (size_t length = 0; length < 5000001; length += 1000000) {
        bytes b = {{0}, 0, 0};
        const ds_save_to to = {.arg = &b, .write = append};
        ds_saver *saver;
        char *data = malloc(length + 1), *got;
        for (size_t i = 0; i < length; i++)
            data[i] = (char)(i / 7);
        ck_assert_int_eq(ds_saver_new(&to, 1, &saver, NULL), DS_OK);
        ck_assert_int_eq(ds_saver_put(saver, 1, &(ds_saved_bytes){data, length}, 1, NULL), DS_OK);
        ck_assert_int_eq(ds_saver_end(saver, NULL), DS_OK);
        ck_assert_int_eq(load_long(&b, &got), DS_OK);
        ck_assert_mem_eq(got, data, length);
        free(got);
        const uint64_t much = (uint64_t)1 << 60; /* a length that is a lie */
        memcpy(b.buffer.data + 24, &much, sizeof much);
        ck_assert_int_eq(load_long(&b, &got), DS_ERR_PROTOCOL);
        ds_saver_free(saver);
        ds_buffer_fini(&b.buffer);
        free(data);
    }
}
END_TEST

UNIT_MAIN("saved", the_checksum_can_be_made_later, frames_come_back,
          other_kinds_and_long_frames_are_refused, any_change_is_found, a_write_that_fails_ends_it,
          long_frames_come_in_memory_that_grows)
