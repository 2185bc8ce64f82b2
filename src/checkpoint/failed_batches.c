#include "checkpoint/failed_batches.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void drop_oldest(ds_failed_batches *failed)
{
    DS_ASSERT(failed->n > 0);
    failed->bytes -= strlen(failed->texts[0]);
    free(failed->texts[0]);
    failed->n--;
    memmove(failed->texts, failed->texts + 1, failed->n * sizeof *failed->texts);
}

void ds_failed_add(ds_failed_batches *failed, const char *text)
{
    failed->texts = ds_realloc(failed->texts, failed->n + 1, sizeof *failed->texts);
    failed->texts[failed->n++] = ds_strdup(text);
    failed->bytes += strlen(text);
    while (failed->n > 1 && (failed->n > DS_FAILED_MOST || failed->bytes > DS_FAILED_BYTES))
        drop_oldest(failed);
}

void ds_failed_add_all(ds_failed_batches *failed, const ds_failed_batches *more)
{
    DS_ASSERT(failed != more);
    for (size_t i = 0; i < more->n; i++)
        ds_failed_add(failed, more->texts[i]);
}

void ds_failed_fini(ds_failed_batches *failed)
{
    for (size_t i = 0; i < failed->n; i++)
        free(failed->texts[i]);
    free(failed->texts);
    *failed = (ds_failed_batches){0};
}
