#include "tools/trace/log_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/trace/index.h"
#include "tools/trace/log_formats.h"

/* An error line may stand this long beside the access line of the same request: that one has whole
 * seconds, and is written at the end. */
enum { ERROR_LINE_MARGIN_US = 2000000, NGINX_PATIENCE_US = 600 * 1000000 };

struct error_entry {
    struct log_error_line said;
    struct sockaddr_storage reset; /* of an F5's line: whom it reset; family 0: another line */
    struct log_place place;
    struct slice line;
    struct error_entry *next;
};

struct log_error_lines {
    struct error_entry *first, *last;
};

struct log_error_lines *log_error_lines_new(struct trace *trace)
{
    struct log_error_lines *lines = arena_alloc(&trace->memory, sizeof(*lines));

    if (!lines) {
        trace->out_of_memory = true;
        return NULL;
    }
    *lines = (struct log_error_lines){ 0 };
    return lines;
}

/* ---- reading ---- */

typedef bool (*read_line)(struct trace *trace, const struct log_place *place, struct slice line,
                          struct trace_account **ret_account);

static void add_error_line(struct trace *trace, struct log_error_lines *errors,
                           const struct log_place *place, struct slice line)
{
    struct error_entry *entry = arena_alloc(&trace->memory, sizeof(*entry));

    if (!entry) {
        trace->out_of_memory = true;
        return;
    }
    *entry = (struct error_entry){ .place = *place, .line = trace_copy(trace, line) };
    if (!log_read_f5_reset(entry->line, &entry->reset))
        (void)log_read_nginx_error(entry->line, &entry->said); /* its slices outlive the buffer */
    if (errors->last)
        errors->last->next = entry;
    else
        errors->first = entry;
    errors->last = entry;
}

static void take_line(struct trace *trace, struct log_error_lines *errors,
                      const struct log_place *place, struct slice line)
{
    /* each shape excludes the others */
    static const read_line formats[] = {
        log_read_hopgate, log_read_relay,        log_read_lab,
        log_read_alb,     log_read_nginx_access, log_read_haproxy
    };
    struct sockaddr_storage reset;
    struct log_error_line said;

    trace->lines_count++;
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        struct trace_account *account = NULL;

        if (!formats[i](trace, place, line, &account))
            continue;
        if (account) {
            account->file = place->file;
            account->line = place->line;
            if (strcmp(account->format, "hopgate") != 0) /* its line is long, and never shown */
                account->text = trace_copy(trace, line);
            trace_account_add(trace, account);
        }
        return;
    }
    if (log_read_f5_reset(line, &reset) || log_read_nginx_error(line, &said))
        add_error_line(trace, errors, place, line);
    else
        trace->lines_skipped++;
}

static struct slice without_line_end(const char *text, size_t length)
{
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    return (struct slice){ text, length };
}

static int read_lines(struct trace *trace, struct log_error_lines *errors, struct log_place *place,
                      FILE *file)
{
    char *buffer = NULL;
    size_t capacity = 0;
    ssize_t length;
    int error;

    errno = 0;
    while (!trace->out_of_memory && (length = getline(&buffer, &capacity, file)) >= 0) {
        struct slice line = without_line_end(buffer, (size_t)length);

        place->line++;
        if (line.len > 0)
            take_line(trace, errors, place, line);
    }
    error = ferror(file) ? errno : 0;
    free(buffer);
    return error;
}

int log_read_file(struct trace *trace, struct log_error_lines *errors, const char *argument)
{
    const char *equals = strchr(argument, '=');
    const char *path = equals ? equals + 1 : argument;
    bool is_stdin = strcmp(path, "-") == 0;
    struct log_place place = { .file = path };
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    int error;

    if (!file) {
        (void)fprintf(stderr, "hopgate: %s: %s\n", path, strerror(errno));
        return CLI_FAILED;
    }
    if (equals)
        place.hop = (struct slice){ argument, (size_t)(equals - argument) };
    error = read_lines(trace, errors, &place, file);
    if (!is_stdin)
        (void)fclose(file);
    if (error)
        (void)fprintf(stderr, "hopgate: %s: %s\n", path, strerror(error));
    return error ? CLI_FAILED : CLI_OK;
}

