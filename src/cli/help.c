#include "base/error.h"
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *usage, *summary, *details;
} topics[] = {
    {"run", "dstream run [options] app.json", "runs an app",
     "Runs the app until its sources end, or until SIGINT or SIGTERM: then it stops reading, runs\n"
     "one last batch over what was received, commits it, and exits with 0. A second signal ends\n"
     "it at once. On a checkpoint it goes on where it was.\n\n"
     "  --available-now          process what is there now, in batches, and exit\n"
     "  --set PATH=VALUE         replace one value of the app file: --set batch.interval=500ms\n"
     "  --executors N            the same as --set executors.count=N\n"
     "  --cores N                the same as --set executors.cores=N\n"
     "  --progress MODE          auto: a status line on a terminal; plain, json: one line for\n"
     "                           each batch on standard error; none\n"
     "  --log-format FORMAT      text or json\n"
     "  --log-level LEVEL        debug, info, warn, error or off\n"},
    {"validate", "dstream validate app.json ...", "checks app files without running them",
     "Shows all errors with file, line and column. Opens nothing else.\n"},
    {"test", "dstream test app.json ...", "runs the tests in app files",
     "Runs every test of every file in virtual time, in one process, without sleeping and without\n"
     "network. Exits with 0 if all hold, 1 if one does not, 78 if a file is not a valid app.\n"},
    {"explain", "dstream explain app.json", "shows the streams, stages and tasks of one batch", ""},
    {"executor", "dstream executor --driver URL [options]",
     "one executor process that joins a driver",
     "The driver's app file says where it listens (executors.listen). The executor works until\n"
     "the driver ends. The secret of the app (executors.secret) is taken from the environment\n"
     "(DSTREAM_SECRET) or from a file.\n\n"
     "  --cores N                task threads (1)\n"
     "  --memory BYTES           of the whole process (1073741824)\n"
     "  --secret-file PATH       the file with the secret\n"
     "  --tls-ca, --tls-cert, --tls-key PATH\n"
     "                           PEM files, for tls+tcp addresses: the authorities that sign the\n"
     "                           app's certificates, our certificate and its key\n"
     "  --tls-name NAME          what certificates of others are for (the host of their address)\n"
     "  --bulk URL               where other processes of the app fetch bytes from it: an address\n"
     "                           of this host that they reach (that towards the driver)\n"},
    {"checkpoint", "dstream checkpoint ls|show|verify DIR, compat app.json DIR",
     "looks at what a driver left behind",
     "Nothing is changed, and the folder may be in use.\n\n"
     "  ls DIR                   the metadata files, with the batches that they speak of\n"
     "  show DIR                 what a restart would go on from, as JSON\n"
     "  verify DIR               checks every record and file; exits with 74 if one is damaged\n"
     "                           or gone\n"
     "  compat app.json DIR      whether the app can go on from there; exits with 78 if not\n"
     "    --set PATH=VALUE       replace one value of the app file first, as for run\n"},
    {"schema", "dstream schema", "prints the JSON Schema of the app file, for editors", ""},
    {"version", "dstream version", "prints the version", ""},
    {"help", "dstream help [command]", "this", ""},
};

#define N_TOPICS (sizeof topics / sizeof *topics)

static void print_overview(void)
{
    printf("dstream %s: a micro-batch DStream processor\n\nusage:\n", DS_VERSION);
    for (size_t i = 0; i < N_TOPICS; i++)
        printf("  %-58s %s\n", topics[i].usage, topics[i].summary);
    printf("\nexit status: 0 done, 1 a test failed, 64 wrong usage, 65 bad data under \"fail\",\n"
           "66 no such input, 69 a peer cannot be reached, 70 a bug, 74 an input/output error,\n"
           "78 a wrong app file\n");
}

int ds_command_help(int argc, char **argv)
{
    if (argc > 2)
        return ds_usage_error("help", "one command at most");
    if (argc < 2) {
        print_overview();
        return 0;
    }
    for (size_t i = 0; i < N_TOPICS; i++) {
        if (strcmp(topics[i].name, argv[1]) != 0)
            continue;
        printf("usage: %s\n\n%s.\n%s%s", topics[i].usage, topics[i].summary,
               topics[i].details[0] != '\0' ? "\n" : "", topics[i].details);
        return 0;
    }
    return ds_usage_error("help", "there is no command \"%s\"", argv[1]);
}

int ds_command_version(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return ds_usage_error("version", "it takes no arguments");
    printf("dstream %s\n", DS_VERSION);
    return 0;
}
