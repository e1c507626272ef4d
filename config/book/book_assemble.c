/*
 * book_assemble: a configuration out of what was read at different times.
 *
 * Entities are copied, what they point to inside (texts, lists of texts) stays where it was read, and
 * what points to other entities is set anew.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/book/book_priv.h"

struct assembly {
    const struct book_page *page;
    struct config *config;
    struct book_index upstream_names;
};

/* ---- copies -------------------------------------------------------------------------------- */

#define COPY_ALL(assembly, kind, member)                                            \
    do {                                                                            \
        const struct book_list *list_ = &(assembly)->page->lists[kind];             \
        struct config *config_ = (assembly)->config;                                \
        config_->member = calloc(list_->count + 1, sizeof(*config_->member));       \
        if (!config_->member)                                                       \
            return -ENOMEM;                                                         \
        config_->member##_count = list_->count;                                     \
        for (size_t i_ = 0; i_ < list_->count; i_++)                                \
            config_->member[i_] =                                                   \
                list_->pieces[i_].reading->config->member[list_->pieces[i_].index]; \
    } while (0)

static int copy_entities(struct assembly *assembly)
{
    COPY_ALL(assembly, BOOK_CERTIFICATES, certificates);
    COPY_ALL(assembly, BOOK_CA_CERTIFICATES, ca_certificates);
    COPY_ALL(assembly, BOOK_UPSTREAMS, upstreams);
    COPY_ALL(assembly, BOOK_SERVICES, services);
    COPY_ALL(assembly, BOOK_ROUTES, routes);
    return 0;
}

/* ---- references ---------------------------------------------------------------------------- */

static int64_t position_of(const struct assembly *assembly, enum book_kind kind, const char *id)
{
    return book_index_find(&assembly->page->by_id[kind], id);
}

static int link_certificate(const struct assembly *assembly,
                            const struct config_certificate **certificate)
{
    int64_t at = *certificate ? position_of(assembly, BOOK_CERTIFICATES, (*certificate)->id) : 0;

    if (at < 0)
        return -ENOENT;
    if (*certificate)
        *certificate = &assembly->config->certificates[at];
    return 0;
}

static int link_authorities(const struct assembly *assembly, struct config_service *service)
{
    const struct config_ca_certificate **former = service->ca_certificates;

    if (service->ca_certificates_count == 0)
        return 0;
    service->ca_certificates = config_alloc(
        assembly->config, service->ca_certificates_count * sizeof(*service->ca_certificates));
    if (!service->ca_certificates)
        return -ENOMEM;
    for (size_t i = 0; i < service->ca_certificates_count; i++) {
        int64_t at = position_of(assembly, BOOK_CA_CERTIFICATES, former[i]->id);
        if (at < 0)
            return -ENOENT;
        service->ca_certificates[i] = &assembly->config->ca_certificates[at];
    }
    return 0;
}

static int link_services(const struct assembly *assembly)
{
    struct config *config = assembly->config;
    int r = 0;

    for (size_t i = 0; r == 0 && i < config->services_count; i++) {
        struct config_service *service = &config->services[i];
        int64_t upstream = book_index_find(&assembly->upstream_names, service->host);

        service->upstream = upstream < 0 ? NULL : &config->upstreams[upstream];
        r = link_certificate(assembly, &service->client_certificate);
        if (r == 0)
            r = link_authorities(assembly, service);
    }
    return r;
}

static int link_routes(const struct assembly *assembly)
{
    struct config *config = assembly->config;

    for (size_t i = 0; i < config->routes_count; i++) {
        struct config_route *route = &config->routes[i];
        int64_t at;

        if (!route->service)
            continue;
        at = position_of(assembly, BOOK_SERVICES, route->service->id);
        if (at < 0)
            return -ENOENT;
        route->service = &config->services[at];
    }
    return 0;
}

/* ---- upstreams and their targets ----------------------------------------------------------- */

static const struct config_upstream *read_upstream_of(const struct book_piece *target)
{
    return &target->reading->config->upstreams[target->index];
}

