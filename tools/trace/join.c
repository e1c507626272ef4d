#include "tools/trace/join.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace/index.h"
#include "tools/trace/relay.h"

/* Beyond this a request is not seen as belonging to a try, when nothing but time speaks for it; and
 * clocks that differ by less are not said to differ. */
enum { SLACK_US = 50000 };

/* One behind the other, between two hops. */
enum { WIRES_IN_A_ROW_MAX = 8 };

/* Of two logs together, at most. */
enum { PRECISIONS_US = 2 * 1000000 };

/* What a request may be found by. */
struct indexes {
    struct trace_index peers, ids, begins;
    const struct trace_flow **flows;  /* by client, then by begin */
    const struct trace_flow **relays; /* of them: those of hops, by their end towards the target */
    size_t flows_count, relays_count;
};

static bool has_peer(const struct trace_account *account)
{
    return trace_is_known(&account->peer);
}

/* Bytes, not texts: there are many. */
static int compare_addresses(const struct sockaddr_storage *one,
                             const struct sockaddr_storage *other)
{
    const struct sockaddr_in *in = (const void *)one, *other_in = (const void *)other;
    const struct sockaddr_in6 *in6 = (const void *)one, *other_in6 = (const void *)other;

    if (one->ss_family != other->ss_family)
        return one->ss_family < other->ss_family ? -1 : 1;
    if (addr_port(one) != addr_port(other))
        return addr_port(one) < addr_port(other) ? -1 : 1;
    if (one->ss_family == AF_INET6)
        return memcmp(&in6->sin6_addr, &other_in6->sin6_addr, sizeof(in6->sin6_addr));
    return one->ss_family == AF_INET
               ? memcmp(&in->sin_addr, &other_in->sin_addr, sizeof(in->sin_addr))
               : 0;
}

/* By connection, then by the place on it; who does not say the place comes first. */
static int compare_peers(const struct trace_account *one, const struct trace_account *other)
{
    int r = compare_addresses(&one->peer, &other->peer);

    if (r != 0)
        return r;
    return (one->request_number > other->request_number) -
           (one->request_number < other->request_number);
}

static bool has_id(const struct trace_account *account)
{
    return account->received_id.len > 0;
}

static int compare_ids(const struct trace_account *one, const struct trace_account *other)
{
    return trace_compare_text(one->received_id, other->received_id);
}

static bool has_begin(const struct trace_account *account)
{
    return account->begin_us != TRACE_NEVER;
}

static int compare_begins(const struct trace_account *one, const struct trace_account *other)
{
    return (one->begin_us > other->begin_us) - (one->begin_us < other->begin_us);
}

static int compare_flows(const void *a, const void *b)
{
    const struct trace_flow *one = *(const struct trace_flow *const *)a;
    const struct trace_flow *other = *(const struct trace_flow *const *)b;
    int r = compare_addresses(&one->client, &other->client);

    return r != 0 ? r : (one->begin_us > other->begin_us) - (one->begin_us < other->begin_us);
}

static int compare_relays(const void *a, const void *b)
{
    const struct trace_flow *one = *(const struct trace_flow *const *)a;
    const struct trace_flow *other = *(const struct trace_flow *const *)b;

    return compare_addresses(&one->local, &other->local);
}

static bool sort_flows(struct indexes *indexes, const struct trace *trace)
{
    size_t count = 0;

    for (const struct trace_flow *flow = trace->last_flow; flow; flow = flow->before)
        count++;
    indexes->flows = calloc(count + 1, sizeof(struct trace_flow *));
    indexes->relays = calloc(count + 1, sizeof(struct trace_flow *));
    if (!indexes->flows || !indexes->relays)
        return false;
    for (const struct trace_flow *flow = trace->last_flow; flow; flow = flow->before) {
        indexes->flows[indexes->flows_count++] = flow;
        if (flow->relay)
            indexes->relays[indexes->relays_count++] = flow;
    }
    qsort(indexes->flows, count, sizeof(struct trace_flow *), compare_flows);
    qsort(indexes->relays, indexes->relays_count, sizeof(struct trace_flow *), compare_relays);
    return true;
}

