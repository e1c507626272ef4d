#include "tests/check.h"

#include "core/siphash.h"

/* Of the authors' reference implementation: key 00 01 ... 0f, input 00 01 ... of that length. */
TEST(siphash_gives_what_its_authors_give)
{
    static const struct {
        size_t length;
        uint64_t digest;
    } rows[] = { { 0, 0x726fdb47dd0e0e31 }, { 1, 0x74f839c593dc67fd }, { 15, 0xa129ca6149be45e5 } };
    const struct siphash_key key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };
    char bytes[16];

    for (int i = 0; i < 16; i++)
        bytes[i] = (char)i;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK(siphash(&key, (struct slice){ bytes, rows[i].length }) == rows[i].digest);
}

TESTS(TEST_CASE(siphash_gives_what_its_authors_give))
