/* What the system allows a process. */
#ifndef DS_CLI_LIMITS_H
#define DS_CLI_LIMITS_H

/* Clients of a receiver, and files that are followed, may be many: as many descriptors as are
 * allowed from now on. */
void ds_limits_raise(void);

#endif
