/*
 * template: "text with $variables", compiled once, expanded per exchange.
 *
 * Role    how a persona names the facts that it puts into fields and pages
 * Owns    nothing: the parts belong to whoever compiled it, literals point into the source text
 * Thread  compiled on one thread, then read by all
 *
 * "$$" is a dollar sign, "${name}" is "$name" where a letter follows. The variables are listed in
 * template.def. $http_<name> is the value of a field of the request, and $upstream_http_<name> of the
 * target's response: "_" also stands for "-", several lines are one list (nginx 1.23).
 */
#ifndef PROXY_TEMPLATE_H
#define PROXY_TEMPLATE_H

#include "proxy/exchange/exchange_record.h"
#include "proxy/report/text.h"

enum template_variable {
    TEMPLATE_LITERAL,
#define TEMPLATE_VARIABLE(name) TEMPLATE_##name,
#include "proxy/persona/template.def"
#undef TEMPLATE_VARIABLE
    TEMPLATE_VARIABLE_COUNT,
    TEMPLATE_REQUEST_FIELD = TEMPLATE_VARIABLE_COUNT,
    TEMPLATE_RESPONSE_FIELD,
};

struct template_part {
    struct slice literal; /* of TEMPLATE_LITERAL; the field's name, with "_" for "-" */
    enum template_variable variable;
};

struct template
{
    const struct template_part *parts;
    size_t count;
};

enum { TEMPLATE_PARTS_MAX = 64 };

/*
 * Fills up to TEMPLATE_PARTS_MAX parts. Returns their number, or -1 with ret_bad set: the name of
 * an unknown variable, or empty when there are too many parts.
 */
int template_compile(struct slice source, struct template_part *ret_parts, struct slice *ret_bad);

/* "client_ip" ...; NULL past the end. Index 1 is the first. */
const char *template_variable_name(unsigned variable);

/* Facts of an answer that is being made here; zeroed for everything else. */
struct template_answer {
    unsigned status;
    const char *reason_phrase; /* or NULL */
    struct slice message;      /* expanded; may be empty */
};

struct template_scope {
    const struct exchange_record *record;
    const struct template_answer *answer; /* or NULL */
    const struct fields *response;        /* the target's, or NULL */
    enum text_escape escape;              /* of what variables give; literals stand as they are */
};

void template_expand(const struct template *source, const struct template_scope *scope,
                     struct text *into);

/* The same for the value of a field: what no value may hold (RFC 9110 5.5) becomes a space. */
void template_expand_value(const struct template *source, const struct template_scope *scope,
                           struct text *into);

/* "Fri, 20 Nov 2026 23:10:00 GMT" (RFC 9110 5.6.7); into has room for 30 bytes. */
void template_format_date(uint64_t unix_ms, char into[30]);

#endif
