/*
 * The driver's thread that looks at growing files (receiver/tail.h), for all sources `tail`.
 *
 * It has a thread of its own, as files appear and are rotated away whether or not a batch is due,
 * the disk is slow or the app is held up: then it opens them, so that they can be read later.
 */
#ifndef DS_CLI_FOLLOWER_H
#define DS_CLI_FOLLOWER_H

#include "base/arena.h"
#include "base/followed.h"
#include "dstream/app.h"

typedef struct ds_follower ds_follower;

/* Receives an answer, on the follower's thread; seen is good during the call. */
typedef void (*ds_follower_fn)(void *arg, uint32_t source, const ds_sightings *seen);

/* Starts the thread; NULL if the app has no source `tail`. app is borrowed. */
ds_follower *ds_follower_start(const ds_app *app, ds_follower_fn fn, void *arg);

/* Asks how the files of a source (an index in the app) are; request belongs to arena, which is
 * taken. Any thread; does not wait. */
void ds_follower_ask(ds_follower *follower, uint32_t source, const ds_follow_request *request,
                     ds_arena *arena);

/* Ends the thread, closes all files and frees; questions are not answered any more. NULL is fine.
 */
void ds_follower_stop(ds_follower *follower);

#endif
