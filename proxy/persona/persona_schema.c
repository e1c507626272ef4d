#include <stddef.h>

#include "proxy/persona/persona_priv.h"

/* One row per JSON key, which has the name of the member `f` of struct `s`. */
#define KEY(s, f, k, ...)                                                                  \
    {                                                                                      \
        .name = #f, .kind = PERSONA_KIND_##k, .offset = offsetof(struct s, f), __VA_ARGS__ \
    }
#define NUMBER(s, f, highest) KEY(s, f, NUMBER, .max = (highest))
#define WORD(s, f, list)      KEY(s, f, WORD, .words = (list))
/* a member of struct persona_limits */
#define LIMIT(s, f, highest)                                                             \
    {                                                                                    \
        .name = #f, .kind = PERSONA_KIND_NUMBER, .offset = offsetof(struct s, limits.f), \
        .max = (highest)                                                                 \
    }
#define LIMITS(s)                                                                                 \
    LIMIT(s, start_line_max_bytes, LINE_BYTES_MAX),                                               \
        LIMIT(s, field_line_max_bytes, LINE_BYTES_MAX), LIMIT(s, head_max_bytes, LINE_BYTES_MAX), \
        LIMIT(s, fields_max_count, FIELDS_MAX),                                                   \
        LIMIT(s, chunk_extension_max_bytes, LINE_BYTES_MAX),                                      \
        LIMIT(s, chunk_extensions_max_bytes, COUNT_MAX),                                          \
        LIMIT(s, trailers_max_bytes, LINE_BYTES_MAX), LIMIT(s, trailers_max_count, FIELDS_MAX)
#define BASIS(s) KEY(s, basis, WORD, .words = basis_words)
#define KEYS_END     \
    {                \
        .name = NULL \
    }
#define WORDS_END PERSONA_WORDS_END

enum {
    DAY_MS = 24 * 3600 * 1000,
    COUNT_MAX = 1000 * 1000 * 1000,
    LINE_BYTES_MAX = 1024 * 1024,
    FIELDS_MAX = 10000,
    RULES_STATUS_MAX = 599,
    TLS_DEPTH_MAX = 100,
};

#define WORDS(name) static const struct persona_word name[]

WORDS(basis_words) = { { "measured", PERSONA_MEASURED, false },
                       { "documented", PERSONA_DOCUMENTED, false },
                       { "assumed", PERSONA_ASSUMED, false },
                       WORDS_END };

WORDS(position_words) = { { "last", PERSONA_LAST, false },
                          { "first", PERSONA_FIRST, false },
                          WORDS_END };

WORDS(case_words) = { { "keep", PERSONA_CASE_KEEP, false },
                      { "lower", PERSONA_CASE_LOWER, false },
                      WORDS_END };

WORDS(connection_fields_words) = { { "strip", PERSONA_CONNECTION_STRIP, false },
                                   { "strip_first", PERSONA_CONNECTION_STRIP_FIRST, false },
                                   { "keep_listed", PERSONA_CONNECTION_KEEP_LISTED, false },
                                   { "forward", PERSONA_CONNECTION_FORWARD, false },
                                   WORDS_END };

WORDS(request_version_words) = { { "1.1", PERSONA_VERSION_1_1, false },
                                 { "1.0", PERSONA_VERSION_1_0, false },
                                 { "client", PERSONA_VERSION_CLIENT, false },
                                 WORDS_END };

WORDS(host_words) = { { "route", PERSONA_HOST_ROUTE, false },
                      { "client", PERSONA_HOST_CLIENT, false },
                      { "service", PERSONA_HOST_SERVICE, false },
                      { "listener", PERSONA_HOST_LISTENER, false },
                      WORDS_END };

WORDS(path_sent_words) = { { "normalised", PERSONA_PATH_NORMALISED, false },
                           { "received", PERSONA_PATH_RECEIVED, false },
                           WORDS_END };

WORDS(upgrade_when_words) = { { "asked", PERSONA_UPGRADE_ASKED, false },
                              { "named", PERSONA_UPGRADE_NAMED, false },
                              WORDS_END };

