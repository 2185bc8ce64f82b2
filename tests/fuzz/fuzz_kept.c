/*
 * Chains of what partitions keep from a damaged disk: parts of windows of groups, windows of rows
 * and states are damaged as the input says (part u8, frame u8, place u16, byte u8, over and over),
 * get right checksums, and are loaded in order. Whatever is taken must be safe to live with:
 * batches go on, windows slide, keys time out, and all is saved again.
 */
#include "columnar/piece.h"
#include "dstream/kept_record.h"
#include "fuzz_groups.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES = 64, PARTS = 3, SHAPES = 6, BEGIN = 100, STAND = 130, END = 190 };

typedef struct frame {
    uint32_t tag;
    size_t length;
    char *bytes;
} frame;

typedef struct bytes {
    char *data;
    size_t length, at;
} bytes;

/* ---- What keeps ---- */

static const ds_type values[3] = {{DS_INT, 0}, {DS_LIST, DS_STRING}, {DS_BOOL, 0}};
static ds_group_plan groups[SHAPES];
static ds_state_plan states[SHAPES];
static const ds_window_plan rows = {20, 10, 10, NULL, 0};
static ds_node nodes[SHAPES];
static ds_stage_input inputs[SHAPES];
static ds_stage stages[SHAPES];
static uint32_t kinds[SHAPES];

static void make_stages(void)
{
    static const int64_t windows[SHAPES][3] = {{25, 10, 5}, {40, 10, 10}, {30, 30, 10}};
    for (int i = 0; i < SHAPES; i++) {
        ds_window_spec window = {&groups[i].spec, windows[i][0], windows[i][1], windows[i][2]};
        groups[i] = (ds_group_plan){.spec = spec, .windowed = i < 3, .window = window};
        if (i == 3 || i == 4) {
            states[i].spec = (ds_state_spec){keys, 2, values, 3, i == 3 ? 20 : 0};
            groups[i].state = &states[i];
        }
        nodes[i].kind = i < 3 ? DS_NODE_GROUP : i < 5 ? DS_NODE_STATE : DS_NODE_WINDOW;
        if (i < 5)
            nodes[i].group = &groups[i];
        else
            nodes[i].window = &rows;
        inputs[i] = (ds_stage_input){&nodes[i], values, 3};
        stages[i] = (ds_stage){.inputs = &inputs[i], .n_inputs = 1, .keyed = true};
        kinds[i] = i < 3 ? 1 : i < 5 ? 3 : 2;
    }
}

/* ---- Batches ---- */

typedef struct scene {
    ds_arena *arena;
    ds_heap heap;
    int64_t t;
} scene;

static void slide(ds_window *window, const ds_window_spec *w, scene *s)
{
    ds_column *columns[COLUMNS];
    if (s->t % 20 != 15) {
        ds_groups *table = groups_of_rows(s->arena, &s->heap);
        uint32_t n = all_partials(table, s->arena, &s->heap, columns);
        ds_window_add(window, s->t, &s->heap, (const ds_column *const *)columns, n);
        ds_groups_free(table);
    }
    if (s->t % w->slide_ms != 0)
        return;
    ds_window_slide(window, s->t);
    ds_window_results(window, s->arena, &s->heap, 0, ds_window_count(window), columns, NULL);
}

