/* Names against a DNS server on 127.0.0.1 that is a thread of this test; nothing is asked outside.
 */
#include "lb/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/addr.h"
#include "tests/check.h"

/* ---- the server ---- */

enum { NAME_MAX_BYTES = 256, HEADER_BYTES = 12, GATE_NAMES = 3 };
enum { RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, RCODE_REFUSED = 5 };

struct question {
    unsigned char packet[512];
    size_t end; /* of the question section */
    char name[NAME_MAX_BYTES];
    struct sockaddr_in from;
};

struct dns {
    int fd, stop_fd;
    char address[32]; /* as resolve_options.servers wants it */
    pthread_t thread;
    unsigned questions_count; /* read after dns_stop */
    struct question gate[GATE_NAMES];
    unsigned gate_count;
};

/* False: not a question that this server can read. */
static bool parse_question(struct question *question, size_t length)
{
    size_t at = HEADER_BYTES, out = 0;

    while (at < length && question->packet[at] != 0) {
        size_t label = question->packet[at++];

        if (label > 63 || at + label > length || out + label + 2 > NAME_MAX_BYTES)
            return false;
        if (out > 0)
            question->name[out++] = '.';
        memcpy(question->name + out, question->packet + at, label);
        out += label;
        at += label;
    }
    question->name[out] = '\0';
    question->end = at + 5; /* root label, type, class */
    return question->end <= length;
}

/* Answers with a code and these addresses (network order). */
static void answer(struct dns *dns, struct question *question, unsigned rcode, uint32_t count,
                   const uint32_t *addresses)
{
    static const unsigned char record[] = { 0xc0, HEADER_BYTES, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4 };
    unsigned char *packet = question->packet;
    size_t end = question->end;

    packet[2] = 0x81; /* a response, recursion desired */
    packet[3] = (unsigned char)(0x80 | rcode);
    memset(packet + 6, 0, 6); /* no authority, no additional */
    packet[7] = (unsigned char)count;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(packet + end, record, sizeof(record));
        memcpy(packet + end + sizeof(record), &addresses[i], 4);
        end += sizeof(record) + 4;
    }
    CHECK(sendto(dns->fd, packet, end, 0, (struct sockaddr *)&question->from,
                 sizeof(question->from)) == (ssize_t)end);
}

/* Holds the answers back until all gates were asked for: only concurrent questions pass. */
static void answer_gate(struct dns *dns, const struct question *question)
{
    const uint32_t address = htonl(0xc0000209);

    for (unsigned i = 0; i < dns->gate_count; i++) {
        if (strcmp(dns->gate[i].name, question->name) == 0)
            return;
    }
    dns->gate[dns->gate_count++] = *question;
    for (unsigned i = 0; dns->gate_count == GATE_NAMES && i < GATE_NAMES; i++)
        answer(dns, &dns->gate[i], 0, 1, &address);
}

static void serve(struct dns *dns, struct question *question)
{
    const uint32_t addresses[] = { htonl(0xc0000202), htonl(0xc0000201) };
    const char *name = question->name;
    unsigned number;

    if (strcmp(name, "two.test") == 0) {
        answer(dns, question, 0, 2, addresses);
    } else if (strcmp(name, "empty.test") == 0) {
        answer(dns, question, 0, 0, NULL);
    } else if (strcmp(name, "broken.test") == 0) {
        answer(dns, question, RCODE_SERVFAIL, 0, NULL);
    } else if (strcmp(name, "refused.test") == 0) {
        answer(dns, question, RCODE_REFUSED, 0, NULL);
    } else if (strncmp(name, "gate", 4) == 0 && dns->gate_count < GATE_NAMES) {
        answer_gate(dns, question);
    } else if (sscanf(name, "n%u.test", &number) == 1) {
        uint32_t address = htonl(0x0a000000 | number);

        answer(dns, question, 0, 1, &address);
    } else if (strcmp(name, "silent.test") != 0) {
        answer(dns, question, RCODE_NXDOMAIN, 0, NULL);
    }
}

