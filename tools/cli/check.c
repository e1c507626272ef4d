#include <stdio.h>

#include "config/settings.h"
#include "proxy/gateway.h"
#include "tools/cli/cli.h"

static const char usage[] =
    "usage: hopgate check [-c kong.conf] [FILE]\n\n"
    "Reports every mistake at once, as file:line:column: severity: path: message. Certificates "
    "are\n"
    "read too: missing intermediate, wrong order, key mismatch, expired or soon so.\n\n"
    "exit codes: 0 usable (warnings may have been printed), 64 usage, 78 bad configuration\n";

static int check(const struct cli_config_options *options, struct config_errors *errors)
{
    SCOPED(settings) settings = NULL;
    SCOPED(config) config = NULL;
    int r = cli_load(options, &settings, &config, errors);

    if (settings && config)
        gateway_check(settings, config, errors);
    if (r == CLI_OK && errors->errors_count > 0)
        r = CLI_BAD_CONFIG;
    return r;
}

int cli_check(int argc, char **argv)
{
    struct cli_config_options options;
    struct config_errors errors;
    int r = cli_parse_config_options(argc, argv, usage, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    config_errors_init(&errors);
    r = check(&options, &errors);
    config_errors_sort(&errors);
    config_errors_print(&errors, stderr);
    if (r == CLI_OK)
        (void)printf("configuration ok, %zu %s\n", errors.count,
                     errors.count == 1 ? "remark" : "remarks");
    config_errors_done(&errors);
    return r;
}
