/* The functions of text (app-format, section 6): their signatures. */
#include "columnar/string_kernels.h"

#include <string.h>

/* Most functions, one a line: name, least and most arguments, their types as letters (s string,
 * i int; the last stands for all that follow), type of the result, kernel, usage. */
#define SIGNATURES(X)                                                                              \
    X("length", 1, 1, "s", DS_INT, ds_string_length, "length(s)")                                  \
    X("lower", 1, 1, "s", DS_STRING, ds_string_lower, "lower(s)")                                  \
    X("upper", 1, 1, "s", DS_STRING, ds_string_upper, "upper(s)")                                  \
    X("trim", 1, 1, "s", DS_STRING, ds_string_trim, "trim(s)")                                     \
    X("ltrim", 1, 1, "s", DS_STRING, ds_string_ltrim, "ltrim(s)")                                  \
    X("rtrim", 1, 1, "s", DS_STRING, ds_string_rtrim, "rtrim(s)")                                  \
    X("substr", 2, 3, "si", DS_STRING, ds_string_substr, "substr(s, from[, count])")               \
    X("left", 2, 2, "si", DS_STRING, ds_string_left, "left(s, n)")                                 \
    X("right", 2, 2, "si", DS_STRING, ds_string_right, "right(s, n)")                              \
    X("lpad", 3, 3, "sis", DS_STRING, ds_string_lpad, "lpad(s, n, p)")                             \
    X("rpad", 3, 3, "sis", DS_STRING, ds_string_rpad, "rpad(s, n, p)")                             \
    X("replace", 3, 3, "s", DS_STRING, ds_string_replace, "replace(s, from, to)")                  \
    X("concat", 1, DS_MAX_ARGS, "s", DS_STRING, ds_string_concat, "concat(s, …)")                  \
    X("starts_with", 2, 2, "s", DS_BOOL, ds_string_starts_with, "starts_with(s, t)")               \
    X("ends_with", 2, 2, "s", DS_BOOL, ds_string_ends_with, "ends_with(s, t)")                     \
    X("contains", 2, 2, "s", DS_BOOL, ds_string_contains, "contains(s, t)")                        \
    X("position", 2, 2, "s", DS_INT, ds_string_position, "position(s, t)")                         \
    X("split_part", 3, 3, "ssi", DS_STRING, ds_string_split_part, "split_part(s, sep, n)")         \
    X("md5", 1, 1, "s", DS_STRING, ds_string_md5, "md5(s)")

typedef struct signature {
    const char *name, *args;
    ds_type result;
    ds_kernel kernel;
} signature;

#define SIGNATURE(name, least, most, args, kind, kernel, usage)                                    \
    {(name), (args), {(kind), 0}, (kernel)},
static const signature signatures[] = {SIGNATURES(SIGNATURE)};

static const signature *find_signature(const char *name)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (strcmp(signatures[i].name, name) == 0)
            return &signatures[i];
    return NULL;
}

static bool resolve_signature(ds_resolve *r)
{
    const signature *s = find_signature(r->name);
    if (s == NULL)
        return ds_resolve_fail(r, -1, "unknown function %s", r->name);
    const char *letter = s->args;
    for (uint32_t i = 0; i < r->n_args; i++) {
        if (!ds_resolve_want(r, i, *letter == 'i' ? DS_INT : DS_STRING))
            return false;
        letter += letter[1] != '\0';
    }
    r->result = s->result;
    r->kernel = s->kernel;
    return true;
}

static bool resolve_split(ds_resolve *r)
{
    for (uint32_t i = 0; i < r->n_args; i++)
        if (!ds_resolve_want(r, i, DS_STRING))
            return false;
    r->result = DS_LIST_OF(DS_STRING);
    r->kernel = r->n_args == 1 ? ds_string_split_white : ds_string_split;
    return true;
}

static bool resolve_hash(ds_resolve *r)
{
    r->result = DS_TYPE(DS_INT);
    switch (r->types[0].kind) {
    case DS_BOOL: r->kernel = ds_hash_bool; return true;
    case DS_INT:
    case DS_TIMESTAMP: r->kernel = ds_hash_int; return true;
    case DS_FLOAT: r->kernel = ds_hash_float; return true;
    case DS_NULL_TYPE:
    case DS_STRING: r->kernel = ds_hash_string; return ds_resolve_want(r, 0, DS_STRING);
    default: break;
    }
    return ds_resolve_fail(r, 0, "hash cannot take a value of type %s", ds_type_name(r->types[0]));
}

#define FUNCTION(name, least, most, args, kind, kernel, usage)                                     \
    {(name), (least), (most), resolve_signature, (usage)},
const ds_function ds_functions_text[] = {
    SIGNATURES(FUNCTION) /* and those that take several types */
    {"split", 1, 2, resolve_split, "split(s[, sep])"},
    {"hash", 1, 1, resolve_hash, "hash(x)"},
    {NULL, 0, 0, NULL, NULL},
};
