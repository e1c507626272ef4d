#include "config/units.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* nginx's; the longest spelling first, so that "ms" is not read as "m". */
static const struct unit times[] = {
    { "ms", 1 },
    { "s", 1000 },
    { "m", 60 * 1000 },
    { "h", 3600 * 1000 },
    { "d", 24 * 3600 * 1000ull },
    { "w", 7 * 24 * 3600 * 1000ull },
    { "M", 30 * 24 * 3600 * 1000ull },
    { "y", 365 * 24 * 3600 * 1000ull },
};

static const struct unit sizes[] = {
    { "k", 1024 },
    { "K", 1024 },
    { "m", 1024 * 1024 },
    { "M", 1024 * 1024 },
    { "g", 1024 * 1024 * 1024 },
    { "G", 1024 * 1024 * 1024 },
};

/* Digits from *text on, which is moved behind them. */
static int take_number(const char **text, uint64_t *ret)
{
    uint64_t value = 0;

    if (!isdigit((unsigned char)**text))
        return -EINVAL;
    for (; isdigit((unsigned char)**text); (*text)++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(**text - '0'), &value))
            return -ERANGE;
    *ret = value;
    return 0;
}

static const struct unit *take_unit(const char **text, const struct unit *units, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(units[i].suffix);
        if (strncmp(*text, units[i].suffix, length) == 0) {
            *text += length;
            return &units[i];
        }
    }
    return NULL;
}

int units_parse_time_ms(const char *text, uint64_t *ret)
{
    uint64_t total = 0;

    do {
        uint64_t number;
        int r = take_number(&text, &number);
        if (r < 0)
            return r;
        const struct unit *unit = take_unit(&text, times, sizeof(times) / sizeof(times[0]));
        if (!unit && *text != '\0')
            return -EINVAL;
        if (__builtin_mul_overflow(number, unit ? unit->factor : 1000, &number) ||
            __builtin_add_overflow(total, number, &total))
            return -ERANGE;
        text += strspn(text, " ");
    } while (*text != '\0');
    *ret = total;
    return 0;
}

int units_parse_size_bytes(const char *text, uint64_t *ret)
{
    uint64_t number;
    int r = take_number(&text, &number);

    if (r < 0)
        return r;
    const struct unit *unit = take_unit(&text, sizes, sizeof(sizes) / sizeof(sizes[0]));
    if (*text != '\0')
        return -EINVAL;
    if (unit && __builtin_mul_overflow(number, unit->factor, &number))
        return -ERANGE;
    *ret = number;
    return 0;
}

int units_parse_number(const char *text, uint64_t *ret)
{
    uint64_t number;
    int r = take_number(&text, &number);

    if (r < 0 || *text != '\0')
        return r < 0 ? r : -EINVAL;
    *ret = number;
    return 0;
}

int units_parse_switch(const char *text, bool *ret)
{
    bool on = strcasecmp(text, "on") == 0 || strcasecmp(text, "true") == 0;

    if (!on && strcasecmp(text, "off") != 0 && strcasecmp(text, "false") != 0)
        return -EINVAL;
    *ret = on;
    return 0;
}
