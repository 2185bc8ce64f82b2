/* Clocks. Only loops and tools call these: the cores are given the time with every event. */
#ifndef DS_BASE_CLOCK_H
#define DS_BASE_CLOCK_H

#include <stdint.h>

/* Microseconds since 1970 (CLOCK_REALTIME); milliseconds of the same. */
int64_t ds_clock_wall_us(void);
int64_t ds_clock_wall_ms(void);
/* Microseconds of CLOCK_MONOTONIC, for measuring and for timers. */
int64_t ds_clock_mono_us(void);

#endif
