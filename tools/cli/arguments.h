/*
 * arguments: the words behind a verb, taken by its row of the table.
 *
 * Role    one way for all verbs to read "--json", "--limit 5", "--limit=5", "-c FILE", "--" and words,
 *         and to say what was not understood
 * Owns    nothing; what is handed over belongs to argv
 * Thread  the main thread
 *
 * "-" is a word, and so is what has blanks in it. Behind "--" everything is a word.
 */
#ifndef TOOLS_CLI_ARGUMENTS_H
#define TOOLS_CLI_ARGUMENTS_H

#include <stdint.h>

#include "tools/cli/verb.h"

/* Each returns 0, or an exit code after it complained. */
struct arguments {
    const char *verb; /* its name in the table: "lab run" */
    /* name: as the table has it first ("--conf" for "-c"). value: NULL for a switch. NULL: no options */
    int (*take_option)(void *context, const char *name, const char *value);
    int (*take_word)(void *context, const char *word); /* NULL: none may come */
    /* Everything behind "--" goes here instead; NULL: it goes to take_word. */
    int (*take_rest)(void *context, int count, char **words);
    void *context;
};

enum { ARGUMENTS_HELP = -1 }; /* --help was printed: nothing is left to do */

/* argv[0] is the verb. 0, an exit code after a complaint, or ARGUMENTS_HELP. */
int arguments_take(const struct arguments *arguments, int argc, char **argv);

/* "hopgate VERB: ..." and how it is used, on standard error. Returns CLI_USAGE. */
__attribute__((format(printf, 2, 3))) int arguments_complain(const char *verb, const char *format,
                                                             ...);

/* For a word that may come once: *ret is NULL before. 0, or an exit code after the complaint. */
int arguments_take_only(const char *verb, const char **ret, const char *word);

/* What all verbs of labs say. */
#define ARGUMENTS_NO_CHAIN "CHAIN is missing: a file, or a ready-made one"

/* Decimal, from min to max; no sign, no blanks. */
bool arguments_number(const char *text, int64_t min, int64_t max, int64_t *ret);

#endif
