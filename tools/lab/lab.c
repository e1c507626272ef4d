#include "tools/lab/lab.h"

#include <stdio.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/cli/verb.h"

int lab_verb(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        verb_print_help(verb_find("lab"), stdout);
        return CLI_OK;
    }
    if (word[0])
        (void)fprintf(stderr, "hopgate: unknown verb \"lab %s\"\n\n", word);
    verb_print_help(verb_find("lab"), stderr);
    return CLI_USAGE;
}
