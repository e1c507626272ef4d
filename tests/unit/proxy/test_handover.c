/* handover: packets with descriptors between two processes. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/gateway/handover.h"
#include "tests/check.h"

static int ends[2];
static int options_left = -1; /* that can be set before one fails; negative: all */

/* In the place of the C library's. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    if (options_left == 0) {
        errno = ENOBUFS;
        return -1;
    }
    options_left -= options_left > 0;
    return (int)syscall(SYS_setsockopt, fd, level, name, value, length);
}

static void open_pair(void)
{
    CHECK_INT(handover_pair(ends), 0);
}

static void close_pair(void)
{
    close(ends[0]);
    close(ends[1]);
}

TEST(a_pair_that_failed_leaves_no_number_to_close)
{
    for (int i = 0; i < 4; i++) {
        int next = dup(STDIN_FILENO);

        close(next);
        ends[0] = ends[1] = next;
        options_left = i;
        CHECK_INT(handover_pair(ends), -ENOBUFS);
        options_left = -1;
        CHECK_INT(ends[0], -1);
        CHECK_INT(ends[1], -1);
        ends[0] = dup(STDIN_FILENO);
        CHECK_INT(ends[0], next); /* and none is left open */
        close(ends[0]);
    }
}

TEST(a_message_arrives_with_its_descriptors)
{
    struct handover_fds sent = { .count = HANDOVER_FDS_MAX }, got;
    json_t *message;
    int words[2];
    char byte = 'x';

    open_pair();
    CHECK_INT(pipe(words), 0);
    for (size_t i = 0; i < sent.count; i++)
        sent.items[i] = words[1];
    CHECK_INT(handover_send(ends[0], json_pack("{s:s, s:i}", "say", "take", "pid", 7), &sent), 0);
    message = handover_receive(ends[1], &got);
    CHECK(handover_says(message, "take"));
    CHECK(!handover_says(message, "go"));
    CHECK_INT(json_integer_value(json_object_get(message, "pid")), 7);
    json_decref(message);
    CHECK_INT(got.count, HANDOVER_FDS_MAX);
    CHECK(write(got.items[HANDOVER_FDS_MAX - 1], &byte, 1) == 1);
    CHECK(read(words[0], &byte, 1) == 1);
    for (size_t i = 0; i < got.count; i++)
        close(got.items[i]);
    close(words[0]);
    close(words[1]);
    close_pair();
}

TEST(descriptors_that_nobody_wants_are_closed)
{
    struct handover_fds sent = { .count = 1 };
    int words[2];
    char byte;

    open_pair();
    CHECK_INT(pipe(words), 0);
    sent.items[0] = words[1];
    CHECK_INT(handover_send(ends[0], json_pack("{s:s}", "say", "go"), &sent), 0);
    json_decref(handover_receive(ends[1], NULL));
    close(words[1]);
    CHECK_INT(read(words[0], &byte, 1), 0); /* nobody else has the other end */
    close(words[0]);
    close_pair();
}

TEST(what_is_no_message_is_none)
{
    struct handover_fds fds;
    json_t *list;

    open_pair();
    CHECK_INT(handover_send_bytes(ends[0], "{\"say\": ", 8), 0);
    CHECK(handover_receive(ends[1], &fds) == NULL);
    CHECK_INT(fds.count, 0);
    CHECK_INT(handover_send(ends[0], json_pack("[s]", "say"), NULL), 0);
    list = handover_receive(ends[1], NULL);
    CHECK(list && !handover_says(list, "say"));
    json_decref(list);
    close(ends[0]);
    CHECK(handover_receive(ends[1], &fds) == NULL);
    close(ends[1]);
}

TEST(bytes_arrive_as_they_are)
{
    char got[8];

    open_pair();
    CHECK_INT(handover_send_bytes(ends[0], "a\0b", 3), 0);
    CHECK_INT(handover_receive_bytes(ends[1], got, sizeof(got)), 3);
    CHECK(memcmp(got, "a\0b", 3) == 0);
    close(ends[0]);
    CHECK_INT(handover_receive_bytes(ends[1], got, sizeof(got)), 0);
    close(ends[1]);
}

TEST(kinds_have_names_for_other_versions)
{
    CHECK_INT(handover_kind_of(handover_kind_name(VIRTUAL_SERVER_STATUS)), VIRTUAL_SERVER_STATUS);
    CHECK_INT(handover_kind_of("proxy"), VIRTUAL_SERVER_PROXY);
    CHECK_INT(handover_kind_of("quic"), -1);
}

TESTS(TEST_CASE(a_pair_that_failed_leaves_no_number_to_close),
      TEST_CASE(a_message_arrives_with_its_descriptors),
      TEST_CASE(descriptors_that_nobody_wants_are_closed), TEST_CASE(what_is_no_message_is_none),
      TEST_CASE(bytes_arrive_as_they_are), TEST_CASE(kinds_have_names_for_other_versions))
