#include "tests/check.h"

#include "tools/repro/phrase.h"

static void check_read(const char *text, const char *phrase, const char *detail, const char *action)
{
    struct phrase got;

    phrase_read(slice_of(text), &got);
    CHECK_STR(got.phrase, phrase);
    CHECK_STR(got.detail, detail);
    CHECK_STR(got.action, action);
}

TEST(errno_stays_and_its_text_goes)
{
    check_read("connect() failed (111: Connection refused) while connecting to upstream",
               "connect() failed", "(111)", "while connecting to upstream");
    check_read("no live upstreams while connecting to upstream", "no live upstreams", "",
               "while connecting to upstream");
}

TEST(addresses_counts_paths_and_quoted_bytes_go)
{
    check_read("connect() to 10.0.0.7:8080 failed (101: Network is unreachable)",
               "connect() to N failed", "(101)", "");
    check_read("connect() to [2001:db8::1]:80 failed (101: Network is unreachable)",
               "connect() to N failed", "(101)", "");
    check_read("client intended to send too large body: 5242880 bytes",
               "client intended to send too large body: N bytes", "", "");
    check_read("a client request body is buffered to a temporary file /var/lib/x/0000000012",
               "a client request body is buffered to a temporary file PATH", "", "");
    check_read("upstream sent invalid header: \"A\\x20 while b: 1...\" while reading upstream",
               "upstream sent invalid header: \"...\"", "", "while reading upstream");
    check_read(
        "upstream sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
        "upstream sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time", "",
        "");
}

TEST(versions_of_openssl_say_the_same)
{
    check_read("SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number)",
               "SSL_do_handshake() failed", "(wrong version number)", "");
    check_read("SSL_do_handshake() failed (SSL: error:1408F10B:SSL routines:ssl3_get_record:wrong "
               "version number)",
               "SSL_do_handshake() failed", "(wrong version number)", "");
    check_read("SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::sslv3 alert handshake "
               "failure:SSL alert number 40)",
               "SSL_do_handshake() failed", "(alert handshake failure:SSL alert number 40)", "");
    check_read("SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::ssl/tls alert "
               "handshake failure:SSL alert number 40)",
               "SSL_do_handshake() failed", "(alert handshake failure:SSL alert number 40)", "");
    check_read("upstream SSL certificate verify error: (18:self signed certificate)",
               "upstream SSL certificate verify error:", "(18)", "");
}

TEST(names_and_places_in_kong_s_sources_go)
{
    check_read("[lua] init.lua:1268: balancer(): failed to retry the dns/balancer resolver for "
               "app.upstream' with: failure to get a peer from the ring-balancer while connecting "
               "to upstream",
               "failed to retry the dns/balancer resolver for NAME' with: failure to get a peer "
               "from the ring-balancer",
               "", "while connecting to upstream");
    check_read("DNS resolution failed: dns server error: 3 name error. Tried: [\"(short)a\"]",
               "DNS resolution failed: dns server error: N name error. Tried: NAME", "", "");
    check_read("app.internal could not be resolved (3: Host not found)",
               "NAME could not be resolved", "(3)", "");
}

TEST(a_cut_line_is_read_as_far_as_it_goes)
{
    check_read("upstream sent invalid header: \"Bad", "upstream sent invalid header: \"...\"", "",
               "");
    check_read("recv() failed (104: Conn", "recv() failed", "(104)", "");
    check_read("", "", "", "");
}

TESTS(TEST_CASE(errno_stays_and_its_text_goes),
      TEST_CASE(addresses_counts_paths_and_quoted_bytes_go),
      TEST_CASE(versions_of_openssl_say_the_same), TEST_CASE(names_and_places_in_kong_s_sources_go),
      TEST_CASE(a_cut_line_is_read_as_far_as_it_goes))
