/*
 * persona: what a hop pretends to be, as plain data.
 *
 * Role    values and names of small policies; code asks for those, never for the persona's name
 * Owns    everything it points to, until persona_free
 * Thread  built on one thread, then read by all
 *
 * A persona is a JSON text: built in (proxy/personas/<name>.json) or a file of the user. Without
 * "extends" it must say everything; with it, it changes a built-in one, and a list or a rule table
 * that it gives replaces the whole list. Each section and each rule says where it is from
 * ("basis").
 *
 * Words marked LAB below are leniencies that no hop in production may have: persona_lab_words lists
 * those that a persona uses, and unless hopgate_lab is on they are taken out, with a warning. LATER marks what
 * the schema can say and the engine cannot do yet.
 */
#ifndef PROXY_PERSONA_H
#define PROXY_PERSONA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config_error.h"
#include "core/addr.h"
#include "core/cleanup.h"
#include "core/end_reason.h"
#include "core/http/http1_parser.h"
#include "core/log.h"
#include "core/slice.h"
#include "proxy/persona/template.h"

/* Where a value is from. A rule that says nothing has its section's. */
enum persona_basis {
    PERSONA_AS_SECTION,
    PERSONA_MEASURED,
    PERSONA_DOCUMENTED,
    PERSONA_ASSUMED,
};

/* Each text is NUL-terminated as well. */
struct persona_strings {
    const struct slice *items;
    size_t count;
};

enum persona_tristate { PERSONA_UNSET = -1, PERSONA_NO, PERSONA_YES };

/* ---- fields ---- */

/* What a rule does to the lines of its name; `value` is the rule's, expanded. */
enum persona_policy {
    PERSONA_POLICY_UNSET = -1,
    PERSONA_PRESERVE,     /* lines stay; without any, one line with the value */
    PERSONA_JOIN,         /* several lines become one ("a, b"); without any, the value */
    PERSONA_FIRST_LINE,   /* one line: the first old line's value, without any the value; an empty
                             value leaves none */
    PERSONA_APPEND,       /* one line: all old values and the value, comma-separated */
    PERSONA_APPEND_FIRST, /* one line: the first old line's value and the value */
    PERSONA_REPLACE,      /* one line with the value; an empty value leaves none */
    PERSONA_ADD_LINE,     /* lines stay; one more with the value */
    PERSONA_REMOVE,
};

/* When a rule for responses applies. */
enum persona_when {
    PERSONA_ALWAYS,
    PERSONA_WHEN_UPSTREAM,    /* the response head came from a target */
    PERSONA_WHEN_GATEWAY,     /* the answer is made here */
    PERSONA_WHEN_PROXIED,     /* a target was picked, whoever answers (Kong's KONG_PROXIED) */
    PERSONA_WHEN_NOT_PROXIED, /* no target was picked */
    PERSONA_WHEN_NO_TRAILERS, /* the client's TE does not list trailers */
    PERSONA_WHEN_UPGRADE,     /* the connection is to become a tunnel, see request.upgrade */
    PERSONA_WHEN_NO_UPGRADE,
    PERSONA_WHEN_KONG_DEBUG,    /* a target's answer to a request with Kong-Debug */
    PERSONA_WHEN_REQUEST_DEBUG, /* the client may see the times of its request */
};

struct persona_rule {
    enum persona_basis basis;
    struct slice name; /* as it is written */
    enum persona_policy policy;
    enum persona_policy trusted; /* instead of policy when the peer is in trusted_ips; or UNSET */
    struct template value;
    struct template absent_value; /* instead of value when there is no line yet; no parts: value */
    enum persona_when when;
    enum { PERSONA_LAST, PERSONA_FIRST } position; /* of a line that the rule adds */
    const char *token; /* kong.conf `headers` / `headers_upstream` word that governs it, or NULL */
    bool off;          /* switched off: by its token, or until that is switched on ("off": true) */
    /* of a rule that hopgate.fields has changed, see field_plan.h */
    const struct addr_cidrs *trusted_peers; /* for `trusted`; NULL: trusted_ips */
    bool adds_none; /* preserve: where there is no line, there is none after it */
    bool as_cgi;    /* replace and remove: also what has "_" for "-", see field_name.h */
};

