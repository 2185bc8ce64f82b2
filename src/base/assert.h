/*
 * Assertions that stay on in release builds. A failed one is a bug of ours: the
 * process says where, and ends by abort(), so that a supervisor sees a crash and the
 * recovery paths, which are tested, take over.
 */
#ifndef DS_BASE_ASSERT_H
#define DS_BASE_ASSERT_H

#include <stdnoreturn.h>

/* Prints "file:line: function: assertion failed: text" on standard error and aborts. */
noreturn void ds_assert_failed(const char *file, int line, const char *function, const char *text);

#define DS_ASSERT(condition)                                                                       \
    ((condition) ? (void)0 : ds_assert_failed(__FILE__, __LINE__, __func__, #condition))

#define DS_UNREACHABLE() ds_assert_failed(__FILE__, __LINE__, __func__, "not reached")

#endif
