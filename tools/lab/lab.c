#include "tools/lab/lab.h"

#include <stdio.h>
#include <string.h>

#include "tools/cli/cli.h"

static const char usage[] =
    "usage: hopgate lab VERB ...\n\n"
    "  pki DIR   writes every certificate situation, good and broken, to DIR\n\n"
    "`hopgate lab pki --help` tells more.\n";

int lab_verb(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        (void)fputs(usage, stdout);
        return CLI_OK;
    }
    if (strcmp(word, "pki") == 0)
        return lab_pki_verb(argc - 1, argv + 1);
    if (word[0])
        (void)fprintf(stderr, "hopgate: unknown verb \"lab %s\"\n\n", word);
    (void)fputs(usage, stderr);
    return CLI_USAGE;
}
