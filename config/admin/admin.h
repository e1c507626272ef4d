/*
 * admin: Kong's Admin API as a function from request to answer.
 *
 * Role    paths, methods, formats, statuses, bodies and fields of the Admin API; no socket, no thread:
 *         the proxy serves it (proxy/gateway/config_thread.c), tests call it
 * Owns    nothing but what is in an answer
 * Thread  one (the config thread)
 *
 * A batch of requests goes through one transaction of the dao:
 *     dao_begin, admin_handle for each, [publish], dao_commit, answers
 * A request that is refused leaves nothing behind. What belongs to the running process (health of
 * targets, figures, the settings) comes from struct admin_host.
 */
#ifndef CONFIG_ADMIN_H
#define CONFIG_ADMIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/dao/dao.h"
#include "core/slice.h"

struct admin_field {
    const char *name; /* a literal */
    char *value;      /* malloc'ed */
};

struct admin_request {
    struct slice method;       /* "GET" */
    struct slice path;         /* as received, without query; percent-encoded */
    struct slice query;        /* without "?"; may be empty */
    struct slice content_type; /* ptr NULL: the field is not there */
    unsigned content_types;    /* how many such fields */
    bool has_content;          /* Content-Length > 0 or chunked */
    struct slice content;
    struct slice origin;          /* that may read the answer; ptr NULL: any */
    struct slice request_headers; /* Access-Control-Request-Headers; ptr NULL */
    struct slice host;            /* of the request */
    struct slice request_id;      /* 32 hex digits, for answers that carry one */
};

enum { ADMIN_FIELDS_MAX = 12 };

struct admin_answer {
    unsigned status;
    const char *content_type; /* NULL: no content */
    char *content;            /* malloc'ed */
    size_t content_length;
    struct admin_field fields[ADMIN_FIELDS_MAX];
    size_t fields_count;
    bool is_change; /* the dao was changed: publish before it is sent */
    bool is_whole;  /* it is a whole configuration: what cannot be in force is told as such */
};

/* What the process tells; every function may return NULL for no memory. The results are new
 * references. */
struct admin_host {
    void *context;
    json_t *(*configuration)(void *context); /* kong.conf as GET / shows it, secrets masked */
    json_t *(*node)(void *context); /* {hostname, node_id, pids: {master, workers}, ...} of GET / */
    json_t *(*status)(void *context); /* {server: {...}, memory: {...}, database} of GET /status */
    char *(*metrics)(void *context);  /* Prometheus text */
    const char *(*not_ready)(void *context); /* NULL: ready */
    /* config/admin_health's JSON of /upstreams/{u}/health; entities: the upstream's targets. */
    json_t *(*upstream_health)(void *context, const json_t *upstream, const json_t *targets,
                               bool of_balancer);
    /* 0; -ENOENT no such target or address; -ENOSYS no health checks */
    int (*set_target_health)(void *context, const json_t *upstream, const json_t *target,
                             const char *address, bool healthy);
    /* set: a level of Kong's for so long (0: until the settings are read again), or NULL. 0; -ECANCELED. */
    int (*log_level)(void *context, const char *set, uint64_t for_ms, const char **ret_name);
    bool has_database;
};

struct admin {
    struct dao *dao;
    const struct admin_host *host;
    bool allows_duplicate_routes; /* hopgate_duplicate_routes = allow */
    uint64_t config_max_bytes;    /* of entities that POST /config may bring; 0: no limit */
};

/* 0, or -ENOMEM: then the answer is a 500 without content. Free the answer. */
int admin_handle(struct admin *admin, const struct admin_request *request,
                 struct admin_answer *ret);
void admin_answer_done(struct admin_answer *answer);

/* It changes nothing of the dao, whatever its method: no transaction is needed. */
bool admin_only_reads(struct admin *admin, const struct admin_request *request);

#endif
