#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/trace/log_formats.h"

static struct slice cut(struct slice *line, size_t length, size_t skip)
{
    struct slice word = { line->ptr, length };

    *line = slice_from(*line, length + skip);
    return word;
}

static void skip_spaces(struct slice *line)
{
    while (line->len > 0 && line->ptr[0] == ' ')
        *line = slice_from(*line, 1);
}

struct slice trace_word(struct slice *line)
{
    const char *space;

    skip_spaces(line);
    space = line->len > 0 ? memchr(line->ptr, ' ', line->len) : NULL;
    return space ? cut(line, (size_t)(space - line->ptr), 1) : cut(line, line->len, 0);
}

struct slice trace_quoted(struct slice *line)
{
    size_t end = 1;

    skip_spaces(line);
    if (line->len == 0 || line->ptr[0] != '"')
        return trace_word(line);
    while (end < line->len && line->ptr[end] != '"')
        end += line->ptr[end] == '\\' && end + 1 < line->len ? 2 : 1;
    *line = slice_from(*line, 1);
    return cut(line, end - 1, 1);
}

void trace_request_line(struct slice request, struct slice *ret_method, struct slice *ret_target)
{
    *ret_method = trace_word(&request);
    *ret_target = trace_word(&request);
}

bool trace_number(struct slice text, int64_t *ret)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    int64_t number = 0;

    if (negative || (text.len > 0 && text.ptr[0] == '+')) /* HAProxy: "+1003", time of a part */
        text = slice_from(text, 1);
    if (text.len == 0 || text.len > 15)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit((unsigned char)text.ptr[i]))
            return false;
        number = number * 10 + (text.ptr[i] - '0');
    }
    *ret = negative ? -number : number;
    return true;
}

/* Digits behind a point, as microseconds; *at moves behind them. */
static int64_t fraction_us(const char **at)
{
    int64_t us = 0;
    int64_t unit = 100000;

    if (**at != '.')
        return 0;
    for ((*at)++; isdigit((unsigned char)**at); (*at)++, unit /= 10)
        us += (**at - '0') * unit;
    return us;
}

/* "+0100" after spaces, in seconds east of UTC. False: no zone. */
static bool zone_of(const char *at, long *ret_seconds)
{
    int hours, minutes;
    char sign;

    while (*at == ' ')
        at++;
    if (*at == 'Z') {
        *ret_seconds = 0;
        return true;
    }
    if (sscanf(at, "%c%2d%2d", &sign, &hours, &minutes) != 3 || (sign != '+' && sign != '-'))
        return false;
    *ret_seconds = (sign == '-' ? -1L : 1L) * (hours * 3600L + minutes * 60L);
    return true;
}

int64_t trace_time(struct slice text)
{
    static const char *const shapes[] = { "%d/%b/%Y:%H:%M:%S", "%Y/%m/%d %H:%M:%S",
                                          "%Y-%m-%dT%H:%M:%S" };
    struct tm tm;
    char copy[64];
    int64_t us;
    long zone_s;
    const char *rest = NULL;
    time_t seconds;

    (void)snprintf(copy, sizeof(copy), "%.*s", SLICE_ARG(text));
    for (size_t i = 0; !rest && i < sizeof(shapes) / sizeof(*shapes); i++) {
        memset(&tm, 0, sizeof(tm));
        rest = strptime(copy, shapes[i], &tm);
    }
    if (!rest)
        return TRACE_NEVER;
    us = fraction_us(&rest);
    tm.tm_isdst = -1;
    seconds = zone_of(rest, &zone_s) ? timegm(&tm) - zone_s : mktime(&tm);
    return (int64_t)seconds * 1000000 + us;
}

struct slice trace_origin_form(struct slice target)
{
    const char *colon =
        target.len > 3 && target.ptr[0] != '/' ? memmem(target.ptr, target.len, "://", 3) : NULL;
    struct slice authority, path;
    const char *slash;

    if (!colon)
        return target;
    authority = slice_from(target, (size_t)(colon - target.ptr) + 3);
    slash = authority.len > 0 ? memchr(authority.ptr, '/', authority.len) : NULL;
    path = slash ? slice_from(authority, (size_t)(slash - authority.ptr)) : SLICE("/");
    return path;
}
