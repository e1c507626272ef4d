#include "tools/doctor/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void doctor_findings_done(struct doctor_findings *findings)
{
    free(findings->items);
    *findings = (struct doctor_findings){ .items = NULL };
}

struct doctor_finding *doctor_findings_add(struct doctor_findings *findings)
{
    static struct doctor_finding nowhere;
    struct doctor_finding *grown = NULL;

    if (findings->count < DOCTOR_FINDINGS_MAX)
        grown = reallocarray(findings->items, findings->count + 1, sizeof(*grown));
    if (!grown) {
        findings->out_of_memory = findings->count < DOCTOR_FINDINGS_MAX;
        memset(&nowhere, 0, sizeof(nowhere));
        return &nowhere;
    }
    findings->items = grown;
    grown[findings->count] = (struct doctor_finding){ .hop = "" };
    return &grown[findings->count++];
}

/* Names and values may be anybody's: control bytes are nobody's to print. */
static void print(char *into, size_t size, const char *format, va_list arguments)
{
    (void)vsnprintf(into, size, format, arguments);
    for (char *at = into; *at; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at == 0x7f)
            *at = '?';
}

#define DEFINE_TEXT(name, member)                                           \
    void name(struct doctor_finding *finding, const char *format, ...)      \
    {                                                                       \
        va_list arguments;                                                  \
                                                                            \
        va_start(arguments, format);                                        \
        print(finding->member, sizeof(finding->member), format, arguments); \
        va_end(arguments);                                                  \
    }

DEFINE_TEXT(doctor_title, title)
DEFINE_TEXT(doctor_seen, seen)
DEFINE_TEXT(doctor_fix, fix)

void doctor_where(struct doctor_finding *finding, const char *format, ...)
{
    va_list arguments;

    if (finding->where_count == DOCTOR_WHERE_MAX)
        return;
    va_start(arguments, format);
    print(finding->where[finding->where_count].text, sizeof(finding->where[0].text), format,
          arguments);
    va_end(arguments);
    finding->where_count++;
}

void doctor_shows_hop(struct doctor_finding *finding, const char *hop, enum end_reason reason,
                      enum end_reason or_reason)
{
    if (finding->shows.hops_count < DOCTOR_HOPS_SHOWN)
        finding->shows.hops[finding->shows.hops_count++] =
            (struct doctor_shown_hop){ hop, reason, or_reason };
}

void doctor_findings_sort(struct doctor_findings *findings)
{
    /* few, and equal ones must keep their order */
    for (size_t i = 1; i < findings->count; i++)
        for (size_t k = i; k > 0 && findings->items[k - 1].severity > findings->items[k].severity;
             k--) {
            struct doctor_finding other = findings->items[k];

            findings->items[k] = findings->items[k - 1];
            findings->items[k - 1] = other;
        }
}

const char *doctor_severity_text(enum doctor_severity severity)
{
    switch (severity) {
    case DOCTOR_WILL_BREAK:
        return "will break";
    case DOCTOR_CAN_BREAK:
        return "can break";
    case DOCTOR_WORTH_KNOWING:
        break;
    }
    return "worth knowing";
}
