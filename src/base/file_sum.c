#include "base/file_sum.h"

#include "base/assert.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define READ_BYTES ((size_t)256 << 10)

static ds_status read_some(int fd, char *to, size_t most, uint64_t at, size_t *n, ds_error *error)
{
    ssize_t got;
    do
        got = pread(fd, to, most, (off_t)at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ds_error_set(error, DS_ERR_IO, "%s", strerror(errno));
    if (got == 0)
        return ds_error_set(error, DS_ERR_LOST, "the file is cut short");
    *n = (size_t)got;
    return DS_OK;
}

ds_status ds_file_sum(int fd, uint64_t at, uint64_t length, uint64_t *sum, ds_error *error)
{
    XXH3_state_t *state = XXH3_createState();
    char *bytes = ds_alloc(READ_BYTES);
    ds_status status = DS_OK;
    DS_ASSERT(state != NULL && fd >= 0);
    XXH3_64bits_reset(state);
    for (uint64_t done = 0; done < length && status == DS_OK;) {
        size_t n = length - done < READ_BYTES ? (size_t)(length - done) : READ_BYTES;
        status = read_some(fd, bytes, n, at + done, &n, error);
        if (status == DS_OK)
            XXH3_64bits_update(state, bytes, n);
        done += n;
    }
    *sum = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    free(bytes);
    return status;
}