/* How many each will have. */
static int count_targets(const struct assembly *assembly, uint32_t *parents)
{
    const struct book_list *targets = &assembly->page->lists[BOOK_TARGETS];
    struct config *config = assembly->config;

    for (size_t i = 0; i < config->upstreams_count; i++)
        config->upstreams[i].targets_count = 0;
    for (size_t i = 0; i < targets->count; i++) {
        int64_t at =
            position_of(assembly, BOOK_UPSTREAMS, read_upstream_of(&targets->pieces[i])->id);
        if (at < 0)
            return -ENOENT;
        parents[i] = (uint32_t)at;
        config->upstreams[at].targets_count++;
    }
    return 0;
}

static int make_room_for_targets(struct config *config)
{
    for (size_t i = 0; i < config->upstreams_count; i++) {
        struct config_upstream *upstream = &config->upstreams[i];

        upstream->targets =
            config_alloc(config, upstream->targets_count * sizeof(*upstream->targets));
        if (!upstream->targets)
            return -ENOMEM;
        upstream->targets_count = 0;
    }
    return 0;
}

static bool is_twice(const struct config_upstream *upstream, const struct config_target *target)
{
    size_t found = 0;

    for (size_t i = 0; i < upstream->targets_count; i++)
        found += upstream->targets[i].target && target->target &&
                 strcmp(upstream->targets[i].target, target->target) == 0;
    return found > 1;
}

static int place_targets(const struct assembly *assembly, const uint32_t *parents)
{
    const struct book_list *targets = &assembly->page->lists[BOOK_TARGETS];
    struct config_upstream *upstreams = assembly->config->upstreams;

    for (size_t i = 0; i < targets->count; i++) {
        struct config_upstream *upstream = &upstreams[parents[i]];

        upstream->targets[upstream->targets_count++] =
            read_upstream_of(&targets->pieces[i])->targets[targets->pieces[i].part];
    }
    for (size_t i = 0; assembly->page->unread_count < targets->count && i < targets->count; i++) {
        const struct config_upstream *upstream = &upstreams[parents[i]];
        const struct book_piece *piece = &targets->pieces[i];

        if (piece->is_unread && is_twice(upstream, &read_upstream_of(piece)->targets[piece->part]))
            return -ENOENT;
    }
    return 0;
}

static int give_targets(const struct assembly *assembly)
{
    uint32_t *parents = calloc(assembly->page->lists[BOOK_TARGETS].count + 1, sizeof(*parents));
    int r = parents ? count_targets(assembly, parents) : -ENOMEM;

    if (r == 0)
        r = make_room_for_targets(assembly->config);
    if (r == 0)
        r = place_targets(assembly, parents);
    free(parents);
    return r;
}

static int link_upstreams(struct assembly *assembly)
{
    struct config *config = assembly->config;
    int r = book_index_init(&assembly->upstream_names, config->upstreams_count);

    for (size_t i = 0; r == 0 && i < config->upstreams_count; i++) {
        const char *name = config->upstreams[i].name;

        book_index_add(&assembly->upstream_names, name, book_hash(name), (uint32_t)i);
        r = link_certificate(assembly, &config->upstreams[i].client_certificate);
    }
    return r;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int borrow(struct config *config, const struct book_reading *readings)
{
    size_t count = 0;

    for (const struct book_reading *reading = readings; reading; reading = reading->next)
        count++;
    config->lenders = config_alloc(config, count * sizeof(struct config *));
    if (!config->lenders)
        return -ENOMEM;
    for (const struct book_reading *reading = readings; reading; reading = reading->next)
        if (reading->uses > 0)
            config->lenders[config->lenders_count++] = config_share(reading->config);
    return 0;
}

static int name_source(struct config *config, const char *source)
{
    if (source)
        config->source = config_copy_text(config, source, strlen(source));
    return source && !config->source ? -ENOMEM : 0;
}

int book_assemble(const struct book_page *page, const struct book_reading *readings,
                  const char *source, struct config **ret)
{
    SCOPED(config) config = config_create();
    struct assembly assembly = { .page = page, .config = config };
    int r = config ? name_source(config, source) : -ENOMEM;

    if (r == 0)
        r = borrow(config, readings);
    if (r == 0)
        r = copy_entities(&assembly);
    if (r == 0)
        r = link_upstreams(&assembly);
    if (r == 0)
        r = give_targets(&assembly);
    if (r == 0)
        r = link_services(&assembly);
    if (r == 0)
        r = link_routes(&assembly);
    book_index_done(&assembly.upstream_names);
    if (r == 0)
        *ret = TAKE(config);
    return r;
}