static bool indexes_make(struct indexes *indexes, const struct trace *trace)
{
    bool made = trace_index_make(&indexes->peers, trace, has_peer, compare_peers);

    indexes->flows = indexes->relays = NULL;
    indexes->flows_count = indexes->relays_count = 0;
    made = trace_index_make(&indexes->ids, trace, has_id, compare_ids) && made;
    made = trace_index_make(&indexes->begins, trace, has_begin, compare_begins) && made;
    return sort_flows(indexes, trace) && made;
}

static void indexes_done(struct indexes *indexes)
{
    trace_index_done(&indexes->peers);
    trace_index_done(&indexes->ids);
    trace_index_done(&indexes->begins);
    free(indexes->flows);
    free(indexes->relays);
}

/* ---- who it could be ---- */

/* It is nobody's yet, and not in front of the one that asks. */
static bool is_free(const struct trace_account *candidate, const struct trace_account *asks)
{
    if (candidate->before || candidate == asks)
        return false;
    for (const struct trace_account *at = asks; at; at = at->before)
        if (at == candidate || (at->hop.len > 0 && slice_equal(at->hop, candidate->hop)))
            return false; /* the same hop twice in a chain is a loop, which no log can tell apart */
    return true;
}

static bool may_be_the_same(const struct sockaddr_storage *one,
                            const struct sockaddr_storage *other)
{
    return !trace_is_known(one) || !trace_is_known(other) || addr_equal(one, other);
}

static int64_t distance(const struct trace_account *candidate, const struct trace_try *try)
{
    if (candidate->begin_us == TRACE_NEVER || try->begin_us == TRACE_NEVER)
        return INT64_MAX - 1;
    return llabs(candidate->begin_us - try->begin_us);
}

/* Of those that fit, the one nearest in time: ports come back. */
static struct trace_account *nearer(struct trace_account *one, struct trace_account *other,
                                    const struct trace_try *try)
{
    return !one || distance(other, try) < distance(one, try) ? other : one;
}

/* Those that say so much about their place on the connection; 0: nothing. */
static struct trace_account *at_place(const struct indexes *indexes,
                                      const struct trace_account *account,
                                      const struct trace_try *try,
                                      const struct sockaddr_storage *local,
                                      const struct sockaddr_storage *target, uint64_t number)
{
    struct trace_account key = { .peer = *local, .request_number = number };
    struct trace_account *best = NULL;
    struct trace_account *at;

    for (size_t i = trace_index_first(&indexes->peers, &key);
         (at = trace_index_same(&indexes->peers, i, &key)); i++)
        if (may_be_the_same(target, &at->local) && is_free(at, account))
            best = nearer(best, at, try);
    return best;
}

/* Who got the n-th request of the connection from local to target. A hop that does not count, or one that
 * is not counted, has what is nearest in time. */
static struct trace_account *at_end_of(const struct indexes *indexes,
                                       const struct trace_account *account,
                                       const struct trace_try *try,
                                       const struct sockaddr_storage *local,
                                       const struct sockaddr_storage *target)
{
    struct trace_account key = { .peer = *local };
    struct trace_account *best;

    if (try->request_number != 0) {
        best = at_place(indexes, account, try, local, target, try->request_number);
        return best ? best : at_place(indexes, account, try, local, target, 0);
    }
    best = NULL;
    for (size_t i = trace_index_first(&indexes->peers, &key);
         i < indexes->peers.count && addr_equal(&indexes->peers.items[i]->peer, local); i++)
        if (may_be_the_same(target, &indexes->peers.items[i]->local) &&
            is_free(indexes->peers.items[i], account))
            best = nearer(best, indexes->peers.items[i], try);
    return best;
}

