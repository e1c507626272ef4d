#include "tools/cli/verb.h"

#include <string.h>

#include "tools/cli/wrapped.h"

enum { LABEL_MAX = 64 };

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < verbs_count; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

const struct verb *verb_of_words(int count, char *const *words, int *ret_words)
{
    char both[LABEL_MAX];
    const struct verb *verb = NULL;

    if (count > 1) {
        snprintf(both, sizeof(both), "%s %s", words[0], words[1]);
        verb = verb_find(both);
    }
    *ret_words = verb ? 2 : 1;
    return verb || count < 1 ? verb : verb_find(words[0]);
}

const struct verb_option *verb_option_find(const struct verb *verb, const char *word)
{
    for (const struct verb_option *option = verb->options; option && option->name; option++)
        if (strcmp(option->name, word) == 0 ||
            (option->other_name && strcmp(option->other_name, word) == 0))
            return option;
    return NULL;
}

bool verb_option_is_argument(const struct verb_option *option)
{
    return option->name[0] != '-';
}

/* "-c, --conf FILE" */
static int format_label(const struct verb_option *option, char into[LABEL_MAX])
{
    return snprintf(into, LABEL_MAX, "%s%s%s%s%s", option->other_name ? option->other_name : "",
                    option->other_name ? ", " : "", option->name, option->value ? " " : "",
                    option->value ? option->value : "");
}

void verb_print_usage(const struct verb *verb, FILE *stream)
{
    for (size_t i = 0; verb->synopses[i]; i++)
        (void)fprintf(stream, "%s hopgate %s %s\n", i == 0 ? "usage:" : "      ", verb->name,
                      verb->synopses[i]);
}

void verb_print_help(const struct verb *verb, FILE *stream)
{
    char label[LABEL_MAX];
    int widest = 0;

    verb_print_usage(verb, stream);
    (void)fprintf(stream, "\n%s\n", verb->text);
    for (const struct verb_option *option = verb->options; option && option->name; option++) {
        int width = format_label(option, label);

        widest = width > widest ? width : widest;
    }
    for (const struct verb_option *option = verb->options; option && option->name; option++) {
        (void)format_label(option, label);
        (void)fprintf(stream, "%s  %-*s  ", option == verb->options ? "\n" : "", widest, label);
        wrapped_print(stream, (size_t)widest + 4, (size_t)widest + 4, option->what);
    }
    (void)fprintf(stream, "\nexit codes: ");
    wrapped_print(stream, strlen("exit codes: "), strlen("exit codes: "), verb->exit_codes);
}

void verb_print_all(FILE *stream)
{
    (void)fprintf(stream, "usage: hopgate VERB [OPTIONS] [FILE]\n\n"
                          "One process is one hop of a chain: load balancer, gateway, front "
                          "door.\n\n"
                          "verbs:\n");
    for (size_t i = 0; i < verbs_count; i++)
        if (!verbs[i].is_hidden)
            (void)fprintf(stream, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    (void)fprintf(stream, "\n`hopgate VERB --help` tells the options of a verb.\n"
                          "`hopgate --version` tells the version.\n");
}
