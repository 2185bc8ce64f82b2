/* A driver whose app keeps a window of two executors and four partitions; a save is due after 3 s.
 */
#ifndef DS_TESTS_SAVES_KIT_H
#define DS_TESTS_SAVES_KIT_H

#include "unit/driver_kit.h"

#define SAVES_PARTITIONS 4u

static inline void saves_open(driver_kit *k, const char *every)
{
    char *app = NULL;
    ck_assert_int_gt(
        asprintf(&app,
                 "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                 "'checkpoint': { 'dir': 'state', 'every': '%s' },"
                 "'executors': { 'count': 2, 'key_partitions': 4 }, 'sources': { " KIT_QUEUE(
                     "[ { 'n': 1 } ], [ { 'n': 2 } ], [ { 'n': 3 } ], [ { 'n': 4 } ], "
                     "[ { 'n': 5 } ], [ { 'n': 6 } ], [ { 'n': 7 } ], [ { 'n': 8 } ], "
                     "[ { 'n': 9 } ]") " }, 'streams': { 'g': { 'from': 'q', 'window': { 'size': "
                                       "'9s', 'slide': '1s' }, 'group_by': ['n'] } },"
                                       "'sinks': { " KIT_CONSOLE("g") " } }",
                 every),
        0);
    kit_open(k, app);
    free(app);
    k->config.virtual_time = true;
    k->config.saves = true;
    k->config.n_batches = 9;
}

/* The newest attempt of a task that is no replay. */
static inline const kit_sent *saves_task(const driver_kit *k, int64_t batch_ms, uint32_t partition)
{
    for (uint32_t i = k->n_sent; i-- > 0;) {
        const kit_sent *s = &k->sent[i];
        if (s->type == DS_MSG_TASKS && s->task.batch_ms == batch_ms && s->task.stage == 1 &&
            s->task.partition == partition && s->task.mode != DS_TASK_REPLAY)
            return s;
    }
    return NULL;
}

/* The newest replay of a partition, or NULL. */
static inline const kit_sent *saves_replay(const driver_kit *k, uint32_t partition)
{
    for (uint32_t i = k->n_sent; i-- > 0;) {
        const kit_sent *s = &k->sent[i];
        if (s->type == DS_MSG_TASKS && s->task.stage == 1 && s->task.partition == partition &&
            s->task.mode == DS_TASK_REPLAY)
            return s;
    }
    return NULL;
}

static inline uint32_t saves_count_replays(const driver_kit *k)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n_sent; i++)
        n += k->sent[i].type == DS_MSG_TASKS && k->sent[i].task.mode == DS_TASK_REPLAY;
    return n;
}

/* The map tasks of a batch, and its keyed tasks; those of the saving batch save nothing yet. */
static inline void saves_run(driver_kit *k, int64_t batch_ms)
{
    kit_journal_all(k);
    const kit_sent *map = kit_task(k, batch_ms, 0, 0);
    if (map != NULL) /* it has input */
        kit_done_for(k, map, 1);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        kit_done(k, saves_task(k, batch_ms, p));
    kit_journal_all(k);
}

/* The same, and the batch is committed. */
static inline void saves_batch(driver_kit *k, int64_t batch_ms)
{
    saves_run(k, batch_ms);
    kit_committed(k, DS_OK);
    kit_journal_all(k);
}

static inline uint64_t saves_owner(const driver_kit *k, int64_t batch_ms, uint32_t partition)
{
    return saves_task(k, batch_ms, partition)->peer - 100;
}

/* How many batches were released, by all messages to executor 2. */
static inline uint32_t saves_released(const driver_kit *k)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n_sent; i++)
        if (k->sent[i].type == DS_MSG_RELEASE && k->sent[i].peer == kit_peer(2))
            n += k->sent[i].n_batches;
    return n;
}

/* How many parts in stores were given back. */
static inline uint32_t saves_given_back(const driver_kit *k)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n_sent; i++)
        n += k->sent[i].type == DS_MSG_RELEASE ? k->sent[i].n_saved : 0;
    return n;
}

/* The newest record of a kind in the journal, or NULL. */
static inline const kit_journal *saves_record(const driver_kit *k, const char *kind)
{
    char *start = NULL;
    const kit_journal *found = NULL;
    ck_assert_int_gt(asprintf(&start, "{\"record\":\"%s\"", kind), 0);
    for (uint32_t i = 0; i < k->n_journal; i++)
        if (strncmp(k->journal[i].text, start, strlen(start)) == 0)
            found = &k->journal[i];
    free(start);
    return found;
}

#endif