struct persona_rules {
    const struct persona_rule *items;
    size_t count;
};

enum persona_name_case { PERSONA_CASE_UNSET = -1, PERSONA_CASE_KEEP, PERSONA_CASE_LOWER };

/* What "Connection" and the fields it lists mean to this hop. */
enum persona_connection_fields {
    PERSONA_CONNECTION_STRIP,       /* RFC 9110 7.6.1: they end here */
    PERSONA_CONNECTION_STRIP_FIRST, /* Kong: what the first Connection line lists ends here */
    PERSONA_CONNECTION_KEEP_LISTED, /* nginx: the fields listed pass, Connection does not */
    PERSONA_CONNECTION_FORWARD,     /* HAProxy: only close and keep-alive are taken out */
};

enum persona_underscores { PERSONA_UNDERSCORE_KEEP, PERSONA_UNDERSCORE_DROP };

/* In which fields the identity of a client that showed a certificate goes on; see client_identity. */
enum persona_client_cert {
    PERSONA_CLIENT_CERT_NONE,
    PERSONA_CLIENT_CERT_RFC9440,      /* Client-Cert, Client-Cert-Chain */
    PERSONA_CLIENT_CERT_X_SSL_CLIENT, /* nginx's and F5's idiom: X-SSL-Client-Verify ... */
    PERSONA_CLIENT_CERT_XFCC,         /* Envoy: X-Forwarded-Client-Cert */
    PERSONA_CLIENT_CERT_ALB,          /* AWS: X-Amzn-Mtls-Clientcert-Subject ... */
};

struct persona_request {
    enum persona_basis basis;
    enum {
        PERSONA_VERSION_1_1,
        PERSONA_VERSION_1_0,
        PERSONA_VERSION_CLIENT
    } version; /* sent upstream */
    /* whose Host goes upstream: the route's rules (Kong: preserve_host, host_header, target) or the
     * client's, always */
    enum {
        PERSONA_HOST_ROUTE,
        PERSONA_HOST_CLIENT,
        PERSONA_HOST_LISTENER, /* unless the route preserves it: the client's with the listener's port;
                                  80 and 443 are left out (AWS) */
        PERSONA_HOST_SERVICE /* as route, but for the target: the service's host (nginx: $proxy_host) */
    } host;
    /* the request target sent: in Kong's normal form, or byte for byte where neither the service has a path nor
     * the route takes one away (nginx's proxy_pass without a URI, HAProxy); routes match the normal form */
    enum { PERSONA_PATH_NORMALISED, PERSONA_PATH_RECEIVED } path;
    enum persona_name_case name_case;
    enum persona_connection_fields connection_fields;
    enum persona_underscores underscores;                         /* names with "_" */
    enum { PERSONA_EXPECT_LOCAL, PERSONA_EXPECT_FORWARD } expect; /* who answers 100-continue */
    /* forward: how long content is held back from a target that says neither 100 nor more */
    uint64_t expect_timeout_ms;
    struct persona_strings lead;            /* names written first, in this order and spelling */
    struct persona_strings remove;          /* names; "X-Y-*" is a prefix */
    struct persona_strings remove_identity; /* the same, and "_" counts as "-" */
    enum persona_client_cert client_cert_fields;
    struct persona_strings upgrade; /* protocols that may be switched to: "websocket" */
    /* who asks for a switch: a GET without content whose Connection lists Upgrade (RFC 6455 4.1), or
     * any request whose Upgrade names the protocol (Kong) */
    enum { PERSONA_UPGRADE_ASKED, PERSONA_UPGRADE_NAMED } upgrade_when;
    struct persona_rules fields;
};

