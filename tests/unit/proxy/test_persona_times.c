/* persona_times: every time of every built-in persona, found by the schema, not by a list. */
#include "proxy/persona/persona_times.h"

#include <string.h>

#include "proxy/persona/persona_priv.h"
#include "tests/unit/proxy/fixture.h"

enum { SCALE = 100 };

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name);

    return length >= strlen(end) && strcmp(name + length - strlen(end), end) == 0;
}

/* A number whose name tells no unit could be a time that nobody divides. */
static void check_unit(const char *name)
{
    static const char *const units[] = { "_ms", "_per_s", "_count", "_bytes", "_percent" };

    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (ends_with(name, units[i]))
            return;
    fail_msg("%s: the name of a number ends with its unit", name);
}

/* Handshakes and heads are work: two seconds of real time at least. */
static uint64_t divided(const char *name, uint64_t before)
{
    uint64_t after = (before + SCALE - 1) / SCALE;
    bool is_work = strcmp(name, "tls_handshake_timeout_ms") == 0 ||
                   strcmp(name, "tls_timeout_ms") == 0 || strcmp(name, "head_timeout_ms") == 0;

    return is_work && after < 2000 ? (before < 2000 ? before : 2000) : after;
}

/* Returns how many times there are. */
static size_t check_section(const char *persona, const struct persona_schema *schema,
                            const void *stated, const void *scaled)
{
    size_t count = 0;

    for (const struct persona_key *key = schema->keys; key->name; key++) {
        const char *one = (const char *)stated + key->offset;
        const char *other = (const char *)scaled + key->offset;
        uint64_t before, after, wanted;

        if (key->kind == PERSONA_KIND_OBJECT)
            count += check_section(persona, key->schema, one, other);
        if (key->kind != PERSONA_KIND_NUMBER)
            continue;
        check_unit(key->name);
        before = *(const uint64_t *)one;
        after = *(const uint64_t *)other;
        wanted = ends_with(key->name, "_ms")      ? divided(key->name, before)
                 : ends_with(key->name, "_per_s") ? before * SCALE
                                                  : before;
        if (after != wanted)
            fail_msg("%s, %s: %llu became %llu, not %llu", persona, key->name,
                     (unsigned long long)before, (unsigned long long)after,
                     (unsigned long long)wanted);
        count += ends_with(key->name, "_ms");
    }
    return count;
}

TEST(every_time_of_every_persona_is_divided)
{
    for (size_t i = 0; persona_builtin_name(i); i++) {
        struct persona *stated = fixture_persona(persona_builtin_name(i));
        struct persona *scaled = fixture_persona(persona_builtin_name(i));

        CHECK_INT(persona_times_scale(scaled, SCALE), 0);
        CHECK(check_section(stated->name, &persona_schema, stated, scaled) >= 17);
        persona_free(stated);
        persona_free(scaled);
    }
}

TEST(what_was_stated_is_kept_to_be_told)
{
    struct persona *kong = fixture_persona("kong");

    kong->client.send_timeout_ms = 60001;
    CHECK(persona_times_stated(kong) == kong);
    CHECK_INT(persona_times_scale(kong, 1), 0);
    CHECK(persona_times_stated(kong) == kong);
    CHECK_INT(persona_times_scale(kong, SCALE), 0);
    CHECK_INT(kong->client.send_timeout_ms, 601);
    CHECK_INT(persona_times_stated(kong)->client.send_timeout_ms, 60001);
    CHECK_INT(kong->time_scale, SCALE);
    persona_free(kong);
}

TEST(no_time_becomes_none)
{
    struct persona *haproxy = fixture_persona("haproxy");

    haproxy->retry.pause_ms = 1;
    haproxy->retry.timeout_ms = 0;
    CHECK_INT(persona_times_scale(haproxy, SCALE), 0);
    CHECK_INT(haproxy->retry.pause_ms, 1);
    CHECK_INT(haproxy->retry.timeout_ms, 0);
    persona_free(haproxy);
}

TEST(what_is_shared_has_the_same_times_and_outlives_the_first)
{
    struct persona *kong = fixture_persona("kong"), *second, *third;
    uint64_t stated_ms = kong->client.head_timeout_ms, scaled_ms;

    CHECK_INT(persona_times_scale(kong, SCALE), 0);
    scaled_ms = kong->client.head_timeout_ms;
    second = persona_share(kong);
    CHECK(second != kong);
    CHECK(second->product == kong->product);
    persona_free(kong);
    third = persona_share(second);
    persona_free(second);
    CHECK_INT(third->client.head_timeout_ms, scaled_ms);
    CHECK_INT(persona_times_stated(third)->client.head_timeout_ms, stated_ms);
    CHECK(persona_allocate(third, 100) != NULL); /* its own, gone with it */
    CHECK_STR(third->name, "kong");
    persona_free(third);
}

TESTS(TEST_CASE(what_is_shared_has_the_same_times_and_outlives_the_first),
      TEST_CASE(every_time_of_every_persona_is_divided),
      TEST_CASE(what_was_stated_is_kept_to_be_told), TEST_CASE(no_time_becomes_none))
