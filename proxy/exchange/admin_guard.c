#include "proxy/exchange/admin_guard.h"

#include "core/addr.h"

/* Takes as long for a wrong token as for the right one. */
static bool is_token(const char *token, struct slice shown)
{
    size_t length = strlen(token);
    unsigned char difference = shown.len == length ? 0 : 1;

    for (size_t i = 0; i < length; i++)
        difference |= (unsigned char)(token[i] ^ (shown.len == length ? shown.ptr[i] : token[i]));
    return difference == 0;
}

/* Of several fields each would have to be right. */
static bool shows_token(const struct admin_guard *guard, const struct http_head *request)
{
    unsigned count = 0;

    for (uint32_t i = 0; guard->token && i < request->fields.count; i++) {
        const struct field *field = &request->fields.items[i];

        if (!slice_equal_nocase(field->name, SLICE("Kong-Admin-Token")))
            continue;
        count++;
        if (!is_token(guard->token, field->value))
            return false;
    }
    return count > 0;
}

static struct slice without_dot(struct slice host)
{
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    return host;
}

static bool ends_with(struct slice host, struct slice end)
{
    return host.len > end.len && slice_equal_nocase(slice_from(host, host.len - end.len), end);
}

/* No name service can make it lead elsewhere. */
static bool is_own_name(const struct admin_guard *guard, struct slice host)
{
    struct sockaddr_storage address;

    return slice_equal_nocase(host, SLICE("localhost")) || ends_with(host, SLICE(".localhost")) ||
           (guard->host_name && slice_equal_nocase(host, slice_of(guard->host_name))) ||
           addr_parse_ip(host, 0, &address) == 0;
}

static bool is_listed(const struct admin_guard *guard, struct slice host)
{
    for (size_t i = 0; guard->hosts && i < guard->hosts->count; i++)
        if (strcmp(guard->hosts->items[i], "*") == 0 ||
            slice_equal_nocase(host, slice_of(guard->hosts->items[i])))
            return true;
    return false;
}

/* Brackets of IPv6 are left out. */
static struct slice host_of(struct slice authority)
{
    struct slice host, port;

    if (!http_authority_split(authority, &host, &port))
        return authority;
    if (host.len > 2 && host.ptr[0] == '[')
        host = (struct slice){ host.ptr + 1, host.len - 2 };
    return without_dot(host);
}

/* "https://manager.example.com:8445" */
static struct slice host_of_origin(struct slice origin)
{
    for (size_t i = 0; i + 3 < origin.len; i++)
        if (memcmp(origin.ptr + i, "://", 3) == 0)
            return host_of(slice_from(origin, i + 3));
    return (struct slice){ NULL, 0 }; /* "null" */
}

/* "https://manager.example.com:8445" of an address with a path. */
static struct slice origin_of(const char *url)
{
    const char *host = strstr(url, "://");

    return host ? (struct slice){ url, (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") }
                : slice_of(url);
}

static bool is_page(const struct config_strings *pages, struct slice origin)
{
    for (size_t i = 0; pages && i < pages->count; i++)
        if (slice_equal(origin_of(pages->items[i]), origin))
            return true;
    return false;
}

struct slice admin_guard_origin(const struct config_strings *pages, struct slice origin)
{
    if (pages->count == 0 || (origin.ptr && is_page(pages, origin)))
        return origin;
    return origin_of(pages->items[0]);
}

static bool is_of_loopback(struct slice host)
{
    struct sockaddr_storage address;

    return slice_equal_nocase(host, SLICE("localhost")) || ends_with(host, SLICE(".localhost")) ||
           (addr_parse_ip(host, 0, &address) == 0 && addr_is_loopback(&address));
}

/* A page of the machine itself (a manager on another port), of the host that is asked, or a listed
 * one. */
static bool origin_may(const struct admin_guard *guard, const struct http_head *request,
                       struct slice origin)
{
    struct slice host = host_of_origin(origin);

    return is_listed(guard, host) || is_page(guard->pages, origin) ||
           (host.len > 0 &&
            (is_of_loopback(host) || slice_equal_nocase(host, host_of(request->authority))));
}

static const char *browser_refusal(const struct admin_guard *guard, const struct http_head *request)
{
    const struct field *origin = fields_find_name(&request->fields, SLICE("Origin"));
    const struct field *site = fields_find_name(&request->fields, SLICE("Sec-Fetch-Site"));
    struct slice host = host_of(request->authority);

    if (guard->is_loopback && host.len > 0 && !is_own_name(guard, host) && !is_listed(guard, host))
        return "this Host is not one of the Admin API: use localhost or the address, or list the "
               "name in hopgate_admin_hosts";
    if (origin && !origin_may(guard, request, origin->value))
        return "a page of this Origin may not use the Admin API: list its host in "
               "hopgate_admin_hosts if it shall";
    if (!origin && site && slice_equal_nocase(site->value, SLICE("cross-site")))
        return "a page of another site may not use the Admin API";
    return NULL;
}

struct admin_verdict admin_guard_judge(const struct admin_guard *guard,
                                       const struct http_head *request)
{
    struct admin_verdict verdict = { .showed_token = shows_token(guard, request) };

    if (verdict.showed_token)
        return verdict;
    /* a preflight never carries it, and learns nothing but methods */
    if (guard->token && request->method != HTTP_METHOD_OPTIONS) {
        verdict.status = 401;
        verdict.message = "Unauthorized";
        return verdict;
    }
    verdict.message = browser_refusal(guard, request);
    verdict.status = verdict.message ? 403 : 0;
    return verdict;
}
