/*
 * DABA Lite: Tangwongsan, Hirzel, Schneider, "In-order sliding-window aggregation in
 * worst-case constant time", VLDB Journal 30 (2021).
 *
 * A queue of entries v0 v1 ... has six places in it, in this order:
 *
 *     front   left   right   across   back   end
 *       |  1    |  2   |   3    |  4   |  5   |
 *
 * What an entry e holds (+ is combine, older first):
 *
 *     1   e + ... up to back           ready to answer
 *     2   e + ... up to right          still lacks right .. back
 *     3   e alone
 *     4   e + ... up to back
 *     5   e alone
 *
 * Besides there are two sums, of right .. back (`middle`) and of back .. end (`newest`). The
 * whole window is front's entry + newest. Each push and each pop is followed by one step of
 * a slow reversal: regions 2 and 3, of equal length, each give one entry to regions 1 and 4
 * (two combines); when they are used up, region 4 becomes part of 1 entry by entry, which
 * costs nothing; and when that is done, 5 is as long as 1 and becomes the next 3, with 1 as
 * its 2. So the front is always ready before the window gets there.
 *
 * Entries of all keys lie in one pool, linked; number 0 stands for the end of a queue, and as
 * a state for no rows, which changes nothing it is combined with.
 */
#include "dstream/slide_combine.h"

#include "base/assert.h"
#include "columnar/growable.h"

#include <stdlib.h>

#define END 0u
#define AHEAD 12u  /* queues that are fetched before they are looked at */
#define RELIEF 16u /* queues here and there, before pages may have to go */

typedef struct link {
    uint32_t older, newer; /* of a free entry, newer is the next free one */
} link;

typedef struct queue {
    uint32_t front, left, right, across, back, last;
    uint32_t middle, newest; /* entries of their own, outside the queue */
} queue;

struct ds_slide_combine {
    ds_budget *budget;
    ds_text_store *text;
    ds_agg_state *states; /* one for each call; records by entry */
    uint32_t n_states;
    link *links;
    uint32_t n_entries, links_room;
    uint32_t free_entry; /* END: none */
    queue *queues;       /* by key */
    uint32_t queues_room;
    uint32_t results, results_room; /* entries in a row for what results are made of; all empty */
    uint64_t work;
};

ds_slide_combine *ds_slide_combine_new(const ds_agg_call *const *calls, uint32_t n_calls,
                                       ds_text_store *text, ds_budget *budget)
{
    ds_slide_combine *queues = ds_calloc(1, sizeof *queues);
    queues->budget = budget;
    queues->text = text;
    queues->states = ds_calloc(n_calls, sizeof *queues->states);
    queues->n_states = n_calls;
    for (uint32_t c = 0; c < n_calls; c++) {
        ds_agg_state_init(&queues->states[c], calls[c], text, budget);
        DS_ASSERT(queues->states[c].kernels->combine != NULL);
        ds_agg_state_grow(&queues->states[c], 1);
    }
    queues->links = ds_grow(NULL, &queues->links_room, 1, sizeof(link), budget);
    queues->n_entries = 1; /* END */
    return queues;
}

void ds_slide_combine_free(ds_slide_combine *queues)
{
    if (queues == NULL)
        return;
    for (uint32_t c = 0; c < queues->n_states; c++)
        ds_agg_state_fini(&queues->states[c]);
    free(queues->states);
    ds_grow_free(queues->links, &queues->links_room, sizeof(link), queues->budget);
    ds_grow_free(queues->queues, &queues->queues_room, sizeof(queue), queues->budget);
    free(queues);
}

/* ---- Entries ---- */

/* An entry that holds no rows. */
static uint32_t new_entry(ds_slide_combine *queues)
{
    uint32_t e = queues->free_entry;
    if (e != END) {
        queues->free_entry = queues->links[e].newer;
    } else {
        e = queues->n_entries++;
        queues->links = ds_grow(queues->links, &queues->links_room, queues->n_entries, sizeof(link),
                                queues->budget);
        for (uint32_t c = 0; c < queues->n_states; c++)
            ds_agg_state_grow(&queues->states[c], queues->n_entries);
    }
    queues->links[e] = (link){END, END};
    return e;
}

