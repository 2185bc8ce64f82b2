/*
 * Secrets: what both ends of a link hold, as a key of fixed size.
 *
 * The text that people give (executors.secret) is only ever used through its key, and each
 * use has a key of its own, made of that by HMAC-SHA256: who knows one of them learns nothing
 * about the others. Pure but for ds_random_bytes; any thread.
 */
#ifndef DS_RPC_SECRET_H
#define DS_RPC_SECRET_H

#include "rpc/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DS_SECRET_BYTES DS_TOKEN_BYTES

typedef struct ds_secret {
    bool given; /* false: there is none, and the key is one that everybody knows */
    uint8_t key[DS_SECRET_BYTES];
} ds_secret;

/* The secret of a text (borrowed); NULL: none. */
ds_secret ds_secret_of_text(const char *text);
/* The key of a use: of a secret (which may be none), the use's name, and some bytes that others
 * may know if there is a secret. */
ds_secret ds_secret_for(const ds_secret *from, const char *use, const void *salt, size_t length);
/* One that nobody else knows. */
ds_secret ds_secret_random(void);

/* HMAC-SHA256 of some bytes. */
void ds_secret_sign(const ds_secret *secret, const void *bytes, size_t length, uint8_t *out);
/* Compares DS_SECRET_BYTES in constant time. */
bool ds_secret_same(const uint8_t *a, const uint8_t *b);

/* Fills bytes from the system's source. */
void ds_random_bytes(void *bytes, size_t length);

#endif
