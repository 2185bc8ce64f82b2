/* Records of saves: what is read of them, and what is not believed. */
#include "checkpoint/journal_kept.h"

#include "unit/unit.h"

#include <string.h>

/* A record, with single quotes for double ones. Returns whether it was taken in. */
static bool take(ds_arena *arena, const char *record, ds_recovered_kept *kept)
{
    char *text = ds_arena_strdup(arena, record);
    for (char *p = text; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    json_t *object = json_loads(text, 0, NULL);
    ck_assert_msg(object != NULL, "%s", text);
    bool fine = ds_journal_read_kept(arena, object, kept);
    json_decref(object);
    return fine;
}

#define PART(partition, whole, file)                                                               \
    "{'partition':" #partition ",'whole':" whole ",'file':'" file                                  \
    "','offset':8,'bytes':16,'checksum':'00000000000000ff'}"
#define SAVED(save, ms, parts)                                                                     \
    "{'save':" #save ",'batch_ms':" #ms ",'streams':[{'stream':'s','keeps':'{}','parts':[" parts   \
    "]}]}"

START_TEST(chains_grow)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_recovered_kept kept = {0};
    ck_assert(take(arena, SAVED(1, 1000, PART(0, "true", "a") "," PART(1, "true", "a")), &kept));
    ck_assert(take(arena, SAVED(2, 2000, PART(1, "false", "b")), &kept));
    ck_assert_uint_eq(kept.save, 2);
    ck_assert_int_eq(kept.batch_ms, 2000);
    ck_assert_uint_eq(kept.n_streams, 1);
    ck_assert_uint_eq(kept.streams[0].n_parts, 3);
    ck_assert_uint_eq(kept.streams[0].parts[2].checksum, 255);
    ck_assert(take(arena, SAVED(3, 3000, PART(1, "true", "c")), &kept)); /* a new chain */
    ck_assert_uint_eq(kept.streams[0].n_parts, 2);
    ck_assert_str_eq(kept.streams[0].parts[1].path, "c");
    ds_arena_free(arena);
}
END_TEST

#define LONG                                                                                       \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"  \
    "0123456789012345678901234567890123456789"

START_TEST(what_is_not_believed)
{
    static const char *const records[] = {
        "{}",
        "{'save':0,'batch_ms':1,'streams':[]}",
        "{'save':-1,'batch_ms':1,'streams':[]}",
        "{'save':1,'batch_ms':'x','streams':[]}",
        "{'save':1,'batch_ms':1,'streams':{}}",
        "{'save':1,'batch_ms':1,'streams':[7]}",
        "{'save':1,'batch_ms':1,'streams':[{'stream':'s','parts':[]}]}",
        SAVED(1, 1, PART(0, "false", "a")), /* changes of nothing */
        SAVED(1, 1, PART(0, "true", "../a")),
        SAVED(1, 1, PART(0, "true", ".a")),
        SAVED(1, 1, PART(0, "true", "")),
        SAVED(1, 1, PART(-1, "true", "a")),
        SAVED(1, 1, PART(4294967296, "true", "a")),
        SAVED(1, 1,
              "{'partition':0,'whole':true,'file':'a','offset':0,'bytes':0,'checksum':"
              "'00000000000000ff'}"),
        SAVED(1, 1, "{'partition':0,'whole':true,'file':'a','offset':0,'bytes':1,'checksum':'ff'}"),
        SAVED(1, 1, "[]"),
        SAVED(9223372036854775807, 1, ""),
        SAVED(1, 1, PART(0, "true", LONG LONG)),
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        ds_arena *arena = ds_arena_new(NULL);
        ds_recovered_kept kept = {0};
        ck_assert_msg(!take(arena, records[i], &kept), "%zu: %s", i, records[i]);
        ds_arena_free(arena);
    }
}
END_TEST

/* All parts of a task go in one message. */
START_TEST(a_chain_without_end)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_recovered_kept kept = {0};
    ck_assert(take(arena, SAVED(1, 1000, PART(0, "true", "a") "," PART(1, "true", "a")), &kept));
    uint32_t n = 1;
    while (n <= 1000 && take(arena, SAVED(2, 2000, PART(1, "false", "b")), &kept))
        n++;
    ck_assert_uint_ge(n, DS_CHAIN_PARTS);
    ck_assert_uint_lt(n, 1000);
    ck_assert(take(arena, SAVED(3, 3000, PART(0, "false", "b")), &kept)); /* another one */
    ds_arena_free(arena);
}
END_TEST

UNIT_MAIN("journal_kept", chains_grow, what_is_not_believed, a_chain_without_end)
