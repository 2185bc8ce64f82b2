/* Blocks that another executor received, fetched into room of the own store. */
#include "exec/replicate.h"

#include "base/mailbox.h"
#include "unit/unit.h"

#include <string.h>

#define STORE_BYTES ((uint64_t)1 << 20)
#define THIS 4 /* the executor that fetches, */
#define THAT 7 /* and the one that received */

typedef struct kit {
    ds_store *this_store, *that_store;
    ds_peers *peers;
    ds_block_ledger *ledger;
    ds_arena *arena;
    ds_replicate_env env;
    uint32_t n_fetches, fails_at; /* the fetch with this number; 0: none */
    ds_mailbox *mailbox;
} kit;

static ds_status fetch(void *arg, const char *url, const ds_bulk_item *items, size_t n,
                       ds_error *error)
{
    kit *k = arg;
    ck_assert_str_eq(url, "that");
    ck_assert_uint_eq(n, 1);
    if (++k->n_fetches == k->fails_at)
        return ds_error_set(error, DS_ERR_LOST, "it hangs up");
    memcpy(items[0].to, ds_store_bytes(k->that_store, items[0].ref.offset), items[0].ref.length);
    return DS_OK;
}

static void drop(void *arg, const char *url)
{
    (void)arg;
    (void)url;
}

static void start(kit *k)
{
    *k = (kit){.peers = ds_peers_new(), .arena = ds_arena_new(NULL)};
    ck_assert_int_eq(ds_store_new(STORE_BYTES, &k->this_store, NULL), DS_OK);
    ck_assert_int_eq(ds_store_new(STORE_BYTES, &k->that_store, NULL), DS_OK);
    k->ledger = ds_block_ledger_new(k->this_store);
    ds_peers_set_fetcher(k->peers, &(ds_fetcher){k, fetch, drop}, true);
    ds_peers_add_store(k->peers, THIS, k->this_store);
    ds_peers_add(k->peers, &(ds_msg_peer){.executor_id = THAT,
                                          .path = "",
                                          .store_bytes = STORE_BYTES,
                                          .bulk_url = "that"});
    k->env = (ds_replicate_env){k->peers, k->ledger, k->this_store, THIS};
    for (uint64_t i = 0; i < STORE_BYTES; i++)
        ds_store_bytes(k->that_store, 0)[i] = (char)(i * 7 % 251);
}

static void stop(kit *k)
{
    ds_peers_free(k->peers);
    ds_block_ledger_free(k->ledger);
    ds_store_free(k->this_store);
    ds_store_free(k->that_store);
    ds_arena_free(k->arena);
}

/* Block n of receiver 3. */
static ds_replica block(uint64_t n, uint64_t length)
{
    return (ds_replica){3, n, {THAT, n * 20000, length}};
}

static ds_msg_replicated replicate(kit *k, ds_replica *blocks, uint32_t n, uint64_t room)
{
    ds_msg_replicated replicated;
    const ds_msg_replicate asked = {9, room, blocks, n};
    ds_replicate(&k->env, &asked, k->arena, &replicated);
    ck_assert_uint_eq(replicated.number, 9);
    return replicated;
}

static void check_held(const kit *k, const ds_replica *held, const ds_replica *of)
{
    ck_assert_uint_eq(held->receiver_id, of->receiver_id);
    ck_assert_uint_eq(held->block_id, of->block_id);
    ck_assert_uint_eq(held->ref.executor_id, THIS);
    ck_assert_uint_eq(held->ref.length, of->ref.length);
    ck_assert_mem_eq(ds_store_bytes(k->this_store, held->ref.offset),
                     ds_store_bytes(k->that_store, of->ref.offset), of->ref.length);
}

START_TEST(blocks_are_held_until_they_are_released)
{
    kit k;
    start(&k);
    ds_replica blocks[] = {block(1, 20000), block(2, 1), block(3, 5000)};
    const ds_msg_replicated held = replicate(&k, blocks, 3, STORE_BYTES);
    ck_assert_uint_eq(held.status, DS_OK);
    ck_assert_str_eq(held.message, "");
    ck_assert_uint_eq(held.n_blocks, 3);
    for (uint32_t i = 0; i < 3; i++)
        check_held(&k, &held.blocks[i], &blocks[i]);
    /* They count as blocks of receivers do, and go in the same way. */
    ck_assert_uint_eq(ds_store_used(k.this_store), 20032 + 64 + 5056);
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 20000 + DS_LEAST_CHARGE + 5000);
    ck_assert(!ds_block_ledger_release(k.ledger, 4, 1, 3));
    ck_assert(ds_block_ledger_release(k.ledger, 3, 1, 2));
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 5000);
    ck_assert(ds_block_ledger_release(k.ledger, 3, 3, 3));
    ck_assert_uint_eq(ds_store_used(k.this_store), 0);
    ck_assert_uint_eq(replicate(&k, blocks, 0, STORE_BYTES).status, DS_OK); /* nothing is asked */
    stop(&k);
}
END_TEST