enum persona_proxy_status {
    PERSONA_PROXY_STATUS_OFF,
    PERSONA_PROXY_STATUS_ERROR,   /* hop and error type */
    PERSONA_PROXY_STATUS_TRUSTED, /* and details, for peers in trusted_ips */
    PERSONA_PROXY_STATUS_DETAILS, /* and details, for everyone */
};

/* When Connection is written towards the client. */
enum persona_connection {
    PERSONA_CONNECTION_UNSET = -1,
    PERSONA_CONNECTION_ALWAYS,
    PERSONA_CONNECTION_NEEDED, /* where the version's default is not meant (RFC 9112 9.3) */
    PERSONA_CONNECTION_NEVER,  /* not even before closing */
};

struct persona_response {
    enum persona_basis basis;
    enum { PERSONA_STATUS_LINE_1_1, PERSONA_STATUS_LINE_UPSTREAM } version;
    enum persona_name_case name_case;
    enum persona_connection_fields connection_fields;
    enum persona_connection connection;
    enum persona_proxy_status proxy_status;
    struct persona_strings lead;         /* of responses that came from a target */
    struct persona_strings gateway_lead; /* of answers made here */
    struct persona_strings remove;
    struct persona_rules fields;
    /* nginx's directive of that name: added to a Content-Type without charset that is one of its
     * charset_types; NULL: off */
    const char *charset;
    const char
        *same_site; /* how Kong's cookie of hash_on spells that attribute; NULL: "SameSite" */
    enum {
        PERSONA_INTERIM_FORWARD,
        PERSONA_INTERIM_SWALLOW,
        PERSONA_INTERIM_FINAL /* LAB: taken for the answer; what follows it is its content (nginx) */
    } interim;
    enum { PERSONA_ACCEL_IGNORE, PERSONA_ACCEL_OBEY } accel; /* X-Accel-Buffering */
    /* how a cut response ends for the client; close-delimited content is always reset, or the cut
     * would look like its end */
    enum { PERSONA_CUT_RESET, PERSONA_CUT_FIN, PERSONA_CUT_FIN_ALWAYS /* LAB: even then */ } cut;
    /* with content: the head of a stored response waits for its first content, and is lost with what has
     * not been sent when content is malformed (nginx). Checked: malformed content that came with the head
     * makes the head malformed (HAProxy) */
    enum { PERSONA_HEAD_AT_ONCE, PERSONA_HEAD_WITH_CONTENT, PERSONA_HEAD_CHECKED } head;
    /* drop: content of a stored response goes on in whole buffers, see fill_rule, and what is in a
     * part-filled one is lost when the target resets or stalls (nginx) */
    enum { PERSONA_STALLED_SEND, PERSONA_STALLED_DROP } stalled;
};

/* ---- answers made here ---- */

enum persona_action {
    PERSONA_ACTION_UNSET = -1,
    PERSONA_PAGE,
    PERSONA_RESET,
    PERSONA_CLOSE, /* nothing is sent */
    PERSONA_RELAY, /* what the target sent goes on raw, as nginx does with HTTP/0.9 (LAB): of
                      UPSTREAM_STATUS_INVALID only, elsewhere a page */
};

/* Which of Kong's two ways to choose a page's type; see error_page. */
enum persona_negotiation { PERSONA_NEGOTIATION_UNSET = -1, PERSONA_EXIT, PERSONA_HANDLER };

