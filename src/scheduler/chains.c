#include "scheduler/chains.h"

#include "base/assert.h"
#include "dstream/kept.h"

#include <stdlib.h>
#include <string.h>

#define SHORT_CHAIN 16u /* parts, if changes are not small: */
#define SMALL_CHANGE 8  /* goes so often into the whole */

static uint32_t count_roots(const ds_plan *plan)
{
    uint32_t n = 0;
    for (uint32_t s = 0; s < plan->n_stages; s++)
        for (uint32_t i = 0; i < plan->stages[s].n_inputs; i++)
            n += ds_node_keeps(plan->stages[s].inputs[i].root);
    return n;
}

void ds_chains_init(ds_chains *chains, const ds_plan *plan)
{
    *chains = (ds_chains){.batch_ms = DS_NO_BATCH};
    chains->roots = ds_calloc(count_roots(plan) + 1, sizeof *chains->roots);
    for (uint32_t s = 0; s < plan->n_stages; s++)
        for (uint32_t i = 0; i < plan->stages[s].n_inputs; i++) {
            const ds_node *node = plan->stages[s].inputs[i].root;
            if (!ds_node_keeps(node))
                continue;
            DS_ASSERT(plan->stages[s].keyed);
            uint32_t n = plan->stages[s].n_partitions;
            chains->roots[chains->n_roots++] = (ds_chain_root){
                node, s, i, n, ds_kept_signature(node), ds_calloc(n, sizeof(ds_chain))};
        }
}

void ds_chains_fini(ds_chains *chains)
{
    for (uint32_t r = 0; r < chains->n_roots; r++) {
        for (uint32_t p = 0; p < chains->roots[r].n_partitions; p++)
            free(chains->roots[r].chains[p].parts);
        free(chains->roots[r].chains);
        free(chains->roots[r].signature);
    }
    for (size_t i = 0; i < chains->n_files; i++)
        free(chains->files[i].path);
    for (size_t i = 0; i < chains->n_dropped_files; i++)
        free(chains->dropped_files[i]);
    free(chains->roots);
    free(chains->files);
    free(chains->dropped_files);
    free(chains->dropped_refs);
    *chains = (ds_chains){0};
}

uint32_t ds_chains_find(const ds_chains *chains, uint32_t stage, uint32_t input)
{
    uint32_t r = 0;
    while (r < chains->n_roots &&
           (chains->roots[r].stage != stage || chains->roots[r].input != input))
        r++;
    return r;
}

/* ---- files ---- */

static size_t find_file(const ds_chains *chains, const char *path)
{
    size_t i = chains->n_files; /* mostly one of the newest */
    while (i > 0 && strcmp(chains->files[i - 1].path, path) != 0)
        i--;
    return i == 0 ? chains->n_files : i - 1;
}

bool ds_chains_has_file(const ds_chains *chains, const char *path)
{
    return find_file(chains, path) < chains->n_files;
}

/* The path, as all parts in that file have it. */
static const char *refer_to(ds_chains *chains, const char *path)
{
    size_t at = find_file(chains, path);
    if (at == chains->n_files) {
        if (at == chains->files_capacity) {
            chains->files_capacity = chains->files_capacity == 0 ? 16 : chains->files_capacity * 2;
            chains->files =
                ds_realloc(chains->files, chains->files_capacity, sizeof *chains->files);
        }
        chains->files[chains->n_files++] = (ds_saved_file){ds_strdup(path), 0};
    }
    chains->files[at].parts++;
    return chains->files[at].path;
}

/* Takes the path over. */
static void drop_file(ds_chains *chains, char *path)
{
    chains->dropped_files = ds_realloc(chains->dropped_files, chains->n_dropped_files + 1,
                                       sizeof *chains->dropped_files);
    chains->dropped_files[chains->n_dropped_files++] = path;
}

static void drop_ref(ds_chains *chains, const ds_ref *ref)
{
    chains->dropped_refs =
        ds_realloc(chains->dropped_refs, chains->n_dropped_refs + 1, sizeof *chains->dropped_refs);
    chains->dropped_refs[chains->n_dropped_refs++] = *ref;
}

static void forget_part(ds_chains *chains, const ds_saved_part *part)
{
    if (part->path[0] == '\0') {
        drop_ref(chains, &part->ref);
        return;
    }
    size_t at = find_file(chains, part->path);
    DS_ASSERT(at < chains->n_files && chains->files[at].parts > 0);
    if (--chains->files[at].parts > 0)
        return;
    drop_file(chains, chains->files[at].path);
    chains->files[at] = chains->files[--chains->n_files];
}

void ds_chains_drop_part(ds_chains *chains, const ds_saved_part *part)
{
    if (part->length == 0)
        return;
    if (part->path[0] == '\0') {
        drop_ref(chains, &part->ref);
        return;
    }
    bool known = ds_chains_has_file(chains, part->path);
    for (size_t i = 0; i < chains->n_dropped_files && !known; i++)
        known = strcmp(chains->dropped_files[i], part->path) == 0;
    if (!known)
        drop_file(chains, ds_strdup(part->path));
}

/* ---- chains ---- */

