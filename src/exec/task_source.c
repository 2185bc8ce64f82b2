#include "exec/task_source.h"

#include "base/assert.h"
#include "base/files.h"
#include "columnar/rows.h"
#include "columnar/text.h"
#include "columnar/white_space.h"
#include "receiver/block_log_read.h"
#include "receiver/files.h"
#include "receiver/followed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(DS_BAD_REASONS <= DS_BAD_REASON_SLOTS, "every reason has a counter on the wire");

#define KEPT_BUFFERS 8u /* from task to task */

/* One source being read by one task. */
typedef struct reading {
    ds_frame *frame;
    const ds_node *node;
    const ds_app_source *source;
    ds_peers *peers;
    ds_scratch *scratch;
    size_t files_used;
    size_t charged; /* bytes of the scratch buffers */
    ds_arena *arena;
    ds_task_result *result;
    ds_decoder *decoder;
    const ds_input *input; /* being read */
    uint64_t offset;       /* of the bytes being decoded, in their file */
    uint64_t first_record; /* number of the first record being decoded, in its source */
    const char *bytes;
    uint64_t counted, lines; /* so many lines end before byte `counted` of them */
    const char *header;      /* csv: of what is being decoded, without its line end */
    size_t header_length;
    ds_dead_letters *letters;
    int64_t position; /* of the next record, in the task */
    bool failed;      /* a bad record under "fail" */
} reading;

void ds_scratch_fini(ds_scratch *scratch)
{
    for (size_t i = 0; i < scratch->n_files; i++)
        ds_buffer_fini(&scratch->files[i]);
    free(scratch->files);
    ds_buffer_fini(&scratch->header);
    *scratch = (ds_scratch){0};
}

static ds_buffer *next_buffer(reading *r)
{
    ds_scratch *scratch = r->scratch;
    if (r->files_used == scratch->n_files) {
        scratch->files = ds_realloc(scratch->files, scratch->n_files + 1, sizeof *scratch->files);
        scratch->files[scratch->n_files++] = (ds_buffer){0};
    }
    ds_buffer *buffer = &scratch->files[r->files_used++];
    buffer->length = 0;
    return buffer;
}

void ds_scratch_trim(ds_scratch *scratch, size_t bytes)
{
    size_t kept = 0, n = 0;
    while (n < scratch->n_files && n < KEPT_BUFFERS && kept + scratch->files[n].capacity <= bytes)
        kept += scratch->files[n++].capacity;
    while (scratch->n_files > n)
        ds_buffer_fini(&scratch->files[--scratch->n_files]);
}

/* Counts what the buffers have now. */
static void charge_scratch(reading *r)
{
    size_t bytes = r->scratch->header.capacity;
    for (size_t i = 0; i < r->scratch->n_files; i++)
        bytes += r->scratch->files[i].capacity;
    ds_budget_charge(r->frame->budget, (int64_t)bytes - (int64_t)r->charged);
    r->charged = bytes;
}

/* ---- bad records ---- */

static void add_sample(reading *r, uint8_t reason, const char *where, const char *detail)
{
    ds_task_result *result = r->result;
    if (result->n_samples == DS_TASK_SAMPLES)
        return;
    if (result->samples == NULL)
        result->samples = DS_ARENA_ARRAY(r->arena, ds_bad_sample, DS_TASK_SAMPLES);
    result->samples[result->n_samples++] = (ds_bad_sample){reason, ds_arena_strdup(r->arena, where),
                                                           ds_arena_strdup(r->arena, detail)};
}

/* How many lines end before an offset in the bytes being decoded. Bad records come in order, and
 * there may be very many: what was counted is not counted again. */
static uint64_t lines_before(reading *r, uint64_t offset)
{
    DS_ASSERT(offset >= r->counted);
    for (const char *p = r->bytes + r->counted, *end = r->bytes + offset; p < end; p++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (p == NULL)
            break;
        r->lines++;
    }
    r->counted = offset;
    return r->lines;
}

