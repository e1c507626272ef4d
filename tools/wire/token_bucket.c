#include "tools/wire/token_bucket.h"

#include <assert.h>

/* A byte a second for a millisecond is a thousandth of a byte. */
enum { THOUSANDTHS = 1000, BURST_MS = 10 };

/* Beyond it the sum could overflow; more than a burst is never kept. */
static const uint64_t rate_max = UINT64_C(1) << 40, burst_max = UINT64_C(1) << 40;

void token_bucket_init(struct token_bucket *bucket, uint64_t bytes_per_second, uint64_t burst_bytes,
                       uint64_t now_ms)
{
    if (bytes_per_second > rate_max)
        bytes_per_second = rate_max;
    if (burst_bytes == 0)
        burst_bytes = bytes_per_second * BURST_MS / 1000;
    if (burst_bytes == 0)
        burst_bytes = 1;
    if (burst_bytes > burst_max)
        burst_bytes = burst_max;
    *bucket = (struct token_bucket){ .bytes_per_second = bytes_per_second,
                                     .burst_bytes = burst_bytes,
                                     .level = burst_bytes * THOUSANDTHS,
                                     .at_ms = now_ms };
}

static void refill(struct token_bucket *bucket, uint64_t now_ms)
{
    uint64_t full = bucket->burst_bytes * THOUSANDTHS;
    uint64_t passed_ms = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    uint64_t missing = full - bucket->level;

    if (passed_ms > missing / bucket->bytes_per_second)
        bucket->level = full;
    else
        bucket->level += passed_ms * bucket->bytes_per_second;
    bucket->at_ms += passed_ms;
}

uint64_t token_bucket_room(struct token_bucket *bucket, uint64_t wanted, uint64_t now_ms)
{
    uint64_t room;

    if (bucket->bytes_per_second == 0)
        return wanted;
    refill(bucket, now_ms);
    room = bucket->level / THOUSANDTHS;
    return wanted < room ? wanted : room;
}

void token_bucket_take(struct token_bucket *bucket, uint64_t bytes)
{
    if (bucket->bytes_per_second == 0)
        return;
    assert(bytes * THOUSANDTHS <= bucket->level);
    bucket->level -= bytes * THOUSANDTHS;
}

uint64_t token_bucket_ready_at_ms(const struct token_bucket *bucket, uint64_t wanted)
{
    uint64_t goal = (wanted < bucket->burst_bytes ? wanted : bucket->burst_bytes) * THOUSANDTHS;

    if (bucket->bytes_per_second == 0 || goal <= bucket->level)
        return bucket->at_ms;
    return bucket->at_ms +
           (goal - bucket->level + bucket->bytes_per_second - 1) / bucket->bytes_per_second;
}
