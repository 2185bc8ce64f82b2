#include "base/saved.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are written as they are");

#define FIRST_BYTES ((size_t)1 << 20) /* that are asked for before any came */

static const char magic[8] = "DSKEPT\r\n";

typedef struct file_head {
    char magic[8];
    uint32_t version, kind;
} file_head;

typedef struct frame_head {
    uint32_t tag, zero;
    uint64_t length;
} frame_head;

_Static_assert(sizeof(file_head) == 16 && sizeof(frame_head) == 16, "fixed layout");

static size_t padding(size_t length)
{
    return (8 - length % 8) % 8;
}

static const char zeros[8];

/* ---- writing ---- */

struct ds_saver {
    ds_save_to to;
    XXH3_state_t *hash;
};

static ds_status put(ds_saver *saver, const void *bytes, size_t length, ds_error *error)
{
    if (length == 0)
        return DS_OK;
    if (saver->to.lacks_sum == NULL)
        XXH3_64bits_update(saver->hash, bytes, length);
    return saver->to.write(saver->to.arg, bytes, length, error);
}

static XXH3_state_t *new_hash(void)
{
    XXH3_state_t *hash = XXH3_createState();
    DS_ASSERT(hash != NULL);
    XXH3_64bits_reset(hash);
    return hash;
}

ds_status ds_saver_new(const ds_save_to *to, uint32_t kind, ds_saver **result, ds_error *error)
{
    ds_saver *saver = ds_calloc(1, sizeof *saver);
    saver->to = *to;
    saver->hash = new_hash();
    file_head head = {.version = DS_SAVED_VERSION, .kind = kind};
    memcpy(head.magic, magic, sizeof magic);
    ds_status status = put(saver, &head, sizeof head, error);
    if (status == DS_OK)
        *result = saver;
    else
        ds_saver_free(saver);
    return status;
}

void ds_saver_free(ds_saver *saver)
{
    if (saver == NULL)
        return;
    XXH3_freeState(saver->hash);
    free(saver);
}

ds_status ds_saver_put(ds_saver *saver, uint32_t tag, const ds_saved_bytes *parts, size_t n_parts,
                       ds_error *error)
{
    DS_ASSERT(tag != 0);
    frame_head head = {.tag = tag};
    for (size_t i = 0; i < n_parts; i++)
        head.length += parts[i].length;
    DS_TRY(put(saver, &head, sizeof head, error));
    for (size_t i = 0; i < n_parts; i++)
        DS_TRY(put(saver, parts[i].bytes, parts[i].length, error));
    return put(saver, zeros, padding(head.length), error);
}

ds_status ds_saver_give(ds_saver *saver, uint32_t tag, void *bytes, size_t length,
                        ds_budget *budget, ds_error *error)
{
    const frame_head head = {.tag = tag, .length = length};
    DS_ASSERT(tag != 0);
    ds_status status = put(saver, &head, sizeof head, error);
    DS_ASSERT(saver->to.take == NULL || saver->to.lacks_sum != NULL);
    bool taken = status == DS_OK && saver->to.take != NULL &&
                 saver->to.take(saver->to.arg, bytes, length, budget);
    if (status == DS_OK && !taken)
        status = put(saver, bytes, length, error);
    if (!taken)
        ds_budget_free(budget, bytes, length);
    return status != DS_OK ? status : put(saver, zeros, padding(length), error);
}

ds_status ds_saver_end(ds_saver *saver, ds_error *error)
{
    uint64_t sum = saver->to.lacks_sum != NULL ? 0 : XXH3_64bits_digest(saver->hash);
    frame_head head = {.length = sizeof sum};
    DS_TRY(saver->to.write(saver->to.arg, &head, sizeof head, error));
    DS_TRY(saver->to.write(saver->to.arg, &sum, sizeof sum, error));
    if (saver->to.lacks_sum != NULL)
        *saver->to.lacks_sum = true;
    return DS_OK;
}

/* ---- the checksum, later ---- */

#define SUM_BYTES sizeof(uint64_t)
#define END_BYTES                                                                                  \
    (sizeof(frame_head) + SUM_BYTES) /* of the last frame, which has no part in it                 \
                                      */

void ds_saved_sum_init(ds_saved_sum *sum, const ds_save_to *to, uint64_t length)
{
    DS_ASSERT(length >= sizeof(file_head) + END_BYTES);
    *sum = (ds_saved_sum){.to = *to, .length = length, .hash = new_hash()};
}

void ds_saved_sum_fini(ds_saved_sum *sum)
{
    XXH3_freeState(sum->hash);
}

static ds_status put_sum(ds_saved_sum *sum, ds_error *error)
{
    uint64_t made = XXH3_64bits_digest(sum->hash);
    return sum->to.write(sum->to.arg, &made, sizeof made, error);
}

