/* What a lab in the background says, however the pipe cuts it. */
#include "tools/lab/lab_words.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/check.h"

enum { READ_BYTES = 4096 };

/* `length` letters and, with a code, the end; the pipe is closed behind it unless the lab runs on. */
static void check_relay(size_t length, int code, int wanted)
{
    char *letters = malloc(length + 1), *told = NULL;
    size_t told_length = 0;
    FILE *out = open_memstream(&told, &told_length);
    int ends[2];

    CHECK(letters && out);
    memset(letters, 'a', length);
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(write(ends[1], letters, length), (long)length);
    if (code >= 0)
        CHECK_INT(lab_words_end(ends[1], code), 0);
    else
        CHECK_INT(close(ends[1]), 0);
    CHECK_INT(lab_words_relay(ends[0], out), wanted);
    CHECK_INT(fclose(out), 0);
    CHECK_INT(told_length, length);
    CHECK(memcmp(told, letters, length) == 0);
    if (code >= 0)
        CHECK_INT(close(ends[1]), 0);
    CHECK_INT(close(ends[0]), 0);
    free(told);
    free(letters);
}

TEST(the_code_is_found_wherever_a_read_ends)
{
    for (size_t length = READ_BYTES - 3; length <= READ_BYTES + 1; length++) {
        check_relay(length, 0, 0);
        check_relay(length, 78, 78);
    }
    check_relay(0, 1, 1);
    check_relay(2 * READ_BYTES - 1, 255, 255);
}

TEST(a_lab_that_is_gone_has_no_code)
{
    check_relay(0, -1, -1);
    check_relay(READ_BYTES, -1, -1);
}

TESTS(TEST_CASE(the_code_is_found_wherever_a_read_ends), TEST_CASE(a_lab_that_is_gone_has_no_code))
