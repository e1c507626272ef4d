/*
 * config_batch: several requests to the Admin API in one transaction.
 *
 * Role    handles them one after the other, has the outcome compiled, commits, has it put in force,
 *         and only then answers; what does not compile is undone for the guilty request alone
 * Owns    nothing beyond a call
 * Thread  the config thread
 *
 *   dao_begin -> admin_handle each -> prepare -> dao_commit -> install -> answers
 *
 * A process that dies after the commit has lost nothing: what is durable is served by the next one.
 */
#ifndef PROXY_CONFIG_BATCH_H
#define PROXY_CONFIG_BATCH_H

#include <stddef.h>

#include "config/admin/admin.h"
#include "core/log_rate.h"

struct admin_question;
struct gateway;

struct config_batches {
    struct gateway *gateway;
    struct admin admin;
    struct admin_host host;
    unsigned long long generation; /* of the dao, as it is in force */
    unsigned long long told;       /* and as it was told that it cannot be */
    struct log_rate locked_told;   /* that what others have written cannot be read */
    char *extras_told; /* what of the extras is not in force; malloc'ed; NULL: nothing */
};

enum { CONFIG_BATCH_MAX = 64 };

/* Answers all of them. count 0: takes in what others have written. True: something was put in force. */
bool config_batch_run(struct config_batches *batches, struct admin_question *const *questions,
                      size_t count);

void config_batches_done(struct config_batches *batches);

/* One that changes nothing, without a transaction. */
void config_batch_read(struct config_batches *batches, struct admin_question *question);

#endif
