/* Whether an app can go on from a checkpoint: what may change between two runs, and what not. */
#include "checkpoint/journal.h"
#include "scheduler/chains.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

ds_status ds_recovered_refuse(const char *dir, const char *why, ds_error *error)
{
    return ds_error_set(
        error, DS_ERR_APP,
        "cannot go on from the checkpoint in %s: %s. It was left as it is. To start "
        "anew, give another checkpoint.dir or move that folder away",
        dir, why);
}

/* What is compared, and where to say what is wrong. */
typedef struct checking {
    const ds_recovered *recovered;
    const ds_plan *plan;
    const char *dir;
    ds_error *error;
    bool keeps; /* the app keeps something */
} checking;

static ds_status refuse(const checking *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static ds_status refuse(const checking *c, const char *format, ...)
{
    char why[DS_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return ds_recovered_refuse(c->dir, why, c->error);
}

/* ---- the whole app ---- */

static ds_status check_partitions(const checking *c)
{
    uint32_t was = c->recovered->key_partitions, is = c->plan->key_partitions;
    if (was == is || !c->plan->app->key_partitions_given)
        return DS_OK;
    return refuse(c, "it has %u key partitions, fixed at the first start, and the app file says %u",
                  was, is);
}

/* Windows, and what batches hold, are in terms of batch times. */
static ds_status check_interval(const checking *c)
{
    const ds_recovered *r = c->recovered;
    if (r->interval_ms == 0 || r->interval_ms == c->plan->app->interval_ms ||
        (r->n_batches == 0 && !(c->keeps && r->kept.save > 0)))
        return DS_OK;
    return refuse(c,
                  "batch.interval was %" PRId64 " ms, and is %" PRId64
                  " ms: what is kept, and batches that are not committed, are of the former",
                  r->interval_ms, c->plan->app->interval_ms);
}

static ds_status check_format(const checking *c)
{
    const ds_recovered *r = c->recovered;
    if (!c->keeps || r->format >= 2 || r->last_ms == r->zero_ms)
        return DS_OK;
    return refuse(c, "it was written by a version that did not save windows and state, and the "
                     "app has some");
}

static bool is_time_of(const ds_recovered *r, int64_t interval_ms, int64_t time_ms)
{
    return time_ms > r->zero_ms && time_ms <= r->last_ms && time_ms % interval_ms == 0;
}

/* Whether the times of what was read can be those of one run: the checksums of a file that
 * somebody wrote may hold, too. */
static bool times_fit(const ds_recovered *r, int64_t interval_ms)
{
    if (r->zero_ms < 0 || r->zero_ms > r->last_ms || r->last_ms > INT64_MAX / 1000 - interval_ms ||
        r->last_input_ms > r->last_ms ||
        (r->kept.save > 0 && !is_time_of(r, interval_ms, r->kept.batch_ms)))
        return false;
    for (uint32_t i = 0; i < r->n_batches; i++)
        if (!is_time_of(r, interval_ms, r->batches[i].time_ms) ||
            (i > 0 && r->batches[i].time_ms <= r->batches[i - 1].time_ms))
            return false;
    return true;
}

/* Batches are committed in the order of time, and saved only then. */
static bool order_fits(const ds_recovered *r)
{
    for (uint32_t i = 0; i < r->n_batches; i++) {
        const ds_recovered_batch *batch = &r->batches[i];
        if (batch->committed ? i > 0 && !r->batches[i - 1].committed
                             : r->kept.save > 0 && batch->time_ms <= r->kept.batch_ms)
            return false;
    }
    return true;
}

static ds_status check_times(const checking *c)
{
    const ds_recovered *r = c->recovered;
    int64_t interval_ms = r->interval_ms > 0 ? r->interval_ms : c->plan->app->interval_ms;
    if (!times_fit(r, interval_ms))
        return refuse(c, "its metadata is damaged: the times in it do not fit together");
    if (!order_fits(r))
        return refuse(c, "its metadata is damaged: batches in it were committed or saved before "
                         "older ones");
    return DS_OK;
}

/* ---- what is gone ---- */

static ds_loss loss_of(const ds_allotment *allotment)
{
    ds_loss loss = {0};
    for (uint32_t i = 0; i < allotment->n_inputs; i++) {
        const ds_input *input = &allotment->inputs[i];
        if (input->kind == DS_INPUT_BLOCK)
            ds_loss_add(&loss, &(ds_loss){1, input->to - input->from, input->ref.length});
    }
    return loss;
}

/* Whether a batch has to run again, be it only for what the plan keeps. */
static bool runs_again(const ds_recovered_batch *batch, const ds_plan *plan)
{
    return plan->has_windows || plan->has_state || !(batch->prepared || batch->committed);
}

ds_loss ds_recovered_unlogged(const ds_recovered *recovered, const ds_plan *plan, uint32_t source)
{
    ds_loss loss = {0};
    for (uint32_t b = 0; b < recovered->n_batches; b++) {
        const ds_recovered_batch *batch = &recovered->batches[b];
        for (uint32_t a = 0; a < batch->n_allotments && runs_again(batch, plan); a++) {
            ds_loss more = loss_of(&batch->allotments[a]);
            if (batch->allotments[a].source == source)
                ds_loss_add(&loss, &more);
        }
    }
    return loss;
}

/* ---- the log ---- */

/* Where the newest block is that a batch was given of a source. */
static ds_log_place newest_place(const ds_recovered *r, const char *source)
{
    for (uint32_t i = 0; i < r->n_sources; i++)
        if (strcmp(r->sources[i].name, source) == 0)
            return r->sources[i].log;
    return (ds_log_place){0};
}

static ds_status check_log(const checking *c, const ds_allotment *allotment)
{
    const char *source = c->plan->app->sources[allotment->source].name;
    const ds_log_place newest = newest_place(c->recovered, source);
    for (uint32_t i = 0; i < allotment->n_inputs; i++)
        if (allotment->inputs[i].kind == DS_INPUT_LOG &&
            ds_log_place_compare(&allotment->inputs[i].log, &newest) > 0)
            return refuse(c,
                          "its metadata is damaged: a batch holds what is in the log of source %s "
                          "behind all that batches were given of it",
                          source);
    return DS_OK;
}

static ds_status check_logs(const checking *c)
{
    for (uint32_t i = 0; i < c->recovered->n_batches; i++) {
        const ds_recovered_batch *batch = &c->recovered->batches[i];
        for (uint32_t a = 0; a < batch->n_allotments; a++)
            DS_TRY(check_log(c, &batch->allotments[a]));
    }
    return DS_OK;
}

/* ---- stream by stream ---- */

static uint32_t count_partitions(const ds_recovered_stream *stream)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < stream->n_parts; i++)
        n += stream->parts[i].whole;
    return n;
}

