/*
 * name_record: what is known of a host name, and when to ask again.
 *
 * Role    the rules of caching: time to live, negative answers, stale addresses while a refresh
 *         fails; pure, so that they are tested with a clock of their own
 * Owns    the addresses
 * Thread  the resolver's
 *
 *   UNKNOWN -> FOUND    an answer: addresses until expires_at, asked again a little before
 *   FOUND -> FOUND      a part of an answer, some hosts of SRV were silent: theirs stay likewise
 *   FOUND -> FOUND      a failure: the addresses stay, after expires_at as stale ones for stale_ms
 *   any -> a failure    NXDOMAIN, an empty answer, or an error with no address left
 */
#ifndef LB_NAME_RECORD_H
#define LB_NAME_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define NAME_NEVER UINT64_MAX

enum name_outcome {
    NAME_UNKNOWN, /* not answered yet */
    NAME_FOUND,
    NAME_MISSING, /* NXDOMAIN */
    NAME_EMPTY,   /* the name exists and has no address */
    NAME_SERVER_FAILURE,
    NAME_REFUSED,
    NAME_TIMEOUT,
    NAME_UNREACHABLE, /* no server could be reached */
    NAME_BAD_ANSWER,  /* an answer that cannot be read, or another code */
    NAME_INVALID,     /* not a host name */
    NAME_NO_MEMORY,
};

/* Of the record that gave the addresses; the numbers of DNS, 0: none (a literal, the hosts file). */
enum dns_type { DNS_NONE = 0, DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28, DNS_SRV = 33 };

struct name_address {
    struct sockaddr_storage address; /* port 0: the configured one; else SRV's */
    uint32_t weight;                 /* SRV's, at least 1; 0: the configured one */
    uint64_t host_id;                /* name_host_id of SRV's host; 0: none */
    uint64_t expires_at_ms;          /* in a record: when the time to live of the answer ends that
                                        gave it; later than the record's it is never */
};

/* A host of an SRV answer about which there was an error: what is known of it stays. */
struct name_gap {
    uint64_t host_id;
    uint32_t weight; /* for its addresses, as the port */
    uint16_t port;
};

struct name_answer {
    enum name_outcome outcome;
    enum dns_type type;
    struct name_address *items; /* malloc'ed */
    size_t count;
    struct name_gap *gaps; /* malloc'ed */
    size_t gaps_count;
    uint32_t ttl_s;                 /* the least of all records that led here */
    struct sockaddr_storage server; /* that was asked last; AF_UNSPEC: none */
};

struct name_rules {
    uint64_t valid_ms; /* instead of what the answer says; 0: the answer's */
    uint64_t ttl_min_ms, ttl_max_ms;
    uint64_t stale_ms;     /* that addresses are used after they expired */
    uint64_t not_found_ms; /* until a name that is missing or empty is asked for again */
    uint64_t error_ms;     /* until the next question after any other failure */
};

/* Zeroed: UNKNOWN, due at once. */
struct name_record {
    struct name_address *items; /* fresh or stale */
    size_t count;
    size_t gaps_count; /* of the answer that gave them */
    enum dns_type type;
    enum name_outcome last; /* of the last question: may be a failure while there are addresses */
    struct sockaddr_storage server; /* that gave that answer */
    uint64_t answered_at_ms;        /* when the addresses came */
    uint64_t expires_at_ms;         /* their end; NAME_NEVER: none */
    uint64_t next_at_ms;            /* when to ask again */
    uint64_t version;               /* changes with the addresses, or with why there are none */
};

/*
 * Takes the answer's addresses, and for its gaps those that are known, unless they have been stale
 * for too long; with gaps the next question comes as soon as after an error. `random` spreads the next question. True: the version has changed.
 * The same addresses in another order are no change: servers rotate them.
 */
bool name_record_take(struct name_record *record, struct name_answer *answer,
                      const struct name_rules *rules, uint64_t now_ms, uint32_t random);

/* Addresses that have been stale for too long go. True: the version has changed. */
bool name_record_expire(struct name_record *record, const struct name_rules *rules,
                        uint64_t now_ms);

/* When name_record_expire will have something to do; NAME_NEVER: never. */
uint64_t name_record_end_ms(const struct name_record *record, const struct name_rules *rules);

static inline bool name_record_is_stale(const struct name_record *record, uint64_t now_ms)
{
    return record->count > 0 && now_ms >= record->expires_at_ms;
}

/* "NXDOMAIN", "timeout", ... */
const char *name_outcome_text(enum name_outcome outcome);

void name_record_done(struct name_record *record);
void name_answer_done(struct name_answer *answer);

/* 0 or -ENOMEM. */
int name_answer_add(struct name_answer *answer, const struct name_address *address);
int name_answer_add_gap(struct name_answer *answer, const struct name_gap *gap);

/* The same for the same name in any case; never 0. */
uint64_t name_host_id(const char *host);

#endif
