/*
 * repro: `hopgate repro`: a pasted log line -> the causes that give such a line, each tried in the lab.
 *
 * Role    the verb
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_REPRO_REPRO_H
#define TOOLS_REPRO_REPRO_H

int repro_verb(int argc, char **argv);

#endif
