#include "core/base64.h"

#include <errno.h>
#include <stdio.h>

#include "tests/check.h"

static const char *encoded(const char *text)
{
    static char into[64];

    memset(into, 0, sizeof(into));
    base64_encode((const unsigned char *)text, strlen(text), into);
    CHECK_INT(strlen(into), base64_length(strlen(text)));
    return into;
}

static const char *decoded(const char *text, bool white_space)
{
    static char into[64];
    long length = base64_decode(slice_of(text), white_space, (unsigned char *)into);

    if (length < 0)
        return NULL;
    into[length] = '\0';
    return into;
}

TEST(vectors_of_rfc_4648)
{
    static const char *const vectors[][2] = { { "", "" },
                                              { "f", "Zg==" },
                                              { "fo", "Zm8=" },
                                              { "foo", "Zm9v" },
                                              { "foob", "Zm9vYg==" },
                                              { "fooba", "Zm9vYmE=" },
                                              { "foobar", "Zm9vYmFy" } };

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        CHECK_STR(encoded(vectors[i][0]), vectors[i][1]);
        CHECK_STR(decoded(vectors[i][1], false), vectors[i][0]);
    }
}

TEST(every_byte_survives)
{
    unsigned char bytes[256], back[260];
    char text[344];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    base64_encode(bytes, sizeof(bytes), text);
    CHECK_INT(base64_decode((struct slice){ text, sizeof(text) }, false, back), 256);
    CHECK(memcmp(bytes, back, sizeof(bytes)) == 0);
}

TEST(padding_may_be_missing_but_not_wrong)
{
    static const char *const bad[] = { "=",        "Z",     "Zg=",      "Zg===", "Zm9v=",
                                       "Zg==Zg==", "Zm8==", "Zm9v====", "Z=g=",  "Zm9vZ" };

    CHECK_STR(decoded("Zg", false), "f");
    CHECK_STR(decoded("Zm8", false), "fo");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (decoded(bad[i], false))
            fail_msg("\"%s\" was accepted", bad[i]);
}

TEST(white_space_only_where_it_is_allowed)
{
    CHECK_STR(decoded("Zm9v\r\n\tYmFy \n", true), "foobar");
    CHECK(decoded("Zm9v\nYmFy", false) == NULL);
    CHECK(decoded("Zm9-", true) == NULL);
    CHECK(decoded("Zm9_", true) == NULL);
    CHECK_INT(base64_decode((struct slice){ "Zm\0v", 4 }, true, (unsigned char[6]){ 0 }), -EINVAL);
}

TESTS(TEST_CASE(vectors_of_rfc_4648), TEST_CASE(every_byte_survives),
      TEST_CASE(padding_may_be_missing_but_not_wrong),
      TEST_CASE(white_space_only_where_it_is_allowed))
