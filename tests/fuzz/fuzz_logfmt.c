/* Any bytes as logfmt. */
#include "fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ds_field fields[] = {
        {"a", {DS_STRING, 0}},     {"n", {DS_INT, 0}},
        {"f", {DS_FLOAT, 0}},      {"ok", {DS_BOOL, 0}},
        {"at", {DS_TIMESTAMP, 0}}, {"message", {DS_STRING, 0}},
        {"duration", {DS_INT, 0}}, {"remote_address", {DS_STRING, 0}},
    };
    ds_format_spec spec = {.kind = DS_FORMAT_LOGFMT, .schema = {fields, 8}, .record_limit = 300};
    return fuzz_format(&spec, data, size);
}
