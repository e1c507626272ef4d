/*
 * headers_client: what `hopgate lab headers` sends and gets itself.
 *
 * Role    one request, byte for byte, to the first hop; one question to an origin's control API
 * Owns    the connection, which stays open until headers_client_done: hops write down an exchange when
 *         it has ended, and a client that left would be part of it
 * Thread  the main thread; calls block until a deadline
 */
#ifndef TOOLS_LAB_HEADERS_CLIENT_H
#define TOOLS_LAB_HEADERS_CLIENT_H

#include <jansson.h>
#include <netinet/in.h>

#include "core/slice.h"
#include "tls/tls_probe.h"
#include "tools/probe/wire.h"

enum { HEADERS_ERROR_MAX = 1200 };

struct headers_client {
    struct tls_probe *probe; /* NULL: plain */
    struct wire wire;
    struct sockaddr_storage local;
    char *answer; /* the final head and perhaps some content; heap */
    size_t length;
    char error[HEADERS_ERROR_MAX];
};

/* Sends the bytes and reads up to the end of the final head. False: see error. headers_client_done is
 * due in any case. */
bool headers_client_ask(struct headers_client *client, const struct probe_options *options,
                        struct slice request);
void headers_client_done(struct headers_client *client);

/* GET of a control API, "unix:PATH" or "http://IP:PORT". A new reference; NULL: no answer. */
json_t *headers_control_get(const char *address, const char *path);

#endif
