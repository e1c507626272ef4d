/* tcp_relay: which route a hop of layer 4 follows. */
#include "proxy/snapshot/tcp_relay.h"

#include "tests/unit/proxy/fixture.h"

static struct config_service services[] = { { .enabled = true }, { .enabled = true } };

static struct config_route route_to(size_t service, char **path)
{
    return (struct config_route){ .protocols = CONFIG_PROTOCOL_HTTP,
                                  .service = &services[service],
                                  .paths = { .items = path, .count = path ? 1 : 0 } };
}

TEST(the_only_service_is_meant_whatever_its_routes_ask)
{
    char *a = (char *)"/a", *b = (char *)"/b";
    struct config_route routes[] = { route_to(0, &a), route_to(0, &b) };
    struct config config = { .routes = routes, .routes_count = 2 };

    CHECK(tcp_relay_route(&config, 443) == &routes[0]);
    routes[1].service = NULL;
    CHECK(tcp_relay_route(&config, 443) == &routes[0]);
    config.routes_count = 0;
    CHECK(tcp_relay_route(&config, 443) == NULL);
}

TEST(of_several_the_one_that_takes_everything)
{
    char *a = (char *)"/a", *root = (char *)"/", *host = (char *)"h.test";
    struct config_route routes[] = { route_to(0, &a), route_to(1, &root), route_to(0, &root) };
    struct config config = { .routes = routes, .routes_count = 2 };

    CHECK(tcp_relay_route(&config, 443) == &routes[1]);
    config.routes_count = 3; /* two of them: nobody can tell */
    CHECK(tcp_relay_route(&config, 443) == NULL);
    routes[2].hosts.items = &host;
    routes[2].hosts.count = 1;
    CHECK(tcp_relay_route(&config, 443) == &routes[1]);
    routes[1].protocols = CONFIG_PROTOCOL_TLS_PASSTHROUGH; /* is led by its server name */
    CHECK(tcp_relay_route(&config, 443) == &routes[0]);
}

TEST(a_port_of_its_own_comes_before_all_else)
{
    uint16_t ports[] = { 8443, 443 };
    char *root = (char *)"/";
    struct config_route routes[] = { route_to(0, &root), route_to(1, NULL) };
    struct config config = { .routes = routes, .routes_count = 2 };

    routes[1].protocols = CONFIG_PROTOCOL_TCP;
    routes[1].destination_ports = ports;
    routes[1].destination_ports_count = 2;
    CHECK(tcp_relay_route(&config, 443) == &routes[1]);
    CHECK(tcp_relay_route(&config, 8443) == &routes[1]);
    CHECK(tcp_relay_route(&config, 80) == &routes[0]);
    routes[0].service = NULL;
    CHECK(tcp_relay_route(&config, 80) == NULL);
    CHECK(tcp_relay_route(&config, 443) == &routes[1]);
}

TESTS(TEST_CASE(the_only_service_is_meant_whatever_its_routes_ask),
      TEST_CASE(of_several_the_one_that_takes_everything),
      TEST_CASE(a_port_of_its_own_comes_before_all_else))
