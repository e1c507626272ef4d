#include "proxy/snapshot/server_tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/file.h"
#include "proxy/snapshot/client_policies.h"
#include "proxy/snapshot/ticket_key_files.h"
#include "tls/cert_check.h"
#include "tls/self_signed.h"
#include "tls/stapling.h"

enum { STAPLE_BYTES_MAX = 64 * 1024 };

/* Certificates of kong.conf as texts, in its order. */
struct default_pairs {
    char **chain_pem, **key_pem;
    size_t count;
    struct tls_pem_pair *others;     /* the third and further ones; refers to the texts */
    struct self_signed made_up;      /* when nobody keeps one */
    struct tls_pem_pair self_signed; /* that one, or the one that is kept; with count 0 */
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

static void add_findings(const struct cert_report *report, struct config_place place,
                         struct config_errors *errors)
{
    for (size_t i = 0; i < report->count; i++) {
        bool fatal = report->problems[i].severity == CERT_ERROR;

        config_errors_add(errors, fatal ? CONFIG_ERROR : CONFIG_WARNING, place, "%s",
                          report->problems[i].text);
    }
}

/* snis: the names that point to the pair. key_path: where the key may lie; NULL: in no file. */
static void check_pair(const struct tls_pem_pair *pair, const struct config_strings *snis,
                       const char *key_path, struct config_place place,
                       struct config_errors *errors)
{
    struct cert_report report;

    if (!pair->chain_pem)
        return;
    if (cert_check(pair, (int64_t)time(NULL), &report) == 0 &&
        cert_check_names(pair, (const char *const *)snis->items, snis->count, &report) == 0 &&
        (!key_path || cert_check_key_file(key_path, &report) == 0))
        add_findings(&report, place, errors);
    cert_report_done(&report);
}

static void check_authorities(const struct config *config, struct config_errors *errors)
{
    for (size_t i = 0; i < config->ca_certificates_count; i++) {
        const struct config_ca_certificate *authority = &config->ca_certificates[i];
        const struct config_place place = { .file = config->source,
                                            .line = authority->line,
                                            .column = authority->column,
                                            .path = authority->path };
        struct cert_report report;

        if (cert_check_authorities(authority->cert_pem, (int64_t)time(NULL), &report) == 0)
            add_findings(&report, place, errors);
        cert_report_done(&report);
    }
}

static void check_entities(const struct config *config, struct config_errors *errors)
{
    for (size_t i = 0; i < config->certificates_count; i++) {
        const struct config_certificate *certificate = &config->certificates[i];
        const struct tls_pem_pair pair = { certificate->cert_pem, certificate->key_pem };
        const struct tls_pem_pair alternative = { certificate->cert_alt_pem,
                                                  certificate->key_alt_pem };
        struct config_place place = place_of(config, certificate);

        check_pair(&pair, &certificate->snis, NULL, place, errors);
        check_pair(&alternative, &certificate->snis, NULL, place, errors);
    }
    check_authorities(config, errors);
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
    free(pairs->others);
    self_signed_done(&pairs->made_up);
}

static int read_pairs(const struct settings *settings, struct default_pairs *pairs,
                      struct config_errors *errors)
{
    size_t count = settings->ssl_cert.count;
    int result = 0;

    pairs->chain_pem = calloc(count + 1, sizeof(*pairs->chain_pem));
    pairs->key_pem = calloc(count + 1, sizeof(*pairs->key_pem));
    pairs->others = calloc(count + 1, sizeof(*pairs->others));
    if (!pairs->chain_pem || !pairs->key_pem || !pairs->others)
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

        check_pair(&pair, &no_names, settings->ssl_cert_key.items[i], place, errors);
    }
}

/* ---- the configuration --------------------------------------------------------------------- */

static struct tls_certificate default_certificate(struct default_pairs *pairs)
{
    struct tls_certificate certificate = { .label = "ssl_cert" };

