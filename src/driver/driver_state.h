/* The driver's state, shared by its parts. Private to this folder. */
#ifndef DS_DRIVER_DRIVER_STATE_H
#define DS_DRIVER_DRIVER_STATE_H

#include "base/random.h"
#include "checkpoint/journal.h"
#include "driver/driver.h"
#include "scheduler/batch_clock.h"
#include "scheduler/chains.h"
#include "scheduler/copies.h"
#include "scheduler/intake.h"
#include "scheduler/rate_estimator.h"
#include "scheduler/registry.h"
#include "scheduler/retained.h"
#include "scheduler/tables.h"

#define DS_CLOCK_TOLD_MS 1000 /* the clock is before the last batch by more: it is said */
#define DS_SHORT_BATCHES 3u   /* in a row that find no memory: the app ends */
#define DS_QUEUED_BATCHES 4u  /* ticks wait while so many batches are not committed */
#define DS_START_WAIT_US INT64_C(10000000) /* for all executors; then one is enough */
#define DS_SILENT_US INT64_C(60000000)     /* one that starts, and says nothing, is lost */
#define DS_CUT_WAIT_US INT64_C(1000000)    /* for CUT_DONE; then the tick goes on without */
#define DS_STOP_WAIT_US INT64_C(5000000)   /* for receivers to end */
#define DS_SLOW_BEATS 10 /* heartbeats that an executor may be silent for which can run */
#define DS_YOUNG_US INT64_C(1000000) /* a replacement that dies so soon is not replaced at once */
#define DS_RELAUNCH_US                                                                             \
    INT64_C(100000) /* but later; if it was never ready, twice as late each time */
#define DS_RELAUNCH_MOST_US INT64_C(10000000)
#define DS_LAUNCH_FAILURES 5u              /* in a row before the first is ready: give up */
#define DS_COPY_WAIT_US INT64_C(10000000)  /* for the other run of a task that is done; at least */
#define DS_GAP_MS INT64_C(10000)           /* a lag of batch times that is a gap */
#define DS_SHOWN_MOST 5u                   /* bad records shown for each source ... */
#define DS_SHOWN_EVERY_US INT64_C(5000000) /* ... in so long */
#define DS_JOURNAL_DELTAS 1000u            /* then a whole record in a new file */
#define DS_APPEND_MOVES 3u                 /* of a batch; then its commit is not begun at once */
#define DS_MOVE_US INT64_C(20000) /* back-off of a receiver that finds its port in use, doubled */
#define DS_MOVE_MOST_US INT64_C(5000000)
#define DS_RETRY_US INT64_C(200000) /* back-off of a task whose output failed, doubled */
#define DS_RETRY_MOST_US INT64_C(10000000)
#define DS_OUTWAIT_US INT64_C(100000) /* of a task that loses executors, doubled */
#define DS_OUTWAIT_MOST_US INT64_C(2000000)
#define DS_REPLAY_ATTEMPTS (1u << 30) /* numbers of replays, which no other attempt has */

typedef enum ds_driver_phase {
    DS_PHASE_STARTING, /* executors are on their way */
    DS_PHASE_RUNNING,
    DS_PHASE_STOPPING, /* receivers are told to end; one last batch */
    DS_PHASE_ENDED,
} ds_driver_phase;

/* The tick under way: what the next batch waits for before it is allotted. */
typedef struct ds_tick {
    bool active;
    int64_t time_ms;
    uint64_t number;
    uint32_t lists_due; /* listings not answered */
    uint64_t *cuts_due; /* executors that have not cut */
    uint32_t n_cuts_due;
    bool cut; /* all have */
    int64_t deadline_us;
} ds_tick;

/* How fast a source may give records. */
typedef struct ds_source_rate {
    ds_rate_estimator estimator;
    uint64_t rate;    /* records a second; 0: no limit */
    double budget;    /* files, tail: records for batches; or owed */
    uint64_t counted; /* records that were taken off it */
} ds_source_rate;

