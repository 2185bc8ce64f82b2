/*
 * What the disk itself takes: sync FILE COUNT BYTES PAUSE
 *
 * Appends BYTES to FILE and syncs them, COUNT times, with pauses of PAUSE microseconds, as a
 * journal of short batches does. Prints the milliseconds of each sync.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 64;
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0600);
    size_t bytes = strtoul(argv[3], NULL, 10);
    char *line = calloc(1, bytes);
    useconds_t pause = (useconds_t)strtoul(argv[4], NULL, 10);
    if (fd < 0 || line == NULL) {
        perror(argv[1]);
        return 74;
    }
    for (long n = strtol(argv[2], NULL, 10); n > 0; n--) {
        double began = now_ms();
        if (write(fd, line, bytes) != (ssize_t)bytes || fdatasync(fd) != 0) {
            perror(argv[1]);
            return 74;
        }
        printf("%.3f\n", now_ms() - began);
        usleep(pause);
    }
    free(line);
    return 0;
}
