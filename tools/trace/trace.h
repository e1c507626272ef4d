/*
 * trace: `hopgate trace`: joins the logs of all hops into one picture per request.
 *
 * Role    the verb: reads the logs, selects requests, prints verdicts before evidence
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_TRACE_TRACE_H
#define TOOLS_TRACE_TRACE_H

int trace_verb(int argc, char **argv);

#endif
