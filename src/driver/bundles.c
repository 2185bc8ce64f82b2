#include "driver/bundles.h"

#include "base/assert.h"

#include <string.h>

#define BUNDLE_TASKS 256u /* of one message */
#define FEW_TASKS 4u      /* it has room for at once */
#define BUNDLE_INPUTS 50000u
#define BUNDLE_SAVED 20000u
#define BUNDLE_BYTES ((size_t)8 << 20) /* about; a message has twice as much room */
#define INPUT_BYTES ((size_t)64)       /* of an input in a message, but for its path */
#define SAVED_BYTES ((size_t)96)       /* of a saved part, likewise */

struct ds_bundle {
    ds_bundle *next;
    ds_executor_entry *to;
    ds_task *tasks;
    uint32_t n, capacity, n_inputs, n_saved;
    size_t bytes;
};

static void send_bundle(ds_driver *d, ds_bundle *b, bool more)
{
    if (b->n == 0)
        return;
    DS_ASSERT(b->n <= BUNDLE_TASKS && b->to->state == DS_EXECUTOR_READY);
    ds_message message = {.type = DS_MSG_TASKS};
    message.tasks = (ds_msg_tasks){b->tasks, b->n, more};
    ds_driver_send(d, b->to, &message);
    b->n = b->n_inputs = b->n_saved = 0;
    b->bytes = 0;
}

/* The inputs of a task that are not those of the one before it: these stand in a message once. */
static uint32_t own_inputs(const ds_bundle *b, const ds_task *task)
{
    const ds_task *before = b->n > 0 ? &b->tasks[b->n - 1] : NULL;
    bool same = before != NULL && before->inputs == task->inputs;
    return same && before->n_inputs == task->n_inputs ? 0 : task->n_inputs;
}

/* About what a task takes in a message. Inputs are of one kind, and pieces have no paths. */
static size_t bytes_of(const ds_task *task, uint32_t n_inputs)
{
    size_t bytes = n_inputs * INPUT_BYTES + task->n_saved * SAVED_BYTES;
    for (uint32_t i = 0; i < task->n_saved; i++)
        bytes += strlen(task->saved[i].path);
    if (n_inputs == 0 || task->inputs[0].kind == DS_INPUT_PIECES)
        return bytes;
    for (uint32_t i = 0; i < task->n_inputs; i++)
        bytes += strlen(task->inputs[i].path) + sizeof(ds_log_place) +
                 (task->inputs[i].kind == DS_INPUT_TAIL ? sizeof(ds_tail_input) : 0);
    return bytes;
}

ds_arena *ds_bundles_arena(ds_bundles *bundles)
{
    return bundles->driver->round_arena;
}

static ds_bundle *bundle_of(ds_bundles *bundles, ds_executor_entry *entry)
{
    if (entry->bundle != NULL)
        return entry->bundle;
    ds_bundle *b = DS_ARENA_NEW(ds_bundles_arena(bundles), ds_bundle);
    b->to = entry;
    if (bundles->last != NULL)
        bundles->last->next = b;
    else
        bundles->first = b;
    bundles->last = b;
    return entry->bundle = b;
}

/* Most rounds have but a few tasks for each. */
static void make_room(ds_bundles *bundles, ds_bundle *b)
{
    if (b->n < b->capacity)
        return;
    b->capacity = b->capacity == 0 ? FEW_TASKS : b->capacity * 2;
    ds_task *more = ds_arena_alloc(ds_bundles_arena(bundles), b->capacity * sizeof *more);
    if (b->n > 0)
        memcpy(more, b->tasks, b->n * sizeof *more);
    b->tasks = more;
}

static bool has_room(const ds_bundle *b, const ds_task *task, uint32_t n_inputs, size_t bytes)
{
    return b->n == 0 ||
           (b->n < BUNDLE_TASKS && b->n_inputs + n_inputs <= BUNDLE_INPUTS &&
            b->n_saved + task->n_saved <= BUNDLE_SAVED && b->bytes + bytes <= BUNDLE_BYTES);
}

void ds_bundles_add(ds_bundles *bundles, ds_executor_entry *to, const ds_task *task)
{
    ds_bundle *b = bundle_of(bundles, to);
    uint32_t n_inputs = own_inputs(b, task);
    size_t bytes = bytes_of(task, n_inputs);
    if (!has_room(b, task, n_inputs, bytes)) {
        send_bundle(bundles->driver, b, true);
        n_inputs = task->n_inputs;
        bytes = bytes_of(task, n_inputs);
    }
    make_room(bundles, b);
    b->tasks[b->n++] = *task;
    b->n_inputs += n_inputs;
    b->n_saved += task->n_saved;
    b->bytes += bytes;
}

void ds_bundles_send(ds_bundles *bundles)
{
    if (bundles->first == NULL)
        return; /* as most rounds */
    for (ds_bundle *b = bundles->first; b != NULL; b = b->next) {
        DS_ASSERT(b->to->bundle == b);
        send_bundle(bundles->driver, b, bundles->more);
        b->to->bundle = NULL;
    }
    bundles->first = bundles->last = NULL;
    ds_arena_reset(ds_bundles_arena(bundles));
}
