/* The MD5 message digest (RFC 1321). */
#ifndef DS_COLUMNAR_MD5_H
#define DS_COLUMNAR_MD5_H

#include <stddef.h>
#include <stdint.h>

/* The digest of length bytes as 32 lower-case hex digits, not terminated. Any thread. */
void ds_md5_hex(const void *bytes, size_t length, char hex[static 32]);

#endif
