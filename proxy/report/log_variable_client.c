/* Variables of the client, its connection, its request and the answer it got. */
#include <time.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/base64.h"
#include "core/log.h"
#include "core/proxy_protocol.h"
#include "proxy/persona/persona.h"
#include "proxy/report/log_variable_priv.h"
#include "proxy/route/uri.h"
#include "tls/client_certificate.h"

#define VARIABLE(name) \
    void log_variable_put_##name(const struct log_scope *scope, struct text *into)

/* ---- the client and its connection --------------------------------------------------------- */

static void put_ip(const struct log_scope *scope, struct text *into,
                   const struct sockaddr_storage *addr)
{
    char ip[ADDR_IP_TEXT_MAX];

    if (addr && (addr->ss_family == AF_INET || addr->ss_family == AF_INET6))
        text_add_string(into, addr_format_ip(addr, ip, sizeof(ip)));
    else
        put_absent(scope, into);
}

static void put_port(const struct log_scope *scope, struct text *into,
                     const struct sockaddr_storage *addr)
{
    if (addr && (addr->ss_family == AF_INET || addr->ss_family == AF_INET6))
        text_add_number(into, addr_port(addr));
    else
        put_absent(scope, into);
}

VARIABLE(remote_addr)
{
    log_put_ip(scope->record, into);
}

VARIABLE(remote_port)
{
    put_port(scope, into, &scope->record->client_peer);
}

VARIABLE(realip_remote_addr)
{
    put_ip(scope, into, &scope->record->client_peer);
}

VARIABLE(realip_remote_port)
{
    put_port(scope, into, &scope->record->client_peer);
}

VARIABLE(proxy_protocol_addr)
{
    const struct proxy_protocol *header = scope->record->proxy_header;

    put_ip(scope, into, header ? &header->source : NULL);
}

VARIABLE(proxy_protocol_port)
{
    const struct proxy_protocol *header = scope->record->proxy_header;

    put_port(scope, into, header ? &header->source : NULL);
}

VARIABLE(proxy_protocol_server_addr)
{
    const struct proxy_protocol *header = scope->record->proxy_header;

    put_ip(scope, into, header ? &header->destination : NULL);
}

VARIABLE(proxy_protocol_server_port)
{
    const struct proxy_protocol *header = scope->record->proxy_header;

    put_port(scope, into, header ? &header->destination : NULL);
}

/* What follows "Basic "; empty when there are no such credentials, or they are no base64 (which nginx
 * checks up to the padding). */
static struct slice basic_credentials(const struct exchange_record *record)
{
    const struct field *field =
        record->request ? fields_find(&record->request->fields, FIELD_AUTHORIZATION) : NULL;
    struct slice text;
    size_t length = 0;

    if (!field || field->value.len < 6 || strncasecmp(field->value.ptr, "Basic ", 6) != 0)
        return (struct slice){ NULL, 0 };
    text = slice_from(field->value, 6);
    while (text.len > 0 && text.ptr[0] == ' ')
        text = slice_from(text, 1);
    while (length < text.len && text.ptr[length] != '=') {
        if (base64_digit(text.ptr[length]) < 0)
            return (struct slice){ NULL, 0 };
        length++;
    }
    return (struct slice){ text.ptr, length % 4 == 1 ? 0 : length };
}

static char decoded_byte(struct slice base64, size_t index)
{
    size_t bit = index * 8;
    unsigned high = (unsigned)base64_digit(base64.ptr[bit / 6]);
    unsigned low = (unsigned)base64_digit(base64.ptr[bit / 6 + 1]);

    return (char)((high << 6 | low) >> (4 - bit % 6) & 0xff);
}

VARIABLE(remote_user)
{
    struct slice credentials = basic_credentials(scope->record);
    size_t length = credentials.len * 6 / 8, colon = 0;

    while (colon < length && decoded_byte(credentials, colon) != ':')
        colon++;
    if (colon == 0 || colon == length) {
        put_absent(scope, into);
        return;
    }
    for (size_t i = 0; i < colon; i++) {
        char c = decoded_byte(credentials, i);

        text_add_escaped(into, (struct slice){ &c, 1 }, scope->escape);
    }
}

