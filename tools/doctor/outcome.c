#include "tools/doctor/outcome.h"

#include "proxy/exchange/retry.h"

/* A hop at work on one request. */
struct playing {
    const struct doctor_model *model;
    const struct doctor_hop *hop;
    enum http_method method;
    enum doctor_fault fault;
    uint64_t now_ms,
        end_ms; /* since it was asked; when who asks, or its own request timeout, ends it */
    unsigned tries_left;
    struct doctor_outcome outcome;
    struct doctor_outcome behind; /* of the last try, for which it waited so long; 0: none yet */
    uint64_t behind_wait_ms;
};

/* Retries of hops multiply: beyond it nobody counts. */
#define HITS_MAX UINT64_C(1000000)

unsigned doctor_tries_max(const struct doctor_hop *hop)
{
    uint64_t tries_max = hop->persona->retry.tries_max_count;
    unsigned tries = hop->service ? hop->service->retries + 1 : 1;

    return tries_max > 0 && tries > tries_max ? (unsigned)tries_max : tries;
}

static enum retry_verdict decide(const struct doctor_hop *hop, enum http_method method,
                                 enum end_reason reason, unsigned status, unsigned tries_left)
{
    const struct retry_facts facts = { .reason = status ? END_UPSTREAM_STATUS : reason,
                                       .method = method,
                                       .request_sent = true,
                                       .tries_left = tries_left,
                                       .status = status };

    return retry_decide(&hop->persona->retry, &facts);
}

bool doctor_tries_again(const struct doctor_hop *hop, enum http_method method,
                        enum end_reason reason, unsigned status)
{
    return decide(hop, method, reason, status, doctor_tries_max(hop) - 1) != RETRY_NO;
}

/* How a failed exchange of a hop reaches who asked it. */
static void answer(const struct doctor_hop *hop, enum end_reason reason, bool reused,
                   struct doctor_outcome *into)
{
    bool is_proxied = end_reason_info(reason)->hop == END_HOP_UPSTREAM;
    struct persona_answer made = persona_answer(hop->persona, reason, is_proxied, reused);

    into->status = made.action == PERSONA_RESET || made.action == PERSONA_CLOSE ? 0 : made.status;
    into->reason = into->status > 0               ? END_OK
                   : made.action == PERSONA_RESET ? END_UPSTREAM_HEAD_RESET
                                                  : END_UPSTREAM_HEAD_CLOSED;
}

static struct doctor_outcome origin_outcome(enum doctor_fault fault)
{
    return (struct doctor_outcome){ .at_ms = fault == DOCTOR_NO_ANSWER ? DOCTOR_NEVER : 0,
                                    .reason = END_UPSTREAM_HEAD_CLOSED,
                                    .hits = 1 };
}

static void note_tries(struct doctor_outcome *into, const struct doctor_outcome *from)
{
    for (size_t i = 0; i < CHAIN_ELEMENTS_MAX; i++)
        if (from->tries[i] > into->tries[i])
            into->tries[i] = from->tries[i];
}

/* All tries fail alike: one that ended in time ends so again. Without it, retries of many hops would be played
 * one by one, and they multiply. */
static bool is_as_before(const struct playing *playing, uint64_t wait_ms)
{
    return playing->behind_wait_ms > 0 &&
           (wait_ms == playing->behind_wait_ms ||
            (wait_ms < playing->behind_wait_ms && playing->behind.at_ms < wait_ms));
}

static void play_behind(struct playing *playing, uint64_t wait_ms)
{
    if (!is_as_before(playing, wait_ms)) {
        playing->behind =
            doctor_play(playing->model, doctor_hop_behind(playing->model, playing->hop),
                        playing->method, playing->fault, wait_ms);
        playing->behind_wait_ms = wait_ms;
        note_tries(&playing->outcome, &playing->behind);
    }
    playing->outcome.hits += playing->behind.hits;
    if (playing->outcome.hits > HITS_MAX)
        playing->outcome.hits = HITS_MAX;
    playing->outcome.tries[playing->hop->index]++;
}

/* One try. False: who asks has no patience left. */
static bool try_once(struct playing *playing, enum end_reason *ret_reason, unsigned *ret_status)
{
    const struct doctor_outcome *behind = &playing->behind;
    uint64_t wait_ms = playing->hop->service->read_timeout_ms;
    uint64_t left_ms =
        playing->end_ms == DOCTOR_NEVER ? DOCTOR_NEVER : playing->end_ms - playing->now_ms;

    play_behind(playing, wait_ms < left_ms ? wait_ms : left_ms);
    if (behind->at_ms == DOCTOR_NEVER && left_ms <= wait_ms)
        return false;
    playing->now_ms += behind->at_ms == DOCTOR_NEVER ? wait_ms : behind->at_ms;
    *ret_reason = behind->at_ms == DOCTOR_NEVER ? END_UPSTREAM_HEAD_TIMEOUT : behind->reason;
    *ret_status = behind->at_ms == DOCTOR_NEVER ? 0 : behind->status;
    return true;
}

static bool begins_another(struct playing *playing, enum end_reason reason, unsigned status)
{
    const struct persona_retry *policy = &playing->hop->persona->retry;

    if (policy->timeout_ms > 0 && playing->now_ms >= policy->timeout_ms)
        return false;
    if (decide(playing->hop, playing->method, reason, status, playing->tries_left) != RETRY_YES)
        return false;
    playing->tries_left--;
    return true;
}

struct doctor_outcome doctor_play(const struct doctor_model *model, const struct doctor_hop *hop,
                                  enum http_method method, enum doctor_fault fault,
                                  uint64_t patience_ms)
{
    struct playing playing = {
        .model = model, .hop = hop, .method = method, .fault = fault, .end_ms = patience_ms
    };
    enum end_reason reason;
    unsigned status;
    uint64_t own_ms;

    if (!hop || !hop->service)
        return origin_outcome(fault);
    own_ms = hop->persona->upstream.request_timeout_ms;
    if (own_ms > 0 && own_ms < playing.end_ms)
        playing.end_ms = own_ms;
    playing.tries_left = doctor_tries_max(hop) - 1;
    do {
        if (try_once(&playing, &reason, &status))
            continue;
        playing.outcome.at_ms = DOCTOR_NEVER;
        if (own_ms > 0 && own_ms < patience_ms) {
            playing.outcome.at_ms = own_ms;
            answer(hop, END_REQUEST_TIMEOUT, false, &playing.outcome);
        }
        return playing.outcome;
    } while (begins_another(&playing, reason, status));
    playing.outcome.at_ms = playing.now_ms;
    playing.outcome.status = status;
    playing.outcome.reason = END_OK;
    if (status == 0)
        answer(hop, reason, false, &playing.outcome);
    return playing.outcome;
}

unsigned doctor_status_for_client(const struct doctor_model *model, const struct doctor_hop *hop,
                                  enum end_reason reason, bool reused)
{
    struct doctor_outcome outcome = { .reason = reason };

    for (; hop && outcome.status == 0; hop = doctor_hop_before(model, hop)) {
        answer(hop, outcome.reason, reused, &outcome);
        reused = false;
    }
    return outcome.status;
}

uint64_t doctor_client_patience_ms(const struct doctor_model *model)
{
    return model->chain->client.timeout_ms > 0 ? (uint64_t)model->chain->client.timeout_ms
                                               : DOCTOR_NEVER;
}