static void free_entry(ds_slide_combine *queues, uint32_t e)
{
    if (e == END)
        return;
    for (uint32_t c = 0; c < queues->n_states; c++) {
        ds_agg_state *state = &queues->states[c];
        if (state->kernels->forget != NULL)
            state->kernels->forget(state, ds_agg_record(state, e));
        memset(ds_agg_record(state, e), 0, state->kernels->record);
    }
    queues->links[e].newer = queues->free_entry;
    queues->free_entry = e;
}

/* to = older + newer; to may be either. */
static void combine(ds_slide_combine *queues, uint32_t to, uint32_t older, uint32_t newer)
{
    for (uint32_t c = 0; c < queues->n_states; c++) {
        ds_agg_state *state = &queues->states[c];
        state->kernels->combine(state, ds_agg_record(state, to), ds_agg_record(state, older),
                                ds_agg_record(state, newer));
    }
    queues->work++;
}

/* ---- One step ---- */

static uint32_t newer(const ds_slide_combine *queues, uint32_t e)
{
    return queues->links[e].newer;
}

static void flip(ds_slide_combine *queues, queue *q)
{
    q->left = q->front;
    q->right = q->back;
    q->across = q->back = END;
    free_entry(queues, q->middle);
    q->middle = q->newest;
    q->newest = END;
}

/* The front is the back: there is at most one entry, which is ready as it is. */
static void restart(ds_slide_combine *queues, queue *q)
{
    q->left = q->right = q->across = q->back = END;
    free_entry(queues, q->middle);
    free_entry(queues, q->newest);
    q->middle = q->newest = END;
}

static void step(ds_slide_combine *queues, queue *q)
{
    if (q->front == q->back) {
        restart(queues, q);
        return;
    }
    if (q->left == q->back)
        flip(queues, q);
    if (q->left == q->right) {
        q->left = newer(queues, q->left);
        q->right = newer(queues, q->right);
        q->across = newer(queues, q->across);
        return;
    }
    combine(queues, q->left, q->left, q->middle);
    q->left = newer(queues, q->left);
    uint32_t before = q->across == END ? q->last : queues->links[q->across].older;
    combine(queues, before, before, q->across == q->back ? END : q->across);
    q->across = before;
}

/* ---- Pushing and popping ---- */

static void push(ds_slide_combine *queues, queue *q, uint32_t e)
{
    queues->links[e] = (link){.older = q->last, .newer = END};
    if (q->last != END)
        queues->links[q->last].newer = e;
    q->last = e;
    /* Places that were at the end are now at the new entry. */
    uint32_t *places[] = {&q->front, &q->left, &q->right, &q->across, &q->back};
    for (int i = 0; i < 5; i++)
        if (*places[i] == END)
            *places[i] = e;
    if (q->newest == END)
        q->newest = new_entry(queues);
    combine(queues, q->newest, q->newest, e);
    step(queues, q);
}

void ds_slide_combine_push(ds_slide_combine *queues, const uint32_t *keys, uint32_t n,
                           const ds_column *const *const *partials)
{
    uint32_t *entries = ds_alloc((size_t)n * sizeof *entries), highest = 0;
    for (uint32_t i = 0; i < n; i++) {
        entries[i] = new_entry(queues);
        highest = keys[i] > highest ? keys[i] : highest;
    }
    queues->queues = ds_grow(queues->queues, &queues->queues_room, (uint64_t)highest + 1,
                             sizeof(queue), queues->budget);
    for (uint32_t c = 0; c < queues->n_states; c++) {
        ds_agg_partials in = {
            .heap = &queues->text->heap, .columns = partials[c], .ids = entries, .n = n};
        ds_agg_state_merge(&queues->states[c], &in);
    }
    for (uint32_t i = 0; i < n; i++) {
        push(queues, &queues->queues[keys[i]], entries[i]);
        if (i % RELIEF == 0)
            ds_budget_relieve(queues->budget);
    }
    free(entries);
}

