#include "receiver/block_log_read.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define READ_BYTES ((size_t)256 << 10)
#define WAIT_STEP_MS 5

/* A segment that is being read. */
typedef struct segment {
    const char *path;
    int fd;
    uint64_t size;
    ds_log_place place; /* of the record that comes next */
} segment;

/* The head of a record. */
typedef struct record {
    ds_block block;
    uint64_t checksum;
} record;

static ds_status failed(const char *what, const char *path, ds_error *error)
{
    return ds_error_set(error, DS_ERR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

/* ---- bytes ---- */

/* Reads exactly so many bytes; *whole is false if the file ends before. */
static ds_status read_at(const segment *s, void *to, size_t length, uint64_t offset, bool *whole,
                         ds_error *error)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = pread(s->fd, (char *)to + done, length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("read", s->path, error);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *whole = done == length;
    return DS_OK;
}

static uint64_t get(const char *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

/* ---- heads ---- */

static bool head_holds(const char *head, const ds_log_place *place)
{
    return memcmp(head, DS_LOG_MAGIC, 8) == 0 && get(head + 8) == place->receiver_id &&
           get(head + 16) == place->segment && get(head + 24) == XXH3_64bits(head, 24);
}

static bool read_record(const char *head, const ds_log_place *place, record *r)
{
    uint32_t header;
    uint64_t seed = ds_log_seed(place->receiver_id, place->segment);
    if (memcmp(head, DS_LOG_RECORD_MAGIC, 4) != 0 ||
        get(head + 56) != XXH3_64bits_withSeed(head, 56, seed))
        return false;
    memcpy(&header, head + 4, sizeof header);
    r->block = (ds_block){.block_id = get(head + 8),
                          .length = get(head + 16),
                          .records = get(head + 24),
                          .header = le32toh(header),
                          .too_long = get(head + 32),
                          .cut_short = get(head + 40),
                          .log = *place};
    r->checksum = get(head + 48);
    return r->block.header <= r->block.length;
}

/* Reads the head at s->place. *whole: it is one, and its bytes are within the file. */
static ds_status next_record(const segment *s, record *r, bool *whole, ds_error *error)
{
    char head[DS_LOG_RECORD_HEAD];
    *whole = s->place.offset <= s->size && sizeof head <= s->size - s->place.offset;
    if (*whole)
        DS_TRY(read_at(s, head, sizeof head, s->place.offset, whole, error));
    *whole = *whole && read_record(head, &s->place, r) &&
             r->block.length <= s->size - s->place.offset - sizeof head;
    return DS_OK;
}

/* Whether the folder of a segment is there: one that lies elsewhere is not gone. */
static bool has_folder(const char *path)
{
    ds_buffer folder = {0};
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (slash != NULL)
        ds_buffer_append(&folder, path, (size_t)(slash - path));
    bool there = slash == NULL || stat(ds_buffer_text(&folder), &st) == 0;
    ds_buffer_fini(&folder);
    return there;
}

static ds_status open_segment(segment *s, ds_error *error)
{
    struct stat st;
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0)
        return errno == ENOENT && has_folder(s->path)
                   ? ds_error_set(error, DS_ERR_LOST, "%s is not there", s->path)
                   : failed("open", s->path, error);
    if (fstat(s->fd, &st) != 0)
        return failed("look at", s->path, error);
    if (!S_ISREG(st.st_mode))
        return ds_error_set(error, DS_ERR_LOST, "%s is no regular file", s->path);
    s->size = (uint64_t)st.st_size;
    return DS_OK;
}

static void close_segment(segment *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* ---- one block ---- */

static ds_status damaged(const segment *s, ds_error *error)
{
    return ds_error_set(error, DS_ERR_DATA, "%s is damaged at byte %llu", s->path,
                        (unsigned long long)s->place.offset);
}

/* The file must have had so many bytes when the block was reported. */
static ds_status check_end(const segment *s, uint64_t length, ds_error *error)
{
    if (s->place.offset <= s->size && s->size - s->place.offset >= DS_LOG_RECORD_HEAD &&
        s->size - s->place.offset - DS_LOG_RECORD_HEAD >= length)
        return DS_OK;
    return ds_error_set(error, DS_ERR_LOST, "%s is cut short: it has %llu bytes", s->path,
                        (unsigned long long)s->size);
}

static ds_status read_block(segment *s, uint64_t length, ds_buffer *buffer, ds_error *error)
{
    record r;
    bool whole;
    DS_TRY(open_segment(s, error));
    DS_TRY(check_end(s, length, error));
    DS_TRY(next_record(s, &r, &whole, error));
    if (!whole || r.block.length != length)
        return damaged(s, error);
    buffer->length = 0;
    char *bytes = ds_buffer_reserve(buffer, length);
    DS_TRY(read_at(s, bytes, length, s->place.offset + DS_LOG_RECORD_HEAD, &whole, error));
    if (!whole || XXH3_64bits(bytes, length) != r.checksum)
        return damaged(s, error);
    buffer->length = length;
    return DS_OK;
}

ds_status ds_block_log_read(const char *path, const ds_log_place *place, uint64_t length,
                            ds_buffer *buffer, ds_error *error)
{
    segment s = {.path = path, .fd = -1, .place = *place};
    ds_status status = read_block(&s, length, buffer, error);
    close_segment(&s);
    return status;
}

/* ---- all blocks ---- */

void ds_log_found_fini(ds_log_found *found)
{
    free(found->blocks);
    free(found->spoilt);
    *found = (ds_log_found){0};
}

/* The block of that number in a list in the order of numbers; n if there is none. */
static size_t find_block(const ds_block *list, size_t n, const ds_block *block)
{
    for (size_t i = n; i-- > 0;) {
        if (list[i].log.receiver_id != block->log.receiver_id || list[i].block_id < block->block_id)
            break;
        if (list[i].block_id == block->block_id)
            return i;
    }
    return n;
}

/* Its bytes do not hold: it is lost if there is no other copy of it. */
static void add_spoilt(ds_log_found *found, const ds_block *block)
{
    if (find_block(found->blocks, found->n_blocks, block) < found->n_blocks ||
        find_block(found->spoilt, found->n_spoilt, block) < found->n_spoilt) {
        found->flaws++;
        return;
    }
    ds_loss_add(&found->damaged, &(ds_loss){1, block->records, block->length});
    found->spoilt = ds_realloc(found->spoilt, found->n_spoilt + 1, sizeof *found->spoilt);
    found->spoilt[found->n_spoilt++] = *block;
}

static void drop_spoilt(ds_log_found *found, size_t at)
{
    const ds_block *block = &found->spoilt[at];
    found->damaged.blocks--;
    found->damaged.records -= block->records;
    found->damaged.bytes -= block->length;
    found->flaws++;
    found->n_spoilt--;
    memmove(found->spoilt + at, found->spoilt + at + 1,
            (found->n_spoilt - at) * sizeof *found->spoilt);
}

/* One that was written again has the same number: the later copy counts. */
static void add_block(ds_log_found *found, const ds_block *block)
{
    size_t at = find_block(found->blocks, found->n_blocks, block);
    if (at < found->n_blocks) {
        found->blocks[at] = *block;
        return;
    }
    at = find_block(found->spoilt, found->n_spoilt, block);
    if (at < found->n_spoilt)
        drop_spoilt(found, at);
    if (found->n_blocks == found->capacity) {
        found->capacity = found->capacity * 2 + 16;
        found->blocks = ds_realloc(found->blocks, found->capacity, sizeof *found->blocks);
    }
    found->blocks[found->n_blocks++] = *block;
}

static ds_status check_bytes(const segment *s, const record *r, bool *holds, ds_error *error)
{
    char *piece = ds_alloc(READ_BYTES);
    XXH3_state_t *state = XXH3_createState();
    XXH3_64bits_reset(state);
    ds_status status = DS_OK;
    uint64_t at = s->place.offset + DS_LOG_RECORD_HEAD, end = at + r->block.length;
    *holds = true;
    for (size_t n; at < end && *holds && status == DS_OK; at += n) {
        n = end - at < READ_BYTES ? (size_t)(end - at) : READ_BYTES;
        status = read_at(s, piece, n, at, holds, error);
        if (status == DS_OK && *holds)
            XXH3_64bits_update(state, piece, n);
    }
    *holds = *holds && XXH3_64bits_digest(state) == r->checksum;
    XXH3_freeState(state);
    free(piece);
    return status;
}

/* Whether a whole record stands at s->place, behind the block last_id. */
static ds_status is_record(const segment *s, uint64_t last_id, record *r, bool *yes,
                           ds_error *error)
{
    DS_TRY(next_record(s, r, yes, error));
    *yes = *yes && r->block.block_id > last_id;
    return DS_OK;
}

/* Moves s->place on to the next record behind damage; *found is false if there is none: then it
 * stays, and what stands there is no more than a beginning. */
static ds_status find_record(segment *s, uint64_t last_id, record *r, bool *found, ds_error *error)
{
    const uint64_t from = s->place.offset;
    char *piece = ds_alloc(READ_BYTES);
    ds_status status = DS_OK;
    *found = false;
    for (uint64_t at = from + 1; s->size - at >= DS_LOG_RECORD_HEAD && at < s->size;) {
        size_t n = s->size - at < READ_BYTES ? (size_t)(s->size - at) : READ_BYTES;
        bool whole;
        status = read_at(s, piece, n, at, &whole, error);
        const char *hit = piece;
        while (status == DS_OK && whole && !*found &&
               (hit = memmem(hit, n - (size_t)(hit - piece), DS_LOG_RECORD_MAGIC, 4)) != NULL) {
            s->place.offset = at + (uint64_t)(hit++ - piece);
            status = is_record(s, last_id, r, found, error);
        }
        if (status != DS_OK || !whole || *found || n < READ_BYTES)
            break;
        at += n - 3; /* the beginning of a head may stand at the end */
    }
    if (!*found)
        s->place.offset = from;
    free(piece);
    return status;
}

/* Takes the record at s->place, and goes on behind it. */
static ds_status take_record(segment *s, const record *r, const ds_log_place *after,
                             ds_log_found *found, ds_error *error)
{
    bool holds = true;
    if (ds_log_place_compare(&s->place, after) > 0) {
        DS_TRY(check_bytes(s, r, &holds, error));
        if (holds)
            add_block(found, &r->block);
        else
            add_spoilt(found, &r->block);
    }
    s->place.offset += DS_LOG_RECORD_HEAD + r->block.length;
    return DS_OK;
}

/* The number of the block that was written before one of a segment; of the first one of a log whose
 * beginning was deleted it is taken to be there. */
static uint64_t number_before(const segment *s, uint64_t id, const ds_log_found *found)
{
    if (found->newest_receiver == s->place.receiver_id)
        return found->newest_id;
    return s->place.segment == 1 ? 0 : id - 1;
}

/* Blocks have consecutive numbers: says what became of those between the newest one and `id`, which
 * stands at s->place behind `skipped` bytes that are no records. */
static void count_gap(const segment *s, uint64_t skipped, uint64_t id, ds_log_found *found)
{
    uint64_t before = number_before(s, id, found);
    uint64_t n = id > before ? id - before - 1 : 0;
    uint64_t room = skipped / DS_LOG_RECORD_HEAD;
    if (n == 0 && room > 0 && found->newest_receiver != s->place.receiver_id)
        n = 1;
    uint64_t spoilt = n < room ? n : room;
    found->missing += n - spoilt;
    found->unknown += spoilt;
    found->damaged.blocks += spoilt;
    if (spoilt > 0)
        found->damaged.bytes += skipped - spoilt * DS_LOG_RECORD_HEAD;
    found->flaws += skipped > 0 && spoilt == 0;
}

/* Notes that a record stands at s->place, where it was looked for `from` some place on. */
static void note_record(const segment *s, uint64_t from, uint64_t id, const ds_log_place *after,
                        ds_log_found *found)
{
    const bool headless = from == 0; /* the head of the segment does not hold */
    uint64_t start = headless ? DS_LOG_HEAD : from;
    if (ds_log_place_compare(&s->place, after) > 0) {
        found->flaws += headless;
        count_gap(s, s->place.offset > start ? s->place.offset - start : 0, id, found);
    }
    if (found->newest_receiver != s->place.receiver_id || id > found->newest_id)
        found->newest_id = id;
    found->newest_receiver = s->place.receiver_id;
}

/* Goes through the records of a segment, from its beginning. */
static ds_status read_records(segment *s, const ds_log_place *after, ds_log_found *found,
                              ds_error *error)
{
    char head[DS_LOG_HEAD];
    bool whole;
    DS_TRY(read_at(s, head, sizeof head, 0, &whole, error));
    s->place.offset = whole && head_holds(head, &s->place) ? sizeof head : 0;
    for (uint64_t last_id = 0; s->place.offset < s->size;) {
        record r;
        const uint64_t from = s->place.offset;
        DS_TRY(is_record(s, last_id, &r, &whole, error));
        if (!whole)
            DS_TRY(find_record(s, last_id, &r, &whole, error));
        if (!whole)
            break;
        last_id = r.block.block_id;
        note_record(s, from, last_id, after, found);
        DS_TRY(take_record(s, &r, after, found, error));
    }
    found->cut_bytes += s->size - s->place.offset;
    return DS_OK;
}

/* Waits until nobody writes to it. False: somebody still does. */
static bool wait_for_writer(const segment *s, int wait_ms)
{
    while (flock(s->fd, LOCK_SH | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK || wait_ms <= 0)
            return errno != EWOULDBLOCK; /* locks may not be known here */
        const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000};
        nanosleep(&step, NULL);
        wait_ms -= WAIT_STEP_MS;
    }
    return true;
}

static char *join(const char *folder, const ds_log_place *place)
{
    char name[DS_LOG_NAME];
    ds_buffer path = {0};
    ds_log_place_name(name, place);
    ds_buffer_printf(&path, "%s/%s", folder, name);
    ds_buffer_text(&path);
    return path.data;
}

static ds_status read_segment(const char *folder, const ds_log_place *place,
                              const ds_log_place *after, int wait_ms, ds_log_found *found,
                              ds_error *error)
{
    char *path = join(folder, place);
    segment s = {.path = path, .fd = -1, .place = *place};
    ds_status status = open_segment(&s, error);
    if (status == DS_OK) {
        found->locked = !wait_for_writer(&s, wait_ms) || found->locked;
        struct stat st;
        if (fstat(s.fd, &st) == 0) /* it may have grown meanwhile */
            s.size = (uint64_t)st.st_size;
        status = read_records(&s, after, found, error);
    } else if (status == DS_ERR_LOST) {
        status = DS_OK; /* it was deleted, or never was one */
    }
    close_segment(&s);
    free(path);
    return status;
}

typedef struct segments {
    ds_log_place *list;
    size_t n, capacity;
} segments;

static int by_place(const void *a, const void *b)
{
    return ds_log_place_compare(a, b);
}

static ds_status list_segments(const char *folder, segments *list, ds_error *error)
{
    list->n = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return errno == ENOENT ? DS_OK : failed("open", folder, error);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        ds_log_place place;
        if (!ds_log_place_read(entry->d_name, &place))
            continue;
        if (list->n == list->capacity) {
            list->capacity = list->capacity * 2 + 16;
            list->list = ds_realloc(list->list, list->capacity, sizeof *list->list);
        }
        list->list[list->n++] = place;
    }
    closedir(dir);
    if (list->n > 1)
        qsort(list->list, list->n, sizeof *list->list, by_place);
    return DS_OK;
}

ds_status ds_block_log_scan(const char *folder, const ds_log_place *after, int wait_ms,
                            ds_log_found *found, ds_error *error)
{
    *found = (ds_log_found){0};
    segments list = {0};
    ds_log_place read = {0}; /* the last segment that was read */
    ds_status status;
    bool more = true;
    /* A writer may have begun another segment while it was waited for: looks until none is new. */
    for (bool first = true; more; first = false) {
        more = false;
        status = list_segments(folder, &list, error);
        for (size_t i = 0; i < list.n && status == DS_OK; i++) {
            const ds_log_place *place = &list.list[i];
            if (place->receiver_id > found->last_receiver)
                found->last_receiver = place->receiver_id;
            if (ds_log_segment_before(place, after) ||
                (!first && ds_log_place_compare(place, &read) <= 0))
                continue;
            status = read_segment(folder, place, after, wait_ms, found, error);
            read = *place;
            more = status == DS_OK && !found->locked;
        }
    }
    free(list.list);
    return status;
}

void ds_block_log_trim(const char *folder, const ds_log_place *before)
{
    segments list = {0};
    if (list_segments(folder, &list, NULL) != DS_OK)
        return;
    for (size_t i = 0; i < list.n; i++) {
        if (!ds_log_segment_before(&list.list[i], before))
            continue;
        char *path = join(folder, &list.list[i]);
        unlink(path);
        free(path);
    }
    free(list.list);
}
