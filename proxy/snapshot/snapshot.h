/*
 * snapshot: one configuration of the hop, compiled and immutable.
 *
 * Role    everything that a reload may change: settings, entities, persona, router, targets,
 *         certificates, the addresses to listen on
 * Owns    all of it; a hold on each target (lb/target_registry)
 * Thread  built and freed on the main thread; read by every worker that holds it
 *
 * A worker holds it through a pinned_snapshot. When the last worker has let go, the main thread is
 * woken by hop->doorbell and frees it: to take down ten thousand routes is no worker's business.
 *
 * Built in three steps, each of which may fail and leaves the former snapshot in force:
 * snapshot_load, snapshot_compile, snapshot_listen.
 */
#ifndef PROXY_SNAPSHOT_H
#define PROXY_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "config/config.h"
#include "config/source.h"
#include "proxy/persona/persona.h"
#include "proxy/rewrite/field_plan.h"
#include "proxy/route/real_ip.h"
#include "proxy/snapshot/client_tls.h"
#include "proxy/snapshot/log_choice.h"
#include "proxy/snapshot/virtual_server.h"
#include "proxy/worker/connection_limits.h"
#include "tls/served_certificates.h"

struct hop;
struct metrics;
struct metrics_route;
struct resolver;
struct router;
struct service_plan;

struct snapshot {
    uint64_t generation; /* 1, 2, ...; never used twice by a hop */
    struct settings *settings;
    struct config *config;
    struct persona *persona;
    struct persona *local_persona;  /* of listeners that answer themselves; NULL: there is none */
    struct persona *admin_persona;  /* and of the Admin API's */
    struct field_plans field_plans; /* in the persona's memory */
    struct slice name;              /* of the hop, in logs and in fields */
    struct real_ip_settings real_ip;
    struct log_choice log_formats; /* of the access logs */
    struct tls_server_config *tls; /* NULL: neither listener nor field needs it */
    struct tls_server_config
        *local_tls; /* of listeners that answer themselves; NULL: none has TLS */
    struct tls_server_config *admin_tls; /* and of the Admin API's */
    struct served_certificates certificates;
    struct client_tls client_tls; /* emptied by snapshot_compile: it holds a key */
    struct router *router;
    struct service_plan *services; /* parallel to config->services */
    struct resolver *resolver;     /* borrowed: what the services watch names with */
    struct metrics *metrics;       /* the hop's */
    struct metrics_route **routes; /* what is counted of each route; parallel to config->routes */
    struct virtual_server *virtual_servers;
    size_t virtual_servers_count;
    struct connection_rules connection_rules;
    const char *request_debug_token; /* NULL: request_debug is off */
    char made_token[37];             /* the same, when none is configured */
    uint64_t memory_limit_bytes;     /* 0: none */
    _Atomic uint32_t workers_count;  /* that hold it */
    struct snapshot *older;          /* the main thread's list of snapshots */
};

/*
 * What is unchanged since `former` (NULL: there is none) and costs much to make is taken from it.
 * Reads the configuration and every file that it names (the next steps may be those of a process that
 * may not any more), and checks all that can be checked without touching anything outside.
 * Problems are added to errors, also warnings. Borrows what TLS resumes sessions with from hop. NULL: errors say why, or there is no memory.
 */
struct snapshot *snapshot_load(const struct config_source *source, struct hop *hop,
                               const struct snapshot *former, struct config_errors *errors);

/* The same of settings and entities that were read already: both are taken. */
struct snapshot *snapshot_load_entities(struct settings **settings, struct config **config,
                                        struct hop *hop, const struct snapshot *former,
                                        struct config_errors *errors);

/* The checks of snapshot_load alone, of whatever of the two files could be read. */
void snapshot_check(const struct settings *settings, const struct config *config,
                    struct config_errors *errors);

/* Router, host names, targets, counters; of services that are as in `former` (NULL: there is none) under the
 * same settings, what that has. Waits for names that the hop does not know yet, for
 * names_wait_ms at most and not while the hop is told to end. 0, or -EINVAL with the reason in errors. */
int snapshot_compile(struct snapshot *snapshot, const struct hop *hop,
                     const struct snapshot *former, uint64_t names_wait_ms,
                     struct config_errors *errors);

struct inherited_sockets;

/* What is listened on already. */
struct snapshot_heritage {
    const struct snapshot *former;         /* NULL: this is the first of the process */
    struct inherited_sockets *handed_over; /* by the former process; NULL: nothing */
    unsigned workers_count;
};

/*
 * Chooses how many connections there may be, by the files that the process may open. Opens a socket
 * per worker on each address that nobody listens on already; nobody is accepted yet. 0, -ENOMEM, or another negative errno with the reason in errors; what was opened is
 * closed by snapshot_free.
 */
int snapshot_listen(struct snapshot *snapshot, const struct snapshot_heritage *heritage,
                    struct config_errors *errors);

/* Where the served certificate with that index comes from: "ssl_cert", "certificates[0]". */
const char *snapshot_certificate_label(const struct snapshot *snapshot, size_t index);

/* Source address for connections to targets, or NULL. */
const struct sockaddr_storage *snapshot_upstream_bind(const struct snapshot *snapshot);

/* No worker may hold it. Accepts NULL and what is half built. */
void snapshot_free(struct snapshot *snapshot);
DEFINE_SCOPED(snapshot);

#endif
