#include "exec/collected.h"

#include "base/assert.h"
#include "exec/fold.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEAST_TAKEN ((size_t)1 << 10)
#define SHORT_PIECE ((size_t)256)
#define LEAST_PIECE ((size_t)1 << 10)
#define MOST_PIECE ((size_t)1 << 20)
#define STORED_PIECE ((size_t)1 << 20)
#define READ_BYTES ((size_t)256 << 10)
#define PATIENCE_S 10

struct ds_collection {
    pthread_mutex_t lock;
    pthread_cond_t written;
    ds_collected *first, **last;
    int64_t charged; /* of all that were added, and are not written ... */
    int64_t writing; /* ... and of those that were taken */
    bool patient;
    int64_t fold_room; /* reserved for folds ... */
    uint32_t n_folds;  /* ... of which there are so many */
};

ds_collected *ds_collected_new(const ds_save_order *order, uint32_t most_parts,
                               const ds_collected_room *room)
{
    DS_ASSERT(order->save > 0 && order->epoch > 0);
    size_t length = strlen(order->folder) + 1;
    ds_collected *collected = ds_calloc(1, sizeof *collected + length);
    collected->order = *order;
    collected->order.folder = memcpy(collected->folder, order->folder, length);
    collected->saved =
        (ds_msg_saved){.plan_id = order->plan_id, .save = order->save, .message = ""};
    collected->saved.parts = ds_calloc(most_parts, sizeof *collected->saved.parts);
    collected->bytes = ds_calloc(most_parts, sizeof *collected->bytes);
    collected->most_parts = most_parts;
    collected->room = *room;
    return collected;
}

/* Tells whoever waits for memory that some is free. */
static void tell_written(const ds_collected *collected)
{
    ds_collection *collection = collected->room.collection;
    if (!collected->added || collected->charged == 0)
        return;
    pthread_mutex_lock(&collection->lock);
    DS_ASSERT(collection->charged >= collected->charged);
    collection->charged -= collected->charged;
    collection->writing -= collected->taken ? collected->charged : 0;
    DS_ASSERT(collection->writing >= 0);
    pthread_cond_broadcast(&collection->written);
    pthread_mutex_unlock(&collection->lock);
}

void ds_collected_forget_bytes(ds_collected *collected)
{
    for (uint32_t i = 0; i < collected->saved.n_parts; i++) {
        while (collected->bytes[i].first != NULL) {
            ds_collected_piece *piece = collected->bytes[i].first;
            collected->bytes[i].first = piece->next;
            if (piece->stored)
                ds_store_give(collected->room.store, piece->offset, piece->size);
            if (piece->taken != NULL)
                ds_budget_free(piece->of, piece->taken, piece->length);
            free(piece);
        }
        collected->bytes[i] = (ds_collected_bytes){0};
    }
    ds_budget_charge(collected->room.budget, -collected->charged);
    tell_written(collected);
    collected->charged = 0;
}

void ds_collected_free(ds_collected *collected)
{
    if (collected == NULL)
        return;
    ds_collected_forget_bytes(collected);
    ds_fold_free(collected->fold);
    free(collected->saved.parts);
    free(collected->bytes);
    free(collected->path);
    free(collected);
}

/* ---- room ---- */

static void append(ds_collected_bytes *bytes, ds_collected_piece *piece)
{
    if (bytes->last == NULL)
        bytes->first = piece;
    else
        bytes->last->next = piece;
    bytes->last = piece;
}

static bool add_in_memory(ds_collected *collected, ds_collected_bytes *bytes)
{
    bool first = bytes->last == NULL || bytes->last->stored;
    size_t size = first ? LEAST_PIECE : bytes->last->size * 2;
    if (!first && bytes->last->taken != NULL)
        size = SHORT_PIECE; /* the next one may be, too */
    if (size > MOST_PIECE)
        size = MOST_PIECE;
    int64_t charge = (int64_t)(sizeof(ds_collected_piece) + size);
    if (collected->room.budget != NULL && !ds_budget_reserve(collected->room.budget, charge))
        return false;
    collected->charged += charge;
    ds_collected_piece *piece = ds_alloc(sizeof *piece + size);
    *piece = (ds_collected_piece){.size = size};
    append(bytes, piece);
    return true;
}

static bool add_in_store(ds_collected *collected, ds_collected_bytes *bytes)
{
    uint64_t offset;
    ds_store *store = collected->room.store;
    if (store == NULL || ds_store_take_disk(store, STORED_PIECE, &offset, NULL) != DS_OK)
        return false;
    ds_collected_piece *piece = ds_calloc(1, sizeof *piece);
    *piece = (ds_collected_piece){.size = STORED_PIECE, .stored = true, .offset = offset};
    append(bytes, piece);
    return true;
}

static bool add_piece(ds_collected *collected, ds_collected_bytes *bytes)
{
    return add_in_memory(collected, bytes) || add_in_store(collected, bytes);
}