static void change(ds_state *state, scene *s)
{
    ds_column *rows_made[5], *made[5];
    const ds_column *const *columns = (const ds_column *const *)rows_made;
    uint64_t hashes[ROWS];
    uint32_t ids[DS_CHUNK_ROWS], n, at = 0, n_rows = s->t % 20 == 0 ? ROWS : ROWS / 2;
    for (int c = 0; c < 5; c++)
        rows_made[c] = rows_of(s->arena, &s->heap, c < 2 ? keys[c] : values[c - 2], n_rows);
    for (uint32_t i = 0; i < n_rows; i++)
        rows_made[2]->ints[i] += s->t;
    ds_state_begin(state);
    ds_hash_rows(&s->heap, columns, 2, n_rows, hashes);
    ds_state_find(state, &s->heap, columns, hashes, n_rows, ids);
    if (s->t % 30 == 0) {
        ds_state_remove(state, ids, n_rows / 2);
        for (uint32_t i = 0; i < n_rows / 2; i++)
            ids[i] = DS_NEW_KEY;
    }
    ds_state_add(state, &s->heap, columns, hashes, n_rows, NULL, s->t, ids);
    ds_state_set(state, &s->heap, ids, columns + 2, n_rows);
    ds_state_see(state, ids, n_rows, s->t);
    while ((n = ds_state_due(state, s->t, ids, 5)) > 0)
        ds_state_end(state, ids, n);
    while ((n = ds_state_walk(state, &at, ids, DS_CHUNK_ROWS)) > 0)
        ds_state_rows(state, s->arena, &s->heap, ids, n, NULL, made);
}

static void keep_rows(ds_row_window *window, scene *s)
{
    const ds_column *columns[3];
    for (int c = 0; c < 3; c++)
        columns[c] = rows_of(s->arena, &s->heap, values[c], ROWS);
    size_t size = ds_piece_size(&s->heap, columns, 3, ROWS);
    void *piece = ds_row_window_alloc(window, size);
    ds_piece_write(piece, &s->heap, columns, 3, ROWS);
    ds_row_window_add(window, s->t, piece, size);
    ds_row_window_drop(window, s->t - 20);
    for (uint32_t i = 0; i < ds_row_window_count(window); i++) {
        const ds_window_piece *kept = ds_row_window_piece(window, i);
        ds_column *made[3];
        uint32_t n;
        DS_ASSERT(ds_piece_read(s->arena, &s->heap, kept->bytes, kept->length, values, 3, made, &n,
                                NULL) == DS_OK);
    }
}

static void run(ds_kept *kept, int shape, int64_t from, int64_t to)
{
    ds_kept_root *root = &kept->roots[0];
    int64_t step = shape < 3 ? groups[shape].window.step_ms : 10;
    for (int64_t t = from; t <= to; t += step) {
        scene s = {.arena = ds_arena_new(NULL), .t = t};
        ds_heap_init(&s.heap, s.arena);
        if (root->groups != NULL)
            slide(root->groups, &groups[shape].window, &s);
        else if (root->rows != NULL)
            keep_rows(root->rows, &s);
        else
            change(ds_kept_state_of(root->state), &s);
        root->version_ms = t;
        ds_heap_fini(&s.heap);
        ds_arena_free(s.arena);
    }
}

/* ---- Samples ---- */

static frame samples[SHAPES][PARTS][FRAMES];
static size_t n_frames[SHAPES][PARTS];

static ds_status append(void *arg, const void *from, size_t length, ds_error *error)
{
    (void)error;
    bytes *b = arg;
    b->data = ds_realloc(b->data, b->length + length, 1);
    memcpy(b->data + b->length, from, length);
    b->length += length;
    return DS_OK;
}

static ds_status next(void *arg, void *to, size_t length, ds_error *error)
{
    bytes *b = arg;
    if (length > b->length - b->at)
        return ds_error_set(error, DS_ERR_PROTOCOL, "cut off");
    memcpy(to, b->data + b->at, length);
    b->at += length;
    return DS_OK;
}

static void cut_frames(int shape, int part, bytes *saved)
{
    ds_loader *loader;
    ds_load_from from = {saved, next};
    DS_ASSERT(ds_loader_new(&from, kinds[shape], saved->length, &loader, NULL) == DS_OK);
    for (frame *f = samples[shape][part];; f++) {
        DS_ASSERT(ds_loader_next(loader, &f->tag, &f->length, NULL) == DS_OK);
        if (f->tag == 0)
            break;
        DS_ASSERT(ds_loader_take_new(loader, &f->bytes, NULL) == DS_OK);
        n_frames[shape][part]++;
        DS_ASSERT(n_frames[shape][part] < FRAMES);
    }
    ds_loader_free(loader);
}

