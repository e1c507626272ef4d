#include <stdio.h>

#include "config/source.h"
#include "proxy/gateway/gateway.h"
#include "tools/cli/cli.h"

static const char usage[] =
    "usage: hopgate run [-c kong.conf] [FILE]\n\n"
    "Runs one hop in the foreground until TERM, INT or QUIT; HUP reads both files again, USR2 is\n"
    "`hopgate upgrade`.\n\n"
    "  FILE      Kong declarative file (_format_version \"3.0\", YAML or JSON)\n"
    "  -c FILE   kong.conf; KONG_* and HOPGATE_* environment variables override it\n\n"
    "exit codes: 0 stopped, 1 failed at run time, 64 usage, 78 bad configuration\n";

int cli_run(int argc, char **argv)
{
    struct config_source source;
    int r = cli_parse_config_options(argc, argv, usage, &source);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    switch (gateway_run(&source)) {
    case GATEWAY_STOPPED:
        return CLI_OK;
    case GATEWAY_BAD_CONFIG:
        return CLI_BAD_CONFIG;
    case GATEWAY_FAILED:
        break;
    }
    return CLI_FAILED;
}
