/* Executors that say nothing, and how soon there is another one. */
#include "unit/driver_kit.h"

#define HEARTBEAT 300

static bool one_process; /* of one test */

static void open_executors(driver_kit *k, const char *executors)
{
    char *app = NULL;
    ck_assert_int_gt(asprintf(&app,
                              "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1d' },"
                              "'executors': { %s }, 'sources': {"
                              "'s': { 'type': 'socket', 'listen': '127.0.0.1:1' } },"
                              "'sinks': { 'f': { 'from': 's', 'type': 'console' } } }",
                              executors),
                     0);
    kit_open(k, app);
    free(app);
    k->config.heartbeat_ms = HEARTBEAT;
    k->config.one_process = one_process;
    kit_start(k);
}

static uint64_t lost(const driver_kit *k)
{
    return ds_driver_progress(k->driver)->executors_lost;
}

/* Time passes, as the driver wants to be woken; executor `beats` (0: none) goes on beating. */
static void pass_ms(driver_kit *k, int64_t ms, uint64_t beats)
{
    while (ms > 0) {
        int64_t step = kit_wants_ms(k);
        ck_assert_int_le(step, 100);
        step = step < 1 ? 1 : step > ms ? ms : step;
        if (beats != 0)
            kit_beat(k, beats);
        kit_wait_ms(k, step);
        ms -= step;
    }
}

START_TEST(a_silent_executor_is_lost)
{
    driver_kit k;
    open_executors(&k, "'count': 2");
    kit_join(&k, 1);
    kit_join(&k, 2);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_WELCOME)->number, 2);
    pass_ms(&k, HEARTBEAT - 1, 1);
    ck_assert_uint_eq(lost(&k), 0);
    uint32_t starts = kit_count(&k, DS_MSG_RECEIVER_START);
    ck_assert_uint_eq(starts, 1);
    pass_ms(&k, HEARTBEAT / 4 + 1, 1); /* it is looked now and then */
    ck_assert_uint_eq(lost(&k), 1);
    ck_assert_uint_eq(k.n_killed, 1);
    ck_assert_uint_eq(k.n_closed_peers, 1);
    k.can_run = true;
    pass_ms(&k, 10000, 1); /* and the other one is not */
    ck_assert_uint_eq(lost(&k), 1);
    kit_message(&k, kit_peer(2), kit_hello(&k, 2)); /* it comes back */
    ck_assert_str_eq(kit_last(&k, DS_MSG_REJECT)->text, "it was given up and replaced");
    kit_close(&k);
}
END_TEST

/* On a machine with very much to do. */
START_TEST(one_that_can_run_has_more_time)
{
    driver_kit k;
    open_executors(&k, "'count': 2");
    kit_join(&k, 1);
    kit_join(&k, 2);
    k.can_run = true;
    pass_ms(&k, 10 * HEARTBEAT - 1, 1);
    ck_assert_uint_eq(lost(&k), 0);
    kit_beat(&k, 2);
    pass_ms(&k, 9 * HEARTBEAT, 1);
    ck_assert_uint_eq(lost(&k), 0);
    pass_ms(&k, HEARTBEAT * 5 / 4, 1);
    ck_assert_uint_eq(lost(&k), 1);
    kit_join(&k, 3);
    pass_ms(&k, 3 * HEARTBEAT, 1);
    k.can_run = false; /* it is stopped */
    pass_ms(&k, HEARTBEAT / 4, 1);
    ck_assert_uint_eq(lost(&k), 2);
    kit_close(&k);
}
END_TEST

/* What would stop a thread of this process would stop us, too. */
START_TEST(one_of_this_process_is_never_lost_for_its_silence)
{
    driver_kit k;
    one_process = true;
    open_executors(&k, "'count': 2");
    kit_join(&k, 1);
    kit_join(&k, 2);
    pass_ms(&k, 100 * HEARTBEAT, 1);
    ck_assert_uint_eq(lost(&k), 0);
    kit_close(&k);
}
END_TEST

START_TEST(everything_that_is_said_counts)
{
    driver_kit k;
    open_executors(&k, "'count': 1");
    kit_join(&k, 1);
    for (int i = 0; i < 50; i++) {
        ds_message message = {.type = DS_MSG_BLOCKS};
        kit_message(&k, kit_peer(1), message);
        pass_ms(&k, HEARTBEAT / 2, 0);
    }
    ck_assert_uint_eq(lost(&k), 0);
    kit_close(&k);
}
END_TEST

