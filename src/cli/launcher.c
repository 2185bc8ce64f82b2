#include "cli/launcher.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cli/executor_threads.h"
#include "cli/secret.h"

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

#define LEAST_OF_SECRET 8u /* bytes */

#define ARGUMENTS 64 /* the most of an executor */

typedef struct process {
    uint64_t executor_id;
    pid_t pid;
} process;

struct ds_launcher {
    ds_launch_spec spec;
    ds_executor_threads *threads; /* or NULL: processes */
    process *list;
    size_t n;
};

ds_launcher *ds_launcher_new(const ds_launch_spec *spec)
{
    ds_launcher *launcher = ds_calloc(1, sizeof *launcher);
    launcher->spec = *spec;
    if (spec->threads)
        launcher->threads = ds_executor_threads_new(spec);
    return launcher;
}

bool ds_launcher_free(ds_launcher *launcher)
{
    if (launcher == NULL)
        return true;
    if (launcher->threads != NULL && !ds_executor_threads_free(launcher->threads))
        return false;
    for (size_t i = 0; i < launcher->n; i++)
        kill(launcher->list[i].pid, SIGKILL);
    for (size_t i = 0; i < launcher->n; i++)
        waitpid(launcher->list[i].pid, NULL, 0);
    free(launcher->list);
    free(launcher);
    return true;
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

static bool is_variable(const char *entry, const char *name)
{
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

/* Whether a variable of the environment tells the secret's text (NULL: there is none), or so much
 * of it that it is no coincidence: the app file may have it from there. */
static bool tells(const char *entry, const char *secret)
{
    const char *value = strchr(entry, '=');
    if (secret == NULL || value == NULL)
        return false;
    value++;
    const char *part = strlen(value) < strlen(secret) ? value : secret;
    return strcmp(value, secret) == 0 || (strlen(part) >= LEAST_OF_SECRET &&
                                          strstr(part == value ? secret : value, part) != NULL);
}

/* Secrets travel in the environment: a command line can be read by everyone. Ours is passed on
 * without those that are for others, and without the text of the app's, of which executors have the
 * key. The list is the caller's; what it points to is not. */
static char **environment(char *token, char *key, const char *secret)
{
    static const char *const ours[] = {DS_TOKEN_VARIABLE, DS_KEY_VARIABLE, DS_SECRET_VARIABLE};
    size_t n = 0, kept = 0;
    while (environ[n] != NULL)
        n++;
    char **env = ds_calloc(n + 3, sizeof *env);
    env[kept++] = token;
    if (key != NULL)
        env[kept++] = key;
    for (size_t i = 0; i < n; i++) {
        bool keep = !tells(environ[i], secret);
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            keep = keep && !is_variable(environ[i], ours[k]);
        if (keep)
            env[kept++] = environ[i];
    }
    return env;
}

/* Puts options that are not always there behind the others. */
static void add_options(const ds_launch_spec *spec, const char **argv, size_t room)
{
    const struct {
        const char *option, *value;
    } more[] = {{"--tls-cert", spec->tls.cert},
                {"--tls-key", spec->tls.key},
                {"--tls-ca", spec->tls.ca},
                {"--tls-name", spec->tls.name}};
    size_t n = 0;
    while (argv[n] != NULL)
        n++;
    if (spec->with_stdin)
        argv[n++] = "--with-stdin";
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        if (more[i].value == NULL)
            continue;
        DS_ASSERT(n + 2 < room);
        argv[n++] = more[i].option;
        argv[n++] = more[i].value;
    }
    argv[n] = NULL;
}

static ds_status start_process(ds_launcher *launcher, uint64_t executor_id, const uint8_t *token,
                               ds_error *error)
{
    const ds_launch_spec *spec = &launcher->spec;
    char id[24], cores[16], memory[24], spill[24], parent[16];
    char token_text[DS_SECRET_TEXT], key_text[DS_SECRET_TEXT];
    snprintf(id, sizeof id, "%" PRIu64, executor_id);
    snprintf(cores, sizeof cores, "%u", spec->cores);
    snprintf(memory, sizeof memory, "%" PRIu64, spec->memory_bytes);
    snprintf(spill, sizeof spill, "%" PRIu64, spec->spill_bytes);
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    const char *argv[ARGUMENTS] = {
        "dstream",          "executor",      "--driver",     spec->url,        "--bulk",
        spec->bulk,         "--app",         spec->app_id,   "--id",           id,
        "--cores",          cores,           "--memory",     memory,           "--spill-folder",
        spec->spill_folder, "--spill",       spill,          "--parent",       parent,
        "--log-level",      spec->log_level, "--log-format", spec->log_format, NULL};
    add_options(spec, argv, sizeof argv / sizeof *argv);
    ds_secret_give_hex(DS_TOKEN_VARIABLE, token, token_text);
    ds_secret_give_hex(DS_KEY_VARIABLE, spec->secret.key, key_text);
    char **env = environment(token_text, spec->secret.given ? key_text : NULL, spec->secret_text);
    pid_t pid;
    int failed = spawn(spec, (char *const *)argv, env, &pid);
    free(env);
    explicit_bzero(key_text, sizeof key_text);
    if (failed != 0)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "cannot start an executor: %s",
                            strerror(failed));
    launcher->list = ds_realloc(launcher->list, launcher->n + 1, sizeof *launcher->list);
    launcher->list[launcher->n++] = (process){executor_id, pid};
    return DS_OK;
}

ds_status ds_launcher_start(ds_launcher *launcher, uint64_t executor_id, const uint8_t *token,
                            ds_error *error)
{
    return launcher->threads != NULL
               ? ds_executor_threads_start(launcher->threads, executor_id, token, error)
               : start_process(launcher, executor_id, token, error);
}

void ds_launcher_kill(ds_launcher *launcher, uint64_t executor_id)
{
    for (size_t i = 0; i < launcher->n; i++)
        if (launcher->list[i].executor_id == executor_id)
            kill(launcher->list[i].pid, SIGKILL);
}

/* The state stands behind the name, which is in brackets and may hold anything. */
static char state_of(pid_t pid)
{
    char path[32], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 'X';
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end != NULL && name_end[1] == ' ' ? name_end[2] : 'X';
}

bool ds_launcher_can_run(const ds_launcher *launcher, uint64_t executor_id)
{
    if (launcher->threads != NULL)
        return true; /* as we can */
    for (size_t i = 0; i < launcher->n; i++)
        if (launcher->list[i].executor_id == executor_id)
            return strchr("RSDI", state_of(launcher->list[i].pid)) != NULL;
    return false;
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
    if (launcher->threads != NULL)
        ds_executor_threads_reap(launcher->threads, fn, arg);
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
    if (launcher->threads != NULL)
        return ds_executor_threads_wait(launcher->threads, timeout_ms);
    int64_t deadline_us = ds_clock_mono_us() + (int64_t)timeout_ms * 1000;
    while (launcher->n > 0 && ds_clock_mono_us() < deadline_us) {
        ds_launcher_reap(launcher, NULL, NULL);
        if (launcher->n > 0)
            usleep(1000);
    }
    return launcher->n == 0;
}
