#include "tls/served_certificates.h"

#include <openssl/ssl.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/chain_facts_priv.h"
#include "tls/tls_context_priv.h"

/* "DNS:a.test, IP:127.0.0.1" -> "a.test" */
static void copy_first_name(const struct chain_facts *facts, char *into, size_t size)
{
    const char *begin = strchr(facts->names, ':');
    int length = begin ? (int)strcspn(begin + 1, ",") : 0;

    if (length > 0)
        (void)snprintf(into, size, "%.*s", length, begin + 1);
    else
        (void)snprintf(into, size, "%s", facts->subject);
}

static void read_certificate(X509 *certificate, struct served_certificate *ret)
{
    struct chain_facts facts;
    struct tm end;

    chain_facts_read(certificate, (int64_t)time(NULL), &facts);
    copy_first_name(&facts, ret->name, sizeof(ret->name));
    memcpy(ret->serial, facts.serial, sizeof(ret->serial));
    memcpy(ret->key, facts.key, sizeof(ret->key));
    memcpy(ret->not_after, facts.not_after, sizeof(ret->not_after));
    memcpy(ret->sha256, facts.sha256, sizeof(ret->sha256));
    /* an unreadable date counts as long past: that is the alarm */
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1)
        ret->not_after_s = (int64_t)timegm(&end);
}

static struct served_certificate *add_item(struct served_certificates *list)
{
    struct served_certificate *items =
        reallocarray(list->items, list->count + 1, sizeof(*list->items));

    if (!items)
        return NULL;
    list->items = items;
    memset(&items[list->count], 0, sizeof(*items));
    return &items[list->count++];
}

int served_certificates_add(struct served_certificates *list,
                            const struct tls_server_config *config)
{
    for (size_t i = 0; i < config->contexts_count; i++) {
        const STACK_OF(X509) *leaves = config->contexts[i].leaves;

        for (int k = 0; k < sk_X509_num(leaves); k++) {
            struct served_certificate *item = add_item(list);

            if (!item)
                return -ENOMEM;
            item->index = i;
            read_certificate(sk_X509_value(leaves, k), item);
        }
    }
    return 0;
}

void served_certificates_done(struct served_certificates *list)
{
    free(list->items);
    *list = (struct served_certificates){ 0 };
}
