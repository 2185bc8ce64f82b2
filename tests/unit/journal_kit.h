/* Journals made by hand: an app with a source of every kind, its intakes, batches and commits. */
#ifndef DS_TESTS_JOURNAL_KIT_H
#define DS_TESTS_JOURNAL_KIT_H

#include "checkpoint/journal.h"

#include "unit/plan_unit.h"

#define JOURNAL_APP(name, more)                                                                    \
    "{ 'version': 1, 'name': '" name "', 'batch': { 'interval': '1s' }, 'sources': {"              \
    "'f': { 'type': 'files', 'dir': 'in' },"                                                       \
    "'q': { 'type': 'queue', 'schema': { 'n': 'int' }, 'batches': [ [], [ { 'n': 1 } ] ] },"       \
    "'r': { 'type': 'rate', 'rows_per_second': 10 },"                                              \
    "'s': { 'type': 'socket', 'listen': '127.0.0.1:1' } },"                                        \
    "'sinks': { 'a': { 'from': 'f', 'type': 'file', 'dir': 'out' },"                               \
    "'b': { 'from': 's', 'type': 'console' } } " more " }"

enum { JOURNAL_F, JOURNAL_Q, JOURNAL_R, JOURNAL_S, JOURNAL_SOURCES };

typedef struct journal_kit {
    planned p;
    const ds_plan *plan;
    ds_intake intakes[JOURNAL_SOURCES];
    ds_batch *batches, **last;
    int64_t last_ms;
    ds_buffer text; /* the journal */
    ds_recovered *recovered;
    ds_status status;
    ds_error error;
} journal_kit;

static inline void journal_open(journal_kit *k, const char *app)
{
    *k = (journal_kit){.p = plan_whole(app, NULL)};
    ck_assert_msg(k->p.plan != NULL, "%s", k->p.app.said.data);
    k->plan = k->p.plan;
    k->last = &k->batches;
    k->last_ms = 1000;
    for (uint32_t i = 0; i < k->plan->app->n_sources; i++)
        ds_intake_init(&k->intakes[i], k->plan, i);
}

static inline void journal_forget(journal_kit *k)
{
    ds_recovered_free(k->recovered);
    k->recovered = NULL;
}

static inline void journal_close(journal_kit *k)
{
    journal_forget(k);
    while (k->batches != NULL) {
        ds_batch *batch = k->batches;
        k->batches = batch->next;
        ds_batch_free(batch);
    }
    for (uint32_t i = 0; i < k->plan->app->n_sources; i++)
        ds_intake_fini(&k->intakes[i]);
    ds_buffer_fini(&k->text);
    plan_close(&k->p);
}

/* A batch that was given these inputs, in the list of those under way. */
static inline ds_batch *journal_batch(journal_kit *k, int64_t time_ms)
{
    ds_batch *batch = ds_batch_new(k->plan, time_ms);
    *k->last = batch;
    k->last = &batch->next;
    k->last_ms = time_ms;
    return batch;
}

static inline void journal_allot(ds_batch *batch, uint32_t source, ds_input input)
{
    ds_allotment *a = NULL;
    for (uint32_t i = 0; i < batch->n_allotments; i++)
        if (batch->allotments[i].source == source)
            a = &batch->allotments[i];
    if (a == NULL) {
        a = &batch->allotments[batch->n_allotments++];
        *a = (ds_allotment){.source = source};
        a->inputs = DS_ARENA_ARRAY(batch->arena, ds_input, 16);
    }
    ck_assert_uint_lt(a->n_inputs, 16);
    if (input.path == NULL)
        input.path = "";
    a->inputs[a->n_inputs++] = input;
}

static inline void journal_file(ds_batch *batch, const char *path, uint64_t from, uint64_t to)
{
    journal_allot(
        batch, JOURNAL_F,
        (ds_input){.kind = DS_INPUT_FILE, .from = from, .to = to, .position = from, .path = path});
}

/* Gives the batch a commit of n files. */
static inline void journal_commit(ds_batch *batch, uint32_t n)
{
    batch->commit = (ds_commit){.batch_ms = batch->time_ms};
    batch->commit.files = DS_ARENA_ARRAY(batch->arena, ds_commit_file, n + 1);
    for (uint32_t i = 0; i < n; i++)
        batch->commit.files[batch->commit.n_files++] = (ds_commit_file){
            .staged = ds_arena_printf(batch->arena, "out/.dstream-x/%d-%u", (int)batch->time_ms, i),
            .folder = ds_arena_printf(batch->arena, "out/%d", (int)batch->time_ms),
            .name = ds_arena_printf(batch->arena, "part-%05u.json", i),
            .length = 10 + i,
            .checksum = UINT64_C(0xFEDCBA9876543210) + i,
            .rows = 3 + i};
}

static inline void journal_whole(journal_kit *k)
{
    ds_journal_state state = {.plan = k->plan,
                              .epoch = UINT64_C(0x123456789ABCDEF0),
                              .zero_ms = 1000,
                              .last_ms = k->last_ms,
                              .intakes = k->intakes,
                              .n_intakes = k->plan->app->n_sources,
                              .batches = k->batches};
    ds_journal_whole(&k->text, &state);
}

static inline void journal_read_bytes(journal_kit *k, const char *text, size_t length)
{
    journal_forget(k);
    k->error.message[0] = '\0';
    k->status = ds_journal_read("7.jsonl", text, length, k->plan, &k->recovered, &k->error);
    ck_assert_int_eq(k->status == DS_OK, k->recovered != NULL);
}

static inline void journal_read(journal_kit *k)
{
    journal_read_bytes(k, k->text.data, k->text.length);
    ck_assert_msg(k->status == DS_OK, "%s", k->error.message);
}

static inline const ds_recovered_source *journal_source(const journal_kit *k, const char *name)
{
    for (uint32_t i = 0; i < k->recovered->n_sources; i++)
        if (strcmp(k->recovered->sources[i].name, name) == 0)
            return &k->recovered->sources[i];
    ck_abort_msg("no source %s", name);
    return NULL;
}

/* "in/a 0-5; rate 3-9@77; list 2; block" of one source of a recovered batch. */
static inline void journal_inputs(const ds_recovered_batch *batch, uint32_t source, ds_buffer *out)
{
    out->length = 0;
    for (uint32_t i = 0; i < batch->n_allotments; i++) {
        const ds_allotment *a = &batch->allotments[i];
        for (uint32_t n = 0; a->source == source && n < a->n_inputs; n++) {
            const ds_input *input = &a->inputs[n];
            int from = (int)input->from, to = (int)input->to;
            ds_buffer_append_text(out, n > 0 ? "; " : "");
            if (input->kind == DS_INPUT_FILE)
                ds_buffer_printf(out, "%s %d-%d", input->path, from, to);
            else if (input->kind == DS_INPUT_RATE)
                ds_buffer_printf(out, "rate %d-%d@%d", from, to, (int)input->position);
            else if (input->kind == DS_INPUT_QUEUE)
                ds_buffer_printf(out, "list %d", from);
            else
                ds_buffer_append_text(out, "block");
        }
    }
    ds_buffer_text(out);
}

#endif