static void *dns_run(void *arg)
{
    struct dns *dns = arg;

    for (;;) {
        struct pollfd polls[] = { { .fd = dns->fd, .events = POLLIN },
                                  { .fd = dns->stop_fd, .events = POLLIN } };
        struct question question;
        socklen_t from_length = sizeof(question.from);
        ssize_t got;

        if (poll(polls, 2, -1) < 0 || polls[1].revents)
            return NULL;
        got = recvfrom(dns->fd, question.packet, sizeof(question.packet), 0,
                       (struct sockaddr *)&question.from, &from_length);
        if (got < HEADER_BYTES || !parse_question(&question, (size_t)got))
            continue;
        dns->questions_count++;
        serve(dns, &question);
    }
}

static void dns_start(struct dns *dns)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(address);

    *dns = (struct dns){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                         .stop_fd = eventfd(0, EFD_CLOEXEC) };
    CHECK(dns->fd >= 0 && dns->stop_fd >= 0);
    CHECK_INT(bind(dns->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_INT(getsockname(dns->fd, (struct sockaddr *)&address, &length), 0);
    snprintf(dns->address, sizeof(dns->address), "127.0.0.1:%u", ntohs(address.sin_port));
    CHECK_INT(pthread_create(&dns->thread, NULL, dns_run, dns), 0);
}

static void dns_stop(struct dns *dns)
{
    CHECK_INT(eventfd_write(dns->stop_fd, 1), 0);
    CHECK_INT(pthread_join(dns->thread, NULL), 0);
    close(dns->fd);
    close(dns->stop_fd);
}

/* ---- the stories ---- */

static void check_address(const struct sockaddr_storage *address, const char *want)
{
    char text[ADDR_IP_TEXT_MAX];

    CHECK_STR(addr_format_ip(address, text, sizeof(text)), want);
}

static struct resolve_options options_for(const struct dns *dns)
{
    return (struct resolve_options){
        .servers = dns->address, .family = AF_INET, .deadline_ms = 20000, .timeout_ms = 5000
    };
}

/* One name, one outcome. */
static void check_error(const char *name, const char *want)
{
    struct resolve_result result;
    struct resolve_options options;
    struct dns dns;

    dns_start(&dns);
    options = options_for(&dns);
    CHECK_INT(resolve_names(&options, &name, 1, &result), 0);
    dns_stop(&dns);
    CHECK_INT(result.count, 0);
    CHECK_STR(result.error, want);
    resolve_result_done(&result);
}

TEST(literals_and_localhost_need_no_server)
{
    const char *const names[] = { "192.0.2.7", "2001:db8::7", "localhost", "LocalHost" };
    const char *const wanted[] = { "192.0.2.7", "2001:db8::7", "127.0.0.1", "127.0.0.1" };
    struct resolve_result results[4];
    struct resolve_options options;
    struct dns dns;

    dns_start(&dns);
    options = options_for(&dns);
    CHECK_INT(resolve_names(&options, names, 4, results), 0);
    dns_stop(&dns);
    CHECK_INT(dns.questions_count, 0);
    for (size_t i = 0; i < 4; i++) {
        CHECK(results[i].error == NULL);
        CHECK_INT(results[i].count, 1);
        check_address(&results[i].addresses[0], wanted[i]);
        resolve_result_done(&results[i]);
    }
}

TEST(localhost_is_of_the_family_asked_for)
{
    const char *name = "localhost";
    struct resolve_options options = { .family = AF_INET6, .deadline_ms = 1000 };
    struct resolve_result result;

    CHECK_INT(resolve_names(&options, &name, 1, &result), 0);
    CHECK_INT(result.count, 1);
    check_address(&result.addresses[0], "::1");
    resolve_result_done(&result);
}

TEST(every_address_is_given_in_the_order_of_the_answer)
{
    const char *name = "two.test";
    struct resolve_result result;
    struct resolve_options options;
    struct dns dns;

    dns_start(&dns);
    options = options_for(&dns);
    CHECK_INT(resolve_names(&options, &name, 1, &result), 0);
    dns_stop(&dns);
    CHECK(result.error == NULL);
    CHECK_INT(result.count, 2);
    check_address(&result.addresses[0], "192.0.2.2");
    check_address(&result.addresses[1], "192.0.2.1");
    resolve_result_done(&result);
}

TEST(errors_are_named)
{
    check_error("missing.test", "NXDOMAIN");
    check_error("empty.test", "no address");
    check_error("broken.test", "every DNS server was unreachable, failed or refused");
    check_error("refused.test", "every DNS server was unreachable, failed or refused");
}

TEST(names_are_asked_for_at_the_same_time)
{
    const char *const names[GATE_NAMES] = { "gate1.test", "gate2.test", "gate3.test" };
    struct resolve_result results[GATE_NAMES];
    struct resolve_options options;
    struct dns dns;

    dns_start(&dns);
    options = options_for(&dns);
    CHECK_INT(resolve_names(&options, names, GATE_NAMES, results), 0);
    dns_stop(&dns);
    for (size_t i = 0; i < GATE_NAMES; i++) {
        CHECK_INT(results[i].count, 1);
        check_address(&results[i].addresses[0], "192.0.2.9");
        resolve_result_done(&results[i]);
    }
}

TEST(more_names_than_may_be_in_flight_are_all_resolved)
{
    enum { NAMES = 300 };
    static char texts[NAMES][16];
    static const char *names[NAMES];
    static struct resolve_result results[NAMES];
    struct resolve_options options;
    struct dns dns;

    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(texts[i], sizeof(texts[i]), "n%u.test", i);
        names[i] = texts[i];
    }
    dns_start(&dns);
    options = options_for(&dns);
    CHECK_INT(resolve_names(&options, names, NAMES, results), 0);
    dns_stop(&dns);
    for (unsigned i = 0; i < NAMES; i++) {
        CHECK_INT(results[i].count, 1);
        CHECK_INT(ntohl(((struct sockaddr_in *)results[i].addresses)->sin_addr.s_addr),
                  0x0a000000 | i);
        resolve_result_done(&results[i]);
    }
}

