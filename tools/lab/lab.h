/*
 * lab: the `hopgate lab` command.
 *
 * Role    finds the verb below `lab`
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_LAB_H
#define TOOLS_LAB_LAB_H

/* argv[0] is the verb. Return an exit code of tools/cli/cli.h. */
int lab_verb(int argc, char **argv);
int lab_pki_verb(int argc, char **argv);

#endif
