#include "config/model/model_id.h"
#include "tests/check.h"

#define ID "0855b320-0dd2-547d-891d-601e9b38647f"

struct row {
    const char *entity, *values, *id; /* id NULL: none */
};

/* The first four are written in Kong's specs and in its own loader's output; of the others the key. */
TEST(ids_are_those_that_kong_makes)
{
    static const struct row rows[] = {
        { "services", "{\"name\": \"my-service\"}", "0855b320-0dd2-547d-891d-601e9b38647f" },
        { "routes", "{\"name\": \"my-route\"}", "481a9539-f49c-51b6-b2e2-fe99ee68866c" },
        { "consumers", "{\"username\": \"my-user\"}", "4b1b701d-de2b-5588-9aa2-3b97061d9f52" },
        { "plugins", "{\"name\": \"key-auth\"}", "6b4f38d1-e026-540b-a5ea-8634739dd2a7" },
        { "plugins", "{\"name\": \"key-auth\", \"route\": null}",
          "6b4f38d1-e026-540b-a5ea-8634739dd2a7" },
        { "services", "{\"host\": \"h\"}", NULL },
        { "consumers", "{\"custom_id\": \"x\"}", NULL },
        { "certificates", "{\"cert\": \"x\"}", NULL },
        { "ca_certificates", "{\"cert\": \"x\"}", NULL },
        { "keyauth_credentials", "{\"consumer\": {\"id\": \"" ID "\"}}", NULL },
        { "acls", "{\"group\": \"g\"}", NULL },
        { "targets", "{\"target\": \"a:80\"}", NULL },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *values = json_loads(rows[i].values, 0, NULL);
        char id[UUID_TEXT_BYTES + 1] = "";
        int made = model_id_of(model_entity(model_get(), rows[i].entity), values, id);
        CHECK_INT(made, rows[i].id != NULL);
        if (rows[i].id)
            CHECK_STR(id, rows[i].id);
        json_decref(values);
    }
}

static void check_key(const char *entity, const char *values, const char *key)
{
    json_t *parsed = json_loads(values, 0, NULL);
    char got[UUID_TEXT_BYTES + 1], want[UUID_TEXT_BYTES + 1];

    CHECK_INT(model_id_of(model_entity(model_get(), entity), parsed, got), 1);
    entity_id_from_key(entity, key, want);
    CHECK_STR(got, want);
    json_decref(parsed);
}

TEST(a_combination_is_a_key_with_the_parents_id)
{
    check_key("targets", "{\"target\": \"a\", \"upstream\": {\"id\": \"" ID "\"}}",
              "targets:*:" ID ":a");
    check_key("plugins", "{\"name\": \"acl\", \"service\": {\"id\": \"" ID "\"}}",
              "plugins:*:acl::" ID ":");
    check_key("acls", "{\"group\": \"g\", \"consumer\": {\"id\": \"" ID "\"}}", "acls:*:" ID ":g");
    check_key("keyauth_credentials", "{\"key\": \"k\"}", "keyauth_credentials:*:k");
    check_key("keys", "{\"kid\": \"k\"}", "keys:*:k:");
    check_key("vaults", "{\"prefix\": \"p\"}", "vaults:*:p");
    check_key("snis", "{\"name\": \"a.b\"}", "a.b");
    check_key("key_sets", "{\"name\": \"s\"}", "s");
}

TESTS(TEST_CASE(ids_are_those_that_kong_makes),
      TEST_CASE(a_combination_is_a_key_with_the_parents_id))
