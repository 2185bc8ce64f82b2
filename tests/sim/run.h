/* One run of the simulation: a world, its faults, and what was wrong with what came out. */
#ifndef DS_TESTS_SIM_RUN_H
#define DS_TESTS_SIM_RUN_H

#include "base/random.h"
#include "sim/sim_app.h"

#include <stdbool.h>
#include <stdio.h>

/* What became of a run. */
typedef struct run_result {
    bool good;
    char what[1024]; /* the first thing that is wrong */
    uint64_t digest; /* of everything that came out, and when */
    uint64_t events, vanished, launched, crashes;
    uint64_t panes_lost, retries, copies;
    bool never_started; /* faults killed every executor before the first batch */
} run_result;

/* Something is wrong: the first thing counts. */
void run_wrong(run_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes the run of a seed. trace: where to say what happens, or NULL. */
void run_seed(uint64_t seed, FILE *trace, run_result *result);

/* The same with a source that is received (receive.c). */
void run_received(uint64_t seed, FILE *trace, run_result *result);

/* The same with a table whose file changes (tables.c). */
void run_tabled(uint64_t seed, FILE *trace, run_result *result);

/* One batch of many small tasks on many executors: *ns is what each task costs the driver, which is
 * printed, too. False if it could not be run. */
bool run_scale(uint32_t executors, uint32_t tasks, double *ns);

/* Random faults that stop after some seconds; or none. */
ds_sim_faults run_faults(ds_random *random);

#endif