/* The first rule that matches and says something decides it, per key. */
struct persona_answer_rule {
    enum persona_basis basis;
    /* match */
    enum end_reason reason;        /* END_REASON_COUNT: any */
    uint64_t when_status;          /* 0: any */
    enum persona_tristate proxied; /* a target was picked */
    enum persona_tristate reused;  /* the last try went over a pooled connection */
    bool lab;                      /* only with hopgate_lab; there its words may be LAB */
    /* say */
    uint64_t status; /* 0: not said */
    enum persona_action action;
    enum persona_tristate keep_alive; /* the client connection may stay after the page */
    enum persona_tristate logged;     /* an access log line is written */
    enum persona_negotiation negotiation;
    struct template message; /* no parts: not said */
    const char *reason_phrase, *page,
        *log_phrase;                  /* NULL: not said; log_phrase "": no error line */
    const char *termination;          /* HAProxy's "SH--"; or NULL */
    enum persona_name_case name_case; /* of the page's fields, as the next two */
    enum persona_connection connection;
    struct persona_strings lead; /* instead of gateway_lead, if not empty */
    struct persona_rules fields; /* added to the page's */
};

struct persona_page {
    enum persona_basis basis;
    const char *name;
    struct persona_strings accept; /* media types and ranges that choose it; may be empty */
    const char *begins; /* also chosen by an answer of the handler, see error_page; or NULL */
    bool padded;        /* as error_page.padding "msie", for this page */
    const char *content_type;
    enum text_escape escape; /* of what variables give */
    struct template body;
};

struct persona_error_page {
    enum persona_basis basis;
    /* how a page is chosen when the answer names none: by Accept (as Kong does it: exact), or always
     * default_page; see error_page.h */
    enum { PERSONA_SELECT_ACCEPT, PERSONA_SELECT_ACCEPT_EXACT, PERSONA_SELECT_DEFAULT } select;
    const char *default_page; /* when no type is asked for or known */
    const char *handler_page; /* negotiation handler, neither Accept nor Content-Type */
    enum {
        PERSONA_PADDING_NONE,
        PERSONA_PADDING_MSIE
    } padding; /* six comments for Chrome and MSIE */
    const struct persona_page *pages;
    size_t pages_count;
    const struct persona_answer_rule *answers;
    size_t answers_count;
};

/* ---- trying again ---- */

enum persona_retry_on {
    PERSONA_RETRY_CONNECT = 1 << 0, /* refused, unreachable, TLS failed */
    PERSONA_RETRY_CONNECT_TIMEOUT = 1 << 1,
    PERSONA_RETRY_BROKEN = 1 << 2,  /* closed or reset before a whole head */
    PERSONA_RETRY_TIMEOUT = 1 << 3, /* while sending or waiting for the head */
    PERSONA_RETRY_INVALID = 1 << 4, /* malformed or too large head */
    PERSONA_RETRY_403 = 1 << 5,
    PERSONA_RETRY_404 = 1 << 6,
    PERSONA_RETRY_429 = 1 << 7,
    PERSONA_RETRY_500 = 1 << 8,
    PERSONA_RETRY_502 = 1 << 9,
    PERSONA_RETRY_503 = 1 << 10,
    PERSONA_RETRY_504 = 1 << 11,
    PERSONA_RETRY_NON_IDEMPOTENT = 1 << 12, /* also methods that `replay` excludes */
    PERSONA_RETRY_401 = 1 << 13,
    PERSONA_RETRY_408 = 1 << 14,
    PERSONA_RETRY_425 = 1 << 15,
    PERSONA_RETRY_501 = 1 << 16,
};

