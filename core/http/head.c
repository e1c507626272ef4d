#include "core/http/head.h"

#include <arpa/inet.h>

#include "core/http/http_chars.h"

enum { PORT_MAX = 65535 };

static const struct {
    struct slice name;
    enum http_method method;
    bool idempotent;
} methods[] = {
    { { "GET", 3 }, HTTP_METHOD_GET, true },
    { { "POST", 4 }, HTTP_METHOD_POST, false },
    { { "HEAD", 4 }, HTTP_METHOD_HEAD, true },
    { { "PUT", 3 }, HTTP_METHOD_PUT, true },
    { { "DELETE", 6 }, HTTP_METHOD_DELETE, true },
    { { "PATCH", 5 }, HTTP_METHOD_PATCH, false },
    { { "OPTIONS", 7 }, HTTP_METHOD_OPTIONS, true },
    { { "CONNECT", 7 }, HTTP_METHOD_CONNECT, false },
    { { "TRACE", 5 }, HTTP_METHOD_TRACE, true },
    { { "LOCK", 4 }, HTTP_METHOD_LOCK, false },
};

enum { METHODS_COUNT = sizeof(methods) / sizeof(methods[0]) };

/* Methods are case-sensitive (RFC 9110 9.1): "get" is HTTP_METHOD_OTHER. */
enum http_method http_method_of(struct slice name)
{
    for (size_t i = 0; i < METHODS_COUNT; i++)
        if (slice_equal(methods[i].name, name))
            return methods[i].method;
    return HTTP_METHOD_OTHER;
}

bool http_method_is_idempotent(enum http_method method)
{
    for (size_t i = 0; i < METHODS_COUNT; i++)
        if (methods[i].method == method)
            return methods[i].idempotent;
    return false;
}

/* Non-empty labels of reg-name bytes; one dot at the end is the DNS root and fine. */
static bool reg_name_is_valid(struct slice host)
{
    size_t label = 0;

    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if (host.ptr[i] == '%') {
            if (host.len - i < 3 || http_hex_value(host.ptr[i + 1]) < 0 ||
                http_hex_value(host.ptr[i + 2]) < 0)
                return false;
            i += 2;
        } else if (!http_char_is(host.ptr[i], HTTP_CHAR_HOST)) {
            return false;
        }
        label++;
    }
    return host.len > 0;
}

static bool ipv6_is_valid(struct slice address)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr ignored;

    if (address.len >= sizeof(text) || memchr(address.ptr, '\0', address.len))
        return false;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    return inet_pton(AF_INET6, text, &ignored) == 1;
}

static bool port_is_valid(struct slice port)
{
    unsigned value = 0;

    for (size_t i = 0; i < port.len; i++) {
        if (port.ptr[i] < '0' || port.ptr[i] > '9')
            return false;
        value = value * 10 + (unsigned)(port.ptr[i] - '0');
        if (value > PORT_MAX)
            return false;
    }
    return true;
}

bool http_authority_split(struct slice authority, struct slice *ret_host, struct slice *ret_port)
{
    bool literal = authority.len > 0 && authority.ptr[0] == '[';
    const char *end =
        authority.len > 0 ? memchr(authority.ptr, literal ? ']' : ':', authority.len) : NULL;
    size_t host_length = end ? (size_t)(end - authority.ptr) + (literal ? 1 : 0) : authority.len;
    struct slice host = { authority.ptr, host_length };
    struct slice port = slice_from(authority, host_length);

    if (literal && (!end || !ipv6_is_valid((struct slice){ host.ptr + 1, host.len - 2 })))
        return false;
    if (!literal && !reg_name_is_valid(host))
        return false;
    if (port.len > 0 && port.ptr[0] != ':')
        return false;
    port = slice_from(port, 1);
    if (!port_is_valid(port))
        return false;
    *ret_host = host;
    *ret_port = port;
    return true;
}

/* IANA's registry (RFC 9110 15 and later RFCs). */
static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    { 100, "Continue" },
    { 101, "Switching Protocols" },
    { 102, "Processing" },
    { 103, "Early Hints" },
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 203, "Non-Authoritative Information" },
    { 204, "No Content" },
    { 205, "Reset Content" },
    { 206, "Partial Content" },
    { 207, "Multi-Status" },
    { 208, "Already Reported" },
    { 226, "IM Used" },
    { 300, "Multiple Choices" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 305, "Use Proxy" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 402, "Payment Required" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 407, "Proxy Authentication Required" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 423, "Locked" },
    { 424, "Failed Dependency" },
    { 425, "Too Early" },
    { 426, "Upgrade Required" },
    { 428, "Precondition Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 451, "Unavailable For Legal Reasons" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
    { 506, "Variant Also Negotiates" },
    { 507, "Insufficient Storage" },
    { 508, "Loop Detected" },
    { 510, "Not Extended" },
    { 511, "Network Authentication Required" },
};

const char *http_status_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}
