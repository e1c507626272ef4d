#include "proxy/worker/hop.h"

#include <unistd.h>

void hop_ring_doorbell(const struct hop *hop)
{
    const uint64_t one = 1;

    /* an eventfd takes it unless its counter is full, and then the thread is awake anyway */
    if (write(hop->doorbell, &one, sizeof(one)) < 0)
        return;
}
