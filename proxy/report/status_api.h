/*
 * status_api: what the status listener answers, as Kong's status API does.
 *
 * Role    a pure function from method and request target to status and content: GET /status,
 *         /status/ready and /metrics
 * Owns    nothing; the content belongs to who asked
 * Thread  any; no I/O
 *
 * Some answers need only what every worker knows, so that a probe for readiness is never kept
 * waiting by a busy main thread; the others need the figures of the whole hop.
 */
#ifndef PROXY_STATUS_API_H
#define PROXY_STATUS_API_H

#include <stddef.h>

#include "core/http/head.h"
#include "core/slice.h"

struct hop_figures;

struct status_request {
    enum http_method method;
    struct slice path, query; /* as received; the query without "?" */
};

struct status_facts {
    const char *not_ready;             /* why; NULL: the hop is ready */
    const struct hop_figures *figures; /* NULL: not at hand */
};

struct status_answer {
    unsigned status;
    const char *content_type; /* NULL: no content */
    const char *allow;        /* methods; NULL: the field is not sent */
    char *content;            /* malloc'ed; NULL: none */
    size_t content_length;
};

enum status_verdict { STATUS_ANSWERED, STATUS_NEEDS_FIGURES, STATUS_NO_MEMORY };

/* HEAD is answered like GET: whoever sends it leaves the content out. *ret is set with
 * STATUS_ANSWERED only; free its content. */
enum status_verdict status_api_answer(const struct status_request *request,
                                      const struct status_facts *facts, struct status_answer *ret);

#endif