VARIABLE(connection)
{
    text_add_number(into, scope->record->client_connection_id);
}

VARIABLE(connection_requests)
{
    text_add_number(into, scope->record->client_request_number);
}

VARIABLE(pipe)
{
    text_add(into, scope->record->pipelined ? SLICE("p") : SLICE("."));
}

/* ---- the hop ------------------------------------------------------------------------------- */

VARIABLE(server_addr)
{
    put_ip(scope, into, &scope->record->client_local);
}

VARIABLE(server_port)
{
    put_port(scope, into, &scope->record->client_local);
}

VARIABLE(server_name)
{
    put_string(scope, into, scope->record->persona->log.server_name);
}

VARIABLE(hostname)
{
    char name[256] = "";

    (void)gethostname(name, sizeof(name) - 1); /* a longer one is cut */
    put_string(scope, into, name);
}

VARIABLE(pid)
{
    (void)scope;
    text_add_number(into, (uint64_t)getpid());
}

/* ---- the request --------------------------------------------------------------------------- */

VARIABLE(request)
{
    text_add_escaped(into, log_variable_request_line(scope->record), scope->escape);
}

VARIABLE(request_method)
{
    const struct http_head *request = scope->record->request;

    put_value(scope, into, request ? request->method_name : (struct slice){ NULL, 0 });
}

