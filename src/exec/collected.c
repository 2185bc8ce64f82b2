#include "exec/collected.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEAST_PIECE ((size_t)1 << 10)
#define MOST_PIECE ((size_t)1 << 20)
#define PATIENCE_S 10

struct ds_collection {
    pthread_mutex_t lock;
    pthread_cond_t written;
    ds_collected *first, **last;
    int64_t charged; /* of all that were added, and are not written */
    bool patient;
};

ds_collected *ds_collected_new(const ds_save_order *order, uint32_t most_parts, ds_budget *budget,
                               ds_collection *collection)
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
    collected->budget = budget;
    collected->collection = collection;
    return collected;
}

/* Tells whoever waits for memory that some is free. */
static void tell_written(const ds_collected *collected)
{
    ds_collection *collection = collected->collection;
    if (!collected->added || collected->charged == 0)
        return;
    pthread_mutex_lock(&collection->lock);
    DS_ASSERT(collection->charged >= collected->charged);
    collection->charged -= collected->charged;
    pthread_cond_broadcast(&collection->written);
    pthread_mutex_unlock(&collection->lock);
}

void ds_collected_forget_bytes(ds_collected *collected)
{
    for (uint32_t i = 0; i < collected->saved.n_parts; i++) {
        while (collected->bytes[i].first != NULL) {
            ds_collected_piece *piece = collected->bytes[i].first;
            collected->bytes[i].first = piece->next;
            free(piece);
        }
        collected->bytes[i] = (ds_collected_bytes){0};
    }
    ds_budget_charge(collected->budget, -collected->charged);
    tell_written(collected);
    collected->charged = 0;
}

void ds_collected_free(ds_collected *collected)
{
    if (collected == NULL)
        return;
    ds_collected_forget_bytes(collected);
    free(collected->saved.parts);
    free(collected->bytes);
    free(collected->path);
    free(collected);
}

/* Reserves memory, as soon as there is some: while others are being written there may be. */
static bool reserve(const ds_collected *collected, int64_t bytes)
{
    ds_collection *collection = collected->collection;
    if (collected->budget == NULL || ds_budget_reserve(collected->budget, bytes))
        return true;
    if (collection == NULL)
        return false;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    bool reserved = false;
    pthread_mutex_lock(&collection->lock);
    while (!(reserved = ds_budget_reserve(collected->budget, bytes)) && collection->patient &&
           collection->charged > 0)
        if (pthread_cond_timedwait(&collection->written, &collection->lock, &until) != 0)
            break;
    pthread_mutex_unlock(&collection->lock);
    return reserved;
}

/* Room for more bytes of the last part, or NULL. */
static ds_collected_piece *add_piece(ds_collected *collected, ds_collected_bytes *bytes)
{
    size_t size = bytes->last == NULL ? LEAST_PIECE : bytes->last->size * 2;
    if (size > MOST_PIECE)
        size = MOST_PIECE;
    int64_t charge = (int64_t)(sizeof(ds_collected_piece) + size);
    if (!reserve(collected, charge))
        return NULL;
    collected->charged += charge;
    ds_collected_piece *piece = ds_alloc(sizeof *piece + size);
    *piece = (ds_collected_piece){.size = size};
    if (bytes->last == NULL)
        bytes->first = piece;
    else
        bytes->last->next = piece;
    bytes->last = piece;
    return piece;
}

static ds_status write_bytes(void *arg, const void *from, size_t length, ds_error *error)
{
    ds_collected *collected = arg;
    DS_ASSERT(collected->saved.n_parts > 0);
    ds_collected_bytes *bytes = &collected->bytes[collected->saved.n_parts - 1];
    for (const char *at = from; length > 0;) {
        ds_collected_piece *piece = bytes->last;
        if (piece == NULL || piece->length == piece->size)
            piece = add_piece(collected, bytes);
        if (piece == NULL)
            return ds_error_set(error, DS_ERR_NO_MEMORY,
                                "the memory limit is reached: what is kept does not fit beside "
                                "itself until it is saved (executors.memory)");
        size_t n = piece->size - piece->length < length ? piece->size - piece->length : length;
        memcpy(piece->bytes + piece->length, at, n);
        piece->length += n;
        bytes->length += n;
        at += n;
        length -= n;
    }
    return DS_OK;
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
    *to = (ds_save_to){collected, write_bytes};
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

void ds_collection_add(ds_collection *collection, ds_collected *collected)
{
    DS_ASSERT(collected->collection == collection && !collected->added);
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
    collection->first = NULL;
    collection->last = &collection->first;
    pthread_mutex_unlock(&collection->lock);
    return list;
}
