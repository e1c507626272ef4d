/*
 * line: a pasted line of a log, as what it says.
 *
 * Role    reads it with trace's readers, whatever stands in front of it (a container's name, a syslog's
 *         date), and keeps what two lines of the same failure have in common
 * Owns    nothing; texts are copies inside
 * Thread  any
 *
 * What is essential makes two lines say the same; what is detail may differ (a further try, another
 * errno). Times, addresses, ids, ports, names and sizes are left out.
 */
#ifndef TOOLS_REPRO_LINE_H
#define TOOLS_REPRO_LINE_H

#include <stdbool.h>

#include "core/slice.h"

enum { LINE_TEXT_MAX = 16384, LINE_FEATURES_MAX = 8, LINE_VALUE_MAX = 240, LINE_WORD_MAX = 128 };

enum line_kind { LINE_ERROR, LINE_ACCESS, LINE_HAPROXY, LINE_ALB, LINE_KINDS };

enum line_product { LINE_KONG, LINE_NGINX, LINE_OF_HAPROXY, LINE_OF_ALB, LINE_PRODUCTS };

struct line_feature {
    const char *name;
    char value[LINE_VALUE_MAX];
    bool is_detail;
};

struct line {
    enum line_kind kind;
    enum line_product product;
    char text[LINE_TEXT_MAX]; /* printable ASCII; '?' is what was not */
    struct line_feature features[LINE_FEATURES_MAX];
    unsigned count;
    char method[16];                /* "" when the line does not say */
    char request_id[LINE_WORD_MAX]; /* "" likewise */
    bool has_upstream_fields;       /* an access line that names servers and their statuses */
};

/* False: no known format; see line_complaint. */
bool line_read(struct slice text, struct line *ret);

/* One or two sentences: what looked wrong about it. */
void line_complaint(struct slice text, char *into, size_t size);

/* Or NULL. */
const struct line_feature *line_feature(const struct line *line, const char *name);

const char *line_kind_name(enum line_kind kind);           /* "error" */
const char *line_kind_title(enum line_kind kind);          /* "error log" */
const char *line_product_name(enum line_product product);  /* "kong" */
const char *line_product_title(enum line_product product); /* "Kong" */

/* LINE_PRODUCTS: no such name. */
enum line_product line_product_of(const char *name);

#endif
