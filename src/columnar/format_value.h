/*
 * Values of formats that are all text (csv, logfmt, regex), by the types of their columns.
 */
#ifndef DS_COLUMNAR_FORMAT_VALUE_H
#define DS_COLUMNAR_FORMAT_VALUE_H

#include "columnar/format_internal.h"
#include "columnar/text.h"

/* Reads text as a value of the column's type (not a string or a list) into the row being made.
 * False, with *reason, if it is none. */
DS_ALWAYS_INLINE bool ds_put_scalar(ds_decoder *decoder, uint32_t column, const char *text,
                                    uint32_t length, ds_bad_reason *reason)
{
    int64_t number;
    double real;
    bool truth;
    *reason = DS_BAD_TYPE;
    switch ((ds_kind)decoder->format->schema.fields[column].type.kind) {
    case DS_INT:
        if (!ds_field_int(text, length, &number, reason))
            return false;
        ds_put_int(decoder, column, number);
        return true;
    case DS_FLOAT:
        if (!ds_field_float(text, length, &real, reason))
            return false;
        ds_put_float(decoder, column, real);
        return true;
    case DS_BOOL:
        if (!ds_parse_bool(text, length, &truth))
            return false;
        ds_put_bool(decoder, column, truth);
        return true;
    default:
        if (!ds_parse_timestamp(text, length, &number))
            return false;
        ds_put_int(decoder, column, number);
        return true;
    }
}

/* Reports text that is no value of its column; always false. */
DS_COLD bool ds_bad_value(ds_decoder *decoder, const ds_record *record, uint32_t column,
                          const char *text, uint32_t length, ds_bad_reason reason);

/* Checks that the schema is one of text: fields of known types, no lists. `what` has no lists. */
ds_status ds_format_text_schema(ds_arena *arena, const ds_schema *from, const char *what,
                                ds_schema *to, ds_error *error);

#endif
