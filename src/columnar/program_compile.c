/* Bound expressions to a program; see program_code.h for what comes out. */
#include "columnar/program_code.h"

#include "base/assert.h"
#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

/* A value that exists: an expression under a selection. */
typedef struct known {
    uint64_t id[2];
    uint32_t selection;
    uint32_t reg; /* + 1; 0: a free slot */
} known;

typedef struct compiler {
    ds_arena *arena;
    ds_program *program;
    uint32_t instructions_capacity, loads_capacity, constants_capacity;
    known *known; /* open addressing, a power of two of slots */
    uint32_t n_known, known_slots;
    uint32_t *parents; /* the selection that each is a part of */
    uint32_t parents_capacity;
    ds_buffer text; /* long literals */
} compiler;

static uint32_t emit(compiler *c, const ds_expr *expr, uint32_t selection);

/* Makes room for one more in an array of n in the arena. */
static void *grow(compiler *c, void *items, uint32_t n, uint32_t *capacity, size_t size)
{
    if (n < *capacity)
        return items;
    *capacity = *capacity == 0 ? 8 : *capacity * 2;
    void *more = ds_arena_calloc(c->arena, *capacity, size);
    if (n > 0)
        memcpy(more, items, n * size);
    return more;
}

/* What is known. */

static known *slot_of(known *slots, uint32_t n_slots, const uint64_t id[2], uint32_t selection)
{
    uint32_t at = (uint32_t)id[0] + selection * 0x9e3779b9u;
    for (;; at++) {
        known *slot = &slots[at & (n_slots - 1)];
        if (slot->reg == 0 ||
            (slot->id[0] == id[0] && slot->id[1] == id[1] && slot->selection == selection))
            return slot;
    }
}

static void remember(compiler *c, const ds_expr *expr, uint32_t selection, uint32_t reg)
{
    if (2 * (c->n_known + 1) > c->known_slots) {
        uint32_t n_slots = c->known_slots == 0 ? 64 : c->known_slots * 2;
        known *slots = ds_calloc(n_slots, sizeof *slots);
        for (uint32_t i = 0; i < c->known_slots; i++)
            if (c->known[i].reg != 0)
                *slot_of(slots, n_slots, c->known[i].id, c->known[i].selection) = c->known[i];
        free(c->known);
        c->known = slots;
        c->known_slots = n_slots;
    }
    known *slot = slot_of(c->known, c->known_slots, expr->id, selection);
    c->n_known += slot->reg == 0;
    *slot = (known){{expr->id[0], expr->id[1]}, selection, reg + 1};
}

/* The register of an equal expression under this selection or one it is a part of. */
static uint32_t recall(const compiler *c, const ds_expr *expr, uint32_t selection)
{
    while (c->known_slots > 0) {
        const known *slot = slot_of(c->known, c->known_slots, expr->id, selection);
        if (slot->reg != 0)
            return slot->reg - 1;
        if (selection == 0)
            break;
        selection = c->parents[selection];
    }
    return DS_NO_REGISTER;
}

/* Instructions. */

static ds_instruction *add_instruction(compiler *c, ds_opcode op, uint32_t selection,
                                       uint32_t result, const uint32_t *args,
                                       const uint32_t *selections, uint32_t n_args)
{
    ds_program *p = c->program;
    p->instructions = grow(c, p->instructions, p->n_instructions, &c->instructions_capacity,
                           sizeof *p->instructions);
    ds_instruction *instruction = &p->instructions[p->n_instructions++];
    *instruction = (ds_instruction){.op = op,
                                    .selection = selection,
                                    .result = result,
                                    .n_args = n_args,
                                    .args = args,
                                    .selections = selections};
    if (n_args > p->most_args)
        p->most_args = n_args;
    return instruction;
}

static uint32_t *numbers(compiler *c, uint32_t n)
{
    return DS_ARENA_ARRAY(c->arena, uint32_t, n);
}

/* Makes the part of a selection where a condition on reg holds. */
static uint32_t narrow(compiler *c, ds_opcode op, uint32_t reg, uint32_t selection)
{
    ds_program *p = c->program;
    uint32_t part = p->n_selections++;
    c->parents = grow(c, c->parents, part, &c->parents_capacity, sizeof *c->parents);
    c->parents[part] = selection;
    uint32_t *args = numbers(c, 1);
    args[0] = reg;
    add_instruction(c, op, selection, part, args, NULL, 1);
    return part;
}

static uint32_t emit_load(compiler *c, const ds_expr *expr)
{
    ds_program *p = c->program;
    p->loads = grow(c, p->loads, p->n_loads, &c->loads_capacity, sizeof *p->loads);
    p->loads[p->n_loads++] = (ds_load){p->n_registers, expr->column};
    return p->n_registers++;
}

static uint32_t emit_constant(compiler *c, const ds_expr *expr)
{
    ds_program *p = c->program;
    p->constants =
        grow(c, p->constants, p->n_constants, &c->constants_capacity, sizeof *p->constants);
    ds_constant *constant = &p->constants[p->n_constants++];
    *constant =
        (ds_constant){.result = p->n_registers, .type = expr->type, .literal = expr->literal};
    if (expr->type.kind == DS_STRING && expr->literal.length > DS_INLINE_BYTES) {
        constant->text_offset = (uint32_t)c->text.length;
        ds_buffer_append(&c->text, expr->literal.text, expr->literal.length);
    } else {
        constant->column =
            ds_literal_column(c->arena, expr->type, &expr->literal, DS_CHUNK_ROWS, 0, 0);
    }
    return p->n_registers++;
}

