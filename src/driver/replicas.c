/*
 * Received blocks that two processes are to hold before they count as received ("replicas": 2).
 *
 * A block whose store the driver holds open has two holders from the beginning: the executor and
 * the driver, without which nothing goes on anyway. Of any other block another executor fetches a
 * copy, preferably one of another host. Until it has it no batch is given the block, nor one that
 * came behind it; and as its receiver has no credit back for it, its sender is slowed down.
 *
 * There is one request for each source at a time, for the oldest blocks, and an executor takes them
 * in their order: so a block never holds room that an older one waits for, and what holds room goes
 * with the next batches. Whoever has no room is asked again, a little later.
 *
 * A block that loses one of the two while it waits is given another one, but does not wait for it
 * any more; in a batch it is only counted. Nobody is asked to hold a block twice. What an answer
 * names that is not wanted any more (it is in a batch, or lost) is released at once.
 */
#include "base/assert.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <string.h>

#define MOST_BLOCKS 64u                 /* of a request */
#define MOST_BYTES ((uint64_t)16 << 20) /* of it, but for its last block */
#define FAILURES 3u                     /* in a row: then blocks go without */
#define ROOM_WAIT_US INT64_C(20000)     /* for room */
#define FAILURE_WAIT_US INT64_C(100000) /* after another failure */

static bool is_wanted_of(const ds_intake *intake)
{
    return intake->needed && ds_intake_has_receiver(intake) && intake->source->replicas > 1;
}

bool ds_driver_has_replicas(const ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (is_wanted_of(&d->intakes[i]))
            return true;
    return false;
}

/* True if bytes are held by one executor, and nobody else. */
static bool is_single(const ds_driver *d, uint64_t executor_id)
{
    const ds_executor_entry *entry = ds_registry_find(&d->registry, executor_id);
    return entry != NULL && !entry->store_open;
}

static bool wants(const ds_driver *d, const ds_waiting_block *waiting)
{
    return waiting->executor_id != 0 && waiting->replica.executor_id == 0 &&
           is_single(d, waiting->executor_id);
}

/* ---- who ---- */

static bool is_better(const ds_executor_entry *a, const ds_executor_entry *b,
                      const ds_executor_entry *from, uint64_t avoid)
{
    if ((a->id == avoid) != (b->id == avoid))
        return b->id == avoid;
    const bool far = strcmp(a->host, from->host) != 0;
    if (far != (strcmp(b->host, from->host) != 0))
        return far;
    return a->store_used < b->store_used;
}

static ds_executor_entry *choose(const ds_driver *d, const ds_intake *intake, uint64_t executor_id)
{
    const ds_executor_entry *from = ds_registry_find(&d->registry, executor_id);
    ds_executor_entry *best = NULL;
    DS_ASSERT(from != NULL);
    for (size_t i = 0; i < d->registry.n; i++) {
        ds_executor_entry *entry = d->registry.list[i];
        if (entry->state != DS_EXECUTOR_READY || entry == from)
            continue;
        if (best == NULL || is_better(entry, best, from, intake->replication.avoid))
            best = entry;
    }
    return best;
}

/* ---- asking ---- */

static void ask(ds_driver *d, ds_intake *intake, const ds_executor_entry *target)
{
    ds_replication *r = &intake->replication;
    const uint64_t from = intake->blocks[r->tended].executor_id;
    ds_replica blocks[MOST_BLOCKS];
    ds_message message = {.type = DS_MSG_REPLICATE};
    ds_msg_replicate *asked = &message.replicate;
    *asked = (ds_msg_replicate){.number = ++d->last_replicate,
                                .room_bytes = ds_driver_input_share(d, target->store_bytes) / 2,
                                .blocks = blocks};
    uint64_t bytes = 0;
    for (size_t i = r->tended; i < intake->n_blocks && bytes < MOST_BYTES; i++) {
        const ds_waiting_block *waiting = &intake->blocks[i];
        if (asked->n_blocks == MOST_BLOCKS || waiting->executor_id != from || !wants(d, waiting))
            break;
        bytes += waiting->block.length;
        blocks[asked->n_blocks++] =
            (ds_replica){waiting->receiver_id,
                         waiting->block.block_id,
                         {from, waiting->block.offset, waiting->block.length}};
    }
    DS_ASSERT(asked->n_blocks > 0 && target->id != from);
    r->number = asked->number;
    r->executor_id = target->id;
    ds_driver_send(d, target, &message);
}

