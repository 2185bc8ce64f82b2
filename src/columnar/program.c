/* Running a program over a chunk; see program_code.h for how it works. */
#include "columnar/program_code.h"

#include "base/assert.h"

#include <string.h>

typedef struct selection {
    const uint64_t *bits;
    bool empty;
} selection;

typedef struct run {
    ds_eval *ev;
    uint32_t words; /* of a bitmap */
    const ds_column **registers;
    selection *selections;
    const ds_column **args; /* room for those of one call */
} run;

/* The words of a bool column where it is known to be true, or to be false. */
static inline uint64_t true_word(const ds_column *column, uint32_t w)
{
    return column->validity == NULL ? column->bits[w] : column->bits[w] & column->validity[w];
}

static inline uint64_t false_word(const ds_column *column, uint32_t w)
{
    return column->validity == NULL ? ~column->bits[w] : ~column->bits[w] & column->validity[w];
}

static inline uint64_t null_word(const ds_column *column, uint32_t w)
{
    return column->validity == NULL ? 0 : ~column->validity[w];
}

static uint64_t narrow_word(ds_opcode op, const ds_column *column, uint32_t w)
{
    switch (op) {
    case DS_OP_WHERE_TRUE: return true_word(column, w);
    case DS_OP_WHERE_NOT_TRUE: return ~true_word(column, w);
    case DS_OP_WHERE_NOT_FALSE: return ~false_word(column, w);
    case DS_OP_WHERE_NULL: return null_word(column, w);
    case DS_OP_WHERE_NOT_NULL: return ~null_word(column, w);
    default: DS_UNREACHABLE();
    }
}

static void run_narrow(run *r, const ds_instruction *ins)
{
    const selection *from = &r->selections[ins->selection];
    const ds_column *column = r->registers[ins->args[0]];
    uint64_t *bits = ds_arena_alloc(r->ev->arena, r->words * 8), any = 0;
    for (uint32_t w = 0; w < r->words; w++) {
        bits[w] = from->bits[w] & narrow_word(ins->op, column, w);
        any |= bits[w];
    }
    r->selections[ins->result] = (selection){bits, any == 0};
}

static void run_call(run *r, const ds_instruction *ins)
{
    for (uint32_t i = 0; i < ins->n_args; i++)
        r->args[i] = ins->args[i] == DS_NO_REGISTER ? NULL : r->registers[ins->args[i]];
    ds_column *out = ds_arena_alloc(r->ev->arena, sizeof *out);
    *out = (ds_column){.type = ins->type, .length = r->ev->n};
    ins->kernel(r->ev, ins->bound, r->args, ins->n_args, out);
    r->registers[ins->result] = out;
}

/* and: false where an argument is false, else null where one is null; or: with true. */
static void run_logic(run *r, const ds_instruction *ins)
{
    bool is_and = ins->op == DS_OP_AND;
    ds_arena *arena = r->ev->arena;
    uint64_t *decided = ds_arena_calloc(arena, r->words, 8);
    uint64_t *unknown = ds_arena_calloc(arena, r->words, 8), any_unknown = 0;
    for (uint32_t i = 0; i < ins->n_args; i++) {
        const selection *where = &r->selections[ins->selections[i]];
        const ds_column *arg = r->registers[ins->args[i]];
        if (arg == NULL || where->empty)
            continue;
        for (uint32_t w = 0; w < r->words; w++) {
            uint64_t decides = is_and ? false_word(arg, w) : true_word(arg, w);
            decided[w] |= decides & where->bits[w];
            unknown[w] |= null_word(arg, w) & where->bits[w];
            any_unknown |= unknown[w] & ~decided[w];
        }
    }
    ds_column *out = ds_column_new(arena, ins->type, r->ev->n);
    if (any_unknown != 0)
        out->validity = ds_arena_alloc(arena, r->words * 8);
    for (uint32_t w = 0; w < r->words; w++) {
        if (any_unknown != 0)
            out->validity[w] = decided[w] | ~unknown[w];
        out->bits[w] = is_and ? ~decided[w] : decided[w];
    }
    r->registers[ins->result] = out;
}

