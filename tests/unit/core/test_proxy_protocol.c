#include "core/proxy_protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "tests/check.h"

#define SIGNATURE      "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

/* Whole, then one byte more at a time: every beginning wants more, the whole is the same. */
static long parse(struct slice bytes, struct proxy_protocol *ret)
{
    const char *problem = NULL;
    long whole = proxy_protocol_parse(bytes, ret, &problem);

    for (size_t n = 0; n < bytes.len; n++) {
        char *exact = malloc(n + 1); /* the sanitizer sees a read too far */
        struct proxy_protocol other;
        long r;

        assert_non_null(exact);
        memcpy(exact, bytes.ptr, n);
        r = proxy_protocol_parse((struct slice){ exact, n }, &other, &problem);
        free(exact);
        if (r == -EAGAIN)
            continue;
        CHECK_INT(r, whole); /* decided early: as the whole is */
    }
    if (whole == -EINVAL)
        CHECK(problem != NULL);
    return whole;
}

static const char *text_of(const struct proxy_protocol *header)
{
    static char text[2 * ADDR_TEXT_MAX + 8];
    char source[ADDR_TEXT_MAX], destination[ADDR_TEXT_MAX];

    snprintf(text, sizeof(text), "v%u %s %s", header->version,
             addr_format(&header->source, source, sizeof(source)),
             addr_format(&header->destination, destination, sizeof(destination)));
    return text;
}

static void check_parses(struct slice bytes, size_t surplus, const char *want)
{
    struct proxy_protocol header;

    CHECK_INT(parse(bytes, &header), bytes.len - surplus);
    CHECK_STR(text_of(&header), want);
}

TEST(version_1_gives_both_addresses)
{
    check_parses(BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 51234 443\r\n"), 0,
                 "v1 203.0.113.9:51234 10.0.0.1:443");
    check_parses(BYTES("PROXY TCP6 2001:db8::9 2001:db8::1 0 65535\r\nGET /"), 5,
                 "v1 [2001:db8::9]:0 [2001:db8::1]:65535");
    check_parses(BYTES("PROXY UNKNOWN\r\n"), 0, "v1 - -");
    check_parses(BYTES("PROXY UNKNOWN what ever 1 2\r\n"), 0, "v1 - -");
}

TEST(what_is_not_quite_version_1_is_refused)
{
    static const char *const wrong[] = {
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 -2\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        ("PROXY UNKNOWN "
         "56789012345678901234567890123456789012345678901234567890123456789012345678901"
         "2345678901234567890123456789\r\n"),
    };
    struct proxy_protocol header;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (parse(slice_of(wrong[i]), &header) != -EINVAL)
            fail_msg("taken: %s", wrong[i]);
}

TEST(version_2_gives_both_addresses)
{
    check_parses(BYTES(SIGNATURE "\x21\x11\0\x0c"
                                 "\xcb\0\x71\x09"
                                 "\x0a\0\0\x01"
                                 "\xc8\x22\x01\xbb"
                                 "surplus"),
                 7, "v2 203.0.113.9:51234 10.0.0.1:443");
    check_parses(BYTES(SIGNATURE "\x21\x21\0\x24"
                                 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09"
                                 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                                 "\0\x01\xff\xff"),
                 0, "v2 [2001:db8::9]:1 [2001:db8::1]:65535");
    check_parses(BYTES(SIGNATURE "\x20\0\0\0"), 0, "v2 - -");
    check_parses(BYTES(SIGNATURE "\x20\x11\0\x03xyz"), 0, "v2 - -");
    check_parses(BYTES(SIGNATURE "\x21\0\0\x02xy"), 0, "v2 - -");
}

TEST(what_is_not_quite_version_2_is_refused)
{
    const struct slice wrong[] = {
        BYTES(SIGNATURE "\x11\x11\0\x0c"
                        "aaaabbbbccdd"), /* version */
        BYTES(SIGNATURE "\x22\x11\0\x0c"
                        "aaaabbbbccdd"), /* command */
        BYTES(SIGNATURE "\x21\x12\0\x0c"
                        "aaaabbbbccdd"), /* datagrams */
        BYTES(SIGNATURE "\x21\x11\0\x0b"
                        "aaaabbbbccd"), /* too short for the family */
        BYTES(SIGNATURE "\x21\x21\0\x0c"
                        "aaaabbbbccdd"), /* likewise */
        BYTES(SIGNATURE "\x21\x11\0\x0e"
                        "aaaabbbbccdd\1\0"), /* half a TLV */
        BYTES(SIGNATURE "\x21\x11\0\x10"
                        "aaaabbbbccdd\1\0\2x"), /* its value is cut */
        BYTES(SIGNATURE "\x21\x11\0\x13"
                        "aaaabbbbccdd\3\0\4"
                        "0000"), /* checksum */
        BYTES(SIGNATURE "\x21\x11\0\x11"
                        "aaaabbbbccdd\x20\0\2"
                        "00"),             /* SSL without its start */
        BYTES(SIGNATURE "\x21\x11\x10\0"), /* 16 + 4096 bytes */
        BYTES("\r\n\r\n\0\r\nQUIT\r"),
    };
    struct proxy_protocol header;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (parse(wrong[i], &header) != -EINVAL)
            fail_msg("taken: number %zu", i);
}