static void pop(ds_slide_combine *queues, queue *q)
{
    uint32_t oldest = q->front;
    DS_ASSERT(oldest != END);
    q->front = newer(queues, oldest);
    if (q->front == END)
        q->last = END;
    else
        queues->links[q->front].older = END;
    free_entry(queues, oldest);
    step(queues, q);
}

void ds_slide_combine_pop(ds_slide_combine *queues, const uint32_t *keys, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        DS_ASSERT(keys[i] < queues->queues_room);
        pop(queues, &queues->queues[keys[i]]);
        if (i % RELIEF == 0)
            ds_budget_relieve(queues->budget);
    }
}

/* ---- Results ---- */

/* Makes sure that there are n entries in a row, which belong to no queue. */
static void need_results(ds_slide_combine *queues, uint32_t n)
{
    if (n <= queues->results_room)
        return;
    for (uint32_t i = 0; i < queues->results_room; i++)
        free_entry(queues, queues->results + i);
    uint32_t room = n < UINT32_MAX / 4 ? n + n / 4 : n;
    queues->results = queues->n_entries;
    queues->results_room = room;
    queues->n_entries += room;
    queues->links = ds_grow(queues->links, &queues->links_room, queues->n_entries, sizeof(link),
                            queues->budget);
    for (uint32_t c = 0; c < queues->n_states; c++)
        ds_agg_state_grow(&queues->states[c], queues->n_entries);
}

static void clear_results(ds_slide_combine *queues, uint32_t n)
{
    for (uint32_t c = 0; c < queues->n_states; c++) {
        ds_agg_state *state = &queues->states[c];
        for (uint32_t i = 0; i < n && state->kernels->forget != NULL; i++)
            state->kernels->forget(state, ds_agg_record(state, queues->results + i));
        memset(ds_agg_record(state, queues->results), 0, (size_t)n * state->kernels->record);
    }
}

/* The entries with all of the keys' states: their fronts, or what fronts and newest ones together
 * are, in entries that are cleared afterwards. Returns how many these are. */
static uint32_t wholes(ds_slide_combine *queues, const uint32_t *keys, uint32_t n,
                       uint32_t *entries)
{
    uint32_t *older = ds_alloc(2 * (size_t)n * sizeof *older), *last = older + n, made = 0;
    need_results(queues, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t ahead = keys[i + AHEAD < n ? i + AHEAD : i];
        if (ahead < queues->queues_room)
            __builtin_prefetch(&queues->queues[ahead]);
        bool known = keys[i] < queues->queues_room;
        uint32_t newest = known ? queues->queues[keys[i]].newest : END;
        entries[i] = older[made] = known ? queues->queues[keys[i]].front : END;
        last[made] = newest;
        for (uint32_t c = 0; c < queues->n_states; c++) /* these lie anywhere */
            __builtin_prefetch(ds_agg_record(&queues->states[c], older[made]));
        if (newest != END)
            entries[i] = queues->results + made++;
    }
    for (uint32_t c = 0; c < queues->n_states; c++)
        ds_agg_state_combine_each(&queues->states[c], queues->results, older, last, made);
    queues->work += made;
    free(older);
    return made;
}

void ds_slide_combine_results(ds_slide_combine *queues, ds_arena *arena, ds_heap *heap,
                              const uint32_t *keys, uint32_t n, ds_column **columns,
                              uint64_t **overflows)
{
    uint32_t *entries = ds_alloc((size_t)n * sizeof *entries);
    uint32_t made = wholes(queues, keys, n, entries);
    ds_agg_out out = {.arena = arena, .heap = heap, .ids = entries, .n = n};
    for (uint32_t c = 0; c < queues->n_states; c++) {
        out.columns = &columns[c];
        out.overflows = ds_agg_overflows_of(overflows, c);
        queues->states[c].kernels->results(&queues->states[c], &out);
    }
    clear_results(queues, made);
    free(entries);
}

