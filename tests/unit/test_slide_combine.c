/* Queues: order and number of combine steps, with an aggregate that knows its place. */
#include "dstream/slide_combine.h"

#include "base/random.h"
#include "unit/columns.h"

/* The states of this aggregate are runs of numbers, [from, to). Only neighbours combine. */
typedef struct run {
    int64_t from, to;
} run;

static void run_merge(ds_agg_state *state, const ds_agg_partials *in)
{
    for (uint32_t row = 0; row < in->n; row++) {
        run *r = ds_agg_record(state, in->ids[row]);
        ck_assert_int_eq(r->to, 0);
        *r = (run){in->columns[0]->ints[row], in->columns[0]->ints[row] + 1};
    }
}

static void run_combine(ds_agg_state *state, void *to, const void *older, const void *newer)
{
    (void)state;
    run a = *(const run *)older, b = *(const run *)newer;
    if (a.to != 0 && b.to != 0)
        ck_assert_int_eq(a.to, b.from);
    *(run *)to = (run){a.to == 0 ? b.from : a.from, b.to == 0 ? a.to : b.to};
}

static void run_results(ds_agg_state *state, const ds_agg_out *out)
{
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_INT));
    for (uint32_t i = 0; i < out->n; i++) {
        const run *r = ds_agg_record(state, out->ids[i]);
        column->ints[i] = r->from * 1000000 + r->to;
    }
}

static const ds_agg_kernels run_kernels = {
    .record = sizeof(run), .merge = run_merge, .combine = run_combine, .results = run_results};
static const struct ds_aggregate_ops run_ops = {&run_kernels, NULL};
static const ds_aggregate run_aggregate = {.name = "run", .ops = &run_ops};
static const ds_agg_call run_call = {.aggregate = &run_aggregate};

typedef struct rig {
    desk d;
    ds_budget budget;
    ds_text_store text;
    ds_slide_combine *queues;
} rig;

static void rig_open(rig *r)
{
    desk_open(&r->d);
    ds_budget_init(&r->budget, NULL, 0);
    ds_text_store_init(&r->text, NULL);
    ds_text_store_lend(&r->text);
    const ds_agg_call *calls[] = {&run_call};
    r->queues = ds_slide_combine_new(calls, 1, &r->text, &r->budget);
}

static void rig_close(rig *r)
{
    ck_assert_int_ge(r->budget.used_bytes, (int64_t)ds_slide_combine_bytes(r->queues));
    ds_slide_combine_free(r->queues);
    ck_assert_int_eq(r->budget.used_bytes, 0);
    ds_text_store_fini(&r->text);
    desk_close(&r->d);
}

static void push_one(rig *r, uint32_t key, int64_t value)
{
    ds_column column = {.type = DS_TYPE(DS_INT), .length = 1, .ints = &value};
    const ds_column *columns[] = {&column}, *const * partials[] = {columns};
    ds_slide_combine_push(r->queues, &key, 1, partials);
}

static int64_t answer(rig *r, uint32_t key)
{
    ds_column *column;
    ds_arena_reset(r->d.arena);
    ds_slide_combine_results(r->queues, r->d.arena, &r->d.heap, &key, 1, &column, NULL);
    return column->ints[0];
}

START_TEST(any_pushes_and_pops)
{
    enum { KEYS = 7 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        rig r;
        rig_open(&r);
        ds_random random;
        ds_random_init(&random, seed);
        int64_t from[KEYS] = {0}, to[KEYS] = {0};
        uint64_t growing = 5;
        for (int i = 0; i < 4000; i++) {
            if (i % 200 == 0)
                growing = 3 + ds_random_below(&random, 5); /* of 10: now longer, now shorter */
            uint32_t key = (uint32_t)ds_random_below(&random, KEYS);
            uint64_t before = ds_slide_combine_work(r.queues);
            if (ds_random_below(&random, 10) < growing) {
                push_one(&r, key, to[key]++);
                ck_assert_uint_le(ds_slide_combine_work(r.queues) - before, 3);
            } else if (from[key] < to[key]) {
                ds_slide_combine_pop(r.queues, &key, 1);
                from[key]++;
                ck_assert_uint_le(ds_slide_combine_work(r.queues) - before, 2);
            }
            int64_t wanted = from[key] == to[key] ? 0 : from[key] * 1000000 + to[key];
            before = ds_slide_combine_work(r.queues);
            ck_assert_int_eq(answer(&r, key), wanted);
            ck_assert_uint_le(ds_slide_combine_work(r.queues) - before, 1);
        }
        rig_close(&r);
    }
}
END_TEST

START_TEST(a_key_without_states)
{
    rig r;
    rig_open(&r);
    ck_assert_int_eq(answer(&r, 1000), 0);
    push_one(&r, 3, 0);
    ck_assert_int_eq(answer(&r, 2), 0);
    ck_assert_int_eq(answer(&r, 3), 1);
    rig_close(&r);
}
END_TEST

START_TEST(entries_are_used_again)
{
    rig r;
    rig_open(&r);
    uint32_t key = 0;
    size_t bytes = 0;
    for (int64_t i = 0; i < 20000; i++) {
        push_one(&r, key, i);
        if (i >= 50)
            ds_slide_combine_pop(r.queues, &key, 1);
        ck_assert_int_eq(answer(&r, key) % 1000000, i + 1);
        if (i == 200)
            bytes = ds_slide_combine_bytes(r.queues);
    }
    ck_assert_uint_eq(ds_slide_combine_bytes(r.queues), bytes);
    rig_close(&r);
}
END_TEST

UNIT_MAIN("slide_combine", any_pushes_and_pops, a_key_without_states, entries_are_used_again)