WORDS(underscore_words) = { { "keep", PERSONA_UNDERSCORE_KEEP, false },
                            { "drop", PERSONA_UNDERSCORE_DROP, false },
                            WORDS_END };

WORDS(expect_words) = { { "local", PERSONA_EXPECT_LOCAL, false },
                        { "forward", PERSONA_EXPECT_FORWARD, false },
                        WORDS_END };

WORDS(response_version_words) = { { "1.1", PERSONA_STATUS_LINE_1_1, false },
                                  { "upstream", PERSONA_STATUS_LINE_UPSTREAM, false },
                                  WORDS_END };

WORDS(connection_words) = { { "always", PERSONA_CONNECTION_ALWAYS, false },
                            { "needed", PERSONA_CONNECTION_NEEDED, false },
                            { "never", PERSONA_CONNECTION_NEVER, false },
                            WORDS_END };

WORDS(proxy_status_words) = { { "off", PERSONA_PROXY_STATUS_OFF, false },
                              { "error", PERSONA_PROXY_STATUS_ERROR, false },
                              { "trusted_details", PERSONA_PROXY_STATUS_TRUSTED, false },
                              { "details", PERSONA_PROXY_STATUS_DETAILS, false },
                              WORDS_END };

WORDS(interim_words) = { { "forward", PERSONA_INTERIM_FORWARD, false },
                         { "swallow", PERSONA_INTERIM_SWALLOW, false },
                         { "final", PERSONA_INTERIM_FINAL, true },
                         WORDS_END };

WORDS(accel_words) = { { "ignore", PERSONA_ACCEL_IGNORE, false },
                       { "obey", PERSONA_ACCEL_OBEY, false },
                       WORDS_END };

WORDS(keepalive_hint_words) = { { "ignore", PERSONA_HINT_IGNORE, false },
                                { "obey", PERSONA_HINT_OBEY, false },
                                WORDS_END };

WORDS(cut_words) = { { "reset", PERSONA_CUT_RESET, false },
                     { "fin", PERSONA_CUT_FIN, false },
                     { "fin_always", PERSONA_CUT_FIN_ALWAYS, true },
                     WORDS_END };

WORDS(stalled_words) = { { "send", PERSONA_STALLED_SEND, false },
                         { "drop", PERSONA_STALLED_DROP, false },
                         WORDS_END };

WORDS(head_words) = { { "at_once", PERSONA_HEAD_AT_ONCE, false },
                      { "with_content", PERSONA_HEAD_WITH_CONTENT, false },
                      { "checked", PERSONA_HEAD_CHECKED, false },
                      WORDS_END };

WORDS(action_words) = { { "page", PERSONA_PAGE, false },
                        { "reset", PERSONA_RESET, false },
                        { "close", PERSONA_CLOSE, false },
                        { "relay", PERSONA_RELAY, true },
                        WORDS_END };

WORDS(negotiation_words) = { { "exit", PERSONA_EXIT, false },
                             { "handler", PERSONA_HANDLER, false },
                             WORDS_END };

WORDS(select_words) = { { "accept", PERSONA_SELECT_ACCEPT, false },
                        { "accept_exact", PERSONA_SELECT_ACCEPT_EXACT, false },
                        { "default", PERSONA_SELECT_DEFAULT, false },
                        WORDS_END };

WORDS(padding_words) = { { "none", PERSONA_PADDING_NONE, false },
                         { "msie", PERSONA_PADDING_MSIE, false },
                         WORDS_END };

WORDS(escape_words) = { { "raw", TEXT_RAW, false },
                        { "html", TEXT_ESCAPE_HTML, false },
                        { "json", TEXT_ESCAPE_JSON, false },
                        { "control", TEXT_ESCAPE_CONTROL, false },
                        WORDS_END };

WORDS(retry_policy_words) = { { "none", PERSONA_RETRY_NONE, false },
                              { "next", PERSONA_RETRY_NEXT, false },
                              { "same", PERSONA_RETRY_SAME, false },
                              { "redispatch", PERSONA_RETRY_REDISPATCH, false },
                              { "reselect", PERSONA_RETRY_RESELECT, false },
                              WORDS_END };

