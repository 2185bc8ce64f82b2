/* What will happen in a simulation, by time and then by the order in which it was planned. */
#ifndef DS_SIM_SIM_QUEUE_H
#define DS_SIM_SIM_QUEUE_H

#include <stddef.h>
#include <stdint.h>

typedef struct ds_sim_event {
    int64_t time_us;
    uint64_t number;
    /* Lets it happen; what the event holds is given back by drop. */
    void (*run)(void *arg, struct ds_sim_event *event);
    void (*drop)(struct ds_sim_event *event); /* frees it */
} ds_sim_event;

typedef struct ds_sim_queue {
    ds_sim_event **heap;
    size_t n, capacity;
    uint64_t last_number;
} ds_sim_queue;

/* Drops all events. */
void ds_sim_queue_fini(ds_sim_queue *queue);
/* Takes over the event. */
void ds_sim_queue_add(ds_sim_queue *queue, ds_sim_event *event, int64_t time_us);
/* The next event that is due at now_us, or NULL; the caller runs and drops it. */
ds_sim_event *ds_sim_queue_take(ds_sim_queue *queue, int64_t now_us);
/* When the next one is due; INT64_MAX if there is none. */
int64_t ds_sim_queue_next_us(const ds_sim_queue *queue);

#endif
