/*
 * The block cutter: random streams split at random places give the same records, each once and
 * in the order of its stream; then the limits, headers and ends one by one.
 */
#include "receiver/block_cutter.h"

#include "base/memory.h"
#include "base/random.h"
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

/* A cutter with all that it gave out, and room of exactly the asked capacity. */
typedef struct fixture {
    ds_block_cutter cutter;
    uint64_t capacity;
    ds_buffer out;    /* records of all blocks, without headers */
    ds_buffer header; /* of the last block that was cut */
    uint64_t blocks, records, too_long, cut_short;
} fixture;

static void set_up(fixture *f, uint32_t record_limit, bool header, uint64_t capacity)
{
    *f = (fixture){.capacity = capacity};
    ds_block_cutter_init(&f->cutter, record_limit, header);
    if (f->capacity < ds_block_cutter_least(&f->cutter))
        f->capacity = ds_block_cutter_least(&f->cutter);
}

static uint64_t count_lines(const char *bytes, uint64_t length)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < length; i++)
        n += bytes[i] == '\n';
    return n;
}

static bool cut(fixture *f)
{
    ds_block_room room;
    ds_block block;
    bool report = ds_block_cutter_cut(&f->cutter, &room, &block);
    if (report) {
        const char *records = room.bytes + block.header;
        uint64_t length = block.length - block.header;
        ck_assert_uint_eq(block.block_id, ++f->blocks);
        ck_assert_uint_le(block.length, room.capacity);
        ck_assert_uint_eq(block.offset, room.offset);
        ck_assert_uint_eq(block.records, count_lines(records, length));
        if (length > 0) {
            ck_assert_int_eq(records[length - 1], '\n');
            f->header.length = 0;
            ds_buffer_append(&f->header, room.bytes, block.header);
        }
        ds_buffer_append(&f->out, records, length);
        f->records += block.records;
        f->too_long += block.too_long;
        f->cut_short += block.cut_short;
    }
    free(room.bytes);
    return report;
}

static void advance(fixture *f, ds_cut_step step)
{
    if (step == DS_CUT_BLOCK) {
        ck_assert(cut(f));
        return;
    }
    ds_block_room room = {.bytes = ds_alloc(f->capacity), .offset = 640, .capacity = f->capacity};
    ds_block_cutter_give(&f->cutter, &room);
}

static void place(fixture *f, ds_record_stream *stream)
{
    ds_cut_step step;
    while ((step = ds_block_cutter_place(&f->cutter, stream)) != DS_CUT_GO)
        advance(f, step);
}

/* Reads at most n bytes of the stream, as one read of a socket would. Returns how many. */
static size_t feed_some(fixture *f, ds_record_stream *stream, const char *bytes, size_t n)
{
    ds_cut_step step;
    char *to;
    size_t length;
    while ((step = ds_block_cutter_window(&f->cutter, stream, &to, &length)) != DS_CUT_GO)
        advance(f, step);
    ck_assert_uint_gt(length, 0);
    n = n < length ? n : length;
    memcpy(to, bytes, n);
    ds_block_cutter_fill(&f->cutter, stream, n);
    place(f, stream);
    return n;
}

static void feed(fixture *f, ds_record_stream *stream, const char *bytes, size_t n)
{
    for (size_t done = 0; done < n;)
        done += feed_some(f, stream, bytes + done, n - done);
}

static void feed_text(fixture *f, ds_record_stream *stream, const char *text)
{
    feed(f, stream, text, strlen(text));
}

static void end(fixture *f, ds_record_stream *stream, bool cut_short)
{
    ds_record_stream_end(&f->cutter, stream, cut_short);
    place(f, stream);
    ds_record_stream_fini(stream);
}

static void tear_down(fixture *f)
{
    cut(f);
    ds_buffer_fini(&f->out);
    ds_buffer_fini(&f->header);
}

static void assert_out(fixture *f, const char *text)
{
    ck_assert_str_eq(ds_buffer_text(&f->out), text);
    ck_assert_uint_eq(f->out.length, strlen(text));
}

/* ------------------------------------------------------------------- random streams */

#define CLIENTS 7
#define LIMIT 60u

