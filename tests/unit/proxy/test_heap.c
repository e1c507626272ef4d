#include <pthread.h>
#include <stdlib.h>

#include "core/poison.h"
#include "proxy/gateway/heap.h"
#include "tests/check.h"

/* The sanitizers' allocators tell nothing. */
#if defined(POISON_WITH_ASAN) || defined(__SANITIZE_THREAD__)
enum { HAS_FIGURES = 0 };
#else
enum { HAS_FIGURES = 1 };
#endif

enum { PIECES_COUNT = 4096, PIECE_BYTES = 1024 };

static void *allocate_much(void *argument)
{
    char **pieces = argument;

    for (size_t i = 0; i < PIECES_COUNT; i++)
        pieces[i] = malloc(PIECE_BYTES);
    return NULL;
}

TEST(memory_of_another_thread_counts_as_in_use)
{
    static char *pieces[PIECES_COUNT];
    struct heap_figures before, after;
    pthread_t thread;

    CHECK(heap_look(&before));
    CHECK_INT(pthread_create(&thread, NULL, allocate_much, pieces), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(heap_look(&after));
    if (HAS_FIGURES)
        CHECK(after.in_use_bytes >= before.in_use_bytes + (uint64_t)PIECES_COUNT * PIECE_BYTES);
    for (size_t i = 0; i < PIECES_COUNT; i++)
        free(pieces[i]);
}

TESTS(TEST_CASE(memory_of_another_thread_counts_as_in_use))
