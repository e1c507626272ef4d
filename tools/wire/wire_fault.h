/*
 * wire_fault: what a wire does to what it carries, as an operator writes it.
 *
 * Role    one table of kinds and one of fields; reads faults from the command line, from files and
 *         from the control API, and says them again as JSON
 * Owns    struct wire_fault_set owns its faults and their texts; it is counted and does not change
 * Thread  one
 *
 * Milliseconds and bytes per second are as stated, before a time scale is applied.
 */
#ifndef TOOLS_WIRE_WIRE_FAULT_H
#define TOOLS_WIRE_WIRE_FAULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config_error.h"
#include "config/document.h"
#include "config/schema.h"
#include "core/cleanup.h"

enum wire_fault_kind {
    FAULT_LATENCY,
    FAULT_BANDWIDTH,
    FAULT_SLICE,
    FAULT_CORRUPT,
    FAULT_STALL,
    FAULT_DROP,
    FAULT_IDLE,
    FAULT_HALF_CLOSE,
    FAULT_CUT,
    FAULT_RESET,
    FAULT_CONNECT_DELAY,
    FAULT_MAX_CONNECTIONS,
    FAULT_ACCEPT_RESET,
    FAULT_REFUSE,
    FAULT_BLACK_HOLE,
    FAULT_KINDS,
};

enum wire_fault_direction { FAULT_TO_SERVER = 1, FAULT_TO_CLIENT = 2 };

struct wire_fault {
    enum wire_fault_kind kind;
    unsigned directions; /* mask of enum wire_fault_direction */
    const char *kind_name, *direction_name;
    const char *id;        /* never NULL */
    const char *wire;      /* NULL: every wire */
    int64_t connection;    /* the n-th of the wire, from 1; 0: any */
    uint64_t chance;       /* of a connection to be hit, thousandths */
    int64_t ms, jitter_ms; /* -1: not stated, as in all below */
    int64_t after_ms, after_bytes;
    int64_t bytes, pause_ms;
    int64_t bytes_per_second, burst_bytes;
    int64_t offset, one_in, mask;
    int64_t count;
    const char *then; /* of idle: drop, reset; of max-connections: reset, wait */
    const char *to;   /* of reset: client, server, both */
};

struct wire_fault_set {
    struct wire_fault *faults;
    size_t count;
    unsigned refs;
    struct config *texts;
};

enum { WIRE_FAULTS_MAX = 256 };

/* An item of a list of faults, for who has such lists in files of its own. */
extern const struct schema wire_fault_schema;

/*
 * Reads the list at `node` (one fault instead of a list is fine). 0 with a set that has one reference;
 * -EINVAL: see errors; -ENOMEM. An id that is not stated becomes "f1", "f2" ...
 */
int wire_fault_set_read(const struct document_node *node, struct wire_fault_set **ret,
                        struct config_errors *errors);

/* The same from JSON text. `source` is the file name in messages. */
int wire_fault_set_parse(struct slice text, const char *source, struct wire_fault_set **ret,
                         struct config_errors *errors);

/* "latency:ms=100,jitter_ms=20" as the JSON of one fault (a new reference), or NULL: no memory. What
 * is not understood is found by wire_fault_set_read. */
json_t *wire_fault_from_words(const char *words);

struct wire_fault_set *wire_fault_set_ref(struct wire_fault_set *set);
void wire_fault_set_free(struct wire_fault_set *set); /* one reference; accepts NULL */
DEFINE_SCOPED(wire_fault_set);

/* New reference, or NULL. */
json_t *wire_fault_to_json(const struct wire_fault *fault);
json_t *wire_fault_set_to_json(const struct wire_fault_set *set);

const char *wire_fault_kind_name(enum wire_fault_kind kind);

/* One line per kind for help: "latency:ms[,jitter_ms]  what it does". */
void wire_fault_print_kinds(FILE *stream);

#endif
