#include <stdio.h>
#include <string.h>

#include "config/source.h"
#include "tools/cli/cli.h"
#include "tools/cli/verb.h"

static int complain(const struct verb *verb, const char *what, const char *word)
{
    (void)fprintf(stderr, "hopgate: %s \"%s\"\n\n", what, word);
    verb_print_help(verb, stderr);
    return CLI_USAGE;
}

int cli_parse_config_options(int argc, char **argv, const struct verb *verb,
                             struct config_source *ret)
{
    bool options_ended = false;

    *ret = (struct config_source){ 0 };
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (!options_ended && word[0] == '-' && word[1] != '\0') {
            if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
                verb_print_help(verb, stdout);
                return -1;
            }
            if (strcmp(word, "--") == 0) {
                options_ended = true;
            } else if (strcmp(word, "-c") == 0 || strcmp(word, "--conf") == 0) {
                if (i + 1 == argc)
                    return complain(verb, "a file must follow", word);
                ret->kong_conf = argv[++i];
            } else {
                return complain(verb, "unknown option", word);
            }
            continue;
        }
        if (ret->declarative)
            return complain(verb, "one declarative file at most; not understood:", word);
        ret->declarative = word;
    }
    return 0;
}
