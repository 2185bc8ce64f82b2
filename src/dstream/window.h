#ifndef DS_DSTREAM_WINDOW_H
#define DS_DSTREAM_WINDOW_H
#include "columnar/aggregate.h"
typedef struct ds_window ds_window;
typedef struct ds_window_spec {
    const ds_group_spec *group;
    int64_t size_ms, slide_ms, step_ms;
} ds_window_spec;
ds_window *ds_window_new(const ds_window_spec *spec, ds_budget *budget);
void ds_window_free(ds_window *window);
void ds_window_add(ds_window *window, int64_t batch_ms, const ds_heap *heap,
                   const ds_column *const *partials, uint32_t n_rows);
void ds_window_slide(ds_window *window, int64_t t_ms);
uint32_t ds_window_count(const ds_window *window);
void ds_window_results(ds_window *window, ds_arena *arena, ds_heap *heap, uint32_t from, uint32_t n,
                       ds_column **columns);
#endif
