#include "tools/cli/arguments.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "config/units.h"
#include "tools/cli/cli.h"

int arguments_complain(const char *verb, const char *format, ...)
{
    va_list values;

    (void)fprintf(stderr, "hopgate %s: ", verb);
    va_start(values, format);
    (void)vfprintf(stderr, format, values);
    va_end(values);
    (void)fputs("\n\n", stderr);
    verb_print_usage(verb_find(verb), stderr);
    (void)fprintf(stderr, "`hopgate %s --help` tells more\n", verb);
    return CLI_USAGE;
}

int arguments_take_only(const char *verb, const char **ret, const char *word)
{
    if (*ret)
        return arguments_complain(verb, "not understood: %s", word);
    *ret = word;
    return 0;
}

bool arguments_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    uint64_t number;

    if (units_parse_number(text, &number) < 0 || number > (uint64_t)max || (int64_t)number < min)
        return false;
    *ret = (int64_t)number;
    return true;
}

/* The dashes say nothing: without them short names are not all alike. */
static int complain_of_option(const struct verb *verb, const char *word)
{
    struct suggest suggest = { .wanted = word + strspn(word, "-") };

    for (const struct verb_option *option = verb->options; option && option->name; option++)
        if (!verb_option_is_argument(option))
            suggest_offer(&suggest, option->name + strlen("--"));
    return arguments_complain(verb->name, "not understood: %s%s%s", word,
                              suggest.nearest ? "; did you mean --" : "",
                              suggest.nearest ? suggest.nearest : "");
}

/* "--limit=5": *ret_value is what follows, and the name is looked up without it. */
static const struct verb_option *find_option(const struct verb *verb, const char *word,
                                             const char **ret_value)
{
    char name[SUGGEST_NAME_MAX];
    const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;

    *ret_value = NULL;
    if (!equals || (size_t)(equals - word) >= sizeof(name))
        return verb_option_find(verb, word);
    *ret_value = equals + 1;
    memcpy(name, word, (size_t)(equals - word));
    name[equals - word] = '\0';
    return verb_option_find(verb, name);
}

/* argv[*i] begins with '-'; *i is moved to the last word that was taken. */
static int take_option(const struct arguments *arguments, int argc, char **argv, int *i)
{
    const char *value, *word = argv[*i];
    const struct verb *verb = verb_find(arguments->verb);
    const struct verb_option *option = find_option(verb, word, &value);

    if (!option || verb_option_is_argument(option) || !arguments->take_option)
        return complain_of_option(verb, word);
    if (!option->value && value)
        return arguments_complain(arguments->verb, "%s takes no value", option->name);
    if (option->value && !value) {
        if (*i + 1 == argc)
            return arguments_complain(arguments->verb, "a value must follow %s", word);
        value = argv[++*i];
    }
    return arguments->take_option(arguments->context, option->name, value);
}

static int take_word(const struct arguments *arguments, const char *word)
{
    if (!arguments->take_word)
        return arguments_complain(arguments->verb, "not understood: %s", word);
    return arguments->take_word(arguments->context, word);
}

/* A line of a log may begin with a dash. */
static bool is_word(const char *word)
{
    size_t name = strcspn(word, "= \t\n");

    return word[0] != '-' || word[1] == '\0' || (word[name] != '\0' && word[name] != '=');
}

int arguments_take(const struct arguments *arguments, int argc, char **argv)
{
    bool only_words = false;
    int r = 0;

    for (int i = 1; i < argc && r == 0; i++) {
        if (only_words || is_word(argv[i])) {
            r = take_word(arguments, argv[i]);
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            verb_print_help(verb_find(arguments->verb), stdout);
            return ARGUMENTS_HELP;
        } else if (strcmp(argv[i], "--") != 0) {
            r = take_option(arguments, argc, argv, &i);
        } else if (arguments->take_rest) {
            return arguments->take_rest(arguments->context, argc - i - 1, argv + i + 1);
        } else {
            only_words = true;
        }
    }
    return r;
}
