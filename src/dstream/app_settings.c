#include "dstream/app_build.h"

#include "dstream/address.h"
#include "dstream/memory_shares.h"
#include "dstream/units.h"

#include <inttypes.h>
#include <string.h>

#define LISTEN "executors.listen"
#define API_LISTEN "api.listen"

#define SECRET "executors.secret"
#define SECRET_LEAST 16u /* bytes; shorter ones can be guessed by who listens on the way */

static void check_secret(ds_app_builder *builder)
{
    const ds_app *app = builder->app;
    if (app->executors_secret != NULL && app->executors_secret_file != NULL)
        ds_diag_error(builder->diagnostics, "executors.secret_file",
                      "stands beside \"secret\": there is one secret");
    else if (app->executors_secret != NULL && strlen(app->executors_secret) < SECRET_LEAST)
        ds_diag_warning(builder->diagnostics, SECRET,
                        "is short; `openssl rand -hex 32` makes one that nobody guesses");
}

/* The canonical text has no secret: it was checked before. */
static bool has_secret(const ds_app_builder *builder)
{
    return builder->app->executors_secret != NULL || builder->app->executors_secret_file != NULL ||
           !builder->variables || ds_diagnostics_wrong_under(builder->diagnostics, SECRET) ||
           ds_diagnostics_wrong_under(builder->diagnostics, "executors.secret_file");
}

/* TLS is asked for by the address, and needs certificates; the canonical text has none. */
static void check_tls(ds_app_builder *builder, bool by_address)
{
    bool given = builder->app->executors_tls.cert != NULL ||
                 ds_diagnostics_wrong_under(builder->diagnostics, "executors.tls");
    if (by_address && !given && builder->variables)
        ds_diag_error(builder->diagnostics, LISTEN, "needs certificates: \"tls\"");
    else if (!by_address && given)
        ds_diag_error(builder->diagnostics, "executors.tls",
                      "is for \"listen\": \"tls+tcp://host:port\"");
}

/* "*:port" is every address of the host. */
static const char *numeric(ds_app_builder *builder, const char *address)
{
    bool every = strncmp(address, "*:", 2) == 0;
    return every ? ds_arena_printf(builder->arena, "0.0.0.0%s", address + 1) : address;
}

static void check_listen(ds_app_builder *builder, const char *url)
{
    const char *host = NULL, *fault;
    uint16_t port;
    const bool tls = strncmp(url, "tls+", 4) == 0;
    check_tls(builder, tls);
    url += tls ? 4 : 0;
    if (strncmp(url, "tcp://", 6) != 0)
        ds_diag_error(builder->diagnostics, LISTEN,
                      "must be \"tcp://host:port\" or \"tls+tcp://host:port\"");
    else if ((fault = ds_address_parse(builder->arena, numeric(builder, url + 6), &host, &port)) !=
             NULL)
        ds_diag_error(builder->diagnostics, LISTEN, "%s", fault);
    else if (!ds_address_is_loopback(host) && !has_secret(builder))
        ds_diag_error(builder->diagnostics, LISTEN,
                      "can be reached from other hosts: set \"secret\" to \"${DSTREAM_SECRET}\" or "
                      "\"secret_file\" (or listen on a loopback address: 127.0.0.1, [::1], "
                      "localhost)");
}

static void build_tls(ds_app_builder *builder, const json_t *tls)
{
    const ds_shape *shape = &ds_tls_shape;
    struct ds_app_tls *made = &builder->app->executors_tls;
    if (!json_is_object(tls))
        return;
    made->cert = ds_app_text_copy(builder, ds_shape_string(shape, tls, "cert"));
    made->key = ds_app_text_copy(builder, ds_shape_string(shape, tls, "key"));
    made->ca = ds_app_text_copy(builder, ds_shape_string(shape, tls, "ca"));
    made->name = ds_app_text_copy(builder, ds_shape_string(shape, tls, "name"));
}

static void build_speculation(ds_app_builder *builder, const json_t *value)
{
    const ds_shape *shape = &ds_speculation_shape;
    const json_t *settings = json_is_object(value) ? value : NULL;
    builder->app->speculation = (ds_app_speculation){
        .enabled = settings != NULL ? ds_shape_number(shape, settings, "enabled") != 0
                                    : json_is_true(value),
        .multiplier = ds_shape_float(shape, settings, "multiplier"),
        .quantile = ds_shape_float(shape, settings, "quantile"),
        .interval_ms = ds_shape_number(shape, settings, "interval"),
        .min_runtime_ms = ds_shape_number(shape, settings, "min_runtime")};
}

static void build_executors(ds_app_builder *builder, const json_t *executors)
{
    ds_app *app = builder->app;
    const ds_shape *shape = &ds_executors_shape;
    app->executors_count = (uint32_t)ds_shape_number(shape, executors, "count");
    app->executors_cores = (uint32_t)ds_shape_number(shape, executors, "cores");
    app->executors_mode = (ds_executors_mode)ds_shape_choice(
        ds_shape_key(shape, "mode")->shape, ds_shape_string(shape, executors, "mode"));
    app->executors_memory = ds_shape_number(shape, executors, "memory");
    build_speculation(builder, ds_shape_get(executors, "speculation"));
    app->executors_heartbeat_ms = ds_shape_number(shape, executors, "heartbeat");
    app->executors_listen = ds_app_text_copy(builder, ds_shape_string(shape, executors, "listen"));
    app->executors_secret = ds_app_text_copy(builder, ds_shape_string(shape, executors, "secret"));
    app->executors_secret_file =
        ds_app_text_copy(builder, ds_shape_string(shape, executors, "secret_file"));
    build_tls(builder, json_object_get(executors, "tls"));
    check_secret(builder);
    if (app->executors_listen == NULL)
        check_tls(builder, false);
    if (app->executors_listen != NULL)
        check_listen(builder, app->executors_listen);
    if (app->executors_count == 0 && json_object_get(executors, "listen") == NULL)
        ds_diag_error(builder->diagnostics, "executors.count",
                      "must be 1 or more, unless others can join (executors.listen)");
    int64_t given = ds_shape_number(shape, executors, "key_partitions");
    int64_t count = app->executors_count > 0 ? app->executors_count : 1;
    int64_t computed = 4 * count * app->executors_cores;
    if (computed > DS_KEY_PARTITIONS_MAX)
        computed = DS_KEY_PARTITIONS_MAX;
    app->key_partitions_given = given > 0;
    app->key_partitions = (uint32_t)(given > 0 ? given : computed);
}

