/*
 * dns_client: one question after another about a name, until there is an answer (c-ares).
 *
 * Role    which server and which record type is asked, and how often; one answer for all of it
 * Owns    a c-ares channel per server, the lookups that run
 * Thread  one; never blocks: its sockets are behind the epoll descriptor of the caller
 *
 * There is a channel per server because c-ares hides which server failed how when it has several,
 * and calls a SERVFAIL of the last one a refused connection. So going on to the next server is
 * done here. Ids, questions and source addresses are checked, truncated answers asked for again by
 * TCP, and CNAMEs followed within an answer by c-ares.
 */
#ifndef LB_DNS_CLIENT_H
#define LB_DNS_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "lb/name_record.h"

enum { DNS_SERVERS_MAX = 8, DNS_TYPES_MAX = 4 };

struct dns_types {
    enum dns_type items[DNS_TYPES_MAX];
    size_t count;
};

struct dns_client_options {
    struct sockaddr_storage servers[DNS_SERVERS_MAX]; /* with port */
    size_t servers_count;                             /* 0: those of resolv.conf */
    struct dns_types types; /* in this order until one has an answer; CNAME is never asked for */
    uint64_t timeout_ms;    /* of one question to one server */
    uint32_t tries;         /* of each server that is silent */
};

struct dns_client;

/* Sockets are added to `epoll_fd` and removed from it before they are closed. NULL: no memory, or
 * no server at all. */
struct dns_client *dns_client_create(const struct dns_client_options *options, int epoll_fd);

/* Lookups that run end without a word to their owner. Accepts NULL. */
void dns_client_free(struct dns_client *client);

/* `answer` is the callee's to take from; what it leaves is freed. */
typedef void dns_client_on_answer(void *owner, struct name_answer *answer);

/*
 * `first` is asked for before the others (DNS_NONE: none is). Search domains of resolv.conf are
 * tried too. The answer may come before this returns.
 */
void dns_client_ask(struct dns_client *client, const char *name, enum dns_type first,
                    dns_client_on_answer *on_answer, void *owner);

/* Takes one event of the epoll descriptor after the other, then sees to timeouts. */
void dns_client_process(struct dns_client *client);

/* When dns_client_process is due without an event; -1: never. */
int dns_client_timeout_ms(const struct dns_client *client);

#endif