/* Of the absolute form nginx shows what follows the authority. */
VARIABLE(request_uri)
{
    const struct http_head *request = scope->record->request;

    if (!request || request->target_form == HTTP_TARGET_ORIGIN) {
        put_value(scope, into, request ? request->request_target : (struct slice){ NULL, 0 });
        return;
    }
    put_value(scope, into, request->path);
    if (!request->query.ptr)
        return;
    text_add(into, SLICE("?"));
    text_add_escaped(into, request->query, scope->escape);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_decoded(const struct log_scope *scope, struct text *into, struct slice path)
{
    while (path.len > 0) {
        const char *percent = memchr(path.ptr, '%', path.len);
        size_t plain = percent ? (size_t)(percent - path.ptr) : path.len;
        int high = path.len >= plain + 3 ? hex_digit(path.ptr[plain + 1]) : -1;
        int low = path.len >= plain + 3 ? hex_digit(path.ptr[plain + 2]) : -1;
        char byte = (char)(high * 16 + low);

        text_add_escaped(into, (struct slice){ path.ptr, plain }, scope->escape);
        path = slice_from(path, plain);
        if (path.len == 0)
            return;
        if (high < 0 || low < 0)
            byte = '%';
        text_add_escaped(into, (struct slice){ &byte, 1 }, scope->escape);
        path = slice_from(path, high < 0 || low < 0 ? 1 : 3);
    }
}

VARIABLE(uri)
{
    const struct http_head *request = scope->record->request;
    struct slice path = request ? uri_normalise(into->arena, request->path) : (struct slice){ 0 };

    if (path.len > 0)
        put_decoded(scope, into, path);
    else
        put_absent(scope, into);
}

VARIABLE(document_uri)
{
    log_variable_put_uri(scope, into);
}

VARIABLE(args)
{
    const struct http_head *request = scope->record->request;

    put_value(scope, into, request ? request->query : (struct slice){ NULL, 0 });
}

VARIABLE(query_string)
{
    log_variable_put_args(scope, into);
}

VARIABLE(is_args)
{
    const struct http_head *request = scope->record->request;

    if (request && request->query.len > 0)
        text_add(into, SLICE("?"));
}

VARIABLE(scheme)
{
    put_string(scope, into, scope->record->over_tls ? "https" : "http");
}

VARIABLE(https)
{
    if (scope->record->over_tls)
        text_add(into, SLICE("on"));
}

VARIABLE(host)
{
    static const struct template_part part = { .variable = TEMPLATE_host };
    static const struct template host = { &part, 1 };
    const struct template_scope template_scope = { .record = scope->record,
                                                   .escape = scope->escape };
    size_t before = into->length;

    template_expand(&host, &template_scope, into);
    if (into->length == before)
        log_variable_put_server_name(scope, into);
}

VARIABLE(server_protocol)
{
    const struct http_head *request = scope->record->request;

    if (!request) {
        put_absent(scope, into);
        return;
    }
    text_add(into, SLICE("HTTP/"));
    text_add_number(into, request->version_major);
    text_add(into, SLICE("."));
    text_add_number(into, request->version_minor);
}

static void put_field(const struct log_scope *scope, struct text *into, enum field_id id)
{
    const struct http_head *request = scope->record->request;
    const struct field *field = request ? fields_find(&request->fields, id) : NULL;

    put_value(scope, into, field ? field->value : (struct slice){ NULL, 0 });
}

VARIABLE(content_length)
{
    put_field(scope, into, FIELD_CONTENT_LENGTH);
}

VARIABLE(content_type)
{
    put_field(scope, into, FIELD_CONTENT_TYPE);
}

VARIABLE(request_length)
{
    text_add_number(into, scope->record->request_bytes);
}

VARIABLE(request_id)
{
    text_add_string(into, scope->record->request_id);
}

VARIABLE(kong_request_id)
{
    text_add_string(into, scope->record->request_id);
}

/* ---- the response -------------------------------------------------------------------------- */

VARIABLE(status)
{
    log_put_padded(into, scope->record->status, 3);
}

VARIABLE(bytes_sent)
{
    text_add_number(into, scope->record->response_bytes);
}

VARIABLE(body_bytes_sent)
{
    text_add_number(into, log_body_bytes(scope->record));
}

VARIABLE(request_completion)
{
    const struct exchange_record *record = scope->record;

    if (!record->truncated && record->reason != END_CLIENT_ABORTED && record->response_fields)
        text_add(into, SLICE("OK"));
}

/* ---- TLS ----------------------------------------------------------------------------------- */

VARIABLE(ssl_protocol)
{
    const struct tls_session_info *tls = scope->record->tls;

    put_if(scope, into, tls ? tls->version : NULL);
}

VARIABLE(ssl_cipher)
{
    const struct tls_session_info *tls = scope->record->tls;

    put_if(scope, into, tls ? tls->cipher : NULL);
}

VARIABLE(ssl_server_name)
{
    const struct tls_session_info *tls = scope->record->tls;

    put_if(scope, into, tls ? tls->server_name : NULL);
}

VARIABLE(ssl_alpn_protocol)
{
    const struct tls_session_info *tls = scope->record->tls;

    put_if(scope, into, tls ? tls->alpn : NULL);
}

VARIABLE(ssl_session_reused)
{
    const struct tls_session_info *tls = scope->record->tls;

    put_string(scope, into, !tls ? NULL : tls->resumed ? "r" : ".");
}

VARIABLE(ssl_client_verify)
{
    const struct tls_session_info *tls = scope->record->tls;

    put_if(scope, into, tls ? tls->client.verify : NULL);
}

#define CERTIFICATE_VARIABLE(name, member)                                                 \
    VARIABLE(name)                                                                         \
    {                                                                                      \
        const struct tls_session_info *tls = scope->record->tls;                           \
        const struct tls_client_certificate *shown = tls ? tls->client.certificate : NULL; \
                                                                                           \
        put_if(scope, into, shown ? shown->member : NULL);                                 \
    }

CERTIFICATE_VARIABLE(ssl_client_s_dn, subject)
CERTIFICATE_VARIABLE(ssl_client_i_dn, issuer)
CERTIFICATE_VARIABLE(ssl_client_serial, serial)
CERTIFICATE_VARIABLE(ssl_client_fingerprint, sha1)
CERTIFICATE_VARIABLE(ssl_client_v_start, not_before)
CERTIFICATE_VARIABLE(ssl_client_v_end, not_after)