/* A partition of a keyed stage, as its owner has it or is to have it (replay.c). */
typedef struct ds_keyed {
    int64_t stands_ms; /* the newest batch that was applied to it; DS_NO_BATCH: it is empty */
    bool loaded;       /* its owner has it; if not, it stands where its chain ends */
    bool behind;       /* it does not stand where it stood before: batches are applied again */
    bool busy;         /* a task of it is out: */
    bool replaying;    /* a replay */
    bool gap;          /* what was saved of it is gone, and batches since then are not all here */
    uint64_t based;    /* its owner knows what changed since this save; 0: none */
    uint32_t losses;   /* how often, in a row, it was not where it should be */
    uint32_t replays;  /* numbers of their attempts */
    uint32_t failures; /* of replays, in a row */
    uint32_t unread;   /* how often, in a row, what was saved could not be loaded; */
    uint32_t damaged;  /* how often of these because it is damaged */
    int64_t unread_since_us, damaged_since_us;
    int64_t replay_ms; /* replaying: which batch */
    int64_t not_before_us;
} ds_keyed;

/* A save of all that is kept (saves.c). */
typedef struct ds_save {
    bool active;      /* it is under way; if not, the newest one was finished or given up */
    uint64_t number;  /* of the newest one */
    int64_t batch_ms; /* the saving batch */
    int64_t begun_us;
    ds_arena *arena;
    ds_saved_part *parts; /* by root, then by partition */
    bool *came;
    uint32_t missing;
    uint64_t ticket;       /* of the record of the last one that was finished; 0: it is durable */
    int64_t not_before_us; /* back-off after one that failed */
    int64_t wait_us;
    bool owed; /* there was none since batches of the driver before ran again: a restart would run
                  them once more, even if nothing of them is left */
} ds_save;

/* The paths of marks (placed.h). */
typedef struct ds_marks {
    char **paths;
    size_t n;
} ds_marks;

struct ds_driver {
    ds_driver_config config;
    ds_driver_ports ports;
    const ds_plan *plan;
    char *plan_text;
    ds_driver_phase phase;
    bool stop_asked;
    int64_t now_us, wall_ms;
    ds_random random;
    ds_progress progress;

    ds_stream_counts *stream_counts;
    uint32_t n_stream_counts;
    uint32_t *node_streams; /* by node that is a root: its place in stream_counts */
    ds_sink_counts *sink_counts;
    int64_t behind_shown_us; /* 0: batches keep up */

    ds_failed_batches failed; /* of this run, and before */
    ds_registry registry;
    ds_arena *round_arena; /* of the tasks that leave together (bundles.h) */
    int64_t started_us;
    uint32_t launch_failures;
    int64_t relaunch_us, relaunch_wait_us; /* when the next replacement starts; INT64_MAX */
    bool ever_ready;
    int64_t looked_us; /* when it was looked who is silent */

    ds_intake *intakes; /* by source of the app */
    ds_source_counts *counts;
    uint32_t n_intakes;
    uint64_t next_receiver;
    ds_source_rate *rates; /* by source of the app */
    int64_t running_us;    /* since when batches are made */
    int64_t committed_us;  /* when the newest batch was committed */
    ds_table *tables;      /* those that the plan reads */
    uint32_t n_tables;
    uint64_t last_load;      /* id of the newest load of one */
    uint64_t last_replicate; /* number of the newest request (replicas.c) */

    int64_t zero_ms, last_ms; /* the newest batch time that was passed */
    uint32_t n_short;         /* batches that found no memory, and were given up, since one ... */
    uint64_t short_input;     /* ... of at least half the input of the largest was committed */
    int64_t last_input_ms;    /* the newest batch that was given rows, or DS_NO_BATCH */
    ds_copies copies;         /* of tasks */
    int64_t copies_due_us;    /* when it is looked for slow tasks */
    struct ds_held_release *releases, **last_release; /* that wait for copies; in order */
    ds_batch_clock clock;
    bool clock_told;   /* that it is behind the last batch's time */
    int64_t gap_to_ms; /* the batch time behind the gap that is being made up for, or DS_NO_BATCH */
    bool gap_is_long;
    bool gap_waits;             /* for batches under way */
    int64_t recovered_ms;       /* the last batch time of the driver before, or DS_NO_BATCH */
    int64_t recovered_input_ms; /* the last batch with rows then, of whatever stage; DS_NO_BATCH */
    int64_t **acts_ms;          /* by stage, partition: as told by its last task, or replay */
    bool input_ended;
    bool last_batch;       /* the one after which a graceful stop ends */
    uint32_t n_last_saves; /* batches behind it, which do nothing but save */
    uint32_t n_passed;     /* virtual time: batch times passed */
    int64_t stop_deadline_us;
    ds_tick tick;