struct persona_retry {
    enum persona_basis basis;
    enum {
        PERSONA_RETRY_NONE,
        PERSONA_RETRY_NEXT,       /* the balancer picks again */
        PERSONA_RETRY_SAME,       /* the same target again, while it is healthy */
        PERSONA_RETRY_REDISPATCH, /* another target if there is one */
        /* as next, of failures to connect, and as often as the upstream's reselect_tries says; a service's
         * retries mean nothing (F5) */
        PERSONA_RETRY_RESELECT,
    } policy;
    unsigned conditions;      /* mask of enum persona_retry_on */
    uint64_t retries_count;   /* further tries where no service says a number */
    uint64_t tries_max_count; /* tries in all, whatever a service says; 0: no limit */
    uint64_t timeout_ms;      /* after the first try's begin no other begins; 0: no limit */
    uint64_t pause_ms;        /* before the same target is asked again that refused to connect */
    /* which target a further try asks: another one while there is one, or what Kong's algorithm
     * picks (enum balancer_retry) */
    enum { PERSONA_PICK_UNTRIED, PERSONA_PICK_ALGORITHM } pick;
    /* methods that may be sent again after bytes of the request left */
    enum { PERSONA_REPLAY_IDEMPOTENT, PERSONA_REPLAY_NOT_POST, PERSONA_REPLAY_ANY } replay;
    /* a pooled connection that died before any byte of the answer */
    enum {
        PERSONA_STALE_COUNTS,         /* an ordinary failed try */
        PERSONA_STALE_FREE,           /* tried again without using up a try */
        PERSONA_STALE_FREE_IF_BROKEN, /* the same, also after a part of the head (nginx) */
        PERSONA_STALE_SILENT, /* only the conditions decide; the answer rules with "reused" tell it */
    } stale;
    uint64_t budget_percent; /* of a service's running requests that may be retries; 0: no budget */
    uint64_t budget_min_count; /* and never fewer than this */
};

/* ---- connections ---- */

enum persona_method_policy {
    PERSONA_METHOD_REFUSE,
    PERSONA_METHOD_FORWARD,
    PERSONA_METHOD_INVALID, /* as a request line that nobody understands */
};

/* The field in which a hop before us hands its client's certificate on; see client_certificate_field. */
enum persona_trusted_cert {
    PERSONA_TRUSTED_CERT_NONE,
    PERSONA_TRUSTED_CERT_CLIENT_CERT, /* with Client-Cert-Chain */
    PERSONA_TRUSTED_CERT_X_SSL_CLIENT_CERT,
    PERSONA_TRUSTED_CERT_XFCC,
    PERSONA_TRUSTED_CERT_ALB,      /* X-Amzn-Mtls-Clientcert */
    PERSONA_TRUSTED_CERT_ALB_LEAF, /* X-Amzn-Mtls-Clientcert-Leaf */
};

/* Which paths are answered with a 400; each row adds to the one before. */
enum persona_path_policy {
    PERSONA_PATH_ANY,     /* none that the parser lets pass */
    PERSONA_PATH_ESCAPES, /* '%' that begins no escape, or that of NUL, and ".." above the root:
                             nginx and so Kong */
    PERSONA_PATH_UTF8,    /* those that are not UTF-8 once decoded, overlong forms included */
};

/* How large the parts of a received message may be, its content apart; line ends count. In JSON these
 * keys stand among the others of their section. */
struct persona_limits {
    uint64_t start_line_max_bytes, field_line_max_bytes, head_max_bytes, fields_max_count;
    uint64_t chunk_extension_max_bytes;  /* of one chunk */
    uint64_t chunk_extensions_max_bytes; /* of all chunks of a message */
    uint64_t trailers_max_bytes, trailers_max_count;
};

