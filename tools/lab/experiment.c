#include "tools/lab/experiment.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "config/units.h"
#include "core/clock.h"
#include "tools/cli/cli.h"
#include "tools/lab/case_basis.h"
#include "tools/lab/case_entities.h"
#include "tools/lab/case_judge.h"
#include "tools/lab/case_place.h"
#include "tools/lab/case_stage.h"
#include "tools/lab/lab_drawing.h"

/* Real: a hop ends what it carries within its 10 s, and on a busy machine logs take their time. */
enum { DRAIN_MS = 15000, SETTLE_MS = 3000, SETTLE_LEFT_MS = 300, SETTLE_LOOK_MS = 20 };

int experiment_load_chain(const char *name, struct chain **ret)
{
    struct config_errors errors;
    int r;

    config_errors_init(&errors);
    r = chain_load(name, ret, &errors);
    config_errors_sort(&errors);
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    return r == 0 ? CLI_OK : r == -ENOMEM ? CLI_FAILED : CLI_BAD_CONFIG;
}

int64_t experiment_time_scale(const char *text)
{
    uint64_t number;

    return units_parse_number(text, &number) == 0 && number <= EXPERIMENT_TIME_SCALE_MAX
               ? (int64_t)number
               : 0;
}

/* ---- the document -------------------------------------------------------------------------- */

static json_t *picture_of(const struct lab_run *run)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);
    json_t *value;

    if (!stream)
        return json_string("");
    lab_drawing_print(run->chain, run->places, stream);
    (void)fclose(stream);
    value = json_string(text ? text : "");
    free(text);
    return value;
}

static json_t *not_scaled(const struct chain *chain)
{
    json_t *list = json_array();

    if (chain->time_scale == 1)
        return list;
    json_array_append_new(
        list, json_sprintf("stated times were divided by %lld and what was measured was multiplied "
                           "back; the work of kernel and processors does not scale: a millisecond "
                           "of it shows as %.1f s",
                           (long long)chain->time_scale, (double)chain->time_scale / 1000));
    json_array_append_new(list, json_string("not divided: what is asked of name servers, how long "
                                            "the end of a connection is waited for (5 s without a "
                                            "byte, 30 s in all), how long a hop takes to end; "
                                            "handshakes and request heads are waited for 2 s of "
                                            "real time at least"));
    return list;
}

static void add_notes(const struct experiment *experiment, json_t *notes, const struct chain *chain)
{
    size_t count, last = case_plan_last_hop(chain), next = chain_behind(chain, last, &count);

    if (experiment->plan && chain->elements[next].kind == CHAIN_WIRE)
        json_array_append_new(notes,
                              json_sprintf("faults of the origin are met without the wire %s",
                                           chain->elements[next].name));
    for (size_t i = 0; experiment->plan && i < chain->count; i++)
        if (case_place_is_passed_by(chain, &experiment->plan->cases[0], i))
            json_array_append_new(
                notes,
                json_sprintf("cases are met without the wire %s: the hop behind it tells them "
                             "apart by port",
                             chain->elements[i].name));
    for (size_t i = case_plan_first_origin(chain); experiment->plan && i < chain->count; i++)
        if (chain->elements[i].address)
            json_array_append_new(notes, json_sprintf("%s is not ours: it cannot be made to fail",
                                                      chain->elements[i].name));
}

static json_t *document_of(const struct experiment *experiment, const struct lab_run *run,
                           json_t *picture, uint64_t begin_ms)
{
    json_t *cases = case_judge(experiment->plan, run, experiment->answers);
    json_t *notes = json_deep_copy(run->notes);

    add_notes(experiment, notes, run->chain);
    case_basis_add(run->chain, cases);
    return json_pack("{s:s, s:s, s:I, s:f, s:O, s:o, s:o, s:o, s:o}", "chain", run->chain->name,
                     "description", run->chain->description ? run->chain->description : "",
                     "time_scale", (json_int_t)run->chain->time_scale, "seconds",
                     (double)(clock_now_ms() - begin_ms) / 1000, "picture", picture, "notes", notes,
                     "not_scaled", not_scaled(run->chain), "basis", case_basis_list(run->chain),
                     "cases", cases);
}

/* ---- running ------------------------------------------------------------------------------- */

static int play(const struct experiment *experiment, struct lab_run *run)
{
    const struct lab_case *one = experiment->plan ? &experiment->plan->cases[0] : NULL;

    if (!experiment->request)
        return case_play_all(experiment->plan, run, experiment->answers, experiment->on_progress)
                   ? CLI_OK
                   : CLI_FAILED;
    return case_send_unless_told_to_end(run, one, experiment->request, &experiment->answers[0])
               ? CLI_OK
               : CLI_FAILED;
}

static bool has_client_fault(const struct case_plan *plan)
{
    for (size_t i = 0; plan && i < plan->count; i++)
        if (plan->cases[i].after == CASE_CLIENT)
            return true;
    return false;
}

/* A client that has left has its answer before the hop knows; an end of the origin must not come first. */
static void settle(const struct experiment *experiment, const struct lab_run *run)
{
    uint64_t patience_ms = experiment->is_settled               ? SETTLE_MS
                           : has_client_fault(experiment->plan) ? SETTLE_LEFT_MS
                                                                : 0;
    uint64_t until_ms = clock_now_ms() + patience_ms;

    while (clock_now_ms() < until_ms &&
           !(experiment->is_settled && experiment->is_settled(experiment->owner, run)))
        (void)poll(NULL, 0, SETTLE_LOOK_MS);
}

json_t *experiment_run(const struct chain *chain, const struct experiment *experiment,
                       int *ret_code)
{
    struct lab_run_hook hook = { case_entities_amend, experiment->plan };
    struct lab_run *run = calloc(1, sizeof(*run));
    json_t *document = NULL, *picture = NULL;
    uint64_t begin_ms = clock_now_ms();

    *ret_code = CLI_FAILED;
    (void)signal(SIGPIPE, SIG_IGN); /* a hop that goes away is a finding, not our end */
    if (!run)
        return NULL;
    *ret_code = lab_run_start(run, chain, experiment->plan ? &hook : NULL);
    if (*ret_code == CLI_OK && experiment->plan)
        *ret_code = case_stage_start(experiment->plan, run);
    if (*ret_code == CLI_OK) {
        picture = picture_of(run);
        *ret_code = play(experiment, run);
        if (*ret_code == CLI_OK)
            settle(experiment, run);
        lab_run_drain(run, DRAIN_MS);
        if (*ret_code == CLI_OK && experiment->on_end)
            experiment->on_end(experiment->owner, run);
    }
    if (*ret_code == CLI_OK && !(document = document_of(experiment, run, picture, begin_ms)))
        *ret_code = CLI_FAILED;
    lab_run_end(run);
    json_decref(picture);
    free(run);
    return document;
}
