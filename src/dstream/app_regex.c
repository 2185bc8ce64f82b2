#include "dstream/app_build.h"

#include "columnar/regex.h"
#include "dstream/app_check.h"

#include <string.h>

/* The names of the groups, each once for each group of that name. */
static const char **group_names(ds_app_builder *builder, const ds_regex *regex, uint32_t *n)
{
    uint32_t groups = ds_regex_groups(regex);
    const char **names = DS_ARENA_ARRAY(builder->arena, const char *, groups + 1);
    *n = 0;
    for (uint32_t group = 1; group <= groups; group++)
        if (ds_regex_group_name(regex, group) != NULL)
            names[(*n)++] = ds_regex_group_name(regex, group);
    return names;
}

static bool is_group(const char *const *names, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* A schema names nothing but groups. */
static bool check_types(ds_app_builder *builder, const ds_app_source *source, const ds_regex *regex)
{
    uint32_t n;
    const char **names = group_names(builder, regex, &n);
    const char *path = ds_app_path(builder, source->path, "schema");
    bool good = true;
    for (uint32_t i = 0; i < source->spec.schema.n_fields; i++) {
        const char *name = source->spec.schema.fields[i].name;
        if (is_group(names, n, name))
            continue;
        ds_buffer near = {0};
        ds_append_nearest(builder->diagnostics, &near, name, names, n);
        ds_diag_error_key(builder->diagnostics, ds_app_path(builder, path, name),
                          "the regular expression has no group \"%.60s\"%s", name,
                          ds_buffer_text(&near));
        ds_buffer_fini(&near);
        good = false;
    }
    return good;
}

bool ds_app_read_regex(ds_app_builder *builder, ds_app_source *source, const json_t *object)
{
    const json_t *given = ds_shape_get(object, "regex");
    if (given == NULL)
        return false;
    source->spec.regex = ds_app_text_copy(builder, json_string_value(given));
    const ds_regex *regex;
    size_t length = strlen(source->spec.regex), at = 0;
    ds_error error;
    if (ds_regex_compile(builder->arena, source->spec.regex, length, &regex, &at, &error) == DS_OK)
        return check_types(builder, source, regex);
    ds_diag_error_in(builder->diagnostics, ds_app_path(builder, source->path, "regex"),
                     (uint32_t)at, 1, "%s", error.message);
    return false;
}