static void show_record(reading *r, const ds_dead_letter *letter)
{
    const char *where =
        letter->number == 0
            ? ds_arena_printf(r->arena, "%s at byte %" PRIu64, letter->file, letter->offset)
            : ds_arena_printf(r->arena, "record %" PRIu64, letter->number);
    size_t length = letter->length;
    size_t shown = length < DS_SAMPLE_BYTES ? length : DS_SAMPLE_BYTES;
    ds_buffer text = {0};
    ds_buffer_printf(&text, "%s: ", letter->detail);
    ds_utf8_repair(&text, letter->record, shown);
    if (shown < length)
        ds_buffer_append_text(&text, " …");
    add_sample(r, (uint8_t)letter->reason, where, ds_buffer_text(&text));
    ds_buffer_fini(&text);
}

static void on_bad_record(void *arg, ds_bad_reason reason, const char *record, size_t length,
                          uint64_t offset, const char *detail)
{
    reading *r = arg;
    bool show = r->result->n_samples < DS_TASK_SAMPLES;
    if (!show && r->letters == NULL)
        return;
    ds_dead_letter letter = {.source = r->source->name,
                             .file = r->source->file,
                             .reason = reason,
                             .detail = detail,
                             .header = r->header,
                             .header_length = r->header_length,
                             .record = record,
                             .length = length};
    if (r->input->kind == DS_INPUT_FILE || r->input->kind == DS_INPUT_TAIL) {
        letter.file = r->input->path;
        letter.offset = r->offset + offset;
    } else {
        letter.number = r->first_record + lines_before(r, offset) + 1;
    }
    if (show)
        show_record(r, &letter);
    ds_error error;
    ds_status status =
        r->letters != NULL ? ds_dead_letters_record(r->letters, &letter, &error) : DS_OK;
    if (status != DS_OK)
        ds_frame_fail(r->frame, status, &error);
}

/* ---- decoding ---- */

static ds_status decode(reading *r, const char *bytes, size_t length)
{
    DS_ASSERT(r->decoder != NULL);
    r->bytes = bytes;
    r->counted = r->lines = 0;
    charge_scratch(r);
    r->result->bytes_in += length;
    ds_decoder_open(r->decoder, &r->frame->heap, bytes, length, r->position);
    ds_chunk chunk;
    while (ds_decoder_next(r->decoder, r->frame->chunk_arena, &chunk)) {
        ds_frame_push(r->frame, r->node, &chunk);
        DS_TRY(ds_frame_next_chunk(r->frame));
    }
    /* Positions go on from input to input; a gap does no harm. */
    r->position += (int64_t)1 << 32;
    return r->frame->status;
}

static bool wants_header(const reading *r)
{
    return r->source->spec.kind == DS_FORMAT_CSV && r->source->spec.header;
}

/* A header that lacks a column makes every record behind it bad: the decoder counts them. */
static void use_header(reading *r, const char *line, size_t length)
{
    ds_error error;
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    r->header = line;
    r->header_length = length;
    if (ds_decoder_header(r->decoder, line, length, &error) != DS_OK)
        add_sample(r, DS_BAD_HEADER,
                   r->input->path[0] != '\0' ? ds_arena_strdup(r->arena, r->input->path)
                                             : "the header",
                   error.message);
}

static ds_status decode_block(reading *r, const char *bytes, ds_error *error)
{
    uint64_t header = r->input->header;
    if (header > r->input->ref.length)
        return ds_error_set(error, DS_ERR_PROTOCOL, "a block is shorter than its header");
    if (wants_header(r))
        use_header(r, bytes, header);
    r->first_record = r->input->position;
    return decode(r, bytes + header, r->input->ref.length - header);
}

static ds_status read_block(reading *r, ds_error *error)
{
    const char *bytes;
    DS_TRY(
        ds_peers_bytes(r->peers, &r->input->ref, r->frame->arena, r->frame->budget, &bytes, error));
    return decode_block(r, bytes, error);
}

