#include "tls/pki_lab.h"

#include <openssl/crypto.h>
#include <openssl/x509_vfy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/slice.h"
#include "tls/pki_lab_priv.h"
#include "tls/pki_revocation.h"

enum {
    SECONDS_PER_DAY = 86400,
    DAYS_DEFAULT = 90,
    AUTHORITY_DAYS = 3650,
    PADDING_MAX = 1024,
    TEXT_MAX = 512,
};

/* One certificate, or a series of them: item 0 is the highest. */
struct made {
    const struct lab_certificate *row;
    struct pki_identity **items;
    size_t count;
};

struct maker {
    const struct pki_lab_settings *settings;
    const char *server_name;
    struct made *made; /* as many as the table has rows; count 0: not yet made */
    struct pki_lab *lab;
    struct tls_error *reterr;
};

static bool fail_for_memory(struct maker *maker)
{
    snprintf(maker->reterr->text, sizeof(maker->reterr->text), "out of memory");
    return false;
}

/* The next id of a list; false at its end. */
static bool next_id(const char **list, struct slice *ret_id)
{
    const char *at = *list ? *list + strspn(*list, " ") : "";
    size_t length = strcspn(at, " ");

    *ret_id = (struct slice){ at, length };
    *list = at + length;
    return length > 0;
}

static bool is_series(struct slice id)
{
    return id.len > 0 && id.ptr[id.len - 1] == '*';
}

/* The table is ours: an id that is not in it is a mistake of this program. */
static const struct made *find_made(const struct maker *maker, struct slice id)
{
    if (is_series(id))
        id.len--;
    for (size_t i = 0; i < lab_tables.certificates_count; i++)
        if (slice_equal(slice_of(lab_tables.certificates[i].id), id))
            return &maker->made[i];
    return NULL;
}

/* A series gives its lowest. NULL for an id that does not exist, or not yet. */
static const struct pki_identity *find(const struct maker *maker, struct slice id)
{
    const struct made *made = find_made(maker, id);

    return made && made->count > 0 ? made->items[made->count - 1] : NULL;
}

/* ---- certificates -------------------------------------------------------------------------- */

/* "{name}" becomes the server's name. */
static const char *expand(const struct maker *maker, const char *text, char *into)
{
    const char *at = text ? strstr(text, "{name}") : NULL;

    if (!at)
        return text;
    snprintf(into, TEXT_MAX, "%.*s%s%s", (int)(at - text), text, maker->server_name,
             at + strlen("{name}"));
    return into;
}

static const char *or_else(const char *text, const char *fallback)
{
    return text ? text : fallback;
}

static void spec_add_extensions(struct pki_spec *spec, const struct lab_certificate *row)
{
    static const struct {
        const char *basic_constraints, *key_usage, *extended_key_usage, *alternative_names;
    } profiles[] = {
        [LAB_ROOT] = { "critical,CA:TRUE", "critical,keyCertSign,cRLSign", NULL, NULL },
        [LAB_AUTHORITY] = { "critical,CA:TRUE", "critical,keyCertSign,cRLSign,digitalSignature",
                            NULL, NULL },
        [LAB_SERVER] = { "critical,CA:FALSE", "critical,digitalSignature", "serverAuth",
                         "DNS:{name},IP:127.0.0.1,IP:::1" },
        [LAB_CLIENT] = { "critical,CA:FALSE", "critical,digitalSignature", "clientAuth",
                         "email:someone@client.test" },
    };

    spec->basic_constraints =
        or_else(row->basic_constraints, profiles[row->profile].basic_constraints);
    spec->key_usage = or_else(row->key_usage, profiles[row->profile].key_usage);
    spec->extended_key_usage =
        or_else(row->extended_key_usage, profiles[row->profile].extended_key_usage);
    spec->alternative_names =
        or_else(row->alternative_names, profiles[row->profile].alternative_names);
    spec->name_constraints = row->name_constraints;
    spec->tls_feature = row->tls_feature;
}

