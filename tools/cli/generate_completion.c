/* Completions for bash, zsh and fish. Shells ask: which verb, which option of it, which kind of value. */
#include <stdbool.h>
#include <string.h>

#include "tools/cli/generate.h"
#include "tools/cli/verb.h"

static bool is_path(const char *value)
{
    return strcmp(value, "FILE") == 0 || strcmp(value, "DIR") == 0;
}

/* Its second word is a verb of its own: "lab pki". */
static const char *second_word(const struct verb *verb)
{
    const char *space = strchr(verb->name, ' ');

    return space ? space + 1 : NULL;
}

/* In single quotes, where `special` are the bytes that the text's reader wants a backslash for. */
static void put_quoted(FILE *stream, const char *text, const char *special)
{
    for (const char *at = text; *at; at++) {
        if (*at == '\'')
            (void)fputs("'\\''", stream);
        else if (strchr(special, *at))
            (void)fprintf(stream, "\\%c", *at);
        else
            (void)fputc(*at, stream);
    }
}

static void put_head(FILE *stream)
{
    (void)fputs("# Made from the table of verbs in the binary: hopgate generate\n", stream);
}

/* ---- bash ---------------------------------------------------------------------------------- */

static void put_bash_values(FILE *stream, const struct verb *verb)
{
    for (const struct verb_option *option = verb->options; option && option->name; option++) {
        if (!option->value)
            continue;
        (void)fprintf(stream, "        %s%s%s) values=%s ;;\n",
                      option->other_name ? option->other_name : "", option->other_name ? "|" : "",
                      option->name,
                      strcmp(option->value, "DIR") == 0 ? "-d"
                      : is_path(option->value)          ? "-f"
                                                        : "none");
    }
}

static void put_bash_verb(FILE *stream, const struct verb *verb)
{
    const char *words = verb->words ? verb->words : "";

    (void)fprintf(stream, "    '%s')\n        options='--help", verb->name);
    for (const struct verb_option *option = verb->options; option && option->name; option++)
        if (!verb_option_is_argument(option))
            (void)fprintf(stream, " %s%s%s", option->name, option->other_name ? " " : "",
                          option->other_name ? option->other_name : "");
    (void)fprintf(stream, "'\n");
    if (is_path(words))
        (void)fprintf(stream, "        paths=%s\n", strcmp(words, "DIR") == 0 ? "-d" : "-f");
    else
        (void)fprintf(stream, "        words='%s'\n", words);
    (void)fputs("        case $previous in\n", stream);
    put_bash_values(stream, verb);
    (void)fputs("        esac\n        ;;\n", stream);
}

void generate_bash(FILE *stream)
{
    put_head(stream);
    (void)fputs("_hopgate() {\n"
                "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
                "    local verb=${COMP_WORDS[1]} options='' words='' paths='' values=''\n"
                "    COMPREPLY=()\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W '--help --version",
                stream);
    for (size_t i = 0; i < verbs_count; i++)
        if (!verbs[i].is_hidden && !second_word(&verbs[i]))
            (void)fprintf(stream, " %s", verbs[i].name);
    (void)fputs("' -- \"$word\")\n        return\n    fi\n", stream);
    for (size_t i = 0; i < verbs_count; i++)
        if (second_word(&verbs[i]))
            (void)fprintf(stream,
                          "    if [ \"$COMP_CWORD\" -gt 2 ] && [ \"$verb ${COMP_WORDS[2]}\" = '%s' "
                          "]; then verb='%s'; fi\n",
                          verbs[i].name, verbs[i].name);
    (void)fputs("    case $verb in\n", stream);
    for (size_t i = 0; i < verbs_count; i++)
        if (!verbs[i].is_hidden)
            put_bash_verb(stream, &verbs[i]);
    (void)fputs("    *) return ;;\n    esac\n"
                "    case $values:$word in\n"
                "    none:*) ;;\n"
                "    -*) mapfile -t COMPREPLY < <(compgen \"$values\" -- \"$word\") ;;\n"
                "    :-*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\") ;;\n"
                "    *)\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\"\n"
                "            [ -z \"$paths\" ] || compgen \"$paths\" -- \"$word\")\n"
                "        ;;\n"
                "    esac\n"
                "}\n"
                "complete -o filenames -F _hopgate hopgate\n",
                stream);
}

/* ---- zsh ----------------------------------------------------------------------------------- */

static const char *zsh_action(const char *value)
{
    if (strcmp(value, "DIR") == 0)
        return "_files -/";
    return strcmp(value, "FILE") == 0 ? "_files" : " ";
}

static void put_zsh_option(FILE *stream, const struct verb_option *option)
{
    if (option->other_name)
        (void)fprintf(stream, " \\\n            '(%s %s)'{%s,%s}'[", option->other_name,
                      option->name, option->other_name, option->name);
    else
        (void)fprintf(stream, " \\\n            '%s[", option->name);
    put_quoted(stream, option->what, "[]\\");
    (void)fputc(']', stream);
    if (option->value) {
        (void)fputc(':', stream);
        put_quoted(stream, option->value, ":\\");
        (void)fprintf(stream, ":%s", zsh_action(option->value));
    }
    (void)fputc('\'', stream);
}

