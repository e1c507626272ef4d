#include "core/mailbox.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *mailbox)
{
    atomic_init(&mailbox->newest, NULL);
    mailbox->doorbell = eventfd(0, EFD_CLOEXEC);
    return mailbox->doorbell < 0 ? -errno : 0;
}

void mailbox_done(struct mailbox *mailbox)
{
    if (mailbox->doorbell >= 0)
        close(mailbox->doorbell);
    mailbox->doorbell = -1;
}

void mailbox_send(struct mailbox *mailbox, struct mail *mail)
{
    static const uint64_t one = 1;
    struct mail *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    ssize_t written;

    do {
        mail->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, mail,
                                                    memory_order_release, memory_order_relaxed));
    /* only the first letter of a pile rings; the loop takes the whole pile */
    if (newest != NULL)
        return;
    do {
        written = write(mailbox->doorbell, &one, sizeof(one));
    } while (written < 0 && errno == EINTR);
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
