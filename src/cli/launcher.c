#include "cli/launcher.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct process {
    uint64_t executor_id;
    pid_t pid;
} process;

struct ds_launcher {
    ds_launch_spec spec;
    process *list;
    size_t n;
};

ds_launcher *ds_launcher_new(const ds_launch_spec *spec)
{
    ds_launcher *launcher = ds_calloc(1, sizeof *launcher);
    launcher->spec = *spec;
    return launcher;
}

void ds_launcher_free(ds_launcher *launcher)
{
    if (launcher == NULL)
        return;
    for (size_t i = 0; i < launcher->n; i++)
        kill(launcher->list[i].pid, SIGKILL);
    for (size_t i = 0; i < launcher->n; i++)
        waitpid(launcher->list[i].pid, NULL, 0);
    free(launcher->list);
    free(launcher);
}

/* Signals are blocked in the driver's threads; a child begins with none blocked. Its standard
 * output is the driver's alone: an executor writes nothing there. */
static int spawn(const ds_launch_spec *spec, char *const *argv, char *const *env, pid_t *pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    /* A group of its own: a terminal's Ctrl-C is for the driver, which stops the app in order. */
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_init(&actions);
    if (!spec->with_stdin)
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    /* The library accepts connections without CLOEXEC for a moment. */
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    int failed = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

/* The token travels in the environment: a command line can be read by everyone. */
static char **with_token(const uint8_t *token, char *variable, size_t size)
{
    size_t at = (size_t)snprintf(variable, size, "DSTREAM_TOKEN=");
    for (size_t i = 0; i < DS_TOKEN_BYTES; i++)
        at += (size_t)snprintf(variable + at, size - at, "%02x", token[i]);
    size_t n = 0;
    while (environ[n] != NULL)
        n++;
    char **env = ds_calloc(n + 2, sizeof *env);
    env[0] = variable;
    size_t kept = 1;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "DSTREAM_TOKEN=", 14) != 0)
            env[kept++] = environ[i];
    return env;
}

ds_status ds_launcher_start(ds_launcher *launcher, uint64_t executor_id, const uint8_t *token,
                            ds_error *error)
{
    const ds_launch_spec *spec = &launcher->spec;
    char id[24], cores[16], memory[24], spill[24], parent[16];
    char variable[32 + 2 * DS_TOKEN_BYTES];
    snprintf(id, sizeof id, "%" PRIu64, executor_id);
    snprintf(cores, sizeof cores, "%u", spec->cores);
    snprintf(memory, sizeof memory, "%" PRIu64, spec->memory_bytes);
    snprintf(spill, sizeof spill, "%" PRIu64, spec->spill_bytes);
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    const char *argv[] = {"dstream",
                          "executor",
                          "--driver",
                          spec->url,
                          "--bulk",
                          spec->bulk,
                          "--app",
                          spec->app_id,
                          "--id",
                          id,
                          "--cores",
                          cores,
                          "--memory",
                          memory,
                          "--spill-folder",
                          spec->spill_folder,
                          "--spill",
                          spill,
                          "--parent",
                          parent,
                          "--log-level",
                          spec->log_level,
                          "--log-format",
                          spec->log_format,
                          spec->with_stdin ? "--with-stdin" : NULL,
                          NULL};
    char **env = with_token(token, variable, sizeof variable);
    pid_t pid;
    int failed = spawn(spec, (char *const *)argv, env, &pid);
    free(env);
    if (failed != 0)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "cannot start an executor: %s",
                            strerror(failed));
    launcher->list = ds_realloc(launcher->list, launcher->n + 1, sizeof *launcher->list);
    launcher->list[launcher->n++] = (process){executor_id, pid};
    return DS_OK;
}

void ds_launcher_kill(ds_launcher *launcher, uint64_t executor_id)
{
    for (size_t i = 0; i < launcher->n; i++)
        if (launcher->list[i].executor_id == executor_id)
            kill(launcher->list[i].pid, SIGKILL);
}

static void describe(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "its process was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "its process ended with status %d", WEXITSTATUS(status));
}

void ds_launcher_reap(ds_launcher *launcher, ds_exited_fn fn, void *arg)
{
    for (size_t i = 0; i < launcher->n;) {
        int status;
        process ended = launcher->list[i];
        if (waitpid(ended.pid, &status, WNOHANG) != ended.pid) {
            i++;
            continue;
        }
        launcher->list[i] = launcher->list[--launcher->n];
        char text[128];
        describe(status, text, sizeof text);
        if (fn != NULL)
            fn(arg, ended.executor_id, text);
    }
}

bool ds_launcher_wait(ds_launcher *launcher, int timeout_ms)
{
    int64_t deadline_us = ds_clock_mono_us() + (int64_t)timeout_ms * 1000;
    while (launcher->n > 0 && ds_clock_mono_us() < deadline_us) {
        ds_launcher_reap(launcher, NULL, NULL);
        if (launcher->n > 0)
            usleep(1000);
    }
    return launcher->n == 0;
}
