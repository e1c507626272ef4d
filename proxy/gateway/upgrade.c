#include "proxy/gateway/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/clock.h"
#include "core/log.h"
#include "proxy/gateway/former.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/gateway/handover.h"
#include "proxy/gateway/service_notify.h"
#include "proxy/gateway/successor.h"
#include "proxy/worker/worker.h"
#include "proxy/worker/worker_handover.h"
#include "tls/ticket_keys.h"

/* Sockets of one address that a worker may have: more would need as many former workers. */
enum { SOCKETS_MAX = 1024 };

enum { SAID_MAX = 16 * 1024, EXIT_BAD_CONFIG = 78 };

enum upgrade_state { UPGRADE_STARTING, UPGRADE_PREPARING, UPGRADE_GOING, UPGRADE_LEFT };

struct upgrade {
    enum upgrade_state state;
    struct successor successor;
    unsigned timeout_s;
    uint64_t deadline_ms;
    bool *taken; /* of our virtual servers: the new process has their sockets */
    size_t taken_count;
    char given_up[96]; /* why it was killed; "": it was not */
    char said[SAID_MAX];
    size_t said_length;
};

/* ---- what is handed over ------------------------------------------------------------------- */

/* Descriptors of a virtual server, of all workers; the caller closes them. < 0: a negative errno. */
static int copy_sockets(struct gateway *gateway, size_t virtual_server, int *fds)
{
    int count = 0;

    for (unsigned i = 0; i < gateway->workers_started; i++) {
        int r = worker_copy_sockets(&gateway->workers[i], virtual_server, fds + count,
                                    SOCKETS_MAX - (unsigned)count);

        if (r < 0) {
            while (count > 0)
                (void)close(fds[--count]);
            return r;
        }
        count += r;
    }
    return count;
}

static json_t *describe(const struct virtual_server *virtual_server, int sockets_count)
{
    char configured[ADDR_TEXT_MAX], address[ADDR_TEXT_MAX];

    return json_pack(
        "{s:s, s:s, s:s, s:i}", "kind", handover_kind_name(virtual_server->kind), "configured",
        addr_format(&virtual_server->configured, configured, sizeof(configured)), "address",
        addr_format(&virtual_server->address, address, sizeof(address)), "sockets", sockets_count);
}

static int send_keys(struct gateway *gateway, int socket)
{
    unsigned char keys[TLS_TICKET_KEYS_BYTES_MAX];
    size_t count = tls_ticket_keys_save(gateway->hop.ticket_keys, keys);
    int r = handover_send_bytes(socket, keys, count);

    explicit_bzero(keys, sizeof(keys));
    return r;
}

static int send_sockets(int socket, const int *fds, size_t count)
{
    int r = 0;

    for (size_t sent = 0; r == 0 && sent < count;) {
        struct handover_fds packet = { .count = count - sent < HANDOVER_FDS_MAX
                                                    ? count - sent
                                                    : HANDOVER_FDS_MAX };

        memcpy(packet.items, fds + sent, packet.count * sizeof(packet.items[0]));
        sent += packet.count;
        r = handover_send(socket, json_pack("{s:s}", "say", "sockets"), &packet);
    }
    return r;
}

static int send_all(struct gateway *gateway, json_t *addresses, const int *fds, size_t count)
{
    int socket = gateway->upgrade->successor.socket;
    const struct handover_fds own = { .items = { gateway->prefix.lock_fd, STDERR_FILENO },
                                      .count = 2 };
    json_t *message = json_pack(
        "{s:s, s:i, s:I, s:I, s:O}", "say", "take", "pid", (int)getpid(), "spool_files",
        (json_int_t)atomic_load(&gateway->hop.spool.files_count), "ticket_key_age_ms",
        (json_int_t)tls_ticket_keys_age_ms(gateway->hop.ticket_keys), "addresses", addresses);
    int r = handover_send(socket, message, &own);

    if (r == 0)
        r = send_keys(gateway, socket);
    return r == 0 ? send_sockets(socket, fds, count) : r;
}

