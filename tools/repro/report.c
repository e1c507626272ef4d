#include "tools/repro/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/wrapped.h"

enum { INDENT = 7 };

const struct trial *report_best(const struct report *report)
{
    const struct trials *trials = report->trials;
    const struct trial *best = trials->count > 0 ? &trials->list[0] : NULL;

    for (size_t i = 1; report->was_run && i < trials->count; i++)
        if (trials->list[i].is_tried && trials->list[i].result >= COMPARE_PHRASE &&
            (!best->is_tried || trials->list[i].result > best->result))
            best = &trials->list[i];
    return best;
}

static size_t count_same(const struct report *report)
{
    size_t count = 0;

    for (size_t i = 0; i < report->trials->count; i++)
        count += report->trials->list[i].is_tried && report->trials->list[i].result == COMPARE_SAME;
    return count;
}

static const char *proof(const struct report *report, const struct trial *best)
{
    if (!report->was_run)
        return "Nothing was tried.";
    if (best->cause->untried)
        return "The lab cannot play it.";
    if (!best->is_tried)
        return "The lab could not play it.";
    switch (best->result) {
    case COMPARE_SAME:
        if (count_same(report) > 1)
            return "The lab gives the same line; other causes do so too, see how to tell them "
                   "apart.";
        return "The lab gives the same line, by this cause alone.";
    case COMPARE_PHRASE:
        return "The lab gives the same phrase with other detail.";
    case COMPARE_OTHER:
    case COMPARE_NONE:
        break;
    }
    return "The lab does not give that line.";
}

void report_verdict(const struct report *report, char *into, size_t size)
{
    const struct trial *best = report_best(report);
    const struct line *line = &report->pasted->lines[0];
    char what[REPORT_TEXT_MAX], where[REPORT_TEXT_MAX];

    if (!best) {
        (void)snprintf(into, size,
                       "%s, %s: nothing failed in this line, or not in a way that is known here.",
                       line_product_title(report->pasted->product), line_kind_title(line->kind));
        return;
    }
    cause_words(best->cause->what, report->pasted->product, what, sizeof(what));
    cause_words(best->cause->where, report->pasted->product, where, sizeof(where));
    (void)snprintf(into, size, "%s, %s: most likely %s: %s. %s",
                   line_product_title(report->pasted->product), line_kind_title(line->kind), where,
                   what, proof(report, best));
}

/* ---- for people ---------------------------------------------------------------------------- */

/* Below a cause; what is no log line is as wide as a terminal at most. */
static void print_below(const char *label, const char *text, const char *end)
{
    char words[REPORT_TEXT_MAX + 4];

    (void)snprintf(words, sizeof(words), "%s%s", text, end);
    (void)printf("%*s%s", INDENT, "", label);
    wrapped_print(stdout, INDENT + strlen(label), INDENT, words);
}

static const char *result_text(const struct report *report, const struct trial *trial, char *into,
                               size_t size)
{
    if (trial->cause->untried)
        return "not played";
    if (!report->was_run)
        return "not tried";
    if (!trial->is_tried)
        return "failed to play";
    if (trial->result != COMPARE_PHRASE)
        return compare_name(trial->result);
    (void)snprintf(into, size, "same phrase, other %s", trial->differs);
    return into;
}

static void print_trial(const struct report *report, const struct trial *trial, size_t number)
{
    char what[REPORT_TEXT_MAX], where[REPORT_TEXT_MAX], result[LINE_VALUE_MAX + 32];
    char line[3 * REPORT_TEXT_MAX];

    cause_words(trial->cause->what, report->pasted->product, what, sizeof(what));
    cause_words(trial->cause->where, report->pasted->product, where, sizeof(where));
    (void)snprintf(line, sizeof(line), "%s: %s, %s: %s", trial->cause->name,
                   result_text(report, trial, result, sizeof(result)), where, what);
    (void)printf("%3zu  ", number);
    wrapped_print(stdout, strlen("  1  "), INDENT, line);
    if (trial->cause->untried)
        print_below("(", trial->cause->untried, ")");
    for (size_t i = 0; i < report->pasted->count; i++)
        if (trial->said[i])
            (void)printf("%*s%s\n", INDENT, "", trial->said[i]);
    if (trial->beside && trial->result >= COMPARE_PHRASE)
        (void)printf("%*sbeside it: %s\n", INDENT, "", trial->beside);
    cause_words(trial->cause->tell, report->pasted->product, what, sizeof(what));
    if (what[0] && (trial->result >= COMPARE_PHRASE || !report->was_run))
        print_below("to make sure: ", what, ".");
}

