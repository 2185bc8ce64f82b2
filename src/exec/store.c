#include "exec/store.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALIGNMENT ((uint64_t)64)

typedef struct extent {
    uint64_t offset, length;
} extent;

/*
 * Free extents are sorted by offset and never touch each other. There are few of them: blocks
 * are freed in about the order in which they were taken, so neighbours join again.
 */
struct ds_store {
    int fd;
    uint64_t size;
    char *bytes;
    pthread_mutex_t lock; /* guards what follows */
    extent *free_extents;
    size_t n_free, capacity;
    uint64_t used, peak;
};

static uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
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

ds_status ds_store_new(uint64_t bytes, ds_store **result, ds_error *error)
{
    DS_ASSERT(bytes > 0 && bytes <= (uint64_t)INT64_MAX / 2);
    uint64_t size = round_up(bytes, (uint64_t)sysconf(_SC_PAGESIZE));
    int fd = make_memory(size);
    void *map = MAP_FAILED;
    if (fd >= 0)
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
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
    store->bytes = map;
    store->capacity = 16;
    store->free_extents = ds_calloc(store->capacity, sizeof *store->free_extents);
    store->free_extents[0] = (extent){0, size};
    store->n_free = 1;
    pthread_mutex_init(&store->lock, NULL);
    *result = store;
    return DS_OK;
}

void ds_store_free(ds_store *store)
{
    if (store == NULL)
        return;
    munmap(store->bytes, store->size);
    close(store->fd);
    pthread_mutex_destroy(&store->lock);
    free(store->free_extents);
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

char *ds_store_bytes(ds_store *store, uint64_t offset)
{
    DS_ASSERT(offset < store->size);
    return store->bytes + offset;
}

const char *ds_store_range(const ds_store *store, uint64_t offset, uint64_t length)
{
    if (offset > store->size || length > store->size - offset)
        return NULL;
    return store->bytes + offset;
}

static void remove_extent(ds_store *store, size_t i)
{
    store->n_free--;
    memmove(&store->free_extents[i], &store->free_extents[i + 1],
            (store->n_free - i) * sizeof *store->free_extents);
}

static void insert_extent(ds_store *store, size_t i, extent e)
{
    if (store->n_free == store->capacity) {
        store->capacity *= 2;
        store->free_extents =
            ds_realloc(store->free_extents, store->capacity, sizeof *store->free_extents);
    }
    memmove(&store->free_extents[i + 1], &store->free_extents[i],
            (store->n_free - i) * sizeof *store->free_extents);
    store->free_extents[i] = e;
    store->n_free++;
}

static bool take_locked(ds_store *store, uint64_t length, uint64_t *offset)
{
    for (size_t i = 0; i < store->n_free; i++) {
        extent *e = &store->free_extents[i];
        if (e->length < length)
            continue;
        *offset = e->offset;
        e->offset += length;
        e->length -= length;
        if (e->length == 0)
            remove_extent(store, i);
        store->used += length;
        if (store->peak < store->used)
            store->peak = store->used;
        return true;
    }
    return false;
}

bool ds_store_take(ds_store *store, uint64_t length, uint64_t *offset)
{
    DS_ASSERT(length > 0);
    if (length > store->size)
        return false;
    pthread_mutex_lock(&store->lock);
    bool taken = take_locked(store, round_up(length, ALIGNMENT), offset);
    pthread_mutex_unlock(&store->lock);
    return taken;
}

/* Index of the first free extent behind offset. */
static size_t find_behind(const ds_store *store, uint64_t offset)
{
    size_t low = 0, high = store->n_free;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (store->free_extents[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void give_locked(ds_store *store, uint64_t offset, uint64_t length)
{
    size_t i = find_behind(store, offset);
    extent *before = i > 0 ? &store->free_extents[i - 1] : NULL;
    extent *behind = i < store->n_free ? &store->free_extents[i] : NULL;
    /* What is given must have been taken: a range given twice would be handed out twice. */
    DS_ASSERT(before == NULL || before->offset + before->length <= offset);
    DS_ASSERT(behind == NULL || offset + length <= behind->offset);
    DS_ASSERT(length <= store->used);
    store->used -= length;
    bool joins_before = before != NULL && before->offset + before->length == offset;
    bool joins_behind = behind != NULL && offset + length == behind->offset;
    if (joins_before) {
        before->length += length + (joins_behind ? behind->length : 0);
        if (joins_behind)
            remove_extent(store, i);
    } else if (joins_behind) {
        behind->offset = offset;
        behind->length += length;
    } else {
        insert_extent(store, i, (extent){offset, length});
    }
}

void ds_store_trim(ds_store *store, uint64_t offset, uint64_t length, uint64_t kept)
{
    DS_ASSERT(offset % ALIGNMENT == 0 && offset <= store->size);
    DS_ASSERT(length <= store->size - offset && kept <= length);
    uint64_t end = round_up(offset + length, ALIGNMENT);
    uint64_t from = round_up(offset + kept, ALIGNMENT);
    if (from == end)
        return;
    pthread_mutex_lock(&store->lock);
    give_locked(store, from, end - from);
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
    return read_counter(store, &store->used);
}

uint64_t ds_store_peak(const ds_store *store)
{
    return read_counter(store, &store->peak);
}

bool ds_store_shares(void)
{
    const char *setting = getenv("DSTREAM_SHARED_MEMORY");
    return setting == NULL || strcmp(setting, "off") != 0;
}

struct ds_store_view {
    int fd;
    uint64_t size;
    const char *bytes;
};

/* True if fd is memory of this size that can never shrink: reading it is safe. */
static bool is_store(int fd, uint64_t bytes)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstat(fd, &st) == 0 &&
           (uint64_t)st.st_size == bytes;
}

ds_status ds_store_view_open(const char *path, uint64_t bytes, ds_store_view **result,
                             ds_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ds_error_set(error, DS_ERR_LOST, "cannot open the block store %s: %s", path,
                            strerror(errno));
    if (bytes == 0 || !is_store(fd, bytes)) {
        close(fd);
        return ds_error_set(error, DS_ERR_LOST, "%s is not a block store of %llu bytes", path,
                            (unsigned long long)bytes);
    }
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        ds_error_set(error, DS_ERR_LOST, "cannot map the block store %s: %s", path,
                     strerror(errno));
        close(fd);
        return DS_ERR_LOST;
    }
    ds_store_view *view = ds_calloc(1, sizeof *view);
    *view = (ds_store_view){.fd = fd, .size = bytes, .bytes = map};
    *result = view;
    return DS_OK;
}

void ds_store_view_close(ds_store_view *view)
{
    if (view == NULL)
        return;
    munmap((void *)view->bytes, view->size);
    close(view->fd);
    free(view);
}

int ds_store_view_fd(const ds_store_view *view)
{
    return view->fd;
}

const char *ds_store_view_bytes(const ds_store_view *view, uint64_t offset, uint64_t length)
{
    if (offset > view->size || length > view->size - offset)
        return NULL;
    return view->bytes + offset;
}