TEST(deadline_ends_a_question_that_nobody_answers)
{
    const char *const names[] = { "silent.test", "192.0.2.1", "two.test" };
    struct resolve_result results[3];
    struct resolve_options options;
    struct timespec begin, end;
    struct dns dns;

    dns_start(&dns);
    options = options_for(&dns);
    options.deadline_ms = 500;
    options.timeout_ms = 60000;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    CHECK_INT(resolve_names(&options, names, 3, results), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    dns_stop(&dns);
    CHECK(end.tv_sec - begin.tv_sec < 30);
    CHECK_INT(results[0].count, 0);
    CHECK_STR(results[0].error, "timeout");
    CHECK_INT(results[1].count, 1);
    CHECK_INT(results[2].count, 2);
    for (size_t i = 0; i < 3; i++)
        resolve_result_done(&results[i]);
}

TEST(server_that_never_answers_is_a_timeout_before_the_deadline)
{
    const char *name = "silent.test";
    struct resolve_result result;
    struct resolve_options options;
    struct dns dns;

    dns_start(&dns);
    options = options_for(&dns);
    options.timeout_ms = 50;
    options.tries = 2;
    options.deadline_ms = 60000;
    CHECK_INT(resolve_names(&options, &name, 1, &result), 0);
    dns_stop(&dns);
    CHECK_STR(result.error, "timeout");
    CHECK(dns.questions_count >= 2);
    resolve_result_done(&result);
}

TEST(servers_that_cannot_be_read_are_einval)
{
    const char *name = "192.0.2.1";
    struct resolve_result result = { .count = 77 };
    struct resolve_options options = { .servers = "not an address", .deadline_ms = 1000 };

    CHECK_INT(resolve_names(&options, &name, 1, &result), -EINVAL);
    CHECK_INT(result.count, 77);
}

TESTS(TEST_CASE(literals_and_localhost_need_no_server),
      TEST_CASE(localhost_is_of_the_family_asked_for),
      TEST_CASE(every_address_is_given_in_the_order_of_the_answer), TEST_CASE(errors_are_named),
      TEST_CASE(names_are_asked_for_at_the_same_time),
      TEST_CASE(more_names_than_may_be_in_flight_are_all_resolved),
      TEST_CASE(deadline_ends_a_question_that_nobody_answers),
      TEST_CASE(server_that_never_answers_is_a_timeout_before_the_deadline),
      TEST_CASE(servers_that_cannot_be_read_are_einval))