WORDS(pick_words) = { { "untried", PERSONA_PICK_UNTRIED, false },
                      { "algorithm", PERSONA_PICK_ALGORITHM, false },
                      WORDS_END };

WORDS(keepalive_of_words) = { { "target", PERSONA_KEEPALIVE_TARGET, false },
                              { "address", PERSONA_KEEPALIVE_ADDRESS, false },
                              WORDS_END };

WORDS(replay_words) = { { "idempotent", PERSONA_REPLAY_IDEMPOTENT, false },
                        { "not_post_lock_patch", PERSONA_REPLAY_NOT_POST, false },
                        { "any", PERSONA_REPLAY_ANY, false },
                        WORDS_END };

WORDS(stale_words) = { { "counts", PERSONA_STALE_COUNTS, false },
                       { "free", PERSONA_STALE_FREE, false },
                       { "free_if_broken", PERSONA_STALE_FREE_IF_BROKEN, false },
                       { "silent", PERSONA_STALE_SILENT, false },
                       WORDS_END };

WORDS(unsafe_method_words) = { { "refuse", PERSONA_METHOD_REFUSE, false },
                               { "forward", PERSONA_METHOD_FORWARD, true },
                               { "invalid", PERSONA_METHOD_INVALID, false },
                               WORDS_END };

WORDS(method_words) = { { "refuse", PERSONA_METHOD_REFUSE, false },
                        { "forward", PERSONA_METHOD_FORWARD, false },
                        WORDS_END };

WORDS(verify_refusal_words) = { { "page", PERSONA_VERIFY_PAGE, false },
                                { "alert", PERSONA_VERIFY_ALERT, false },
                                WORDS_END };

WORDS(sni_words) = { { "default", PERSONA_SNI_DEFAULT, false },
                     { "refuse", PERSONA_SNI_REFUSE, false },
                     WORDS_END };

WORDS(path_words) = { { "any", PERSONA_PATH_ANY, false },
                      { "escapes", PERSONA_PATH_ESCAPES, false },
                      { "utf8", PERSONA_PATH_UTF8, false },
                      WORDS_END };

WORDS(half_close_words) = { { "cancel", PERSONA_ABORT_CANCEL, false },
                            { "continue", PERSONA_ABORT_CONTINUE, false },
                            WORDS_END };

WORDS(tls_name_words) = { { "host", PERSONA_TLS_NAME_HOST, false },
                          { "target", PERSONA_TLS_NAME_TARGET, false },
                          WORDS_END };

WORDS(passive_words) = { { "cause", PERSONA_PASSIVE_CAUSE, false },
                         { "status", PERSONA_PASSIVE_STATUS, false },
                         WORDS_END };

WORDS(layer_words) = { { "http", PERSONA_LAYER_HTTP, false },
                       { "tcp", PERSONA_LAYER_TCP, false },
                       WORDS_END };

WORDS(all_unhealthy_words) = { { "fail", PERSONA_FAIL_CLOSED, false },
                               { "ask_all", PERSONA_FAIL_OPEN, false },
                               WORDS_END };

WORDS(tls_verify_words) = { { "off", PERSONA_TLS_VERIFY_OFF, false },
                            { "named", PERSONA_TLS_VERIFY_NAMED, false },
                            { "on", PERSONA_TLS_VERIFY_ON, false },
                            WORDS_END };

WORDS(head_timer_words) = { { "total", PERSONA_HEAD_TOTAL, false },
                            { "gap", PERSONA_HEAD_GAP, false },
                            WORDS_END };

WORDS(pin_words) = { { "none", PERSONA_PIN_NONE, false },
                     { "client_connection", PERSONA_PIN_CLIENT, false },
                     WORDS_END };

WORDS(content_words) = { { "stream", PERSONA_STREAM, false },
                         { "store", PERSONA_STORE, false },
                         WORDS_END };

WORDS(framing_words) = { { "sustain", PERSONA_FRAMING_SUSTAIN, false },
                         { "length", PERSONA_FRAMING_LENGTH, false },
                         WORDS_END };

