/* The simulated network: order, faults, losses, and the same again for the same seed. */
#include "rpc/message.h"
#include "rpc/simnet.h"

#include "unit/unit.h"

#include <string.h>

static const ds_simnet_faults perfect;

static void send_number(ds_simnet *net, bool to_server, uint64_t peer, uint32_t n, int64_t now_us)
{
    if (to_server)
        ds_simnet_send_to_server(net, peer, &n, sizeof n, now_us);
    else
        ds_simnet_send_to_client(net, peer, &n, sizeof n, now_us);
}

static uint32_t number_of(const ds_simnet_delivery *d)
{
    uint32_t n;
    ck_assert_int_eq(d->event.kind, DS_LINK_MESSAGE);
    ck_assert_uint_eq(d->event.length, sizeof n);
    memcpy(&n, d->event.bytes, sizeof n);
    return n;
}

static ds_simnet_delivery expect(ds_simnet *net, bool to_server, ds_link_event_kind kind,
                                 uint64_t peer)
{
    ds_simnet_delivery d;
    ck_assert(ds_simnet_next_us(net) < INT64_MAX);
    ck_assert(ds_simnet_deliver(net, ds_simnet_next_us(net), &d));
    ck_assert_int_eq(d.to_server, to_server);
    ck_assert_int_eq(d.event.kind, kind);
    ck_assert_uint_eq(d.event.peer, peer);
    return d;
}

static void expect_nothing(ds_simnet *net)
{
    ck_assert_int_eq(ds_simnet_next_us(net), INT64_MAX);
}

START_TEST(a_perfect_network_delivers_at_once_in_order)
{
    ds_simnet *net = ds_simnet_new(1, &perfect);
    uint64_t a = ds_simnet_connect(net, 100), b = ds_simnet_connect(net, 100);
    ck_assert_uint_eq(a, 1);
    ck_assert_uint_eq(b, 2);
    send_number(net, true, a, 1, 100);
    send_number(net, false, b, 2, 100);
    send_number(net, true, b, 3, 100);
    ck_assert_int_eq(ds_simnet_next_us(net), 100);
    expect(net, true, DS_LINK_OPENED, a);
    expect(net, true, DS_LINK_OPENED, b);
    ds_simnet_delivery d = expect(net, true, DS_LINK_MESSAGE, a);
    ck_assert_uint_eq(number_of(&d), 1);
    d = expect(net, false, DS_LINK_MESSAGE, b);
    ck_assert_uint_eq(number_of(&d), 2);
    d = expect(net, true, DS_LINK_MESSAGE, b);
    ck_assert_uint_eq(number_of(&d), 3);
    expect_nothing(net);
    ds_simnet_free(net);
}
END_TEST

START_TEST(bytes_are_copied_and_lent_until_the_next_delivery)
{
    ds_simnet *net = ds_simnet_new(1, &perfect);
    uint64_t peer = ds_simnet_connect(net, 0);
    char text[] = "text";
    ds_simnet_send_to_server(net, peer, text, 4, 0);
    ds_simnet_send_to_server(net, peer, NULL, 0, 0);
    memset(text, 'x', 4);
    expect(net, true, DS_LINK_OPENED, peer);
    ds_simnet_delivery d = expect(net, true, DS_LINK_MESSAGE, peer);
    send_number(net, false, peer, 1, 5);
    ds_simnet_close(net, peer, false, 5);
    ck_assert_uint_eq(d.event.length, 4);
    ck_assert_mem_eq(d.event.bytes, "text", 4);
    ds_simnet_free(net);
}
END_TEST

START_TEST(nothing_arrives_before_its_time)
{
    ds_simnet *net = ds_simnet_new(7, &(ds_simnet_faults){.delay_max_us = 1000});
    ds_simnet_delivery d;
    uint64_t peer = ds_simnet_connect(net, 5000);
    int64_t last_us = 5000;
    for (uint32_t i = 0; i < 100; i++)
        send_number(net, true, peer, i, 5000);
    for (uint32_t i = 0; i <= 100; i++) {
        int64_t next_us = ds_simnet_next_us(net);
        ck_assert_int_ge(next_us, last_us);
        ck_assert_int_le(next_us, 6000);
        if (next_us > last_us)
            ck_assert(!ds_simnet_deliver(net, next_us - 1, &d));
        ck_assert(ds_simnet_deliver(net, next_us, &d));
        if (i > 0)
            ck_assert_uint_eq(number_of(&d), i - 1);
        last_us = next_us;
    }
    ck_assert_int_gt(last_us, 5000);
    expect_nothing(net);
    ck_assert(!ds_simnet_deliver(net, INT64_MAX - 1, &d));
    ds_simnet_free(net);
}
END_TEST