/* Writes the values of from to where, a bitmap, has rows. */
static void blend(ds_column *to, const ds_column *from, const uint64_t *where, uint32_t words)
{
    size_t width = ds_type_width(to->type);
    for (uint32_t w = 0; w < words; w++) {
        if (to->type.kind == DS_BOOL)
            to->bits[w] = (to->bits[w] & ~where[w]) | (from->bits[w] & where[w]);
        else if (width == 8)
            for (uint64_t left = where[w]; left != 0; left &= left - 1) {
                uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(left);
                to->ints[i] = from->ints[i];
            }
        else
            for (uint64_t left = where[w]; left != 0; left &= left - 1) {
                uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(left);
                to->views[i] = from->views[i];
            }
    }
}

static void blend_validity(ds_column *to, const ds_column *from, const uint64_t *where,
                           uint32_t words, ds_arena *arena)
{
    if (to->validity == NULL && from->validity == NULL)
        return;
    ds_column_need_validity(to, arena);
    for (uint32_t w = 0; w < words; w++)
        to->validity[w] = (to->validity[w] & ~where[w]) | (~null_word(from, w) & where[w]);
}

static ds_column *copy_column(ds_arena *arena, const ds_column *from, uint32_t n)
{
    ds_column *copy = ds_column_new(arena, from->type, n);
    size_t words = ds_bitmap_words(n) * 8;
    memcpy(copy->values, from->values,
           from->type.kind == DS_BOOL ? words : n * ds_type_width(from->type));
    if (from->validity != NULL) {
        copy->validity = ds_arena_alloc(arena, words);
        memcpy(copy->validity, from->validity, words);
    }
    return copy;
}

/* Appends n elements, from `first` on, of a list's child to another at `at`. */
static void append_elements(ds_column *to, uint32_t at, const ds_column *from, uint32_t first,
                            uint32_t n)
{
    size_t width = ds_type_width(to->type);
    if (width > 0)
        memcpy((char *)to->values + at * width, (const char *)from->values + first * width,
               n * width);
    for (uint32_t i = 0; i < n; i++) {
        if (width == 0)
            ds_bit_put(to->bits, at + i, ds_bit_get(from->bits, first + i));
        ds_bit_put(to->validity, at + i, !ds_column_is_null(from, first + i));
    }
}

/* As a chain of blends, for lists: rows from several columns into a new one. */
static ds_column *pick_lists(run *r, const ds_instruction *ins)
{
    ds_arena *arena = r->ev->arena;
    uint32_t n = r->ev->n, total = 0;
    const ds_column **sources = ds_arena_calloc(arena, n, sizeof *sources);
    for (uint32_t i = 0; i < ins->n_args; i++) {
        const selection *where = &r->selections[ins->selections[i]];
        for (uint32_t row = 0; row < n && !where->empty; row++)
            if (ds_bit_get(where->bits, row))
                sources[row] = r->registers[ins->args[i]];
    }
    ds_column *out = ds_column_new(arena, ins->type, n);
    ds_column_need_validity(out, arena);
    for (uint32_t row = 0; row < n; row++) {
        if (sources[row] == NULL || ds_column_is_null(sources[row], row)) {
            sources[row] = NULL;
            ds_bit_clear(out->validity, row);
        } else {
            total += sources[row]->offsets[row + 1] - sources[row]->offsets[row];
        }
        out->offsets[row + 1] = total;
    }
    out->child = ds_column_new(arena, ds_type_element(ins->type), total);
    if (total > 0) /* a bitmap for no bits has no words to put any in */
        ds_column_need_validity(out->child, arena);
    for (uint32_t row = 0; row < n; row++)
        if (sources[row] != NULL)
            append_elements(out->child, out->offsets[row], sources[row]->child,
                            sources[row]->offsets[row], out->offsets[row + 1] - out->offsets[row]);
    return out;
}