    if (pairs->count == 0) {
        certificate.label = "the self-signed default certificate";
        certificate.pair = pairs->self_signed;
        return certificate;
    }
    certificate.pair.chain_pem = pairs->chain_pem[0];
    certificate.pair.key_pem = pairs->key_pem[0];
    if (pairs->count > 1) {
        certificate.alternative.chain_pem = pairs->chain_pem[1];
        certificate.alternative.key_pem = pairs->key_pem[1];
    }
    for (size_t i = 2; i < pairs->count; i++)
        pairs->others[i - 2] = (struct tls_pem_pair){ pairs->chain_pem[i], pairs->key_pem[i] };
    certificate.others = pairs->others;
    certificate.others_count = pairs->count > 2 ? pairs->count - 2 : 0;
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

static enum tls_unknown_sni sni_choice(enum persona_sni choice)
{
    return choice == PERSONA_SNI_REFUSE ? TLS_UNKNOWN_SNI_REFUSE : TLS_UNKNOWN_SNI_DEFAULT;
}

static bool lists_protocol(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->ssl_protocols.count; i++)
        if (strcmp(settings->ssl_protocols.items[i], name) == 0)
            return true;
    return false;
}

/* ssl_protocols, ssl_ciphers and ssl_prefer_server_ciphers count with ssl_cipher_suite = custom only,
 * as in Kong. */
static void apply_custom_suite(const struct settings *settings, struct tls_server_settings *wanted)
{
    bool has_1_2 = lists_protocol(settings, "TLSv1.2"),
         has_1_3 = lists_protocol(settings, "TLSv1.3");

    if (wanted->cipher_profile != TLS_CIPHERS_CUSTOM)
        return;
    wanted->ciphers = settings->ssl_ciphers;
    wanted->server_preference = settings->ssl_prefer_server_ciphers;
    wanted->min_version = has_1_2 ? TLS_VERSION_1_2 : TLS_VERSION_1_3;
    wanted->max_version = has_1_3 ? TLS_VERSION_1_3 : TLS_VERSION_1_2;
}

/* Everything but the certificates. */
static struct tls_server_settings wanted_settings(const struct server_tls_inputs *inputs,
                                                  const struct client_policies *policies)
{
    /* RFC 7301 3.2: who offers neither is refused; a silent fallback would let a handshake meant for
     * another protocol pass (ALPACA) */
    static const char *const alpn[] = { "http/1.1", "http/1.0" };
    const struct settings *settings = inputs->settings;

    return (struct tls_server_settings){
        .policies = policies->items,
        .policies_count = policies->count,
        .alpn = alpn,
        .alpn_count = sizeof(alpn) / sizeof(alpn[0]),
        .alpn_required = true,
        .unknown_sni = sni_choice(inputs->policy->unknown_sni),
        .missing_sni = sni_choice(inputs->policy->missing_sni),
        .session_timeout_s = (uint32_t)((settings->ssl_session_timeout_ms + 999) / 1000),
        .groups = strcmp(settings->ssl_ecdh_curve, "auto") == 0 ? NULL : settings->ssl_ecdh_curve,
        .staples = settings->ssl_stapling || settings->ssl_stapling_file,
        .ticket_keys = settings->ssl_session_tickets ? inputs->ticket_keys : NULL,
        .sessions = inputs->sessions,
    };
}

static struct tls_server_config *build(const struct server_tls_inputs *inputs,
                                       struct tls_server_settings *wanted,
                                       struct default_pairs *pairs, struct tls_error *reterr)
{
    struct tls_certificate *list = list_certificates(inputs->config, pairs);
    struct tls_server_config *server = NULL;

    if (!list)
        return NULL;
    wanted->certificates = list;
    wanted->certificates_count = inputs->config->certificates_count + 1;
    if (tls_cipher_profile_parse(inputs->settings->ssl_cipher_suite, &wanted->cipher_profile)) {
        apply_custom_suite(inputs->settings, wanted);
        server = tls_server_config_reuse(inputs->former, wanted);
        if (!server)
            server = tls_server_config_create(wanted, reterr);
    }
    free(list);
    return server;
}

