/* hopgate config dump: the entities of a hop's store as a declarative file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/dao/dao.h"
#include "config/document_write.h"
#include "config/settings.h"
#include "proxy/gateway/config_publish.h"
#include "proxy/gateway/prefix.h"
#include "tools/cli/cli.h"
#include "tools/cli/verb.h"

struct config_options {
    const char *prefix, *kong_conf; /* NULL: not given */
    bool json;
};

/* ---- words --------------------------------------------------------------------------------- */

static int complain(const struct verb *verb, const char *what, const char *word)
{
    (void)fprintf(stderr, "hopgate: %s \"%s\"\n\n", what, word);
    verb_print_help(verb, stderr);
    return CLI_USAGE;
}

static void set_option(const struct verb_option *option, const char *value,
                       struct config_options *ret)
{
    if (strcmp(option->name, "--json") == 0)
        ret->json = true;
    else if (strcmp(option->name, "--prefix") == 0)
        ret->prefix = value;
    else
        ret->kong_conf = value;
}

/* 0, or an exit code; -1 after --help. */
static int parse(int argc, char **argv, const struct verb *verb, struct config_options *ret)
{
    bool has_word = false;

    for (int i = 1; i < argc; i++) {
        const struct verb_option *option = verb_option_find(verb, argv[i]);
        const char *value = NULL;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            verb_print_help(verb, stdout);
            return -1;
        }
        if (!option && !has_word && strcmp(argv[i], "dump") == 0) {
            has_word = true;
            continue;
        }
        if (!option)
            return complain(verb, "not understood:", argv[i]);
        if (option->value && i + 1 == argc)
            return complain(verb, "a value must follow", argv[i]);
        if (option->value)
            value = argv[++i];
        set_option(option, value, ret);
    }
    return has_word ? 0 : complain(verb, "what is to be done? one of: dump; after", argv[0]);
}

/* ---- dump ---------------------------------------------------------------------------------- */

static int print(const json_t *entities, bool json)
{
    char *text = json ? json_dumps(entities, JSON_INDENT(2) | JSON_SORT_KEYS)
                      : document_write_yaml(entities);
    bool done =
        text && fputs(text, stdout) >= 0 && (!json || putchar('\n') != EOF) && fflush(stdout) == 0;

    if (!done)
        (void)fprintf(stderr, "hopgate: the configuration cannot be written: %s\n",
                      strerror(text ? errno : ENOMEM));
    free(text);
    return done ? CLI_OK : CLI_FAILED;
}

/* Names that the store does not have are mistakes in a declarative file. */
static void tell_misfits(json_t *entities, const struct config_extras *extras,
                         struct config_errors *errors)
{
    SCOPED(config) config = NULL;
    struct config_errors found;

    config_errors_init(&found);
    (void)config_publish_read(entities, NULL, extras, &config, &found); /* for its remarks */
    for (size_t i = 0; i < found.count; i++) {
        const struct config_error *error = &found.items[i];

        if (error->place.file && strcmp(error->place.file, config_extras_file(extras)) == 0)
            config_errors_add(errors, error->severity, error->place, "%s", error->message);
    }
    config_errors_done(&found);
}

/* What the hop is told beside its store. */
static int add_extras(json_t *entities, const struct settings *settings,
                      struct config_errors *errors)
{
    struct config_extras *extras = NULL;
    json_t *object;
    int r;

    if (!settings->hopgate_extras_file)
        return 0;
    r = config_extras_load(settings->hopgate_extras_file, &extras, errors);
    if (r == 0)
        tell_misfits(entities, extras, errors);
    object = config_extras_object(extras);
    if (object && json_object_set(entities, "hopgate", object) < 0)
        r = -ENOMEM;
    config_extras_unref(extras);
    return r;
}

/* It is not made when it is not there: that would hide a wrong prefix. */
static int dump_store(const char *path, const struct settings *settings, bool json,
                      struct config_errors *errors)
{
    SCOPED(store) store = NULL;
    SCOPED(dao) dao = NULL;
    json_t *entities;
    FILE *file = fopen(path, "rbe");
    int r;

    if (!file) {
        config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = path },
                          "cannot be read: %s; is this the hop's prefix (--prefix DIR)?",
                          strerror(errno));
        return CLI_FAILED;
    }
    (void)fclose(file);
    r = store_sqlite_open(path, &store, errors);
    if (r == 0 && model_get())
        r = dao_create(model_get(), store, &dao);
    if (r == 0 && dao)
        r = dao_load(dao, errors);
    if (r < 0 || !dao)
        return CLI_FAILED;
    entities = dao_export(dao);
    if (entities)
        r = add_extras(entities, settings, errors);
    r = entities && r == 0 ? print(entities, json) : CLI_FAILED;
    json_decref(entities);
    return r;
}

/* As config_source_load decides it. */
static bool has_store(const struct settings *settings)
{
    return settings->database ? strcmp(settings->database, "off") != 0
                              : !settings->declarative_config;
}

static int dump(const struct config_options *options, struct config_errors *errors)
{
    SCOPED(settings) settings = NULL;
    struct prefix prefix = { .lock_fd = -1 };
    char *path;
    int r = settings_load(options->kong_conf, environ, &settings, errors);

    if (r < 0)
        return r == -ENOMEM ? CLI_FAILED : CLI_BAD_CONFIG;
    if (!has_store(settings)) {
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "database"),
                          "there is no store with database = off: the declarative file is the "
                          "configuration, GET /config of the Admin API shows it");
        return CLI_BAD_CONFIG;
    }
    prefix.path = strdup(options->prefix ? options->prefix : settings->prefix);
    path = prefix.path ? prefix_path(&prefix, settings->hopgate_sqlite_path) : NULL;
    free(prefix.path);
    r = path ? dump_store(path, settings, options->json, errors) : CLI_FAILED;
    free(path);
    return r;
}

int cli_config(int argc, char **argv)
{
    struct config_options options = { 0 };
    struct config_errors errors;
    int r = parse(argc, argv, verb_find("config"), &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    config_errors_init(&errors);
    r = dump(&options, &errors);
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    return r;
}