    ds_batch *batches; /* not yet committed, by time */
    uint32_t n_batches;

    ds_retained retained; /* committed batches that may run again */
    uint32_t n_open;      /* of them, those that make pieces anew */
    ds_chains chains;     /* what is saved of the keyed stages */
    ds_save save;

    uint64_t *task_us;          /* by stage: how long its tasks take lately; 0: not known */
    uint64_t *owners;           /* by key partition: executor, or 0 */
    ds_keyed **keyed;           /* by stage, partition; NULL: the stage keeps nothing */
    uint32_t n_behind;          /* of them */
    int64_t *stage_input_ms;    /* by stage: the last batch that brought it rows */
    ds_append_end *append_ends; /* by sink: its file after the last commit, if known */

    int64_t unread_shown_us;   /* that something saved cannot be read; 0: never */
    int64_t failures_since_us; /* failures of tasks: shown since then */
    uint32_t failures_shown;
    int64_t faults_since_us; /* failures of user's functions: shown, and only counted, since then */
    uint64_t faults_shown, faults_hidden;

    uint64_t next_ticket;
    uint64_t journaled_ticket; /* the newest of a record that is in the checkpoint */
    uint32_t deltas;           /* since the last whole record */
    int64_t journal_retry_us;  /* 0: it can be written; else when the whole is tried again */
    int64_t journal_wait_us;
    uint64_t journal_retry_ticket;
    ds_marks marks, covered_marks; /* the latter go with covered_ticket; marks.c */
    uint64_t covered_ticket;
    int64_t marks_since_us;

    ds_status end_status;
    char end_message[DS_ERROR_TEXT];
};

/* registry side: executors.c */
void ds_driver_launch_all(ds_driver *driver);
void ds_driver_on_message(ds_driver *driver, uint64_t peer, const ds_message *message);
void ds_driver_on_peer_lost(ds_driver *driver, uint64_t peer);
void ds_driver_on_exited(ds_driver *driver, uint64_t executor_id, const char *why);
void ds_driver_watch_executors(ds_driver *driver);
void ds_driver_lose(ds_driver *driver, ds_executor_entry *entry, const char *why);
/* Who cannot write: unfit.c. A result that counts; and when all of a message are seen: the
 * executor may be excluded. */
void ds_driver_note_result(const ds_driver *driver, ds_executor_entry *from,
                           const ds_task_result *result);
void ds_driver_judge(ds_driver *driver, ds_executor_entry *from,
                     const ds_msg_task_results *results);
/* Loses one from outside, which is told why. */
void ds_driver_exclude(ds_driver *driver, ds_executor_entry *entry, const char *why);
void ds_driver_drop_stores(ds_driver *driver);
int64_t ds_driver_executors_deadline(const ds_driver *driver);

/* who says nothing: silence.c */
/* To be called when time passes and not for messages: what others said may wait for the driver. */
void ds_driver_lose_silent(ds_driver *driver);
int64_t ds_driver_silence_deadline(const ds_driver *driver);
/* How often an executor is to say that it lives. */
uint32_t ds_driver_beat_ms(const ds_driver *driver);

/* sources side: receivers.c */
void ds_driver_start_receivers(ds_driver *driver);
void ds_driver_stop_receivers(ds_driver *driver);
bool ds_driver_receivers_ended(const ds_driver *driver);
void ds_driver_on_blocks(ds_driver *driver, ds_executor_entry *from, const ds_msg_blocks *blocks);
void ds_driver_on_receiver_state(ds_driver *driver, ds_executor_entry *from,
                                 const ds_msg_receiver_state *state);
void ds_driver_receivers_of(ds_driver *driver, uint64_t executor_id); /* it is lost */
/* What a receiver at this executor may hold; and whether a batch need not wait for more (credit.c).
 */
uint64_t ds_driver_credit(const ds_driver *driver, const ds_executor_entry *entry);
bool ds_driver_is_worth_a_batch(const ds_driver *driver, const ds_intake *intake);

