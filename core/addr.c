#include "core/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fnv1a.h"

enum { IPV4_BYTES = 4, IPV6_BYTES = 16 };

int addr_split_host_port(struct slice text, struct slice *ret_host, struct slice *ret_port)
{
    struct slice host = text, port = { NULL, 0 };

    if (text.len > 0 && text.ptr[0] == '[') {
        const char *end = memchr(text.ptr, ']', text.len);
        if (!end)
            return -EINVAL;
        host = (struct slice){ text.ptr + 1, (size_t)(end - text.ptr) - 1 };
        struct slice rest = slice_from(text, host.len + 2);
        if (rest.len > 0 && rest.ptr[0] != ':')
            return -EINVAL;
        if (rest.len > 0)
            port = slice_from(rest, 1);
    } else {
        const char *first = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
        const char *last = text.len > 0 ? memrchr(text.ptr, ':', text.len) : NULL;
        if (first && first == last) { /* two or more colons: an IPv6 address without a port */
            host.len = (size_t)(first - text.ptr);
            port = slice_from(text, host.len + 1);
        }
    }
    if (host.len == 0 || (port.ptr && port.len == 0))
        return -EINVAL;
    *ret_host = host;
    *ret_port = port;
    return 0;
}

int addr_parse_port(struct slice text, uint16_t *ret)
{
    unsigned value = 0;

    if (text.len == 0 || text.len > 5)
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -EINVAL;
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
    }
    if (value > UINT16_MAX)
        return -EINVAL;
    *ret = (uint16_t)value;
    return 0;
}

int addr_parse_ip(struct slice text, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_storage addr = { 0 };
    struct sockaddr_in *v4 = (struct sockaddr_in *)&addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;
    char copy[ADDR_IP_TEXT_MAX];

    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len))
        return -EINVAL;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, &v4->sin_addr) == 1)
        addr.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, copy, &v6->sin6_addr) == 1)
        addr.ss_family = AF_INET6;
    else
        return -EINVAL;
    addr_set_port(&addr, port);
    *ret = addr;
    return 0;
}

int addr_parse(struct slice text, uint16_t default_port, struct sockaddr_storage *ret)
{
    struct slice host, port_text;
    uint16_t port = default_port;

    if (addr_split_host_port(text, &host, &port_text) < 0)
        return -EINVAL;
    if (port_text.ptr && addr_parse_port(port_text, &port) < 0)
        return -EINVAL;
    return addr_parse_ip(host, port, ret);
}

uint16_t addr_port(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)addr)->sin_port);
    if (addr->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
    return 0;
}

void addr_set_port(struct sockaddr_storage *addr, uint16_t port)
{
    if (addr->ss_family == AF_INET)
        ((struct sockaddr_in *)addr)->sin_port = htons(port);
    else if (addr->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)addr)->sin6_port = htons(port);
}

socklen_t addr_length(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET)
        return sizeof(struct sockaddr_in);
    if (addr->ss_family == AF_INET6)
        return sizeof(struct sockaddr_in6);
    return 0;
}

/* The bytes of the address in network order and its family; AF_UNSPEC for anything not IP. */
static sa_family_t plain_bytes(const struct sockaddr_storage *addr, const uint8_t **ret_bytes)
{
    if (addr->ss_family == AF_INET) {
        *ret_bytes = (const uint8_t *)&((const struct sockaddr_in *)addr)->sin_addr;
        return AF_INET;
    }
    if (addr->ss_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)addr)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(v6);
        *ret_bytes = v6->s6_addr + (mapped ? IPV6_BYTES - IPV4_BYTES : 0);
        return mapped ? AF_INET : AF_INET6;
    }
    *ret_bytes = NULL;
    return AF_UNSPEC;
}

static size_t family_bytes(sa_family_t family)
{
    return family == AF_INET ? IPV4_BYTES : IPV6_BYTES;
}

bool addr_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    const uint8_t *a_bytes, *b_bytes;
    sa_family_t family = plain_bytes(a, &a_bytes);

    if (family != plain_bytes(b, &b_bytes) || family == AF_UNSPEC)
        return false;
    return addr_port(a) == addr_port(b) && memcmp(a_bytes, b_bytes, family_bytes(family)) == 0;
}

bool addr_is_loopback(const struct sockaddr_storage *addr)
{
    const uint8_t *bytes;
    sa_family_t family = plain_bytes(addr, &bytes);

    return family == AF_INET ? bytes[0] == 127
                             : family == AF_INET6 && memcmp(bytes, &in6addr_loopback, 16) == 0;
}

uint64_t addr_hash(const struct sockaddr_storage *addr)
{
    const uint8_t *bytes;
    sa_family_t family = plain_bytes(addr, &bytes);
    uint64_t hash = FNV1A_START;
    uint16_t port = addr_port(addr);

    if (family != AF_UNSPEC)
        hash = fnv1a_add(hash, bytes, family_bytes(family));
    return fnv1a_add(hash, &port, sizeof(port));
}

