/* Standard output, for rows of the console. */
#ifndef DS_CLI_PRINT_H
#define DS_CLI_PRINT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Writes all of some bytes, however slow the reader of a pipe is, and whether or not it blocks;
 * *printed grows by what came out. DS_ERR_CLOSED: nobody reads any more; DS_ERR_IO. */
ds_status ds_print(const char *bytes, size_t length, uint64_t *printed, ds_error *error);

#endif
