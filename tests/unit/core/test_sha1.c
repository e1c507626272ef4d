#include <stdio.h>
#include <string.h>

#include "core/sha1.h"
#include "tests/check.h"

static void check(const char *text, size_t times, const char *want)
{
    struct sha1 sha1;
    unsigned char digest[SHA1_BYTES];
    char got[2 * SHA1_BYTES + 1];

    sha1_init(&sha1);
    for (size_t i = 0; i < times; i++)
        sha1_add(&sha1, text, strlen(text));
    sha1_finish(&sha1, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(got + 2 * i, 3, "%02x", digest[i]);
    CHECK_STR(got, want);
}

TEST(digests_are_those_of_the_rfc)
{
    /* RFC 3174 7.3, and the empty text */
    check("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    check("a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    check("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

TESTS(TEST_CASE(digests_are_those_of_the_rfc))
