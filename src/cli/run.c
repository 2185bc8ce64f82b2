#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/driver_loop.h"
#include "cli/load.h"
#include "cli/progress.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

typedef struct run_arguments {
    ds_run_options options;
    ds_app_options app;
    const char *path;
    ds_progress_mode progress;
    ds_log_level level;
} run_arguments;

static const struct option run_options[] = {
    {"available-now", no_argument, NULL, 'a'},
    {"set", required_argument, NULL, 's'},
    {"progress", required_argument, NULL, 'p'},
    {"log-format", required_argument, NULL, 'f'},
    {"log-level", required_argument, NULL, 'l'},
    {"executors", required_argument, NULL, 'e'},
    {"cores", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void add_set(run_arguments *args, const char *prefix, const char *value)
{
    char *set = ds_alloc(strlen(prefix) + strlen(value) + 1);
    strcpy(set, prefix);
    strcat(set, value);
    const char **sets = ds_realloc((void *)args->app.sets, args->app.n_sets + 1, sizeof *sets);
    sets[args->app.n_sets++] = set;
    args->app.sets = sets;
}

static int take_option(run_arguments *args, int option)
{
    switch (option) {
    case 'a': args->options.available_now = true; return 0;
    case 's': add_set(args, "", optarg); return 0;
    case 'e': add_set(args, "executors.count=", optarg); return 0;
    case 'c': add_set(args, "executors.cores=", optarg); return 0;
    case 'p':
        if (!ds_progress_mode_parse(optarg, &args->progress))
            return ds_usage_error("run", "--progress is auto, plain, json or none, not \"%s\"",
                                  optarg);
        return 0;
    case 'f':
        if (strcmp(optarg, "text") != 0 && strcmp(optarg, "json") != 0)
            return ds_usage_error("run", "--log-format is text or json, not \"%s\"", optarg);
        args->options.log_format = optarg;
        return 0;
    case 'l':
        if (!ds_log_level_parse(optarg, &args->level))
            return ds_usage_error(
                "run", "--log-level is debug, info, warn, error or off, not \"%s\"", optarg);
        args->options.log_level = optarg;
        return 0;
    case 'h': {
        char *help[] = {"help", "run", NULL};
        exit(ds_command_help(2, help));
    }
    case ':': return ds_usage_error("run", "%s wants a value", run_options[0].name);
    default: return ds_usage_error("run", "an option is not known");
    }
}

static int parse(int argc, char **argv, run_arguments *args)
{
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":h", run_options, NULL)) != -1) {
        if (option == '?' || option == ':')
            return ds_usage_error("run",
                                  option == '?' ? "there is no option %s" : "%s wants a value",
                                  argv[optind - 1]);
        int status = take_option(args, option);
        if (status != 0)
            return status;
    }
    if (optind + 1 != argc)
        return ds_usage_error("run", "one app file is wanted");
    args->path = argv[optind];
    return 0;
}

static int run_app(const run_arguments *args)
{
    ds_loaded loaded;
    ds_status status =
        ds_load_on_checkpoint(args->path, &args->app, args->level <= DS_LOG_WARN, NULL, &loaded);
    if (status == DS_OK) {
        ds_error error = {.message = ""};
        ds_progress_begin(args->progress);
        status = ds_driver_loop(loaded.plan, &args->options, &error);
        ds_progress_end();
        if (status != DS_OK)
            ds_log_error("%s", error.message);
    }
    ds_loaded_free(&loaded);
    return ds_status_exit(status);
}

int ds_command_run(int argc, char **argv)
{
    run_arguments args = {.options = {.log_format = "text", .log_level = "info"},
                          .app = {.need_sinks = true},
                          .progress = DS_PROGRESS_AUTO,
                          .level = DS_LOG_INFO};
    int status = parse(argc, argv, &args);
    if (status == 0) {
        ds_log_setup(args.level, strcmp(args.options.log_format, "json") == 0, "driver");
        status = run_app(&args);
    }
    for (uint32_t i = 0; i < args.app.n_sets; i++)
        free((void *)args.app.sets[i]);
    free((void *)args.app.sets);
    return status;
}
