/* Any bytes: decoding refuses them, or encoding what it read gives the same bytes again. */
#include "base/assert.h"
#include "rpc/message.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_message message;
    ds_error error;
    if (ds_message_decode(arena, bytes, length, &message, &error) == DS_OK) {
        ds_buffer again = {0};
        ds_message_encode(&again, &message);
        DS_ASSERT(again.length == length && memcmp(again.data, bytes, length) == 0);
        ds_buffer_fini(&again);
    } else {
        DS_ASSERT(error.status == DS_ERR_PROTOCOL && error.message[0] != '\0');
    }
    ds_arena_free(arena);
    return 0;
}