/* A staple that is of no use is no reason not to start: clients are served without it. */
static void add_staple(const struct server_tls_inputs *inputs, struct tls_server_config *server,
                       struct config_errors *errors)
{
    const char *path = inputs->settings->ssl_stapling_file;
    struct config_place place = settings_place(inputs->settings, "nginx_http_ssl_stapling_file");
    struct config_errors found;
    struct tls_error reterr = { "" };
    char *der = NULL;
    size_t length;
    int r;

    config_errors_init(&found);
    r = file_read(path, STAPLE_BYTES_MAX, &der, &length, &found);
    config_errors_done(&found);
    if (r < 0)
        config_errors_add(errors, CONFIG_ERROR, place, "'%.200s': %s%s", path, strerror(-r),
                          file_why_refused(path, r));
    else if (tls_stapling_set(server, (struct slice){ der, length }, &reterr) < 0)
        config_errors_add(errors, CONFIG_WARNING, place, "'%.200s': %s", path, reterr.text);
    free(der);
}

static void check_must_staple(const struct server_tls_inputs *inputs,
                              const struct default_pairs *pairs, struct config_errors *errors)
{
    if (inputs->settings->ssl_stapling || inputs->settings->ssl_stapling_file)
        return;
    for (size_t i = 0; i < pairs->count; i++) {
        const struct tls_pem_pair pair = { pairs->chain_pem[i], pairs->key_pem[i] };

        if (tls_stapling_is_demanded(&pair))
            config_errors_add(errors, CONFIG_WARNING, settings_place(inputs->settings, "ssl_cert"),
                              "'%.200s' demands a stapled OCSP response (must-staple), clients "
                              "refuse it without: set nginx_http_ssl_stapling = on",
                              inputs->settings->ssl_cert.items[i]);
    }
}

static void check_ticket_keys(const struct settings *settings, struct config_errors *errors)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();

    if (keys)
        (void)ticket_key_files_load(settings, keys, errors); /* its errors are in the list */
}

/* The same for all configurations of a hop: a reload must not show clients another one. */
static int take_self_signed(const struct server_tls_inputs *inputs, struct default_pairs *pairs)
{
    struct self_signed *pair = inputs->self_signed ? inputs->self_signed : &pairs->made_up;
    int r = pair->chain_pem ? 0 : self_signed_create(pair);

    if (r == 0)
        pairs->self_signed = (struct tls_pem_pair){ pair->chain_pem, pair->key_pem };
    return r;
}

struct tls_server_config *server_tls_create(const struct server_tls_inputs *inputs,
                                            struct config_errors *errors)
{
    const struct settings *settings = inputs->settings;
    struct default_pairs pairs = { 0 };
    struct config_place place = settings_place(settings, "ssl_cert");
    struct tls_error reterr = { "no certificate, or a cipher suite that is not known" };
    struct tls_server_config *server = NULL;
    struct client_policies policies;
    int r = client_policies_init(&policies, inputs, errors);
    int pairs_read = read_pairs(settings, &pairs, errors);

    if (pairs_read == 0 && pairs.count == 0)
        pairs_read = take_self_signed(inputs, &pairs);
    if (pairs_read == 0) {
        check_defaults(settings, &pairs, errors);
        check_must_staple(inputs, &pairs, errors);
    }
    check_entities(inputs->config, errors);
    check_ticket_keys(settings, errors);
    if (r == 0 && pairs_read == 0 && errors->errors_count == 0) {
        struct tls_server_settings wanted = wanted_settings(inputs, &policies);

        if (inputs->asks_no_client)
            wanted.policies_count = 0;
        server = build(inputs, &wanted, &pairs, &reterr);
        if (!server)
            config_errors_add(errors, CONFIG_ERROR, place, "%s", reterr.text);
        else if (settings->ssl_stapling_file)
            add_staple(inputs, server, errors);
    }
    if (!server && errors->errors_count == 0)
        config_errors_add(errors, CONFIG_ERROR, place, "out of memory");
    client_policies_done(&policies);
    default_pairs_done(&pairs);
    return server;
}

void server_tls_check(const struct server_tls_inputs *inputs, struct config_errors *errors)
{
    tls_server_config_unref(server_tls_create(inputs, errors));
}
