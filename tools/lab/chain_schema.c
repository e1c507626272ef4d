/* chain_schema: every field of a chain file, its default, and what it means. */
#include "tools/lab/chain_priv.h"

#define OF(owner, member) \
    .offset = offsetof(struct owner, member), .size = sizeof(((struct owner *)0)->member)
#define FIELDS(list) .fields = (list), .fields_count = sizeof(list) / sizeof((list)[0])

#define TEXT(field, owner, member, text)                                                  \
    {                                                                                     \
        .name = (field), .type = SCHEMA_STRING, .default_json = (text), OF(owner, member) \
    }
#define NAME(field)                                                                               \
    {                                                                                             \
        .name = (field), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, OF(chain_element, name) \
    }
#define SWITCH(field, member, text)                                                                \
    {                                                                                              \
        .name = (field), .type = SCHEMA_BOOLEAN, .default_json = (text), OF(chain_element, member) \
    }
#define ANY(field)                          \
    {                                       \
        .name = (field), .type = SCHEMA_ANY \
    } /* read by chain.c */
#define VERIFY_CLIENT                                                                  \
    {                                                                                  \
        .name = "verify_client", .type = SCHEMA_STRING, .one_of = "off, on, optional", \
        .default_json = "\"off\"", OF(chain_element, verify_client)                    \
    }

/* ---- the file ------------------------------------------------------------------------------ */

static const struct schema_field pki_fields[] = {
    TEXT("name", chain, pki_name, "\"shop.test\""),
    { .name = "days",
      .type = SCHEMA_INTEGER,
      .min = 1,
      .max = 3650,
      .default_json = "90",
      OF(chain, pki_days) },
};
static const char *const pki_meanings[] = { "the name that certificates are for",
                                            "how long good certificates are valid" };
static const struct schema pki_schema = { .name = "pki", FIELDS(pki_fields) };

static const struct schema_field client_fields[] = {
    TEXT("host", chain, client.host, NULL),
    TEXT("path", chain, client.path, "\"/\""),
    TEXT("certificate", chain, client.certificate, NULL),
    { .name = "timeout",
      .type = SCHEMA_INTEGER,
      .min = 1,
      .max = INT32_MAX,
      OF(chain, client.timeout_ms) },
};
static const char *const client_meanings[] = {
    "name in the URL that is shown (pki.name)", "path in that URL",
    "client certificate that is shown to the first hop, a folder of `hopgate lab pki`",
    "how long it waits for a whole answer, in ms (600000)"
};
static const struct schema client_schema = { .name = "client", FIELDS(client_fields) };

static const struct schema_field chain_fields[] = {
    { .name = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, OF(chain, name) },
    TEXT("description", chain, description, NULL),
    { .name = "time_scale",
      .type = SCHEMA_INTEGER,
      .min = 1,
      .max = 100000,
      .default_json = "1",
      OF(chain, time_scale) },
    { .name = "seed",
      .type = SCHEMA_INTEGER,
      .max = INT32_MAX,
      .default_json = "1",
      OF(chain, seed) },
    { .name = "pki", .type = SCHEMA_RECORD, .record = &pki_schema },
    { .name = "client", .type = SCHEMA_RECORD, .record = &client_schema },
    { .name = "path", .type = SCHEMA_ENTITIES, .flags = SCHEMA_REQUIRED },
};
static const char *const chain_meanings[] = {
    "lower case letters, digits and dashes",
    "a sentence for people",
    "divides times that are stated, those of personas too, and multiplies what is told of them",
    "of everything that is left to chance",
    "certificates that are made for the chain, see `hopgate lab pki`",
    "who stands in front of the path",
    "hops, wires and origins in the order in which a request meets them",
};
static const struct schema chain_schema = { .name = "chain", FIELDS(chain_fields) };

/* ---- a part of the path -------------------------------------------------------------------- */

