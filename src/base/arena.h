/*
 * Arenas: memory that is handed out in order and freed whole.
 *
 * One belongs to a batch, a task or a chunk. Not thread-safe: an arena has one owner.
 */
#ifndef DS_BASE_ARENA_H
#define DS_BASE_ARENA_H

#include "base/memory.h"

typedef struct ds_arena ds_arena;

/* Makes an empty arena that charges budget (borrowed, may be NULL). Free with ds_arena_free. */
ds_arena *ds_arena_new(ds_budget *budget);

/* Frees the arena and all memory from it. NULL is allowed. */
void ds_arena_free(ds_arena *arena);

/* Returns size bytes, not cleared, aligned to 64 (to 16 below 64 bytes). Never NULL. */
void *ds_arena_alloc(ds_arena *arena, size_t size) __attribute__((returns_nonnull));

/* Returns n * size cleared bytes. Never NULL. */
void *ds_arena_calloc(ds_arena *arena, size_t n, size_t size) __attribute__((returns_nonnull));

/* Copies length bytes and a NUL into the arena. */
char *ds_arena_strndup(ds_arena *arena, const char *s, size_t length);
char *ds_arena_strdup(ds_arena *arena, const char *s);

/* As sprintf into the arena. */
char *ds_arena_printf(ds_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Has fn(arg) called when the arena is freed or reset, before its memory goes, the newest first:
 * for what something in the arena holds outside of it. */
void ds_arena_on_free(ds_arena *arena, void (*fn)(void *arg), void *arg);

/* Takes back everything handed out, and keeps one piece of memory for what comes next. */
void ds_arena_reset(ds_arena *arena);

/* The same, and keeps nothing: for what is needed now and then, in many places. */
void ds_arena_empty(ds_arena *arena);

/* Bytes reserved from the system by this arena. */
size_t ds_arena_bytes(const ds_arena *arena);

#define DS_ARENA_NEW(arena, type) ((type *)ds_arena_calloc((arena), 1, sizeof(type)))
#define DS_ARENA_ARRAY(arena, type, n) ((type *)ds_arena_calloc((arena), (n), sizeof(type)))

#endif
