/* report: findings for people, and for programs. */
#include <stdlib.h>
#include <string.h>

#include "tools/cli/wrapped.h"
#include "tools/doctor/doctor.h"

enum { LABEL = 9 };

struct colours {
    const char *severity[3], *label, *end;
};

static const struct colours plain = { { "", "", "" }, "", "" };
static const struct colours bright = { { "\033[1;31m", "\033[1;33m", "\033[1m" },
                                       "\033[2m",
                                       "\033[0m" };

/* ---- text ---------------------------------------------------------------------------------- */

static void print_labelled(FILE *stream, const char *label, const char *text,
                           const struct colours *colours)
{
    (void)fprintf(stream, "  %s%-*s%s", colours->label, LABEL - 2, label, colours->end);
    wrapped_print(stream, LABEL, LABEL, text);
}

static void print_finding(FILE *stream, const struct doctor_finding *finding,
                          const struct colours *colours)
{
    (void)fprintf(stream, "\n%s%s%s  %s\n", colours->severity[finding->severity],
                  doctor_severity_text(finding->severity), colours->end, finding->rule->id);
    print_labelled(stream, "", finding->title, colours);
    print_labelled(stream, "seen", finding->seen, colours);
    for (unsigned i = 0; i < finding->where_count; i++)
        print_labelled(stream, i == 0 ? "where" : "", finding->where[i].text, colours);
    print_labelled(stream, "fix", finding->fix, colours);
    /* one line, however long, so that it can be taken as it is */
    (void)fprintf(stream, "  %s%-*s%s%s\n", colours->label, LABEL - 2, "see it", colours->end,
                  finding->command);
}

static size_t count_of(const struct doctor_findings *findings, enum doctor_severity severity)
{
    size_t count = 0;

    for (size_t i = 0; i < findings->count; i++)
        count += findings->items[i].severity == severity;
    return count;
}

static void print_verdict(FILE *stream, const struct chain *chain,
                          const struct doctor_findings *findings)
{
    static const enum doctor_severity all[] = { DOCTOR_WILL_BREAK, DOCTOR_CAN_BREAK,
                                                DOCTOR_WORTH_KNOWING };
    const char *between = ": ";

    (void)fprintf(stream, "%s", chain->name);
    if (findings->count == 0)
        (void)fprintf(stream, ": no contradiction found");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        size_t count = count_of(findings, all[i]);

        if (count == 0)
            continue;
        (void)fprintf(stream, "%s%zu %s", between, count, doctor_severity_text(all[i]));
        between = ", ";
    }
    (void)fputc('\n', stream);
    if (count_of(findings, DOCTOR_WILL_BREAK) > 0 &&
        count_of(findings, DOCTOR_WILL_BREAK) < findings->count)
        (void)fprintf(stream, "mend what will break first: until then the rest may not show\n");
}

void doctor_print_text(const struct chain *chain, const struct doctor_findings *findings,
                       bool in_colour, FILE *stream)
{
    const struct colours *colours = in_colour ? &bright : &plain;

    print_verdict(stream, chain, findings);
    for (size_t i = 0; i < findings->count; i++)
        print_finding(stream, &findings->items[i], colours);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static json_t *shown_hops(const struct doctor_shown *shows)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < shows->hops_count; i++) {
        const struct doctor_shown_hop *hop = &shows->hops[i];
        json_t *reasons = json_pack("[s]", end_reason_info(hop->reason)->name);

        if (hop->or_reason != hop->reason)
            json_array_append_new(reasons, json_string(end_reason_info(hop->or_reason)->name));
        json_array_append_new(list, json_pack("{s:s, s:o}", "hop", hop->hop, "reasons", reasons));
    }
    return list;
}

/* Keys are there only for what is promised. */
static json_t *shows_json(const struct doctor_shown *shows)
{
    json_t *object = json_object();

    if (shows->has_status)
        json_object_set_new(object, "status", json_integer(shows->status));
    if (shows->hops_count > 0)
        json_object_set_new(object, "hops", shown_hops(shows));
    if (shows->log)
        json_object_set_new(object, "log",
                            json_pack("{s:s, s:s}", "hop", shows->log_hop, "phrase", shows->log));
    if (shows->hits_min > 0)
        json_object_set_new(object, "hits_min", json_integer(shows->hits_min));
    if (shows->content)
        json_object_set_new(object, "content", json_string(shows->content));
    if (shows->no_content)
        json_object_set_new(object, "no_content", json_string(shows->no_content));
    if (shows->never_arrives)
        json_object_set_new(object, "never_arrives", json_true());
    return object;
}

/* Names of files are any bytes. */
static json_t *text_json(const char *text)
{
    json_t *value = json_string(text);
    char *copy = value ? NULL : strdup(text);

    for (char *at = copy; at && *at; at++)
        if ((unsigned char)*at >= 0x7f)
            *at = '?';
    if (copy)
        value = json_string(copy);
    free(copy);
    return value;
}

static json_t *finding_json(const struct doctor_finding *finding)
{
    json_t *where = json_array();

    for (unsigned i = 0; i < finding->where_count; i++)
        json_array_append_new(where, text_json(finding->where[i].text));
    return json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}", "rule",
                     finding->rule->id, "severity", doctor_severity_text(finding->severity), "hop",
                     finding->hop, "to", finding->to, "title", text_json(finding->title), "seen",
                     text_json(finding->seen), "where", where, "fix", text_json(finding->fix),
                     "command", text_json(finding->command), "shows", shows_json(&finding->shows));
}

json_t *doctor_json(const struct chain *chain, const struct doctor_findings *findings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < findings->count; i++)
        json_array_append_new(list, finding_json(&findings->items[i]));
    return json_pack("{s:s, s:o}", "chain", chain->name, "findings", list);
}