void report_print_text(const struct report *report)
{
    const struct trial *best = report_best(report);
    char verdict[2 * REPORT_TEXT_MAX], fix[REPORT_TEXT_MAX];
    char *command = best && !best->cause->untried
                        ? trial_command(report->table, best->cause, report->pasted)
                        : NULL;

    report_verdict(report, verdict, sizeof(verdict));
    (void)printf("%s\n", verdict);
    if (best) {
        cause_words(best->cause->fix, report->pasted->product, fix, sizeof(fix));
        (void)printf("fix: %s.\n\n", fix);
    }
    for (size_t i = 0; i < report->trials->count; i++)
        print_trial(report, &report->trials->list[i], i + 1);
    if (report->was_run && best)
        (void)printf("\ntried in %.1f s\n", report->trials->seconds);
    if (command)
        (void)printf("\nto see it happen:\n%s\n", command);
    free(command);
}

/* ---- for programs -------------------------------------------------------------------------- */

static json_t *lines_json(const struct pasted *pasted)
{
    json_t *lines = json_array();

    for (size_t i = 0; i < pasted->count; i++) {
        const struct line *line = &pasted->lines[i];
        json_t *features = json_object();

        for (unsigned k = 0; k < line->count; k++)
            json_object_set_new(features, line->features[k].name,
                                json_string(line->features[k].value));
        json_array_append_new(lines,
                              json_pack("{s:s, s:s, s:o}", "kind", line_kind_name(line->kind),
                                        "text", line->text, "features", features));
    }
    return lines;
}

static void set_words(json_t *object, const char *key, const char *text, enum line_product product)
{
    char words[REPORT_TEXT_MAX];

    cause_words(text, product, words, sizeof(words));
    json_object_set_new(object, key, json_string(words));
}

static json_t *trial_json(const struct report *report, const struct trial *trial)
{
    enum line_product product = report->pasted->product;
    json_t *one =
        json_pack("{s:s, s:b, s:s?, s:s?}", "cause", trial->cause->name, "tried", trial->is_tried,
                  "untried", trial->cause->untried, "beside", trial->beside);
    json_t *said = json_array();
    char *command =
        trial->cause->untried ? NULL : trial_command(report->table, trial->cause, report->pasted);

    set_words(one, "where", trial->cause->where, product);
    set_words(one, "what", trial->cause->what, product);
    set_words(one, "fix", trial->cause->fix, product);
    set_words(one, "tell", trial->cause->tell, product);
    if (trial->is_tried)
        json_object_set_new(one, "result", json_string(compare_name(trial->result)));
    if (trial->is_tried)
        json_object_set_new(one, "differs", json_string(trial->differs));
    for (size_t i = 0; trial->is_tried && i < report->pasted->count; i++)
        json_array_append_new(said, trial->said[i] ? json_string(trial->said[i]) : json_null());
    json_object_set_new(one, "lines", said);
    json_object_set_new(one, "command", command ? json_string(command) : json_null());
    free(command);
    return one;
}

void report_print_json(const struct report *report)
{
    const struct trial *best = report_best(report);
    char verdict[2 * REPORT_TEXT_MAX];
    json_t *causes = json_array(), *document;

    report_verdict(report, verdict, sizeof(verdict));
    for (size_t i = 0; i < report->trials->count; i++)
        json_array_append_new(causes, trial_json(report, &report->trials->list[i]));
    document = json_pack(
        "{s:s, s:s?, s:s, s:f, s:o, s:o}", "verdict", verdict, "cause",
        best ? best->cause->name : NULL, "product", line_product_name(report->pasted->product),
        "seconds", report->trials->seconds, "lines", lines_json(report->pasted), "causes", causes);
    if (document && best)
        set_words(document, "fix", best->cause->fix, report->pasted->product);
    (void)json_dumpf(document, stdout, JSON_INDENT(2));
    (void)printf("\n");
    json_decref(document);
}