static void make_samples(int shape)
{
    ds_kept *kept = ds_kept_new(&stages[shape], NULL);
    int64_t times[PARTS + 1] = {BEGIN, 110, 125, STAND};
    if (shape != 0)
        times[2] = 120;
    int64_t step = shape == 0 ? 5 : 10;
    for (int part = 0; part < PARTS; part++) {
        bytes saved = {NULL, 0, 0};
        run(kept, shape, times[part] + (part > 0 ? step : 0), times[part + 1]);
        DS_ASSERT(ds_kept_save(kept, 0, false, &(ds_save_to){.arg = &saved, .write = append},
                               NULL) == DS_OK);
        cut_frames(shape, part, &saved);
        free(saved.data);
    }
    ds_kept_free(kept);
}

/* ---- Damage ---- */

/* A damage at the end of a frame's bytes cuts it, or leaves it out. */
static void save_damaged(bytes *to, int shape, size_t part, const uint8_t *data, size_t size)
{
    ds_saver *saver;
    ds_save_to append_to = {.arg = to, .write = append};
    DS_ASSERT(ds_saver_new(&append_to, kinds[shape], &saver, NULL) == DS_OK);
    for (size_t f = 0; f < n_frames[shape][part]; f++) {
        const frame *sample = &samples[shape][part][f];
        size_t length = sample->length;
        char *damaged = ds_alloc(length);
        bool left_out = false;
        memcpy(damaged, sample->bytes, length);
        for (size_t i = 0; i + 5 <= size; i += 5) {
            size_t place = data[i + 2] | (size_t)data[i + 3] << 8;
            if (data[i] % PARTS != part || data[i + 1] % n_frames[shape][part] != f)
                continue;
            left_out = left_out || place == UINT16_MAX;
            if (place == UINT16_MAX - 1)
                length = sample->length - data[i + 4] % sample->length;
            damaged[place % sample->length] = (char)data[i + 4];
        }
        ds_saved_bytes all = {damaged, length};
        if (!left_out)
            DS_ASSERT(ds_saver_put(saver, sample->tag, &all, 1, NULL) == DS_OK);
        free(damaged);
    }
    DS_ASSERT(ds_saver_end(saver, NULL) == DS_OK);
    ds_saver_free(saver);
}

static ds_status load_damaged(ds_kept *kept, int shape, const uint8_t *data, size_t size)
{
    ds_status status = DS_OK;
    for (size_t part = 0; part < PARTS && status == DS_OK; part++) {
        bytes saved = {NULL, 0, 0};
        save_damaged(&saved, shape, part, data, size);
        ds_load_from from = {&saved, next};
        status = ds_kept_load(kept, 0, &from, NULL);
        free(saved.data);
    }
    return status;
}

static void live_on(ds_kept *kept, int shape)
{
    ds_kept_stand(kept, STAND);
    if (ds_kept_version(kept) != STAND) /* it says that it stands later: no batch comes to it */
        return;
    bytes saved = {NULL, 0, 0};
    ds_save_to to = {.arg = &saved, .write = append};
    run(kept, shape, STAND + (shape == 0 ? 5 : 10), END);
    DS_ASSERT(ds_kept_save(kept, 0, false, &to, NULL) == DS_OK);
    DS_ASSERT(ds_kept_save(kept, 0, true, &to, NULL) == DS_OK);
    free(saved.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ds_arena *kept_calls;
    if (kept_calls == NULL) {
        kept_calls = ds_arena_new(NULL);
        make_calls(kept_calls);
        make_stages();
        for (int i = 0; i < SHAPES; i++)
            make_samples(i);
    }
    if (size == 0)
        return 0;
    int shape = data[0] % SHAPES;
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_kept *kept = ds_kept_new(&stages[shape], &budget);
    ds_status status = load_damaged(kept, shape, data + 1, size - 1);
    DS_ASSERT(status == DS_OK || size > 5);
    if (status == DS_OK)
        live_on(kept, shape);
    ds_kept_free(kept);
    DS_ASSERT(budget.used_bytes == 0);
    return 0;
}
