/* Words that personas and kong.conf have in common, and the longer lists of the schema. */
#include <stddef.h>

#include "proxy/persona/persona_priv.h"

#define WORDS_END PERSONA_WORDS_END

const struct persona_word persona_client_cert_words[] = {
    { "none", PERSONA_CLIENT_CERT_NONE, false },
    { "rfc9440", PERSONA_CLIENT_CERT_RFC9440, false },
    { "x-ssl-client", PERSONA_CLIENT_CERT_X_SSL_CLIENT, false },
    { "xfcc", PERSONA_CLIENT_CERT_XFCC, false },
    { "alb", PERSONA_CLIENT_CERT_ALB, false },
    WORDS_END
};

const struct persona_word persona_trusted_cert_words[] = {
    { "none", PERSONA_TRUSTED_CERT_NONE, false },
    { "client-cert", PERSONA_TRUSTED_CERT_CLIENT_CERT, false },
    { "x-ssl-client-cert", PERSONA_TRUSTED_CERT_X_SSL_CLIENT_CERT, false },
    { "xfcc", PERSONA_TRUSTED_CERT_XFCC, false },
    { "x-amzn-mtls-clientcert", PERSONA_TRUSTED_CERT_ALB, false },
    { "x-amzn-mtls-clientcert-leaf", PERSONA_TRUSTED_CERT_ALB_LEAF, false },
    WORDS_END
};

enum {
    RETRY_ANY_ERROR = PERSONA_RETRY_CONNECT | PERSONA_RETRY_CONNECT_TIMEOUT | PERSONA_RETRY_BROKEN |
                      PERSONA_RETRY_TIMEOUT | PERSONA_RETRY_INVALID,
    RETRY_ANY_5XX = PERSONA_RETRY_500 | PERSONA_RETRY_502 | PERSONA_RETRY_503 | PERSONA_RETRY_504,
};

/* nginx's proxy_next_upstream words, then HAProxy's retry-on words. */
const struct persona_word persona_retry_words[] = {
    { "error", PERSONA_RETRY_CONNECT | PERSONA_RETRY_BROKEN, false },
    { "timeout", PERSONA_RETRY_CONNECT_TIMEOUT | PERSONA_RETRY_TIMEOUT, false },
    { "invalid_header", PERSONA_RETRY_INVALID, false },
    { "http_403", PERSONA_RETRY_403, false },
    { "http_404", PERSONA_RETRY_404, false },
    { "http_429", PERSONA_RETRY_429, false },
    { "http_500", PERSONA_RETRY_500, false },
    { "http_502", PERSONA_RETRY_502, false },
    { "http_503", PERSONA_RETRY_503, false },
    { "http_504", PERSONA_RETRY_504, false },
    { "non_idempotent", PERSONA_RETRY_NON_IDEMPOTENT, false },
    { "conn-failure", PERSONA_RETRY_CONNECT | PERSONA_RETRY_CONNECT_TIMEOUT, false },
    { "empty-response", PERSONA_RETRY_BROKEN, false },
    { "junk-response", PERSONA_RETRY_INVALID, false },
    { "response-timeout", PERSONA_RETRY_TIMEOUT, false },
    { "all-retryable-errors", RETRY_ANY_ERROR | RETRY_ANY_5XX, false },
    { "401", PERSONA_RETRY_401, false },
    { "403", PERSONA_RETRY_403, false },
    { "404", PERSONA_RETRY_404, false },
    { "408", PERSONA_RETRY_408, false },
    { "425", PERSONA_RETRY_425, false },
    { "429", PERSONA_RETRY_429, false },
    { "500", PERSONA_RETRY_500, false },
    { "501", PERSONA_RETRY_501, false },
    { "502", PERSONA_RETRY_502, false },
    { "503", PERSONA_RETRY_503, false },
    { "504", PERSONA_RETRY_504, false },
    WORDS_END
};

const struct persona_word persona_lenient_words[] = {
    { "bare_lf", PERSONA_LENIENT_BARE_LF, true },
    { "obs_fold", PERSONA_LENIENT_OBS_FOLD, true },
    { "nul_in_value", PERSONA_LENIENT_NUL_IN_VALUE, true },
    { "drop_bad_line", PERSONA_LENIENT_DROP_BAD_LINE, true },
    { "no_host", PERSONA_LENIENT_NO_HOST, true },
    { "merge_lengths", PERSONA_LENIENT_MERGE_LENGTHS, true },
    { "length_and_coding", PERSONA_LENIENT_LENGTH_AND_CODING, true },
    { "any_length", PERSONA_LENIENT_ANY_LENGTH, true },
    { "any_coding", PERSONA_LENIENT_ANY_CODING, true },
    { "odd_status", PERSONA_LENIENT_ODD_STATUS, true },
    { "empty_lines", PERSONA_LENIENT_EMPTY_LINES, true },
    { "old_coding", PERSONA_LENIENT_OLD_CODING, true },
    { "many_interims", PERSONA_LENIENT_MANY_INTERIMS, true },
    WORDS_END
};

const struct persona_word persona_policy_words[] = { { "preserve", PERSONA_PRESERVE, false },
                                                     { "join", PERSONA_JOIN, false },
                                                     { "first_line", PERSONA_FIRST_LINE, false },
                                                     { "append", PERSONA_APPEND, false },
                                                     { "append_first", PERSONA_APPEND_FIRST,
                                                       false },
                                                     { "replace", PERSONA_REPLACE, false },
                                                     { "add_line", PERSONA_ADD_LINE, false },
                                                     { "remove", PERSONA_REMOVE, false },
                                                     WORDS_END };

const struct persona_word persona_when_words[] = {
    { "always", PERSONA_ALWAYS, false },
    { "upstream", PERSONA_WHEN_UPSTREAM, false },
    { "gateway", PERSONA_WHEN_GATEWAY, false },
    { "proxied", PERSONA_WHEN_PROXIED, false },
    { "not_proxied", PERSONA_WHEN_NOT_PROXIED, false },
    { "no_trailers_wanted", PERSONA_WHEN_NO_TRAILERS, false },
    { "upgrade", PERSONA_WHEN_UPGRADE, false },
    { "no_upgrade", PERSONA_WHEN_NO_UPGRADE, false },
    { "kong_debug", PERSONA_WHEN_KONG_DEBUG, false },
    { "request_debug", PERSONA_WHEN_REQUEST_DEBUG, false },
    WORDS_END
};