START_TEST(the_start_may_take_longer)
{
    driver_kit k;
    open_executors(&k, "'count': 3");
    kit_introduce(&k, 2);
    kit_join(&k, 3);
    k.can_run = true;
    pass_ms(&k, 59000, 3);
    ck_assert_uint_eq(lost(&k), 0);
    k.can_run = false;
    kit_ready(&k, 2); /* now it has to beat as well */
    pass_ms(&k, HEARTBEAT * 3 / 2, 3);
    ck_assert_uint_eq(lost(&k), 1);
    pass_ms(&k, 1000, 3);
    ck_assert_uint_eq(lost(&k), 2); /* the one that said nothing at all */
    kit_close(&k);
}
END_TEST

/* A stopped process comes to nothing. One that runs may be slow, and one that is stopped for a
 * moment is not lost for what it took before. */
START_TEST(one_that_is_stopped_while_it_starts)
{
    driver_kit k;
    open_executors(&k, "'count': 2");
    kit_introduce(&k, 1);
    kit_join(&k, 2);
    k.can_run = true;
    pass_ms(&k, 20 * HEARTBEAT, 2);
    for (int i = 0; i < 4; i++) {
        k.can_run = false;
        pass_ms(&k, 8 * HEARTBEAT, 2);
        ck_assert_uint_eq(lost(&k), 0);
        k.can_run = true;
        pass_ms(&k, HEARTBEAT, 2);
    }
    k.can_run = false;
    pass_ms(&k, 11 * HEARTBEAT, 2);
    ck_assert_uint_eq(lost(&k), 1);
    ck_assert_uint_eq(k.n_killed, 1);
    kit_wait_ms(&k, 100);
    ck_assert_uint_eq(k.n_launched, 3);
    kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP}); /* waits no longer for it */
    pass_ms(&k, HEARTBEAT * 3 / 2, 2);
    ck_assert_uint_eq(lost(&k), 2);
    kit_close(&k);
}
END_TEST

/* What executors said while the driver stood still may come later than it looks. */
START_TEST(a_driver_that_stood_still)
{
    driver_kit k;
    open_executors(&k, "'count': 2");
    kit_join(&k, 1);
    kit_join(&k, 2);
    pass_ms(&k, 1000, 0);
    ck_assert_uint_eq(lost(&k), 2);
    kit_join(&k, 3);
    kit_join(&k, 4);
    kit_wait_ms(&k, 100000);
    ck_assert_uint_eq(lost(&k), 2);
    pass_ms(&k, HEARTBEAT - 1, 4);
    ck_assert_uint_eq(lost(&k), 2);
    pass_ms(&k, HEARTBEAT / 4 + 1, 4);
    ck_assert_uint_eq(lost(&k), 3);
    for (int i = 0; i < 100; i++) /* one that is always late loses nobody */
        kit_wait_ms(&k, HEARTBEAT);
    ck_assert_uint_eq(lost(&k), 3);
    kit_close(&k);
}
END_TEST

START_TEST(a_replacement_comes_at_once)
{
    driver_kit k;
    open_executors(&k, "'count': 2");
    k.config.heartbeat_ms = KIT_HEARTBEAT;
    kit_join(&k, 1);
    kit_join(&k, 2);
    pass_ms(&k, 1000, 1);
    ck_assert_uint_eq(k.n_launched, 3);
    kit_join(&k, 3);
    for (uint64_t n = 3; n < 10; n++) {
        for (int i = 0; i < 10; i++) {
            kit_beat(&k, n);
            pass_ms(&k, 100, 1);
        }
        kit_lose(&k, n);
        ck_assert_uint_eq(k.n_launched, n + 1); /* nothing is waited for */
        kit_join(&k, n + 1);
    }
    kit_close(&k);
}
END_TEST

START_TEST(one_that_dies_young_waits_a_little)
{
    driver_kit k;
    open_executors(&k, "'count': 1");
    kit_join(&k, 1);
    for (uint64_t n = 1; n < 10; n++) {
        pass_ms(&k, 10, n);
        kit_lose(&k, n);
        ck_assert_uint_eq(k.n_launched, n);
        pass_ms(&k, 99, 0);
        ck_assert_uint_eq(k.n_launched, n);
        kit_wait_ms(&k, 1);
        ck_assert_uint_eq(k.n_launched, n + 1);
        kit_join(&k, n + 1);
    }
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver_silence", a_silent_executor_is_lost, one_that_can_run_has_more_time,
          one_of_this_process_is_never_lost_for_its_silence, everything_that_is_said_counts,
          the_start_may_take_longer, one_that_is_stopped_while_it_starts, a_driver_that_stood_still,
          a_replacement_comes_at_once, one_that_dies_young_waits_a_little)
