/*
 * identity_fixture: clients with the certificates of tests/data/client-identity.json.
 *
 * Role    certificates that a trusted hop handed on, judged by a policy, as an exchange has them
 * Owns    what identity_fixture_done frees
 * Thread  the test
 */
#ifndef TESTS_UNIT_PROXY_IDENTITY_FIXTURE_H
#define TESTS_UNIT_PROXY_IDENTITY_FIXTURE_H

#include <jansson.h>

#include "proxy/rewrite/client_certificate_field.h"
#include "tests/unit/proxy/fixture.h"
#include "tls/client_verifier.h"
#include "tls/self_signed.h"

struct identity_fixture {
    json_t *data;
    struct self_signed server;
    struct tls_client_verifier *verifier;
    struct tls_server_config *config; /* of the latest client */
    struct tls_judgement *judgement;
};

static inline void identity_fixture_init(struct identity_fixture *f)
{
    *f = (struct identity_fixture){ 0 };
    f->data = json_load_file(HOPGATE_SOURCE_DIR "/tests/data/client-identity.json", 0, NULL);
    f->verifier = tls_client_verifier_create(4);
    CHECK_INT(self_signed_create(&f->server), 0);
    assert_non_null(f->data);
    assert_non_null(f->verifier);
}

static inline void identity_fixture_forget(struct identity_fixture *f)
{
    tls_judgement_release(f->judgement);
    tls_server_config_unref(f->config);
    f->judgement = NULL;
    f->config = NULL;
}

static inline void identity_fixture_done(struct identity_fixture *f)
{
    identity_fixture_forget(f);
    tls_client_verifier_free(f->verifier);
    self_signed_done(&f->server);
    json_decref(f->data);
}

static inline const char *identity_pem(const struct identity_fixture *f, const char *name)
{
    const char *pem =
        json_string_value(json_object_get(json_object_get(f->data, "certificates"), name));

    assert_non_null(pem);
    return pem;
}

/* names: NULL-terminated, the leaf first. In the arena of x. */
static inline struct client_certificate_field identity_chain(const struct identity_fixture *f,
                                                             struct arena *arena,
                                                             const char *const *names)
{
    struct client_certificate_field chain;
    struct slice pem = SLICE("");
    struct fields fields;

    for (; *names; names++)
        pem = arena_printf(arena, "%s%s", pem.len ? pem.ptr : "", identity_pem(f, *names));
    fields_init(&fields, arena);
    CHECK_INT(fields_add(&fields, SLICE("X-SSL-Client-Cert"), pem), 0);
    CHECK_INT(client_certificate_field_read(PERSONA_TRUSTED_CERT_X_SSL_CLIENT_CERT, &fields, arena,
                                            &chain),
              0);
    return chain;
}

/* The exchange's client showed these certificates, and the lab's root judged them. */
static inline void identity_fixture_show(struct identity_fixture *f, struct exchange_fixture *x,
                                         enum tls_verify_mode mode, const char *const *names)
{
    struct client_certificate_field chain = identity_chain(f, &x->arena, names);
    const struct tls_certificate certificate = {
        .label = "server", .pair = { f->server.chain_pem, f->server.key_pem }
    };
    const struct tls_policy policy = {
        .label = "test", .mode = mode, .ca_pem = identity_pem(f, "root"), .depth = -1
    };
    const struct tls_server_settings settings = { .certificates = &certificate,
                                                  .certificates_count = 1,
                                                  .policies = &policy,
                                                  .policies_count = 1 };
    struct tls_error error = { "" };
    size_t bad;

    identity_fixture_forget(f);
    f->config = tls_server_config_create(&settings, &error);
    if (!f->config)
        fail_msg("%s", error.text);
    CHECK_INT(tls_client_verifier_judge(f->verifier,
                                        &(struct tls_presented){ .config = f->config,
                                                                 .certificates = chain.certificates,
                                                                 .count = chain.count,
                                                                 .now_s = 1800000000 },
                                        &f->judgement, &bad),
              0);
    x->record.client_identity = *tls_judgement_identity(f->judgement);
}

#endif
