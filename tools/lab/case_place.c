#include "tools/lab/case_place.h"

enum { PORT_FIRST = 20000, PORTS_PER_HOP = 1500 };

void case_place_of_wires(const struct lab_run *run, char *into, size_t size)
{
    snprintf(into, size, "127.0.%u.%d", run->place.block, CASE_WIRES_NUMBER);
}

/* The next one that is free there; 0: none. */
static uint16_t next_port(const char *address, unsigned *port)
{
    while (*port < UINT16_MAX)
        if (lab_place_port(address, (uint16_t)++ * port) != 0)
            return (uint16_t)*port;
    return 0;
}

static bool is_failing_target(const struct lab_case *one, size_t target)
{
    return target < one->targets && (!one->is_one || target == one->one);
}

size_t case_targets_count(const struct chain *chain, const struct lab_case *one, size_t after)
{
    size_t count, next;

    if (after == CASE_CLIENT)
        return 1;
    next = chain_behind(chain, after, &count);
    if (chain->elements[next].kind == CHAIN_ORIGIN)
        return one->targets;
    return one->warm ? 1 : count;
}

void case_place_choose(struct case_plan *plan, const struct lab_run *run, size_t after)
{
    size_t first = case_plan_first_origin(plan->chain);
    unsigned wire_port = PORT_FIRST + (unsigned)after * PORTS_PER_HOP;
    unsigned origin_port[CHAIN_ELEMENTS_MAX];
    char address[64];

    for (size_t i = 0; i < CHAIN_ELEMENTS_MAX; i++)
        origin_port[i] = PORT_FIRST;
    case_place_of_wires(run, address, sizeof(address));
    for (size_t i = 0; i < plan->count; i++) {
        struct lab_case *one = &plan->cases[i];

        size_t count = one->words[0] ? case_targets_count(plan->chain, one, after) : one->targets;

        for (size_t k = 0; one->after == after && k < count; k++) {
            if (one->ports[k] != 0)
                continue; /* for an equal of that hop */
            if (one->words[0])
                one->ports[k] = next_port(address, &wire_port);
            else if (is_failing_target(one, k))
                one->ports[k] = next_port(run->places[first + k].address, &origin_port[k]);
        }
    }
}

void case_place_choose_doors(struct case_plan *plan, const struct lab_run *run, size_t hop)
{
    size_t first = chain_first_equal(plan->chain, hop);
    unsigned port = PORT_FIRST;

    for (size_t i = 0; i < plan->count; i++)
        if (plan->cases[i].doors[first] == 0) /* else an equal of that hop has them */
            plan->cases[i].doors[first] = next_port(run->places[hop].address, &port);
}

static uint16_t door_of(const struct chain *chain, const struct lab_case *one, size_t element)
{
    return one->doors[chain_first_equal(chain, element)];
}

bool case_place_is_passed_by(const struct chain *chain, const struct lab_case *one, size_t wire)
{
    size_t behind = wire;

    while (chain->elements[behind].kind == CHAIN_WIRE)
        behind++;
    return behind != wire && door_of(chain, one, behind) != 0;
}

struct chain_place case_place_behind(const struct lab_run *run, const struct lab_case *one,
                                     size_t element)
{
    struct chain_place place;
    uint16_t door;

    while (case_place_is_passed_by(run->chain, one, element))
        element++;
    place = run->places[element];
    door = door_of(run->chain, one, element);
    if (door != 0)
        place.port = door;
    return place;
}

struct chain_place case_place_of_target(const struct case_plan *plan, const struct lab_run *run,
                                        const struct lab_case *one, size_t hop, size_t k)
{
    bool is_failing = one->after == chain_first_equal(plan->chain, hop) && one->ports[k] != 0;
    size_t count, next = chain_behind(plan->chain, hop, &count);
    struct chain_place place;

    if (is_failing && !one->words[0])
        next = case_plan_first_origin(plan->chain); /* past a wire that stands before it */
    place = case_place_behind(run, one, next + k);
    if (is_failing && one->words[0])
        case_place_of_wires(run, place.address, sizeof(place.address));
    if (is_failing)
        place.port = one->ports[k];
    return place;
}

struct chain_place case_place_in_front(const struct lab_case *one, const struct lab_run *run)
{
    struct chain_place place = one ? case_place_behind(run, one, 0) : run->places[0];

    if (one && one->after == CASE_CLIENT && one->ports[0] != 0) {
        case_place_of_wires(run, place.address, sizeof(place.address));
        place.port = one->ports[0];
    }
    return place;
}
