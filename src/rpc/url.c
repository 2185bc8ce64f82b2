#include "rpc/url.h"

#include "base/assert.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool name_is_good(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._-");
    return length > 0 && length <= DS_ADDRESS_NAME && name[length] == '\0';
}

typedef enum host_kind { HOST_WRONG, HOST_LOCAL, HOST_ELSEWHERE, HOST_ANY } host_kind;

static host_kind kind_of_v6(const char *host)
{
    struct in6_addr v6;
    char digits[64] = "";
    size_t length = strlen(host);
    if (length < 3 || host[length - 1] != ']' || length - 2 >= sizeof digits)
        return HOST_WRONG;
    memcpy(digits, host + 1, length - 2);
    if (inet_pton(AF_INET6, digits, &v6) != 1)
        return HOST_WRONG;
    if (IN6_IS_ADDR_UNSPECIFIED(&v6))
        return HOST_ANY;
    return IN6_IS_ADDR_LOOPBACK(&v6) ? HOST_LOCAL : HOST_ELSEWHERE;
}

static host_kind kind_of_host(const char *host)
{
    struct in_addr v4;
    if (strcmp(host, "localhost") == 0)
        return HOST_LOCAL;
    if (strcmp(host, "*") == 0)
        return HOST_ANY;
    if (host[0] == '[')
        return kind_of_v6(host);
    if (inet_pton(AF_INET, host, &v4) == 1) {
        if (v4.s_addr == htonl(INADDR_ANY))
            return HOST_ANY;
        return ntohl(v4.s_addr) >> 24 == 127 ? HOST_LOCAL : HOST_ELSEWHERE;
    }
    /* What looks like an address is not taken for a name. */
    bool digits = strspn(host, "0123456789.") == strlen(host);
    return name_is_good(host) && !digits && host[0] != '-' ? HOST_ELSEWHERE : HOST_WRONG;
}

/* A port in plain digits, or -1. */
static long parse_port(const char *digits)
{
    size_t length = strspn(digits, "0123456789");
    if (length == 0 || length > 5 || digits[length] != '\0')
        return -1;
    long port = strtol(digits, NULL, 10);
    return port <= UINT16_MAX ? port : -1;
}

static ds_status wrong(ds_error *error, const char *url, const char *why)
{
    return ds_error_set(error, DS_ERR_USAGE, "\"%.200s\" is not an address for executors: %s", url,
                        why);
}

static const char *const schemes[] = {
    [DS_TRANSPORT_ABSTRACT] = "abstract://",
    [DS_TRANSPORT_INPROC] = "inproc://",
    [DS_TRANSPORT_TCP] = "tcp://",
    [DS_TRANSPORT_TLS] = "tls+tcp://",
};

static ds_status parse_tcp(const char *url, const char *rest, bool listening, ds_url *address,
                           ds_error *error)
{
    char host[64];
    const char *colon = strrchr(rest, ':');
    if (colon == NULL || colon == rest || (size_t)(colon - rest) >= sizeof host)
        return wrong(error, url, "tcp addresses are tcp://host:port");
    memcpy(host, rest, (size_t)(colon - rest));
    host[colon - rest] = '\0';
    host_kind kind = kind_of_host(host);
    if (kind == HOST_WRONG)
        return wrong(error, url, "the host is none (IPv6 addresses stand in brackets)");
    if (kind == HOST_ANY && !listening)
        return wrong(error, url, "the host is one to listen at, not one to reach");
    long port = parse_port(colon + 1);
    if (port < 0 || (port == 0 && !listening))
        return wrong(error, url, "the port must be a number from 1 to 65535");
    const char *number = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (strcmp(host, "localhost") == 0 && address->transport == DS_TRANSPORT_TLS)
        number = host; /* the certificate is for the name */
    if (strcmp(host, "*") == 0)
        number = "0.0.0.0";
    address->local = kind == HOST_LOCAL;
    snprintf(address->url, sizeof address->url, "%s%s:%ld", schemes[address->transport], number,
             port);
    memcpy(address->real, address->url, sizeof address->real);
    return DS_OK;
}

