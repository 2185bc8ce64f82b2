#include "sim/sim_queue.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>

static bool before(const ds_sim_event *a, const ds_sim_event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->number < b->number;
}

static void swap(ds_sim_event **a, ds_sim_event **b)
{
    ds_sim_event *event = *a;
    *a = *b;
    *b = event;
}

static void rise(ds_sim_queue *queue, size_t i)
{
    for (; i > 0 && before(queue->heap[i], queue->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&queue->heap[i], &queue->heap[(i - 1) / 2]);
}

static void sink(ds_sim_queue *queue, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < queue->n; i = child) {
        if (child + 1 < queue->n && before(queue->heap[child + 1], queue->heap[child]))
            child++;
        if (!before(queue->heap[child], queue->heap[i]))
            return;
        swap(&queue->heap[i], &queue->heap[child]);
    }
}

void ds_sim_queue_fini(ds_sim_queue *queue)
{
    for (size_t i = 0; i < queue->n; i++)
        queue->heap[i]->drop(queue->heap[i]);
    free(queue->heap);
    *queue = (ds_sim_queue){0};
}

void ds_sim_queue_add(ds_sim_queue *queue, ds_sim_event *event, int64_t time_us)
{
    if (queue->n == queue->capacity) {
        queue->capacity = queue->capacity * 2 + 64;
        queue->heap = ds_realloc(queue->heap, queue->capacity, sizeof *queue->heap);
    }
    event->time_us = time_us;
    event->number = ++queue->last_number;
    queue->heap[queue->n] = event;
    rise(queue, queue->n++);
}

ds_sim_event *ds_sim_queue_take(ds_sim_queue *queue, int64_t now_us)
{
    if (ds_sim_queue_next_us(queue) > now_us)
        return NULL;
    ds_sim_event *event = queue->heap[0];
    queue->heap[0] = queue->heap[--queue->n];
    sink(queue, 0);
    return event;
}

int64_t ds_sim_queue_next_us(const ds_sim_queue *queue)
{
    return queue->n > 0 ? queue->heap[0]->time_us : INT64_MAX;
}
