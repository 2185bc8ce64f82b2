#include "dstream/memory_shares.h"

#include "base/assert.h"

#define DRIVER_LEAST (INT64_C(4) << 20) /* of limits.memory is for the driver itself ... */
#define DRIVER_MOST (INT64_C(64) << 20) /* ... a sixteenth, within these */
#define UNCHARGED 8                     /* the program, stacks, what the allocator keeps */
#define BLOCKS 4 /* the bytes, the end of a long record, the rows, and where those are written */
#define LEAST_AT_ALL (INT64_C(512) << 10) /* below it a task cannot even begin */
#define LEAST_PROCESS (INT64_C(2) << 20)  /* what nobody counts takes that much with little ... */
#define LEAST_THREAD (INT64_C(512) << 10) /* ... memory, too, and this for each task thread */

static int64_t less(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t more(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t of_driver(int64_t bytes)
{
    return less(more(bytes / 16, DRIVER_LEAST), DRIVER_MOST);
}

static int64_t count_of(const ds_app *app)
{
    return app->executors_count > 0 ? app->executors_count : 1;
}

static int64_t cores_of(const ds_app *app)
{
    return app->executors_cores > 0 ? app->executors_cores : 1;
}

int64_t ds_memory_of_executor(const ds_app *app)
{
    int64_t share = (app->limits_memory - of_driver(app->limits_memory)) / count_of(app);
    return less(app->executors_memory, share);
}

int64_t ds_memory_of_tasks(int64_t executor_bytes)
{
    DS_ASSERT(executor_bytes >= 0);
    return (executor_bytes - executor_bytes / UNCHARGED) / 2;
}

int64_t ds_memory_block(const ds_app *app)
{
    int64_t bytes = ds_memory_of_tasks(ds_memory_of_executor(app)) / cores_of(app);
    return more(less(app->limits_block, bytes / BLOCKS),
                less(app->limits_record, app->limits_block));
}

/* What an executor needs, rounded up to whole MiB. */
static int64_t least_of_executor(const ds_app *app)
{
    const int64_t mib = INT64_C(1) << 20;
    int64_t bytes = cores_of(app) * (LEAST_AT_ALL + 2 * app->limits_record);
    bytes = bytes * 2 / (UNCHARGED - 1) * UNCHARGED + LEAST_PROCESS + cores_of(app) * LEAST_THREAD;
    return (bytes + mib - 1) / mib * mib;
}

int64_t ds_memory_lacks(const ds_app *app, const char **which)
{
    int64_t executor = least_of_executor(app), all = executor * count_of(app);
    *which = "executors.memory";
    if (app->executors_memory < executor)
        return executor;
    *which = "limits.memory";
    all += of_driver(all + all / 15);
    return ds_memory_of_executor(app) < executor ? all : 0;
}

ds_memory_shares ds_memory_divide(int64_t bytes, uint32_t cores, int64_t block, bool keeps)
{
    DS_ASSERT(bytes >= 0 && block >= 0);
    int64_t threads = cores > 0 ? cores : 1;
    int64_t rest = more(bytes - threads * (block + DS_LEAST_SHARE), 0);
    ds_memory_shares shares = {.kept = less(bytes / 8 * 3, more(rest / 4 * 3, bytes / 8)),
                               .saving = less(bytes / 8, more(rest / 4, bytes / 32)),
                               .task = bytes / (keeps ? 2 : 1) / threads - block};
    shares.pages = less(bytes / 8, shares.kept / 2);
    shares.task = more(shares.task, DS_LEAST_SHARE);
    return shares;
}
