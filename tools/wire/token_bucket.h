/*
 * token_bucket: so many bytes per second, and so many at once after a pause.
 *
 * Role    the arithmetic of a limited line; whole bytes, nothing is lost to rounding
 * Owns    nothing
 * Thread  any; times are milliseconds of any clock that does not go back
 */
#ifndef TOOLS_WIRE_TOKEN_BUCKET_H
#define TOOLS_WIRE_TOKEN_BUCKET_H

#include <stdint.h>

struct token_bucket {
    uint64_t bytes_per_second; /* 0: no limit */
    uint64_t burst_bytes;      /* at least 1 */
    uint64_t level;            /* thousandths of a byte */
    uint64_t at_ms;            /* when level was true */
};

/* burst_bytes 0: what passes in 10 ms, at least 1. Starts full. */
void token_bucket_init(struct token_bucket *bucket, uint64_t bytes_per_second, uint64_t burst_bytes,
                       uint64_t now_ms);

/* How many of `wanted` bytes may pass now. */
uint64_t token_bucket_room(struct token_bucket *bucket, uint64_t wanted, uint64_t now_ms);

/* bytes <= the room of the same moment. */
void token_bucket_take(struct token_bucket *bucket, uint64_t bytes);

/* When there will be room for `wanted` bytes, or for the whole burst if that is less. */
uint64_t token_bucket_ready_at_ms(const struct token_bucket *bucket, uint64_t wanted);

#endif
