/*
 * test_metrics_text: Prometheus' text format to the byte, whatever stands in a label.
 */
#include "proxy/report/metrics_text.h"

#include <stdlib.h>

#include "tests/check.h"

/* Ends the text and compares it. */
static void check_text(struct metrics_text *text, const char *want)
{
    size_t length = 0;
    char *got = metrics_text_take(text, &length);

    assert_non_null(got);
    CHECK_STR(got, want);
    CHECK_INT(length, strlen(want));
    free(got);
}

TEST(family_says_help_and_type_before_its_samples)
{
    struct metrics_text text;

    metrics_text_init(&text);
    metrics_text_family(&text, "a_total", METRICS_TYPE_COUNTER, "All of a");
    metrics_text_sample(&text, METRICS_NO_LABELS, UINT64_MAX);
    metrics_text_family(&text, "b", METRICS_TYPE_GAUGE, "b");
    metrics_text_sample(&text, METRICS_LABELS({ "x", "1" }, { "y", NULL }), 0);
    metrics_text_seconds(&text, METRICS_NO_LABELS, 1002003);
    check_text(&text, "# HELP a_total All of a\n# TYPE a_total counter\n"
                      "a_total 18446744073709551615\n"
                      "# HELP b b\n# TYPE b gauge\nb{x=\"1\",y=\"\"} 0\nb 1.002\n");
}

TEST(label_values_cannot_leave_their_quotes)
{
    static const struct {
        const char *value, *want;
    } rows[] = {
        { "plain", "plain" },
        { "a\"} 1", "a\\\"} 1" },
        { "line\nbreak", "line\\nbreak" },
        { "back\\slash", "back\\\\slash" },
        { "\\\"\n", "\\\\\\\"\\n" },
        { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "no\xff utf8 \xc3\xbc", "no? utf8 ??" }, /* such a page would be refused whole */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct metrics_text text;
        char want[128];

        metrics_text_init(&text);
        metrics_text_family(&text, "m", METRICS_TYPE_GAUGE, "h");
        metrics_text_sample(&text, METRICS_LABELS({ "l", rows[i].value }), 7);
        (void)snprintf(want, sizeof(want), "# HELP m h\n# TYPE m gauge\nm{l=\"%s\"} 7\n",
                       rows[i].want);
        check_text(&text, want);
    }
}

TEST(histogram_counts_up_to_the_last_bucket)
{
    static const uint32_t bounds_ms[] = { 5, 10 };
    static const uint64_t counts[] = { 2, 0, 3 };
    const struct metrics_histogram histogram = { bounds_ms, counts, 2, 12345 };
    struct metrics_text text;

    metrics_text_init(&text);
    metrics_text_family(&text, "h", METRICS_TYPE_HISTOGRAM, "h");
    metrics_text_histogram(&text, METRICS_LABELS({ "r", "a" }), &histogram);
    metrics_text_histogram(&text, METRICS_NO_LABELS, &histogram);
    check_text(&text, "# HELP h h\n# TYPE h histogram\n"
                      "h_bucket{r=\"a\",le=\"5\"} 2\nh_bucket{r=\"a\",le=\"10\"} 2\n"
                      "h_bucket{r=\"a\",le=\"+Inf\"} 5\nh_count{r=\"a\"} 5\nh_sum{r=\"a\"} 12.345\n"
                      "h_bucket{le=\"5\"} 2\nh_bucket{le=\"10\"} 2\nh_bucket{le=\"+Inf\"} 5\n"
                      "h_count 5\nh_sum 12.345\n");
}

TESTS(TEST_CASE(family_says_help_and_type_before_its_samples),
      TEST_CASE(label_values_cannot_leave_their_quotes),
      TEST_CASE(histogram_counts_up_to_the_last_bucket))