/* room for input: shares.c */
/* How many bytes of input may be in a store, so that what is made of them fits beside them. */
uint64_t ds_driver_input_share(const ds_driver *driver, uint64_t store_bytes);
/* How many bytes of files a batch may have, for the same reason; one block at least. */
uint64_t ds_driver_most_of_files(const ds_driver *driver);

/* the batch clock: ticks.c */
void ds_driver_on_cut_done(ds_driver *driver, uint64_t executor_id, uint64_t number);
void ds_driver_on_files(ds_driver *driver, const ds_driver_event *event);
void ds_driver_ticks(ds_driver *driver);
void ds_driver_name_open_windows(const ds_driver *driver); /* after the last batch of a stop */
void ds_driver_ticks_deadline(const ds_driver *driver, int64_t *mono_us, int64_t *wall_ms);

/* figures: figures.c */
void ds_driver_make_figures(ds_driver *driver);
void ds_driver_free_figures(ds_driver *driver);
void ds_driver_figure_result(ds_driver *driver, const ds_task_result *result); /* that counts */
void ds_driver_figure_failure(ds_driver *driver, uint32_t stage);              /* of a task */
void ds_driver_figure_commit(ds_driver *driver, const ds_commit *commit, bool failed);
/* All parts of the save under way are there. */
void ds_driver_figure_save(ds_driver *driver, uint32_t n_parts);
/* A batch is committed, and the progress tells of it. */
void ds_driver_figure_batch(ds_driver *driver, const ds_batch *batch);
/* Logs that batches wait, now and then. */
void ds_driver_watch_behind(ds_driver *driver);
int64_t ds_driver_behind_deadline(const ds_driver *driver);

/* back-pressure: rates.c */
void ds_driver_make_rates(ds_driver *driver);
/* Notes when a batch that is being made was due. */
void ds_driver_batch_due(const ds_driver *driver, ds_batch *batch);
/* How many records of a receiver the next batch may have. */
uint64_t ds_driver_most_records(const ds_driver *driver, uint32_t source);
/* How many bytes of a source's files the next batch may have, of `most`. */
uint64_t ds_driver_most_bytes(ds_driver *driver, uint32_t source, uint64_t most);
/* Tells whether a source has a rate, and batches with bytes of its files of which the records are
 * not counted yet: until then the next one may get nothing. */
bool ds_driver_rate_waits(const ds_driver *driver, uint32_t source);
/* A batch is committed: what it tells about the rates of receivers. */
void ds_driver_note_rates(ds_driver *driver, const ds_batch *batch);

/* times that were missed: gaps.c */
/* Begins to make up for the batch times up to now, if it is a gap; any is after a restart. */
void ds_driver_begin_gap(ds_driver *driver, bool restarted);
/* The batch time that is made up for next; DS_NO_BATCH: there is no gap (any more), INT64_MAX: that
 * depends on batches under way. */
int64_t ds_driver_gap_next(ds_driver *driver);

/* files that grow: tails.c */
void ds_driver_ask_tails(ds_driver *driver);
/* At the start: how many files of each `tail` may stay open for batches that may run again. */
void ds_driver_share_files(ds_driver *driver);
/* A batch has bytes of files that grow, or had before a restart. */
void ds_driver_note_tails(ds_driver *driver, const ds_batch *batch);
/* Says of the inputs of a source's task, if they are of files that grow, where these are now, and
 * whether it waits for them while their folder is away. */
void ds_driver_await_tails(const ds_driver *driver, const ds_batch *batch, const ds_node *source,
                           const ds_batch_task *task);
/* Looks for the files of a checkpoint; until all are found, or known not to be, no task goes out.
 */
void ds_driver_find_tails(ds_driver *driver);
bool ds_driver_tails_found(const ds_driver *driver);
/* A task of a source failed: perhaps files are not where they were. */
void ds_driver_doubt_tails(ds_driver *driver, const ds_node *root);
void ds_driver_watch_tails(ds_driver *driver);
int64_t ds_driver_tails_deadline(const ds_driver *driver);
void ds_driver_on_followed(ds_driver *driver, const ds_driver_event *event);

