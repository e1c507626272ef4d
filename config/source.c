#include "config/source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "config/declarative.h"

/* A file says what the entities are; without one they are in the store. */
static int choose_database(struct settings *settings, const char *file,
                           struct config_errors *errors)
{
    if (!settings->database)
        settings->database = strdup(file ? "off" : "sqlite");
    if (!settings->database)
        return -ENOMEM;
    if (!file || strcmp(settings->database, "off") == 0)
        return 0;
    config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "database"),
                      "with sqlite the entities are in the store, and %s would not be looked at; "
                      "leave the file out (deck gateway sync writes it into the store), or set "
                      "database = off",
                      file);
    return -EINVAL;
}

int config_source_load(const struct config_source *source, struct settings **ret_settings,
                       struct config **ret_config, struct config_errors *errors)
{
    static const char nothing[] = "_format_version: \"3.0\"\n";
    const char *file = source->declarative;
    int r = settings_load(source->kong_conf, environ, ret_settings, errors), second;

    if (!file && r == 0)
        file = (*ret_settings)->declarative_config;
    if (r == 0)
        r = choose_database(*ret_settings, file, errors);
    second = file ? config_load_file(file, ret_config, errors)
                  : config_load_text(SLICE(nothing), NULL, ret_config, errors);
    return r < 0 ? r : second;
}