static ds_status parse_name(const char *url, const char *name, ds_url *address, ds_error *error)
{
    if (!name_is_good(name))
        return wrong(error, url, "a name is 1 to 64 letters, digits, '.', '_' or '-'");
    address->local = true;
    snprintf(address->url, sizeof address->url, "%s", url);
    snprintf(address->real, sizeof address->real, "%s", url);
    return DS_OK;
}

ds_status ds_url_parse(const char *url, bool listening, ds_url *address, ds_error *error)
{
    for (unsigned i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t length = strlen(schemes[i]);
        if (strncmp(url, schemes[i], length) != 0)
            continue;
        address->transport = (ds_transport)i;
        return ds_url_is_tcp(address) ? parse_tcp(url, url + length, listening, address, error)
                                      : parse_name(url, url + length, address, error);
    }
    return wrong(error, url, "it does not start with tcp://, tls+tcp://, abstract:// or inproc://");
}

bool ds_url_is_tcp(const ds_url *address)
{
    return address->transport == DS_TRANSPORT_TCP || address->transport == DS_TRANSPORT_TLS;
}

ds_status ds_url_check_secret(const ds_url *address, bool has_secret, ds_error *error)
{
    if (address->local || has_secret)
        return DS_OK;
    return ds_error_set(error, DS_ERR_APP,
                        "%s can be reached from other hosts: both ends need a shared secret "
                        "(executors.secret; DSTREAM_SECRET or --secret-file of an executor)",
                        address->url);
}

/* The parts of a tcp address: scheme with its slashes, host, ":port". */
typedef struct parts {
    int scheme, host;
    const char *port;
} parts;

static bool take_apart(const char *url, parts *p)
{
    const char *host = strstr(url, "tcp://");
    if (host == NULL || (p->port = strrchr(url, ':')) < host + 6)
        return false;
    p->scheme = (int)(host + 6 - url);
    p->host = (int)(p->port - (host + 6));
    return true;
}

void ds_url_host(const ds_url *address, char *host, char *port)
{
    parts p;
    bool good = take_apart(address->url, &p);
    DS_ASSERT(good);
    int brackets = address->url[p.scheme] == '[';
    snprintf(host, DS_ADDRESS_URL, "%.*s", p.host - 2 * brackets,
             address->url + p.scheme + brackets);
    snprintf(port, DS_ADDRESS_URL, "%s", p.port + 1);
}

void ds_url_any_port(const char *url, char *out)
{
    parts p;
    out[0] = '\0';
    if (take_apart(url, &p))
        snprintf(out, DS_ADDRESS_URL, "%.*s:0", p.scheme + p.host, url);
}

void ds_url_reach(const char *url, const char *via, char *out)
{
    parts p, v;
    char host[DS_ADDRESS_URL];
    snprintf(out, DS_ADDRESS_URL, "%s", url);
    if (!take_apart(url, &p))
        return;
    snprintf(host, sizeof host, "%.*s", p.host, url + p.scheme);
    if (kind_of_host(host) != HOST_ANY)
        return;
    if (take_apart(via, &v))
        snprintf(out, DS_ADDRESS_URL, "%.*s%.*s%s", p.scheme, url, v.host, via + v.scheme, p.port);
    else
        snprintf(out, DS_ADDRESS_URL, "%.*s%s%s", p.scheme, url,
                 host[0] == '[' ? "[::1]" : "127.0.0.1", p.port);
}

void ds_url_set_port(ds_url *address, unsigned port)
{
    DS_ASSERT(ds_url_is_tcp(address) && port <= UINT16_MAX);
    char *colon = strrchr(address->url, ':');
    size_t room = sizeof address->url - (size_t)(colon - address->url);
    snprintf(colon, room, ":%u", port);
    memcpy(address->real, address->url, sizeof address->real);
}
