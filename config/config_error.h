/*
 * config_error: what is wrong with a configuration, every mistake at once.
 *
 * Role    the list that the loaders fill and that `check`, `run` and the Admin API print
 * Owns    every text in the list
 * Thread  one; a list is not shared
 *
 * Printed as "file:line:column: error: path: message"; the message says the mistake and the fix.
 * Text that came from the file is escaped when it is added, so printing it is safe.
 */
#ifndef CONFIG_CONFIG_ERROR_H
#define CONFIG_CONFIG_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum config_severity {
    CONFIG_ERROR,   /* the configuration cannot be used */
    CONFIG_WARNING, /* it can, but it hardly does what its author wants */
    CONFIG_NOTICE,  /* accepted, and a part of it has no effect (yet) */
};

/* Where something was written. */
struct config_place {
    const char *file; /* "kong.yaml"; "environment" for a variable; NULL: nowhere in particular */
    unsigned line;    /* from 1; 0: unknown, and then neither line nor column is printed */
    unsigned column;  /* from 1, in characters */
    const char *path; /* "services[0].routes[1].paths[0]", a settings key, or NULL */
};

struct config_error {
    enum config_severity severity;
    struct config_place place; /* its texts belong to the list */
    char *message;
    size_t file_order; /* used by config_errors_sort */
};

enum {
    CONFIG_ERRORS_MAX = 1000,  /* entries; what comes after is only counted */
    CONFIG_MESSAGE_MAX = 1024, /* bytes of one message */
};

struct config_errors {
    struct config_error *items;
    size_t count, capacity;
    size_t errors_count;   /* of severity CONFIG_ERROR, also those that found no room */
    size_t unlisted_count; /* found no room: over the maximum or no memory */
};

void config_errors_init(struct config_errors *errors);
void config_errors_done(struct config_errors *errors);

__attribute__((format(printf, 4, 5))) void config_errors_add(struct config_errors *errors,
                                                             enum config_severity severity,
                                                             struct config_place place,
                                                             const char *format, ...);
void config_errors_addv(struct config_errors *errors, enum config_severity severity,
                        struct config_place place, const char *format, va_list args);

/* Moves all entries of `from` to the end of `into`; `from` is empty after it. */
void config_errors_take(struct config_errors *into, struct config_errors *from);

/* By file as first seen, then line and column; equal places keep their order. */
void config_errors_sort(struct config_errors *errors);

/* One line without the newline, cut when it does not fit; returns `into`. */
char *config_error_format(const struct config_error *error, char *into, size_t size);

/* One line per entry, and one more when some were not listed. */
void config_errors_print(const struct config_errors *errors, FILE *stream);

const char *config_severity_text(enum config_severity severity); /* "error", "warning", "notice" */

#endif
