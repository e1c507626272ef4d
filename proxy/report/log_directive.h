/*
 * log_directive: nginx's log_format directive, as kong.conf injects it.
 *
 * Role    "name [escape=default|json|none] 'text' 'more text'" to named, compiled formats. Kong puts the
 *         value into nginx's configuration as it is, so several fit one key, as its users write
 *         them: "a '…'; log_format b '…'"
 * Owns    the formats
 * Thread  while a configuration is loaded
 */
#ifndef PROXY_LOG_DIRECTIVE_H
#define PROXY_LOG_DIRECTIVE_H

#include "proxy/report/log_format.h"

struct log_definition {
    char *name;
    struct log_format *format;
};

struct log_definitions {
    struct log_definition *items; /* zeroed: none */
    size_t count;
};

/* Adds what the text defines. 0, or -EINVAL or -ENOMEM with a text for the operator in reterr. */
int log_definitions_add(struct log_definitions *definitions, struct slice text, char *reterr,
                        size_t reterr_size);
void log_definitions_done(struct log_definitions *definitions);

/* The format of that name, no longer among the definitions; NULL: there is none. */
struct log_format *log_definitions_take(struct log_definitions *definitions, const char *name);

/* "[escape=…] 'text' 'more text'", or a text without single quotes around it. NULL with a text in reterr. */
struct log_format *log_format_parse(struct slice text, char *reterr, size_t reterr_size);

#endif
