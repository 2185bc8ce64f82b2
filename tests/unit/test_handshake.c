/* The handshake: who holds the secret gets in, and nobody else, whatever he says when. */
#include "rpc/handshake.h"

#include "unit/unit.h"

#include <string.h>

static const uint8_t nonce_a[DS_NONCE_BYTES] = "nonce a", nonce_b[DS_NONCE_BYTES] = "nonce b",
                     nonce_c[DS_NONCE_BYTES] = "nonce c", nonce_d[DS_NONCE_BYTES] = "nonce d";
#define EPOCH 0x1122334455667788u

/* A dialer and a listener, and what they said last. */
typedef struct pair {
    ds_handshake dialer, listener;
    ds_handshake_frame knock, challenge, proof, answer;
} pair;

static ds_secret secret(const char *text)
{
    return ds_secret_of_text(text);
}

static void begin(pair *p, const char *dialers, const char *listeners, const uint8_t *nonce_d_,
                  const uint8_t *nonce_l)
{
    ds_secret d = secret(dialers), l = secret(listeners);
    ds_handshake_dial(&p->dialer, &d, nonce_d_, &p->knock);
    ds_handshake_listen(&p->listener, &l, EPOCH, nonce_l);
}

static ds_handshake_state give(ds_handshake *to, const ds_handshake_frame *frame,
                               ds_handshake_frame *out)
{
    ck_assert_uint_gt(frame->length, 0);
    return ds_handshake_take(to, frame->kind, frame->bytes, frame->length, out);
}

/* Up to the dialer's proof. */
static void run_to_proof(pair *p)
{
    ck_assert_int_eq(give(&p->listener, &p->knock, &p->challenge), DS_HANDSHAKE_UNDER_WAY);
    ck_assert_int_eq(p->challenge.kind, DS_FRAME_CHALLENGE);
    ck_assert_int_eq(give(&p->dialer, &p->challenge, &p->proof), DS_HANDSHAKE_UNDER_WAY);
    ck_assert_int_eq(p->proof.kind, DS_FRAME_PROOF);
}

static void run_all(pair *p)
{
    ds_handshake_frame nothing;
    run_to_proof(p);
    ck_assert_int_eq(give(&p->listener, &p->proof, &p->answer), DS_HANDSHAKE_DONE);
    ck_assert_int_eq(p->answer.kind, DS_FRAME_ANSWER);
    ck_assert_int_eq(give(&p->dialer, &p->answer, &nothing), DS_HANDSHAKE_DONE);
    ck_assert_uint_eq(nothing.length, 0);
}

/* What must not get in does not, and is told nothing. */
static void expect_broken(ds_handshake *to, const ds_handshake_frame *frame)
{
    ds_handshake_frame out;
    ck_assert_int_eq(give(to, frame, &out), DS_HANDSHAKE_BROKEN);
    ck_assert_uint_eq(out.length, 0);
}

static bool contains(const ds_handshake_frame *frame, const uint8_t *bytes, size_t length)
{
    return memmem(frame->bytes, frame->length, bytes, length) != NULL;
}

START_TEST(who_holds_the_same_secret_gets_in)
{
    static const char *const secrets[] = {"s", "a much longer secret, with blanks and ü", NULL};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        pair p;
        begin(&p, secrets[i], secrets[i], nonce_a, nonce_b);
        run_all(&p);
        ck_assert_uint_eq(p.dialer.epoch, EPOCH);
    }
}
END_TEST

START_TEST(the_secret_is_never_said)
{
    pair p;
    begin(&p, "wonderful", "wonderful", nonce_a, nonce_b);
    run_all(&p);
    const ds_handshake_frame *said[] = {&p.knock, &p.challenge, &p.proof, &p.answer};
    for (int i = 0; i < 4; i++) {
        ck_assert(!contains(said[i], (const uint8_t *)"wonderful", 9));
        ck_assert(!contains(said[i], p.dialer.secret.key, DS_SECRET_BYTES));
    }
}
END_TEST

