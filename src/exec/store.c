#include "exec/store.h"

#include "base/assert.h"
#include "base/extents.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALIGNMENT ((uint64_t)64)
#define REST_BYTES ((uint64_t)64 << 20) /* that go back to the system in one go */

struct ds_store {
    int fd;
    uint64_t size;      /* of the memory */
    uint64_t disk_size; /* of the file behind it */
    char *bytes;        /* of both */
    ds_spill *spill;
    pthread_mutex_t lock; /* guards what follows */
    ds_extents extents;
    uint64_t touched;               /* where the memory ends that the system has given so far */
    uint64_t highest, highest_past; /* end of what was taken since the last rest; before it */
};

static uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static uint64_t page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Makes the sealed memory. Returns a descriptor, or -1 with errno. */
static int make_memory(uint64_t size)
{
    int fd = memfd_create("dstream-store", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)size) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
        return fd;
    int failed = errno;
    close(fd);
    errno = failed;
    return -1;
}

/* Maps the file behind the memory: one address for each offset. MAP_FAILED with errno. */
static void *map_both(int fd, uint64_t size, int protection, int spill_fd, uint64_t spill_size)
{
    if (spill_size == 0)
        return mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    char *all = mmap(NULL, size + spill_size, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED)
        return MAP_FAILED;
    if (mmap(all, size, protection, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED &&
        mmap(all + size, spill_size, PROT_READ, MAP_SHARED | MAP_FIXED, spill_fd, 0) != MAP_FAILED)
        return all;
    int failed = errno;
    munmap(all, size + spill_size);
    errno = failed;
    return MAP_FAILED;
}

ds_status ds_store_new(uint64_t bytes, ds_store **result, ds_error *error)
{
    return ds_store_new_spilling(bytes, NULL, result, error);
}

ds_status ds_store_new_spilling(uint64_t bytes, ds_spill *spill, ds_store **result, ds_error *error)
{
    DS_ASSERT(bytes > 0 && bytes <= (uint64_t)INT64_MAX / 2);
    uint64_t size = round_up(bytes, page_size());
    uint64_t disk_size = spill == NULL ? 0 : ds_spill_size(spill);
    int fd = make_memory(size);
    void *map = MAP_FAILED;
    if (fd >= 0)
        map = map_both(fd, size, PROT_READ | PROT_WRITE, disk_size > 0 ? ds_spill_fd(spill) : -1,
                       disk_size);
    if (map == MAP_FAILED) {
        ds_error_set(error, DS_ERR_IO, "cannot make a block store of %llu bytes: %s",
                     (unsigned long long)size, strerror(errno));
        if (fd >= 0)
            close(fd);
        return DS_ERR_IO;
    }
    ds_store *store = ds_calloc(1, sizeof *store);
    store->fd = fd;
    store->size = size;
    store->disk_size = disk_size;
    store->bytes = map;
    store->spill = spill;
    ds_extents_init(&store->extents, size);
    pthread_mutex_init(&store->lock, NULL);
    *result = store;
    return DS_OK;
}

void ds_store_free(ds_store *store)
{
    if (store == NULL)
        return;
    munmap(store->bytes, store->size + store->disk_size);
    close(store->fd);
    pthread_mutex_destroy(&store->lock);
    ds_extents_fini(&store->extents);
    free(store);
}

int ds_store_fd(const ds_store *store)
{
    return store->fd;
}

uint64_t ds_store_size(const ds_store *store)
{
    return store->size;
}

ds_spill *ds_store_spill(const ds_store *store)
{
    return store->spill;
}

char *ds_store_bytes(ds_store *store, uint64_t offset)
{
    DS_ASSERT(offset < store->size);
    return store->bytes + offset;
}

/* Bytes of a mapping of both parts: a range lies in one of them. */
static const char *range_of(const char *bytes, uint64_t size, uint64_t disk_size, uint64_t offset,
                            uint64_t length)
{
    uint64_t end = offset < size ? size : size + disk_size;
    return offset > end || length > end - offset ? NULL : bytes + offset;
}

const char *ds_store_range(const ds_store *store, uint64_t offset, uint64_t length)
{
    return range_of(store->bytes, store->size, store->disk_size, offset, length);
}

ds_status ds_store_read_disk(const ds_store *store, uint64_t offset, void *to, uint64_t length,
                             ds_error *error)
{
    DS_ASSERT(ds_store_is_on_disk(store, offset));
    return ds_spill_read(store->spill, offset - store->size, to, length, error);
}

/* ---- taking and giving ---- */

bool ds_store_take(ds_store *store, uint64_t length, uint64_t *offset)
{
    DS_ASSERT(length > 0);
    if (length > store->size)
        return false;
    pthread_mutex_lock(&store->lock);
    bool taken = ds_extents_take(&store->extents, round_up(length, ALIGNMENT), offset);
    if (taken && store->highest < *offset + length)
        store->highest = *offset + length;
    pthread_mutex_unlock(&store->lock);
    return taken;
}

static ds_status take_on_disk(ds_store *store, uint64_t length, uint64_t *offset, ds_error *error)
{
    ds_error why;
    ds_status status = ds_spill_take(store->spill, length, offset, &why);
    if (status != DS_OK)
        return ds_error_set(error, status,
                            "the block store is full (executors.memory sets its size): %s",
                            why.message);
    *offset += store->size;
    return DS_OK;
}

ds_status ds_store_take_any(ds_store *store, uint64_t length, uint64_t *offset, ds_error *error)
{
    if (ds_store_take(store, length, offset))
        return DS_OK;
    return take_on_disk(store, length, offset, error);
}

ds_status ds_store_take_disk(ds_store *store, uint64_t length, uint64_t *offset, ds_error *error)
{
    ds_status status = take_on_disk(store, length, offset, error);
    return status != DS_OK && ds_store_take(store, length, offset) ? DS_OK : status;
}

bool ds_store_is_on_disk(const ds_store *store, uint64_t offset)
{
    return offset >= store->size;
}

ds_status ds_store_put(ds_store *store, uint64_t offset, const void *bytes, uint64_t length,
                       ds_error *error)
{
    if (ds_store_is_on_disk(store, offset))
        return ds_spill_write(store->spill, offset - store->size, bytes, length, error);
    DS_ASSERT(length <= store->size - offset);
    memcpy(store->bytes + offset, bytes, length);
    return DS_OK;
}

void ds_store_trim(ds_store *store, uint64_t offset, uint64_t length, uint64_t kept)
{
    if (ds_store_is_on_disk(store, offset)) {
        ds_spill_trim(store->spill, offset - store->size, length, kept);
        return;
    }
    DS_ASSERT(offset % ALIGNMENT == 0 && offset <= store->size);
    DS_ASSERT(length <= store->size - offset && kept <= length);
    uint64_t end = round_up(offset + length, ALIGNMENT);
    uint64_t from = round_up(offset + kept, ALIGNMENT);
    if (from == end)
        return;
    pthread_mutex_lock(&store->lock);
    ds_extents_give(&store->extents, from, end - from);
    pthread_mutex_unlock(&store->lock);
}

void ds_store_give(ds_store *store, uint64_t offset, uint64_t length)
{
    ds_store_trim(store, offset, length, 0);
}

/* Reads one of the counters under the lock; the store is const to its reader only. */
static uint64_t read_counter(const ds_store *store, const uint64_t *counter)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&store->lock;
    pthread_mutex_lock(lock);
    uint64_t value = *counter;
    pthread_mutex_unlock(lock);
    return value;
}