typedef struct client {
    ds_record_stream stream;
    ds_buffer sent; /* what it sends */
    size_t at;
    bool unfinished;
    const char *at_out; /* the next record to be found */
} client;

static const char *header_of(size_t id)
{
    static const char *const headers[] = {"a,b,c", "a,b"};
    return headers[id % 2];
}

/* Records start with the client's digit; random bytes follow, NUL and \r among them. */
static void append_record(ds_buffer *sent, size_t id, ds_random *random, bool overlong)
{
    if (ds_random_below(random, 10) == 0)
        return; /* an empty one */
    uint64_t length = ds_random_below(random, overlong ? 300 : LIMIT);
    ds_buffer_append_char(sent, (char)('0' + (char)id));
    for (uint64_t i = 0; i < length; i++) {
        char c = (char)ds_random_next(random);
        ds_buffer_append_char(sent, c == '\n' ? '\0' : c);
    }
}

static void make_client(client *c, size_t id, ds_random *random, bool header)
{
    *c = (client){0};
    if (header)
        ds_buffer_printf(&c->sent, "%s%s", header_of(id), id % 3 == 0 ? "\r\n" : "\n");
    uint64_t n = ds_random_below(random, 200);
    for (uint64_t i = 0; i < n; i++) {
        append_record(&c->sent, id, random, ds_random_below(random, 15) == 0);
        ds_buffer_append_char(&c->sent, '\n');
    }
    size_t before = c->sent.length;
    append_record(&c->sent, id, random, ds_random_below(random, 5) == 0);
    c->unfinished = c->sent.length > before;
}

/* Counts empty records, and those over the limit that cannot be told from dropped ones. */
typedef struct tally {
    uint64_t empty, overlong, records;
} tally;

static bool is_overlong(const char *record, size_t length)
{
    return length - (length > 0 && record[length - 1] == '\r') > LIMIT;
}

static size_t line_length(const char *at, const char *limit)
{
    const char *stop = memchr(at, '\n', (size_t)(limit - at));
    return (size_t)((stop != NULL ? stop : limit) - at);
}

static tally tally_of(const char *bytes, size_t length)
{
    tally t = {0};
    const char *limit = bytes + length;
    for (const char *at = bytes; at < limit; at += line_length(at, limit) + 1) {
        size_t n = line_length(at, limit);
        t.records++;
        t.empty += n == 0;
        t.overlong += is_overlong(at, n);
    }
    return t;
}

static const char *skip_lines(const char *at, const char *limit)
{
    while (at < limit) {
        size_t n = line_length(at, limit);
        if (n > 0 && !is_overlong(at, n))
            break;
        at += n + 1;
    }
    return at;
}

/* Every record that came out is the next of its client, but for empty and over-long ones. */
static void check_order(fixture *f, client *clients)
{
    const char *limit = f->out.data + f->out.length;
    for (const char *at = f->out.data; at < limit;) {
        size_t n = line_length(at, limit);
        if (n > 0 && !is_overlong(at, n)) {
            client *c = &clients[(size_t)(*at - '0')];
            const char *sent_limit = c->sent.data + c->sent.length;
            c->at_out = skip_lines(c->at_out, sent_limit);
            ck_assert_uint_eq(line_length(c->at_out, sent_limit), n);
            ck_assert_mem_eq(c->at_out, at, n);
            c->at_out += n + 1;
        }
        at += n + 1;
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        const char *sent_limit = clients[i].sent.data + clients[i].sent.length;
        ck_assert(skip_lines(clients[i].at_out, sent_limit) >= sent_limit);
    }
}

static void feed_randomly(fixture *f, client *clients, ds_random *random)
{
    size_t open = CLIENTS;
    uint64_t most = 1 + ds_random_below(random, 500);
    while (open > 0) {
        client *c = &clients[ds_random_below(random, CLIENTS)];
        if (c->at > c->sent.length)
            continue;
        size_t left = c->sent.length - c->at;
        size_t n = 1 + (size_t)ds_random_below(random, most);
        if (left > 0) {
            c->at += feed_some(f, &c->stream, c->sent.data + c->at, n < left ? n : left);
        } else {
            end(f, &c->stream, true);
            c->at++; /* ended */
            open--;
        }
        if (ds_random_below(random, 50) == 0)
            cut(f);
    }
}

