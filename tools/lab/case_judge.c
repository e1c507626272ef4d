#include "tools/lab/case_judge.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/persona/persona.h"
#include "tools/cli/cli.h"
#include "tools/lab/case_hits.h"
#include "tools/lab/case_place.h"
#include "tools/trace/causes.h"
#include "tools/trace/draw.h"
#include "tools/trace/join.h"
#include "tools/trace/log_read.h"
#include "tools/trace/stretch.h"
#include "tools/trace/verdict.h"

enum { NAMES_TEXT_MAX = 1400 };

struct judging {
    const struct case_plan *plan;
    const struct lab_run *run;
    struct trace trace;
    json_t *hits;                                                  /* case -> {origin: count} */
    char *arguments[2 * (CHAIN_ELEMENTS_MAX + LAB_PROCESSES_MAX)]; /* the trace points into them */
    size_t arguments_count;
    int64_t read_timeout_us[CHAIN_ELEMENTS_MAX]; /* stated; of hops; 0: not known */
};

/* ---- logs ---------------------------------------------------------------------------------- */

/* What the process of that name wrote, as a log of the element. */
static int read_log(struct judging *judging, struct log_error_lines *errors, const char *element,
                    const char *process, const char *file)
{
    char *argument;

    if (asprintf(&argument, "%s=%s/%s/%s", element, judging->run->place.folder, process, file) < 0)
        return CLI_FAILED;
    judging->arguments[judging->arguments_count++] = argument;
    return access(strchr(argument, '=') + 1, R_OK) == 0
               ? log_read_file(&judging->trace, errors, argument)
               : CLI_OK;
}

static int read_logs(struct judging *judging, struct log_error_lines *errors)
{
    const struct lab_run *run = judging->run;
    static const char *const files[] = { "prefix/logs/access.log", "prefix/logs/error.log" };
    int r = CLI_OK;

    for (size_t i = 0; i < run->processes_count && r == CLI_OK; i++) {
        const struct chain_element *element = case_element_of(run, i);

        for (size_t k = 0; element && element->kind == CHAIN_HOP && k < 2 && r == CLI_OK; k++)
            r = read_log(judging, errors, element->name, element->name, files[k]);
        if (element && element->kind == CHAIN_ORIGIN)
            r = read_log(judging, errors, element->name, run->processes[i].name, "origin.log");
    }
    for (size_t i = 0; i < run->processes_count && r == CLI_OK; i++)
        if (run->processes[i].name)
            r = read_log(judging, errors, "", run->processes[i].name, "wire.log");
    return r;
}

/* The wires of a case are known to people by their place. */
static void name_wires(struct judging *judging)
{
    for (struct trace_flow *flow = judging->trace.last_flow; flow; flow = flow->before)
        for (size_t i = 0; judging->plan && i < judging->plan->count; i++) {
            const struct lab_case *one = &judging->plan->cases[i];
            size_t length = strlen(one->name);

            if (flow->wire.len > length && flow->wire.ptr[length] == '-' &&
                memcmp(flow->wire.ptr, one->name, length) == 0)
                flow->wire = slice_of(one->place);
        }
}

/* What the persona says where no file does. */
static int64_t usual_read_timeout_ms(const struct chain_element *hop)
{
    struct config_errors errors;
    struct persona *persona;
    int64_t ms = 0;

    config_errors_init(&errors);
    persona = persona_load(hop->persona, &errors);
    if (persona)
        ms = (int64_t)persona->upstream.read_timeout_ms;
    persona_free(persona);
    config_errors_done(&errors);
    return ms;
}

static void read_timers(struct judging *judging)
{
    for (size_t i = 0; i < judging->run->chain->count; i++) {
        const struct chain_element *element = &judging->run->chain->elements[i];
        char path[LAB_PATH_MAX * 2];
        const json_t *said;
        json_t *file;

        snprintf(path, sizeof(path), "%s/%s/kong.json", judging->run->place.folder, element->name);
        if (element->kind != CHAIN_HOP || access(path, R_OK) < 0)
            continue;
        file = json_load_file(path, 0, NULL);
        said =
            json_object_get(json_array_get(json_object_get(file, "services"), 0), "read_timeout");
        judging->read_timeout_us[i] =
            1000 * (said ? json_integer_value(said) : usual_read_timeout_ms(element));
        json_decref(file);
    }
}

static bool load(struct judging *judging)
{
    struct log_error_lines *errors = log_error_lines_new(&judging->trace);

    if (!errors || read_logs(judging, errors) != CLI_OK || judging->trace.out_of_memory ||
        !log_attach_errors(&judging->trace, errors) || !trace_join_accounts(&judging->trace))
        return false;
    name_wires(judging);
    read_timers(judging);
    judging->hits = case_hits_read(judging->run);
    return judging->hits != NULL;
}

