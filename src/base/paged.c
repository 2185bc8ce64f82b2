/*
 * A window of addresses is reserved once, several times as large as the file and the share may
 * become, and runs of it are mapped to ranges of the file:
 *
 *     pools     of which small pieces are made, by pages
 *     arrays    large pieces, one run each; one that grows gets a range of the file behind what it
 *               has
 *
 * Arrays that grow are here from LEAST_GROWING on, also those that are ordinary memory: they begin
 * with a head of it, as long as the share lasts. They have many times the addresses that they need,
 * which cost nothing, so they stay where they are: nothing is copied, nothing is cleared before it
 * is touched, and no page is lost, so no growth costs more than another, however large the array
 * is. One that outgrows its addresses, at 64 MiB for the first time, is copied to others.
 *
 * Addresses that are not mapped to the file stay reserved (PROT_NONE), so nothing else ever gets
 * one of them, and one call for what lies between two heads lets go of all pages there.
 *
 * Which pages are resident only the system knows, and asking costs some 20 us. So faults of threads
 * are counted first, each for as much as the system maps around a page that is read; when
 * these may be too many it is asked. Tables of who used what last would not pay: a batch visits
 * all partitions in turn, which is the worst case of any order by time, and letting go of all
 * costs at most as many faults again as were needed to fill the room.
 */
#include "base/paged.h"

#include "base/assert.h"
#include "base/extents.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define GROWTH 4u /* an array that grows has so many times the addresses, ... */
#define LEAST_ROOM ((uint64_t)64 << 20) /* ... and so many at least */
#define LEAST_WINDOW ((uint64_t)64 << 30)
#define LEAST_GROWING ((size_t)256 << 10)
#define MOST_GROWING 16384u /* the system bounds mappings, too */
#define BITE ((uint64_t)128 << 10)
#define PAGE ((uint64_t)4096)
#define LEAST ((size_t)512) /* what is smaller is always ordinary memory */
#define LEAST_POOL ((uint64_t)64 << 10)
#define MOST_POOL ((uint64_t)4 << 20)
#define AROUND ((uint64_t)64 << 10) /* what one fault maps at most */
#define MOST_RANGES 32u
#define COPY_STEP ((size_t)256 << 10)
#define FEWEST_ROWS 16u
#define MOST_ROWS 64u
#define PLACES 8u /* that are touched for one row, about */

typedef struct range { /* of the file */
    uint64_t offset, length;
} range;

typedef struct run {
    uint64_t at, length; /* in the window */
    uint64_t room;       /* addresses that it has, from `at` on */
    uint64_t head;       /* of the length; ordinary memory, charged as such */
    bool pool;
    ds_extents pieces; /* of a pool */
    uint64_t misfit;   /* of a pool: so many bytes are not free in one place */
    uint32_t n_ranges;
    range ranges[MOST_RANGES];
} run;

struct ds_paged {
    ds_spill *spill; /* NULL: there is only memory */
    ds_paged_step_fn step;
    void *step_arg;
    uint64_t share_bytes, resident_bytes, pool_bytes;
    char *window;
    uint64_t window_bytes;
    pthread_mutex_t lock; /* guards what follows, to `recent` */
    ds_extents addresses; /* of the window */
    run **runs;           /* by address */
    size_t n_runs, runs_room, last_pool;
    run *empty; /* one pool without pieces is kept; NULL: there is none */
    _Atomic uint64_t used, recent;
    pthread_mutex_t relieving; /* guards what follows */
    int status_fd;
    uint64_t others; /* pages of files that are not ours */
    _Atomic uint64_t touched;
};

static uint64_t round_up(uint64_t n)
{
    return (n + PAGE - 1) / PAGE * PAGE;
}

/* ---- making ---- */

