#include "tools/repro/trial_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli/cli.h"
#include "tools/lab/experiment.h"

enum { FAULTS_TEXT_MAX = 4096, LOG_LINE_MAX = 64 * 1024 };

/* What ingress-nginx writes, as far as a hop knows it. */
#define INGRESS_FORMAT                                                                 \
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent " \
    "\"$http_referer\" \"$http_user_agent\" $request_length $request_time [-] [] "     \
    "$upstream_addr - $upstream_response_time $upstream_status $request_id"

/* ---- groups -------------------------------------------------------------------------------- */

static bool is_alone(const struct repro_cause *cause)
{
    return cause->is_alone || cause->place == CAUSE_NO_FAULT || cause->fields ||
           cause->content_bytes > 0 || cause->field_bytes > 0 || cause->path_bytes > 0;
}

static bool go_together(const struct repro_cause *one, const struct repro_cause *other,
                        const struct pasted *pasted)
{
    return !is_alone(one) && !is_alone(other) && strcmp(one->stage, other->stage) == 0 &&
           one->time_scale == other->time_scale &&
           (one->place == CAUSE_TO_CLIENT) == (other->place == CAUSE_TO_CLIENT) &&
           strcmp(trial_method(one, pasted), trial_method(other, pasted)) == 0;
}

size_t trial_groups(const struct trials *trials, const struct pasted *pasted,
                    struct trial_group groups[RANK_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < trials->count; i++) {
        const struct repro_cause *cause = trials->list[i].cause;
        size_t at = 0;

        if (cause->untried)
            continue;
        while (at < count && !go_together(trials->list[groups[at].members[0]].cause, cause, pasted))
            at++;
        if (at == count)
            groups[count++].count = 0;
        groups[at].members[groups[at].count++] = i;
    }
    return count;
}

/* ---- what is sent --------------------------------------------------------------------------- */

struct playing {
    const struct trials *trials;
    const struct trial_group *group;
    const struct pasted *pasted;
    struct case_plan *plan; /* NULL: the chain as it is */
    const char *hop;
    json_t *said; /* for each member; NULL: the lab has not ended yet */
};

static const struct repro_cause *member(const struct playing *playing, size_t i)
{
    return playing->trials->list[playing->group->members[i]].cause;
}

static int make_plan(struct playing *playing, const struct chain *chain)
{
    char faults[FAULTS_TEXT_MAX] = "", places[256];
    const struct repro_cause *first = member(playing, 0);
    struct case_options options = { faults, places, trial_method(first, playing->pasted) };
    int r = CLI_OK;

    if (first->place == CAUSE_NO_FAULT)
        return CLI_OK;
    for (size_t i = 0; i < playing->group->count; i++) {
        size_t used = strlen(faults);

        (void)snprintf(faults + used, sizeof(faults) - used, "%s%s", i > 0 ? "," : "",
                       member(playing, i)->fault);
    }
    if (first->place == CAUSE_TO_CLIENT)
        (void)snprintf(places, sizeof(places), "client-%s", playing->hop);
    else /* a fault of the server is played by it, one of the wire in front of it */
        (void)snprintf(places, sizeof(places), "server,%s-server", playing->hop);
    playing->plan = case_plan_make(chain, &options, &r);
    return r;
}

/* The texts of a request of its own. */
struct own_request {
    struct case_request request;
    char *path, *field, *content; /* malloc'ed */
};

/* "BEFORExxxx" */
static char *long_text(const char *before, size_t bytes)
{
    size_t length = strlen(before);
    char *text = malloc(length + bytes + 1);

    if (!text)
        return NULL;
    memcpy(text, before, length);
    memset(text + length, 'x', bytes);
    text[length + bytes] = '\0';
    return text;
}

static void own_request_done(struct own_request *own)
{
    free(own->path);
    free(own->field);
    free(own->content);
}

/* For a group of one. */
static bool make_request(const struct playing *playing, const struct chain *chain,
                         struct own_request *ret)
{
    const struct repro_cause *cause = member(playing, 0);
    struct case_request *request = &ret->request;
    char begin[512];
    const json_t *field;
    size_t i;

    *ret = (struct own_request){ .request.method = trial_method(cause, playing->pasted) };
    (void)snprintf(begin, sizeof(begin), "%s%s", chain->client.path,
                   playing->plan && strchr(chain->client.path, '?') ? "&case=case-1"
                   : playing->plan                                  ? "?case=case-1"
                                                                    : "");
    request->path = ret->path = long_text(begin, cause->path_bytes);
    ret->field = long_text("X-Big: ", cause->field_bytes);
    ret->content = long_text(cause->content_bytes > 0 ? "" : "text", cause->content_bytes);
    if (playing->plan)
        request->fields[request->fields_count++] = CASE_FIELD ": case-1";
    if (cause->field_bytes > 0)
        request->fields[request->fields_count++] = ret->field;
    json_array_foreach(cause->fields, i, field) if (request->fields_count < CASE_FIELDS_MAX)
        request->fields[request->fields_count++] = json_string_value(field);
    if (cause->content_bytes > 0 || strcmp(request->method, "POST") == 0)
        request->content_length = strlen(request->content = ret->content);
    return ret->path && ret->field && ret->content;
}

/* ---- what was written ------------------------------------------------------------------------ */

