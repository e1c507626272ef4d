#include "proxy/gateway/config_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "proxy/gateway/admin_audit.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/worker/admin_question.h"

enum { UNREADABLE_TOLD_INTERVAL_MS = 60 * 1000 };

/* One request of a batch. */
struct job {
    struct admin_question *question;
    struct admin_answer answer;
    json_t *audit; /* lines; NULL: it has changed nothing */
};

struct batch {
    struct config_batches *of;
    struct dao *dao;
    struct job jobs[CONFIG_BATCH_MAX];
    size_t count;
    struct publication publication;
    bool has_publication, is_closed; /* closed: the hop ends, nothing comes into force */
};

/* ---- answers ------------------------------------------------------------------------------- */

/* Takes the content; NULL: no memory, and then there is none. */
static void replace_answer(struct job *job, unsigned status, json_t *content)
{
    char *text = content ? json_dumps(content, JSON_COMPACT) : NULL;

    json_decref(content);
    free(job->answer.content);
    job->answer.content = text;
    job->answer.content_length = text ? strlen(text) : 0;
    job->answer.content_type = text ? "application/json; charset=utf-8" : NULL;
    job->answer.status = status;
    job->answer.is_change = false;
    json_decref(TAKE(job->audit));
}

static void answer_message(struct job *job, unsigned status, const char *message)
{
    replace_answer(job, status, json_pack("{s:s}", "message", message));
}

/* Kong's words for what is the node's fault. */
static void answer_unexpected(struct job *job)
{
    answer_message(job, 500, "An unexpected error occurred");
}

static void answer_all_changes(struct batch *batch, void (*answer)(struct job *job))
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->jobs[i].answer.is_change)
            answer(&batch->jobs[i]);
}

static void answer_ending(struct job *job)
{
    answer_message(job, 503, "shutting down");
}

static void send_answers(struct batch *batch)
{
    struct log_file *file = batch->of->gateway->hop.admin_audit_log;

    for (size_t i = 0; i < batch->count; i++) {
        struct job *job = &batch->jobs[i];

        if (job->answer.is_change)
            admin_audit_write(file, job->audit, job->answer.status);
        json_decref(TAKE(job->audit));
        admin_question_answer(job->question, &job->answer);
    }
}

/* ---- steps --------------------------------------------------------------------------------- */

static void handle(struct batch *batch, struct job *job)
{
    size_t step = dao_step(batch->dao), first = dao_changes_count(batch->dao);

    admin_answer_done(&job->answer);
    json_decref(TAKE(job->audit));
    job->answer = (struct admin_answer){ 0 };
    if (admin_handle(&batch->of->admin, &job->question->request, &job->answer) < 0)
        dao_undo_step(batch->dao, step); /* an answer that says so is there all the same */
    if (job->answer.is_change)
        job->audit = admin_audit_lines(batch->dao, first, job->question);
}

static void drop_publication(struct batch *batch)
{
    if (batch->has_publication)
        config_store_publication_done(&batch->publication);
    batch->has_publication = false;
}

/* The entities as they are now, compiled. False: they cannot be in force, see publication.errors. */
static bool prepare(struct batch *batch)
{
    struct gateway *gateway = batch->of->gateway;
    struct publication *publication = &batch->publication;

    drop_publication(batch);
    *publication = (struct publication){ .gateway = gateway };
    batch->has_publication = true;
    if (config_store_publication(&gateway->config, publication) < 0)
        return false;
    if (!main_calls_ask(&gateway->main_calls, config_publish_prepare, publication)) {
        batch->is_closed = true;
        return false;
    }
    return publication->done;
}

static void discard(struct batch *batch)
{
    struct gateway *gateway = batch->of->gateway;

    if (batch->has_publication)
        (void)main_calls_ask(&gateway->main_calls, config_publish_discard, &batch->publication);
}

/* What the dao counts may go on while nothing has changed. */
static void roll_back(struct batch *batch, bool was_in_force)
{
    dao_rollback(batch->dao);
    if (was_in_force)
        batch->of->generation = dao_generation(batch->dao);
}

