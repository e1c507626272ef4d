/*
 * probe: the `hopgate probe` command: one request to any server, everything about it visible.
 *
 * Role    the verb; report.h is what it finds out
 * Owns    nothing
 * Thread  the main thread; blocking, with timeouts
 */
#ifndef TOOLS_PROBE_PROBE_H
#define TOOLS_PROBE_PROBE_H

/* argv[0] is the verb. Returns an exit code of tools/cli/cli.h. */
int probe_verb(int argc, char **argv);

#endif
