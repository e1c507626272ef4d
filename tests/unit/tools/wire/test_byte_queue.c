#include "tools/wire/byte_queue.h"

#include "tests/check.h"
#include "tools/wire/dice.h"

/* Against a counter: byte n of the stream is n mod 251. */
TEST(byte_queue_keeps_order_whatever_the_pieces)
{
    struct byte_queue queue = { 0 };
    struct dice dice = { 42 };
    uint64_t pushed = 0, dropped = 0;
    char piece[5000];

    for (int turn = 0; turn < 3000; turn++) {
        size_t length = (size_t)dice_below(&dice, sizeof(piece));

        for (size_t i = 0; i < length; i++)
            piece[i] = (char)((pushed + i) % 251);
        CHECK_INT(byte_queue_push(&queue, (struct slice){ piece, length }), 0);
        pushed += length;
        while (queue.length > 20000 || (queue.length > 0 && dice_below(&dice, 3) == 0)) {
            struct slice front = byte_queue_front(&queue, 1 + (size_t)dice_below(&dice, 4000));

            CHECK(front.len > 0);
            for (size_t i = 0; i < front.len; i++)
                CHECK_INT((unsigned char)front.ptr[i], (dropped + i) % 251);
            byte_queue_drop(&queue, front.len);
            dropped += front.len;
        }
        CHECK_INT(queue.length, pushed - dropped);
    }
    CHECK(queue.capacity <= 64 * 1024);
    byte_queue_done(&queue);
}

TEST(byte_queue_that_is_empty_holds_nothing)
{
    struct byte_queue queue = { 0 };

    CHECK_INT(byte_queue_push(&queue, SLICE("abc")), 0);
    *byte_queue_at(&queue, 1) = 'x';
    CHECK_SLICE(byte_queue_front(&queue, 10), "axc");
    byte_queue_drop(&queue, 3);
    CHECK(!queue.bytes);
    CHECK_INT(byte_queue_front(&queue, 10).len, 0);
}

TESTS(TEST_CASE(byte_queue_keeps_order_whatever_the_pieces),
      TEST_CASE(byte_queue_that_is_empty_holds_nothing))
