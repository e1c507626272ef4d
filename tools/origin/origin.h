/*
 * origin: `hopgate origin`, an origin server that misbehaves on request.
 *
 * Role    the verb; wires library, logbook, certificates, listeners and control API on one loop
 * Owns    all of them
 * Thread  the main thread
 */
#ifndef TOOLS_ORIGIN_ORIGIN_H
#define TOOLS_ORIGIN_ORIGIN_H

/* argv[0] is the verb. Returns an exit code. */
int origin_verb(int argc, char **argv);

#endif
