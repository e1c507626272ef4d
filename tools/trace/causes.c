#include "tools/trace/causes.h"

#include <string.h>

static const char in_front[] =
    "make it answer sooner, or raise %s; every hop in front must then wait longer still";
static const char bad_tls[] =
    "run `hopgate probe` against that address: it names what is wrong with the TLS";
static const char bad_certificate[] =
    "run `hopgate probe` against that address: it names the certificate at fault";
static const char ask_the_server[] = "look into the log of that server at this time";

static const struct cause causes[] = {
    { END_CONNECT_REFUSED, "refused the connection",
      "start that server, or correct host and port of the target", CAUSE_NO_SETTING, false },
    { END_CONNECT_FAILED, "could not be reached", "check the route and the firewall on the way",
      CAUSE_NO_SETTING, false },
    { END_CONNECT_TIMEOUT, "did not accept the connection",
      "find what drops the packets (a firewall, a full accept queue) before %s is raised",
      CAUSE_CONNECT_TIMEOUT, true },
    { END_UPSTREAM_TLS_TIMEOUT, "did not finish the TLS handshake",
      "check that TLS is spoken on that port; it falls under %s", CAUSE_CONNECT_TIMEOUT, true },
    { END_UPSTREAM_TLS_FAILED, "failed the TLS handshake", bad_tls, CAUSE_NO_SETTING, false },
    { END_UPSTREAM_TLS_CLOSED, "closed the connection in the TLS handshake", bad_tls,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_TLS_ALERT, "refused the TLS handshake", bad_tls, CAUSE_NO_SETTING, false },
    { END_UPSTREAM_TLS_NOT_TLS, "answered the TLS handshake in plain text",
      "make the service http, or give the port of the server that speaks TLS", CAUSE_NO_SETTING,
      false },
    { END_UPSTREAM_TLS_MISMATCH, "shares no TLS version or cipher with this hop", bad_tls,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_TLS_CLIENT_CERT, "wanted a client certificate",
      "give the service a client certificate that this server accepts", CAUSE_NO_SETTING, false },
    { END_UPSTREAM_HEAD_CLIENT_CERT, "wanted a client certificate",
      "give the service a client certificate that this server accepts", CAUSE_NO_SETTING, false },
    { END_UPSTREAM_TLS_VERIFY, "showed a certificate that cannot be verified", bad_certificate,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_TLS_NAME, "showed a certificate of another name", bad_certificate,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_CERT_EXPIRED, "showed a certificate that has expired", bad_certificate,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_CERT_NOT_YET_VALID, "showed a certificate that is not valid yet",
      bad_certificate, CAUSE_NO_SETTING, false },
    { END_UPSTREAM_CERT_UNKNOWN_ISSUER, "showed a certificate that cannot be verified",
      "install the intermediate certificate on that server (`hopgate probe` shows what it sends), "
      "or "
      "name its issuer in ca_certificates of the service",
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_CERT_SELF_SIGNED, "showed a self-signed certificate", bad_certificate,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_SEND_FAILED, "broke the connection while the request was sent", ask_the_server,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_SEND_TIMEOUT, "took nothing of the request any more",
      "make it read, or raise %s", CAUSE_WRITE_TIMEOUT, true },
    { END_UPSTREAM_HEAD_CLOSED, "closed the connection without an answer", ask_the_server,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_HEAD_RESET, "reset the connection without an answer", ask_the_server,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_HEAD_TIMEOUT, "sent no whole response head", in_front, CAUSE_READ_TIMEOUT,
      true },
    { END_UPSTREAM_HEAD_INVALID, "sent a malformed response head",
      "correct the answer of that server; the log line below quotes it", CAUSE_NO_SETTING, false },
    { END_UPSTREAM_STATUS_INVALID, "sent something that is no HTTP",
      "check that HTTP is spoken on that port, and that it is not https", CAUSE_NO_SETTING, false },
    { END_UPSTREAM_FRAMING_INVALID, "sent a response with contradicting lengths",
      "correct the answer of that server; the log line below quotes it", CAUSE_NO_SETTING, false },
    { END_UPSTREAM_HEAD_TOO_BIG, "sent a response head that is too large",
      "make the head smaller (cookies, usually), or raise %s", CAUSE_HEAD_SIZE, false },
    { END_UPSTREAM_STATUS, "answered with a status on which this hop tries again", ask_the_server,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_BODY_CLOSED, "closed the connection in the middle of the content",
      ask_the_server, CAUSE_NO_SETTING, false },
    { END_UPSTREAM_BODY_RESET, "reset the connection in the middle of the content", ask_the_server,
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_BODY_TIMEOUT, "stopped in the middle of the content", in_front,
      CAUSE_READ_TIMEOUT, true },
    { END_UPSTREAM_BODY_INVALID, "sent malformed chunks", "correct the answer of that server",
      CAUSE_NO_SETTING, false },
    { END_UPSTREAM_RESOLVE_FAILED, "has no address in DNS",
      "correct the host name of the service or target, or its record in DNS", CAUSE_NO_SETTING,
      false },
    { END_UPSTREAM_RESOLVE_TIMEOUT, "was not resolved in time",
      "check the name servers that this hop asks", CAUSE_NO_SETTING, true },
    { END_UPSTREAM_RESOLVE_SERVFAIL, "was not resolved: the name server failed",
      "check the name servers that this hop asks", CAUSE_NO_SETTING, false },
    { END_UPSTREAM_RESOLVE_REFUSED, "was not resolved: the name server refuses",
      "check the name servers that this hop asks", CAUSE_NO_SETTING, false },
    { END_NO_TARGET, "has no target that may be used",
      "look at the health of its targets (`hopgate show targets`), and at what made them unhealthy",
      CAUSE_NO_SETTING, false },
    { END_NO_ROUTE, "has no route for this request",
      "compare host, path and method with the routes of that hop", CAUSE_NO_SETTING, false },
    { END_HTTPS_REQUIRED, "answers only who came by https",
      "call it by https; where a hop in front takes the TLS, let it set X-Forwarded-Proto, and "
      "name it "
      "in trusted_ips here",
      CAUSE_NO_SETTING, false },
    { END_CLIENT_PLAIN_HTTP, "speaks TLS on that port, and was spoken to in plain text",
      "make the service https, or give the port on which plain HTTP is spoken", CAUSE_NO_SETTING,
      false },
    { END_CLIENT_ABORTED, "went away before the answer",
      "make the answer come sooner, or let who asks wait longer (%s)", CAUSE_CLIENT_PATIENCE,
      false },
};

