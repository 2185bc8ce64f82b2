/* Line ends in a run of bytes: how many there are, and where the last one is. */
#ifndef DS_RECEIVER_NEWLINE_H
#define DS_RECEIVER_NEWLINE_H

#include <stddef.h>

/* Counts the \n among length bytes; 32 bytes at a time where the processor can. */
size_t ds_newline_count(const char *bytes, size_t length);

/* The same, one byte at a time: for other processors, and to compare with. */
size_t ds_newline_count_plain(const char *bytes, size_t length);

/* Returns the offset behind the last \n: the length of the whole lines; 0 if there is none. */
size_t ds_newline_end(const char *bytes, size_t length);

#endif
