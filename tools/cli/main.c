#include <stdio.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/cli/verb.h"

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    const struct verb *verb;
    int words;

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        verb_print_all(stdout);
        return CLI_OK;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-v") == 0) {
        (void)printf("hopgate %s\n", HOPGATE_VERSION);
        return CLI_OK;
    }
    verb = verb_of_words(argc - 1, argv + 1, &words);
    if (verb)
        return verb->run(argc - words, argv + words);
    if (word[0])
        (void)fprintf(stderr, "hopgate: unknown verb \"%s\"\n\n", word);
    verb_print_all(stderr);
    return CLI_USAGE;
}
