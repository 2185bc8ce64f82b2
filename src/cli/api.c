#include "cli/api.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "rpc/http.h"

#include <stdlib.h>
#include <string.h>

#define FRESH_US 100000 /* a page is as good as new for so long */

typedef enum page { METRICS, HEALTH, READY, PAGES } page;

static const char *const paths[PAGES] = {"/metrics", "/health", "/ready"};

struct ds_api {
    ds_http *http;
    ds_api_post_fn post;
    void *arg;
    ds_buffer metrics; /* the page ... */
    int64_t made_us;   /* ... as of then */
};

static bool on_request(void *arg, uint64_t request, const char *path)
{
    ds_api *api = arg;
    for (uint32_t i = 0; i < PAGES; i++) {
        if (strcmp(path, paths[i]) != 0)
            continue;
        api->post(api->arg, request, i);
        return true;
    }
    return false;
}

ds_status ds_api_open(const ds_app *app, ds_api_post_fn post, void *arg, ds_api **result,
                      ds_error *error)
{
    static const char late[] = "{\"alive\":false,\"ready\":false}\n";
    const ds_http_answer answer = {503, "application/json", late, sizeof late - 1};
    *result = NULL;
    if (app->api_listen == NULL)
        return DS_OK;
    ds_api *api = ds_calloc(1, sizeof *api);
    *api = (ds_api){.post = post, .arg = arg, .made_us = -FRESH_US};
    ds_error why;
    ds_status status =
        ds_http_open(app->api_host, app->api_port, &answer, on_request, api, &api->http, &why);
    if (status != DS_OK) {
        free(api);
        return ds_error_set(error, status, "api.listen: %s", why.message);
    }
    ds_log_info("metrics are at http://%s/metrics", app->api_listen);
    *result = api;
    return DS_OK;
}

static void answer_metrics(ds_api *api, uint64_t request, const ds_plan *plan,
                           const ds_driver *driver, const ds_loop_figures *loop)
{
    int64_t now_us = ds_clock_mono_us();
    if (now_us - api->made_us >= FRESH_US) {
        api->metrics.length = 0;
        ds_metrics_page(&api->metrics, plan, driver, loop);
        api->made_us = now_us;
    }
    const ds_http_answer answer = {200, "text/plain; version=0.0.4; charset=utf-8",
                                   api->metrics.data, api->metrics.length};
    ds_http_reply(api->http, request, &answer);
}

static void answer_health(ds_api *api, uint64_t request, bool ready, const ds_driver *driver)
{
    const ds_driver_health health = ds_driver_get_health(driver);
    ds_buffer body = {0};
    ds_metrics_health(&body, &health);
    const ds_http_answer answer = {!ready || ds_metrics_ready(&health) ? 200 : 503,
                                   "application/json", body.data, body.length};
    ds_http_reply(api->http, request, &answer);
    ds_buffer_fini(&body);
}

void ds_api_answer(ds_api *api, uint64_t request, uint32_t which, const ds_plan *plan,
                   const ds_driver *driver, ds_loop_figures *loop)
{
    DS_ASSERT(api != NULL && which < PAGES);
    loop->requests++;
    if (which == METRICS)
        answer_metrics(api, request, plan, driver, loop);
    else
        answer_health(api, request, which == READY, driver);
}

void ds_api_close(ds_api *api)
{
    if (api == NULL)
        return;
    ds_http_close(api->http);
    ds_buffer_fini(&api->metrics);
    free(api);
}
