#include "checkpoint/lost_metadata.h"

#include "base/buffer.h"
#include "base/log_place.h"
#include "checkpoint/journal.h"
#include "checkpoint/kept_folder.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

typedef bool (*entry_fn)(const char *folder, const char *name);

/* Whether fn holds for an entry of DIR/NAME. */
static bool any_entry(const char *dir, const char *name, entry_fn fn)
{
    ds_buffer path = {0};
    ds_buffer_printf(&path, "%s/%s", dir, name);
    const char *folder = ds_buffer_text(&path);
    DIR *entries = opendir(folder);
    bool found = false;
    for (struct dirent *entry; entries != NULL && !found && (entry = readdir(entries)) != NULL;)
        found = entry->d_name[0] != '.' && fn(folder, entry->d_name);
    if (entries != NULL)
        closedir(entries);
    ds_buffer_fini(&path);
    return found;
}

static bool is_kept(const char *folder, const char *name)
{
    (void)folder;
    return ds_kept_folder_is_ours(name);
}

static bool is_segment(const char *folder, const char *name)
{
    ds_log_place place;
    (void)folder;
    return ds_log_place_read(name, &place);
}

static bool has_segments(const char *folder, const char *source)
{
    return any_entry(folder, source, is_segment);
}

bool ds_lost_metadata_was_claimed(const char *dir)
{
    struct stat lock;
    ds_buffer path = {0};
    ds_buffer_printf(&path, "%s/lock", dir);
    bool claimed = stat(ds_buffer_text(&path), &lock) == 0 && lock.st_size > 0;
    ds_buffer_fini(&path);
    return claimed;
}

ds_status ds_lost_metadata_check(const char *dir, ds_error *error)
{
    bool kept = any_entry(dir, "kept", is_kept);
    if (!kept && !(ds_lost_metadata_was_claimed(dir) && any_entry(dir, "log", has_segments)))
        return DS_OK;
    char why[400];
    snprintf(why, sizeof why,
             "its metadata is gone, though %s has something: what was done is not known, and "
             "batches would be output twice. Put metadata/*.jsonl back",
             kept ? "kept/" : "log/");
    return ds_recovered_refuse(dir, why, error);
}