/* the log of what is received: log.c */
void ds_driver_open_logs(ds_driver *driver);
void ds_driver_scan_logs(ds_driver *driver); /* before receivers start */
bool ds_driver_logs_ready(const ds_driver *driver);
/* Looks for what a lost receiver had written and not reported. False: it had no log. */
bool ds_driver_log_lost(ds_driver *driver, ds_intake *intake);
void ds_driver_on_logged(ds_driver *driver, const ds_driver_event *event);
/* Looks again where the folder was away. */
void ds_driver_watch_logs(ds_driver *driver);
int64_t ds_driver_logs_deadline(const ds_driver *driver);
/* Batches were released, and that is noted in the journal; the journal was written up to a record.
 */
void ds_driver_trim_logs(ds_driver *driver);
void ds_driver_logs_journaled(ds_driver *driver, uint64_t ticket);
/* Its receiver cannot write to the log, and has closed the segments of all blocks it reported. */
void ds_driver_log_full(ds_driver *driver, ds_intake *intake);

/* batches side: batches.c */
void ds_driver_add_batch(ds_driver *driver, ds_batch *batch);
void ds_driver_batches(ds_driver *driver);
void ds_driver_on_journaled(ds_driver *driver, uint64_t ticket, ds_status status, const char *why);
void ds_driver_on_committed(ds_driver *driver, const ds_driver_event *event);
/* Writes down the commit of a prepared batch (again); it waits for that. */
void ds_driver_record_commit(ds_driver *driver, ds_batch *batch);
/* The same for a batch that was recorded before, and whose appends begin elsewhere now: whatever it
 * does at the time, its commit waits for that. */
void ds_driver_note_bases(ds_driver *driver, ds_batch *batch);
/* When a READY batch may be committed; INT64_MAX: not before something is noted. */
int64_t ds_driver_commit_due(const ds_driver *driver, const ds_batch *batch);
/* The next try comes later than the last one did. */
void ds_driver_back_off_commit(const ds_driver *driver, ds_batch *batch);
void ds_driver_fail_batch(ds_driver *driver, ds_batch *batch, ds_status status, const char *why);
uint64_t ds_driver_journal(ds_driver *driver, ds_buffer *line, bool sync);
/* Syncs what was written to the checkpoint, unless that failed and is tried again. */
void ds_driver_sync_journal(ds_driver *driver);

/* of the driver before: recover.c */
/* Takes over positions and what is kept; and then, once tables are made, its batches. */
void ds_driver_recover(ds_driver *driver, const ds_recovered *recovered);
void ds_driver_recover_batches(ds_driver *driver, const ds_recovered *recovered);

/* memory of batches: release.c */
/* Whether a batch that is committed may have to run again. */
bool ds_driver_retains(const ds_driver *driver, const ds_batch *batch);
/* Lets go of a batch that is over: retains it if it may have to run again, or frees it. */
void ds_driver_let_go(ds_driver *driver, ds_batch *batch);
/* Gives up the retained batches up to a time: a save covers them, or the app ends. */
void ds_driver_release_retained(ds_driver *driver, int64_t up_to_ms);
/* What a retained batch had to make anew is there. */
void ds_driver_close_retained(ds_driver *driver, const ds_batch *batch);
/* Releases what waited for copies that have ended; or all of it, as the app ends. */
void ds_driver_let_release(ds_driver *driver);
void ds_driver_release_all(ds_driver *driver);
void ds_driver_forget_releases(ds_driver *driver);

/* bases of appends: appends.c */
/* Gives the appends of a batch their bases; earlier: its commit before it ran again, or NULL. */
void ds_driver_place_appends(const ds_driver *driver, ds_batch *batch, const ds_commit *earlier);
/* Of a commit from the checkpoint: some of it may have been written. */
void ds_driver_recover_appends(const ds_driver *driver, ds_batch *batch);
/* Once all batches are recovered: what a crash left out of date is put right. */
void ds_driver_recovered_appends(ds_driver *driver);
/* The commit of a batch is another one: batches behind it begin where it ends, which is noted. */
void ds_driver_follow_appends(ds_driver *driver, const ds_batch *batch);
/* Files are not as they were left: takes their ends as the bases from this batch on. */
void ds_driver_move_appends(ds_driver *driver, ds_batch *batch, const ds_append_end *ends);

/* Takes blocks that were in no log out of what a recovered batch is given, and counts them. */
void ds_driver_drop_unlogged(ds_driver *driver, ds_batch *batch);

/* remake.c */
/* The batch runs again, as some of its outputs are lost; see ds_driver_event. ends: NULL, or of
 * files that are not as they were left. */
