/*
 * declarative_upstream: what Kong checks of an upstream's hashing beyond the single field
 * (kong/db/schema/entities/upstreams.lua), and what it then means.
 */
#include <errno.h>
#include <string.h>

#include "config/declarative_priv.h"

#define FAIL_AT(checking, field, ...)                                                           \
    document_add_error(node_of(checking, field), DOCUMENT_AT_VALUE, (checking)->loader->errors, \
                       CONFIG_ERROR, __VA_ARGS__)

static const char *const source_names[] = {
    [CONFIG_HASH_NONE] = "none",
    [CONFIG_HASH_CONSUMER] = "consumer",
    [CONFIG_HASH_IP] = "ip",
    [CONFIG_HASH_HEADER] = "header",
    [CONFIG_HASH_COOKIE] = "cookie",
    [CONFIG_HASH_PATH] = "path",
    [CONFIG_HASH_QUERY_ARG] = "query_arg",
    [CONFIG_HASH_URI_CAPTURE] = "uri_capture",
};

struct checking {
    struct loader *loader;
    const struct document_node *node;
    struct document_node member;
};

/* Where a message about the field points: to the field, or to the upstream when it is absent. */
static const struct document_node *node_of(struct checking *checking, const char *field)
{
    return document_member(checking->node, field, &checking->member) ? &checking->member
                                                                     : checking->node;
}

static enum config_hash_source source_of(const char *word)
{
    for (size_t i = 0; word && i < sizeof(source_names) / sizeof(source_names[0]); i++)
        if (strcmp(source_names[i], word) == 0)
            return (enum config_hash_source)i;
    return CONFIG_HASH_NONE; /* null, or refused by the schema */
}

/* `field` of the upstream names what its hash is taken of. */
static const char *require(struct checking *checking, const char *field, const char *value,
                           const char *because)
{
    bool is_told = document_member(checking->node, field, &checking->member) &&
                   !json_is_null(checking->member.value);

    if (!value && !is_told)
        FAIL_AT(checking, field, "required field missing; add '%s', as '%s' asks for it", field,
                because);
    return value;
}

static void check_hash_on(struct checking *checking, struct config_upstream *upstream)
{
    struct config_hash_input *input = &upstream->hash_inputs[0];

    input->source = source_of(upstream->hash_on);
    if (input->source == CONFIG_HASH_HEADER)
        input->name = require(checking, "hash_on_header", upstream->hash_on_header, "hash_on");
    if (input->source == CONFIG_HASH_COOKIE)
        input->name = require(checking, "hash_on_cookie", upstream->hash_on_cookie, "hash_on");
    if (input->source == CONFIG_HASH_QUERY_ARG)
        input->name =
            require(checking, "hash_on_query_arg", upstream->hash_on_query_arg, "hash_on");
    if (input->source == CONFIG_HASH_URI_CAPTURE)
        input->name =
            require(checking, "hash_on_uri_capture", upstream->hash_on_uri_capture, "hash_on");
}

static void check_hash_fallback(struct checking *checking, struct config_upstream *upstream)
{
    struct config_hash_input *input = &upstream->hash_inputs[1];

    input->source = source_of(upstream->hash_fallback);
    if (input->source == CONFIG_HASH_HEADER)
        input->name = require(checking, "hash_fallback_header", upstream->hash_fallback_header,
                              "hash_fallback");
    if (input->source == CONFIG_HASH_COOKIE)
        input->name =
            require(checking, "hash_on_cookie", upstream->hash_on_cookie, "hash_fallback");
    if (input->source == CONFIG_HASH_QUERY_ARG)
        input->name = require(checking, "hash_fallback_query_arg",
                              upstream->hash_fallback_query_arg, "hash_fallback");
    if (input->source == CONFIG_HASH_URI_CAPTURE)
        input->name = require(checking, "hash_fallback_uri_capture",
                              upstream->hash_fallback_uri_capture, "hash_fallback");
}

/* A fallback that could never be asked, or would give nothing else. */
static void check_pair(struct checking *checking, const struct config_upstream *upstream)
{
    enum config_hash_source on = upstream->hash_inputs[0].source;
    enum config_hash_source fallback = upstream->hash_inputs[1].source;
    const char *name = upstream->hash_inputs[0].name;
    const char *fallback_name = upstream->hash_inputs[1].name;

    if ((on == CONFIG_HASH_NONE || on == CONFIG_HASH_COOKIE) && fallback != CONFIG_HASH_NONE) {
        FAIL_AT(checking, "hash_fallback",
                "expected one of: none, when 'hash_on' is '%s'; remove it", source_names[on]);
        return;
    }
    if (on == CONFIG_HASH_NONE || on != fallback)
        return;
    if (!name && !fallback_name) /* those without names, or a missing name was told */
        FAIL_AT(checking, "hash_fallback",
                "must be another than 'hash_on', which is '%s' too; change or remove it",
                source_names[on]);
    else if (name && fallback_name && strcasecmp(name, fallback_name) == 0)
        FAIL_AT(checking, "hash_fallback",
                "values of these fields must be distinct: 'hash_on_%s', 'hash_fallback_%s'; change "
                "one of them",
                source_names[on], source_names[on]);
}

int declarative_finish_upstream(struct loader *loader, const struct document_node *node,
                                struct config_upstream *upstream)
{
    static const char hashing[] = "consistent-hashing";
    struct checking checking = { .loader = loader, .node = node };

    if (!upstream->algorithm) /* told already */
        return 0;
    check_hash_on(&checking, upstream);
    check_hash_fallback(&checking, upstream);
    check_pair(&checking, upstream);
    /* as in Kong: what hashes says so by hash_on, and these two take no notice of it */
    if (strcmp(upstream->algorithm, "round-robin") == 0 &&
        upstream->hash_inputs[0].source != CONFIG_HASH_NONE)
        upstream->algorithm = config_copy_text(loader->config, hashing, sizeof(hashing) - 1);
    if (!upstream->algorithm)
        return -ENOMEM;
    if (strcmp(upstream->algorithm, hashing) == 0 &&
        upstream->hash_inputs[0].source == CONFIG_HASH_NONE)
        document_add_error(node_of(&checking, "algorithm"), DOCUMENT_AT_VALUE, loader->errors,
                           CONFIG_WARNING,
                           "without 'hash_on' all requests have the same hash, so that one target "
                           "gets them all; add hash_on");
    return 0;
}
