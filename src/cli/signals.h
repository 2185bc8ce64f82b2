/*
 * Signals of `run`: a thread waits for them, so that no handler interrupts anything.
 *
 * The first SIGINT or SIGTERM asks for a graceful stop, the second one ends the process at once.
 */
#ifndef DS_CLI_SIGNALS_H
#define DS_CLI_SIGNALS_H

#include <stdbool.h>

typedef struct ds_signals ds_signals;

/* A child has ended, or (stop) the app is asked to stop. From the thread of the signals. */
typedef void (*ds_signal_fn)(void *arg, bool stop);

/* Blocks them for this thread and those that it starts: before any is started. */
void ds_signals_block(void);

/* Starts the thread. */
ds_signals *ds_signals_start(ds_signal_fn fn, void *arg);
/* Ends it and frees; nothing is called after it returns. */
void ds_signals_stop(ds_signals *signals);

#endif
