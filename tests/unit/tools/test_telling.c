/* telling: which hop lost the field that explains an answer, and what is a redirect loop. */
#include "tools/trace/telling.h"

#include <stdio.h>
#include <string.h>

#include "tests/check.h"

enum { HOPS_MAX = 4 };

static struct trace trace;
static struct trace_account *hops[HOPS_MAX];
static unsigned hops_count;

static int begin(void **state)
{
    (void)state;
    hops_count = 0;
    return trace_init(&trace) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    trace_done(&trace);
    return 0;
}

/* A hop that got those headers (JSON); NULL: its log does not say. */
static struct trace_account *hop_with(const char *headers)
{
    struct trace_account *hop = trace_account_new(&trace);
    json_t *json = headers ? json_loads(headers, 0, NULL) : NULL;

    CHECK(hop && hops_count < HOPS_MAX);
    CHECK(!headers || json);
    hop->format = "hopgate";
    hop->fields = telling_fields_read(&trace, json);
    hop->before = hops_count > 0 ? hops[hops_count - 1] : NULL;
    json_decref(json);
    return hops[hops_count++] = hop;
}

static bool find(unsigned status, struct telling_loss *ret)
{
    return telling_find((const struct trace_account *const *)hops, hops_count, status, ret);
}

TEST(the_hop_before_the_first_that_lacks_a_field_removed_it)
{
    struct telling_loss loss;

    hop_with("{\"authorization\": \"REDACTED\"}");
    hop_with("{\"authorization\": \"REDACTED\"}");
    hop_with("{}");
    CHECK(find(401, &loss));
    CHECK_INT(loss.how, TELLING_REMOVED);
    CHECK_STR(loss.field, "Authorization");
    CHECK(loss.hop == hops[1] && loss.next == hops[2] && loss.is_likely);
}

TEST(a_field_explains_only_answers_that_are_about_it)
{
    struct telling_loss loss;

    hop_with("{\"authorization\": \"REDACTED\", \"cookie\": \"REDACTED\"}");
    hop_with("{}");
    CHECK(find(403, &loss));
    CHECK(!find(404, &loss));
    CHECK(!find(200, &loss));
    CHECK(!find(500, &loss));
}

TEST(nobody_is_blamed_for_what_the_client_did_not_send)
{
    struct telling_loss loss;

    hop_with("{\"accept\": \"*/*\"}");
    hop_with("{}");
    CHECK(!find(401, &loss));
}

TEST(a_log_without_headers_accuses_nobody)
{
    struct telling_loss loss;

    hop_with("{\"authorization\": \"REDACTED\"}");
    hop_with(NULL);
    CHECK(!find(401, &loss));
}

TEST(values_of_secrets_are_not_compared)
{
    struct telling_loss loss;

    hop_with("{\"authorization\": \"REDACTED\", \"host\": \"shop.test\"}");
    hop_with("{\"authorization\": \"Bearer x\", \"host\": \"shop.test\"}");
    CHECK(!find(401, &loss));
    CHECK(!find(421, &loss));
}

TEST(another_host_explains_a_404)
{
    struct telling_loss loss;

    hop_with("{\"host\": \"shop.test\"}");
    hop_with("{\"host\": \"10.0.0.7\"}");
    CHECK(find(404, &loss));
    CHECK_INT(loss.how, TELLING_CHANGED);
    CHECK(!loss.is_likely); /* Kong does so unless it is told not to */
    CHECK_SLICE(loss.before, "shop.test");
    CHECK_SLICE(loss.after, "10.0.0.7");
}

TEST(another_host_explains_a_redirect_but_not_that_https_is_wanted)
{
    struct telling_loss loss;

    hop_with("{\"host\": \"shop.test\"}");
    hop_with("{\"host\": \"10.0.0.7\"}");
    CHECK(find(301, &loss));
    CHECK(loss.is_likely);
    CHECK(!find(426, &loss));
}

TEST(an_empty_field_is_there)
{
    struct telling_loss loss;

    hop_with("{\"cookie\": \"\"}");
    hop_with("{\"cookie\": \"\"}");
    CHECK(!find(401, &loss));
}

