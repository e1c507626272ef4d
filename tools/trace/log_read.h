/*
 * log_read: all lines of all logs, as one trace.
 *
 * Role    knows each line by its shape, and gives the lines of an error log to the requests they are
 *         about
 * Owns    nothing; what it reads goes into the trace
 * Thread  the main thread
 */
#ifndef TOOLS_TRACE_LOG_READ_H
#define TOOLS_TRACE_LOG_READ_H

#include "tools/trace/account.h"

struct log_error_lines;

/*
 * "FILE" or "NAME=FILE", the hop's name for logs that do not say it; "-" is standard input. 0, or an
 * exit code after the complaint on standard error.
 */
int log_read_file(struct trace *trace, struct log_error_lines *errors, const char *argument);

/* Lines of error logs, kept until all requests are known. */
struct log_error_lines *log_error_lines_new(struct trace *trace);

/* Each goes to the request that it is about; those without one make an account of their own.
 * False: no memory. */
bool log_attach_errors(struct trace *trace, struct log_error_lines *errors);

#endif
