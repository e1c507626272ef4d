/* charset: nginx's charset_types are exact media types, anything else stays as it is. */
#include "proxy/rewrite/charset.h"

#include "core/chunk.h"
#include "tests/check.h"

TEST(texts_without_parameters_get_the_charset)
{
    static const char *const rows[][2] = {
        { "text/html", "text/html; charset=UTF-8" },
        { "Text/XML", "Text/XML; charset=UTF-8" },
        { "text/plain", "text/plain; charset=UTF-8" },
        { "text/vnd.wap.wml", "text/vnd.wap.wml; charset=UTF-8" },
        { "application/javascript", "application/javascript; charset=UTF-8" },
        { "application/rss+xml", "application/rss+xml; charset=UTF-8" },
        { "application/json", "application/json" },
        { "text/css", "text/css" },
        { "text/html;charset=latin1", "text/html;charset=latin1" },
        { "text/html; level=1", "text/html; level=1" },
        { "text/htm", "text/htm" },
        { "text/html ", "text/html " },
        { "", "" },
    };
    struct chunk_pool *pool = chunk_pool_create(0);
    struct arena arena;

    arena_init(&arena, pool, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_SLICE(charset_added(slice_of(rows[i][0]), "UTF-8", &arena), rows[i][1]);
    arena_done(&arena);
    chunk_pool_free(pool);
}

TESTS(TEST_CASE(texts_without_parameters_get_the_charset))
