/*
 * log: lines to files, written by one thread, never waited for by another.
 *
 * Role    access and error logs of exchanges, messages of the process
 * Owns    the writer thread, the open files, one ring of bytes per thread that logs
 * Thread  log_write and log_error: any thread; the rest: one controlling thread
 *
 * A thread that logs copies its line into its own ring (single producer, single consumer, no lock)
 * and goes on; the writer gathers lines with writev. A full ring drops the line and counts it. A
 * write that fails (disk full) loses its lines, is counted, and is told once on standard error; the
 * next success ends that state. Lines of one thread keep their order; lines of two threads do not.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "core/slice.h"

/* Same order as enum end_level. */
enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_CRIT,
    LOG_LEVEL_COUNT,
};

struct log_file; /* lives until log_stop */

struct log_counters {
    uint64_t dropped_count; /* lines: the thread's ring was full, or the line too long for it */
    uint64_t failed_count;  /* lines: the file took no more bytes */
};

enum { LOG_RING_BYTES = 1024 * 1024, LOG_MESSAGE_MAX = 2048 };

/* ring_bytes per logging thread (0: LOG_RING_BYTES). 0 or a negative errno. */
int log_start(size_t ring_bytes);

/*
 * Writes what is in the rings, closes all files and frees all memory. No other thread may log any
 * more, and files returned by log_open are gone. Harmless when not started.
 */
void log_stop(void);

/*
 * path: a file (created, appended to), "stderr" or "/dev/stderr", "stdout" or "/dev/stdout", or
 * "off" (takes lines and forgets them). The same path twice is the same file. NULL on failure, with
 * a text for the operator in reterr.
 */
struct log_file *log_open(const char *path, char *reterr, size_t reterr_size);

/*
 * Opens every file again by its name: somebody has renamed it, lines go to a new one from here on. No
 * line is lost. 0; -1 with a text in reterr when one could not be opened, which then goes on as it is.
 */
int log_reopen(char *reterr, size_t reterr_size);

/* True for "off": formatting a line would be wasted. */
bool log_is_off(const struct log_file *file);

/* A line that could not even be made counts as lost. */
void log_count_lost(const struct log_file *file);

/* One whole line, newline included. Before log_start it is written at once. */
void log_write(struct log_file *file, struct slice line);

/* Where log_error goes (NULL: standard error) and the least level that is written (NOTICE). */
void log_set_error_file(struct log_file *file, enum log_level level);

bool log_level_is_on(enum log_level level);

/* A message of the process in nginx's shape: "2026/11/20 23:10:00 [error] pid#tid: ...". */
__attribute__((format(printf, 2, 3))) void log_error(enum log_level level, const char *format, ...);

const char *log_level_name(enum log_level level);

/* LOG_LEVEL_COUNT when text is no level; "err" is nginx's "error". */
enum log_level log_level_of(const char *text);

/* "2026/11/20 23:10:00 [error] 12#34: "; returns the length. */
size_t log_format_prefix(enum log_level level, time_t now, char *into, size_t size);

/* Local time, worked out once per second and thread (localtime_r takes a lock). */
void log_local_time(time_t second, struct tm *ret_time);

struct log_counters log_counters(void);

#endif
