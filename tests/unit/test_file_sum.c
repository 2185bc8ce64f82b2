/* Checksums of parts of files. */
#include "base/file_sum.h"

#include "unit/scratch_dir.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define BYTES ((size_t)600 << 10) /* more than are read at a time */

typedef struct kit {
    scratch_dir d;
    char *bytes;
    int fd;
    ds_error error;
} kit;

static void kit_open(kit *k)
{
    scratch_open(&k->d);
    k->bytes = malloc(BYTES + 1);
    ck_assert_ptr_nonnull(k->bytes);
    for (size_t i = 0; i < BYTES; i++)
        k->bytes[i] = (char)('a' + i * 7 % 23);
    k->bytes[BYTES] = '\0';
    scratch_write(&k->d, "file", k->bytes);
    k->fd = open(scratch_path(&k->d, "file"), O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(k->fd, 0);
}

static void kit_close(kit *k)
{
    close(k->fd);
    free(k->bytes);
    scratch_close(&k->d);
}

START_TEST(parts_of_a_file)
{
    static const size_t parts[][2] = {{0, 0},         {0, BYTES},     {0, 1},           {BYTES, 0},
                                      {BYTES - 1, 1}, {7, BYTES / 2}, {1000, 256 << 10}};
    kit k;
    kit_open(&k);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        uint64_t sum;
        ck_assert_int_eq(ds_file_sum(k.fd, parts[i][0], parts[i][1], &sum, &k.error), DS_OK);
        ck_assert_uint_eq(sum, XXH3_64bits(k.bytes + parts[i][0], parts[i][1]));
    }
    kit_close(&k);
}
END_TEST

START_TEST(it_is_shorter)
{
    kit k;
    uint64_t sum;
    kit_open(&k);
    ck_assert_int_eq(ds_file_sum(k.fd, 1, BYTES, &sum, &k.error), DS_ERR_LOST);
    ck_assert_int_eq(ds_file_sum(k.fd, BYTES + 5, 1, &sum, &k.error), DS_ERR_LOST);
    ck_assert_str_eq(k.error.message, "the file is cut short");
    kit_close(&k);
}
END_TEST

START_TEST(it_cannot_be_read)
{
    kit k;
    uint64_t sum;
    kit_open(&k);
    int folder = open(k.d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(ds_file_sum(folder, 0, 1, &sum, &k.error), DS_ERR_IO);
    ck_assert_str_eq(k.error.message, strerror(EISDIR));
    close(folder);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("file_sum", parts_of_a_file, it_is_shorter, it_cannot_be_read)
