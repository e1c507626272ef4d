/*
 * error_log: what an operator reads about a failed try or exchange.
 *
 * Role    nginx's line, or the reset line of a BIG-IP, as the persona says
 * Owns    nothing; the line lives in the arena
 * Thread  one worker; no I/O (core/log writes)
 *
 * nginx writes one line per failed try, and one per exchange for causes that no try has. So: for
 * each failed try ask with that try when it ends, and at the end of an exchange with NULL if no line
 * was written about record->reason yet. The f5 shape knows only the exchange's end: empty for a try.
 */
#ifndef PROXY_ERROR_LOG_H
#define PROXY_ERROR_LOG_H

#include "core/log.h"
#include "proxy/exchange/exchange_record.h"

/* The level of that line, to be compared with the log's before it is made. */
enum log_level error_log_level(const struct exchange_record *record, const struct try_record *try);

/*
 * One line with its newline. Empty: the persona writes none. ptr NULL: no memory.
 */
struct slice error_log_line(const struct exchange_record *record, const struct try_record *try,
                            struct arena *arena);

#endif
