#include <stdio.h>

#include "config/source.h"
#include "proxy/gateway/gateway.h"
#include "tools/cli/cli.h"
#include "tools/cli/verb.h"

int cli_run(int argc, char **argv)
{
    struct config_source source;
    int r = cli_parse_config_options(argc, argv, verb_find("run"), &source);

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
