#include "receiver/tail.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "receiver/followed.h"
#include "receiver/tail_names.h"
#include "receiver/tail_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCAN_EVERY_US 1000000 /* the glob, when nothing is told */
#define SCAN_LEAST_US 5000    /* between two, when something is */
#define SCAN_SHARE 10         /* or so many times as long as one took */
#define WINDOW ((uint64_t)64 << 10)
#define SETTLED_US 100000 /* a file that changed so short ago may change again unseen */
#define LOOKS 3           /* at a file that shrinks meanwhile */
#define PATH_BYTES 8192

/* A file that is held open. */
typedef struct slot {
    uint64_t device, inode;
    int fd;
    char *path;      /* that led to it last */
    bool named;      /* the pattern matches path, as far as the last scan knows */
    bool asked;      /* it is in the request that is being answered */
    bool told;       /* it was told as new */
    bool complained; /* it was told that it cannot be read, as it is new */
    int64_t away_us; /* since when its folder is not there (monotonic); 0: it is */
    struct stat was; /* when it was looked at last */
    bool settled;    /* and whether nothing can have changed since, if it is the same */
    ds_sighting seen;
} slot;

typedef struct denied_name {
    char *path;
    uint64_t device, inode;
} denied_name;

struct ds_tail {
    char *pattern;
    uint32_t record_limit;
    ds_tail_watch *watch;
    ds_tail_names names;
    slot *slots; /* in the order in which they were noticed */
    uint32_t n_slots, capacity;
    uint32_t beyond;
    int64_t scan_at_us;     /* at the latest */
    int64_t not_before_us;  /* the next one */
    int64_t find_at_us;     /* files that are known, and not open, are looked for at the latest */
    bool told;              /* names came or went since the last one */
    denied_name *denied;    /* names that cannot be opened */
    uint32_t n_denied;      /* so many of them, */
    uint32_t n_denied_told; /* of which these, the first ones, were told */
    ds_arena *arena;        /* of the answer */
    ds_sightings answer;
};

ds_tail *ds_tail_new(const char *pattern, uint32_t record_limit)
{
    ds_tail *tail = ds_calloc(1, sizeof *tail);
    tail->pattern = ds_strdup(pattern);
    tail->record_limit = record_limit;
    tail->watch = ds_tail_watch_new(ds_tail_names_last(tail->pattern));
    tail->arena = ds_arena_new(NULL);
    tail->scan_at_us = INT64_MAX; /* nothing is looked for before the first question */
    return tail;
}

static void close_slot(slot *s)
{
    close(s->fd);
    free(s->path);
}

static void forget_denied(denied_name *denied, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        free(denied[i].path);
    free(denied);
}

void ds_tail_free(ds_tail *tail)
{
    if (tail == NULL)
        return;
    for (uint32_t i = 0; i < tail->n_slots; i++)
        close_slot(&tail->slots[i]);
    free(tail->slots);
    forget_denied(tail->denied, tail->n_denied);
    ds_tail_names_fini(&tail->names);
    ds_tail_watch_free(tail->watch);
    ds_arena_free(tail->arena);
    free(tail->pattern);
    free(tail);
}

int ds_tail_poll_fd(const ds_tail *tail)
{
    return ds_tail_watch_fd(tail->watch);
}

int64_t ds_tail_due_us(const ds_tail *tail)
{
    return tail->told ? tail->not_before_us : tail->scan_at_us;
}

/* ---- slots ---- */

static slot *find_slot(const ds_tail *tail, uint64_t device, uint64_t inode)
{
    for (uint32_t i = 0; i < tail->n_slots; i++)
        if (tail->slots[i].inode == inode && tail->slots[i].device == device)
            return &tail->slots[i];
    return NULL;
}

/* The slot of the file that fd is open on, which is taken: an old one, or a new one. */
static slot *add_slot(ds_tail *tail, int fd, const char *path)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        close(fd);
        return NULL;
    }
    slot *old = find_slot(tail, st.st_dev, st.st_ino);
    if (old != NULL) {
        close(fd);
        return old;
    }
    if (tail->n_slots == tail->capacity) {
        tail->capacity = tail->capacity * 2 + 16;
        tail->slots = ds_realloc(tail->slots, tail->capacity, sizeof *tail->slots);
    }
    tail->slots[tail->n_slots] =
        (slot){.device = st.st_dev, .inode = st.st_ino, .fd = fd, .path = ds_strdup(path)};
    return &tail->slots[tail->n_slots++];
}

static void set_path(slot *s, const char *path)
{
    if (strcmp(s->path, path) == 0)
        return;
    free(s->path);
    s->path = ds_strdup(path);
}

/* ---- the glob ---- */

