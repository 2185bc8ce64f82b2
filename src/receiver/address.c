#include "receiver/address.h"

#include <stdio.h>
#include <string.h>

#define HOST_LIMIT 256

/* "[::1]" is "::1". */
static void without_brackets(char *to, const char *host)
{
    size_t length = strlen(host);
    bool brackets = length >= 2 && host[0] == '[' && host[length - 1] == ']';
    if (brackets)
        snprintf(to, HOST_LIMIT, "%.*s", (int)(length - 2), host + 1);
    else
        snprintf(to, HOST_LIMIT, "%s", host);
}

ds_status ds_address_resolve(const char *host, uint16_t port, bool listen, struct addrinfo **list,
                             ds_error *error)
{
    char name[HOST_LIMIT], service[8];
    if (strlen(host) >= HOST_LIMIT)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "\"%.40s...\" is too long for a host name",
                            host);
    without_brackets(name, host);
    snprintf(service, sizeof service, "%u", (unsigned)port);
    bool any = listen && (name[0] == '\0' || strcmp(name, "*") == 0);
    struct addrinfo hints = {.ai_family = any ? AF_INET : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST | AI_PASSIVE};
    int code = getaddrinfo(any ? NULL : name, service, &hints, list);
    if (code == EAI_NONAME) {
        hints.ai_flags = AI_NUMERICSERV;
        code = getaddrinfo(name, service, &hints, list);
    }
    if (code != 0)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "cannot resolve \"%s\": %s", name,
                            gai_strerror(code));
    return DS_OK;
}

void ds_address_text(char *text, const struct sockaddr *address, socklen_t length)
{
    char host[HOST_LIMIT], service[32];
    if (getnameinfo(address, length, host, sizeof host, service, sizeof service,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        snprintf(text, DS_ADDRESS_TEXT, "an unknown address");
        return;
    }
    bool six = strchr(host, ':') != NULL;
    snprintf(text, DS_ADDRESS_TEXT, six ? "[%s]:%s" : "%s:%s", host, service);
}

void ds_address_name(char *text, const char *host, uint16_t port)
{
    bool six = strchr(host, ':') != NULL && host[0] != '[';
    snprintf(text, DS_ADDRESS_TEXT, six ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
}
