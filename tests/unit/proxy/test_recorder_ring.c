/*
 * test_recorder_ring: the newest entries stay whole, wherever in the ring they begin.
 */
#include "proxy/report/recorder_ring.h"

#include <string.h>

#include "tests/check.h"

enum { ENTRY_MAX = 64 };

/* Entry n has n's number in its first byte and as many bytes as `size`. */
static void push_numbered(struct recorder_ring *ring, unsigned number, uint32_t size)
{
    unsigned char entry[ENTRY_MAX];

    memset(entry, (int)number, sizeof(entry));
    CHECK(recorder_ring_push(ring, entry, size));
}

/* The ring holds entries up to `newest`, in order, each with all its bytes; returns how many. */
static unsigned check_whole(const struct recorder_ring *ring, unsigned newest)
{
    unsigned char entry[ENTRY_MAX];
    uint64_t position = ring->head;
    unsigned expected = newest + 1 - (unsigned)ring->count, count = 0;
    uint32_t size;

    while (recorder_ring_next(ring, &position, entry, sizeof(entry), &size)) {
        for (uint32_t i = 0; i < size; i++)
            CHECK_INT(entry[i], expected & 0xff);
        expected++;
        count++;
    }
    CHECK_INT(count, ring->count);
    CHECK_INT(expected, newest + 1);
    return count;
}

TEST(oldest_goes_first_and_no_more_than_needed)
{
    struct recorder_ring ring;

    CHECK_INT(recorder_ring_init(&ring, 96), 0);
    for (unsigned i = 1; i <= 3; i++)
        push_numbered(&ring, i, 24); /* 32 with its length: exactly three fit */
    CHECK_INT(check_whole(&ring, 3), 3);
    push_numbered(&ring, 4, 24);
    CHECK_INT(check_whole(&ring, 4), 3);
    push_numbered(&ring, 5, 56); /* 64: pushes out two */
    CHECK_INT(check_whole(&ring, 5), 2);
    recorder_ring_done(&ring);
}

TEST(entries_are_whole_at_every_offset_of_the_end)
{
    for (size_t size = 24; size <= 256; size += 8) {
        struct recorder_ring ring;

        CHECK_INT(recorder_ring_init(&ring, size), 0);
        for (unsigned i = 1; i <= 400; i++) {
            uint32_t bytes = 1 + (i * 7 + (unsigned)size) % 60;

            if (bytes + 16 > size)
                bytes = 1 + bytes % 8;
            push_numbered(&ring, i, bytes);
            CHECK(check_whole(&ring, i) >= 1);
            CHECK(ring.tail - ring.head <= ring.size);
        }
        recorder_ring_done(&ring);
    }
}

TEST(what_is_larger_than_the_ring_changes_nothing)
{
    struct recorder_ring ring;
    unsigned char entry[ENTRY_MAX] = { 0 };

    CHECK_INT(recorder_ring_init(&ring, 32), 0);
    push_numbered(&ring, 1, 24);
    CHECK(!recorder_ring_push(&ring, entry, 25));
    CHECK_INT(check_whole(&ring, 1), 1);
    recorder_ring_done(&ring);
}

TEST(ring_without_bytes_holds_nothing)
{
    static const size_t sizes[] = { 0, 1, 7 };

    for (size_t i = 0; i < 3; i++) {
        struct recorder_ring ring, copy;
        uint64_t position = 0;
        uint32_t size;

        CHECK_INT(recorder_ring_init(&ring, sizes[i]), 0);
        CHECK_INT(recorder_ring_init(&copy, sizes[i]), 0);
        CHECK(!recorder_ring_push(&ring, "x", 1));
        recorder_ring_copy(&ring, &copy);
        CHECK(!recorder_ring_next(&copy, &position, &size, sizeof(size), &size));
        recorder_ring_done(&ring);
        recorder_ring_done(&copy);
    }
}

TEST(copy_is_independent_of_what_follows)
{
    struct recorder_ring ring, copy;

    CHECK_INT(recorder_ring_init(&ring, 96), 0);
    CHECK_INT(recorder_ring_init(&copy, 96), 0);
    for (unsigned i = 1; i <= 5; i++)
        push_numbered(&ring, i, 30);
    recorder_ring_copy(&ring, &copy);
    for (unsigned i = 6; i <= 9; i++)
        push_numbered(&ring, i, 30);
    CHECK_INT(check_whole(&copy, 5), 2);
    CHECK_INT(check_whole(&ring, 9), 2);
    recorder_ring_done(&ring);
    recorder_ring_done(&copy);
}

TEST(reader_without_room_skips_and_goes_on)
{
    struct recorder_ring ring;
    unsigned char entry[8];
    uint64_t position;
    uint32_t size;

    CHECK_INT(recorder_ring_init(&ring, 96), 0);
    push_numbered(&ring, 1, 40);
    push_numbered(&ring, 2, 8);
    position = ring.head;
    CHECK(recorder_ring_next(&ring, &position, entry, sizeof(entry), &size));
    CHECK_INT(entry[0], 2);
    CHECK(!recorder_ring_next(&ring, &position, entry, sizeof(entry), &size));
    recorder_ring_done(&ring);
}

TESTS(TEST_CASE(oldest_goes_first_and_no_more_than_needed),
      TEST_CASE(entries_are_whole_at_every_offset_of_the_end),
      TEST_CASE(what_is_larger_than_the_ring_changes_nothing),
      TEST_CASE(ring_without_bytes_holds_nothing), TEST_CASE(copy_is_independent_of_what_follows),
      TEST_CASE(reader_without_room_skips_and_goes_on))
