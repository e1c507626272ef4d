/*
 * One slow among ten targets, four workers, requests at random times: what clients of each algorithm
 * wait. Simulated time, so the numbers are the same on every machine.
 */
#include "tests/unit/lb/balancer_fixture.h"

enum {
    TARGETS = 10,
    SLOW = 3, /* the slow one */
    WORKERS = 4,
    REQUESTS = 20000,
    CONCURRENCY_MAX = 4096,
    SERVICE_US = 10000,       /* one after the other on each target, as long as it takes alone */
    SLOW_SERVICE_US = 200000, /* not enough for a tenth of the requests */
    GAP_US = 2000, /* between two requests on average: half of what nine quick ones can do */
};

struct waiting {
    struct target_use use;
    uint64_t begun_us, ends_us;
};

struct simulation {
    struct many many;
    struct balancer *workers[WORKERS];
    uint64_t free_at_us[TARGETS]; /* when it will have answered all that it has */
    struct waiting waiting[CONCURRENCY_MAX];
    size_t waiting_count;
    uint64_t latencies_us[REQUESTS];
    uint64_t random;
    unsigned slow_count;
};

static double random_share(struct simulation *simulation)
{
    struct balancer numbers = { .random = simulation->random };
    uint64_t number = balancer_random(&numbers);

    simulation->random = numbers.random;
    return ((double)(number >> 11) + 1) / 9007199254740993.0;
}

/* Exponentially distributed, as arrivals that know nothing of each other. */
static uint64_t random_span(struct simulation *simulation, double mean)
{
    double share = random_share(simulation), sum = 0, power = 1 - share;

    /* -ln(share) as its series in (1 - share): enough of it for times */
    for (unsigned i = 1; i < 60; i++, power *= 1 - share)
        sum += power / i;
    return (uint64_t)(mean * sum);
}

static void finish_until(struct simulation *simulation, uint64_t now_us)
{
    for (size_t i = 0; i < simulation->waiting_count;) {
        struct waiting *waiting = &simulation->waiting[i];

        if (waiting->ends_us > now_us) {
            i++;
            continue;
        }
        target_latency_add(waiting->use.target, waiting->ends_us - waiting->begun_us,
                           waiting->ends_us);
        target_use_end(&waiting->use);
        *waiting = simulation->waiting[--simulation->waiting_count];
    }
}

static struct slice client_name(void *number)
{
    static char text[16];
    int length = snprintf(text, sizeof(text), "%u", *(unsigned *)number);

    return (struct slice){ text, (size_t)length };
}

static uint64_t ask(struct simulation *simulation, unsigned number, uint64_t now_us)
{
    unsigned client = number % 997;
    const struct balancer_request request = { .now_us = now_us,
                                              .hash_input = client_name,
                                              .asker = &client };
    int index = many_pick(&simulation->many, simulation->workers[number % WORKERS], &request);
    struct waiting *waiting = &simulation->waiting[simulation->waiting_count++];
    uint64_t begins_us, *free_at_us = &simulation->free_at_us[index];

    CHECK(index >= 0 && simulation->waiting_count < CONCURRENCY_MAX);
    *waiting = (struct waiting){ .begun_us = now_us };
    target_use_begin(&waiting->use, simulation->many.items[index].target);
    begins_us = *free_at_us > now_us ? *free_at_us : now_us;
    *free_at_us = begins_us + (index == SLOW ? SLOW_SERVICE_US : SERVICE_US);
    waiting->ends_us = *free_at_us;
    simulation->slow_count += index == SLOW;
    return waiting->ends_us - now_us;
}

static int compare_spans(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

/* Prints a row; the 99th percentile in ms. */
static double p99_of(const char *algorithm)
{
    static const uint32_t one[] = { 100 };
    struct simulation *simulation = calloc(1, sizeof(*simulation));
    uint64_t now_us = 1000000;
    double p50, p99;

    CHECK(simulation);
    simulation->many = many_create(TARGETS, one, 1);
    for (unsigned i = 0; i < WORKERS; i++)
        simulation->workers[i] = many_balancer(&simulation->many, algorithm, i);
    for (unsigned i = 0; i < REQUESTS; i++) {
        now_us += random_span(simulation, GAP_US);
        finish_until(simulation, now_us);
        simulation->latencies_us[i] = ask(simulation, i, now_us);
    }
    finish_until(simulation, UINT64_MAX);
    qsort(simulation->latencies_us, REQUESTS, sizeof(uint64_t), compare_spans);
    p50 = (double)simulation->latencies_us[REQUESTS / 2] / 1000;
    p99 = (double)simulation->latencies_us[REQUESTS / 100 * 99] / 1000;
    print_message("%-20s %9.1f %9.1f %9.1f\n", algorithm, p50, p99,
                  100.0 * simulation->slow_count / REQUESTS);
    for (size_t i = 0; i < TARGETS; i++)
        CHECK_INT(simulation->many.records[i].in_flight, 0);
    for (unsigned i = 0; i < WORKERS; i++)
        balancer_free(simulation->workers[i]);
    many_done(&simulation->many);
    free(simulation);
    return p99;
}

TEST(one_slow_target_of_ten)
{
    static const struct {
        const char *algorithm;
        double p99_below_ms; /* 0: it does not look at load */
    } rows[] = {
        { "round-robin", 0 },
        { "consistent-hashing", 0 },
        { "random", 2000 },
        { "least-connections", SLOW_SERVICE_US / 1000.0 },
        { "fastest", SLOW_SERVICE_US / 1000.0 },
        { "latency", SLOW_SERVICE_US / 1000.0 },
        { "observed", 0 },
        { "predictive", 0 },
        { "least-sessions", 0 },
    };
    double p99[sizeof(rows) / sizeof(rows[0])];

    print_message("%-20s %9s %9s %9s\n", "algorithm", "p50 ms", "p99 ms", "to slow %");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        p99[i] = p99_of(rows[i].algorithm);
        if (rows[i].p99_below_ms > 0)
            CHECK(p99[i] < rows[i].p99_below_ms && p99[i] < p99[0] / 10 && p99[i] < p99[1] / 10);
    }
}

TESTS(TEST_CASE(one_slow_target_of_ten))
