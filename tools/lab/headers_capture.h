/*
 * headers_capture: the lines that hops have written down, joined by their connections.
 *
 * Role    waits for each hop's line about the exchange that came over one connection
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_HEADERS_CAPTURE_H
#define TOOLS_LAB_HEADERS_CAPTURE_H

#include <netinet/in.h>

#include "tools/lab/headers_report.h"
#include "tools/lab/lab_run.h"

#define HEADERS_CAPTURE_FILE "capture.jsonl"

/* How a request came to a hop; all 0: through a wire, nobody knows. */
struct headers_arrival {
    char ip[46];
    uint16_t port;
    uint64_t number; /* n-th request of the connection */
};

/* Adds a place for each hop of the chain, filled as far as the request came. An exit code. */
int headers_capture_collect(const struct lab_run *run, const struct sockaddr_storage *client,
                            struct headers_report *report);

#endif
