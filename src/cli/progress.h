/* What `run` shows of itself on standard error while it works. */
#ifndef DS_CLI_PROGRESS_H
#define DS_CLI_PROGRESS_H

#include "driver/driver.h"

typedef enum ds_progress_mode {
    DS_PROGRESS_AUTO,  /* a status line on a terminal, nothing elsewhere */
    DS_PROGRESS_PLAIN, /* a line for each batch */
    DS_PROGRESS_JSON,  /* an object for each batch */
    DS_PROGRESS_NONE,
} ds_progress_mode;

/* "auto", "plain", "json", "none". False if it is none of them. */
bool ds_progress_mode_parse(const char *name, ds_progress_mode *mode);

/* Before other threads log. */
void ds_progress_begin(ds_progress_mode mode);
void ds_progress_show(const ds_progress *progress);
/* Around the writing of rows: on a terminal of both, the status line stands aside. Any thread. */
void ds_progress_pause(void);
void ds_progress_resume(void);
/* Logs what came of it all: records and bad ones by source and reason. */
void ds_progress_summary(const ds_progress *progress);
/* Removes the status line. */
void ds_progress_end(void);

#endif
