#include "cli/signals.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct ds_signals {
    pthread_t thread;
    ds_signal_fn fn;
    void *arg;
    atomic_bool ending;
};

/* SIGUSR1 wakes the thread to its end; from others it means nothing, and ends nothing. */
static sigset_t waited_for(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1);
    return set;
}

void ds_signals_block(void)
{
    const sigset_t set = waited_for();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static void *wait_for_signals(void *arg)
{
    const ds_signals *signals = arg;
    const sigset_t set = waited_for();
    bool stopping = false;
    for (;;) {
        int signal;
        if (sigwait(&set, &signal) != 0 || atomic_load(&signals->ending))
            return NULL;
        if (signal == SIGUSR1)
            continue; /* a log rotation's, say */
        if (signal == SIGCHLD) {
            signals->fn(signals->arg, false);
        } else if (!stopping) {
            stopping = true;
            ds_log_info("stopping: one last batch; once more to end at once");
            signals->fn(signals->arg, true);
        } else {
            ds_progress_end();
            _exit(128 + signal);
        }
    }
}

ds_signals *ds_signals_start(ds_signal_fn fn, void *arg)
{
    ds_signals *signals = ds_calloc(1, sizeof *signals);
    signals->fn = fn;
    signals->arg = arg;
    int failed = pthread_create(&signals->thread, NULL, wait_for_signals, signals);
    DS_ASSERT(failed == 0);
    return signals;
}

void ds_signals_stop(ds_signals *signals)
{
    atomic_store(&signals->ending, true);
    pthread_kill(signals->thread, SIGUSR1);
    pthread_join(signals->thread, NULL);
    free(signals);
}
