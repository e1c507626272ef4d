#include "proxy/server_tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/cert_check.h"
#include "tls/self_signed.h"

/* Certificates of kong.conf as texts, in its order. */
struct default_pairs {
    char **chain_pem, **key_pem;
    size_t count;
    struct self_signed made_up;
};

static struct config_place place_of(const struct config *config,
                                    const struct config_certificate *certificate)
{
    return (struct config_place){ .file = config->source,
                                  .line = certificate->line,
                                  .column = certificate->column,
                                  .path = certificate->path };
}

/* ---- checks -------------------------------------------------------------------------------- */

/* snis: the names that point to the pair. */
static void check_pair(const struct tls_pem_pair *pair, const struct config_strings *snis,
                       struct config_place place, struct config_errors *errors)
{
    struct cert_report report;

    if (!pair->chain_pem)
        return;
    if (cert_check(pair, (int64_t)time(NULL), &report) == 0 &&
        cert_check_names(pair, (const char *const *)snis->items, snis->count, &report) == 0) {
        for (size_t i = 0; i < report.count; i++) {
            bool fatal = report.problems[i].severity == CERT_ERROR;

            config_errors_add(errors, fatal ? CONFIG_ERROR : CONFIG_WARNING, place, "%s",
                              report.problems[i].text);
        }
    }
    cert_report_done(&report);
}

static void check_entities(const struct config *config, struct config_errors *errors)
{
    for (size_t i = 0; i < config->certificates_count; i++) {
        const struct config_certificate *certificate = &config->certificates[i];
        const struct tls_pem_pair pair = { certificate->cert_pem, certificate->key_pem };
        const struct tls_pem_pair alternative = { certificate->cert_alt_pem,
                                                  certificate->key_alt_pem };
        struct config_place place = place_of(config, certificate);

        check_pair(&pair, &certificate->snis, place, errors);
        check_pair(&alternative, &certificate->snis, place, errors);
    }
}

/* ---- the default pair ---------------------------------------------------------------------- */

static void default_pairs_done(struct default_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->chain_pem[i]);
        if (pairs->key_pem[i])
            explicit_bzero(pairs->key_pem[i], strlen(pairs->key_pem[i]));
        free(pairs->key_pem[i]);
    }
    free(pairs->chain_pem);
    free(pairs->key_pem);
    self_signed_done(&pairs->made_up);
}

static int read_pairs(const struct settings *settings, struct default_pairs *pairs,
                      struct config_errors *errors)
{
    size_t count = settings->ssl_cert.count;
    int result = 0;

    pairs->chain_pem = calloc(count + 1, sizeof(*pairs->chain_pem));
    pairs->key_pem = calloc(count + 1, sizeof(*pairs->key_pem));
    if (!pairs->chain_pem || !pairs->key_pem)
        return -ENOMEM;
    pairs->count = count;
    for (size_t i = 0; i < count; i++) {
        int r = settings_read_pem(settings, "ssl_cert", settings->ssl_cert.items[i],
                                  &pairs->chain_pem[i], errors);

        if (r == 0)
            r = settings_read_pem(settings, "ssl_cert_key", settings->ssl_cert_key.items[i],
                                  &pairs->key_pem[i], errors);
        if (r < 0)
            result = r;
    }
    return result;
}

static void check_defaults(const struct settings *settings, const struct default_pairs *pairs,
                           struct config_errors *errors)
{
    const struct config_strings no_names = { NULL, 0 };
    struct config_place place = settings_place(settings, "ssl_cert");

    for (size_t i = 0; i < pairs->count; i++) {
        const struct tls_pem_pair pair = { pairs->chain_pem[i], pairs->key_pem[i] };

        check_pair(&pair, &no_names, place, errors);
    }
}

void server_tls_check(const struct settings *settings, const struct config *config,
                      struct config_errors *errors)
{
    struct default_pairs pairs = { 0 };

    if (read_pairs(settings, &pairs, errors) == 0)
        check_defaults(settings, &pairs, errors);
    default_pairs_done(&pairs);
    check_entities(config, errors);
}

/* ---- the configuration --------------------------------------------------------------------- */

static struct tls_certificate default_certificate(struct default_pairs *pairs)
{
    struct tls_certificate certificate = { .label = "ssl_cert" };

    if (pairs->count == 0) {
        certificate.label = "the self-signed default certificate";
        certificate.pair.chain_pem = pairs->made_up.chain_pem;
        certificate.pair.key_pem = pairs->made_up.key_pem;
        return certificate;
    }
    certificate.pair.chain_pem = pairs->chain_pem[0];
    certificate.pair.key_pem = pairs->key_pem[0];
    if (pairs->count > 1) {
        certificate.alternative.chain_pem = pairs->chain_pem[1];
        certificate.alternative.key_pem = pairs->key_pem[1];
    }
    return certificate;
}

static struct tls_certificate *list_certificates(const struct config *config,
                                                 struct default_pairs *pairs)
{
    struct tls_certificate *list = calloc(config->certificates_count + 1, sizeof(*list));

    if (!list)
        return NULL;
    list[0] = default_certificate(pairs);
    for (size_t i = 0; i < config->certificates_count; i++) {
        const struct config_certificate *entity = &config->certificates[i];

        list[i + 1] = (struct tls_certificate){
            .label = entity->path,
            .pair = { entity->cert_pem, entity->key_pem },
            .alternative = { entity->cert_alt_pem, entity->key_alt_pem },
            .snis = (const char *const *)entity->snis.items,
            .snis_count = entity->snis.count,
        };
    }
    return list;
}

static struct tls_server_config *build(const struct settings *settings, const struct config *config,
                                       struct default_pairs *pairs,
                                       struct tls_ticket_keys *ticket_keys,
                                       struct tls_error *reterr)
{
    static const char *const alpn[] = { "http/1.1" };
    struct tls_certificate *list = list_certificates(config, pairs);
    struct tls_server_settings wanted = {
        .certificates = list,
        .certificates_count = config->certificates_count + 1,
        .alpn = alpn,
        .alpn_count = 1,
        .session_timeout_s = (uint32_t)(settings->ssl_session_timeout_ms / 1000),
        .ticket_keys = settings->ssl_session_tickets ? ticket_keys : NULL,
    };
    struct tls_server_config *server = NULL;

    if (!list)
        return NULL;
    if (tls_cipher_profile_parse(settings->ssl_cipher_suite, &wanted.cipher_profile))
        server = tls_server_config_create(&wanted, reterr);
    free(list);
    return server;
}

struct tls_server_config *server_tls_create(const struct settings *settings,
                                            const struct config *config,
                                            struct tls_ticket_keys *ticket_keys,
                                            struct config_errors *errors)
{
    struct default_pairs pairs = { 0 };
    struct config_place place = settings_place(settings, "ssl_cert");
    struct tls_error reterr = { "no certificate, or a cipher suite that is not supported yet" };
    struct tls_server_config *server = NULL;
    int r = read_pairs(settings, &pairs, errors);

    if (r == 0 && pairs.count == 0)
        r = self_signed_create(&pairs.made_up);
    if (r == 0) {
        check_defaults(settings, &pairs, errors);
        check_entities(config, errors);
        if (errors->errors_count == 0) {
            server = build(settings, config, &pairs, ticket_keys, &reterr);
            if (!server)
                config_errors_add(errors, CONFIG_ERROR, place, "%s", reterr.text);
        }
    }
    default_pairs_done(&pairs);
    return server;
}
