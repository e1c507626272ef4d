/*
 * check: thin names over cmocka, so that a test reads as a story.
 *
 *   TEST(round_robin_visits_every_target) { ... CHECK_INT(a, b); ... }
 *   TESTS(TEST_CASE(round_robin_visits_every_target), ...)      at the end of the file
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/slice.h"

#define TEST(name)      static void name(void **check_state_ __attribute__((unused)))
#define TEST_CASE(name) cmocka_unit_test(name)

#define TESTS(...)                                         \
    int main(void)                                         \
    {                                                      \
        const struct CMUnitTest tests[] = { __VA_ARGS__ }; \
        return cmocka_run_group_tests(tests, NULL, NULL);  \
    }

#define CHECK(condition)     assert_true(condition)
#define CHECK_INT(got, want) assert_int_equal(got, want)
#define CHECK_STR(got, want) assert_string_equal(got, want)
#define CHECK_SLICE(got, want)                                                                  \
    do {                                                                                        \
        struct slice got_ = (got), want_ = slice_of(want);                                      \
        if (!slice_equal(got_, want_))                                                          \
            fail_msg("got \"%.*s\", want \"%s\"", SLICE_ARG(got_), want_.ptr ? want_.ptr : ""); \
    } while (0)

#endif
