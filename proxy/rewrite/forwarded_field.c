#include "proxy/rewrite/forwarded_field.h"

#include <stdio.h>

#include "core/addr.h"

/* RFC 9110 5.6.2 */
static bool is_token(struct slice s)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || !strchr(others, c)))
            return false;
    }
    return s.len > 0;
}

void forwarded_add_value(struct text *text, struct slice value)
{
    if (is_token(value)) {
        text_add(text, value);
        return;
    }
    text_add_string(text, "\"");
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            text_add_string(text, "\\");
        text_add(text, (struct slice){ value.ptr + i, 1 });
    }
    text_add_string(text, "\"");
}

void forwarded_add_node(struct text *text, const struct sockaddr_storage *addr, bool with_port)
{
    char node[ADDR_TEXT_MAX + 2], ip[ADDR_IP_TEXT_MAX];
    bool is_v6;

    if (addr->ss_family != AF_INET && addr->ss_family != AF_INET6) {
        text_add_string(text, "unknown");
        return;
    }
    (void)addr_format_ip(addr, ip, sizeof(ip));
    is_v6 = strchr(ip, ':') != NULL; /* a mapped address prints as the IPv4 one that it is */
    if (with_port)
        (void)snprintf(node, sizeof(node), is_v6 ? "[%s]:%u" : "%s:%u", ip, addr_port(addr));
    else
        (void)snprintf(node, sizeof(node), is_v6 ? "[%s]" : "%s", ip);
    forwarded_add_value(text, slice_of(node));
}
