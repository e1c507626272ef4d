/*
 * rewrite: the field sections that this hop sends on, from those that it received.
 *
 * Role    hop-by-hop removal first, then the persona's rules, then its order and spelling, then what
 *         hopgate.fields says (field_operations)
 * Owns    nothing; new texts live in the arena of the section that is built
 * Thread  one worker; pure: no I/O, no clock
 *
 * What no rule touches keeps its order, its spelling, its duplicates and every byte of its value.
 * Removed on the way, whatever the persona: Transfer-Encoding and Content-Length (the exchange
 * frames anew), Upgrade (rules write it again for what the persona switches to) and, as the persona's connection_fields says,
 * Connection with what it lists and the other hop-by-hop fields of RFC 9110 7.6.1. Host, the
 * framing and the fields that have a rule cannot be removed by listing them in Connection.
 */
#ifndef PROXY_REWRITE_H
#define PROXY_REWRITE_H

#include "proxy/exchange/exchange_record.h"
#include "proxy/report/error_page.h"

/*
 * How the exchange delimits what it is going to send. LENGTH writes Content-Length, CHUNKED writes
 * Transfer-Encoding, NONE and CLOSE write neither. They stand where the message had either of them,
 * else last, unless the persona's lead says otherwise. A response without content (HEAD, 304) that
 * carries a Content-Length keeps it with NONE (RFC 9110 8.6); 1xx and 204 never have one.
 */
struct rewrite_framing {
    enum http_framing framing;
    uint64_t content_length;
    bool keep_alive; /* responses: the client's connection stays open after this one */
};

/* The functions append to an empty ret_fields that has its arena (fields_init). 0 or -ENOMEM. */

/* record->request, as it goes to the target. */
int rewrite_request(const struct exchange_record *record, const struct rewrite_framing *framing,
                    struct fields *ret_fields);

/*
 * A target's head as it goes to the client. Final responses: record->response_head_at_us and
 * from_upstream must be set, latencies and rules depend on them. For 1xx only what must not pass is
 * removed, and framing is ignored.
 */
int rewrite_response(const struct exchange_record *record, const struct http_head *head,
                     const struct rewrite_framing *framing, struct fields *ret_fields);

/*
 * Trailers that go on: what no rule and no removal names (a trailer must not say what a field of that
 * name may not, RFC 9110 6.5.1). of_request: which way they go. ret_fields stays empty when the
 * persona drops trailers, or the client did not ask for those of a response.
 */
int rewrite_trailers(const struct exchange_record *record, const struct fields *trailers,
                     bool of_request, struct fields *ret_fields);

/* The fields of an answer made here. The framing's length is page->content.len unless it is HEAD's.
 */
int rewrite_error_page(const struct exchange_record *record, const struct error_page *page,
                       const struct rewrite_framing *framing, struct fields *ret_fields);

#endif
