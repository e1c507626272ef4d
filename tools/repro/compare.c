#include "tools/repro/compare.h"

#include <stdio.h>
#include <string.h>

const char *compare_name(enum comparison comparison)
{
    switch (comparison) {
    case COMPARE_NONE:
        return "no line";
    case COMPARE_OTHER:
        return "other";
    case COMPARE_PHRASE:
        return "same phrase, other detail";
    case COMPARE_SAME:
        break;
    }
    return "same line";
}

static void name_difference(const char *name, char *differs, size_t size)
{
    size_t used = differs ? strlen(differs) : 0;

    if (differs)
        (void)snprintf(differs + used, size - used, "%s%s", used > 0 ? ", " : "", name);
}

enum comparison compare_lines(const struct line *pasted, const struct line *ours, char *differs,
                              size_t size)
{
    enum comparison result = COMPARE_SAME;

    if (differs)
        differs[0] = '\0';
    if (pasted->kind != ours->kind)
        return COMPARE_NONE;
    for (unsigned i = 0; i < pasted->count; i++) {
        const struct line_feature *one = &pasted->features[i];
        const struct line_feature *other = line_feature(ours, one->name);

        if (other && strcmp(one->value, other->value) == 0)
            continue;
        name_difference(one->name, differs, size);
        if (!one->is_detail)
            result = COMPARE_OTHER;
        else if (result == COMPARE_SAME)
            result = COMPARE_PHRASE;
    }
    return result;
}