/* "case=case-12" of that number, and not of the request that warmed the connection. */
static bool is_of_case(const char *line, const char *name)
{
    char wanted[48];
    const char *at = line;
    size_t length = (size_t)snprintf(wanted, sizeof(wanted), "case=%s", name);

    while ((at = strstr(at, wanted))) {
        at += length;
        if (*at != '-' && !(*at >= '0' && *at <= '9'))
            return true;
    }
    return false;
}

/* A line that does not say its case is that of the only one: "<BADREQ>". Lines of the process are nobody's. */
static bool is_of(const struct playing *playing, size_t i, const char *line, const char *key)
{
    if (strcmp(key, "error") == 0 && !strstr(line, ", client: "))
        return false;
    if (!playing->plan || (playing->group->count == 1 && !strstr(line, "case=case-")))
        return true;
    return is_of_case(line, playing->plan->cases[i].name);
}

static void take_line(const struct playing *playing, char *text, const char *key)
{
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
            *at = '?';
    for (size_t i = 0; i < playing->group->count; i++) {
        json_t *lines = json_object_get(json_array_get(playing->said, i), key);

        if (is_of(playing, i, text, key))
            json_array_append_new(lines, json_string(text));
    }
}

static void read_log(const struct playing *playing, const struct lab_run *run, const char *key)
{
    char path[LAB_PATH_MAX * 2], *line = NULL;
    size_t size = 0;
    ssize_t length;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s/prefix/logs/%s.log", run->place.folder, playing->hop,
                   key);
    file = fopen(path, "re");
    while (file && (length = getline(&line, &size, file)) > 0 && length < LOG_LINE_MAX) {
        line[length - (line[length - 1] == '\n')] = '\0';
        take_line(playing, line, key);
    }
    if (file)
        (void)fclose(file);
    free(line);
}

/* Each client that left is in the log: then the hop knows. */
static bool is_logged(void *owner, const struct lab_run *run)
{
    const struct playing *playing = owner;
    char path[LAB_PATH_MAX * 2];
    size_t lines = 0;
    FILE *file;
    int c;

    if (member(playing, 0)->place != CAUSE_TO_CLIENT)
        return true;
    (void)snprintf(path, sizeof(path), "%s/%s/prefix/logs/access.log", run->place.folder,
                   playing->hop);
    file = fopen(path, "re");
    while (file && (c = fgetc(file)) != EOF)
        lines += c == '\n';
    if (file)
        (void)fclose(file);
    return lines >= playing->group->count;
}

static void read_logs(void *owner, const struct lab_run *run)
{
    struct playing *playing = owner;

    playing->said = json_array();
    for (size_t i = 0; i < playing->group->count; i++)
        json_array_append_new(playing->said, json_pack("{s:[], s:[]}", "access", "error"));
    read_log(playing, run, "access");
    read_log(playing, run, "error");
}

/* ---- playing --------------------------------------------------------------------------------- */

/* experiment.on_progress has no owner: there is one lab in a process. */
static int progress_fd;
static size_t progress_done;

static void on_progress(size_t done, size_t all __attribute__((unused)))
{
    for (; progress_done < done; progress_done++)
        (void)dprintf(progress_fd, "+\n");
}

static int play(struct playing *playing, const struct chain *chain)
{
    const struct repro_cause *first = member(playing, 0);
    struct case_answer *answers = calloc(playing->group->count, sizeof(*answers));
    struct own_request own;
    struct experiment experiment = { .plan = playing->plan,
                                     .on_progress = on_progress,
                                     .answers = answers,
                                     .is_settled = is_logged,
                                     .on_end = read_logs,
                                     .owner = playing };
    int r = CLI_FAILED;

    if (make_request(playing, chain, &own) && answers) {
        if (is_alone(first))
            experiment.request = &own.request;
        json_decref(experiment_run(chain, &experiment, &r));
    }
    own_request_done(&own);
    for (size_t i = 0; answers && i < playing->group->count; i++)
        case_answer_done(&answers[i]);
    free(answers);
    return r;
}

static const char *format_of(const struct pasted *pasted)
{
    static const char *const formats[LINE_PRODUCTS] = { [LINE_KONG] = "kong",
                                                        [LINE_NGINX] = "combined",
                                                        [LINE_OF_HAPROXY] = "haproxy",
                                                        [LINE_OF_ALB] = "alb" };

    for (size_t i = 0; i < pasted->count; i++)
        if (pasted->lines[i].has_upstream_fields)
            return INGRESS_FORMAT;
    return formats[pasted->product];
}

int trial_group_play(const struct cause_table *table, const struct trials *trials,
                     const struct trial_group *group, const struct pasted *pasted, int fd)
{
    struct playing playing = { .trials = trials,
                               .group = group,
                               .pasted = pasted,
                               .hop = line_product_name(pasted->product) };
    char *text = trial_chain_text(table, member(&playing, 0), pasted, format_of(pasted));
    SCOPED(chain) chain = NULL;
    struct config_errors errors;
    int r = CLI_FAILED;

    config_errors_init(&errors);
    if (text && chain_parse(slice_of(text), "repro", &chain, &errors) == 0)
        r = make_plan(&playing, chain);
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    free(text);
    progress_fd = fd;
    progress_done = 0;
    if (r == CLI_OK && chain)
        r = play(&playing, chain);
    if (playing.said) {
        on_progress(group->count, group->count);
        text = json_dumps(playing.said, JSON_COMPACT);
        (void)dprintf(fd, "=%s\n", text ? text : "[]");
        free(text);
    }
    json_decref(playing.said);
    case_plan_free(playing.plan);
    return r;
}