static void spec_add_dates(struct pki_spec *spec, const struct lab_certificate *row,
                           const struct pki_lab_settings *settings)
{
    int days = settings->days ? settings->days : DAYS_DEFAULT;
    int from = row->from_days, to = row->to_days;

    if (from == 0 && to == 0) {
        from = -1;
        to = row->profile == LAB_ROOT || row->profile == LAB_AUTHORITY ? AUTHORITY_DAYS : days;
    }
    spec->not_before_s = settings->now_s + (int64_t)from * SECONDS_PER_DAY;
    spec->not_after_s = settings->now_s + (int64_t)to * SECONDS_PER_DAY;
}

/* number: which of a series, 1 for the first; 0: none. */
static struct pki_identity *make_one(struct maker *maker, const struct lab_certificate *row,
                                     const struct pki_identity *issuer, unsigned number)
{
    char name[TEXT_MAX], subject[TEXT_MAX], names[TEXT_MAX], padding[PADDING_MAX + 1],
        authority_info[TEXT_MAX];
    struct pki_spec spec = {
        .issuer = issuer,
        .key_of = row->key_of ? find(maker, slice_of(row->key_of)) : NULL,
        .key_kind = row->key_kind,
        .sha1 = row->sha1,
        .comment = padding,
    };

    spec_add_extensions(&spec, row);
    spec_add_dates(&spec, row, maker->settings);
    snprintf(name, sizeof(name), "%s", or_else(row->common_name, "{name}"));
    if (row->profile == LAB_CLIENT)
        snprintf(name, sizeof(name), "Shelf %s", row->id);
    if (number > 0)
        snprintf(name, sizeof(name), "%s %u", row->common_name, number);
    spec.common_name = expand(maker, name, subject);
    spec.alternative_names = expand(maker, spec.alternative_names, names);
    if (row->issuer) {
        /* the host does not exist: a diagnosis names the address, it does not need to answer */
        snprintf(authority_info, sizeof(authority_info),
                 "caIssuers;URI:http://ca.shelf.invalid/%.*s.cer", (int)strcspn(row->issuer, "*"),
                 row->issuer);
        spec.authority_info = authority_info;
    }
    memset(padding, 'x', sizeof(padding));
    padding[row->padding < PADDING_MAX ? row->padding : PADDING_MAX] = '\0';
    return pki_identity_create(&spec, maker->reterr);
}

static bool make_row(struct maker *maker, size_t at)
{
    const struct lab_certificate *row = &lab_tables.certificates[at];
    const struct pki_identity *issuer = row->issuer ? find(maker, slice_of(row->issuer)) : NULL;
    struct made *made = &maker->made[at];
    unsigned count = row->series ? row->series : 1;

    made->row = row;
    made->items = calloc(count, sizeof(struct pki_identity *));
    if (!made->items)
        return fail_for_memory(maker);
    for (unsigned i = 0; i < count; i++) {
        made->items[i] = make_one(maker, row, issuer, row->series ? i + 1 : 0);
        if (!made->items[i])
            return false;
        made->count++;
        issuer = made->items[i];
    }
    return true;
}

/* ---- files --------------------------------------------------------------------------------- */

/* Takes the bytes, also on failure. NULL: what makes them had failed and said so. */
static bool take_file(struct maker *maker, const char *folder, const char *name,
                      struct pki_file file)
{
    struct pki_lab *lab = maker->lab;

    if (!file.bytes)
        return false;
    if (lab->count == lab->capacity) {
        size_t capacity = lab->capacity ? lab->capacity * 2 : 64;
        struct pki_file *files = realloc(lab->files, capacity * sizeof(*files));

        if (files) {
            lab->files = files;
            lab->capacity = capacity;
        }
    }
    if (lab->count < lab->capacity &&
        asprintf(&file.path, "%s%s%s", folder, folder[0] ? "/" : "", name) >= 0) {
        lab->files[lab->count++] = file;
        return true;
    }
    OPENSSL_cleanse(file.bytes, file.length);
    free(file.bytes);
    return fail_for_memory(maker);
}

