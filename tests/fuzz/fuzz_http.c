/* Fuzzes the head of HTTP requests: whatever comes is refused, or is a path that may be compared.
 */
#include "rpc/http_request.h"

#include "base/assert.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1); /* of just this size: nothing is read behind it */
    DS_ASSERT(copy != NULL);
    memcpy(copy, data, size);
    size_t length = ds_http_head_length(copy, size);
    DS_ASSERT(length <= size);
    DS_ASSERT(length == 0 || copy[length - 1] == '\n');
    char path[DS_HTTP_PATH_BYTES] = "";
    bool head_only = false;
    int status = ds_http_read_request(copy, size, &head_only, path);
    DS_ASSERT(status == 200 || status == 400 || status == 405);
    if (status == 200) {
        DS_ASSERT(path[0] == '/' && strlen(path) < sizeof path);
        for (const char *c = path; *c != '\0'; c++)
            DS_ASSERT(*c > ' ' && *c <= '~' && *c != '?' && *c != '#');
    }
    free(copy);
    return 0;
}
