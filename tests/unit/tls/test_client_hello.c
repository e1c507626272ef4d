#include "tls/client_hello.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "tests/check.h"

struct bytes {
    char at[64 * 1024];
    size_t length;
};

/* What OpenSSL sends first. */
static void make_hello(struct bytes *ret, const char *name, const char *alpn)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    int n;

    if (name)
        SSL_set_tlsext_host_name(ssl, name);
    if (alpn)
        SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    n = BIO_read(out, ret->at, sizeof(ret->at));
    CHECK(n > 0);
    ret->length = (size_t)n;
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* Each beginning wants more; the whole decides. */
static int parse(const struct bytes *bytes, struct client_hello *ret)
{
    int whole = client_hello_parse((struct slice){ bytes->at, bytes->length }, ret);

    for (size_t n = 0; n < bytes->length; n++) {
        char *exact = malloc(n + 1);
        struct client_hello other;
        int r;

        assert_non_null(exact);
        memcpy(exact, bytes->at, n);
        r = client_hello_parse((struct slice){ exact, n }, &other);
        free(exact);
        if (r != -EAGAIN)
            CHECK_INT(r, whole);
    }
    return whole;
}

/* The same message in records of `size` bytes. */
static void cut_records(const struct bytes *whole, size_t size, struct bytes *ret)
{
    ret->length = 0;
    for (size_t at = 5; at < whole->length; at += size) {
        size_t n = whole->length - at < size ? whole->length - at : size;
        const char header[5] = { 22, 3, 1, (char)(n >> 8), (char)n };

        memcpy(ret->at + ret->length, header, 5);
        memcpy(ret->at + ret->length + 5, whole->at + at, n);
        ret->length += 5 + n;
    }
}

TEST(name_and_protocols_are_found_however_records_are_cut)
{
    struct bytes whole, cut;
    struct client_hello hello;

    make_hello(&whole, "Shop.Example.", "\2h2\10http/1.1");
    CHECK_INT(parse(&whole, &hello), 0);
    CHECK_STR(hello.server_name, "shop.example");
    CHECK_STR(hello.alpn, "h2,http/1.1");
    for (size_t size = 1; size < 64; size++) {
        cut_records(&whole, size, &cut);
        CHECK_INT(client_hello_parse((struct slice){ cut.at, cut.length }, &hello), 0);
        CHECK_STR(hello.server_name, "shop.example");
    }
}

TEST(a_hello_without_names_is_complete_too)
{
    struct bytes whole;
    struct client_hello hello;

    make_hello(&whole, NULL, NULL);
    CHECK_INT(parse(&whole, &hello), 0);
    CHECK_STR(hello.server_name, "");
    CHECK_STR(hello.alpn, "");
}

static int parse_text(const char *text, size_t length)
{
    struct client_hello hello;

    return client_hello_parse((struct slice){ text, length }, &hello);
}

TEST(what_is_no_hello_is_refused_at_once)
{
    CHECK_INT(parse_text("GET /", 5), -EINVAL);
    CHECK_INT(parse_text("G", 1), -EINVAL);
    CHECK_INT(parse_text("\x16\x02", 2), -EINVAL);
    CHECK_INT(parse_text("\x16\x03\x01\x00\x00", 5), -EINVAL);     /* an empty record */
    CHECK_INT(parse_text("\x16\x03\x01\x40\x01", 5), -EINVAL);     /* a record too long */
    CHECK_INT(parse_text("\x16\x03\x01\x00\x04\x02", 6), -EINVAL); /* a ServerHello */
    CHECK_INT(parse_text("\x16\x03\x01\x00\x04\x01\x01\x00\x00", 9), -EINVAL); /* 64 KiB */
    CHECK_INT(parse_text("\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9), -EINVAL); /* nothing in it */
    CHECK_INT(parse_text("", 0), -EAGAIN);
}

/* Extensions: server_name with this list. */
static int parse_name(const char *list, size_t length)
{
    char bytes[256] = "\x16\x03\x01\0\0\x01\0\0\0\3\3";
    size_t body = 2 + 32 + 1 + 2 + 2 + 2 + 2 + 4 + length, at = 11 + 32;
    struct client_hello hello;

    bytes[4] = (char)(body + 4);
    bytes[8] = (char)body;
    memcpy(bytes + at, "\0\0\2\x13\x01\1\0", 7);
    at += 7;
    bytes[at + 1] = (char)(4 + length);
    bytes[at + 5] = (char)length;
    memcpy(bytes + at + 6, list, length);
    return client_hello_parse((struct slice){ bytes, at + 6 + length }, &hello);
}

TEST(a_name_that_is_no_host_name_is_refused)
{
    CHECK_INT(parse_name("\0\4\0\0\1a", 6), 0);
    CHECK_INT(parse_name("\0\4\0\0\1\0", 6), -EINVAL);
    CHECK_INT(parse_name("\0\4\0\0\1/", 6), -EINVAL);
    CHECK_INT(parse_name("\0\4\0\0\1\xe4", 6), -EINVAL);
    CHECK_INT(parse_name("\0\3\0\0\0", 5), -EINVAL);  /* an empty name */
    CHECK_INT(parse_name("\0\4\0\0\2a", 6), -EINVAL); /* cut */
    CHECK_INT(parse_name("\0\5\0\0\1a", 6), -EINVAL);
    CHECK_INT(parse_name("\0\0", 2), 0);
    CHECK_INT(parse_name("\0\4\1\0\1a", 6), 0); /* another type of name */
}

TESTS(TEST_CASE(name_and_protocols_are_found_however_records_are_cut),
      TEST_CASE(a_hello_without_names_is_complete_too),
      TEST_CASE(what_is_no_hello_is_refused_at_once),
      TEST_CASE(a_name_that_is_no_host_name_is_refused))
