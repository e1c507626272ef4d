#include "proxy/snapshot/client_policies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/snapshot/ca_bundle.h"
#include "tls/cert_check.h"

/* What reading one policy needs. */
struct reading {
    const struct server_tls_inputs *inputs;
    struct config_errors *errors;
    struct config_place place; /* for findings about certificates */
    struct tls_policy *policy;
    char **ca_pem, **crl_pem; /* owned by struct client_policies */
};

static const struct {
    const char *word;
    enum tls_verify_mode mode;
} modes[] = {
    { "off", TLS_VERIFY_OFF },           { "on", TLS_VERIFY_REQUIRED }, /* nginx's word */
    { "required", TLS_VERIFY_REQUIRED },                                /* ours */
    { "optional", TLS_VERIFY_OPTIONAL }, { "optional_no_ca", TLS_VERIFY_OPTIONAL_NO_CA },
};

/* Both tables of words were checked when they were read. */
static enum tls_verify_mode mode_of(const char *word)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(modes[i].word, word) == 0)
            return modes[i].mode;
    return TLS_VERIFY_REQUIRED; /* not reached; the one that lets nobody in by mistake */
}

static int check(const struct reading *reading)
{
    struct cert_report report;
    int r;

    r = cert_check_policy(reading->policy, (int64_t)time(NULL), &report);
    for (size_t i = 0; i < report.count; i++) {
        bool fatal = report.problems[i].severity == CERT_ERROR;

        config_errors_add(reading->errors, fatal ? CONFIG_ERROR : CONFIG_WARNING, reading->place,
                          "%s", report.problems[i].text);
        if (fatal && r == 0)
            r = -EINVAL;
    }
    cert_report_done(&report);
    return r;
}

static int finish(const struct reading *reading, int r)
{
    struct tls_policy *policy = reading->policy;

    if (r < 0)
        return r;
    policy->refusal = reading->inputs->policy->verify_refusal == PERSONA_VERIFY_ALERT
                          ? TLS_CLIENT_REFUSAL_ALERT
                          : TLS_CLIENT_REFUSAL_PAGE;
    policy->ca_pem = *reading->ca_pem;
    policy->crl_pem = *reading->crl_pem;
    return check(reading);
}

/* ---- kong.conf ----------------------------------------------------------------------------- */

static int read_listeners(const struct reading *reading)
{
    const struct settings *settings = reading->inputs->settings;
    int r = 0;

    *reading->policy = (struct tls_policy){ .label = "nginx_proxy_ssl_verify_client",
                                            .mode = mode_of(settings->ssl_verify_client),
                                            .depth = (int)settings->ssl_verify_depth };
    if (reading->policy->mode == TLS_VERIFY_OFF)
        return 0;
    if (settings->ssl_client_certificate)
        r = settings_read_pem(settings, "nginx_proxy_ssl_client_certificate",
                              settings->ssl_client_certificate, reading->ca_pem, reading->errors);
    if (r == 0 && settings->ssl_crl)
        r = settings_read_pem(settings, "nginx_proxy_ssl_crl", settings->ssl_crl, reading->crl_pem,
                              reading->errors);
    return finish(reading, r);
}

/* ---- hopgate.mtls -------------------------------------------------------------------------- */

/* A CRL that is named in the declarative file: the reader of kong.conf's, with this place. */
static int read_crl(const struct reading *reading, const char *item)
{
    struct config_errors found;
    int r;

    config_errors_init(&found);
    r = settings_read_pem(reading->inputs->settings, "crl", item, reading->crl_pem, &found);
    for (size_t i = 0; i < found.count; i++)
        config_errors_add(reading->errors, CONFIG_ERROR, reading->place, "crl %s",
                          found.items[i].message);
    config_errors_done(&found);
    return r;
}

static int read_entry(const struct reading *reading, const struct config_mtls *mtls)
{
    int r = 0;

    *reading->policy = (struct tls_policy){ .label = mtls->path,
                                            .mode = mode_of(mtls->verify_client),
                                            .depth = mtls->verify_depth,
                                            .trusts_nobody = mtls->lacks_authority &&
                                                             mtls->ca_certificates_count == 0,
                                            .partial_chain = mtls->allow_partial_chain,
                                            .snis = (const char *const *)mtls->snis.items,
                                            .snis_count = mtls->snis.count };
    if (mtls->ca_certificates_count > 0) {
        *reading->ca_pem = ca_bundle_join(mtls->ca_certificates, mtls->ca_certificates_count);
        if (!*reading->ca_pem)
            return -ENOMEM;
    }
    if (mtls->crl)
        r = read_crl(reading, mtls->crl);
    return finish(reading, r);
}

/* To believe a field without anybody to believe, or anything to verify it with, is no mistake that
 * lets anybody in; but it is one. */
static void check_trusted_field(const struct client_policies *policies,
                                const struct server_tls_inputs *inputs,
                                struct config_errors *errors)
{
    struct config_place place =
        settings_place(inputs->settings, "hopgate_trusted_client_cert_field");
    bool verifies = false;

    if (inputs->policy->trusted_client_cert == PERSONA_TRUSTED_CERT_NONE)
        return;
    for (size_t i = 0; i < policies->count; i++)
        verifies |= policies->items[i].mode != TLS_VERIFY_OFF;
    if (!verifies)
        config_errors_add(errors, CONFIG_WARNING, place,
                          "no client certificate is taken from a field, because none is asked for; "
                          "set nginx_proxy_ssl_verify_client or hopgate.mtls");
    if (inputs->settings->trusted_ips.count == 0)
        config_errors_add(errors, CONFIG_WARNING, place,
                          "no peer is believed, because trusted_ips is empty; name the hops before "
                          "this one there");
}

int client_policies_init(struct client_policies *policies, const struct server_tls_inputs *inputs,
                         struct config_errors *errors)
{
    const struct config *config = inputs->config;
    size_t count = config->mtls_count + 1;
    struct reading reading = { .inputs = inputs, .errors = errors };
    int result;

    *policies = (struct client_policies){ .items = calloc(count, sizeof(*policies->items)),
                                          .texts = calloc(count * 2, sizeof(*policies->texts)) };
    if (!policies->items || !policies->texts)
        return -ENOMEM;
    policies->count = count;
    reading.policy = &policies->items[0];
    reading.ca_pem = &policies->texts[0];
    reading.crl_pem = &policies->texts[1];
    reading.place = settings_place(inputs->settings, "nginx_proxy_ssl_verify_client");
    result = read_listeners(&reading);
    for (size_t i = 1; i < count; i++) {
        const struct config_mtls *mtls = &config->mtls[i - 1];
        int r;

        reading.policy = &policies->items[i];
        reading.ca_pem = &policies->texts[2 * i];
        reading.crl_pem = &policies->texts[2 * i + 1];
        reading.place = (struct config_place){ .file = config->hopgate_source,
                                               .line = mtls->line,
                                               .column = mtls->column,
                                               .path = mtls->path };
        r = read_entry(&reading, mtls);
        result = r < 0 ? r : result;
    }
    check_trusted_field(policies, inputs, errors);
    return result;
}

void client_policies_done(struct client_policies *policies)
{
    for (size_t i = 0; i < policies->count * 2; i++)
        free(policies->texts[i]);
    free(policies->texts);
    free(policies->items);
    *policies = (struct client_policies){ 0 };
}