void ds_driver_remake(ds_driver *driver, ds_batch *batch, const ds_append_end *ends,
                      const bool *lost);
/* Puts what stays of an earlier commit in the place of what was made again. */
void ds_driver_join_commits(ds_driver *driver, ds_batch *batch);
/* A commit failed (some of it may have been written), or is done. */
void ds_driver_appends_failed(ds_batch *batch);
void ds_driver_appends_done(ds_driver *driver, const ds_batch *batch);

/* marks.c */
/* The marks of a batch whose `committed` record is the next to be written. */
void ds_driver_note_marks(ds_driver *driver, const ds_batch *batch);
/* A record that is synced has this ticket: it will prove those before it. */
void ds_driver_cover_marks(ds_driver *driver, uint64_t ticket);
void ds_driver_marks_journaled(ds_driver *driver, uint64_t ticket);
/* Syncs the journal for marks that have waited for long; when that is. */
void ds_driver_tend_marks(ds_driver *driver);
int64_t ds_driver_marks_deadline(const ds_driver *driver);
/* Whether none is left, so that the app may end well; it has them go. */
bool ds_driver_marks_end(ds_driver *driver);
void ds_marks_fini(ds_marks *marks);

/* tasks side: dispatch.c */
void ds_driver_dispatch(ds_driver *driver);
int64_t ds_driver_dispatch_deadline(const ds_driver *driver);

/* Who owns a key partition, from now on; NULL: nobody is there. */
ds_executor_entry *ds_driver_owner(ds_driver *driver, uint32_t partition);
/* Names the versions of tables that a task of a batch uses (in arena). */
void ds_driver_add_tables(const ds_driver *driver, const ds_batch *batch, ds_arena *arena,
                          ds_task *task);

/* what becomes of tasks: results.c */
void ds_driver_on_results(ds_driver *driver, ds_executor_entry *from,
                          const ds_msg_task_results *results);
void ds_driver_tasks_of(ds_driver *driver, uint64_t executor_id); /* it is lost */

/* and what they say: counts.c */
/* Counts a result that counts, and shows bad records. */
void ds_driver_count_result(ds_driver *driver, ds_batch *batch, const ds_task_result *result);
/* A batch runs again for what is kept: what it was given and is not there any more is lost.
 * more: what was not counted when it ran before. */
void ds_driver_count_missing(ds_driver *driver, const ds_task_result *result,
                             const ds_task_loss *more);
/* The same as the first for a table that was loaded. */
void ds_driver_count_table(ds_driver *driver, uint32_t source, const ds_task_result *result);

/* key partitions: replay.c */
struct ds_bundles;
/* Whether a task of a keyed stage may go out now: what comes before it was applied. */
bool ds_driver_may_apply(ds_driver *driver, const ds_batch *batch, uint32_t stage,
                         uint32_t partition);
/* Completes such a task that goes out. */
void ds_driver_keyed_begins(ds_driver *driver, ds_arena *arena, ds_task *task);
/* It came back, or was lost; and if it was good. */
void ds_driver_keyed_ends(ds_driver *driver, uint32_t stage, uint32_t partition);
void ds_driver_keyed_done(ds_driver *driver, ds_executor_entry *from, const ds_task_result *result);
/* The partition is not where it should be. */
void ds_driver_keyed_lost(ds_driver *driver, uint32_t stage, uint32_t partition);
/* Its chain is of no use: it begins anew. */
void ds_driver_drop_chain(ds_driver *driver, uint32_t stage, uint32_t partition);
void ds_driver_replay(ds_driver *driver, struct ds_bundles *round);
void ds_driver_on_replayed(ds_driver *driver, ds_executor_entry *from,
                           const ds_task_result *result);
int64_t ds_driver_replay_deadline(const ds_driver *driver);
/* True while a replay of the batch runs. */
bool ds_driver_replays(const ds_driver *driver, int64_t batch_ms);

/* saved, and unread: unread.c */
/* A keyed task failed. True if it could not load its chain: the partition waits until it is tried
 * again, perhaps by another owner. */
