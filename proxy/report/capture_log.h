/*
 * capture_log: the heads of an exchange as they were on the wire, for the lab.
 *
 * Role    one JSON line per exchange: the request as received and as sent to the last target, the
 *         response as received and as sent, and both connections, so that hops can be joined
 * Owns    nothing; the file is the log's
 * Thread  one worker
 *
 * A member "line" is the start line, "fields" a list in the order of the wire; bytes that are no UTF-8
 * stand under "line_base64", "name_base64", "value_base64" instead. A message that did not exist is left
 * out. Credentials are "masked" unless hopgate_capture_secrets is on: a digest stands for the value,
 * which is the same for the same value as long as the process lives.
 */
#ifndef PROXY_CAPTURE_LOG_H
#define PROXY_CAPTURE_LOG_H

#include "core/siphash.h"
#include "proxy/exchange/exchange_record.h"
#include "proxy/exchange/http_stream.h"

/* Of what was received: the heads; of what was sent: what was handed to the stream. NULL: there was
 * none. Borrowed for the call. */
struct capture_heads {
    const struct http_outgoing *request_sent, *response_sent;
    const struct http_head *response_received;
};

struct capture_log {
    struct log_file *file; /* NULL: off */
    struct siphash_key key;
};

/* A key of its own. */
void capture_log_init(struct capture_log *log, struct log_file *file);

/* One line with its newline; ptr NULL when there is no memory. */
struct slice capture_log_line(const struct siphash_key *key, bool shows_secrets,
                              const struct exchange_record *record,
                              const struct capture_heads *heads, struct arena *arena);

#endif
