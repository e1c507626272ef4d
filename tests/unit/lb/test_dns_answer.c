#include "lb/dns_answer.h"

#include <ares.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

enum { PACKET_MAX = 1024 };

struct packet {
    unsigned char bytes[PACKET_MAX];
    size_t length;
};

static void put(struct packet *packet, const void *bytes, size_t length)
{
    CHECK(packet->length + length <= PACKET_MAX);
    memcpy(packet->bytes + packet->length, bytes, length);
    packet->length += length;
}

#define PUT(packet, ...)                                \
    do {                                                \
        const unsigned char bytes_[] = { __VA_ARGS__ }; \
        put(packet, bytes_, sizeof(bytes_));            \
    } while (0)

/* A response about "s". */
static void begin(struct packet *packet, unsigned char answers)
{
    packet->length = 0;
    PUT(packet, 0, 1, 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0);
    PUT(packet, 1, 's', 0, 0, DNS_SRV, 0, 1);
}

static void put_srv(struct packet *packet, unsigned char priority, unsigned char weight,
                    unsigned char port, char host, unsigned char ttl)
{
    PUT(packet, 0xc0, 12, 0, DNS_SRV, 0, 1, 0, 0, 0, ttl, 0, 9);
    PUT(packet, 0, priority, 0, weight, 0, port, 1, (unsigned char)host, 0);
}

TEST(only_the_best_priority_counts)
{
    struct srv_records records;
    struct packet packet;

    begin(&packet, 4);
    put_srv(&packet, 20, 1, 80, 'x', 60);
    put_srv(&packet, 10, 5, 81, 'a', 50);
    put_srv(&packet, 30, 1, 80, 'y', 40);
    put_srv(&packet, 10, 0, 82, 'b', 55);
    CHECK_INT(dns_answer_srv(packet.bytes, packet.length, &records), NAME_FOUND);
    CHECK_INT(records.count, 2);
    CHECK_STR(records.items[0].host, "a");
    CHECK_INT(records.items[0].port, 81);
    CHECK_INT(records.items[0].weight, 5);
    CHECK_STR(records.items[1].host, "b");
    CHECK_INT(records.ttl_s, 40);
    srv_records_done(&records);
}

TEST(root_as_host_says_that_there_is_no_such_service)
{
    struct srv_records records;
    struct packet packet;

    begin(&packet, 1);
    PUT(&packet, 0xc0, 12, 0, DNS_SRV, 0, 1, 0, 0, 0, 9, 0, 7, 0, 0, 0, 0, 0, 0, 0);
    CHECK_INT(dns_answer_srv(packet.bytes, packet.length, &records), NAME_EMPTY);
    srv_records_done(&records);
}

TEST(message_that_is_cut_anywhere_is_no_answer)
{
    struct srv_records records;
    struct packet packet;

    begin(&packet, 2);
    put_srv(&packet, 10, 5, 81, 'a', 50);
    put_srv(&packet, 10, 5, 81, 'b', 50);
    for (size_t length = 0; length < packet.length; length++) {
        unsigned char *exact = malloc(length + 1); /* no byte behind it may be read */

        CHECK(exact != NULL);
        memcpy(exact + 1, packet.bytes, length);
        CHECK_INT(dns_answer_srv(exact + 1, length, &records), NAME_BAD_ANSWER);
        srv_records_done(&records);
        free(exact);
    }
}

TEST(more_records_than_are_kept_are_left_out)
{
    static struct packet packet;
    struct srv_records records;

    begin(&packet, 40);
    for (unsigned char i = 0; i < 40; i++)
        put_srv(&packet, i < 20 ? 9 : 8, 1, i, 'a', 1);
    CHECK_INT(dns_answer_srv(packet.bytes, packet.length, &records), NAME_FOUND);
    CHECK_INT(records.count, 20);
    CHECK_INT(records.items[0].port, 20);
    srv_records_done(&records);
}

TEST(addresses_take_port_and_weight_of_their_srv_record)
{
    const struct srv_record like = { .host = (char *)"s", .port = 8080, .weight = 0 };
    struct name_answer answer = { .ttl_s = INT32_MAX };
    struct packet packet = { .length = 0 };

    PUT(&packet, 0, 1, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0, 1, 's', 0, 0, DNS_A, 0, 1);
    PUT(&packet, 0xc0, 12, 0, DNS_A, 0, 1, 0, 0, 0, 30, 0, 4, 192, 0, 2, 1);
    PUT(&packet, 0xc0, 12, 0, DNS_A, 0, 1, 0, 0, 0, 20, 0, 4, 192, 0, 2, 2);
    CHECK_INT(dns_answer_addresses(packet.bytes, packet.length, DNS_A, &like, &answer), NAME_FOUND);
    CHECK_INT(answer.count, 2);
    CHECK_INT(answer.ttl_s, 20);
    CHECK_INT(answer.items[0].weight, 1); /* 0 would never be picked */
    CHECK(answer.items[1].host_id == name_host_id("S"));
    name_answer_done(&answer);
}

/* ---- c-ares without memory ---- */

static unsigned allocations_left;

static void *allocate(size_t size)
{
    return allocations_left > 0 && allocations_left-- ? malloc(size) : NULL;
}

static void *reallocate(void *memory, size_t size)
{
    return allocations_left > 0 && allocations_left-- ? realloc(memory, size) : NULL;
}

/* Else a service would be taken for gone. */
TEST(lack_of_memory_is_no_empty_answer)
{
    enum { NAMES = 3 }; /* the question's, the record's and the host's */
    struct srv_records records;
    struct packet packet;

    CHECK_INT(ares_library_init_mem(ARES_LIB_INIT_ALL, allocate, free, reallocate), ARES_SUCCESS);
    begin(&packet, 1);
    put_srv(&packet, 10, 1, 80, 'a', 60);
    for (unsigned i = 0; i < NAMES; i++) {
        allocations_left = i;
        CHECK_INT(dns_answer_srv(packet.bytes, packet.length, &records), NAME_NO_MEMORY);
        srv_records_done(&records);
    }
    allocations_left = NAMES;
    CHECK_INT(dns_answer_srv(packet.bytes, packet.length, &records), NAME_FOUND);
    srv_records_done(&records);
    ares_library_cleanup();
}

TESTS(TEST_CASE(lack_of_memory_is_no_empty_answer), TEST_CASE(only_the_best_priority_counts),
      TEST_CASE(root_as_host_says_that_there_is_no_such_service),
      TEST_CASE(message_that_is_cut_anywhere_is_no_answer),
      TEST_CASE(more_records_than_are_kept_are_left_out),
      TEST_CASE(addresses_take_port_and_weight_of_their_srv_record))
