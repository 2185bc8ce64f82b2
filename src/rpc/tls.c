#include "rpc/tls.h"

#include "base/assert.h"
#include "base/files.h"
#include "base/memory.h"
#include "rpc/secret.h"

#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <netdb.h>
#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_MOST ((size_t)1 << 20)
#define EXPLAIN_MS 3000
#define NAME_MOST 253u /* bytes of a host's name */

struct ds_tls {
    char *cert, *key, *ca; /* PEM, each with its end */
    char *name;            /* or NULL */
};

/* ---- files ---- */

static ds_status read_text(const char *path, char **text, ds_error *error)
{
    ds_buffer out = {0};
    ds_status status = ds_read_file(path, FILE_MOST, &out, error);
    if (status == DS_OK)
        *text = ds_strndup(out.data != NULL ? out.data : "", out.length);
    if (out.data != NULL)
        explicit_bzero(out.data, out.length);
    ds_buffer_fini(&out);
    return status;
}

static void describe(int failed, char *text, size_t size)
{
    mbedtls_strerror(failed, text, size);
}

static ds_status parse_certs(const char *path, const char *pem, mbedtls_x509_crt *certs,
                             ds_error *error)
{
    char why[128];
    int failed = mbedtls_x509_crt_parse(certs, (const unsigned char *)pem, strlen(pem) + 1);
    if (failed == 0)
        return DS_OK;
    describe(failed, why, sizeof why);
    return ds_error_set(error, DS_ERR_APP, "%s: there is no certificate in it that can be read: %s",
                        path, why);
}

static ds_status check_dates(const char *path, const mbedtls_x509_crt *cert, ds_error *error)
{
    if (mbedtls_x509_time_is_past(&cert->valid_to))
        return ds_error_set(error, DS_ERR_APP,
                            "%s: the certificate has expired (on %04d-%02d-%02d)", path,
                            cert->valid_to.year, cert->valid_to.mon, cert->valid_to.day);
    if (mbedtls_x509_time_is_future(&cert->valid_from))
        return ds_error_set(error, DS_ERR_APP,
                            "%s: the certificate is not valid yet (from %04d-%02d-%02d on)", path,
                            cert->valid_from.year, cert->valid_from.mon, cert->valid_from.day);
    return DS_OK;
}

static ds_status check_key(const ds_tls_files *files, const char *pem, mbedtls_x509_crt *cert,
                           ds_error *error)
{
    char why[128];
    ds_status status = DS_OK;
    mbedtls_pk_context key;
    mbedtls_pk_init(&key);
    int failed = mbedtls_pk_parse_key(&key, (const unsigned char *)pem, strlen(pem) + 1, NULL, 0);
    describe(failed, why, sizeof why);
    if (failed != 0)
        status = ds_error_set(error, DS_ERR_APP, "%s: there is no key in it that can be read: %s",
                              files->key, why);
    else if (mbedtls_pk_check_pair(&cert->pk, &key) != 0)
        status = ds_error_set(error, DS_ERR_APP, "%s is not the key of the certificate in %s",
                              files->key, files->cert);
    mbedtls_pk_free(&key);
    return status;
}

static ds_status check(const ds_tls_files *files, const ds_tls *tls, ds_error *error)
{
    mbedtls_x509_crt cert, ca;
    mbedtls_x509_crt_init(&cert);
    mbedtls_x509_crt_init(&ca);
    ds_status status = parse_certs(files->cert, tls->cert, &cert, error);
    if (status == DS_OK)
        status = check_dates(files->cert, &cert, error);
    if (status == DS_OK)
        status = check_key(files, tls->key, &cert, error);
    if (status == DS_OK)
        status = parse_certs(files->ca, tls->ca, &ca, error);
    mbedtls_x509_crt_free(&cert);
    mbedtls_x509_crt_free(&ca);
    return status;
}

ds_status ds_tls_load(const ds_tls_files *files, ds_tls **result, ds_error *error)
{
    /* A longer one would be passed over without a word, and nothing be verified. */
    if (files->name != NULL && (files->name[0] == '\0' || strlen(files->name) > NAME_MOST))
        return ds_error_set(error, DS_ERR_APP, "a name in certificates has 1 to %u bytes",
                            NAME_MOST);
    ds_tls *tls = ds_calloc(1, sizeof *tls);
    tls->name = files->name != NULL ? ds_strdup(files->name) : NULL;
    ds_status status = read_text(files->cert, &tls->cert, error);
    if (status == DS_OK)
        status = read_text(files->key, &tls->key, error);
    if (status == DS_OK)
        status = read_text(files->ca, &tls->ca, error);
    if (status == DS_OK)
        status = check(files, tls, error);
    if (status == DS_OK)
        *result = tls;
    else
        ds_tls_free(tls);
    return status;
}

void ds_tls_free(ds_tls *tls)
{
    if (tls == NULL)
        return;
    if (tls->key != NULL)
        explicit_bzero(tls->key, strlen(tls->key));
    free(tls->cert);
    free(tls->key);
    free(tls->ca);
    free(tls->name);
    free(tls);
}

/* ---- for links ---- */

