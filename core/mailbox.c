#include "core/mailbox.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *mailbox)
{
    atomic_init(&mailbox->newest, NULL);
    atomic_init(&mailbox->senders, 0);
    mailbox->doorbell = eventfd(0, EFD_CLOEXEC);
    return mailbox->doorbell < 0 ? -errno : 0;
}

void mailbox_done(struct mailbox *mailbox)
{
    /* a sender rings after its mail could be taken: it must not ring in freed memory, or on the
     * descriptor of somebody else; it needs a few instructions and one system call */
    while (atomic_load_explicit(&mailbox->senders, memory_order_acquire) > 0)
        sched_yield();
    if (mailbox->doorbell >= 0)
        close(mailbox->doorbell);
    mailbox->doorbell = -1;
}

void mailbox_send(struct mailbox *mailbox, struct mail *mail)
{
    static const uint64_t one = 1;
    struct mail *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    ssize_t written = 0;

    atomic_fetch_add_explicit(&mailbox->senders, 1, memory_order_relaxed);
    do {
        mail->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, mail,
                                                    memory_order_release, memory_order_relaxed));
    /* only the first letter of a pile rings; the loop takes the whole pile */
    if (newest == NULL)
        do {
            written = write(mailbox->doorbell, &one, sizeof(one));
        } while (written < 0 && errno == EINTR);
    atomic_fetch_sub_explicit(&mailbox->senders, 1, memory_order_release);
}

struct mail *mailbox_take(struct mailbox *mailbox)
{
    struct mail *stack = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct mail *oldest_first = NULL;

    while (stack) {
        struct mail *mail = stack;

        stack = mail->next;
        mail->next = oldest_first;
        oldest_first = mail;
    }
    return oldest_first;
}