/* CRC32C of the header with zeros in its place, computed with another implementation. */
TEST(a_right_checksum_is_accepted_and_a_wrong_bit_is_not)
{
    char bytes[] = SIGNATURE "\x21\x11\0\x13"
                             "\xcb\0\x71\x09"
                             "\x0a\0\0\x01"
                             "\xc8\x22\x01\xbb"
                             "\3\0\4"
                             "\xCC\xCC\xCC\xCC";
    struct slice header_bytes = { bytes, sizeof(bytes) - 1 };
    static const unsigned char crc[] = { 0xf2, 0x36, 0x72, 0x86 };
    struct proxy_protocol header;

    memcpy(bytes + sizeof(bytes) - 1 - 4, crc, 4);
    CHECK_INT(parse(header_bytes, &header), header_bytes.len);
    bytes[16] ^= 1;
    CHECK_INT(parse(header_bytes, &header), -EINVAL);
}

static struct sockaddr_storage addr_of(const char *text)
{
    struct sockaddr_storage addr;

    CHECK_INT(addr_parse(slice_of(text), 0, &addr), 0);
    return addr;
}

TEST(what_is_written_is_read_again)
{
    const struct proxy_protocol full = {
        .version = 2,
        .source = addr_of("203.0.113.9:51234"),
        .destination = addr_of("10.0.0.1:443"),
        .authority = SLICE("shop.example"),
        .alpn = SLICE("http/1.1"),
        .unique_id = SLICE("id"),
        .tls = { .present = true,
                 .over_tls = true,
                 .has_certificate = true,
                 .is_verified = true,
                 .version = SLICE("TLSv1.3"),
                 .cipher = SLICE("TLS_AES_128_GCM_SHA256"),
                 .common_name = SLICE("client") },
    };
    struct proxy_protocol read;
    char bytes[PROXY_PROTOCOL_HEADER_MAX];
    long length = proxy_protocol_write(&full, bytes, sizeof(bytes));

    CHECK(length > 0);
    CHECK_INT(parse((struct slice){ bytes, (size_t)length }, &read), length);
    CHECK_STR(text_of(&read), "v2 203.0.113.9:51234 10.0.0.1:443");
    CHECK_SLICE(read.authority, "shop.example");
    CHECK_SLICE(read.alpn, "http/1.1");
    CHECK_SLICE(read.unique_id, "id");
    CHECK_SLICE(read.tls.version, "TLSv1.3");
    CHECK_SLICE(read.tls.cipher, "TLS_AES_128_GCM_SHA256");
    CHECK_SLICE(read.tls.common_name, "client");
    CHECK(read.tls.present && read.tls.over_tls && read.tls.has_certificate &&
          read.tls.is_verified);
    for (long size = 0; size < length; size++)
        CHECK_INT(proxy_protocol_write(&full, bytes, (size_t)size), -ENOSPC);
}

static void check_writes(unsigned version, const char *source, const char *destination,
                         struct slice want)
{
    struct proxy_protocol header = { .version = version };
    char bytes[256];
    long length;

    if (source)
        header.source = addr_of(source);
    if (destination)
        header.destination = addr_of(destination);
    length = proxy_protocol_write(&header, bytes, sizeof(bytes));
    CHECK_INT(length, want.len);
    CHECK(memcmp(bytes, want.ptr, want.len) == 0);
}

TEST(headers_are_written_as_the_specification_has_them)
{
    check_writes(1, "203.0.113.9:51234", "10.0.0.1:443",
                 BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 51234 443\r\n"));
    check_writes(1, "[2001:db8::9]:1", "[::1]:2", BYTES("PROXY TCP6 2001:db8::9 ::1 1 2\r\n"));
    check_writes(1, "[2001:db8::9]:1", "10.0.0.1:443", BYTES("PROXY UNKNOWN\r\n"));
    check_writes(1, "[::ffff:203.0.113.9]:1", "[::ffff:10.0.0.1]:2",
                 BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n")); /* of a dual-stack listener */
    check_writes(1, NULL, NULL, BYTES("PROXY UNKNOWN\r\n"));
    check_writes(2, NULL, NULL, BYTES(SIGNATURE "\x20\0\0\0"));
    check_writes(2, "203.0.113.9:51234", "10.0.0.1:443",
                 BYTES(SIGNATURE "\x21\x11\0\x0c"
                                 "\xcb\0\x71\x09"
                                 "\x0a\0\0\x01"
                                 "\xc8\x22\x01\xbb"));
}

TESTS(TEST_CASE(version_1_gives_both_addresses), TEST_CASE(what_is_not_quite_version_1_is_refused),
      TEST_CASE(version_2_gives_both_addresses), TEST_CASE(what_is_not_quite_version_2_is_refused),
      TEST_CASE(a_right_checksum_is_accepted_and_a_wrong_bit_is_not),
      TEST_CASE(what_is_written_is_read_again),
      TEST_CASE(headers_are_written_as_the_specification_has_them))
