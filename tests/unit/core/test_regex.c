/*
 * test_regex: a text is compiled once, and no subject makes a match take long.
 */
#include "core/regex.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/check.h"

static char message[REGEX_MESSAGE_MAX];

static struct regex *take(const char *text, unsigned flags)
{
    struct regex *regex = regex_take(slice_of(text), flags, message);

    CHECK(regex);
    return regex;
}

static bool matches(const char *text, unsigned flags, const char *subject)
{
    SCOPED(regex_matcher) matcher = regex_matcher_create();
    struct regex *regex = take(text, flags);
    bool matched;

    CHECK(matcher);
    matched = regex_match(matcher, regex, slice_of(subject));
    regex_release(regex);
    return matched;
}

TEST(every_alternative_of_an_anchored_regex_begins_at_the_first_byte)
{
    CHECK(matches("/a|/b", REGEX_ANCHORED, "/b"));
    CHECK(!matches("/a|/b", REGEX_ANCHORED, "/z/b"));
    CHECK(matches("/a|/b", 0, "/z/b"));
    CHECK(!matches("^/a|/b", 0, "/z/a"));
}

TEST(a_dot_of_utf_is_a_character_and_else_a_byte)
{
    CHECK(matches("^/.$", REGEX_UTF, "/\xc3\xa9"));
    CHECK(!matches("^/.$", 0, "/\xc3\xa9"));
    CHECK(!matches("^/a$", REGEX_UTF, "/a\n"));
    CHECK(matches("^/a$", 0, "/a\n"));
}

TEST(groups_are_found_by_number_and_name)
{
    SCOPED(regex_matcher) matcher = regex_matcher_create();
    struct regex *regex = take("/(?<user>\\d+)/(x)?(y)", REGEX_ANCHORED);

    CHECK_INT(regex_groups_count(regex), 3);
    CHECK_INT(regex_group_named(regex, SLICE("user")), 1);
    CHECK_INT(regex_group_named(regex, SLICE("nobody")), 0);
    CHECK(regex_match(matcher, regex, SLICE("/42/yes")));
    CHECK_SLICE(regex_group(matcher, 0), "/42/y");
    CHECK_SLICE(regex_group(matcher, 1), "42");
    CHECK(regex_group(matcher, 2).ptr == NULL);
    CHECK_SLICE(regex_group(matcher, 3), "y");
    CHECK(regex_group(matcher, 4).ptr == NULL);
    CHECK(!regex_match(matcher, regex, SLICE("/x")));
    CHECK(regex_group(matcher, 0).ptr == NULL);
    regex_release(regex);
}

TEST(more_groups_than_are_kept_still_match)
{
    char text[REGEX_GROUPS_MAX * 2 * 3 + 1] = { 0 };
    SCOPED(regex_matcher) matcher = regex_matcher_create();
    struct regex *regex;

    for (unsigned i = 0; i < REGEX_GROUPS_MAX * 2; i++)
        memcpy(text + i * 3, "(a)", 3);
    regex = take(text, REGEX_ANCHORED);
    memset(text, 'a', REGEX_GROUPS_MAX * 2);
    CHECK_INT(regex_groups_count(regex), REGEX_GROUPS_MAX - 1);
    CHECK(regex_match(matcher, regex, (struct slice){ text, REGEX_GROUPS_MAX * 2 }));
    CHECK_SLICE(regex_group(matcher, REGEX_GROUPS_MAX - 1), "a");
    CHECK(regex_group(matcher, REGEX_GROUPS_MAX).ptr == NULL);
    regex_release(regex);
}

TEST(the_same_text_is_compiled_once)
{
    uint64_t before = regex_compilations_count();
    size_t held = regex_interned_count();
    struct regex *first = take("/once/\\d+", REGEX_ANCHORED);
    struct regex *second = take("/once/\\d+", REGEX_ANCHORED);
    struct regex *other = take("/once/\\d+", REGEX_UTF);

    CHECK(first == second);
    CHECK(first != other);
    CHECK_INT(regex_check(SLICE("/once/\\d+"), REGEX_ANCHORED, message), 0);
    CHECK_INT(regex_compilations_count() - before, 2);
    CHECK_INT(regex_interned_count() - held, 2);
    regex_release(first);
    first = take("/once/\\d+", REGEX_ANCHORED);
    CHECK(first == second); /* somebody held it all the time */
    regex_release(first);
    regex_release(second);
    regex_release(other);
    CHECK_INT(regex_interned_count(), held);
}

TEST(many_are_found_again)
{
    enum { MANY = 500 };
    struct regex *all[MANY];
    uint64_t before = regex_compilations_count();
    char text[32];

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            struct regex *regex;

            snprintf(text, sizeof(text), "/many/%u/\\d+", i);
            regex = take(text, REGEX_ANCHORED);
            CHECK(round == 0 || all[i] == regex);
            all[i] = regex;
        }
    }
    CHECK_INT(regex_compilations_count() - before, MANY);
    for (unsigned i = 0; i < MANY * 2; i++)
        regex_release(all[i % MANY]);
}