static void check_random_streams(uint64_t seed, bool header, bool keep_long)
{
    ds_random random;
    ds_random_init(&random, seed);
    fixture f;
    set_up(&f, LIMIT, header, ds_random_below(&random, 2000));
    f.cutter.keep_long = keep_long;
    client clients[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++)
        make_client(&clients[i], i, &random, header);
    feed_randomly(&f, clients, &random);
    cut(&f);
    tally sent = {0};
    uint64_t unfinished = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        client *c = &clients[i];
        size_t skipped = header ? line_length(c->sent.data, c->sent.data + c->sent.length) + 1 : 0;
        c->at_out = c->sent.data + skipped;
        tally t = tally_of(c->at_out, c->sent.length - skipped);
        sent.records += t.records;
        sent.empty += t.empty;
        sent.overlong += t.overlong;
        unfinished += c->unfinished;
    }
    tally got = tally_of(f.out.data, f.out.length);
    ck_assert_uint_eq(got.records, f.records);
    ck_assert_uint_eq(got.empty, sent.empty);
    ck_assert_uint_eq(got.overlong + f.too_long, sent.overlong);
    ck_assert(!keep_long || f.too_long == 0);
    ck_assert_uint_eq(got.records + f.too_long, sent.records);
    ck_assert_uint_le(f.cut_short, unfinished); /* some of them were over the limit */
    check_order(&f, clients);
    for (size_t i = 0; i < CLIENTS; i++)
        ds_buffer_fini(&clients[i].sent);
    tear_down(&f);
}

START_TEST(random_streams_come_out_whole)
{
    for (uint64_t seed = 0; seed < 150; seed++)
        check_random_streams(seed, false, seed % 2 != 0);
}
END_TEST

START_TEST(random_streams_with_headers)
{
    for (uint64_t seed = 1000; seed < 1150; seed++)
        check_random_streams(seed, true, seed % 2 != 0);
}
END_TEST

/* ------------------------------------------------------------------- one by one */

START_TEST(nothing_is_not_reported)
{
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 100, false, 1000);
    ck_assert(!cut(&f));
    feed_text(&f, &s, "half");
    ck_assert(!cut(&f)); /* the carry is no record yet, and needs no room */
    ck_assert_uint_eq(f.cutter.room.capacity, 0);
    feed_text(&f, &s, " done\nmore");
    ck_assert(cut(&f));
    assert_out(&f, "half done\n");
    end(&f, &s, false);
    ck_assert(cut(&f));
    assert_out(&f, "half done\nmore\n");
    ck_assert_uint_eq(f.cut_short, 0);
    tear_down(&f);
}
END_TEST

START_TEST(clients_share_a_block)
{
    fixture f;
    ds_record_stream a = {0}, b = {0};
    set_up(&f, 100, false, 1000);
    feed_text(&f, &a, "a1\na");
    feed_text(&f, &b, "b");
    feed_text(&f, &a, "2\na3");
    feed_text(&f, &b, "1\n");
    end(&f, &a, true);
    end(&f, &b, true);
    ck_assert(cut(&f));
    assert_out(&f, "a1\na2\nb1\na3\n");
    ck_assert_uint_eq(f.blocks, 1);
    ck_assert_uint_eq(f.cut_short, 1);
    tear_down(&f);
}
END_TEST

START_TEST(records_up_to_the_limit_are_kept)
{
    /* limit 4: "wxyz" with \r\n needs a carry of limit + 1 bytes when the \n comes last */
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 4, false, 0);
    for (const char *p = "wxyz\r\nabcd\nx\n"; *p != '\0'; p++)
        feed(&f, &s, p, 1);
    ck_assert(cut(&f));
    assert_out(&f, "wxyz\r\nabcd\nx\n");
    ck_assert_uint_eq(f.too_long, 0);
    ds_record_stream_fini(&s);
    tear_down(&f);
}
END_TEST

