#include "cli/loop_mail.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

ds_loop_mail *ds_loop_mail_new(ds_loop_mail_kind kind, const void *bytes, size_t length)
{
    ds_loop_mail *m = ds_calloc(1, sizeof *m + length + 1);
    m->kind = kind;
    m->length = length;
    if (bytes != NULL)
        memcpy(m->bytes, bytes, length);
    return m;
}

ds_loop_mail *ds_loop_mail_answer(ds_loop_mail_kind kind, ds_status status, const ds_error *error)
{
    const char *text = status == DS_OK ? "" : error->message;
    ds_loop_mail *m = ds_loop_mail_new(kind, text, strlen(text));
    m->status = status;
    return m;
}

void ds_loop_mail_free(ds_loop_mail *m)
{
    free(m->files);
    ds_log_found_fini(&m->found);
    ds_arena_free(m->arena);
    free(m);
}
