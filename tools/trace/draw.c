#include "tools/trace/draw.h"

#include <stdlib.h>
#include <string.h>

#include "tools/trace/causes.h"

enum {
    COLUMNS = 100,
    FIRST_LANE = 13, /* behind the time */
    LAST_NAME = 22,  /* of the last lane: an address */
    LANES_MAX = 8,
    LANE_WIDTH_MAX = 24,
    EVENTS_MAX = 256,
    LABEL_MAX = 96
};

enum event_kind { EVENT_ARROW, EVENT_BROKEN_ARROW, EVENT_NOTE };

struct event {
    enum event_kind kind;
    unsigned from, to; /* lanes; a note stands at `from` */
    int64_t at_us;     /* NEVER: right behind the one before */
    char label[LABEL_MAX];
};

struct picture {
    const struct trace_account
        *lanes[LANES_MAX]; /* hops; lane 0, the client's, and the servers' are
                                                     NULL */
    unsigned lanes_count;
    unsigned servers_lane; /* 0: none */
    char servers[ADDR_TEXT_MAX];
    struct event events[EVENTS_MAX];
    unsigned events_count;
    int64_t begin_us;
};

/* ---- what happened ---- */

static struct event *add_event(struct picture *picture, enum event_kind kind, unsigned from,
                               unsigned to, int64_t at_us)
{
    static struct event surplus;
    struct event *event =
        picture->events_count < EVENTS_MAX ? &picture->events[picture->events_count++] : &surplus;

    *event = (struct event){ .kind = kind, .from = from, .to = to, .at_us = at_us };
    return event;
}

/* A hop has one lane, however often it was asked. */
static unsigned lane_of(struct picture *picture, const struct trace_account *account)
{
    for (unsigned i = 1; i < picture->lanes_count; i++)
        if (picture->lanes[i] && slice_equal(picture->lanes[i]->hop, account->hop) &&
            (account->hop.len > 0 || picture->lanes[i] == account))
            return i;
    if (picture->lanes_count == LANES_MAX)
        return LANES_MAX - 1;
    picture->lanes[picture->lanes_count] = account;
    return picture->lanes_count++;
}

static void find_lanes(struct picture *picture, const struct trace_account *account, unsigned depth,
                       bool *ret_has_servers)
{
    (void)lane_of(picture, account);
    for (unsigned i = 0; i < account->tries_count; i++) {
        if (!account->tries[i].next)
            *ret_has_servers = true;
        else if (depth < LANES_MAX)
            find_lanes(picture, account->tries[i].next, depth + 1, ret_has_servers);
    }
}

static const char *broken_word(enum end_reason reason)
{
    switch (reason) {
    case END_CONNECT_REFUSED:
        return "refused";
    case END_CONNECT_FAILED:
        return "unreachable";
    case END_UPSTREAM_HEAD_CLOSED:
    case END_UPSTREAM_BODY_CLOSED:
        return "closed";
    case END_UPSTREAM_HEAD_RESET:
    case END_UPSTREAM_BODY_RESET:
        return "reset";
    default:
        return "failed";
    }
}

/* A failed try has the status that it stands for; that is no answer of the target. */
static bool has_answered(const struct trace_try *try)
{
    const struct end_reason_info *info = end_reason_info(try->reason);

    return try->status != 0 && (try->reason == END_OK || try->reason == END_UPSTREAM_STATUS ||
                                info->phase == END_PHASE_READING_BODY ||
                                (info->hop == END_HOP_CLIENT && try->head_us != TRACE_NEVER));
}

static void add_end_of_try(struct picture *picture, const struct trace_account *account,
                           const struct trace_try *try, unsigned from, unsigned to)
{
    const struct cause *cause = cause_of(try->reason, try->reused);
    int64_t end_us = trace_at(account, try->end_us);
    struct event *event;

    if (has_answered(try)) {
        event =
            add_event(picture, EVENT_ARROW, to, from,
                      trace_at(account, try->head_us != TRACE_NEVER ? try->head_us : try->end_us));
        (void)snprintf(event->label, LABEL_MAX, "%u", try->status);
    }
    if (try->reason == END_OK || end_reason_info(try->reason)->hop == END_HOP_CLIENT)
        return;
    if (cause->is_wait) {
        event = add_event(picture, EVENT_NOTE, from, from, end_us);
        (void)snprintf(event->label, LABEL_MAX, "gives up: it %s", cause->what);
        return;
    }
    event = add_event(picture, EVENT_BROKEN_ARROW, to, from, end_us);
    (void)snprintf(event->label, LABEL_MAX, "%s", broken_word(try->reason));
}

