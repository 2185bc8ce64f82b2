/*
 * What an app file may look like, as tables.
 *
 * A shape says what a value is: a whole number from 1 to 5, a duration, an object with these
 * keys. The tables of app_keys.c are the only place where keys are named with their types,
 * limits, defaults and meaning. Three readers walk them: app_check.c checks a file,
 * app_schema.c writes the JSON Schema, app_canonical.c puts a tree in its canonical order.
 */
#ifndef DS_DSTREAM_APP_SHAPE_H
#define DS_DSTREAM_APP_SHAPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum ds_shape_kind {
    DS_SHAPE_BOOL,
    DS_SHAPE_INT,        /* min to max */
    DS_SHAPE_FLOAT,      /* a number, min to max */
    DS_SHAPE_TEXT,       /* min to max bytes */
    DS_SHAPE_NAME,       /* text that follows the rule `names` */
    DS_SHAPE_EXPRESSION, /* text that is not blank */
    DS_SHAPE_DURATION,   /* min to max milliseconds */
    DS_SHAPE_SIZE,       /* min to max bytes */
    DS_SHAPE_TYPE,       /* a column type */
    DS_SHAPE_CHOICE,     /* one of choices */
    DS_SHAPE_OBJECT,     /* with keys */
    DS_SHAPE_MAP,        /* of names to items, min to max of them */
    DS_SHAPE_LIST,       /* of items, min to max of them */
    DS_SHAPE_ROW,        /* an object of column names and any values */
    DS_SHAPE_EITHER,     /* item or other, which have different JSON types */
} ds_shape_kind;

#define DS_NAME_MAX 128    /* bytes of a name */
#define DS_COLUMN_MAX 1000 /* bytes of a column's name */

typedef enum ds_name_rule {
    DS_NAMES_ANY,
    DS_NAMES_WORD,   /* letters, digits, "_"; starts with a letter */
    DS_NAMES_DASHED, /* "-" too */
    DS_NAMES_COLUMN, /* not empty */
} ds_name_rule;

typedef struct ds_choice {
    const char *name; /* NULL ends the list */
    const char *doc;
    bool later; /* of the format, but not of this version */
} ds_choice;

typedef struct ds_key ds_key;

typedef struct ds_shape {
    ds_shape_kind kind;
    ds_name_rule names;
    bool ordered;     /* MAP: the order of the entries counts */
    bool hidden;      /* TEXT: a secret, never shown and not taken from a command line */
    const char *noun; /* what one is called: "stream", "folder" */
    const char *id;   /* OBJECT: its name in the JSON Schema; NULL: stands in place */
    int64_t min, max; /* MAP, LIST: max 0 is a large number */
    const ds_choice *choices;
    const ds_key *keys;       /* OBJECT; ends with a key without a name */
    const char *selectors[2]; /* OBJECT: the choices that decide which keys it takes */
    const struct ds_shape *item, *other;
} ds_shape;

/* Flags of a key. */
#define DS_KEY_REQUIRED 1u      /* wherever the key may stand */
#define DS_KEY_LATER 2u         /* of the format, but not of this version */
#define DS_KEY_NO_VARIABLES 4u  /* variables below it are left as they are */
#define DS_KEY_NOT_CANONICAL 8u /* no part of the plan */
/* Not required after all with this choice of the object's second selector. */
#define DS_KEY_OPTIONAL_WITH(choice) (256u << (choice))

struct ds_key {
    const char *name; /* NULL ends a table */
    const ds_shape *shape;
    unsigned flags;
    unsigned only[2];     /* a bit for each choice of each selector that takes it; 0: all do */
    const char *fallback; /* the default as text, NULL: none or computed */
    const char *doc;
};

/* The shape of the whole file. */
extern const ds_shape ds_app_shape;

/* Keys of later versions whose place is not settled: refused anywhere as not available yet. */
extern const char *const ds_app_later_keys[]; /* ends with NULL */

/* The key of that name, or NULL. */
const ds_key *ds_shape_key(const ds_shape *object, const char *name);

/* The index of a choice by its name, or -1. */
int ds_shape_choice(const ds_shape *choice, const char *name);

/* True if a value of this JSON type may be of the shape at all. */
bool ds_shape_takes(const ds_shape *shape, const json_t *value);

/* The branch of EITHER that takes a value (the shape itself otherwise); NULL: none does. */
const ds_shape *ds_shape_branch(const ds_shape *shape, const json_t *value);

/* What a value of the shape is, for messages: "a whole number", "a duration such as "10s"". */
const char *ds_shape_text(const ds_shape *shape);

/* True if text follows the rule. */
bool ds_name_follows(ds_name_rule rule, const char *text);
/* The rule in words. */
const char *ds_name_rule_text(ds_name_rule rule);

/* The selector's choice in an object: its index, or the default's; -1: none or unknown. */
int ds_shape_selected(const ds_shape *object, unsigned selector, const json_t *value);

/* True if the key may stand in an object for which ds_shape_selected gave these choices. A
 * selector that is not itself allowed by the first one decides nothing. */
bool ds_key_allowed(const ds_shape *object, const ds_key *key, const int selected[2]);

/* True if the key has to stand there, wherever it may (as ds_key_allowed tells). */
bool ds_key_required(const ds_key *key, const int selected[2]);

/* Numbers of a checked object: a bool, int, duration (ms) or size (bytes) at `name`, or the
 * default of the table. object may be NULL. 0 if there is neither. */
int64_t ds_shape_number(const ds_shape *object_shape, const json_t *object, const char *name);
/* The same of a FLOAT. */
double ds_shape_float(const ds_shape *object_shape, const json_t *object, const char *name);
/* Strings: the value at name, or the default, or NULL. Borrowed. */
const char *ds_shape_string(const ds_shape *object_shape, const json_t *object, const char *name);
/* The value at name; NULL if it is not there or was found wrong (null). */
json_t *ds_shape_get(const json_t *object, const char *name);

#endif
