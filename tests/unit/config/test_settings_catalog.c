#include "config/settings_catalog.h"

#include <string.h>

#include "config/settings_priv.h"
#include "tests/check.h"

TEST(every_key_that_is_used_has_a_meaning_and_no_other)
{
    struct settings_entry entry;
    size_t count = 0;

    while (settings_catalog_entry(count, &entry)) {
        const struct setting *setting = &settings_table[count++];
        bool is_used = setting->state == SETTING_USED && setting->type != SETTING_ALIAS;

        if (is_used != (entry.meaning != NULL))
            fail_msg("%s: %s in settings_catalog.c", entry.name,
                     is_used ? "has no meaning" : "has a meaning, and is not used,");
    }
    CHECK_INT(count, settings_table_count);
}

TEST(a_key_that_is_not_used_says_why)
{
    struct settings_entry entry;

    for (size_t i = 0; settings_catalog_entry(i, &entry); i++)
        CHECK((entry.meaning != NULL) + (entry.reason != NULL) + (entry.alias_of != NULL) == 1);
}

TESTS(TEST_CASE(every_key_that_is_used_has_a_meaning_and_no_other),
      TEST_CASE(a_key_that_is_not_used_says_why))