struct persona_client {
    enum persona_basis basis;
    /* tcp: the listeners of proxy_listen relay the bytes of each connection, whatever they are, to a target of
     * the one service; upstream.read_timeout_ms is the idle time of the flow, see passthrough.h */
    enum { PERSONA_LAYER_HTTP, PERSONA_LAYER_TCP } layer;
    uint64_t tls_handshake_timeout_ms; /* whole handshake; 0: as head_timeout_ms (nginx) */
    uint64_t head_timeout_ms;          /* whole head, from its first byte */
    uint64_t body_timeout_ms;          /* without a byte of content while it is waited for */
    /* content that comes slower, on average over the time in which it is waited for, is not waited
     * for any longer; not asked in the first body_min_rate_grace_ms of that time. 0: no such rule */
    uint64_t body_min_rate_bytes_per_s, body_min_rate_grace_ms;
    uint64_t send_timeout_ms; /* without a byte taken by the client */
    uint64_t keepalive_timeout_ms;
    uint64_t keepalive_requests_count; /* 0: no limit */
    uint64_t keepalive_age_ms; /* since it was accepted: the next answer is the last; 0: no limit */
    struct persona_limits limits;
    uint64_t forwarded_for_max_count; /* addresses in X-Forwarded-For; 0: no limit */
    uint64_t content_max_bytes;       /* 0: no limit */
    enum persona_method_policy connect, trace,
        unknown_method; /* forwarding CONNECT, TRACE is LAB; they alone can be invalid */
    enum persona_path_policy path;
    enum { PERSONA_ABORT_CANCEL, PERSONA_ABORT_CONTINUE } half_close; /* FIN of a waiting client */
    /* a client whose certificate is missing or wrong: an answer (nginx's 400) or a TLS alert */
    enum { PERSONA_VERIFY_PAGE, PERSONA_VERIFY_ALERT } verify_refusal;
    /* a TLS client that names no server, or one without a certificate here */
    enum persona_sni { PERSONA_SNI_DEFAULT, PERSONA_SNI_REFUSE } unknown_sni, missing_sni;
    enum persona_trusted_cert trusted_client_cert; /* believed of peers in trusted_ips */
};

struct persona_upstream {
    enum persona_basis basis;
    /* where a service does not say them; 0 of tls_timeout_ms: as connect_timeout_ms. A service that says its
     * connect_timeout means the handshake's as well, as in Kong */
    uint64_t connect_timeout_ms, tls_timeout_ms, send_timeout_ms, read_timeout_ms;
    uint64_t
        request_timeout_ms; /* from the whole request to the answer's head, over all tries; 0: none */
    uint64_t keepalive_timeout_ms;
    uint64_t keepalive_pool_count;     /* idle connections kept per worker; 0: no reuse */
    uint64_t keepalive_requests_count; /* 0: no limit */
    uint64_t keepalive_age_ms;         /* since it was opened; 0: no limit */
    uint64_t
        keepalive_per_target_count; /* idle connections to one target; 0: no limit of its own */
    /* who may use an idle connection: requests to that target, or (plain ones, TLS with equal
     * settings and name) to any target with its address */
    enum { PERSONA_KEEPALIVE_TARGET, PERSONA_KEEPALIVE_ADDRESS } keepalive_of;
    enum {
        PERSONA_HINT_IGNORE,
        PERSONA_HINT_OBEY
    } keepalive_hint; /* the target's Keep-Alive field */
    struct persona_limits limits;
    enum {
        PERSONA_HEAD_TOTAL,
        PERSONA_HEAD_GAP
    } head_timer; /* one deadline, or re-armed by bytes */
    enum {
        PERSONA_PIN_NONE,
        PERSONA_PIN_CLIENT
    } pin; /* one target, and one connection to it, per client connection */
    /* is the certificate of an https target verified where the service does not say? */
    enum persona_tls_verify {
        PERSONA_TLS_VERIFY_OFF,
        PERSONA_TLS_VERIFY_NAMED, /* when the service or a target is a host name, no address */
        PERSONA_TLS_VERIFY_ON,
    } tls_verify;
    /* server name (SNI) and name to verify: the Host sent upstream, or what the configuration calls the
     * target (host_header, else its host name; an address has none: then the Host) */
    enum persona_tls_name { PERSONA_TLS_NAME_HOST, PERSONA_TLS_NAME_TARGET } tls_name;
    uint64_t
        tls_verify_depth_count; /* intermediates, where the service does not say; 0: OpenSSL's */
    /* what a failed try counts as in passive health: what it was, or Kong's way by the status that the
     * client gets (lb/passive_health.h) */
    enum persona_passive { PERSONA_PASSIVE_CAUSE, PERSONA_PASSIVE_STATUS } passive;
    /* an upstream without a panic_threshold of which no target is usable: none is asked, or all are */
    enum { PERSONA_FAIL_CLOSED, PERSONA_FAIL_OPEN } all_unhealthy;
};

