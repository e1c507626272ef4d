#include <string.h>

#include "core/md5.h"
#include "tests/check.h"

static void check(const char *text, const char *want)
{
    char got[2 * MD5_BYTES + 1];

    md5_hex(slice_of(text), got);
    CHECK_STR(got, want);
}

TEST(digests_are_those_of_the_rfc)
{
    /* RFC 1321 A.5 */
    check("", "d41d8cd98f00b204e9800998ecf8427e");
    check("a", "0cc175b9c0f1b6a831c399e269772661");
    check("abc", "900150983cd24fb0d6963f7d28e17f72");
    check("message digest", "f96b697d7cb7938d525a2f31aaf161d0");
    check("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b");
    check("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
          "d174ab98d277d9f5a5611c2c9f419d9f");
    check("12345678901234567890123456789012345678901234567890123456789012345678901234567890",
          "57edf4a22be3c955ac49da2e2107b67a");
}

/* Around the end of a block, where the length has to go into the next one (md5sum of as many 'a'). */
TEST(every_length_of_the_last_block_is_right)
{
    char text[120];

    memset(text, 'a', sizeof(text));
    text[55] = '\0';
    check(text, "ef1772b6dff9a122358552954ad0df65");
    text[55] = 'a';
    text[56] = '\0';
    check(text, "3b0c8ac703f828b04c6c197006d17218");
    text[56] = 'a';
    text[64] = '\0';
    check(text, "014842d480b571495a4a0363793f7367");
    text[64] = 'a';
    text[119] = '\0';
    check(text, "8a7bd0732ed6a28ce75f6dabc90e1613");
}

TESTS(TEST_CASE(digests_are_those_of_the_rfc), TEST_CASE(every_length_of_the_last_block_is_right))
