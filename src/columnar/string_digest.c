/* md5 and hash (string_kernels.h). */
#include "columnar/md5.h"
#include "columnar/string_kernels.h"

#include <xxhash.h>

DS_KERNEL(ds_string_md5)
{
    ds_kernel_begin_zero(ev, args, n_args, out);
    ds_text_out made = ds_text_out_of(ev, out);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        ds_text text = ds_text_of(ev, args[0], row);
        char *hex = ds_text_begin(&made, row, 32);
        if (hex == NULL)
            continue;
        ds_md5_hex(text.bytes, text.length, hex);
        ds_text_end(&made, row, 32);
    }
}

static int64_t hash_word(uint64_t word)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(word >> (8 * i));
    return (int64_t)XXH3_64bits(bytes, sizeof bytes);
}

DS_KERNEL(ds_hash_int)
{
    ds_kernel_begin(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->ints[i] = hash_word((uint64_t)args[0]->ints[i]);
}

DS_KERNEL(ds_hash_float)
{
    ds_kernel_begin(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        double value = args[0]->floats[i] == 0 ? 0.0 : args[0]->floats[i]; /* -0.0 equals 0.0 */
        uint64_t word;
        memcpy(&word, &value, sizeof word);
        out->ints[i] = hash_word(word);
    }
}

DS_KERNEL(ds_hash_bool)
{
    const uint8_t bytes[2] = {0, 1};
    int64_t hashes[2] = {(int64_t)XXH3_64bits(&bytes[0], 1), (int64_t)XXH3_64bits(&bytes[1], 1)};
    ds_kernel_begin(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->ints[i] = hashes[ds_bit_get(args[0]->bits, i)];
}

DS_KERNEL(ds_hash_string)
{
    ds_kernel_begin(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        ds_text text = ds_text_of(ev, args[0], i);
        out->ints[i] = (int64_t)XXH3_64bits(text.bytes, text.length);
    }
}
