/* Strangers: who has to go when it gets crowded, and when the door is shut. */
#include "rpc/strangers.h"

#include "unit/unit.h"

#include <string.h>

#define SECOND INT64_C(1000000)

static ds_origin v4(uint8_t last)
{
    return (ds_origin){.family = 4, .bytes = {10, 0, 0, last}};
}

static void add(ds_crowd *crowd, ds_stranger *s, uint8_t last)
{
    ds_origin origin = v4(last);
    ds_crowd_add(crowd, s, &origin);
}

static ds_stranger *victim(const ds_crowd *crowd, uint8_t last)
{
    ds_origin origin = v4(last);
    return ds_crowd_victim(crowd, &origin);
}

START_TEST(nobody_goes_while_there_is_room)
{
    ds_crowd crowd;
    ds_stranger s[3];
    ds_crowd_init(&crowd, &(ds_link_limits){.pending = 4}, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_null(victim(&crowd, 1));
        add(&crowd, &s[i], 1);
    }
    ck_assert_ptr_null(victim(&crowd, 1));
    ck_assert_ptr_null(victim(&crowd, 2));
}
END_TEST

START_TEST(the_oldest_of_a_crowded_address_goes)
{
    ds_crowd crowd;
    ds_stranger s[3];
    ds_crowd_init(&crowd, &(ds_link_limits){.pending = 10, .pending_each = 2}, 0);
    add(&crowd, &s[0], 2);
    add(&crowd, &s[1], 1);
    add(&crowd, &s[2], 1);
    ck_assert_ptr_eq(victim(&crowd, 1), &s[1]);
    ck_assert_ptr_null(victim(&crowd, 2));
    ck_assert_ptr_null(victim(&crowd, 3));
}
END_TEST

/* One address that comes again and again cannot push out the others. */
START_TEST(the_most_frequent_address_gives_way)
{
    ds_crowd crowd;
    ds_stranger s[4];
    ds_crowd_init(&crowd, &(ds_link_limits){.pending = 4, .pending_each = 3}, 0);
    add(&crowd, &s[0], 1); /* the oldest of all */
    add(&crowd, &s[1], 2);
    add(&crowd, &s[2], 2);
    add(&crowd, &s[3], 3);
    ck_assert_ptr_eq(victim(&crowd, 4), &s[1]);
    ck_assert_ptr_eq(victim(&crowd, 1), &s[1]);
    ds_crowd_remove(&crowd, &s[1]);
    ck_assert_ptr_null(victim(&crowd, 4));
    add(&crowd, &s[1], 9);
    ck_assert_ptr_eq(victim(&crowd, 4), &s[0]); /* all alike: the oldest */
}
END_TEST

START_TEST(where_no_address_is_known_the_oldest_goes)
{
    ds_crowd crowd;
    ds_stranger s[2];
    const ds_origin unknown = {.family = 0};
    ds_crowd_init(&crowd, &(ds_link_limits){.pending = 2}, 0);
    ds_crowd_add(&crowd, &s[0], &unknown);
    ds_crowd_add(&crowd, &s[1], &unknown);
    ck_assert_ptr_eq(ds_crowd_victim(&crowd, &unknown), &s[0]);
    ds_crowd_remove(&crowd, &s[0]);
    ck_assert_ptr_null(ds_crowd_victim(&crowd, &unknown));
    ds_crowd_remove(&crowd, &s[1]);
    ck_assert_uint_eq(crowd.n, 0);
    ck_assert_ptr_null(crowd.first);
    ck_assert_ptr_null(crowd.last);
}
END_TEST