/* ---- one case ------------------------------------------------------------------------------ */

static bool is_of_hop(const struct trace_account *account, const char *name)
{
    return slice_equal(account->hop, slice_of(name));
}

/* By the end of its path; of a connection that nobody knows a request of, by the service that it was led to. */
static bool is_of_case(const struct trace_account *account, const struct lab_case *one)
{
    char end[48];
    size_t length = (size_t)snprintf(end, sizeof(end), "case=%s", one->name);

    if (slice_equal(account->target, slice_of(one->name)))
        return true;
    return account->target.len > length &&
           memcmp(account->target.ptr + account->target.len - length, end, length) == 0;
}

/* What the hop in front logged about the case, or who saw it first; without a case, its last request.
 * NULL: nobody did. */
static struct trace_account *find_root(const struct judging *judging, const struct lab_case *one)
{
    const struct chain *chain = judging->run->chain;
    struct trace_account *found = NULL;

    for (size_t hop = 0; hop < chain->count && !found; hop++)
        for (struct trace_account *at = judging->trace.first;
             chain->elements[hop].kind == CHAIN_HOP && at && !(found && one);
             at = at->next_in_trace)
            if (is_of_hop(at, chain->elements[hop].name) && !at->before &&
                (!one || is_of_case(at, one)) && (!found || at->begin_us != TRACE_NEVER))
                found = at;
    return found;
}

/* ---- times --------------------------------------------------------------------------------- */

static int64_t timer_end_us(const struct judging *judging, const struct trace_account *account)
{
    const struct trace_try *last = trace_last_try(account);
    const struct chain *chain = judging->run->chain;

    if (account->reason != END_OK && cause_of(account->reason, false)->is_wait)
        return trace_at(account, account->end_us);
    if (account->reason != END_CLIENT_ABORTED || !last || last->sent_us == TRACE_NEVER ||
        last->head_us != TRACE_NEVER)
        return TRACE_NEVER;
    for (size_t i = 0; i < chain->count; i++)
        if (is_of_hop(account, chain->elements[i].name) && judging->read_timeout_us[i] > 0)
            return trace_at(account, last->sent_us) + judging->read_timeout_us[i];
    return TRACE_NEVER;
}

/* Whose timers ended too near to each other to say who was first. */
static json_t *find_tie(const struct judging *judging, const struct verdict *verdict)
{
    const struct trace_account *first = verdict->gave_up_first;
    int64_t at_us = first ? timer_end_us(judging, first) : TRACE_NEVER;
    int64_t tie_us = CASE_TIE_MS * 1000 * judging->run->chain->time_scale;
    char one[128], other[128];

    for (unsigned i = 0; at_us != TRACE_NEVER && i < verdict->chain_count; i++) {
        const struct trace_account *at = verdict->chain[i];
        int64_t end_us = at == first ? TRACE_NEVER : timer_end_us(judging, at);

        if (end_us != TRACE_NEVER && llabs(end_us - at_us) <= tie_us)
            return json_sprintf("the timers of %s and %s end within %d ms of real time: a tie; "
                                "a lower time scale tells them apart",
                                verdict_hop_name(first, one, sizeof(one)),
                                verdict_hop_name(at, other, sizeof(other)), CASE_TIE_MS);
    }
    return json_null();
}

/* ---- words --------------------------------------------------------------------------------- */

/* The lab's address at text as its name in `into`; returns the bytes that it took, or 0. */
static size_t name_of_address(const struct judging *judging, const struct lab_case *one,
                              const char *text, char *into, size_t size)
{
    const struct lab_run *run = judging->run;
    char prefix[24];
    int length = snprintf(prefix, sizeof(prefix), "127.0.%u.", run->place.block);
    char *end;
    unsigned long number, port;

    if (strncmp(text, prefix, (size_t)length) != 0)
        return 0;
    number = strtoul(text + length, &end, 10);
    port = *end == ':' ? strtoul(end + 1, &end, 10) : 0;
    if (port == 0)
        return 0;
    if (number == CASE_WIRES_NUMBER && one)
        snprintf(into, size, "wire \"%s\"", one->place);
    else if (number % 10 == 0 && number >= 10 && number / 10 <= run->chain->count)
        snprintf(into, size, "%s \"%s\"",
                 chain_kind_name(run->chain->elements[number / 10 - 1].kind),
                 run->chain->elements[number / 10 - 1].name);
    else
        return 0;
    return (size_t)(end - text);
}

