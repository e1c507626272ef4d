#include "tls/cert_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    enum cert_severity severity;
    bool breaks;
} kinds[] = {
#define CERT_PROBLEM(id, name, severity, breaks) [CERT_PROBLEM_##id] = { name, severity, breaks },
#include "tls/cert_problems.def"
#undef CERT_PROBLEM
};

/* Names come from certificates, so from whoever we are connected to: nothing of a terminal's. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

int cert_report_add(struct cert_report *report, enum cert_problem_kind kind, const char *format,
                    ...)
{
    va_list arguments;
    char *text;
    int length;

    if (report->count == report->capacity) {
        size_t capacity = report->capacity ? report->capacity * 2 : 4;
        struct cert_problem *problems =
            realloc(report->problems, capacity * sizeof(*report->problems));

        if (!problems)
            return -ENOMEM;
        report->problems = problems;
        report->capacity = capacity;
    }
    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return -ENOMEM;
    make_printable(text);
    report->problems[report->count++] = (struct cert_problem){ kinds[kind].severity, kind, text };
    return 0;
}

bool cert_report_has(const struct cert_report *report, enum cert_problem_kind kind)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->problems[i].kind == kind)
            return true;
    return false;
}

const struct cert_problem *cert_report_worst(const struct cert_report *report)
{
    const struct cert_problem *worst = NULL;

    for (size_t i = 0; i < report->count; i++)
        if (!worst || report->problems[i].kind < worst->kind)
            worst = &report->problems[i];
    return worst;
}

void cert_report_done(struct cert_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free(report->problems[i].text);
    free(report->problems);
    *report = (struct cert_report){ 0 };
}

const char *cert_problem_name(enum cert_problem_kind kind)
{
    return kinds[kind].name;
}

bool cert_problem_breaks(enum cert_problem_kind kind)
{
    return kinds[kind].breaks;
}
