#include "tls/chain_facts.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tls/cert_chain_priv.h"
#include "tls/chain_facts_priv.h"

enum { STATUS_REQUEST = 5 }; /* RFC 6066 8: the number of the extension */

/* Appends; what does not fit is cut and marked. */
static void append(char *into, size_t size, const char *text)
{
    size_t used = strlen(into);

    if (used + strlen(text) + sizeof("...") < size)
        memcpy(into + used, text, strlen(text) + 1);
    else if (used + sizeof("...") <= size && (used < 3 || strcmp(into + used - 3, "...") != 0))
        memcpy(into + used, "...", sizeof("..."));
}

/* A name from outside: bytes that are no visible ASCII become '?'. */
static void copy_visible(const ASN1_STRING *from, char *into, size_t size)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(from);
    size_t length = (size_t)ASN1_STRING_length(from), i;

    for (i = 0; i < length && i + 1 < size; i++)
        into[i] = bytes[i] > 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '?';
    into[i] = '\0';
}

const char *chain_date_text(const ASN1_TIME *at, char *into, size_t size)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(at, &tm) != 1 || strftime(into, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(into, size, "an unreadable date");
    return into;
}

const char *chain_key_text(X509 *certificate, char *into, size_t size)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    char group[32] = "";
    size_t length;

    if (!key)
        snprintf(into, size, "unreadable");
    else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
             EVP_PKEY_get_group_name(key, group, sizeof(group), &length) == 1)
        snprintf(into, size, "EC %s", strcmp(group, "prime256v1") == 0 ? "P-256" : group);
    else
        snprintf(into, size, "%s %d",
                 EVP_PKEY_get0_type_name(key) ? EVP_PKEY_get0_type_name(key) : "unknown",
                 EVP_PKEY_get_bits(key));
    return into;
}

static void append_name(const GENERAL_NAME *name, char *into, size_t size)
{
    char text[CHAIN_NAME_MAX], address[INET6_ADDRSTRLEN];
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    const char *prefix = type == GEN_DNS ? "DNS:" : type == GEN_EMAIL ? "email:" : "URI:";
    int length;

    if (into[0])
        append(into, size, ", ");
    switch (type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI:
        copy_visible(value, text, sizeof(text));
        append(into, size, prefix);
        append(into, size, text);
        return;
    case GEN_IPADD:
        length = ASN1_STRING_length(value);
        if (length == 4 || length == 16) {
            (void)inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), address,
                            sizeof(address)); /* cannot fail: family and room fit */
            append(into, size, "IP:");
            append(into, size, address);
            return;
        }
        break;
    default:
        break;
    }
    append(into, size, "another kind of name");
}

const char *chain_names_text(X509 *certificate, char *into, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    into[0] = '\0';
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++)
        append_name(sk_GENERAL_NAME_value(names, i), into, size);
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return into;
}

const char *chain_access_url(X509 *certificate, int method, char *into, size_t size)
{
    AUTHORITY_INFO_ACCESS *list = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);

    into[0] = '\0';
    for (int i = 0; list && !into[0] && i < sk_ACCESS_DESCRIPTION_num(list); i++) {
        ACCESS_DESCRIPTION *entry = sk_ACCESS_DESCRIPTION_value(list, i);

        if (OBJ_obj2nid(entry->method) == method && entry->location->type == GEN_URI)
            copy_visible(entry->location->d.uniformResourceIdentifier, into, size);
    }
    AUTHORITY_INFO_ACCESS_free(list);
    ERR_clear_error();
    return into;
}

bool chain_must_staple(X509 *certificate)
{
    TLS_FEATURE *features = X509_get_ext_d2i(certificate, NID_tlsfeature, NULL, NULL);
    bool found = false;

    for (int i = 0; features && i < sk_ASN1_INTEGER_num(features); i++)
        if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == STATUS_REQUEST)
            found = true;
    TLS_FEATURE_free(features);
    ERR_clear_error();
    return found;
}

static void hex(const unsigned char *bytes, size_t length, char *into, size_t size)
{
    into[0] = '\0';
    for (size_t i = 0; i < length && 2 * i + 3 <= size; i++)
        snprintf(into + 2 * i, 3, "%02x", bytes[i]);
}

static long days_until(const ASN1_TIME *at, int64_t now_s)
{
    int days = 0, seconds = 0;
    ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)now_s);

    if (now)
        (void)ASN1_TIME_diff(&days, &seconds, now, at); /* unreadable: 0 days is the alarm */
    ASN1_TIME_free(now);
    return days;
}

void chain_facts_read(X509 *certificate, int64_t now_s, struct chain_facts *ret)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    *ret = (struct chain_facts){ .is_authority = X509_check_ca(certificate) > 0,
                                 .is_self_signed = X509_self_signed(certificate, 0) == 1,
                                 .must_staple = chain_must_staple(certificate),
                                 .days_left = days_until(X509_get0_notAfter(certificate), now_s) };
    cert_name_text(X509_get_subject_name(certificate), ret->subject, sizeof(ret->subject));
    cert_name_text(X509_get_issuer_name(certificate), ret->issuer, sizeof(ret->issuer));
    chain_names_text(certificate, ret->names, sizeof(ret->names));
    hex(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial), ret->serial,
        sizeof(ret->serial));
    chain_date_text(X509_get0_notBefore(certificate), ret->not_before, sizeof(ret->not_before));
    chain_date_text(X509_get0_notAfter(certificate), ret->not_after, sizeof(ret->not_after));
    chain_key_text(certificate, ret->key, sizeof(ret->key));
    snprintf(ret->signature, sizeof(ret->signature), "%s",
             OBJ_nid2ln(X509_get_signature_nid(certificate)));
    if (X509_digest(certificate, EVP_sha256(), digest, &length) == 1)
        hex(digest, length, ret->sha256, sizeof(ret->sha256));
    chain_access_url(certificate, NID_ad_ca_issuers, ret->issuer_url, sizeof(ret->issuer_url));
    chain_access_url(certificate, NID_ad_OCSP, ret->ocsp_url, sizeof(ret->ocsp_url));
    ERR_clear_error();
}