/* ---- lines of error logs ---- */

static bool is_about(const struct error_entry *entry, const struct trace_account *account)
{
    const struct log_error_line *said = &entry->said;
    struct sockaddr_storage client = { 0 };
    struct slice method, target;

    if (!slice_equal(entry->place.hop, account->hop) && strcmp(account->format, "hopgate") != 0)
        return false;
    if (said->request_id.len > 0 && account->request_id.len > 0)
        return slice_equal(said->request_id, account->request_id);
    /* a hop of ours that stands for nginx writes no id into its error lines either */
    if (strcmp(account->format, "nginx") != 0 && strcmp(account->format, "hopgate") != 0)
        return false;
    trace_request_line(said->request, &method, &target);
    (void)addr_parse_ip(said->client, addr_port(&account->peer), &client);
    return slice_equal(method, account->method) && slice_equal(target, account->target) &&
           addr_equal(&client, &account->peer) &&
           said->at_us <= account->end_us + ERROR_LINE_MARGIN_US &&
           said->at_us >= account->end_us - NGINX_PATIENCE_US;
}

static bool has_request_id(const struct trace_account *account)
{
    return account->request_id.len > 0;
}

static int compare_request_ids(const struct trace_account *one, const struct trace_account *other)
{
    return trace_compare_text(one->request_id, other->request_id);
}

static bool has_target(const struct trace_account *account)
{
    return account->target.len > 0 && account->end_us != TRACE_NEVER;
}

static int compare_targets(const struct trace_account *one, const struct trace_account *other)
{
    int r = trace_compare_text(one->target, other->target);

    return r != 0 ? r : (one->end_us > other->end_us) - (one->end_us < other->end_us);
}

static bool has_peer(const struct trace_account *account)
{
    return trace_is_known(&account->peer);
}

static int compare_peers(const struct trace_account *one, const struct trace_account *other)
{
    return memcmp(&one->peer, &other->peer, sizeof(one->peer)); /* both were zeroed */
}

/* What error lines alone have told of; the last ones, to which further lines may belong. */
enum { RECENT_MAX = 64 };

struct attaching {
    struct trace_index ids, targets, peers;
    struct trace_account *recent[RECENT_MAX];
    unsigned recent_count; /* of all */
};

/* The one that ended first after the line. */
static struct trace_account *by_target(const struct attaching *attaching,
                                       const struct error_entry *entry)
{
    const struct trace_index *targets = &attaching->targets;
    struct trace_account key = { .end_us = entry->said.at_us - ERROR_LINE_MARGIN_US };
    struct slice method;

    trace_request_line(entry->said.request, &method, &key.target);
    for (size_t i = trace_index_first(targets, &key); i < targets->count; i++) {
        if (!slice_equal(targets->items[i]->target, key.target) ||
            targets->items[i]->end_us > entry->said.at_us + NGINX_PATIENCE_US)
            break;
        if (is_about(entry, targets->items[i]))
            return targets->items[i];
    }
    return NULL;
}

/* A reset ends a connection: the last request on it. */
static struct trace_account *by_reset(const struct attaching *attaching,
                                      const struct error_entry *entry)
{
    struct trace_account key = { .peer = entry->reset }, *found = NULL, *at;

    for (size_t i = trace_index_first(&attaching->peers, &key);
         (at = trace_index_same(&attaching->peers, i, &key)); i++)
        if ((entry->place.hop.len == 0 || slice_equal(entry->place.hop, at->hop)) &&
            (!found || at->request_number > found->request_number))
            found = at;
    return found;
}

