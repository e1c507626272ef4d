/*
 * control_api: HTTP for those who steer a part of the lab while it runs.
 *
 * Role    listens on a loopback address or a unix socket, reads one request per connection, lets its
 *         owner answer with JSON, closes
 * Owns    its listener, its connections
 * Thread  the loop's
 *
 * There is no password, so nobody else may reach it: only loopback addresses are taken, a unix socket
 * is for its user alone, and requests from a web page are refused: those with Origin or a
 * Sec-Fetch-Site that is not the user's own doing, and, against DNS rebinding, those over TCP whose
 * host is neither localhost nor a loopback address.
 */
#ifndef TOOLS_LAB_CONTROL_API_H
#define TOOLS_LAB_CONTROL_API_H

#include <jansson.h>
#include <stddef.h>

#include "core/loop.h"
#include "core/slice.h"

enum {
    CONTROL_API_CONNECTIONS_MAX = 64,
    CONTROL_API_CONTENT_MAX = 4 * 1024 * 1024, /* bytes of a request */
    CONTROL_API_TIMEOUT_MS = 10000,            /* for a whole request */
};

/* Good during the call. */
struct control_api_request {
    struct slice method;  /* "PUT" */
    struct slice path;    /* "/faults", without the query */
    struct slice query;   /* "" when there is none */
    struct slice content; /* "" when there is none */
};

/*
 * Returns what is sent (a new reference; NULL: no memory) and may change *ret_status, which is 200.
 * Called on the loop, never from inside a call to this interface.
 */
typedef json_t *control_api_answer(void *owner, const struct control_api_request *request,
                                   unsigned *ret_status);

/* {"error": "..."} and that status, for the answer function to return. */
__attribute__((format(printf, 3, 4))) json_t *control_api_refuse(unsigned *ret_status,
                                                                 unsigned status,
                                                                 const char *format, ...);

/* The content as JSON (a new reference), or NULL with *ret_refusal set to what is to be returned. */
json_t *control_api_json(const struct control_api_request *request, unsigned *ret_status,
                         json_t **ret_refusal);

/* The value of a parameter of the query; empty without it. Nothing is decoded. */
struct slice control_api_query(const struct control_api_request *request, const char *name);

struct control_api;

/* "127.0.0.1:8200", "[::1]:0" (a port of the system's choice), "unix:PATH". NULL: error says why. */
struct control_api *control_api_start(struct loop *loop, const char *address,
                                      control_api_answer *answer, void *owner, char *error,
                                      size_t error_size);

/* As it can be connected to: "127.0.0.1:8200", "unix:PATH". */
const char *control_api_address(const struct control_api *api);

/* Connections are aborted; the last goes in a later turn of the loop. Accepts NULL. */
void control_api_stop(struct control_api *api);

#endif