/* 0 or a negative errno. */
static int hand_over(struct gateway *gateway)
{
    const struct snapshot *snapshot = gateway_newest(gateway);
    int *fds = malloc((snapshot->virtual_servers_count + 1) * SOCKETS_MAX * sizeof(*fds));
    json_t *addresses = json_array();
    size_t count = 0;
    int r;

    /* for the moment when nothing may fail any more; no reload comes before */
    gateway->upgrade->taken_count = snapshot->virtual_servers_count;
    gateway->upgrade->taken = calloc(snapshot->virtual_servers_count + 1, sizeof(bool));
    r = fds && addresses && gateway->upgrade->taken ? 0 : -ENOMEM;

    for (size_t i = 0; r >= 0 && i < snapshot->virtual_servers_count; i++) {
        r = copy_sockets(gateway, i, fds + count);
        if (r < 0)
            break;
        count += (size_t)r;
        json_array_append_new(addresses, describe(&snapshot->virtual_servers[i], r));
    }
    if (r >= 0)
        r = send_all(gateway, addresses, fds, count);
    while (count > 0)
        (void)close(fds[--count]);
    json_decref(addresses);
    free(fds);
    return r;
}

/* ---- failure ------------------------------------------------------------------------------- */

/* Each line of it, as the remarks of a refused reload. */
static json_t *remarks_of(char *said)
{
    json_t *list = json_array();
    char *rest = said;

    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (!*line)
            continue;
        for (char *at = line; *at; at++)
            if (*at < ' ' || *at > '~')
                *at = '?'; /* whatever binary this was: it is printed, and it need not be UTF-8 */
        log_error(LOG_LEVEL_ERROR, "upgrade: %s", line);
        json_array_append_new(list, json_string(line));
    }
    return list;
}

