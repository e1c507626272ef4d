/*
 * pasted: what the user gave, as lines of one request.
 *
 * Role    takes arguments and standard input apart, reads each line, and sees that they belong together
 * Owns    the lines, until pasted_done
 * Thread  the main thread
 */
#ifndef TOOLS_REPRO_PASTED_H
#define TOOLS_REPRO_PASTED_H

#include "tools/repro/line.h"

enum { PASTED_BYTES_MAX = 4 * 1024 * 1024, PASTED_LINES_MAX = 8 };

struct pasted {
    struct line *lines; /* room for PASTED_LINES_MAX */
    size_t count;       /* at least 1 */
    enum line_product product;
};

struct paste_options {
    const char *const *texts; /* each one line or several; "-": standard input */
    size_t count;
    enum line_product product; /* LINE_PRODUCTS: as the lines say */
};

/* 0, or an exit code after the complaint on standard error. */
int pasted_read(const struct paste_options *options, struct pasted *ret);
void pasted_done(struct pasted *pasted);

#endif
