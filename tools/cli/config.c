/* hopgate config: declarative files, alone and into and out of a hop's store. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/dao/dao.h"
#include "config/document_write.h"
#include "config/settings.h"
#include "proxy/gateway/prefix.h"
#include "tools/cli/cli.h"
#include "tools/cli/config_document.h"
#include "tools/cli/config_import.h"
#include "tools/cli/verb.h"

enum config_word { CONFIG_NO_WORD, CONFIG_DUMP, CONFIG_PARSE, CONFIG_IMPORT };

struct config_options {
    enum config_word word;
    const char *file;               /* of CONFIG_PARSE and CONFIG_IMPORT */
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

/* The word that says what is to be done, then the file. False: neither. */
static bool take_word(const char *text, struct config_options *ret)
{
    if (ret->word == CONFIG_NO_WORD) {
        ret->word = word_of(text);
        return ret->word != CONFIG_NO_WORD;
    }
    if (ret->word == CONFIG_DUMP || ret->file || *text == '-')
        return false;
    ret->file = text;
    return true;
}

static int check_words(const struct verb *verb, const struct config_options *options,
                       const char *last)
{
    if (options->word == CONFIG_NO_WORD)
        return complain(verb, "what is to be done? one of: dump, parse, import; after", last);
    if (options->word == CONFIG_DUMP || options->file)
        return 0;
    (void)fprintf(stderr, "hopgate: expected a declarative configuration file; see `hopgate config "
                          "--help`\n");
    return CLI_USAGE;
}

/* 0, or an exit code; -1 after --help. */
static int parse(int argc, char **argv, const struct verb *verb, struct config_options *ret)
{
    for (int i = 1; i < argc; i++) {
        const struct verb_option *option = verb_option_find(verb, argv[i]);
        const char *value = NULL;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            verb_print_help(verb, stdout);
            return -1;
        }
        if (!option && take_word(argv[i], ret))
            continue;
        if (!option)
            return complain(verb, "not understood:", argv[i]);
        if (option->value && i + 1 == argc)
            return complain(verb, "a value must follow", argv[i]);
        if (option->value)
            value = argv[++i];
        set_option(option, value, ret);
    }
    return check_words(verb, ret, argv[0]);
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

/* It is not made when it is not there: that would hide a wrong prefix. */
static int dump_store(const char *path, bool json, struct config_errors *errors)
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
    r = entities ? print(entities, json) : CLI_FAILED;
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
                                       : dump_store(path, options->json, errors);
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
    int r = parse(argc, argv, verb_find("config"), &options);

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
