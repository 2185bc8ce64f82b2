#include "columnar/format_marked.h"

#if defined(__SSE2__)

#define ALL UINT32_MAX
#define SHORT(a, b, c)                                                                             \
    {                                                                                              \
        0, a, b, c, ALL, 0, 0, 0                                                                   \
    }

_Alignas(32) const uint32_t ds_marked_keep[DS_INLINE_BYTES + 2][8] = {
    SHORT(0, 0, 0),          SHORT(0xff, 0, 0),
    SHORT(0xffff, 0, 0),     SHORT(0xffffff, 0, 0),
    SHORT(ALL, 0, 0),        SHORT(ALL, 0xff, 0),
    SHORT(ALL, 0xffff, 0),   SHORT(ALL, 0xffffff, 0),
    SHORT(ALL, ALL, 0),      SHORT(ALL, ALL, 0xff),
    SHORT(ALL, ALL, 0xffff), SHORT(ALL, ALL, 0xffffff),
    SHORT(ALL, ALL, ALL),    {0, ALL, 0, 0, ALL, 0, ALL, ALL},
};

#endif
