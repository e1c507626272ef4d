/*
 * Who the client is by its certificate, and whether that is enough. It is the one of the handshake;
 * from a hop before us that is trusted, and only then, it is the one in the field that the hop was
 * told to use, and what that hop shows itself does not count.
 */
#include <errno.h>

#include "core/addr.h"
#include "core/http/head.h"
#include "core/log.h"
#include "proxy/exchange/exchange.h"
#include "proxy/rewrite/client_certificate_field.h"
#include "proxy/rewrite/client_identity.h"
#include "proxy/worker/worker.h"
#include "tls/client_verifier.h"

static const struct slice nothing = { NULL, 0 };

/* The name whose policy counts; empty: the listener's. */
static struct slice wanted_host(const struct exchange *exchange)
{
    struct slice host, port, authority = exchange->request.authority;

    return http_authority_split(authority, &host, &port) ? host : authority;
}

/* ---- in a field ---------------------------------------------------------------------------- */

static enum end_reason judge(struct exchange *exchange,
                             const struct client_certificate_field *field, struct slice *ret_detail)
{
    const struct exchange_record *record = &exchange->record;
    const struct tls_presented presented = {
        .config = exchange->pinned->snapshot->tls,
        /* without a Host there is only the name in the handshake */
        .host = exchange->request.authority.len == 0 && record->tls
                    ? slice_of(record->tls->server_name)
                    : wanted_host(exchange),
        .certificates = field->certificates,
        .count = field->count,
        .now_s = (int64_t)(record->started_at_unix_ms / 1000),
    };
    size_t bad = 0;

    switch (tls_client_verifier_judge(exchange->worker->client_verifier, &presented,
                                      &exchange->judgement, &bad)) {
    case 0:
        return END_OK;
    case -EINVAL:
        *ret_detail = arena_printf(
            &exchange->arena, "trusted peer sent a \"%.*s\" field whose certificate %zu is damaged",
            SLICE_ARG(client_certificate_field_name(record->persona->client.trusted_client_cert)),
            bad + 1);
        return END_CLIENT_HEAD_INVALID;
    default:
        return END_OUT_OF_MEMORY;
    }
}

static enum end_reason learn_from_field(struct exchange *exchange, struct slice *ret_detail)
{
    struct exchange_record *record = &exchange->record;
    struct client_certificate_field field;
    enum end_reason reason;
    int r = client_certificate_field_read(record->persona->client.trusted_client_cert,
                                          &exchange->request.fields, &exchange->arena, &field);

    if (r == -EINVAL) {
        *ret_detail = arena_printf(&exchange->arena, "trusted peer sent a \"%.*s\" field that %s",
                                   SLICE_ARG(field.name), field.problem);
        return END_CLIENT_HEAD_INVALID;
    }
    if (r < 0)
        return END_OUT_OF_MEMORY;
    if (!tls_server_config_guards(exchange->pinned->snapshot->tls, wanted_host(exchange)))
        return END_CLIENT_MISDIRECTED;
    reason = judge(exchange, &field, ret_detail);
    if (reason != END_OK)
        return reason;
    record->client_identity = *tls_judgement_identity(exchange->judgement);
    record->client_identity_is_claimed = true;
    return END_OK;
}

/* ---- in the handshake ---------------------------------------------------------------------- */

/* The name first, as nginx: on a connection that was made for another name nothing is said about
 * certificates. */
static enum end_reason learn_from_handshake(struct exchange *exchange)
{
    const struct tls_session_info *tls = exchange->record.tls;

    if (!tls)
        return END_OK;
    if (exchange->request.authority.len > 0 && !tls_session_may_serve(tls, wanted_host(exchange)))
        return END_CLIENT_MISDIRECTED;
    exchange->record.client_identity = tls->client;
    return END_OK;
}

/* ---- both ---------------------------------------------------------------------------------- */

/* Once per connection, or per judgement: the next hop will wonder. */
static void warn_if_shortened(struct exchange *exchange)
{
    const struct exchange_record *record = &exchange->record;
    bool is_new = record->client_identity_is_claimed ? tls_judgement_is_new(exchange->judgement)
                                                     : record->client_request_number == 1;
    char ip[ADDR_IP_TEXT_MAX];
    struct slice name;

    if (!is_new || !record->client_identity.certificate)
        return;
    name = client_identity_shortened(record, &exchange->arena);
    if (name.len > 0)
        log_error(
            LOG_LEVEL_WARN,
            "*%llu client certificate with its chain does not fit a line of %d bytes: \"%.*s\" "
            "is sent without what is too long, client: %s",
            (unsigned long long)record->client_connection_id, (int)CLIENT_IDENTITY_LINE_MAX,
            SLICE_ARG(name), addr_format_ip(&record->client_peer, ip, sizeof(ip)));
}

static enum end_reason verdict(const struct tls_client_identity *identity, struct slice *ret_detail)
{
    *ret_detail = slice_of(identity->verify_error);
    switch (identity->verdict) {
    case TLS_CLIENT_ACCEPTED:
        return END_OK;
    case TLS_CLIENT_CERTIFICATE_REFUSED:
        return END_CLIENT_CERT_INVALID;
    case TLS_CLIENT_CERTIFICATE_MISSING:
        return END_CLIENT_CERT_MISSING;
    }
    return END_INTERNAL;
}

enum end_reason exchange_learn_identity(struct exchange *exchange, struct slice *ret_detail)
{
    const struct exchange_record *record = &exchange->record;
    bool is_claimed = record->client_is_trusted && exchange->pinned->snapshot->tls &&
                      record->persona->client.trusted_client_cert != PERSONA_TRUSTED_CERT_NONE;
    enum end_reason reason;

    *ret_detail = nothing;
    reason = is_claimed ? learn_from_field(exchange, ret_detail) : learn_from_handshake(exchange);
    if (reason == END_OK)
        reason = verdict(&record->client_identity, ret_detail);
    if (reason == END_OK)
        warn_if_shortened(exchange);
    return reason;
}
