#include "tests/check.h"

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"

struct taken {
    char text[512];
};

static void note(struct taken *taken, const char *format, const char *a, const char *b)
{
    size_t length = strlen(taken->text);

    (void)snprintf(taken->text + length, sizeof(taken->text) - length, format, a, b);
}

static int take_option(void *context, const char *name, const char *value)
{
    note(context, "%s[%s] ", name, value ? value : "");
    return value && strcmp(value, "bad") == 0 ? 7 : 0;
}

static int take_word(void *context, const char *word)
{
    note(context, "%s%s ", word, "");
    return 0;
}

static int take_rest(void *context, int count, char **words)
{
    note(context, "rest:%s%s ", count > 0 ? words[0] : "", "");
    return 0;
}

/* Of a line split at '|'; what was taken is in *ret. */
static int take(const char *line, bool with_rest, struct taken *ret)
{
    const struct arguments arguments = { "trace", take_option, take_word,
                                         with_rest ? take_rest : NULL, ret };
    char copy[512], *rest = copy, *argv[16];
    int argc = 0;

    *ret = (struct taken){ "" };
    (void)snprintf(copy, sizeof(copy), "%s", line);
    while (rest && argc < 16)
        argv[argc++] = strsep(&rest, "|");
    return arguments_take(&arguments, argc, argv);
}

#define CHECK_TAKEN(line, with_rest, code, text_)       \
    do {                                                \
        struct taken taken;                             \
        CHECK_INT(take(line, with_rest, &taken), code); \
        CHECK_STR(taken.text, text_);                   \
    } while (0)

TEST(options_and_words_come_in_any_order)
{
    CHECK_TAKEN("trace|a|--json|b|--limit|5|c", false, 0, "a --json[] b --limit[5] c ");
    CHECK_TAKEN("trace|--limit=5|--id=a=b|--id=", false, 0, "--limit[5] --id[a=b] --id[] ");
    CHECK_TAKEN("trace", false, 0, "");
}

TEST(a_value_may_look_like_an_option)
{
    CHECK_TAKEN("trace|--id|--json", false, 0, "--id[--json] ");
}

TEST(a_dash_is_a_word_and_so_is_a_line_that_begins_with_one)
{
    CHECK_TAKEN("trace|-|--json", false, 0, "- --json[] ");
    CHECK_TAKEN("trace|- - [20/Nov] \"GET /?a=b\" 502", false, 0,
                "- - [20/Nov] \"GET /?a=b\" 502 ");
}

TEST(behind_two_dashes_everything_is_a_word)
{
    CHECK_TAKEN("trace|--json|--|--json|-x|--", false, 0, "--json[] --json -x -- ");
    CHECK_TAKEN("trace|--json|--|-X|POST", true, 0, "--json[] rest:-X ");
    CHECK_TAKEN("trace|--", true, 0, "rest: ");
}

TEST(what_is_not_understood_ends_it)
{
    CHECK_TAKEN("trace|--jsn|a", false, CLI_USAGE, "");
    CHECK_TAKEN("trace|a|-x|b", false, CLI_USAGE, "a ");
    CHECK_TAKEN("trace|--json=1", false, CLI_USAGE, "");
    CHECK_TAKEN("trace|a|--id", false, CLI_USAGE, "a ");
    CHECK_TAKEN("trace|--id|bad|a", false, 7, "--id[bad] ");
    /* rows of arguments are no options */
    CHECK_TAKEN("trace|--LOG", false, CLI_USAGE, "");
}

TEST(help_ends_it_with_nothing_left_to_do)
{
    CHECK_TAKEN("trace|--json|--help|--nonsense", false, ARGUMENTS_HELP, "--json[] ");
    CHECK_TAKEN("trace|-h", false, ARGUMENTS_HELP, "");
}

TEST(a_number_has_digits_and_bounds)
{
    int64_t number = 0;

    CHECK(arguments_number("1", 1, 9, &number) && number == 1);
    CHECK(arguments_number("9223372036854775807", 1, INT64_MAX, &number) && number == INT64_MAX);
    CHECK(!arguments_number("0", 1, 9, &number));
    CHECK(!arguments_number("10", 1, 9, &number));
    CHECK(!arguments_number("9223372036854775808", 1, INT64_MAX, &number));
    CHECK(!arguments_number("99999999999999999999", 1, INT64_MAX, &number));
    CHECK(!arguments_number("-1", 0, 9, &number));
    CHECK(!arguments_number(" 1", 0, 9, &number));
    CHECK(!arguments_number("1x", 0, 9, &number));
    CHECK(!arguments_number("", 0, 9, &number));
}

TEST(a_word_that_may_come_once_is_refused_the_second_time)
{
    const char *word = NULL;

    CHECK_INT(arguments_take_only("trace", &word, "a"), 0);
    CHECK_INT(arguments_take_only("trace", &word, "b"), CLI_USAGE);
    CHECK_STR(word, "a");
}

TESTS(TEST_CASE(options_and_words_come_in_any_order), TEST_CASE(a_value_may_look_like_an_option),
      TEST_CASE(a_dash_is_a_word_and_so_is_a_line_that_begins_with_one),
      TEST_CASE(behind_two_dashes_everything_is_a_word), TEST_CASE(what_is_not_understood_ends_it),
      TEST_CASE(help_ends_it_with_nothing_left_to_do), TEST_CASE(a_number_has_digits_and_bounds),
      TEST_CASE(a_word_that_may_come_once_is_refused_the_second_time))
