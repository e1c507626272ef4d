#include "config/entity_times.h"

#include <assert.h>
#include <errno.h>

#include "config/bind.h"
#include "config/schema.h"
#include "core/time_scale.h"

static void scale_fields(const struct schema *schema, void *entity, uint32_t scale)
{
    for (size_t i = 0; i < schema->fields_count; i++) {
        const struct schema_field *field = &schema->fields[i];
        uint64_t *time = (uint64_t *)((char *)entity + field->offset);

        if (field->type == SCHEMA_RECORD && field->record)
            scale_fields(field->record, entity, scale);
        if (!(field->flags & SCHEMA_TIME))
            continue;
        assert(field->size == sizeof(*time));
        *time = time_scale_divide(*time, scale);
    }
}

static void scale_bound(const struct bind_table *table, void *entity, uint32_t scale)
{
    for (size_t i = 0; i < table->fields_count; i++) {
        const struct bind_field *field = &table->fields[i];
        uint64_t *time = (uint64_t *)((char *)entity + field->offset);

        if (field->record)
            scale_bound(field->record, entity, scale);
        if (!field->is_time)
            continue;
        assert(field->size == sizeof(*time));
        *time = time_scale_divide(*time, scale);
    }
}

static int scale_service(struct config *config, struct config_service *service, uint32_t scale)
{
    struct config_service *stated = config_alloc(config, sizeof(*stated));

    if (!stated)
        return -ENOMEM;
    *stated = *service;
    service->stated = stated;
    scale_bound(&bind_services, service, scale);
    service->tls_timeout_ms = time_scale_divide_work(service->tls_timeout_ms, scale);
    return 0;
}

static void scale_upstream(struct config_upstream *upstream, uint32_t scale)
{
    upstream->balancing.queue_timeout_stated_ms = upstream->balancing.queue_timeout_ms;
    scale_bound(&bind_upstreams, upstream, scale);
    scale_fields(&schema_health, upstream, scale);
    scale_fields(&schema_balancing, upstream, scale);
    upstream->slow_start_ms = time_scale_divide(upstream->slow_start_ms, scale);
}

int entity_times_scale(struct config *config, uint32_t scale)
{
    int r = 0;

    for (size_t i = 0; scale > 1 && i < config->services_count && r == 0; i++)
        r = scale_service(config, &config->services[i], scale);
    for (size_t i = 0; scale > 1 && i < config->upstreams_count; i++)
        scale_upstream(&config->upstreams[i], scale);
    return r;
}
