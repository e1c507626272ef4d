#include "proxy/exchange/persistence.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/addr.h"
#include "lb/persistence_cookie.h"
#include "lb/session_table.h"
#include "proxy/route/hash_input.h"

static const struct slice set_cookie = { "Set-Cookie", sizeof("Set-Cookie") - 1 };

static const struct config_persistence *settings_of(const struct exchange_record *record)
{
    static const struct config_persistence none;
    const struct config_upstream *upstream = record->service->upstream;

    return upstream ? &upstream->balancing.persistence : &none;
}

static struct slice cookie_of(const struct exchange_record *record)
{
    return hash_input_cookie(&record->request->fields, slice_of(settings_of(record)->cookie_name));
}

static struct session_clock clock_of(const struct config_persistence *settings)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* cannot fail for this clock */
    return (struct session_clock){ (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
                                   settings->duration_ms };
}

/* ---- by what a client is known ------------------------------------------------------------- */

static void mask(unsigned char *bytes, size_t count, unsigned prefix)
{
    for (size_t i = 0; i < count; i++, prefix -= prefix < 8 ? prefix : 8)
        bytes[i] &= prefix >= 8 ? 0xff : (unsigned char)(0xff00 >> prefix);
}

static uint64_t address_key(const struct config_persistence *settings,
                            const struct sockaddr_storage *client)
{
    unsigned char bytes[16];
    struct slice known = { (const char *)bytes, 4 };

    if (client->ss_family == AF_INET) {
        memcpy(bytes, &((const struct sockaddr_in *)client)->sin_addr, 4);
        mask(bytes, 4, settings->prefix_v4);
    } else {
        memcpy(bytes, ((const struct sockaddr_in6 *)client)->sin6_addr.s6_addr, 16);
        mask(bytes, 16, settings->prefix_v6);
        known.len = 16;
    }
    return session_key(known);
}

/* ---- finding ------------------------------------------------------------------------------- */

static const struct target *remembered(const struct exchange_record *record,
                                       struct session_table *sessions)
{
    const struct config_persistence *settings = settings_of(record);
    struct slice cookie;

    if (!sessions)
        return NULL;
    cookie = cookie_of(record);
    return cookie.len > 0 ? session_table_find(sessions, session_key(cookie), clock_of(settings))
                          : NULL;
}

struct target *persistence_find_address(const struct config_upstream *upstream,
                                        const struct upstream_targets *targets,
                                        const struct sockaddr_storage *client)
{
    const struct config_persistence *settings = upstream ? &upstream->balancing.persistence : NULL;

    if (!settings || settings->method != CONFIG_PERSISTENCE_SOURCE_ADDRESS || !targets->sessions)
        return NULL;
    return upstream_usable(
        targets,
        session_table_find(targets->sessions, address_key(settings, client), clock_of(settings)));
}

void persistence_note_address(const struct config_upstream *upstream,
                              const struct upstream_targets *targets, const struct target *target,
                              const struct sockaddr_storage *client)
{
    const struct config_persistence *settings = upstream ? &upstream->balancing.persistence : NULL;

    if (settings && settings->method == CONFIG_PERSISTENCE_SOURCE_ADDRESS && targets->sessions)
        session_table_put(targets->sessions, address_key(settings, client), target,
                          clock_of(settings));
}

struct target *persistence_find(const struct exchange_record *record,
                                const struct upstream_targets *targets)
{
    struct sockaddr_storage address;

    switch (settings_of(record)->method) {
    case CONFIG_PERSISTENCE_NONE:
        break;
    case CONFIG_PERSISTENCE_INSERT:
    case CONFIG_PERSISTENCE_REWRITE:
    case CONFIG_PERSISTENCE_PASSIVE:
        if (persistence_cookie_read(cookie_of(record), &address))
            return upstream_usable_at(targets, &address);
        break;
    case CONFIG_PERSISTENCE_HASH:
        return upstream_usable(targets, remembered(record, targets->sessions));
    case CONFIG_PERSISTENCE_SOURCE_ADDRESS:
        if (addr_parse_ip(record->client_ip, 0, &address) == 0)
            return persistence_find_address(record->service->upstream, targets, &address);
        break;
    }
    return NULL;
}

void persistence_note_try(const struct exchange_record *record,
                          const struct upstream_targets *targets, const struct target *target)
{
    struct sockaddr_storage client;

    if (settings_of(record)->method == CONFIG_PERSISTENCE_SOURCE_ADDRESS &&
        addr_parse_ip(record->client_ip, 0, &client) == 0)
        persistence_note_address(record->service->upstream, targets, target, &client);
}

/* ---- the response -------------------------------------------------------------------------- */

/* The value of the response's cookie of that name; ptr NULL: the field sets another one. */
static struct slice value_in(const struct field *field, struct slice name)
{
    struct slice value = { NULL, 0 };
    const char *end;

