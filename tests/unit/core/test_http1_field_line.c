#include "tests/http1_head_check.h"

TEST(a_malformed_field_line_is_refused)
{
    static const struct refusal cases[] = {
        REFUSAL(LINE " A: b" END, FOLDED_LINE, 16),
        REFUSAL(LINE "A: b\r\n c" END, FOLDED_LINE, 22),
        REFUSAL(LINE "A: b\r\n\tc" END, FOLDED_LINE, 22),
        REFUSAL(LINE "A: b\r\n \r\n", FOLDED_LINE, 22),
        REFUSAL(LINE "NoColon" END, NO_COLON, 23),
        REFUSAL(LINE ": x" END, BAD_FIELD_NAME, 16),
        REFUSAL(LINE "A : b" END, SPACE_BEFORE_COLON, 17),
        REFUSAL(LINE "A \t: b" END, SPACE_BEFORE_COLON, 17),
        REFUSAL(LINE "A B: b" END, BAD_FIELD_NAME, 17),
        REFUSAL(LINE "A(: b" END, BAD_FIELD_NAME, 17),
        REFUSAL(LINE "A\xa0: b" END, BAD_FIELD_NAME, 17),
        REFUSAL(LINE "A\0: b" END, BAD_FIELD_NAME, 17),
        REFUSAL(LINE "A\r: b" END, BARE_CR, 17),
        REFUSAL(LINE "A: b\0c" END, BAD_FIELD_VALUE, 20),
        REFUSAL(LINE "A: b\x01" END, BAD_FIELD_VALUE, 20),
        REFUSAL(LINE "A: \x7f" END, BAD_FIELD_VALUE, 19),
        REFUSAL(LINE "A: \x0b" END, BAD_FIELD_VALUE, 19),
        REFUSAL(LINE "A: b\rc" END, BARE_CR, 20),
        REFUSAL(LINE "A: b\r\r\n\r\n", BARE_CR, 20),
        REFUSAL(LINE "A: b\n\r\n", BARE_LF, 20),
        REFUSAL(LINE "A: b\r\n\n", BARE_LF, 22),
        REFUSAL(LINE "Host: a\r\n\rZ: GET /\r\n", BARE_CR, 25),
    };

    CHECK_REFUSALS(a_request, cases);
}

TESTS(TEST_CASE(a_malformed_field_line_is_refused))
