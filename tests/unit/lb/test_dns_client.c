/* Questions to servers on 127.0.0.1 that are a thread of this test; nothing is asked outside. */
#include "lb/dns_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/addr.h"
#include "tests/check.h"

enum { SERVERS = 2, HEADER_BYTES = 12, DEADLINE_MS = 30000, RCODE_SERVFAIL = 2 };

struct lab {
    int fds[SERVERS], stop_fd, epoll_fd;
    struct dns_client_options options;
    unsigned questions[SERVERS]; /* read after stop */
    pthread_t thread;
};

/* The first server always fails, the second one answers with 192.0.2.1. */
static void answer(struct lab *lab, int server)
{
    static const unsigned char record[] = { 0xc0, HEADER_BYTES, 0, 1, 0, 1, 0, 0, 0, 7, 0,
                                            4,    192,          0, 2, 1 };
    unsigned char packet[512];
    struct sockaddr_in from;
    socklen_t from_length = sizeof(from);
    ssize_t length = recvfrom(lab->fds[server], packet, sizeof(packet) - sizeof(record), 0,
                              (struct sockaddr *)&from, &from_length);

    if (length < HEADER_BYTES)
        return;
    lab->questions[server]++;
    packet[2] = 0x81;
    packet[3] = (unsigned char)(0x80 | (server == 0 ? RCODE_SERVFAIL : 0));
    packet[7] = (unsigned char)server; /* answers */
    memset(packet + 8, 0, 4);
    if (server == 1) {
        memcpy(packet + length, record, sizeof(record));
        length += (ssize_t)sizeof(record);
    }
    CHECK(sendto(lab->fds[server], packet, (size_t)length, 0, (struct sockaddr *)&from,
                 sizeof(from)) == length);
}

static void *run_servers(void *arg)
{
    struct lab *lab = arg;

    for (;;) {
        struct pollfd polls[] = { { .fd = lab->fds[0], .events = POLLIN },
                                  { .fd = lab->fds[1], .events = POLLIN },
                                  { .fd = lab->stop_fd, .events = POLLIN } };

        if (poll(polls, 3, -1) < 0 || polls[2].revents)
            return NULL;
        for (int i = 0; i < SERVERS; i++)
            if (polls[i].revents)
                answer(lab, i);
    }
}

static void lab_start(struct lab *lab)
{
    *lab = (struct lab){ .stop_fd = eventfd(0, EFD_CLOEXEC), .epoll_fd = epoll_create1(0) };
    lab->options = (struct dns_client_options){
        .servers_count = SERVERS, .types = { { DNS_A }, 1 }, .timeout_ms = 10000, .tries = 2
    };
    for (int i = 0; i < SERVERS; i++) {
        struct sockaddr_storage *address = &lab->options.servers[i];
        socklen_t length = sizeof(*address);

        CHECK_INT(addr_parse_ip(slice_of("127.0.0.1"), 0, address), 0);
        lab->fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK_INT(bind(lab->fds[i], (struct sockaddr *)address, addr_length(address)), 0);
        CHECK_INT(getsockname(lab->fds[i], (struct sockaddr *)address, &length), 0);
    }
    CHECK_INT(pthread_create(&lab->thread, NULL, run_servers, lab), 0);
}

static void lab_stop(struct lab *lab)
{
    CHECK_INT(eventfd_write(lab->stop_fd, 1), 0);
    CHECK_INT(pthread_join(lab->thread, NULL), 0);
    for (int i = 0; i < SERVERS; i++)
        close(lab->fds[i]);
    close(lab->stop_fd);
    close(lab->epoll_fd);
}

struct asker {
    struct dns_client *client;
    unsigned answers, wanted, open;
};

static void on_answer(void *owner, struct name_answer *answer)
{
    struct asker *asker = owner;

    asker->open--;
    asker->answers++;
    CHECK_INT(answer->outcome, NAME_FOUND);
    CHECK_INT(answer->count, 1);
    CHECK_INT(answer->ttl_s, 7);
    if (asker->answers + asker->open >= asker->wanted)
        return;
    asker->open++;
    dns_client_ask(asker->client, "n.test", DNS_NONE, on_answer, asker);
}

static void wait_for_answers(struct lab *lab, struct asker *asker)
{
    while (asker->open > 0) {
        struct pollfd poll_fd = { .fd = lab->epoll_fd, .events = POLLIN };
        int wait_ms = dns_client_timeout_ms(asker->client);

        CHECK(poll(&poll_fd, 1, wait_ms < 0 ? DEADLINE_MS : wait_ms) >= 0);
        dns_client_process(asker->client);
    }
}

/*
 * Each question opens a socket, has it closed by c-ares and opens one to the other server, which
 * has the same number mostly: an event that reached the wrong socket would cost a timeout of 10 s.
 */
TEST(sockets_with_the_number_of_a_closed_one_get_their_own_events)
{
    struct asker asker = { .wanted = 1000 };
    struct lab lab;

    lab_start(&lab);
    asker.client = dns_client_create(&lab.options, lab.epoll_fd);
    CHECK(asker.client != NULL);
    for (; asker.open < 5;) {
        asker.open++;
        dns_client_ask(asker.client, "n.test", DNS_NONE, on_answer, &asker);
    }
    wait_for_answers(&lab, &asker);
    dns_client_free(asker.client);
    lab_stop(&lab);
    CHECK_INT(asker.answers, 1000);
    CHECK_INT(lab.questions[0], 1000);
    CHECK_INT(lab.questions[1], 1000);
}

static void on_no_answer(void *owner, struct name_answer *answer)
{
    (void)answer;
    *(bool *)owner = true;
}

TEST(client_that_is_freed_says_nothing_to_whom_it_owes_an_answer)
{
    bool was_told = false;
    struct dns_client *client;
    struct lab lab;

    lab_start(&lab);
    client = dns_client_create(&lab.options, lab.epoll_fd);
    CHECK(client != NULL);
    dns_client_ask(client, "n.test", DNS_NONE, on_no_answer, &was_told);
    dns_client_free(client);
    lab_stop(&lab);
    CHECK(!was_told);
}

TEST(name_that_is_none_is_answered_at_once)
{
    bool was_told = false;
    struct dns_client *client;
    struct lab lab;

    lab_start(&lab);
    client = dns_client_create(&lab.options, lab.epoll_fd);
    CHECK(client != NULL);
    dns_client_ask(client, "a..b", DNS_NONE, on_no_answer, &was_told);
    CHECK(was_told);
    dns_client_free(client);
    lab_stop(&lab);
    CHECK_INT(lab.questions[0], 0);
}

TESTS(TEST_CASE(sockets_with_the_number_of_a_closed_one_get_their_own_events),
      TEST_CASE(client_that_is_freed_says_nothing_to_whom_it_owes_an_answer),
      TEST_CASE(name_that_is_none_is_answered_at_once))