static const struct schema_field hop_fields[] = {
    NAME("hop"),
    TEXT("persona", chain_element, persona, "\"kong\""),
    { .name = "count",
      .type = SCHEMA_INTEGER,
      .min = 1,
      .max = 8,
      .default_json = "1",
      OF(chain_element, equals) },
    ANY("settings"),
    TEXT("config", chain_element, config, NULL),
    ANY("entities"),
    SWITCH("redirect", redirect, "true"),
    SWITCH("tls", tls, "false"),
    TEXT("certificate", chain_element, certificate, "\"good\""),
    VERIFY_CLIENT,
    { .name = "protocol",
      .type = SCHEMA_STRING,
      .one_of = "http, https",
      OF(chain_element, protocol) },
    SWITCH("verify_upstream", verify_upstream, "false"),
    TEXT("client_certificate", chain_element, client_certificate, NULL),
};
static const char *const hop_meanings[] = {
    "its name",
    "what it pretends to be: as hopgate_persona",
    "so many like it, side by side (NAME-1, NAME-2 ...), which share the load of the hop in front",
    "keys of kong.conf",
    "Kong declarative file, from the chain file's directory",
    "the same inline; with neither, everything goes to the next part of the path",
    "services and targets of its configuration are led to the next part of the path",
    "it takes TLS",
    "the certificate that it shows, a folder of `hopgate lab pki`",
    "it asks for a client certificate",
    "what it speaks to the next part of the path; without it, what that takes",
    "it verifies the certificate of the next part of the path",
    "the client certificate that it shows there, a folder of `hopgate lab pki`",
};
static const struct schema hop_schema = { .name = "hop", FIELDS(hop_fields) };

static const struct schema_field wire_fields[] = {
    NAME("wire"),
    ANY("faults"),
    TEXT("script", chain_element, script, NULL),
};
static const char *const wire_meanings[] = {
    "its name", "a list of faults, see `hopgate wire --help`",
    "file with faults that come and go, from the chain file's directory"
};
static const struct schema wire_schema = { .name = "wire", FIELDS(wire_fields) };

static const struct schema_field origin_fields[] = {
    NAME("origin"),
    SWITCH("tls", tls, "false"),
    TEXT("certificate", chain_element, certificate, "\"good\""),
    VERIFY_CLIENT,
    TEXT("script", chain_element, script, NULL),
    TEXT("address", chain_element, address, NULL),
};
static const char *const origin_meanings[] = {
    "its name",
    "it takes TLS",
    "the certificate that it shows, a folder of `hopgate lab pki`",
    "it asks for a client certificate",
    "what it answers and how it fails: a file for `hopgate origin`",
    "address:port of a server that runs already, in place of one of ours",
};
static const struct schema origin_schema = { .name = "origin", FIELDS(origin_fields) };

const struct chain_table chain_tables[CHAIN_TABLES] = {
    [CHAIN_TABLE_CHAIN] = { "A chain file (YAML or JSON)", &chain_schema, chain_meanings },
    [CHAIN_TABLE_PKI] = { "pki", &pki_schema, pki_meanings },
    [CHAIN_TABLE_CLIENT] = { "client", &client_schema, client_meanings },
    [CHAIN_TABLE_HOP] = { "a hop of the path", &hop_schema, hop_meanings },
    [CHAIN_TABLE_WIRE] = { "a wire of the path", &wire_schema, wire_meanings },
    [CHAIN_TABLE_ORIGIN] = { "an origin at the end of the path; several share the load",
                             &origin_schema, origin_meanings },
};

static const char *type_name(const struct schema_field *field)
{
    switch (field->type) {
    case SCHEMA_INTEGER:
        return "integer";
    case SCHEMA_BOOLEAN:
        return "true or false";
    case SCHEMA_ENTITIES:
        return "list";
    case SCHEMA_RECORD:
    case SCHEMA_ANY:
        return "mapping";
    case SCHEMA_STRING:
    case SCHEMA_NUMBER:
    case SCHEMA_STATUSES:
    case SCHEMA_STRINGS:
        break;
    }
    return field->one_of ? field->one_of : "text";
}

void chain_print_schema(FILE *stream)
{
    for (int i = 0; i < CHAIN_TABLES; i++) {
        const struct chain_table *table = &chain_tables[i];

        (void)fprintf(stream, "%s%s\n", i > 0 ? "\n" : "", table->title);
        for (size_t n = 0; n < table->schema->fields_count; n++) {
            const struct schema_field *field = &table->schema->fields[n];

            (void)fprintf(stream, "  %-19s %s%s%s%s\n  %19s %s\n", field->name, type_name(field),
                          field->flags & SCHEMA_REQUIRED ? "; required" : "",
                          field->default_json ? "; default " : "",
                          field->default_json ? field->default_json : "", "", table->meanings[n]);
        }
    }
}
