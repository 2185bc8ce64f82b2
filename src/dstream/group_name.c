#include "dstream/group_name.h"

#include "columnar/text.h"
#include "dstream/op_group.h"

#include <string.h>

#define MOST_SHOWN 40u /* bytes of a value */

/* A length of text that cuts no character. */
static size_t whole(const char *text, size_t length)
{
    while (length > 0 && (text[length] & 0xC0) == 0x80)
        length--;
    return length;
}

static void add_value(ds_buffer *to, const ds_heap *heap, const ds_column *column)
{
    ds_buffer value = {0};
    ds_json_value(&value, heap, column, 0);
    if (value.length <= MOST_SHOWN)
        ds_buffer_append(to, value.data, value.length);
    else
        ds_buffer_printf(to, "%.*s...", (int)whole(value.data, MOST_SHOWN), value.data);
    ds_buffer_fini(&value);
}

void ds_group_name(ds_frame *frame, const ds_node *node, ds_groups *groups, uint32_t id,
                   char name[DS_GROUP_NAME])
{
    uint32_t n_keys = node->group->spec.n_keys;
    ds_buffer text = {0};
    ds_buffer_append_text(&text, n_keys == 0 ? "the total" : "the group ");
    ds_column **keys = DS_ARENA_ARRAY(frame->chunk_arena, ds_column *, n_keys + 1);
    ds_groups_keys(groups, frame->chunk_arena, &frame->heap, &id, 1, keys);
    for (uint32_t k = 0; k < n_keys && text.length < DS_GROUP_NAME; k++) {
        ds_buffer_printf(&text, "%s%s = ", k > 0 ? ", " : "", node->schema.fields[k].name);
        add_value(&text, &frame->heap, keys[k]);
    }
    size_t length = text.length;
    if (length >= DS_GROUP_NAME)
        length = whole(text.data, DS_GROUP_NAME - 1);
    memcpy(name, text.data, length);
    name[length] = '\0';
    ds_buffer_fini(&text);
}
