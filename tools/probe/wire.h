/*
 * wire: a connection to the server under examination.
 *
 * Role    name to socket (connect.c), and the one request over it (http.c)
 * Owns    the socket and the TLS on it
 * Thread  the main thread; calls block until their deadline
 */
#ifndef TOOLS_PROBE_WIRE_H
#define TOOLS_PROBE_WIRE_H

#include <stdint.h>

#include "tls/tls_probe.h"
#include "tools/probe/result.h"

struct wire {
    int fd;                     /* non-blocking; -1: none */
    struct tls_probe_conn *tls; /* NULL: plain */
};

uint64_t wire_now_ms(void); /* monotonic */
double wire_now_exact_ms(void);

/* Resolves and connects; times and failures go to result. Negative: failed. */
int wire_connect(const struct probe_options *options, struct wire *ret_wire,
                 struct probe_result *result);
void wire_close(struct wire *wire);

/* As tls_probe_read and _write, for both kinds. */
long wire_read(struct wire *wire, void *into, size_t size, uint64_t deadline_ms,
               struct tls_probe_failure *reterr);
int wire_write(struct wire *wire, const char *bytes, size_t length, uint64_t deadline_ms,
               struct tls_probe_failure *reterr);

/* Sends the request and reads the answer; times, bytes and failures go to result. */
void wire_exchange(struct wire *wire, const struct probe_options *options,
                   struct probe_result *result);

#endif
