/* matrix: `hopgate lab matrix`: every fault at every place of a chain. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/lab/case_expect.h"
#include "tools/lab/experiment.h"
#include "tools/lab/lab.h"
#include "tools/lab/matrix_report.h"

enum { BAR_WIDTH = 40 };

struct matrix_options {
    const char *chain, *junit, *html, *expect;
    struct case_options cases;
    int64_t time_scale; /* 0: not stated */
    bool json;
};

/* ---- options ------------------------------------------------------------------------------- */

static int take_option(void *context, const char *name, const char *value)
{
    struct matrix_options *options = context;
    const struct {
        const char *name;
        const char **into;
    } texts[] = { { "--faults", &options->cases.faults },
                  { "--places", &options->cases.places },
                  { "--methods", &options->cases.methods },
                  { "--junit", &options->junit },
                  { "--html", &options->html },
                  { "--expect", &options->expect } };

    if (!value) {
        options->json = true;
        return 0;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(name, texts[i].name) == 0)
            *texts[i].into = value;
    if (strcmp(name, "--time-scale") == 0 &&
        (options->time_scale = experiment_time_scale(value)) == 0)
        return arguments_complain("lab matrix", "--time-scale is a number from 1 to 100000, not %s",
                                  value);
    return 0;
}

static int take_chain(void *context, const char *word)
{
    return arguments_take_only("lab matrix", &((struct matrix_options *)context)->chain, word);
}

static int parse(int argc, char **argv, struct matrix_options *ret)
{
    const struct arguments arguments = { "lab matrix", take_option, take_chain, NULL, ret };
    int r;

    *ret = (struct matrix_options){ .chain = NULL };
    r = arguments_take(&arguments, argc, argv);
    return r != 0 || ret->chain ? r : arguments_complain("lab matrix", ARGUMENTS_NO_CHAIN);
}

/* ---- output -------------------------------------------------------------------------------- */

static void print_progress(size_t done, size_t all)
{
    int full = (int)(done * BAR_WIDTH / all);

    (void)fprintf(stderr, "\r[%.*s%*s] %zu of %zu", full,
                  "########################################", BAR_WIDTH - full, "", done, all);
    if (done == all)
        (void)fprintf(stderr, "\r%*s\r", BAR_WIDTH + 30, "");
    (void)fflush(stderr);
}

static int write_file(const char *path, const json_t *document,
                      void (*print)(const json_t *, FILE *))
{
    FILE *file = path ? fopen(path, "we") : NULL;
    bool is_written;

    if (!path)
        return CLI_OK;
    if (file)
        print(document, file);
    is_written = file && !ferror(file);
    if (file && fclose(file) != 0)
        is_written = false;
    if (is_written)
        return CLI_OK;
    (void)fprintf(stderr, "hopgate: %s: %s\n", path, strerror(errno));
    return CLI_FAILED;
}

static int report(const struct matrix_options *options, json_t *document, const json_t *rules)
{
    size_t unmet = 0;
    int r, other;

    json_object_set_new(document, "expectations",
                        case_expect_check(rules, json_object_get(document, "cases"), &unmet));
    r = write_file(options->junit, document, matrix_print_junit);
    other = write_file(options->html, document, matrix_print_html);
    if (options->json) {
        (void)json_dumpf(document, stdout, JSON_INDENT(2));
        (void)printf("\n");
    } else {
        matrix_print_table(document, stdout);
    }
    if (r == CLI_OK)
        r = other;
    return r == CLI_OK && unmet > 0 ? CLI_FAILED : r;
}

/* ---- the verb ------------------------------------------------------------------------------ */

static int read_rules(const char *path, json_t **ret)
{
    struct config_errors errors;

    *ret = NULL;
    if (!path)
        return CLI_OK;
    config_errors_init(&errors);
    *ret = case_expect_read(path, &errors);
    config_errors_sort(&errors);
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    return *ret ? CLI_OK : CLI_BAD_CONFIG;
}

static int try_all(const struct matrix_options *options, const struct chain *chain,
                   struct case_plan *plan, const json_t *rules)
{
    struct experiment experiment = {
        .plan = plan,
        .on_progress = isatty(STDERR_FILENO) ? print_progress : NULL,
        .answers = calloc(plan->count, sizeof(*experiment.answers)),
    };
    json_t *document;
    int r = CLI_FAILED;

    if (!experiment.answers)
        return CLI_FAILED;
    document = experiment_run(chain, &experiment, &r);
    if (document)
        r = report(options, document, rules);
    for (size_t i = 0; i < plan->count; i++)
        case_answer_done(&experiment.answers[i]);
    free(experiment.answers);
    json_decref(document);
    return r;
}

int lab_matrix_verb(int argc, char **argv)
{
    SCOPED(chain) chain = NULL;
    SCOPED(case_plan) plan = NULL;
    struct matrix_options options;
    json_t *rules = NULL;
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    r = experiment_load_chain(options.chain, &chain);
    if (r == CLI_OK)
        r = read_rules(options.expect, &rules);
    if (r == CLI_OK)
        plan = case_plan_make(chain, &options.cases, &r);
    if (r == CLI_OK && plan) {
        if (options.time_scale != 0 || chain->time_scale == 1)
            chain->time_scale = options.time_scale ? options.time_scale : EXPERIMENT_TIME_SCALE;
        r = try_all(&options, chain, plan, rules);
    }
    json_decref(rules);
    return r;
}