START_TEST(longer_ones_are_dropped_once)
{
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 4, false, 0);
    for (const char *p = "12345678901234567890\nok\n123456"; *p != '\0'; p++)
        feed(&f, &s, p, 1);
    end(&f, &s, true); /* within a dropped record: it is no unfinished record too */
    ck_assert(cut(&f));
    assert_out(&f, "ok\n");
    ck_assert_uint_eq(f.too_long, 2);
    ck_assert_uint_eq(f.cut_short, 0);
    tear_down(&f);
}
END_TEST

/* The beginning stays, and is too long whatever stands at its end: the decoder counts it. */
START_TEST(the_beginning_of_longer_ones_is_kept)
{
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 4, false, 0);
    f.cutter.keep_long = true;
    for (const char *p = "12345678901234567890\nok\n12345\r7\n123456"; *p != '\0'; p++)
        feed(&f, &s, p, 1);
    end(&f, &s, true); /* all but its beginning is skipped: nothing is unfinished */
    ck_assert(cut(&f));
    assert_out(&f, "123456\nok\n12345\r\n123456\n");
    ck_assert_uint_eq(f.too_long, 0);
    ck_assert_uint_eq(f.cut_short, 0);
    tear_down(&f);
}
END_TEST

START_TEST(a_whole_long_record_is_left_to_the_decoder)
{
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 4, false, 1000);
    feed_text(&f, &s, "a\n0123456789\nb\n0123456789");
    feed_text(&f, &s, "01234\nc\n");
    ck_assert(cut(&f));
    assert_out(&f, "a\n0123456789\nb\nc\n");
    ck_assert_uint_eq(f.too_long, 1);
    ds_record_stream_fini(&s);
    tear_down(&f);
}
END_TEST

START_TEST(counters_alone_are_a_block_of_length_0)
{
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 4, false, 1000);
    feed_text(&f, &s, "0123456789");
    ds_block_room room;
    ds_block block;
    ck_assert(ds_block_cutter_cut(&f.cutter, &room, &block));
    ck_assert_uint_eq(block.block_id, 1);
    ck_assert_uint_eq(block.length, 0);
    ck_assert_uint_eq(block.records, 0);
    ck_assert_uint_eq(block.too_long, 1);
    free(room.bytes);
    ck_assert(!ds_block_cutter_cut(&f.cutter, &room, &block));
    ck_assert_uint_eq(room.capacity, 0);
    ds_record_stream_fini(&s);
    tear_down(&f);
}
END_TEST

START_TEST(a_million_empty_lines)
{
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 100, false, 4096);
    char lines[1000];
    memset(lines, '\n', sizeof lines);
    for (int i = 0; i < 1000; i++)
        feed(&f, &s, lines, sizeof lines);
    cut(&f);
    ck_assert_uint_eq(f.records, 1000000);
    ck_assert_uint_eq(f.out.length, 1000000);
    ds_record_stream_fini(&s);
    tear_down(&f);
}
END_TEST

START_TEST(a_full_block_says_so)
{
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 10, false, 6400);
    char line[100];
    memset(line, 'x', sizeof line);
    line[99] = '\n';
    for (int i = 0; i < 63; i++) {
        ck_assert(!ds_block_cutter_full(&f.cutter));
        feed(&f, &s, line, sizeof line);
    }
    ck_assert(ds_block_cutter_full(&f.cutter)); /* 100 bytes of 6400 are left */
    ck_assert_uint_eq(f.blocks, 0);
    feed(&f, &s, line, sizeof line);
    ck_assert_uint_eq(f.blocks, 1);
    ck_assert(!ds_block_cutter_full(&f.cutter));
    ds_record_stream_fini(&s);
    tear_down(&f);
}
END_TEST

