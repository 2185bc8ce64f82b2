/* Any bytes as log lines. */
#include "fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ds_format_spec spec = {.kind = DS_FORMAT_COMBINED, .record_limit = 500};
    fuzz_each_alone(&spec, data, size);
    return fuzz_format(&spec, data, size);
}
