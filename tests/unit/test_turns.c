/* Turns: every event is stepped with once, in order, by one thread at a time. */
#include "exec/turns.h"

#include "base/clock.h"
#include "unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define SENDERS 4
#define LETTERS 5000

typedef struct letter {
    ds_mail link;
    int sender, number;
} letter;

/* What a control would be. */
typedef struct kit {
    ds_turns *turns;
    atomic_int at_it;
    int next[SENDERS];
    int n_stepped, n_times;
    int64_t deadline_us;
    letter *answers; /* for the next step to give out itself; or NULL */
    bool ends;       /* with the last letter */
} kit;

static void step(void *arg, ds_mail *items)
{
    kit *k = arg;
    ck_assert_int_eq(atomic_fetch_add(&k->at_it, 1), 0);
    k->n_times += items == NULL;
    while (items != NULL) {
        const letter *l = (const letter *)items;
        items = items->next;
        ck_assert_int_eq(l->number, k->next[l->sender]++);
        k->n_stepped++;
        letter *answer = k->answers;
        k->answers = NULL;
        if (answer != NULL)
            ds_turns_do(k->turns, &answer->link);
    }
    if (k->ends && k->n_stepped == SENDERS * LETTERS)
        k->deadline_us = INT64_MIN;
    atomic_fetch_sub(&k->at_it, 1);
}

static int64_t deadline_us(void *arg)
{
    return ((kit *)arg)->deadline_us;
}

static void start(kit *k)
{
    memset(k, 0, sizeof *k);
    k->turns = ds_turns_new(&(ds_turns_work){k, step, deadline_us});
}

START_TEST(who_brings_it_steps)
{
    kit k;
    letter letters[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    start(&k);
    ds_turns_do(k.turns, &letters[0].link);
    ck_assert_int_eq(k.n_stepped, 1);
    ck_assert_int_eq(k.n_times, 0);
    k.answers = &letters[2]; /* comes while the one before is stepped with: it is next */
    ds_turns_do(k.turns, &letters[1].link);
    ck_assert_int_eq(k.n_stepped, 3);
    ds_turns_free(k.turns);
}
END_TEST

START_TEST(what_takes_long_waits_for_the_own_thread_and_what_comes_then_too)
{
    kit k;
    letter letters[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    start(&k);
    ds_turns_post(k.turns, &letters[0].link);
    ds_turns_do(k.turns, &letters[1].link);
    ck_assert_int_eq(k.n_stepped, 0);
    k.deadline_us = 0;
    ds_turns_wait(k.turns); /* for nothing: it is time already */
    ck_assert_int_eq(k.n_stepped, 2);
    ck_assert_int_eq(k.n_times, 1);
    ds_turns_do(k.turns, &letters[2].link);
    ck_assert_int_eq(k.n_stepped, 3);
    ds_turns_post(k.turns, &letters[3].link);
    ds_turns_free(k.turns);
    ck_assert_int_eq(k.n_stepped, 4);
}
END_TEST

START_TEST(time_passes_on_the_own_thread)
{
    kit k;
    start(&k);
    k.deadline_us = ds_clock_mono_us() + 2000;
    ds_turns_wait(k.turns);
    ck_assert_int_ge(ds_clock_mono_us(), k.deadline_us);
    ck_assert_int_eq(k.n_times, 1);
    ds_turns_free(k.turns);
}
END_TEST

/* Who steps finds the turn taken: by himself. */
START_TEST(what_comes_while_the_own_thread_steps_is_not_left)
{
    kit k;
    letter letters[2] = {{.number = 0}, {.number = 1}};
    start(&k);
    k.deadline_us = INT64_MAX;
    k.answers = &letters[1];
    ds_turns_post(k.turns, &letters[0].link);
    ds_turns_wait(k.turns); /* does not wait for ever */
    k.deadline_us = 0;
    ds_turns_wait(k.turns);
    ck_assert_int_eq(k.n_stepped, 2);
    ds_turns_free(k.turns);
}
END_TEST

static void *own_thread(void *arg)
{
    kit *k = arg;
    for (bool over = false; !over;) {
        ds_turns_wait(k->turns);
        ds_turns_lock(k->turns);
        over = k->deadline_us == INT64_MIN;
        ds_turns_unlock(k->turns);
    }
    return NULL;
}

START_TEST(a_step_that_makes_the_deadline_earlier_wakes_it)
{
    kit k;
    pthread_t own;
    letter last = {.number = 0};
    start(&k);
    k.deadline_us = INT64_MAX;
    k.ends = true;
    k.n_stepped = SENDERS * LETTERS - 1;
    ck_assert_int_eq(pthread_create(&own, NULL, own_thread, &k), 0);
    ds_turns_do(k.turns, &last.link);
    pthread_join(own, NULL); /* else it would sleep for ever */
    ds_turns_free(k.turns);
}
END_TEST

static kit shared;
static letter sent[SENDERS][LETTERS];

static void *send_all(void *arg)
{
    int sender = *(int *)arg;
    for (int i = 0; i < LETTERS; i++) {
        letter *l = &sent[sender][i];
        *l = (letter){.sender = sender, .number = i};
        if (i % 64 == 63)
            ds_turns_post(shared.turns, &l->link);
        else
            ds_turns_do(shared.turns, &l->link);
    }
    return NULL;
}

START_TEST(many_at_once)
{
    pthread_t own, threads[SENDERS];
    int numbers[SENDERS];
    start(&shared);
    shared.deadline_us = INT64_MAX;
    shared.ends = true;
    ck_assert_int_eq(pthread_create(&own, NULL, own_thread, &shared), 0);
    for (int i = 0; i < SENDERS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_all, &numbers[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(own, NULL); /* nothing is left lying, or it would sleep for ever */
    ck_assert_int_eq(shared.n_stepped, SENDERS * LETTERS);
    ds_turns_free(shared.turns);
}
END_TEST

UNIT_MAIN("turns", who_brings_it_steps,
          what_takes_long_waits_for_the_own_thread_and_what_comes_then_too,
          what_comes_while_the_own_thread_steps_is_not_left, time_passes_on_the_own_thread,
          a_step_that_makes_the_deadline_earlier_wakes_it, many_at_once)
