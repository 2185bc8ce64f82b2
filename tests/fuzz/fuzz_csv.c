/* Any bytes as CSV; the first one chooses the header and the delimiter. */
#include "fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ds_field fields[] = {
        {"a", {DS_STRING, 0}}, {"b", {DS_INT, 0}},       {"c", {DS_FLOAT, 0}},
        {"d", {DS_BOOL, 0}},   {"e", {DS_TIMESTAMP, 0}},
    };
    ds_format_spec spec = {.kind = DS_FORMAT_CSV, .schema = {fields, 5}, .record_limit = 300};
    if (size == 0)
        return 0;
    spec.header = data[0] & 1;
    spec.delimiter = data[0] & 2 ? ';' : ',';
    spec.schema.n_fields = 1 + data[0] / 4u % 5;
    if (!spec.header)
        fuzz_each_alone(&spec, data + 1, size - 1);
    return fuzz_format(&spec, data + 1, size - 1);
}
