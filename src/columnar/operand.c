#include "columnar/operand.h"

#include "columnar/text.h"

#include <string.h>

ds_operands *ds_operands_bind(ds_resolve *r, ds_kind kind)
{
    ds_operands *operands = DS_ARENA_NEW(r->arena, ds_operands);
    const void **sides[] = {&operands->left, &operands->right};
    for (uint32_t i = 0; i < 2; i++)
        if (r->literals[i].is_literal && r->literals[i].is_null)
            return operands; /* a column of nulls, and whatever is on the other side */
    for (uint32_t i = 0; i < 2; i++) {
        const ds_literal *literal = &r->literals[i];
        if (!literal->is_literal)
            continue;
        int64_t *block = DS_ARENA_ARRAY(r->arena, int64_t, DS_BLOCK);
        int64_t value = literal->integer;
        if (r->types[i].kind == DS_STRING) /* what does not parse is an error of bind */
            ds_parse_timestamp(literal->text, literal->length, &value);
        if (kind == DS_FLOAT) {
            double real = r->types[i].kind == DS_INT ? (double)literal->integer : literal->real;
            memcpy(&value, &real, sizeof value);
        }
        for (uint32_t row = 0; row < DS_BLOCK; row++)
            block[row] = value;
        *sides[i] = block;
    }
    r->literals_bound = true;
    return operands;
}
