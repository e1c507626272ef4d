/*
 * headers_run: one telling request on its way, and what every place made of it.
 *
 * Role    brings a chain up with hops that write down their heads, or only an origin behind somebody
 *         else's product; sends the request; fills the report
 * Owns    nothing after its calls: what it started has ended
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_HEADERS_RUN_H
#define TOOLS_LAB_HEADERS_RUN_H

#include "tools/lab/headers_report.h"

struct headers_options {
    const char *chain;                                /* or url and origin */
    const char *url, *origin, *ca, *connect;          /* NULL: not stated */
    const char *request, *html, *expect, *junit, *at; /* NULL: not stated */
    bool json, all, shows_secrets;
};

/* Fill the report; its names are the chain's. An exit code, after the complaint. */
int headers_run_chain(const struct headers_options *options, struct chain *chain,
                      struct headers_report *report);
int headers_run_product(const struct headers_options *options, struct headers_report *report);

#endif
