/* The canonical form of a checked app file; ds_app_canonical (app.h) gives it as text. */
#ifndef DS_DSTREAM_APP_CANONICAL_H
#define DS_DSTREAM_APP_CANONICAL_H

#include <jansson.h>

/* Where the input of a test stands in a canonical text: as in the test itself. */
#define DS_APP_GIVEN "given"

/* A new tree in canonical order, made from the checked tree (which lends it its leaves). */
json_t *ds_app_canonical_tree(json_t *tree);

#endif
