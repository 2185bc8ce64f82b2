#include "base/log.h"
#include "cli/commands.h"
#include "cli/load.h"
#include "sim/app_test.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option test_options[] = {
    {"log-level", required_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

typedef struct test_tally {
    size_t n, failed;
    int status; /* of the first file that is no valid app; 0: all are */
} test_tally;

static int parse(int argc, char **argv, ds_log_level *level)
{
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":h", test_options, NULL)) != -1) {
        if (option == 'h') {
            char *help[] = {"help", "test", NULL};
            exit(ds_command_help(2, help));
        }
        if (option == ':')
            return ds_usage_error("test", "%s wants a value", argv[optind - 1]);
        if (option == '?')
            return ds_usage_error("test", "there is no option %s", argv[optind - 1]);
        if (!ds_log_level_parse(optarg, level))
            return ds_usage_error(
                "test", "--log-level is debug, info, warn, error or off, not \"%s\"", optarg);
    }
    if (optind == argc)
        return ds_usage_error("test", "an app file is wanted");
    return 0;
}

/* Lines of what is wrong, under the line of the test. */
static void show(const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        fprintf(stderr, "    %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void run_test(const char *path, const ds_app *app, const ds_app_test *test,
                     test_tally *tally)
{
    ds_buffer what = {0};
    bool holds = ds_app_test_run(app, test, &what);
    fprintf(stderr, "%s: %s: %s\n", path, test->name, holds ? "ok" : "FAILED");
    show(ds_buffer_text(&what));
    ds_buffer_fini(&what);
    tally->n++;
    tally->failed += !holds;
}

static void run_file(const char *path, test_tally *tally)
{
    ds_loaded loaded;
    ds_status status = ds_load(path, &(ds_app_options){0}, false, &loaded);
    if (status == DS_OK && loaded.app->n_tests == 0)
        fprintf(stderr, "%s: no tests\n", path);
    for (uint32_t i = 0; status == DS_OK && i < loaded.app->n_tests; i++)
        run_test(path, loaded.app, &loaded.app->tests[i], tally);
    if (tally->status == 0)
        tally->status = ds_status_exit(status);
    ds_loaded_free(&loaded);
}

int ds_command_test(int argc, char **argv)
{
    ds_log_level level = DS_LOG_OFF;
    int status = parse(argc, argv, &level);
    if (status != 0)
        return status;
    ds_log_setup(level, false, "test");
    test_tally tally = {0};
    for (int i = optind; i < argc; i++)
        run_file(argv[i], &tally);
    fprintf(stderr, "%zu test%s, %zu failed\n", tally.n, tally.n == 1 ? "" : "s", tally.failed);
    if (tally.status != 0)
        return tally.status;
    return tally.failed > 0 ? 1 : 0;
}