uint64_t ds_store_used(const ds_store *store)
{
    return read_counter(store, &store->extents.used);
}

uint64_t ds_store_peak(const ds_store *store)
{
    return read_counter(store, &store->extents.peak);
}

/* ---- giving pages back ---- */

/* First-fit keeps what is used low: what lies above was needed for a while only. The lock is held
 * while the system takes the pages, since a range there may be taken next. */
void ds_store_rest(ds_store *store)
{
    pthread_mutex_lock(&store->lock);
    uint64_t highest = store->highest;
    if (store->touched < highest)
        store->touched = highest;
    if (highest < store->highest_past)
        highest = store->highest_past;
    uint64_t from = round_up(highest, page_size()), end = round_up(store->touched, page_size());
    if (from < end && end - from > REST_BYTES) /* it takes time: the rest, next time */
        from = end - REST_BYTES;
    if (from < end && fallocate(store->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                                (off_t)(end - from)) == 0)
        store->touched = from;
    store->highest_past = store->highest;
    store->highest = ds_extents_end(&store->extents);
    pthread_mutex_unlock(&store->lock);
}

void ds_store_forget(ds_store *store)
{
    if (store->disk_size > 0)
        madvise(store->bytes + store->size, store->disk_size, MADV_DONTNEED);
}

bool ds_store_shares(void)
{
    const char *setting = getenv("DSTREAM_SHARED_MEMORY");
    return setting == NULL || strcmp(setting, "off") != 0;
}

