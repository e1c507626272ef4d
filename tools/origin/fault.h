/*
 * fault: named ways to fail: steps per connection, and what has to be so before there is one.
 *
 * Role    the library that is built in (faults.json) and those of a script, read and found by name
 * Owns    its texts and steps
 * Thread  any; a library that was read does not change
 */
#ifndef TOOLS_ORIGIN_FAULT_H
#define TOOLS_ORIGIN_FAULT_H

#include "core/cleanup.h"
#include "core/slice.h"
#include "tools/origin/step.h"

/* What becomes of who connects. */
enum fault_listen {
    FAULT_LISTEN_TCP,
    FAULT_LISTEN_REFUSED,     /* nobody listens: RST */
    FAULT_LISTEN_BLACKHOLE,   /* SYNs are dropped */
    FAULT_LISTEN_UNREACHABLE, /* a matter of the address: no listener can do it */
    FAULT_LISTEN_NONE,        /* a matter of names or of the hop: likewise */
};

enum fault_transport {
    FAULT_TRANSPORT_ANY, /* whatever the listener speaks */
    FAULT_TRANSPORT_TLS,
    FAULT_TRANSPORT_RAW, /* TCP also where the listener speaks TLS */
};

struct fault {
    char *name, *group, *description, *note; /* the last three may be NULL */
    enum fault_listen listen;
    enum fault_transport transport;
    char *certificate;             /* a situation of tls/pki_lab; NULL: the listener's own */
    bool client_certificate;       /* is required */
    bool tls12;                    /* no TLS 1.3 */
    uint64_t receive_buffer_bytes; /* SO_RCVBUF; 0: the system's */
    struct step_list
        *connections;         /* the n-th connection plays the n-th; those behind it, the last */
    size_t connections_count; /* at least 1 */
};

struct fault_library {
    struct fault *items;
    size_t count;
};

/* NULL: no memory. */
struct fault_library *fault_library_builtin(void);
void fault_library_free(struct fault_library *library); /* accepts NULL */
DEFINE_SCOPED(fault_library);

/* Appends the mapping name -> fault at node. */
bool fault_library_read(struct reader *reader, const struct document_node *node,
                        struct fault_library *library);

/* One that has only steps, unnamed. */
bool fault_read_steps(struct reader *reader, const struct document_node *node, struct fault *into);
void fault_done(struct fault *fault);

/* Accepts NULL. NULL: there is none. */
const struct fault *fault_find(const struct fault_library *library, struct slice name);

/* The nearest name, or NULL. */
const char *fault_suggest(const struct fault_library *library, const char *name);

/* The fault that a name at node stands for; NULL after the mistake was told. */
const struct fault *fault_resolve(struct reader *reader, const struct document_node *node);

/* Why a request cannot choose it, its connection being there already; NULL: it can. */
const char *fault_refuses_request(const struct fault *fault, bool is_tls);

const char *fault_listen_text(enum fault_listen listen);

void fault_library_print(const struct fault_library *library, FILE *stream);

#endif