START_TEST(headers_are_in_front_of_each_block)
{
    fixture f;
    ds_record_stream a = {0}, b = {0}, c = {0};
    set_up(&f, 20, true, 0);
    feed_text(&f, &a, "\n \t\r\nid,n\r\n1,2\n3,");
    feed_text(&f, &b, "id,n\n5,6\n");
    ck_assert_uint_eq(f.blocks, 0); /* the same header, but for the line end */
    feed_text(&f, &c, "other\n7\n");
    ck_assert_uint_eq(f.blocks, 1);
    ck_assert_str_eq(ds_buffer_text(&f.header), "id,n\n");
    ck_assert_uint_eq(f.records, 2);
    feed_text(&f, &a, "4\n");
    ck_assert_uint_eq(f.blocks, 2);
    ck_assert_str_eq(ds_buffer_text(&f.header), "other\n");
    cut(&f);
    ck_assert_str_eq(ds_buffer_text(&f.header), "id,n\n");
    assert_out(&f, "1,2\n5,6\n7\n3,4\n");
    end(&f, &a, true);
    end(&f, &b, true);
    end(&f, &c, true);
    tear_down(&f);
}
END_TEST

START_TEST(a_header_alone_is_no_record)
{
    fixture f;
    ds_record_stream a = {0}, b = {0};
    set_up(&f, 20, true, 0);
    feed_text(&f, &a, "id,n\n");
    end(&f, &a, true);
    feed_text(&f, &b, "id,");
    end(&f, &b, true);
    ck_assert(!cut(&f));
    ck_assert_uint_eq(f.cut_short, 0);
    tear_down(&f);
}
END_TEST

START_TEST(a_header_comes_byte_by_byte)
{
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 4, true, 0);
    for (const char *p = "abcd\r\n1\r\n2"; *p != '\0'; p++)
        feed(&f, &s, p, 1);
    end(&f, &s, true);
    ck_assert(cut(&f));
    ck_assert_str_eq(ds_buffer_text(&f.header), "abcd\n");
    assert_out(&f, "1\r\n2\n");
    ck_assert_uint_eq(f.cut_short, 1);
    tear_down(&f);
}
END_TEST

START_TEST(a_header_over_the_limit_is_an_empty_line)
{
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 4, true, 0);
    feed_text(&f, &s, "abcdefghijklmnopqrstuvw\n1\n");
    ck_assert(cut(&f));
    ck_assert_str_eq(ds_buffer_text(&f.header), "\n");
    assert_out(&f, "1\n");
    ck_assert_uint_eq(f.too_long, 1);
    ds_record_stream_fini(&s);
    tear_down(&f);
}
END_TEST

START_TEST(pending_records_end_with_their_stream)
{
    /* a header and records in one read, no room, and the peer hangs up */
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 20, true, 0);
    char *to;
    size_t length;
    ck_assert_int_eq(ds_block_cutter_window(&f.cutter, &s, &to, &length), DS_CUT_GO);
    memcpy(to, "id\n1\n2\n3", 8);
    ds_block_cutter_fill(&f.cutter, &s, 8);
    ck_assert_int_eq(ds_block_cutter_place(&f.cutter, &s), DS_CUT_ROOM);
    end(&f, &s, true);
    ck_assert(cut(&f));
    assert_out(&f, "1\n2\n3\n");
    ck_assert_uint_eq(f.cut_short, 1);
    tear_down(&f);
}
END_TEST

START_TEST(largest_header_and_record_fit_the_least_room)
{
    fixture f;
    ds_record_stream s = {0};
    set_up(&f, 4, true, 0);
    for (const char *p = "abcde\nvwxyz"; *p != '\0'; p++)
        feed(&f, &s, p, 1);
    end(&f, &s, true);
    ck_assert(cut(&f));
    ck_assert_str_eq(ds_buffer_text(&f.header), "abcde\n");
    assert_out(&f, "vwxyz\n"); /* one over the limit: the decoder counts it */
    ck_assert_uint_eq(f.too_long, 0);
    tear_down(&f);
}
END_TEST

UNIT_MAIN("block_cutter", random_streams_come_out_whole, random_streams_with_headers,
          nothing_is_not_reported, clients_share_a_block, records_up_to_the_limit_are_kept,
          longer_ones_are_dropped_once, a_whole_long_record_is_left_to_the_decoder,
          the_beginning_of_longer_ones_is_kept, counters_alone_are_a_block_of_length_0,
          a_million_empty_lines, a_full_block_says_so, headers_are_in_front_of_each_block,
          a_header_alone_is_no_record, a_header_comes_byte_by_byte,
          a_header_over_the_limit_is_an_empty_line, pending_records_end_with_their_stream,
          largest_header_and_record_fit_the_least_room)
