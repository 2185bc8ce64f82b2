#include "exec/table_load.h"

#include "base/assert.h"
#include "columnar/white_space.h"
#include "receiver/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define MOST_READS 5u                      /* of a file that changes meanwhile */
#define MOST_BLOCKS ((uint64_t)16384)      /* of a table: they grow with it */
#define YOUNG_NS (INT64_C(2) * 1000000000) /* stamps may be so coarse */

/* A file being read. */
typedef struct loading {
    const ds_task_env *env;
    const ds_app_source *source;
    const ds_msg_table_load *load;
    int64_t wall_us;
    ds_dead_letters *letters; /* NULL: none are kept */
    ds_arena *arena;
    ds_msg_table_loaded *loaded;
    ds_buffer bytes; /* of one piece */
    ds_buffer header;
    uint32_t capacity; /* of the inputs */
    uint64_t records;  /* lines so far */
    XXH3_state_t *checksum;
    ds_broadcast **broadcasts; /* what joins look rows up in; NULL: not made */
} loading;

/* ---- the file ---- */

static ds_status look(const char *path, ds_file_stamp *stamp, ds_error *error)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
        ds_error_set(error, absent ? DS_ERR_NO_INPUT : DS_ERR_IO, "cannot open %s: %s", path,
                     strerror(errno));
        if (fd >= 0)
            close(fd);
        return absent ? DS_ERR_NO_INPUT : DS_ERR_IO;
    }
    close(fd);
    if (!S_ISREG(st.st_mode))
        return ds_error_set(error, DS_ERR_IO, "%s is not a regular file", path);
    *stamp = (ds_file_stamp){
        .device = st.st_dev,
        .inode = st.st_ino,
        .size = (uint64_t)st.st_size,
        .modified_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
        .changed_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec,
    };
    return DS_OK;
}