/* ---- stores of others ---- */

struct ds_store_view {
    int fd, spill_fd; /* spill_fd -1: no file */
    uint64_t size, disk_size;
    char *bytes;
};

/* True if fd is memory of this size that can never shrink: reading it is safe. */
static bool is_store(int fd, uint64_t bytes)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstat(fd, &st) == 0 &&
           (uint64_t)st.st_size == bytes;
}

/* Files cannot be sealed: that this one does not shrink is the word of its executor. */
static bool is_spill(int fd, uint64_t bytes)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes;
}

/* A descriptor of our own needs no /proc. */
static int open_path(const char *path)
{
    int pid, fd, end = 0;
    if (sscanf(path, "/proc/%d/fd/%d%n", &pid, &fd, &end) == 2 && path[end] == '\0' &&
        pid == (int)getpid())
        return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static ds_status open_part(const char *path, uint64_t bytes, bool (*fits)(int fd, uint64_t bytes),
                           int *result, ds_error *error)
{
    int fd = open_path(path);
    if (fd < 0)
        return ds_error_set(error, DS_ERR_LOST, "cannot open the block store %s: %s", path,
                            strerror(errno));
    *result = fd;
    if (bytes > 0 && bytes <= (uint64_t)INT64_MAX / 2 && fits(fd, bytes))
        return DS_OK;
    return ds_error_set(error, DS_ERR_LOST, "%s is not a block store of %llu bytes", path,
                        (unsigned long long)bytes);
}

static ds_status open_view(const ds_store_place *place, ds_store_view *view, ds_error *error)
{
    DS_TRY(open_part(place->path, place->bytes, is_store, &view->fd, error));
    view->size = place->bytes;
    if (place->spill_path != NULL && place->spill_path[0] != '\0') {
        DS_TRY(open_part(place->spill_path, place->spill_bytes, is_spill, &view->spill_fd, error));
        view->disk_size = place->spill_bytes;
    }
    void *map = map_both(view->fd, view->size, PROT_READ, view->spill_fd, view->disk_size);
    if (map == MAP_FAILED)
        return ds_error_set(error, DS_ERR_LOST, "cannot map the block store %s: %s", place->path,
                            strerror(errno));
    view->bytes = map;
    return DS_OK;
}

ds_status ds_store_view_open(const ds_store_place *place, ds_store_view **result, ds_error *error)
{
    ds_store_view *view = ds_calloc(1, sizeof *view);
    *view = (ds_store_view){.fd = -1, .spill_fd = -1};
    ds_status status = open_view(place, view, error);
    if (status == DS_OK)
        *result = view;
    else
        ds_store_view_close(view);
    return status;
}

void ds_store_view_close(ds_store_view *view)
{
    if (view == NULL)
        return;
    if (view->bytes != NULL)
        munmap(view->bytes, view->size + view->disk_size);
    if (view->fd >= 0)
        close(view->fd);
    if (view->spill_fd >= 0)
        close(view->spill_fd);
    free(view);
}

int ds_store_view_fd(const ds_store_view *view)
{
    return view->fd;
}

int ds_store_view_spill_fd(const ds_store_view *view)
{
    return view->spill_fd;
}

bool ds_store_view_is_on_disk(const ds_store_view *view, uint64_t offset)
{
    return offset >= view->size;
}

ds_status ds_store_view_read_disk(const ds_store_view *view, uint64_t offset, void *to,
                                  uint64_t length, ds_error *error)
{
    DS_ASSERT(ds_store_view_is_on_disk(view, offset));
    return ds_spill_read_fd(view->spill_fd, offset - view->size, to, length, error);
}

const char *ds_store_view_bytes(const ds_store_view *view, uint64_t offset, uint64_t length)
{
    return range_of(view->bytes, view->size, view->disk_size, offset, length);
}

void ds_store_view_forget(ds_store_view *view)
{
    if (view->disk_size > 0)
        madvise(view->bytes + view->size, view->disk_size, MADV_DONTNEED);
}