    if (!slice_equal_nocase(field->name, set_cookie) || field->value.len <= name.len ||
        memcmp(field->value.ptr, name.ptr, name.len) != 0 || field->value.ptr[name.len] != '=')
        return value;
    value = slice_from(field->value, name.len + 1);
    end = value.len > 0 ? memchr(value.ptr, ';', value.len) : NULL;
    if (end)
        value.len = (size_t)(end - value.ptr);
    return value;
}

static struct field *find_set_cookie(struct fields *response, struct slice name)
{
    for (uint32_t i = 0; i < response->count; i++)
        if (value_in(&response->items[i], name).ptr)
            return &response->items[i];
    return NULL;
}

/* "; expires=Thu, 01-Jan-1970 00:00:00 GMT", in the form of the first cookies, as F5 writes it
 * (assumed); "" for a session cookie. */
static void write_expiry(const struct exchange_record *record, uint64_t ttl_s, char into[48])
{
    time_t end = (time_t)(record->started_at_unix_ms / 1000 + ttl_s);
    struct tm utc;

    into[0] = '\0';
    if (ttl_s > 0 && gmtime_r(&end, &utc))
        (void)strftime(into, 48, "; expires=%a, %d-%b-%Y %H:%M:%S GMT", &utc);
}

static int insert(const struct exchange_record *record, const struct target *target,
                  struct fields *response)
{
    const struct config_persistence *settings = settings_of(record);
    struct sockaddr_storage known;
    char value[PERSISTENCE_COOKIE_MAX], expiry[48];
    struct slice line;

    if (!settings->always_set && persistence_cookie_read(cookie_of(record), &known) &&
        addr_equal(&known, &target->address))
        return 0; /* it has it already */
    write_expiry(record, settings->ttl_s, expiry);
    line =
        arena_printf(response->arena, "%s=%s%s; path=/%s%s", settings->cookie_name,
                     persistence_cookie_write(&target->address, value), expiry,
                     settings->http_only ? "; Httponly" : "", settings->secure ? "; Secure" : "");
    return line.ptr ? fields_add(response, set_cookie, line) : -ENOMEM;
}

/* The target's own cookie of that name gets our value and keeps its attributes. */
static int rewrite(const struct exchange_record *record, const struct target *target,
                   struct fields *response)
{
    const char *name = settings_of(record)->cookie_name;
    struct field *field = find_set_cookie(response, slice_of(name));
    char value[PERSISTENCE_COOKIE_MAX];
    struct slice before, attributes, line;

    if (!field)
        return 0;
    before = value_in(field, slice_of(name));
    attributes = slice_from(field->value, (size_t)(before.ptr - field->value.ptr) + before.len);
    line = arena_printf(response->arena, "%s=%s%.*s", name,
                        persistence_cookie_write(&target->address, value), (int)attributes.len,
                        attributes.ptr);
    if (!line.ptr)
        return -ENOMEM;
    field->value = line;
    return 0;
}

static void remember_cookie(const struct exchange_record *record,
                            const struct upstream_targets *targets, const struct target *target,
                            struct fields *response)
{
    const struct config_persistence *settings = settings_of(record);
    struct slice name = slice_of(settings->cookie_name);
    const struct field *field = find_set_cookie(response, name);
    struct slice value = field ? value_in(field, name) : cookie_of(record);

    if (value.len > 0 && targets->sessions)
        session_table_put(targets->sessions, session_key(value), target, clock_of(settings));
}

int persistence_on_response(const struct exchange_record *record,
                            const struct upstream_targets *targets, const struct target *target,
                            struct fields *response)
{
    switch (settings_of(record)->method) {
    case CONFIG_PERSISTENCE_INSERT:
        return insert(record, target, response);
    case CONFIG_PERSISTENCE_REWRITE:
        return rewrite(record, target, response);
    case CONFIG_PERSISTENCE_HASH:
        remember_cookie(record, targets, target, response);
        break;
    case CONFIG_PERSISTENCE_NONE:
    case CONFIG_PERSISTENCE_PASSIVE: /* the target sets it, with the right value */
    case CONFIG_PERSISTENCE_SOURCE_ADDRESS:
        break;
    }
    return 0;
}

const char *persistence_name(const struct exchange_record *record)
{
    switch (settings_of(record)->method) {
    case CONFIG_PERSISTENCE_NONE:
        break;
    case CONFIG_PERSISTENCE_INSERT:
    case CONFIG_PERSISTENCE_REWRITE:
    case CONFIG_PERSISTENCE_PASSIVE:
        return "cookie";
    case CONFIG_PERSISTENCE_HASH:
        return "cookie_hash";
    case CONFIG_PERSISTENCE_SOURCE_ADDRESS:
        return "source_address";
    }
    return NULL;
}