ds_status ds_saved_sum_put(void *arg, const void *bytes, size_t n, ds_error *error)
{
    ds_saved_sum *sum = arg;
    uint64_t summed = sum->length - END_BYTES, end = sum->length - SUM_BYTES, at = sum->at;
    DS_ASSERT(n <= sum->length - at);
    sum->at += n;
    if (at < summed)
        XXH3_64bits_update(sum->hash, bytes, n < summed - at ? n : (size_t)(summed - at));
    if (at < end)
        DS_TRY(sum->to.write(sum->to.arg, bytes, n < end - at ? n : (size_t)(end - at), error));
    return at < sum->length && sum->at == sum->length ? put_sum(sum, error) : DS_OK;
}

/* ---- reading ---- */

struct ds_loader {
    ds_load_from from;
    XXH3_state_t *hash;
    size_t most;
    size_t length; /* of the frame whose head was read */
    bool taken;    /* its bytes were */
    bool ended;
};

static ds_status get(ds_loader *loader, void *to, size_t length, ds_error *error)
{
    if (length == 0)
        return DS_OK;
    DS_TRY(loader->from.read(loader->from.arg, to, length, error));
    XXH3_64bits_update(loader->hash, to, length);
    return DS_OK;
}

static ds_status wrong(ds_error *error, const char *what)
{
    return ds_error_set(error, DS_ERR_PROTOCOL, "saved data: %s", what);
}

ds_status ds_loader_new(const ds_load_from *from, uint32_t kind, size_t most, ds_loader **result,
                        ds_error *error)
{
    ds_loader *loader = ds_calloc(1, sizeof *loader);
    *loader = (ds_loader){.from = *from, .hash = new_hash(), .most = most, .taken = true};
    file_head head;
    ds_status status = get(loader, &head, sizeof head, error);
    if (status == DS_OK && memcmp(head.magic, magic, sizeof magic) != 0)
        status = wrong(error, "it is none");
    else if (status == DS_OK && head.version != DS_SAVED_VERSION)
        status = wrong(error, "it is of another version");
    else if (status == DS_OK && head.kind != kind)
        status = wrong(error, "it is of another kind");
    if (status == DS_OK)
        *result = loader;
    else
        ds_loader_free(loader);
    return status;
}

void ds_loader_free(ds_loader *loader)
{
    if (loader == NULL)
        return;
    XXH3_freeState(loader->hash);
    free(loader);
}

static ds_status read_end(ds_loader *loader, const frame_head *head, ds_error *error)
{
    uint64_t expected, sum;
    if (head->length != sizeof sum)
        return wrong(error, "a wrong end");
    DS_TRY(loader->from.read(loader->from.arg, &sum, sizeof sum, error));
    expected = XXH3_64bits_digest(loader->hash);
    if (sum != expected)
        return wrong(error, "the checksum is wrong");
    loader->ended = true;
    return DS_OK;
}

ds_status ds_loader_next(ds_loader *loader, uint32_t *tag, size_t *length, ds_error *error)
{
    DS_ASSERT(loader->taken && !loader->ended);
    frame_head head;
    /* The end is not part of its own sum: it is added when it turns out to be none. */
    DS_TRY(loader->from.read(loader->from.arg, &head, sizeof head, error));
    if (head.zero != 0)
        return wrong(error, "a wrong frame");
    *tag = head.tag;
    *length = (size_t)head.length;
    if (head.tag == 0)
        return read_end(loader, &head, error);
    XXH3_64bits_update(loader->hash, &head, sizeof head);
    if (head.length > loader->most)
        return wrong(error, "a frame is too long");
    loader->length = (size_t)head.length;
    loader->taken = false;
    return DS_OK;
}

static ds_status end_frame(ds_loader *loader, ds_error *error)
{
    char behind[8];
    DS_TRY(get(loader, behind, padding(loader->length), error));
    if (memcmp(behind, zeros, padding(loader->length)) != 0)
        return wrong(error, "something stands behind a frame");
    return DS_OK;
}

ds_status ds_loader_take(ds_loader *loader, void *to, ds_error *error)
{
    DS_ASSERT(!loader->taken);
    loader->taken = true;
    DS_TRY(get(loader, to, loader->length, error));
    return end_frame(loader, error);
}

ds_status ds_loader_take_new(ds_loader *loader, char **result, ds_error *error)
{
    DS_ASSERT(!loader->taken);
    size_t length = loader->length, room = length < FIRST_BYTES ? length : FIRST_BYTES, at = 0;
    char *bytes = ds_alloc(room);
    ds_status status = DS_OK;
    loader->taken = true;
    while (at < length && status == DS_OK) {
        if (at == room) {
            room = length - room < room ? length : room * 2;
            bytes = ds_realloc(bytes, room, 1);
        }
        status = get(loader, bytes + at, room - at, error);
        at = room;
    }
    if (status == DS_OK)
        status = end_frame(loader, error);
    if (status == DS_OK)
        *result = bytes;
    else
        free(bytes);
    return status;
}
