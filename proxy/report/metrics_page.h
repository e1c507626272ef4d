/*
 * metrics_page: everything the hop can tell a Prometheus server.
 *
 * Role    Kong's names first, with Kong's labels and buckets; what Kong has no name for is hopgate_…
 * Owns    nothing
 * Thread  the main thread; no I/O
 */
#ifndef PROXY_METRICS_PAGE_H
#define PROXY_METRICS_PAGE_H

#include <stddef.h>

struct hop_figures;

/* Malloc'ed; NULL: no memory. */
char *metrics_page(const struct hop_figures *figures, size_t *ret_length);

#endif