static bool same_stamp(const ds_file_stamp *a, const ds_file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

/* ---- blocks ---- */

static bool has_header(const loading *l)
{
    return l->source->spec.kind == DS_FORMAT_CSV && l->source->spec.header;
}

static void give_back(loading *l)
{
    for (uint32_t i = 0; i < l->loaded->n_inputs; i++) {
        const ds_ref *ref = &l->loaded->inputs[i].ref;
        ds_store_give(l->env->store, ref->offset, ref->length);
    }
    l->loaded->n_inputs = 0;
}

static uint64_t count_lines(const char *bytes, size_t length)
{
    uint64_t lines = 0;
    const char *end = bytes + length;
    for (const char *p = bytes; p < end; lines++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        p = stop == NULL ? end : stop + 1;
    }
    return lines;
}

static ds_input *new_input(loading *l)
{
    ds_msg_table_loaded *loaded = l->loaded;
    if (loaded->n_inputs == l->capacity) {
        l->capacity = l->capacity == 0 ? 16 : l->capacity * 2;
        ds_input *grown = DS_ARENA_ARRAY(l->arena, ds_input, l->capacity);
        if (loaded->n_inputs > 0)
            memcpy(grown, loaded->inputs, loaded->n_inputs * sizeof *grown);
        loaded->inputs = grown;
    }
    return &loaded->inputs[loaded->n_inputs++];
}

/* Copies records into the store, behind the header if there is one. */
static ds_status add_block(loading *l, const char *bytes, size_t length, ds_error *error)
{
    DS_ASSERT(length > 0);
    uint64_t offset, header = l->header.length, whole = header + length;
    if (!ds_store_take(l->env->store, whole, &offset))
        return ds_error_set(error, DS_ERR_NO_MEMORY,
                            "%s does not fit into the block store of an executor, which is half of "
                            "its memory (executors.memory or limits.memory)",
                            l->source->file);
    char *to = ds_store_bytes(l->env->store, offset);
    if (header > 0)
        memcpy(to, l->header.data, header);
    memcpy(to + header, bytes, length);
    uint64_t lines = count_lines(bytes, length);
    *new_input(l) = (ds_input){.kind = DS_INPUT_BLOCK,
                               .ref = {l->env->executor_id, offset, whole},
                               .from = l->records,
                               .to = l->records + lines,
                               .position = l->records,
                               .header = (uint32_t)header,
                               .path = ""};
    l->records += lines;
    return DS_OK;
}

/* Takes the header out of the first bytes that have one. Returns where what follows begins. */
static size_t take_header(loading *l, const char *bytes, size_t length)
{
    DS_ASSERT(l->header.length == 0);
    size_t start = 0, i = 0;
    for (; i < length && ds_is_white(bytes[i]); i++)
        if (bytes[i] == '\n')
            start = i + 1;
    if (i == length)
        return length; /* blank lines only */
    const char *stop = memchr(bytes + start, '\n', length - start);
    size_t end = stop == NULL ? length : (size_t)(stop - bytes) + 1;
    ds_buffer_append(&l->header, bytes + start, end - start);
    if (stop == NULL)
        ds_buffer_append_char(&l->header, '\n');
    l->records += count_lines(bytes, end);
    return end;
}

static ds_status read_piece(loading *l, uint64_t from, uint64_t to, ds_error *error)
{
    ds_file_piece piece;
    DS_TRY(ds_file_piece_read(l->source->file, from, to, l->source->spec.record_limit, &l->bytes,
                              &piece, error));
    XXH3_64bits_update(l->checksum, piece.bytes, piece.length);
    size_t start = 0;
    if (has_header(l) && l->header.length == 0)
        start = take_header(l, piece.bytes, piece.length);
    if (start == piece.length)
        return DS_OK;
    return add_block(l, piece.bytes + start, piece.length - start, error);
}

static ds_status read_pieces(loading *l, uint64_t size, ds_error *error)
{
    if (size > ds_store_size(l->env->store) / 2)
        return ds_error_set(error, DS_ERR_NO_MEMORY,
                            "%s has %" PRIu64 " bytes; a table takes at most a quarter of an "
                            "executor's memory (executors.memory or limits.memory)",
                            l->source->file, size);
    uint64_t step = (uint64_t)l->env->plan->app->limits_block;
    if (step < size / MOST_BLOCKS + 1)
        step = size / MOST_BLOCKS + 1;
    for (uint64_t from = 0; from < size; from += step)
        DS_TRY(read_piece(l, from, size - from < step ? size : from + step, error));
    return DS_OK;
}

/* Reads the whole file once. *changed: it was another one at the end than at the beginning. */
static ds_status read_once(loading *l, bool *changed, ds_error *error)
{
    DS_ASSERT(l->loaded->n_inputs == 0);
    ds_file_stamp after;
    ds_msg_table_loaded *loaded = l->loaded;
    l->records = 0;
    l->header.length = 0;
    XXH3_64bits_reset(l->checksum);
    ds_status status = read_pieces(l, loaded->stamp.size, error);
    ds_status looked = look(l->source->file, &after, status == DS_OK ? error : NULL);
    *changed = looked == DS_OK && !same_stamp(&after, &loaded->stamp);
    if (status == DS_OK && !*changed)
        return looked;
    if (*changed)
        loaded->stamp = after;
    give_back(l);
    return status;
}

static ds_status read_file(loading *l, ds_error *error)
{
    bool changed = true;
    ds_status status = DS_OK;
    for (uint32_t i = 0; i < MOST_READS && changed; i++)
        status = read_once(l, &changed, error);
    if (changed)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "%s changes while it is read",
                            l->source->file);
    l->loaded->checksum = XXH3_64bits_digest(l->checksum);
    if (status != DS_OK)
        give_back(l);
    return status;
}

/* ---- contents ---- */

static ds_status check_header(const loading *l, ds_error *error)
{
    if (!has_header(l) || l->source->batches != NULL)
        return DS_OK;
    if (l->header.length == 0)
        return ds_error_set(error, DS_ERR_DATA, "%s has no header", l->source->file);
    ds_error why;
    size_t length = l->header.length;
    while (length > 0 && (l->header.data[length - 1] == '\n' || l->header.data[length - 1] == '\r'))
        length--;
    ds_decoder *decoder = ds_decoder_new(l->source->format, NULL, NULL, NULL);
    ds_status status = ds_decoder_header(decoder, l->header.data, length, &why);
    ds_decoder_free(decoder);
    if (status != DS_OK)
        ds_error_set(error, DS_ERR_DATA, "the header of %s: %s", l->source->file, why.message);
    return status == DS_OK ? DS_OK : DS_ERR_DATA;
}

/* A file of which nothing can be used is another kind of file, or was damaged. */
static ds_status check_counts(const loading *l, ds_error *error)
{
    const ds_task_result *result = &l->loaded->result;
    uint64_t bad = 0;
    for (int i = 0; i < DS_BAD_REASONS; i++)
        bad += result->bad[i];
    if (bad == 0 || result->rows_in > 0 || l->source->batches != NULL)
        return DS_OK;
    return ds_error_set(error, DS_ERR_DATA, "none of the %" PRIu64 " records of %s can be read: %s",
                        bad, l->source->file,
                        result->n_samples > 0 ? result->samples[0].detail : "");
}

