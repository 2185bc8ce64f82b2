#include "columnar/format_value.h"

bool ds_bad_value(ds_decoder *decoder, const ds_record *record, uint32_t column, const char *text,
                  uint32_t length, ds_bad_reason reason)
{
    const ds_field *field = &decoder->format->schema.fields[column];
    return ds_record_bad(decoder, record, reason, "%s %s is %s %s", field->name,
                         ds_record_shown(decoder, text, length),
                         reason == DS_BAD_RANGE ? "out of range for" : "not",
                         ds_type_phrase(field->type));
}

ds_status ds_format_text_schema(ds_arena *arena, const ds_schema *from, const char *what,
                                ds_schema *to, ds_error *error)
{
    DS_TRY(ds_format_copy_schema(arena, from, to, error));
    for (uint32_t i = 0; i < to->n_fields; i++)
        if (to->fields[i].type.kind == DS_LIST)
            return ds_error_set(error, DS_ERR_APP, "column \"%s\": %s has no lists",
                                to->fields[i].name, what);
    return DS_OK;
}
