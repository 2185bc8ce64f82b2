/*
 * A tree of losers: each inner node holds the run that lost there, the root the winner of all. When
 * the winner moves to its next row, it plays again against the losers on its way up only: one
 * comparison for each level, mostly of prefixes.
 */
#include "columnar/merge.h"

#include "base/assert.h"
#include "columnar/gather.h"

#include <stdlib.h>

typedef struct run {
    ds_arena *piece_arena; /* of the piece, and of its bytes if they were loaded */
    ds_piece *piece;       /* NULL: the run has ended */
    uint32_t next;         /* row of the piece behind the window */
    ds_arena *window;
    ds_column **columns; /* of the window */
    uint64_t *prefixes;
    uint32_t row, n; /* the row that comes next, and how many there are, in the window */
} run;

struct ds_merger {
    ds_merge_rows rows;
    ds_row_order order;
    ds_merge_source source;
    ds_heap *heap;
    ds_budget *budget;
    uint32_t window;
    run *runs;
    uint32_t n_runs;
    uint32_t *losers; /* [0]: the winner; the children of i are 2i and 2i + 1, leaves behind */
    bool started;
    bool moves; /* the winner's window is at its end */
    ds_arena **used_up;
    size_t n_used_up, room, used_up_bytes;
};

ds_merger *ds_merger_new(const ds_merge_rows *rows, uint32_t n_runs, uint32_t window,
                         const ds_merge_source *source, ds_heap *heap, ds_budget *budget)
{
    DS_ASSERT(window > 0);
    ds_merger *merger = ds_calloc(1, sizeof *merger);
    merger->rows = *rows;
    merger->source = *source;
    merger->heap = heap;
    merger->budget = budget;
    merger->window = (window + 63) / 64 * 64;
    merger->n_runs = n_runs;
    merger->runs = ds_calloc(n_runs, sizeof *merger->runs);
    merger->losers = ds_calloc(n_runs, sizeof *merger->losers);
    ds_row_order_init(&merger->order, rows->types, rows->n_columns, rows->keys, rows->n_keys);
    return merger;
}

void ds_merger_free(ds_merger *merger)
{
    if (merger == NULL)
        return;
    ds_merger_let_go(merger);
    for (uint32_t i = 0; i < merger->n_runs; i++) {
        ds_arena_free(merger->runs[i].piece_arena);
        ds_arena_free(merger->runs[i].window);
    }
    ds_row_order_fini(&merger->order);
    free(merger->used_up);
    free(merger->losers);
    free(merger->runs);
    free(merger);
}

/* ---- used up ---- */

static void use_up(ds_merger *merger, ds_arena *arena)
{
    if (merger->n_used_up == merger->room) {
        merger->room = merger->room == 0 ? 16 : merger->room * 2;
        merger->used_up = ds_realloc(merger->used_up, merger->room, sizeof *merger->used_up);
    }
    merger->used_up[merger->n_used_up++] = arena;
    merger->used_up_bytes += ds_arena_bytes(arena);
}

size_t ds_merger_used_up(const ds_merger *merger)
{
    return merger->used_up_bytes;
}

void ds_merger_let_go(ds_merger *merger)
{
    while (merger->n_used_up > 0)
        ds_arena_free(merger->used_up[--merger->n_used_up]);
    merger->used_up_bytes = 0;
}

/* ---- moving ---- */

/* Makes a window of the rows that come next, from the next piece if need be. */
static ds_status move(ds_merger *merger, uint32_t i, ds_error *error)
{
    run *r = &merger->runs[i];
    while (r->piece == NULL || r->next == ds_piece_length(r->piece)) {
        if (r->piece_arena != NULL)
            use_up(merger, r->piece_arena);
        r->next = 0;
        r->piece = NULL;
        r->piece_arena = ds_arena_new(merger->budget);
        DS_TRY(merger->source.next(merger->source.arg, i, r->piece_arena, &r->piece, error));
        if (r->piece == NULL)
            return DS_OK;
    }
    uint32_t left = ds_piece_length(r->piece) - r->next;
    if (r->window == NULL)
        r->window = ds_arena_new(merger->budget);
    ds_arena_reset(r->window);
    r->row = 0;
    r->n = left < merger->window ? left : merger->window;
    r->columns = DS_ARENA_ARRAY(r->window, ds_column *, merger->rows.n_columns + 1);
    r->prefixes = ds_arena_alloc(r->window, r->n * sizeof *r->prefixes);
    DS_TRY(ds_piece_take(r->piece, r->window, r->next, r->n, r->columns, error));
    ds_row_order_prefixes(&merger->order, merger->heap, (const ds_column *const *)r->columns, 0,
                          r->n, r->prefixes);
    r->next += r->n;
    return DS_OK;
}