static ds_status check_contents(loading *l, ds_error *error)
{
    const ds_node *node = ds_table_node(l->env->plan, l->source);
    if (node == NULL)
        return ds_error_set(error, DS_ERR_PROTOCOL, "nothing reads the table %s", l->source->name);
    DS_TRY(check_header(l, error));
    DS_TRY(ds_table_build(ds_tables_builder(l->env->tables), node, l->loaded->inputs,
                          l->loaded->n_inputs, l->letters, l->arena, &l->loaded->result,
                          &l->broadcasts, error));
    return check_counts(l, error);
}

/* The dead letters of a load are committed with the next batch. Their time is that of the load;
 * the name of their file is that of no task's. */
static ds_status check_with_letters(loading *l, ds_error *error)
{
    DS_ASSERT(l->letters == NULL);
    const ds_task load = {.batch_ms = l->wall_us / 1000,
                          .stage = DS_NO_STAGE,
                          .partition = (uint32_t)l->load->version,
                          .attempt = (uint32_t)l->load->load_id};
    const ds_sink_context context = {.epoch = l->env->epoch,
                                     .durable = l->env->plan->app->checkpoint_dir != NULL,
                                     .task = &load};
    ds_task_result *result = &l->loaded->result;
    if (l->source->on_error == DS_ON_ERROR_DEAD_LETTER)
        l->letters = ds_dead_letters_new(l->env->plan, &context);
    result->outputs = DS_ARENA_ARRAY(l->arena, ds_output, 1);
    ds_status status = check_contents(l, error);
    if (status == DS_OK)
        status = ds_dead_letters_finish(l->letters, l->arena, result->outputs, &result->n_outputs,
                                        error);
    ds_dead_letters_free(l->letters, status == DS_OK);
    if (status != DS_OK)
        result->n_outputs = 0;
    return status;
}

/* ---- all ---- */

/* Under a test the app itself holds the rows: the first list of the input. */
static void take_list(loading *l)
{
    l->loaded->n_inputs = 0;
    if (json_array_size(json_array_get(l->source->batches, 0)) > 0)
        *new_input(l) = (ds_input){.kind = DS_INPUT_QUEUE, .from = 0, .to = 1, .path = ""};
}

static ds_status take_file(loading *l, ds_error *error)
{
    ds_msg_table_loaded *loaded = l->loaded;
    DS_TRY(look(l->source->file, &loaded->stamp, error));
    loaded->same = same_stamp(&loaded->stamp, &l->load->known);
    if (loaded->same)
        return DS_OK;
    DS_TRY(read_file(l, error));
    loaded->same = loaded->checksum == l->load->checksum;
    if (loaded->same)
        give_back(l);
    return DS_OK;
}

static ds_status load_table(loading *l, ds_error *error)
{
    if (l->source->batches != NULL)
        take_list(l);
    else
        DS_TRY(take_file(l, error));
    return l->loaded->same ? DS_OK : check_with_letters(l, error);
}

void ds_table_load(const ds_task_env *env, const ds_msg_table_load *load, int64_t wall_us,
                   ds_arena *arena, ds_msg_table_loaded *loaded)
{
    *loaded = (ds_msg_table_loaded){.load_id = load->load_id, .result.message = ""};
    DS_ASSERT(load->source < env->plan->app->n_sources);
    loading l = {.env = env,
                 .source = &env->plan->app->sources[load->source],
                 .load = load,
                 .wall_us = wall_us,
                 .arena = arena,
                 .loaded = loaded,
                 .checksum = XXH3_createState()};
    DS_ASSERT(l.checksum != NULL);
    ds_error error = {.message = ""};
    ds_status status = load_table(&l, &error);
    loaded->result.status = status;
    if (status != DS_OK) {
        if (l.source->batches == NULL)
            give_back(&l);
        loaded->n_inputs = 0;
        ds_table_broadcasts_free(env->plan, l.broadcasts);
        loaded->result.message = ds_arena_strdup(arena, error.message);
    } else if (!loaded->same) {
        ds_tables_add(env->tables, load->source, load->version, loaded->inputs, loaded->n_inputs,
                      l.broadcasts);
    }
    /* A change within the same tick of the file's clock would not show: the next look reads. */
    if (loaded->stamp.modified_ns > wall_us * 1000 - YOUNG_NS)
        loaded->stamp =
            (ds_file_stamp){.size = loaded->stamp.size, .modified_ns = loaded->stamp.modified_ns};
    XXH3_freeState(l.checksum);
    ds_buffer_fini(&l.bytes);
    ds_buffer_fini(&l.header);
}
