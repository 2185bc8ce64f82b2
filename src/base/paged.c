/*
 * A window of addresses is reserved once, four times as large as the file may become, and runs of
 * it are mapped to ranges of the file:
 *
 *     pools     of which small pieces are made, by pages
 *     arrays    large pieces, one run each; one that grows gets a range of the file behind what it
 *               has, and is mapped anew where there is room for both. Nothing is copied.
 *
 * Addresses that are not mapped to the file stay reserved (PROT_NONE), so nothing else ever gets
 * one of them, and one call lets go of all pages whatever lies between.
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
    bool pool;
    ds_extents pieces; /* of a pool */
    uint64_t misfit;   /* of a pool: so many bytes are not free in one place */
    uint32_t n_ranges;
    range ranges[MOST_RANGES];
} run;

struct ds_paged {
    ds_spill *spill;
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

ds_paged *ds_paged_new(ds_spill *spill, uint64_t share_bytes, uint64_t resident_bytes)
{
    DS_ASSERT(resident_bytes < share_bytes);
    if (spill == NULL || ds_spill_size(spill) == 0)
        return NULL;
    uint64_t size = ds_spill_size(spill) * 4;
    char *window = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (window == MAP_FAILED)
        return NULL;
    ds_paged *paged = ds_calloc(1, sizeof *paged);
    paged->spill = spill;
    paged->share_bytes = share_bytes;
    paged->resident_bytes = resident_bytes;
    uint64_t pool = size / 64 / PAGE * PAGE;
    paged->pool_bytes = pool < LEAST_POOL ? LEAST_POOL : pool > MOST_POOL ? MOST_POOL : pool;
    paged->window = window;
    paged->window_bytes = size;
    pthread_mutex_init(&paged->lock, NULL);
    pthread_mutex_init(&paged->relieving, NULL);
    ds_extents_init(&paged->addresses, size);
    paged->status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
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

/* Takes addresses back, which stay reserved. */
static void unmap(ds_paged *paged, uint64_t at, uint64_t length)
{
    void *there = mmap(paged->window + at, length, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    DS_ASSERT(there != MAP_FAILED); /* it needs less than what was there */
    ds_extents_give(&paged->addresses, at, length);
}

/* Maps the ranges of a run one behind the other. Pages come one by one as they are touched (without
 * MADV_RANDOM they would come in pieces of up to megabytes), small ones around those that are read.
 */
static bool map(ds_paged *paged, run *r)
{
    if (!ds_extents_take(&paged->addresses, r->length, &r->at))
        return false;
    char *to = paged->window + r->at;
    for (uint32_t i = 0; i < r->n_ranges; i++) {
        if (mmap(to, r->ranges[i].length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                 ds_spill_fd(paged->spill), (off_t)r->ranges[i].offset) == MAP_FAILED) {
            unmap(paged, r->at, r->length);
            return false;
        }
        to += r->ranges[i].length;
    }
    madvise(paged->window + r->at, r->length, MADV_RANDOM);
    return true;
}

static run *make_run(ds_paged *paged, uint64_t length, bool *cleared)
{
    run *r = ds_calloc(1, sizeof *r);
    if (add_range(paged, r, length, cleared)) {
        if (map(paged, r)) {
            list_run(paged, r);
            return r;
        }
        drop_range(paged, r);
    }
    free(r);
    return NULL;
}

static void free_run(ds_paged *paged, size_t i)
{
    run *r = paged->runs[i];
    unlist_run(paged, i);
    unmap(paged, r->at, r->length);
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

/* Makes an array longer; false: it stays as it is. */
static bool lengthen(ds_paged *paged, size_t i, uint64_t more, bool *cleared)
{
    run *r = paged->runs[i];
    uint64_t at = r->at, length = r->length;
    if (!add_range(paged, r, more, cleared))
        return false;
    if (!map(paged, r)) {
        r->at = at;
        drop_range(paged, r);
        return false;
    }
    unlist_run(paged, i);
    unmap(paged, at, length);
    list_run(paged, r);
    return true;
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
    run *r = make_run(paged, paged->pool_bytes, &cleared);
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
static void *take(ds_paged *paged, ds_budget *budget, size_t size, bool *cleared)
{
    uint64_t length = round_up(size), at = 0;
    *cleared = false;
    if (is_small(paged, length)) {
        if (!find_piece(paged, length, &at) &&
            !(make_pool(paged) && find_piece(paged, length, &at)))
            return NULL;
    } else {
        const run *made = make_run(paged, length, cleared);
        if (made == NULL)
            return NULL;
        at = made->at;
    }
    count(paged, budget, length, 0);
    return paged->window + at;
}

static void *take_if_short(ds_paged *paged, ds_budget *budget, size_t old, size_t size,
                           bool *cleared)
{
    void *p = NULL;
    if (size < LEAST || fits_share(paged, budget, size - old))
        return NULL;
    pthread_mutex_lock(&paged->lock);
    p = take(paged, budget, size, cleared);
    pthread_mutex_unlock(&paged->lock);
    return p;
}

void *ds_paged_alloc(ds_paged *paged, ds_budget *budget, size_t size)
{
    bool cleared;
    return take_if_short(paged, budget, 0, size, &cleared);
}

bool ds_paged_give(ds_paged *paged, ds_budget *budget, void *p, size_t size)
{
    if (!is_ours(paged, p))
        return false;
    pthread_mutex_lock(&paged->lock);
    size_t i;
    const run *r = run_at(paged, p, &i);
    uint64_t length = r->pool ? round_up(size) : r->length;
    if (r->pool)
        give_piece(paged, i, p, length);
    else
        free_run(paged, i);
    count(paged, budget, 0, length);
    pthread_mutex_unlock(&paged->lock);
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
    char *to = size <= old ? NULL : take_if_short(paged, budget, old, size, &cleared);
    if (to == NULL)
        return NULL;
    copy(paged, to, p, old);
    if (!cleared)
        clear(paged, to + old, size - old);
    ds_budget_free(budget, p, old);
    return to;
}

/* An array where it is, or with a range more; NULL if neither can be. *zero: what lies behind it
 * is. */
static char *resize_array(ds_paged *paged, ds_budget *budget, void *p, size_t size, uint64_t *zero)
{
    pthread_mutex_lock(&paged->lock);
    size_t i;
    const run *r = run_at(paged, p, &i);
    uint64_t before = r->length, length = round_up(size);
    bool cleared = false;
    char *to = NULL;
    if (!r->pool && (length <= before || lengthen(paged, i, length - before, &cleared))) {
        to = paged->window + r->at;
        count(paged, budget, r->length - before, 0);
    }
    *zero = cleared ? before : UINT64_MAX;
    pthread_mutex_unlock(&paged->lock);
    return to;
}

/* To another place, which may be ordinary memory: disk is short then. */
static void *move(ds_paged *paged, ds_budget *budget, void *p, size_t old, size_t size)
{
    bool cleared = false;
    size_t kept = old < size ? old : size;
    pthread_mutex_lock(&paged->lock);
    char *to = take(paged, budget, size, &cleared);
    pthread_mutex_unlock(&paged->lock);
    if (to == NULL) {
        to = ds_alloc(size);
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
    if (p == NULL || !is_ours(paged, p))
        return move_out(paged, budget, p, old, size);
    uint64_t zero;
    char *to = resize_array(paged, budget, p, size, &zero);
    if (to == NULL)
        return move(paged, budget, p, old, size);
    size_t end = zero < size ? (size_t)zero : size;
    if (end > old)
        clear(paged, to + old, end - old);
    return to;
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

/* Lets go of all pages if there are too many. */
static void check_pages(ds_paged *paged)
{
    uint64_t there = pages_of_files(paged);
    uint64_t ours = there > paged->others ? there - paged->others : 0;
    if (there == 0 || ours > paged->resident_bytes / 4 * 3) {
        pthread_mutex_lock(&paged->lock);
        uint64_t end = ds_extents_end(&paged->addresses);
        pthread_mutex_unlock(&paged->lock);
        if (end > 0)
            madvise(paged->window, end, MADV_DONTNEED);
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