TEST(what_is_wrong_is_said_as_openresty_says_it)
{
    CHECK(!regex_take(SLICE("/users/(foo/profile"), REGEX_ANCHORED, message));
    CHECK_STR(message, "pcre2_compile() failed: missing closing parenthesis in "
                       "\"/users/(foo/profile\"");
    CHECK(regex_check(SLICE("/a[z-b]c"), REGEX_ANCHORED, message) < 0);
    CHECK_STR(message, "pcre2_compile() failed: range out of order in character class in "
                       "\"/a[z-b]c\" at \"b]c\"");
}

TEST(a_catastrophic_regex_is_cut_off_and_counted)
{
    SCOPED(regex_matcher) matcher = regex_matcher_create();
    struct regex *regex = take("/(a+)+$", REGEX_ANCHORED), *plain = take("/a", REGEX_ANCHORED);
    char subject[4096];

    memset(subject, 'a', sizeof(subject));
    subject[0] = '/';
    subject[sizeof(subject) - 1] = '!';
    for (unsigned i = 0; i < 2 * REGEX_REQUEST_CUTS_MAX; i++)
        CHECK(!regex_match(matcher, regex, (struct slice){ subject, sizeof(subject) }));
    CHECK_INT(regex_cuts_count(regex), REGEX_REQUEST_CUTS_MAX); /* then it is not even tried */
    CHECK(!regex_match(matcher, plain, SLICE("/a")));
    CHECK(regex_was_cut(matcher));
    regex_matcher_begin(matcher);
    CHECK(!regex_was_cut(matcher));
    CHECK(regex_match(matcher, plain, SLICE("/a")));
    CHECK(!regex_match(matcher, plain, SLICE("/b")));
    CHECK(!regex_was_cut(matcher));
    regex_release(regex);
    regex_release(plain);
}

/* Whatever is bound to the front, by a flag or by "^", has steps for the longest subject. */
TEST(a_linear_regex_matches_whatever_the_length)
{
    static const struct {
        const char *text;
        unsigned flags;
    } rows[] = {
        { "^/(?:[^/]+/)*admin$", REGEX_UTF },     { "/(?:[^/]+/)*admin$", REGEX_ANCHORED },
        { "^/((?:[^/]+)/)*(admin)$", REGEX_UTF }, { "^/(?:[a-z]|/)*admin$", REGEX_UTF },
        { "^/(\\w+/)+(\\w+)$", REGEX_UTF },       { "^(/[\\w-]+)+/?$", REGEX_UTF },
        { "^/(?:a/)*admin$|^/b", REGEX_UTF },     { "^/([a-z0-9._~%-]+/?)+admin$", REGEX_UTF },
    };
    SCOPED(regex_matcher) matcher = regex_matcher_create();
    char *subject = malloc(REGEX_SUBJECT_MAX_BYTES);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct regex *regex = take(rows[i].text, rows[i].flags);

        for (size_t length = 8; length <= REGEX_SUBJECT_MAX_BYTES; length += 2046) {
            size_t end = length - length % 2;

            for (size_t k = 0; k < end - 5; k++)
                subject[k] = k % 2 ? 'a' : '/';
            memcpy(subject + end - 5, "admin", 5);
            if (!regex_match(matcher, regex, (struct slice){ subject, end }))
                fail_msg("%s: %zu bytes", rows[i].text, end);
        }
        CHECK_INT(regex_cuts_count(regex), 0);
        regex_release(regex);
    }
    free(subject);
}

TEST(subjects_of_a_request_are_limited_one_by_one_and_all_together)
{
    SCOPED(regex_matcher) matcher = regex_matcher_create();
    struct regex *regex = take("/", REGEX_ANCHORED);
    char *subject = malloc(REGEX_SUBJECT_MAX_BYTES + 1);
    unsigned matched = 0;

    CHECK(subject);
    memset(subject, '/', REGEX_SUBJECT_MAX_BYTES + 1);
    CHECK(!regex_match(matcher, regex, (struct slice){ subject, REGEX_SUBJECT_MAX_BYTES + 1 }));
    CHECK(regex_was_cut(matcher));
    regex_matcher_begin(matcher);
    while (regex_match(matcher, regex, (struct slice){ subject, REGEX_SUBJECT_MAX_BYTES }))
        matched++;
    CHECK(regex_was_cut(matcher));
    CHECK_INT(matched, REGEX_REQUEST_BYTES_MAX / (REGEX_SUBJECT_MAX_BYTES + 64));
    free(subject);
    regex_release(regex);
}

TESTS(TEST_CASE(every_alternative_of_an_anchored_regex_begins_at_the_first_byte),
      TEST_CASE(a_dot_of_utf_is_a_character_and_else_a_byte),
      TEST_CASE(groups_are_found_by_number_and_name),
      TEST_CASE(more_groups_than_are_kept_still_match), TEST_CASE(the_same_text_is_compiled_once),
      TEST_CASE(many_are_found_again), TEST_CASE(what_is_wrong_is_said_as_openresty_says_it),
      TEST_CASE(a_catastrophic_regex_is_cut_off_and_counted),
      TEST_CASE(a_linear_regex_matches_whatever_the_length),
      TEST_CASE(subjects_of_a_request_are_limited_one_by_one_and_all_together))
