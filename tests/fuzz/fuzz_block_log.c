/*
 * Files of the log of received blocks that are not what they should be: the bytes are a segment,
 * with checks that hold if the first byte says so. What is found can be read.
 */
#include "base/assert.h"
#include "receiver/block_log_read.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define NAME "0000000001-000001.log"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}

/* Makes the checks hold, so that what stands behind them is looked at, too. */
static void repair(char *bytes, size_t size)
{
    if (size < DS_LOG_HEAD)
        return;
    memcpy(bytes, DS_LOG_MAGIC, 8);
    put(bytes + 8, 1);
    put(bytes + 16, 1);
    put(bytes + 24, XXH3_64bits(bytes, 24));
    for (size_t at = DS_LOG_HEAD; size - at >= DS_LOG_RECORD_HEAD;) {
        uint64_t length;
        memcpy(&length, bytes + at + 16, sizeof length);
        size_t left = size - at - DS_LOG_RECORD_HEAD;
        memcpy(bytes + at, "DSB\x1a", 4);
        if (length <= left)
            put(bytes + at + 48, XXH3_64bits(bytes + at + DS_LOG_RECORD_HEAD, length));
        put(bytes + at + 56, XXH3_64bits_withSeed(bytes + at, 56, ds_log_seed(1, 1)));
        if (length > left)
            return;
        at += DS_LOG_RECORD_HEAD + length;
    }
}

static const char *folder(void)
{
    static char path[] = "/tmp/dstream-fuzz-XXXXXX";
    static bool made;
    if (!made)
        DS_ASSERT(mkdtemp(path) != NULL);
    made = true;
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char path[64];
    char *bytes = ds_alloc(size);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] % 4 != 0)
        repair(bytes, size - 1);
    snprintf(path, sizeof path, "%s/" NAME, folder());
    FILE *file = fopen(path, "we");
    DS_ASSERT(file != NULL && fwrite(bytes, 1, size - 1, file) == size - 1);
    fclose(file);
    free(bytes);
    ds_log_found found;
    ds_error error;
    const ds_log_place nowhere = {0};
    DS_ASSERT(ds_block_log_scan(folder(), &nowhere, 0, &found, &error) == DS_OK);
    for (size_t i = 0; i < found.n_blocks; i++) {
        const ds_block *block = &found.blocks[i];
        ds_buffer text = {0};
        DS_ASSERT(block->header <= block->length);
        DS_ASSERT(ds_block_log_read(path, &block->log, block->length, &text, &error) == DS_OK);
        ds_buffer_fini(&text);
    }
    ds_log_found_fini(&found);
    unlink(path);
    return 0;
}