TEST(who_takes_tls_has_to_tell)
{
    struct telling_loss loss;

    hop_with("{}")->over_tls = true;
    hop_with("{}");
    CHECK(find(301, &loss));
    CHECK_INT(loss.how, TELLING_NOT_SAID);
    CHECK(loss.hop == hops[0]);
}

TEST(who_overwrites_the_scheme_is_found_behind_hops_that_told_it)
{
    struct telling_loss loss;

    hop_with("{}")->over_tls = true;
    hop_with("{\"x-forwarded-proto\": \"https\"}");
    hop_with("{\"x-forwarded-proto\": \"http\"}");
    CHECK(find(302, &loss));
    CHECK_INT(loss.how, TELLING_CHANGED);
    CHECK(loss.hop == hops[1]);
}

TEST(who_was_told_and_redirects_does_not_believe_it)
{
    struct telling_loss loss;

    hop_with("{}")->over_tls = true;
    hop_with("{\"x-forwarded-proto\": \"https\"}");
    CHECK(find(301, &loss));
    CHECK_INT(loss.how, TELLING_NOT_BELIEVED);
    CHECK(loss.hop == hops[1] && !loss.next);
}

TEST(a_client_in_plain_text_is_sent_to_https_by_right)
{
    struct telling_loss loss;

    hop_with("{}");
    hop_with("{}");
    CHECK(!find(301, &loss));
}

static bool is_loop(unsigned status, const char *url, const char *location)
{
    const struct trace_account front = { .status = status,
                                         .url = slice_of(url),
                                         .location = slice_of(location) };

    return telling_is_loop(&front);
}

TEST(a_loop_leads_to_the_same_scheme_host_and_path)
{
    CHECK(is_loop(301, "https://shop.test:8443/a?b=1", "https://shop.test:8443/a?b=1"));
    CHECK(is_loop(308, "https://shop.test:8443/a", "https://SHOP.test/a")); /* as names it itself */
    CHECK(is_loop(302, "https://shop.test:443", "https://shop.test/"));
    CHECK(!is_loop(301, "http://shop.test:80/a", "https://shop.test/a"));
    CHECK(!is_loop(301, "https://shop.test:443/a", "https://shop.test/b"));
    CHECK(!is_loop(301, "https://shop.test:443/a", "https://other.test/a"));
    CHECK(!is_loop(301, "https://shop.test:8443/a", "https://shop.test:9443/a"));
    CHECK(!is_loop(200, "https://shop.test:443/a", "https://shop.test/a"));
    CHECK(!is_loop(301, "https://shop.test:443/a", ""));
    CHECK(!is_loop(301, "https://shop.test:443/a", "/a"));
    CHECK(!is_loop(301, "://", "://x:99999/"));
}

TEST(a_redirect_that_sets_a_cookie_may_be_meant)
{
    const struct trace_account front = { .status = 302,
                                         .url = SLICE("https://shop.test:443/a"),
                                         .location = SLICE("https://shop.test/a"),
                                         .sets_cookie = true };

    CHECK(!telling_is_loop(&front));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

TESTS(CASE(the_hop_before_the_first_that_lacks_a_field_removed_it),
      CASE(a_field_explains_only_answers_that_are_about_it),
      CASE(nobody_is_blamed_for_what_the_client_did_not_send),
      CASE(a_log_without_headers_accuses_nobody), CASE(values_of_secrets_are_not_compared),
      CASE(another_host_explains_a_404),
      CASE(another_host_explains_a_redirect_but_not_that_https_is_wanted),
      CASE(an_empty_field_is_there), CASE(who_takes_tls_has_to_tell),
      CASE(who_overwrites_the_scheme_is_found_behind_hops_that_told_it),
      CASE(who_was_told_and_redirects_does_not_believe_it),
      CASE(a_client_in_plain_text_is_sent_to_https_by_right),
      TEST_CASE(a_loop_leads_to_the_same_scheme_host_and_path),
      TEST_CASE(a_redirect_that_sets_a_cookie_may_be_meant))