/* Delays mix the connections and directions, but not what is in one of them. */
START_TEST(order_is_kept_within_a_direction)
{
    ds_simnet *net = ds_simnet_new(3, &(ds_simnet_faults){.delay_max_us = 50});
    uint64_t peers[4];
    uint32_t next[4][2] = {{0}};
    unsigned switches = 0;
    for (int p = 0; p < 4; p++)
        peers[p] = ds_simnet_connect(net, 0);
    for (uint32_t i = 0; i < 500; i++)
        for (int p = 0; p < 4; p++) {
            send_number(net, true, peers[p], i, i);
            send_number(net, false, peers[p], i, i);
        }
    ds_simnet_delivery d;
    uint64_t last = 0;
    while (ds_simnet_deliver(net, INT64_MAX - 1, &d)) {
        switches += d.event.peer != last;
        last = d.event.peer;
        if (d.event.kind == DS_LINK_MESSAGE)
            ck_assert_uint_eq(number_of(&d), next[d.event.peer - peers[0]][d.to_server]++);
    }
    for (int p = 0; p < 4; p++)
        ck_assert_uint_eq(next[p][0] + next[p][1], 1000);
    ck_assert_uint_gt(switches, 1000);
    ds_simnet_free(net);
}
END_TEST

START_TEST(duplicates_come_later_and_hold_nothing_up)
{
    ds_simnet *net = ds_simnet_new(5, &(ds_simnet_faults){.delay_max_us = 100, .duplicate = 0.3});
    uint64_t peer = ds_simnet_connect(net, 0);
    unsigned copies[1000] = {0}, duplicates = 0, late = 0;
    uint32_t next = 0;
    for (uint32_t i = 0; i < 1000; i++)
        send_number(net, false, peer, i, i * 10);
    ds_simnet_delivery d;
    ck_assert(ds_simnet_deliver(net, 10000, &d) && d.event.kind == DS_LINK_OPENED);
    while (ds_simnet_deliver(net, INT64_MAX - 1, &d)) {
        uint32_t n = number_of(&d);
        if (copies[n]++ == 0) {
            ck_assert_uint_eq(n, next++); /* the first copies are in order */
        } else {
            duplicates++;
            late += n + 1 != next;
        }
        ck_assert_uint_le(copies[n], 2);
    }
    ck_assert_uint_eq(next, 1000);
    ck_assert_uint_gt(duplicates, 200);
    ck_assert_uint_lt(duplicates, 400);
    ck_assert_uint_gt(late, 50);
    ds_simnet_free(net);
}
END_TEST

/* Closing */

START_TEST(a_flushed_connection_delivers_everything_first)
{
    ds_simnet *net = ds_simnet_new(2, &(ds_simnet_faults){.delay_max_us = 500, .duplicate = 0.5});
    uint64_t peer = ds_simnet_connect(net, 0);
    bool seen[2][20] = {{false}};
    unsigned lost[2] = {0};
    for (uint32_t i = 0; i < 20; i++) {
        send_number(net, true, peer, i, 0);
        send_number(net, false, peer, i, 0);
    }
    ds_simnet_close(net, peer, true, 10);
    send_number(net, true, peer, 0, 10);
    ds_simnet_close(net, peer, false, 11);
    ds_simnet_delivery d;
    while (ds_simnet_deliver(net, INT64_MAX - 1, &d)) {
        ck_assert_uint_eq(lost[d.to_server], 0); /* LOST is the last of its side */
        if (d.event.kind == DS_LINK_MESSAGE)
            seen[d.to_server][number_of(&d)] = true;
        lost[d.to_server] += d.event.kind == DS_LINK_LOST;
    }
    for (int i = 0; i < 20; i++)
        ck_assert(seen[0][i] && seen[1][i]);
    ck_assert_uint_eq(lost[0] + lost[1], 2);
    ds_simnet_free(net);
}
END_TEST

