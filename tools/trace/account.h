/*
 * account: what one hop logged about one request, whatever it is and whoever wrote the log.
 *
 * Role    the common shape of all log formats; what a format does not say is 0, NULL or TRACE_NEVER
 * Owns    a trace owns its accounts and every text, until trace_done
 * Thread  the main thread
 *
 * Instants are microseconds since 1970, as the clock of the hop that wrote them says.
 */
#ifndef TOOLS_TRACE_ACCOUNT_H
#define TOOLS_TRACE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/arena.h"
#include "core/end_reason.h"
#include "core/slice.h"

enum { TRACE_TRIES_MAX = 16 };

#define TRACE_NEVER INT64_MIN

/* How an account was found to be the next hop's view of a try; the surest first. */
enum trace_join {
    TRACE_JOIN_NONE,
    TRACE_JOIN_CONNECTION, /* same two addresses, same place on the connection */
    TRACE_JOIN_ID,         /* a request id that went along */
    TRACE_JOIN_TIME,       /* the only request with that method and path in that time */
};

/* One time that a hop asked a target. */
struct trace_try {
    struct sockaddr_storage local, target; /* family 0: not known */
    uint64_t request_number;               /* on that connection, from 1 */
    int64_t begin_us, sent_us, head_us, end_us;
    unsigned status; /* of the target's answer */
    enum end_reason reason;
    struct slice detail, explanation, target_name;
    struct slice passed_id; /* a request id that this hop wrote into the request */
    bool reused;
    const struct trace_flow *flow; /* the wire that it went through, or NULL */
    struct trace_account *next;    /* the hop behind, if its log is here */
    enum trace_join join;
};

/* What a hop of ours was told about the service that a request went to; microseconds, 0: not known. */
struct trace_limits {
    int64_t connect_us, write_us, read_us;
    unsigned tries_max; /* retries and one */
};

struct trace_account {
    const char *file;
    unsigned line;
    const char *format; /* "hopgate", "nginx", "haproxy", "alb"; "origin": a server of the lab */
    struct slice hop;   /* its name */
    struct slice text;  /* the line itself */
    struct slice error; /* lines of the hop's error log about it, or empty */
    struct slice request_id, received_id; /* its own; the one that came with the request */
    struct slice method, target, upstream_target, service;
    struct sockaddr_storage peer, local; /* of the connection that the request came on */
    uint64_t request_number;             /* on it, from 1 */
    int64_t begin_us, head_us, end_us;
    int64_t precision_us; /* of its instants */
    uint32_t
        time_scale;   /* they are real ones of a lab where time passes so many times as fast; 0: not
                             said */
    int64_t shift_us; /* added to its instants to agree with the hop before */
    unsigned status;  /* sent to who asked; 0: none */
    enum end_reason reason;
    bool made_here; /* the answer; false also where the format does not say */
    struct slice detail, termination;
    struct trace_limits limits;
    const struct slice *fields; /* of the request as it came, see telling.h; NULL: not known */
    struct slice url, location; /* the request's; of a redirect, as it was sent */
    bool over_tls, is_trusted, sets_cookie;
    bool wants_tls; /* a server that met plain text where it speaks TLS: there was no request */
    struct trace_try *tries;
    unsigned tries_capacity;
    unsigned tries_count; /* of them kept; the last one is the last that was made */
    unsigned tries_made;
    struct trace_account *before; /* the hop in front, or NULL */
    struct trace_account *next_in_trace;
};

/* What a hop says of a connection that it led on. */
struct trace_relay {
    const char *file;
    unsigned line;
    struct slice hop, service, target_name;
    enum end_reason reason;
    int64_t end_us;
    uint32_t time_scale; /* as that of an account */
    bool is_told;        /* a request went through it */
};

/* A connection through a `hopgate wire` or a hop that leads bytes on: on its two sides it is two. */
struct trace_flow {
    struct slice wire;
    int64_t number; /* of the wire's connections */
    struct sockaddr_storage client, listen, local, server;
    int64_t begin_us, fault_at_us;
    struct slice fault;        /* the last one that acted, or empty */
    struct trace_relay *relay; /* the hop that it went through; NULL: a wire */
    struct trace_flow *before;
};

struct trace {
    struct chunk_pool *pool;
    struct arena memory;
    struct trace_account *first, *last;
    struct trace_flow *last_flow;
    unsigned accounts_count;
    unsigned lines_count, lines_skipped; /* of all files; those in no known format */
    bool out_of_memory;
};

bool trace_init(struct trace *trace);
void trace_done(struct trace *trace);

/* A zeroed account with every instant NEVER, not yet in the trace. NULL: no memory. */
struct trace_account *trace_account_new(struct trace *trace);
void trace_account_add(struct trace *trace, struct trace_account *account);

/* A further try, or the last place again when there are too many; good until the next one. Without memory
 * one that nobody reads, which out_of_memory tells. */
struct trace_try *trace_try_new(struct trace *trace, struct trace_account *account);

/* Copies into the trace's memory; a failure is remembered in out_of_memory. */
struct slice trace_copy(struct trace *trace, struct slice text);

/* Both address and port are known. */
static inline bool trace_is_known(const struct sockaddr_storage *address)
{
    return addr_length(address) > 0 && addr_port(address) != 0;
}

/* An instant on the clock of the hop in front of all; NEVER stays. */
static inline int64_t trace_at(const struct trace_account *account, int64_t at_us)
{
    return at_us == TRACE_NEVER ? TRACE_NEVER : at_us + account->shift_us;
}

/* The last try, or NULL. */
static inline const struct trace_try *trace_last_try(const struct trace_account *account)
{
    return account->tries_count > 0 ? &account->tries[account->tries_count - 1] : NULL;
}

#endif