static void add_denied(ds_tail *tail, const ds_tail_name *name)
{
    if (tail->n_denied == DS_FOLLOW_FILES)
        return;
    tail->denied = ds_realloc(tail->denied, tail->n_denied + 1, sizeof *tail->denied);
    tail->denied[tail->n_denied++] =
        (denied_name){ds_strdup(name->path), name->device, name->inode};
}

static ds_stray open_stray(void *arg, const char *path)
{
    ds_tail *tail = arg;
    if (tail->n_slots >= DS_FOLLOW_FILES)
        return DS_STRAY_DONE;
    int fd = ds_open_regular(path);
    if (fd >= 0)
        return add_slot(tail, fd, path) != NULL ? DS_STRAY_DONE : DS_STRAY_UNKNOWN;
    if (errno == ENOENT || errno == ENOTDIR)
        return DS_STRAY_MISSING;
    return errno == EISDIR || errno == EACCES || errno == EPERM || errno == ELOOP
               ? DS_STRAY_DONE
               : DS_STRAY_UNKNOWN;
}

static void open_name(ds_tail *tail, const ds_tail_name *name)
{
    if (find_slot(tail, name->device, name->inode) != NULL)
        return;
    if (tail->n_slots >= DS_FOLLOW_FILES) {
        tail->beyond++;
        return;
    }
    int fd = ds_open_regular(name->path);
    if (fd >= 0)
        add_slot(tail, fd, name->path);
    else if (errno != ENOENT && errno != EISDIR)
        add_denied(tail, name);
}

static void watch_folder(void *arg, const char *folder)
{
    ds_tail_watch_add(arg, folder);
}

/* Names that were denied before and are again come first: they were told. */
static void sort_denied(ds_tail *tail, const denied_name *before, uint32_t n_before)
{
    tail->n_denied_told = 0;
    for (uint32_t i = 0; i < tail->n_denied; i++)
        for (uint32_t k = 0; k < n_before; k++)
            if (strcmp(tail->denied[i].path, before[k].path) == 0) {
                denied_name told = tail->denied[i];
                tail->denied[i] = tail->denied[tail->n_denied_told];
                tail->denied[tail->n_denied_told++] = told;
                break;
            }
}

static void open_names(ds_tail *tail)
{
    denied_name *denied = tail->denied;
    uint32_t n_denied = tail->n_denied, n_told = tail->n_denied_told;
    tail->denied = NULL;
    tail->n_denied = tail->beyond = 0;
    for (uint32_t i = 0; i < tail->names.n; i++)
        open_name(tail, &tail->names.list[i]);
    sort_denied(tail, denied, n_told);
    forget_denied(denied, n_denied);
}

/* A file that lost its name with its folder keeps it for a while, if it was not deleted: the folder
 * may come back, and the file would be a new one then. */
static bool keeps_name(slot *s, int64_t now_us)
{
    struct stat st;
    if (!s->named || (fstat(s->fd, &st) == 0 && st.st_nlink == 0) ||
        !ds_folder_is_away(s->path, s->device))
        return false;
    if (s->away_us == 0)
        s->away_us = now_us;
    return now_us - s->away_us < DS_FOLLOW_AWAY_US;
}

static void name_slot(const ds_tail *tail, slot *s, int64_t now_us)
{
    const char *path = ds_tail_names_of(&tail->names, s->device, s->inode, s->path);
    if (path == NULL && keeps_name(s, now_us))
        return;
    s->named = path != NULL;
    s->away_us = 0;
    if (path != NULL)
        set_path(s, path);
}

/* Strays are older than what has their names now. */
static void scan(ds_tail *tail, int64_t now_us)
{
    int64_t began_us = ds_clock_mono_us();
    ds_tail_names_folders(tail->pattern, watch_folder, tail->watch);
    ds_tail_watch_drain(tail->watch);
    bool again = ds_tail_watch_strays(tail->watch, open_stray, tail);
    ds_tail_names_find(&tail->names, tail->pattern);
    open_names(tail);
    for (uint32_t i = 0; i < tail->n_slots; i++)
        name_slot(tail, &tail->slots[i], now_us);
    int64_t rest_us = (ds_clock_mono_us() - began_us) * SCAN_SHARE;
    tail->not_before_us = now_us + (rest_us > SCAN_LEAST_US ? rest_us : SCAN_LEAST_US);
    tail->scan_at_us = now_us + (rest_us > SCAN_EVERY_US ? rest_us : SCAN_EVERY_US);
    tail->told = again;
}

static bool is_due(const ds_tail *tail, int64_t now_us)
{
    return now_us >= tail->scan_at_us || (tail->told && now_us >= tail->not_before_us);
}

void ds_tail_notice(ds_tail *tail, int64_t now_us)
{
    tail->told = ds_tail_watch_drain(tail->watch) || tail->told;
    if (is_due(tail, now_us))
        scan(tail, now_us);
}