START_TEST(a_killed_peer_on_a_perfect_network_takes_everything_with_it)
{
    ds_simnet *net = ds_simnet_new(2, &perfect);
    uint64_t peer = ds_simnet_connect(net, 0), other = ds_simnet_connect(net, 0);
    expect(net, true, DS_LINK_OPENED, peer);
    expect(net, true, DS_LINK_OPENED, other);
    send_number(net, true, peer, 1, 0);
    send_number(net, true, other, 2, 0);
    send_number(net, false, peer, 3, 0);
    ds_simnet_close(net, peer, false, 0);
    ds_simnet_delivery d = expect(net, true, DS_LINK_MESSAGE, other);
    ck_assert_uint_eq(number_of(&d), 2);
    expect(net, true, DS_LINK_LOST, peer);
    expect(net, false, DS_LINK_LOST, peer);
    send_number(net, true, peer, 4, 0);
    expect_nothing(net);
    ds_simnet_free(net);
}
END_TEST

START_TEST(a_connection_lost_before_it_opened_is_unknown_to_the_server)
{
    ds_simnet *net = ds_simnet_new(2, &perfect);
    uint64_t peer = ds_simnet_connect(net, 0);
    send_number(net, true, peer, 1, 0);
    ds_simnet_close(net, peer, false, 0);
    expect(net, false, DS_LINK_LOST, peer);
    expect_nothing(net);
    ck_assert_uint_eq(ds_simnet_connect(net, 0), peer + 1); /* ids are not used again */
    ds_simnet_free(net);
}
END_TEST

/* What arrives of a lost connection is the first part of what was sent; how much, changes. */
START_TEST(a_lost_connection_swallows_a_last_part)
{
    bool none = false, all = false, some = false;
    for (uint64_t seed = 0; seed < 300; seed++) {
        ds_simnet *net = ds_simnet_new(seed, &(ds_simnet_faults){.delay_max_us = 100});
        uint64_t peer = ds_simnet_connect(net, 0);
        uint32_t got = 0;
        for (uint32_t i = 0; i < 10; i++)
            send_number(net, true, peer, i, 0);
        ds_simnet_close(net, peer, false, 0);
        ds_simnet_delivery d;
        bool opened = false, lost = false;
        while (ds_simnet_deliver(net, INT64_MAX - 1, &d)) {
            if (!d.to_server)
                continue;
            ck_assert(!lost);
            opened |= d.event.kind == DS_LINK_OPENED;
            lost = d.event.kind == DS_LINK_LOST;
            if (d.event.kind == DS_LINK_MESSAGE)
                ck_assert_uint_eq(number_of(&d), got++);
        }
        ck_assert_int_eq(opened, lost);
        none |= !opened;
        all |= got == 10;
        some |= got > 0 && got < 10;
        ds_simnet_free(net);
    }
    ck_assert(none && all && some);
}
END_TEST

START_TEST(connections_are_lost_by_chance)
{
    ds_simnet *net =
        ds_simnet_new(11, &(ds_simnet_faults){.delay_max_us = 10, .lose_connection = 0.01});
    unsigned connections = 0, opened = 0, lost_there = 0, lost_here = 0;
    uint64_t peer = 0, alive = 0;
    for (int64_t now_us = 0; now_us < 20000; now_us++) {
        if (alive == 0) {
            alive = peer = ds_simnet_connect(net, now_us);
            connections++;
        }
        send_number(net, now_us % 2 == 0, alive, 1, now_us);
        ds_simnet_delivery d;
        while (ds_simnet_deliver(net, now_us, &d)) {
            opened += d.event.kind == DS_LINK_OPENED;
            lost_there += d.event.kind == DS_LINK_LOST && d.to_server;
            lost_here += d.event.kind == DS_LINK_LOST && !d.to_server;
            if (d.event.kind == DS_LINK_LOST && !d.to_server)
                alive = 0;
        }
    }
    ck_assert_uint_eq(peer, connections);
    ck_assert_uint_gt(connections, 100);
    ck_assert_uint_lt(connections, 300);
    ck_assert_uint_le(opened - lost_there, 2);
    ck_assert_uint_le(connections - lost_here, 2);
    ds_simnet_free(net);
}
END_TEST

