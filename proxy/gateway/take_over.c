/* The first moments of a process that an upgrade has started: whatever it needs, it takes from the
 * former process instead of making it. Without a former process the usual things are done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/worker/worker.h"
#include "proxy/worker/worker_handover.h"

bool gateway_open_prefix(struct gateway *gateway, const char *path)
{
    struct former *former = gateway->former;
    int lock_fd;

    if (!former)
        return prefix_open(&gateway->prefix, path, gateway->error, sizeof(gateway->error)) == 0;
    lock_fd = former->lock_fd;
    former->lock_fd = -1;
    return prefix_inherit(&gateway->prefix, path, lock_fd, gateway->error,
                          sizeof(gateway->error)) == 0;
}

bool gateway_open_spool_area(struct gateway *gateway, const char *path)
{
    struct spool_area *area = &gateway->hop.spool;
    char *error = gateway->error;

    return (gateway->former ? spool_area_join(area, path, gateway->former->spool_files_count, error,
                                              sizeof(gateway->error))
                            : spool_area_open(area, path, error, sizeof(gateway->error))) == 0;
}

void gateway_take_ticket_keys(struct gateway *gateway)
{
    struct former *former = gateway->former;

    if (!former)
        return;
    /* with keys of our own, clients have full handshakes */
    (void)tls_ticket_keys_restore(gateway->hop.ticket_keys, former->ticket_keys,
                                  former->ticket_keys_bytes, former->ticket_key_age_ms);
    explicit_bzero(former->ticket_keys, sizeof(former->ticket_keys));
}

/* The former process accepts from the same sockets until it is told that we do. */
static bool accept_on_all(struct gateway *gateway)
{
    const struct snapshot *snapshot = gateway_newest(gateway);
    int r = inherited_sockets_listen(snapshot->virtual_servers, snapshot->virtual_servers_count);
    bool done = r == 0;

    if (r < 0)
        snprintf(gateway->error, sizeof(gateway->error), "listen: %s", strerror(-r));
    for (unsigned i = 0; done && i < gateway->workers_started; i++)
        done = worker_accept(&gateway->workers[i]);
    return done;
}

/* Accepting comes last: who has been accepted must not lose us again. When it fails, the former process
 * puts its socket and pid back into the prefix, which we leave as it is. */
static bool replace_former(struct gateway *gateway)
{
    /* the lock is held, whatever the file says */
    if (prefix_write_pid(&gateway->prefix, gateway->error, sizeof(gateway->error)) < 0)
        log_error(LOG_LEVEL_ERROR, "upgrade: %s", gateway->error);
    if (accept_on_all(gateway))
        return true;
    control_leave(gateway->control);
    prefix_leave(&gateway->prefix);
    return false;
}

bool gateway_begin_to_serve(struct gateway *gateway, int signals_fd)
{
    int r;

    if (gateway->former &&
        !former_wait(gateway->former, signals_fd, gateway->error, sizeof(gateway->error)))
        return false;
    r = control_publish(gateway->control);
    if (r < 0)
        snprintf(gateway->error, sizeof(gateway->error), "cannot name the control socket: %s",
                 strerror(-r));
    return r == 0 && (!gateway->former || replace_former(gateway));
}

void gateway_tell_former(struct gateway *gateway)
{
    if (!gateway->former)
        return;
    log_error(LOG_LEVEL_NOTICE, "upgrade: this process serves in place of %d",
              (int)gateway->former->pid);
    former_replace(gateway->former);
}
