#include "tools/lab/case_play.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/file.h"
#include "tools/lab/case_place.h"
#include "tools/probe/wire.h"

enum {
    PATIENCE_MIN_MS = 5000, /* real: a busy machine is no fault of the chain */
    CONTENT_BYTES_MAX = 4 * 1024 * 1024,
    CONTENT_KEPT_MAX = 64 * 1024,
    LOOK_MS = 100,
    SENT_LOOK_MS = 10,
    WARM_TIMES_MAX = 5,
};

/* ---- one request --------------------------------------------------------------------------- */

static char *read_text(const char *folder, const char *name, const char *file)
{
    char path[LAB_PATH_MAX * 2], *text = NULL;
    struct config_errors errors;
    size_t length;

    snprintf(path, sizeof(path), "%s/%s%s%s", folder, name ? name : "", name ? "/" : "", file);
    config_errors_init(&errors);
    (void)file_read(path, 1 << 20, &text, &length, &errors);
    config_errors_done(&errors);
    return text;
}

static struct tls_probe *make_tls(const struct lab_run *run, struct tls_error *reterr)
{
    const char *certificate = run->chain->client.certificate;
    char *ca = read_text(run->pki_folder, NULL, "ca.pem");
    char *chain = certificate ? read_text(run->pki_folder, certificate, "chain.pem") : NULL;
    char *key = certificate ? read_text(run->pki_folder, certificate, "key.pem") : NULL;
    struct tls_probe *tls =
        tls_probe_create(&(struct tls_probe_settings){ .server_name = run->chain->client.host,
                                                       .expected_name = run->chain->client.host,
                                                       .ca_pem = ca,
                                                       .certificate = { chain, key },
                                                       .now_s = (int64_t)time(NULL) },
                         reterr);

    free(ca);
    free(chain);
    free(key);
    return tls;
}

/* A client that keeps its connection while the first hop does. */
struct client {
    const struct lab_run *run;
    struct chain_place front;
    struct tls_probe *tls; /* NULL: plain, or not made yet */
    struct wire wire;
    bool is_connected;
    bool of_case; /* what goes before is marked, to be told from the case's own request */
};

static void client_leave(struct client *client)
{
    if (client->is_connected)
        wire_close(&client->wire);
    client->is_connected = false;
}

/* Readable means that the hop has closed, or said what nobody asked for. */
static bool client_may_go_on(const struct client *client)
{
    struct pollfd one = { .fd = client->wire.fd, .events = POLLIN };

    return client->is_connected && poll(&one, 1, 0) == 0;
}

/* As any client but a careless one: nothing is sent to who cannot prove its name. */
static bool is_trusted(struct wire *wire, struct probe_result *result)
{
    const struct cert_problem *worst;

    if (tls_probe_examine(wire->tls, &result->tls) < 0) {
        probe_fail(result, "memory", "out of memory");
        return false;
    }
    result->has_tls = true;
    worst = cert_report_worst(&result->tls.problems);
    if (worst && cert_problem_breaks(worst->kind))
        probe_fail(result, cert_problem_name(worst->kind), "%s", worst->text);
    else if (result->tls.verify_error != 0)
        probe_fail(result, "untrusted", "the chain does not verify: %s", result->tls.verify_text);
    return !probe_has_failed(result);
}

static bool client_connect(struct client *client, const struct probe_options *options,
                           struct probe_result *result)
{
    struct tls_probe_failure failure = { .kind = "tls", .text = "" };
    struct tls_error error;

    if (client_may_go_on(client))
        return true;
    client_leave(client);
    if (client->front.tls && !client->tls && !(client->tls = make_tls(client->run, &error))) {
        probe_fail(result, "tls", "TLS cannot be set up");
        return false;
    }
    if (wire_connect(options, &client->wire, result) < 0)
        return false;
    client->is_connected = true;
    if (!client->tls)
        return true;
    client->wire.tls = tls_probe_open(client->tls, client->wire.fd, options->deadline_ms, &failure);
    if (!client->wire.tls)
        probe_fail(result, failure.kind, "%s", failure.text);
    return client->wire.tls && is_trusted(&client->wire, result);
}

/* The answer does not say that it is the last one. */
static bool is_kept_open(const struct probe_answer *answer)
{
    struct slice rest = { answer->heads, answer->heads_length }, line;

    while (probe_next_line(&rest, &line))
        if (slice_equal_nocase(line, SLICE("Connection: close")))
            return false;
    return answer->complete;
}

static void exchange(struct client *client, const struct probe_options *options,
                     struct probe_result *result)
{
    if (client_connect(client, options, result))
        wire_exchange(&client->wire, options, result);
    if (!is_kept_open(&result->answer))
        client_leave(client);
}

