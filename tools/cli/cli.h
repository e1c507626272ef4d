/*
 * cli: the `hopgate` command: verbs, options, help.
 *
 * Role    main.c finds the verb in verbs.c; each verb is a file of its own
 * Owns    nothing
 * Thread  the main thread
 *
 * Exit codes follow sysexits where one fits.
 */
#ifndef TOOLS_CLI_CLI_H
#define TOOLS_CLI_CLI_H

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 64, CLI_BAD_CONFIG = 78 };

/* argv[0] is the verb. Return an exit code. */
int cli_run(int argc, char **argv);
int cli_check(int argc, char **argv);
/* status, show, why, target, reload, upgrade, drain, stop, set */
int cli_control(int argc, char **argv);
int cli_config(int argc, char **argv);
int cli_generate(int argc, char **argv);

struct config_source;
struct verb;

/* The options that verbs with a configuration share: -c FILE and FILE. 0, or an exit code after the
 * complaint was printed; -1 after --help. */
int cli_parse_config_options(int argc, char **argv, const struct verb *verb,
                             struct config_source *ret);

#endif
