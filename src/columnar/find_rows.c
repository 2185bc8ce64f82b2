/*
 * A *run* is rows whose texts follow each other in one buffer with little in between. It is
 * searched as if it were one text. A place that is found counts if it lies within one row; the
 * search goes on behind that row, as one place in it is enough, or else behind the place.
 */
#include "columnar/find_rows.h"

#include "columnar/find.h"

#define MOST_BETWEEN 16u /* bytes between two rows of a run */

static inline bool is_long(const ds_view *view)
{
    return view->length > DS_INLINE_BYTES;
}

/* Where the run ends that begins with row `from`, a long one. */
static uint32_t run_end(const ds_view *views, uint32_t from, uint32_t n)
{
    uint32_t buffer = views[from].ref.buffer, row = from + 1;
    uint64_t end = (uint64_t)views[from].ref.offset + views[from].length;
    for (; row < n && is_long(&views[row]) && views[row].ref.buffer == buffer; row++) {
        if (views[row].ref.offset - end > MOST_BETWEEN)
            break;
        end = (uint64_t)views[row].ref.offset + views[row].length;
    }
    return row;
}

static void find_in_run(const char *buffer, const ds_view *views, uint32_t from, uint32_t to,
                        const char *needle, uint32_t needle_length, uint64_t *bits)
{
    const char *end = buffer + views[to - 1].ref.offset + views[to - 1].length;
    const char *at = buffer + views[from].ref.offset;
    for (uint32_t row = from; row < to;) {
        const char *found = ds_find(at, (size_t)(end - at), needle, needle_length);
        if (found == NULL)
            return;
        while (buffer + views[row].ref.offset + views[row].length < found + needle_length)
            row++; /* ends before the needle does: in the last row at the latest it fits */
        if (found < buffer + views[row].ref.offset) {
            at = found + 1;
            continue;
        }
        ds_bit_set(bits, row);
        if (++row < to)
            at = buffer + views[row].ref.offset;
    }
}

void ds_find_rows(const ds_heap *heap, const ds_view *views, uint32_t n, const char *needle,
                  uint32_t needle_length, uint64_t *bits)
{
    for (uint32_t row = 0; row < n;) {
        if (!is_long(&views[row])) {
            if (ds_find(views[row].inlined, views[row].length, needle, needle_length) != NULL)
                ds_bit_set(bits, row);
            row++;
            continue;
        }
        uint32_t to = run_end(views, row, n);
        find_in_run(heap->buffers[views[row].ref.buffer], views, row, to, needle, needle_length,
                    bits);
        row = to;
    }
}
