/*
 * hop: what this process has for its whole life, whatever its configuration.
 *
 * Role    logs, ticket keys and sessions, targets, the count of workers; configuration is in struct snapshot
 * Owns    all it points to
 * Thread  built on the main thread before the workers start, then read-only; doorbell may be rung
 *         exchanges_count and the counts of admin requests changed by any thread, the registry
 *         is the main thread's; questions and draining have one writer or reader, the main thread
 */
#ifndef PROXY_HOP_H
#define PROXY_HOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/mailbox.h"
#include "core/spool.h"
#include "proxy/report/capture_log.h"
#include "tls/self_signed.h"

struct connection_limits;
struct log_file;
struct memory_budget;
struct metrics;
struct resolver;
struct target_registry;
struct waiting_lines;
struct tls_server_sessions;
struct tls_ticket_keys;

struct hop {
    uint32_t tick_ms; /* of timers */
    unsigned workers_count;
    bool accepts_later;      /* workers start without accepting: see worker_handover.h */
    _Atomic bool has_former; /* the process before, whose sockets these are, may still accept */
    struct tls_ticket_keys *ticket_keys;
    struct tls_server_sessions
        *tls_sessions;              /* by id; made with the first configuration that has them */
    struct self_signed self_signed; /* of listeners without a configured certificate */
    struct target_registry *targets;
    struct waiting_lines *waiting_lines; /* for a place at them */
    struct service_load_registry *service_loads;
    struct resolver *resolver; /* the main thread's, as the registry */
    struct log_file *access_log, *error_log, *status_access_log, *admin_access_log;
    struct log_file *admin_audit_log; /* changes by the Admin API */
    struct capture_log capture_log;
    struct connection_limits *connection_limits; /* counters of client connections */
    struct memory_budget *memory;                /* an account per worker */
    int doorbell;                                /* eventfd that wakes the main thread */
    char host_name[256];                         /* the machine's; "": not known */
    int ending_fd;                               /* readable: a signal to end is to be taken */
    _Atomic unsigned workers_running;
    /* of them; a draining worker leaves this count when its last traffic is gone. At 0 the doorbell
     * rings: whoever asks, and whichever worker is asked, gets an answer until then */
    _Atomic unsigned workers_with_traffic;
    _Atomic uint64_t exchanges_count; /* numbers given out */
    struct spool_area spool;          /* <prefix>/spool: stored content of requests */
    struct metrics *metrics;
    struct mailbox questions;       /* struct status_question: workers to the main thread */
    struct mailbox admin_questions; /* struct admin_question: workers to the config thread */
    _Atomic uint32_t admin_questions_count;
    _Atomic int64_t admin_content_bytes; /* of them, and of requests that are coming in */
    _Atomic int64_t admin_answer_bytes;  /* of large answers, until the client has them */
    _Atomic bool draining;               /* readiness turns before anything else does */
};

/* The main thread looks at what workers have let go and whether they still run. */
void hop_ring_doorbell(const struct hop *hop);

#endif
