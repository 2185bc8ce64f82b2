#include "base/log.h"
#include "cli/commands.h"
#include "cli/limits.h"
#include "cli/secret.h"
#include "exec/executor_loop.h"
#include "rpc/tls.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Those of the help are for people; the others are how a driver starts its own. */
static const struct option executor_options[] = {
    {"driver", required_argument, NULL, 'd'},      {"app", required_argument, NULL, 'a'},
    {"id", required_argument, NULL, 'i'},          {"cores", required_argument, NULL, 'c'},
    {"memory", required_argument, NULL, 'm'},      {"spill-folder", required_argument, NULL, 'F'},
    {"spill", required_argument, NULL, 'S'},       {"parent", required_argument, NULL, 'p'},
    {"log-level", required_argument, NULL, 'l'},   {"log-format", required_argument, NULL, 'f'},
    {"with-stdin", no_argument, NULL, 's'},        {"bulk", required_argument, NULL, 'b'},
    {"secret-file", required_argument, NULL, 'k'}, {"tls-cert", required_argument, NULL, 'C'},
    {"tls-key", required_argument, NULL, 'K'},     {"tls-ca", required_argument, NULL, 'A'},
    {"tls-name", required_argument, NULL, 'N'},    {NULL, 0, NULL, 0},
};

typedef struct executor_arguments {
    ds_executor_options options;
    const char *secret_file;
    ds_tls_files tls;
    ds_log_level level;
    bool json;
    pid_t parent;
} executor_arguments;

static bool parse_number(const char *text, uint64_t most, uint64_t *value)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || number > most)
        return false;
    *value = number;
    return true;
}

static bool take_option(executor_arguments *args, int option)
{
    uint64_t number = 0;
    switch (option) {
    case 'd': args->options.url = optarg; return true;
    case 'a': args->options.app_id = optarg; return true;
    case 'b': args->options.bulk = *optarg != '\0' ? optarg : NULL; return true;
    case 'i': return parse_number(optarg, UINT64_MAX, &args->options.executor_id);
    case 'c':
        if (!parse_number(optarg, 1024, &number) || number == 0)
            return false;
        args->options.cores = (uint32_t)number;
        return true;
    case 'm':
        return parse_number(optarg, (uint64_t)1 << 40, &args->options.memory_bytes) &&
               args->options.memory_bytes >= (1 << 20);
    case 'F': args->options.spill_folder = *optarg != '\0' ? optarg : NULL; return true;
    case 'S': return parse_number(optarg, (uint64_t)1 << 50, &args->options.spill_bytes);
    case 'p':
        if (!parse_number(optarg, INT32_MAX, &number))
            return false;
        args->parent = (pid_t)number;
        return true;
    case 'l': return ds_log_level_parse(optarg, &args->level);
    case 'f': args->json = strcmp(optarg, "json") == 0; return true;
    case 's': args->options.has_stdin = true; return true;
    case 'k': args->secret_file = optarg; return true;
    case 'C': args->tls.cert = optarg; return true;
    case 'K': args->tls.key = optarg; return true;
    case 'A': args->tls.ca = optarg; return true;
    case 'N': args->tls.name = optarg; return true;
    default: return false;
    }
}

/* What the driver gave to one that it started, or a person to one that joins. */
static ds_status find_secret(executor_arguments *args, ds_error *error)
{
    ds_executor_options *options = &args->options;
    ds_secret *secret = &options->secret;
    ds_secret_take_hex(DS_TOKEN_VARIABLE, options->token);
    bool has_key = ds_secret_take_hex(DS_KEY_VARIABLE, secret->key) && args->parent != 0;
    bool has_text =
        !has_key && ds_secret_take_text(DS_SECRET_VARIABLE, secret) && args->parent == 0;
    secret->given = has_key || has_text;
    if (!secret->given)
        *secret = ds_secret_of_text(NULL);
    return args->secret_file == NULL ? DS_OK : ds_secret_read(args->secret_file, secret, error);
}

static ds_status find_certificates(const executor_arguments *args, ds_tls **tls, ds_error *error)
{
    const ds_tls_files *files = &args->tls;
    bool all = files->cert != NULL && files->key != NULL && files->ca != NULL;
    bool some = files->cert != NULL || files->key != NULL || files->ca != NULL;
    if (some && !all)
        return ds_error_set(error, DS_ERR_USAGE,
                            "--tls-ca, --tls-cert and --tls-key belong together");
    return all ? ds_tls_load(files, tls, error) : DS_OK;
}

/* Dies with the driver that started it, even while it is stopped by a signal. */
static void tie_to_parent(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0); /* it is gone already */
}

int ds_command_executor(int argc, char **argv)
{
    executor_arguments args = {.options = {.app_id = "",
                                           .cores = 1,
                                           .memory_bytes = 1 << 30,
                                           .spill_bytes = (uint64_t)16 << 30},
                               .level = DS_LOG_INFO};
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", executor_options, NULL)) != -1)
        if (!take_option(&args, option))
            return ds_usage_error("executor", "%s is not understood", argv[optind - 1]);
    if (args.options.url == NULL || optind != argc)
        return ds_usage_error("executor", "--driver URL is wanted, and nothing else");
    if (args.parent != 0)
        tie_to_parent(args.parent);
    ds_limits_raise();
    ds_memory_setup(args.options.memory_bytes, args.options.cores);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error of the one who writes */
    char who[40];
    snprintf(who, sizeof who, args.options.executor_id != 0 ? "executor %" PRIu64 : "executor",
             args.options.executor_id);
    ds_log_setup(args.level, args.json, who);
    ds_error error = {.message = ""};
    ds_tls *tls = NULL;
    ds_status status = find_secret(&args, &error);
    if (status == DS_OK)
        status = find_certificates(&args, &tls, &error);
    args.options.tls = tls;
    if (status == DS_OK)
        status = ds_executor_loop(&args.options, &error);
    /* One that was started by a driver ends with it, and has nothing to say about that. */
    if (status != DS_OK && (args.parent == 0 || status != DS_ERR_UNAVAILABLE))
        ds_log_error("%s", error.message);
    fflush(stderr);
    _exit(ds_status_exit(status)); /* tasks may still run: nothing is left behind */
}