static struct pki_file text_file(char *text, bool is_secret)
{
    return (struct pki_file){ .bytes = (unsigned char *)text,
                              .length = text ? strlen(text) : 0,
                              .is_secret = is_secret };
}

static bool add_chain(struct maker *maker, const struct pki_situation *situation)
{
    const char *rest = situation->chain;
    struct slice id;
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return fail_for_memory(maker);
    while (next_id(&rest, &id)) {
        const struct made *made = find_made(maker, id);

        for (size_t i = made->count; i > 0; i--)
            (void)fputs(pki_identity_certificate_pem(made->items[i - 1]), stream);
    }
    if (fclose(stream) != 0) {
        free(text);
        return fail_for_memory(maker);
    }
    return take_file(maker, situation->name, "chain.pem", text_file(text, false));
}

static bool add_key(struct maker *maker, const struct pki_situation *situation)
{
    const char *rest = situation->key ? situation->key : situation->chain;
    const struct pki_identity *owner;
    struct slice id;
    char *text;

    (void)next_id(&rest, &id); /* a situation has a chain, so there is one */
    owner = find(maker, id);
    text = situation->key_is_encrypted ? pki_identity_encrypted_key_pem(owner, PKI_LAB_PASS_PHRASE)
                                       : strdup(pki_identity_key_pem(owner));
    if (!text)
        return fail_for_memory(maker);
    return take_file(maker, situation->name, "key.pem", text_file(text, true));
}

static struct pki_period period_of(const struct maker *maker, int from_days, int to_days)
{
    int64_t now_s = maker->settings->now_s;

    return (struct pki_period){ now_s + (int64_t)from_days * SECONDS_PER_DAY,
                                now_s + (int64_t)to_days * SECONDS_PER_DAY };
}

static char *make_crl(struct maker *maker, const struct lab_crl *row)
{
    enum { REVOKED_MAX = 8 };
    const struct pki_identity *revoked[REVOKED_MAX];
    const char *rest = row->revoked;
    struct slice id;
    size_t count = 0;

    while (count < REVOKED_MAX && next_id(&rest, &id))
        revoked[count++] = find(maker, id);
    return pki_crl_create(find(maker, slice_of(row->issuer)), revoked, count,
                          period_of(maker, row->from_days, row->to_days), maker->reterr);
}

static bool add_crls(struct maker *maker, const struct pki_situation *situation)
{
    const char *rest = situation->crls;
    struct slice id;
    char *all = NULL;

    while (next_id(&rest, &id)) {
        for (size_t i = 0; i < lab_tables.crls_count; i++) {
            char *one, *joined = NULL;

            if (!slice_equal(slice_of(lab_tables.crls[i].id), id))
                continue;
            one = make_crl(maker, &lab_tables.crls[i]);
            if (one && asprintf(&joined, "%s%s", all ? all : "", one) < 0)
                joined = NULL;
            free(one);
            free(all);
            all = joined;
            if (!all)
                return fail_for_memory(maker);
        }
    }
    return !all || take_file(maker, situation->name, "crl.pem", text_file(all, false));
}

static bool add_ocsp(struct maker *maker, const struct pki_situation *situation)
{
    for (size_t i = 0; situation->ocsp && i < lab_tables.ocsps_count; i++) {
        const struct lab_ocsp *row = &lab_tables.ocsps[i];
        struct pki_ocsp_request request = { .revoked = row->revoked };
        struct pki_file file = { 0 };

        if (strcmp(row->id, situation->ocsp) != 0)
            continue;
        request.issuer = find(maker, slice_of(row->issuer));
        request.subject = find(maker, slice_of(row->subject));
        request.period = period_of(maker, row->from_days, row->to_days);
        file.bytes = pki_ocsp_create(&request, &file.length, maker->reterr);
        return take_file(maker, situation->name, "ocsp.der", file);
    }
    return true;
}

