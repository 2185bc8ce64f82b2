/*
 * Scalar functions: how one is declared, checked and run.
 *
 * A function is one entry of a table: a name and a resolve hook. At load time the hook looks
 * at the types of the arguments (and at the values of literal ones), asks for int-to-float
 * conversion where it needs it, prepares what it can (a compiled regular expression, a
 * pattern, a unit) and names the kernel. What lies outside the arena it has freed with it
 * (ds_arena_on_free). At run time the kernel works on whole columns.
 * Operators (+, =, like, cast ...) are such functions too, under names no user can write.
 *
 * Kernels: all argument columns have ev->n rows; a literal argument is a column as well. The
 * kernel fills *out (type and length are set; it makes values, validity and child in
 * ev->arena, text in ev->heap). Null handling is the kernel's: most say
 * "null if any argument is null" with ds_eval_strict. Only rows selected by ev->selected
 * matter: cheap kernels compute all rows, dear ones skip the others. An error of a row
 * (overflow) sets its bit with ds_eval_fail; that is without effect for rows not selected.
 * Kernels are pure and thread-safe: bound is read-only at run time.
 */
#ifndef DS_COLUMNAR_FUNCTION_H
#define DS_COLUMNAR_FUNCTION_H

#include "columnar/column.h"

typedef struct ds_eval {
    ds_arena *arena;          /* for the results of this chunk */
    ds_heap *heap;            /* of the task */
    uint32_t n;               /* rows, <= DS_CHUNK_ROWS, or more for the child of a list */
    const uint64_t *selected; /* n bits: rows whose result is wanted; bits behind n are 0 */
    uint64_t *errors;         /* n bits: rows that failed (overflow) */
    uint64_t *faults;         /* NULL, or those of errors that a user's function failed for */
    int64_t batch_time_us, window_start_us, window_end_us;
    bool timed_out; /* the rows are of keys that time out */
} ds_eval;

/* DS_TYPE of a kind that is no constant. */
static inline ds_type ds_type_of(ds_kind kind)
{
    return (ds_type){(uint8_t)kind, 0};
}

/* Marks a selected row as failed. */
static inline void ds_eval_fail(ds_eval *ev, uint32_t row)
{
    ev->errors[row >> 6] |= ev->selected[row >> 6] & ((uint64_t)1 << (row & 63));
}

/* Gives out the validity "null if any argument is null" (NULL if none has nulls): a bitmap of
 * its own, which may be changed. Arguments that are NULL (bound literals) count as not null. */
void ds_eval_strict(ds_eval *ev, const ds_column *const *args, uint32_t n_args, ds_column *out);

typedef void (*ds_kernel)(ds_eval *ev, const void *bound, const ds_column *const *args,
                          uint32_t n_args, ds_column *out);

/* A literal argument as the hook sees it. */
typedef struct ds_literal {
    bool is_literal; /* false: not a literal, nothing else is set */
    bool is_null;
    bool boolean;
    int64_t integer; /* int, timestamp, interval (microseconds) */
    double real;
    const char *text; /* string: not terminated; may hold NUL only by escape of the format */
    uint32_t length;
} ds_literal;

#define DS_MAX_ARGS 255u

typedef struct ds_resolve {
    /* In. */
    const char *name;                   /* lower case */
    const struct ds_function *function; /* NULL: of an aggregate */
    ds_arena *arena;                    /* of the plan: for what bound points to */
    const ds_type *types;               /* DS_NULL_TYPE for the literal null */
    const ds_literal *literals;
    uint32_t n_args;
    const struct ds_expr *const *args; /* for messages (ds_resolve_shown); may be NULL */
    /* Out. */
    ds_type *wanted; /* preset to types; set wanted[i] to DS_FLOAT for an int to convert it, to
                        any type for a DS_NULL_TYPE argument, or to DS_TIMESTAMP for a string
                        literal to read it as RFC 3339 (an error of the app if it is not) */
    ds_type result;
    ds_kernel kernel;
    const void *bound;   /* given to the kernel; lives in arena or is static */
    bool literals_bound; /* the kernel never looks at literal arguments: for those that are
                            not null it gets NULL in the place of a column */
    /* On failure. */
    char message[256]; /* a sentence without a full stop */
    int wrong_arg;     /* which argument the caret goes to, or -1 for the whole call */
} ds_resolve;

typedef struct ds_function {
    const char *name;
    uint32_t min_args, max_args;    /* checked before resolve is called */
    bool (*resolve)(ds_resolve *r); /* false: message (and wrong_arg) are set */
    const char *usage; /* "substr(s, from[, count])", for messages, docs and suggestions */
} ds_function;

/* For each selected row i: `ds_for_selected (ev, i) { ... }`. For dear kernels. */
#define ds_for_selected(ev, i)                                                                     \
    for (uint32_t ds_word_ = 0; ds_word_ < ds_bitmap_words((ev)->n); ds_word_++)                   \
        for (uint64_t ds_left_ = (ev)->selected[ds_word_], i;                                      \
             ds_left_ != 0 && (i = ds_word_ * 64u + (unsigned)__builtin_ctzll(ds_left_), true);    \
             ds_left_ &= ds_left_ - 1)

/* Makes rows of a float column null that are not finite. Copies nothing: out is changed. */
void ds_eval_finite(ds_eval *ev, ds_column *out);

/* A kernel whose result is null for every row: of a strict function with a literal null. */
void ds_kernel_null(ds_eval *ev, const void *bound, const ds_column *const *args, uint32_t n_args,
                    ds_column *out);

/* Each functions_*.c exports one such table, ended by a NULL name. */
extern const ds_function ds_functions_math[];
extern const ds_function ds_functions_text[];
extern const ds_function ds_functions_regex[];
extern const ds_function ds_functions_time[];
extern const ds_function ds_functions_list[];
extern const ds_function ds_functions_logic[]; /* operators, coalesce, casts ... */

/* The function of a lower-case name, or NULL. */
const ds_function *ds_function_find(const char *name);

/* Calls fn for every function users can call (for docs, suggestions and completeness tests). */
void ds_function_each(void (*fn)(const ds_function *function, void *arg), void *arg);

/* Fails a resolve with a message: returns false. */
bool ds_resolve_fail(ds_resolve *r, int wrong_arg, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How messages name argument i: its text, or "argument 2". In the arena or borrowed. */
const char *ds_resolve_shown(const ds_resolve *r, uint32_t i);

/* Checks that argument i is of kind, converting int to float and null to anything. */
bool ds_resolve_want(ds_resolve *r, uint32_t i, ds_kind kind);

/* Brings all arguments from first on to one common type (int and float to float; null takes
 * the others' type) and returns it; DS_NULL_TYPE if all are null; false with a message. */
bool ds_resolve_common(ds_resolve *r, uint32_t first, ds_type *common);

#endif