WORDS(trailer_words) = { { "drop", PERSONA_TRAILERS_DROP, false },
                         { "forward", PERSONA_TRAILERS_FORWARD, false },
                         WORDS_END };

WORDS(until_close_words) = { { "chunked", PERSONA_UNTIL_CLOSE_CHUNKED, false },
                             { "close", PERSONA_UNTIL_CLOSE_CLOSE, false },
                             WORDS_END };

WORDS(old_client_words) = { { "close", PERSONA_OLD_CLOSE, false },
                            { "chunked", PERSONA_OLD_CHUNKED, true },
                            WORDS_END };

WORDS(error_shape_words) = { { "nginx", PERSONA_ERROR_NGINX, false },
                             { "f5", PERSONA_ERROR_F5, false },
                             { "none", PERSONA_ERROR_NONE, false },
                             WORDS_END };

WORDS(level_words) = { { "debug", LOG_LEVEL_DEBUG, false },
                       { "info", LOG_LEVEL_INFO, false },
                       { "notice", LOG_LEVEL_NOTICE, false },
                       { "warn", LOG_LEVEL_WARN, false },
                       { "error", LOG_LEVEL_ERROR, false },
                       { "crit", LOG_LEVEL_CRIT, false },
                       WORDS_END };

/* ---- the structs ---- */

static const struct persona_rule initial_rule = {
    .policy = PERSONA_REPLACE,
    .trusted = PERSONA_POLICY_UNSET,
};

static const struct persona_schema rule_schema = {
    .size = sizeof(struct persona_rule),
    .initial = &initial_rule,
    .keys =
        (const struct persona_key[]){
            KEY(persona_rule, basis, WORD, .words = basis_words, .optional = true),
            KEY(persona_rule, name, NAME),
            KEY(persona_rule, policy, WORD, .words = persona_policy_words, .optional = true),
            KEY(persona_rule, trusted, WORD, .words = persona_policy_words, .optional = true),
            KEY(persona_rule, value, VALUE, .optional = true),
            KEY(persona_rule, absent_value, VALUE, .optional = true),
            KEY(persona_rule, when, WORD, .words = persona_when_words, .optional = true),
            KEY(persona_rule, position, WORD, .words = position_words, .optional = true),
            KEY(persona_rule, token, TEXT, .optional = true),
            KEY(persona_rule, off, BOOL, .optional = true),
            KEYS_END,
        },
};

static const struct persona_schema request_schema = {
    .size = sizeof(struct persona_request),
    .keys =
        (const struct persona_key[]){
            BASIS(persona_request),
            WORD(persona_request, version, request_version_words),
            WORD(persona_request, host, host_words),
            KEY(persona_request, path, WORD, .words = path_sent_words, .optional = true),
            WORD(persona_request, name_case, case_words),
            WORD(persona_request, connection_fields, connection_fields_words),
            WORD(persona_request, underscores, underscore_words),
            WORD(persona_request, expect, expect_words),
            NUMBER(persona_request, expect_timeout_ms, DAY_MS),
            KEY(persona_request, lead, NAMES),
            KEY(persona_request, remove, NAMES),
            KEY(persona_request, remove_identity, NAMES),
            WORD(persona_request, client_cert_fields, persona_client_cert_words),
            KEY(persona_request, upgrade, NAMES, .optional = true),
            KEY(persona_request, upgrade_when, WORD, .words = upgrade_when_words, .optional = true),
            KEY(persona_request, fields, LIST, .schema = &rule_schema),
            KEYS_END,
        },
};

static const struct persona_schema response_schema = {
    .size = sizeof(struct persona_response),
    .keys =
        (const struct persona_key[]){
            BASIS(persona_response),
            WORD(persona_response, version, response_version_words),
            WORD(persona_response, name_case, case_words),
            WORD(persona_response, connection_fields, connection_fields_words),
            WORD(persona_response, connection, connection_words),
            WORD(persona_response, proxy_status, proxy_status_words),
            KEY(persona_response, lead, NAMES),
            KEY(persona_response, gateway_lead, NAMES),
            KEY(persona_response, remove, NAMES),
            KEY(persona_response, fields, LIST, .schema = &rule_schema),
            KEY(persona_response, charset, TEXT, .optional = true),
            KEY(persona_response, same_site, TEXT, .optional = true),
            WORD(persona_response, interim, interim_words),
            WORD(persona_response, accel, accel_words),
            WORD(persona_response, cut, cut_words),
            WORD(persona_response, stalled, stalled_words),
            WORD(persona_response, head, head_words),
            KEYS_END,
        },
};

