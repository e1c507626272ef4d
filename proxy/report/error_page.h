/*
 * error_page: the answer that this hop makes itself.
 *
 * Role    status, content type and content of an end, in the persona's words
 * Owns    nothing; texts live in the arena or in the persona
 * Thread  one worker; no I/O
 *
 * Which page: the one that the answer names, else by the request (media_choice). A range that no page
 * accepts gets default_page. Negotiation "exit" looks at all lines of Accept, and without one gives
 * default_page; "handler" looks at Accept, without it at the request's Content-Type, and without both
 * gives handler_page. That is Kong's difference between answers made in its access phase and those of its
 * error handler; with select "accept_exact" the handler also reads the first line of the field only, names
 * compare by case, and a page's "begins" goes before the choice.
 */
#ifndef PROXY_ERROR_PAGE_H
#define PROXY_ERROR_PAGE_H

#include "proxy/exchange/exchange_record.h"
#include "proxy/persona/persona.h"

struct error_page {
    struct persona_answer answer; /* status, action, keep_alive, ... */
    struct slice content_type;    /* empty: no content */
    struct slice content;
    struct slice allow;         /* methods (RFC 9110 10.2.1); empty: not said */
    struct slice proxy_status;  /* RFC 9209 value; empty: the persona leaves it out */
    const struct fields *added; /* further ones; NULL: none */
};

/*
 * What this hop does about record->reason. Only with answer.action == PERSONA_PAGE is there
 * something to send; HEAD requests get the same head and none of the content. 0 or -ENOMEM.
 * record->response_head_at_us should be set before (dates and latencies stand in pages).
 */
int error_page_make(const struct exchange_record *record, struct arena *arena,
                    struct error_page *ret);

#endif
