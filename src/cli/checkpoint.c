/* dstream checkpoint: what a driver left behind, looked at without changing it. */
#include "base/clock.h"
#include "base/memory.h"
#include "checkpoint/journal.h"
#include "checkpoint/kept_check.h"
#include "checkpoint/metadata.h"
#include "checkpoint/placed_check.h"
#include "checkpoint/recovered_sources.h"
#include "checkpoint/view.h"
#include "cli/commands.h"
#include "cli/load.h"
#include "cli/log_check.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *time_text(int64_t ms, char text[DS_CLOCK_TEXT])
{
    return ms == INT64_MIN ? "-" : ds_clock_text(ms, text);
}

static const char *health(const ds_metadata_view *file)
{
    if (file->unreadable)
        return "damaged: its first record cannot be used";
    if (file->damaged != 0)
        return "damaged";
    return file->cut_bytes != 0 ? "its last record was cut short" : "";
}

static int flushed(int result)
{
    return fflush(stdout) == 0 ? result : ds_status_exit(DS_ERR_IO);
}

static int list(const ds_checkpoint_view *view)
{
    printf("%-24s %12s %8s  %-24s %-24s\n", "file", "bytes", "records", "first batch",
           "last batch");
    for (size_t i = 0; i < view->n_files; i++) {
        const ds_metadata_view *file = &view->files[i];
        char first[DS_CLOCK_TEXT], last[DS_CLOCK_TEXT];
        printf("%-24s %12" PRIu64 " %8" PRIu64 "  %-24s %-24s %s\n", strrchr(file->path, '/') + 1,
               file->bytes, file->records, time_text(file->first_ms, first),
               time_text(file->last_ms, last), health(file));
    }
    return flushed(0);
}

static int show(const ds_checkpoint_view *view)
{
    if (view->state == NULL) {
        fprintf(stderr, "%s: its first record cannot be used\n",
                view->files[view->n_files - 1].path);
        return ds_status_exit(DS_ERR_IO);
    }
    json_dumpf(view->state, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    printf("\n");
    return flushed(0);
}

/* What a crash leaves (a last record that was cut short) is no damage. */
static int verify(const ds_checkpoint_view *view)
{
    bool whole = true;
    for (size_t i = 0; i < view->n_files; i++) {
        const ds_metadata_view *file = &view->files[i];
        bool damaged = file->unreadable || file->damaged != 0;
        whole = whole && !damaged;
        printf("%s: %" PRIu64 " records", file->path, file->records);
        if (file->unreadable)
            printf("; damaged: its first record cannot be used");
        else if (file->damaged != 0)
            printf("; damaged: the record at byte %" PRIu64 " does not hold", file->damaged - 1);
        else if (file->cut_bytes != 0)
            printf("; %" PRIu64 " bytes of a last one that was cut short", file->cut_bytes);
        printf("\n");
    }
    return flushed(whole ? 0 : ds_status_exit(DS_ERR_IO));
}

/* Whether the newest file's records follow from each other, as a start would take them. If the app
 * runs the file may go meanwhile, when there is a newer one. */
static bool verify_steps(const char *dir, FILE *out)
{
    ds_error error = {.message = ""};
    bool fine = false;
    for (int tries = 0; tries < 10 && !fine; tries++) {
        ds_recovered *recovered = NULL;
        fine = ds_metadata_peek(dir, NULL, &recovered, &error) == DS_OK;
        ds_recovered_free(recovered);
    }
    if (!fine)
        fprintf(out, "%s: damaged: %s\n", dir, error.message);
    return fine;
}

static void say_kept(const char *folder, const ds_kept_found *found, const char *why)
{
    printf("%s: %" PRIu64 " parts, %" PRIu64 " bytes", folder, found->n_parts, found->bytes);
    if (why != NULL)
        printf("; damaged: %" PRIu64 " parts; %s", found->damaged, why);
    printf("\n");
}

/* What is saved of windows and state. If the app runs, files go when the next save is finished. */
static bool verify_kept(const ds_checkpoint_view *view, const char *dir, unsigned tries)
{
    ds_buffer folder = {0};
    ds_kept_found found;
    ds_error error, why;
    if (view->kept.save == 0)
        return true;
    ds_buffer_printf(&folder, "%s/kept", dir);
    bool whole = ds_kept_check(ds_buffer_text(&folder), &view->kept, &found, &error) == DS_OK;
    ds_checkpoint_view now = {0};
    if (!whole && tries > 0 && ds_checkpoint_view_read(dir, &now, &why) == DS_OK &&
        now.kept.save != view->kept.save)
        whole = verify_kept(&now, dir, tries - 1);
    else
        say_kept(ds_buffer_text(&folder), &found, whole ? NULL : error.message);
    ds_checkpoint_view_fini(&now);
    ds_buffer_fini(&folder);
    return whole;
}

static int verify_all(const ds_checkpoint_view *view, const char *dir)
{
    int result = verify(view);
    if (result == 0 && !verify_steps(dir, stdout))
        result = ds_status_exit(DS_ERR_IO);
    bool kept = verify_kept(view, dir, 10), logs = ds_logs_verify(dir, view);
    return flushed(kept && logs ? result : ds_status_exit(DS_ERR_IO));
}

/* What is shown of records that do not follow from each other is worth little. */
static int say_steps(int result, const char *dir)
{
    bool wrong = result == 0 && !verify_steps(dir, stderr);
    return wrong ? ds_status_exit(DS_ERR_IO) : result;
}

static int look(const char *what, const char *dir)
{
    ds_checkpoint_view view;
    ds_error error;
    ds_status status = ds_checkpoint_view_read(dir, &view, &error);
    int result;
    if (status != DS_OK) {
        fprintf(stderr, "%s\n", error.message);
        result = ds_status_exit(status);
    } else {
        result = strcmp(what, "ls") == 0     ? say_steps(list(&view), dir)
                 : strcmp(what, "show") == 0 ? say_steps(show(&view), dir)
                                             : verify_all(&view, dir);
    }
    ds_checkpoint_view_fini(&view);
    return result;
}

static ds_status check_recovered(const ds_recovered *recovered, const ds_plan *plan,
                                 const char *dir, ds_error *error)
{
    if (recovered->warning != NULL)
        fprintf(stderr, "%s\n", recovered->warning);
    DS_TRY(ds_recovered_check(recovered, plan, dir, error));
    DS_TRY(ds_recovered_check_kept(recovered, plan, dir, error));
    return ds_recovered_check_placed(recovered, plan, dir, error);
}

static void warn(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "%s\n", text);
}