/* What is not in the log any more, or not as it was, is lost: whoever wrote it there was told that
 * it is safe, so it is never silent. */
static ds_status lose_block(reading *r, bool damaged, const char *why)
{
    const ds_input *input = r->input;
    const ds_loss loss = {1, input->to - input->from, input->ref.length};
    ds_loss_add(damaged ? &r->result->damaged : &r->result->missing, &loss);
    add_sample(r, DS_BAD_REASON_SLOTS, input->path,
               ds_arena_printf(r->arena, "%" PRIu64 " received records are %s: %s", loss.records,
                               damaged ? "damaged, and left out" : "gone", why));
    return DS_OK;
}

static ds_status read_logged(reading *r, ds_error *error)
{
    const ds_input *input = r->input;
    ds_buffer *buffer = next_buffer(r);
    ds_error why;
    ds_status status = ds_block_log_read(input->path, &input->log, input->ref.length, buffer, &why);
    if (status == DS_ERR_LOST || status == DS_ERR_DATA)
        return lose_block(r, status == DS_ERR_DATA, why.message);
    if (status != DS_OK)
        return ds_error_set(error, status, "%s", why.message);
    return decode_block(r, ds_buffer_text(buffer), error);
}

/* ---- files ---- */

/* Reads up to `most` bytes at an offset; less only at the end of the file. */
static ds_status read_at(const reading *r, int fd, char *to, size_t most, uint64_t offset,
                         size_t *length, ds_error *error)
{
    *length = 0;
    while (*length < most) {
        ssize_t n = pread(fd, to + *length, most - *length, (off_t)(offset + *length));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ds_error_set(error, DS_ERR_IO, "cannot read the header of %s: %s",
                                r->input->path, strerror(errno));
        if (n == 0)
            break;
        *length += (size_t)n;
    }
    return DS_OK;
}

/* Where the first line that is not blank begins, or as far as blank lines are known to go. */
static size_t blank_lines(const char *text, size_t length, bool whole)
{
    size_t start = 0, i = 0;
    for (; i < length && ds_is_white(text[i]); i++)
        if (text[i] == '\n')
            start = i + 1;
    return i == length && whole ? length : start;
}

/* The header is the first record of the file, whichever piece of it this task has: the first
 * line that is not blank. */
typedef struct file_header {
    const char *line; /* in the scratch */
    size_t length;
    uint64_t end; /* offset in the file */
} file_header;

static ds_status read_header(reading *r, int fd, file_header *header, ds_error *error)
{
    size_t most = (size_t)r->source->spec.record_limit + 2;
    char *line = ds_buffer_reserve(&r->scratch->header, most);
    uint64_t at = 0;
    size_t length;
    DS_TRY(read_at(r, fd, line, most, at, &length, error));
    for (size_t blank; (blank = blank_lines(line, length, length < most)) > 0;) {
        at += blank;
        DS_TRY(read_at(r, fd, line, most, at, &length, error));
    }
    const char *end = memchr(line, '\n', length);
    size_t first = end == NULL ? length : (size_t)(end - line) + 1;
    *header = (file_header){line, first, at + first};
    return DS_OK;
}