static void clear(ds_chains *chains, ds_chain *chain)
{
    for (uint32_t i = 0; i < chain->n; i++)
        forget_part(chains, &chain->parts[i]);
    chain->n = 0;
    chain->whole_bytes = chain->change_bytes = 0;
}

void ds_chains_add(ds_chains *chains, const ds_saved_part *part)
{
    uint32_t r = ds_chains_find(chains, part->stage, part->input);
    DS_ASSERT(r < chains->n_roots && part->partition < chains->roots[r].n_partitions);
    ds_chain *chain = &chains->roots[r].chains[part->partition];
    DS_ASSERT(part->whole || chain->n > 0);
    if (part->whole)
        clear(chains, chain);
    else if (part->length == 0)
        return;
    chain->parts = ds_realloc(chain->parts, chain->n + 1, sizeof *chain->parts);
    ds_saved_part *added = &chain->parts[chain->n++];
    *added = *part;
    added->path = part->path[0] == '\0' ? "" : refer_to(chains, part->path);
    chain->whole_bytes += part->whole ? part->length : 0;
    chain->change_bytes += part->whole ? 0 : part->length;
}

void ds_chains_drop(ds_chains *chains, uint32_t stage, uint32_t partition)
{
    for (uint32_t r = 0; r < chains->n_roots; r++)
        if (chains->roots[r].stage == stage)
            clear(chains, &chains->roots[r].chains[partition]);
}

bool ds_chains_has(const ds_chains *chains, uint32_t stage, uint32_t partition)
{
    for (uint32_t r = 0; r < chains->n_roots; r++)
        if (chains->roots[r].stage == stage && chains->roots[r].chains[partition].n > 0)
            return true;
    return false;
}

/* A whole that is large, compared with one change, is not made often. Not all partitions begin
 * anew with the same save. */
static uint32_t most_parts(const ds_chain *chain, uint32_t partition)
{
    uint64_t changes = chain->n - 1;
    bool small = chain->change_bytes <= chain->whole_bytes / SMALL_CHANGE * changes;
    uint32_t most = small ? DS_CHAIN_PARTS : SHORT_CHAIN;
    return most / 2 + partition % (most / 2 + 1);
}

/* As many bytes as the whole has, or up to half as many more: likewise. */
static uint64_t most_changes(const ds_chain *chain, uint32_t partition)
{
    return chain->whole_bytes + chain->whole_bytes / 16 * (partition % 8);
}

static bool is_full(const ds_chain *chain, uint32_t partition)
{
    return chain->n == 0 || chain->n >= most_parts(chain, partition) ||
           chain->change_bytes > most_changes(chain, partition);
}

bool ds_chains_full(const ds_chains *chains, uint32_t stage, uint32_t partition)
{
    for (uint32_t r = 0; r < chains->n_roots; r++) {
        const ds_chain_root *root = &chains->roots[r];
        if (root->stage != stage)
            continue;
        if (is_full(&root->chains[partition], partition))
            return true;
    }
    return false;
}

bool ds_chains_fold(const ds_chains *chains, uint32_t stage, uint32_t partition)
{
    bool any = false;
    for (uint32_t r = 0; r < chains->n_roots; r++) {
        const ds_chain_root *root = &chains->roots[r];
        if (root->stage != stage)
            continue;
        if (root->node->kind != DS_NODE_GROUP || root->chains[partition].n == 0)
            return false;
        any = true;
    }
    return any;
}

ds_saved_part *ds_chains_parts(const ds_chains *chains, uint32_t stage, uint32_t partition,
                               ds_arena *arena, uint32_t *n)
{
    *n = 0;
    uint32_t most = 0;
    for (uint32_t r = 0; r < chains->n_roots; r++)
        if (chains->roots[r].stage == stage)
            most += chains->roots[r].chains[partition].n;
    ds_saved_part *parts = DS_ARENA_ARRAY(arena, ds_saved_part, most + 1);
    for (uint32_t r = 0; r < chains->n_roots; r++) {
        if (chains->roots[r].stage != stage)
            continue;
        const ds_chain *chain = &chains->roots[r].chains[partition];
        for (uint32_t i = 0; i < chain->n; i++)
            parts[(*n)++] = chain->parts[i];
    }
    return parts;
}

/* ---- stores ---- */

static bool lies_in(const ds_chain *chain, uint64_t executor_id)
{
    for (uint32_t i = 0; i < chain->n; i++)
        if (chain->parts[i].path[0] == '\0' && chain->parts[i].ref.executor_id == executor_id)
            return true;
    return false;
}

bool ds_chains_part_lies_in(const ds_chains *chains, uint32_t stage, uint32_t partition,
                            uint64_t executor_id)
{
    for (uint32_t r = 0; r < chains->n_roots; r++)
        if (chains->roots[r].stage == stage &&
            lies_in(&chains->roots[r].chains[partition], executor_id))
            return true;
    return false;
}

bool ds_chains_lie_in(const ds_chains *chains, uint64_t executor_id)
{
    for (uint32_t r = 0; r < chains->n_roots; r++)
        for (uint32_t p = 0; p < chains->roots[r].n_partitions; p++)
            if (lies_in(&chains->roots[r].chains[p], executor_id))
                return true;
    return false;
}
