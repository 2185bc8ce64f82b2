/* The logs of received blocks in a checkpoint folder, and whether they have what its batches may
 * need again. */
#ifndef DS_CLI_LOG_CHECK_H
#define DS_CLI_LOG_CHECK_H

#include "checkpoint/view.h"

/* Reads all logs and prints a line about each; those that batches need and that are not there, too.
 * False if something is damaged or gone. While the app runs segments go, with their batches: then
 * it looks again. */
bool ds_logs_verify(const char *dir, const ds_checkpoint_view *view);

/* Reads what batches need again, and says on standard error what a restart would not find. */
void ds_logs_warn(const char *dir, const ds_checkpoint_view *view);

#endif
