/*
 * The form of a compiled program: private to program.c and program_compile.c.
 *
 * A program is a flat list of instructions without jumps. Registers hold columns, selections
 * hold bitmaps of rows. Every instruction runs under one selection; selection 0 is the
 * caller's, and every other is made by a narrowing instruction, as the part of another where
 * a condition holds. What decides rows in turn (and, or, case, coalesce) is compiled to
 * narrowings, parts that run under them, and one instruction that puts the parts together:
 *
 *     case when c then a else b end        r1 = c             under s0
 *                                          s1 = s0 where r1 is true
 *                                          r2 = a             under s1
 *                                          s2 = s0 where r1 is not true
 *                                          r3 = b             under s2
 *                                          r4 = pick r2 of s1, r3 of s2
 *
 * An instruction whose selection is empty does nothing: its register stays NULL and nobody
 * looks at it, as whoever would runs under a part of the same selection, or asks the
 * selection first. So parts that no row needs cost one test each.
 *
 * A value computed under a selection serves under every part of it. That is how common parts
 * are computed once: before code is made for an expression, its equal is looked for under the
 * selection and those that it is a part of.
 */
#ifndef DS_COLUMNAR_PROGRAM_CODE_H
#define DS_COLUMNAR_PROGRAM_CODE_H

#include "columnar/expr_tree.h"

#define DS_NO_REGISTER UINT32_MAX

typedef enum ds_opcode {
    DS_OP_CALL,            /* result: kernel(args) */
    DS_OP_AND,             /* result: false, null or true of args under selections */
    DS_OP_OR,              /* likewise */
    DS_OP_PICK,            /* result: the rows of each arg that its selection has */
    DS_OP_WHERE_TRUE,      /* result: the selection where args[0] is true */
    DS_OP_WHERE_NOT_TRUE,  /* ... false or null */
    DS_OP_WHERE_NOT_FALSE, /* ... true or null */
    DS_OP_WHERE_NULL,      /* ... null */
    DS_OP_WHERE_NOT_NULL,  /* ... not null */
} ds_opcode;

typedef struct ds_instruction {
    ds_opcode op;
    ds_type type;       /* of a result register */
    uint32_t selection; /* it runs under */
    uint32_t result;    /* a register, or the selection that a narrowing makes */
    uint32_t n_args;
    const uint32_t *args;       /* registers; DS_NO_REGISTER for a bound literal */
    const uint32_t *selections; /* AND, OR, PICK: where each argument counts */
    ds_kernel kernel;           /* CALL */
    const void *bound;
} ds_instruction;

/* A column of the chunk that stands in a register from the start. */
typedef struct ds_load {
    uint32_t result;
    uint32_t column;
} ds_load;

/* A literal as a column that stands in a register from the start. */
typedef struct ds_constant {
    uint32_t result;
    const ds_column *column; /* of DS_CHUNK_ROWS values; NULL: text longer than a view holds */
    ds_type type;
    ds_literal literal;
    uint32_t text_offset; /* in the program's text */
} ds_constant;

struct ds_program {
    ds_instruction *instructions;
    ds_load *loads;
    ds_constant *constants;
    uint32_t n_instructions, n_loads, n_constants;
    uint32_t n_registers, n_selections;
    uint32_t most_args; /* of one instruction */
    uint32_t *outputs;  /* registers */
    uint32_t n_outputs;
    const char *text; /* of all long literals, one buffer of the task's heap; NULL: none */
};

#endif
