/*
 * resolver: the addresses of all host names that somebody watches, kept up to date.
 *
 * Role    one question per name however many watch it; asks again in time; literals, "localhost"
 *         and the hosts file need no question
 * Owns    the names, an epoll descriptor, the DNS client behind it
 * Thread  one (the main thread); never blocks, but for resolver_wait
 *
 * A name is asked for when it is watched first, and lives until nobody watches it any more.
 */
#ifndef LB_RESOLVER_H
#define LB_RESOLVER_H

#include <stdbool.h>

#include "core/cleanup.h"
#include "lb/dns_client.h"
#include "lb/name_record.h"

struct resolver_options {
    struct dns_client_options dns;
    struct name_rules rules;
    const char *hosts_file; /* NULL: none */
};

struct resolver;
struct watched_name;

/* Knows no server until it is configured. NULL: no memory or no descriptor. */
struct resolver *resolver_create(void);

/* Nobody may watch a name any more. Accepts NULL. */
void resolver_free(struct resolver *resolver);
DEFINE_SCOPED(resolver);

/*
 * Reads the hosts file again. Every name is asked for again soon, what is known is used until the
 * answers come. 0, or -ENOMEM with nothing changed. A hosts file that cannot be read is logged.
 */
int resolver_configure(struct resolver *resolver, const struct resolver_options *options);

/* Literal addresses come without brackets. Unwatch once. NULL: no memory. */
struct watched_name *resolver_watch(struct resolver *resolver, const char *name);
void resolver_unwatch(struct resolver *resolver, struct watched_name *name);

/* Borrowed until resolver_unwatch; changes in resolver_process and resolver_configure. */
const struct name_record *watched_name_record(const struct watched_name *name);
const char *watched_name_text(const struct watched_name *name);

/* The next one after `name` in no particular order, NULL: the first, or none. */
const struct watched_name *resolver_next_name(const struct resolver *resolver,
                                              const struct watched_name *name);

/* Sum over all names: another number means that some name has changed. */
uint64_t resolver_version(const struct resolver *resolver);

/* Becomes readable when resolver_process has something to do. */
int resolver_fd(const struct resolver *resolver);

/* When resolver_process is due without that, in ms; -1: never. */
int resolver_timeout_ms(const struct resolver *resolver);
void resolver_process(struct resolver *resolver);

/* Blocks until every name that is awaited has had an answer of some kind, at most limit_ms, and not
 * while stop_fd (-1: none) is readable. True: all have. Names are awaited from when they are new or the
 * resolver is configured until a wait for them was in vain; while such names have no answer, others are
 * awaited for a tenth of limit_ms only. */
bool resolver_wait(struct resolver *resolver, uint64_t limit_ms, int stop_fd);

#endif
