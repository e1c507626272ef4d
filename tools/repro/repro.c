#include "tools/repro/repro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/repro/pasted.h"
#include "tools/repro/report.h"

enum { TEXTS_MAX = 16, LIMIT_USUAL = 8 };

struct repro_options {
    const char *texts[TEXTS_MAX];
    struct paste_options paste;
    int64_t limit; /* causes */
    bool json, no_run;
};

/* ---- options ------------------------------------------------------------------------------- */

static int take_option(void *context, const char *name, const char *value)
{
    struct repro_options *options = context;

    if (strcmp(name, "--json") == 0) {
        options->json = true;
    } else if (strcmp(name, "--no-run") == 0) {
        options->no_run = true;
    } else if (strcmp(name, "--product") == 0) {
        options->paste.product = line_product_of(value);
        if (options->paste.product == LINE_PRODUCTS)
            return arguments_complain("repro", "--product is kong, nginx, haproxy or alb, not %s",
                                      value);
    } else if (!arguments_number(value, 1, RANK_MAX, &options->limit)) {
        return arguments_complain("repro", "--limit is a number from 1 to %d, not %s", RANK_MAX,
                                  value);
    }
    return 0;
}

static int take_text(void *context, const char *text)
{
    struct repro_options *options = context;

    if (options->paste.count == TEXTS_MAX)
        return arguments_complain("repro", "too many lines; more go by standard input: -");
    options->texts[options->paste.count++] = text;
    return 0;
}

static int parse(int argc, char **argv, struct repro_options *ret)
{
    const struct arguments arguments = { "repro", take_option, take_text, NULL, ret };
    int r;

    *ret = (struct repro_options){ .limit = LIMIT_USUAL, .paste.product = LINE_PRODUCTS };
    ret->paste.texts = ret->texts;
    r = arguments_take(&arguments, argc, argv);
    return r != 0 || ret->paste.count > 0
               ? r
               : arguments_complain("repro", "a line of a log is missing");
}

/* ---- the verb ------------------------------------------------------------------------------ */

static int tell(const struct report *report, bool as_json)
{
    const struct trial *best = report_best(report);

    (as_json ? report_print_json : report_print_text)(report);
    if (!best)
        return CLI_FAILED;
    return !report->was_run || (best->is_tried && best->result == COMPARE_SAME) ? CLI_OK
                                                                                : CLI_FAILED;
}

static void only_rank(const struct ranking *ranking, struct trials *ret)
{
    *ret = (struct trials){ .count = ranking->count };
    for (size_t i = 0; i < ranking->count; i++)
        ret->list[i].cause = ranking->causes[i];
}

static int find_causes(const struct repro_options *options, const struct pasted *pasted)
{
    SCOPED(cause_table) table = cause_table_create();
    struct ranking ranking;
    struct trials trials;
    struct report report = { table, pasted, &trials, !options->no_run };
    int r;

    if (!table) {
        (void)fprintf(stderr, "hopgate repro: out of memory\n");
        return CLI_FAILED;
    }
    rank_causes(table, pasted->lines, pasted->count, &ranking);
    if (ranking.count > (size_t)options->limit)
        ranking.count = (size_t)options->limit;
    if (options->no_run)
        only_rank(&ranking, &trials);
    else
        trials_run(table, &ranking, pasted, &trials);
    r = tell(&report, options->json);
    trials_done(&trials);
    return r;
}

int repro_verb(int argc, char **argv)
{
    struct repro_options options;
    struct pasted pasted = { .lines = NULL };
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    r = pasted_read(&options.paste, &pasted);
    if (r == CLI_OK)
        r = find_causes(&options, &pasted);
    pasted_done(&pasted);
    return r;
}