/* Blocks that have no replica go to batches so. */
static void waive(const ds_driver *d, ds_intake *intake)
{
    for (size_t i = intake->replication.tended; i < intake->n_blocks; i++) {
        intake->blocks[i].safe = true;
        intake->blocks[i].single = wants(d, &intake->blocks[i]);
    }
    intake->replication.tended = intake->n_blocks;
}

static void tend(ds_driver *d, ds_intake *intake)
{
    ds_replication *r = &intake->replication;
    DS_ASSERT(r->tended <= intake->n_blocks);
    for (; r->tended < intake->n_blocks; r->tended++) {
        ds_waiting_block *waiting = &intake->blocks[r->tended];
        if (wants(d, waiting))
            break;
        waiting->safe = true;
        waiting->single = false;
    }
    if (r->tended == intake->n_blocks || r->number != 0 || d->now_us < r->not_before_us)
        return;
    const ds_executor_entry *target = choose(d, intake, intake->blocks[r->tended].executor_id);
    if (target != NULL) {
        ask(d, intake, target);
        return;
    }
    if (!r->alone)
        ds_log_warn("source %s: it wants \"replicas\": %" PRIu32
                    ", and there is no second executor: one alone holds what is received",
                    intake->source->name, intake->source->replicas);
    r->alone = true;
    waive(d, intake);
}

void ds_driver_replicate(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (is_wanted_of(&d->intakes[i]))
            tend(d, &d->intakes[i]);
}

/* ---- answers ---- */

static ds_intake *intake_of(ds_driver *d, const ds_executor_entry *from, uint64_t number)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        const ds_replication *r = &d->intakes[i].replication;
        if (number != 0 && r->number == number && r->executor_id == from->id)
            return &d->intakes[i];
    }
    return NULL;
}

/* Among those that may want one. */
static ds_waiting_block *find(const ds_intake *intake, const ds_replica *replica)
{
    for (size_t i = intake->replication.tended; i < intake->n_blocks; i++)
        if (intake->blocks[i].receiver_id == replica->receiver_id &&
            intake->blocks[i].block.block_id == replica->block_id)
            return &intake->blocks[i];
    return NULL;
}

static bool lies_in(const ds_executor_entry *from, const ds_ref *ref)
{
    return ref->executor_id == from->id && ref->offset <= from->store_bytes &&
           ref->length <= from->store_bytes - ref->offset;
}

static void take(ds_driver *d, ds_intake *intake, const ds_executor_entry *from,
                 const ds_replica *replica)
{
    ds_waiting_block *waiting = find(intake, replica);
    if (waiting != NULL && wants(d, waiting) && waiting->executor_id != from->id &&
        lies_in(from, &replica->ref) && replica->ref.length == waiting->block.length) {
        waiting->replica = replica->ref;
        waiting->safe = true;
        waiting->single = false;
        d->progress.blocks_replicated++;
        d->progress.records_replicated += waiting->block.records;
        return;
    }
    struct ds_block_range range = {replica->receiver_id, replica->block_id, replica->block_id};
    ds_message message = {.type = DS_MSG_RELEASE};
    message.release = (ds_msg_release){.blocks = &range, .n_blocks = 1};
    ds_driver_send(d, from, &message);
}

static void on_failure(ds_driver *d, ds_intake *intake, const ds_executor_entry *from,
                       const ds_msg_replicated *replicated)
{
    ds_replication *r = &intake->replication;
    const bool full = replicated->status == DS_ERR_NO_MEMORY;
    r->avoid = from->id;
    r->not_before_us = d->now_us + (full ? ROOM_WAIT_US : FAILURE_WAIT_US);
    if (full || ++r->failures < FAILURES)
        return;
    if (r->failures == FAILURES)
        ds_log_warn("source %s: executors cannot hold what another one received: %s; it goes on "
                    "without",
                    intake->source->name, replicated->message);
    waive(d, intake);
}

