#include "dstream/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_host_name(const char *host)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    size_t length = strlen(host);
    return length > 0 && length <= 253 && strspn(host, allowed) == length;
}

/* A host without brackets: a name, or an IPv4 address (anything of digits and dots). */
static const char *check_host(const char *host)
{
    struct in_addr v4;
    if (*host == '\0')
        return "needs a host before the port: \"127.0.0.1:9999\" (to listen on all: 0.0.0.0)";
    if (strchr(host, ':') != NULL)
        return "an IPv6 address stands in brackets: \"[::1]:9999\"";
    if (!is_host_name(host))
        return "the host is neither a name nor an address";
    if (strspn(host, "0123456789.") == strlen(host) && inet_pton(AF_INET, host, &v4) != 1)
        return "the host is not an IPv4 address";
    return NULL;
}

static bool read_port(const char *text, uint16_t *port)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    long number = strtol(text, NULL, 10);
    *port = (uint16_t)number;
    return number >= 1 && number <= 65535;
}

const char *ds_address_parse(ds_arena *arena, const char *text, const char **host, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (text[0] == '[' && strchr(text, ']') == NULL))
        return "must be \"host:port\"";
    if (!read_port(colon + 1, port))
        return "the port must be a number from 1 to 65535";
    struct in6_addr v6;
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        char *name = ds_arena_strndup(arena, text + 1, (size_t)(end - text - 1));
        *host = name;
        if (end + 1 != colon || inet_pton(AF_INET6, name, &v6) != 1)
            return "what stands in brackets is not an IPv6 address";
        return NULL;
    }
    *host = ds_arena_strndup(arena, text, (size_t)(colon - text));
    return check_host(*host);
}

bool ds_address_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(host, "localhost") == 0;
}
