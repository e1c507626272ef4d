#include "proxy/gateway/config_batch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "proxy/gateway/admin_audit.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/worker/admin_question.h"

enum { UNREADABLE_TOLD_INTERVAL_MS = 60 * 1000 }; /* it lasts until somebody mends it */

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
    bool has_publication, is_closed;       /* closed: the hop ends, nothing comes into force */
    bool is_prepared;                      /* the publication is of the entities as they are now */
    bool is_in_force_already;              /* nothing of it touches traffic */
    char reason[CONFIG_MESSAGE_MAX + 512]; /* why something failed, for the answers */
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

__attribute__((format(printf, 3, 4))) static void answer_message(struct job *job, unsigned status,
                                                                 const char *format, ...)
{
    char message[CONFIG_MESSAGE_MAX + 1024];
    va_list args;
    json_t *text;

    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    text = json_string(message);
    if (!text) /* a name that was cut within a character */
        text = json_string("An unexpected error occurred");
    replace_answer(job, status, json_pack("{s:o}", "message", text));
}

/* What is the node's fault. Kong says "An unexpected error occurred", which helps nobody. */
static void answer_nothing_changed(struct job *job, const char *reason)
{
    answer_message(job, 500, "nothing was changed: %s", reason);
}

static void answer_all_changes(struct batch *batch, void (*answer)(struct job *, const char *))
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->jobs[i].answer.is_change)
            answer(&batch->jobs[i], batch->reason);
}

static void answer_ending(struct job *job, const char *reason)
{
    (void)reason;
    answer_message(job, 503, job->answer.is_whole ? "Kong currently exiting" : "shutting down");
}

