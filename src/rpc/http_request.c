#include "rpc/http_request.h"

#include <stdio.h>
#include <string.h>

size_t ds_http_head_length(const char *head, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (head[i] != '\n')
            continue;
        size_t next = i + 1;
        next += next < length && head[next] == '\r';
        if (next < length && head[next] == '\n')
            return next + 1;
    }
    return 0;
}

int ds_http_read_request(char *head, size_t length, bool *head_only,
                         char path[static DS_HTTP_PATH_BYTES])
{
    char method[8], target[DS_HTTP_PATH_BYTES], version[16], extra;
    char *end = memchr(head, '\n', length);
    if (end == NULL || memchr(head, '\0', (size_t)(end - head)) != NULL)
        return 400;
    *end = '\0';
    if (sscanf(head, "%7[A-Z] %255[!-~] %15[!-~] %c", method, target, version, &extra) != 3 ||
        strncmp(version, "HTTP/1.", 7) != 0 || target[0] != '/')
        return 400;
    *head_only = strcmp(method, "HEAD") == 0;
    if (!*head_only && strcmp(method, "GET") != 0)
        return 405;
    target[strcspn(target, "?#")] = '\0';
    strcpy(path, target);
    return 200;
}
