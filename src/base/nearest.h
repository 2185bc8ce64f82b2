/* The name that was meant: for "did you mean" in messages. */
#ifndef DS_BASE_NEAREST_H
#define DS_BASE_NEAREST_H

#include <stddef.h>

/*
 * Returns the one of n candidates (entries may be NULL) with the fewest edits from name
 * (insert, delete, replace, swap of neighbours; the case of ASCII letters does not count), or
 * NULL if none is near enough to be what was meant (one edit, a third of a longer name). The first
 * of equals. Borrowed.
 */
const char *ds_nearest_name(const char *name, const char *const *candidates, size_t n);

#endif
