/*
 * A whole app in one process and one thread: a driver's control, the controls of its
 * executors, and between them a simulated network, disk and clock.
 *
 * Whatever happens is an event with a time: a message arrives, a task is done, a record is on
 * the disk, a process has started or ended. ds_sim_run takes them one at a time, in the order of
 * time, and hands them to the controls; the clock moves only when nothing is left to do at
 * its time. Everything else is real: plans are compiled, tasks run over real block stores, files
 * are staged and put in place. Without faults all takes no time, and this is how `dstream test`
 * runs. With faults, every choice comes from one seed: the same seed gives the same run.
 *
 *     sim_app.c       the loop
 *     sim_driver.c    the simulated driver process, and its ports
 *     sim_disk.c      its disk
 *     sim_executor.c  one simulated executor process, and its ports
 *     sim_saver.c     how it saves what it keeps
 *     sim_receiver.c  its receivers, which follow a script
 *     sim_queue.c     what will happen, by time
 */
#ifndef DS_SIM_SIM_APP_H
#define DS_SIM_SIM_APP_H

#include "driver/driver.h"
#include "rpc/simnet.h"

typedef struct ds_sim ds_sim;

/* All zero: everything works, and takes no time. */
typedef struct ds_sim_faults {
    ds_simnet_faults net;
    int64_t until_us;      /* then faults stop; 0: never */
    uint32_t start_max_us; /* how long a process takes to start, to end and to be noticed */
    uint32_t task_max_us;  /* how long a task takes */
    uint32_t disk_max_us;  /* how long a record, a commit or a listing takes */
    double slow;           /* the probability that a task takes long, up to ... */
    uint32_t slow_max_us;  /* ... this */
    double task_fails;     /* the probability that a task fails, after its effect */
    double disk_fails;     /* the probability that a record or a commit fails */
    double crash;          /* the probability, at every event, that the driver dies, */
    double crash_commit;   /* and that it dies amid a commit, */
    uint32_t most_crashes; /* but not more often */
    double wipe;           /* the probability that staged files are removed before a commit */
    double kill;           /* the probability, at every event, that some executor vanishes, */
    double hang;           /* or that its control thread hangs */
} ds_sim_faults;

/* A death that is planned. */
typedef struct ds_sim_death {
    int64_t batch_ms;
    bool driver; /* with its executors; else one executor */
    bool during; /* once tasks of the batch are with executors; else once it is committed */
} ds_sim_death;

/* What a receiver is given to read: lines, from a time on. */
typedef struct ds_sim_piece {
    int64_t at_us;
    const char *bytes; /* whole lines; borrowed */
    uint64_t length, records;
} ds_sim_piece;

/* What the simulation asks and tells whoever runs it. All are optional. */
typedef struct ds_sim_hooks {
    void *arg;
    /* A batch is being committed: files are in place. Its bytes can be read (ds_sim_bytes).
     * It is called once for each commit that succeeds. */
    void (*committed)(void *arg, const ds_commit *commit);
    /* Lists the folder of a source of the app; the list and its names stay the hook's. */
    uint32_t (*list)(void *arg, uint32_t source, int64_t now_us, const ds_listed_file **files);
    /* Looks at the files of a `tail`; the answer stays the hook's. */
    const ds_sightings *(*follow)(void *arg, uint32_t source, int64_t now_us,
                                  const ds_follow_request *request);
    /* The script of a source with a receiver; its pieces stay the hook's. */
    uint32_t (*script)(void *arg, uint32_t source, const ds_sim_piece **pieces);
    /* The block with piece number `piece` was reported to the driver or, with a log, is in it (once
     * for each): from now on it is not to be lost. */
    void (*arrived)(void *arg, uint32_t source, uint32_t piece);
    /* What happens, one line (without its end) for each event. */
    void (*trace)(void *arg, int64_t now_us, const char *line);
} ds_sim_hooks;

typedef struct ds_sim_config {
    const ds_plan *plan;                 /* borrowed; executors.count says how many there are */
    const ds_plan_options *plan_options; /* the plan was made with; borrowed; or NULL */
    uint64_t seed;
    bool virtual_time;  /* batches follow each other without waiting (driver.h) */
    int64_t start_ms;   /* zero in virtual time; otherwise what the wall clock says at first */
    uint32_t n_batches; /* virtual time: so many; 0: until the input ends */
    bool available_now;
    bool unchecked;  /* the driver's state is not checked after each step: of very many tasks */
    bool checkpoint; /* batches wait for their records in a journal, kept in memory */
    /* With a checkpoint: where received blocks are written before they are reported (real files, in
     * a folder for each source); NULL: nowhere. */
    const char *log_folder;
    uint64_t store_bytes; /* of each executor's block store */
    uint64_t credit_bytes;
    /* The probability that nobody can open the store of an executor, nor it theirs: bytes are
     * fetched, and what nobody fetched is gone when it dies. */
    double remote;
    ds_sim_faults faults;
    const ds_sim_death *deaths; /* in their order; borrowed */
    uint32_t n_deaths;
    ds_sim_hooks hooks;
} ds_sim_config;

/* Figures of a run. */
typedef struct ds_sim_figures {
    uint64_t events;
    int64_t now_us;
    uint64_t launched, vanished, hung; /* executors */
    uint64_t crashes;                  /* of the driver */
    uint64_t stopped;                  /* executors that were told to stop and did */
    uint64_t leaked_bytes;             /* that these still held in their stores when they stopped */
    uint64_t leaked_tasks;             /* that these still remembered */
    uint64_t disk_failures;
    bool stalled;       /* it waited for nothing, or did not end within most_events */
    uint64_t driver_ns; /* that the steps of the driver's control took; differs from run to run */
} ds_sim_figures;

/* config is copied. Free with ds_sim_free. */
ds_sim *ds_sim_new(const ds_sim_config *config);
void ds_sim_free(ds_sim *sim);

/*
 * Runs the app to its end: the status and message that the driver ended with. DS_ERR_INTERNAL
 * if nothing more can happen before it has ended, or if it has not after most_events.
 */
ds_status ds_sim_run(ds_sim *sim, uint64_t most_events, ds_error *error);

/* Asks for a graceful stop, when the clock is at now_us. Before ds_sim_run. */
void ds_sim_stop_at(ds_sim *sim, int64_t now_us);

/* Sets the wall clock forwards, or back if by_ms is negative, when the monotonic one is at now_us.
 * Before ds_sim_run. */
void ds_sim_set_clock_at(ds_sim *sim, int64_t now_us, int64_t by_ms);

/* The driver dies with its executors when the monotonic clock is at now_us, and starts again when
 * the wall clock is later by down_ms. Before ds_sim_run. */
void ds_sim_crash_at(ds_sim *sim, int64_t now_us, int64_t down_ms);

/* The bytes of an output that is being committed (of a store that is held open, or of a living
 * executor); NULL if they are gone. */
const char *ds_sim_bytes(const ds_sim *sim, const ds_ref *ref);

/* The driver, and what was counted so far (borrowed). */
const ds_driver *ds_sim_driver(const ds_sim *sim);
const ds_sim_figures *ds_sim_result(const ds_sim *sim);

#endif