static ds_status file_header_of(reading *r, file_header *header, ds_error *error)
{
    int fd = open(r->input->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ds_error_set(error, errno == ENOENT ? DS_ERR_NO_INPUT : DS_ERR_IO,
                            "cannot open %s: %s", r->input->path, strerror(errno));
    ds_status status = read_header(r, fd, header, error);
    close(fd);
    return status;
}

/* Decodes the records of a piece, but for the header. */
static ds_status decode_piece(reading *r, const ds_file_piece *piece, const file_header *header)
{
    uint64_t skip = 0;
    if (wants_header(r))
        use_header(r, header->line, header->length);
    if (piece->offset < header->end)
        skip = header->end - piece->offset < piece->length ? header->end - piece->offset
                                                           : piece->length;
    r->offset = piece->offset + skip;
    DS_ASSERT(skip <= piece->length);
    return decode(r, piece->bytes + skip, piece->length - skip);
}

static ds_status read_piece(reading *r, ds_error *error)
{
    const ds_input *input = r->input;
    file_header header = {0};
    if (wants_header(r))
        DS_TRY(file_header_of(r, &header, error));
    ds_file_piece piece;
    DS_TRY(ds_file_piece_read(input->path, input->from, input->to, r->source->spec.record_limit,
                              next_buffer(r), &piece, error));
    return decode_piece(r, &piece, &header);
}

/* A file that is not there is gone only if its folder is there. That may be away for a moment (or
 * for this executor), with all that is in it: then it is tried again, or by another one. It is
 * looked for through the folder, as both may come back meanwhile. */
static ds_status is_gone(const char *path, bool *gone, ds_error *error)
{
    char *folder = ds_folder_above(path);
    const char *slash = strrchr(path, '/');
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int found = dir < 0 ? -1 : faccessat(dir, slash == NULL ? path : slash + 1, F_OK, 0);
    int why = errno;
    *gone = dir >= 0 && found != 0 && why == ENOENT;
    if (dir >= 0)
        close(dir);
    if (dir < 0)
        ds_error_set(error, DS_ERR_IO, "cannot open the folder %s: %s", folder, strerror(why));
    else
        ds_error_set(error, DS_ERR_IO, "%s was away when it was to be read", path);
    free(folder);
    return *gone ? DS_OK : DS_ERR_IO;
}

static ds_status read_file(reading *r, ds_error *error)
{
    ds_error why;
    bool gone;
    ds_status status = read_piece(r, &why);
    if (status == DS_ERR_NO_INPUT) {
        DS_TRY(is_gone(r->input->path, &gone, error));
        r->result->lost_bytes += r->input->to - r->input->from;
        add_sample(r, DS_BAD_REASON_SLOTS, r->input->path, "the file vanished before it was read");
        return DS_OK;
    }
    if (status != DS_OK && error != NULL)
        *error = why;
    return status;
}

/* ---- files that grow ---- */

/* Reads the piece and makes sure that it is of the file that is meant: one that was cut off or
 * written anew meanwhile has other bytes there. */
static ds_status read_followed(reading *r, int fd, file_header *header, ds_file_piece *piece,
                               ds_error *error)
{
    const ds_input *input = r->input;
    ds_file_range range = {.from = input->from,
                           .to = input->to,
                           .stop = input->tail.stop,
                           .starts = input->tail.starts,
                           .record_limit = r->source->spec.record_limit};
    if (wants_header(r))
        DS_TRY(read_header(r, fd, header, error));
    ds_status status = ds_file_range_read(fd, input->path, &range, next_buffer(r), piece, error);
    struct stat st;
    bool cut = fstat(fd, &st) == 0 && (uint64_t)st.st_size < input->to;
    ds_head head = cut ? DS_HEAD_OTHER : ds_head_check(fd, &input->tail.id);
    if (head == DS_HEAD_SAME)
        return status;
    if (head == DS_HEAD_UNREAD)
        return ds_error_set(error, DS_ERR_IO, "cannot read %s: %s", input->path, strerror(errno));
    return ds_error_set(error, DS_ERR_NO_INPUT, "it was cut off or written anew");
}

static ds_status lose(reading *r, const char *why)
{
    uint64_t bytes = r->input->to - r->input->from;
    r->result->lost_bytes += bytes;
    add_sample(r, DS_BAD_REASON_SLOTS, r->input->path,
               ds_arena_printf(r->arena, "%" PRIu64 " bytes were gone before they were read: %s",
                               bytes, why));
    return DS_OK;
}

static ds_status read_tail(reading *r, ds_error *error)
{
    const ds_input *input = r->input;
    const ds_tail_input *tail = &input->tail;
    int fd;
    ds_error why;
    ds_status status =
        ds_followed_open(input->path, &tail->id, tail->pid, tail->fd, &fd, NULL, 0, &why);
    if (status == DS_ERR_UNAVAILABLE)
        status = tail->awaited ? DS_ERR_IO : DS_ERR_NO_INPUT;
    if (status == DS_ERR_NO_INPUT)
        return lose(r, why.message);
    if (status != DS_OK)
        return ds_error_set(error, status, "%s", why.message);
    file_header header = {0};
    ds_file_piece piece;
    status = read_followed(r, fd, &header, &piece, &why);
    close(fd);
    if (status == DS_ERR_NO_INPUT)
        return lose(r, why.message);
    if (status != DS_OK)
        return ds_error_set(error, status, "%s", why.message);
    return decode_piece(r, &piece, &header);
}

/* ---- rows without bytes ---- */

static ds_status read_rate(reading *r)
{
    const ds_input *input = r->input;
    int64_t rate = r->source->rows_per_second;
    DS_ASSERT(rate > 0);
    for (uint64_t from = input->from; from < input->to; from += DS_CHUNK_ROWS) {
        uint64_t left = input->to - from;
        uint32_t n = left < DS_CHUNK_ROWS ? (uint32_t)left : DS_CHUNK_ROWS;
        ds_arena *arena = r->frame->chunk_arena;
        ds_column *value = ds_column_new(arena, DS_TYPE(DS_INT), n);
        ds_column *time = ds_column_new(arena, DS_TYPE(DS_TIMESTAMP), n);
        int64_t *positions = ds_arena_alloc(arena, n * sizeof *positions);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t v = from + i;
            value->ints[i] = (int64_t)v;
            time->ints[i] =
                (int64_t)(input->position + (v - input->from) * UINT64_C(1000000) / (uint64_t)rate);
            positions[i] = r->position++;
        }
        const ds_column *columns[] = {value, time};
        ds_chunk chunk = {n, 2, columns, positions};
        r->result->rows_in += n;
        ds_frame_push(r->frame, r->node, &chunk);
        DS_TRY(ds_frame_next_chunk(r->frame));
    }
    return DS_OK;
}