static void add_account(struct picture *picture, const struct trace_account *account,
                        unsigned depth)
{
    unsigned lane = lane_of(picture, account);

    for (unsigned i = 0; i < account->tries_count; i++) {
        const struct trace_try *try = &account->tries[i];
        unsigned to = try->next ? lane_of(picture, try->next) : picture->servers_lane;
        struct event *event =
            add_event(picture, EVENT_ARROW, lane, to, trace_at(account, try->begin_us));

        if (i == 0)
            (void)snprintf(event->label, LABEL_MAX, "%.*s", SLICE_ARG(account->method));
        else
            (void)snprintf(event->label, LABEL_MAX, "try %u",
                           account->tries_made - account->tries_count + i + 1);
        if (try->next && depth < LANES_MAX)
            add_account(picture, try->next, depth + 1);
        add_end_of_try(picture, account, try, lane, to);
    }
    if (account->reason == END_CLIENT_ABORTED)
        (void)snprintf(
            add_event(picture, EVENT_NOTE, lane, lane, trace_at(account, account->end_us))->label,
            LABEL_MAX, "who asked is gone");
}

static void add_front(struct picture *picture, const struct trace_account *root)
{
    struct event *event = add_event(picture, EVENT_ARROW, 0, 1, root->begin_us);

    (void)snprintf(event->label, LABEL_MAX, "%.*s", SLICE_ARG(root->method));
    add_account(picture, root, 0);
    if (root->reason == END_CLIENT_ABORTED)
        return;
    event = add_event(picture, root->status != 0 ? EVENT_ARROW : EVENT_BROKEN_ARROW, 1, 0,
                      root->head_us != TRACE_NEVER ? root->head_us : root->end_us);
    if (root->status != 0)
        (void)snprintf(event->label, LABEL_MAX, "%u", root->status);
    else
        (void)snprintf(event->label, LABEL_MAX, "reset");
}

/* Those without an instant stay where they are told; insertion sort keeps the order of equals. */
static void sort_events(struct picture *picture)
{
    int64_t last_us = picture->begin_us;

    for (unsigned i = 0; i < picture->events_count; i++) {
        struct event *event = &picture->events[i];

        last_us = event->at_us != TRACE_NEVER ? event->at_us : last_us;
        event->at_us = last_us;
    }
    for (unsigned i = 1; i < picture->events_count; i++) {
        struct event moved = picture->events[i];
        unsigned k = i;

        for (; k > 0 && picture->events[k - 1].at_us > moved.at_us; k--)
            picture->events[k] = picture->events[k - 1];
        picture->events[k] = moved;
    }
}

/* ---- rows ---- */

static unsigned lane_column(const struct picture *picture, unsigned lane)
{
    unsigned width = (COLUMNS - FIRST_LANE - LAST_NAME) /
                     (picture->lanes_count > 1 ? picture->lanes_count - 1 : 1);

    return FIRST_LANE + lane * (width < LANE_WIDTH_MAX ? width : LANE_WIDTH_MAX);
}

static void begin_row(const struct picture *picture, char row[COLUMNS + 1])
{
    memset(row, ' ', COLUMNS);
    row[COLUMNS] = '\0';
    for (unsigned lane = 0; lane < picture->lanes_count; lane++)
        row[lane_column(picture, lane)] = '|';
}

