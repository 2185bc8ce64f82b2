/* Reads files one after the other, in large pieces of whole lines, for the ceiling programs. */
#ifndef DS_BENCH_INPUT_H
#define DS_BENCH_INPUT_H

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20)
#define LOOK_AHEAD 64 /* bytes after a text that may be read */

/* A file, or "tcp:PORT" on this host. */
static inline int open_input(const char *path)
{
    if (strncmp(path, "tcp:", 4) != 0)
        return open(path, O_RDONLY);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(path + 4)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

/* Calls take(text, end, context) for each piece: whole lines, each with its line end. */
static inline int for_each_piece(char **paths, int count,
                                 void (*take)(const char *, const char *, void *), void *context)
{
    char *buffer = calloc(1, PIECE * 2 + LOOK_AHEAD);
    if (buffer == NULL)
        return 1;
    for (int i = 0; i < count; i++) {
        int fd = open_input(paths[i]);
        size_t kept = 0;
        ssize_t n;
        if (fd < 0)
            return 1;
        while ((n = read(fd, buffer + kept, PIECE)) > 0) {
            size_t used = kept + (size_t)n;
            const char *last = memrchr(buffer, '\n', used);
            if (last != NULL) {
                take(buffer, last + 1, context);
                kept = used - (size_t)(last + 1 - buffer);
                memmove(buffer, last + 1, kept);
            } else {
                kept = used;
            }
            if (kept > PIECE)
                return 1;
        }
        if (n < 0)
            return 1;
        if (kept > 0) {
            buffer[kept] = '\n';
            take(buffer, buffer + kept + 1, context);
        }
        close(fd);
    }
    free(buffer);
    return 0;
}

#endif
