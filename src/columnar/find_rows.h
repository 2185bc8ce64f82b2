/* Search for one text in all rows of a column. */
#ifndef DS_COLUMNAR_FIND_ROWS_H
#define DS_COLUMNAR_FIND_ROWS_H

#include "columnar/column.h"

/*
 * Sets the bits of the rows (of n) whose text contains needle, and no others; bits has whole
 * words, which are clear. Rows that lie one behind the other in a buffer, as lines do that were
 * just read, are searched in one go: where the needle is rare, a row costs a few instructions.
 */
void ds_find_rows(const ds_heap *heap, const ds_view *views, uint32_t n, const char *needle,
                  uint32_t needle_length, uint64_t *bits);

#endif
