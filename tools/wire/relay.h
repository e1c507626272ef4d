/*
 * relay: the process of `hopgate wire`.
 *
 * Role    several wires on one loop, the faults that act on them, the script that changes those, the
 *         control API
 * Owns    the loop, the wires, the present fault set
 * Thread  the main thread
 */
#ifndef TOOLS_WIRE_RELAY_H
#define TOOLS_WIRE_RELAY_H

#include "tools/lab/control_api.h"
#include "tools/wire/wire.h"
#include "tools/wire/wire_script.h"

enum { RELAY_WIRES_MAX = 64 };

struct relay_options {
    struct wire_options wires[RELAY_WIRES_MAX];
    unsigned wires_count;
    json_t *faults;      /* a list; NULL: none */
    const char *script;  /* file, or NULL */
    const char *control; /* as control_api_start takes it, or NULL */
    const char *log;     /* as log_open takes it, or NULL: none */
    uint64_t time_scale; /* >= 1 */
    uint64_t seed;
};

struct relay {
    struct wire_context context;
    struct wire wires[RELAY_WIRES_MAX];
    unsigned wires_count;
    struct wire_fault_set *faults; /* NULL only before the start */
    struct wire_script *script;    /* or NULL */
    size_t script_done;            /* steps */
    uint64_t started_at_ms;
    struct timer script_timer;
    struct control_api *control;
};

/* Runs until a signal; the complaint has been printed when it cannot. An exit code of tools/cli/cli.h. */
int relay_run(const struct relay_options *options);

/* Takes the place of all faults, on every wire. 0; -EINVAL: see errors; -ENOMEM. */
int relay_set_faults(struct relay *relay, const json_t *list, const char *source,
                     struct config_errors *errors);

/* Returns how many. wire NULL: all; connection 0: all; sides as flow_kill takes them. */
unsigned relay_kill(struct relay *relay, const char *wire, uint64_t connection, bool by_reset,
                    unsigned sides);

struct wire *relay_find_wire(struct relay *relay, const char *name);

/* A control_api_answer; owner: the relay. */
control_api_answer relay_answer;

#endif