static uint32_t emit_call(compiler *c, const ds_expr *expr, uint32_t selection)
{
    uint32_t *args = numbers(c, expr->n_args);
    for (uint32_t i = 0; i < expr->n_args; i++) {
        bool bound = expr->literals_bound && expr->args[i]->kind == DS_EXPR_LITERAL &&
                     !expr->args[i]->literal.is_null;
        args[i] = bound ? DS_NO_REGISTER : emit(c, expr->args[i], selection);
    }
    uint32_t result = c->program->n_registers++;
    ds_instruction *call =
        add_instruction(c, DS_OP_CALL, selection, result, args, NULL, expr->n_args);
    call->type = expr->type;
    call->kernel = expr->kernel;
    call->bound = expr->bound;
    DS_ASSERT(call->kernel != NULL);
    return result;
}

/* Puts parts together: n args with the selections where they count. */
static uint32_t emit_parts(compiler *c, ds_opcode op, const ds_expr *expr, uint32_t selection,
                           const uint32_t *args, const uint32_t *selections, uint32_t n)
{
    uint32_t result = c->program->n_registers++;
    add_instruction(c, op, selection, result, args, selections, n)->type = expr->type;
    return result;
}

/* Each further argument runs only where those before did not decide. */
static uint32_t emit_logic(compiler *c, const ds_expr *expr, uint32_t selection)
{
    bool is_and = expr->kind == DS_EXPR_AND;
    uint32_t *args = numbers(c, expr->n_args), *selections = numbers(c, expr->n_args);
    uint32_t open = selection;
    for (uint32_t i = 0; i < expr->n_args; i++) {
        if (i > 0)
            open =
                narrow(c, is_and ? DS_OP_WHERE_NOT_FALSE : DS_OP_WHERE_NOT_TRUE, args[i - 1], open);
        selections[i] = open;
        args[i] = emit(c, expr->args[i], open);
    }
    return emit_parts(c, is_and ? DS_OP_AND : DS_OP_OR, expr, selection, args, selections,
                      expr->n_args);
}

static uint32_t emit_case(compiler *c, const ds_expr *expr, uint32_t selection)
{
    uint32_t n = expr->n_args / 2 + 1;
    uint32_t *args = numbers(c, n), *selections = numbers(c, n);
    uint32_t open = selection;
    for (uint32_t i = 0; i + 1 < n; i++) {
        uint32_t condition = emit(c, expr->args[2 * i], open);
        selections[i] = narrow(c, DS_OP_WHERE_TRUE, condition, open);
        args[i] = emit(c, expr->args[2 * i + 1], selections[i]);
        open = narrow(c, DS_OP_WHERE_NOT_TRUE, condition, open);
    }
    selections[n - 1] = open;
    args[n - 1] = emit(c, expr->args[expr->n_args - 1], open);
    return emit_parts(c, DS_OP_PICK, expr, selection, args, selections, n);
}

static uint32_t emit_coalesce(compiler *c, const ds_expr *expr, uint32_t selection)
{
    uint32_t n = expr->n_args;
    uint32_t *args = numbers(c, n), *selections = numbers(c, n);
    uint32_t open = selection;
    for (uint32_t i = 0; i + 1 < n; i++) {
        args[i] = emit(c, expr->args[i], open);
        selections[i] = narrow(c, DS_OP_WHERE_NOT_NULL, args[i], open);
        open = narrow(c, DS_OP_WHERE_NULL, args[i], open);
    }
    selections[n - 1] = open;
    args[n - 1] = emit(c, expr->args[n - 1], open);
    return emit_parts(c, DS_OP_PICK, expr, selection, args, selections, n);
}

static uint32_t emit_new(compiler *c, const ds_expr *expr, uint32_t selection)
{
    switch (expr->kind) {
    case DS_EXPR_LITERAL: return emit_constant(c, expr);
    case DS_EXPR_COLUMN: return emit_load(c, expr);
    case DS_EXPR_CALL: return emit_call(c, expr, selection);
    case DS_EXPR_AND:
    case DS_EXPR_OR: return emit_logic(c, expr, selection);
    case DS_EXPR_CASE: return emit_case(c, expr, selection);
    case DS_EXPR_COALESCE: return emit_coalesce(c, expr, selection);
    default: DS_UNREACHABLE(); /* not bound */
    }
}

/* The register that holds an expression for the rows of a selection. */
static uint32_t emit(compiler *c, const ds_expr *expr, uint32_t selection)
{
    if (expr->kind == DS_EXPR_LITERAL || expr->kind == DS_EXPR_COLUMN)
        selection = 0; /* there from the start */
    uint32_t reg = recall(c, expr, selection);
    if (reg != DS_NO_REGISTER)
        return reg;
    reg = expr->body != NULL ? emit(c, expr->body, selection) : emit_new(c, expr, selection);
    remember(c, expr, selection, reg);
    return reg;
}

ds_program *ds_program_new(ds_arena *arena, ds_expr *const *exprs, uint32_t n_exprs)
{
    compiler c = {.arena = arena, .program = DS_ARENA_NEW(arena, ds_program)};
    ds_program *program = c.program;
    c.parents = grow(&c, NULL, 0, &c.parents_capacity, sizeof *c.parents);
    program->n_selections = 1;
    program->outputs = numbers(&c, n_exprs);
    program->n_outputs = n_exprs;
    for (uint32_t i = 0; i < n_exprs; i++)
        program->outputs[i] = emit(&c, exprs[i], 0);
    if (c.text.length > 0)
        program->text = ds_arena_strndup(arena, c.text.data, c.text.length);
    ds_buffer_fini(&c.text);
    free(c.known);
    return program;
}
