#include "receiver/ack.h"

#include "base/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void ds_ack_mark(ds_ack *ack, uint64_t block_id, uint64_t lines)
{
    DS_ASSERT(lines >= ack->marked);
    if (lines == ack->marked)
        return;
    if (ack->n_marks < DS_ACK_MARKS)
        ack->n_marks++;
    ack->marks[ack->n_marks - 1] = (struct ds_ack_mark){block_id, lines};
    ack->marked = lines;
}

void ds_ack_durable(ds_ack *ack, uint64_t block_id)
{
    uint32_t n = 0;
    while (n < ack->n_marks && ack->marks[n].block_id <= block_id)
        ack->safe = ack->marks[n++].lines;
    ack->n_marks -= n;
    memmove(ack->marks, ack->marks + n, ack->n_marks * sizeof *ack->marks);
}

bool ds_ack_waits(const ds_ack *ack)
{
    return ack->told < ack->safe;
}

bool ds_ack_complete(const ds_ack *ack, uint64_t lines)
{
    return ack->told == lines;
}

int ds_ack_write(ds_ack *ack, int fd)
{
    while (ds_ack_waits(ack)) {
        if (ack->length == 0) {
            ack->length =
                (uint32_t)snprintf(ack->text, sizeof ack->text, "%" PRIu64 "\n", ack->safe);
            ack->in_text = ack->safe;
            ack->written = 0;
        }
        ssize_t n = send(fd, ack->text + ack->written, ack->length - ack->written,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : errno;
        ack->written += (uint32_t)n;
        if (ack->written < ack->length)
            continue;
        ack->told = ack->in_text;
        ack->length = 0;
    }
    return 0;
}