/* By hand: every request prints addresses, and inet_ntop and snprintf cost as much as a parser. */
static void print_ipv4(const uint8_t *bytes, char *into)
{
    for (unsigned i = 0; i < IPV4_BYTES; i++) {
        uint8_t byte = bytes[i];

        if (byte >= 100)
            *into++ = (char)('0' + byte / 100);
        if (byte >= 10)
            *into++ = (char)('0' + byte / 10 % 10);
        *into++ = (char)('0' + byte % 10);
        *into++ = i + 1 < IPV4_BYTES ? '.' : '\0';
    }
}

char *addr_format_ip(const struct sockaddr_storage *addr, char *into, size_t size)
{
    const uint8_t *bytes;
    sa_family_t family = plain_bytes(addr, &bytes);
    char text[ADDR_IP_TEXT_MAX] = "-";
    size_t length;

    if (family == AF_INET)
        print_ipv4(bytes, text);
    else if (family == AF_INET6)
        (void)inet_ntop(family, bytes, text, sizeof(text)); /* family and size are right */
    length = strnlen(text, size - 1);
    memcpy(into, text, length);
    into[length] = '\0';
    return into;
}

char *addr_format(const struct sockaddr_storage *addr, char *into, size_t size)
{
    char ip[ADDR_IP_TEXT_MAX];

    addr_format_ip(addr, ip, sizeof(ip));
    if (addr_length(addr) == 0)
        (void)snprintf(into, size, "%s", ip);
    else
        (void)snprintf(into, size, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, addr_port(addr));
    return into;
}

char *addr_format_expanded(const struct sockaddr_storage *addr, char *into, size_t size)
{
    if (addr->ss_family != AF_INET6)
        return addr_format_ip(addr, into, size);

    const uint8_t *bytes = ((const struct sockaddr_in6 *)addr)->sin6_addr.s6_addr;
    char text[ADDR_EXPANDED_MAX] = "";
    size_t length = 0;
    for (size_t i = 0; i < IPV6_BYTES; i += 2)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%02x%02x",
                                   i == 0 ? "" : ":", bytes[i], bytes[i + 1]);
    (void)snprintf(into, size, "%s", text);
    return into;
}

/* Zeroes all bits from `bits` on. */
static void clear_host_bits(uint8_t *bytes, size_t length, unsigned bits)
{
    for (size_t i = 0; i < length; i++) {
        unsigned kept = bits > i * 8 ? bits - (unsigned)i * 8 : 0;
        if (kept < 8)
            bytes[i] &= (uint8_t)(0xff00u >> kept);
    }
}

int addr_cidr_parse(struct slice text, struct addr_cidr *ret)
{
    struct addr_cidr cidr = { 0 };
    struct sockaddr_storage addr;
    const uint8_t *bytes;
    const char *slash = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
    struct slice ip = { text.ptr, slash ? (size_t)(slash - text.ptr) : text.len };
    uint16_t bits;

    if (addr_parse_ip(ip, 0, &addr) < 0)
        return -EINVAL;
    bits = addr.ss_family == AF_INET ? 32 : 128;
    if (slash) {
        uint16_t given;
        if (addr_parse_port(slice_from(text, ip.len + 1), &given) < 0 || given > bits)
            return -EINVAL;
        bits = given;
    }
    cidr.family = plain_bytes(&addr, &bytes);
    if (cidr.family == AF_INET && addr.ss_family == AF_INET6) {
        if (bits < 96)
            return -EINVAL; /* would reach beyond the mapped IPv4 addresses */
        bits -= 96;
    }
    cidr.prefix_bits = (uint8_t)bits;
    memcpy(cidr.bytes, bytes, family_bytes(cidr.family));
    clear_host_bits(cidr.bytes, family_bytes(cidr.family), bits);
    *ret = cidr;
    return 0;
}

bool addr_cidr_contains(const struct addr_cidr *cidr, const struct sockaddr_storage *addr)
{
    const uint8_t *bytes;
    uint8_t network[IPV6_BYTES];
    sa_family_t family = plain_bytes(addr, &bytes);

    if (family != cidr->family)
        return false;
    memcpy(network, bytes, family_bytes(family));
    clear_host_bits(network, family_bytes(family), cidr->prefix_bits);
    return memcmp(network, cidr->bytes, family_bytes(family)) == 0;
}

int addr_cidrs_add(struct addr_cidrs *cidrs, struct slice text)
{
    struct addr_cidr cidr;

    if (addr_cidr_parse(text, &cidr) < 0)
        return -EINVAL;
    struct addr_cidr *items = reallocarray(cidrs->items, cidrs->count + 1, sizeof(*items));
    if (!items)
        return -ENOMEM;
    items[cidrs->count++] = cidr;
    cidrs->items = items;
    return 0;
}

bool addr_cidrs_contain(const struct addr_cidrs *cidrs, const struct sockaddr_storage *addr)
{
    for (size_t i = 0; i < cidrs->count; i++)
        if (addr_cidr_contains(&cidrs->items[i], addr))
            return true;
    return false;
}

void addr_cidrs_done(struct addr_cidrs *cidrs)
{
    free(cidrs->items);
    *cidrs = (struct addr_cidrs){ 0 };
}