static void tell_end(const struct probe_result *result, struct case_answer *answer)
{
    const char *kind = result->kind ? result->kind : "";
    bool has_begun = result->answer.status != 0;

    if (result->answer.complete)
        kind = "complete";
    else if (has_begun && (!kind[0] || strcmp(kind, "closed") == 0))
        kind = "cut";
    else if (has_begun && strcmp(kind, "bad-answer") == 0)
        kind = "broken";
    snprintf(answer->end, sizeof(answer->end), "%s", kind[0] ? kind : "closed");
    if (!result->answer.complete)
        snprintf(answer->detail, sizeof(answer->detail), "%.399s", result->verdict);
}

static uint64_t patience_ms(const struct chain *chain)
{
    int64_t stated_ms = chain->client.timeout_ms;
    uint64_t ms = (uint64_t)(stated_ms > 0 ? stated_ms : CASE_PATIENCE_S * 1000) /
                  (uint64_t)chain->time_scale;

    if (stated_ms > 0)
        return ms > 0 ? ms : 1;
    return ms < PATIENCE_MIN_MS ? PATIENCE_MIN_MS : ms;
}

/* Of a request that goes before the name of its case ends in "-warm", see case_entities. */
static void set_fields(const struct case_request *request, bool goes_before, char *marked,
                       size_t marked_size, struct probe_options *options)
{
    for (size_t i = 0; i < request->fields_count && i < PROBE_HEADERS_MAX - 2; i++) {
        const char *field = request->fields[i];

        if (goes_before && strncmp(field, CASE_FIELD ":", strlen(CASE_FIELD ":")) == 0) {
            snprintf(marked, marked_size, "%s-warm", field);
            field = marked;
        }
        options->headers[options->headers_count++] = field;
    }
    if (request->before_count > 0)
        options->headers[options->headers_count++] = "Connection: keep-alive";
}

static void send_one(struct client *client, const struct case_request *request, bool goes_before,
                     struct case_answer *ret)
{
    const struct lab_run *run = client->run;
    const char *host = client->front.tls ? run->chain->client.host : run->places[0].address;
    uint64_t patience = patience_ms(run->chain);
    char port[8], authority[300], address[64], marked[128], target[CASE_PATH_MAX];
    struct probe_options options = { .tls = client->front.tls,
                                     .host = address,
                                     .port = port,
                                     .authority = authority,
                                     .target = target,
                                     .method = request->method,
                                     .content = request->content,
                                     .content_length = request->content_length,
                                     .timeout_ms = patience,
                                     .deadline_ms = wire_now_ms() + patience,
                                     .content_bytes_max = CONTENT_BYTES_MAX,
                                     .content_kept_max = CONTENT_KEPT_MAX };
    struct probe_result result = { 0 };
    double begin_ms = wire_now_exact_ms();

    snprintf(address, sizeof(address), "%s", client->front.address);
    snprintf(port, sizeof(port), "%u", client->front.port);
    snprintf(authority, sizeof(authority), "%.255s:%u", host, run->places[0].port);
    snprintf(target, sizeof(target), "%s%s", request->path,
             goes_before && client->of_case ? "-warm" : "");
    set_fields(request, goes_before, marked, sizeof(marked), &options);
    exchange(client, &options, &result);
    *ret = (struct case_answer){ .status = result.answer.status,
                                 .ms = wire_now_exact_ms() - begin_ms,
                                 .content_bytes = result.answer.content_bytes };
    tell_end(&result, ret);
    ret->heads = result.answer.heads;
    ret->heads_length = result.answer.heads_length;
    ret->content = result.answer.content;
    ret->content_length = result.answer.content_length;
    result.answer.heads = result.answer.content = NULL;
    probe_result_done(&result);
}

/* False: told to end. */
static bool pause_for(const struct lab_run *run, int64_t stated_ms)
{
    struct pollfd one = { .fd = run->signal_fd, .events = POLLIN };

    return stated_ms <= 0 || poll(&one, 1, (int)(stated_ms / run->chain->time_scale)) == 0;
}

void case_send(const struct lab_run *run, const struct lab_case *one,
               const struct case_request *request, struct case_answer *ret)
{
    struct client client = { .run = run,
                             .front = case_place_in_front(one, run),
                             .of_case = one != NULL };
    struct case_answer unused;
    bool goes_on = true;

    for (unsigned i = 0; goes_on && i < request->before_count; i++) {
        send_one(&client, request, true, &unused);
        case_answer_done(&unused);
        goes_on = pause_for(run, request->pause_ms);
    }
    send_one(&client, request, false, ret);
    client_leave(&client);
    tls_probe_free(client.tls);
}

struct sending {
    const struct lab_run *run;
    const struct lab_case *one;
    const struct case_request *request;
    struct case_answer *answer;
    atomic_bool is_done;
};

