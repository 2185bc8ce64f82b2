/*
 * What the journal says of saved data: the chains of the last save that was finished, stream by
 * stream. A `whole` record has all of them, a `saved` record the parts that are new.
 */
#ifndef DS_CHECKPOINT_JOURNAL_KEPT_H
#define DS_CHECKPOINT_JOURNAL_KEPT_H

#include "base/buffer.h"
#include "base/json_source.h"
#include "scheduler/chains.h"

/* What was saved of one root of a keyed stage, by the stream that it belongs to. */
typedef struct ds_recovered_stream {
    const char *stream;
    const char *signature; /* ds_kept_signature of it */
    /* Of a partition in order, first a whole one. Stages and inputs are not known; paths are names
     * of files in the folder. */
    ds_saved_part *parts;
    uint32_t n_parts, capacity;
} ds_recovered_stream;

typedef struct ds_recovered_kept {
    uint64_t save;    /* the last one that was finished; 0: none */
    int64_t batch_ms; /* its batch; DS_NO_BATCH */
    ds_recovered_stream *streams;
    uint32_t n_streams;
} ds_recovered_kept;

/* Appends a `saved` record: the parts of a save that was just added to the chains, by root and
 * partition. Those without bytes are left out. */
void ds_journal_saved(ds_buffer *out, const ds_chains *chains, const ds_saved_part *parts,
                      uint32_t n_parts);

/* Puts all chains into a whole record, if there are any. */
void ds_journal_put_chains(json_t *whole, const ds_chains *chains);

/* Takes in a `saved` record, or the `kept` of a whole one. What it makes is in arena. False if it
 * is not what it should be. */
bool ds_journal_read_kept(ds_arena *arena, const json_t *object, ds_recovered_kept *kept);

#endif
