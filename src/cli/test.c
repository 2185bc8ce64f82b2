#include "cli/commands.h"
int ds_command_test(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 70;
}
