/* Where this program does not do what Kong does, in words: from what the table says that it runs. */
#include <stdio.h>
#include <stdlib.h>

#include "config/model/model.h"

static const json_t *runs_of(const struct model_field *field)
{
    while (!field->runs && field->elements)
        field = field->elements;
    return field->runs;
}

static void put_runs(FILE *into, const struct model_field *field, const json_t *runs)
{
    size_t i;
    const json_t *value;

    if (!json_is_array(runs)) {
        (void)fprintf(into, "%s",
                      field->default_value ? "other values than the default are refused"
                                           : "any value is refused");
        return;
    }
    json_array_foreach(runs, i, value)
    {
        (void)fprintf(into, "%s%s", i == 0 ? "only " : ", ", json_string_value(value));
    }
    (void)fputs("; other values are refused", into);
}

json_t *model_differs(const struct model_field *field)
{
    const char *own = json_string_value(json_object_get(field->definition, "x_differs"));
    const json_t *runs = runs_of(field);
    char *text = NULL;
    size_t length;
    json_t *said = NULL;
    FILE *into;

    if (!own && !runs)
        return NULL;
    into = open_memstream(&text, &length);
    if (!into)
        return NULL;
    if (runs)
        put_runs(into, field, runs);
    (void)fprintf(into, "%s%s", own && runs ? "; " : "", own ? own : "");
    if (fclose(into) == 0)
        said = json_stringn(text, length);
    free(text);
    return said;
}