/* Printable ASCII only; cut at the edge. */
static void put(char row[COLUMNS + 1], unsigned at, const char *text, unsigned room)
{
    for (unsigned i = 0; text[i] && i < room && at + i < COLUMNS; i++)
        row[at + i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
}

static void put_arrow(const struct picture *picture, const struct event *event,
                      char row[COLUMNS + 1])
{
    unsigned from = lane_column(picture, event->from);
    unsigned to = lane_column(picture, event->to);
    unsigned low = from < to ? from : to;
    unsigned high = from < to ? to : from;
    unsigned length = (unsigned)strlen(event->label);
    unsigned room = high > low + 5 ? high - low - 5 : 0;

    if (high == low)
        return;
    memset(row + low + 1, '-', high - low - 1);
    if (from < to)
        row[high - 1] = '>';
    else
        row[low + 1] = event->kind == EVENT_BROKEN_ARROW ? 'x' : '<';
    length = length < room ? length : room;
    put(row, low + 1 + (high - low - 1 - length) / 2, event->label, length);
}

static void print_row(FILE *out, char row[COLUMNS + 1])
{
    size_t length = COLUMNS;

    while (length > 0 && row[length - 1] == ' ')
        row[--length] = '\0';
    (void)fprintf(out, "%s\n", row);
}

static void print_names(const struct picture *picture, FILE *out)
{
    char row[COLUMNS + 1];
    char name[64];

    memset(row, ' ', COLUMNS);
    row[COLUMNS] = '\0';
    for (unsigned lane = 0; lane < picture->lanes_count; lane++) {
        const struct trace_account *hop = picture->lanes[lane];
        unsigned column = lane_column(picture, lane);
        unsigned next = lane + 1 < picture->lanes_count ? lane_column(picture, lane + 1) : COLUMNS;

        if (hop && hop->hop.len > 0)
            (void)snprintf(name, sizeof(name), "%.*s", SLICE_ARG(hop->hop));
        else
            (void)snprintf(name, sizeof(name), "%s",
                           hop         ? hop->format
                           : lane == 0 ? "client"
                                       : picture->servers);
        put(row, column, name, next - column - 1);
    }
    put(row, 0, "ms", 2);
    print_row(out, row);
}

static void print_event(const struct picture *picture, const struct event *event, FILE *out)
{
    char row[COLUMNS + 1];
    char time[32];
    int64_t at_us = event->at_us - picture->begin_us;

    begin_row(picture, row);
    (void)snprintf(time, sizeof(time), "%7lld.%03lld", (long long)(at_us / 1000),
                   (long long)(llabs(at_us) % 1000));
    put(row, 0, time, FIRST_LANE - 1);
    if (event->kind == EVENT_NOTE)
        put(row, lane_column(picture, event->from) + 2, event->label, COLUMNS);
    else
        put_arrow(picture, event, row);
    print_row(out, row);
}

/* The servers behind: the address if there is only one. */
static void name_servers(struct picture *picture, const struct trace_account *account,
                         unsigned depth)
{
    char address[ADDR_TEXT_MAX];

    for (unsigned i = 0; i < account->tries_count && depth <= LANES_MAX; i++) {
        const struct trace_try *try = &account->tries[i];

        if (try->next) {
            name_servers(picture, try->next, depth + 1);
            continue;
        }
        (void)addr_format(&try->target, address, sizeof(address));
        if (picture->servers[0] == '\0' && trace_is_known(&try->target))
            (void)snprintf(picture->servers, sizeof(picture->servers), "%s", address);
        else if (strcmp(picture->servers, address) != 0)
            (void)snprintf(picture->servers, sizeof(picture->servers), "servers");
    }
}

void trace_draw(const struct trace_account *root, FILE *out)
{
    struct picture *picture = calloc(1, sizeof(*picture));
    bool has_servers = false;

    if (!picture)
        return;
    picture->lanes_count = 1;
    picture->begin_us = root->begin_us != TRACE_NEVER ? root->begin_us : root->end_us;
    find_lanes(picture, root, 0, &has_servers);
    if (has_servers) {
        picture->servers_lane =
            picture->lanes_count < LANES_MAX ? picture->lanes_count++ : LANES_MAX - 1;
        name_servers(picture, root, 0);
    }
    add_front(picture, root);
    sort_events(picture);
    print_names(picture, out);
    for (unsigned i = 0; i < picture->events_count; i++)
        print_event(picture, &picture->events[i], out);
    free(picture);
}
