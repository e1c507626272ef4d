#include "tools/repro/repro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/units.h"
#include "tools/cli/cli.h"
#include "tools/cli/verb.h"
#include "tools/repro/pasted.h"
#include "tools/repro/report.h"

enum { TEXTS_MAX = 16, LIMIT_USUAL = 8 };

struct repro_options {
    const char *texts[TEXTS_MAX];
    struct paste_options paste;
    uint64_t limit;
    bool json, no_run;
};

/* ---- options ------------------------------------------------------------------------------- */

static int complain(const char *what, const char *word)
{
    (void)fprintf(stderr, "hopgate repro: %s%s\n\n", what, word);
    verb_print_help(verb_find("repro"), stderr);
    return CLI_USAGE;
}

static int take_value(struct repro_options *options, const char *name, const char *value)
{
    if (!value)
        return complain("a value must follow ", name);
    if (strcmp(name, "--product") == 0) {
        options->paste.product = line_product_of(value);
        return options->paste.product != LINE_PRODUCTS
                   ? 0
                   : complain("--product is kong, nginx, haproxy or alb, not ", value);
    }
    if (units_parse_number(value, &options->limit) < 0 || options->limit < 1 ||
        options->limit > RANK_MAX)
        return complain("--limit is a number from 1 to 32, not ", value);
    return 0;
}

static int take_text(struct repro_options *options, const char *text)
{
    if (options->paste.count == TEXTS_MAX)
        return complain("too many lines; more go by standard input: ", "-");
    options->texts[options->paste.count++] = text;
    return 0;
}

/* 0, or an exit code; -1: help was printed. */
static int parse(int argc, char **argv, struct repro_options *ret)
{
    const struct verb *verb = verb_find("repro");
    int r = 0;

    *ret = (struct repro_options){ .limit = LIMIT_USUAL, .paste.product = LINE_PRODUCTS };
    ret->paste.texts = ret->texts;
    for (int i = 1; i < argc && r == 0; i++) {
        const struct verb_option *option =
            strncmp(argv[i], "--", 2) == 0 ? verb_option_find(verb, argv[i]) : NULL;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            verb_print_help(verb, stdout);
            return -1;
        }
        if (option && option->value)
            r = take_value(ret, option->name, argv[++i]);
        else if (option)
            *(strcmp(option->name, "--json") == 0 ? &ret->json : &ret->no_run) = true;
        else if (strncmp(argv[i], "--", 2) == 0 && !strchr(argv[i], ' '))
            r = complain("not understood: ", argv[i]);
        else
            r = take_text(ret, argv[i]);
    }
    return r != 0 || ret->paste.count > 0 ? r : complain("a line of a log is missing", "");
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
    if (ranking.count > options->limit)
        ranking.count = options->limit;
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
