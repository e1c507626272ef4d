/*
 * flow: one client's connection and the one to the server that belongs to it.
 *
 * Role    reads both, lets its two pipes say what passes when, and passes on how each side ended
 * Owns    two streams, two pipes, its timers; frees itself when both streams are closed
 * Thread  the loop's
 *
 *   CALLING --> CARRYING --> freed        [server connected; both ended, killed, or a fault]
 *      \___________________^             [server refused: the client is reset]
 *
 * The back-pressure: a pipe that is full is not fed, and a stream that is full is not written.
 */
#ifndef TOOLS_WIRE_FLOW_H
#define TOOLS_WIRE_FLOW_H

#include <jansson.h>

#include "core/stream.h"
#include "tools/wire/wire.h"

enum {
    FLOW_QUEUED_MAX = 64 * 1024,   /* bytes given to a stream and not yet to the kernel */
    FLOW_RESET_PATIENCE_MS = 1000, /* a reset overtakes bytes that nobody has taken for so long */
    FLOW_VANISHED_LINGER_MS =
        60000, /* both sides of a forgotten flow have ended, as they believe */
    FLOW_NOTES_MAX = 16,
};

enum flow_kill { FLOW_KILL_RESET, FLOW_KILL_FIN };

/* The client's stream is taken. */
void flow_start(struct wire *wire, struct stream *client);

/* After wire->faults changed. */
void flow_take_faults(struct flow *flow);

/* sides: a mask of 1 << enum flow_side. What is left of the flow carries nothing any more. */
void flow_kill(struct flow *flow, enum flow_kill how, unsigned sides);

/* For whoever walks the list of a wire; a flow may go during a call, so ask for the next before. */
struct flow *flow_next(const struct flow *flow);
uint64_t flow_number(const struct flow *flow);

json_t *flow_to_json(const struct flow *flow);

#endif
