#include "cli/secret.h"

#include "base/files.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST 4096u /* bytes of a secret */

static void warn_if_open(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0)
        ds_log_warn("%s: other users may read the secret in it (chmod 600)", path);
}

ds_status ds_secret_read(const char *path, ds_secret *secret, ds_error *error)
{
    ds_buffer text = {0};
    ds_status status = ds_read_file(path, MOST + 2, &text, error);
    if (status == DS_OK) {
        warn_if_open(path);
        ds_buffer_append_char(&text, '\0');
        char *bytes = text.data;
        text.length--;
        bool whole = strlen(bytes) == text.length;
        size_t length = strcspn(bytes, "\r\n");
        whole = whole && strspn(bytes + length, "\r\n") == text.length - length;
        bytes[length] = '\0';
        if (length == 0 || length > MOST || !whole)
            status = ds_error_set(error, DS_ERR_APP,
                                  "%s: a secret is one line of 1 to %u bytes, and nothing else",
                                  path, MOST);
        else
            *secret = ds_secret_of_text(bytes);
    }
    if (text.data != NULL)
        explicit_bzero(text.data, text.length);
    ds_buffer_fini(&text);
    return status;
}

/* The process's own copy, which /proc shows, is wiped too. */
static void forget(const char *variable, char *text)
{
    explicit_bzero(text, strlen(text));
    unsetenv(variable);
}

static bool read_hex(const char *text, uint8_t *bytes)
{
    if (strlen(text) != 2 * (size_t)DS_SECRET_BYTES ||
        strspn(text, "0123456789abcdef") != 2 * (size_t)DS_SECRET_BYTES)
        return false;
    for (size_t i = 0; i < DS_SECRET_BYTES; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return true;
}

bool ds_secret_take_hex(const char *variable, uint8_t *bytes)
{
    char *text = getenv(variable);
    if (text == NULL)
        return false;
    bool good = read_hex(text, bytes);
    forget(variable, text);
    return good;
}

bool ds_secret_take_text(const char *variable, ds_secret *secret)
{
    char *text = getenv(variable);
    if (text == NULL)
        return false;
    bool good = *text != '\0';
    if (good)
        *secret = ds_secret_of_text(text);
    forget(variable, text);
    return good;
}

void ds_secret_give_hex(const char *variable, const uint8_t *bytes, char *text)
{
    size_t at = (size_t)snprintf(text, DS_SECRET_TEXT, "%s=", variable);
    for (size_t i = 0; i < DS_SECRET_BYTES; i++)
        at += (size_t)snprintf(text + at, DS_SECRET_TEXT - at, "%02x", bytes[i]);
}