enum persona_content_mode {
    PERSONA_STREAM,
    /* requests: the target sees nothing before all of it is here; responses: the target is read as
     * fast as it sends, however slow the client is */
    PERSONA_STORE,
};

struct persona_content {
    enum persona_basis basis;
    enum persona_content_mode request, response;
    uint64_t buffer_bytes; /* of stored request content in memory; more goes to a file */
    /* of responses, nginx's proxy_buffer_size, proxy_buffers: so much that the client has not taken stays
     * in memory. What follows goes to a file until that had so many bytes; 0: to none */
    uint64_t response_buffer_bytes, response_buffers_count, response_buffers_bytes;
    uint64_t response_file_max_bytes;
    /* chunked content: kept chunked, or, if it is stored, sent with its length and no trailers */
    enum { PERSONA_FRAMING_SUSTAIN, PERSONA_FRAMING_LENGTH } request_framing;
    enum { PERSONA_TRAILERS_DROP, PERSONA_TRAILERS_FORWARD } trailers;
    /* content that the target ends by closing: chunked, or ended by closing again (HAProxy) */
    enum { PERSONA_UNTIL_CLOSE_CHUNKED, PERSONA_UNTIL_CLOSE_CLOSE } until_close;
    /* content of unknown length to an HTTP/1.0 client */
    enum { PERSONA_OLD_CLOSE, PERSONA_OLD_CHUNKED /* LAB */ } old_client;
};

/* What a parser lets pass beyond the strict rules; every word is LAB. Those from core/http1_parser act;
 * what else a persona names is LATER. */
enum persona_lenient {
    PERSONA_LENIENT_BARE_LF = HTTP1_LENIENT_BARE_LF,
    PERSONA_LENIENT_DROP_BAD_LINE = HTTP1_LENIENT_DROP_BAD_LINE,
    PERSONA_LENIENT_LENGTH_AND_CODING = HTTP1_LENIENT_LENGTH_AND_CODING,
    PERSONA_LENIENT_ANY_LENGTH = HTTP1_LENIENT_ANY_LENGTH,
    PERSONA_LENIENT_ANY_CODING = HTTP1_LENIENT_ANY_CODING,
    PERSONA_LENIENT_ODD_STATUS = HTTP1_LENIENT_ODD_STATUS,
    PERSONA_LENIENT_OBS_FOLD = HTTP1_LENIENT_OBS_FOLD,
    PERSONA_LENIENT_NO_HOST = HTTP1_LENIENT_ANY_HOST,
    PERSONA_LENIENT_MERGE_LENGTHS = HTTP1_LENIENT_MERGE_LENGTHS,
    PERSONA_LENIENT_EMPTY_LINES = HTTP1_LENIENT_EMPTY_LINES,
    PERSONA_LENIENT_OLD_CODING = HTTP1_LENIENT_OLD_CODING,
    PERSONA_LENIENT_NUL_IN_VALUE = 1 << 17,
    PERSONA_LENIENT_MANY_INTERIMS = 1 << 20, /* hundreds before an answer */
};

struct persona_parse {
    enum persona_basis basis;
    unsigned request, response; /* masks of enum persona_lenient */
};

/* Leniencies that the lab adds, and that are nothing to warn of elsewhere, because there they are not: for a
 * product that many run in production. Optional. */
struct persona_lab {
    enum persona_basis basis;
    enum { PERSONA_LAB_INTERIM_AS_ELSEWHERE, PERSONA_LAB_INTERIM_FINAL } interim;
    unsigned request, response; /* of persona_parse */
};

struct persona_log {
    enum persona_basis basis;
    const char *access_format; /* a name that access_log knows */
    enum { PERSONA_ERROR_NGINX, PERSONA_ERROR_F5, PERSONA_ERROR_NONE } error_shape;
    const char *server_name; /* "server: kong" of error lines */
    bool error_request_id;   /* error lines end with request_id */
    bool error_explanation;  /* error lines say in plain words why TLS with a target failed */
    enum log_level error_level;
};

