/* declarative_mtls: hopgate.mtls, whose clients must show a certificate. */
#include <errno.h>
#include <string.h>

#include "config/declarative_priv.h"

static int register_name(struct loader *loader, const struct document_node *node)
{
    struct entity_list *list = &loader->lists[ENTITY_MTLS];
    const char *name = json_string_value(node->value);

    if (!name)
        return 0; /* refused before */
    if (json_object_get(list->by_name, name))
        FAIL(loader, node,
             "uniqueness violation: 'mtls' entity with sni set to '%s' already declared; rename or "
             "remove one of the two",
             name);
    return json_object_set_new(list->by_name, name, json_true()) < 0 ? -ENOMEM : 0;
}

static bool has_items(const struct document_node *node, const char *field)
{
    struct document_node member;

    return document_member(node, field, &member) && !json_is_null(member.value) &&
           !(json_is_array(member.value) && json_array_size(member.value) == 0);
}

/* Each server name belongs to one entry. */
static int register_mtls_names(struct loader *loader, const struct document_node *node)
{
    struct document_node snis, item = { 0 };
    int r = 0;

    if (!document_member(node, "snis", &snis) || !json_is_array(snis.value))
        return 0;
    if (json_array_size(snis.value) == 0)
        FAIL(loader, &snis,
             "length must be at least 1; what holds for every name is set by "
             "nginx_proxy_ssl_verify_client in kong.conf");
    while (r == 0 && document_next(&snis, &item))
        r = register_name(loader, &item);
    return r;
}

static int read_one(struct loader *loader, const struct document_node *node)
{
    struct config_mtls *mtls = loader_add(loader, ENTITY_MTLS);
    struct document_node member, item = { 0 };
    int r;

    if (!mtls)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_mtls, node, mtls);
    r = loader_set_place(loader, node, &mtls->path, &mtls->line, &mtls->column);
    if (r == 0)
        r = register_mtls_names(loader, node);
    if (mtls->verify_client &&
        (strcmp(mtls->verify_client, "required") == 0 ||
         strcmp(mtls->verify_client, "optional") == 0) &&
        !has_items(node, "ca_certificates"))
        FAIL(loader, node,
             "verify_client is '%s' but there is no CA to verify clients with; add "
             "'ca_certificates', the ids of their issuers' certificates",
             mtls->verify_client);
    if (r < 0 || !document_member(node, "ca_certificates", &member) || !json_is_array(member.value))
        return r;
    while (r == 0 && document_next(&member, &item))
        r = loader_refer_to(loader, ENTITY_MTLS, ENTITY_CA_CERTIFICATE, item.value, &item);
    return r;
}

int declarative_read_mtls(struct loader *loader, const struct document_node *hopgate)
{
    struct document_node list, item = { 0 };
    int r = 0;

    if (!document_member(hopgate, "mtls", &list) || !json_is_array(list.value))
        return 0; /* other shapes were refused by the schema */
    while (r == 0 && document_next(&list, &item))
        r = read_one(loader, &item);
    return r;
}
