#include "proxy/report/stated_times.h"

#include "core/time_scale.h"
#include "proxy/persona/persona.h"

static void stretch_try(struct try_record *attempt, uint64_t begin_us, uint32_t scale)
{
    uint64_t *const instants[] = { &attempt->picked_at_us,   &attempt->connected_at_us,
                                   &attempt->tls_done_at_us, &attempt->sent_at_us,
                                   &attempt->head_at_us,     &attempt->ended_at_us };

    for (size_t i = 0; i < sizeof(instants) / sizeof(*instants); i++)
        *instants[i] = time_scale_stretch(begin_us, *instants[i], scale);
    attempt->queued_us *= scale;
}

const struct exchange_record *stated_times_of(const struct exchange_record *record,
                                              struct exchange_record *into)
{
    uint32_t scale = record->persona->time_scale;
    uint64_t *const instants[] = { &into->request_head_at_us, &into->request_end_at_us,
                                   &into->response_head_at_us, &into->response_stored_at_us,
                                   &into->ended_at_us };
    uint64_t *const spans[] = { &into->debug.rewrite_us, &into->debug.router_us,
                                &into->debug.access_us, &into->debug.balancer_us };

    if (scale <= 1)
        return record;
    *into = *record;
    for (size_t i = 0; i < sizeof(instants) / sizeof(*instants); i++)
        *instants[i] = time_scale_stretch(record->started_at_us, *instants[i], scale);
    for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++)
        *spans[i] *= scale;
    for (size_t i = 0; i < record->tries_count && i < EXCHANGE_TRIES_KEPT; i++)
        stretch_try(&into->tries[i], record->started_at_us, scale);
    return into;
}