static const struct persona_answer_rule initial_answer = {
    .reason = END_REASON_COUNT,
    .proxied = PERSONA_UNSET,
    .reused = PERSONA_UNSET,
    .action = PERSONA_ACTION_UNSET,
    .keep_alive = PERSONA_UNSET,
    .logged = PERSONA_UNSET,
    .negotiation = PERSONA_NEGOTIATION_UNSET,
    .name_case = PERSONA_CASE_UNSET,
    .connection = PERSONA_CONNECTION_UNSET,
};

static const struct persona_schema answer_schema = {
    .size = sizeof(struct persona_answer_rule),
    .initial = &initial_answer,
    .keys =
        (const struct persona_key[]){
            KEY(persona_answer_rule, basis, WORD, .words = basis_words, .optional = true),
            KEY(persona_answer_rule, reason, REASON, .optional = true),
            KEY(persona_answer_rule, when_status, NUMBER, .max = RULES_STATUS_MAX,
                .optional = true),
            KEY(persona_answer_rule, proxied, TRISTATE, .optional = true),
            KEY(persona_answer_rule, reused, TRISTATE, .optional = true),
            KEY(persona_answer_rule, lab, BOOL, .optional = true),
            KEY(persona_answer_rule, status, NUMBER, .max = RULES_STATUS_MAX, .optional = true),
            KEY(persona_answer_rule, action, WORD, .words = action_words, .optional = true),
            KEY(persona_answer_rule, keep_alive, TRISTATE, .optional = true),
            KEY(persona_answer_rule, logged, TRISTATE, .optional = true),
            KEY(persona_answer_rule, negotiation, WORD, .words = negotiation_words,
                .optional = true),
            KEY(persona_answer_rule, message, BODY, .optional = true),
            KEY(persona_answer_rule, reason_phrase, TEXT, .optional = true),
            KEY(persona_answer_rule, page, TEXT, .optional = true),
            KEY(persona_answer_rule, log_phrase, TEXT, .optional = true),
            KEY(persona_answer_rule, termination, TEXT, .optional = true),
            KEY(persona_answer_rule, name_case, WORD, .words = case_words, .optional = true),
            KEY(persona_answer_rule, connection, WORD, .words = connection_words, .optional = true),
            KEY(persona_answer_rule, lead, NAMES, .optional = true),
            KEY(persona_answer_rule, fields, LIST, .schema = &rule_schema, .optional = true),
            KEYS_END,
        },
};

static const struct persona_schema page_schema = {
    .size = sizeof(struct persona_page),
    .keys =
        (const struct persona_key[]){
            KEY(persona_page, basis, WORD, .words = basis_words, .optional = true),
            KEY(persona_page, name, TEXT),
            KEY(persona_page, accept, TEXTS, .optional = true),
            KEY(persona_page, begins, TEXT, .optional = true),
            KEY(persona_page, padded, BOOL, .optional = true),
            KEY(persona_page, content_type, TEXT),
            WORD(persona_page, escape, escape_words),
            KEY(persona_page, body, BODY),
            KEYS_END,
        },
};

static const struct persona_schema error_page_schema = {
    .size = sizeof(struct persona_error_page),
    .keys =
        (const struct persona_key[]){
            BASIS(persona_error_page),
            WORD(persona_error_page, select, select_words),
            KEY(persona_error_page, default_page, TEXT, .optional = true),
            KEY(persona_error_page, handler_page, TEXT, .optional = true),
            WORD(persona_error_page, padding, padding_words),
            KEY(persona_error_page, pages, LIST, .schema = &page_schema),
            KEY(persona_error_page, answers, LIST, .schema = &answer_schema),
            KEYS_END,
        },
};