/* ---- As columns ---- */

/* The places of a queue as numbers of entries before them; at the end: all of them. */
typedef struct shape {
    int64_t n, left, right, across, back;
    int64_t sums; /* 1: there is a middle; 2: a newest */
} shape;

static int64_t *field(shape *s, uint32_t i)
{
    int64_t *fields[DS_SLIDE_SHAPE] = {&s->n, &s->left, &s->right, &s->across, &s->back, &s->sums};
    return fields[i];
}

/* The middle, if it is still wanted: afterwards it may be of rows that have gone. */
static uint32_t middle_of(const queue *q)
{
    return q->left != q->right ? q->middle : END;
}

/* Entries that are listed. */
typedef struct entry_list {
    uint32_t *entries;
    uint32_t n, room;
} entry_list;

static void list_entry(entry_list *list, uint32_t e)
{
    list->entries =
        ds_grow(list->entries, &list->room, (uint64_t)list->n + 1, sizeof *list->entries, NULL);
    list->entries[list->n++] = e;
}

/* The shape of a queue; lists its entries, and then its sums. */
static shape shape_of(const ds_slide_combine *queues, const queue *q, entry_list *list)
{
    shape s = {.sums = (middle_of(q) != END) + 2 * (q->newest != END)};
    s.left = s.right = s.across = s.back = -1;
    for (uint32_t e = q->front; e != END; e = newer(queues, e), s.n++) {
        list_entry(list, e);
        s.left = e == q->left ? s.n : s.left;
        s.right = e == q->right ? s.n : s.right;
        s.across = e == q->across ? s.n : s.across;
        s.back = e == q->back ? s.n : s.back;
    }
    for (uint32_t i = 1; i <= 4; i++)
        if (*field(&s, i) < 0)
            *field(&s, i) = s.n;
    if (middle_of(q) != END)
        list_entry(list, q->middle);
    if (q->newest != END)
        list_entry(list, q->newest);
    return s;
}

/* The invariant of the paper, by the lengths of the regions: 2 is as long as 3, and 2, 3 and 4 with
 * one more as long as 1 to 4 without 5. An empty queue has nothing. */
static bool is_shape(const shape *s)
{
    bool ascends = s->left >= 0 && s->left <= s->right && s->right <= s->across &&
                   s->across <= s->back && s->back <= s->n && s->n <= (int64_t)UINT32_MAX / 2;
    if (!ascends || s->sums < 0 || s->sums > 3)
        return false;
    if (s->n == 0)
        return true;
    int64_t second = s->right - s->left, third = s->across - s->right, fifth = s->n - s->back;
    return second == third && s->back - s->left + 1 == s->back - fifth;
}

static uint32_t entries_of(const shape *s)
{
    return (uint32_t)s->n + (uint32_t)(s->sums & 1) + (uint32_t)(s->sums >> 1);
}

static const queue *queue_of(const ds_slide_combine *queues, uint32_t key)
{
    static const queue none;
    return key < queues->queues_room ? &queues->queues[key] : &none;
}

uint32_t ds_slide_combine_save(ds_slide_combine *queues, ds_arena *arena, ds_heap *heap,
                               const uint32_t *keys, uint32_t n, ds_column **columns,
                               ds_column **const *partials)
{
    entry_list list = {.n = 0};
    for (uint32_t i = 0; i < DS_SLIDE_SHAPE; i++)
        columns[i] = ds_column_new(arena, DS_TYPE(DS_INT), n);
    for (uint32_t k = 0; k < n; k++) {
        shape s = shape_of(queues, queue_of(queues, keys[k]), &list);
        DS_ASSERT(is_shape(&s));
        for (uint32_t i = 0; i < DS_SLIDE_SHAPE; i++)
            columns[i]->ints[k] = *field(&s, i);
    }
    ds_agg_out out = {.arena = arena, .heap = heap, .ids = list.entries, .n = list.n};
    for (uint32_t c = 0; c < queues->n_states; c++) {
        out.columns = partials[c];
        queues->states[c].kernels->partials(&queues->states[c], &out);
    }
    ds_grow_free(list.entries, &list.room, sizeof *list.entries, NULL);
    return list.n;
}

