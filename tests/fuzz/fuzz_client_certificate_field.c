/*
 * Any field section: reading it for a certificate never reads beyond it, and what is found is whole.
 * What the parser lets through goes on to X.509 as it would in a hop.
 */
#include "proxy/rewrite/client_certificate_field.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/client_verifier.h"
#include "tls/self_signed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Asks for certificates of nobody in particular. Lives as long as the process. */
static struct tls_server_config *server(void)
{
    static struct tls_server_config *config;
    struct self_signed pair;
    struct tls_certificate certificate = { .label = "server" };
    const struct tls_policy policy = { .mode = TLS_VERIFY_OPTIONAL_NO_CA, .depth = -1 };
    struct tls_error error;

    if (config)
        return config;
    must(self_signed_create(&pair) == 0);
    certificate.pair = (struct tls_pem_pair){ pair.chain_pem, pair.key_pem };
    config = tls_server_config_create(&(struct tls_server_settings){ .certificates = &certificate,
                                                                     .certificates_count = 1,
                                                                     .policies = &policy,
                                                                     .policies_count = 1 },
                                      &error);
    must(config != NULL);
    self_signed_done(&pair);
    return config;
}

static void judge(const struct client_certificate_field *field)
{
    struct tls_client_verifier *verifier = tls_client_verifier_create(1);
    const struct tls_presented presented = { .config = server(),
                                             .certificates = field->certificates,
                                             .count = field->count,
                                             .now_s = 1800000000 };
    struct tls_judgement *judgement = NULL;
    size_t bad = field->count;
    int r;

    must(verifier != NULL);
    r = tls_client_verifier_judge(verifier, &presented, &judgement, &bad);
    must(r == 0 || (r == -EINVAL && bad < field->count));
    must((r == 0) == (judgement != NULL));
    if (judgement)
        must((tls_judgement_identity(judgement)->certificate != NULL) == (field->count > 0));
    tls_judgement_release(judgement);
    tls_client_verifier_free(verifier);
}

/* "Name: value" lines that end in \n. */
static void add_lines(struct fields *fields, struct slice text)
{
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct slice line = { text.ptr, end ? (size_t)(end - text.ptr) : text.len };
        const char *colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;

        if (colon)
            must(fields_add(fields, (struct slice){ line.ptr, (size_t)(colon - line.ptr) },
                            slice_from(line, (size_t)(colon - line.ptr) + 1)) == 0);
        text = slice_from(text, line.len + 1);
    }
}

/* data: which field is trusted, then the field section */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum persona_trusted_cert which;
    struct client_certificate_field field;
    struct chunk_pool *pool;
    struct fields fields;
    struct arena arena;
    int r;

    if (size == 0)
        return 0;
    pool = chunk_pool_create(0);
    must(pool != NULL);
    which = (enum persona_trusted_cert)(data[0] % (PERSONA_TRUSTED_CERT_ALB_LEAF + 1));
    arena_init(&arena, pool, 0);
    fields_init(&fields, &arena);
    add_lines(&fields, (struct slice){ (const char *)data + 1, size - 1 });
    r = client_certificate_field_read(which, &fields, &arena, &field);
    must(r == 0 || (r == -EINVAL && field.problem && field.name.len > 0));
    if (r == 0) {
        must(field.count <= TLS_PRESENTED_MAX);
        for (size_t i = 0; i < field.count; i++)
            must(field.certificates[i].length > 0);
        judge(&field);
    }
    arena_done(&arena);
    chunk_pool_free(pool);
    return 0;
}
