#include "core/proxy_protocol.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"

enum {
    V2_FIXED = 16, /* signature, version and command, family, length */
    V2_LOCAL = 0,
    V2_PROXY = 1,
    V2_UNSPEC = 0x00,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_UNIX_STREAM = 0x31,
    V2_TCP4_LENGTH = 12,
    V2_TCP6_LENGTH = 36,
    V2_UNIX_LENGTH = 216,
};

enum tlv_type {
    TLV_ALPN = 0x01,
    TLV_AUTHORITY = 0x02,
    TLV_CRC32C = 0x03,
    TLV_UNIQUE_ID = 0x05,
    TLV_SSL = 0x20,
    TLV_SSL_VERSION = 0x21,
    TLV_SSL_CN = 0x22,
    TLV_SSL_CIPHER = 0x23,
};

enum { CLIENT_SSL = 0x01, CLIENT_CERT_CONN = 0x02, CLIENT_CERT_SESS = 0x04, SSL_FIXED = 5 };

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
enum { SIGNATURE_LENGTH = sizeof(signature) - 1 };

static const struct slice v1_prefix = { "PROXY ", 6 };

static uint16_t get16(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;

    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put16(char *at, size_t value)
{
    at[0] = (char)(value >> 8);
    at[1] = (char)value;
}

/* ---- version 1 ------------------------------------------------------------------------------- */

/* The next word; each is followed by exactly one space but the last. */
static bool next_word(struct slice *rest, struct slice *ret_word)
{
    const char *space = rest->len > 0 ? memchr(rest->ptr, ' ', rest->len) : NULL;

    *ret_word = (struct slice){ rest->ptr, space ? (size_t)(space - rest->ptr) : rest->len };
    *rest = slice_from(*rest, ret_word->len + (space ? 1 : 0));
    return ret_word->len > 0;
}

/* Decimal without leading zeros, as the specification has it. */
static bool parse_port(struct slice word, uint16_t *ret)
{
    return (word.len == 1 || word.ptr[0] != '0') && addr_parse_port(word, ret) == 0;
}

static bool parse_v1_addresses(struct slice rest, sa_family_t family, struct proxy_protocol *ret)
{
    struct slice source, destination, source_port, destination_port;
    uint16_t from, to;

    if (!next_word(&rest, &source) || !next_word(&rest, &destination) ||
        !next_word(&rest, &source_port) || !next_word(&rest, &destination_port) || rest.len > 0)
        return false;
    return parse_port(source_port, &from) && parse_port(destination_port, &to) &&
           addr_parse_ip(source, from, &ret->source) == 0 &&
           addr_parse_ip(destination, to, &ret->destination) == 0 &&
           ret->source.ss_family == family && ret->destination.ss_family == family;
}

static bool parse_v1_line(struct slice line, struct proxy_protocol *ret)
{
    struct slice rest = slice_from(line, v1_prefix.len), protocol;
    sa_family_t family;

    if (!next_word(&rest, &protocol))
        return false;
    if (slice_equal(protocol, SLICE("UNKNOWN")))
        return true; /* the rest is to be ignored */
    if (slice_equal(protocol, SLICE("TCP4")))
        family = AF_INET;
    else if (slice_equal(protocol, SLICE("TCP6")))
        family = AF_INET6;
    else
        return false;
    if (line.ptr[line.len - 1] != ' ' && parse_v1_addresses(rest, family, ret))
        return true;
    return false;
}

static long parse_v1(struct slice bytes, struct proxy_protocol *ret, const char **ret_problem)
{
    size_t max = bytes.len < PROXY_PROTOCOL_V1_MAX ? bytes.len : PROXY_PROTOCOL_V1_MAX;
    const char *end = memchr(bytes.ptr, '\n', max);

    if (!end) {
        *ret_problem = "the line is longer than 107 bytes";
        return max < PROXY_PROTOCOL_V1_MAX ? -EAGAIN : -EINVAL;
    }
    ret->version = 1;
    *ret_problem = "the line is not PROXY TCP4|TCP6 address address port port";
    if (end[-1] != '\r' ||
        !parse_v1_line((struct slice){ bytes.ptr, (size_t)(end - 1 - bytes.ptr) }, ret))
        return -EINVAL;
    return end + 1 - bytes.ptr;
}

/* ---- version 2 ------------------------------------------------------------------------------- */

/* Castagnoli, bit by bit: a header is short and few have it. The 4 bytes at `hole` count as zeros. */
static uint32_t crc32c(struct slice bytes, size_t hole)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < bytes.len; i++) {
        bool in_hole = i >= hole && i < hole + 4;

        crc ^= in_hole ? 0 : (unsigned char)bytes.ptr[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

static bool checksum_fits(struct slice header, struct slice value)
{
    size_t at = (size_t)(value.ptr - header.ptr);
    uint32_t want;

    if (value.len != 4)
        return false;
    want = (uint32_t)get16(value.ptr) << 16 | get16(value.ptr + 2);
    return crc32c(header, at) == want;
}

/* False at the end, or when what is left is no TLV: then rest is not empty. */
static bool next_tlv(struct slice *rest, unsigned *ret_type, struct slice *ret_value)
{
    size_t length;

    if (rest->len < 3)
        return false;
    length = get16(rest->ptr + 1);
    if (length > rest->len - 3)
        return false;
    *ret_type = (unsigned char)rest->ptr[0];
    *ret_value = (struct slice){ rest->ptr + 3, length };
    *rest = slice_from(*rest, 3 + length);
    return true;
}

static bool parse_tls(struct slice value, struct proxy_protocol_tls *ret)
{
    unsigned type, flags;
    struct slice rest, item;

    if (value.len < SSL_FIXED)
        return false;
    flags = (unsigned char)value.ptr[0];
    ret->present = true;
    ret->over_tls = flags & CLIENT_SSL;
    ret->has_certificate = flags & (CLIENT_CERT_CONN | CLIENT_CERT_SESS);
    ret->is_verified = ret->has_certificate && memcmp(value.ptr + 1, "\0\0\0\0", 4) == 0;
    rest = slice_from(value, SSL_FIXED);
    while (next_tlv(&rest, &type, &item)) {
        if (type == TLV_SSL_VERSION)
            ret->version = item;
        else if (type == TLV_SSL_CN)
            ret->common_name = item;
        else if (type == TLV_SSL_CIPHER)
            ret->cipher = item;
    }
    return rest.len == 0;
}

static bool parse_tlvs(struct slice header, struct slice rest, struct proxy_protocol *ret)
{
    struct slice value;
    unsigned type;
    bool is_good = true;

    while (is_good && next_tlv(&rest, &type, &value)) {
        if (type == TLV_ALPN)
            ret->alpn = value;
        else if (type == TLV_AUTHORITY)
            ret->authority = value;
        else if (type == TLV_UNIQUE_ID)
            ret->unique_id = value;
        else if (type == TLV_CRC32C)
            is_good = checksum_fits(header, value);
        else if (type == TLV_SSL)
            is_good = parse_tls(value, &ret->tls);
    }
    return is_good && rest.len == 0;
}

static void set_v4(struct sockaddr_storage *ret, const char *address, const char *port)
{
    struct sockaddr_in *addr = (struct sockaddr_in *)ret;

    addr->sin_family = AF_INET;
    memcpy(&addr->sin_addr, address, 4);
    memcpy(&addr->sin_port, port, 2);
}

static void set_v6(struct sockaddr_storage *ret, const char *address, const char *port)
{
    struct sockaddr_in6 *addr = (struct sockaddr_in6 *)ret;

    addr->sin6_family = AF_INET6;
    memcpy(&addr->sin6_addr, address, 16);
    memcpy(&addr->sin6_port, port, 2);
}

/* How many bytes the addresses take; negative: not enough are there, or the family is none of TCP. */
static long parse_v2_addresses(unsigned family, struct slice body, struct proxy_protocol *ret)
{
    switch (family) {
    case V2_UNSPEC:
        return 0;
    case V2_TCP4:
        if (body.len < V2_TCP4_LENGTH)
            return -EINVAL;
        set_v4(&ret->source, body.ptr, body.ptr + 8);
        set_v4(&ret->destination, body.ptr + 4, body.ptr + 10);
        return V2_TCP4_LENGTH;
    case V2_TCP6:
        if (body.len < V2_TCP6_LENGTH)
            return -EINVAL;
        set_v6(&ret->source, body.ptr, body.ptr + 32);
        set_v6(&ret->destination, body.ptr + 16, body.ptr + 34);
        return V2_TCP6_LENGTH;
    case V2_UNIX_STREAM:
        return body.len < V2_UNIX_LENGTH ? -EINVAL : V2_UNIX_LENGTH;
    default:
        return -EINVAL;
    }
}

static long parse_v2_body(struct slice header, struct proxy_protocol *ret, const char **ret_problem)
{
    unsigned command = (unsigned char)header.ptr[12] & 0xf;
    struct slice body = slice_from(header, V2_FIXED);
    long used = 0;

    *ret_problem = "the command is neither LOCAL nor PROXY";
    if (command == V2_LOCAL)
        return (long)header.len; /* a health check of the sender: the rest is to be ignored */
    if (command != V2_PROXY)
        return -EINVAL;
    *ret_problem = "the addresses are cut short or of no stream protocol";
    /* AF_UNSPEC with PROXY: the receiver ignores the address part, whose length is not known */
    if ((unsigned char)header.ptr[13] == V2_UNSPEC)
        return (long)header.len;
    used = parse_v2_addresses((unsigned char)header.ptr[13], body, ret);
    if (used < 0)
        return -EINVAL;
    *ret_problem = "a TLV is cut short, or the checksum does not fit";
    return parse_tlvs(header, slice_from(body, (size_t)used), ret) ? (long)header.len : -EINVAL;
}

static long parse_v2(struct slice bytes, struct proxy_protocol *ret, const char **ret_problem)
{
    size_t length;

    *ret_problem = "the version is not 2";
    if (bytes.len > 12 && (unsigned char)bytes.ptr[12] >> 4 != 2)
        return -EINVAL;
    if (bytes.len < V2_FIXED)
        return -EAGAIN;
    length = V2_FIXED + (size_t)get16(bytes.ptr + 14);
    *ret_problem = "the header is longer than 4096 bytes";
    if (length > PROXY_PROTOCOL_HEADER_MAX)
        return -EINVAL;
    if (bytes.len < length)
        return -EAGAIN;
    ret->version = 2;
    return parse_v2_body((struct slice){ bytes.ptr, length }, ret, ret_problem);
}

static bool may_begin(struct slice bytes, struct slice prefix)
{
    size_t n = bytes.len < prefix.len ? bytes.len : prefix.len;

    return n == 0 || memcmp(bytes.ptr, prefix.ptr, n) == 0;
}

long proxy_protocol_parse(struct slice bytes, struct proxy_protocol *ret, const char **ret_problem)
{
    const struct slice v2_prefix = { signature, SIGNATURE_LENGTH };
    struct proxy_protocol header = { 0 };
    long r;

    if (bytes.len == 0)
        return -EAGAIN;
    if (may_begin(bytes, v1_prefix)) {
        r = bytes.len < v1_prefix.len ? -EAGAIN : parse_v1(bytes, &header, ret_problem);
    } else if (may_begin(bytes, v2_prefix)) {
        r = parse_v2(bytes, &header, ret_problem);
    } else {
        *ret_problem = "it does not begin like one";
        r = -EINVAL;
    }
    if (r > 0)
        *ret = header;
    return r;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool has_addresses(const struct proxy_protocol *header)
{
    sa_family_t family = header->source.ss_family;

    return (family == AF_INET || family == AF_INET6) && header->destination.ss_family == family;
}

static long write_v1(const struct proxy_protocol *header, char *into, size_t size)
{
    char source[ADDR_IP_TEXT_MAX], destination[ADDR_IP_TEXT_MAX];
    int n;

    if (!has_addresses(header))
        n = snprintf(into, size, "PROXY UNKNOWN\r\n");
    else
        n = snprintf(into, size, "PROXY TCP%d %s %s %u %u\r\n",
                     header->source.ss_family == AF_INET ? 4 : 6,
                     addr_format_ip(&header->source, source, sizeof(source)),
                     addr_format_ip(&header->destination, destination, sizeof(destination)),
                     addr_port(&header->source), addr_port(&header->destination));
    return n > 0 && (size_t)n < size ? n : -ENOSPC;
}

/* A header being put together; what does not fit sets `full`. */
struct output {
    char *at;
    size_t used, size;
    bool full;
};

static void put(struct output *out, const void *bytes, size_t length)
{
    if (out->full || length > out->size - out->used) {
        out->full = true;
        return;
    }
    if (length > 0)
        memcpy(out->at + out->used, bytes, length);
    out->used += length;
}

static void put_tlv(struct output *out, unsigned type, struct slice value)
{
    char start[3] = { (char)type };

    if (value.len == 0)
        return;
    put16(start + 1, value.len);
    put(out, start, sizeof(start));
    put(out, value.ptr, value.len);
}

static void put_tls(struct output *out, const struct proxy_protocol_tls *tls)
{
    char start[3 + SSL_FIXED] = { TLV_SSL };
    size_t before = out->used;

    if (!tls->present)
        return;
    start[3] = (char)((tls->over_tls ? CLIENT_SSL : 0) |
                      (tls->has_certificate ? CLIENT_CERT_CONN | CLIENT_CERT_SESS : 0));
    start[3 + SSL_FIXED - 1] = !tls->is_verified; /* 0: verified */
    put(out, start, sizeof(start));
    put_tlv(out, TLV_SSL_VERSION, tls->version);
    put_tlv(out, TLV_SSL_CN, tls->common_name);
    put_tlv(out, TLV_SSL_CIPHER, tls->cipher);
    if (!out->full)
        put16(out->at + before + 1, out->used - before - 3);
}

static void put_addresses(struct output *out, const struct proxy_protocol *header)
{
    const struct sockaddr_in *from4 = (const struct sockaddr_in *)&header->source;
    const struct sockaddr_in *to4 = (const struct sockaddr_in *)&header->destination;
    const struct sockaddr_in6 *from6 = (const struct sockaddr_in6 *)&header->source;
    const struct sockaddr_in6 *to6 = (const struct sockaddr_in6 *)&header->destination;

    if (header->source.ss_family == AF_INET) {
        put(out, &from4->sin_addr, 4);
        put(out, &to4->sin_addr, 4);
        put(out, &from4->sin_port, 2);
        put(out, &to4->sin_port, 2);
        return;
    }
    put(out, &from6->sin6_addr, 16);
    put(out, &to6->sin6_addr, 16);
    put(out, &from6->sin6_port, 2);
    put(out, &to6->sin6_port, 2);
}

static long write_v2(const struct proxy_protocol *header, char *into, size_t size)
{
    struct output out = { .at = into, .size = size };
    char fixed[4] = { 0x20 | V2_LOCAL, V2_UNSPEC, 0, 0 };
    bool proxied = has_addresses(header);

    if (proxied) {
        fixed[0] = 0x20 | V2_PROXY;
        fixed[1] = header->source.ss_family == AF_INET ? V2_TCP4 : V2_TCP6;
    }
    put(&out, signature, SIGNATURE_LENGTH);
    put(&out, fixed, sizeof(fixed));
    if (proxied) {
        put_addresses(&out, header);
        put_tlv(&out, TLV_ALPN, header->alpn);
        put_tlv(&out, TLV_AUTHORITY, header->authority);
        put_tlv(&out, TLV_UNIQUE_ID, header->unique_id);
        put_tls(&out, &header->tls);
    }
    if (out.full || out.used > PROXY_PROTOCOL_HEADER_MAX)
        return -ENOSPC;
    put16(into + SIGNATURE_LENGTH + 2, out.used - V2_FIXED);
    return (long)out.used;
}

/* What a dual-stack socket calls ::ffff:192.0.2.1 is 192.0.2.1. */
static void unmap(struct sockaddr_storage *addr)
{
    static const struct sockaddr_in6 none;
    const struct sockaddr_in6 *v6 = addr->ss_family == AF_INET6 ? (const void *)addr : &none;
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = v6->sin6_port };

    if (!IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return;
    memcpy(&v4.sin_addr, v6->sin6_addr.s6_addr + 12, 4);
    *addr = (struct sockaddr_storage){ 0 };
    memcpy(addr, &v4, sizeof(v4));
}

long proxy_protocol_write(const struct proxy_protocol *header, char *into, size_t size)
{
    struct proxy_protocol plain = *header;

    unmap(&plain.source);
    unmap(&plain.destination);
    return plain.version == 1 ? write_v1(&plain, into, size) : write_v2(&plain, into, size);
}
