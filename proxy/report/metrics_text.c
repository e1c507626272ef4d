#include "proxy/report/metrics_text.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/slice.h"
#include "core/utf8.h"

void metrics_text_init(struct metrics_text *text)
{
    *text = (struct metrics_text){ 0 };
    text->stream = open_memstream(&text->bytes, &text->length);
}

void metrics_text_family(struct metrics_text *text, const char *name, enum metrics_type type,
                         const char *help)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };

    text->family = name;
    if (text->stream)
        (void)fprintf(text->stream, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

/* What is no UTF-8 would have the scraper refuse the whole page. */
static void put_value(FILE *stream, const char *value)
{
    bool is_utf8 = utf8_is_valid(slice_of(value));

    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            (void)fprintf(stream, "\\%c", *value);
        else if (*value == '\n')
            (void)fputs("\\n", stream);
        else
            (void)fputc(is_utf8 || !(*value & 0x80) ? *value : '?', stream);
    }
}

/* "name_suffix{a="b",le="5"} " */
static void put_series(struct metrics_text *text, const char *suffix, struct metrics_labels labels,
                       const char *bound)
{
    const char *separator = "{";

    (void)fprintf(text->stream, "%s%s", text->family, suffix);
    for (size_t i = 0; i < labels.count; i++, separator = ",") {
        (void)fprintf(text->stream, "%s%s=\"", separator, labels.items[i].name);
        put_value(text->stream, labels.items[i].value ? labels.items[i].value : "");
        (void)fputc('"', text->stream);
    }
    if (bound)
        (void)fprintf(text->stream, "%sle=\"%s\"", separator, bound);
    (void)fputs(labels.count > 0 || bound ? "} " : " ", text->stream);
}

void metrics_text_sample(struct metrics_text *text, struct metrics_labels labels, uint64_t value)
{
    if (!text->stream)
        return;
    put_series(text, "", labels, NULL);
    (void)fprintf(text->stream, "%" PRIu64 "\n", value);
}

/* Thousandths: of a second here, of a millisecond where the sum of a histogram is one of them. */
static void put_thousandths(FILE *stream, uint64_t whole, uint64_t thousandths)
{
    (void)fprintf(stream, "%" PRIu64 ".%03" PRIu64 "\n", whole, thousandths);
}

void metrics_text_seconds(struct metrics_text *text, struct metrics_labels labels,
                          uint64_t microseconds)
{
    if (!text->stream)
        return;
    put_series(text, "", labels, NULL);
    put_thousandths(text->stream, microseconds / 1000000, microseconds / 1000 % 1000);
}

void metrics_text_histogram(struct metrics_text *text, struct metrics_labels labels,
                            const struct metrics_histogram *histogram)
{
    uint64_t count = 0;
    char bound[16];

    if (!text->stream)
        return;
    for (size_t i = 0; i <= histogram->bounds_count; i++) {
        bool is_last = i == histogram->bounds_count;

        count += histogram->counts[i];
        if (!is_last)
            (void)snprintf(bound, sizeof(bound), "%" PRIu32, histogram->bounds_ms[i]);
        put_series(text, "_bucket", labels, is_last ? "+Inf" : bound);
        (void)fprintf(text->stream, "%" PRIu64 "\n", count);
    }
    put_series(text, "_count", labels, NULL);
    (void)fprintf(text->stream, "%" PRIu64 "\n", count);
    put_series(text, "_sum", labels, NULL);
    put_thousandths(text->stream, histogram->sum_us / 1000, histogram->sum_us % 1000);
}

char *metrics_text_take(struct metrics_text *text, size_t *ret_length)
{
    bool is_whole = text->stream && !ferror(text->stream);

    if (text->stream && fclose(text->stream) != 0)
        is_whole = false;
    text->stream = NULL;
    if (!is_whole) {
        free(text->bytes);
        return NULL;
    }
    *ret_length = text->length;
    return text->bytes;
}
