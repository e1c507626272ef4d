/* matrix_junit: the result as JUnit's XML, which build servers read. */
#include <string.h>

#include "tools/lab/matrix_report.h"

void matrix_print_escaped(const char *text, FILE *stream)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '&')
            (void)fputs("&amp;", stream);
        else if (c == '<')
            (void)fputs("&lt;", stream);
        else if (c == '>')
            (void)fputs("&gt;", stream);
        else if (c == '"')
            (void)fputs("&quot;", stream);
        else if (c == '\'')
            (void)fputs("&#39;", stream);
        else
            (void)fputc((c < 0x20 && c != '\n') || c == 0x7f ? '?' : c, stream);
    }
}

static void attribute(const char *name, const char *value, FILE *stream)
{
    (void)fprintf(stream, " %s=\"", name);
    matrix_print_escaped(value, stream);
    (void)fputc('"', stream);
}

static void element(const char *name, const char *text, FILE *stream)
{
    (void)fprintf(stream, "    <%s>", name);
    matrix_print_escaped(text, stream);
    (void)fprintf(stream, "</%s>\n", name);
}

static void begin_case(const json_t *document, const char *class, const char *name, double seconds,
                       FILE *stream)
{
    char full[256];

    snprintf(full, sizeof(full), "%s.%s", matrix_text(document, "chain"), class);
    (void)fputs("  <testcase", stream);
    attribute("classname", full, stream);
    attribute("name", name, stream);
    (void)fprintf(stream, " time=\"%.3f\">\n", seconds);
}

static void print_failure(const json_t *expectation, FILE *stream)
{
    (void)fputs("    <failure", stream);
    attribute("message", matrix_text(expectation, "text"), stream);
    (void)fputs("/>\n", stream);
}

static void print_case(const json_t *document, const json_t *one, FILE *stream)
{
    double scale = json_number_value(json_object_get(document, "time_scale"));
    char name[256];
    size_t i;
    json_t *expectation;

    snprintf(name, sizeof(name), "%s %s", matrix_text(one, "fault"), matrix_text(one, "method"));
    begin_case(document, matrix_text(one, "place"), name,
               json_number_value(json_object_get(one, "elapsed_ms")) / 1000 / scale, stream);
    json_array_foreach(json_object_get(document, "expectations"), i, expectation)
    {
        if (!json_is_true(json_object_get(expectation, "met")) &&
            strcmp(matrix_text(expectation, "case"), matrix_text(one, "case")) == 0)
            print_failure(expectation, stream);
    }
    element("system-out", matrix_text(one, "verdict"), stream);
    (void)fputs("  </testcase>\n", stream);
}

static size_t failed_cases(const json_t *document)
{
    const json_t *list = json_object_get(document, "expectations");
    const char *before = "";
    size_t i, count = 0;
    json_t *one;

    /* they come in the order of cases; those of no case stand alone */
    json_array_foreach(list, i, one)
    {
        const char *name = matrix_text(one, "case");

        if (json_is_true(json_object_get(one, "met")) || (name[0] && strcmp(before, name) == 0))
            continue;
        before = name;
        count++;
    }
    return count;
}

void matrix_print_junit(const json_t *document, FILE *stream)
{
    const json_t *cases = json_object_get(document, "cases");
    const json_t *expectations = json_object_get(document, "expectations");
    size_t i, alone = 0;
    json_t *one;

    json_array_foreach(expectations, i, one) alone += matrix_text(one, "case")[0] == '\0';
    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite", stream);
    attribute("name", matrix_text(document, "chain"), stream);
    (void)fprintf(stream, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" time=\"%.3f\">\n",
                  json_array_size(cases) + alone, failed_cases(document),
                  json_number_value(json_object_get(document, "seconds")));
    json_array_foreach(cases, i, one) print_case(document, one, stream);
    json_array_foreach(expectations, i, one)
    {
        if (matrix_text(one, "case")[0] != '\0')
            continue;
        begin_case(document, "expectations", matrix_text(one, "text"), 0, stream);
        print_failure(one, stream);
        (void)fputs("  </testcase>\n", stream);
    }
    (void)fputs("</testsuite>\n", stream);
}
