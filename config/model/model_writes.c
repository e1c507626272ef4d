/*
 * model_writes: what Kong's daos do to an entity around its validation, by the name in x_write.
 */
#include <stdio.h>
#include <string.h>

#include "config/model/model_priv.h"
#include "core/addr.h"
#include "core/sha1.h"
#include "tls/pem_facts.h"

static void set(struct model_writing *writing, const char *name, json_t *value)
{
    if (json_object_set_new(writing->values, name, value) < 0)
        writing->words.out_of_memory = true;
}

/* --- targets (kong/db/dao/targets.lua) --------------------------------------------------------- */

enum { TARGET_DEFAULT_PORT = 8000 };

/* "[0000:...:0001]:80", "192.0.2.1:8000", "name:8000" */
static json_t *usual_target(struct model_words *words, const char *text)
{
    struct slice host, port;
    struct sockaddr_storage addr;
    uint16_t number = TARGET_DEFAULT_PORT;
    char expanded[ADDR_EXPANDED_MAX];
    json_t *made;

    if (addr_split_host_port(slice_of(text), &host, &port) < 0 ||
        (port.ptr && addr_parse_port(port, &number) < 0))
        return NULL;
    if (addr_parse_ip(host, 0, &addr) < 0)
        made = json_sprintf("%.*s:%u", SLICE_ARG(host), (unsigned)number);
    else if (addr.ss_family == AF_INET6)
        made = json_sprintf("[%s]:%u", addr_format_expanded(&addr, expanded, sizeof(expanded)),
                            (unsigned)number);
    else
        made = json_sprintf("%s:%u", addr_format_ip(&addr, expanded, sizeof(expanded)),
                            (unsigned)number);
    if (!made)
        words->out_of_memory = true;
    return made;
}

/* Before all else, and alone, so that it is the only error. */
static void prepare_target(struct model_writing *writing)
{
    const char *text = json_string_value(json_object_get(writing->values, "target"));
    char message[CHECK_MESSAGE_MAX];
    json_t *made;

    if (!text || *text == '\0')
        return;
    made = check_target(text, message) == 0 ? usual_target(&writing->words, text) : NULL;
    if (made)
        set(writing, "target", made);
    else
        model_say_at(
            &writing->words, writing->errors, "target",
            model_said(&writing->words, "Invalid target; not a valid hostname or ip address"));
}

/* --- basic-auth (kong/plugins/basic-auth/daos.lua) ---------------------------------------------- */

/* A password is stored with its consumer: neither changes without the other. */
static void check_password(struct model_writing *writing)
{
    const struct model_request *request = writing->request;
    const json_t *password = json_object_get(request->input, "password");
    const json_t *consumer = model_value_at(request->input, "consumer.id");
    const json_t *before = model_value_at(request->before, "consumer.id");
    bool is_new = !request->before;
    bool password_alone = is_new && !model_is_empty(password) && model_is_empty(consumer);
    bool consumer_alone = !is_new && !model_is_empty(consumer) && model_is_empty(password) &&
                          !json_equal(consumer, before);

    if (password_alone || consumer_alone)
        model_say_of_entity(&writing->words, writing->errors,
                            model_said(&writing->words, "all or none of these fields must be "
                                                        "set: 'password', 'consumer.id'"));
}

static void hash_password(struct model_writing *writing)
{
    const json_t *given = json_object_get(writing->request->input, "password");
    const char *consumer = json_string_value(model_value_at(writing->values, "consumer.id"));
    unsigned char digest[SHA1_BYTES];
    char text[2 * SHA1_BYTES + 1];
    struct sha1 sha1;

    if (!json_is_string(given) || !consumer || writing->request->is_stored_form)
        return;
    sha1_init(&sha1);
    sha1_add(&sha1, json_string_value(given), json_string_length(given));
    sha1_add(&sha1, consumer, strlen(consumer));
    sha1_finish(&sha1, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
    set(writing, "password", json_string(text));
}

/* --- ca_certificates --------------------------------------------------------------------------- */

static void add_digest(struct model_writing *writing)
{
    const char *cert = json_string_value(json_object_get(writing->values, "cert"));
    struct pem_certificate_facts facts;
    char reason[PEM_REASON_MAX];

    if (cert && pem_certificate_facts(cert, &facts, reason) == 0)
        set(writing, "cert_digest", json_string(facts.sha256));
}

const struct model_write *model_named_write(const char *name)
{
    static const struct model_write writes[] = {
        { .name = "target", .prepare = prepare_target },
        { .name = "basicauth_password", .check = check_password, .finish = hash_password },
        { .name = "ca_certificate", .finish = add_digest },
    };

    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        if (strcmp(writes[i].name, name) == 0)
            return &writes[i];
    return NULL;
}