static char *reserve(uint64_t size)
{
    return mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* With addresses for a file and memory of so many bytes; NULL if there are none. */
static ds_paged *new_window(uint64_t file, uint64_t memory)
{
    uint64_t size = (file + memory / PAGE * PAGE) * 2 * GROWTH;
    size = size < LEAST_WINDOW ? LEAST_WINDOW : size;
    char *window = reserve(size);
    while (window == MAP_FAILED && size / 2 > file) {
        size = size / 2 / PAGE * PAGE;
        window = reserve(size);
    }
    if (window == MAP_FAILED)
        return NULL;
    ds_paged *paged = ds_calloc(1, sizeof *paged);
    paged->window = window;
    paged->window_bytes = size;
    paged->status_fd = -1;
    pthread_mutex_init(&paged->lock, NULL);
    pthread_mutex_init(&paged->relieving, NULL);
    ds_extents_init(&paged->addresses, size);
    return paged;
}

ds_paged *ds_paged_new(ds_spill *spill, uint64_t share_bytes, uint64_t resident_bytes)
{
    DS_ASSERT(resident_bytes < share_bytes);
    uint64_t file = spill == NULL ? 0 : ds_spill_size(spill);
    ds_paged *paged = file == 0 ? NULL : new_window(file, share_bytes);
    if (paged == NULL)
        return NULL;
    paged->spill = spill;
    paged->share_bytes = share_bytes;
    paged->resident_bytes = resident_bytes;
    uint64_t pool = file / 16 / PAGE * PAGE;
    paged->pool_bytes = pool < LEAST_POOL ? LEAST_POOL : pool > MOST_POOL ? MOST_POOL : pool;
    paged->status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    return paged;
}

ds_paged *ds_paged_new_memory(uint64_t bytes, ds_paged_step_fn step, void *arg)
{
    ds_paged *paged = new_window(0, bytes);
    if (paged == NULL)
        return NULL;
    paged->share_bytes = UINT64_MAX / 2;
    paged->step = step;
    paged->step_arg = arg;
    return paged;
}

void ds_paged_share(ds_paged *paged, uint64_t share_bytes, uint64_t resident_bytes)
{
    DS_ASSERT(resident_bytes < share_bytes && ds_paged_used(paged) == 0);
    paged->share_bytes = share_bytes;
    paged->resident_bytes = resident_bytes;
}

uint64_t ds_paged_used(const ds_paged *paged)
{
    return atomic_load(&paged->used);
}

uint64_t ds_paged_recent(ds_paged *paged)
{
    return atomic_exchange(&paged->recent, 0);
}

static bool is_ours(const ds_paged *paged, const void *p)
{
    uintptr_t at = (uintptr_t)p, from = (uintptr_t)paged->window;
    return at >= from && at - from < paged->window_bytes;
}

/* What of the budget is used besides the part for pages of the file, which is charged as a whole
 * while there are any. */
static uint64_t share_used(const ds_paged *paged, const ds_budget *budget)
{
    uint64_t bytes = (uint64_t)atomic_load(&budget->used_bytes);
    return ds_paged_used(paged) > 0 ? bytes : bytes + paged->resident_bytes;
}

static bool fits_share(const ds_paged *paged, const ds_budget *budget, uint64_t bytes)
{
    return share_used(paged, budget) + bytes <= paged->share_bytes;
}

static void count(ds_paged *paged, ds_budget *budget, uint64_t more, uint64_t less)
{
    uint64_t before = atomic_load(&paged->used), now = before + more - less;
    atomic_store(&paged->used, now);
    atomic_fetch_add(&paged->recent, more);
    if ((before == 0) != (now == 0))
        ds_budget_charge(budget, now > 0 ? (int64_t)paged->resident_bytes
                                         : -(int64_t)paged->resident_bytes);
}

/* ---- runs ---- */

/* Where a run is, or would be, in the list. */
static size_t place_of(const ds_paged *paged, uint64_t at)
{
    size_t low = 0, high = paged->n_runs;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (paged->runs[middle]->at + paged->runs[middle]->length <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void list_run(ds_paged *paged, run *r)
{
    if (paged->n_runs == paged->runs_room) {
        paged->runs_room = paged->runs_room == 0 ? 64 : paged->runs_room * 2;
        paged->runs = ds_realloc(paged->runs, paged->runs_room, sizeof(run *));
    }
    size_t i = place_of(paged, r->at);
    memmove(&paged->runs[i + 1], &paged->runs[i], (paged->n_runs - i) * sizeof(run *));
    paged->runs[i] = r;
    paged->n_runs++;
}

static void unlist_run(ds_paged *paged, size_t i)
{
    paged->n_runs--;
    memmove(&paged->runs[i], &paged->runs[i + 1], (paged->n_runs - i) * sizeof(run *));
}

static run *run_at(const ds_paged *paged, const void *p, size_t *i)
{
    uint64_t at = (uint64_t)((const char *)p - paged->window);
    *i = place_of(paged, at);
    DS_ASSERT(*i < paged->n_runs && paged->runs[*i]->at <= at);
    return paged->runs[*i];
}

/* Adds a range of the file to a run that is not mapped yet. */
static bool add_range(ds_paged *paged, run *r, uint64_t length, bool *cleared)
{
    range *made = &r->ranges[r->n_ranges];
    if (r->n_ranges == MOST_RANGES ||
        ds_spill_take(paged->spill, length, &made->offset, NULL) != DS_OK)
        return false;
    made->length = length;
    if (ds_spill_back(paged->spill, made->offset, length, cleared, NULL) != DS_OK) {
        ds_spill_give(paged->spill, made->offset, length);
        return false;
    }
    r->n_ranges++;
    r->length += length;
    return true;
}

static void drop_range(ds_paged *paged, run *r)
{
    r->n_ranges--;
    ds_spill_give(paged->spill, r->ranges[r->n_ranges].offset, r->ranges[r->n_ranges].length);
    r->length -= r->ranges[r->n_ranges].length;
}

/* Takes addresses back, which stay reserved. With too many mappings in the process that is refused:
 * then they have no pages, and are nobody's any more. */
static void unmap(ds_paged *paged, uint64_t at, uint64_t length)
{
    void *there = mmap(paged->window + at, length, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (there == MAP_FAILED)
        madvise(paged->window + at, length, MADV_DONTNEED);
    else
        ds_extents_give(&paged->addresses, at, length);
}

/* For the length of a run, and for its growth, as far as there are any. */
static bool take_addresses(ds_paged *paged, run *r, bool grows)
{
    uint64_t plenty = r->length * GROWTH;
    const uint64_t rooms[] = {plenty < LEAST_ROOM ? LEAST_ROOM : plenty, plenty, r->length};
    for (uint32_t i = grows ? 0 : 2; i < 3; i++) {
        r->room = rooms[i];
        if (ds_extents_take(&paged->addresses, r->room, &r->at))
            return true;
    }
    return false;
}

/* Maps a range. Pages come one by one as they are touched (without MADV_RANDOM they would come in
 * pieces of up to megabytes), small ones around those that are read. */
static bool map_range(ds_paged *paged, uint64_t at, const range *of)
{
    char *to = paged->window + at;
    if (mmap(to, of->length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
             ds_spill_fd(paged->spill), (off_t)of->offset) == MAP_FAILED)
        return false;
    madvise(to, of->length, MADV_RANDOM);
    return true;
}

static bool map_memory(ds_paged *paged, uint64_t at, uint64_t length)
{
    return mmap(paged->window + at, length, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* Maps the ranges of a run one behind the other, behind its head. */
static bool map(ds_paged *paged, run *r, bool grows)
{
    if (!take_addresses(paged, r, grows))
        return false;
    uint64_t to = r->at + r->head;
    for (uint32_t i = 0; i < r->n_ranges; i++) {
        if (!map_range(paged, to, &r->ranges[i])) {
            unmap(paged, r->at, r->room);
            return false;
        }
        to += r->ranges[i].length;
    }
    return true;
}

static run *make_run(ds_paged *paged, uint64_t length, bool grows, bool *cleared)
{
    run *r = ds_calloc(1, sizeof *r);
    if (add_range(paged, r, length, cleared)) {
        if (map(paged, r, grows)) {
            list_run(paged, r);
            return r;
        }
        drop_range(paged, r);
    }
    free(r);
    return NULL;
}

/* One of ordinary memory only, cleared. */
static run *make_head(ds_paged *paged, uint64_t length)
{
    if (paged->n_runs >= MOST_GROWING)
        return NULL;
    run *r = ds_calloc(1, sizeof *r);
    r->length = r->head = length;
    if (take_addresses(paged, r, true)) {
        if (map_memory(paged, r->at, length)) {
            list_run(paged, r);
            return r;
        }
        unmap(paged, r->at, r->room);
    }
    free(r);
    return NULL;
}

/* The pages of a head, bite by bite. */
static void give_back(const ds_paged *paged, const run *r)
{
    for (uint64_t at = 0; at < r->head && paged->step != NULL; at += BITE) {
        uint64_t n = r->head - at < BITE ? r->head - at : BITE;
        madvise(paged->window + r->at + at, n, MADV_DONTNEED);
        paged->step(paged->step_arg, n);
    }
}

static void free_run(ds_paged *paged, size_t i)
{
    run *r = paged->runs[i];
    unlist_run(paged, i);
    give_back(paged, r);
    unmap(paged, r->at, r->room);
    while (r->n_ranges > 0)
        drop_range(paged, r);
    if (r->pool)
        ds_extents_fini(&r->pieces);
    free(r);
}

void ds_paged_free(ds_paged *paged)
{
    if (paged == NULL)
        return;
    if (paged->empty != NULL)
        free_run(paged, 0);
    DS_ASSERT(paged->n_runs == 0);
    munmap(paged->window, paged->window_bytes);
    if (paged->status_fd >= 0)
        close(paged->status_fd);
    ds_extents_fini(&paged->addresses);
    pthread_mutex_destroy(&paged->lock);
    pthread_mutex_destroy(&paged->relieving);
    free(paged->runs);
    free(paged);
}

/* Moves a head to where nothing is. Copied: to move pages (mremap) is refused for what is several
 * mappings, as a head that was moved before is, and may leave a hole behind, which is anybody's. */
static bool move_head(ds_paged *paged, uint64_t to, uint64_t from, uint64_t length)
{
    if (length == 0)
        return true;
    if (!map_memory(paged, to, length))
        return false;
    for (uint64_t at = 0; at < length; at += BITE) {
        uint64_t n = length - at < BITE ? length - at : BITE;
        char *gone = paged->window + from + at;
        memcpy(paged->window + to + at, gone, n);
        madvise(gone, n, MADV_DONTNEED); /* it is not there twice */
    }
    return true;
}

/* Finds addresses for an array and so much more; false: it stays where it is. */
static bool move_run(ds_paged *paged, size_t i, uint64_t more)
{
    run *r = paged->runs[i], before = *r;
    r->length += more;
    bool moved = map(paged, r, true);
    r->length = before.length;
    if (moved && !move_head(paged, r->at, before.at, r->head)) {
        unmap(paged, r->at, r->room);
        moved = false;
    }
    if (!moved) {
        r->at = before.at;
        r->room = before.room;
        return false;
    }
    uint64_t to = r->at;
    r->at = before.at;
    unlist_run(paged, i);
    r->at = to;
    unmap(paged, before.at, before.room);
    list_run(paged, r);
    return true;
}

/* Makes an array longer; false: it stays as it is. */
static bool lengthen(ds_paged *paged, ds_budget *budget, run *r, uint64_t more, bool *cleared)
{
    uint64_t end = r->at + r->length;
    if (r->n_ranges == 0 && fits_share(paged, budget, more)) {
        if (!map_memory(paged, end, more))
            return false;
        r->head += more;
        r->length += more;
        ds_budget_charge(budget, (int64_t)more);
        *cleared = true;
        return true;
    }
    if (!add_range(paged, r, more, cleared))
        return false;
    if (map_range(paged, end, &r->ranges[r->n_ranges - 1])) {
        count(paged, budget, more, 0);
        return true;
    }
    drop_range(paged, r);
    return false;
}

/* ---- pools ---- */

static bool take_piece(ds_paged *paged, run *r, uint64_t length, uint64_t *at)
{
    if (!r->pool || length >= r->misfit)
        return false;
    if (!ds_extents_take(&r->pieces, length, at)) {
        r->misfit = length;
        return false;
    }
    *at += r->at;
    if (r == paged->empty)
        paged->empty = NULL;
    return true;
}

static bool find_piece(ds_paged *paged, uint64_t length, uint64_t *at)
{
    if (paged->last_pool < paged->n_runs &&
        take_piece(paged, paged->runs[paged->last_pool], length, at))
        return true;
    for (size_t i = 0; i < paged->n_runs; i++)
        if (take_piece(paged, paged->runs[i], length, at)) {
            paged->last_pool = i;
            return true;
        }
    return false;
}

static bool make_pool(ds_paged *paged)
{
    bool cleared;
    run *r = make_run(paged, paged->pool_bytes, false, &cleared);
    if (r == NULL)
        return false;
    r->pool = true;
    r->misfit = UINT64_MAX;
    ds_extents_init(&r->pieces, r->length);
    return true;
}

static void give_piece(ds_paged *paged, size_t i, const void *p, uint64_t length)
{
    run *r = paged->runs[i];
    ds_extents_give(&r->pieces, (uint64_t)((const char *)p - paged->window) - r->at, length);
    r->misfit = UINT64_MAX;
    if (r->pieces.used > 0)
        return;
    if (paged->empty != NULL)
        free_run(paged, i);
    else
        paged->empty = r;
}

/* ---- allocating ---- */

static bool is_small(const ds_paged *paged, uint64_t length)
{
    return length <= paged->pool_bytes / 4;
}

/* With the lock. *cleared: it is zero. */
static void *take(ds_paged *paged, ds_budget *budget, size_t size, bool grows, bool *cleared)
{
    uint64_t length = round_up(size), at = 0;
    *cleared = false;
    if (is_small(paged, length)) {
        if (!find_piece(paged, length, &at) &&
            !(make_pool(paged) && find_piece(paged, length, &at)))
            return NULL;
    } else {
        const run *made = make_run(paged, length, grows, cleared);
        if (made == NULL)
            return NULL;
        at = made->at;
    }
    count(paged, budget, length, 0);
    return paged->window + at;
}

static void *take_if_short(ds_paged *paged, ds_budget *budget, size_t old, size_t size, bool grows,
                           bool *cleared)
{
    void *p = NULL;
    if (size < LEAST || fits_share(paged, budget, size - old))
        return NULL;
    pthread_mutex_lock(&paged->lock);
    p = take(paged, budget, size, grows, cleared);
    pthread_mutex_unlock(&paged->lock);
    return p;
}

void *ds_paged_alloc(ds_paged *paged, ds_budget *budget, size_t size)
{
    bool cleared;
    return take_if_short(paged, budget, 0, size, false, &cleared);
}

bool ds_paged_give(ds_paged *paged, ds_budget *budget, void *p, size_t size)
{
    if (!is_ours(paged, p))
        return false;
    pthread_mutex_lock(&paged->lock);
    size_t i;
    const run *r = run_at(paged, p, &i);
    uint64_t head = r->head, length = r->pool ? round_up(size) : r->length - head;
    if (r->pool)
        give_piece(paged, i, p, length);
    else
        free_run(paged, i);
    count(paged, budget, 0, length);
    pthread_mutex_unlock(&paged->lock);
    ds_budget_charge(budget, -(int64_t)head);
    return true;
}

/* ---- resizing ---- */

static void copy(ds_paged *paged, char *to, const char *from, size_t n)
{
    for (size_t at = 0; at < n; at += COPY_STEP) {
        memcpy(to + at, from + at, n - at < COPY_STEP ? n - at : COPY_STEP);
        ds_paged_relieve(paged);
    }
}

static void clear(ds_paged *paged, char *to, size_t n)
{
    for (size_t at = 0; at < n; at += COPY_STEP) {
        memset(to + at, 0, n - at < COPY_STEP ? n - at : COPY_STEP);
        ds_paged_relieve(paged);
    }
}

/* Ordinary memory that becomes too large. */
static void *move_out(ds_paged *paged, ds_budget *budget, void *p, size_t old, size_t size)
{
    bool cleared;
    char *to = size <= old ? NULL : take_if_short(paged, budget, old, size, true, &cleared);
    if (to == NULL)
        return NULL;
    copy(paged, to, p, old);
    if (!cleared)
        clear(paged, to + old, size - old);
    ds_budget_free(budget, p, old);
    return to;
}

/* Ordinary memory that is large enough to grow where it is from now on. */
static void *move_in(ds_paged *paged, ds_budget *budget, void *p, size_t old, size_t size)
{
    if (size < LEAST_GROWING || size <= old)
        return NULL;
    pthread_mutex_lock(&paged->lock);
    const run *r = make_head(paged, round_up(size));
    char *to = r == NULL ? NULL : paged->window + r->at;
    pthread_mutex_unlock(&paged->lock);
    if (to == NULL)
        return NULL;
    ds_budget_charge(budget, (int64_t)round_up(size));
    if (old > 0)
        memcpy(to, p, old);
    ds_budget_free(budget, p, old);
    return to;
}

/* An array where it is, or made longer; false if neither can be. It may have moved all the same.
 * *zero: what lies behind it is. */
static bool resize_array(ds_paged *paged, ds_budget *budget, void **p, size_t size, uint64_t *zero)
{
    pthread_mutex_lock(&paged->lock);
    size_t i;
    run *r = run_at(paged, *p, &i);
    uint64_t before = r->length, length = round_up(size);
    bool cleared = false, done = !r->pool && length <= before;
    if (!r->pool && !done) {
        done = (length <= r->room || move_run(paged, i, length - before)) &&
               lengthen(paged, budget, r, length - before, &cleared);
        *p = paged->window + r->at;
    }
    *zero = cleared ? before : UINT64_MAX;
    pthread_mutex_unlock(&paged->lock);
    return done;
}

/* To another place, which may be ordinary memory: disk is short then. */
static void *move(ds_paged *paged, ds_budget *budget, void *p, size_t old, size_t size)
{
    bool cleared = false;
    size_t kept = old < size ? old : size;
    pthread_mutex_lock(&paged->lock);
    char *to = take(paged, budget, size, true, &cleared);
    pthread_mutex_unlock(&paged->lock);
    if (to == NULL) {
        to = ds_alloc(size);
        cleared = false;
        ds_budget_charge(budget, (int64_t)size);
    }
    copy(paged, to, p, kept);
    if (!cleared)
        clear(paged, to + kept, size - kept);
    ds_paged_give(paged, budget, p, old);
    return to;
}

void *ds_paged_resize(ds_paged *paged, ds_budget *budget, void *p, size_t old, size_t size)
{
    if (p == NULL || !is_ours(paged, p)) {
        void *moved = move_out(paged, budget, p, old, size);
        return moved != NULL ? moved : move_in(paged, budget, p, old, size);
    }
    uint64_t zero;
    if (!resize_array(paged, budget, &p, size, &zero))
        return move(paged, budget, p, old, size);
    size_t end = zero < size ? (size_t)zero : size;
    if (end > old)
        clear(paged, (char *)p + old, end - old);
    return p;
}

/* ---- room ---- */

ds_status ds_paged_reserve(ds_paged *paged, const ds_budget *budget, uint64_t bytes,
                           ds_error *error)
{
    if (paged != NULL)
        return fits_share(paged, budget, bytes) ? DS_OK : ds_spill_ask(paged->spill, bytes, error);
    for (const ds_budget *b = budget; b != NULL; b = b->parent) {
        int64_t used = atomic_load(&b->used_bytes);
        if (b->limit_bytes > 0 &&
            (used > b->limit_bytes || bytes > (uint64_t)(b->limit_bytes - used)))
            return ds_error_set(error, DS_ERR_NO_MEMORY,
                                "what is kept from batch to batch may need %llu bytes more than "
                                "there is memory (executors.memory or limits.memory)",
                                (unsigned long long)bytes);
    }
    return DS_OK;
}

/* ---- pages ---- */

/* Pages of files that count as the process's own, in bytes; 0: not known. */
static uint64_t pages_of_files(const ds_paged *paged)
{
    static const char name[] = "RssFile:";
    char text[4096];
    ssize_t n = paged->status_fd < 0 ? 0 : pread(paged->status_fd, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + sizeof name - 1, NULL, 10) << 10;
}

static void let_go_between(const ds_paged *paged, uint64_t from, uint64_t to)
{
    if (from < to)
        madvise(paged->window + from, to - from, MADV_DONTNEED);
}

/* Of all pages but those of heads, which would be lost. With the lock, so that none is made. */
static void let_go(const ds_paged *paged)
{
    uint64_t from = 0;
    for (size_t i = 0; i < paged->n_runs; i++)
        if (paged->runs[i]->head > 0) {
            let_go_between(paged, from, paged->runs[i]->at);
            from = paged->runs[i]->at + paged->runs[i]->head;
        }
    let_go_between(paged, from, ds_extents_end(&paged->addresses));
}

/* Lets go of all pages if there are too many. */
static void check_pages(ds_paged *paged)
{
    uint64_t there = pages_of_files(paged);
    uint64_t ours = there > paged->others ? there - paged->others : 0;
    if (there == 0 || ours > paged->resident_bytes / 4 * 3) {
        pthread_mutex_lock(&paged->lock);
        let_go(paged);
        pthread_mutex_unlock(&paged->lock);
        paged->others = pages_of_files(paged);
        ours = 0;
    }
    atomic_store(&paged->touched, ours);
}

/* The faults of this thread since it was asked last, of whatever kind. */
static uint64_t recent_faults(void)
{
    static _Thread_local uint64_t seen;
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    uint64_t now = (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt, recent = now - seen;
    seen = now;
    return recent;
}

void ds_paged_relieve(ds_paged *paged)
{
    if (atomic_load_explicit(&paged->used, memory_order_relaxed) == 0)
        return;
    uint64_t more = recent_faults() * AROUND;
    if (more == 0 || atomic_fetch_add(&paged->touched, more) + more <= paged->resident_bytes)
        return;
    pthread_mutex_lock(&paged->relieving);
    if (atomic_load(&paged->touched) > paged->resident_bytes)
        check_pages(paged);
    pthread_mutex_unlock(&paged->relieving);
}

uint32_t ds_paged_rows(const ds_paged *paged)
{
    if (atomic_load_explicit(&paged->used, memory_order_relaxed) == 0)
        return UINT32_MAX;
    uint64_t rows = paged->resident_bytes / (AROUND * PLACES);
    return rows < FEWEST_ROWS ? FEWEST_ROWS : rows > MOST_ROWS ? MOST_ROWS : (uint32_t)rows;
}
