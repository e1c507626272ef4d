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
    if (settings->hopgate_extras_file && strcmp(settings->database, "off") == 0) {
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "hopgate_extras_file"),
                          "is for entities in the store (database = sqlite); with database = off "
                          "hopgate: stands in the declarative file: move it there");
        return -EINVAL;
    }
    if (!file || strcmp(settings->database, "off") == 0)
        return 0;
    config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "database"),
                      "with sqlite the entities are in the store, and %s would not be looked at; "
                      "leave the file out (deck gateway sync writes it into the store), or set "
                      "database = off",
                      file);
    return -EINVAL;
}

/* The entities are in the store; what a file can say beside them is read, and checked without them. */
static int load_without_file(struct settings *settings, struct config **ret,
                             struct config_errors *errors)
{
    static const char nothing[] = "_format_version: \"3.0\"\n";
    int r = config_load_text(SLICE(nothing), NULL, ret, errors);

    if (r < 0 || !settings || !settings->hopgate_extras_file)
        return r;
    r = config_extras_load(settings->hopgate_extras_file, &settings->extras, errors);
    return r == 0 ? config_apply_extras(*ret, settings->extras, false, errors) : r;
}

int config_source_load(const struct config_source *source, struct settings **ret_settings,
                       struct config **ret_config, struct config_errors *errors)
{
    const char *file = source->declarative;
    int r = settings_load(source->kong_conf, environ, ret_settings, errors), second;

    if (!file && r == 0)
        file = (*ret_settings)->declarative_config;
    if (r == 0)
        r = choose_database(*ret_settings, file, errors);
    second = file ? config_load_file(file, ret_config, errors)
                  : load_without_file(r == 0 ? *ret_settings : NULL, ret_config, errors);
    return r < 0 ? r : second;
}
