#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Ends the text before a UTF-8 character that vsnprintf cut in two. */
static void end_at_character(char *text, size_t length)
{
    size_t i = length;
    while (i > 0 && ((unsigned char)text[i - 1] & 0xC0) == 0x80)
        i--;
    if (i == 0)
        return;
    unsigned char lead = (unsigned char)text[i - 1];
    size_t width = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (i - 1 + width > length)
        text[i - 1] = '\0';
}

ds_status ds_error_vset(ds_error *error, ds_status status, const char *format, va_list args)
{
    if (error == NULL)
        return status;
    error->status = status;
    int n = vsnprintf(error->message, sizeof error->message, format, args);
    if (n < 0)
        error->message[0] = '\0';
    else if ((size_t)n >= sizeof error->message)
        end_at_character(error->message, sizeof error->message - 1);
    return status;
}

ds_status ds_error_set(ds_error *error, ds_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ds_error_vset(error, status, format, args);
    va_end(args);
    return status;
}

static const struct {
    const char *name;
    int exit_status;
} statuses[] = {
    [DS_OK] = {"ok", 0},
    [DS_ERR_USAGE] = {"usage", 64},
    [DS_ERR_DATA] = {"data", 65},
    [DS_ERR_NO_INPUT] = {"no input", 66},
    [DS_ERR_UNAVAILABLE] = {"unavailable", 69},
    [DS_ERR_INTERNAL] = {"internal", 70},
    [DS_ERR_IO] = {"io", 74},
    [DS_ERR_APP] = {"app", 78},
    [DS_ERR_NO_MEMORY] = {"no memory", 70},
    [DS_ERR_PROTOCOL] = {"protocol", 70},
    [DS_ERR_CLOSED] = {"closed", 74},
    [DS_ERR_LOST] = {"lost", 70},
};

static size_t known(ds_status status)
{
    size_t i = (size_t)status;
    return i < sizeof statuses / sizeof *statuses ? i : (size_t)DS_ERR_INTERNAL;
}

int ds_status_exit(ds_status status)
{
    return statuses[known(status)].exit_status;
}

const char *ds_status_name(ds_status status)
{
    return statuses[known(status)].name;
}