/* ---- one file ---- */

/* Finds the end of the last whole line behind `taken`. False with errno, 0 if the file shrank. */
static bool find_complete(int fd, uint64_t size, uint64_t taken, uint32_t limit, uint64_t *complete)
{
    uint64_t most = (uint64_t)limit + 2;
    bool too_long = size - taken >= most; /* unless a line ends in the last bytes */
    uint64_t least = too_long ? size - most : taken;
    char bytes[WINDOW];
    for (uint64_t end = size; end > least;) {
        uint64_t from = end - least > WINDOW ? end - WINDOW : least;
        ssize_t got = pread(fd, bytes, end - from, (off_t)from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got >= 0)
            errno = 0;
        if (got != (ssize_t)(end - from))
            return false;
        const char *found = memrchr(bytes, '\n', end - from);
        if (found != NULL) {
            *complete = from + (uint64_t)(found - bytes) + 1;
            return true;
        }
        end = from;
    }
    /* A line that is too long already needs no end. */
    *complete = too_long ? size : taken;
    return true;
}

static void use_link(slot *s)
{
    char link[64], path[PATH_BYTES];
    snprintf(link, sizeof link, "/proc/self/fd/%d", s->fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    struct stat st;
    if (stat(path, &st) == 0 && st.st_ino == s->inode && st.st_dev == s->device)
        set_path(s, path); /* else it was deleted */
}

/* Whether others can open it: its permissions may have changed. */
static bool can_be_opened(const slot *s)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", s->fd);
    int fd = ds_open_regular(link);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno == ENOENT; /* where there is no /proc it is opened by its path */
}

static bool is_unchanged(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool is_settled(const struct stat *st)
{
    int64_t changed_us = (int64_t)st->st_ctim.tv_sec * 1000000 + st->st_ctim.tv_nsec / 1000;
    int64_t age_us = ds_clock_wall_us() - changed_us;
    return age_us > SETTLED_US;
}

/* Looks into a file of which `known` (NULL: nothing) was known. False with errno, 0 if it shrank
 * meanwhile. */
static bool look_into(const ds_tail *tail, slot *s, const ds_followed *known)
{
    ds_sighting *seen = &s->seen;
    if (fstat(s->fd, &s->was) != 0)
        return false;
    *seen = (ds_sighting){.what = DS_SIGHT_SEEN, .same_head = true};
    seen->size = (uint64_t)s->was.st_size;
    seen->id = (ds_file_id){.device = s->device, .inode = s->inode};
    uint64_t taken = known != NULL ? known->taken : 0;
    ds_head head = known != NULL ? ds_head_check(s->fd, &known->id) : DS_HEAD_SAME;
    if (head == DS_HEAD_UNREAD)
        return false;
    seen->same_head = head == DS_HEAD_SAME;
    if (!seen->same_head || seen->size < taken)
        taken = 0; /* it begins again */
    return find_complete(s->fd, seen->size, taken, tail->record_limit, &seen->complete) &&
           ds_head_read(s->fd, seen->size, &seen->id);
}

static bool is_the_same(const slot *s, const ds_followed *known)
{
    struct stat st;
    return s->settled && known != NULL && s->seen.what == DS_SIGHT_SEEN &&
           s->seen.id.head == known->id.head && s->seen.id.head_bytes == known->id.head_bytes &&
           fstat(s->fd, &st) == 0 && is_unchanged(&st, &s->was) && known->taken <= s->seen.size;
}

static void look_at(const ds_tail *tail, slot *s, const ds_followed *known)
{
    if (is_the_same(s, known)) {
        s->seen.same_head = true;
        if (s->seen.complete < known->taken)
            s->seen.complete = known->taken;
        return;
    }
    bool fine = false;
    errno = 0;
    for (int i = 0; i < LOOKS && !fine && errno == 0; i++)
        fine = look_into(tail, s, known);
    int why = fine ? 0 : errno;
    const bool open = fine && can_be_opened(s);
    if (fine && !open)
        why = errno;
    if (!open)
        s->seen = (ds_sighting){.what = DS_SIGHT_UNREADABLE,
                                .why = why != 0 ? ds_arena_strdup(tail->arena, strerror(why))
                                                : "it changes while it is read"};
    s->settled = open && is_settled(&s->was);
}

static ds_sighting sight_of(const ds_tail *tail, slot *s, const ds_followed *known)
{
    look_at(tail, s, known);
    if (!s->named)
        use_link(s);
    ds_sighting sighting = s->seen;
    sighting.number = known != NULL ? known->number : 0;
    sighting.path = s->path;
    sighting.named = s->named;
    sighting.pid = (uint32_t)getpid();
    sighting.fd = (uint32_t)s->fd;
    return sighting;
}

/* ---- the answer ---- */

/* A file that is not open: after a restart, or because it could not be opened so far. */
static ds_sighting find_known(ds_tail *tail, const ds_followed *known, int64_t now_us)
{
    int fd;
    char path[PATH_BYTES];
    ds_error error;
    ds_status status =
        ds_followed_open(known->path, &known->id, 0, 0, &fd, path, sizeof path, &error);
    if (status != DS_OK)
        return (ds_sighting){.what = status == DS_ERR_NO_INPUT      ? DS_SIGHT_GONE
                                     : status == DS_ERR_UNAVAILABLE ? DS_SIGHT_AWAY
                                                                    : DS_SIGHT_UNREADABLE,
                             .number = known->number,
                             .path = known->path,
                             .why = ds_arena_strdup(tail->arena, error.message)};
    slot *s = add_slot(tail, fd, path);
    if (s == NULL)
        return (ds_sighting){.what = DS_SIGHT_UNREADABLE,
                             .number = known->number,
                             .path = known->path,
                             .why = "it cannot be looked at"};
    s->asked = true;
    name_slot(tail, s, now_us);
    return sight_of(tail, s, known);
}

/* One that is not open is looked for now and then only: between that there is nothing to say. */
static void answer_known(ds_tail *tail, const ds_followed *known, const int64_t *scanned_us,
                         ds_sighting *list)
{
    slot *s = find_slot(tail, known->id.device, known->id.inode);
    if (s != NULL) {
        s->asked = true;
        list[tail->answer.n++] = sight_of(tail, s, known);
    } else if (scanned_us != NULL) {
        list[tail->answer.n++] = find_known(tail, known, *scanned_us);
    }
}

/* One that cannot be read is told again when it can. */
static void tell_new(ds_tail *tail, slot *s, ds_sighting *list)
{
    ds_sighting sighting = sight_of(tail, s, NULL);
    bool readable = sighting.what == DS_SIGHT_SEEN;
    if (readable || !s->complained)
        list[tail->answer.n++] = sighting;
    s->complained = !readable;
}

/* Tells files that are new, and closes those that nobody asks for any more. */
static void answer_new(ds_tail *tail, ds_sighting *list)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < tail->n_slots; i++) {
        slot *s = &tail->slots[i];
        if (!s->asked && s->told) {
            close_slot(s);
            continue;
        }
        if (!s->asked)
            tell_new(tail, s, list);
        s->told = s->told || s->asked || s->seen.what == DS_SIGHT_SEEN;
        s->asked = false;
        if (kept != i)
            tail->slots[kept] = *s;
        kept++;
    }
    tail->n_slots = kept;
}

