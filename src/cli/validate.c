#include "cli/commands.h"
#include "cli/load.h"

#include <stdio.h>
#include <stdlib.h>

int ds_command_validate(int argc, char **argv)
{
    if (argc < 2)
        return ds_usage_error("validate", "an app file is wanted");
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-')
            return ds_usage_error("validate", "there is no option %s", argv[i]);
    int result = 0;
    for (int i = 1; i < argc; i++) {
        ds_loaded loaded;
        ds_status status = ds_load(argv[i], &(ds_app_options){0}, true, &loaded);
        if (status == DS_OK)
            fprintf(stderr, "%s: valid\n", argv[i]);
        else if (result == 0)
            result = ds_status_exit(status);
        ds_loaded_free(&loaded);
    }
    return result;
}

int ds_command_schema(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return ds_usage_error("schema", "it takes no arguments");
    char *schema = ds_app_json_schema();
    fputs(schema, stdout);
    free(schema);
    return fflush(stdout) == 0 ? 0 : ds_status_exit(DS_ERR_IO);
}
