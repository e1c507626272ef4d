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
 * A process that dies after the commit has lost nothing: what is durable is served by the next one. What is
 * stored and cannot be installed is answered with 202, and run again, without requests, until it is in
 * force. A store that somebody else has locked is not waited for here: nothing is answered, and the caller
 * comes again.
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
    bool lag_is_told;              /* and not yet that it is after all */
    struct log_rate failure_told;  /* that what others have written cannot be read */
    char *extras_told; /* what of the extras is not in force; malloc'ed; NULL: nothing */
};

enum { CONFIG_BATCH_MAX = 64 };

enum config_batch_result {
    CONFIG_BATCH_NOTHING,  /* all are answered, nothing has come into force */
    CONFIG_BATCH_IN_FORCE, /* all are answered, and something has */
    CONFIG_BATCH_LOCKED,   /* another process has the store; none is answered */
};

/* count 0: takes in what others have written, and what is not in force yet. */
enum config_batch_result config_batch_run(struct config_batches *batches,
                                          struct admin_question *const *questions, size_t count);

/* Answers one that has waited for the store for long enough. */
void config_batch_refuse_locked(struct config_batches *batches, struct admin_question *question);

/* What is stored is not in force. */
bool config_batches_lag(const struct config_batches *batches);

void config_batches_done(struct config_batches *batches);

/* One that changes nothing, without a transaction. */
void config_batch_read(struct config_batches *batches, struct admin_question *question);

#endif
