#include "tools/cli/generate.h"

#include <string.h>

#include "tools/cli/cli.h"
#include "tools/cli/verb.h"

int cli_generate(int argc, char **argv)
{
    static const struct {
        const char *word;
        void (*generate)(FILE *stream);
    } kinds[] = { { "man", generate_man },
                  { "man-conf", generate_man_conf },
                  { "man-entities", generate_man_entities },
                  { "bash", generate_bash },
                  { "zsh", generate_zsh },
                  { "fish", generate_fish } };
    const char *word = argc == 2 ? argv[1] : "";

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        verb_print_help(verb_find("generate"), stdout);
        return CLI_OK;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(word, kinds[i].word) == 0) {
            kinds[i].generate(stdout);
            return fflush(stdout) == 0 && !ferror(stdout) ? CLI_OK : CLI_FAILED;
        }
    verb_print_help(verb_find("generate"), stderr);
    return CLI_USAGE;
}