static struct timespec end_of_patience(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    return until;
}

/* The same for what is in its collection. */
static bool add_late(ds_collected *collected, ds_collected_bytes *bytes)
{
    ds_collection *collection = collected->room.collection;
    int64_t before = collected->charged;
    bool added = add_piece(collected, bytes);
    pthread_mutex_lock(&collection->lock);
    collection->charged += collected->charged - before;
    collection->writing += collected->taken ? collected->charged - before : 0;
    pthread_mutex_unlock(&collection->lock);
    return added;
}

/* Finds room for more bytes, as soon as there is some: while others are being written there may
 * be. */
static bool find_room(ds_collected *collected, ds_collected_bytes *bytes)
{
    ds_collection *collection = collected->room.collection;
    if (collected->anew && collected->added)
        return add_late(collected, bytes);
    if (add_piece(collected, bytes))
        return true;
    if (collection == NULL)
        return false;
    const struct timespec until = end_of_patience();
    bool found = false;
    pthread_mutex_lock(&collection->lock);
    while (!(found = add_piece(collected, bytes)) && collection->patient && collection->charged > 0)
        if (pthread_cond_timedwait(&collection->written, &collection->lock, &until) != 0)
            break;
    pthread_mutex_unlock(&collection->lock);
    return found;
}

/* ---- bytes ---- */

static ds_status write_bytes(void *arg, const void *from, size_t length, ds_error *error)
{
    ds_collected *collected = arg;
    DS_ASSERT(collected->saved.n_parts > 0);
    ds_collected_bytes *bytes = &collected->bytes[collected->saved.n_parts - 1];
    for (const char *at = from; length > 0;) {
        if ((bytes->last == NULL || bytes->last->length == bytes->last->size) &&
            !find_room(collected, bytes))
            return ds_error_set(error, DS_ERR_NO_MEMORY,
                                "the memory limit is reached: what is kept does not fit beside "
                                "itself until it is saved (executors.memory, limits.spill)");
        ds_collected_piece *piece = bytes->last;
        size_t n = piece->size - piece->length < length ? piece->size - piece->length : length;
        if (piece->stored)
            DS_TRY(
                ds_store_put(collected->room.store, piece->offset + piece->length, at, n, error));
        else
            memcpy(piece->bytes + piece->length, at, n);
        piece->length += n;
        bytes->length += n;
        at += n;
        length -= n;
    }
    return DS_OK;
}

/* Bytes that are there, if they are worth a piece of their own. They stay where they are charged.
 */
static bool take_bytes(void *arg, void *from, size_t length, ds_budget *budget)
{
    ds_collected *collected = arg;
    DS_ASSERT(collected->saved.n_parts > 0);
    ds_collected_bytes *bytes = &collected->bytes[collected->saved.n_parts - 1];
    if (length < LEAST_TAKEN)
        return false;
    ds_collected_piece *piece = ds_alloc(sizeof *piece);
    *piece = (ds_collected_piece){.length = length, .size = length, .taken = from, .of = budget};
    append(bytes, piece);
    bytes->length += length;
    return true;
}

/* Those of a piece on disk, through a buffer. */
static ds_status read_disk(const ds_store *store, const ds_collected_piece *piece,
                           const ds_save_to *to, ds_error *error)
{
    char *buffer = ds_alloc(READ_BYTES);
    ds_status status = DS_OK;
    for (size_t at = 0, n; at < piece->length && status == DS_OK; at += n) {
        n = piece->length - at < READ_BYTES ? piece->length - at : READ_BYTES;
        status = ds_store_read_disk(store, piece->offset + at, buffer, n, error);
        if (status == DS_OK)
            status = to->write(to->arg, buffer, n, error);
    }
    free(buffer);
    return status;
}

static const char *bytes_of(const ds_collected_piece *piece, const ds_store *store)
{
    if (piece->stored)
        return ds_store_range(store, piece->offset, piece->length);
    return piece->taken != NULL ? piece->taken : piece->bytes;
}

static ds_status read_pieces(const ds_collected *collected, uint32_t part, const ds_save_to *to,
                             ds_error *error)
{
    const ds_store *store = collected->room.store;
    const ds_collected_piece *piece = collected->bytes[part].first;
    for (; piece != NULL; piece = piece->next)
        if (piece->stored && ds_store_is_on_disk(store, piece->offset))
            DS_TRY(read_disk(store, piece, to, error));
        else
            DS_TRY(to->write(to->arg, bytes_of(piece, store), piece->length, error));
    return DS_OK;
}

ds_status ds_collected_read(const ds_collected *collected, uint32_t part, const ds_save_to *to,
                            ds_error *error)
{
    DS_ASSERT(part < collected->saved.n_parts);
    if (!collected->bytes[part].lacks_sum)
        return read_pieces(collected, part, to, error);
    ds_saved_sum sum;
    ds_saved_sum_init(&sum, to, collected->bytes[part].length);
    const ds_save_to through = {.arg = &sum, .write = ds_saved_sum_put};
    ds_status status = read_pieces(collected, part, &through, error);
    ds_saved_sum_fini(&sum);
    return status;
}

