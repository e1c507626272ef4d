#include "config/kong_conf.h"
#include "tests/check.h"

static void check_line(const char *text, const char *key, const char *value, unsigned value_column)
{
    struct kong_conf conf = { 0 };
    struct config_errors errors;

    config_errors_init(&errors);
    CHECK_INT(kong_conf_parse(&conf, slice_of(text), NULL, &errors), 0);
    CHECK_INT(errors.count, 0);
    if (conf.count != 1 || strcmp(conf.items[0].key, key) != 0 ||
        strcmp(conf.items[0].value, value) != 0)
        fail_msg("'%s' gives %zu entries, [%s] = [%s]", text, conf.count,
                 conf.count ? conf.items[0].key : "", conf.count ? conf.items[0].value : "");
    CHECK_INT(conf.items[0].value_column, value_column);
    kong_conf_done(&conf);
}

TEST(a_line_is_a_key_and_a_value)
{
    check_line("a=b", "a", "b", 3);
    check_line("  a  =  b c  \r\n", "a", "b c", 9);
    check_line("a = b # comment", "a", "b", 5);
    check_line("a = b#c", "a", "b#c", 5);
    check_line("a = b \\# c # d", "a", "b # c", 5);
    check_line("a = \"b # c\" # d", "a", "b # c", 6);
    check_line("a = 'b\"c'", "a", "b\"c", 6);
    check_line("a = it's # d", "a", "it's", 5);
    check_line("a = b = c", "a", "b = c", 5);
    check_line("#x\n\n a = 1", "a", "1", 6);
}

TEST(comments_blank_lines_and_empty_values_are_no_entries)
{
    struct kong_conf conf = { 0 };
    struct config_errors errors;

    config_errors_init(&errors);
    CHECK_INT(
        kong_conf_parse(&conf, SLICE("# a = 1\n\n   \na =\nb = # x\nc = ''\n"), NULL, &errors), 0);
    CHECK_INT(conf.count, 0);
    CHECK_INT(errors.count, 0);
    kong_conf_done(&conf);
}

TEST(a_line_without_a_key_is_an_error_at_its_place)
{
    struct kong_conf conf = { 0 };
    struct config_errors errors;
    char line[CONFIG_MESSAGE_MAX];

    config_errors_init(&errors);
    CHECK_INT(kong_conf_parse(&conf, SLICE("a = 1\n  nonsense\n = 2\nb = 3\na\0b = 4"), "k.conf",
                              &errors),
              0);
    CHECK_INT(conf.count, 2);
    CHECK_INT(conf.items[1].line, 4);
    CHECK_INT(errors.count, 3);
    CHECK_STR(config_error_format(&errors.items[0], line, sizeof(line)),
              "k.conf:2:3: error: not a line of the form 'key = value'");
    CHECK_STR(config_error_format(&errors.items[1], line, sizeof(line)),
              "k.conf:3:2: error: not a line of the form 'key = value'");
    CHECK_INT(errors.items[2].place.line, 5);
    kong_conf_done(&conf);
    config_errors_done(&errors);
}

TEST(variables_become_keys)
{
    static char *const environment[] = { (char *)"PATH=/bin",
                                         (char *)"KONG_PROXY_LISTEN= 127.0.0.1:1 ",
                                         (char *)"HOPGATE_NAME='edge 1'",
                                         (char *)"KONG_=x",
                                         (char *)"KONG_PREFIX=",
                                         (char *)"HOPGATE=x",
                                         NULL };
    struct kong_conf conf = { 0 };

    CHECK_INT(kong_conf_add_environment(&conf, environment), 0);
    CHECK_INT(conf.count, 2);
    CHECK_STR(conf.items[0].key, "proxy_listen");
    CHECK_STR(conf.items[0].value, "127.0.0.1:1");
    CHECK_STR(conf.items[0].variable, "KONG_PROXY_LISTEN");
    CHECK_INT(conf.items[0].line, 0);
    CHECK_STR(conf.items[1].key, "hopgate_name");
    CHECK_STR(conf.items[1].value, "edge 1");
    kong_conf_done(&conf);
    CHECK_INT(kong_conf_add_environment(&conf, NULL), 0);
    CHECK_INT(conf.count, 0);
}

TESTS(TEST_CASE(a_line_is_a_key_and_a_value),
      TEST_CASE(comments_blank_lines_and_empty_values_are_no_entries),
      TEST_CASE(a_line_without_a_key_is_an_error_at_its_place), TEST_CASE(variables_become_keys))
