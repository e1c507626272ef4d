/*
 * test_kong_conf_keys: every key of Kong's kong.conf does what tests/data/kong-conf-keys.json says, and
 * says it; defaults are Kong's.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/settings_priv.h"
#include "tests/check.h"
#include "tests/config_text.h"

#define DATA HOPGATE_SOURCE_DIR "/tests/data/kong-conf-keys.json"

static json_t *data;

static const char *text_of(const json_t *row, const char *name)
{
    return json_string_value(json_object_get(row, name));
}

/* What is said about "key = value"; malloc'ed. */
static char *said_of(const char *key, const char *value, const char *with)
{
    struct settings *settings = NULL;
    struct config_errors errors;
    char text[1024], *problems;

    (void)snprintf(text, sizeof(text), "%s = %s\n%s\n", key, value, with ? with : "");
    config_errors_init(&errors);
    (void)settings_load_text(slice_of(text), "k.conf", NULL, &settings, &errors);
    settings_free(settings);
    problems = config_errors_text(&errors);
    config_errors_done(&errors);
    return problems;
}

static void check_said(const char *key, const char *value, const char *with, const char *want)
{
    char *said = said_of(key, value, with);

    if (strcmp(said, want) != 0)
        fail_msg("%s = %s says\n%s, expected\n%s", key, value, said, want);
    free(said);
}

static void message_of(const json_t *row, char *into, size_t size)
{
    const char *key = text_of(row, "key"), *does = text_of(row, "does"),
               *says = text_of(row, "says");

    into[0] = '\0';
    if (strcmp(does, "no_effect") == 0)
        (void)snprintf(into, size, "k.conf:1:1: notice: %s: has no effect: %s\n", key, says);
    else if (strcmp(does, "refused") == 0)
        (void)snprintf(into, size, "k.conf:1:1: error: %s: %s\n", key, says);
    else
        CHECK_STR(does, "used");
}

/* "a, b" and "a,b" are the same. */
static bool same_text(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, " ");
        b += strspn(b, " ");
        if (*a != *b || !*a)
            return *a == *b;
    }
}

static void check_used_default(const json_t *row, const struct setting *setting)
{
    const json_t *ours = json_object_get(row, "ours");
    const char *want = ours ? json_string_value(ours) : text_of(row, "default");

    if (ours)
        CHECK(text_of(row, "why") != NULL);
    /* Kong says nothing where "0" or its own file is what is meant */
    if (!want && !ours && setting->default_text)
        CHECK_STR(setting->default_text, "0");
    else if ((want != NULL) != (setting->default_text != NULL) ||
             (want && !same_text(want, setting->default_text)))
        fail_msg("%s: the default is %s, expected %s", setting->name, setting->default_text, want);
}

static void check_row(const json_t *row)
{
    const char *key = text_of(row, "key"), *kongs_default = text_of(row, "default");
    const struct setting *setting = settings_find(key);
    bool used = strcmp(text_of(row, "does"), "used") == 0;
    char want[1024];

    if (!setting)
        fail_msg("%s is not known", key);
    if ((setting->state == SETTING_USED) != used)
        fail_msg("%s is %sused", key, used ? "not " : "");
    message_of(row, want, sizeof(want));
    check_said(key, text_of(row, "sample"), text_of(row, "with"), want);
    if (used && json_object_get(row, "default") && strncmp(key, "nginx_http_ssl_", 15) != 0)
        check_used_default(row, setting);
    if (!used && kongs_default)
        check_said(key, kongs_default, NULL, json_object_get(row, "default_is_told") ? want : "");
}

static void check_part(const char *part, size_t at_least)
{
    const json_t *rows = json_object_get(data, part), *row;
    size_t i;

    CHECK(json_array_size(rows) >= at_least);
    json_array_foreach((json_t *)rows, i, row) check_row(row);
}

TEST(each_documented_key_does_what_its_row_says)
{
    check_part("keys", 317);
}

TEST(so_do_keys_that_kong_does_not_document)
{
    check_part("more", 40);
}

TEST(an_injected_directive_acts_or_says_what_to_use)
{
    check_part("directives", 84);
}

TEST(a_typo_is_told_the_nearest_key)
{
    const json_t *rows = json_object_get(data, "typos"), *row;
    size_t i;

    json_array_foreach((json_t *)rows, i, row)
    {
        const char *key = json_string_value(json_array_get(row, 0));
        const char *nearest = json_string_value(json_array_get(row, 1));
        char *said = said_of(key, "1", NULL), want[256];

        (void)snprintf(want, sizeof(want), "did you mean '%s'?", nearest ? nearest : "");
        if ((strstr(said, nearest ? want : "did you mean") != NULL) != (nearest != NULL))
            fail_msg("%s says\n%s", key, said);
        free(said);
    }
}

static int load_data(void **state)
{
    json_error_t error;

    (void)state;
    data = json_load_file(DATA, 0, &error);
    if (!data)
        print_error("%s:%d: %s\n", DATA, error.line, error.text);
    return data ? 0 : -1;
}

static int free_data(void **state)
{
    (void)state;
    json_decref(data);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST_CASE(each_documented_key_does_what_its_row_says),
                                        TEST_CASE(so_do_keys_that_kong_does_not_document),
                                        TEST_CASE(an_injected_directive_acts_or_says_what_to_use),
                                        TEST_CASE(a_typo_is_told_the_nearest_key) };

    return cmocka_run_group_tests(tests, load_data, free_data);
}
