#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

noreturn void ds_assert_failed(const char *file, int line, const char *function, const char *text)
{
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, text);
    abort();
}
