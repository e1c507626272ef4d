/*
 * log_format: "$remote_addr said $request", compiled once, expanded per exchange.
 *
 * Role    nginx's log_format: its syntax, its variables (log_variable.def), its three ways to escape
 * Owns    a copy of the text
 * Thread  compiled on one thread, then read by all; expanding takes no memory but the text's
 *
 * Whatever `escape` says, no control byte of a client or a target reaches the log: escape=none writes
 * them as \xHH, where nginx writes them as they are, and escape=json also those of UTF-8 (U+0080 to
 * U+009F) and what is no UTF-8 (U+FFFD).
 */
#ifndef PROXY_LOG_FORMAT_H
#define PROXY_LOG_FORMAT_H

#include "core/cleanup.h"
#include "proxy/exchange/exchange_record.h"
#include "proxy/report/text.h"

struct log_format;

enum { LOG_FORMAT_BYTES_MAX = 16 * 1024 };

/* escape: TEXT_ESCAPE_LOG (nginx's default), TEXT_ESCAPE_JSON or TEXT_ESCAPE_CONTROL (none).
 * NULL, with a text for the operator in reterr. */
struct log_format *log_format_compile(struct slice source, enum text_escape escape, char *reterr,
                                      size_t reterr_size);

void log_format_free(struct log_format *format); /* accepts NULL */
DEFINE_SCOPED(log_format);

/* Without a newline. */
void log_format_expand(const struct log_format *format, const struct exchange_record *record,
                       struct text *into);

#endif
