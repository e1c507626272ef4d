/*
 * wire_verb: `hopgate wire`.
 *
 * Role    reads the command line and runs a relay
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_WIRE_WIRE_VERB_H
#define TOOLS_WIRE_WIRE_VERB_H

/* argv[0] is the verb. Returns an exit code of tools/cli/cli.h. */
int wire_verb(int argc, char **argv);

#endif
