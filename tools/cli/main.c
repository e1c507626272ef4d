#include <stdio.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/lab/lab.h"
#include "tools/probe/probe.h"

struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct verb verbs[] = {
    { "run", cli_run, "run one hop in the foreground" },
    { "check", cli_check, "report every mistake of a configuration, with file:line:column" },
    { "status", cli_control, "what a running hop is and how it is doing" },
    { "show", cli_control, "its connections, exchanges (running or recent), targets or memory" },
    { "why", cli_control, "why one of its exchanges ended as it did, and what to change" },
    { "reload", cli_control, "let a running hop read its configuration again" },
    { "drain", cli_control, "let a running hop finish what it carries, and end" },
    { "stop", cli_control, "end a running hop at once" },
    { "target", cli_control, "take a target of a running hop out, or put it back" },
    { "set", cli_control, "change the log level of a running hop" },
    { "probe", probe_verb,
      "one request to any server, everything about it visible; TLS explained" },
    { "lab", lab_verb, "experiments; now: `lab pki`, every broken certificate situation as files" },
};

enum { VERBS_COUNT = sizeof(verbs) / sizeof(verbs[0]) };

static void print_help(FILE *stream)
{
    (void)fprintf(stream,
                  "usage: hopgate VERB [OPTIONS] [FILE]\n\n"
                  "One process is one hop of a chain: load balancer, gateway, front door.\n\n"
                  "verbs:\n");
    for (size_t i = 0; i < VERBS_COUNT; i++)
        (void)fprintf(stream, "  %-8s %s\n", verbs[i].name, verbs[i].summary);
    (void)fprintf(stream, "\n`hopgate VERB --help` tells the options of a verb.\n"
                          "`hopgate --version` tells the version.\n");
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-v") == 0) {
        (void)printf("hopgate %s\n", HOPGATE_VERSION);
        return CLI_OK;
    }
    for (size_t i = 0; i < VERBS_COUNT; i++)
        if (strcmp(word, verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (word[0])
        (void)fprintf(stderr, "hopgate: unknown verb \"%s\"\n\n", word);
    print_help(stderr);
    return CLI_USAGE;
}
