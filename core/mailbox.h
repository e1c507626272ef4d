/*
 * mailbox: the only door into a loop from another thread.
 *
 * Role    hands messages to a loop's thread and wakes it
 * Owns    nothing; a message belongs to the receiver from mailbox_send on. The receiver may even
 *         end its loop because of it: mailbox_done waits for senders that are not out yet
 * Thread  mailbox_send: any; the rest: the loop's
 */
#ifndef CORE_MAILBOX_H
#define CORE_MAILBOX_H

#include <stdatomic.h>

struct loop;

struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail, struct loop *loop); /* runs on the loop's thread */
};

struct mailbox {
    _Atomic(struct mail *) newest; /* a stack; mailbox_take turns it into arrival order */
    atomic_uint senders;           /* inside mailbox_send */
    int doorbell;                  /* eventfd */
};

/* 0 or a negative errno. */
int mailbox_init(struct mailbox *mailbox);

/* Mail that was not taken is delivered to nobody: the caller frees it first. No sender may come any
 * more, but one that is about to leave may. */
void mailbox_done(struct mailbox *mailbox);

/* Never blocks, never fails. */
void mailbox_send(struct mailbox *mailbox, struct mail *mail);

/* All mail so far, oldest first; NULL when there is none. */
struct mail *mailbox_take(struct mailbox *mailbox);

#endif
