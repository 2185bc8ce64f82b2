/* The subcommands: each takes its own arguments (argv[0] is its name) and returns the exit
 * status. */
#ifndef DS_CLI_COMMANDS_H
#define DS_CLI_COMMANDS_H

/* One for each. */
int ds_command_run(int argc, char **argv);
int ds_command_validate(int argc, char **argv);
int ds_command_test(int argc, char **argv);
int ds_command_explain(int argc, char **argv);
int ds_command_executor(int argc, char **argv);
int ds_command_checkpoint(int argc, char **argv);
int ds_command_schema(int argc, char **argv);
int ds_command_version(int argc, char **argv);
int ds_command_help(int argc, char **argv);

/* Prints "dstream COMMAND: message" and where help is; returns 64. */
int ds_usage_error(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