bool ds_driver_unread(ds_driver *driver, ds_executor_entry *from, const ds_task_result *result);
/* One is done. */
void ds_driver_could_read(const ds_driver *driver, ds_executor_entry *from, ds_keyed *keyed);
/* Whether an executor could not read, lately, what was saved. */
bool ds_driver_is_blind(const ds_driver *driver, const ds_executor_entry *entry);
/* Who is to own a partition that nobody owns; NULL: nobody is there. */
ds_executor_entry *ds_driver_best_owner(const ds_driver *driver);

/* An executor is lost: what it owned; and what lay in its store, if nobody holds that. */
void ds_driver_lose_partitions(ds_driver *driver, uint64_t executor_id);
void ds_driver_chains_of(ds_driver *driver, const ds_executor_entry *lost);

/* saves: saves.c */
/* Whether batches ran since the last save, or wait. */
bool ds_driver_has_changed(const ds_driver *driver);
/* Whether the batch that is being made for a time, perhaps the last one, or an idle one (which is
 * made only for that), has to be the saving one; and lets it be. */
bool ds_driver_save_due(const ds_driver *driver, int64_t time_ms, bool last, bool idle);
void ds_driver_begin_save(ds_driver *driver, ds_batch *batch);
/* True until the checkpoint has it, durably, or it failed. */
bool ds_driver_save_under_way(const ds_driver *driver);
/* At the end of the app, which does not wait for as long as those before did that failed. */
void ds_driver_save_anew(ds_driver *driver);
/* True if a batch behind the last one is to be made, as what that left is not saved. */
bool ds_driver_wants_last_save(const ds_driver *driver);
/* Lets a task of the saving batch save its partition, if that is missing. */
void ds_driver_save_task(ds_driver *driver, ds_arena *arena, ds_task *task);
void ds_driver_on_saved(ds_driver *driver, const ds_executor_entry *from,
                        const ds_msg_saved *saved);
void ds_driver_fail_save(ds_driver *driver, const char *why);
/* A partition goes back in time with an owner who may have saved it, or not. */
void ds_driver_fail_save_of(ds_driver *driver, uint32_t stage, uint32_t partition);
/* True if no batch can be made before what is retained was saved: there is no room for more. */
bool ds_driver_waits_for_save(const ds_driver *driver);
/* The chain of a partition is to be dropped: a save of which changes to it came is given up. */
void ds_driver_fail_changes_of(ds_driver *driver, uint32_t stage, uint32_t partition);
/* True if it only waits until nothing is in the way of its end. */
bool ds_driver_save_is_whole(const ds_driver *driver);
void ds_driver_watch_save(ds_driver *driver);
/* A record of the checkpoint is durable, and all before it. */
void ds_driver_save_durable(ds_driver *driver, uint64_t ticket);
/* Parts that came, and lay in a store that is gone. */
void ds_driver_saves_of(ds_driver *driver, const ds_executor_entry *lost);
/* True if something that is saved lies in the store. */
bool ds_driver_saved_lies_in(const ds_driver *driver, uint64_t executor_id);
/* At the end of the app: true if no save is under way (or, from now on, none that cannot end). */
bool ds_driver_save_ends(ds_driver *driver);
/* At the end of the app: gives back all that executors hold. */
void ds_driver_give_up_saved(ds_driver *driver);
void ds_driver_free_save(ds_driver *driver);
/* Where executors save; "" if they do in their stores. */
const char *ds_driver_kept_folder(const ds_driver *driver);

/* second copies: copies.c */
/* Executor executor_id is given a second copy of a running task, as the attempt after its own. */
void ds_driver_note_copy(ds_driver *driver, const ds_batch *batch, uint32_t stage,
                         uint32_t partition, uint64_t executor_id);
/* The task's own run failed, or is lost: its copy takes its place. False if there is none. */
bool ds_driver_promote_copy(ds_driver *driver, int64_t batch_ms, uint32_t stage, uint32_t partition,
                            ds_batch_task *task);
/* A result that is not of a task's own run. True if it counts: it is, from now on. batch may be
 * NULL. */
bool ds_driver_copy_ends(ds_driver *driver, ds_batch *batch, ds_executor_entry *from,
                         const ds_task_result *result);
/* The task's own run (still RUNNING) brought a result that counts: its copy is too late. */
void ds_driver_outrun_copy(ds_driver *driver, const ds_task_result *result,
                           const ds_batch_task *task);
