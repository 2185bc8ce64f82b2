/* The shortest decimal that reads back as a given float. */
#ifndef DS_COLUMNAR_TEXT_SHORTEST_H
#define DS_COLUMNAR_TEXT_SHORTEST_H

#include <stdint.h>

/* The whole number s, and in *power the p, for which s * 10^p is the decimal of the fewest
 * digits that is read as value, the nearest to it of these. s may end in zeros. value is
 * finite and greater than 0. Any thread; the first call prepares a table of 10 KiB. */
uint64_t ds_float_shortest(double value, int *power);

#endif
