#include "receiver/tail_watch.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define WATCHED (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR)
#define PATH_BYTES 8192
#define PATIENCE 3u /* how often a stray may be missing: then it is gone */

typedef struct folder {
    int number; /* of inotify */
    char *path;
} folder;

typedef struct stray {
    uint64_t id; /* ascending */
    int folder;  /* number */
    char *name;
    uint32_t cookie; /* it is being renamed: the next event tells to what; 0: it is not */
    uint32_t missed;
    uint32_t renames; /* so far */
} stray;

struct ds_tail_watch {
    int fd;
    const char *pattern;
    folder *folders;
    uint32_t n_folders, folders_capacity;
    stray *strays;
    uint32_t n_strays, strays_capacity;
    uint64_t last_id;
};

ds_tail_watch *ds_tail_watch_new(const char *pattern)
{
    ds_tail_watch *watch = ds_calloc(1, sizeof *watch);
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    watch->pattern = pattern;
    return watch;
}

void ds_tail_watch_free(ds_tail_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->fd >= 0)
        close(watch->fd);
    for (uint32_t i = 0; i < watch->n_folders; i++)
        free(watch->folders[i].path);
    for (uint32_t i = 0; i < watch->n_strays; i++)
        free(watch->strays[i].name);
    free(watch->folders);
    free(watch->strays);
    free(watch);
}

int ds_tail_watch_fd(const ds_tail_watch *watch)
{
    return watch->fd;
}

/* ---- folders ---- */

static folder *find_folder(const ds_tail_watch *watch, int number)
{
    for (uint32_t i = 0; i < watch->n_folders; i++)
        if (watch->folders[i].number == number)
            return &watch->folders[i];
    return NULL;
}

void ds_tail_watch_add(ds_tail_watch *watch, const char *path)
{
    if (watch->fd < 0)
        return;
    /* The same folder has the same number, under whatever path; a new one of that path another. */
    int number = inotify_add_watch(watch->fd, path, WATCHED);
    if (number < 0 || find_folder(watch, number) != NULL)
        return;
    if (watch->n_folders == watch->folders_capacity) {
        watch->folders_capacity = watch->folders_capacity * 2 + 4;
        watch->folders =
            ds_realloc(watch->folders, watch->folders_capacity, sizeof *watch->folders);
    }
    watch->folders[watch->n_folders++] = (folder){number, ds_strdup(path)};
}

static void drop_folder(ds_tail_watch *watch, int number)
{
    folder *gone = find_folder(watch, number);
    if (gone == NULL)
        return;
    free(gone->path);
    *gone = watch->folders[--watch->n_folders];
}

/* ---- strays ---- */

