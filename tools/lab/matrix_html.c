/* matrix_html: the result as one HTML file that needs nothing from anywhere. */
#include <string.h>

#include "tools/lab/matrix_report.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
    "body{font:15px/1.45 sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color:#222}\n"
    "pre{background:#f4f4f2;padding:.7em;overflow-x:auto;font-size:12px;line-height:1.3}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:left;padding:.25em .6em;border-bottom:1px solid #ddd;vertical-align:top}\n"
    ".ok{color:#176e2c}.bad{color:#a3200d}.note{color:#666}summary{cursor:pointer}\n"
    "details{border-bottom:1px solid #ddd;padding:.35em "
    "0}b.got{display:inline-block;min-width:6em}\n"
    "</style>\n";

static void element(const char *tag, const char *class, const char *text, FILE *stream)
{
    (void)fprintf(stream, "<%s%s%s%s>", tag, class[0] ? " class=\"" : "", class,
                  class[0] ? "\"" : "");
    matrix_print_escaped(text, stream);
    (void)fprintf(stream, "</%s>", tag);
}

static void paragraph(const char *class, const char *lead, const char *text, FILE *stream)
{
    if (!text[0])
        return;
    (void)fprintf(stream, "<p%s%s%s>%s", class[0] ? " class=\"" : "", class, class[0] ? "\"" : "",
                  lead);
    matrix_print_escaped(text, stream);
    (void)fputs("</p>\n", stream);
}

static void print_hops(const json_t *one, FILE *stream)
{
    size_t i;
    json_t *hop;

    (void)fputs("<table><tr><th>hop</th><th>answered</th><th>its reason</th><th>tries</th>"
                "<th>its error log</th></tr>\n",
                stream);
    json_array_foreach(json_object_get(one, "hops"), i, hop)
    {
        char number[24];

        (void)fputs("<tr>", stream);
        element("td", "", matrix_text(hop, "hop"), stream);
        snprintf(number, sizeof(number), "%lld",
                 (long long)json_integer_value(json_object_get(hop, "status")));
        element("td", "", strcmp(number, "0") == 0 ? "nothing" : number, stream);
        element("td", "", matrix_text(hop, "reason"), stream);
        snprintf(number, sizeof(number), "%lld",
                 (long long)json_integer_value(json_object_get(hop, "tries")));
        element("td", "", number, stream);
        element("td", "", matrix_text(hop, "log"), stream);
        (void)fputs("</tr>\n", stream);
    }
    (void)fputs("</table>\n", stream);
}

static void print_hits(const json_t *one, FILE *stream)
{
    const char *origin;
    json_t *count;

    (void)fputs("<p>requests at the origins: ", stream);
    json_object_foreach(json_object_get(one, "hits"), origin, count)
    {
        matrix_print_escaped(origin, stream);
        (void)fprintf(stream, " %lld; ", (long long)json_integer_value(count));
    }
    if (json_integer_value(json_object_get(one, "hits_total")) == 0)
        (void)fputs("none", stream);
    (void)fputs("</p>\n", stream);
}

static void print_case(const json_t *one, FILE *stream)
{
    char outcome[64], text[512];
    bool failed = json_is_true(json_object_get(one, "failed"));

    matrix_outcome(one, outcome, sizeof(outcome));
    (void)fprintf(stream, "<details><summary><b class=\"got %s\">", failed ? "bad" : "ok");
    matrix_print_escaped(outcome, stream);
    (void)fputs("</b> ", stream);
    snprintf(text, sizeof(text), "%s %s at %s%s", matrix_text(one, "method"),
             matrix_text(one, "fault"), matrix_text(one, "place"),
             matrix_is_doubled(one) ? " (came to the origins more than once)" : "");
    matrix_print_escaped(text, stream);
    (void)fputs("</summary>\n", stream);
    paragraph("", "<b>Verdict:</b> ", matrix_text(one, "verdict"), stream);
    paragraph("", "<b>Fix:</b> ", matrix_text(one, "fix"), stream);
    paragraph("note", "", matrix_text(one, "tie"), stream);
    snprintf(text, sizeof(text), "%s; the client had it after %.1f s (as stated times go)",
             matrix_text(one, "about"),
             json_number_value(json_object_get(one, "elapsed_ms")) / 1000);
    paragraph("note", "the fault: ", text, stream);
    paragraph("note", "the client: ", matrix_text(one, "detail"), stream);
    element("pre", "", matrix_text(one, "picture"), stream);
    print_hops(one, stream);
    print_hits(one, stream);
    paragraph("note", "", matrix_text(one, "evidence"), stream);
    (void)fputs("</details>\n", stream);
}

static void print_list(const json_t *list, FILE *stream)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item) paragraph("note", "", json_string_value(item), stream);
}

static void print_expectations(const json_t *document, FILE *stream)
{
    size_t i, unmet = 0;
    json_t *one;

    json_array_foreach(json_object_get(document, "expectations"), i, one)
    {
        if (json_is_true(json_object_get(one, "met")))
            continue;
        unmet++;
        paragraph("bad", "<b>Not as expected:</b> ", matrix_text(one, "text"), stream);
    }
    if (i > 0 && unmet == 0)
        paragraph("ok", "", "Everything is as expected.", stream);
}

static void print_summary(const json_t *document, FILE *stream)
{
    const json_t *cases = json_object_get(document, "cases");
    size_t failed = 0, doubled = 0, i;
    char text[256];
    json_t *one;

    json_array_foreach(cases, i, one)
    {
        failed += json_is_true(json_object_get(one, "failed"));
        doubled += matrix_is_doubled(one);
    }
    snprintf(
        text, sizeof(text),
        "%zu faults were tried; the client got an error in %zu cases. In %zu cases a POST came "
        "to the servers more than once.",
        json_array_size(cases), failed, doubled);
    paragraph("", "", text, stream);
}

void matrix_print_html(const json_t *document, FILE *stream)
{
    size_t i;
    json_t *one;

    (void)fputs(head, stream);
    element("title", "", matrix_text(document, "chain"), stream);
    (void)fputs("</head><body>\n", stream);
    element("h1", "", matrix_text(document, "chain"), stream);
    paragraph("", "", matrix_text(document, "description"), stream);
    print_expectations(document, stream);
    print_summary(document, stream);
    element("pre", "", matrix_text(document, "picture"), stream);
    (void)fputs("<h2>What breaks, and who breaks it</h2>\n", stream);
    json_array_foreach(json_object_get(document, "cases"), i, one) print_case(one, stream);
    (void)fputs("<h2>How to read the times</h2>\n", stream);
    print_list(json_object_get(document, "basis"), stream);
    print_list(json_object_get(document, "not_scaled"), stream);
    print_list(json_object_get(document, "notes"), stream);
    (void)fputs("</body></html>\n", stream);
}
