#include "lb/persistence_cookie.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"

enum { IPV6_DIGITS = 32 };

/* ---- writing ------------------------------------------------------------------------------- */

/* Network order read as a number with its bytes in reverse is what a little-endian F5 prints. */
static uint32_t reversed_address(const struct sockaddr_in *address)
{
    const unsigned char *b = (const unsigned char *)&address->sin_addr;

    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static unsigned swapped(unsigned port)
{
    return (port & 0xff) << 8 | port >> 8;
}

char *persistence_cookie_write(const struct sockaddr_storage *address,
                               char into[PERSISTENCE_COOKIE_MAX])
{
    unsigned port = swapped(addr_port(address));
    const unsigned char *bytes;

    if (address->ss_family == AF_INET) {
        (void)snprintf(into, PERSISTENCE_COOKIE_MAX, "%" PRIu32 ".%u.0000",
                       reversed_address((const struct sockaddr_in *)address), port);
        return into;
    }
    bytes = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
    memcpy(into, "vi", 2);
    for (unsigned i = 0; i < 16; i++)
        (void)snprintf(into + 2 + 2 * (size_t)i, 3, "%02x", bytes[i]);
    (void)snprintf(into + 2 + IPV6_DIGITS, PERSISTENCE_COOKIE_MAX - 2 - IPV6_DIGITS, ".%u", port);
    return into;
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool take_byte(struct slice *text, char byte)
{
    if (text->len == 0 || text->ptr[0] != byte)
        return false;
    *text = slice_from(*text, 1);
    return true;
}

static bool take_number(struct slice *text, uint64_t max, uint64_t *ret)
{
    size_t length = 0;

    *ret = 0;
    while (length < text->len && text->ptr[length] >= '0' && text->ptr[length] <= '9') {
        *ret = *ret * 10 + (uint64_t)(text->ptr[length++] - '0');
        if (*ret > max)
            return false;
    }
    *text = slice_from(*text, length);
    return length > 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_ipv6(struct slice *text, unsigned char bytes[16])
{
    if (text->len < IPV6_DIGITS)
        return false;
    for (unsigned i = 0; i < 16; i++) {
        int high = hex_digit(text->ptr[2 * i]), low = hex_digit(text->ptr[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    *text = slice_from(*text, IPV6_DIGITS);
    return true;
}

static void set_ipv4(struct sockaddr_storage *address, const unsigned char bytes[4])
{
    memset(address, 0, sizeof(*address));
    address->ss_family = AF_INET;
    memcpy(&((struct sockaddr_in *)address)->sin_addr, bytes, 4);
}

static void set_ipv6(struct sockaddr_storage *address, const unsigned char bytes[16])
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        set_ipv4(address, bytes + sizeof(mapped));
        return;
    }
    memset(address, 0, sizeof(*address));
    address->ss_family = AF_INET6;
    memcpy(((struct sockaddr_in6 *)address)->sin6_addr.s6_addr, bytes, 16);
}

static bool read_ipv4(struct slice value, struct sockaddr_storage *ret)
{
    uint64_t ip, port;
    unsigned char bytes[4];

    if (!take_number(&value, UINT32_MAX, &ip) || !take_byte(&value, '.') ||
        !take_number(&value, UINT16_MAX, &port) || !slice_equal(value, SLICE(".0000")))
        return false;
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(ip >> 8 * i);
    set_ipv4(ret, bytes);
    addr_set_port(ret, (uint16_t)swapped((unsigned)port));
    return true;
}

static bool read_ipv6(struct slice value, struct sockaddr_storage *ret)
{
    unsigned char bytes[16];
    uint64_t port;

    if (!take_byte(&value, 'v') || !take_byte(&value, 'i') || !take_ipv6(&value, bytes) ||
        !take_byte(&value, '.') || !take_number(&value, UINT16_MAX, &port) || value.len > 0)
        return false;
    set_ipv6(ret, bytes);
    addr_set_port(ret, (uint16_t)swapped((unsigned)port));
    return true;
}

/* Here the port is not swapped, and IPv4 is an IPv4-mapped IPv6 address. */
static bool read_route_domain(struct slice value, struct sockaddr_storage *ret)
{
    unsigned char bytes[16];
    uint64_t domain, port;

    if (!take_byte(&value, 'r') || !take_byte(&value, 'd') ||
        !take_number(&value, UINT16_MAX, &domain) || !take_byte(&value, 'o') ||
        !take_ipv6(&value, bytes) || !take_byte(&value, 'o') ||
        !take_number(&value, UINT16_MAX, &port) || value.len > 0)
        return false;
    set_ipv6(ret, bytes);
    addr_set_port(ret, (uint16_t)port);
    return true;
}

bool persistence_cookie_read(struct slice value, struct sockaddr_storage *ret)
{
    struct sockaddr_storage address;

    if (!read_ipv4(value, &address) && !read_ipv6(value, &address) &&
        !read_route_domain(value, &address))
        return false;
    *ret = address;
    return true;
}
