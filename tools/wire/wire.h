/*
 * wire: a TCP relay between two hops that misbehaves like a network or a firewall.
 *
 * Role    one listening address, one server, the flows between; which faults act is the relay's to say
 * Owns    its listener and its flows
 * Thread  the loop's
 *
 * A relay gives what applications see of a network: bytes, ends, silence. It cannot give what only
 * their kernels see: a sender's bytes are acknowledged by us even when they then vanish, and a
 * connect that the server refuses has succeeded here already, so its client gets a reset.
 */
#ifndef TOOLS_WIRE_WIRE_H
#define TOOLS_WIRE_WIRE_H

#include <jansson.h>
#include <sys/socket.h>

#include "core/listener.h"
#include "core/log.h"
#include "tools/wire/plan.h"

/* What all wires of the process share. */
struct wire_context {
    struct loop *loop;
    struct log_file *log; /* JSON lines; NULL: none */
    uint64_t seed;
    uint64_t time_scale; /* >= 1 */
};

struct wire_options {
    const char *name;
    struct sockaddr_storage listen, to, bind; /* bind: family AF_UNSPEC when there is none */
};

struct flow;

struct wire {
    const struct wire_context *context;
    struct wire_options options; /* listen: with the port that the system chose */
    struct wire_fault_set *faults;
    uint64_t faults_since_ms;
    struct listener *listener; /* NULL: refusing */
    int reserved_fd;           /* keeps the address while nothing listens; -1 */
    bool swallows_syns;
    struct flow *flows;
    uint64_t flows_count, flows_total;
    uint64_t flows_max; /* UINT64_MAX: no limit */
    bool waits_for_room;
};

/* The strings of options are borrowed. 0 or a negative errno with a sentence in error. */
int wire_start(struct wire *wire, const struct wire_context *context,
               const struct wire_options *options, struct wire_fault_set *faults, char *error,
               size_t error_size);

/* Takes a reference. From now on, for running flows as well. */
void wire_set_faults(struct wire *wire, struct wire_fault_set *faults);

/* Flows are reset. The last connections go in later turns of the loop. */
void wire_stop(struct wire *wire);

/* New references. */
json_t *wire_to_json(const struct wire *wire);

/* A line of the log: `event` is a new reference and is taken. */
void wire_log(const struct wire *wire, const char *what, json_t *event);

#endif
