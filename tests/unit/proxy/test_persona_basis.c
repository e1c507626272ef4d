#include "proxy/persona/persona_basis.h"

#include "tests/check.h"
#include "tests/unit/proxy/fixture.h"

/* DESIGN: each rule carries its basis. */
TEST(every_rule_of_every_built_in_persona_has_a_basis)
{
    for (size_t i = 0; persona_builtin_name(i); i++) {
        SCOPED(persona) persona = fixture_persona(persona_builtin_name(i));
        struct persona_basis_counts counts = persona_count_basis(persona);

        CHECK_INT(counts.of[PERSONA_AS_SECTION], 0);
        CHECK(counts.of[PERSONA_MEASURED] + counts.of[PERSONA_DOCUMENTED] +
                  counts.of[PERSONA_ASSUMED] >
              100);
    }
}

TEST(an_item_has_its_own_basis_or_its_section_s)
{
    SCOPED(persona) kong = fixture_persona("kong");
    SCOPED(persona)
    changed = fixture_persona("{\"extends\": \"kong\", \"parse\": {\"basis\": \"assumed\", "
                              "\"request\": [], \"response\": []}}");
    struct persona_basis_counts before = persona_count_basis(kong);
    struct persona_basis_counts after = persona_count_basis(changed);

    CHECK_INT(after.of[PERSONA_ASSUMED], before.of[PERSONA_ASSUMED] + 2);
    CHECK_INT(after.of[PERSONA_DOCUMENTED], before.of[PERSONA_DOCUMENTED] - 2);
}

TEST(an_answer_tells_the_basis_of_what_decided_it)
{
    SCOPED(persona) f5 = fixture_persona("f5");
    SCOPED(persona) kong = fixture_persona("kong");

    CHECK_INT(persona_answer(f5, END_HTTPS_REDIRECT, false, false).basis, PERSONA_ASSUMED);
    CHECK_INT(persona_answer(f5, END_NO_TARGET, false, false).basis, PERSONA_DOCUMENTED);
    CHECK_INT(persona_answer(kong, END_CLIENT_HEAD_TIMEOUT, false, false).basis, PERSONA_MEASURED);
    CHECK_STR(persona_basis_name(PERSONA_ASSUMED), "assumed");
}

TESTS(TEST_CASE(every_rule_of_every_built_in_persona_has_a_basis),
      TEST_CASE(an_item_has_its_own_basis_or_its_section_s),
      TEST_CASE(an_answer_tells_the_basis_of_what_decided_it))
