/* hopgate explain: options, and which form of the facts is printed. */
#include "tools/explain/explain.h"

#include <string.h>

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"

struct options {
    const char *path; /* NULL: not given */
    bool all, json, markdown;
};

static int take_switch(void *context, const char *name, const char *value)
{
    struct options *options = context;

    (void)value;
    if (strcmp(name, "--all") == 0)
        options->all = true;
    else if (strcmp(name, "--json") == 0)
        options->json = true;
    else
        options->markdown = true;
    return 0;
}

static int take_path(void *context, const char *word)
{
    return arguments_take_only("explain", &((struct options *)context)->path, word);
}

static int parse(int argc, char **argv, struct options *ret)
{
    const struct arguments arguments = { "explain", take_switch, take_path, NULL, ret };
    int r = arguments_take(&arguments, argc, argv);

    if (r != 0)
        return r;
    if (ret->all && ret->path)
        return arguments_complain("explain", "either --all or %s", ret->path);
    if (ret->markdown && (!ret->all || ret->json))
        return arguments_complain("explain", "--markdown is for --all, without --json");
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
    const struct model *model = model_get();
    char message[EXPLAIN_MESSAGE_MAX];
    struct options options = { 0 };
    struct explain_topic topic;
    json_t *facts;
    int r = parse(argc, argv, &options);

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
