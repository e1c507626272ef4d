/* headers: `hopgate lab headers`. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/lab/headers_print.h"
#include "tools/lab/headers_run.h"
#include "tools/lab/lab.h"

/* ---- options ------------------------------------------------------------------------------- */

static bool *switch_of(struct headers_options *options, const char *word)
{
    if (strcmp(word, "--json") == 0)
        return &options->json;
    if (strcmp(word, "--all") == 0)
        return &options->all;
    return strcmp(word, "--show-secrets") == 0 ? &options->shows_secrets : NULL;
}

static const char **value_of(struct headers_options *options, const char *word)
{
    const struct {
        const char *name;
        const char **into;
    } rows[] = {
        { "--url", &options->url },         { "--origin", &options->origin },
        { "--cacert", &options->ca },       { "--connect", &options->connect },
        { "--request", &options->request }, { "--html", &options->html },
        { "--expect", &options->expect },   { "--junit", &options->junit },
        { "--at", &options->at },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(word, rows[i].name) == 0)
            return rows[i].into;
    return NULL;
}

static int judge(const struct headers_options *options)
{
    if (options->chain && options->url)
        return arguments_complain("lab headers", "either CHAIN or --url");
    if (!options->chain && !options->url)
        return arguments_complain("lab headers", ARGUMENTS_NO_CHAIN "; or --url");
    if (options->url && !options->origin)
        return arguments_complain(
            "lab headers", "--url needs --origin IP:PORT, where the product finds its origin");
    if (!options->url && (options->origin || options->ca || options->connect))
        return arguments_complain("lab headers", "--origin, --cacert and --connect go with --url");
    if (options->junit && !options->expect)
        return arguments_complain("lab headers", "--junit needs --expect");
    return 0;
}

static int take_option(void *context, const char *name, const char *value)
{
    if (value)
        *value_of(context, name) = value;
    else
        *switch_of(context, name) = true;
    return 0;
}

static int take_chain(void *context, const char *word)
{
    return arguments_take_only("lab headers", &((struct headers_options *)context)->chain, word);
}

static int parse(int argc, char **argv, struct headers_options *ret)
{
    const struct arguments arguments = { "lab headers", take_option, take_chain, NULL, ret };
    int r;

    *ret = (struct headers_options){ .chain = NULL };
    r = arguments_take(&arguments, argc, argv);
    return r != 0 ? r : judge(ret);
}

/* ---- files --------------------------------------------------------------------------------- */

/* What is wrong with them is said before anything starts. */
static int load(const struct headers_options *options, struct chain **ret_chain,
                struct headers_expect **ret_expect)
{
    struct config_errors errors;
    int r = 0;

    config_errors_init(&errors);
    if (options->chain)
        r = chain_load(options->chain, ret_chain, &errors);
    if (options->expect)
        *ret_expect = headers_expect_load(options->expect, &errors);
    if (options->expect && !*ret_expect)
        r = -EINVAL;
    config_errors_sort(&errors);
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    return r < 0 ? CLI_BAD_CONFIG : CLI_OK;
}

/* The name of a hop that is none of the chain's, and where it was named. */
static int check_names(const struct headers_options *options, const struct chain *chain,
                       const struct headers_expect *expect)
{
    struct headers_report names = { .count = 0 };
    const struct headers_expectation *stray;

    for (size_t i = 0; chain && i < chain->count; i++)
        if (chain->elements[i].kind == CHAIN_HOP)
            names.places[names.count++].name = chain->elements[i].name;
    names.places[names.count] =
        (struct headers_place){ .name = "end to end", .is_whole_way = true };
    names.count++;
    stray = expect ? headers_expect_stray(expect, &names) : NULL;
    if (stray) {
        (void)fprintf(stderr, "%s:%u:%u: error: there is no hop \"%s\" in %s\n", expect->file,
                      stray->line, stray->column, stray->hop,
                      chain ? chain->name : "what --url examines");
        return CLI_BAD_CONFIG;
    }
    for (size_t i = 0; options->at && i + 1 < names.count; i++)
        if (strcmp(options->at, names.places[i].name) == 0)
            return CLI_OK;
    return options->at ? arguments_complain("lab headers", "--at names no hop of the chain: %s",
                                            options->at)
                       : CLI_OK;
}

/* ---- output -------------------------------------------------------------------------------- */

struct output {
    struct headers_report *report;
    const struct headers_expect *expect;
};

static int write_file(const char *path, const struct output *output,
                      void (*print)(struct headers_report *, const struct headers_expect *, FILE *))
{
    FILE *stream = path ? fopen(path, "we") : NULL;

    if (!path)
        return CLI_OK;
    if (stream)
        print(output->report, output->expect, stream);
    if (stream && fclose(stream) == 0)
        return CLI_OK;
    (void)fprintf(stderr, "hopgate lab headers: cannot write %s: %s\n", path, strerror(errno));
    return CLI_FAILED;
}

static int show(const struct headers_options *options, const struct output *output)
{
    int r = write_file(options->html, output, headers_print_html);

    if (write_file(options->junit, output, headers_print_junit) != CLI_OK)
        r = CLI_FAILED;
    if (options->json)
        headers_print_json(output->report, output->expect, stdout);
    else
        headers_print_text(output->report, output->expect, stdout);
    if (output->expect && headers_expect_unmet_count(output->expect) > 0)
        r = CLI_FAILED;
    return r;
}

int lab_headers_verb(int argc, char **argv)
{
    SCOPED(chain) chain = NULL;
    SCOPED(headers_expect) expect = NULL;
    struct headers_options options;
    struct headers_report report;
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    r = load(&options, &chain, &expect);
    if (r == CLI_OK)
        r = check_names(&options, chain, expect);
    if (r != CLI_OK)
        return r;
    if (headers_report_init(&report) < 0)
        return CLI_FAILED;
    (void)signal(SIGPIPE, SIG_IGN); /* a hop that resets is part of the report */
    report.shows_secrets = options.shows_secrets;
    report.shows_all = options.all;
    report.only_at = options.at;
    r = chain ? headers_run_chain(&options, chain, &report)
              : headers_run_product(&options, &report);
    if (r == CLI_OK && headers_report_finish(&report) < 0)
        r = CLI_FAILED;
    if (r == CLI_OK && expect)
        headers_expect_compare(expect, &report);
    if (r == CLI_OK)
        r = show(&options, &(struct output){ &report, expect });
    headers_report_done(&report);
    return r;
}
