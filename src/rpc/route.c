#include "rpc/route.h"

#include "rpc/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A datagram socket that is connected has an address, and nothing has been sent. */
static bool address_towards(const struct addrinfo *to, struct sockaddr_storage *ours)
{
    socklen_t length = sizeof *ours;
    int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool good = connect(fd, to->ai_addr, to->ai_addrlen) == 0 &&
                getsockname(fd, (struct sockaddr *)ours, &length) == 0;
    close(fd);
    return good;
}

static bool show(const struct sockaddr_storage *ours, char *text, size_t size)
{
    char digits[INET6_ADDRSTRLEN];
    if (ours->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)ours;
        snprintf(text, size, "%s", inet_ntop(AF_INET, &v4->sin_addr, digits, sizeof digits));
        return true;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ours;
    if (ours->ss_family != AF_INET6 || IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
        return false; /* those are worth nothing without the interface's name */
    snprintf(text, size, "[%s]", inet_ntop(AF_INET6, &v6->sin6_addr, digits, sizeof digits));
    return true;
}

ds_status ds_route_back(const char *url, char *out, ds_error *error)
{
    const char *host = strstr(url, "://"), *port = strrchr(url, ':');
    char name[DS_ADDRESS_URL], ours_text[64] = "";
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    struct sockaddr_storage ours;
    if (host == NULL || port <= host + 3)
        return ds_error_set(error, DS_ERR_USAGE, "%s is not tcp://host:port", url);
    host += 3;
    bool brackets = host[0] == '[';
    snprintf(name, sizeof name, "%.*s", (int)(port - host) - 2 * brackets, host + brackets);
    int failed = getaddrinfo(name, port + 1, &hints, &found);
    if (failed != 0)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "%s cannot be found: %s", name,
                            failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));
    bool good = false;
    for (const struct addrinfo *to = found; to != NULL && !good; to = to->ai_next)
        good = address_towards(to, &ours) && show(&ours, ours_text, sizeof ours_text);
    freeaddrinfo(found);
    if (!good)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "there is no way to %s from here", name);
    snprintf(out, DS_ADDRESS_URL, "%.*s%s:0", (int)(host - url), url, ours_text);
    return DS_OK;
}
