/*
 * metrics_text: writes Prometheus' text format, version 0.0.4.
 *
 * Role    families with help and type, samples with escaped labels, histograms
 * Owns    the text, until it is taken
 * Thread  any; no I/O
 *
 *     metrics_text_family(&text, "kong_bandwidth_bytes", METRICS_TYPE_COUNTER, "...");
 *     metrics_text_sample(&text, METRICS_LABELS({ "service", "shop" }, { "route", "a" }), 17);
 *
 * The samples of a family follow it directly. Without memory everything turns into nothing, and
 * metrics_text_take says so.
 */
#ifndef PROXY_METRICS_TEXT_H
#define PROXY_METRICS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metrics_type { METRICS_TYPE_COUNTER, METRICS_TYPE_GAUGE, METRICS_TYPE_HISTOGRAM };

struct metrics_label {
    const char *name, *value; /* any bytes; NULL: "" */
};

struct metrics_labels {
    const struct metrics_label *items;
    size_t count;
};

/* The labels of one sample, good for the statement it stands in. */
#define METRICS_LABELS(...)                                                           \
    ((struct metrics_labels){ (const struct metrics_label[]){ __VA_ARGS__ },          \
                              sizeof((const struct metrics_label[]){ __VA_ARGS__ }) / \
                                  sizeof(struct metrics_label) })
#define METRICS_NO_LABELS ((struct metrics_labels){ NULL, 0 })

struct metrics_text {
    FILE *stream;
    char *bytes;
    size_t length;
    const char *family; /* the present one's name; static */
};

/* Counts per bucket, the last one above all bounds. */
struct metrics_histogram {
    const uint32_t *bounds_ms;
    const uint64_t *counts; /* bounds_count + 1 of them, each by itself */
    size_t bounds_count;
    uint64_t sum_us;
};

void metrics_text_init(struct metrics_text *text);

/* name and help outlive the text. */
void metrics_text_family(struct metrics_text *text, const char *name, enum metrics_type type,
                         const char *help);
void metrics_text_sample(struct metrics_text *text, struct metrics_labels labels, uint64_t value);
void metrics_text_seconds(struct metrics_text *text, struct metrics_labels labels,
                          uint64_t microseconds);
void metrics_text_histogram(struct metrics_text *text, struct metrics_labels labels,
                            const struct metrics_histogram *histogram);

/* The whole, malloc'ed, the caller's now; NULL: there was no memory. Due in every case. */
char *metrics_text_take(struct metrics_text *text, size_t *ret_length);

#endif
