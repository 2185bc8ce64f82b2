/* Clocks. Only loops and tools call these: the cores are given the time with every event. */
#ifndef DS_BASE_CLOCK_H
#define DS_BASE_CLOCK_H

#include <stdint.h>

/* Microseconds since 1970 (CLOCK_REALTIME); milliseconds of the same. */
int64_t ds_clock_wall_us(void);
int64_t ds_clock_wall_ms(void);
/* Microseconds of CLOCK_MONOTONIC, for measuring and for timers. */
int64_t ds_clock_mono_us(void);

/* Nanoseconds of processor time that the calling thread took, for measuring. */
int64_t ds_clock_thread_ns(void);

#define DS_CLOCK_TEXT 32

/* Milliseconds since 1970 as text for people: "2026-11-20T10:00:00.250Z" (a fraction only where
 * there is one). Returns text. */
const char *ds_clock_text(int64_t ms, char text[DS_CLOCK_TEXT]);
/* The same, always with its milliseconds: for lines that stand below each other. */
const char *ds_clock_stamp(int64_t ms, char text[DS_CLOCK_TEXT]);

#endif
