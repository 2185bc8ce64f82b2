/* The checksum (XXH3-64) of a part of a file. Thread-safe. */
#ifndef DS_BASE_FILE_SUM_H
#define DS_BASE_FILE_SUM_H

#include "base/error.h"

#include <stdint.h>

/* Reads `length` bytes from `at` on. DS_ERR_IO with the reason if they cannot be read now,
 * DS_ERR_LOST if the file has fewer. */
ds_status ds_file_sum(int fd, uint64_t at, uint64_t length, uint64_t *sum, ds_error *error);

#endif