static const struct cause stale = {
    END_UPSTREAM_HEAD_CLOSED, "closed an idle connection just when it was used again",
    "give up idle connections before that server does: %s below its "
    "keep-alive timeout",
    CAUSE_KEEPALIVE, false
};

static bool is_stale(enum end_reason reason)
{
    return reason == END_UPSTREAM_HEAD_CLOSED || reason == END_UPSTREAM_HEAD_RESET ||
           reason == END_UPSTREAM_SEND_FAILED;
}

const struct cause *cause_of(enum end_reason reason, bool reused)
{
    static const struct cause other = { END_INTERNAL, "failed", "look at the log lines below",
                                        CAUSE_NO_SETTING, false };
    static const struct cause refusal = {
        END_CLIENT_HEAD_INVALID, "refused what was sent to it",
        "make the request so that this hop takes it, or let every hop have the same limits",
        CAUSE_NO_SETTING, false
    };
    const struct end_reason_info *info = end_reason_info(reason);

    if (reused && is_stale(reason))
        return &stale;
    for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++)
        if (causes[i].reason == reason)
            return &causes[i];
    return info->hop == END_HOP_CLIENT && info->status >= 400 ? &refusal : &other;
}

const char *cause_wire_fix(struct slice fault, enum cause_setting *ret_setting)
{
    static const char lost[] =
        "find what loses packets between these two (a firewall, a full link)";
    static const char ended[] = "find what ends connections between these two";
    static const char slow[] = "the line between these two is slow: mend it, or raise %s";
    static const struct {
        const char *fault, *fix;
        enum cause_setting setting;
    } fixes[] = {
        { "idle",
          "give up idle connections before the network forgets them: %s below its idle time",
          CAUSE_KEEPALIVE },
        { "drop", lost, CAUSE_NO_SETTING },
        { "stall", lost, CAUSE_NO_SETTING },
        { "black-hole", lost, CAUSE_NO_SETTING },
        { "reset", ended, CAUSE_NO_SETTING },
        { "cut", ended, CAUSE_NO_SETTING },
        { "half-close", ended, CAUSE_NO_SETTING },
        { "latency", slow, CAUSE_READ_TIMEOUT },
        { "bandwidth", slow, CAUSE_READ_TIMEOUT },
    };

    for (size_t i = 0; i < sizeof(fixes) / sizeof(*fixes); i++)
        if (slice_equal(fault, slice_of(fixes[i].fault))) {
            *ret_setting = fixes[i].setting;
            return fixes[i].fix;
        }
    return NULL;
}

bool cause_wire_ends(struct slice fault)
{
    static const char *const ends[] = { "accept-reset", "reset", "cut", "half-close", "idle" };

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        if (slice_equal(fault, slice_of(ends[i])))
            return true;
    return false;
}

const char *cause_setting_name(enum cause_setting setting, const char *format)
{
    static const struct {
        const char *format;
        const char *names[CAUSE_SETTING_COUNT];
    } products[] = {
        { "nginx",
          { "", "proxy_connect_timeout", "proxy_send_timeout", "proxy_read_timeout",
            "keepalive_timeout of the upstream block", "proxy_buffer_size",
            "its timeout for answers", "proxy_next_upstream_tries", "proxy_next_upstream" } },
        { "haproxy",
          { "", "timeout connect", "timeout server", "timeout server", "pool-purge-delay",
            "tune.bufsize", "its timeout for answers", "retries", "retry-on" } },
        { "alb",
          { "", "the connect timeout (10 s, fixed)", "the idle timeout", "the idle timeout",
            "the idle timeout", "the response head limit (32 K, fixed)", "its timeout for answers",
            "its retries (fixed)", "its retries (fixed)" } },
        { "hopgate",
          { "", "connect_timeout of the service", "write_timeout of the service",
            "read_timeout of the service", "upstream_keepalive_idle_timeout",
            "nginx_proxy_proxy_buffer_size", "its timeout for answers", "retries of the service",
            "nginx_proxy_proxy_next_upstream or hopgate_retry_on" } },
    };
    enum { LAST = sizeof(products) / sizeof(*products) - 1 };

    for (size_t i = 0; i < LAST; i++)
        if (strcmp(products[i].format, format) == 0)
            return products[i].names[setting];
    return products[LAST].names[setting];
}
