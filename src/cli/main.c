#include "base/error.h"
#include "base/nearest.h"
#include "cli/commands.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", ds_command_run},
    {"validate", ds_command_validate},
    {"test", ds_command_test},
    {"explain", ds_command_explain},
    {"executor", ds_command_executor},
    {"schema", ds_command_schema},
    {"checkpoint", ds_command_checkpoint},
    {"version", ds_command_version},
    {"help", ds_command_help},
};

#define N_COMMANDS (sizeof commands / sizeof *commands)

int ds_usage_error(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "dstream%s%s: ", command[0] != '\0' ? " " : "", command);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\ntry: dstream help%s%s\n", command[0] != '\0' ? " " : "", command);
    return ds_status_exit(DS_ERR_USAGE);
}

static int unknown_command(const char *name)
{
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    const char *near = ds_nearest_name(name, names, N_COMMANDS);
    if (near != NULL)
        return ds_usage_error("", "there is no command \"%s\" (did you mean \"%s\"?)", name, near);
    return ds_usage_error("", "there is no command \"%s\"", name);
}

/* A standard descriptor that is closed must not become some other file's number. It is opened
 * for the wrong direction, so that its use fails with EBADF as before. */
static void hold_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(ds_status_exit(DS_ERR_IO));
}

int main(int argc, char **argv)
{
    hold_standard_descriptors();
    if (argc < 2)
        return ds_usage_error("", "a command is missing");
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return unknown_command(name);
}