START_TEST(another_secret_is_refused)
{
    static const char *const wrong[][2] = {
        {"one", "other"}, {"one", "One"}, {"one", "one "}, {NULL, "one"}, {"one", NULL}, {"", NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        pair p;
        ds_handshake_frame out;
        begin(&p, wrong[i][0], wrong[i][1], nonce_a, nonce_b);
        run_to_proof(&p);
        ck_assert_int_eq(give(&p.listener, &p.proof, &p.answer), DS_HANDSHAKE_WRONG);
        ck_assert_int_eq(p.answer.kind, DS_FRAME_REFUSAL);
        ck_assert_int_eq(give(&p.dialer, &p.answer, &out), DS_HANDSHAKE_WRONG);
        expect_broken(&p.listener, &p.proof);
    }
}
END_TEST

START_TEST(a_listener_that_cannot_prove_it_is_found_out)
{
    pair p;
    begin(&p, "one", "one", nonce_a, nonce_b);
    run_to_proof(&p);
    ck_assert_int_eq(give(&p.listener, &p.proof, &p.answer), DS_HANDSHAKE_DONE);
    for (size_t i = 4; i < p.answer.length; i++) {
        pair q = p;
        q.answer.bytes[i] ^= 1;
        expect_broken(&q.dialer, &q.answer);
    }
}
END_TEST

START_TEST(every_bit_of_a_proof_counts)
{
    pair p;
    begin(&p, "one", "one", nonce_a, nonce_b);
    run_to_proof(&p);
    for (size_t bit = 0; bit < 8 * p.proof.length; bit++) {
        pair q = p;
        q.proof.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(give(&q.listener, &q.proof, &q.answer), DS_HANDSHAKE_WRONG);
    }
}
END_TEST

START_TEST(nothing_comes_before_the_proof)
{
    static const ds_frame_kind kinds[] = {DS_FRAME_MESSAGE, DS_FRAME_PING, DS_FRAME_PONG,
                                          DS_FRAME_BYE, DS_FRAME_ANSWER};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        pair p;
        ds_handshake_frame early = {.kind = kinds[i], .length = 36};
        begin(&p, "one", "one", nonce_a, nonce_b);
        pair before = p;
        expect_broken(&before.listener, &early);
        run_to_proof(&p);
        expect_broken(&p.listener, &early);
        expect_broken(&p.listener, &p.proof); /* too late */
    }
}
END_TEST

START_TEST(everything_is_said_once)
{
    pair p, q;
    begin(&p, "one", "one", nonce_a, nonce_b);
    run_to_proof(&p);
    q = p;
    expect_broken(&q.listener, &q.knock);
    q = p;
    expect_broken(&q.dialer, &q.challenge);
    run_all((begin(&q, "one", "one", nonce_a, nonce_b), &q));
    p = q;
    expect_broken(&p.listener, &p.proof);
    p = q;
    expect_broken(&p.dialer, &p.answer);
    p = q;
    expect_broken(&p.listener, &p.knock);
}
END_TEST

START_TEST(a_proof_before_a_knock_is_none)
{
    pair p;
    begin(&p, "one", "one", nonce_a, nonce_b);
    run_to_proof(&p);
    ds_handshake other;
    ds_secret s = secret("one");
    ds_handshake_listen(&other, &s, EPOCH, nonce_b);
    expect_broken(&other, &p.proof);
}
END_TEST

START_TEST(what_was_cut_short_or_made_longer_is_nothing)
{
    pair p;
    begin(&p, "one", "one", nonce_a, nonce_b);
    run_all(&p);
    for (size_t length = 0; length <= DS_FRAME_SMALL; length++) {
        pair q;
        ds_handshake_frame out, changed;
        begin(&q, "one", "one", nonce_a, nonce_b);
        changed = q.knock;
        if (length != changed.length) {
            changed.length = length;
            ck_assert_int_eq(
                ds_handshake_take(&q.listener, changed.kind, changed.bytes, length, &out),
                DS_HANDSHAKE_BROKEN);
        }
        begin(&q, "one", "one", nonce_a, nonce_b);
        run_to_proof(&q);
        if (length != q.proof.length)
            ck_assert_int_eq(
                ds_handshake_take(&q.listener, DS_FRAME_PROOF, q.proof.bytes, length, &out),
                DS_HANDSHAKE_BROKEN);
        if (length != p.answer.length)
            ck_assert_int_eq(
                ds_handshake_take(&q.dialer, DS_FRAME_ANSWER, p.answer.bytes, length, &out),
                DS_HANDSHAKE_BROKEN);
        begin(&q, "one", "one", nonce_a, nonce_b);
        if (length != p.challenge.length)
            ck_assert_int_eq(
                ds_handshake_take(&q.dialer, DS_FRAME_CHALLENGE, p.challenge.bytes, length, &out),
                DS_HANDSHAKE_BROKEN);
    }
}
END_TEST

