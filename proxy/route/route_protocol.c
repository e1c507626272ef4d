#include "proxy/route/route_protocol.h"

static const struct field *find(const struct exchange_record *record, struct slice name)
{
    return record->request ? fields_find_name(&record->request->fields, name) : NULL;
}

bool route_protocol_is_https(const struct exchange_record *record)
{
    const struct field *claimed =
        record->client_is_trusted ? find(record, SLICE("X-Forwarded-Proto")) : NULL;

    return claimed ? slice_equal(claimed->value, SLICE("https")) : record->over_tls;
}

/* Over HTTP/1 a grpc request is never taken, so Kong's third answer (grpc-status 1 for a grpcs route
 * on a plain connection) does not come up. */
static enum end_reason grpc_refusal(const struct exchange_record *record)
{
    const struct field *type = find(record, SLICE("Content-Type"));

    if (!type || !slice_starts_with(type->value, SLICE("application/grpc")))
        return END_NOT_GRPC;
    return END_HTTP2_REQUIRED;
}

enum end_reason route_protocol_refusal(const struct exchange_record *record)
{
    const struct config_route *route = record->route;

    if (route->protocols & CONFIG_PROTOCOL_HTTPS && !(route->protocols & CONFIG_PROTOCOL_HTTP) &&
        !route_protocol_is_https(record))
        return route->https_redirect_status_code == 426 ? END_HTTPS_REQUIRED : END_HTTPS_REDIRECT;
    if (route->protocols & (CONFIG_PROTOCOL_GRPC | CONFIG_PROTOCOL_GRPCS))
        return grpc_refusal(record);
    return END_OK;
}
