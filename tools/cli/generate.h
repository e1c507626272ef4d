/*
 * generate: man pages and completions from the tables of verbs and settings.
 *
 * Role    one function per kind of text
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_CLI_GENERATE_H
#define TOOLS_CLI_GENERATE_H

#include <stdio.h>

void generate_man(FILE *stream);          /* hopgate(1) */
void generate_man_conf(FILE *stream);     /* hopgate.conf(5) */
void generate_man_entities(FILE *stream); /* hopgate-entities(5) */
void generate_bash(FILE *stream);
void generate_zsh(FILE *stream);
void generate_fish(FILE *stream);

#endif
