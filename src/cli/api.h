/*
 * The app's own HTTP interface (`api.listen`): /metrics, /health, /ready.
 *
 * A request is posted to the control's thread, which makes the page between two steps and hands it
 * back; so figures are consistent, and a page that does not come tells that the control stands
 * still. A page is used again for a tenth of a second, so that many requests cost it little.
 */
#ifndef DS_CLI_API_H
#define DS_CLI_API_H

#include "cli/metrics.h"

typedef struct ds_api ds_api;

/* Posts a request for a page to the control's thread. From the server's thread. */
typedef void (*ds_api_post_fn)(void *arg, uint64_t request, uint32_t page);

/* Listens where the app says; *api is NULL if it says nothing. DS_ERR_UNAVAILABLE if the address is
 * not to be had. */
ds_status ds_api_open(const ds_app *app, ds_api_post_fn post, void *arg, ds_api **api,
                      ds_error *error);

/* Answers a request that was posted. On the control's thread. */
void ds_api_answer(ds_api *api, uint64_t request, uint32_t page, const ds_plan *plan,
                   const ds_driver *driver, ds_loop_figures *loop);

/* NULL is allowed. Nothing is posted after it returns. */
void ds_api_close(ds_api *api);

#endif
