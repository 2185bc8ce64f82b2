#include "base/arena.h"

#include "base/assert.h"
#include "base/paged.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PIECE ((size_t)16 << 10)
#define LAST_PIECE ((size_t)1 << 20)
#define LARGE ((size_t)64 << 10)

typedef struct piece {
    struct piece *next;
    size_t size; /* bytes behind this header */
    _Alignas(64) unsigned char bytes[];
} piece;

/* Called when the memory goes; in the arena itself. */
typedef struct hook {
    struct hook *next;
    void (*fn)(void *arg);
    void *arg;
} hook;

struct ds_arena {
    ds_budget *budget;
    hook *hooks;   /* newest first */
    piece *pieces; /* the one in use first */
    size_t used;   /* bytes of the first piece handed out */
    size_t next_size;
    size_t total; /* bytes of all pieces */
};

ds_arena *ds_arena_new(ds_budget *budget)
{
    ds_arena *arena = ds_calloc(1, sizeof *arena);
    arena->budget = budget;
    arena->next_size = FIRST_PIECE;
    return arena;
}

/* ---- pieces that are kept ---- */

/* Most arenas are small and live for a message or a task: their first piece is the one that the
 * thread gave back last, still in its cache. To get one from the system's heap and to merge it
 * there again costs more than many an arena is used for. */
#define KEPT_PIECES 4u

typedef struct kept_pieces {
    piece *first;
    uint32_t n;
    bool ends; /* drop_kept is told of the thread's end */
} kept_pieces;

static _Thread_local kept_pieces mine;
static pthread_key_t kept_key;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

/* Whoever looks for uses of freed memory is to find them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEPS_PIECES false
#elif defined(__has_feature)
#define KEEPS_PIECES (!__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer))
#else
#define KEEPS_PIECES true
#endif

static void drop_kept(void *arg)
{
    kept_pieces *theirs = arg;
    while (theirs->first != NULL) {
        piece *p = theirs->first;
        theirs->first = p->next;
        free(p);
    }
    *theirs = (kept_pieces){.n = KEPT_PIECES}; /* no more are kept */
}

static void make_kept_key(void)
{
    int result = pthread_key_create(&kept_key, drop_kept);
    DS_ASSERT(result == 0);
}

/* False if it is to be freed. */
static bool keep(piece *p)
{
    if (!KEEPS_PIECES || p->size != FIRST_PIECE || mine.n == KEPT_PIECES)
        return false;
    if (!mine.ends) {
        pthread_once(&kept_once, make_kept_key);
        mine.ends = pthread_setspecific(kept_key, &mine) == 0;
    }
    if (!mine.ends)
        return false;
    p->next = mine.first;
    mine.first = p;
    mine.n++;
    return true;
}

static piece *take_kept(size_t size)
{
    piece *p = size == FIRST_PIECE ? mine.first : NULL;
    if (p != NULL) {
        mine.first = p->next;
        mine.n--;
    }
    return p;
}

/* ---- pieces ---- */

static void piece_free(ds_arena *arena, piece *p)
{
    arena->total -= sizeof(piece) + p->size;
    ds_budget *budget = arena->budget;
    if (budget != NULL && budget->paged != NULL &&
        ds_paged_give(budget->paged, budget, p, sizeof(piece) + p->size))
        return;
    ds_budget_charge(budget, -(int64_t)(sizeof(piece) + p->size));
    if (!keep(p))
        free(p);
}

void ds_arena_on_free(ds_arena *arena, void (*fn)(void *arg), void *arg)
{
    hook *h = ds_arena_alloc(arena, sizeof *h);
    *h = (hook){arena->hooks, fn, arg};
    arena->hooks = h;
}

static void call_hooks(ds_arena *arena)
{
    for (const hook *h = arena->hooks; h != NULL; h = h->next)
        h->fn(h->arg);
    arena->hooks = NULL;
}

