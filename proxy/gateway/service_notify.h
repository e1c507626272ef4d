/*
 * service_notify: tells systemd what state the hop is in (sd_notify(3), Type=notify).
 *
 * Role    one datagram to the socket that NOTIFY_SOCKET names; nothing without that variable
 * Owns    nothing
 * Thread  any
 *
 * Written here instead of linking libsystemd: the protocol is one text in one datagram.
 */
#ifndef PROXY_SERVICE_NOTIFY_H
#define PROXY_SERVICE_NOTIFY_H

/* state: "READY=1", "STOPPING=1", "WATCHDOG=1". A supervisor that cannot be reached is not our
 * failure. */
void service_notify(const char *state);

/* "RELOADING=1" with the time, as Type=notify-reload wants it; "READY=1" ends it. */
void service_notify_reloading(void);

#endif