START_TEST(the_door_is_shut_when_too_many_came_in_vain)
{
    ds_crowd crowd;
    ds_crowd_init(&crowd, &(ds_link_limits){.pending = 4, .strangers = 800}, 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(ds_crowd_open_us(&crowd, 0), 0);
        ds_crowd_count(&crowd, DS_STRANGER_GARBAGE, 0);
    }
    ck_assert_int_eq(ds_crowd_open_us(&crowd, 0), 0);
    ds_crowd_count(&crowd, DS_STRANGER_GARBAGE, 0);
    ck_assert_int_eq(ds_crowd_open_us(&crowd, 0), SECOND / 800);
    ck_assert_int_eq(ds_crowd_open_us(&crowd, SECOND / 1600), SECOND / 800);
    ck_assert_int_eq(ds_crowd_open_us(&crowd, SECOND / 800), SECOND / 800);
    /* Over any longer time it is the rate that counts. */
    int64_t now = SECOND / 800;
    for (int i = 0; i < 4000; i++) {
        ds_crowd_count(&crowd, DS_STRANGER_SILENT, now);
        now = ds_crowd_open_us(&crowd, now);
    }
    ck_assert_int_ge(now, 5 * SECOND);
    ck_assert_int_le(now, 6 * SECOND);
}
END_TEST

START_TEST(it_is_never_shut_for_long)
{
    ds_crowd crowd;
    ds_crowd_init(&crowd, &(ds_link_limits){.pending = 4, .strangers = 10}, 0);
    for (int i = 0; i < 10000; i++)
        ds_crowd_count(&crowd, DS_STRANGER_GONE, 0);
    ck_assert_int_le(ds_crowd_open_us(&crowd, 0), SECOND);
    ck_assert_uint_eq(crowd.ends[DS_STRANGER_GONE], 10000);
}
END_TEST

START_TEST(a_limit_of_zero_is_none)
{
    ds_crowd crowd;
    ds_crowd_init(&crowd, &(ds_link_limits){.pending = 4}, 0);
    for (int i = 0; i < 10000; i++)
        ds_crowd_count(&crowd, DS_STRANGER_GONE, 0);
    ck_assert_int_eq(ds_crowd_open_us(&crowd, 7), 7);
}
END_TEST

START_TEST(what_happened_is_told_now_and_then)
{
    ds_crowd crowd;
    char text[256] = "";
    ds_crowd_init(&crowd, &(ds_link_limits){.pending = 4}, 5);
    ck_assert(!ds_crowd_tell(&crowd, 5, text, sizeof text));
    ds_crowd_count(&crowd, DS_STRANGER_GONE, 5);
    ck_assert(!ds_crowd_tell(&crowd, 5, text, sizeof text)); /* not worth a word */
    ds_crowd_count(&crowd, DS_STRANGER_WRONG, 5);
    ds_crowd_count(&crowd, DS_STRANGER_SILENT, 5);
    ck_assert(ds_crowd_tell(&crowd, 5, text, sizeof text));
    ck_assert_str_eq(text, "1 were too slow, 1 hold another secret or none");
    ds_crowd_count(&crowd, DS_STRANGER_CROWDED, 6);
    ds_crowd_count(&crowd, DS_STRANGER_CROWDED, 6);
    ck_assert(!ds_crowd_tell(&crowd, 6, text, sizeof text));
    ck_assert(ds_crowd_tell(&crowd, 5 + 10 * SECOND, text, sizeof text));
    ck_assert_str_eq(text, "2 were too many at once");
    ck_assert(!ds_crowd_tell(&crowd, 100 * SECOND, text, sizeof text));
    for (unsigned i = 0; i < DS_STRANGER_ENDS; i++)
        ds_crowd_count(&crowd, (ds_stranger_end)i, 0);
    char small[8];
    ck_assert(ds_crowd_tell(&crowd, 200 * SECOND, small, sizeof small));
    ck_assert_uint_eq(strlen(small), sizeof small - 1);
}
END_TEST

UNIT_MAIN("strangers", nobody_goes_while_there_is_room, the_oldest_of_a_crowded_address_goes,
          the_most_frequent_address_gives_way, where_no_address_is_known_the_oldest_goes,
          the_door_is_shut_when_too_many_came_in_vain, it_is_never_shut_for_long,
          a_limit_of_zero_is_none, what_happened_is_told_now_and_then)