static bool add_authority(struct maker *maker, const char *id, const char *file_name)
{
    char *text = strdup(pki_identity_certificate_pem(find(maker, slice_of(id))));

    if (!text)
        return fail_for_memory(maker);
    return take_file(maker, "", file_name, text_file(text, false));
}

static bool add_files(struct maker *maker)
{
    static const struct {
        const char *id, *file_name;
    } authorities[] = { { "root", "ca.pem" },
                        { "stranger-root", "stranger-ca.pem" },
                        { "old-root", "old-ca.pem" },
                        { "intermediate", "intermediate.pem" } };

    for (size_t i = 0; i < sizeof(authorities) / sizeof(authorities[0]); i++)
        if (!add_authority(maker, authorities[i].id, authorities[i].file_name))
            return false;
    for (size_t i = 0; i < lab_tables.situations_count; i++) {
        const struct pki_situation *situation = &lab_tables.situations[i];

        if (!add_chain(maker, situation) || !add_key(maker, situation) ||
            !add_crls(maker, situation) || !add_ocsp(maker, situation))
            return false;
    }
    return true;
}

/* ---- public -------------------------------------------------------------------------------- */

static bool make_all(struct maker *maker)
{
    for (size_t i = 0; i < lab_tables.certificates_count; i++)
        if (!make_row(maker, i))
            return false;
    return add_files(maker);
}

static void maker_done(struct maker *maker)
{
    for (size_t i = 0; maker->made && i < lab_tables.certificates_count; i++) {
        for (size_t j = 0; j < maker->made[i].count; j++)
            pki_identity_free(maker->made[i].items[j]);
        free(maker->made[i].items);
    }
    free(maker->made);
    pki_lab_free(maker->lab);
}

/* A comma would begin another entry of the subjectAltName: whoever names the server names one. */
static bool name_is_good(const char *name)
{
    return name[0] && strlen(name) < TEXT_MAX / 2 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-*") ==
               strlen(name);
}

struct pki_lab *pki_lab_create(const struct pki_lab_settings *settings, struct tls_error *reterr)
{
    struct maker maker = { .settings = settings, .reterr = reterr };
    struct pki_lab *lab = NULL;

    maker.server_name = or_else(settings->server_name, "shelf.test");
    if (!name_is_good(maker.server_name)) {
        snprintf(reterr->text, sizeof(reterr->text),
                 "\"%s\" is no DNS name; letters, digits, \".\", \"-\" and \"*\" may stand in one",
                 maker.server_name);
        return NULL;
    }
    maker.made = calloc(lab_tables.certificates_count, sizeof(*maker.made));
    maker.lab = calloc(1, sizeof(*maker.lab));
    if (!maker.made || !maker.lab)
        (void)fail_for_memory(&maker); /* false, as the result below */
    else if (make_all(&maker))
        lab = TAKE(maker.lab);
    maker_done(&maker);
    return lab;
}

void pki_lab_free(struct pki_lab *lab)
{
    if (!lab)
        return;
    for (size_t i = 0; i < lab->count; i++) {
        OPENSSL_cleanse(lab->files[i].bytes, lab->files[i].length);
        free(lab->files[i].bytes);
        free(lab->files[i].path);
    }
    free(lab->files);
    free(lab);
}

const struct pki_file *pki_lab_find(const struct pki_lab *lab, const char *path)
{
    for (size_t i = 0; i < lab->count; i++)
        if (strcmp(lab->files[i].path, path) == 0)
            return &lab->files[i];
    return NULL;
}

const struct pki_situation *pki_lab_situations(size_t *ret_count)
{
    *ret_count = lab_tables.situations_count;
    return lab_tables.situations;
}

const char *pki_situation_verdict(const struct pki_situation *situation)
{
    return situation->verify_error ? X509_verify_cert_error_string(situation->verify_error) : "OK";
}
