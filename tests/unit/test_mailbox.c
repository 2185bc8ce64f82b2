/* The mailbox: order, deadlines, many senders, one taker. */
#include "base/mailbox.h"

#include "base/clock.h"
#include "unit/unit.h"

#include <pthread.h>

typedef struct letter {
    ds_mail link;
    int sender, number;
} letter;

START_TEST(empty_and_past_the_deadline)
{
    ds_mailbox *mailbox = ds_mailbox_new();
    ck_assert_ptr_null(ds_mailbox_take(mailbox, 0));
    ck_assert_ptr_null(ds_mailbox_take(mailbox, -5));
    ck_assert_ptr_null(ds_mailbox_take(mailbox, INT64_MIN));
    int64_t before = ds_clock_mono_us();
    ck_assert_ptr_null(ds_mailbox_take(mailbox, before + 2000)); /* waits until then */
    ck_assert_int_ge(ds_clock_mono_us(), before + 2000);
    ds_mailbox_free(mailbox);
    ds_mailbox_free(NULL);
}
END_TEST

START_TEST(oldest_first)
{
    ds_mailbox *mailbox = ds_mailbox_new();
    letter letters[5];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++) {
            letters[i].number = i;
            ds_mailbox_post(mailbox, &letters[i].link);
        }
        ds_mail *items = ds_mailbox_take(mailbox, INT64_MAX); /* does not wait: there is mail */
        for (int i = 0; i < 5; i++) {
            ck_assert_ptr_eq(items, &letters[i].link);
            items = items->next;
        }
        ck_assert_ptr_null(items);
        ck_assert_ptr_null(ds_mailbox_take(mailbox, 0));
    }
    ds_mailbox_post(mailbox, &letters[0].link);
    ck_assert_ptr_eq(ds_mailbox_take(mailbox, 0), &letters[0].link);
    ds_mailbox_free(mailbox);
}
END_TEST

START_TEST(what_is_only_added_waits_in_order)
{
    ds_mailbox *mailbox = ds_mailbox_new();
    letter letters[3];
    ds_mailbox_add(mailbox, &letters[0].link);
    ds_mailbox_post(mailbox, &letters[1].link);
    ds_mailbox_add(mailbox, &letters[2].link);
    ck_assert_uint_eq(ds_mailbox_waiting(mailbox), 3);
    ds_mailbox_wait(mailbox, INT64_MAX); /* does not wait: there is mail */
    ds_mail *items = ds_mailbox_take(mailbox, 0);
    for (int i = 0; i < 3; i++, items = items->next)
        ck_assert_ptr_eq(items, &letters[i].link);
    ck_assert_uint_eq(ds_mailbox_waiting(mailbox), 0);
    ds_mailbox_free(mailbox);
}
END_TEST

START_TEST(a_nudge_ends_one_wait)
{
    ds_mailbox *mailbox = ds_mailbox_new();
    ds_mailbox_nudge(mailbox);
    ck_assert_ptr_null(ds_mailbox_take(mailbox, 0)); /* waits for nothing: the nudge stays */
    ck_assert_ptr_null(ds_mailbox_take(mailbox, INT64_MAX));
    ds_mailbox_nudge(mailbox);
    ds_mailbox_wait(mailbox, INT64_MAX);
    int64_t before = ds_clock_mono_us();
    ds_mailbox_wait(mailbox, before + 2000); /* it was for the wait before */
    ck_assert_int_ge(ds_clock_mono_us(), before + 2000);
    ds_mailbox_free(mailbox);
}
END_TEST

#define SENDERS 4
#define LETTERS 5000

static ds_mailbox *shared;
static letter posted[SENDERS][LETTERS];

static void *send_all(void *arg)
{
    int sender = *(int *)arg;
    for (int i = 0; i < LETTERS; i++) {
        posted[sender][i] = (letter){.sender = sender, .number = i};
        ds_mailbox_post(shared, &posted[sender][i].link);
    }
    return NULL;
}

/* Nothing is lost or doubled, and the order of each sender is kept. */
START_TEST(many_senders)
{
    shared = ds_mailbox_new();
    pthread_t threads[SENDERS];
    int ids[SENDERS], next[SENDERS] = {0}, total = 0;
    for (int i = 0; i < SENDERS; i++) {
        ids[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_all, &ids[i]), 0);
    }
    while (total < SENDERS * LETTERS) {
        ds_mail *items = ds_mailbox_take(shared, INT64_MAX);
        ck_assert_ptr_nonnull(items);
        for (; items != NULL; total++) {
            const letter *l = (const letter *)items;
            items = items->next;
            ck_assert_int_eq(l->number, next[l->sender]++);
        }
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_ptr_null(ds_mailbox_take(shared, 0));
    ds_mailbox_free(shared);
}
END_TEST

UNIT_MAIN("mailbox", empty_and_past_the_deadline, oldest_first, what_is_only_added_waits_in_order,
          a_nudge_ends_one_wait, many_senders)
