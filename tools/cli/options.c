#include <string.h>

#include "config/source.h"
#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"

struct config_words {
    const char *verb;
    struct config_source *source;
};

static int take_option(void *context, const char *name, const char *value)
{
    (void)name; /* --conf is the only one */
    ((struct config_words *)context)->source->kong_conf = value;
    return 0;
}

static int take_file(void *context, const char *word)
{
    const struct config_words *words = context;

    if (words->source->declarative)
        return arguments_complain(words->verb, "one declarative file at most; not understood: %s",
                                  word);
    words->source->declarative = word;
    return 0;
}

int cli_parse_config_options(int argc, char **argv, const struct verb *verb,
                             struct config_source *ret)
{
    struct config_words words = { verb->name, ret };
    const struct arguments arguments = { verb->name, take_option, take_file, NULL, &words };

    *ret = (struct config_source){ 0 };
    return arguments_take(&arguments, argc, argv);
}
