#include "config/model/lua_pattern.h"

#include <ctype.h>

enum { STEPS_PER_BYTE = 64, STEPS_MIN = 4096, DEPTH_MAX = 64 };

struct matching {
    const char *end; /* of the text */
    size_t steps;    /* left */
    unsigned depth;
};

static bool is_of_class(unsigned char c, char class_letter)
{
    bool of;

    switch (tolower((unsigned char)class_letter)) {
    case 'a':
        of = isalpha(c);
        break;
    case 'd':
        of = isdigit(c);
        break;
    case 'l':
        of = islower(c);
        break;
    case 's':
        of = isspace(c);
        break;
    case 'u':
        of = isupper(c);
        break;
    case 'w':
        of = isalnum(c);
        break;
    case 'x':
        of = isxdigit(c);
        break;
    default:
        return c == (unsigned char)class_letter;
    }
    return isupper((unsigned char)class_letter) ? !of : of;
}

/* What follows one item: past "%a", "[a-z]" or a single character. */
static const char *item_end(const char *item)
{
    if (*item == '%' && item[1])
        return item + 2;
    if (*item != '[')
        return item + 1;
    item++;
    if (*item == '^')
        item++;
    do { /* a ']' that comes first is a member */
        if (*item == '%' && item[1])
            item++;
        if (*item)
            item++;
    } while (*item && *item != ']');
    return *item ? item + 1 : item;
}

static bool is_in_set(unsigned char c, const char *set, const char *end)
{
    bool wanted = true;

    set++;
    end--;
    if (*set == '^') {
        wanted = false;
        set++;
    }
    while (set < end) {
        if (*set == '%' && set + 1 < end) {
            if (is_of_class(c, set[1]))
                return wanted;
            set += 2;
        } else if (set[1] == '-' && set + 2 < end) {
            if ((unsigned char)set[0] <= c && c <= (unsigned char)set[2])
                return wanted;
            set += 3;
        } else {
            if ((unsigned char)*set == c)
                return wanted;
            set++;
        }
    }
    return !wanted;
}

static bool is_one(struct matching *matching, const char *text, const char *item, const char *end)
{
    if (text >= matching->end || matching->steps == 0)
        return false;
    matching->steps--;
    if (*item == '.')
        return true;
    if (*item == '[')
        return is_in_set((unsigned char)*text, item, end);
    if (*item == '%' && item[1])
        return is_of_class((unsigned char)*text, item[1]);
    return *item == *text;
}

static bool match_here(struct matching *matching, const char *text, const char *pattern);

/* As many as there are, then fewer. */
static bool match_most(struct matching *matching, const char *text, const char *item,
                       const char *end, size_t min)
{
    size_t count = 0;

    while (is_one(matching, text + count, item, end))
        count++;
    for (; count + 1 > min; count--) {
        if (match_here(matching, text + count, end + 1))
            return true;
        if (count == 0)
            return false;
    }
    return false;
}

static bool match_fewest(struct matching *matching, const char *text, const char *item,
                         const char *end)
{
    do {
        if (match_here(matching, text, end + 1))
            return true;
    } while (is_one(matching, text++, item, end));
    return false;
}

static bool match_item(struct matching *matching, const char *text, const char *item)
{
    const char *end = item_end(item);

    switch (*end) {
    case '*':
        return match_most(matching, text, item, end, 0);
    case '+':
        return match_most(matching, text, item, end, 1);
    case '-':
        return match_fewest(matching, text, item, end);
    case '?':
        return (is_one(matching, text, item, end) && match_here(matching, text + 1, end + 1)) ||
               match_here(matching, text, end + 1);
    default:
        return is_one(matching, text, item, end) && match_here(matching, text + 1, end);
    }
}

static bool match_here(struct matching *matching, const char *text, const char *pattern)
{
    bool matches;

    if (*pattern == '\0')
        return true;
    if (*pattern == '$' && pattern[1] == '\0')
        return text == matching->end;
    if (matching->depth == DEPTH_MAX || matching->steps == 0)
        return false;
    matching->depth++; /* one per item of the pattern, whatever the text */
    matches = match_item(matching, text, pattern);
    matching->depth--;
    return matches;
}

bool lua_pattern_matches(const char *pattern, struct slice text)
{
    const char *at = text.ptr;
    struct matching matching = {
        .end = text.ptr + text.len,
        .steps = STEPS_MIN + text.len * STEPS_PER_BYTE,
    };

    if (*pattern == '^')
        return match_here(&matching, at, pattern + 1);
    do {
        if (match_here(&matching, at, pattern))
            return true;
    } while (at++ < matching.end);
    return false;
}