void ds_driver_on_replicated(ds_driver *d, ds_executor_entry *from,
                             const ds_msg_replicated *replicated)
{
    ds_intake *intake = intake_of(d, from, replicated->number);
    if (intake == NULL)
        return;
    ds_replication *r = &intake->replication;
    DS_ASSERT(is_wanted_of(intake) && from->peer != 0);
    r->number = 0;
    for (uint32_t i = 0; i < replicated->n_blocks; i++)
        take(d, intake, from, &replicated->blocks[i]);
    if (replicated->n_blocks > 0) {
        r->failures = 0;
        r->avoid = 0;
    }
    if (replicated->status != DS_OK)
        on_failure(d, intake, from, replicated);
}

/* ---- loss ---- */

void ds_driver_replicate_anew(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        d->intakes[i].replication.tended = 0;
}

static bool is_there(const ds_driver *d, uint64_t executor_id)
{
    const ds_executor_entry *entry = ds_registry_find(&d->registry, executor_id);
    return entry != NULL && (entry->state != DS_EXECUTOR_GONE || entry->store_open);
}

/* Counts the blocks of a batch that have one holder from now on. */
static void lose_in_batch(ds_driver *d, const ds_batch *batch, uint64_t lost_id)
{
    for (uint32_t a = 0; a < batch->n_allotments; a++)
        for (uint32_t i = 0; i < batch->allotments[a].n_inputs; i++) {
            const ds_input *input = &batch->allotments[a].inputs[i];
            const uint64_t one = input->ref.executor_id, other = input->replica.executor_id;
            if (input->kind != DS_INPUT_BLOCK || other == 0 || (one != lost_id && other != lost_id))
                continue;
            const uint64_t left = one == lost_id ? other : one;
            d->progress.blocks_single += is_there(d, left) && is_single(d, left);
        }
}

void ds_driver_replicas_of(ds_driver *d, const ds_executor_entry *lost)
{
    DS_ASSERT(lost->state == DS_EXECUTOR_GONE);
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        if (intake->replication.executor_id == lost->id)
            intake->replication.number = 0;
        for (size_t b = 0; b < intake->n_blocks && !lost->store_open; b++) {
            ds_waiting_block *waiting = &intake->blocks[b];
            if (waiting->replica.executor_id != lost->id)
                continue;
            waiting->replica = (ds_ref){0};
            waiting->single = true;
        }
    }
    ds_driver_replicate_anew(d);
    for (ds_batch *batch = d->batches; batch != NULL && !lost->store_open; batch = batch->next)
        lose_in_batch(d, batch, lost->id);
}

/* ---- who waits for them ---- */

void ds_driver_await_replicas(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        d->intakes[i].replication.awaited = d->intakes[i].n_blocks;
}

bool ds_driver_awaits_replicas(const ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        const ds_intake *intake = &d->intakes[i];
        const ds_replication *r = &intake->replication;
        const size_t end = r->awaited < intake->n_blocks ? r->awaited : intake->n_blocks;
        for (size_t b = r->tended; b < end && is_wanted_of(intake); b++)
            if (!intake->blocks[b].safe)
                return true;
    }
    return false;
}

void ds_driver_waive_replicas(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (is_wanted_of(&d->intakes[i]))
            waive(d, &d->intakes[i]);
}

bool ds_driver_replicates(const ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].replication.number != 0)
            return true;
    return false;
}

int64_t ds_driver_replicas_deadline(const ds_driver *d)
{
    int64_t at_us = INT64_MAX;
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        const ds_replication *r = &d->intakes[i].replication;
        if (r->number == 0 && r->tended < d->intakes[i].n_blocks && r->not_before_us > d->now_us &&
            r->not_before_us < at_us)
            at_us = r->not_before_us;
    }
    return at_us;
}