static const struct persona_schema retry_schema = {
    .size = sizeof(struct persona_retry),
    .keys =
        (const struct persona_key[]){
            BASIS(persona_retry),
            WORD(persona_retry, policy, retry_policy_words),
            KEY(persona_retry, conditions, WORDS, .words = persona_retry_words),
            NUMBER(persona_retry, retries_count, 32767),
            NUMBER(persona_retry, tries_max_count, COUNT_MAX),
            NUMBER(persona_retry, timeout_ms, DAY_MS),
            NUMBER(persona_retry, pause_ms, DAY_MS),
            WORD(persona_retry, pick, pick_words),
            WORD(persona_retry, replay, replay_words),
            WORD(persona_retry, stale, stale_words),
            NUMBER(persona_retry, budget_percent, 100),
            NUMBER(persona_retry, budget_min_count, COUNT_MAX),
            KEYS_END,
        },
};

static const struct persona_schema client_schema = {
    .size = sizeof(struct persona_client),
    .keys =
        (const struct persona_key[]){
            BASIS(persona_client),
            KEY(persona_client, layer, WORD, .words = layer_words, .optional = true),
            NUMBER(persona_client, tls_handshake_timeout_ms, DAY_MS),
            NUMBER(persona_client, head_timeout_ms, DAY_MS),
            NUMBER(persona_client, body_timeout_ms, DAY_MS),
            NUMBER(persona_client, body_min_rate_bytes_per_s, COUNT_MAX),
            NUMBER(persona_client, body_min_rate_grace_ms, DAY_MS),
            NUMBER(persona_client, send_timeout_ms, DAY_MS),
            NUMBER(persona_client, keepalive_timeout_ms, DAY_MS),
            NUMBER(persona_client, keepalive_requests_count, COUNT_MAX),
            KEY(persona_client, keepalive_age_ms, NUMBER, .max = 7 * (uint64_t)DAY_MS,
                .optional = true),
            LIMITS(persona_client),
            KEY(persona_client, forwarded_for_max_count, NUMBER, .max = COUNT_MAX,
                .optional = true),
            NUMBER(persona_client, content_max_bytes, INT64_MAX),
            WORD(persona_client, connect, unsafe_method_words),
            WORD(persona_client, trace, unsafe_method_words),
            WORD(persona_client, unknown_method, method_words),
            WORD(persona_client, path, path_words),
            WORD(persona_client, half_close, half_close_words),
            WORD(persona_client, verify_refusal, verify_refusal_words),
            WORD(persona_client, unknown_sni, sni_words),
            WORD(persona_client, missing_sni, sni_words),
            WORD(persona_client, trusted_client_cert, persona_trusted_cert_words),
            KEYS_END,
        },
};

static const struct persona_schema upstream_schema = {
    .size = sizeof(struct persona_upstream),
    .keys =
        (const struct persona_key[]){
            BASIS(persona_upstream),
            NUMBER(persona_upstream, connect_timeout_ms, DAY_MS),
            NUMBER(persona_upstream, tls_timeout_ms, DAY_MS),
            NUMBER(persona_upstream, send_timeout_ms, DAY_MS),
            NUMBER(persona_upstream, read_timeout_ms, DAY_MS),
            NUMBER(persona_upstream, keepalive_timeout_ms, DAY_MS),
            NUMBER(persona_upstream, request_timeout_ms, DAY_MS),
            NUMBER(persona_upstream, keepalive_pool_count, COUNT_MAX),
            NUMBER(persona_upstream, keepalive_requests_count, COUNT_MAX),
            NUMBER(persona_upstream, keepalive_age_ms, DAY_MS),
            NUMBER(persona_upstream, keepalive_per_target_count, COUNT_MAX),
            WORD(persona_upstream, keepalive_of, keepalive_of_words),
            WORD(persona_upstream, keepalive_hint, keepalive_hint_words),
            LIMITS(persona_upstream),
            WORD(persona_upstream, head_timer, head_timer_words),
            WORD(persona_upstream, pin, pin_words),
            KEY(persona_upstream, tls_verify, WORD, .words = tls_verify_words, .optional = true),
            KEY(persona_upstream, tls_name, WORD, .words = tls_name_words, .optional = true),
            KEY(persona_upstream, passive, WORD, .words = passive_words, .optional = true),
            KEY(persona_upstream, all_unhealthy, WORD, .words = all_unhealthy_words,
                .optional = true),
            KEY(persona_upstream, tls_verify_depth_count, NUMBER, .max = TLS_DEPTH_MAX,
                .optional = true),
            KEYS_END,
        },
};

