/*
 * A log has what was received, the journal says which batch was given what. So two questions are
 * asked: whether what is in the log is what was written, and whether what batches need again is
 * still in it. For the latter the place of each block is looked up, as the task would that reads
 * it.
 */
#include "cli/log_check.h"

#include "receiver/block_log_read.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 10

/* What batches need of one source and is not to be had. */
typedef struct needs {
    const char *folder;
    ds_loss missing, damaged;
    char why[DS_ERROR_TEXT]; /* of the first one */
    ds_buffer bytes;
} needs;

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));
    return number > 0 ? (uint64_t)number : 0;
}

/* ---- what batches need ---- */

/* Looks for one input of a batch. Others than blocks of the log are nothing to us. */
static void look_up(needs *n, const json_t *input)
{
    const char *name = json_string_value(json_object_get(input, "log"));
    ds_log_place place;
    ds_error error;
    ds_buffer path = {0};
    if (name == NULL || !ds_log_place_read(name, &place))
        return;
    place.offset = number_of(input, "log_offset");
    const ds_loss loss = {1, number_of(input, "records"), number_of(input, "length")};
    ds_buffer_printf(&path, "%s/%s", n->folder, name);
    ds_status status =
        ds_block_log_read(ds_buffer_text(&path), &place, loss.bytes, &n->bytes, &error);
    ds_buffer_fini(&path);
    if (status == DS_OK)
        return;
    if (n->missing.blocks + n->damaged.blocks == 0)
        memcpy(n->why, error.message, sizeof n->why);
    ds_loss_add(status == DS_ERR_DATA ? &n->damaged : &n->missing, &loss);
}

static void look_up_all(needs *n, const ds_checkpoint_view *view, const char *source)
{
    size_t b, i;
    json_t *batch, *input;
    json_array_foreach(json_object_get(view->state, "batches"), b, batch)
    {
        const json_t *sources = json_object_get(batch, "sources");
        json_array_foreach(json_object_get(sources, source), i, input)
        {
            look_up(n, input);
        }
    }
    ds_buffer_fini(&n->bytes);
}

static void say_needs(ds_buffer *out, const needs *n, const ds_loss *loss, const char *how)
{
    if (loss->blocks > 0)
        ds_buffer_printf(out,
                         "%" PRIu64 " blocks, %" PRIu64 " records that batches need again are "
                         "%s: %s",
                         loss->blocks, loss->records, how, n->why);
}

void ds_logs_warn(const char *dir, const ds_checkpoint_view *view)
{
    const char *source;
    json_t *unused;
    json_object_foreach(json_object_get(view->state, "sources"), source, unused)
    {
        ds_buffer folder = {0}, text = {0};
        ds_buffer_printf(&folder, "%s/log/%s", dir, source);
        needs n = {.folder = ds_buffer_text(&folder)};
        look_up_all(&n, view, source);
        say_needs(&text, &n, &n.missing, "gone");
        if (n.missing.blocks > 0 && n.damaged.blocks > 0)
            ds_buffer_append_text(&text, "; ");
        say_needs(&text, &n, &n.damaged, "damaged");
        if (text.length > 0)
            fprintf(stderr, "%s: %s; a restart goes on without them\n", n.folder,
                    ds_buffer_text(&text));
        ds_buffer_fini(&folder);
        ds_buffer_fini(&text);
    }
}

/* ---- what is there ---- */

static void say_found(ds_buffer *out, const ds_log_found *found)
{
    uint64_t records = 0;
    for (size_t i = 0; i < found->n_blocks; i++)
        records += found->blocks[i].records;
    ds_buffer_printf(out, "%zu blocks, %" PRIu64 " records", found->n_blocks, records);
    if (found->damaged.blocks > 0)
        ds_buffer_printf(out, "; damaged: %" PRIu64 " blocks, %s%" PRIu64 " records",
                         found->damaged.blocks, found->unknown > 0 ? "at least " : "",
                         found->damaged.records);
    if (found->flaws > 0)
        ds_buffer_printf(out, "; damage in %" PRIu64 " places that cost no block", found->flaws);
    if (found->missing > 0)
        ds_buffer_printf(out, "; gone: %" PRIu64 " blocks before others that are there",
                         found->missing);
    if (found->cut_bytes > 0)
        ds_buffer_printf(out, "; %" PRIu64 " bytes of blocks that were cut short",
                         found->cut_bytes);
}

