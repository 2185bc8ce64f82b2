#include "cli/print.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

ds_status ds_print(const char *bytes, size_t length, uint64_t *printed, ds_error *error)
{
    while (length > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, length);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = STDOUT_FILENO, .events = POLLOUT};
            poll(&ready, 1, 1000);
            continue;
        }
        if (n < 0 && errno != EINTR)
            return ds_error_set(error, errno == EPIPE || errno == EBADF ? DS_ERR_CLOSED : DS_ERR_IO,
                                "cannot write to standard output: %s", strerror(errno));
        if (n > 0) {
            bytes += n;
            length -= (size_t)n;
            *printed += (uint64_t)n;
        }
    }
    return DS_OK;
}