static void put_zsh_verb(FILE *stream, const struct verb *verb)
{
    (void)fprintf(stream, "    '%s')\n        _arguments '--help[the options of this verb]'",
                  verb->name);
    for (const struct verb_option *option = verb->options; option && option->name; option++)
        if (!verb_option_is_argument(option))
            put_zsh_option(stream, option);
    if (verb->words && is_path(verb->words))
        (void)fprintf(stream, " \\\n            '*:%s:%s'", verb->words, zsh_action(verb->words));
    else if (verb->words)
        (void)fprintf(stream, " \\\n            '*:word:(%s)'", verb->words);
    (void)fputs("\n        ;;\n", stream);
}

void generate_zsh(FILE *stream)
{
    (void)fputs("#compdef hopgate\n", stream);
    put_head(stream);
    (void)fputs("_hopgate() {\n    local verb=$words[2]\n    local -a verbs\n    verbs=(\n",
                stream);
    for (size_t i = 0; i < verbs_count; i++) {
        if (verbs[i].is_hidden || second_word(&verbs[i]))
            continue;
        (void)fprintf(stream, "        '%s:", verbs[i].name);
        put_quoted(stream, verbs[i].summary, ":\\");
        (void)fputs("'\n", stream);
    }
    (void)fputs("    )\n"
                "    if (( CURRENT == 2 )); then\n"
                "        _describe 'verb' verbs\n"
                "        return\n"
                "    fi\n",
                stream);
    for (size_t i = 0; i < verbs_count; i++)
        if (second_word(&verbs[i]))
            (void)fprintf(stream,
                          "    if (( CURRENT > 3 )) && [[ \"$verb $words[3]\" == '%s' ]]; then\n"
                          "        verb='%s'\n        shift words\n        (( CURRENT-- ))\n"
                          "    fi\n",
                          verbs[i].name, verbs[i].name);
    (void)fputs("    shift words\n    (( CURRENT-- ))\n    case $verb in\n", stream);
    for (size_t i = 0; i < verbs_count; i++)
        if (!verbs[i].is_hidden)
            put_zsh_verb(stream, &verbs[i]);
    (void)fputs("    esac\n}\n_hopgate \"$@\"\n", stream);
}

/* ---- fish ---------------------------------------------------------------------------------- */

/* "-n CONDITION": the verb's words have been written. */
static void put_fish_condition(FILE *stream, const struct verb *verb)
{
    const char *second = second_word(verb);
    int first = second ? (int)(second - verb->name) - 1 : (int)strlen(verb->name);

    (void)fprintf(stream, "complete -c hopgate -n '__fish_seen_subcommand_from %.*s%s%s'", first,
                  verb->name, second ? "; and __fish_seen_subcommand_from " : "",
                  second ? second : "");
}

static void put_fish_option(FILE *stream, const struct verb *verb, const struct verb_option *option)
{
    put_fish_condition(stream, verb);
    if (option->other_name)
        (void)fprintf(stream, " -s %s", option->other_name + 1);
    (void)fprintf(stream, " -l %s", option->name + 2);
    if (option->value)
        (void)fputs(is_path(option->value) ? " -r -F" : " -x", stream);
    (void)fputs(" -d \"", stream);
    for (const char *at = option->what; *at; at++)
        (void)fprintf(stream, "%s%c", strchr("\"$\\", *at) ? "\\" : "", *at);
    (void)fputs("\"\n", stream);
}

static void put_fish_verb(FILE *stream, const struct verb *verb)
{
    if (!second_word(verb))
        (void)fprintf(stream, "complete -c hopgate -n __fish_use_subcommand -a %s -d \"%s\"\n",
                      verb->name, verb->summary);
    if (verb->words) {
        put_fish_condition(stream, verb);
        if (is_path(verb->words))
            (void)fputs(" -F\n", stream);
        else
            (void)fprintf(stream, " -a '%s'\n", verb->words);
    }
    put_fish_condition(stream, verb);
    (void)fputs(" -l help -d \"the options of this verb\"\n", stream);
    for (const struct verb_option *option = verb->options; option && option->name; option++)
        if (!verb_option_is_argument(option))
            put_fish_option(stream, verb, option);
}

void generate_fish(FILE *stream)
{
    put_head(stream);
    (void)fputs("complete -c hopgate -f\n"
                "complete -c hopgate -n __fish_use_subcommand -l help -d \"all verbs\"\n"
                "complete -c hopgate -n __fish_use_subcommand -l version -d \"the version\"\n",
                stream);
    for (size_t i = 0; i < verbs_count; i++)
        if (!verbs[i].is_hidden)
            put_fish_verb(stream, &verbs[i]);
}