/* ---- what does not compile ----------------------------------------------------------------- */

/* "services[shop].host"; keys of kong.conf have no brackets. */
static bool is_of_entity(const char *path)
{
    return path && strchr(path, '[');
}

/* The first error, without the store's name, which nobody has written. *ret_is_guilty: it is in the
 * entities, not in a file of the hop. */
static bool reason_of(const struct batch *batch, char *into, size_t size, bool *ret_is_guilty)
{
    const struct config_errors *errors = &batch->publication.errors;

    for (size_t i = 0; i < errors->count; i++) {
        const struct config_error *error = &errors->items[i];
        const char *file = error->place.file, *path = error->place.path;

        if (error->severity != CONFIG_ERROR)
            continue;
        *ret_is_guilty =
            is_of_entity(path) || (file && strcmp(file, batch->publication.source) == 0);
        (void)snprintf(into, size, "%s%s%s", path ? path : "", path && *path ? ": " : "",
                       error->message);
        return true;
    }
    return false;
}

/* A schema violation of the entity as a whole, as Kong has it. */
static void answer_guilty(struct job *job, const char *reason)
{
    struct kong_error error = { 0 };

    (void)kong_error_schema_violation(&error, json_pack("{s:[s]}", "@entity", reason));
    replace_answer(job, error.status ? error.status : 400, kong_error_json(&error));
    kong_error_done(&error);
}

static void blame(struct batch *batch, struct job *job)
{
    bool is_guilty = false;
    char reason[CONFIG_MESSAGE_MAX + 256] = "out of memory";

    if (batch->is_closed) {
        answer_ending(job);
    } else if (reason_of(batch, reason, sizeof(reason), &is_guilty) && is_guilty) {
        answer_guilty(job, reason);
    } else {
        log_error(
            LOG_LEVEL_ERROR,
            "admin: a change was refused because the hop's own configuration cannot be put in "
            "force any more: %s; mend that, then repeat the change",
            reason);
        answer_unexpected(job);
    }
}

/* ---- the end of a transaction -------------------------------------------------------------- */

static void tell_commit_failed(const struct batch *batch)
{
    const struct config_store *config = &batch->of->gateway->config;

    log_error(
        LOG_LEVEL_CRIT,
        "admin: nothing was changed, %s cannot be written: %s; make room, or let this process "
        "write the file and its directory, then repeat the request",
        config_store_name(config), config->store ? store_error(config->store) : "no memory");
}

static bool install(struct batch *batch)
{
    struct gateway *gateway = batch->of->gateway;

    if (!main_calls_ask(&gateway->main_calls, config_publish_install, &batch->publication))
        return true; /* the hop ends: what is durable is for the process after it */
    if (batch->publication.done)
        return true;
    log_error(LOG_LEVEL_CRIT,
              "admin: a change is stored and cannot be put in force, the former configuration is: "
              "reload tells why");
    return false;
}

/* What is prepared is what the dao has. */
static bool commit(struct batch *batch, bool was_in_force)
{
    struct kong_error error = { 0 };
    bool is_in_force;

    if (dao_commit(batch->dao, &error) < 0) {
        kong_error_done(&error);
        tell_commit_failed(batch);
        discard(batch);
        if (was_in_force)
            batch->of->generation = dao_generation(batch->dao);
        answer_all_changes(batch, answer_unexpected);
        return false;
    }
    is_in_force = install(batch);
    if (is_in_force)
        batch->of->generation = dao_generation(batch->dao);
    else
        answer_all_changes(batch, answer_unexpected);
    return is_in_force;
}

/* Of what others have written: each request that meets it, else once a minute. */
static void tell_unreadable(struct batch *batch, const char *reason)
{
    uint64_t now_ms = clock_now_ms(), untold;

    if (batch->count == 0 && !log_rate_allows(&batch->of->locked_told, now_ms, &untold))
        return;
    batch->of->locked_told.next_at_ms = now_ms + UNREADABLE_TOLD_INTERVAL_MS;
    log_error(LOG_LEVEL_ERROR,
              "what another process has written into %s cannot be read, the configuration before "
              "it is in force: %s",
              config_store_name(&batch->of->gateway->config), reason);
}