static stray *find_stray(const ds_tail_watch *watch, int number, const char *name)
{
    for (uint32_t i = 0; i < watch->n_strays; i++) {
        stray *s = &watch->strays[i];
        if (s->folder == number && s->cookie == 0 && strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

static void drop_stray(ds_tail_watch *watch, stray *s)
{
    size_t at = (size_t)(s - watch->strays);
    free(s->name);
    watch->n_strays--;
    memmove(s, s + 1, (watch->n_strays - at) * sizeof *s);
}

static stray *add_stray(ds_tail_watch *watch, int number, const char *name)
{
    if (watch->n_strays == DS_WATCH_STRAYS)
        drop_stray(watch, &watch->strays[0]);
    if (watch->n_strays == watch->strays_capacity) {
        watch->strays_capacity = watch->strays_capacity * 2 + 4;
        watch->strays = ds_realloc(watch->strays, watch->strays_capacity, sizeof *watch->strays);
    }
    watch->strays[watch->n_strays] =
        (stray){.id = ++watch->last_id, .folder = number, .name = ds_strdup(name)};
    return &watch->strays[watch->n_strays++];
}

static bool counts(const ds_tail_watch *watch, const char *name)
{
    return fnmatch(watch->pattern, name, FNM_PERIOD) == 0;
}

static void on_moved_from(ds_tail_watch *watch, const struct inotify_event *event)
{
    stray *s = find_stray(watch, event->wd, event->name);
    if (s == NULL && counts(watch, event->name))
        s = add_stray(watch, event->wd, event->name);
    if (s != NULL)
        s->cookie = event->cookie;
}

static void on_moved_to(ds_tail_watch *watch, const struct inotify_event *event)
{
    stray *replaced = find_stray(watch, event->wd, event->name);
    if (replaced != NULL)
        drop_stray(watch, replaced);
    for (uint32_t i = 0; i < watch->n_strays; i++) {
        stray *s = &watch->strays[i];
        if (s->cookie == 0 || s->cookie != event->cookie)
            continue;
        free(s->name);
        *s = (stray){.id = s->id,
                     .folder = event->wd,
                     .name = ds_strdup(event->name),
                     .renames = s->renames + 1};
        return;
    }
}

static void on_event(ds_tail_watch *watch, const struct inotify_event *event)
{
    if ((event->mask & IN_IGNORED) != 0)
        drop_folder(watch, event->wd);
    if ((event->mask & IN_ISDIR) != 0 || event->len == 0)
        return;
    stray *s;
    if ((event->mask & IN_MOVED_FROM) != 0)
        on_moved_from(watch, event);
    else if ((event->mask & IN_MOVED_TO) != 0)
        on_moved_to(watch, event);
    else if ((event->mask & IN_DELETE) != 0 &&
             (s = find_stray(watch, event->wd, event->name)) != NULL)
        drop_stray(watch, s);
}

static bool take_events(ds_tail_watch *watch)
{
    char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool any = false;
    while (watch->fd >= 0) {
        ssize_t n = read(watch->fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        any = true;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)(bytes + at);
            on_event(watch, event);
            at += (ssize_t)sizeof *event + (ssize_t)event->len;
        }
    }
    return any;
}

/* The folder "." is not told, as it is not in what the pattern gives. */
static void path_of(const ds_tail_watch *watch, const stray *s, char *path, size_t size)
{
    const char *in = find_folder(watch, s->folder)->path;
    size_t length = strlen(in);
    if (strcmp(in, ".") == 0)
        snprintf(path, size, "%s", s->name);
    else
        snprintf(path, size, "%s%s%s", in, length > 0 && in[length - 1] == '/' ? "" : "/", s->name);
}

/* Waits until all renames in a folder that anybody has seen are told, too: the kernel tells them
 * before it lets go of the folder, and reading takes hold of it. */
static void settle(const ds_tail_watch *watch, int number)
{
    const folder *in = find_folder(watch, number);
    DIR *names = in == NULL ? NULL : opendir(in->path);
    if (names == NULL)
        return;
    (void)readdir(names);
    closedir(names);
}

/* Of renames whose second half was not told the last time: true if there are any. */
static bool settle_halves(const ds_tail_watch *watch)
{
    bool any = false;
    for (uint32_t i = 0; i < watch->n_strays; i++) {
        const stray *s = &watch->strays[i];
        if (s->cookie == 0 || s->missed == 0)
            continue;
        settle(watch, s->folder);
        any = true;
    }
    return any;
}

/* The two halves of a rename come close together, but whoever renames may be kept waiting between
 * them: a stray that still lacks the second one once its folder was free has left the folders. */
static bool drop_lost(ds_tail_watch *watch)
{
    const bool any = settle_halves(watch) && take_events(watch);
    for (uint32_t i = watch->n_strays; i > 0; i--) {
        stray *s = &watch->strays[i - 1];
        if ((s->cookie != 0 && s->missed++ > 0) || find_folder(watch, s->folder) == NULL)
            drop_stray(watch, s);
    }
    return any;
}

bool ds_tail_watch_drain(ds_tail_watch *watch)
{
    const bool any = take_events(watch);
    return drop_lost(watch) || any;
}

static stray *stray_after(const ds_tail_watch *watch, uint64_t id)
{
    for (uint32_t i = 0; i < watch->n_strays; i++)
        if (watch->strays[i].id > id)
            return &watch->strays[i];
    return NULL;
}

/* Looks at one stray. If its name changed meanwhile, that may have led to another file, or to none:
 * then it stays, nothing is held against it, and the result is true. */
static bool look_at(ds_tail_watch *watch, const stray *s,
                    ds_stray (*fn)(void *arg, const char *path), void *arg)
{
    uint64_t id = s->id;
    uint32_t renames = s->renames;
    char path[PATH_BYTES];
    path_of(watch, s, path, sizeof path);
    ds_stray found = fn(arg, path);
    settle(watch, s->folder);
    take_events(watch);
    stray *now = stray_after(watch, id - 1);
    if (now == NULL || now->id != id || now->cookie != 0 || now->renames != renames)
        return now != NULL && now->id == id;
    if (found == DS_STRAY_DONE || (found == DS_STRAY_MISSING && ++now->missed > PATIENCE))
        drop_stray(watch, now);
    return false;
}

bool ds_tail_watch_strays(ds_tail_watch *watch, ds_stray (*fn)(void *arg, const char *path),
                          void *arg)
{
    bool again = false;
    const uint64_t last = watch->last_id; /* later ones have their turn the next time */
    const stray *s;
    for (uint64_t id = 0; (s = stray_after(watch, id)) != NULL && s->id <= last;) {
        id = s->id;
        if (s->cookie == 0 && find_folder(watch, s->folder) != NULL)
            again = look_at(watch, s, fn, arg) || again;
    }
    return again || watch->last_id > last;
}
