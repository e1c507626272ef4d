/*
 * options: what `hopgate probe` was asked for.
 *
 * Role    words of the command line, and the URL taken apart
 * Owns    the copies of the URL's parts and the files' texts
 * Thread  the main thread
 */
#ifndef TOOLS_PROBE_OPTIONS_H
#define TOOLS_PROBE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/http/head.h"

enum { PROBE_HEADERS_MAX = 64, PROBE_TIMEOUT_S = 10 };

struct probe_options {
    const char *url;
    bool tls;                               /* https */
    char *host, *port;                      /* of the URL; an IPv6 address without its brackets */
    char *authority;                        /* host and port as the URL has them: the Host field */
    const char *target;                     /* path and query, of url; "" none: "/" */
    char *connect_host, *connect_port;      /* where to connect instead; NULL: host and port */
    const char *sni;                        /* NULL: host */
    char *ca_pem, *chain_pem, *key_pem;     /* NULL: not given */
    const char *headers[PROBE_HEADERS_MAX]; /* "Name: value" */
    size_t headers_count;
    const char *method;
    const char *content; /* of the request; NULL: none */
    size_t content_length;
    uint64_t timeout_ms;        /* of each phase */
    uint64_t deadline_ms;       /* of all, an instant of wire_now_ms(); 0: none */
    uint64_t content_bytes_max; /* of the answer, then it is not read on; 0: no limit */
    size_t content_kept_max;    /* of the answer, to be shown */
    bool tls12_only, insecure, json;
};

/* 0, or an exit code after the complaint; -1 after --help. Must be done in any case. */
int probe_options_parse(int argc, char **argv, struct probe_options *ret);
void probe_options_done(struct probe_options *options);

#endif
