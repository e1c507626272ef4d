#include "config/source.h"

#include <unistd.h>

#include "config/declarative.h"

int config_source_load(const struct config_source *source, struct settings **ret_settings,
                       struct config **ret_config, struct config_errors *errors)
{
    static const char nothing[] = "_format_version: \"3.0\"\n";
    const char *file = source->declarative;
    int r = settings_load(source->kong_conf, environ, ret_settings, errors), second;

    if (!file && r == 0)
        file = (*ret_settings)->declarative_config;
    second = file ? config_load_file(file, ret_config, errors)
                  : config_load_text(SLICE(nothing), NULL, ret_config, errors);
    return r < 0 ? r : second;
}