/* The wire's connection that the try went over: the last one that had begun by its end. */
static const struct trace_flow *flow_of(const struct indexes *indexes,
                                        const struct sockaddr_storage *client,
                                        const struct sockaddr_storage *listen,
                                        const struct trace_try *try)
{
    int64_t until_us = try->end_us == TRACE_NEVER ? INT64_MAX : try->end_us + SLACK_US;
    const struct trace_flow key = { .client = *client, .begin_us = until_us };
    const struct trace_flow *wanted = &key;
    size_t low = 0, high = indexes->flows_count;

    while (low < high) { /* behind the last that begins by then */
        size_t middle = low + (high - low) / 2;

        if (compare_flows(&indexes->flows[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || compare_addresses(&indexes->flows[low - 1]->client, client) != 0 ||
        !may_be_the_same(&indexes->flows[low - 1]->listen, listen))
        return NULL;
    return indexes->flows[low - 1];
}

static struct trace_account *by_connection(struct trace *trace, const struct indexes *indexes,
                                           const struct trace_account *account,
                                           struct trace_try *try)
{
    struct sockaddr_storage local = try->local, target = try->target;
    const struct trace_flow *flow;

    for (int i = 0; i < WIRES_IN_A_ROW_MAX && trace_is_known(&local) &&
                    (flow = flow_of(indexes, &local, &target, try));
         i++) {
        if (flow->relay)
            return relay_is_new(account, flow) ? relay_behind(trace, account, try, flow) : NULL;
        try->flow = !try->flow || flow->fault.len > 0 ? flow : try->flow;
        local = flow->local;
        target = flow->server;
    }
    return trace_is_known(&local) ? at_end_of(indexes, account, try, &local, &target) : NULL;
}

static struct trace_account *of_id(const struct indexes *indexes,
                                   const struct trace_account *account, const struct trace_try *try,
                                   struct slice id)
{
    struct trace_account key = { .received_id = id };
    struct trace_account *best = NULL;
    struct trace_account *at;

    if (id.len == 0)
        return NULL;
    for (size_t i = trace_index_first(&indexes->ids, &key);
         (at = trace_index_same(&indexes->ids, i, &key)); i++)
        if (is_free(at, account) && may_be_the_same(&try->target, &at->local))
            best = nearer(best, at, try);
    return best;
}

static struct trace_account *by_id(const struct indexes *indexes,
                                   const struct trace_account *account, const struct trace_try *try)
{
    struct trace_account *found = of_id(indexes, account, try, try->passed_id);

    return found ? found : of_id(indexes, account, try, account->received_id);
}

/* Paths may be rewritten on the way, by hops whose logs do not say so: one is the end of the other. */
static bool is_same_path(const struct trace_account *account, const struct trace_account *candidate)
{
    struct slice sent =
        account->upstream_target.len > 0 ? account->upstream_target : account->target;
    struct slice longer = sent.len > candidate->target.len ? sent : candidate->target;
    struct slice shorter = sent.len > candidate->target.len ? candidate->target : sent;

    if (account->upstream_target.len > 0)
        return slice_equal(sent, candidate->target);
    return shorter.len > 0 && slice_equal(slice_from(longer, longer.len - shorter.len), shorter);
}

static bool fits_in_time(const struct trace_account *account, const struct trace_try *try,
                         const struct trace_account *candidate)
{
    int64_t slack_us = SLACK_US + account->precision_us + candidate->precision_us;

    return candidate->begin_us >= try->begin_us - slack_us &&
           candidate->begin_us <= try->end_us + slack_us;
}

/* Only if there is just one. */
static struct trace_account *by_time(const struct indexes *indexes,
                                     const struct trace_account *account,
                                     const struct trace_try *try)
{
    struct trace_account *found = NULL;
    struct trace_account from;

    if (try->begin_us == TRACE_NEVER || try->end_us == TRACE_NEVER)
        return NULL;
    from.begin_us = try->begin_us - SLACK_US - PRECISIONS_US;
    for (size_t i = trace_index_first(&indexes->begins, &from); i < indexes->begins.count; i++) {
        struct trace_account *at = indexes->begins.items[i];

        if (at->begin_us > try->end_us + SLACK_US + PRECISIONS_US)
            break;
        if (!fits_in_time(account, try, at) || !is_free(at, account) ||
            !slice_equal(account->method, at->method) || !is_same_path(account, at) ||
            !may_be_the_same(&try->target, &at->local) || !may_be_the_same(&try->local, &at->peer))
            continue;
        if (found)
            return NULL;
        found = at;
    }
    return found;
}

/* ---- joining ---- */

/* The hop behind cannot have got the request before the one in front began to ask, nor after it had
 * given up. */
static void align(const struct trace_account *account, const struct trace_try *try,
                  struct trace_account *next)
{
    int64_t slack_us = SLACK_US + account->precision_us + next->precision_us;
    int64_t begin_us = try->begin_us;

    if (next->begin_us == TRACE_NEVER || begin_us == TRACE_NEVER)
        return;
    next->shift_us = account->shift_us;
    if (next->begin_us < begin_us && next->begin_us >= begin_us - slack_us)
        next->shift_us += begin_us - next->begin_us; /* instants are cut to whole milliseconds */
    else if (next->begin_us < begin_us - slack_us ||
             (try->end_us != TRACE_NEVER && next->begin_us > try->end_us + slack_us))
        next->shift_us += begin_us - next->begin_us;
}

static void join(const struct trace_account *account, struct trace_try *try,
                 struct trace_account *next, enum trace_join how)
{
    try->next = next;
    try->join = how;
    next->before = (struct trace_account *)account;
    align(account, try, next);
}

/* Also for what is made meanwhile: it comes last. */
static void join_all(struct trace *trace, const struct indexes *indexes, enum trace_join how)
{
    for (struct trace_account *account = trace->first; account; account = account->next_in_trace) {
        for (unsigned i = 0; i < account->tries_count; i++) {
            struct trace_try *try = &account->tries[i];
            struct trace_account *next = NULL;

            if (try->next)
                continue;
            if (how == TRACE_JOIN_CONNECTION)
                next = by_connection(trace, indexes, account, try);
            else
                next = how == TRACE_JOIN_ID ? by_id(indexes, account, try)
                                            : by_time(indexes, account, try);
            if (next)
                join(account, try, next, how);
        }
    }
}

/* The connection that a hop which leads bytes on made to who got a request; ports come back. */
static const struct trace_flow *flow_into(const struct indexes *indexes,
                                          const struct trace_account *account)
{
    const struct trace_flow key = { .local = account->peer };
    const struct trace_flow *wanted = &key, *best = NULL;
    size_t low = 0, high = indexes->relays_count;

    while (low < high) { /* at the first of that address */
        size_t middle = low + (high - low) / 2;

        if (compare_relays(&indexes->relays[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < indexes->relays_count && compare_relays(&indexes->relays[low], &wanted) == 0;
         low++)
        if (may_be_the_same(&indexes->relays[low]->server, &account->local) &&
            (!best || llabs(indexes->relays[low]->begin_us - account->begin_us) <
                          llabs(best->begin_us - account->begin_us)))
            best = indexes->relays[low];
    return best;
}

/* A request that came out of a relay that nobody in front has a log of. */
static void join_to_relays(struct trace *trace, const struct indexes *indexes)
{
    struct trace_account *last = trace->last;

    for (struct trace_account *at = trace->first; indexes->relays_count > 0 && at;
         at = at == last ? NULL : at->next_in_trace) {
        const struct trace_flow *flow =
            !at->before && trace_is_known(&at->peer) ? flow_into(indexes, at) : NULL;

        if (flow)
            (void)relay_in_front(trace, at, flow);
    }
    relay_add_unknown(trace);
}

bool trace_join_accounts(struct trace *trace)
{
    struct indexes indexes;
    bool made = indexes_make(&indexes, trace);

    for (enum trace_join how = TRACE_JOIN_CONNECTION; made && how <= TRACE_JOIN_TIME; how++) {
        join_all(trace, &indexes, how);
        if (how == TRACE_JOIN_CONNECTION)
            join_to_relays(trace, &indexes);
    }
    indexes_done(&indexes);
    return made;
}

const char *trace_join_name(enum trace_join join)
{
    static const char *const names[] = { [TRACE_JOIN_NONE] = "none",
                                         [TRACE_JOIN_CONNECTION] = "connection",
                                         [TRACE_JOIN_ID] = "request id",
                                         [TRACE_JOIN_TIME] = "time" };

    return names[join];
}
