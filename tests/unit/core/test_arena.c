/* arena: aligned, bounded, and all given back at once. */
#include <string.h>

#include "core/arena.h"
#include "tests/check.h"

TEST(every_piece_is_aligned_and_its_own)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct arena arena;
    unsigned char *pieces[300];
    size_t sizes[300];

    arena_init(&arena, pool, 0);
    for (size_t i = 0; i < 300; i++) {
        sizes[i] = i % 50 == 49 ? 30000 + i : 1 + i * 7 % 600;
        pieces[i] = arena_alloc(&arena, sizes[i]);
        CHECK(pieces[i] != NULL);
        CHECK_INT((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int)(i & 0xff), sizes[i]);
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            CHECK_INT(pieces[i][k], i & 0xff);
    arena_done(&arena);
    CHECK_INT(chunk_pool_bytes_in_use(pool), 0);
    CHECK(arena_alloc(&arena, 10) != NULL); /* usable again */
    arena_done(&arena);
    chunk_pool_free(pool);
}

TEST(the_limit_holds_and_leaves_what_is_there)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct arena arena;
    struct slice kept;

    arena_init(&arena, pool, 100);
    kept = arena_copy(&arena, slice_of("kept"));
    CHECK(arena_alloc(&arena, 95) != NULL);
    CHECK(arena_alloc(&arena, 1) == NULL);
    CHECK(arena_copy(&arena, slice_of("")).ptr == NULL);
    CHECK(arena_printf(&arena, "%s", "x").ptr == NULL);
    CHECK_SLICE(kept, "kept");
    arena_done(&arena);
    CHECK(arena_alloc(&arena, 100) != NULL);
    arena_done(&arena);
    chunk_pool_free(pool);
}

TEST(a_pool_without_memory_is_no_memory)
{
    struct chunk_pool *pool = chunk_pool_create(CHUNK_SMALL_BYTES);
    struct arena arena;

    arena_init(&arena, pool, 0);
    CHECK(arena_alloc(&arena, 4000) != NULL);
    CHECK(arena_alloc(&arena, 4000) == NULL);
    CHECK(arena_alloc(&arena, SIZE_MAX) == NULL);
    CHECK(arena_alloc(&arena, 10) != NULL); /* still fits into the chunk that is there */
    arena_done(&arena);
    CHECK_INT(chunk_pool_bytes_in_use(pool), 0);
    chunk_pool_free(pool);
}

TEST(text_is_copied_and_terminated)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct arena arena;
    struct slice copy, empty, text;
    char source[] = "abc";

    arena_init(&arena, pool, 0);
    copy = arena_copy(&arena, slice_of(source));
    source[0] = 'x';
    CHECK_STR(copy.ptr, "abc");
    empty = arena_copy(&arena, (struct slice){ NULL, 0 });
    CHECK(empty.ptr != NULL);
    CHECK_STR(empty.ptr, "");
    text = arena_printf(&arena, "%s:%d %05000d", "host", 80, 7);
    CHECK_INT(text.len, 5008);
    CHECK_INT(strlen(text.ptr), text.len);
    CHECK(strncmp(text.ptr, "host:80 0", 9) == 0);
    CHECK_INT(text.ptr[5007], '7');
    arena_done(&arena);
    chunk_pool_free(pool);
}

TESTS(TEST_CASE(every_piece_is_aligned_and_its_own),
      TEST_CASE(the_limit_holds_and_leaves_what_is_there),
      TEST_CASE(a_pool_without_memory_is_no_memory), TEST_CASE(text_is_copied_and_terminated))
