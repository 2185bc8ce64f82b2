/*
 * Status codes and error details.
 *
 * A function that can fail returns a ds_status and takes an optional ds_error that receives
 * a sentence for a person. The status alone decides what the program does.
 */
#ifndef DS_BASE_ERROR_H
#define DS_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum ds_status {
    DS_OK = 0,
    DS_ERR_USAGE,       /* the command line is wrong; exit 64 */
    DS_ERR_DATA,        /* a record is bad under "on_error": "fail"; exit 65; fatal */
    DS_ERR_NO_INPUT,    /* a file or folder is not there; exit 66 */
    DS_ERR_UNAVAILABLE, /* a peer or port cannot be had; exit 69; worth a retry */
    DS_ERR_INTERNAL,    /* a bug; exit 70 */
    DS_ERR_IO,          /* an input/output error; exit 74; worth a retry */
    DS_ERR_APP,         /* the app file is wrong; exit 78 */
    DS_ERR_NO_MEMORY,   /* a budget refused; fails the task; exit 70 when nothing catches it */
    DS_ERR_PROTOCOL, /* a message that no peer of ours sends; the connection is closed; exit 70 */
    DS_ERR_CLOSED,   /* the reader of our output has gone; exit 74; fatal */
    DS_ERR_LOST,     /* a block or shuffle piece is gone; the task is run again; exit 70 */
} ds_status;

#define DS_ERROR_TEXT 1024

typedef struct ds_error {
    ds_status status;
    char message[DS_ERROR_TEXT]; /* always terminated; cut at a whole character if too long */
} ds_error;

/* Fills *error (if not NULL) with status and a printf-style message; returns status. */
__attribute__((format(printf, 3, 4))) ds_status ds_error_set(ds_error *error, ds_status status,
                                                             const char *format, ...);

/* As ds_error_set, with an argument list. */
__attribute__((format(printf, 3, 0))) ds_status ds_error_vset(ds_error *error, ds_status status,
                                                              const char *format, va_list args);

/* The exit status that app-format documents for a status (0, 64, 65, 66, 69, 70, 74, 78). */
int ds_status_exit(ds_status status);

/* A short lower-case name for logs: "ok", "data", "io" ... */
const char *ds_status_name(ds_status status);

#define DS_TRY(call)                                                                               \
    do {                                                                                           \
        ds_status ds_try_status_ = (call);                                                         \
        if (ds_try_status_ != DS_OK)                                                               \
            return ds_try_status_;                                                                 \
    } while (0)

#endif