static void run_pick(run *r, const ds_instruction *ins)
{
    const ds_column *only = NULL;
    uint32_t n_parts = 0, first = 0;
    for (uint32_t i = 0; i < ins->n_args; i++)
        if (!r->selections[ins->selections[i]].empty && n_parts++ == 0) {
            only = r->registers[ins->args[i]];
            first = i;
        }
    if (n_parts == 0) {
        only = ds_column_nulls(r->ev->arena, ins->type, r->ev->n);
    } else if (n_parts > 1 && ins->type.kind == DS_LIST) {
        only = pick_lists(r, ins);
    } else if (n_parts > 1) {
        ds_column *out = copy_column(r->ev->arena, only, r->ev->n);
        for (uint32_t i = first + 1; i < ins->n_args; i++) {
            const selection *where = &r->selections[ins->selections[i]];
            if (where->empty)
                continue;
            blend(out, r->registers[ins->args[i]], where->bits, r->words);
            blend_validity(out, r->registers[ins->args[i]], where->bits, r->words, r->ev->arena);
        }
        only = out;
    }
    r->registers[ins->result] = only;
}

/* The index of text among the heap's buffers, which it joins if it is not there: the chunks
 * of one task share a heap, and find it near the front. */
static uint32_t text_buffer(ds_heap *heap, const char *text)
{
    for (uint32_t i = 0; i < heap->n_buffers; i++)
        if (heap->buffers[i] == text)
            return i;
    return ds_heap_add(heap, text);
}

static void load_constants(run *r, const ds_program *program)
{
    ds_arena *arena = r->ev->arena;
    uint32_t buffer = program->text == NULL ? 0 : text_buffer(r->ev->heap, program->text);
    for (uint32_t i = 0; i < program->n_constants; i++) {
        const ds_constant *constant = &program->constants[i];
        if (constant->column == NULL) {
            r->registers[constant->result] = ds_literal_column(
                arena, constant->type, &constant->literal, r->ev->n, buffer, constant->text_offset);
            continue;
        }
        ds_column *column = ds_arena_alloc(arena, sizeof *column);
        *column = *constant->column;
        column->length = r->ev->n;
        r->registers[constant->result] = column;
    }
}

static void load(run *r, const ds_program *program, const ds_chunk *chunk)
{
    ds_arena *arena = r->ev->arena;
    r->registers = ds_arena_calloc(arena, program->n_registers, sizeof *r->registers);
    r->selections = ds_arena_alloc(arena, program->n_selections * sizeof *r->selections);
    r->args = ds_arena_alloc(arena, program->most_args * sizeof *r->args);
    r->selections[0] = (selection){r->ev->selected, false};
    for (uint32_t i = 1; i < program->n_selections; i++)
        r->selections[i] = (selection){NULL, true};
    for (uint32_t i = 0; i < program->n_loads; i++) {
        DS_ASSERT(program->loads[i].column < chunk->n_columns);
        const ds_column *column = chunk->columns[program->loads[i].column];
        DS_ASSERT(column != NULL && column->length == chunk->n_rows);
        r->registers[program->loads[i].result] = column;
    }
    load_constants(r, program);
}

void ds_program_run(const ds_program *program, ds_eval *ev, const ds_chunk *chunk,
                    const ds_column **outputs)
{
    DS_ASSERT(chunk->n_rows <= DS_CHUNK_ROWS);
    const uint64_t *selected = ev->selected;
    ev->n = chunk->n_rows;
    run r = {.ev = ev, .words = (uint32_t)ds_bitmap_words(chunk->n_rows)};
    load(&r, program, chunk);
    for (uint32_t i = 0; i < program->n_instructions; i++) {
        const ds_instruction *ins = &program->instructions[i];
        if (r.selections[ins->selection].empty)
            continue;
        ev->selected = r.selections[ins->selection].bits;
        switch (ins->op) {
        case DS_OP_CALL: run_call(&r, ins); break;
        case DS_OP_AND:
        case DS_OP_OR: run_logic(&r, ins); break;
        case DS_OP_PICK: run_pick(&r, ins); break;
        default: run_narrow(&r, ins); break;
        }
    }
    ev->selected = selected;
    for (uint32_t i = 0; i < program->n_outputs; i++)
        outputs[i] = r.registers[program->outputs[i]];
}
