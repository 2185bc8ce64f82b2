/*
 * Begins a program for the harness: begin CORES MOMENT COMMAND [ARGUMENT ...]
 *
 * CORES: the numbers of those that it keeps to, with commas, or "-" for all. MOMENT: a descriptor
 * that the time of the exec goes to (seconds of the monotonic clock, a line), and which is closed
 * then; or "-". The program ends with its parent, however that ends.
 *
 * Whatever is to be done between fork and exec, Python does in a real fork of itself. That copies
 * its page tables, and exec gives them back: tens of milliseconds for a gigabyte, in the time and
 * the CPU time of the program that is measured. This one is small, and begun without a copy.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static int keep_to(const char *cores)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const char *p = cores; *p != '\0';) {
        char *end;
        CPU_SET((int)strtol(p, &end, 10), &set);
        if (end == p)
            return -1;
        p = *end == ',' ? end + 1 : end;
    }
    return sched_setaffinity(0, sizeof set, &set);
}

static int note(int fd)
{
    struct timespec now;
    char text[64];
    clock_gettime(CLOCK_MONOTONIC, &now);
    int length = snprintf(text, sizeof text, "%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    return write(fd, text, (size_t)length) == length ? close(fd) : -1;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 64;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (strcmp(argv[1], "-") != 0 && keep_to(argv[1]) != 0) {
        perror("sched_setaffinity");
        return 71;
    }
    if (strcmp(argv[2], "-") != 0 && note(atoi(argv[2])) != 0) {
        perror("the moment of the exec");
        return 74;
    }
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 127;
}
