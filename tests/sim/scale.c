/*
 * What scheduling costs: one batch of very many small tasks on very many executors, without
 * faults. Only the time of the driver's control counts (its steps, with the messages that it
 * makes), from when all executors are ready; not that of the tasks, the network or the executors.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "dstream/plan.h"
#include "sim/folders.h"
#include "sim/run.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PER_SOURCE 16384u /* files that a batch takes of one source */
#define FILE_BYTES 1000u
#define STORE_BYTES (UINT64_C(1) << 20)

typedef struct scale {
    char dir[64];
    ds_listed_file *files;
    uint32_t n_files; /* of each source */
    const ds_sim *sim;
    uint64_t begin_ns; /* the driver's time before the first listing */
} scale;

static uint32_t on_list(void *arg, uint32_t source, int64_t now_us, const ds_listed_file **files)
{
    scale *s = arg;
    (void)source, (void)now_us;
    if (s->begin_ns == 0)
        s->begin_ns = ds_sim_result(s->sim)->driver_ns;
    *files = s->files;
    return s->n_files;
}

/* One file under many names. */
static void make_files(scale *s)
{
    char path[128], first[128];
    folder_make(s->dir, sizeof s->dir);
    s->files = ds_calloc(s->n_files, sizeof *s->files);
    for (uint32_t i = 0; i < s->n_files; i++) {
        snprintf(path, sizeof path, "%s/%08u", s->dir, i);
        s->files[i] = (ds_listed_file){ds_strdup(strrchr(path, '/') + 1), FILE_BYTES};
        if (i > 0) {
            if (link(first, path) != 0)
                abort();
            continue;
        }
        strcpy(first, path);
        FILE *file = fopen(path, "w");
        for (uint32_t b = 0; b < FILE_BYTES; b++)
            fputc(b % 100 == 99 ? '\n' : 'x', file);
        fclose(file);
    }
}

static void remove_files(scale *s)
{
    char path[128];
    for (uint32_t i = 0; i < s->n_files; i++) {
        snprintf(path, sizeof path, "%s/%s", s->dir, s->files[i].name);
        unlink(path);
        free((char *)(uintptr_t)s->files[i].name);
    }
    rmdir(s->dir);
    free(s->files);
}

static void make_text(const scale *s, uint32_t executors, uint32_t sources, ds_buffer *text)
{
    ds_buffer_printf(
        text,
        "{\"version\":1,\"name\":\"scale\",\"batch\":{\"interval\":\"1s\"},"
        "\"executors\":{\"count\":%u,\"cores\":1,\"key_partitions\":1},"
        "\"limits\":{\"memory\":\"16GiB\",\"record\":\"200B\",\"block\":\"%uB\"},\"sources\":{",
        executors, FILE_BYTES);
    for (uint32_t i = 0; i < sources; i++)
        ds_buffer_printf(text, "%s\"s%u\":{\"type\":\"files\",\"dir\":\"%s\"}", i > 0 ? "," : "", i,
                         s->dir);
    ds_buffer_append_text(text, "},\"streams\":{");
    for (uint32_t i = 0; i < sources; i++)
        ds_buffer_printf(text, "%s\"n%u\":{\"from\":\"s%u\",\"where\":\"line = 'y'\"}",
                         i > 0 ? "," : "", i, i);
    ds_buffer_append_text(text, "}}");
}

/* A descriptor for the store of each executor, one for what it reads, and what the rest needs. */
static bool raise_limit(uint32_t executors)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    rlim_t wanted = (rlim_t)executors * 2 + 256;
    if (limit.rlim_cur < wanted)
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted;
}

static ds_status run(scale *s, ds_plan *plan, const ds_plan_options *options, double *ns,
                     uint64_t *tasks, ds_error *error)
{
    const ds_sim_config config = {.plan = plan,
                                  .plan_options = options,
                                  .seed = 1,
                                  .start_ms = INT64_C(1767225600000),
                                  .available_now = true,
                                  .store_bytes = STORE_BYTES,
                                  .remote = 1, /* else each has the stores of all others open */
                                  .unchecked = true,
                                  .hooks = {.arg = s, .list = on_list}};
    ds_sim *sim = ds_sim_new(&config);
    s->sim = sim;
    s->begin_ns = 0;
    ds_status status = ds_sim_run(sim, UINT64_C(100000000), error);
    *tasks = ds_driver_progress(ds_sim_driver(sim))->tasks;
    uint64_t driver_ns = ds_sim_result(sim)->driver_ns - s->begin_ns;
    *ns = (double)driver_ns / (double)(*tasks > 0 ? *tasks : 1);
    ds_sim_free(sim);
    return status;
}

bool run_scale(uint32_t executors, uint32_t wanted, double *ns)
{
    static const char *const names[] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"};
    uint32_t sources = (wanted + PER_SOURCE - 1) / PER_SOURCE;
    scale s = {.n_files = wanted / sources};
    const ds_plan_options options = {.tested = names, .n_tested = sources, .testing = true};
    ds_buffer text = {0};
    ds_error error = {.message = ""};
    ds_app *app = NULL;
    ds_plan *plan = NULL;
    uint64_t tasks = 0;
    if (sources > sizeof names / sizeof *names || !raise_limit(executors)) {
        printf("%u executors, %u tasks: too many for this machine\n", executors, wanted);
        return false;
    }
    make_files(&s);
    make_text(&s, executors, sources, &text);
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    ds_status status = ds_app_from_canonical(text.data, text.length, &app, &error);
    if (status == DS_OK)
        status = ds_plan_new(app, &options, diagnostics, &plan);
    if (status == DS_OK)
        status = run(&s, plan, &options, ns, &tasks, &error);
    if (status == DS_OK)
        printf("%5u executors, %6" PRIu64 " tasks: %5.0f ns of the driver for each task\n",
               executors, tasks, *ns);
    else
        printf("%u executors: %s\n", executors, error.message);
    ds_diagnostics_free(diagnostics);
    ds_plan_free(plan);
    ds_app_free(app);
    ds_buffer_fini(&text);
    remove_files(&s);
    return status == DS_OK;
}