static bool is_asked(const ds_follow_request *request, const denied_name *denied)
{
    for (uint32_t i = 0; i < request->n_files; i++)
        if (request->files[i].id.inode == denied->inode &&
            request->files[i].id.device == denied->device)
            return true;
    return false;
}

/* Tells names that cannot be opened, once. */
static void answer_denied(ds_tail *tail, const ds_follow_request *request, ds_sighting *list)
{
    for (; tail->n_denied_told < tail->n_denied; tail->n_denied_told++) {
        const denied_name *denied = &tail->denied[tail->n_denied_told];
        if (!is_asked(request, denied))
            list[tail->answer.n++] = (ds_sighting){
                .what = DS_SIGHT_UNREADABLE, .path = denied->path, .why = "it cannot be opened"};
    }
}

static bool lacks_some(const ds_tail *tail, const ds_follow_request *request)
{
    for (uint32_t i = 0; i < request->n_files; i++)
        if (find_slot(tail, request->files[i].id.device, request->files[i].id.inode) == NULL)
            return true;
    return false;
}

const ds_sightings *ds_tail_look(ds_tail *tail, const ds_follow_request *request, int64_t now_us)
{
    ds_arena_reset(tail->arena);
    tail->told = ds_tail_watch_drain(tail->watch) || tail->told;
    bool scanned = request->all || is_due(tail, now_us) ||
                   (now_us >= tail->find_at_us && lacks_some(tail, request));
    if (scanned) {
        scan(tail, now_us);
        tail->find_at_us = tail->scan_at_us; /* others may look at names before that */
    }
    size_t most = (size_t)request->n_files + tail->n_slots + tail->n_denied + 1;
    ds_sighting *list = DS_ARENA_ARRAY(tail->arena, ds_sighting, most);
    tail->answer = (ds_sightings){.list = list, .beyond = tail->beyond};
    for (uint32_t i = 0; i < request->n_files; i++)
        answer_known(tail, &request->files[i], scanned ? &now_us : NULL, list);
    answer_new(tail, list);
    answer_denied(tail, request, list);
    return &tail->answer;
}
