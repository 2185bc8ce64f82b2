/*
 * Fields of the records of a metadata file, with their types and ranges checked: nothing in a file
 * is trusted. What cannot be used gives false, and leaves *to as it is.
 */
#ifndef DS_CHECKPOINT_JOURNAL_FIELDS_H
#define DS_CHECKPOINT_JOURNAL_FIELDS_H

#include "base/arena.h"
#include "base/json_source.h"
#include <stdbool.h>
#include <stdint.h>

/* A number from 0 to a limit at which sums of some are still no overflow. */
bool ds_journal_number(const json_t *object, const char *key, uint64_t *to);

/* A time in ms: such a number. */
bool ds_journal_time(const json_t *object, const char *key, int64_t *to);

/* Any 64 bits, as an integer; 0 for what is none. */
bool ds_journal_bits(const json_t *object, const char *key, uint64_t *to);

/* 64 bits as 16 hex digits. */
bool ds_journal_hex(const json_t *object, const char *key, uint64_t *to);

/* A string, or {"hex": ...} for one that is no UTF-8; in arena, NULL if there is none. */
const char *ds_journal_text(ds_arena *arena, const json_t *object, const char *key);

/* What kind of record it is; "" if it does not say. */
const char *ds_journal_kind(const json_t *record);

/* Takes out the members of a record that say what it is, and that it holds. */
void ds_journal_drop_words(json_t *record);

#endif
