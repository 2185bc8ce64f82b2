/*
 * Named points at which a process may be told to die, as by kill -9: between two steps of which
 * the order matters (docs/checkpoint.md). For tests: they are part of builds with -DDS_INJECT=ON,
 * and nothing at all in others.
 *
 * DSTREAM_INJECT=NAME:N in the environment lets a process die when it passes that point for the
 * N-th time (the first, without N).
 */
#ifndef DS_BASE_INJECT_H
#define DS_BASE_INJECT_H

#ifdef DS_INJECT_POINTS
/* Dies here if it was told to. Any thread. */
void ds_inject(const char *point);
#define DS_INJECT(point) ds_inject(point)
#else
#define DS_INJECT(point) ((void)0)
#endif

#endif
