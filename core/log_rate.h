/*
 * log_rate: at most one line a second about a thing that can happen a million times a second.
 *
 * Role    says whether the line may be written, and how many were not since the last one
 * Owns    nothing; embedded in the object that the line is about
 * Thread  one worker
 */
#ifndef CORE_LOG_RATE_H
#define CORE_LOG_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum { LOG_RATE_INTERVAL_MS = 1000 };

struct log_rate {
    uint64_t next_at_ms; /* 0: never told */
    uint64_t untold_count;
};

static inline bool log_rate_allows(struct log_rate *rate, uint64_t now_ms, uint64_t *ret_untold)
{
    if (now_ms < rate->next_at_ms) {
        rate->untold_count++;
        return false;
    }
    *ret_untold = rate->untold_count;
    rate->untold_count = 0;
    rate->next_at_ms = now_ms + LOG_RATE_INTERVAL_MS;
    return true;
}

#endif