/* ---- the tree ---- */

/* Whether run a comes before run b. */
static bool wins(const ds_merger *merger, uint32_t a, uint32_t b)
{
    const run *x = &merger->runs[a], *y = &merger->runs[b];
    if (x->piece == NULL || y->piece == NULL)
        return y->piece == NULL && (x->piece != NULL || a < b);
    if (x->prefixes[x->row] != y->prefixes[y->row])
        return x->prefixes[x->row] < y->prefixes[y->row];
    int order =
        ds_row_order_compare(&merger->order, merger->heap, x->columns, x->row, y->columns, y->row);
    return order != 0 ? order < 0 : a < b;
}

/* Plays the matches below node `at`; returns the winner. */
static uint32_t play_all(ds_merger *merger, uint32_t at)
{
    if (at >= merger->n_runs)
        return at - merger->n_runs;
    uint32_t a = play_all(merger, 2 * at), b = play_all(merger, 2 * at + 1);
    bool first = wins(merger, a, b);
    merger->losers[at] = first ? b : a;
    return first ? a : b;
}

/* The winner has another row: it plays again. */
static void play_again(ds_merger *merger)
{
    uint32_t winner = merger->losers[0];
    for (uint32_t at = (winner + merger->n_runs) / 2; at > 0; at /= 2) {
        uint32_t loser = merger->losers[at];
        if (wins(merger, loser, winner)) {
            merger->losers[at] = winner;
            winner = loser;
        }
    }
    merger->losers[0] = winner;
}

static ds_status start(ds_merger *merger, ds_error *error)
{
    merger->started = true;
    for (uint32_t i = 0; i < merger->n_runs; i++)
        DS_TRY(move(merger, i, error));
    merger->losers[0] = play_all(merger, 1);
    return DS_OK;
}

/* ---- rows ---- */

typedef struct pick {
    uint32_t run, row;
} pick;

/* Picks rows until there is a chunk of them, or the winner's window is at its end: what is there is
 * gathered before the window moves. */
static uint32_t pick_rows(ds_merger *merger, pick *picks)
{
    for (uint32_t n = 0; n < DS_CHUNK_ROWS;) {
        uint32_t winner = merger->losers[0];
        run *r = &merger->runs[winner];
        if (r->piece == NULL)
            return n;
        picks[n++] = (pick){winner, r->row++};
        merger->moves = r->row == r->n;
        if (merger->moves)
            return n;
        play_again(merger);
    }
    return DS_CHUNK_ROWS;
}

ds_status ds_merger_next(ds_merger *merger, ds_arena *arena, ds_column **columns, uint32_t *n,
                         ds_error *error)
{
    *n = 0;
    if (merger->n_runs == 0)
        return DS_OK;
    if (!merger->started)
        DS_TRY(start(merger, error));
    if (merger->moves) {
        DS_TRY(move(merger, merger->losers[0], error));
        play_again(merger);
        merger->moves = false;
    }
    pick picks[DS_CHUNK_ROWS];
    ds_place places[DS_CHUNK_ROWS];
    *n = pick_rows(merger, picks);
    for (uint32_t c = 0; c<merger->rows.n_columns && * n> 0; c++) {
        for (uint32_t i = 0; i < *n; i++)
            places[i] = (ds_place){merger->runs[picks[i].run].columns[c], picks[i].row};
        columns[c] = ds_gather_places(arena, merger->rows.types[c], places, *n, 0);
    }
    return DS_OK;
}
