#include "tls/client_verdict_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

char *client_verdict_error_text(long verify_result)
{
    const char *reason = X509_verify_cert_error_string(verify_result);
    char *text;

    return asprintf(&text, "%ld:%s", verify_result, reason) < 0 ? NULL : text;
}

int client_verdict_init(struct client_verdict *verdict, const struct client_policy *policy,
                        struct tls_client_certificate **certificate, long verify_result)
{
    struct tls_client_identity *identity = &verdict->identity;

    *verdict = (struct client_verdict){ .certificate = *certificate };
    *certificate = NULL;
    identity->mode = policy->mode;
    identity->verdict = client_policy_judge(policy, verdict->certificate != NULL, verify_result);
    identity->certificate = verdict->certificate;
    identity->verify = verdict->certificate ? "SUCCESS" : "NONE";
    identity->verify_error = "";
    if (!verdict->certificate || verify_result == X509_V_OK)
        return 0;
    verdict->verify_error = client_verdict_error_text(verify_result);
    if (!verdict->verify_error ||
        asprintf(&verdict->verify, "FAILED:%s", X509_verify_cert_error_string(verify_result)) < 0) {
        verdict->verify = NULL;
        return -ENOMEM;
    }
    identity->verify = verdict->verify;
    identity->verify_error = verdict->verify_error;
    return 0;
}

void client_verdict_done(struct client_verdict *verdict)
{
    tls_client_certificate_free(verdict->certificate);
    free(verdict->verify);
    free(verdict->verify_error);
    *verdict = (struct client_verdict){ 0 };
}
