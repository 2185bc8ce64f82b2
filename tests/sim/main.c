/*
 * The seeded simulation.
 *
 *     sim [--seed N] [--seeds COUNT] [--trace]
 *     sim --scale
 *
 * --scale fails if scheduling costs much more for each task where there are very many.
 *
 * Runs COUNT seeds (1) from N (1) on; every tenth (and a single one) twice: the same seed has to
 * give the same run. What is wrong is said with its seed, which replays it exactly:
 * sim --seed N --trace.
 */
#include "base/log.h"
#include "sim/run.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_RATIO 3 /* generous: on a machine with much to do, times vary */

static const struct option options[] = {
    {"seed", required_argument, NULL, 's'},
    {"seeds", required_argument, NULL, 'n'},
    {"trace", no_argument, NULL, 't'},
    {"scale", no_argument, NULL, 'c'},
    {NULL, 0, NULL, 0},
};

/* Every fourth seed is a run with a source that is received, and every eighth one with a table. */
static void run_one(uint64_t seed, FILE *trace, run_result *result)
{
    if (seed % 8 == 2)
        run_tabled(seed, trace, result);
    else
        (seed % 4 == 0 ? run_received : run_seed)(seed, trace, result);
}

/* again_too: whether it is run twice. */
static bool run_checked(uint64_t seed, bool again_too, FILE *trace, run_result *result)
{
    run_result again;
    run_one(seed, trace, result);
    again = *result;
    if (again_too)
        run_one(seed, NULL, &again);
    if (!result->good)
        printf("seed %" PRIu64 ": %s\n", seed, result->what);
    else if (again.digest != result->digest)
        printf("seed %" PRIu64 ": a second run is another one\n", seed);
    return result->good && again.digest == result->digest;
}

/* A task costs the driver about the same, however many there are of tasks and executors. */
static int scale(void)
{
    double few, some, many;
    setvbuf(stdout, NULL, _IOLBF, 0);
    ds_log_setup(DS_LOG_OFF, false, "sim");
    if (!run_scale(10, 1000, &few) || !run_scale(100, 10000, &some) ||
        !run_scale(1000, 100000, &many))
        return 1;
    printf("a task of 1,000 executors costs %.1f times as much as one of 10\n", many / few);
    if (many <= MOST_RATIO * few)
        return 0;
    printf("that is more than %d times\n", MOST_RATIO);
    return 1;
}

/* Files and folders are made by the thousand: in memory that costs little. Nothing may be left. */
static char in_memory[] = "/dev/shm/simulation-XXXXXX";

static void go_to_memory(void)
{
    if (getenv("TMPDIR") == NULL && mkdtemp(in_memory) != NULL)
        setenv("TMPDIR", in_memory, 1);
}

static bool left_memory(void)
{
    const char *tmp = getenv("TMPDIR");
    if (tmp == NULL || strcmp(tmp, in_memory) != 0 || rmdir(in_memory) == 0)
        return true;
    printf("%s: %s\n", in_memory, strerror(errno));
    return false;
}

int main(int argc, char **argv)
{
    uint64_t first = 1, n = 1, failed = 0;
    FILE *trace = NULL;
    bool scaled = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's': first = strtoull(optarg, NULL, 10); break;
        case 'n': n = strtoull(optarg, NULL, 10); break;
        case 't': trace = stdout; break;
        case 'c': scaled = true; break;
        default: fprintf(stderr, "usage: sim [--seed N] [--seeds COUNT] [--trace]\n"); return 64;
        }
    }
    go_to_memory();
    if (scaled) {
        int status = scale();
        return left_memory() ? status : 1;
    }
    ds_log_setup(trace != NULL ? DS_LOG_DEBUG : DS_LOG_OFF, false, "sim");
    run_result sum = {0};
    uint64_t with_loss = 0, never = 0;
    for (uint64_t seed = first; seed < first + n; seed++) {
        run_result result;
        failed += !run_checked(seed, n == 1 || seed % 10 == 0, trace, &result);
        sum.events += result.events;
        sum.vanished += result.vanished;
        sum.launched += result.launched;
        sum.retries += result.retries;
        sum.copies += result.copies;
        sum.crashes += result.crashes;
        with_loss += result.panes_lost > 0;
        never += result.never_started;
    }
    printf("%" PRIu64 " runs: %" PRIu64 " failed; %" PRIu64 " events, %" PRIu64
           " executors of which %" PRIu64 " vanished, %" PRIu64 " drivers died, %" PRIu64
           " tasks run again, %" PRIu64 " copied, %" PRIu64 " runs that lost panes, %" PRIu64
           " that never started\n",
           n, failed, sum.events, sum.launched, sum.vanished, sum.crashes, sum.retries, sum.copies,
           with_loss, never);
    return left_memory() && failed == 0 ? 0 : 1;
}
