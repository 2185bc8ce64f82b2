/*
 * Saved windows from a damaged disk: the frames of a saved window are damaged as the input says
 * (frame u8, place u16, byte u8, over and over), get a right checksum, and are loaded. Whatever is
 * taken must be safe to live with: batches go on, the window slides, and is saved again.
 */
#include "columnar/piece.h"
#include "dstream/window.h"
#include "fuzz_groups.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES = 64, SHAPES = 3, KIND = 1 };

typedef struct frame {
    uint32_t tag;
    size_t length;
    char *bytes;
} frame;

typedef struct bytes {
    char *data;
    size_t length, at;
} bytes;

static const ds_window_spec specs[SHAPES] = {
    {&spec, 25, 10, 5}, {&spec, 40, 10, 10}, {&spec, 10, 10, 10}};
static frame samples[SHAPES][FRAMES];
static size_t n_frames[SHAPES];

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

static void run(ds_window *window, int64_t from, int64_t to, const ds_window_spec *w)
{
    for (int64_t t = from; t <= to; t += w->step_ms) {
        ds_arena *arena = ds_arena_new(NULL);
        ds_heap heap;
        ds_heap_init(&heap, arena);
        ds_column *columns[COLUMNS];
        ds_groups *groups = groups_of_rows(arena, &heap);
        uint32_t n = all_partials(groups, arena, &heap, columns);
        ds_window_add(window, t, &heap, (const ds_column *const *)columns, n);
        if (t % w->slide_ms == 0) {
            ds_window_slide(window, t);
            ds_window_results(window, arena, &heap, 0, ds_window_count(window), columns, NULL);
        }
        ds_groups_free(groups);
        ds_heap_fini(&heap);
        ds_arena_free(arena);
    }
}

static void save(ds_window *window, bytes *to)
{
    ds_saver *saver;
    DS_ASSERT(ds_saver_new(&(ds_save_to){to, append}, KIND, &saver, NULL) == DS_OK);
    DS_ASSERT(ds_window_save(window, saver, NULL) == DS_OK);
    DS_ASSERT(ds_saver_end(saver, NULL) == DS_OK);
    ds_saver_free(saver);
}

static void make_sample(int shape)
{
    ds_window *window = ds_window_new(&specs[shape], NULL);
    run(window, 100, 130, &specs[shape]);
    bytes saved = {NULL, 0, 0};
    save(window, &saved);
    ds_window_free(window);
    ds_loader *loader;
    ds_load_from from = {&saved, next};
    DS_ASSERT(ds_loader_new(&from, KIND, saved.length, &loader, NULL) == DS_OK);
    for (frame *f = samples[shape];; f++) {
        DS_ASSERT(ds_loader_next(loader, &f->tag, &f->length, NULL) == DS_OK);
        if (f->tag == 0)
            break;
        f->bytes = ds_alloc(f->length);
        DS_ASSERT(ds_loader_take(loader, f->bytes, NULL) == DS_OK);
        n_frames[shape]++;
        DS_ASSERT(n_frames[shape] < FRAMES);
    }
    ds_loader_free(loader);
    free(saved.data);
}

/* A damage at the end of a frame's bytes cuts it, or leaves it out. */
static void save_damaged(bytes *to, int shape, const uint8_t *data, size_t size)
{
    ds_saver *saver;
    DS_ASSERT(ds_saver_new(&(ds_save_to){to, append}, KIND, &saver, NULL) == DS_OK);
    for (size_t f = 0; f < n_frames[shape]; f++) {
        const frame *sample = &samples[shape][f];
        size_t length = sample->length;
        char *damaged = ds_alloc(length);
        bool left_out = false;
        memcpy(damaged, sample->bytes, length);
        for (size_t i = 0; i + 4 <= size; i += 4) {
            size_t place = data[i + 1] | (size_t)data[i + 2] << 8;
            if (data[i] % n_frames[shape] != f)
                continue;
            left_out = left_out || place == UINT16_MAX;
            if (place == UINT16_MAX - 1)
                length = sample->length - data[i + 3] % sample->length;
            damaged[place % sample->length] = (char)data[i + 3];
        }
        ds_saved_bytes part = {damaged, length};
        if (!left_out)
            DS_ASSERT(ds_saver_put(saver, sample->tag, &part, 1, NULL) == DS_OK);
        free(damaged);
    }
    DS_ASSERT(ds_saver_end(saver, NULL) == DS_OK);
    ds_saver_free(saver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ds_arena *kept;
    if (kept == NULL) {
        kept = ds_arena_new(NULL);
        make_calls(kept);
        for (int i = 0; i < SHAPES; i++)
            make_sample(i);
    }
    if (size == 0)
        return 0;
    int shape = data[0] % SHAPES;
    bytes saved = {NULL, 0, 0};
    save_damaged(&saved, shape, data + 1, size - 1);
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_window *window = ds_window_new(&specs[shape], &budget);
    ds_loader *loader;
    ds_load_from from = {&saved, next};
    DS_ASSERT(ds_loader_new(&from, KIND, saved.length, &loader, NULL) == DS_OK);
    ds_status status = ds_window_load(window, 130, loader, NULL);
    DS_ASSERT(status == DS_OK || size > 4);
    ds_loader_free(loader);
    if (status == DS_OK) {
        run(window, 130 + specs[shape].step_ms, 170, &specs[shape]);
        bytes again = {NULL, 0, 0};
        save(window, &again);
        free(again.data);
    }
    ds_window_free(window);
    DS_ASSERT(budget.used_bytes == 0);
    free(saved.data);
    return 0;
}