static shape read_shape(const ds_column *const *columns, uint32_t row)
{
    shape s;
    for (uint32_t i = 0; i < DS_SLIDE_SHAPE; i++)
        *field(&s, i) = columns[i]->ints[row];
    return s;
}

/* Links entries (as shape_of lists them) to a queue. */
static void link_entries(ds_slide_combine *queues, queue *q, const shape *s,
                         const uint32_t *entries)
{
    uint32_t n = (uint32_t)s->n;
    for (uint32_t i = 0; i < n; i++)
        queues->links[entries[i]] = (link){.older = i > 0 ? entries[i - 1] : END,
                                           .newer = i + 1 < n ? entries[i + 1] : END};
    *q = (queue){.front = n > 0 ? entries[0] : END,
                 .left = s->left < n ? entries[s->left] : END,
                 .right = s->right < n ? entries[s->right] : END,
                 .across = s->across < n ? entries[s->across] : END,
                 .back = s->back < n ? entries[s->back] : END,
                 .last = n > 0 ? entries[n - 1] : END,
                 .middle = (s->sums & 1) != 0 ? entries[n] : END,
                 .newest = s->sums >> 1 != 0 ? entries[n + (uint32_t)(s->sums & 1)] : END};
}

static bool are_shapes(const ds_column *const *columns, uint32_t n, uint32_t n_states)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < DS_SLIDE_SHAPE; i++)
        for (uint32_t k = 0; k < n; k++)
            if (ds_column_is_null(columns[i], k))
                return false;
    for (uint32_t k = 0; k < n; k++) {
        shape s = read_shape(columns, k);
        if (!is_shape(&s))
            return false;
        total += entries_of(&s);
    }
    return total == n_states;
}

ds_status ds_slide_combine_load(ds_slide_combine *queues, const uint32_t *keys, uint32_t n,
                                const ds_column *const *columns,
                                const ds_column *const *const *partials, uint32_t n_states,
                                ds_error *error)
{
    if (!are_shapes(columns, n, n_states))
        return ds_error_set(error, DS_ERR_PROTOCOL, "the queues of a window are none");
    uint32_t *entries = ds_alloc((size_t)n_states * sizeof *entries), at = 0, highest = 0;
    for (uint32_t i = 0; i < n_states; i++)
        entries[i] = new_entry(queues);
    for (uint32_t c = 0; c < queues->n_states; c++) {
        ds_agg_partials in = {
            .heap = &queues->text->heap, .columns = partials[c], .ids = entries, .n = n_states};
        ds_agg_state_merge(&queues->states[c], &in);
    }
    for (uint32_t k = 0; k < n; k++)
        highest = keys[k] > highest ? keys[k] : highest;
    queues->queues = ds_grow(queues->queues, &queues->queues_room, (uint64_t)highest + 1,
                             sizeof(queue), queues->budget);
    for (uint32_t k = 0; k < n; k++) {
        shape s = read_shape(columns, k);
        link_entries(queues, &queues->queues[keys[k]], &s, entries + at);
        at += entries_of(&s);
    }
    free(entries);
    return DS_OK;
}

/* ---- Numbers ---- */

uint64_t ds_slide_combine_work(const ds_slide_combine *queues)
{
    return queues->work;
}

uint64_t ds_slide_combine_overflows(const ds_slide_combine *queues)
{
    uint64_t overflows = 0;
    for (uint32_t c = 0; c < queues->n_states; c++)
        overflows += queues->states[c].overflows;
    return overflows;
}

size_t ds_slide_combine_bytes(const ds_slide_combine *queues)
{
    size_t bytes = queues->links_room * sizeof(link) + queues->queues_room * sizeof(queue);
    for (uint32_t c = 0; c < queues->n_states; c++)
        bytes += ds_agg_state_bytes(&queues->states[c]);
    return bytes;
}
