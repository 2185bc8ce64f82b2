/*
 * What a partition keeps as parts of a chain, and back.
 *
 * A part is frames (base/saved.h) of a kind that says what keeps it. The first one, with tag 1, is
 * the same for all: the batch it stands at and its place in the chain; the others are said by
 * window.h, row_window.h and state.h. A part has to follow the one that was loaded before: its
 * number is one more. Where nothing changed no part is written and none is counted.
 */
#include "base/assert.h"
#include "dstream/kept_record.h"

enum { KIND_GROUPS = 1, KIND_ROWS, KIND_STATE };
enum { FRAME_PART = 1 };

#define MOST ((size_t)5 << 30) /* bytes of a frame: a piece has less than 4 GiB */

typedef struct part_head {
    int64_t version_ms;
    uint32_t number; /* in its chain; 0: it is whole */
    uint32_t zero;
} part_head;

_Static_assert(sizeof(part_head) == 16, "fixed layout");

static uint32_t kind_of(const ds_kept_root *root)
{
    return root->state != NULL ? KIND_STATE : root->groups != NULL ? KIND_GROUPS : KIND_ROWS;
}

bool ds_kept_keeps(const ds_kept *kept, uint32_t input)
{
    DS_ASSERT(input < kept->n_roots);
    return ds_node_keeps(kept->stage->inputs[input].root);
}

/* ---- saving ---- */

static bool has_changed(const ds_kept_root *root)
{
    if (root->rows != NULL)
        return ds_row_window_changed(root->rows);
    if (root->state != NULL)
        return ds_kept_state_unsaved(root->state);
    return ds_window_unsaved(root->groups);
}

/* What was saved last is of no use any more. */
static bool has_outrun(const ds_kept_root *root)
{
    return (root->groups != NULL && ds_window_outran(root->groups)) ||
           (root->rows != NULL && ds_row_window_outran(root->rows));
}

static bool saves_whole(const ds_kept_root *root)
{
    return root->n_parts == 0 || (has_changed(root) && has_outrun(root));
}

bool ds_kept_saves_whole(const ds_kept *kept, uint32_t input)
{
    DS_ASSERT(ds_kept_keeps(kept, input));
    return saves_whole(&kept->roots[input]);
}

static ds_status save_root(ds_kept_root *root, bool whole, ds_saver *saver, ds_error *error)
{
    if (root->state != NULL)
        return ds_kept_state_save(root->state, whole, saver, error);
    if (root->groups != NULL)
        return ds_window_save(root->groups, whole, saver, error);
    return ds_row_window_save(root->rows, whole, saver, error);
}

static ds_status save_part(ds_kept_root *root, bool whole, ds_saver *saver, ds_error *error)
{
    const part_head head = {root->version_ms, whole ? 0 : root->n_parts, 0};
    DS_TRY(ds_saver_put(saver, FRAME_PART, &(ds_saved_bytes){&head, sizeof head}, 1, error));
    DS_TRY(save_root(root, whole, saver, error));
    return ds_saver_end(saver, error);
}

ds_status ds_kept_save(ds_kept *kept, uint32_t input, bool whole, const ds_save_to *to,
                       ds_error *error)
{
    DS_ASSERT(ds_kept_keeps(kept, input));
    ds_kept_root *root = &kept->roots[input];
    ds_saver *saver;
    if (root->n_parts > 0 && !whole && !has_changed(root))
        return DS_OK;
    whole = whole || saves_whole(root);
    ds_status status = ds_saver_new(to, kind_of(root), &saver, error);
    if (status == DS_OK) {
        status = save_part(root, whole, saver, error);
        ds_saver_free(saver);
    }
    root->n_parts = status != DS_OK ? 0 : whole ? 1 : root->n_parts + 1;
    return status;
}

void ds_kept_folded(ds_kept *kept, uint32_t input)
{
    DS_ASSERT(ds_kept_keeps(kept, input) && kept->roots[input].n_parts > 0);
    kept->roots[input].n_parts = 1;
}

/* ---- loading ---- */

static ds_status wrong(ds_error *error, const char *what)
{
    return ds_error_set(error, DS_ERR_PROTOCOL, "kept data: %s", what);
}

static ds_status load_head(const ds_kept_root *root, ds_loader *loader, part_head *head,
                           ds_error *error)
{
    uint32_t tag;
    size_t length;
    DS_TRY(ds_loader_next(loader, &tag, &length, error));
    if (tag != FRAME_PART || length != sizeof *head)
        return wrong(error, "a part without a head");
    DS_TRY(ds_loader_take(loader, head, error));
    if (head->zero != 0 || (head->number != 0 && head->number != root->n_parts))
        return wrong(error, "a part that does not follow the one before it");
    if (head->number != 0 && head->version_ms < root->version_ms)
        return wrong(error, "a part that is older than the one before it");
    return DS_OK;
}

static ds_status load_root(const ds_kept *kept, uint32_t input, const part_head *head,
                           ds_loader *loader, ds_error *error)
{
    const ds_kept_root *root = &kept->roots[input];
    const ds_stage_input *of = &kept->stage->inputs[input];
    if (root->state != NULL)
        return ds_kept_state_load(root->state, head->number == 0, loader, error);
    if (root->groups != NULL)
        return ds_window_load(root->groups, head->number == 0, head->version_ms, loader, error);
    return ds_row_window_load(root->rows, head->number == 0, head->version_ms, of->types,
                              of->n_types, loader, error);
}

ds_status ds_kept_load(ds_kept *kept, uint32_t input, const ds_load_from *from, ds_error *error)
{
    DS_ASSERT(ds_kept_keeps(kept, input));
    ds_kept_root *root = &kept->roots[input];
    ds_loader *loader;
    part_head head;
    DS_TRY(ds_loader_new(from, kind_of(root), MOST, &loader, error));
    ds_status status = load_head(root, loader, &head, error);
    if (status == DS_OK)
        status = load_root(kept, input, &head, loader, error);
    ds_loader_free(loader);
    DS_TRY(status);
    root->n_parts = head.number + 1;
    root->version_ms = head.version_ms;
    return DS_OK;
}

void ds_kept_stand(ds_kept *kept, int64_t batch_ms)
{
    for (uint32_t i = 0; i < kept->n_roots; i++) {
        if (kept->roots[i].groups != NULL)
            ds_window_load_end(kept->roots[i].groups);
        if (kept->roots[i].version_ms < batch_ms)
            kept->roots[i].version_ms = batch_ms;
    }
}