/* RFC 9110 15.3.3: accepted, and not completed. The entity is what it will be. */
static void answer_stored(struct job *job, const char *reason)
{
    json_t *audit = TAKE(job->audit);
    struct admin_field *field = &job->answer.fields[job->answer.fields_count];

    if (!job->answer.content)
        answer_message(job, 202, "the change is stored, and not in force yet: %s", reason);
    job->answer.status = 202;
    job->answer.is_change = true; /* for the audit */
    job->audit = audit;
    if (job->answer.fields_count == ADMIN_FIELDS_MAX ||
        asprintf(&field->value, "stored, not in force yet: %s", reason) < 0)
        return;
    field->name = "X-Hopgate-Change";
    job->answer.fields_count++;
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

/* Without a store a reload may put something else in force at any time. */
static uint64_t version_in_force(const struct batch *batch)
{
    const struct config_store *config = &batch->of->gateway->config;

    return config->store ? config->in_force : 0;
}

/* Whether the entities as they are now can be in force: see publication.errors. */
static bool compile(struct batch *batch)
{
    struct gateway *gateway = batch->of->gateway;
    struct publication *publication = &batch->publication;

    drop_publication(batch);
    *publication = (struct publication){ .gateway = gateway };
    batch->has_publication = true;
    if (config_store_publication(&gateway->config, version_in_force(batch), publication) < 0)
        return false;
    batch->is_in_force_already = !publication->config;
    if (batch->is_in_force_already)
        return true;
    if (!main_calls_ask(&gateway->main_calls, config_publish_prepare, publication) ||
        publication->is_ending) {
        batch->is_closed = true;
        return false;
    }
    return publication->done;
}

static bool prepare(struct batch *batch)
{
    batch->is_prepared = compile(batch);
    return batch->is_prepared;
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
static void find_reason(struct batch *batch, bool *ret_is_guilty)
{
    const struct config_errors *errors = &batch->publication.errors;

    *ret_is_guilty = false;
    (void)snprintf(batch->reason, sizeof(batch->reason), "out of memory");

    for (size_t i = 0; i < errors->count; i++) {
        const struct config_error *error = &errors->items[i];
        const char *file = error->place.file, *path = error->place.path;

        if (error->severity != CONFIG_ERROR)
            continue;
        *ret_is_guilty =
            is_of_entity(path) || (file && strcmp(file, batch->publication.source) == 0);
        (void)snprintf(batch->reason, sizeof(batch->reason), "%s%s%s", path ? path : "",
                       path && *path ? ": " : "", error->message);
        return;
    }
}

/* A schema violation of the entity as a whole, as Kong has it; or of a whole configuration. */
static void answer_guilty(struct job *job, const char *reason)
{
    json_t *fields = json_pack("{s:[s]}", "@entity", reason);
    struct kong_error error = { 0 };

    (void)(job->answer.is_whole ? kong_error_declarative(&error, fields)
                                : kong_error_schema_violation(&error, fields));
    replace_answer(job, error.status ? error.status : 400, kong_error_json(&error));
    kong_error_done(&error);
}

static void blame(struct batch *batch, struct job *job)
{
    bool is_guilty;

    find_reason(batch, &is_guilty);
    if (batch->is_closed) {
        answer_ending(job, NULL);
    } else if (is_guilty) {
        answer_guilty(job, batch->reason);
    } else {
        log_error(
            LOG_LEVEL_ERROR,
            "admin: a change was refused because the hop's own configuration cannot be put in "
            "force any more: %s; mend that, then repeat the change",
            batch->reason);
        answer_message(job, 500,
                       "nothing was changed, because the hop's own configuration cannot be put in "
                       "force any more: %s; mend that, then repeat the change",
                       batch->reason);
    }
}

/* ---- the end of a transaction -------------------------------------------------------------- */

/* Takes the error. The disk is full, may not be written, is damaged ... */
static void tell_store_failed(struct batch *batch, struct kong_error *error)
{
    (void)snprintf(batch->reason, sizeof(batch->reason), "%s",
                   error->message ? error->message : "out of memory");
    kong_error_done(error);
    if (batch->count > 0)
        log_error(LOG_LEVEL_CRIT, "admin: nothing was changed: %s; then repeat the request",
                  batch->reason);
}

/* What the extras name and the store does not have (any more): when it differs from what was told. */
static void tell_extras(struct batch *batch)
{
    const struct config_errors *errors = &batch->publication.errors;
    const char *file = config_extras_file(batch->publication.extras);
    char line[CONFIG_MESSAGE_MAX + 512], *told = NULL;
    size_t length;
    FILE *stream = file ? open_memstream(&told, &length) : NULL;

    for (size_t i = 0; stream && i < errors->count; i++)
        if (errors->items[i].place.file && strcmp(errors->items[i].place.file, file) == 0)
            (void)fprintf(stream, "%s\n", /* without memory it is told less */
                          config_error_format(&errors->items[i], line, sizeof(line)));
    if (stream && fclose(stream) != 0)
        return;
    if (told && (!batch->of->extras_told || strcmp(told, batch->of->extras_told) != 0))
        for (const char *at = told; *at; at += strcspn(at, "\n") + 1)
            log_error(LOG_LEVEL_WARN, "%.*s", (int)strcspn(at, "\n"), at);
    free(batch->of->extras_told);
    batch->of->extras_told = told;
}

static bool install(struct batch *batch)
{
    struct gateway *gateway = batch->of->gateway;
    bool is_guilty;

    if (!main_calls_ask(&gateway->main_calls, config_publish_install, &batch->publication))
        return true; /* the hop ends: what is durable is for the process after it */
    if (batch->publication.done) {
        gateway->config.in_force = batch->publication.version;
        return true;
    }
    find_reason(batch, &is_guilty);
    return false;
}

/* Whoever runs without requests knows already. */
static void tell_stored(struct batch *batch)
{
    batch->of->told = dao_generation(batch->dao);
    batch->of->lag_is_told |= batch->count > 0;
    if (batch->count > 0)
        log_error(LOG_LEVEL_CRIT,
                  "admin: a change is stored and cannot be put in force, the former configuration "
                  "is: %s; it is tried again until it can be",
                  batch->reason);
}

static void note_in_force(struct batch *batch)
{
    if (batch->of->lag_is_told)
        log_error(LOG_LEVEL_NOTICE, "what %s has is in force",
                  config_store_name(&batch->of->gateway->config));
    batch->of->lag_is_told = false;
    batch->of->generation = dao_generation(batch->dao);
    if (!batch->is_in_force_already)
        tell_extras(batch);
}

/* What is prepared is what the dao has. True: something was put in force. */
static bool commit(struct batch *batch, bool was_in_force)
{
    struct kong_error error = { 0 };

    if (dao_commit(batch->dao, &error) < 0) {
        tell_store_failed(batch, &error);
        discard(batch);
        if (was_in_force)
            batch->of->generation = dao_generation(batch->dao);
        answer_all_changes(batch, answer_nothing_changed);
        return false;
    }
    if (batch->is_in_force_already || install(batch)) {
        note_in_force(batch);
        return !batch->is_in_force_already;
    }
    tell_stored(batch);
    answer_all_changes(batch, answer_stored);
    return false;
}

/* 0; -EBUSY: another process has the store; -EIO: it cannot be used, which all are told. */
static int begin(struct batch *batch)
{
    const struct store *store = batch->of->gateway->config.store;
    struct kong_error error = { 0 };
    uint64_t now_ms = clock_now_ms(), untold;

    if (dao_begin(batch->dao, &error) == 0)
        return 0;
    if (store && store->failure == EBUSY) {
        kong_error_done(&error);
        return -EBUSY;
    }
    tell_store_failed(batch, &error);
    if (batch->count == 0 && log_rate_allows(&batch->of->failure_told, now_ms, &untold)) {
        batch->of->failure_told.next_at_ms = now_ms + UNREADABLE_TOLD_INTERVAL_MS;
        log_error(LOG_LEVEL_ERROR, "what another process has written cannot be read: %s",
                  batch->reason);
    }
    for (size_t i = 0; i < batch->count; i++)
        answer_nothing_changed(&batch->jobs[i], batch->reason);
    return -EIO;
}

/* ---- the ways through ---------------------------------------------------------------------- */

static bool any_change(const struct batch *batch, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        if (batch->jobs[i].answer.is_change)
            return true;
    return false;
}

static void run_halves(struct batch *batch, size_t first, size_t count);

/* These, on top of those that were good; as far as they cannot be in force they are undone. */
static void run_range(struct batch *batch, size_t first, size_t count)
{
    size_t step = dao_step(batch->dao);

    for (size_t i = first; i < first + count; i++)
        handle(batch, &batch->jobs[i]);
    if (!any_change(batch, first, count) || prepare(batch))
        return;
    if (count == 1)
        blame(batch, &batch->jobs[first]);
    dao_undo_step(batch->dao, step);
    if (count > 1)
        run_halves(batch, first, count);
}

static void run_halves(struct batch *batch, size_t first, size_t count)
{
    run_range(batch, first, count / 2);
    run_range(batch, first + count / 2, count - count / 2);
}

/* They do not go together: the guilty ones are found, half by half, and refused. */
static enum config_batch_result run_apart(struct batch *batch)
{
    bool was_in_force;
    int r = begin(batch);

    if (r < 0)
        return r == -EBUSY ? CONFIG_BATCH_LOCKED : CONFIG_BATCH_NOTHING;
    batch->is_prepared = false;
    was_in_force = dao_generation(batch->dao) == batch->of->generation;
    if (batch->count > 1)
        run_halves(batch, 0, batch->count);
    else
        run_range(batch, 0, 1);
    if (!batch->is_prepared && dao_has_changes(batch->dao))
        (void)prepare(batch);
    if (batch->is_prepared)
        return commit(batch, was_in_force) ? CONFIG_BATCH_IN_FORCE : CONFIG_BATCH_NOTHING;
    discard(batch);
    roll_back(batch, was_in_force);
    answer_all_changes(batch, batch->is_closed ? answer_ending : answer_nothing_changed);
    return CONFIG_BATCH_NOTHING;
}

/* What others have written is not in force, and the log says so once. */
static void tell_others(struct batch *batch, unsigned long long generation)
{
    bool is_guilty;

    if (batch->of->told == generation || batch->is_closed)
        return;
    batch->of->told = generation;
    batch->of->lag_is_told = true;
    find_reason(batch, &is_guilty);
    log_error(LOG_LEVEL_ERROR,
              "what another process has written into %s cannot be put in force, the former "
              "configuration is: %s",
              config_store_name(&batch->of->gateway->config), batch->reason);
}

static enum config_batch_result run_together(struct batch *batch)
{
    unsigned long long generation;
    bool was_in_force;
    int r = begin(batch);

    if (r < 0)
        return r == -EBUSY ? CONFIG_BATCH_LOCKED : CONFIG_BATCH_NOTHING;
    generation = dao_generation(batch->dao);
    was_in_force = generation == batch->of->generation;
    for (size_t i = 0; i < batch->count; i++)
        handle(batch, &batch->jobs[i]);
    if (was_in_force && !any_change(batch, 0, batch->count)) {
        roll_back(batch, true);
        return CONFIG_BATCH_NOTHING;
    }
    if (prepare(batch))
        return commit(batch, was_in_force) ? CONFIG_BATCH_IN_FORCE : CONFIG_BATCH_NOTHING;
    discard(batch);
    roll_back(batch, was_in_force);
    if (!any_change(batch, 0, batch->count)) {
        tell_others(batch, generation);
        return CONFIG_BATCH_NOTHING;
    }
    return run_apart(batch);
}

/* ---- public -------------------------------------------------------------------------------- */

static void drop_answers(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        admin_answer_done(&batch->jobs[i].answer);
        json_decref(TAKE(batch->jobs[i].audit));
    }
}

enum config_batch_result config_batch_run(struct config_batches *batches,
                                          struct admin_question *const *questions, size_t count)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    enum config_batch_result result;

    if (!batch) {
        for (size_t i = 0; i < count; i++)
            admin_question_answer(questions[i], NULL);
        return CONFIG_BATCH_NOTHING;
    }
    batch->of = batches;
    batch->dao = batches->admin.dao;
    for (size_t i = 0; i < count; i++)
        batch->jobs[batch->count++].question = questions[i];
    result = run_together(batch);
    drop_publication(batch);
    if (result == CONFIG_BATCH_LOCKED)
        drop_answers(batch);
    else
        send_answers(batch);
    free(batch);
    return result;
}

void config_batch_refuse_locked(struct config_batches *batches, struct admin_question *question)
{
    const struct store *store = batches->gateway->config.store;
    struct job job = { .question = question };

    answer_message(&job, 503, "nothing was changed: %s", store_error(store));
    admin_question_answer(question, &job.answer);
}

bool config_batches_lag(const struct config_batches *batches)
{
    return batches->generation != dao_generation(batches->admin.dao);
}

void config_batches_done(struct config_batches *batches)
{
    free(TAKE(batches->extras_told));
}

void config_batch_read(struct config_batches *batches, struct admin_question *question)
{
    struct admin_answer answer = { 0 };

    (void)admin_handle(&batches->admin, &question->request, &answer); /* as handle() */
    admin_question_answer(question, &answer);
}