static ds_status push_objects(reading *r, const json_t *rows, ds_error *error)
{
    ds_chunk *chunks;
    uint32_t n_chunks;
    DS_TRY(ds_rows_from_json(r->frame->arena, &r->frame->heap, &r->source->schema, rows,
                             r->position, &chunks, &n_chunks, NULL, NULL, error));
    r->frame->keeps_text = true;
    for (uint32_t i = 0; i < n_chunks; i++) {
        r->result->rows_in += chunks[i].n_rows;
        ds_frame_push(r->frame, r->node, &chunks[i]);
        DS_TRY(ds_frame_next_chunk(r->frame));
    }
    r->position += (int64_t)json_array_size(rows);
    return r->frame->status;
}

/* Records of a test's input, as one run of bytes. */
static ds_status push_records(reading *r, const json_t *records, size_t first)
{
    ds_buffer *text = next_buffer(r);
    for (size_t i = first; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        ds_buffer_append(text, json_string_value(record), json_string_length(record));
        ds_buffer_append_char(text, '\n');
    }
    return decode(r, ds_buffer_text(text), text->length);
}

/* Whether a record can be a header: one that is not blank. */
static bool can_be_header(const json_t *record)
{
    const char *text = json_string_value(record);
    return text != NULL && text[strspn(text, " \t\r\v\f")] != '\0';
}

/* The first raw record of all is the header of all. Returns how many records of list `at`
 * stand before its rows. */
static size_t list_header(reading *r, size_t at)
{
    for (size_t b = 0; b <= at; b++) {
        const json_t *list = json_array_get(r->source->batches, b);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *record = json_array_get(list, i);
            if (!can_be_header(record))
                continue;
            use_header(r, json_string_value(record), json_string_length(record));
            return b == at ? i + 1 : 0;
        }
    }
    return 0;
}

