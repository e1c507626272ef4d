/* mailbox: mail from other threads arrives once, in the order each sender sent it, and wakes. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/core/net.h"

enum { SENDERS = 4, MAILS = 20000 };

struct numbered_mail {
    struct mail mail;
    unsigned sender, number;
};

struct sender {
    struct loop *loop;
    unsigned index;
    struct numbered_mail *mails;
};

static unsigned arrived[SENDERS], arrived_total;

static void on_numbered(struct mail *mail, struct loop *loop)
{
    struct numbered_mail *numbered = (struct numbered_mail *)mail;

    CHECK_INT(numbered->number, arrived[numbered->sender]);
    arrived[numbered->sender]++;
    if (++arrived_total == SENDERS * MAILS)
        loop_stop(loop);
}

static void *send_all(void *argument)
{
    struct sender *sender = argument;

    for (unsigned i = 0; i < MAILS; i++) {
        sender->mails[i] = (struct numbered_mail){ .mail.deliver = on_numbered,
                                                   .sender = sender->index,
                                                   .number = i };
        loop_send(sender->loop, &sender->mails[i].mail);
    }
    return NULL;
}

TEST(mail_of_four_threads_arrives_once_and_in_order)
{
    struct bench bench = bench_start();
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];

    arrived_total = 0;
    for (unsigned i = 0; i < SENDERS; i++) {
        arrived[i] = 0;
        senders[i] = (struct sender){ bench.loop, i, calloc(MAILS, sizeof(*senders[i].mails)) };
        CHECK(senders[i].mails != NULL);
        CHECK_INT(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    /* waits without limit: one lost wake-up and the runner's timeout ends this test */
    CHECK_INT(loop_run(bench.loop), 0);
    for (unsigned i = 0; i < SENDERS; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
        CHECK_INT(arrived[i], MAILS);
        free(senders[i].mails);
    }
    CHECK(mailbox_take(&bench.loop->mailbox) == NULL);
    bench_stop(&bench);
}

/* ---- one letter at a time: every one must wake a sleeping loop ----------------------------- */

static atomic_uint pings;

static void on_ping(struct mail *mail, struct loop *loop)
{
    (void)mail;
    (void)loop;
    atomic_fetch_add(&pings, 1);
}

static void on_stop(struct mail *mail, struct loop *loop)
{
    (void)mail;
    loop_stop(loop);
}

static void *ping_and_stop(void *argument)
{
    struct mail ping = { .deliver = on_ping };
    static struct mail stop = { .deliver = on_stop };

    for (unsigned i = 0; i < 2000; i++) {
        loop_send(argument, &ping);
        while (atomic_load(&pings) == i)
            sched_yield();
    }
    loop_send(argument, &stop);
    return NULL;
}

TEST(each_letter_wakes_a_loop_that_sleeps)
{
    struct bench bench = bench_start();
    pthread_t thread;

    atomic_store(&pings, 0);
    CHECK_INT(pthread_create(&thread, NULL, ping_and_stop, bench.loop), 0);
    CHECK_INT(loop_run(bench.loop), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(atomic_load(&pings), 2000);
    bench_stop(&bench);
}

/* ---- mail that ends the loop: a race that only the thread sanitizer sees reliably ---------- */

static atomic_int letters_left;

static void on_last(struct mail *mail, struct loop *loop)
{
    (void)mail;
    if (atomic_fetch_sub(&letters_left, 1) == 1)
        loop_stop(loop);
}

struct letter {
    struct mail mail;
    struct loop *loop;
};

static void *send_one(void *argument)
{
    struct letter *letter = argument;

    letter->mail.deliver = on_last;
    loop_send(letter->loop, &letter->mail);
    return NULL;
}

TEST(a_loop_may_be_freed_while_its_last_sender_is_still_leaving)
{
    for (unsigned round = 0; round < 100; round++) {
        struct bench bench = bench_with_buffers(8, 8);
        struct letter letters[2] = { { .loop = bench.loop }, { .loop = bench.loop } };
        pthread_t threads[2];

        atomic_store(&letters_left, 2);
        for (unsigned i = 0; i < 2; i++)
            CHECK_INT(pthread_create(&threads[i], NULL, send_one, &letters[i]), 0);
        CHECK_INT(loop_run(bench.loop), 0);
        loop_free(bench.loop); /* before the senders were joined */
        for (unsigned i = 0; i < 2; i++)
            CHECK_INT(pthread_join(threads[i], NULL), 0);
    }
}

static atomic_bool closing;

static void *close_mailbox(void *argument)
{
    atomic_store(&closing, true);
    mailbox_done(argument);
    return NULL;
}

TEST(the_doorbell_stays_until_the_last_sender_has_left)
{
    struct mailbox mailbox;
    pthread_t thread;
    int doorbell;

    CHECK_INT(mailbox_init(&mailbox), 0);
    doorbell = mailbox.doorbell;
    atomic_store(&closing, false);
    atomic_fetch_add(&mailbox.senders, 1); /* a sender that was interrupted before it rang */
    CHECK_INT(pthread_create(&thread, NULL, close_mailbox, &mailbox), 0);
    while (!atomic_load(&closing))
        sched_yield();
    for (unsigned i = 0; i < 5000; i++) { /* time enough for one that does not wait */
        CHECK(fcntl(doorbell, F_GETFD) >= 0);
        sched_yield();
    }
    atomic_fetch_sub(&mailbox.senders, 1);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(fcntl(doorbell, F_GETFD) < 0);
}

TESTS(TEST_CASE(mail_of_four_threads_arrives_once_and_in_order),
      TEST_CASE(each_letter_wakes_a_loop_that_sleeps),
      TEST_CASE(a_loop_may_be_freed_while_its_last_sender_is_still_leaving),
      TEST_CASE(the_doorbell_stays_until_the_last_sender_has_left))
