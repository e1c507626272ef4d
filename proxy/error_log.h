/*
 * error_log: what an operator reads about a failed try or exchange.
 *
 * Role    nginx's line, or the reset line of a BIG-IP, as the persona says
 * Owns    nothing; the line lives in the arena
 * Thread  one worker; no I/O (core/log writes)
 *
 * nginx writes one line per failed try, and one per exchange for causes that no try has. So: for
 * each failed try error_log_write_try when it ends, and at the end of each exchange error_log_write,
 * which keeps silent about what the last try told already. The f5 shape knows only the exchange's
 * end.
 */
#ifndef PROXY_ERROR_LOG_H
#define PROXY_ERROR_LOG_H

#include "core/log.h"
#include "proxy/exchange_record.h"

/* The level of that line, to be compared with the log's before it is made. */
enum log_level error_log_level(const struct exchange_record *record, const struct try_record *try);

/*
 * One line with its newline. Empty: the persona writes none. ptr NULL: no memory.
 */
struct slice error_log_line(const struct exchange_record *record, const struct try_record *try,
                            struct arena *arena);

/* The latest try, if it failed and its level is written. */
void error_log_write_try(struct log_file *file, const struct exchange_record *record,
                         struct arena *arena);

/* The end of the exchange: once, before its memory goes. */
void error_log_write(struct log_file *file, const struct exchange_record *record,
                     struct arena *arena);

#endif
