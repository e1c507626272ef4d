#include <stdio.h>

#include "config/settings.h"
#include "proxy/gateway.h"
#include "tools/cli/cli.h"

static const char usage[] =
    "usage: hopgate run [-c kong.conf] [FILE]\n\n"
    "Runs one hop in the foreground until TERM, INT or QUIT.\n\n"
    "  FILE      Kong declarative file (_format_version \"3.0\", YAML or JSON)\n"
    "  -c FILE   kong.conf; KONG_* and HOPGATE_* environment variables override it\n\n"
    "exit codes: 0 stopped, 1 failed at run time, 64 usage, 78 bad configuration\n";

static int serve(const struct cli_config_options *options, struct config_errors *errors)
{
    SCOPED(settings) settings = NULL;
    SCOPED(config) config = NULL;
    int r = cli_load(options, &settings, &config, errors);

    if (r != CLI_OK)
        return r;
    switch (gateway_run(settings, config, errors)) {
    case GATEWAY_STOPPED:
        return CLI_OK;
    case GATEWAY_BAD_CONFIG:
        return CLI_BAD_CONFIG;
    case GATEWAY_FAILED:
        break;
    }
    return CLI_FAILED;
}

int cli_run(int argc, char **argv)
{
    struct cli_config_options options;
    struct config_errors errors;
    int r = cli_parse_config_options(argc, argv, usage, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    config_errors_init(&errors);
    r = serve(&options, &errors);
    if (r == CLI_BAD_CONFIG)
        config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    return r;
}
