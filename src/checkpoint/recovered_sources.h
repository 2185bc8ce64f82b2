/*
 * The sources of an app that goes on from a checkpoint: those that it has, and had. Positions are
 * by the source's name; they go with it when it is taken out of the app, and mean nothing to one of
 * another type. What begins anew for that is told, in a run and before it.
 */
#ifndef DS_CHECKPOINT_RECOVERED_SOURCES_H
#define DS_CHECKPOINT_RECOVERED_SOURCES_H

#include "checkpoint/journal.h"

/* Whether the positions are those of such a source: of the same type, or received as well. */
bool ds_recovered_fits(const ds_recovered_source *recovered, const ds_app_source *source);

/* Whether a source gives inputs of this kind: others that a batch has were given by one of another
 * type. */
bool ds_source_gives(const ds_app_source *source, ds_input_kind kind);

/* Calls say with a sentence for each source that begins anew, or that the app has no more. */
void ds_recovered_tell_sources(const ds_recovered *recovered, const ds_plan *plan,
                               void (*say)(void *arg, const char *text), void *arg);

#endif
