#include "rpc/frame.h"

#include <string.h>

static const unsigned char frame_mark[3] = {'d', 's', 1};

bool ds_frame_read(const unsigned char *header, size_t most_message, ds_frame *frame)
{
    size_t length =
        header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16 | (size_t)header[3] << 24;
    unsigned kind = header[4];
    if (memcmp(header + 5, frame_mark, sizeof frame_mark) != 0 || kind == 0 ||
        kind >= DS_FRAME_KINDS)
        return false;
    *frame = (ds_frame){(ds_frame_kind)kind, length};
    return length <= (kind == DS_FRAME_MESSAGE ? most_message : DS_FRAME_SMALL);
}

void ds_frame_append(ds_buffer *out, ds_frame_kind kind, const void *bytes, size_t length)
{
    unsigned char header[DS_FRAME_HEADER] = {(unsigned char)length, (unsigned char)(length >> 8),
                                             (unsigned char)(length >> 16),
                                             (unsigned char)(length >> 24), (unsigned char)kind};
    memcpy(header + 5, frame_mark, sizeof frame_mark);
    ds_buffer_append(out, header, sizeof header);
    ds_buffer_append(out, bytes, length);
}