/* Addresses of the lab mean nothing to people. */
static json_t *with_names(const struct judging *judging, const struct lab_case *one,
                          const char *text)
{
    char into[NAMES_TEXT_MAX], name[160];
    size_t used = 0;

    while (*text && used + 1 < sizeof(into)) {
        size_t taken = name_of_address(judging, one, text, name, sizeof(name));

        if (taken == 0) {
            into[used++] = *text++;
            continue;
        }
        used += (size_t)snprintf(into + used, sizeof(into) - used, "%s", name);
        used = used < sizeof(into) ? used : sizeof(into) - 1;
        text += taken;
    }
    into[used] = '\0';
    return json_string(into);
}

static json_t *printable(struct slice text)
{
    json_t *value;
    char *copy = strndup(text.ptr ? text.ptr : "", text.ptr ? text.len : 0);

    for (char *at = copy; at && *at; at++)
        if (((unsigned char)*at < 0x20 && *at != '\n') || (unsigned char)*at >= 0x7f)
            *at = '?';
    value = json_string(copy ? copy : "");
    free(copy);
    return value;
}

/* HAProxy has no error log: what its access log says of the end stands for it. */
static json_t *log_of(const struct trace_account *account)
{
    if (account->termination.len == 0)
        return printable(account->error);
    return slice_equal(account->termination, SLICE("----"))
               ? json_string("")
               : json_sprintf("termination state %.*s", SLICE_ARG(account->termination));
}

static bool is_hop(const struct trace_account *account)
{
    return strcmp(account->format, "origin") != 0;
}

static json_t *hops_json(const struct verdict *verdict)
{
    json_t *hops = json_array();

    for (unsigned i = 0; i < verdict->chain_count; i++) {
        const struct trace_account *at = verdict->chain[i];

        if (is_hop(at))
            json_array_append_new(hops, json_pack("{s:o, s:i, s:s, s:i, s:o}", "hop",
                                                  printable(at->hop), "status", (int)at->status,
                                                  "reason", end_reason_info(at->reason)->name,
                                                  "tries", (int)at->tries_made, "log", log_of(at)));
    }
    return hops;
}

/* How often each origin got it, however many hops tried again. */
static void count_hits(const struct trace_account *account, unsigned depth, json_t *hits)
{
    for (unsigned i = 0; i < account->tries_count && depth < VERDICT_CHAIN_MAX; i++) {
        const struct trace_account *next = account->tries[i].next;
        char name[64];

        if (!next)
            continue;
        if (is_hop(next)) {
            count_hits(next, depth + 1, hits);
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", SLICE_ARG(next->hop));
        if (!next->wants_tls)
            json_object_set_new(hits, name,
                                json_integer(json_integer_value(json_object_get(hits, name)) + 1));
    }
}

static json_t *picture_of(const struct trace_account *root)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);
    json_t *value;

    if (!stream)
        return json_string("");
    trace_draw(root, stream);
    (void)fclose(stream);
    value = json_string(text ? text : "");
    free(text);
    return value ? value : json_string("");
}

/* ---- putting together ---------------------------------------------------------------------- */

static json_t *maker_of(const struct verdict *verdict)
{
    const struct trace_account *maker = NULL;

    for (unsigned i = 0; i < verdict->chain_count; i++)
        if (verdict->chain[i]->made_here)
            maker = verdict->chain[i];
    return maker ? printable(maker->hop) : json_null();
}

/* The try that tells most went through the wire of the case. */
static bool is_across(const struct judging *judging, const struct trace_try *try)
{
    char prefix[32], address[ADDR_TEXT_MAX];

    snprintf(prefix, sizeof(prefix), "127.0.%u.%d:", judging->run->place.block, CASE_WIRES_NUMBER);
    return try && trace_is_known(&try->target) &&
           strncmp(addr_format(&try->target, address, sizeof(address)), prefix, strlen(prefix)) ==
               0;
}

/* The wire of a case in full: behind what the trace says of it, or else at the end. */
static json_t *verdict_text(const struct judging *judging, const struct lab_case *one,
                            const struct verdict *verdict)
{
    const char *about = !one ? "" : one->about ? one->about : one->words;
    const struct trace_flow *flow = verdict->try ? verdict->try->flow : NULL;
    char told[CASE_PLACE_MAX + 128], text[VERDICT_TEXT_MAX + 512];
    const char *at = NULL;

    if (one && flow && flow->fault.len > 0) {
        snprintf(told, sizeof(told), "wire \"%s\": %.*s", one->place, SLICE_ARG(flow->fault));
        at = strstr(verdict->text, told);
    }
    if (at) {
        at += strlen(told);
        snprintf(text, sizeof(text), "%.*s (%s)%s", (int)(at - verdict->text), verdict->text, about,
                 at);
    } else if (one && verdict->try && verdict->try->next && is_across(judging, verdict->try)) {
        snprintf(text, sizeof(text), "%s; between them is wire \"%s\": %s", verdict->text,
                 one->place, about);
    } else {
        snprintf(text, sizeof(text), "%s", verdict->text);
    }
    return with_names(judging, one, text);
}

