/*
 * What the control needs on the disk: each call is a job of the disk thread that owns copies of
 * everything, and answers by mail. They are ports of the control (driver/driver.h says what
 * each does); arg is the ds_loop. Called on the loop's thread.
 */
#ifndef DS_CLI_LOOP_JOBS_H
#define DS_CLI_LOOP_JOBS_H

#include "driver/driver.h"
#include "receiver/block_log_read.h"

/* Answered by DS_MAIL_FILES. */
void ds_loop_list_files(void *arg, uint32_t source);

/* Answered by DS_MAIL_LOGGED. */
void ds_loop_scan_log(void *arg, uint32_t source, const char *folder, const ds_log_place *after);

/* Not answered. */
void ds_loop_trim_log(void *arg, const char *folder, const ds_log_place *before);

/* Answered by DS_MAIL_JOURNALED. */
void ds_loop_journal(void *arg, const char *line, size_t length, bool whole, bool sync,
                     uint64_t ticket);

/* Answered by DS_MAIL_COMMITTED. The commit stays the batch's until then. */
void ds_loop_commit(void *arg, const ds_commit *commit);

/* Not answered. */
void ds_loop_drop_files(void *arg, const char *const *paths, size_t n_paths);

#endif
