/* A file of a `files` source, as a look at its folder finds it. */
#ifndef DS_SCHEDULER_LISTED_FILE_H
#define DS_SCHEDULER_LISTED_FILE_H

#include <stdint.h>

typedef struct ds_listed_file {
    const char *name;
    uint64_t size;
} ds_listed_file;

#endif
