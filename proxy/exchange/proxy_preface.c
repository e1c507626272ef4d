#include "proxy/exchange/proxy_preface.h"

#include <string.h>

#include "core/addr.h"
#include "core/proxy_protocol.h"
#include "tls/client_certificate.h"

/* Who the client is, as far as this hop knows; a port that it was not told is 0. */
static struct sockaddr_storage client_address(const struct exchange_record *record)
{
    struct sockaddr_storage addr = record->client_peer, told;

    if (addr_parse_ip(record->client_ip, addr_port(&addr), &told) < 0 || addr_equal(&told, &addr))
        return addr;
    if (record->proxy_header)
        addr = record->proxy_header->source;
    addr_set_port(&told, 0);
    addr_set_port(&addr, 0);
    return addr_equal(&told, &addr) && record->proxy_header ? record->proxy_header->source : told;
}

/* How the client spoke TLS to us, and who it is by its certificate (section 2.2.5). */
static struct proxy_protocol_tls client_tls(const struct exchange_record *record)
{
    const struct tls_client_identity *client = &record->client_identity;
    struct proxy_protocol_tls tls = { .present = true,
                                      .over_tls = true,
                                      .version = slice_of(record->tls->version),
                                      .cipher = slice_of(record->tls->cipher) };

    if (!client->certificate || record->client_identity_is_claimed)
        return tls;
    tls.has_certificate = true;
    tls.is_verified = strcmp(client->verify, "SUCCESS") == 0;
    tls.common_name = slice_of(client->certificate->common_name);
    return tls;
}

struct slice proxy_preface(const struct exchange_record *record, struct arena *arena)
{
    const struct config_proxy_protocol *wanted = &record->service->proxy_protocol;
    const struct tls_session_info *tls = record->tls;
    struct proxy_protocol header = { .version = wanted->version };
    char bytes[PROXY_PROTOCOL_HEADER_MAX];
    long length;

    if (wanted->version == 0)
        return SLICE("");
    header.source = client_address(record);
    header.destination = record->client_local;
    if (tls && wanted->authority)
        header.authority = slice_of(tls->server_name);
    if (tls && wanted->alpn)
        header.alpn = slice_of(tls->alpn);
    if (tls && wanted->tls)
        header.tls = client_tls(record);
    length = proxy_protocol_write(&header, bytes, sizeof(bytes));
    return length < 0 ? (struct slice){ NULL, 0 }
                      : arena_copy(arena, (struct slice){ bytes, (size_t)length });
}
