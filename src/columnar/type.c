#include "columnar/type.h"

#include <string.h>

static const char *const scalar_names[] = {
    [DS_NULL_TYPE] = "null",    [DS_BOOL] = "bool",     [DS_INT] = "int",
    [DS_FLOAT] = "float",       [DS_STRING] = "string", [DS_TIMESTAMP] = "timestamp",
    [DS_INTERVAL] = "interval", [DS_LIST] = "list",
};

static const char *const list_names[] = {
    [DS_NULL_TYPE] = "list<null>",    [DS_BOOL] = "list<bool>",
    [DS_INT] = "list<int>",           [DS_FLOAT] = "list<float>",
    [DS_STRING] = "list<string>",     [DS_TIMESTAMP] = "list<timestamp>",
    [DS_INTERVAL] = "list<interval>",
};

const char *ds_type_name(ds_type type)
{
    if (type.kind == DS_LIST && type.element < DS_LIST)
        return list_names[type.element];
    return type.kind <= DS_LIST ? scalar_names[type.kind] : "?";
}

bool ds_type_parse(const char *name, ds_type *type)
{
    for (uint8_t kind = DS_BOOL; kind <= DS_TIMESTAMP; kind++) {
        if (strcmp(name, scalar_names[kind]) == 0) {
            *type = DS_TYPE(kind);
            return true;
        }
        if (strcmp(name, list_names[kind]) == 0) {
            *type = DS_LIST_OF(kind);
            return true;
        }
    }
    return false;
}