static void describe_end(const struct upgrade *upgrade, int status, char *into, size_t size)
{
    if (upgrade->given_up[0])
        snprintf(into, size, "%s; this process goes on as before", upgrade->given_up);
    else if (WIFSIGNALED(status))
        snprintf(
            into, size,
            "the new process was ended by signal %d (%s) before it served; this one goes on as "
            "before",
            WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(into, size,
                 "the new process ended with exit code %d before it served; this one goes on as "
                 "before",
                 WEXITSTATUS(status));
}

/* It may have put its own control socket and pid into the prefix. */
static void take_prefix_back(struct gateway *gateway)
{
    char error[256];
    int r = control_come_back(gateway->control);

    if (r < 0)
        log_error(LOG_LEVEL_ERROR, "upgrade: cannot make the control socket again: %s",
                  strerror(-r));
    if (prefix_write_pid(&gateway->prefix, error, sizeof(error)) < 0)
        log_error(LOG_LEVEL_ERROR, "upgrade: %s", error);
}

static void fail(struct gateway *gateway, int status)
{
    struct upgrade *upgrade = gateway->upgrade;
    bool bad_config = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_BAD_CONFIG;
    char error[320];
    json_t *remarks = remarks_of(upgrade->said);

    describe_end(upgrade, status, error, sizeof(error));
    log_error(LOG_LEVEL_ERROR, "upgrade failed: %s", error);
    if (upgrade->state == UPGRADE_GOING)
        take_prefix_back(gateway);
    upgrade_free(TAKE(gateway->upgrade));
    control_settle(gateway->control,
                   json_pack("{s:b, s:s, s:i, s:o}", "ok", 0, "error", error, "exit_code",
                             bad_config ? EXIT_BAD_CONFIG : 1, "remarks", remarks));
}

/* Its end is noticed as any other. */
static void give_up(struct upgrade *upgrade, const char *why)
{
    if (!upgrade->given_up[0])
        snprintf(upgrade->given_up, sizeof(upgrade->given_up), "%s", why);
    successor_kill(&upgrade->successor);
    upgrade->deadline_ms = UINT64_MAX;
}

/* ---- the way there ------------------------------------------------------------------------- */

static bool knows_format(const json_t *hello)
{
    const json_t *formats = json_object_get(hello, "formats");

    for (size_t i = 0; i < json_array_size(formats); i++)
        if (json_integer_value(json_array_get(formats, i)) == HANDOVER_FORMAT)
            return true;
    return false;
}

static void on_hello(struct gateway *gateway, const json_t *message)
{
    struct upgrade *upgrade = gateway->upgrade;
    char why[96];
    int r;

    if (!knows_format(message)) {
        give_up(upgrade, "the new binary takes nothing over from this version");
        return;
    }
    r = hand_over(gateway);
    upgrade->state = UPGRADE_PREPARING;
    if (r == 0)
        return;
    snprintf(why, sizeof(why), "the sockets cannot be handed over: %s", strerror(-r));
    give_up(upgrade, why);
}

static void on_prepared(struct upgrade *upgrade)
{
    upgrade->state = UPGRADE_GOING;
    /* when that fails it has ended, which is noticed as well */
    (void)handover_send(upgrade->successor.socket, json_pack("{s:s}", "say", "go"), NULL);
}

static void on_serving(struct gateway *gateway, const json_t *message)
{
    struct upgrade *upgrade = gateway->upgrade;
    const json_t *taken = json_object_get(message, "taken");
    char text[64];

    for (size_t i = 0; i < upgrade->taken_count; i++)
        upgrade->taken[i] = json_is_true(json_array_get(taken, i));
    upgrade->state = UPGRADE_LEFT;
    upgrade->deadline_ms = UINT64_MAX;
    gateway->draining = true;
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_hand_over(&gateway->workers[i], upgrade->taken);
    snprintf(text, sizeof(text), "MAINPID=%d", (int)upgrade->successor.pid);
    service_notify(text);
    successor_let_go(&upgrade->successor);
    prefix_leave(&gateway->prefix);
    log_error(LOG_LEVEL_NOTICE, "upgrade: process %d serves, this one drains",
              (int)upgrade->successor.pid);
    control_settle(gateway->control,
                   json_pack("{s:b, s:i, s:i, s:O*}", "ok", 1, "pid", (int)upgrade->successor.pid,
                             "former_pid", (int)getpid(), "version",
                             json_object_get(message, "version")));
    control_leave(gateway->control);
}

/* Before it serves, its exit code tells the rest. */
static void on_hang_up(struct upgrade *upgrade)
{
    successor_hang_up(&upgrade->successor);
    if (upgrade->state == UPGRADE_LEFT)
        log_error(LOG_LEVEL_NOTICE,
                  "upgrade: process %d, which has taken this one's place, has ended",
                  (int)upgrade->successor.pid);
}

static void on_message(struct gateway *gateway)
{
    struct upgrade *upgrade = gateway->upgrade;
    json_t *message = handover_receive(upgrade->successor.socket, NULL);

    if (!message)
        on_hang_up(upgrade);
    else if (upgrade->given_up[0])
        ; /* it does not know yet */
    else if (upgrade->state == UPGRADE_STARTING && handover_says(message, "hello"))
        on_hello(gateway, message);
    else if (upgrade->state == UPGRADE_PREPARING && handover_says(message, "prepared"))
        on_prepared(upgrade);
    else if (upgrade->state == UPGRADE_GOING && handover_says(message, "serving"))
        on_serving(gateway, message);
    else if (upgrade->state == UPGRADE_LEFT && handover_says(message, "stop"))
        gateway_stop(gateway);
    json_decref(message);
}

/* What it says before it serves: to our own standard error, and to who has asked. */
static bool relay(struct upgrade *upgrade)
{
    char text[4096];
    ssize_t n = read(upgrade->successor.stderr_fd, text, sizeof(text));
    size_t room = sizeof(upgrade->said) - 1 - upgrade->said_length;

    if (n <= 0)
        return false;
    (void)!write(STDERR_FILENO, text, (size_t)n); /* a closed one is nobody's loss */
    if ((size_t)n < room)
        room = (size_t)n;
    memcpy(upgrade->said + upgrade->said_length, text, room);
    upgrade->said_length += room;
    return true;
}

static void on_end(struct gateway *gateway)
{
    struct upgrade *upgrade = gateway->upgrade;
    int status = successor_reap(&upgrade->successor);

    while (upgrade->successor.stderr_fd >= 0 && relay(upgrade))
        continue;
    if (upgrade->state == UPGRADE_LEFT)
        log_error(LOG_LEVEL_ERROR,
                  "upgrade: process %d, which has taken this one's place, has ended",
                  (int)upgrade->successor.pid);
    else
        fail(gateway, status);
}

/* ---- polling ------------------------------------------------------------------------------- */

size_t upgrade_poll_fds(const struct upgrade *upgrade, struct pollfd *fds)
{
    if (!upgrade)
        return 0;
    /* poll passes over what is -1 */
    fds[0] = (struct pollfd){ .fd = upgrade->successor.stderr_fd, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = upgrade->successor.socket, .events = POLLIN };
    fds[2] = (struct pollfd){ .fd = upgrade->successor.pid_fd, .events = POLLIN };
    return UPGRADE_POLL_MAX;
}

int upgrade_timeout_ms(const struct upgrade *upgrade)
{
    uint64_t now_ms = clock_now_ms();

    if (!upgrade || upgrade->deadline_ms == UINT64_MAX)
        return -1;
    return upgrade->deadline_ms > now_ms ? (int)(upgrade->deadline_ms - now_ms) : 0;
}

void upgrade_on_poll(struct gateway *gateway, const struct pollfd *fds, size_t count)
{
    struct upgrade *upgrade = gateway->upgrade;
    char why[96];

    if (!upgrade || count == 0)
        return;
    if (fds[0].revents && !relay(upgrade))
        successor_close_stderr(&upgrade->successor);
    if (fds[1].revents)
        on_message(gateway);
    if (fds[2].revents) {
        on_end(gateway); /* the upgrade may be gone now */
        return;
    }
    if (clock_now_ms() < upgrade->deadline_ms)
        return;
    snprintf(why, sizeof(why), "the new process did not serve within %u s and was ended",
             upgrade->timeout_s);
    give_up(upgrade, why);
}

/* ---- the beginning ------------------------------------------------------------------------- */

bool upgrade_is_under_way(const struct gateway *gateway)
{
    return gateway->upgrade && gateway->upgrade->state != UPGRADE_LEFT;
}

/* NULL: it may. */
static const char *why_not(const struct gateway *gateway, char *text, size_t size)
{
    if (upgrade_is_under_way(gateway))
        return "another upgrade is under way";
    if (gateway->draining)
        return "the hop is draining";
    if (former_fd(gateway->former) >= 0) {
        snprintf(text, size,
                 "the process before this one, %d, still carries what it had at the last upgrade: "
                 "try again when it has ended (at most its hopgate_shutdown_timeout later)",
                 (int)gateway->former->pid);
        return text;
    }
    return getpid() == 1 ? "this hop is process 1, and whatever watches that would see it end: "
                           "replace the container instead"
                         : NULL;
}

/* NULL: it has begun. */
static const char *begin(struct gateway *gateway, const char *binary, unsigned timeout_s,
                         char *text, size_t size)
{
    const char *reason = why_not(gateway, text, size);
    struct upgrade *upgrade = reason ? NULL : calloc(1, sizeof(*upgrade));

    if (!upgrade)
        return reason ? reason : "out of memory";
    upgrade->timeout_s = timeout_s;
    upgrade->deadline_ms = clock_now_ms() + timeout_s * UINT64_C(1000);
    if (successor_start(&upgrade->successor, binary, text, size) < 0) {
        free(upgrade);
        return text;
    }
    gateway->upgrade = upgrade;
    log_error(LOG_LEVEL_NOTICE, "upgrade: process %d is started", (int)upgrade->successor.pid);
    return NULL;
}

json_t *upgrade_answer(struct gateway *gateway, const json_t *request)
{
    const char *binary = json_string_value(json_object_get(request, "binary"));
    json_int_t timeout_s = json_integer_value(json_object_get(request, "timeout_s"));
    char text[512];
    const char *reason;

    log_error(LOG_LEVEL_NOTICE, "upgrade asked for on the control socket");
    if (timeout_s < 1 || timeout_s > UPGRADE_TIMEOUT_S_MAX)
        timeout_s = UPGRADE_TIMEOUT_S;
    reason = begin(gateway, binary, (unsigned)timeout_s, text, sizeof(text));
    if (!reason)
        return json_null();
    log_error(LOG_LEVEL_ERROR, "upgrade refused: %s", reason);
    return json_pack("{s:b, s:s}", "ok", 0, "error", reason);
}

void upgrade_on_signal(struct gateway *gateway)
{
    char text[512];
    const char *reason = begin(gateway, NULL, UPGRADE_TIMEOUT_S, text, sizeof(text));

    if (reason)
        log_error(LOG_LEVEL_ERROR, "upgrade refused: %s", reason);
}

/* ---- the end ------------------------------------------------------------------------------- */

/* In GOING it may serve already: then it drains as this one does. */
void upgrade_cancel(struct gateway *gateway)
{
    struct upgrade *upgrade = gateway->upgrade;

    if (!upgrade_is_under_way(gateway))
        return;
    if (upgrade->state == UPGRADE_GOING)
        successor_end(&upgrade->successor);
    else
        give_up(upgrade, "this hop was told to end meanwhile");
}

void upgrade_free(struct upgrade *upgrade)
{
    if (!upgrade)
        return;
    successor_done(&upgrade->successor);
    free(upgrade->taken);
    free(upgrade);
}
