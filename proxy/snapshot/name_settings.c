#include "proxy/snapshot/name_settings.h"

#include <errno.h>
#include <string.h>

#include "core/addr.h"

enum { DNS_PORT = 53 };

static int read_servers(const struct settings *settings, struct dns_client_options *dns,
                        struct config_errors *errors)
{
    const struct config_strings *servers = &settings->dns_resolver;
    const struct config_place place = settings_place(settings, "dns_resolver");

    if (servers->count > DNS_SERVERS_MAX) {
        config_errors_add(errors, CONFIG_ERROR, place, "has %zu servers, at most %d are used",
                          servers->count, DNS_SERVERS_MAX);
        return -EINVAL;
    }
    for (size_t i = 0; i < servers->count; i++) {
        if (addr_parse(slice_of(servers->items[i]), DNS_PORT, &dns->servers[i]) < 0) {
            config_errors_add(
                errors, CONFIG_ERROR, place,
                "\"%s\" is not an address with or without a port, as 192.0.2.53:53 is",
                servers->items[i]);
            return -EINVAL;
        }
        dns->servers_count++;
    }
    return 0;
}

static enum dns_type type_of(const char *name)
{
    static const struct {
        const char *name;
        enum dns_type type;
    } types[] = { { "A", DNS_A }, { "AAAA", DNS_AAAA }, { "SRV", DNS_SRV } };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(name, types[i].name) == 0)
            return types[i].type;
    return DNS_NONE; /* LAST is always followed; a CNAME comes with the addresses it leads to */
}

static void read_order(const struct settings *settings, struct dns_types *types)
{
    for (size_t i = 0; i < settings->dns_order.count; i++) {
        enum dns_type type = type_of(settings->dns_order.items[i]);
        bool is_known = type == DNS_NONE;

        for (size_t k = 0; k < types->count; k++)
            is_known |= types->items[k] == type;
        if (!is_known)
            types->items[types->count++] = type;
    }
}

int name_settings_read(const struct settings *settings, struct resolver_options *ret,
                       struct config_errors *errors)
{
    *ret = (struct resolver_options){
        .dns = { .timeout_ms = settings->hopgate_dns_timeout_ms,
                 .tries = settings->hopgate_dns_tries },
        .rules = { .valid_ms = settings->dns_valid_ttl_ms,
                   .ttl_min_ms = settings->hopgate_dns_min_ttl_ms,
                   .ttl_max_ms = settings->hopgate_dns_max_ttl_ms,
                   .stale_ms = settings->dns_stale_ttl_ms,
                   .not_found_ms = settings->dns_not_found_ttl_ms,
                   .error_ms = settings->dns_error_ttl_ms },
        .hosts_file = settings->dns_hostsfile,
    };
    read_order(settings, &ret->dns.types);
    if (ret->rules.ttl_max_ms < ret->rules.ttl_min_ms) {
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "hopgate_dns_max_ttl"),
                          "is less than hopgate_dns_min_ttl");
        return -EINVAL;
    }
    return read_servers(settings, &ret->dns, errors);
}