static void *send_it(void *owner)
{
    struct sending *sending = owner;

    case_send(sending->run, sending->one, sending->request, sending->answer);
    atomic_store(&sending->is_done, true);
    return NULL;
}

bool case_send_unless_told_to_end(struct lab_run *run, const struct lab_case *one,
                                  const struct case_request *request, struct case_answer *ret)
{
    struct sending sending = { .run = run, .one = one, .request = request, .answer = ret };
    struct pollfd signals = { .fd = run->signal_fd, .events = POLLIN };
    bool told_to_end = false;
    pthread_t thread;

    if (pthread_create(&thread, NULL, send_it, &sending) != 0)
        (void)send_it(&sending);
    else {
        while (!told_to_end && !atomic_load(&sending.is_done))
            told_to_end = poll(&signals, 1, SENT_LOOK_MS) > 0;
        if (told_to_end)
            lab_run_drain(run, 0); /* ends the connection, and with it the wait */
        (void)pthread_join(thread, NULL);
    }
    return !told_to_end;
}

void case_answer_done(struct case_answer *answer)
{
    free(answer->heads);
    free(answer->content);
    *answer = (struct case_answer){ .status = 0 };
}

/* ---- all ----------------------------------------------------------------------------------- */

struct play {
    const struct case_plan *plan;
    struct lab_run *run;
    struct case_answer *answers;
    atomic_size_t next, done;
    atomic_bool is_over;
};

static void send_as(const struct play *play, const struct lab_case *one, bool warm,
                    struct case_answer *ret)
{
    const char *path = play->plan->chain->client.path;
    const char *suffix = warm ? "-warm" : "";
    static const char content[] = "a request with content";
    bool has_content =
        !warm && (strcmp(one->method, "POST") == 0 || strcmp(one->method, "PUT") == 0 ||
                  strcmp(one->method, "PATCH") == 0);
    char target[512], field[64];
    struct case_request request = { .method = warm ? "GET" : one->method,
                                    .path = target,
                                    .fields = { field, "Content-Type: text/plain" },
                                    .fields_count = has_content ? 2 : 1,
                                    .content = has_content ? content : NULL,
                                    .content_length = strlen(content) };

    /* in the path as well, by which logs are joined where a wire hides the connection */
    snprintf(target, sizeof(target), "%.400s%ccase=%s%s", path, strchr(path, '?') ? '&' : '?',
             one->name, suffix);
    snprintf(field, sizeof(field), CASE_FIELD ": %s%s", one->name, suffix);
    case_send(play->run, one, &request, ret);
}

/* Connections that nobody has used for CASE_PAUSE_MS. False: it became far more, since the machine had other
 * things to do, and hops may have let go of them. */
static bool warm_up(const struct play *play, const struct lab_case *one)
{
    int64_t scale = play->plan->chain->time_scale;
    struct case_answer unused;
    double begin_ms;

    send_as(play, one, true, &unused);
    case_answer_done(&unused);
    begin_ms = wire_now_exact_ms();
    (void)poll(NULL, 0, (int)(CASE_PAUSE_MS / scale));
    return (wire_now_exact_ms() - begin_ms) * (double)scale < CASE_PAUSE_MS + CASE_PAUSE_LATE_MS;
}

static void play_one(const struct play *play, size_t i)
{
    const struct lab_case *one = &play->plan->cases[i];

    for (int tries = 0; one->warm && tries < WARM_TIMES_MAX && !warm_up(play, one); tries++)
        continue;
    send_as(play, one, false, &play->answers[i]);
}

static void *play_some(void *owner)
{
    struct play *play = owner;

    while (!atomic_load(&play->is_over)) {
        size_t i = atomic_fetch_add(&play->next, 1);

        if (i >= play->plan->count)
            break;
        play_one(play, i);
        atomic_fetch_add(&play->done, 1);
    }
    return NULL;
}

bool case_play_all(const struct case_plan *plan, struct lab_run *run, struct case_answer *answers,
                   void (*on_progress)(size_t done, size_t all))
{
    struct play play = { .plan = plan, .run = run, .answers = answers };
    pthread_t threads[CASE_JOBS];
    size_t count = 0;
    bool told_to_end = false;

    while (count < CASE_JOBS && count < plan->count &&
           pthread_create(&threads[count], NULL, play_some, &play) == 0)
        count++;
    if (count == 0)
        (void)play_some(&play);
    while (!told_to_end && atomic_load(&play.done) < plan->count) {
        struct pollfd one = { .fd = run->signal_fd, .events = POLLIN };

        told_to_end = poll(&one, 1, LOOK_MS) > 0;
        if (on_progress)
            on_progress(atomic_load(&play.done), plan->count);
    }
    atomic_store(&play.is_over, true);
    if (told_to_end)
        lab_run_drain(run, 0); /* nobody is to wait for answers any more */
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    return !told_to_end;
}