struct nng_tls_config *ds_tls_config(const ds_tls *tls, const char *host)
{
    nng_tls_config *config;
    nng_tls_mode mode = host != NULL ? NNG_TLS_MODE_CLIENT : NNG_TLS_MODE_SERVER;
    int rv = nng_tls_config_alloc(&config, mode);
    DS_ASSERT(rv == 0);
    rv = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    DS_ASSERT(rv == 0);
    /* The texts were checked when they were read. */
    rv = nng_tls_config_own_cert(config, tls->cert, tls->key, NULL);
    DS_ASSERT(rv == 0);
    rv = nng_tls_config_ca_chain(config, tls->ca, NULL);
    DS_ASSERT(rv == 0);
    if (host != NULL)
        rv = nng_tls_config_server_name(config, tls->name != NULL ? tls->name : host);
    DS_ASSERT(rv == 0);
    return config;
}

/* ---- why not ---- */

static int give_random(void *arg, unsigned char *bytes, size_t length)
{
    (void)arg;
    for (size_t at = 0, n; at < length; at += n) {
        n = length - at < 256 ? length - at : 256;
        ds_random_bytes(bytes + at, n);
    }
    return 0;
}

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    const struct timeval limit = {.tv_sec = EXPLAIN_MS / 1000};
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    for (const struct addrinfo *to = found; to != NULL && fd < 0; to = to->ai_next) {
        fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* All that a handshake needs; ended by free_attempt. */
typedef struct attempt {
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    mbedtls_x509_crt cert, ca;
    mbedtls_pk_context key;
    mbedtls_net_context net;
} attempt;

static void set_up_attempt(attempt *a, const ds_tls *tls, const char *name, int fd)
{
    mbedtls_ssl_config_init(&a->config);
    mbedtls_ssl_init(&a->ssl);
    mbedtls_x509_crt_init(&a->cert);
    mbedtls_x509_crt_init(&a->ca);
    mbedtls_pk_init(&a->key);
    a->net.fd = fd;
    const unsigned char *cert = (const unsigned char *)tls->cert,
                        *key = (const unsigned char *)tls->key,
                        *ca = (const unsigned char *)tls->ca;
    int failed =
        mbedtls_x509_crt_parse(&a->cert, cert, strlen(tls->cert) + 1) |
        mbedtls_x509_crt_parse(&a->ca, ca, strlen(tls->ca) + 1) |
        mbedtls_pk_parse_key(&a->key, key, strlen(tls->key) + 1, NULL, 0) |
        mbedtls_ssl_config_defaults(&a->config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) |
        mbedtls_ssl_conf_own_cert(&a->config, &a->cert, &a->key);
    mbedtls_ssl_conf_rng(&a->config, give_random, NULL);
    mbedtls_ssl_conf_authmode(&a->config, MBEDTLS_SSL_VERIFY_OPTIONAL);
    mbedtls_ssl_conf_ca_chain(&a->config, &a->ca, NULL);
    failed |= mbedtls_ssl_setup(&a->ssl, &a->config) | mbedtls_ssl_set_hostname(&a->ssl, name);
    DS_ASSERT(failed == 0); /* the texts were checked: it is for want of memory */
    mbedtls_ssl_set_bio(&a->ssl, &a->net, mbedtls_net_send, mbedtls_net_recv, NULL);
}

static void free_attempt(attempt *a)
{
    mbedtls_ssl_free(&a->ssl);
    mbedtls_ssl_config_free(&a->config);
    mbedtls_x509_crt_free(&a->cert);
    mbedtls_x509_crt_free(&a->ca);
    mbedtls_pk_free(&a->key);
    mbedtls_net_free(&a->net); /* closes */
}

static ds_status blame_certificate(uint32_t flags, const char *name, const char *url,
                                   ds_error *error)
{
    if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0)
        return ds_error_set(error, DS_ERR_APP,
                            "the certificate of %s is not signed by an authority that we know",
                            url);
    if ((flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0)
        return ds_error_set(error, DS_ERR_APP, "the certificate of %s has expired", url);
    if ((flags & MBEDTLS_X509_BADCERT_FUTURE) != 0)
        return ds_error_set(error, DS_ERR_APP, "the certificate of %s is not valid yet", url);
    if ((flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0)
        return ds_error_set(error, DS_ERR_APP, "the certificate of %s is not for the name \"%s\"",
                            url, name);
    return ds_error_set(error, DS_ERR_APP, "the certificate of %s is not good (flags %x)", url,
                        flags);
}

ds_status ds_tls_explain(const ds_tls *tls, const char *host, const char *port, const char *url,
                         ds_error *error)
{
    attempt a;
    char why[128];
    const char *name = tls->name != NULL ? tls->name : host;
    int fd = connect_to(host, port);
    if (fd < 0)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "nobody answers at %s", url);
    set_up_attempt(&a, tls, name, fd);
    int failed = mbedtls_ssl_handshake(&a.ssl);
    uint32_t flags = mbedtls_ssl_get_verify_result(&a.ssl);
    unsigned char byte;
    if (failed == 0 && flags == 0) /* it says so after the handshake if it does not take ours */
        failed = mbedtls_ssl_read(&a.ssl, &byte, 1);
    if (failed == 0)
        failed = MBEDTLS_ERR_SSL_CONN_EOF;
    free_attempt(&a);
    describe(failed, why, sizeof why);
    if (flags != 0 && flags != UINT32_MAX)
        return blame_certificate(flags, name, url, error);
    /* Its certificate is good. It may have said what it does not like, or only have gone. */
    if (failed == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        return ds_error_set(error, DS_ERR_APP, "%s does not take our certificate (%s)", url, why);
    if (flags == 0 && failed != 0)
        return ds_error_set(error, DS_ERR_UNAVAILABLE,
                            "it seems that %s does not take our certificate (%s)", url, why);
    return ds_error_set(error, DS_ERR_UNAVAILABLE, "there is no TLS with %s: %s", url, why);
}