START_TEST(faults_can_be_changed)
{
    ds_simnet *net = ds_simnet_new(1, &(ds_simnet_faults){.lose_connection = 1});
    uint64_t peer = ds_simnet_connect(net, 0);
    ds_simnet_set_faults(net, &perfect);
    expect(net, true, DS_LINK_OPENED, peer);
    for (uint32_t i = 0; i < 100; i++) {
        send_number(net, true, peer, i, 0);
        expect(net, true, DS_LINK_MESSAGE, peer);
    }
    ds_simnet_set_faults(net, &(ds_simnet_faults){.lose_connection = 1});
    send_number(net, true, peer, 0, 0);
    ds_simnet_delivery d;
    while (ds_simnet_deliver(net, 0, &d) && d.event.kind != DS_LINK_LOST)
        ;
    ck_assert_int_eq(d.event.kind, DS_LINK_LOST);
    ds_simnet_free(net);
}
END_TEST

START_TEST(what_nobody_reads_is_bounded)
{
    size_t length = DS_MESSAGE_LIMIT;
    char *bytes = ds_calloc(1, length);
    ds_simnet *net = ds_simnet_new(1, &perfect);
    uint64_t peer = ds_simnet_connect(net, 0);
    expect(net, true, DS_LINK_OPENED, peer);
    for (int i = 0; i < 3; i++)
        ds_simnet_send_to_client(net, peer, bytes, length, 0);
    for (int i = 0; i < 3; i++)
        expect(net, false, DS_LINK_MESSAGE, peer);
    for (int i = 0; i < 5; i++)
        ds_simnet_send_to_client(net, peer, bytes, length, 0);
    expect(net, true, DS_LINK_LOST, peer);
    expect(net, false, DS_LINK_LOST, peer);
    expect_nothing(net);
    ds_simnet_free(net);
    free(bytes);
}
END_TEST

/* Everything that happens in a busy simulation, as one number. */
static uint64_t digest(uint64_t seed)
{
    ds_simnet *net = ds_simnet_new(
        seed,
        &(ds_simnet_faults){.delay_max_us = 300, .duplicate = 0.05, .lose_connection = 0.002});
    uint64_t sum = 1469598103934665603u, peer = 0;
    for (int64_t now_us = 0; now_us < 3000; now_us++) {
        if (now_us % 50 == 0)
            peer = ds_simnet_connect(net, now_us);
        if (now_us % 97 == 0)
            ds_simnet_close(net, peer, now_us % 2 == 0, now_us);
        send_number(net, now_us % 3 == 0, peer, (uint32_t)now_us, now_us);
        ds_simnet_delivery d;
        while (ds_simnet_deliver(net, now_us, &d)) {
            uint64_t facts[] = {(uint64_t)now_us, d.to_server, d.event.kind, d.event.peer,
                                d.event.kind == DS_LINK_MESSAGE ? number_of(&d) : 0};
            for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
                sum = (sum ^ facts[i]) * 1099511628211u;
        }
    }
    ds_simnet_free(net);
    return sum;
}

START_TEST(the_same_seed_gives_the_same_events)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        ck_assert_uint_eq(digest(seed), digest(seed));
        ck_assert_uint_ne(digest(seed), digest(seed + 1));
    }
}
END_TEST

UNIT_MAIN("simnet", a_perfect_network_delivers_at_once_in_order,
          bytes_are_copied_and_lent_until_the_next_delivery, nothing_arrives_before_its_time,
          order_is_kept_within_a_direction, duplicates_come_later_and_hold_nothing_up,
          a_flushed_connection_delivers_everything_first,
          a_killed_peer_on_a_perfect_network_takes_everything_with_it,
          a_connection_lost_before_it_opened_is_unknown_to_the_server,
          a_lost_connection_swallows_a_last_part, connections_are_lost_by_chance,
          faults_can_be_changed, what_nobody_reads_is_bounded, the_same_seed_gives_the_same_events)
