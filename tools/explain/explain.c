/* hopgate explain: options, and which form of the facts is printed. */
#include "tools/explain/explain.h"

#include <string.h>

#include "tools/cli/cli.h"
#include "tools/cli/verb.h"

struct options {
    const char *path; /* NULL: not given */
    bool all, json, markdown;
};

static int complain(const struct verb *verb, const char *what, const char *word)
{
    (void)fprintf(stderr, "hopgate: %s \"%s\"\n\n", what, word);
    verb_print_help(verb, stderr);
    return CLI_USAGE;
}

/* 0, or an exit code; -1 after --help. */
static int parse(int argc, char **argv, const struct verb *verb, struct options *ret)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            verb_print_help(verb, stdout);
            return -1;
        }
        if (verb_option_find(verb, word) && *word == '-') {
            ret->all |= strcmp(word, "--all") == 0;
            ret->json |= strcmp(word, "--json") == 0;
            ret->markdown |= strcmp(word, "--markdown") == 0;
        } else if (*word == '-' || ret->path) {
            return complain(verb, "not understood:", word);
        } else {
            ret->path = word;
        }
    }
    if (ret->all && ret->path)
        return complain(verb, "everything is asked for, not only", ret->path);
    if (ret->markdown && (!ret->all || ret->json))
        return complain(verb, "a page is made of everything, without --json:", "--all --markdown");
    return 0;
}

/* What has fields gets a part of its own: an entity, a plugin, a record. */
static void print_each(const json_t *list)
{
    const json_t *facts;
    size_t i;

    json_array_foreach(list, i, facts)
    {
        if (!json_object_get(facts, "fields"))
            continue;
        explain_print_text(facts, stdout);
        (void)fputc('\n', stdout);
        print_each(json_object_get(facts, "fields"));
    }
}

static void print(const json_t *facts, const struct options *options)
{
    if (options->json) {
        (void)json_dumpf(facts, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
        (void)fputc('\n', stdout);
    } else if (options->markdown) {
        explain_print_page(facts, stdout);
    } else if (options->all) {
        print_each(json_object_get(facts, "entities"));
        print_each(json_object_get(facts, "plugins"));
    } else {
        explain_print_text(facts, stdout);
    }
}

int explain_verb(int argc, char **argv)
{
    const struct verb *verb = verb_find("explain");
    const struct model *model = model_get();
    char message[EXPLAIN_MESSAGE_MAX];
    struct options options = { 0 };
    struct explain_topic topic;
    json_t *facts;
    int r = parse(argc, argv, verb, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    if (model && explain_find(model, options.path ? options.path : "", &topic, message) < 0) {
        (void)fprintf(stderr, "hopgate: %s\n", message);
        return CLI_USAGE;
    }
    facts = model ? explain_facts(model, &topic) : NULL;
    if (facts)
        print(facts, &options);
    json_decref(facts);
    return facts && fflush(stdout) == 0 && !ferror(stdout) ? CLI_OK : CLI_FAILED;
}