static void warn_unlogged(const ds_recovered *recovered, const ds_plan *plan)
{
    for (uint32_t i = 0; i < plan->app->n_sources; i++) {
        ds_loss loss = ds_recovered_unlogged(recovered, plan, i);
        if (loss.blocks > 0)
            fprintf(stderr,
                    "source %s: %" PRIu64 " blocks, %" PRIu64 " records that batches need again "
                    "were in no log (\"log\": false); a restart goes on without them\n",
                    plan->app->sources[i].name, loss.blocks, loss.records);
    }
}

/* Would the app go on from there? */
static ds_status try_plan(const ds_plan *plan, const char *dir, ds_error *error)
{
    ds_checkpoint_view view;
    ds_recovered *recovered = NULL;
    ds_status status = ds_checkpoint_view_read(dir, &view, error);
    if (status == DS_OK)
        status = ds_metadata_peek(dir, plan, &recovered, error);
    if (status == DS_OK)
        status = check_recovered(recovered, plan, dir, error);
    if (status == DS_OK) {
        ds_logs_warn(dir, &view);
        warn_unlogged(recovered, plan);
        ds_recovered_tell_sources(recovered, plan, warn, NULL);
    }
    ds_recovered_free(recovered);
    ds_checkpoint_view_fini(&view);
    return status;
}

static int compat(const char *app, const char *dir, const ds_app_options *options)
{
    ds_loaded loaded;
    ds_status status = ds_load_on_checkpoint(app, options, true, dir, &loaded);
    ds_error error;
    if (status == DS_OK) {
        status = try_plan(loaded.plan, dir, &error);
        if (status == DS_OK)
            printf("%s can go on from %s\n", app, dir);
        else
            fprintf(stderr, "%s\n", error.message);
    }
    ds_loaded_free(&loaded);
    return status == DS_OK ? flushed(0) : ds_status_exit(status);
}

/* The arguments behind "compat": an app file, a folder, and anywhere what changes the app, as for
 * run. */
static int parse_compat(int argc, char **argv)
{
    static const struct option known[] = {{"set", required_argument, NULL, 's'}, {0}};
    const char **sets = ds_calloc((size_t)argc, sizeof *sets);
    ds_app_options options = {.sets = sets};
    int option, result;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", known, NULL)) == 's')
        sets[options.n_sets++] = optarg;
    if (option != -1)
        result = ds_usage_error("checkpoint",
                                option == ':' ? "%s wants a value" : "compat has no option %s",
                                argv[optind - 1]);
    else if (argc - optind != 2)
        result = ds_usage_error("checkpoint", "compat takes an app file and a folder");
    else
        result = compat(argv[optind], argv[optind + 1], &options);
    free((void *)sets);
    return result;
}

int ds_command_checkpoint(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "compat") == 0)
        return parse_compat(argc - 1, argv + 1);
    if (strcmp(what, "ls") != 0 && strcmp(what, "show") != 0 && strcmp(what, "verify") != 0)
        return ds_usage_error("checkpoint", "ls, show, verify or compat is wanted");
    return argc == 3 ? look(what, argv[2])
                     : ds_usage_error("checkpoint", "%s takes one folder", what);
}
