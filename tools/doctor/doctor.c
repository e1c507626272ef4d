#include "tools/doctor/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/suggest.h"
#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/lab/experiment.h"

struct options {
    const char *chain;
    const struct doctor_rule *only; /* NULL: all */
    bool json, list;
};

/* ---- examination --------------------------------------------------------------------------- */

int doctor_examine_chain(const struct chain *chain, const char *name,
                         const struct doctor_rule *only, struct doctor_findings *ret,
                         struct config_errors *errors)
{
    SCOPED(doctor_model) model = NULL;
    SCOPED(doctor_journey) journey = NULL;
    struct examination examination = { .chain = name, .findings = ret };
    int r = doctor_model_create(chain, &model, errors);

    if (r < 0)
        return r;
    journey = doctor_journey_create(model);
    if (!journey)
        return -ENOMEM;
    examination.model = model;
    examination.journey = journey;
    for (size_t i = 0; i < doctor_rules_count; i++) {
        examination.rule = &doctor_rules[i];
        if (!only || only == examination.rule)
            examination.rule->examine(&examination);
    }
    doctor_findings_sort(ret);
    return ret->out_of_memory ? -ENOMEM : 0;
}

/* ---- options ------------------------------------------------------------------------------- */

static int take_rule(const char *id, struct options *options)
{
    struct suggest suggest = { .wanted = id };

    options->only = doctor_rule_find(id);
    if (options->only)
        return 0;
    for (size_t i = 0; i < doctor_rules_count; i++)
        suggest_offer(&suggest, doctor_rules[i].id);
    (void)fprintf(stderr, "hopgate doctor: there is no rule \"%s\"%s%s%s --list shows them\n", id,
                  suggest.nearest ? "; did you mean " : ";", suggest.nearest ? suggest.nearest : "",
                  suggest.nearest ? "?" : "");
    return CLI_USAGE;
}

static int take_option(void *context, const char *name, const char *value)
{
    struct options *options = context;

    if (value)
        return take_rule(value, options);
    *(strcmp(name, "--json") == 0 ? &options->json : &options->list) = true;
    return 0;
}

static int take_chain(void *context, const char *word)
{
    return arguments_take_only("doctor", &((struct options *)context)->chain, word);
}

static int parse(int argc, char **argv, struct options *ret)
{
    const struct arguments arguments = { "doctor", take_option, take_chain, NULL, ret };
    int r;

    *ret = (struct options){ .chain = NULL };
    r = arguments_take(&arguments, argc, argv);
    return r == 0 && !ret->chain && !ret->list ? arguments_complain("doctor", ARGUMENTS_NO_CHAIN)
                                               : r;
}

/* ---- the verb ------------------------------------------------------------------------------ */

static void list_rules(void)
{
    for (size_t i = 0; i < doctor_rules_count; i++)
        (void)printf("%-20s %-10s %s\n", doctor_rules[i].id,
                     doctor_severity_text(doctor_rules[i].severity), doctor_rules[i].about);
}

static int print(const struct options *options, const struct chain *chain,
                 const struct doctor_findings *findings)
{
    json_t *document;

    if (!options->json) {
        doctor_print_text(chain, findings, isatty(STDOUT_FILENO), stdout);
    } else {
        document = doctor_json(chain, findings);
        if (!document)
            return CLI_FAILED;
        (void)json_dumpf(document, stdout, JSON_INDENT(2));
        (void)printf("\n");
        json_decref(document);
    }
    /* sorted: the worst is the first */
    return findings->count > 0 && findings->items[0].severity == DOCTOR_WILL_BREAK ? CLI_FAILED
                                                                                   : CLI_OK;
}

int doctor_verb(int argc, char **argv)
{
    SCOPED(chain) chain = NULL;
    struct doctor_findings findings = { .items = NULL };
    struct config_errors errors;
    struct options options;
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    if (options.list) {
        list_rules();
        return CLI_OK;
    }
    r = experiment_load_chain(options.chain, &chain);
    if (r != CLI_OK)
        return r;
    config_errors_init(&errors);
    r = doctor_examine_chain(chain, options.chain, options.only, &findings, &errors);
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    if (r == 0)
        r = print(&options, chain, &findings);
    else
        r = r == -ENOMEM ? CLI_FAILED : CLI_BAD_CONFIG;
    doctor_findings_done(&findings);
    return r;
}