/* Every hop was content, and yet the client could make nothing of it. */
static json_t *verdict_of_client(const struct case_answer *answer)
{
    return json_sprintf("no hop failed, but what came to the client is no whole answer: %s",
                        answer->detail);
}

static void add_verdict(const struct judging *judging, const struct lab_case *one,
                        struct trace_account *root, const struct case_answer *answer, json_t *into)
{
    struct verdict verdict;
    bool is_lost;

    stretch_accounts(root, (uint32_t)judging->run->chain->time_scale);
    verdict_find(root, &verdict);
    json_object_set_new(into, "tie", find_tie(judging, &verdict));
    is_lost = !verdict.failed && strcmp(answer->end, "complete") != 0;
    json_object_set_new(into, "verdict",
                        is_lost ? verdict_of_client(answer) : verdict_text(judging, one, &verdict));
    json_object_set_new(into, "fix", with_names(judging, one, verdict.fix));
    json_object_set_new(into, "evidence", with_names(judging, one, verdict.evidence));
    json_object_set_new(into, "failed", json_boolean(verdict.failed || is_lost));
    json_object_set_new(into, "culprit",
                        verdict.culprit ? printable(verdict.culprit->hop) : json_null());
    json_object_set_new(
        into, "reason",
        json_string(end_reason_info(verdict.culprit ? verdict.culprit->reason : END_OK)->name));
    json_object_set_new(into, "lost", verdict.lost ? json_string(verdict.lost) : json_null());
    json_object_set_new(into, "made_by", maker_of(&verdict));
    json_object_set_new(into, "hops", hops_json(&verdict));
    json_object_set_new(into, "picture", picture_of(root));
}

static void add_nothing_seen(const struct case_answer *answer, json_t *into)
{
    json_object_set_new(into, "verdict",
                        json_sprintf("%s: no hop saw the request; the client's own way to the "
                                     "first hop is broken%s%s",
                                     answer->status ? "an answer of unknown origin" : "no answer",
                                     answer->detail[0] ? ": " : "", answer->detail));
    json_object_set_new(into, "fix", json_string("look at what stands before the first hop"));
    json_object_set_new(into, "evidence", json_string(""));
    json_object_set_new(into, "failed", json_true());
    json_object_set_new(into, "culprit", json_null());
    json_object_set_new(into, "reason", json_string(end_reason_info(END_OK)->name));
    json_object_set_new(into, "lost", json_null());
    json_object_set_new(into, "made_by", json_null());
    json_object_set_new(into, "hops", json_array());
    json_object_set_new(into, "picture", json_string(""));
    json_object_set_new(into, "tie", json_null());
}

static json_t *judge_one(const struct judging *judging, const struct lab_case *one,
                         const struct case_answer *answer)
{
    struct trace_account *root = find_root(judging, one);
    json_t *hits = one ? json_incref(json_object_get(judging->hits, one->name)) : json_object();
    json_t *count;
    json_t *into =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:f}", "case", one ? one->name : "",
                  "fault", one ? one->fault : "", "about",
                  !one         ? ""
                  : one->about ? one->about
                               : one->words,
                  "place", one ? one->place : "", "method", one ? one->method : "", "status",
                  (int)answer->status, "end", answer->end, "detail", answer->detail, "elapsed_ms",
                  answer->ms * (double)judging->run->chain->time_scale);
    json_int_t total = 0;
    const char *key;

    if (!into) {
        json_decref(hits);
        return json_null();
    }
    if (root)
        add_verdict(judging, one, root, answer, into);
    else
        add_nothing_seen(answer, into);
    if (root && !one)
        count_hits(root, 0, hits);
    json_object_foreach(hits, key, count) total += json_integer_value(count);
    json_object_set_new(into, "hits", hits ? hits : json_object());
    json_object_set_new(into, "hits_total", json_integer(total));
    json_object_set_new(into, "duplicates", json_integer(total > 1 ? total - 1 : 0));
    return into;
}

json_t *case_judge(const struct case_plan *plan, const struct lab_run *run,
                   const struct case_answer *answers)
{
    struct judging judging = { .plan = plan, .run = run };
    json_t *list = NULL;

    if (!trace_init(&judging.trace))
        return NULL;
    if (load(&judging))
        list = json_array();
    for (size_t i = 0; list && i < (plan ? plan->count : 1); i++)
        json_array_append_new(list,
                              judge_one(&judging, plan ? &plan->cases[i] : NULL, &answers[i]));
    json_decref(judging.hits);
    trace_done(&judging.trace);
    for (size_t i = 0; i < judging.arguments_count; i++)
        free(judging.arguments[i]);
    return list;
}
