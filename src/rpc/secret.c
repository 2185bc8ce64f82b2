#include "rpc/secret.h"

#include "base/assert.h"
#include "base/buffer.h"

#include <mbedtls/constant_time.h>
#include <mbedtls/md.h>
#include <string.h>
#include <sys/random.h>

static void sign(const uint8_t *key, const void *bytes, size_t length, uint8_t *out)
{
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    int failed = mbedtls_md_hmac(sha256, key, DS_SECRET_BYTES, bytes, length, out);
    DS_ASSERT(failed == 0); /* it fails for want of memory only */
}

void ds_secret_sign(const ds_secret *secret, const void *bytes, size_t length, uint8_t *out)
{
    sign(secret->key, bytes, length, out);
}

bool ds_secret_same(const uint8_t *a, const uint8_t *b)
{
    return mbedtls_ct_memcmp(a, b, DS_SECRET_BYTES) == 0;
}

ds_secret ds_secret_of_text(const char *text)
{
    static const uint8_t label[DS_SECRET_BYTES] = "dstream secret 1";
    ds_secret secret = {.given = text != NULL};
    if (text != NULL)
        sign(label, text, strlen(text), secret.key);
    return secret;
}

ds_secret ds_secret_for(const ds_secret *from, const char *use, const void *salt, size_t length)
{
    ds_secret made = {.given = from->given};
    ds_buffer bytes = {0};
    ds_buffer_append(&bytes, use, strlen(use) + 1);
    ds_buffer_append(&bytes, salt, length);
    sign(from->key, bytes.data, bytes.length, made.key);
    ds_buffer_fini(&bytes);
    return made;
}

ds_secret ds_secret_random(void)
{
    ds_secret secret = {.given = true};
    ds_random_bytes(secret.key, sizeof secret.key);
    return secret;
}

void ds_random_bytes(void *bytes, size_t length)
{
    DS_ASSERT(length <= 256);
    ssize_t n = getrandom(bytes, length, 0);
    DS_ASSERT(n == (ssize_t)length); /* never less for so few */
}
