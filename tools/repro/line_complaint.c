/* What looked wrong about a line that no reader takes: by what it resembles. */
#include <stdio.h>
#include <string.h>

#include "tools/repro/line.h"

static const char known[] =
    "known are nginx's and Kong's error log, their access log (combined, and what Kong and "
    "ingress-nginx write behind it), HAProxy's `option httplog`, and ALB's access log";

static bool has(struct slice text, const char *wanted)
{
    return text.len > 0 && memmem(text.ptr, text.len, wanted, strlen(wanted)) != NULL;
}

/* "[20/Nov/2026:21:15:07" */
static const char *bracketed_date(struct slice text)
{
    for (size_t i = 0; i + 14 < text.len; i++)
        if (text.ptr[i] == '[' && text.ptr[i + 3] == '/' && text.ptr[i + 7] == '/' &&
            text.ptr[i + 12] == ':')
            return text.ptr + i;
    return NULL;
}

static bool is_blank(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != ' ' && text.ptr[i] != '\t')
            return false;
    return true;
}

static const char *resembles(struct slice text)
{
    const char *date = bracketed_date(text);

    if (is_blank(text))
        return "the line is empty";
    if (text.ptr[0] == '{')
        return "this is JSON: hopgate's own log lines are read by `hopgate trace`, and a running "
               "hop tells more with `hopgate why ID`";
    if (has(text, "RST sent from"))
        return "this is an F5's line of a reset: it says all that it knows; `hopgate trace` joins "
               "it with the logs of the hops around it";
    if (has(text, " is DOWN, reason: ") || has(text, " is UP, reason: "))
        return "this is HAProxy's line of a health check, not of a request";
    if (has(text, "[error]") || has(text, "[crit]") || has(text, "[warn]") || has(text, "[info]"))
        return "this resembles nginx's error log, but in front of the level must be a date like "
               "2026/11/20 21:15:07 and behind it PID#TID:";
    if (date && date > text.ptr && date[-1] == ' ' && has(text, "/"))
        return has((struct slice){ text.ptr, (size_t)(date - text.ptr) }, " - ")
                   ? "this resembles nginx's access log, but behind the date must be "
                     "the request in quotes, the status and the bytes"
                   : "this resembles HAProxy, but behind the date must be frontend, "
                     "backend/server, five timers and the status (`option tcplog` has "
                     "three timers and no status)";
    if (slice_starts_with(text, SLICE("http")) || slice_starts_with(text, SLICE("h2 ")))
        return "this resembles ALB's access log, but its second field must be a date like "
               "2026-11-20T21:15:07.123456Z and its ninth a status";
    return "no date of a known log stands at its beginning";
}

void line_complaint(struct slice text, char *into, size_t size)
{
    (void)snprintf(into, size, "%s; %s", resembles(text), known);
}
