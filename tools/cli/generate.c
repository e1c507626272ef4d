#include "tools/cli/generate.h"

#include <string.h>

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"

static int take_kind(void *context, const char *word)
{
    return arguments_take_only("generate", context, word);
}

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
    const char *word = NULL;
    const struct arguments arguments = { "generate", NULL, take_kind, NULL, &word };
    int r = arguments_take(&arguments, argc, argv);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    for (size_t i = 0; word && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(word, kinds[i].word) == 0) {
            kinds[i].generate(stdout);
            return fflush(stdout) == 0 && !ferror(stdout) ? CLI_OK : CLI_FAILED;
        }
    return arguments_complain("generate", "one of the kinds must be named%s%s",
                              word ? ", not " : "", word ? word : "");
}
