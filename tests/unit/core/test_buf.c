/* buf: what goes in comes out in the same order, whatever the cuts, and no chunk is lost. */
#include <errno.h>
#include <stdlib.h>

#include "core/buf.h"
#include "tests/check.h"

static size_t drain(struct buf *buf, char *into)
{
    size_t n = buf_peek(buf, into, buf->length);

    buf_consume(buf, n);
    return n;
}

TEST(bytes_come_out_in_order_for_random_cuts)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct buf a, b;
    static char got[300000];
    size_t fed = 0, seen = 0;
    unsigned seed = 7;

    buf_init(&a, pool);
    buf_init(&b, pool);
    for (int i = 0; i < 4000; i++) {
        char bytes[97];
        size_t n = (size_t)rand_r(&seed) % sizeof(bytes);

        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)((fed + k) * 31 % 251);
        CHECK_INT(buf_append_bytes(&a, bytes, n), 0);
        fed += n;
        CHECK_INT(buf_move(&b, &a, (size_t)rand_r(&seed) % (a.length + 1)), 0);
        if (b.length > 5000)
            seen += drain(&b, got + seen);
    }
    CHECK_INT(buf_move(&b, &a, a.length), 0);
    seen += drain(&b, got + seen);
    CHECK_INT(seen, fed);
    for (size_t k = 0; k < seen; k++)
        CHECK_INT((unsigned char)got[k], k * 31 % 251);
    buf_done(&a);
    buf_done(&b);
    CHECK_INT(chunk_pool_bytes_in_use(pool), 0);
    chunk_pool_free(pool);
}

TEST(small_appends_share_a_chunk)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct buf a;

    buf_init(&a, pool);
    for (int i = 0; i < 100; i++)
        CHECK_INT(buf_append_slice(&a, SLICE("0123456789")), 0);
    CHECK_INT(a.count, 1);
    CHECK_INT(chunk_pool_bytes_in_use(pool), CHUNK_SMALL_BYTES);
    buf_done(&a);
    chunk_pool_free(pool);
}

TEST(a_moved_span_is_not_overwritten_by_a_later_append)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct buf a, b;
    char text[16] = { 0 };

    buf_init(&a, pool);
    buf_init(&b, pool);
    CHECK_INT(buf_append_slice(&a, SLICE("abcdef")), 0);
    CHECK_INT(buf_move(&b, &a, 3), 0);                /* b: abc, a: def, one chunk */
    CHECK_INT(buf_append_slice(&b, SLICE("XYZ")), 0); /* must not land on "def" */
    CHECK_INT(buf_append_slice(&a, SLICE("g")), 0);
    buf_peek(&a, text, sizeof(text));
    CHECK_STR(text, "defg");
    memset(text, 0, sizeof(text));
    buf_peek(&b, text, sizeof(text));
    CHECK_STR(text, "abcXYZ");
    buf_done(&a);
    buf_done(&b);
    chunk_pool_free(pool);
}

TEST(reserve_and_commit_of_nothing_leaves_nothing)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct buf a;
    size_t room = 0;

    buf_init(&a, pool);
    CHECK(buf_reserve(&a, 100, &room) != NULL);
    CHECK(room >= 100);
    buf_commit(&a, 0);
    CHECK(buf_is_empty(&a));
    CHECK_INT(a.count, 0);
    CHECK_INT(chunk_pool_bytes_in_use(pool), 0);
    buf_done(&a);
    chunk_pool_free(pool);
}

TEST(a_pool_at_its_limit_refuses_and_keeps_what_is_there)
{
    struct chunk_pool *pool = chunk_pool_create(CHUNK_SMALL_BYTES);
    struct buf a;
    static char big[CHUNK_SMALL_BYTES + 1];

    buf_init(&a, pool);
    CHECK_INT(buf_append_slice(&a, SLICE("kept")), 0);
    CHECK_INT(buf_append_bytes(&a, big, sizeof(big)), -ENOMEM);
    CHECK_INT(a.length, 4);
    CHECK_SLICE(buf_front(&a), "kept");
    buf_done(&a);
    chunk_pool_free(pool);
}

TEST(iovec_respects_both_limits)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct buf a;
    struct iovec vec[8];
    struct chunk *chunk = chunk_pool_get(pool, 100);

    buf_init(&a, pool);
    memset(chunk->data, 'x', 100);
    chunk->used = 100;
    for (uint32_t i = 0; i < 6; i++)
        CHECK_INT(buf_append_chunk(&a, chunk, i * 12, 10), 0);
    CHECK_INT(buf_iovec(&a, vec, 8, 1000), 6);
    CHECK_INT(buf_iovec(&a, vec, 4, 1000), 4);
    CHECK_INT(buf_iovec(&a, vec, 8, 25), 3);
    CHECK_INT(vec[2].iov_len, 5);
    chunk_unref(chunk);
    buf_done(&a);
    CHECK_INT(chunk_pool_bytes_in_use(pool), 0);
    chunk_pool_free(pool);
}

TEST(packed_bytes_hold_no_chunk_of_where_they_came_from)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct buf crumbs, packed;
    char text[300], want[300];

    buf_init(&crumbs, pool);
    buf_init(&packed, pool);
    CHECK_INT(buf_append_packed(&packed, &crumbs), 0); /* nothing of nothing */
    CHECK_INT(buf_append_bytes(&packed, "x", 1), 0);
    for (unsigned i = 0; i < 299; i++) {
        struct chunk *chunk = chunk_pool_get(pool, 1);

        chunk->data[0] = (char)('a' + i % 26);
        chunk->used = 1;
        CHECK_INT(buf_append_chunk(&crumbs, chunk, 0, 1), 0);
        chunk_unref(chunk);
    }
    CHECK_INT(buf_append_packed(&packed, &crumbs), 0);
    CHECK_INT(crumbs.length, 299);
    want[0] = 'x';
    CHECK_INT(buf_peek(&crumbs, want + 1, 299), 299);
    buf_done(&crumbs);
    CHECK_INT(chunk_pool_bytes_in_use(pool), CHUNK_SMALL_BYTES);
    CHECK_INT(buf_peek(&packed, text, sizeof(text)), 300);
    assert_memory_equal(text, want, 300);
    buf_done(&packed);
    chunk_pool_free(pool);
}

TEST(a_buf_with_an_open_reservation_can_be_dropped)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct buf a;
    size_t room;

    buf_init(&a, pool);
    CHECK_INT(buf_append_bytes(&a, "abc", 3), 0);
    CHECK(buf_reserve(&a, 10000, &room) != NULL);
    buf_done(&a);
    CHECK_INT(chunk_pool_bytes_in_use(pool), 0);
    chunk_pool_free(pool);
}

TESTS(TEST_CASE(bytes_come_out_in_order_for_random_cuts), TEST_CASE(small_appends_share_a_chunk),
      TEST_CASE(a_moved_span_is_not_overwritten_by_a_later_append),
      TEST_CASE(reserve_and_commit_of_nothing_leaves_nothing),
      TEST_CASE(a_pool_at_its_limit_refuses_and_keeps_what_is_there),
      TEST_CASE(iovec_respects_both_limits),
      TEST_CASE(packed_bytes_hold_no_chunk_of_where_they_came_from),
      TEST_CASE(a_buf_with_an_open_reservation_can_be_dropped))
