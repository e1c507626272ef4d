#include "config/suggest.h"

#include <ctype.h>
#include <string.h>

static size_t min_of_three(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein distance, '-' equal to '_' and case ignored: those slips are the common ones. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t row[SUGGEST_NAME_MAX + 1];

    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        int a_char = a[i - 1] == '-' ? '_' : tolower((unsigned char)a[i - 1]);
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            int b_char = b[j - 1] == '-' ? '_' : tolower((unsigned char)b[j - 1]);
            size_t replaced = diagonal + (a_char == b_char ? 0 : 1);
            diagonal = row[j];
            row[j] = min_of_three(replaced, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[b_length];
}

void suggest_offer(struct suggest *suggest, const char *name)
{
    size_t wanted_length = strlen(suggest->wanted), length = strlen(name);
    size_t allowed = wanted_length <= 5 ? 2 : SUGGEST_DISTANCE_MAX;
    size_t difference = wanted_length > length ? wanted_length - length : length - wanted_length;
    size_t distance;

    if (length > SUGGEST_NAME_MAX || wanted_length > SUGGEST_NAME_MAX || wanted_length < 2 ||
        difference > allowed)
        return;
    distance = edit_distance(suggest->wanted, wanted_length, name, length);
    /* As many edits as there are characters would make any name near any other. */
    if (distance > allowed || distance >= wanted_length)
        return;
    if (!suggest->nearest || distance < suggest->distance) {
        suggest->nearest = name;
        suggest->distance = distance;
    }
}
