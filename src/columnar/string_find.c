/* Kernels that look for one text in another (string_kernels.h). */
#include "columnar/find.h"
#include "columnar/string_kernels.h"
#include "columnar/text.h"

const char *ds_string_find(const char *text, uint32_t length, const char *needle,
                           uint32_t needle_length)
{
    return ds_find(text, length, needle, needle_length);
}

static inline bool starts_with(ds_text text, ds_text part)
{
    return part.length <= text.length && memcmp(text.bytes, part.bytes, part.length) == 0;
}

static inline bool ends_with(ds_text text, ds_text part)
{
    return part.length <= text.length &&
           memcmp(text.bytes + text.length - part.length, part.bytes, part.length) == 0;
}

static inline bool contains(ds_text text, ds_text part)
{
    return ds_string_find(text.bytes, text.length, part.bytes, part.length) != NULL;
}

#define TEST_KERNEL(name, test)                                                                    \
    DS_KERNEL(name)                                                                                \
    {                                                                                              \
        ds_kernel_begin_zero(ev, args, n_args, out);                                               \
        uint32_t row;                                                                              \
        DS_EACH_LIVE(ev, out, row)                                                                 \
        {                                                                                          \
            if (test(ds_text_of(ev, args[0], row), ds_text_of(ev, args[1], row)))                  \
                ds_bit_set(out->bits, row);                                                        \
        }                                                                                          \
    }

TEST_KERNEL(ds_string_starts_with, starts_with)
TEST_KERNEL(ds_string_ends_with, ends_with)
TEST_KERNEL(ds_string_contains, contains)

DS_KERNEL(ds_string_position)
{
    ds_kernel_begin_zero(ev, args, n_args, out);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        ds_text text = ds_text_of(ev, args[0], row), part = ds_text_of(ev, args[1], row);
        const char *found = ds_string_find(text.bytes, text.length, part.bytes, part.length);
        if (found != NULL)
            out->ints[row] = (int64_t)ds_utf8_length(text.bytes, (size_t)(found - text.bytes)) + 1;
    }
}
