/*
 * Standard input: a pipe, a terminal, a socket, a regular file or /dev/null.
 *
 * Descriptor 0 is shared with other processes, and O_NONBLOCK belongs to the open file, not to
 * the descriptor: it is never set. A read follows only when the poller says that there is
 * something, and takes no more than that. Regular files are always ready and are read in
 * slices like everything else, so that commands and credits count.
 */
#include "receiver/intake.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void cannot_read(ds_intake *intake, int error)
{
    if (error == EBADF)
        ds_intake_end(intake, DS_RECEIVER_FAILED, DS_ERR_NO_INPUT, "standard input is not open");
    else
        ds_intake_end(intake, DS_RECEIVER_FAILED, DS_ERR_IO, "cannot read standard input: %s",
                      strerror(error));
}

static void start(ds_intake *intake)
{
    int failed = ds_connection_open(intake, STDIN_FILENO);
    if (failed == 0)
        ds_intake_say(intake, DS_RECEIVER_RUNNING, DS_OK, "reading standard input");
    else
        cannot_read(intake, failed);
}

static void ended(ds_intake *intake, ds_connection *connection)
{
    int error = connection->error;
    ds_connection_close(connection);
    if (error == 0)
        ds_intake_end(intake, DS_RECEIVER_ENDED, DS_OK, "the end of standard input");
    else
        cannot_read(intake, error);
}

static int64_t deadline(const ds_intake *intake)
{
    (void)intake;
    return DS_NEVER;
}

static void nothing(ds_intake *intake)
{
    (void)intake;
}

const ds_intake_ops ds_stdin_ops = {
    .start = start, .ended = ended, .deadline = deadline, .timer = nothing, .close = nothing};