static void check_not_less(ds_app_builder *builder, const char *path, int64_t value, const char *of,
                           int64_t factor, int64_t least)
{
    if (value >= factor * least)
        return;
    char has[DS_UNIT_TEXT], needs[DS_UNIT_TEXT];
    ds_size_format(value, has);
    ds_size_format(factor * least, needs);
    if (factor == 1)
        ds_diag_error(builder->diagnostics, path, "is %s, less than %s (%s)", has, of, needs);
    else
        ds_diag_error(builder->diagnostics, path, "is %s, less than %" PRId64 " times %s (%s)", has,
                      factor, of, needs);
}

/* Memory that cannot do, whatever the app is, is an error now and not in some batch. */
static void check_memory(ds_app_builder *builder)
{
    ds_app *app = builder->app;
    const char *which;
    if (ds_diagnostics_errors(builder->diagnostics) > 0)
        return; /* numbers may be anything */
    int64_t least = ds_memory_lacks(app, &which);
    char needs[DS_UNIT_TEXT];
    ds_size_format(least, needs);
    if (least > 0)
        ds_diag_error(builder->diagnostics, which,
                      "is too little: %" PRIu32 " executors with %" PRIu32
                      " cores need %s at least",
                      app->executors_count, app->executors_cores, needs);
    app->limits_block = ds_memory_block(app);
}

static void build_limits(ds_app_builder *builder, const json_t *limits)
{
    ds_app *app = builder->app;
    app->limits_memory = ds_shape_number(&ds_limits_shape, limits, "memory");
    app->limits_record = ds_shape_number(&ds_limits_shape, limits, "record");
    app->limits_block = ds_shape_number(&ds_limits_shape, limits, "block");
    app->lua_instructions = ds_shape_number(&ds_limits_shape, limits, "lua_instructions");
    app->lua_memory = ds_shape_number(&ds_limits_shape, limits, "lua_memory");
    app->limits_spill = ds_shape_number(&ds_limits_shape, limits, "spill");
    check_not_less(builder, "limits.block", app->limits_block, "limits.record", 1,
                   app->limits_record);
    check_not_less(builder, "limits.memory", app->limits_memory, "limits.block", 4,
                   app->limits_block);
    check_not_less(builder, "executors.memory", app->executors_memory, "limits.block", 4,
                   app->limits_block);
    check_memory(builder);
}

static void build_backpressure(ds_app_builder *builder, const json_t *value)
{
    const ds_shape *shape = &ds_backpressure_shape;
    const json_t *settings = json_is_object(value) ? value : NULL;
    builder->app->backpressure = (ds_app_backpressure){
        .enabled = settings != NULL ? ds_shape_number(shape, settings, "enabled") != 0
                                    : json_is_true(value),
        .initial_rate = ds_shape_number(shape, settings, "initial_rate"),
        .min_rate = ds_shape_number(shape, settings, "min_rate"),
        .proportional = ds_shape_float(shape, settings, "proportional"),
        .integral = ds_shape_float(shape, settings, "integral"),
        .derived = ds_shape_float(shape, settings, "derived")};
}

/* Whoever can reach it can read it: nobody has to say who they are. */
static void build_api(ds_app_builder *builder, const json_t *api)
{
    ds_app *app = builder->app;
    const char *text = ds_shape_string(&ds_api_shape, api, "listen");
    if (text == NULL)
        return;
    app->api_listen = ds_app_text_copy(builder, text);
    const char *fault = ds_address_parse(builder->arena, text, &app->api_host, &app->api_port);
    if (fault != NULL)
        ds_diag_error(builder->diagnostics, API_LISTEN, "%s", fault);
    else if (!ds_address_is_loopback(app->api_host))
        ds_diag_warning(builder->diagnostics, API_LISTEN,
                        "is not a loopback address: anyone who can reach it can read the metrics");
}

void ds_app_build_settings(ds_app_builder *builder)
{
    ds_app *app = builder->app;
    app->name = ds_app_text_copy(builder, json_string_value(ds_shape_get(app->tree, "name")));
    app->interval_ms =
        ds_shape_number(&ds_batch_shape, ds_shape_get(app->tree, "batch"), "interval");
    const json_t *checkpoint = ds_shape_get(app->tree, "checkpoint");
    app->checkpoint_dir =
        ds_app_text_copy(builder, ds_shape_string(&ds_checkpoint_shape, checkpoint, "dir"));
    app->checkpoint_every_ms = ds_shape_number(&ds_checkpoint_shape, checkpoint, "every");
    app->checkpoint_retain = ds_shape_number(&ds_checkpoint_shape, checkpoint, "retain");
    build_executors(builder, ds_shape_get(app->tree, "executors"));
    build_limits(builder, ds_shape_get(app->tree, "limits"));
    build_backpressure(builder, ds_shape_get(app->tree, "backpressure"));
    build_api(builder, ds_shape_get(app->tree, "api"));
}
