#include <errno.h>
#include <stdio.h>

#include "config/source.h"
#include "proxy/snapshot/snapshot.h"
#include "tools/cli/cli.h"
#include "tools/cli/verb.h"

static int check(const struct config_source *source, struct config_errors *errors)
{
    SCOPED(settings) settings = NULL;
    SCOPED(config) config = NULL;
    int r = config_source_load(source, &settings, &config, errors);

    if (settings && config)
        snapshot_check(settings, config, errors);
    if (r == -ENOMEM)
        return CLI_FAILED;
    return r < 0 || errors->errors_count > 0 ? CLI_BAD_CONFIG : CLI_OK;
}

int cli_check(int argc, char **argv)
{
    struct config_source source;
    struct config_errors errors;
    int r = cli_parse_config_options(argc, argv, verb_find("check"), &source);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    config_errors_init(&errors);
    r = check(&source, &errors);
    config_errors_sort(&errors);
    config_errors_print(&errors, stderr);
    if (r == CLI_OK)
        (void)printf("configuration ok, %zu %s\n", errors.count,
                     errors.count == 1 ? "remark" : "remarks");
    config_errors_done(&errors);
    return r;
}
