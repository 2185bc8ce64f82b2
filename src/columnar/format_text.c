/* The format `text`: every line, blank ones too, is a record of one column. */
#include "columnar/format_internal.h"

static ds_status prepare(ds_arena *arena, const ds_format_spec *spec, ds_format *format,
                         ds_error *error)
{
    (void)spec, (void)error;
    format->schema = (ds_schema){DS_ARENA_NEW(arena, ds_field), 1};
    format->schema.fields[0] = (ds_field){"line", DS_TYPE(DS_STRING)};
    return DS_OK;
}

DS_ALWAYS_INLINE bool decode_line(ds_decoder *decoder, const ds_record *record)
{
    uint32_t length = (uint32_t)(record->end - record->text);
    ds_put_view(decoder, 0, ds_record_view(record, record->text, length));
    return true;
}

static void decode(ds_decoder *decoder)
{
    ds_decode_records(decoder, true, decode_line);
}

const ds_format_ops ds_format_text = {
    .prepare = prepare,
    .decode = decode,
};