void ds_collected_add(ds_collected *collected, const ds_saved_part *part, ds_save_to *to)
{
    DS_ASSERT(collected->saved.n_parts < collected->most_parts);
    ds_saved_part *added = &collected->saved.parts[collected->saved.n_parts++];
    *added = (ds_saved_part){.stage = part->stage,
                             .partition = part->partition,
                             .input = part->input,
                             .batch_ms = part->batch_ms,
                             .whole = part->whole,
                             .path = ""};
    bool *lacks_sum = &collected->bytes[collected->saved.n_parts - 1].lacks_sum;
    *to = (ds_save_to){collected, write_bytes, take_bytes, lacks_sum};
}

void ds_collected_begin_anew(ds_collected *collected)
{
    ds_collected_forget_bytes(collected);
    collected->saved.n_parts = 0;
    collected->anew = true;
}

void ds_collected_fail(ds_collected *collected, ds_status status, const char *why)
{
    DS_ASSERT(status != DS_OK);
    ds_msg_saved *saved = &collected->saved;
    ds_collected_forget_bytes(collected);
    for (uint32_t i = 0; i < saved->n_parts; i++) {
        saved->parts[i].path = "";
        saved->parts[i].ref = (ds_ref){0};
        saved->parts[i].offset = saved->parts[i].length = saved->parts[i].checksum = 0;
    }
    if (saved->status != DS_OK)
        return;
    saved->status = (uint32_t)status;
    snprintf(collected->why, sizeof collected->why, "%s", why);
    saved->message = collected->why;
}

/* ---- the list ---- */

ds_collection *ds_collection_new(void)
{
    ds_collection *collection = ds_calloc(1, sizeof *collection);
    pthread_mutex_init(&collection->lock, NULL);
    pthread_cond_init(&collection->written, NULL);
    collection->last = &collection->first;
    return collection;
}

void ds_collection_free(ds_collection *collection)
{
    if (collection == NULL)
        return;
    ds_collected *list = ds_collection_take(collection);
    while (list != NULL) {
        ds_collected *collected = list;
        list = collected->next;
        ds_collected_free(collected);
    }
    pthread_cond_destroy(&collection->written);
    pthread_mutex_destroy(&collection->lock);
    free(collection);
}

void ds_collection_set_patient(ds_collection *collection)
{
    collection->patient = true;
}

void ds_collection_end_patience(ds_collection *collection)
{
    pthread_mutex_lock(&collection->lock);
    collection->patient = false;
    pthread_cond_broadcast(&collection->written);
    pthread_mutex_unlock(&collection->lock);
}

void ds_collection_add(ds_collection *collection, ds_collected *collected)
{
    DS_ASSERT(collected->room.collection == collection && !collected->added);
    pthread_mutex_lock(&collection->lock);
    collected->added = true;
    collection->charged += collected->charged;
    collected->next = NULL;
    *collection->last = collected;
    collection->last = &collected->next;
    pthread_mutex_unlock(&collection->lock);
}

ds_collected *ds_collection_take(ds_collection *collection)
{
    pthread_mutex_lock(&collection->lock);
    ds_collected *list = collection->first;
    for (ds_collected *c = list; c != NULL; c = c->next) {
        c->taken = true;
        collection->writing += c->charged;
    }
    collection->first = NULL;
    collection->last = &collection->first;
    pthread_mutex_unlock(&collection->lock);
    return list;
}

bool ds_collection_reserve_fold(ds_collection *collection, ds_budget *budget, int64_t bytes)
{
    pthread_mutex_lock(&collection->lock);
    int64_t more = bytes > collection->fold_room ? bytes - collection->fold_room : 0;
    bool reserved = budget == NULL || more == 0 || ds_budget_reserve(budget, more);
    if (reserved) {
        collection->fold_room += more;
        collection->n_folds++;
    }
    pthread_mutex_unlock(&collection->lock);
    return reserved;
}

void ds_collection_end_fold(ds_collection *collection, ds_budget *budget)
{
    pthread_mutex_lock(&collection->lock);
    DS_ASSERT(collection->n_folds > 0);
    if (--collection->n_folds == 0) {
        ds_budget_charge(budget, -collection->fold_room);
        collection->fold_room = 0;
    }
    pthread_mutex_unlock(&collection->lock);
}

bool ds_collection_wait(ds_collection *collection)
{
    if (collection == NULL)
        return false;
    const struct timespec until = end_of_patience();
    pthread_mutex_lock(&collection->lock);
    bool any = collection->patient && collection->writing > 0;
    while (collection->patient && collection->writing > 0)
        if (pthread_cond_timedwait(&collection->written, &collection->lock, &until) != 0)
            break;
    pthread_mutex_unlock(&collection->lock);
    return any;
}
