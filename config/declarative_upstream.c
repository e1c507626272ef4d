/* declarative_upstream: what an upstream's hashing (kong/db/schema/entities/upstreams.lua) means. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "config/declarative_priv.h"

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

static enum config_hash_source source_of(const char *word)
{
    for (size_t i = 0; word && i < sizeof(source_names) / sizeof(source_names[0]); i++)
        if (strcmp(source_names[i], word) == 0)
            return (enum config_hash_source)i;
    return CONFIG_HASH_NONE;
}

/* names: by source, those that have one. */
static struct config_hash_input input_of(const char *word, const char *const *names)
{
    enum config_hash_source source = source_of(word);

    return (struct config_hash_input){ .source = source, .name = names[source] };
}

static void fill_inputs(struct config_upstream *upstream)
{
    const char *const on[] = {
        [CONFIG_HASH_HEADER] = upstream->hash_on_header,
        [CONFIG_HASH_COOKIE] = upstream->hash_on_cookie,
        [CONFIG_HASH_QUERY_ARG] = upstream->hash_on_query_arg,
        [CONFIG_HASH_URI_CAPTURE] = upstream->hash_on_uri_capture,
    };
    const char *const fallback[] = {
        [CONFIG_HASH_HEADER] = upstream->hash_fallback_header,
        [CONFIG_HASH_COOKIE] = upstream->hash_on_cookie,
        [CONFIG_HASH_QUERY_ARG] = upstream->hash_fallback_query_arg,
        [CONFIG_HASH_URI_CAPTURE] = upstream->hash_fallback_uri_capture,
    };

    upstream->hash_inputs[0] = input_of(upstream->hash_on, on);
    upstream->hash_inputs[1] = input_of(upstream->hash_fallback, fallback);
}

/* When the first is not there the other is not either; Kong compares names as they are written. */
static void warn_of_same_inputs(struct loader *loader, const struct document_node *node,
                                const struct config_upstream *upstream)
{
    const struct config_hash_input *on = &upstream->hash_inputs[0],
                                   *fallback = &upstream->hash_inputs[1];
    struct document_node member;

    if (on->source == fallback->source && on->name && fallback->name &&
        strcasecmp(on->name, fallback->name) == 0)
        document_add_error(document_member(node, "hash_fallback", &member) ? &member : node,
                           DOCUMENT_AT_VALUE, loader->errors, CONFIG_WARNING,
                           "'hash_fallback' takes the same as 'hash_on', so that it never helps; "
                           "change or remove it");
}

int declarative_finish_upstream(struct loader *loader, const struct document_node *node,
                                struct config_upstream *upstream)
{
    static const char hashing[] = "consistent-hashing";
    struct document_node member;

    fill_inputs(upstream);
    warn_of_same_inputs(loader, node, upstream);
    if (!upstream->algorithm) /* refused before */
        return 0;
    /* as in Kong: what hashes says so by hash_on, and these two take no notice of it */
    if (strcmp(upstream->algorithm, "round-robin") == 0 &&
        upstream->hash_inputs[0].source != CONFIG_HASH_NONE)
        upstream->algorithm = config_copy_text(loader->config, hashing, sizeof(hashing) - 1);
    if (!upstream->algorithm)
        return -ENOMEM;
    if (strcmp(upstream->algorithm, hashing) == 0 &&
        upstream->hash_inputs[0].source == CONFIG_HASH_NONE)
        document_add_error(document_member(node, "algorithm", &member) ? &member : node,
                           DOCUMENT_AT_VALUE, loader->errors, CONFIG_WARNING,
                           "without 'hash_on' all requests have the same hash, so that one target "
                           "gets them all; add hash_on");
    return 0;
}