START_TEST(what_was_said_on_another_connection_is_worth_nothing)
{
    pair heard, p;
    begin(&heard, "one", "one", nonce_a, nonce_b);
    run_all(&heard);
    /* The same dialer's frames, to a listener with a new nonce. */
    begin(&p, NULL, "one", nonce_a, nonce_c);
    ck_assert_int_eq(give(&p.listener, &heard.knock, &p.challenge), DS_HANDSHAKE_UNDER_WAY);
    ck_assert_int_eq(give(&p.listener, &heard.proof, &p.answer), DS_HANDSHAKE_WRONG);
    /* The same listener's, to a dialer with a new nonce. */
    begin(&p, "one", NULL, nonce_d, nonce_b);
    ck_assert_int_eq(give(&p.dialer, &heard.challenge, &p.proof), DS_HANDSHAKE_UNDER_WAY);
    expect_broken(&p.dialer, &heard.answer);
}
END_TEST

START_TEST(another_epoch_is_another_connection)
{
    pair heard, p;
    ds_secret s = secret("one");
    begin(&heard, "one", "one", nonce_a, nonce_b);
    run_to_proof(&heard);
    ds_handshake_listen(&p.listener, &s, EPOCH + 1, nonce_b);
    ck_assert_int_eq(give(&p.listener, &heard.knock, &p.challenge), DS_HANDSHAKE_UNDER_WAY);
    ck_assert_int_eq(give(&p.listener, &heard.proof, &p.answer), DS_HANDSHAKE_WRONG);
}
END_TEST

/* Somebody without the secret says back to an end what that end, or the other, says. */
START_TEST(reflections_get_nobody_in)
{
    pair p, q;
    ds_handshake_frame out;
    /* To a dialer, as its listener: its own knock and proof. */
    begin(&p, "one", "one", nonce_a, nonce_a);
    expect_broken(&(ds_handshake){.state = p.dialer.state, .secret = p.dialer.secret}, &p.knock);
    ds_handshake_frame challenge = {.kind = DS_FRAME_CHALLENGE, .length = 44};
    challenge.bytes[0] = DS_LINK_VERSION;
    challenge.bytes[4] = 1;
    memcpy(challenge.bytes + 12, nonce_a, DS_NONCE_BYTES); /* its own nonce */
    ck_assert_int_eq(give(&p.dialer, &challenge, &p.proof), DS_HANDSHAKE_UNDER_WAY);
    ds_handshake_frame answer = {.kind = DS_FRAME_ANSWER, .length = 36};
    answer.bytes[0] = DS_LINK_VERSION;
    memcpy(answer.bytes + 4, p.proof.bytes, DS_SECRET_BYTES); /* its own proof */
    expect_broken(&p.dialer, &answer);
    /* To a listener, what another listener with the same secret answers. */
    begin(&p, "one", "one", nonce_a, nonce_b);
    run_all(&p);
    begin(&q, "one", "one", nonce_a, nonce_b);
    ck_assert_int_eq(give(&q.listener, &q.knock, &q.challenge), DS_HANDSHAKE_UNDER_WAY);
    ck_assert_int_eq(
        ds_handshake_take(&q.listener, DS_FRAME_PROOF, p.answer.bytes + 4, DS_SECRET_BYTES, &out),
        DS_HANDSHAKE_WRONG);
}
END_TEST

