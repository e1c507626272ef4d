/*
 * wire_script: faults that come and go by themselves.
 *
 * Role    a list of steps, each with its time; at that time its faults take the place of all others,
 *         or connections are killed
 * Owns    the steps and their fault sets
 * Thread  one
 *
 *   steps:
 *   - {at_ms: 0, faults: [{kind: latency, ms: 50}]}
 *   - {at_ms: 2000, faults: [{kind: black-hole}]}
 *   - {at_ms: 4000, kill: reset}
 *   - {at_ms: 5000, faults: []}
 */
#ifndef TOOLS_WIRE_WIRE_SCRIPT_H
#define TOOLS_WIRE_WIRE_SCRIPT_H

#include "tools/wire/wire_fault.h"

enum wire_script_kill { WIRE_SCRIPT_KILL_NOTHING, WIRE_SCRIPT_KILL_RESET, WIRE_SCRIPT_KILL_FIN };

struct wire_script_step {
    uint64_t at_ms;                /* as stated, from the start */
    struct wire_fault_set *faults; /* NULL: they stay as they are */
    enum wire_script_kill kill;
};

enum { WIRE_SCRIPT_STEPS_MAX = 1000 };

struct wire_script {
    struct wire_script_step *steps; /* in order of time */
    size_t count;
};

/* 0; -EINVAL: see errors; -ENOMEM; or another negative errno when the file cannot be read, told in
 * errors as well. */
int wire_script_load(const char *path, struct wire_script **ret, struct config_errors *errors);

/* The same from text. */
int wire_script_parse(struct slice text, const char *source, struct wire_script **ret,
                      struct config_errors *errors);

void wire_script_free(struct wire_script *script);
DEFINE_SCOPED(wire_script);

#endif
