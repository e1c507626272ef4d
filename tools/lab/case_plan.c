#include "tools/lab/case_plan.h"

#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "tools/cli/cli.h"
#include "tools/lab/case_faults.h"
#include "tools/wire/wire_fault.h"

enum { PLACES_MAX = 3 * CHAIN_ELEMENTS_MAX };

struct place {
    char name[CASE_PLACE_MAX];
    size_t after;
    bool is_origin, is_usual;
    bool is_one;
    size_t one;
};

struct planning {
    struct case_plan *plan;
    const struct case_options *options;
    struct place places[PLACES_MAX];
    size_t places_count;
    int code;
};

size_t case_plan_last_hop(const struct chain *chain)
{
    size_t i = chain->count;

    while (i > 0 && chain->elements[i - 1].kind != CHAIN_HOP)
        i--;
    return i > 0 ? chain_first_equal(chain, i - 1) : 0;
}

size_t case_plan_first_origin(const struct chain *chain)
{
    return chain->count - chain->origins_count;
}

static int complain(struct planning *planning, const char *what, const char *word,
                    const char *nearest)
{
    (void)fprintf(stderr, "hopgate lab: %s \"%s\"%s%s%s\n", what, word,
                  nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return planning->code = CLI_USAGE;
}

/* ---- places -------------------------------------------------------------------------------- */

static struct place *add_place(struct planning *planning, size_t after)
{
    struct place *place = &planning->places[planning->places_count++];

    *place = (struct place){ .after = after, .is_usual = true };
    return place;
}

/* The way from a hop (or the client) to what follows it. */
static void add_way(struct planning *planning, size_t after)
{
    const struct chain *chain = planning->plan->chain;
    size_t count, next = after == CASE_CLIENT ? 0 : chain_behind(chain, after, &count);
    const char *from = after == CASE_CLIENT ? "client" : chain_group_name(&chain->elements[after]);
    struct place *place = add_place(planning, after);

    if (chain->elements[next].kind == CHAIN_WIRE) {
        snprintf(place->name, sizeof(place->name), "%s", chain->elements[next].name);
        return;
    }
    place->is_usual = after != CASE_CLIENT; /* the client's own network is asked for by name */
    snprintf(place->name, sizeof(place->name), "%s-%s", from,
             chain->elements[next].kind == CHAIN_ORIGIN && chain->origins_count > 1
                 ? "origins"
                 : chain_group_name(&chain->elements[next]));
}

static bool are_ours(const struct chain *chain)
{
    for (size_t i = case_plan_first_origin(chain); i < chain->count; i++)
        if (chain->elements[i].address)
            return false;
    return true;
}

static void add_origins(struct planning *planning)
{
    const struct chain *chain = planning->plan->chain;
    size_t first = case_plan_first_origin(chain);
    struct place *place;

    if (!are_ours(chain))
        return;
    place = add_place(planning, case_plan_last_hop(chain));
    place->is_origin = true;
    snprintf(place->name, sizeof(place->name), "%s",
             chain->origins_count > 1 ? "origins" : chain->elements[first].name);
    for (size_t i = first; chain->origins_count > 1 && i < chain->count; i++) {
        place = add_place(planning, case_plan_last_hop(chain));
        snprintf(place->name, sizeof(place->name), "%s", chain->elements[i].name);
        place->is_origin = place->is_one = true;
        place->is_usual = false;
        place->one = i - first;
    }
}

static void find_places(struct planning *planning)
{
    const struct chain *chain = planning->plan->chain;

    add_origins(planning);
    add_way(planning, CASE_CLIENT);
    for (size_t i = 0; i < chain->count; i++)
        if (chain->elements[i].kind == CHAIN_HOP && chain_first_equal(chain, i) == i)
            add_way(planning, i);
}

static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

static bool is_wanted(const struct planning *planning, const struct place *place)
{
    const char *wanted = planning->options->places;

    if (!wanted)
        return place->is_usual;
    return strcmp(wanted, "all") == 0 || list_has(wanted, place->name);
}

/* Each word of the list must be the name of a place. */
static void check_places(struct planning *planning)
{
    char words[1024], *rest = words, *word;
    const char *wanted = planning->options->places;

    snprintf(words, sizeof(words), "%s", wanted && strcmp(wanted, "all") != 0 ? wanted : "");
    while (planning->code == CLI_OK && words[0] && (word = strsep(&rest, ","))) {
        struct suggest suggest = { .wanted = word };
        bool found = false;

        for (size_t i = 0; i < planning->places_count; i++) {
            found = found || strcmp(planning->places[i].name, word) == 0;
            suggest_offer(&suggest, planning->places[i].name);
        }
        if (found)
            continue;
        (void)complain(planning, "there is no such place in the chain:", word, suggest.nearest);
        (void)fprintf(stderr, "places:");
        for (size_t i = 0; i < planning->places_count; i++)
            (void)fprintf(stderr, " %s", planning->places[i].name);
        (void)fprintf(stderr, "\n");
    }
}

/* ---- cases --------------------------------------------------------------------------------- */

static void add_case(struct planning *planning, const struct place *place,
                     const struct lab_case *pattern)
{
    struct case_plan *plan = planning->plan;
    char methods[256], *rest = methods, *method;

    snprintf(methods, sizeof(methods), "%s",
             planning->options->methods ? planning->options->methods : "GET,POST");
    while ((method = strsep(&rest, ","))) {
        struct lab_case *grown =
            plan->count < CASES_MAX
                ? reallocarray(plan->cases, plan->count + 1, sizeof(*plan->cases))
                : NULL;
        struct lab_case *made;

        if (!grown) {
            (void)complain(planning, "too many cases at", pattern->fault, NULL);
            return;
        }
        plan->cases = grown;
        made = &grown[plan->count++];
        *made = *pattern;
        snprintf(made->name, sizeof(made->name), "case-%zu", plan->count);
        snprintf(made->place, sizeof(made->place), "%s", place->name);
        snprintf(made->method, sizeof(made->method), "%s", method);
        made->after = place->after;
        made->is_one = place->is_one;
        made->one = place->one;
        /* a connection is met again for sure where there is one target */
        made->targets = made->warm && !made->is_one ? 1 : plan->chain->origins_count;
    }
}

static void add_origin_fault(struct planning *planning, const struct fault *fault)
{
    struct lab_case pattern = { .about = fault->description, .warm = case_fault_wants_warm(fault) };

    snprintf(pattern.fault, sizeof(pattern.fault), "%s", fault->name);
    for (size_t i = 0; i < planning->places_count; i++)
        if (planning->places[i].is_origin && is_wanted(planning, &planning->places[i]))
            add_case(planning, &planning->places[i], &pattern);
}

static void add_wire_fault(struct planning *planning, const char *name, const char *words,
                           const char *about, bool warm)
{
    struct lab_case pattern = { .about = about, .warm = warm };

    snprintf(pattern.fault, sizeof(pattern.fault), "%s", name);
    snprintf(pattern.words, sizeof(pattern.words), "%s", words);
    for (size_t i = 0; i < planning->places_count; i++)
        if (!planning->places[i].is_origin && is_wanted(planning, &planning->places[i]))
            add_case(planning, &planning->places[i], &pattern);
}

static bool origins_speak_tls(const struct chain *chain)
{
    return chain->elements[case_plan_first_origin(chain)].tls;
}

static void add_origin_faults(struct planning *planning, bool all)
{
    const struct fault_library *library = planning->plan->library;
    bool is_tls = origins_speak_tls(planning->plan->chain);

    for (size_t i = 0; i < library->count; i++) {
        const struct fault *fault = &library->items[i];

        if (case_fault_is_possible(fault, is_tls) && (all || case_fault_is_telling(fault, is_tls)))
            add_origin_fault(planning, fault);
    }
}

static void add_wire_faults(struct planning *planning)
{
    for (size_t i = 0; i < case_wire_faults_count; i++) {
        const struct case_wire_fault *one = &case_wire_faults[i];

        add_wire_fault(planning, one->name, one->words, one->about, one->warm);
    }
}

static const struct case_wire_fault *find_wire_fault(const char *name)
{
    for (size_t i = 0; i < case_wire_faults_count; i++)
        if (strcmp(case_wire_faults[i].name, name) == 0)
            return &case_wire_faults[i];
    return NULL;
}

/* KIND:KEY=VALUE as `hopgate wire --fault` has it; '+' stands for its comma. */
static void add_worded(struct planning *planning, char *word)
{
    json_t *fault;
    char *text;
    struct wire_fault_set *set = NULL;
    struct config_errors errors;
    char name[64];

    snprintf(name, sizeof(name), "%s", word);
    for (char *at = word; *at; at++)
        *at = *at == '+' ? ',' : *at;
    fault = wire_fault_from_words(word);
    text = fault ? json_dumps(fault, JSON_ENCODE_ANY) : NULL;
    config_errors_init(&errors);
    if (!text || wire_fault_set_parse(slice_of(text), "--faults", &set, &errors) < 0) {
        config_errors_print(&errors, stderr);
        (void)complain(planning, "not a fault of a wire:", word, NULL);
    } else {
        add_wire_fault(planning, name, word, NULL, strncmp(word, "idle", 4) == 0);
    }
    config_errors_done(&errors);
    wire_fault_set_free(set);
    json_decref(fault);
    free(text);
}

static void add_named(struct planning *planning, char *word)
{
    const struct fault *fault = fault_find(planning->plan->library, slice_of(word));
    const struct case_wire_fault *wire = find_wire_fault(word);

    if (strcmp(word, "all") == 0 || strcmp(word, "origin") == 0)
        add_origin_faults(planning, true);
    if (strcmp(word, "all") == 0 || strcmp(word, "wire") == 0)
        add_wire_faults(planning);
    else if (strcmp(word, "origin") == 0)
        return;
    else if (wire)
        add_wire_fault(planning, wire->name, wire->words, wire->about, wire->warm);
    else if (strchr(word, ':'))
        add_worded(planning, word);
    else if (!fault)
        (void)complain(planning, "there is no such fault:", word,
                       fault_suggest(planning->plan->library, word));
    else if (!case_fault_is_possible(fault, origins_speak_tls(planning->plan->chain)))
        (void)complain(planning, "the origin of this chain cannot fail so:", word, NULL);
    else
        add_origin_fault(planning, fault);
}

static void add_all(struct planning *planning)
{
    char *words = planning->options->faults ? strdup(planning->options->faults) : NULL;
    char *rest = words, *word;

    if (!planning->options->faults) {
        add_origin_faults(planning, false);
        add_wire_faults(planning);
    }
    while (words && planning->code == CLI_OK && (word = strsep(&rest, ",")))
        add_named(planning, word);
    free(words);
    if (planning->code == CLI_OK && planning->plan->count == 0)
        (void)complain(planning, "nothing is left to try with places",
                       planning->options->places ? planning->options->places : "", NULL);
}

static void check_methods(struct planning *planning)
{
    const char *text = planning->options->methods ? planning->options->methods : "GET";

    if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ,") != strlen(text) || text[0] == ',' ||
        text[0] == '\0' || strstr(text, ",,") || text[strlen(text) - 1] == ',')
        (void)complain(planning, "methods are like GET,POST, not", text, NULL);
}

/* ---- public -------------------------------------------------------------------------------- */

struct case_plan *case_plan_make(const struct chain *chain, const struct case_options *options,
                                 int *ret_code)
{
    struct case_plan *plan = calloc(1, sizeof(*plan));
    struct planning planning = { .plan = plan, .options = options, .code = CLI_OK };

    *ret_code = CLI_FAILED;
    if (!plan)
        return NULL;
    plan->chain = chain;
    plan->library = fault_library_builtin();
    if (plan->library) {
        find_places(&planning);
        check_methods(&planning);
        check_places(&planning);
        if (planning.code == CLI_OK)
            add_all(&planning);
        *ret_code = planning.code;
    }
    if (*ret_code == CLI_OK)
        return plan;
    case_plan_free(plan);
    return NULL;
}

void case_plan_free(struct case_plan *plan)
{
    if (!plan)
        return;
    fault_library_free(plan->library);
    free(plan->cases);
    free(plan);
}
