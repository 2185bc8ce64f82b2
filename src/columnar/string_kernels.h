/* The kernels of functions_text.c, by what they work on. See function.h for the interface. */
#ifndef DS_COLUMNAR_STRING_KERNELS_H
#define DS_COLUMNAR_STRING_KERNELS_H

#include "columnar/text_kernel.h"

/* string_part.c: parts of a text, by code points; and padding. */
DS_KERNEL(ds_string_length);
DS_KERNEL(ds_string_trim);
DS_KERNEL(ds_string_ltrim);
DS_KERNEL(ds_string_rtrim);
DS_KERNEL(ds_string_substr);
DS_KERNEL(ds_string_left);
DS_KERNEL(ds_string_right);
DS_KERNEL(ds_string_lpad);
DS_KERNEL(ds_string_rpad);

/* string_make.c: changed and joined text. */
DS_KERNEL(ds_string_lower);
DS_KERNEL(ds_string_upper);
DS_KERNEL(ds_string_replace);
DS_KERNEL(ds_string_concat);

/* string_find.c: one text within another. */
DS_KERNEL(ds_string_starts_with);
DS_KERNEL(ds_string_ends_with);
DS_KERNEL(ds_string_contains);
DS_KERNEL(ds_string_position);

/* Where needle is found first in text, or NULL. An empty one is found at once. */
const char *ds_string_find(const char *text, uint32_t length, const char *needle,
                           uint32_t needle_length);

/* string_split.c */
DS_KERNEL(ds_string_split_white);
DS_KERNEL(ds_string_split);
DS_KERNEL(ds_string_split_part);

/* string_digest.c */
DS_KERNEL(ds_string_md5);
DS_KERNEL(ds_hash_bool);
DS_KERNEL(ds_hash_int);
DS_KERNEL(ds_hash_float);
DS_KERNEL(ds_hash_string);

#endif
