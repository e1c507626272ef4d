#include "tools/cli/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 64, COLUMNS_MAX = 32 };

static void make_safe(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        bool is_c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0; /* U+009B begins a sequence */

        if (*at < 0x20 || *at == 0x7f || is_c1)
            *at = '?';
        if (is_c1)
            *++at = '?';
    }
}

char *table_cell(const json_t *value, char *into, size_t size)
{
    char *compact;

    switch (json_typeof(value)) {
    case JSON_STRING:
        snprintf(into, size, "%s", json_string_length(value) ? json_string_value(value) : "-");
        break;
    case JSON_INTEGER:
        snprintf(into, size, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        snprintf(into, size, "%.3f", json_real_value(value));
        break;
    case JSON_TRUE:
        snprintf(into, size, "yes");
        break;
    case JSON_FALSE:
        snprintf(into, size, "no");
        break;
    case JSON_NULL:
        snprintf(into, size, "-");
        break;
    case JSON_OBJECT:
    case JSON_ARRAY:
        compact = json_dumps(value, JSON_COMPACT);
        snprintf(into, size, "%s", compact ? compact : "?");
        free(compact);
        break;
    }
    make_safe(into);
    return into;
}

static void measure(const json_t *list, const char *const *keys, size_t count, size_t *ret_widths)
{
    char cell[CELL_MAX];

    for (size_t column = 0; column < count; column++) {
        size_t widest = strlen(keys[column]);

        for (size_t i = 0; i < json_array_size(list); i++) {
            size_t width = strlen(table_cell(json_object_get(json_array_get(list, i), keys[column]),
                                             cell, sizeof(cell)));

            widest = width > widest ? width : widest;
        }
        ret_widths[column] = widest;
    }
}

void table_print(const json_t *list, FILE *stream)
{
    const char *keys[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX], count = 0;
    const char *key;
    json_t *value;
    char cell[CELL_MAX];

    if (json_array_size(list) == 0) {
        (void)fprintf(stream, "(none)\n");
        return;
    }
    json_object_foreach(json_array_get(list, 0), key, value)
    {
        if (count < COLUMNS_MAX)
            keys[count++] = key;
    }
    measure(list, keys, count, widths);
    for (size_t column = 0; column < count; column++)
        (void)fprintf(stream, "%-*s%s", (int)widths[column], keys[column],
                      column + 1 < count ? "  " : "\n");
    for (size_t i = 0; i < json_array_size(list); i++)
        for (size_t column = 0; column < count; column++)
            (void)fprintf(stream, "%-*s%s", (int)widths[column],
                          table_cell(json_object_get(json_array_get(list, i), keys[column]), cell,
                                     sizeof(cell)),
                          column + 1 < count ? "  " : "\n");
}