void ds_driver_copies_of(ds_driver *driver, uint64_t executor_id); /* it is lost */
void ds_driver_watch_copies(ds_driver *driver);
int64_t ds_driver_copies_deadline(const ds_driver *driver);

/* what is gone: lost.c */
void ds_driver_store_of(ds_driver *driver, const ds_executor_entry *lost); /* it is lost */
/* Lets tasks of a batch run again whose outputs are gone. */
void ds_driver_check_outputs(ds_driver *driver, ds_batch *batch);
/* Leaves blocks that are gone out of waiting tasks of a stage, or has them read from the log. True
 * if there were any. */
bool ds_driver_lose_blocks(ds_driver *driver, ds_batch *batch, uint32_t stage);
/* Counts received blocks that are gone; `unknown` of them had nobody knows how many records. */
void ds_driver_count_loss(ds_driver *driver, ds_loss_cause cause, const ds_loss *loss,
                          uint64_t unknown);
/* Counts those that a task did not find in the log. */
void ds_driver_lose_logged(ds_driver *driver, const ds_loss *damaged, const ds_loss *missing);

/* blocks that a second executor is to hold: replicas.c */
/* Asks for replicas of what was reported. */
void ds_driver_replicate(ds_driver *driver);
void ds_driver_on_replicated(ds_driver *driver, ds_executor_entry *from,
                             const ds_msg_replicated *replicated);
void ds_driver_replicas_of(ds_driver *driver, const ds_executor_entry *lost); /* it is lost */
void ds_driver_replicate_anew(ds_driver *driver); /* somebody is there who may hold some */
/* True if some source wants replicas. */
bool ds_driver_has_replicas(const ds_driver *driver);
/* The next batch waits for the replicas of what is there now; whether it still does. */
void ds_driver_await_replicas(ds_driver *driver);
bool ds_driver_awaits_replicas(const ds_driver *driver);
/* What has no replica is given to batches without one. */
void ds_driver_waive_replicas(ds_driver *driver);
/* True if some answer is to come. */
bool ds_driver_replicates(const ds_driver *driver);
int64_t ds_driver_replicas_deadline(const ds_driver *driver);

/* tables: tables.c */
void ds_driver_make_tables(ds_driver *driver);
bool ds_driver_tables_ready(const ds_driver *driver); /* each has a version: batches can be made */
/* The table that a source is, or NULL. */
ds_table *ds_driver_table_of(const ds_driver *driver, uint32_t source);
void ds_driver_tell_tables(ds_driver *driver, const ds_executor_entry *to); /* it has the plan */
void ds_driver_on_table_loaded(ds_driver *driver, ds_executor_entry *from,
                               const ds_msg_table_loaded *loaded);
void ds_driver_drop_tables(ds_driver *driver); /* versions that no batch refers to any more */
void ds_driver_tables_of(ds_driver *driver, const ds_executor_entry *lost);
void ds_driver_watch_tables(ds_driver *driver);
int64_t ds_driver_tables_deadline(const ds_driver *driver);
uint64_t ds_driver_table_bytes(const ds_driver *driver); /* of all versions, in a store */
bool ds_driver_table_lies_in(const ds_driver *driver, uint64_t executor_id);
/* and their uses: table_uses.c */
/* Gives the newest version of each to a batch. */
void ds_driver_give_tables(ds_driver *driver, ds_batch *batch);
/* Gives it the dead letters of loads that none has yet. True if there are any. */
bool ds_driver_give_letters(ds_driver *driver, ds_batch *batch);
/* The version of a table that a batch which runs again uses: its own, or the next that is there. */
uint64_t ds_driver_table_version(const ds_driver *driver, const ds_batch_table *use);
/* Whether some batch is to read the oldest version, which has this number. */
bool ds_driver_refers_to(const ds_driver *driver, const ds_table *table, uint64_t number);
/* Batches whose versions are gone get others, as soon as there are such, and begin anew. */
void ds_driver_settle_batches(ds_driver *driver);

/* Sends a message of this driver's epoch. */
void ds_driver_send(ds_driver *driver, const ds_executor_entry *to, ds_message *message);
/* The same with the next message to it, or when it beats next. */
void ds_driver_send_later(ds_driver *driver, const ds_executor_entry *to, ds_message *message);

/* Ends the app: the first call decides. */
void ds_driver_end(ds_driver *driver, ds_status status, const char *message);

#endif
