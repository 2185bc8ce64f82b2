#include "exec/join_check.h"

#include "base/assert.h"
#include "base/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static ds_status refuse(const char *what, const char *path, const char *why, ds_error *error)
{
    return ds_error_set(error, DS_ERR_IO,
                        "it cannot take part: %s%s%s; an executor needs the app's folders under "
                        "the same path, and the right to write there",
                        what, path, why);
}

static bool can_write(const char *path)
{
    return faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) == 0;
}

static ds_status cannot_write(const char *path, int why, ds_error *error)
{
    char text[128];
    snprintf(text, sizeof text, ": %s", strerror(why));
    return refuse("cannot write to ", path, text, error);
}

/* Whether tasks read or write in the checkpoint folder: what is kept, or the log. */
static bool uses_checkpoint(const ds_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const ds_node *node = plan->nodes[i];
        if (ds_node_keeps(node) ||
            (node->kind == DS_NODE_SOURCE && node->source->type == DS_SOURCE_SOCKET))
            return true;
    }
    return false;
}

/* Files are read where they lie; what is not there when it is to be read would count as gone. */
static ds_status check_sources(const ds_plan *plan, ds_error *error)
{
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const ds_node *node = plan->nodes[i];
        if (node->kind != DS_NODE_SOURCE || node->source->type != DS_SOURCE_FILES ||
            faccessat(AT_FDCWD, node->source->dir, R_OK | X_OK, AT_EACCESS) == 0)
            continue;
        char text[128];
        snprintf(text, sizeof text, ": %s", strerror(errno));
        return refuse("cannot read ", node->source->dir, text, error);
    }
    return DS_OK;
}

static bool has_files(const ds_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        if (plan->nodes[i]->kind == DS_NODE_SOURCE &&
            plan->nodes[i]->source->type == DS_SOURCE_FILES)
            return true;
    for (uint32_t i = 0; i < plan->n_sinks; i++)
        if (ds_sink_is_staged(plan->sinks[i]))
            return true;
    return false;
}

/* What is saved may have been removed: it is made again there. */
static ds_status check_kept(const char *folder, ds_error *error)
{
    if (can_write(folder) || errno == ENOENT)
        return DS_OK;
    return cannot_write(folder, errno, error);
}

/* Who sees the checkpoint folder is where the driver is: what it writes for sinks will be found,
 * and what is to be read is there. */
static ds_status check_checkpoint(const ds_plan *plan, const char *kept_folder, uint64_t epoch,
                                  ds_error *error)
{
    ds_error why;
    bool uses = uses_checkpoint(plan);
    if (!uses && !has_files(plan))
        return DS_OK;
    if (ds_claim_check_above(kept_folder, epoch, &why) != DS_OK)
        return refuse("", why.message, "", error);
    return uses ? check_kept(kept_folder, error) : DS_OK;
}

/* The driver has made them: who does not see one is in another place. */
static ds_status check_sink(const ds_sink_plan *sink, ds_error *error)
{
    DS_ASSERT(ds_sink_is_staged(sink) && sink->staging != NULL);
    if (can_write(sink->staging))
        return DS_OK;
    return cannot_write(sink->staging, errno, error);
}

ds_status ds_join_check(const ds_plan *plan, const char *kept_folder, uint64_t epoch,
                        ds_error *error)
{
    if (kept_folder[0] != '\0')
        DS_TRY(check_checkpoint(plan, kept_folder, epoch, error));
    for (uint32_t i = 0; i < plan->n_sinks; i++)
        if (ds_sink_is_staged(plan->sinks[i]))
            DS_TRY(check_sink(plan->sinks[i], error));
    return check_sources(plan, error);
}