static const struct persona_schema content_schema = {
    .size = sizeof(struct persona_content),
    .keys =
        (const struct persona_key[]){
            BASIS(persona_content),
            WORD(persona_content, request, content_words),
            WORD(persona_content, response, content_words),
            NUMBER(persona_content, buffer_bytes, 1024 * 1024 * 1024),
            NUMBER(persona_content, response_buffer_bytes, 1024 * 1024 * 1024),
            NUMBER(persona_content, response_buffers_count, 1024),
            NUMBER(persona_content, response_buffers_bytes, 1024 * 1024 * 1024),
            NUMBER(persona_content, response_file_max_bytes, 1ull << 40),
            WORD(persona_content, request_framing, framing_words),
            WORD(persona_content, trailers, trailer_words),
            KEY(persona_content, until_close, WORD, .words = until_close_words, .optional = true),
            WORD(persona_content, old_client, old_client_words),
            KEYS_END,
        },
};

static const struct persona_schema parse_schema = {
    .size = sizeof(struct persona_parse),
    .keys =
        (const struct persona_key[]){
            BASIS(persona_parse),
            KEY(persona_parse, request, WORDS, .words = persona_lenient_words),
            KEY(persona_parse, response, WORDS, .words = persona_lenient_words),
            KEYS_END,
        },
};

WORDS(lab_interim_words) = { { "as_elsewhere", PERSONA_LAB_INTERIM_AS_ELSEWHERE, false },
                             { "final", PERSONA_LAB_INTERIM_FINAL, true },
                             WORDS_END };

static const struct persona_schema lab_schema = {
    .size = sizeof(struct persona_lab),
    .keys =
        (const struct persona_key[]){
            BASIS(persona_lab),
            WORD(persona_lab, interim, lab_interim_words),
            KEY(persona_lab, request, WORDS, .words = persona_lenient_words),
            KEY(persona_lab, response, WORDS, .words = persona_lenient_words),
            KEYS_END,
        },
};

static const struct persona_schema log_schema = {
    .size = sizeof(struct persona_log),
    .keys =
        (const struct persona_key[]){
            BASIS(persona_log),
            KEY(persona_log, access_format, TEXT),
            WORD(persona_log, error_shape, error_shape_words),
            KEY(persona_log, server_name, TEXT),
            KEY(persona_log, error_request_id, BOOL),
            KEY(persona_log, error_explanation, BOOL, .optional = true),
            WORD(persona_log, error_level, level_words),
            KEYS_END,
        },
};

const struct persona_schema persona_schema = {
    .size = sizeof(struct persona),
    .keys =
        (const struct persona_key[]){
            KEY(persona, extends, TEXT, .optional = true), /* its base was read before */
            KEY(persona, name, TEXT),
            KEY(persona, product, TEXT),
            KEY(persona, request, OBJECT, .schema = &request_schema),
            KEY(persona, response, OBJECT, .schema = &response_schema),
            KEY(persona, error_page, OBJECT, .schema = &error_page_schema),
            KEY(persona, retry, OBJECT, .schema = &retry_schema),
            KEY(persona, client, OBJECT, .schema = &client_schema),
            KEY(persona, upstream, OBJECT, .schema = &upstream_schema),
            KEY(persona, content, OBJECT, .schema = &content_schema),
            KEY(persona, parse, OBJECT, .schema = &parse_schema),
            KEY(persona, lab, OBJECT, .schema = &lab_schema, .optional = true, .lab_only = true),
            KEY(persona, log, OBJECT, .schema = &log_schema),
            KEYS_END,
        },
};