START_TEST(room_is_bounded)
{
    kit k;
    start(&k);
    ds_replica blocks[] = {block(1, 20000), block(2, 20000), block(3, 1)};
    ds_msg_replicated held = replicate(&k, blocks, 3, 30000);
    ck_assert_uint_eq(held.status, DS_ERR_NO_MEMORY);
    ck_assert_uint_eq(held.n_blocks, 1); /* the third one would fit: order is kept */
    held = replicate(&k, blocks + 1, 1, 30000);
    ck_assert_uint_eq(held.n_blocks, 0);
    ck_assert_uint_eq(ds_block_ledger_refused(k.ledger), 0); /* that is of receivers */
    ck_assert(ds_block_ledger_release(k.ledger, 3, 1, 1));
    held = replicate(&k, blocks + 1, 1, 100); /* one is always granted */
    ck_assert_uint_eq(held.n_blocks, 1);
    check_held(&k, &held.blocks[0], &blocks[1]);
    /* Receivers of this executor have their own credit. */
    uint64_t offset;
    ds_block_ledger_open(k.ledger, 5, 30000);
    ck_assert(ds_block_ledger_reserve(k.ledger, 5, 30000, &offset));
    stop(&k);
}
END_TEST

START_TEST(what_cannot_be_fetched_is_not_held)
{
    kit k;
    start(&k);
    ds_replica blocks[] = {block(1, 20000), block(2, 20000), block(3, 1)};
    k.fails_at = 2;
    const ds_msg_replicated held = replicate(&k, blocks, 3, STORE_BYTES);
    ck_assert_uint_eq(held.status, DS_ERR_LOST);
    ck_assert_str_eq(held.message, "it hangs up");
    ck_assert_uint_eq(held.n_blocks, 1);
    ck_assert_uint_eq(ds_store_used(k.this_store), 20032);
    ck_assert_uint_eq(ds_block_ledger_bytes(k.ledger), 20000);
    /* Nor what is of nobody that is known, or of no possible size. */
    ds_replica strange = {3, 4, {8, 0, 100}};
    ck_assert_uint_eq(replicate(&k, &strange, 1, STORE_BYTES).status, DS_ERR_LOST);
    strange = block(4, 0);
    ck_assert_uint_eq(replicate(&k, &strange, 1, STORE_BYTES).status, DS_ERR_PROTOCOL);
    strange = block(4, UINT64_MAX);
    ck_assert_uint_eq(replicate(&k, &strange, 1, STORE_BYTES).status, DS_ERR_PROTOCOL);
    ck_assert_uint_eq(ds_store_used(k.this_store), 20032);
    stop(&k);
}
END_TEST

typedef struct answer {
    ds_mail mail;
    ds_replicate_done *done;
} answer;

static void on_done(void *arg, ds_replicate_done *done)
{
    kit *k = arg;
    answer *a = ds_calloc(1, sizeof *a);
    a->done = done;
    ds_mailbox_post(k->mailbox, &a->mail);
}

START_TEST(a_thread_does_it)
{
    kit k;
    start(&k);
    k.mailbox = ds_mailbox_new();
    ds_replica blocks[] = {block(1, 20000), block(2, 5000)}, asked[] = {blocks[0], blocks[1]};
    const ds_msg_replicate message = {2, STORE_BYTES, asked, 2};
    ds_replicate_start(&k.env, &message, on_done, &k);
    memset(asked, 0, sizeof asked); /* copied */
    answer *a = (answer *)ds_mailbox_take(k.mailbox, INT64_MAX);
    const ds_msg_replicated *held = &a->done->replicated;
    ck_assert_uint_eq(held->number, 2);
    ck_assert_uint_eq(held->n_blocks, 2);
    for (uint32_t i = 0; i < 2; i++)
        check_held(&k, &held->blocks[i], &blocks[i]);
    ds_replicate_free(a->done);
    free(a);
    ds_mailbox_free(k.mailbox);
    stop(&k);
}
END_TEST

UNIT_MAIN("replicate", blocks_are_held_until_they_are_released, room_is_bounded,
          what_cannot_be_fetched_is_not_held, a_thread_does_it)
