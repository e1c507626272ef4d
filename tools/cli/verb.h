/*
 * verb: what `hopgate` can be told, as one table.
 *
 * Role    verbs, their options and texts; help, man page and completions are made from it, and no
 *         parser takes an option that is not in it
 * Owns    nothing; constant
 * Thread  the main thread
 *
 * A new verb is a row in verbs.c and a file with its function.
 */
#ifndef TOOLS_CLI_VERB_H
#define TOOLS_CLI_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A value or a word with this name is completed by what there is: "FILE", "DIR". */
struct verb_option {
    const char *name;       /* "--json", or the name of an argument: "FILE" */
    const char *other_name; /* "-c", or NULL */
    const char *value;      /* its name in texts: "FILE"; NULL: takes none */
    const char *what;
};

struct verb {
    const char *name; /* "run", "lab pki" */
    int (*run)(int argc, char **argv);
    const char *summary;
    const char *const *synopses;       /* what follows the name; NULL at the end */
    const char *text;                  /* lines; without the last newline */
    const char *words;                 /* that may follow: "connections targets", "FILE"; or NULL */
    const struct verb_option *options; /* the last has no name; NULL: none */
    const char *exit_codes;
    bool is_hidden; /* for the build, not for people */
};

extern const struct verb verbs[];
extern const size_t verbs_count;

/* Of exactly that name, or NULL. */
const struct verb *verb_find(const char *name);

/* The one that the first words name, "lab pki" before "lab"; *ret_words says how many they are. */
const struct verb *verb_of_words(int count, char *const *words, int *ret_words);

/* By either name, or NULL. */
const struct verb_option *verb_option_find(const struct verb *verb, const char *word);

bool verb_option_is_argument(const struct verb_option *option);

void verb_print_usage(const struct verb *verb, FILE *stream); /* the synopses */
void verb_print_help(const struct verb *verb, FILE *stream);
void verb_print_all(FILE *stream);

#endif