static ds_status read_list(reading *r, ds_error *error)
{
    const json_t *list = json_array_get(r->source->batches, (size_t)r->input->from);
    if (json_array_size(list) == 0)
        return DS_OK;
    if (!json_is_string(json_array_get(list, 0)))
        return push_objects(r, list, error);
    return push_records(r, list, wants_header(r) ? list_header(r, (size_t)r->input->from) : 0);
}

/* Whether the source can have input of this kind. */
static bool suits(const reading *r)
{
    switch (r->input->kind) {
    case DS_INPUT_BLOCK:
    case DS_INPUT_LOG:
    case DS_INPUT_FILE:
    case DS_INPUT_TAIL: return r->decoder != NULL;
    case DS_INPUT_RATE: return r->source->rows_per_second > 0;
    case DS_INPUT_QUEUE: return r->source->batches != NULL;
    default: return false;
    }
}

static ds_status read_input(reading *r, ds_error *error)
{
    if (!suits(r))
        return ds_error_set(error, DS_ERR_PROTOCOL, "source %s was given input of another kind",
                            r->source->name);
    switch (r->input->kind) {
    case DS_INPUT_BLOCK: return read_block(r, error);
    case DS_INPUT_LOG: return read_logged(r, error);
    case DS_INPUT_FILE: return read_file(r, error);
    case DS_INPUT_TAIL: return read_tail(r, error);
    case DS_INPUT_RATE: return read_rate(r);
    case DS_INPUT_QUEUE: return read_list(r, error);
    default: DS_UNREACHABLE();
    }
}

static void take_counts(reading *r)
{
    if (r->decoder == NULL)
        return;
    ds_decoder_counts counts;
    ds_decoder_count(r->decoder, &counts);
    r->result->rows_in += counts.records;
    r->result->replaced += counts.replaced;
    for (int i = 0; i < DS_BAD_REASONS; i++) {
        r->result->bad[i] += counts.bad[i];
        r->failed = r->failed || counts.bad[i] > 0;
    }
}

static ds_status check_policy(reading *r, ds_error *error)
{
    if (r->source->on_error != DS_ON_ERROR_FAIL || !r->failed)
        return DS_OK;
    if (r->result->n_samples == 0)
        return ds_error_set(error, DS_ERR_DATA, "source %s: a bad record", r->source->name);
    return ds_error_set(error, DS_ERR_DATA, "source %s: bad record: %s: %s", r->source->name,
                        r->result->samples[0].where, r->result->samples[0].detail);
}

ds_status ds_task_source_run(const ds_source_context *context, ds_task_result *result,
                             ds_error *error)
{
    const ds_app_source *source = context->node->source;
    ds_frame *frame = context->frame;
    DS_ASSERT(context->node->kind == DS_NODE_SOURCE);
    reading r = {.frame = frame,
                 .node = context->node,
                 .source = source,
                 .peers = context->peers,
                 .scratch = context->scratch,
                 .arena = context->arena,
                 .result = result};
    if (source->on_error == DS_ON_ERROR_DEAD_LETTER)
        r.letters = context->letters;
    if (source->format != NULL)
        r.decoder = ds_decoder_new(source->format, context->node->wanted, on_bad_record, &r);
    charge_scratch(&r);
    ds_status status = DS_OK;
    for (uint32_t i = 0; i < context->task->n_inputs && status == DS_OK; i++) {
        r.input = &context->task->inputs[i];
        status = read_input(&r, error);
    }
    if (status == frame->status && status != DS_OK && error != NULL)
        *error = frame->error;
    take_counts(&r);
    if (r.decoder != NULL)
        ds_decoder_free(r.decoder);
    ds_budget_charge(frame->budget, -(int64_t)r.charged);
    return status == DS_OK ? check_policy(&r, error) : status;
}