static struct trace_account *account_of(const struct attaching *attaching,
                                        const struct error_entry *entry)
{
    struct trace_account key = { .request_id = entry->said.request_id };
    struct trace_account *at;

    for (size_t i = trace_index_first(&attaching->ids, &key);
         key.request_id.len > 0 && (at = trace_index_same(&attaching->ids, i, &key)); i++)
        if (is_about(entry, at))
            return at;
    for (unsigned i = 0; i < RECENT_MAX && i < attaching->recent_count; i++)
        if (is_about(entry, attaching->recent[i]))
            return attaching->recent[i];
    return key.request_id.len > 0 ? NULL : by_target(attaching, entry);
}

static struct trace_account *account_from(struct trace *trace, const struct error_entry *entry)
{
    struct trace_account *account = trace_account_new(trace);

    if (!account)
        return NULL;
    account->format = "nginx";
    account->file = entry->place.file;
    account->line = entry->place.line;
    account->text = entry->line;
    account->hop = entry->place.hop;
    account->precision_us = 1000000;
    account->request_id = entry->said.request_id;
    (void)addr_parse_ip(entry->said.client, 0, &account->peer);
    trace_request_line(entry->said.request, &account->method, &account->target);
    trace_account_add(trace, account);
    return account;
}

/* "http://10.0.0.7:8080/path" */
static void read_upstream(struct trace *trace, struct slice url, struct trace_account *account,
                          struct trace_try *try)
{
    struct slice path = trace_origin_form(url);
    const char *colon = url.len > 3 ? memmem(url.ptr, url.len, "://", 3) : NULL;
    struct slice authority;

    if (!colon)
        return;
    authority = slice_from(url, (size_t)(colon - url.ptr) + 3);
    if (path.ptr >= url.ptr && path.ptr < url.ptr + url.len)
        authority.len -= path.len;
    (void)addr_parse(authority, 80, &try->target);
    try->target_name = trace_copy(trace, authority);
    account->upstream_target = trace_copy(trace, path);
}

static void add_failed_try(struct trace *trace, const struct error_entry *entry,
                           struct trace_account *account)
{
    const struct log_error_line *said = &entry->said;
    struct trace_try *try;

    if (account->error.len == 0)
        account->error = entry->line;
    if (said->reason == END_REASON_COUNT || strcmp(account->format, "hopgate") == 0)
        return;
    if (end_reason_info(said->reason)->hop == END_HOP_UPSTREAM && said->upstream.len > 0) {
        try = trace_try_new(trace, account);
        try->end_us = said->at_us;
        try->reason = said->reason;
        try->detail = said->detail;
        try->passed_id = account->request_id;
        read_upstream(trace, said->upstream, account, try);
    }
    if (account->end_us == TRACE_NEVER || account->end_us < said->at_us)
        account->end_us = said->at_us;
    if (account->status >= 400 || account->status == 0) {
        account->reason = said->reason;
        account->detail = said->detail;
        account->made_here = account->status != 0;
    }
}

bool log_attach_errors(struct trace *trace, struct log_error_lines *errors)
{
    struct attaching attaching = { .recent_count = 0 };
    bool made = trace_index_make(&attaching.ids, trace, has_request_id, compare_request_ids);

    made = trace_index_make(&attaching.targets, trace, has_target, compare_targets) && made;
    made = trace_index_make(&attaching.peers, trace, has_peer, compare_peers) && made;
    for (struct error_entry *entry = errors->first; made && entry; entry = entry->next) {
        bool is_reset = entry->reset.ss_family != 0;
        struct trace_account *account =
            is_reset ? by_reset(&attaching, entry) : account_of(&attaching, entry);

        if (!account && entry->said.request.len > 0) {
            account = account_from(trace, entry);
            attaching.recent[attaching.recent_count++ % RECENT_MAX] = account;
            made = account != NULL;
        }
        if (account)
            add_failed_try(trace, entry, account);
    }
    trace_index_done(&attaching.ids);
    trace_index_done(&attaching.targets);
    trace_index_done(&attaching.peers);
    return made;
}
