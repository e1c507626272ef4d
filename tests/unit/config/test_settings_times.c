/* settings_scale_times: every time of the table but those of the machine, which stand here by name. */
#include <string.h>

#include "config/settings_priv.h"
#include "tests/check.h"

static struct settings *loaded(const char *conf)
{
    struct settings *settings = NULL;
    struct config_errors errors;
    char line[600];

    config_errors_init(&errors);
    if (settings_load_text(slice_of(conf), "k.conf", NULL, &settings, &errors) < 0)
        fail_msg("%s", config_error_format(&errors.items[0], line, sizeof(line)));
    config_errors_done(&errors);
    return settings;
}

static uint64_t value_of(const struct settings *settings, const struct setting *setting)
{
    uint64_t ms;

    memcpy(&ms, (const char *)settings + setting->offset, sizeof(ms));
    return ms;
}

/* Who looks after the hop, its memory, its keys, and name servers live in real time. */
static bool stays(const char *name)
{
    static const char *const names[] = {
        "hopgate_shutdown_timeout", "hopgate_memory_patience", "hopgate_ticket_key_lifetime",
        "hopgate_recorder_slow",    "dns_error_ttl",           "hopgate_dns_timeout",
        "hopgate_dns_min_ttl",      "hopgate_dns_max_ttl"
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

TEST(every_time_of_the_table_is_divided_or_named_here)
{
    struct settings *stated = loaded("hopgate_lab = on\nhopgate_time_scale = 100\n");
    struct settings *scaled = loaded("hopgate_lab = on\nhopgate_time_scale = 100\n");
    size_t divided = 0;

    settings_scale_times(scaled);
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        uint64_t before = value_of(stated, setting), after = value_of(scaled, setting);

        if (setting->state != SETTING_USED || setting->type != SETTING_TIME)
            continue;
        if (after != (stays(setting->name) ? before : (before + 99) / 100))
            fail_msg("%s: %llu became %llu", setting->name, (unsigned long long)before,
                     (unsigned long long)after);
        divided += !stays(setting->name) && before > 0;
    }
    CHECK(divided >= 8);
    settings_free(stated);
    settings_free(scaled);
}

static void check_refused(const char *conf, const char *want)
{
    struct settings *settings = NULL;
    struct config_errors errors;
    char line[600];

    config_errors_init(&errors);
    CHECK(settings_load_text(slice_of(conf), "k.conf", NULL, &settings, &errors) < 0);
    CHECK_INT(errors.errors_count, 1);
    CHECK_STR(config_error_format(&errors.items[0], line, sizeof(line)), want);
    config_errors_done(&errors);
}

TEST(only_a_lab_has_a_time_of_its_own)
{
    check_refused("hopgate_time_scale = 10",
                  "k.conf:1:22: error: hopgate_time_scale: makes timeouts shorter than they say: "
                  "only with hopgate_lab = on");
    check_refused("hopgate_lab = on\nhopgate_time_scale = 0",
                  "k.conf:2:22: error: hopgate_time_scale: value should be between 1 and 100000");
}

TEST(real_time_changes_nothing)
{
    struct settings *settings = loaded("");

    settings_scale_times(settings);
    CHECK_INT(settings->keepalive_timeout_ms, 75000);
    CHECK_INT(settings->hopgate_time_scale, 1);
    settings_free(settings);
}

TESTS(TEST_CASE(every_time_of_the_table_is_divided_or_named_here),
      TEST_CASE(only_a_lab_has_a_time_of_its_own), TEST_CASE(real_time_changes_nothing))
