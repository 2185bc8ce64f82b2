/* What the system allows a process. */
#ifndef DS_CLI_LIMITS_H
#define DS_CLI_LIMITS_H

#include <stdint.h>

/* Clients of a receiver, and files that are followed, may be many: as many descriptors as are
 * allowed from now on. */
void ds_limits_raise(void);

/* How many descriptors that is. */
uint32_t ds_limits_descriptors(void);

#endif
