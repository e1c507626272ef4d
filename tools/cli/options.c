#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/settings.h"
#include "tools/cli/cli.h"

static int complain(const char *usage, const char *what, const char *word)
{
    (void)fprintf(stderr, "hopgate: %s%s%s%s\n\n%s", what, word ? " \"" : "", word ? word : "",
                  word ? "\"" : "", usage);
    return CLI_USAGE;
}

int cli_parse_config_options(int argc, char **argv, const char *usage,
                             struct cli_config_options *ret)
{
    bool options_ended = false;

    *ret = (struct cli_config_options){ 0 };
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (!options_ended && word[0] == '-' && word[1] != '\0') {
            if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
                (void)fputs(usage, stdout);
                return -1;
            }
            if (strcmp(word, "--") == 0) {
                options_ended = true;
            } else if (strcmp(word, "-c") == 0 || strcmp(word, "--conf") == 0) {
                if (i + 1 == argc)
                    return complain(usage, "a file must follow", word);
                ret->kong_conf = argv[++i];
            } else {
                return complain(usage, "unknown option", word);
            }
            continue;
        }
        if (ret->declarative)
            return complain(usage, "one declarative file at most; not understood:", word);
        ret->declarative = word;
    }
    return 0;
}

static int exit_code_of(int r)
{
    return r == -ENOMEM ? CLI_FAILED : CLI_BAD_CONFIG;
}

int cli_load(const struct cli_config_options *options, struct settings **ret_settings,
             struct config **ret_config, struct config_errors *errors)
{
    static const char nothing[] = "_format_version: \"3.0\"\n";
    const char *file = options->declarative;
    int r = settings_load(options->kong_conf, environ, ret_settings, errors), second;

    if (!file && r == 0)
        file = (*ret_settings)->declarative_config;
    /* both are read even if the first is wrong, so that every mistake is told at once */
    second = file ? config_load_file(file, ret_config, errors)
                  : config_load_text(SLICE(nothing), NULL, ret_config, errors);
    if (r < 0)
        return exit_code_of(r);
    return second < 0 ? exit_code_of(second) : CLI_OK;
}