struct persona {
    const char *extends; /* the built-in persona that it changes, or NULL */
    const char *name;
    const char *product; /* "kong/3.9.3": $product */
    struct persona_request request;
    struct persona_response response;
    struct persona_error_page error_page;
    struct persona_retry retry;
    struct persona_client client;
    struct persona_upstream upstream;
    struct persona_content content;
    struct persona_parse parse;
    struct persona_lab lab;
    struct persona_log log;

    bool lab_is_on; /* hopgate_lab; set before traffic */
    uint32_t
        time_scale; /* its times are the stated ones divided by this; 0: they are the stated ones */
    const struct persona *stated; /* the same with these; NULL: itself, see persona_times */

    struct persona_memory *memory; /* private */
};

/*
 * name_or_path: the name of a built-in persona, or a file (has a "/" or ends in ".json"). NULL when
 * something is wrong; errors then says all of it.
 */
struct persona *persona_load(const char *name_or_path, struct config_errors *errors);

/* The same from text; source is its name in messages. */
struct persona *persona_parse(struct slice text, const char *source, struct config_errors *errors);

/* The same once more, as it is now: texts and lists are shared, what is allocated in it later is its own. All
 * of them belong to one thread. NULL: no memory. */
struct persona *persona_share(const struct persona *persona);

void persona_free(struct persona *persona);
DEFINE_SCOPED(persona);

/* Names of what is built in; NULL past the end. */
const char *persona_builtin_name(size_t index);

/* "request.connection_fields=forward" ...: what needs hopgate_lab. Empty for production personas.
 */
struct persona_strings persona_lab_words(const struct persona *persona);

/* Turns the lab on, with what the persona adds there (struct persona_lab), or all that persona_lab_words lists
 * into the strict word of the same key. Before traffic only, once. */
void persona_set_lab(struct persona *persona, bool on);

/*
 * Kong's `headers_upstream` (request) and `headers` (response): rules with a token act only if it
 * or the field's name is listed (ASCII case-insensitive); without tokens all of those are off.
 * Before traffic only.
 */
void persona_set_request_tokens(struct persona *persona, const char *const *tokens, size_t count);
void persona_set_response_tokens(struct persona *persona, const char *const *tokens, size_t count);

/* Rules of that token act or not; for switches that `headers` does not know. Before traffic only. */
void persona_switch_token(struct persona *persona, const char *token, bool on);

/* What this hop does about an end. */
struct persona_answer {
    enum persona_basis
        basis; /* of the rule that chose the status or the action, else the section's */
    enum persona_action action;
    unsigned status;
    bool keep_alive, logged;
    enum persona_negotiation negotiation;
    struct template message;   /* no parts: the status's reason phrase */
    const char *reason_phrase; /* for the status line; never NULL */
    const char *page;          /* name of a page, or NULL: negotiate */
    const char *log_phrase;    /* instead of the reason's, or NULL */
    const char *termination;   /* or NULL */
    enum persona_name_case name_case;
    enum persona_connection connection;
    struct persona_strings lead;
    struct persona_rules fields;
};

/* proxied: a target was picked. reused: the last try went over a pooled connection. */
struct persona_answer persona_answer(const struct persona *persona, enum end_reason reason,
                                     bool proxied, bool reused);

/* The same with a status that the route chooses (0: none does). */
struct persona_answer persona_answer_with_status(const struct persona *persona,
                                                 enum end_reason reason, unsigned status,
                                                 bool proxied, bool reused);

/* Which retry condition a try that ended like this falls under; 0 for those never tried again. */
unsigned persona_retry_condition(enum end_reason reason);

/* The same for a status that a target answered. */
unsigned persona_retry_condition_of_status(unsigned status);

#endif