/* The reader has seen to it that the chain of each begins with a whole part. */
static ds_status check_parts(const checking *c, const ds_recovered_stream *stream, uint32_t n)
{
    for (uint32_t i = 0; i < stream->n_parts; i++)
        if (stream->parts[i].partition >= n)
            return refuse(c, "its metadata is damaged: stream %s has no partition %u",
                          stream->stream, stream->parts[i].partition);
    return DS_OK;
}

static ds_status check_root(const checking *c, const ds_chain_root *root)
{
    const ds_recovered_kept *kept = &c->recovered->kept;
    const ds_recovered_stream *other = NULL;
    for (uint32_t i = 0; i < kept->n_streams; i++) {
        const ds_recovered_stream *stream = &kept->streams[i];
        if (strcmp(stream->stream, root->node->stream) != 0)
            continue;
        if (strcmp(stream->signature, root->signature) == 0) {
            uint32_t n = count_partitions(stream);
            if (n == root->n_partitions)
                return check_parts(c, stream, n);
            return refuse(c, "stream %s was saved in %u partitions, and now has %u",
                          root->node->stream, n, root->n_partitions);
        }
        if (stream->n_parts > 0)
            other = stream;
    }
    if (other == NULL)
        return DS_OK; /* it is new, and begins empty */
    return refuse(c, "stream %s keeps something else now: saved was %s, and now it is %s",
                  root->node->stream, other->signature, root->signature);
}

static ds_status check_streams(const checking *c)
{
    ds_chains chains;
    ds_status status = DS_OK;
    ds_chains_init(&chains, c->plan);
    for (uint32_t r = 0; r < chains.n_roots && status == DS_OK; r++)
        status = check_root(c, &chains.roots[r]);
    ds_chains_fini(&chains);
    return status;
}

ds_status ds_recovered_check(const ds_recovered *recovered, const ds_plan *plan, const char *dir,
                             ds_error *error)
{
    const checking c = {recovered, plan, dir, error, plan->has_windows || plan->has_state};
    if (strcmp(recovered->app, plan->app->name) != 0)
        return refuse(&c, "it belongs to the app \"%.100s\"", recovered->app);
    DS_TRY(check_format(&c));
    DS_TRY(check_times(&c));
    DS_TRY(check_logs(&c));
    DS_TRY(check_partitions(&c));
    DS_TRY(check_interval(&c));
    return check_streams(&c);
}
