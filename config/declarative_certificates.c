/* Certificates, server names, authorities, and whose clients must show a certificate. */
#include <errno.h>
#include <string.h>

#include "config/declarative_priv.h"

/* Inside a certificate an sni may be just its name. */
int declarative_read_sni(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct loaded_sni *sni = loader_add(loader, ENTITY_SNI);
    const char *name = json_string_value(node->value);
    char message[CHECK_MESSAGE_MAX];
    int r;

    if (!sni)
        return -ENOMEM;
    if (name && parent != NO_ENTITY) {
        if (check_sni(name, message) < 0)
            FAIL(loader, node, "%s", message);
    } else {
        schema_read(&loader->reader, &schema_snis, node, NULL, NULL);
        name = json_string_value(json_object_get(node->value, "name"));
    }
    if (!name)
        return 0;
    sni->name = config_copy_text(loader->config, name, strlen(name));
    if (!sni->name)
        return -ENOMEM;
    r = loader_register_key(loader, ENTITY_SNI, loader->lists[ENTITY_SNI].by_name, node, "name",
                            sni->name);
    if (r == 0)
        r = loader_refer_to_parent(loader, ENTITY_SNI, ENTITY_CERTIFICATE, node, "certificate",
                                   parent);
    if (r == 0 && parent == NO_ENTITY && !loader_has_items(node, "certificate"))
        FAIL(loader, node, "required field missing; add 'certificate', the certificate's id");
    return r;
}

int declarative_read_certificate(struct loader *loader, const struct document_node *node,
                                 size_t parent)
{
    struct config_certificate *certificate = loader_add(loader, ENTITY_CERTIFICATE);
    size_t index = loader->lists[ENTITY_CERTIFICATE].count - 1;
    int r;

    (void)parent;
    if (!certificate)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_certificates, node, NULL, certificate);
    if (loader_has_items(node, "cert_alt") != loader_has_items(node, "key_alt"))
        FAIL(loader, node, "all or none of these fields must be set: 'cert_alt', 'key_alt'");
    r = loader_set_place(loader, node, &certificate->path, &certificate->line,
                         &certificate->column);
    if (r == 0)
        r = loader_register(loader, ENTITY_CERTIFICATE, node, NULL, &certificate->id,
                            certificate->path);
    return r < 0 ? r : loader_read_list(loader, node, "snis", declarative_read_sni, index);
}

int declarative_read_ca_certificate(struct loader *loader, const struct document_node *node,
                                    size_t parent)
{
    struct config_ca_certificate *certificate = loader_add(loader, ENTITY_CA_CERTIFICATE);
    int r;

    (void)parent;
    if (!certificate)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_ca_certificates, node, NULL, certificate);
    r = loader_set_place(loader, node, &certificate->path, &certificate->line,
                         &certificate->column);
    if (r == 0)
        r = loader_register(loader, ENTITY_CA_CERTIFICATE, node, NULL, &certificate->id,
                            certificate->path);
    return r;
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
        r = loader_register_key(loader, ENTITY_MTLS, loader->lists[ENTITY_MTLS].by_name, &item,
                                "sni", json_string_value(item.value));
    return r;
}

int declarative_read_mtls(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct config_mtls *mtls = loader_add(loader, ENTITY_MTLS);
    struct document_node member, item = { 0 };
    int r;

    (void)parent;
    if (!mtls)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_mtls, node, NULL, mtls);
    r = loader_set_place(loader, node, &mtls->path, &mtls->line, &mtls->column);
    if (r == 0)
        r = register_mtls_names(loader, node);
    if (mtls->verify_client &&
        (strcmp(mtls->verify_client, "required") == 0 ||
         strcmp(mtls->verify_client, "optional") == 0) &&
        !loader_has_items(node, "ca_certificates"))
        FAIL(loader, node,
             "verify_client is '%s' but there is no CA to verify clients with; add "
             "'ca_certificates', the ids of their issuers' certificates",
             mtls->verify_client);
    if (r < 0 || !document_member(node, "ca_certificates", &member) || !json_is_array(member.value))
        return r;
    while (r == 0 && document_next(&member, &item))
        r = loader_refer_to(loader, ENTITY_MTLS, ENTITY_CA_CERTIFICATE, &item);
    return r;
}