void ds_arena_empty(ds_arena *arena)
{
    call_hooks(arena);
    while (arena->pieces != NULL) {
        piece *p = arena->pieces;
        arena->pieces = p->next;
        piece_free(arena, p);
    }
    arena->used = 0;
    arena->next_size = FIRST_PIECE;
}

void ds_arena_free(ds_arena *arena)
{
    if (arena == NULL)
        return;
    ds_arena_empty(arena);
    free(arena);
}

static piece *new_piece(ds_arena *arena, size_t least)
{
    size_t size = (least + 63) & ~(size_t)63;
    DS_ASSERT(size >= least);
    ds_budget *budget = arena->budget;
    piece *p = NULL;
    if (budget != NULL && budget->paged != NULL)
        p = ds_paged_alloc(budget->paged, budget, sizeof(piece) + size);
    if (p == NULL) {
        p = take_kept(size);
        if (p == NULL)
            p = aligned_alloc(64, sizeof(piece) + size);
        if (p == NULL)
            p = ds_alloc(SIZE_MAX / 2); /* says so and aborts */
        ds_budget_charge(budget, (int64_t)(sizeof(piece) + size));
    }
    p->size = size;
    arena->total += sizeof(piece) + size;
    return p;
}

/* A piece for something large alone: the one in use stays in use, and those to come do not become
 * larger for it. */
static void *alloc_large(ds_arena *arena, size_t size)
{
    piece *p = new_piece(arena, size), *first = arena->pieces;
    p->next = first == NULL ? NULL : first->next;
    if (first != NULL) {
        first->next = p;
    } else {
        arena->pieces = p;
        arena->used = p->size;
    }
    return p->bytes;
}

static void add_piece(ds_arena *arena, size_t least)
{
    size_t size = arena->next_size < least ? least : arena->next_size;
    piece *p = new_piece(arena, size);
    p->next = arena->pieces;
    arena->pieces = p;
    arena->used = 0;
    arena->next_size = size * 2 > LAST_PIECE ? LAST_PIECE : size * 2;
}

void *ds_arena_alloc(ds_arena *arena, size_t size)
{
    size_t align = size >= 64 ? 64 : 16;
    size_t at = (arena->used + align - 1) & ~(align - 1);
    if (arena->pieces == NULL || at > arena->pieces->size || size > arena->pieces->size - at) {
        if (size > arena->next_size && size >= LARGE)
            return alloc_large(arena, size);
        add_piece(arena, size);
        at = 0;
    }
    arena->used = at + size;
    return arena->pieces->bytes + at;
}

void *ds_arena_calloc(ds_arena *arena, size_t n, size_t size)
{
    size_t bytes;
    DS_ASSERT(!__builtin_mul_overflow(n, size, &bytes));
    return memset(ds_arena_alloc(arena, bytes), 0, bytes);
}

char *ds_arena_strndup(ds_arena *arena, const char *s, size_t length)
{
    char *copy = ds_arena_alloc(arena, length + 1);
    memcpy(copy, s, length);
    copy[length] = '\0';
    return copy;
}

char *ds_arena_strdup(ds_arena *arena, const char *s)
{
    return ds_arena_strndup(arena, s, strlen(s));
}

char *ds_arena_printf(ds_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    DS_ASSERT(n >= 0);
    char *text = ds_arena_alloc(arena, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

void ds_arena_reset(ds_arena *arena)
{
    call_hooks(arena);
    /* The newest piece of ordinary size stays: a chunk after a large one starts small again. */
    piece *kept = NULL;
    while (arena->pieces != NULL) {
        piece *p = arena->pieces;
        arena->pieces = p->next;
        if (kept == NULL && p->size <= LAST_PIECE)
            kept = p;
        else
            piece_free(arena, p);
    }
    if (kept != NULL)
        kept->next = NULL;
    arena->pieces = kept;
    arena->used = 0;
}

size_t ds_arena_bytes(const ds_arena *arena)
{
    return arena->total;
}
