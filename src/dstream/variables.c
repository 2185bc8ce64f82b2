#include "dstream/variables.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN 60 /* bytes of a variable that a message shows */

/* One variable as written: ${NAME}, ${NAME:-rest}, ${NAME:?rest}. */
typedef struct variable {
    const char *name, *rest;
    size_t name_length, rest_length;
    char form; /* '}', '-' or '?' */
    size_t length;
} variable;

static bool is_name(char c, bool first)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (!first && c >= '0' && c <= '9');
}

/* Reads the variable that starts at text ("${"). *length is set in any case. */
static ds_status read_variable(const char *text, variable *v, ds_error *error)
{
    const char *end = strchr(text, '}'), *p = text + 2;
    v->length = end != NULL ? (size_t)(end - text) + 1 : strlen(text);
    int shown = (int)(v->length < SHOWN ? v->length : SHOWN);
    if (end == NULL)
        return ds_error_set(error, DS_ERR_APP, "a variable without its } (a literal ${ is $${)");
    v->name = p;
    while (is_name(*p, p == v->name))
        p++;
    v->name_length = (size_t)(p - v->name);
    v->form = *p == ':' ? p[1] : *p;
    bool known = v->form == '}' ? *p == '}' : *p == ':' && (v->form == '-' || v->form == '?');
    if (v->name_length == 0 || !known)
        return ds_error_set(error, DS_ERR_APP,
                            "\"%.*s\" is not a variable: write ${NAME}, ${NAME:-default} or "
                            "${NAME:?message} (a literal ${ is $${)",
                            shown, text);
    v->rest = v->form == '}' ? end : p + 2;
    v->rest_length = (size_t)(end - v->rest);
    if (memmem(v->rest, v->rest_length, "${", 2) != NULL)
        return ds_error_set(error, DS_ERR_APP, "\"%.*s…\": a variable cannot stand in another",
                            shown, text);
    return DS_OK;
}

/* The environment's value, or the default; NULL with an error if there is neither. */
static const char *value_of(const ds_variables *variables, const variable *v, size_t *length,
                            ds_error *error)
{
    char *name = ds_strndup(v->name, v->name_length);
    const char *value =
        variables->getenv != NULL ? variables->getenv(name, variables->arg) : getenv(name);
    bool empty = value == NULL || *value == '\0';
    *length = value != NULL ? strlen(value) : 0;
    if (v->form == '-' && empty) {
        value = v->rest;
        *length = v->rest_length;
    } else if (v->form == '?' && empty) {
        value = NULL;
        ds_error_set(error, DS_ERR_APP, "the variable %.*s is not set%s%.*s", SHOWN, name,
                     v->rest_length > 0 ? ": " : "", (int)v->rest_length, v->rest);
    } else if (value == NULL) {
        ds_error_set(error, DS_ERR_APP,
                     "the variable %.*s is not set (${%.*s:-default} gives it a default)", SHOWN,
                     name, SHOWN, name);
    }
    free(name);
    return value;
}

static ds_status append_variable(ds_variables *variables, const variable *v, ds_buffer *out,
                                 ds_error *error)
{
    size_t length;
    const char *value = value_of(variables, v, &length, error);
    if (value == NULL)
        return DS_ERR_APP;
    if (length > variables->left)
        return ds_error_set(error, DS_ERR_APP, "the values of the variables are too long");
    variables->left -= length;
    ds_buffer_append(out, value, length);
    return DS_OK;
}

bool ds_variables_in(const char *text)
{
    return strstr(text, "${") != NULL;
}

bool ds_variables_whole(const char *text)
{
    variable v;
    return strncmp(text, "${", 2) == 0 && read_variable(text, &v, NULL) == DS_OK &&
           text[v.length] == '\0';
}

ds_status ds_variables_expand(ds_variables *variables, const char *text, ds_buffer *out,
                              uint32_t *offset, uint32_t *length, ds_error *error)
{
    for (const char *p = text; *p != '\0';) {
        if (strncmp(p, "$${", 3) == 0) {
            ds_buffer_append_text(out, "${");
            p += 3;
        } else if (strncmp(p, "${", 2) == 0) {
            variable v;
            ds_status status = read_variable(p, &v, error);
            if (status == DS_OK)
                status = append_variable(variables, &v, out, error);
            *offset = (uint32_t)(p - text);
            *length = (uint32_t)v.length;
            DS_TRY(status);
            p += v.length;
        } else {
            ds_buffer_append_char(out, *p++);
        }
    }
    return DS_OK;
}