START_TEST(other_versions_are_recognized_on_both_sides)
{
    for (int length = 4; length <= (int)DS_FRAME_SMALL; length += 20) {
        pair p;
        ds_handshake_frame other = {.kind = DS_FRAME_KNOCK, .length = (size_t)length}, out;
        other.bytes[0] = DS_LINK_VERSION + 1;
        begin(&p, "one", "one", nonce_a, nonce_b);
        ck_assert_int_eq(give(&p.listener, &other, &out), DS_HANDSHAKE_OTHER_VERSION);
        ck_assert_int_eq(out.kind, DS_FRAME_ANSWER);
        ck_assert_uint_eq(out.length, 4);
        ck_assert_uint_eq(out.bytes[0], DS_LINK_VERSION);
        other.kind = DS_FRAME_ANSWER;
        ck_assert_int_eq(give(&p.dialer, &other, &out), DS_HANDSHAKE_OTHER_VERSION);
        begin(&p, "one", "one", nonce_a, nonce_b);
        other.kind = DS_FRAME_CHALLENGE;
        ck_assert_int_eq(give(&p.dialer, &other, &out), DS_HANDSHAKE_OTHER_VERSION);
    }
}
END_TEST

START_TEST(a_dialer_is_not_refused_before_it_has_proved_anything)
{
    pair p;
    ds_handshake_frame refusal = {.kind = DS_FRAME_REFUSAL, .length = 4};
    refusal.bytes[0] = DS_LINK_VERSION;
    begin(&p, "one", "one", nonce_a, nonce_b);
    expect_broken(&p.dialer, &refusal);
}
END_TEST

START_TEST(keys_of_different_uses_differ)
{
    ds_secret one = secret("one"), none = secret(NULL);
    ds_secret a = ds_secret_for(&one, "a", "salt", 4), b = ds_secret_for(&one, "b", "salt", 4);
    ds_secret c = ds_secret_for(&one, "a", "Salt", 4), again = ds_secret_for(&one, "a", "salt", 4);
    ds_secret d = ds_secret_for(&none, "a", "salt", 4),
              joined = ds_secret_for(&one, "as", "alt", 3);
    ck_assert(ds_secret_same(a.key, again.key));
    ck_assert(!ds_secret_same(a.key, b.key));
    ck_assert(!ds_secret_same(a.key, c.key));
    ck_assert(!ds_secret_same(a.key, d.key));
    ck_assert(!ds_secret_same(a.key, joined.key));
    ck_assert(a.given && !d.given && one.given && !none.given);
    ds_secret r = ds_secret_random(), s = ds_secret_random();
    ck_assert(r.given && !ds_secret_same(r.key, s.key));
}
END_TEST

/* So that both ends of different builds agree: fixed by this test. */
START_TEST(what_is_signed_does_not_change)
{
    static const uint8_t key[DS_SECRET_BYTES] = "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
                                                "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b";
    /* RFC 4231, case 1; a key of 20 bytes and one that is filled up with zeros are the same. */
    static const uint8_t wanted[DS_SECRET_BYTES] = {0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53,
                                                    0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b,
                                                    0x88, 0x1d, 0xc2, 0x00, 0xc9, 0x83, 0x3d, 0xa7,
                                                    0x26, 0xe9, 0x37, 0x6c, 0x2e, 0x32, 0xcf, 0xf7};
    ds_secret s = {.given = true};
    uint8_t got[DS_SECRET_BYTES];
    memcpy(s.key, key, sizeof key);
    ds_secret_sign(&s, "Hi There", 8, got);
    ck_assert_mem_eq(got, wanted, sizeof wanted);
}
END_TEST

UNIT_MAIN("handshake", who_holds_the_same_secret_gets_in, the_secret_is_never_said,
          another_secret_is_refused, a_listener_that_cannot_prove_it_is_found_out,
          every_bit_of_a_proof_counts, nothing_comes_before_the_proof, everything_is_said_once,
          a_proof_before_a_knock_is_none, what_was_cut_short_or_made_longer_is_nothing,
          what_was_said_on_another_connection_is_worth_nothing, another_epoch_is_another_connection,
          reflections_get_nobody_in, other_versions_are_recognized_on_both_sides,
          a_dialer_is_not_refused_before_it_has_proved_anything, keys_of_different_uses_differ,
          what_is_signed_does_not_change)
