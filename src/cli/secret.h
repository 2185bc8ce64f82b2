/* Where the processes of dstream find their secrets: in files and in the environment, never on a
 * command line, which every user of the host can read. */
#ifndef DS_CLI_SECRET_H
#define DS_CLI_SECRET_H

#include "rpc/secret.h"

/* An executor that joins by hand finds the secret's text here. */
#define DS_SECRET_VARIABLE "DSTREAM_SECRET"
/* One that a driver starts finds here the key of the secret, and what proves its launch. */
#define DS_KEY_VARIABLE "DSTREAM_KEY"
#define DS_TOKEN_VARIABLE "DSTREAM_TOKEN"

/* Reads the secret in a file: its text without the line end. DS_ERR_NO_INPUT, DS_ERR_IO, or
 * DS_ERR_APP if it is empty or too long. Warns if other users can read it. */
ds_status ds_secret_read(const char *path, ds_secret *secret, ds_error *error);

/* Takes 32 bytes in hexadecimal digits out of the environment: there is nothing there any more.
 * False if there was nothing good. */
bool ds_secret_take_hex(const char *variable, uint8_t *bytes);
/* The same for a secret's text. */
bool ds_secret_take_text(const char *variable, ds_secret *secret);

/* Writes VARIABLE=digits into text, of DS_SECRET_TEXT bytes. */
#define DS_SECRET_TEXT 128u
void ds_secret_give_hex(const char *variable, const uint8_t *bytes, char *text);

#endif
