#include "proxy/rewrite/charset.h"

struct slice charset_added(struct slice content_type, const char *charset, struct arena *arena)
{
    static const char *const types[] = {
        "text/html",
        "text/xml",
        "text/plain",
        "text/vnd.wap.wml",
        "application/javascript",
        "application/rss+xml",
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (slice_equal_nocase(content_type, slice_of(types[i])))
            return arena_printf(arena, "%.*s; charset=%s", SLICE_ARG(content_type), charset);
    return content_type;
}