/* The log of one source: one line. False if something of it is damaged or gone. */
static bool check_log(const char *folder, const char *source, const ds_checkpoint_view *view,
                      ds_buffer *out)
{
    ds_log_found found;
    ds_error error;
    const ds_log_place all = {0};
    needs n = {.folder = folder};
    ds_status status = ds_block_log_scan(folder, &all, 0, &found, &error);
    look_up_all(&n, view, source);
    ds_buffer_printf(out, "%s: ", folder);
    if (status == DS_OK)
        say_found(out, &found);
    else
        ds_buffer_append_text(out, error.message);
    if (n.missing.blocks > 0)
        ds_buffer_append_text(out, "; ");
    say_needs(out, &n, &n.missing, "gone");
    ds_buffer_append_char(out, '\n');
    bool whole = status == DS_OK && n.missing.blocks + n.damaged.blocks == 0 &&
                 found.damaged.blocks + found.flaws + found.missing == 0;
    ds_log_found_fini(&found);
    return whole;
}

/* Sources whose folder is gone and of which batches need something; `there` are those that have
 * one. */
static bool check_gone(const char *dir, const ds_checkpoint_view *view, ds_buffer *out)
{
    const char *source;
    json_t *unused;
    bool whole = true;
    json_object_foreach(json_object_get(view->state, "sources"), source, unused)
    {
        ds_buffer folder = {0};
        ds_buffer_printf(&folder, "%s/log/%s", dir, source);
        DIR *there = opendir(ds_buffer_text(&folder));
        needs n = {.folder = ds_buffer_text(&folder)};
        if (there != NULL)
            closedir(there);
        else
            look_up_all(&n, view, source);
        if (n.missing.blocks > 0) {
            ds_buffer_printf(out, "%s: ", n.folder);
            say_needs(out, &n, &n.missing, "gone");
            ds_buffer_append_char(out, '\n');
            whole = false;
        }
        ds_buffer_fini(&folder);
    }
    return whole;
}

static bool check_logs(const char *dir, const ds_checkpoint_view *view, ds_buffer *out)
{
    ds_buffer path = {0};
    struct dirent **names;
    bool whole = check_gone(dir, view, out);
    ds_buffer_printf(&path, "%s/log", dir);
    int n = scandir(ds_buffer_text(&path), &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        path.length = 0;
        ds_buffer_printf(&path, "%s/log/%s", dir, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            whole = check_log(ds_buffer_text(&path), names[i]->d_name, view, out) && whole;
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    ds_buffer_fini(&path);
    return whole;
}

/* Looks again as long as the app goes on meanwhile, and something is not there. */
static bool check_again(const char *dir, const ds_checkpoint_view *view, unsigned tries,
                        ds_buffer *out)
{
    ds_checkpoint_view now = {0};
    ds_error error;
    out->length = 0;
    bool whole = check_logs(dir, view, out);
    if (!whole && tries > 0 && ds_checkpoint_view_read(dir, &now, &error) == DS_OK &&
        !json_equal(now.state, view->state))
        whole = check_again(dir, &now, tries - 1, out);
    ds_checkpoint_view_fini(&now);
    return whole;
}

bool ds_logs_verify(const char *dir, const ds_checkpoint_view *view)
{
    ds_buffer out = {0};
    bool whole = check_again(dir, view, TRIES, &out);
    fputs(ds_buffer_text(&out), stdout);
    ds_buffer_fini(&out);
    return whole;
}