/* Locked for too long, not writable, damaged ... */
static bool begin(struct batch *batch)
{
    const struct store *store = batch->of->gateway->config.store;
    const char *of_store = store ? store_error(store) : "";
    struct kong_error error = { 0 };

    if (dao_begin(batch->dao, &error) == 0)
        return true;
    if (batch->count > 0 && *of_store)
        tell_commit_failed(batch);
    else
        tell_unreadable(batch, *of_store       ? of_store
                               : error.message ? error.message
                                               : "out of memory");
    kong_error_done(&error);
    for (size_t i = 0; i < batch->count; i++)
        answer_unexpected(&batch->jobs[i]);
    return false;
}

/* ---- the ways through ---------------------------------------------------------------------- */

/* Each is tried alone, on top of those that were good. */
static bool run_one_by_one(struct batch *batch)
{
    bool was_in_force, is_prepared = false;

    if (!begin(batch))
        return false;
    was_in_force = dao_generation(batch->dao) == batch->of->generation;
    for (size_t i = 0; i < batch->count; i++) {
        struct job *job = &batch->jobs[i];
        size_t step = dao_step(batch->dao);

        handle(batch, job);
        if (!job->answer.is_change)
            continue;
        is_prepared = prepare(batch);
        if (is_prepared)
            continue;
        blame(batch, job);
        dao_undo_step(batch->dao, step);
    }
    if (!is_prepared && dao_has_changes(batch->dao))
        is_prepared = prepare(batch);
    if (is_prepared)
        return commit(batch, was_in_force);
    discard(batch);
    roll_back(batch, was_in_force);
    answer_all_changes(batch, batch->is_closed ? answer_ending : answer_unexpected);
    return false;
}

/* What others have written is not in force, and the log says so once. */
static void tell_others(struct batch *batch, unsigned long long generation)
{
    bool is_guilty;
    char reason[CONFIG_MESSAGE_MAX + 256] = "out of memory";

    if (batch->of->told == generation || batch->is_closed)
        return;
    batch->of->told = generation;
    (void)reason_of(batch, reason, sizeof(reason), &is_guilty);
    log_error(LOG_LEVEL_ERROR,
              "what another process has written into %s cannot be put in force, the former "
              "configuration is: %s",
              config_store_name(&batch->of->gateway->config), reason);
}

static bool any_change(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->jobs[i].answer.is_change)
            return true;
    return false;
}

static bool run_together(struct batch *batch)
{
    unsigned long long generation;
    bool was_in_force;

    if (!begin(batch))
        return false;
    generation = dao_generation(batch->dao);
    was_in_force = generation == batch->of->generation;
    for (size_t i = 0; i < batch->count; i++)
        handle(batch, &batch->jobs[i]);
    if (was_in_force && !any_change(batch)) {
        roll_back(batch, true);
        return false;
    }
    if (prepare(batch))
        return commit(batch, was_in_force);
    discard(batch);
    roll_back(batch, was_in_force);
    if (!any_change(batch)) {
        tell_others(batch, generation);
        return false;
    }
    return run_one_by_one(batch);
}

/* ---- public -------------------------------------------------------------------------------- */

bool config_batch_run(struct config_batches *batches, struct admin_question *const *questions,
                      size_t count)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    bool is_in_force;

    if (!batch) {
        for (size_t i = 0; i < count; i++)
            admin_question_answer(questions[i], NULL);
        return false;
    }
    batch->of = batches;
    batch->dao = batches->admin.dao;
    for (size_t i = 0; i < count; i++)
        batch->jobs[batch->count++].question = questions[i];
    is_in_force = run_together(batch);
    drop_publication(batch);
    send_answers(batch);
    free(batch);
    return is_in_force;
}

void config_batch_read(struct config_batches *batches, struct admin_question *question)
{
    struct admin_answer answer = { 0 };

    (void)admin_handle(&batches->admin, &question->request, &answer); /* as handle() */
    admin_question_answer(question, &answer);
}
