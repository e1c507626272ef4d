/* hopgate config: declarative files, alone and into and out of a hop's store. */
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
#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/cli/config_document.h"
#include "tools/cli/config_import.h"

enum config_word { CONFIG_NO_WORD, CONFIG_DUMP, CONFIG_PARSE, CONFIG_IMPORT };

struct config_options {
    enum config_word word;
    const char *file;               /* of CONFIG_PARSE and CONFIG_IMPORT */
    const char *prefix, *kong_conf; /* NULL: not given */
    bool json;
};

/* ---- words --------------------------------------------------------------------------------- */

static int take_option(void *context, const char *name, const char *value)
{
    struct config_options *options = context;

    if (!value)
        options->json = true;
    else if (strcmp(name, "--prefix") == 0)
        options->prefix = value;
    else
        options->kong_conf = value;
    return 0;
}

static enum config_word word_of(const char *text)
{
    static const struct {
        const char *text;
        enum config_word word;
    } words[] = { { "dump", CONFIG_DUMP },
                  { "parse", CONFIG_PARSE },
                  { "import", CONFIG_IMPORT },
                  { "load", CONFIG_IMPORT },
                  { "db_import", CONFIG_IMPORT } }; /* Kong's */

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i].text) == 0)
            return words[i].word;
    return CONFIG_NO_WORD;
}

/* The word that says what is to be done, then the file. */
static int take_word(void *context, const char *text)
{
    struct config_options *options = context;

    if (options->word == CONFIG_NO_WORD) {
        options->word = word_of(text);
        return options->word != CONFIG_NO_WORD
                   ? 0
                   : arguments_complain("config", "not understood: %s", text);
    }
    if (options->word == CONFIG_DUMP)
        return arguments_complain("config", "not understood: %s", text);
    return arguments_take_only("config", &options->file, text);
}

static int parse(int argc, char **argv, struct config_options *ret)
{
    const struct arguments arguments = { "config", take_option, take_word, NULL, ret };
    int r = arguments_take(&arguments, argc, argv);

    if (r != 0)
        return r;
    if (ret->word == CONFIG_NO_WORD)
        return arguments_complain("config", "what is to be done? one of: dump, parse, import");
    return ret->word == CONFIG_DUMP || ret->file
               ? 0
               : arguments_complain("config", "expected a declarative configuration file");
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

static int refuse_without_store(const struct config_options *options,
                                const struct settings *settings, struct config_errors *errors)
{
    if (options->word == CONFIG_IMPORT) {
        (void)fprintf(stderr, "Error: 'hopgate config import' only works with a database.\n"
                              "When using database=off, reload your declarative configuration\n"
                              "using the /config endpoint.\n");
        return CLI_FAILED; /* Kong's */
    }
    config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "database"),
                      "there is no store with database = off: the declarative file is the "
                      "configuration, GET /config of the Admin API shows it");
    return CLI_BAD_CONFIG;
}

static int with_store(const struct config_options *options, struct config_errors *errors)
{
    SCOPED(settings) settings = NULL;
    struct prefix prefix = { .lock_fd = -1 };
    char *path;
    int r = settings_load(options->kong_conf, environ, &settings, errors);

    if (r < 0)
        return r == -ENOMEM ? CLI_FAILED : CLI_BAD_CONFIG;
    if (!has_store(settings))
        return refuse_without_store(options, settings, errors);
    prefix.path = strdup(options->prefix ? options->prefix : settings->prefix);
    path = prefix.path ? prefix_path(&prefix, settings->hopgate_sqlite_path) : NULL;
    free(prefix.path);
    if (!path)
        return CLI_FAILED;
    r = options->word == CONFIG_IMPORT ? config_import(path, options->file, errors)
                                       : dump_store(path, settings, options->json, errors);
    free(path);
    return r;
}

/* ---- parse --------------------------------------------------------------------------------- */

static int parse_file(const char *file)
{
    SCOPED(flattened) flattened = config_document_read(file);

    if (flattened)
        (void)printf("parse successful\n");
    return flattened ? CLI_OK : CLI_FAILED;
}

int cli_config(int argc, char **argv)
{
    struct config_options options = { 0 };
    struct config_errors errors;
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    if (options.word == CONFIG_PARSE)
        return parse_file(options.file);
    config_errors_init(&errors);
    r = with_store(&options, &errors);
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    return r;
}
