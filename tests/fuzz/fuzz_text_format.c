/* Any bytes as lines of text. */
#include "fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ds_format_spec spec = {.kind = DS_FORMAT_TEXT, .record_limit = 200};
    return fuzz_format(&spec, data, size);
}
