/* matrix_table: the result as a table of 100 columns. */
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "tools/cli/wrapped.h"
#include "tools/lab/matrix_report.h"

const char *matrix_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

void matrix_outcome(const json_t *one, char *into, size_t size)
{
    int status = (int)json_integer_value(json_object_get(one, "status"));
    const char *end = matrix_text(one, "end");

    if (status == 0)
        snprintf(into, size, "%s", end);
    else if (strcmp(end, "complete") == 0)
        snprintf(into, size, "%d", status);
    else
        snprintf(into, size, "%d %s", status, end);
}

bool matrix_is_doubled(const json_t *one)
{
    const char *method = matrix_text(one, "method");

    return json_integer_value(json_object_get(one, "duplicates")) > 0 &&
           (strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0);
}

/* ---- columns ------------------------------------------------------------------------------- */

enum { COLUMNS = 8, CELL_MAX = 64 };

struct row {
    char cells[COLUMNS][CELL_MAX];
};

static const char *const titles[COLUMNS] = { "client got", "culprit", "cause", "fault",
                                             "place",      "method",  "after", "hits" };
/* None is wider; together with a space between them they fit. */
static const int widest[COLUMNS] = { 14, 12, 21, 22, 15, 6, 8, 4 };

static bool is_assumed(const json_t *one)
{
    return strcmp(matrix_text(one, "basis"), "assumed") == 0;
}

static void fill_row(const json_t *one, struct row *row)
{
    double seconds = json_number_value(json_object_get(one, "elapsed_ms")) / 1000;
    const char *cause = matrix_text(one, "reason");
    const char *culprit = matrix_text(one, "culprit");
    char outcome[CELL_MAX - 1];

    matrix_outcome(one, outcome, sizeof(outcome));
    snprintf(row->cells[0], CELL_MAX, "%s%s", outcome, is_assumed(one) ? "~" : "");
    snprintf(row->cells[1], CELL_MAX, "%s", culprit[0] ? culprit : "-");
    snprintf(row->cells[2], CELL_MAX, "%s", culprit[0] ? cause : "-");
    for (char *at = row->cells[2]; *at; at++)
        *at = *at == '_' ? ' ' : *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    snprintf(row->cells[3], CELL_MAX, "%s", matrix_text(one, "fault"));
    snprintf(row->cells[4], CELL_MAX, "%s", matrix_text(one, "place"));
    snprintf(row->cells[5], CELL_MAX, "%s", matrix_text(one, "method"));
    snprintf(row->cells[6], CELL_MAX, "%.1f s%s", seconds,
             json_is_string(json_object_get(one, "tie")) ? "*" : "");
    snprintf(row->cells[7], CELL_MAX, "%lld%s",
             (long long)json_integer_value(json_object_get(one, "hits_total")),
             matrix_is_doubled(one) ? "!" : "");
}

static void measure(const json_t *cases, int *widths)
{
    size_t i;
    json_t *one;

    for (int c = 0; c < COLUMNS; c++)
        widths[c] = (int)strlen(titles[c]);
    json_array_foreach(cases, i, one)
    {
        struct row row;

        fill_row(one, &row);
        for (int c = 0; c < COLUMNS; c++) {
            int length = (int)strlen(row.cells[c]);

            widths[c] = length > widths[c] ? length : widths[c];
        }
    }
    for (int c = 0; c < COLUMNS; c++)
        widths[c] = widths[c] > widest[c] ? widest[c] : widths[c];
    if (widths[0] > widest[0])
        widths[0] = widest[0];
}

static void print_row(const struct row *row, const int *widths, FILE *stream)
{
    char line[256];
    size_t length = 0;

    for (int c = 0; c < COLUMNS; c++)
        length += (size_t)snprintf(line + length, sizeof(line) - length, "%s%-*.*s",
                                   c > 0 ? " " : "", widths[c], widths[c], row->cells[c]);
    while (length > 0 && line[length - 1] == ' ')
        length--;
    (void)fprintf(stream, "%.*s\n", (int)length, line);
}

/* ---- around it ----------------------------------------------------------------------------- */

static void print_behind(const char *lead, const char *text, FILE *stream)
{
    (void)fputs(lead, stream);
    wrapped_print(stream, strlen(lead), strlen(lead), text);
}

static void print_list(const json_t *list, const char *lead, FILE *stream)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item) print_behind(lead, json_string_value(item), stream);
}

static void print_expectations(const json_t *document, FILE *stream)
{
    size_t i;
    json_t *one;

    json_array_foreach(json_object_get(document, "expectations"), i, one)
    {
        if (json_is_true(json_object_get(one, "met")))
            continue;
        print_behind("UNMET  ", matrix_text(one, "text"), stream);
    }
}

static size_t count_if(const json_t *cases, bool (*is_so)(const json_t *))
{
    size_t i, count = 0;
    json_t *one;

    json_array_foreach(cases, i, one) count += is_so(one);
    return count;
}

static bool is_tie(const json_t *one)
{
    return json_is_string(json_object_get(one, "tie"));
}

void matrix_print_table(const json_t *document, FILE *stream)
{
    const json_t *cases = json_object_get(document, "cases");
    size_t doubled = count_if(cases, matrix_is_doubled), ties = count_if(cases, is_tie), i;
    int widths[COLUMNS];
    struct row row;
    json_t *one;

    (void)fprintf(stream, "%s: %zu cases in %.1f s, times run %lld times as fast as stated\n",
                  matrix_text(document, "chain"), json_array_size(cases),
                  json_number_value(json_object_get(document, "seconds")),
                  (long long)json_integer_value(json_object_get(document, "time_scale")));
    print_expectations(document, stream);
    if (doubled > 0)
        (void)fprintf(stream,
                      "DOUBLED  a POST came to the origins more than once in %zu cases (!)\n",
                      doubled);
    if (ties > 0)
        (void)fprintf(stream, "TIE    in %zu cases timers end too near to each other (*)\n", ties);
    if (count_if(cases, is_assumed) > 0)
        (void)fprintf(stream,
                      "BASIS  in %zu cases (~) what the culprit's product answers is assumed\n",
                      count_if(cases, is_assumed));
    (void)fprintf(stream, "\n");
    for (int c = 0; c < COLUMNS; c++)
        snprintf(row.cells[c], CELL_MAX, "%s", titles[c]);
    measure(cases, widths);
    print_row(&row, widths, stream);
    json_array_foreach(cases, i, one)
    {
        fill_row(one, &row);
        print_row(&row, widths, stream);
    }
    (void)fprintf(stream, "\n");
    print_list(json_object_get(document, "basis"), "basis  ", stream);
    print_list(json_object_get(document, "notes"), "note   ", stream);
    print_list(json_object_get(document, "not_scaled"), "time   ", stream);
    (void)fprintf(stream,
                  "more   --json, --html FILE: verdict, picture and log lines of each case\n");
}
