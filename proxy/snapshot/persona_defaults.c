#include "proxy/snapshot/persona_defaults.h"

/* 0 would be no patience at all. */
static void fill_in(uint64_t *timeout_ms, bool is_said, uint64_t personas_ms)
{
    if (!is_said && personas_ms > 0)
        *timeout_ms = personas_ms;
}

static void fill_in_service(const struct persona_upstream *policy, struct config_service *service)
{
    if (!service->said.connect_timeout)
        service->tls_timeout_ms = policy->tls_timeout_ms;
    fill_in(&service->connect_timeout_ms, service->said.connect_timeout,
            policy->connect_timeout_ms);
    fill_in(&service->write_timeout_ms, service->said.write_timeout, policy->send_timeout_ms);
    fill_in(&service->read_timeout_ms, service->said.read_timeout, policy->read_timeout_ms);
}

void persona_defaults_fill_in(const struct persona *persona, struct config *config)
{
    for (size_t i = 0; i < config->services_count; i++)
        fill_in_service(&persona->upstream, &config->services[i]);
    for (size_t i = 0; i < config->upstreams_count; i++)
        config->upstreams[i].fails_open = config->upstreams[i].panic_percent == 0 &&
                                          persona->upstream.all_unhealthy == PERSONA_FAIL_OPEN;
}
